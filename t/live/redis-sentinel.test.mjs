// Three nodes behind a balancer, with Redis and Sentinel: any one process may
// be lost.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

import { Changer } from './lib/changer.mjs';
import { Names } from './lib/names.mjs';
import { scenario as any } from './lib/nodes.mjs';
import { freePort } from './lib/ports.mjs';
import { isAlive } from './lib/process.mjs';
import { Proxy, Redis } from './lib/redis.mjs';
import { SECOND } from './lib/scale.mjs';
import { SentinelNodes } from './lib/sentinel.mjs';
import { pass, until } from './lib/wait.mjs';

/* A failover takes about 3 seconds, and so less than a window, as in life. */
const zone = { interval: 1000, slack: 1000, max_interval: 1000,
  leave_grace: 1000 };

const STEADY = Array.from({ length: 20 }, (_, n) => `steady${n}`);
const TIMEOUT = 180_000;

const scenario = (title, site, body) =>
  any(title, { Nodes: SentinelNodes, timeout: TIMEOUT, zone, ...site }, body);

/* People who are there all the time, a dashboard on each node, and others who
   come and go. */
async function busy(nodes) {
  const dashes = await nodes.dashboards();
  const tabs = [];

  for (const user of STEADY) {
    tabs.push(await nodes.balancer.tab(user));
  }

  for (const dash of dashes) {
    await dash.waitFor(() => dash.members.present.length === STEADY.length,
      5 * SECOND, 'all are there');
  }

  const changer = new Changer(nodes.balancer);

  changer.start(20);

  return { dashes, tabs, changer };
}

/* Whatever happened: nobody of them was ever shown as gone, nobody who went
   is shown, and all that know say the same. */
async function proven(nodes, { dashes, tabs, changer }, present = STEADY) {
  await changer.stop();
  await nodes.untilAgreed(present, 4 * nodes.window + 5 * SECOND);

  for (const dash of dashes) {
    for (const user of STEADY) {
      const kinds = dash.news(user).filter((type) => type !== 'update');

      assert.deepEqual(kinds, ['enter'], `${user}\n${dash.story()}`);
    }

    await dash.waitFor(() => dash.members.present.length === present.length,
      5 * SECOND, 'nobody else');
    assert.deepEqual(dash.members.present, [...present].sort());
    assert.deepEqual(dash.faults, []);
  }

  for (const tab of tabs) {
    const beats = await tab.beats();

    assert.deepEqual(
      [...new Set(beats.filter((x) => x.got).map((x) => x.status))], [200]);
    assert.ok(beats.every((x) => !x.body?.recovered),
      JSON.stringify(beats.find((x) => x.body?.recovered)));
  }
}


/* What a failover may do, done by hand: all keys as they were before. */
any('a server lacks what the one before had told: it is told again',
  { count: 2 }, async (nodes) => {
    const [a, b] = nodes.all;
    const dashes = await nodes.dashboards();

    await a.tab('ann');
    await b.tab('bob');
    await a.beat('left');
    await a.beat('cal');

    for (const dash of dashes) {
      await dash.waitFor(() => dash.members.present.length === 4, SECOND,
        'four are there');
    }

    for (const key of await nodes.client.keys('presence:agents:{*')) {
      await nodes.client.copy(key, `kept:${key}`);
    }

    /* of another clock: what comes after it has an id before it */
    await nodes.client.xAdd(nodes.key('cal', 'changes'),
      `${Date.now() + 60_000}-0`, { v: '1' });

    const told = dashes.map((dash) => dash.of('ann').length);

    await a.beat('ann', { text: 'after' });
    await a.beat('left', { logout: true });

    for (const [n, dash] of dashes.entries()) {
      await dash.waitFor(() => dash.of('ann').length > told[n], SECOND,
        'a text');
      await dash.waitForChange('left', 'leave', SECOND);
    }

    nodes.all.forEach((node) => node.proxy.cut());
    await nodes.client.del(await nodes.client.keys('presence:*'));

    for (const key of await nodes.client.keys('kept:*')) {
      await nodes.client.rename(key, key.slice('kept:'.length));
    }

    nodes.all.forEach((node) => node.proxy.heal());
    await nodes.untilUp();

    await until(async () => (await nodes.record('ann')).text === 'after'
      && (await nodes.record('left')).status === 'offline', 5 * SECOND,
    'what was lost is there again');

    /* the look at everybody may tell of the first one */
    for (const text of ['one', 'two', 'three']) {
      await a.beat('cal', { text });

      for (const dash of dashes) {
        await dash.waitFor(() => dash.members.get('cal').text === text,
          SECOND, text);
      }
    }

    for (const dash of dashes) {
      assert.equal(dash.members.get('ann').text, 'after');
      assert.deepEqual(dash.news('left'), ['enter', 'leave']);
    }

    await nodes.untilAgreed(['ann', 'bob']);
  });


