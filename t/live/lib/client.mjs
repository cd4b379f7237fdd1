// The client as it is, in a process of its own, where there is no page: it
// beats, and says in "diag" what became of that.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { isStopped } from './process.mjs';
import { until, within } from './wait.mjs';

const PROGRAM = fileURLToPath(new URL('client-process.mjs', import.meta.url));
const START = 20_000;

const running = new Set();

/* Whatever happens to the tests. */
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Client {
  /* origin: where the server is, or what is before it; options: the client's. */
  static async start(origin, user, options = {}) {
    const client = new Client(origin, user, options);

    await within(client.#answered, START, `an answer to "${user}"`);

    return client;
  }

  constructor(origin, user, options) {
    this.#process = fork(PROGRAM,
      [JSON.stringify({ url: `${origin}/presence/`, user, options })]);
    this.#answered = once(this.#process, 'message');
    this.#exit = once(this.#process, 'exit');
    running.add(this.#process);
  }

  /* Nothing of it runs, and the clocks go on. */
  async stop() {
    this.#process.kill('SIGSTOP');
    await until(() => isStopped(this.#process.pid), START, 'it is stopped');
  }

  go() {
    this.#process.kill('SIGCONT');
  }

  /* It dies, with no goodbye. */
  async kill() {
    this.#process.kill('SIGKILL');
    await this.#exit;
    running.delete(this.#process);
  }

  #process;
  #answered;
  #exit;
}
