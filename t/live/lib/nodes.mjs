// A scenario with several nodes and one Redis. Each node is a scene of its
// own, with a proxy between it and Redis.

import assert from 'node:assert/strict';
import test from 'node:test';

import { clockShifted } from './clock.mjs';
import { Proxy, Redis } from './redis.mjs';
import { Scene } from './scenario.mjs';
import { SECOND, windowOf } from './scale.mjs';
import { pass, until } from './wait.mjs';

const TIMEOUT = 120_000;

/* An interval of 500 ms: a node's own word in Redis is good for 600 ms. */
export const zone = {
  size: '8m', interval: 500, misses: 3, slack: 400, idle: 60_000,
  leave_grace: 400, max_interval: 500, stream_life: 0, redis_timeout: 1500,
  redis_connect_timeout: 1500,
};

export function scenario(title, site, body) {
  const { timeout = TIMEOUT, skip = false } = site;

  test(title, { timeout, skip }, async (t) => {
    const nodes = new (site.Nodes ?? Nodes)(t, site);
    let failure = null;

    try {
      await nodes.open();
      await body(nodes);
    } catch (error) {
      failure = error;
    }

    const faults = await nodes.close(failure);

    if (failure) {
      faults.forEach((fault) => t.diagnostic(fault));
      throw failure;
    }

    assert.deepEqual(faults, []);
  });
}

export class Nodes {
  all = [];

  /* clocks: seconds by which each node's wall clock is wrong. */
  constructor(t, { count = 2, args = [], workers = 1, zone: lines, clocks = [],
    ...site } = {}) {
    this.t = t;
    this.count = count;
    this.#args = args;
    this.#clocks = clocks;
    this.#site = { ...site, workers };
    this.zone = { ...zone, ...lines };
    this.window = windowOf(this.zone);
  }

  async open() {
    await this.openRedis();
    await Promise.all(Array.from({ length: this.count }, () => this.add()));
    await this.untilUp();
  }

  async openRedis() {
    this.redis = await Redis.start({ args: this.#args });
    this.client = await this.redis.client();
  }

  /* How a node gets to Redis. */
  async way() {
    const proxy = await Proxy.start(this.redis.port);

    return { proxy, lines: { redis: `redis://127.0.0.1:${proxy.port}` } };
  }

  async add() {
    const n = this.all.push(null) - 1;
    const { proxy, lines } = await this.way();
    const scene = new Scene(this.t, {
      ...this.#site,
      env: this.#clocks[n] ? clockShifted(this.#clocks[n]) : {},
      zone: { ...this.zone, node: `n${n}`, ...lines },
    });

    await scene.open();
    Object.assign(scene, { proxy, n, isUp: true });
    this.all[n] = scene;

    return scene;
  }

  /* All nodes that run follow the changes. */
  untilUp(nodes = this.up) {
    return until(async () => {
      const list = await this.client.clientList();

      return list.filter((c) => c.cmd === 'xread').length >= nodes.length;
    }, 10 * SECOND, 'nodes that follow the changes');
  }

  get up() {
    return this.all.filter((node) => node?.isUp);
  }

  dashboards(options) {
    return Promise.all(this.up.map((node) => node.dashboard(options)));
  }

  async kill(node) {
    node.isUp = false;
    node.nginx.log.allow(/./);
    await node.nginx.stop('SIGKILL');
  }

  /* Each user's hash is where a client of any language looks for it. */
  key(user, what = `user:${user}`) {
    const shard = `${crc32(user) % 100}`.padStart(2, '0');

    return `presence:agents:{${shard}}:${what}`;
  }

  record(user) {
    return this.client.hGetAll(this.key(user));
  }

  /* Names of those who are there, by each node and by Redis. */
  async present(node) {
    const { members } = await node.users({ groups: 'agents' });

    return members.filter((m) => m.status !== 'offline').map((m) => m.user)
      .sort();
  }

  async presentInRedis() {
    const users = [];

    for await (const key of this.client.scanIterator({
      MATCH: 'presence:agents:*user:*', COUNT: 1000 })) {
      const { status, user } = await this.client.hGetAll(key);

      if (status !== 'offline') {
        users.push(user);
      }
    }

    return users.sort();
  }

  async untilAgreed(users, ms = 3 * this.window + 2 * SECOND) {
    const expected = JSON.stringify([...users].sort());
    let seen;

    try {
      await until(async () => {
        /* a server that has just become master closes connections */
        seen = [await this.presentInRedis().catch((e) => [e.message]),
          ...await Promise.all(this.up.map((node) => this.present(node)))];

        return seen.every((list) => JSON.stringify(list) === expected);
      }, ms, 'nodes and Redis agree');
    } catch (error) {
      throw new Error(`${error.message}: ${JSON.stringify(seen)}`
        + ` instead of ${expected}`);
    }
  }

  pass = pass;

  async close(failure) {
    const faults = [];

    for (const node of this.all.filter(Boolean)) {
      faults.push(...await node.close(failure));
      node.proxy?.close();
    }

    await this.closeRedis();

    return faults;
  }

  async closeRedis() {
    await this.redis?.close();
  }

  #args;
  #clocks;
  #site;
}

export function crc32(text) {
  let crc = 0xffffffff;

  for (const byte of Buffer.from(text)) {
    crc ^= byte;

    for (let k = 0; k < 8; k++) {
      crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    }
  }

  return (crc ^ 0xffffffff) >>> 0;
}
