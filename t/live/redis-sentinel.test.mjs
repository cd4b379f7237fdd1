// Three nodes behind a balancer, with Redis and Sentinel: any one process may
// be lost.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

import { Changer } from './lib/changer.mjs';
import { scenario as any } from './lib/nodes.mjs';
import { freePort } from './lib/ports.mjs';
import { isAlive } from './lib/process.mjs';
import { Redis } from './lib/redis.mjs';
import { SECOND } from './lib/scale.mjs';
import { SentinelNodes } from './lib/sentinel.mjs';
import { pass, until } from './lib/wait.mjs';

/* A failover takes about 3 seconds, and so less than a window, as in life. */
const zone = { interval: 1500, slack: 1200, max_interval: 1500,
  leave_grace: 1200 };

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


any('a Sentinel that names a replica is not followed there', { count: 1 },
  async (nodes) => {
    const [node] = nodes.all;
    const replica = await Redis.start({ args: ['--replicaof', '127.0.0.1',
      `${nodes.redis.port}`] });
    const old = await replica.client();
    let named = `${replica.port}`;

    nodes.t.after(() => replica.close());

    /* one that tells what it is told to */
    const liar = net.createServer((socket) => {
      socket.on('error', () => { /* it closes */ });
      socket.on('data', (data) => socket.write(/SENTINEL/.test(data)
        ? `*2\r\n$9\r\n127.0.0.1\r\n$${named.length}\r\n${named}\r\n`
        : '+PONG\r\n'));
    });

    liar.listen(await freePort(), '127.0.0.1').unref();
    await once(liar, 'listening');

    const { port } = liar.address();
    const workers = await node.nginx.reload({ ...node.nginx.site,
      zone: { ...node.zone, redis: `sentinel://127.0.0.1:${port}/any` } });

    await until(() => !workers.some(isAlive), 10 * SECOND, 'old workers gone');
    await until(() => node.nginx.log.lines(
      /does not serve: the server that Sentinel names is not a master/).length,
    10 * SECOND, 'it is refused');
    assert.equal((await old.clientList())
      .filter(({ cmd }) => /^eval/.test(cmd)).length, 0);

    named = `${nodes.redis.port}`;
    await until(() => / serves$/.test(node.nginx.log.lines(/redis "/).at(-1)),
      10 * SECOND, 'it serves');
    await node.beat('ann', { wire: node.newWire('h1') });
    await until(() => nodes.client.exists(nodes.key('ann')), SECOND, 'key');
  });


scenario('the master is killed: the nodes follow the new one', {},
  async (nodes) => {
    const all = await busy(nodes);
    const said = Date.now();

    await nodes.balancer.beat('silent');

    for (const dash of all.dashes) {
      await dash.waitForChange('silent', 'enter', SECOND);
    }

    await nodes.redis.stop();

    /* meanwhile somebody comes, and somebody says something */
    await pass(nodes.zone.interval);
    await nodes.balancer.tab('late');
    await nodes.up[0].beat('steady0', { text: 'said alone' });

    await nodes.failedOver();
    nodes.t.diagnostic(`failed over in ${Date.now() - said} ms`);

    for (const dash of all.dashes) {
      await dash.waitForChange('late', 'enter', 5 * SECOND);
      await dash.waitForChange('silent', 'leave', 3 * nodes.window);
      await dash.waitFor(() => dash.members.get('steady0').text
        === 'said alone', 5 * SECOND, 'what was said meanwhile');
    }

    await proven(nodes, all, [...STEADY, 'late']);
  });


scenario('the master is frozen and thawed: nothing is written there any more',
  {}, async (nodes) => {
    const all = await busy(nodes);
    const old = nodes.redis;

    old.freeze();
    await nodes.failedOver();
    old.thaw();

    const client = await old.client();

    /* it closes all its connections as it becomes one */
    await until(async () => (await client.sendCommand(['ROLE'])
      .catch(() => []))[0] === 'slave',
    60 * SECOND, 'the old master is a replica');

    /* and no node has a connection left there */
    const theirs = (await client.clientList())
      .filter(({ cmd }) => /^(eval|evalsha|xread|xrange)$/.test(cmd));

    assert.deepEqual(theirs, []);
    await proven(nodes, all);
  });


scenario('Sentinels are killed and frozen, one at a time: no event', {},
  async (nodes) => {
    const all = await busy(nodes);
    const [a, b] = nodes.sentinels;
    const told = nodes.all.map((node) =>
      node.nginx.log.lines(/does not serve/).length);

    await a.stop();
    await pass(3 * SECOND);
    await a.start();
    b.freeze();
    await pass(6 * SECOND);
    b.thaw();

    nodes.all.forEach((node, n) => assert.equal(
      node.nginx.log.lines(/does not serve/).length, told[n]));
    await proven(nodes, all);
  });


scenario('a node is killed: the others go on with its users', {},
  async (nodes) => {
    const all = await busy(nodes);

    all.dashes.shift();
    await nodes.kill(nodes.all[0]);
    await pass(2 * nodes.window);
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
    'sentinel sentinel-pass sentinels'],
  client: { password: 'servers' }, asker: { password: 'sentinels' },
  login: ':servers@', lines: {
    redis_sentinel_password_file: file('sentinels', 'sentinels'),
  },
}, async (nodes) => {
  const [node] = nodes.all;

  await node.tab('ann');
  await nodes.untilAgreed(['ann']);
  await nodes.redis.stop();
  await nodes.failedOver();
  await nodes.untilAgreed(['ann']);

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
