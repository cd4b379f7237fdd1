// WebDriver BiDi over a WebSocket, which Node.js 18 has no client for.

import { EventEmitter } from 'node:events';

import { installed } from './installed.mjs';
import { within } from './wait.mjs';

const ANSWER = 30_000;

export class Bidi {
  static async connect(url) {
    const { WebSocket } = installed('ws');
    const socket = new WebSocket(`${url}/session`);

    await within(new Promise((done, fail) => {
      socket.once('open', done);
      socket.once('error', fail);
    }), ANSWER, `a connection to ${url}`);

    return new Bidi(socket);
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on('message', (text) => this.#take(JSON.parse(text)));
    socket.on('close', () => this.#end());
    socket.on('error', () => { /* it closes */ });
  }

  send(method, params = {}) {
    const id = ++this.#lastId;
    const answer = new Promise((done, fail) => {
      this.#calls.set(id, { method, done, fail });
      this.#socket.send(JSON.stringify({ id, method, params }), (error) =>
        error && fail(error));
    });

    return within(answer, ANSWER, `an answer to ${method}`);
  }

  on(method, fn) {
    this.#events.on(method, fn);
  }

  #take({ id, type, method, params, result, error, message }) {
    if (type === 'event') {
      this.#events.emit(method, params);
      return;
    }

    const call = this.#calls.get(id);

    this.#calls.delete(id);

    if (type === 'success') {
      call.done(result);
    } else {
      call.fail(new Error(`${call.method}: ${error}: ${message}`));
    }
  }

  #end() {
    for (const { method, fail } of this.#calls.values()) {
      fail(new Error(`${method}: the browser has ended`));
    }

    this.#calls.clear();
  }

  #socket;
  #lastId = 0;
  #calls = new Map();
  #events = new EventEmitter().setMaxListeners(0);
}
