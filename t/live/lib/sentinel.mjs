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
const FAILOVER = 30 * SECOND;

/* What README.md says is what is run, but for addresses and times. */
const readme = fs.readFileSync(
  new URL('../../../README.md', import.meta.url), 'utf8');

function said(where) {
  const [, text] = new RegExp(`^# ${where}.*\n((?:[^#\`\n].*\n)+)`, 'm')
    .exec(readme);

  return text;
}

const [, upstream, location] = /^(upstream .*\n)([^]*)/.exec(
  said('and of the balancer'));
const [, zoneLines] = /\{ (.*) \}/.exec(said('nginx.conf'));

class Sentinel {
  static async start(master, lines, tls) {
    const sentinel = new Sentinel(await freePort());

    sentinel.reach = tls ? await freePort() : sentinel.port;

    fs.writeFileSync(path.join(sentinel.#dir, 'sentinel.conf'),
      [`port ${sentinel.port}`, 'bind 127.0.0.1', `dir ${sentinel.#dir}`,
        said('sentinel.conf').replace('10.0.0.1 6379', `127.0.0.1 ${master}`)
          .replace('5000', '1000'),
        `sentinel failover-timeout ${MASTER} 6000`,
        ...tls ? [`tls-port ${sentinel.reach}`, ...tls] : [],
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

    /* an nginx that knows nothing of presence */
    this.balancer = new Scene(this.t, {
      workers: 1,
      zone: null,
      http: upstream.replaceAll(/10\.0\.0\.(\d)/g, (_, n) =>
        `127.0.0.1:${this.all[n - 1].nginx.ports.h1} fail_timeout=1s`),
      server: location,
    });
    await this.balancer.open();
  }

  async openRedis() {
    const { sentinel = [], tls } = this.#site;
    const [name] = said('redis.conf').split(' ');

    this.redis = await this.#server();

    for (let n = 0; n < 2; n++) {
      await this.#server(`--${name}`, '127.0.0.1', `${this.redis.reach}`);
    }

    /* one after the other, for the ports */
    for (let n = 0; n < 3; n++) {
      this.sentinels.push(
        await Sentinel.start(this.redis.reach, sentinel, tls));
    }

    this.client = await this.redis.client(this.#site.client);
    this.asker = await this.redis.client({ url:
      `redis://127.0.0.1:${this.sentinels[2].port}`, ...this.#site.asker });

    await until(async () => {
      const { replicas, peers } = await this.known();

      return replicas === 2 && peers === 2;
    }, FAILOVER, 'all Sentinels know of all');
  }

  /* By TLS others reach it on another port than the test does. */
  async #server(...more) {
    const { args = [], tls } = this.#site;
    const reach = tls && await freePort();
    const by = tls ? [`tls-port ${reach}`, ...tls].flatMap((line) =>
      `--${line}`.split(' ')) : [];
    const server = await Redis.start({ args: [...args, ...by, ...more] });

    server.reach = reach ?? server.port;
    this.servers.push(server);

    return server;
  }

  async known() {
    const list = await this.asker.sendCommand(['SENTINEL', 'MASTER', MASTER]);
    const at = (name) => +list[list.indexOf(name) + 1];

    return { replicas: at('num-slaves'), peers: at('num-other-sentinels') };
  }

  async way() {
    const { tls, login = '', lines } = this.#site;
    const { redis, ...rest } = Object.fromEntries(
      zoneLines.split(/; */).filter(Boolean).map((line) => line.split(' ')));

    return { lines: {
      ...rest,
      redis: redis.replace(':', tls ? 's:' : ':').replace('//', `//${login}`)
        .replaceAll(/10\.0\.0\.(\d)/g, (_, n) =>
          `127.0.0.1:${this.sentinels[n - 1].reach}`),
      ...lines,
    } };
  }

  /* Until there is another master, and all nodes follow the changes there. */
  async failedOver(nodes = this.up) {
    const old = this.redis;

    await until(async () => {
      const [, port] = await this.asker.sendCommand(
        ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER]);

      this.redis = this.servers.find((server) => server.reach === +port);

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
    for (const server of [...this.sentinels, ...this.servers]) {
      await server.close();
    }
  }

  sentinels = [];
  servers = [];
  #site;
}
