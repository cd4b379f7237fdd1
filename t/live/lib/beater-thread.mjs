// The beater's thread. Beats are due at start + n x every, so lateness does
// not add up.

import os from 'node:os';
import { parentPort } from 'node:worker_threads';

import { beat } from './beat.mjs';
import { wireTo } from './wire.mjs';

/* A client's own retry after a broken connection, and how often. */
const RETRY = 20;
const RETRIES = 10;

const tabs = new Map();
let nextId = 1;

try {
  os.setPriority(0, -10);    /* this thread; only root may */
} catch { /* as it is, then */ }

const pass = (ms) => new Promise((done) => setTimeout(done, ms));

class Tab {
  constructor({ target, person, fields, every, times = Infinity, plan }) {
    this.wire = wireTo(target);
    this.person = person;
    this.fields = fields;
    this.every = every;
    this.times = plan?.length ?? times;
    this.plan = plan;
    this.beats = [];
    this.flying = new Set();
    this.start = Date.now();
    this.first = this.#beat(this.start);
    this.finished = new Promise((done) => {
      this.finish = done;
    });
    this.#arm();
  }

  async stop() {
    clearTimeout(this.timer);
    this.finish();
    await Promise.all(this.flying);
    this.wire.close();

    return this.beats;
  }

  #arm() {
    if (this.beats.length >= this.times) {
      Promise.all(this.flying).then(this.finish);
      return;
    }

    const n = this.beats.length;
    const due = this.start + (this.plan?.[n].at ?? n * this.every);

    this.timer = setTimeout(() => {
      this.#beat(due);
      this.#arm();
    }, Math.max(0, due - Date.now()));
  }

  #beat(due) {
    const { at: _, ...fields } = this.plan?.[this.beats.length] ?? {};
    const entry = { due, seq: this.beats.length + 1, fields };
    const flight = this.#send(entry).finally(
      () => this.flying.delete(flight));

    this.beats.push(entry);
    this.flying.add(flight);

    return flight;
  }

  async #send(entry) {
    for (let n = 0; n <= RETRIES; n++) {
      entry.sent = Date.now();

      try {
        const { status, body, got } = await beat(this.wire, this.person,
          { doc: 'd1', seq: entry.seq, ...this.fields, ...entry.fields });

        return Object.assign(entry, { status, body, got, error: undefined });
      } catch (error) {
        entry.error = error.message;
        await pass(RETRY);
      }
    }

    return entry;
  }
}

const commands = {
  async start(spec) {
    const id = nextId++;
    const tab = new Tab(spec);

    tabs.set(id, tab);

    return { id, reply: await tab.first };
  },

  set({ id, fields }) {
    Object.assign(tabs.get(id).fields, fields);
  },

  stop: ({ id }) => tabs.get(id).stop(),
  beats: ({ id }) => tabs.get(id).beats,
  done: ({ id }) => tabs.get(id).finished.then(() => tabs.get(id).beats),
};

parentPort.on('message', async ({ call, command, argument }) => {
  parentPort.postMessage(
    { call, value: await commands[command](argument) });
});
