// A Redis Cluster of our own, with as many replicas as masters, and nodes that
// use it.

import * as one from './nodes.mjs';
import { freePort } from './ports.mjs';
import { Redis } from './redis.mjs';
import { SECOND } from './scale.mjs';
import { until } from './wait.mjs';

const SLOTS = 16384;

/* A master that is silent for so long has failed. */
const NODE_TIMEOUT = 1000;

export const scenario = (title, site, body) =>
  one.scenario(title, { Nodes: ClusterNodes, ...site }, body);

export class Cluster {
  servers = [];

  /* tls: how the servers speak TLS as well. */
  static async start({ masters = 3, replicas = 1, args = [], login = '',
    host = '127.0.0.1', tls } = {}) {
    const cluster = new Cluster();

    cluster.#login = login;
    cluster.#host = host;
    cluster.#tls = tls;

    cluster.servers = await Promise.all(Array.from(
      { length: masters * (1 + replicas) }, () => cluster.#server(args)));
    await cluster.#join(masters);

    return cluster;
  }

  get url() {
    return `cluster${this.#tls ? 's' : ''}://${this.#login}${this.servers
      .slice(0, 2).map(({ reach }) => `${this.#host}:${reach}`).join(',')}`;
  }

  get up() {
    return this.servers.filter((server) => server.isUp);
  }

  /* Masters that have slots, as those say who are alive: [{ server, from,
     to }]. */
  async ranges() {
    const answer = await this.up.at(-1).db.sendCommand(['CLUSTER', 'SLOTS']);

    return answer.map(([from, to, [, port]]) => ({ from, to,
      server: this.servers.find((server) => server.port === port) }));
  }

  async masters() {
    return [...new Set((await this.ranges()).map((r) => r.server))]
      .filter((server) => server.isUp);
  }

  async masterOf(key) {
    const slot = await this.slotOf(key);
    const range = (await this.ranges())
      .find(({ from, to }) => from <= slot && slot <= to);

    return range?.server;
  }

  slotOf(key) {
    return this.up[0].db.sendCommand(['CLUSTER', 'KEYSLOT', key]);
  }

  async call(key, ...args) {
    return (await this.masterOf(key)).db.sendCommand(args);
  }

  async kill(server) {
    server.isUp = false;
    await server.stop('SIGKILL');
  }

  /* None of the servers takes that one for a master any more. */
  async untilReplaced(lost) {
    await until(async () => !(await this.ranges()).some(
      ({ server }) => server === lost), 60 * SECOND, 'a new master');
    await this.untilWell();
  }

  /* All slots are served, and all servers say so. */
  untilWell(servers = this.up) {
    return until(async () => {
      const infos = await Promise.all(servers.map((server) =>
        server.db.sendCommand(['CLUSTER', 'INFO'])));

      return infos.every((info) => info.includes('cluster_state:ok')
        && info.includes(`cluster_slots_ok:${SLOTS}`));
    }, 30 * SECOND, 'a cluster that is well');
  }

  async close() {
    await Promise.all(this.servers.map((server) => server.close()));
  }

  async #server(args) {
    const tls = this.#tls;
    const bus = await freePort();
    const reach = tls && await freePort();
    const more = tls ? ['--tls-port', `${reach}`, ...tls] : [];
    const server = await Redis.start({ args: ['--cluster-enabled', 'yes',
      '--cluster-port', `${bus}`, '--cluster-config-file', 'nodes.conf',
      '--cluster-node-timeout', `${NODE_TIMEOUT}`,
      '--cluster-replica-validity-factor', '0',
      '--cluster-allow-replica-migration', 'no',
      '--repl-diskless-sync-delay', '0', ...more, ...args] });

    server.bus = bus;
    server.reach = reach ?? server.port;
    server.db = await server.client({ socket: { reconnectStrategy: false } });
    server.id = await server.db.sendCommand(['CLUSTER', 'MYID']);
    server.isUp = true;

    return server;
  }

  #login;
  #host;
  #tls;

  async #join(masters) {
    const [first, ...others] = this.servers;
    const all = this.servers.length;

    await Promise.all(this.servers.slice(0, masters).map((server, n) =>
      server.db.sendCommand(['CLUSTER', 'ADDSLOTSRANGE',
        `${Math.floor(n * SLOTS / masters)}`,
        `${Math.floor((n + 1) * SLOTS / masters) - 1}`])));
    await Promise.all(this.servers.map((server, n) =>
      server.db.sendCommand(['CLUSTER', 'SET-CONFIG-EPOCH', `${n + 1}`])));
    await Promise.all(others.map((server) => server.db.sendCommand(['CLUSTER',
      'MEET', '127.0.0.1', `${first.reach}`, `${first.bus}`])));

    await until(async () => {
      const infos = await Promise.all(this.servers.map((server) =>
        server.db.sendCommand(['CLUSTER', 'INFO'])));

      return infos.every((info) =>
        info.includes(`cluster_known_nodes:${all}`));
    }, 30 * SECOND, 'servers that know each other');

    await Promise.all(this.servers.slice(masters).map((replica, n) =>
      this.#replicate(replica, this.servers[n % masters])));

    await this.untilWell();
  }

  async #replicate(replica, master) {
    await until(() => replica.db.sendCommand(['CLUSTER', 'REPLICATE',
      master.id]).then(() => true, () => false), 30 * SECOND, 'a replica');
    await until(async () => (await replica.db.sendCommand(['INFO',
      'replication'])).includes('master_link_status:up'), 30 * SECOND,
    'a replica that follows');
  }
}

export class ClusterNodes extends one.Nodes {
  constructor(t, { cluster, ...site }) {
    super(t, site);
    this.#options = cluster;
  }

  async openRedis() {
    this.redis = await Cluster.start(this.#options);
  }

  /* The servers tell a node their addresses: no proxy is in between. */
  async way() {
    return { lines: { redis: this.redis.url, ...this.#options?.lines } };
  }

  /* All nodes that run follow the changes of all masters. */
  untilUp(nodes = this.up, ms = 20 * SECOND) {
    return until(async () => {
      const lists = await Promise.all((await this.redis.masters())
        .map((server) => server.db.clientList()));

      return lists.length && lists.every((list) => list
        .filter((c) => c.cmd === 'xread').length >= nodes.length);
    }, ms, 'nodes that follow the changes of all masters');
  }

  async record(user) {
    const flat = await this.redis.call(this.key(user), 'HGETALL',
      this.key(user));

    return Object.fromEntries(Array.from({ length: flat.length / 2 },
      (_, n) => [flat[2 * n], flat[2 * n + 1]]));
  }

  async presentInRedis() {
    const users = [];

    for (const { db } of await this.redis.masters()) {
      for await (const key of db.scanIterator({
        MATCH: 'presence:agents:*user:*', COUNT: 1000 })) {
        const { status, user } = await db.hGetAll(key);

        if (user && status !== 'offline') {
          users.push(user);
        }
      }
    }

    return users.sort();
  }

  /* Users whose keys are in that server's slots, for as many as there are
     names. */
  async usersOf(server, names) {
    const owners = await Promise.all(names.map((name) =>
      this.redis.masterOf(this.key(name))));

    return names.filter((_, n) => owners[n] === server);
  }

  #options;
}
