// Who uses how much of which CPU.

import fs from 'node:fs';

import { pass } from '../../live/lib/wait.mjs';

const read = (path) => fs.readFileSync(path, 'utf8');

const TICK = 10_000_000;    /* nanoseconds; the kernel's unit in /proc */

/* "0-1,4" */
function allowed() {
  const list = /Cpus_allowed_list:\s*(\S+)/.exec(read('/proc/self/status'))[1];

  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);

    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

const cpus = allowed();

export const SERVER_CPU = cpus[0];
export const LOAD_CPU = cpus[1] ?? cpus[0];

function readIfThere(path) {
  try {
    return read(path);
  } catch {
    return '';
  }
}

/* Nanoseconds that a process has run; none if it has gone. Not each kernel
   counts them: then it is clock ticks. */
export function ran(pid) {
  const exact = readIfThere(`/proc/${pid}/schedstat`);

  if (exact) {
    return +exact.split(' ')[0];
  }

  const stat = readIfThere(`/proc/${pid}/stat`);
  const [user = 0, system = 0] =
    stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 13);

  return (+user + +system) * TICK;
}

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

function busy() {
  const [, user, nice, system, , , irq, softirq, steal] =
    read('/proc/stat').split('\n')[0].split(/\s+/).map(Number);

  return sum([user, nice, system, irq, softirq, steal]) * TICK;
}

const LOOK = 200;       /* milliseconds */
const CALM = 0.1;       /* CPUs */

/* Waits until others leave the machine alone, but no longer than PATIENCE, in
   seconds: then the figures have to do as they are. */
export async function calm() {
  const end = performance.now() + 1000 * (process.env.PATIENCE ?? 3);

  do {
    const before = busy();
    const start = performance.now();

    await pass(LOOK);

    if ((busy() - before) / 1e6 < CALM * (performance.now() - start)) {
      return;
    }
  } while (performance.now() < end);
}

let ours = 0;

/* Adds the CPU time of our own processes, once they are done. */
export const account = (ns) => { ours += ns; };

/* CPUs that others keep busy, from now until the answer is asked for. */
export function elsewhere() {
  const start = { at: process.hrtime.bigint(), busy: busy(), ours };

  return () => {
    const time = Number(process.hrtime.bigint() - start.at);
    const others = busy() - start.busy - (ours - start.ours);

    return Math.max(0, others / time);
  };
}