any('Redis is back for one node first: whom another one heard is not gone',
  { count: 2 }, async (nodes) => {
    const [a, b] = nodes.all;
    const dashes = await nodes.dashboards();

    await a.beat('ann');
    await dashes[1].waitForChange('ann', 'enter', SECOND);

    /* now they know of each other */
    await b.beat('bob');
    await dashes[0].waitForChange('bob', 'enter', SECOND);
    await pass(0.6 * nodes.window);
    nodes.all.forEach((node) => node.proxy.cut());

    const tab = await b.tab('ann');

    await pass(0.6 * nodes.window);
    a.proxy.heal();
    await nodes.untilUp([a]);
    await pass(0.5 * nodes.window);
    b.proxy.heal();
    await nodes.untilAgreed(['ann']);
    await pass(nodes.window);
    assert.deepEqual(dashes.map((dash) => dash.news('ann')),
      [['enter'], ['enter']], dashes[0].story());

    await tab.stop();

    for (const dash of dashes) {
      await dash.waitForChange('ann', 'leave', nodes.window + SECOND);
    }
  });


/* One that tells what it is told to. */
class Liar {
  polls = 0;
  lost = 0;       /* those who listened, and do so no more */
  allowsMessages = true;

  static async start(host, port) {
    const liar = new Liar();

    Object.assign(liar, { host, port });
    liar.#server = net.createServer((socket) => liar.#accept(socket));
    liar.#server.listen(await freePort(), '127.0.0.1').unref();
    await once(liar.#server, 'listening');

    return liar;
  }

  get url() {
    return `sentinel://127.0.0.1:${this.#server.address().port}/any`;
  }

  /* To all that listen, as it is on the wire. */
  say(text) {
    this.#ears.forEach((socket) => socket.write(text));
  }

  get isHeard() {
    return this.#ears.size > 0;
  }

  /* Nobody hears from it before it is connected to again. */
  hangUp() {
    this.#ears.forEach((socket) => socket.destroy());
  }

  #accept(socket) {
    socket.on('error', () => { /* it closes */ });
    socket.on('close', () => { this.lost += this.#ears.delete(socket); });
    socket.on('data', (data) => {
      if (/SUBSCRIBE/.test(data)) {
        socket.write(this.allowsMessages
          ? list('subscribe', '+switch-master').replace('*2', '*3') + ':1\r\n'
          : '-NOPERM this user has no permissions\r\n');
        this.allowsMessages && this.#ears.add(socket);
      } else {
        const asks = /SENTINEL/.test(data);

        socket.write(asks ? list(this.host, this.port) : '+PONG\r\n');
        this.polls += asks;
      }
    });
  }

  #ears = new Set();
  #server;
}

const list = (...words) => `*${words.length}\r\n` + words.map((word) =>
  `$${`${word}`.length}\r\n${word}\r\n`).join('');

/* The node goes by that Sentinel from now on. */
async function follow(node, redis, more = {}) {
  const workers = await node.nginx.reload({ ...node.nginx.site, ...more,
    zone: { ...node.zone, redis } });

  await until(() => !workers.some(isAlive), 10 * SECOND, 'old workers gone');
}

const untilServed = (node) => until(() => / serves$/.test(
  node.nginx.log.lines(/redis ".*" (does|serves)/).at(-1)), 10 * SECOND,
'it serves');

const untilFollowed = (client, ms) => until(async () =>
  (await client.clientList()).some(({ cmd }) => cmd === 'xread'), ms,
'a node that follows the changes there');


any('a Sentinel that names a replica is not followed there', { count: 1 },
  async (nodes) => {
    const [node] = nodes.all;
    const replica = await Redis.start({ args: ['--replicaof', '127.0.0.1',
      `${nodes.redis.port}`] });
    const old = await replica.client();

    nodes.t.after(() => replica.close());

    const liar = await Liar.start('127.0.0.1', replica.port);

    await follow(node, liar.url);
    await until(() => node.nginx.log.lines(
      /does not serve: the server that Sentinel names is not a master/).length,
    10 * SECOND, 'it is refused');
    assert.equal((await old.clientList())
      .filter(({ cmd }) => /^eval/.test(cmd)).length, 0);

    liar.port = nodes.redis.port;
    await untilServed(node);
    await node.beat('ann', { wire: node.newWire('h1') });
    await until(() => nodes.client.exists(nodes.key('ann')), SECOND, 'key');
  });


any('Sentinel\'s messages are followed at once, and its answers without them',
  { count: 1 }, async (nodes) => {
    const [node] = nodes.all;
    const other = await Redis.start();
    const there = await other.client();

    nodes.t.after(() => other.close());

    const liar = await Liar.start('127.0.0.1', nodes.redis.port);
    const polled = async () => {
      const { polls } = liar;

      await until(() => liar.polls > polls, 2 * SECOND, 'it is asked');
    };

    await follow(node, liar.url);
    await untilServed(node);
    await until(() => liar.isHeard, 2 * SECOND, 'somebody listens');

    /* it has just been asked, and without a message is so again in a second;
       on a slow machine a message is slow as well, but not each time */
    let told;

    for (let n = 0; n < 5 && !(told < SECOND / 2); n++) {
      const [port, client] = [[other.port, there],
        [nodes.redis.port, nodes.client]][n % 2];

      await polled();

      const from = Date.now();

      liar.port = port;
      liar.say(list('message', '+switch-master', 'any 127.0.0.1 1 127.0.0.1 2'));
      await untilFollowed(client, 10 * SECOND);
      told = Date.now() - from;
    }

    nodes.t.diagnostic(`followed after ${told} ms`);
    assert.ok(told < SECOND / 2);

    /* what is no message does no harm */
    for (const text of ['+OK\r\n', ':1\r\n', '$-1\r\n', '*0\r\n',
      list('message'), list('message', '+switch-master'),
      list('unsubscribe', '+switch-master', '0'), list('subscribe', 'x', '1'),
      '*3\r\n+message\r\n$14\r\n+switch-master\r\n$1\r\nx\r\n',
      '*3\r\n*1\r\n:1\r\n:2\r\n:3\r\n', '-ERR and an error\r\n']) {
      await until(() => liar.isHeard, 10 * SECOND, 'somebody listens');

      const { lost } = liar;

      liar.say(text);
      await until(() => liar.lost > lost, 5 * SECOND, `"${text}" is refused`);
    }

    /* and without any it is asked */
    liar.allowsMessages = false;
    liar.hangUp();
    liar.port = liar.port === other.port ? nodes.redis.port : other.port;
    await untilFollowed(liar.port === other.port ? there : nodes.client,
      5 * SECOND);
    assert.equal(node.nginx.log.lines(/messages cannot be had/).length, 1);
    assert.equal(node.nginx.log.lines(/exited on signal/).length, 0);
  });


any('names: of the line redis, of Sentinels, and of the master', { count: 1 },
  async (nodes) => {
    const [node] = nodes.all;
    const names = await Names.start({ localhost: '127.0.0.1' });
    const resolver = { http: `resolver 127.0.0.1:${names.port} valid=1s
      ipv6=off;` };
    const { port } = nodes.redis;
    const liar = await Liar.start('localhost', port);
    const sentinel = liar.url.replace('127.0.0.1', 'localhost');

    nodes.t.after(() => names.close());

    /* nobody can say where it is */
    await follow(node, sentinel);
    await until(() => node.nginx.log.lines(
      /Sentinel tells a name .* "localhost": there has to be a "resolver" in/)
      .length, 5 * SECOND, 'a line in the log');

    await follow(node, sentinel, resolver);
    await untilServed(node);
    assert.ok(names.asked > 0);

    /* another address from now on, of a server that is reached by that one */
    const proxy = await Proxy.start(port, '127.0.0.2');

    nodes.t.after(() => proxy.close());
    names.set('localhost', '127.0.0.2');
    await follow(node, `redis://localhost:${proxy.port}`, resolver);
    await untilServed(node);
    await node.beat('ann', { wire: node.newWire('h1') });
    await until(() => nodes.client.exists(nodes.key('ann')), SECOND, 'key');

    /* and it moves once more, while nginx runs */
    const moved = await Proxy.start(port, '127.0.0.3', proxy.port);

    nodes.t.after(() => moved.close());
    names.set('localhost', '127.0.0.3');
    proxy.close();
    await until(() => /does not serve/.test(
      node.nginx.log.lines(/redis ".*" (does|serves)/).at(-1)), 5 * SECOND,
    'it is away');
    await untilServed(node);
  });


/* Says something else five times a second, by whatever node: of two things
   said at the same time nodes may tell only the later one. */
class Speaker {
  said = [];      /* [{ seq, at }] */

  constructor(scene) {
    this.#run = this.#go(scene);
    this.#run.catch(() => { /* stop() tells */ });
  }

  async stop() {
    this.#stopped = true;
    await this.#run;
  }

  async #go(scene) {
    while (!this.#stopped) {
      const seq = this.said.length + 1;
      const { status, got } = await scene.beat('speaker',
        { doc: 'd1', seq, text: `${seq}` });

      assert.equal(status, 200);
      this.said.push({ seq, at: got });
      await pass(SECOND / 5);
    }
  }

  #run;
  #stopped = false;
}

/* Of what was said one after the other: all of it, once and in order. While
   there is no master a node may hear only of what came of it; and so does a
   dashboard while it goes from one node to another. */
function assertHeard(dash, { said }, outage) {
  const isIn = (at, { from, to }) => from <= at && at <= to;
  const moves = dash.connections.slice(1).map(({ since }, n) =>
    ({ from: dash.connections[n].until - SECOND / 4, to: since }));
  const told = dash.of('speaker').filter((change) => change.isNews
    && change.type === 'update').map(({ at, member }) =>
    ({ at, seq: +member.text }));
  const heard = new Set(told.map(({ seq }) => seq));
  const calm = told.filter(({ at }) => !isIn(at, outage));

  assert.deepEqual(said.filter(({ seq, at }) => seq > 1 && !heard.has(seq)
    && ![outage, ...moves].some((time) => isIn(at, time))), []);
  assert.ok(calm.every(({ seq }, n) => n === 0 || seq > calm[n - 1].seq),
    dash.story());
}


scenario('any one process is lost, one after the other, behind a balancer', {},
  async (nodes) => {
    const { balancer, window } = nodes;
    const dashes = await Promise.all(Array.from({ length: 6 },
      () => balancer.dashboard({ reconnect: true })));
    const each = (what) => Promise.all(dashes.map(what));
    const silentOf = (n) => nodes.all.map((_, k) => `silent${n}-of-${k}`);
    const tabs = [];
    const lost = [];      /* [{ from, to }], until all were told of it */
    const life = nodes.zone.interval;    /* of a node's word */
    let started = Date.now();
    let gone = [];

    for (const user of STEADY) {
      tabs.push(await balancer.tab(user));
    }

    const speaker = new Speaker(balancer);

    /* Each node heard one last; the balancer holds on to their streams. */
    async function fallSilent(users, later = async () => 0) {
      const sent = [];

      for (const [n, user] of users.entries()) {
        await balancer.stream({ user, reconnect: true,
          query: { users: user, session: `${user}-tab` } });
        sent.push((await nodes.all[n].beat(user,
          { wire: nodes.all[n].newWire('h1') })).sent);
      }

      await each((dash) => dash.waitFor(() => users.every((user) =>
        dash.members.status(user) === 'online'), SECOND, 'the silent'));

      return async () => {
        const longest = window + await later() + 1.5 * SECOND;

        await each((dash) => Promise.all(users.map(async (user, n) => {
          await dash.waitFor(() => dash.members.status(user) === 'offline',
            Math.max(0, sent[n] + longest - Date.now()), `${user} is gone`);

          /* a dashboard that has just moved may learn it from a state */
          const { at, member } = dash.of(user).at(-1);
          const isTold = member.status === 'offline';
          const since = (isTold ? at : dash.states.at(-1).at) - sent[n];

          assert.ok(!isTold || member.reason === 'missed', member.reason);
          assert.ok(since >= window - 100, `${user}: ${since}`);
        })));
      };
    }

    async function lose(what, strike, { later, back = () => {} } = {}) {
      const n = lost.length;
      const leaver = await balancer.tab(`leaver${n}`);
      const silent = await fallSilent(silentOf(n), later);
      const from = Date.now();

      await strike();
      gone.push(silent());
      tabs.push(await balancer.tab(`comer${n}`));
      await leaver.stop();
      await balancer.beat(`leaver${n}`,
        { doc: 'd1', seq: 1000, logout: true });
      await balancer.beat('steady0', { text: what });

      await each(async (dash) => {
        const soon = SECOND + (later ? await later() : 0);

        for (const [user, status] of [[`comer${n}`, 'online'],
          [`leaver${n}`, 'offline']]) {
          await dash.waitFor(() => dash.members.status(user) === status, soon,
            `${user} is ${status} after ${what}`);
        }

        await dash.waitFor(() => dash.members.get('steady0').text === what,
          soon, `a text after ${what}`);
      });

      lost.push({ from, to: Date.now() });
      await pass(nodes.zone.interval);
      await back();
      nodes.t.diagnostic(`${what}: ${Date.now() - from} ms`);
    }

    /* One that has just started would give those of another that is dead a
       window from then on. */
    async function loseNode(node, before = () => {}) {
      await pass(Math.max(0, started + 3 * life - Date.now()));
      node.nginx.log.allow(/./);

      await lose(`node ${node.n}`, async () => {
        await before();
        await nodes.kill(node);
      }, { back: async () => {
        await allGone();
        await node.nginx.start();
        node.isUp = true;
        await nodes.untilUp();
        started = Date.now();
      } });
    }

    async function allGone() {
      await Promise.all(gone);
      gone = [];
    }

    const [a, b, c] = nodes.all;

    await lose('a Sentinel', () => nodes.sentinels[0].stop(),
      { back: () => nodes.sentinels[0].start() });
    await lose('a Sentinel for a while', () => nodes.sentinels[1].freeze(),
      { back: async () => {
        /* until those that ask this one ask another */
        await pass(nodes.zone.redis_timeout + SECOND);
        nodes.sentinels[1].thaw();
      } });
    await lose('a worker', () => a.nginx.killWorker(a.nginx.workers()[0]));
    await loseNode(a, async () => {
      process.kill(a.nginx.master, 'SIGKILL');
      await pass(nodes.zone.interval);
    });
    await lose('a replica', () => nodes.servers[1].stop(),
      { back: () => nodes.servers[1].start() });
    await lose('the worker of the balancer',
      () => balancer.nginx.killWorker(balancer.nginx.workers()[0]));
    await loseNode(b);
    await loseNode(c);

    /* whoever is lost of these, Redis serves */
    assert.deepEqual(nodes.all.flatMap((node) =>
      node.nginx.log.lines(/does not serve/)), []);

    /* nobody is called missed before a window has passed from then on */
    let failover;

    await lose('the master', async () => {
      const from = Date.now();

      await nodes.redis.stop();
      failover = nodes.failedOver().then(() => Date.now() - from);
    }, { later: () => failover });
    nodes.t.diagnostic(`failed over in ${await failover} ms`);
    await allGone();
    await speaker.stop();

    const there = [...STEADY, ...lost.map((_, n) => `comer${n}`)];

    await nodes.untilAgreed([...there], 4 * window + 5 * SECOND);

    for (const dash of dashes) {
      for (const user of there) {
        assert.deepEqual(dash.passages(user), ['enter'],
          `${user}\n${dash.story()}`);
      }

      for (const n of lost.keys()) {
        for (const user of [...silentOf(n), `leaver${n}`]) {
          assert.deepEqual(dash.passages(user), ['enter', 'leave'],
            `${user}\n${dash.story()}`);
        }
      }

      assert.deepEqual(dash.faults, []);

      assertHeard(dash, speaker, lost.at(-1));
    }

    for (const tab of tabs) {
      const beats = await tab.beats();

      assert.ok(beats.filter((x) => x.got).every((x) => x.status === 200
        && !x.body.recovered));
    }
  });


scenario('the master is frozen and thawed: nothing is written there any more',
  {}, async (nodes) => {
    const all = await busy(nodes);
    const old = nodes.redis;

    old.freeze();
    await nodes.failedOver();
    old.thaw();

    /* for some seconds it still takes itself for the master */
    const client = await old.client();
    const entries = () => client.xLen(nodes.key('steady0', 'changes'));
    const before = await entries();

    assert.equal((await client.sendCommand(['ROLE']))[0], 'master');
    await nodes.up[0].beat('steady0', { text: 'said to the new one' });
    await pass(2 * nodes.zone.interval);
    assert.equal((await client.sendCommand(['ROLE']))[0], 'master');
    assert.equal(await entries(), before);
    assert.deepEqual((await client.clientList()).filter(({ cmd }) =>
      /^(eval|evalsha|xread|xrange)$/.test(cmd)), []);
    await proven(nodes, all);
  });


const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'presence-password-'));
const file = (name, text) => {
  fs.writeFileSync(path.join(dir, name), `${text}\n`);

  return path.join(dir, name);
};

