// A master with two replicas and three Sentinels, nodes that find the master
// by them, and a balancer before the nodes.

import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { Nodes } from './nodes.mjs';
import { freePort } from './ports.mjs';
import { Redis, run } from './redis.mjs';
import { Scene } from './scenario.mjs';
import { SECOND } from './scale.mjs';
import { until } from './wait.mjs';

const MASTER = 'presence';
const DOWN_AFTER = 1000;
const FAILOVER = 30 * SECOND;

class Sentinel {
  static async start(master, lines) {
    const sentinel = new Sentinel(await freePort());

    fs.writeFileSync(path.join(sentinel.#dir, 'sentinel.conf'),
      [`port ${sentinel.port}`, 'bind 127.0.0.1', `dir ${sentinel.#dir}`,
        `sentinel monitor ${MASTER} 127.0.0.1 ${master} 2`,
        `sentinel down-after-milliseconds ${MASTER} ${DOWN_AFTER}`,
        `sentinel failover-timeout ${MASTER} 6000`,
        ...lines].join('\n'));

    await sentinel.start();

    return sentinel;
  }

  constructor(port) {
    this.port = port;
    this.#dir = fs.mkdtempSync(path.join(os.tmpdir(), 'presence-sentinel-'));
  }

  async start() {
    this.#child = await run('redis-sentinel',
      [path.join(this.#dir, 'sentinel.conf')], '+monitor master');
  }

  async stop() {
    if (this.isUp) {
      const exit = once(this.#child, 'exit');

      this.#child.kill('SIGKILL');
      await exit;
    }
  }

  get isUp() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  freeze() {
    this.#child.kill('SIGSTOP');
  }

  thaw() {
    this.#child.kill('SIGCONT');
  }

  async close() {
    this.thaw();
    await this.stop();
    fs.rmSync(this.#dir, { recursive: true, force: true });
  }

  #child;
  #dir;
}

export class SentinelNodes extends Nodes {
  constructor(t, site) {
    super(t, { count: 3, ...site });
    this.#site = site;
  }

  async open() {
    await super.open();

    const servers = this.all.map((node) =>
      `server 127.0.0.1:${node.nginx.ports.h1} max_fails=0;`).join(' ');

    this.balancer = new Scene(this.t, {
      workers: 1,
      http: `upstream nodes { ${servers} }`,
      server: `location = /presence/beat {
        proxy_pass http://nodes;
        proxy_next_upstream error timeout non_idempotent;
        proxy_connect_timeout 200ms;
        proxy_read_timeout 400ms;
      }`,
    });
    await this.balancer.open();
  }

  async openRedis() {
    const { args = [], sentinel = [] } = this.#site;

    this.redis = await Redis.start({ args });
    this.servers = [this.redis];

    for (let n = 0; n < 2; n++) {
      this.servers.push(await Redis.start({ args: [...args,
        '--replicaof', '127.0.0.1', `${this.redis.port}`] }));
    }

    /* one after the other, for the ports */
    for (let n = 0; n < 3; n++) {
      this.sentinels.push(await Sentinel.start(this.redis.port, sentinel));
    }

    this.client = await this.redis.client(this.#site.client);
    this.asker = await this.redis.client({ url:
      `redis://127.0.0.1:${this.sentinels[2].port}` });

    await until(async () => {
      const { replicas, peers } = await this.known();

      return replicas === 2 && peers === 2;
    }, FAILOVER, 'all Sentinels know of all');
  }

  async known() {
    const list = await this.asker.sendCommand(['SENTINEL', 'MASTER', MASTER]);
    const at = (name) => +list[list.indexOf(name) + 1];

    return { replicas: at('num-slaves'), peers: at('num-other-sentinels') };
  }

  async way() {
    const hosts = this.sentinels.map((s) => `127.0.0.1:${s.port}`);

    return { lines: { redis:
      `sentinel://${this.#site.login ?? ''}${hosts}/${MASTER}`,
    ...this.#site.lines } };
  }

  /* Until there is another master, and all nodes follow the changes there. */
  async failedOver(nodes = this.up) {
    const old = this.redis;

    await until(async () => {
      const [, port] = await this.asker.sendCommand(
        ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER]);

      this.redis = this.servers.find((server) => server.port === +port);

      return this.redis !== old;
    }, FAILOVER, 'another master');

    this.client = await this.redis.client(this.#site.client);
    await this.untilUp(nodes);
  }

  async close(failure) {
    const faults = await this.balancer?.close(failure) ?? [];

    return [...faults, ...await super.close(failure)];
  }

  async closeRedis() {
    for (const server of [...this.sentinels, ...this.servers ?? []]) {
      await server.close();
    }
  }

  sentinels = [];
  #site;
}
