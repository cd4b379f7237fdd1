// Tabs that beat by themselves, on a thread of their own: what the test's
// thread is busy with does not make them late.

import { Worker } from 'node:worker_threads';

export class Beater {
  /* tab: { target, person, fields } and either { every, times } or
     { plan: [{ at, …fields }] } with times counted from its start. Resolves
     when the first beat is answered. */
  async start(tab) {
    return new Tab(this, await this.ask('start', tab));
  }

  ask(command, argument) {
    this.#thread ??= this.#begin();
    this.#thread.ref();

    return new Promise((done) => {
      this.#calls.set(++this.#call, done);
      this.#thread.postMessage({ call: this.#call, command, argument });
    });
  }

  #begin() {
    const thread = new Worker(new URL('./beater-thread.mjs', import.meta.url));

    thread.on('message', ({ call, value }) => {
      this.#calls.get(call)(value);
      this.#calls.delete(call);

      if (this.#calls.size === 0) {
        thread.unref();
      }
    });
    thread.on('error', (error) => {
      throw error;
    });

    return thread;
  }

  #thread;
  #calls = new Map();
  #call = 0;
}

class Tab {
  constructor(beater, { id, reply }) {
    this.#beater = beater;
    this.#id = id;
    this.reply = reply;
  }

  /* Other fields from the next beat on. */
  set(fields) {
    return this.#beater.ask('set', { id: this.#id, fields });
  }

  /* No more beats. Resolves when the last one is answered, with all that it
     did: [{ due, sent, got, status, body, error }]. */
  stop() {
    return this.#beater.ask('stop', { id: this.#id });
  }

  beats() {
    return this.#beater.ask('beats', { id: this.#id });
  }

  /* Resolves when a tab with a number of times has done them all. */
  done() {
    return this.#beater.ask('done', { id: this.#id });
  }

  #beater;
  #id;
}

/* How late the tab itself was: if this is large, look no further. */
export const lateness = (beats) =>
  Math.max(0, ...beats.map((b) => b.sent - b.due));
