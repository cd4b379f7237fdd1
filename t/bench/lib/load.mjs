// The load programs: beats makes beats, readers reads streams, and ceiling is
// what they are compared with.

import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

import { account, LOAD_CPU } from './cpu.mjs';

const SOURCES = fileURLToPath(new URL('../load/', import.meta.url));
export const PROGRAMS =
  fileURLToPath(new URL('../../../build/bench/', import.meta.url));

export function build() {
  fs.mkdirSync(PROGRAMS, { recursive: true });

  for (const name of ['beats', 'readers', 'ceiling']) {
    execFileSync(process.env.CC ?? 'cc', ['-O2', '-Wall', '-Wextra', '-o',
      PROGRAMS + name, `${SOURCES}${name}.c`, `${SOURCES}common.c`],
    { stdio: 'inherit' });
  }
}

/* { until_refused: true, rate: 5 } → --until-refused --rate 5 */
function options(values) {
  return Object.entries(values).flatMap(([key, value]) => {
    const option = `--${key.replaceAll('_', '-')}`;

    return value === true ? [option] : [option, String(value)];
  });
}

async function run(name, values, ready = () => {}) {
  const child = spawn('taskset', ['-c', LOAD_CPU, PROGRAMS + name,
    ...options(values)], { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';

  child.stdout.on('data', (data) => {
    text += data;

    if (text.startsWith('ready\n')) {
      text = text.slice('ready\n'.length);
      ready();
      child.stdin.end('go\n');
    }
  });

  const status = await new Promise((done) => child.once('close', done));

  if (status !== 0) {
    throw new Error(`"${name} ${options(values).join(' ')}" failed`);
  }

  const result = JSON.parse(text);

  account(result.load_cpu * 1e9);

  return result;
}

/* What the server ran for it, in microseconds for each of "what". */
async function measured(server, name, values, what) {
  let before = server.ran();
  const result = await run(name, values, () => { before = server.ran(); });

  result.cpu_us = (server.ran() - before) / 1000 / result[what];

  return result;
}

export async function beats(server, values) {
  const result = await measured(server, 'beats',
    { port: server.port, ...values }, 'accepted');

  if (result.refused && !values.until_refused) {
    throw new Error('beats were refused');
  }

  return { ...result, rate: result.accepted / result.seconds };
}

export const readers = (server, values) => measured(server, 'readers',
  { port: server.port, ...values }, 'deliveries');

/* Each session beats once. */
export const fill = (server, sessions) =>
  beats(server, { sessions, count: sessions });
