// Three nodes without Redis for longer than a window, and a balancer that
// sends each beat to any of them: each node hears a part of the beats.

import assert from 'node:assert/strict';

import { scenario } from './lib/nodes.mjs';
import { random } from './lib/random.mjs';
import { SECOND } from './lib/scale.mjs';
import { now, pass, until } from './lib/wait.mjs';

const STEADY = ['ann', 'bob', 'cal', 'dan', 'eve', 'fay', 'gus', 'reloads'];
const GOES = ['silent', 'left'];

/* Pages whose beats go anywhere. */
class Pages {
  constructor(nodes, pick) {
    this.#nodes = nodes;
    this.#pick = pick;
    this.#timer = setInterval(() => {
      for (const user of this.#docs.keys()) {
        this.beat(user).catch((error) => this.faults.push(error.message));
      }
    }, nodes.zone.interval);
  }

  faults = [];

  get any() {
    return this.#nodes.up[this.#pick(this.#nodes.up.length)];
  }

  async load(user, node = this.any) {
    this.#docs.set(user, { doc: `${user}-${++this.#n}`, seq: 0 });
    await this.beat(user, {}, node);
  }

  beat(user, fields = {}, node = this.any) {
    const page = this.#docs.get(user);

    return node.beat(user, { doc: page.doc, seq: ++page.seq, ...fields });
  }

  async leave(user, node) {
    await this.beat(user, { leave: true }, node);
    this.#docs.delete(user);
  }

  silence(user) {
    this.#docs.delete(user);
  }

  stop() {
    clearInterval(this.#timer);
  }

  #nodes;
  #pick;
  #timer;
  #n = 0;
  #docs = new Map();
}


scenario('no Redis for longer than a window, beats by chance on three nodes',
  { count: 3 }, async (nodes) => {
    const seed = +(process.env.SEED || Date.now() % 1e6);
    const pages = new Pages(nodes, random(seed));
    const dashes = await nodes.dashboards();
    const [a, b] = nodes.all;

    nodes.t.diagnostic(`SEED=${seed}`);
    nodes.t.after(() => pages.stop());

    for (const user of [...STEADY, ...GOES]) {
      await pages.load(user);
    }

    for (const dash of dashes) {
      await dash.waitFor(() => dash.members.present.length === 10, SECOND,
        'all are there');
    }

    await pass(nodes.window);
    nodes.all.forEach((node) => node.proxy.cut());
    await Promise.all(nodes.all.map((node) => until(
      () => node.nginx.log.lines(/does not serve/).length, 5 * SECOND,
      'a line in each log')));

    pages.silence('silent');
    await pages.leave('left');
    await pass(nodes.window);

    /* the page goes here, and comes there */
    await pages.leave('reloads', a);
    await pages.load('reloads', b);
    await pass(1.5 * nodes.window);

    for (const dash of dashes) {
      for (const user of STEADY) {
        assert.deepEqual(dash.news(user), ['enter'], dash.story());
      }
    }

    nodes.all.forEach((node) => node.proxy.heal());
    await nodes.untilUp();

    const back = now();

    /* told at the end of a window, in which others may tell of them */
    await Promise.all(dashes.map((dash) => Promise.all(GOES.map(
      (user) => dash.waitForChange(user, 'leave', nodes.window + SECOND)))));
    nodes.t.diagnostic(`gone ${Math.round(now() - back)} ms after its return`);

    await pass(nodes.window);
    await nodes.untilAgreed(STEADY);
    pages.stop();
    assert.deepEqual(pages.faults, []);

    for (const dash of dashes) {
      for (const user of STEADY) {
        assert.deepEqual(dash.news(user), ['enter'], dash.story());
      }

      for (const user of GOES) {
        assert.deepEqual(dash.news(user), ['enter', 'leave'], dash.story());
      }
    }
  });
