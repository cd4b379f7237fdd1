// A scenario: a test with a server and clients of its own. At its end all are
// closed, and a fault in the log or on a stream fails it.

import assert from 'node:assert/strict';
import test from 'node:test';

import { beat, beatUnheard } from './beat.mjs';
import { Beater, lateness } from './beater.mjs';
import { Nginx } from './nginx.mjs';
import { allUsers, ask } from './query.mjs';
import * as scale from './scale.mjs';
import { Stream } from './stream.mjs';
import { wireTo } from './wire.mjs';

const TIMEOUT = 90_000;
const AGENTS = 'agents';

const beater = new Beater();

export function scenario(title, site, body) {
  test(title, { timeout: site.timeout ?? TIMEOUT }, async (t) => {
    const scene = new Scene(t, site);
    let failure = null;

    try {
      await scene.open();
      await body(scene);
    } catch (error) {
      failure = error;
    }

    const faults = await scene.close(failure);

    if (failure) {
      faults.forEach((fault) => t.diagnostic(fault));
      throw failure;
    }

    assert.deepEqual(faults, []);
  });
}

export class Scene {
  constructor(t, site) {
    this.t = t;
    this.zone = { ...scale.zone, ...site.zone };
    this.window = scale.windowOf(this.zone);
    this.#site = { ...site, zone: site.zone !== null && this.zone };
  }

  async open() {
    this.nginx = await Nginx.start(this.#site);
  }

  /* A tab that beats each interval, until stopped. */
  async tab(user, { every = this.zone.interval, times, plan, groups = AGENTS,
    target = 'h1', session = `${user}-tab`, ...fields } = {}) {
    const tab = await beater.start({
      target: this.nginx.target(target), person: { user, groups },
      every, times, plan, fields: { session, ...fields },
    });

    this.#tabs.push({ user, tab });

    return tab;
  }

  /* One beat. */
  beat(user, { groups = AGENTS, target = 'h1', wire = this.wire(target),
    session = `${user}-tab`, options, ...fields } = {}) {
    return beat(wire, { user, groups }, { session, ...fields }, options);
  }

  /* One beat whose reply is never read. Returns the socket. */
  beatUnheard(user, { session = `${user}-tab`, ...fields }) {
    return beatUnheard(this.nginx.target('h1'), { user, groups: AGENTS },
      { session, ...fields });
  }

  /* A dashboard: sees everybody unless told otherwise. */
  async stream({ user = 'admin', groups = AGENTS, view = '*', target = 'h1',
    ...options } = {}) {
    const stream = await Stream.open({
      target: this.nginx.target(target), person: { user, groups, view },
      ...options,
    });

    this.#streams.push(stream);

    return stream;
  }

  /* A dashboard that has its first state. */
  async dashboard(options) {
    const stream = await this.stream(options);

    assert.equal(stream.status, 200, stream.problem);
    await stream.waitFor((s) => s.states.length > 0 || s.count, 5000,
      'the first state');

    return stream;
  }

  async member(user) {
    const { body } = await ask(this.wire('h1'),
      { user: 'admin', groups: AGENTS, view: '*' }, 'users',
      { users: user });

    return body.members?.find((m) => m.user === user);
  }

  users(query) {
    return allUsers(this.wire('h1'),
      { user: 'admin', groups: AGENTS, view: '*' }, query);
  }

  async count(query) {
    return (await ask(this.wire('h1'),
      { user: 'admin', groups: AGENTS, view: '*' }, 'count', query)).body;
  }

  wire(target) {
    if (!this.#wires.has(target)) {
      this.#wires.set(target, wireTo(this.nginx.target(target)));
    }

    return this.#wires.get(target);
  }

  /* Connections of their own. */
  newWire(target) {
    const wire = wireTo(this.nginx.target(target));

    this.#wires.set(wire, wire);

    return wire;
  }

  /* Closes all streams, and keeps no more of them than their faults. */
  forgetStreams() {
    for (const stream of this.#streams) {
      stream.close();
      this.#faults.push(...stream.faults.slice(0, 5)
        .map((fault) => `stream: ${fault}`));
    }

    this.#streams = [];
  }

  async close(failure) {
    const faults = [];
    const streams = this.#streams;

    for (const { user, tab } of this.#tabs) {
      const late = lateness(await tab.stop());

      if (failure && late > 50) {
        faults.push(`the tab of "${user}" itself was ${late} ms late`);
      }
    }

    this.forgetStreams();
    faults.push(...this.#faults);
    this.#wires.forEach((wire) => wire.close());

    if (this.nginx) {
      faults.push(...await this.nginx.close());

      if (failure || faults.length > 0) {
        faults.push(`look in ${this.nginx.prefix}`,
          ...streams.slice(0, 3).map((s) => s.story()));
        faults.push(...this.nginx.log.lines(/\[(?!info|notice)/).slice(-20));
      } else {
        this.nginx.remove();
      }
    }

    return faults;
  }

  #site;
  #tabs = [];
  #streams = [];
  #faults = [];
  #wires = new Map();
}