process.on('exit', () => fs.rmSync(dir, { recursive: true }));


scenario('servers and Sentinels have passwords of their own', {
  args: ['--requirepass', 'servers', '--masterauth', 'servers'],
  sentinel: ['sentinel auth-pass presence servers', 'requirepass sentinels',
    'sentinel sentinel-pass sentinels', 'user node on >of-node +ping +subscribe'
    + ' +sentinel|get-master-addr-by-name &+switch-master'],
  client: { password: 'servers' }, asker: { password: 'sentinels' },
  login: ':servers@', lines: {
    redis_sentinel_user: 'node',
    redis_sentinel_password_file: file('sentinels', 'of-node'),
  },
}, async (nodes) => {
  const [node] = nodes.all;

  await node.tab('ann');
  await nodes.untilAgreed(['ann']);
  await nodes.redis.stop();
  await nodes.failedOver();
  await nodes.untilAgreed(['ann']);
  assert.deepEqual(node.nginx.log.lines(/messages cannot be had/), []);

  const lines = { ...node.zone };
  const configure = async (zone) => {
    const old = await node.nginx.reload({ ...node.nginx.site, zone });

    await until(() => !old.some(isAlive), 10 * SECOND, 'old workers gone');
  };

  for (const [zone, reason] of [
    [{ ...lines, redis_sentinel_password_file: file('wrong', 'wrong') },
      /does not serve: no Sentinel answers: WRONGPASS/],
    [{ ...lines, redis: lines.redis.replace('/presence', '/other') },
      /does not serve: .* of the master: no master has that name/],
    [{ ...lines, redis: lines.redis.replace(':servers@', ':wrong@') },
      /does not serve: WRONGPASS/],
  ]) {
    const before = node.nginx.log.lines(reason).length;

    await configure(zone);
    await until(() => node.nginx.log.lines(reason).length > before,
      10 * SECOND, `${reason}`);
    await configure(lines);
    await until(() => / serves$/.test(node.nginx.log.lines(/redis "/).at(-1)),
      10 * SECOND, 'it serves');
  }

  await nodes.untilAgreed(['ann']);
});
