// The server that only writes, in the place of nginx.

import { spawn } from 'node:child_process';

import { freePort } from '../../live/lib/ports.mjs';
import { account, ran, SERVER_CPU } from './cpu.mjs';
import { PROGRAMS } from './load.mjs';

export class Ceiling {
  static async start() {
    return new Ceiling(await freePort());
  }

  constructor(port) {
    this.port = port;
    this.#child = spawn('taskset', ['-c', SERVER_CPU, `${PROGRAMS}ceiling`,
      port], { stdio: 'inherit' });
    process.on('exit', () => this.#child.kill());
  }

  ran() {
    return ran(this.#child.pid);
  }

  stop() {
    account(this.ran());
    this.#child.kill();
  }

  #child;
}
