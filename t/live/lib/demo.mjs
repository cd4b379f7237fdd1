// The demo, run as a visitor runs it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Log } from './log.mjs';
import { MODULE, NGINX } from './nginx.mjs';
import { freePort } from './ports.mjs';
import { within } from './wait.mjs';

const RUN = fileURLToPath(new URL('../../../js/demo/run', import.meta.url));
const START = 20_000;

export class Demo {
  static async start() {
    const demo = new Demo(await freePort());

    await demo.#untilItRuns();

    return demo;
  }

  constructor(port) {
    this.port = port;
    this.#prefix = fs.mkdtempSync(path.join(os.tmpdir(), 'presence-demo-'));
    fs.chmodSync(this.#prefix, 0o755);    /* its workers may be nobody */
    this.#process = spawn(RUN, {
      env: {
        ...process.env, NGINX, MODULE, PORT: `${port}`, PREFIX: this.#prefix,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#exit = once(this.#process, 'exit');
    this.#process.stdout.on('data', (text) => { this.#said += text; });
    this.#process.stderr.on('data', (text) => { this.#said += text; });
    process.on('exit', () => this.#process.kill());
  }

  page(name) {
    return `http://127.0.0.1:${this.port}/${name}`;
  }

  get target() {
    return { proto: 'h1', port: this.port };
  }

  /* As by Ctrl-C. Returns what went wrong. */
  async stop() {
    this.#process.kill('SIGINT');
    await within(this.#exit, START, `the demo's end\n${this.#said}`);

    const faults = new Log(this.#log).faults();

    if (faults.length === 0) {
      fs.rmSync(this.#prefix, { recursive: true });
    }

    return faults;
  }

  async #untilItRuns() {
    const isUp = new Promise((done) => {
      this.#process.stdout.on('data', () => {
        const logs = /Logs are in (.*?)\.\s/.exec(this.#said);

        if (logs) {
          this.#log = path.join(logs[1], 'error.log');
          done();
        }
      });
    });
    const failed = this.#exit.then(() => {
      throw new Error(`the demo has ended: ${this.#said}`);
    });

    await within(Promise.race([isUp, failed]), START,
      `the demo runs\n${this.#said}`);
    failed.catch(() => { /* it may end now */ });
  }

  #prefix;
  #process;
  #exit;
  #log;
  #said = '';
}
