// The processes of one browser, with a profile of its own, of which nothing is
// left behind.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { commandLine, processes } from './process.mjs';
import { until, within } from './wait.mjs';

const HOMES = fileURLToPath(new URL('../../../build/live/', import.meta.url));
const END = 10_000;

const running = new Set();

/* Whatever happens to the tests. */
process.on('exit', () => running.forEach((browser) => {
  browser.kill();
  browser.forget();
}));
['SIGINT', 'SIGTERM', 'SIGHUP'].forEach(
  (signal) => process.on(signal, () => process.exit(1)));

export class BrowserProcess {
  /* name: what its profile begins with. */
  constructor(name) {
    fs.mkdirSync(HOMES, { recursive: true });
    this.home = fs.mkdtempSync(path.join(HOMES, `${name}-`));
  }

  /* pipes: how many more than stdin, stdout and stderr. */
  start(program, args, pipes = 0) {
    this.#process = spawn(program, args, {
      detached: true,    /* a process group of its own */
      stdio: ['ignore', 'ignore', 'pipe', ...Array(pipes).fill('pipe')],
      env: { ...process.env, HOME: this.home, TMPDIR: this.home },
    });
    running.add(this);
    this.#process.on('error', (error) => { this.said += error; });
    this.#process.stderr.on('data', (text) => {
      this.said = (this.said + text).slice(-4000);
    });
    this.#exit = once(this.#process, 'close')
      .catch(() => { /* there is no such program */ });
  }

  /* The last that it wrote. */
  said = '';

  pipe(n) {
    return this.#process.stdio[3 + n];
  }

  get isUp() {
    return this.#process.exitCode === null
      && this.#process.signalCode === null;
  }

  /* All of them, those too that have left the group. */
  pids() {
    return processes()
      .filter(({ pid, group }) => group === this.#process.pid
        || commandLine(pid).includes(this.home))
      .map(({ pid }) => pid);
  }

  /* As a machine that sleeps does. */
  stop() {
    process.kill(-this.#process.pid, 'SIGSTOP');
  }

  go() {
    process.kill(-this.#process.pid, 'SIGCONT');
  }

  kill() {
    for (const pid of this.pids()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch { /* it went by itself */ }
    }
  }

  /* quit(): asks it to end. */
  async close(quit) {
    try {
      await within(quit(), END, 'the browser quits');
      await within(this.#exit, END, 'the browser has quit');
    } catch { /* not by itself */ }

    await until(() => {
      this.kill();

      return this.pids().length === 0;
    }, END, 'the end of all the browser\'s processes');
    this.forget();
  }

  forget() {
    running.delete(this);
    fs.rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }

  #process;
  #exit;
}
