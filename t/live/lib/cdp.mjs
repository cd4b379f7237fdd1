// The DevTools protocol over a pipe (--remote-debugging-pipe): messages of JSON
// that end in a NUL. It needs no WebSocket, which Node.js 18 does not have.

import { EventEmitter } from 'node:events';

import { within } from './wait.mjs';

/* No call of ours waits for a person, or for a page's promise, longer. */
const ANSWER = 30_000;

export class Cdp {
  constructor(toBrowser, fromBrowser) {
    this.#out = toBrowser;
    this.#out.on('error', () => { /* the browser went: its calls fail */ });
    fromBrowser.on('error', () => { /* as above */ });
    fromBrowser.on('data', (bytes) => this.#read(bytes));
    fromBrowser.on('close', () => this.#end());
  }

  /* sessionId: of an attached target; without it, of the browser itself. */
  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#lastId;
    const answer = new Promise((done, fail) => {
      this.#calls.set(id, { method, done, fail });
    });

    if (this.#ended) {
      this.#end();
    } else {
      this.#out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    }

    return within(answer, ANSWER, `an answer to ${method}`);
  }

  /* fn(params, sessionId). Returns what ends it. */
  on(method, fn) {
    this.#events.on(method, fn);

    return () => this.#events.off(method, fn);
  }

  #read(bytes) {
    this.#rest = Buffer.concat([this.#rest, bytes]);

    for (let end; (end = this.#rest.indexOf(0)) >= 0;) {
      const message = JSON.parse(this.#rest.subarray(0, end).toString());

      this.#rest = this.#rest.subarray(end + 1);
      this.#take(message);
    }
  }

  #take({ id, result, error, method, params, sessionId }) {
    if (id === undefined) {
      this.#events.emit(method, params, sessionId);
      return;
    }

    const call = this.#calls.get(id);

    this.#calls.delete(id);

    if (error) {
      call.fail(new Error(`${call.method}: ${error.message}`));
    } else {
      call.done(result);
    }
  }

  #end() {
    this.#ended = true;

    for (const { method, fail } of this.#calls.values()) {
      fail(new Error(`${method}: the browser has ended`));
    }

    this.#calls.clear();
  }

  #out;
  #rest = Buffer.alloc(0);
  #lastId = 0;
  #calls = new Map();
  #events = new EventEmitter().setMaxListeners(0);
  #ended = false;
}
