// Several nodes with one Redis Cluster: three masters, three replicas.

import assert from 'node:assert/strict';

import { scenario } from './lib/cluster.mjs';
import { SECOND } from './lib/scale.mjs';
import { pass, until } from './lib/wait.mjs';

const names = (n, name = 'u') => Array.from({ length: n }, (_, i) => name + i);

const newsOf = (dashes, user) => dashes.map((dash) => dash.news(user));

/* Nobody was shown as gone, and no change was impossible. */
function assertNobodyLeft(dashes, users) {
  for (const dash of dashes) {
    for (const user of users) {
      assert.deepEqual(dash.news(user).filter((kind) => kind !== 'update'),
        ['enter'], dash.story());
    }

    assert.deepEqual(dash.faults, []);
  }
}


scenario('users are in all masters, with their TTL, and on all dashboards',
  { count: 2 }, async (nodes) => {
    const [a, b] = nodes.all;
    const dashes = await nodes.dashboards();
    const users = names(24);
    const masters = await nodes.redis.masters();

    for (const [n, user] of users.entries()) {
      await [a, b][n % 2].tab(user, { text: `this is ${user}` });
    }

    for (const dash of dashes) {
      await dash.waitFor(() => dash.members.present.length === users.length,
        2 * SECOND, 'all');
    }

    await nodes.untilAgreed(users);

    for (const master of masters) {
      assert.ok((await nodes.usersOf(master, users)).length > 0);
    }

    /* each beat renews the TTL, wherever the user is */
    for (let n = 0; n < 3; n++) {
      await pass(nodes.zone.interval);

      for (const user of users) {
        const ttl = await nodes.redis.call(nodes.key(user), 'PTTL',
          nodes.key(user));

        assert.ok(ttl > nodes.window && ttl <= 2 * nodes.window,
          `${user}: ${ttl}`);
      }
    }

    /* a change on one node is told on the other within a second */
    for (const user of names(9, 'said')) {
      await a.beat(user);

      for (const text of ['one', 'two']) {
        await a.beat(user, { text });
        await dashes[1].waitFor(() => dashes[1].of(user)
          .some((change) => change.member.text === text), SECOND,
        `what ${user} said`);
      }

      await b.beat(user, { logout: true });
      await dashes[0].waitForChange(user, 'leave', SECOND);
    }

    assertNobodyLeft(dashes, users);

    /* beats of one tab go to one node after the other: no event */
    for (let n = 0; n < 8; n++) {
      await [a, b][n % 2].beat('moving', { doc: 'd1', seq: n + 1 });
      await pass(nodes.zone.interval);
    }

    assert.deepEqual(newsOf(dashes, 'moving'), [['enter'], ['enter']]);
    await nodes.untilAgreed(users);
    assert.deepEqual(newsOf(dashes, 'moving'),
      [['enter', 'leave'], ['enter', 'leave']]);

    /* a node that starts is filled from all masters */
    const c = await nodes.add();

    await until(async () => (await nodes.present(c)).length === users.length,
      5 * SECOND, 'the new node is filled');
    assert.equal((await c.member('u3')).text, 'this is u3');
  });


/* Beats of many, and changes all the time, seen on both nodes. */
async function load(nodes, users, busy = names(6, 'busy')) {
  const [a, b] = nodes.all;
  const dashes = await nodes.dashboards();
  const tabs = [];
  let n = 0;

  for (const [i, user] of [...users, ...busy].entries()) {
    tabs.push(await [a, b][i % 2].tab(user));
  }

  for (const dash of dashes) {
    await dash.waitFor(() => dash.members.present.length === tabs.length,
      2 * SECOND, 'all');
  }

  /* says something else each time, by the node that has its tab */
  const timer = setInterval(() => {
    const i = n++ % busy.length;

    tabs[users.length + i].set({ text: `text ${n}` });
  }, 100);

  nodes.t.after(() => clearInterval(timer));

  return { dashes, tabs, users: [...users, ...busy],
    async stop() {
      clearInterval(timer);

      for (const tab of tabs) {
        const beats = await tab.beats();

        assert.ok(beats.every((x) => !x.body?.recovered));
        assert.ok(beats.filter((x) => x.got).every((x) => x.status === 200));
      }
    } };
}


scenario('a slot goes to another master under beats: ASK, then MOVED',
  { count: 2 }, async (nodes) => {
    const cluster = nodes.redis;
    const users = names(12);
    const { dashes, stop, users: all } = await load(nodes, users);
    const key = nodes.key('u0');
    const slot = `${await cluster.slotOf(key)}`;
    const from = await cluster.masterOf(key);
    const to = (await cluster.masters()).find((server) => server !== from);

    await to.db.sendCommand(['CLUSTER', 'SETSLOT', slot, 'IMPORTING',
      from.id]);
    await from.db.sendCommand(['CLUSTER', 'SETSLOT', slot, 'MIGRATING',
      to.id]);

    const keys = await from.db.sendCommand(['CLUSTER', 'GETKEYSINSLOT', slot,
      '1000']);

    assert.ok(keys.includes(key));

    /* half of the way: the keys of one call are in two places */
    await from.db.sendCommand(['MIGRATE', '127.0.0.1', `${to.port}`, '', '0',
      '5000', 'KEYS', key]);
    await pass(nodes.zone.interval);
    await from.db.sendCommand(['MIGRATE', '127.0.0.1', `${to.port}`, '', '0',
      '5000', 'KEYS', ...keys.filter((k) => k !== key)]);

    /* on the other side before it is the master of the slot */
    const asked = async (...args) => {
      const [, answer] = await Promise.all([to.db.sendCommand(['ASKING']),
        to.db.sendCommand(args)]);

      return answer;
    };
    const before = +await asked('PTTL', key);

    await until(async () => +await asked('PTTL', key) > before,
      2 * nodes.zone.interval + SECOND, 'a beat by way of ASK');

    const said = Date.now();

    await nodes.all[0].beat('u0', { session: 'other-tab', text: 'by ASK' });
    await dashes[1].waitFor(() => dashes[1].of('u0')
      .some((change) => change.member.text === 'by ASK'), 2 * SECOND,
    'a change by way of ASK');
    nodes.t.diagnostic(`told after ${Date.now() - said} ms`);
    await nodes.all[0].beat('u0', { session: 'other-tab', leave: true });

    for (const server of [to, from, ...cluster.up]) {
      await server.db.sendCommand(['CLUSTER', 'SETSLOT', slot, 'NODE', to.id])
        .catch((error) => {
          if (!/master|replica/i.test(error.message)) {
            throw error;
          }
        });
    }

    await until(async () => (await cluster.masterOf(key)) === to, 5 * SECOND,
      'the slot has moved');

    const ttl = +await to.db.pTTL(key);

    await until(async () => +await to.db.pTTL(key) > ttl,
      2 * nodes.zone.interval + SECOND, 'a beat after MOVED');
    await nodes.all[1].beat('u0', { session: 'third-tab', text: 'moved' });
    await dashes[0].waitFor(() => dashes[0].of('u0')
      .some((change) => change.member.text === 'moved'), 2 * SECOND,
    'a change after MOVED');
    await nodes.all[1].beat('u0', { session: 'third-tab', leave: true });
    await nodes.untilAgreed(all);
    await stop();
    assertNobodyLeft(dashes, all);
  });


for (const workers of [1, 2]) {
  scenario(`a master is killed under load, ${workers} worker(s): its replica`
    + ' takes over, and nobody flips', { count: 2, workers },
  async (nodes) => {
    const cluster = nodes.redis;
    const users = names(16);
    const { dashes, stop, users: all } = await load(nodes, users);
    const lost = await cluster.masterOf(nodes.key('u0'));
    const killed = Date.now();

    await cluster.kill(lost);
    await cluster.untilReplaced(lost);
    nodes.t.diagnostic(`a new master after ${Date.now() - killed} ms`);

    const well = Date.now();

    await nodes.untilUp();
    nodes.t.diagnostic(`followed after ${Date.now() - well} ms`);

    assert.notEqual(await cluster.masterOf(nodes.key('u0')), lost);
    await nodes.untilAgreed(all);

    /* a new one of its users is told, and one who falls silent goes */
    const theirs = (await nodes.usersOf(
      await cluster.masterOf(nodes.key('u0')), names(60, 'new'))).slice(0, 2);

    for (const user of theirs) {
      await nodes.all[0].beat(user);
      await dashes[1].waitForChange(user, 'enter', 2 * SECOND);
    }

    for (const user of theirs) {
      for (const dash of dashes) {
        await dash.waitForChange(user, 'leave', nodes.window + 3 * SECOND);
      }
    }

    await nodes.untilAgreed(all);
    await stop();
    assertNobodyLeft(dashes, all);

    for (const dash of dashes) {
      for (const user of theirs) {
        assert.deepEqual(dash.news(user), ['enter', 'leave']);
      }
    }
  });
}


scenario('a master is gone for good: its users are each node\'s own, the others'
  + ' are as before', { count: 2, cluster: { replicas: 0,
  args: ['--cluster-require-full-coverage', 'no'] } }, async (nodes) => {
  const cluster = nodes.redis;
  const [a, b] = nodes.all;
  const { dashes, stop, users: all } = await load(nodes, names(16));
  const lost = await cluster.masterOf(nodes.key('u0'));
  const more = names(80, 'new');
  const gone = (await nodes.usersOf(lost, more)).slice(0, 3);
  const others = more.filter((user) => !gone.includes(user));
  const safe = [];

  for (const user of others) {
    if (safe.length < 3
      && await cluster.masterOf(nodes.key(user)) !== lost)
    {
      safe.push(user);
    }
  }

  await cluster.kill(lost);
  await pass(nodes.window + SECOND);

  /* the others are told across the nodes as ever */
  for (const user of safe) {
    await a.beat(user);
    await dashes[1].waitForChange(user, 'enter', SECOND);
  }

  /* the users of the lost one by the node that hears them, alone */
  for (const user of gone) {
    await a.beat(user);
    await dashes[0].waitForChange(user, 'enter', SECOND);
  }

  for (const user of safe) {
    for (const dash of dashes) {
      await dash.waitForChange(user, 'leave', nodes.window + 3 * SECOND);
    }
  }

  for (const user of gone) {
    assert.deepEqual(dashes[0].news(user), ['enter']);
    await a.beat(user, { logout: true });
    await dashes[0].waitForChange(user, 'leave', SECOND);
    assert.deepEqual(dashes[1].news(user), []);
  }

  await stop();
  assertNobodyLeft(dashes, all);

  for (const node of [a, b]) {
    assert.ok(node.nginx.log.lines(/redis ".*" does not serve/).length >= 1);
  }
});


scenario('a master is frozen and thawed: its replica takes over, and it is a'
  + ' replica then', { count: 2 }, async (nodes) => {
  const cluster = nodes.redis;
  const { dashes, stop, users: all } = await load(nodes, names(16));
  const frozen = await cluster.masterOf(nodes.key('u0'));

  frozen.isUp = false;
  frozen.freeze();
  await cluster.untilReplaced(frozen);
  await nodes.untilUp();
  await nodes.untilAgreed(all);
  frozen.thaw();
  frozen.isUp = true;
  await cluster.untilWell();
  await until(async () => (await frozen.db.sendCommand(['ROLE']))[0]
    === 'slave', 30 * SECOND, 'a replica');
  await nodes.untilAgreed(all);
  await stop();
  assertNobodyLeft(dashes, all);
});


scenario('a replica is told to take over, and back: nobody flips', { count: 2 },
  async (nodes) => {
    const cluster = nodes.redis;
    const { dashes, stop, users: all } = await load(nodes, names(16));
    const key = nodes.key('u0');
    const first = await cluster.masterOf(key);
    const replica = cluster.servers[cluster.servers.indexOf(first) + 3];

    for (const server of [replica, first]) {
      await until(async () => (await server.db.sendCommand(['INFO',
        'replication'])).includes('master_link_status:up'), 30 * SECOND,
      'a replica that follows');

      /* it gives up after five seconds, and refuses once it is the master */
      const ask = () => server.db.sendCommand(['CLUSTER', 'FAILOVER'])
        .catch(() => {});
      const again = setInterval(ask, 6 * SECOND);

      await ask();
      await until(async () => await cluster.masterOf(key) === server,
        60 * SECOND, 'the new master').finally(() => clearInterval(again));
      await nodes.untilUp();
      await nodes.all[0].beat('u0', { session: 'other', text: server.id });
      await dashes[1].waitFor(() => dashes[1].of('u0')
        .some((change) => change.member.text === server.id), 2 * SECOND,
      'a change by way of the new master');
      await nodes.all[0].beat('u0', { session: 'other', leave: true });
      await nodes.untilAgreed(all);
    }

    await stop();
    assertNobodyLeft(dashes, all);
  });


scenario('a node is killed: its users in all masters are looked after',
  { count: 3 }, async (nodes) => {
    const [a, b, c] = nodes.all;
    const silent = names(10, 'silent');
    const moving = names(10, 'moving');
    const dashes = [await b.dashboard(), await c.dashboard()];
    const last = {};

    for (const user of [...silent, ...moving]) {
      last[user] = (await a.beat(user)).sent;
    }

    for (const dash of dashes) {
      await dash.waitFor(() => dash.members.present.length === 20, 2 * SECOND,
        'all are there');
    }

    await nodes.kill(a);

    for (const user of moving) {
      await c.tab(user);
    }

    for (const dash of dashes) {
      for (const user of silent) {
        const { member } = await dash.waitForChange(user, 'leave',
          nodes.window + 6 * SECOND);

        assert.equal(member.reason, 'missed');
        /* others would settle them as well, a window later */
        assert.ok(member.since >= last[user] + nodes.window - 50);
        assert.ok(member.since <= last[user] + nodes.window + 2 * SECOND,
          `${user} was gone ${member.since - last[user]} ms after the last beat`);
      }
    }

    await pass(nodes.window);
    assertNobodyLeft(dashes, moving);
    await nodes.untilAgreed(moving);
  });


scenario('a slot stays half of the way: its users are each node\'s own until it'
  + ' has arrived', { count: 2 }, async (nodes) => {
  const cluster = nodes.redis;
  const { dashes, stop, users: all } = await load(nodes, names(8));
  const [a] = nodes.all;
  const key = nodes.key('u0');
  const shard = /\{\d\d\}/.exec(key)[0];
  const slot = `${await cluster.slotOf(key)}`;
  const from = await cluster.masterOf(key);
  const to = (await cluster.masters()).find((server) => server !== from);
  const migrate = (...keys) => from.db.sendCommand(['MIGRATE', '127.0.0.1',
    `${to.port}`, '', '0', '5000', 'KEYS', ...keys]);
  const told = (what) => a.nginx.log.lines(/redis/)
    .filter((line) => line.includes(`${what} part ${shard}`)).length;

  await to.db.sendCommand(['CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id]);
  await from.db.sendCommand(['CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id]);
  await migrate(key);
  await until(() => told('does not serve'), nodes.zone.redis_timeout
    + 2 * nodes.zone.interval + 2 * SECOND, 'a line in the log');

  const keys = await from.db.sendCommand(['CLUSTER', 'GETKEYSINSLOT', slot,
    '1000']);

  await migrate(...keys);

  for (const server of [to, from]) {
    await server.db.sendCommand(['CLUSTER', 'SETSLOT', slot, 'NODE', to.id]);
  }

  await until(() => told('serves'), 5 * SECOND, 'a line in the log');
  assert.equal(told('does not serve'), 1);
  await nodes.untilAgreed(all);
  await stop();
  assertNobodyLeft(dashes, all);
});


scenario('a user of the cluster who may do just what is needed', { count: 2,
  zone: { redis_timeout: 1000 },
  cluster: { args: ['--user', 'presence', 'on', '>secret', '~presence:*',
    ...'auth ping eval evalsha time hgetall hset hdel del set pexpire zadd'
      .split(' ').map((command) => `+${command}`),
    ...'zrem zscan zrangebyscore zremrangebyscore xadd xread xrange xrevrange'
      .split(' ').map((command) => `+${command}`),
    '+cluster', '+asking'], login: 'presence:secret@' } },
async (nodes) => {
  const users = names(12);
  const [a, b] = nodes.all;
  const dash = await b.dashboard();

  for (const user of users) {
    await a.tab(user);
  }

  await dash.waitFor(() => dash.members.present.length === users.length,
    2 * SECOND, 'all');
  await nodes.untilAgreed(users);
  await a.nginx.reload({ ...a.nginx.site, zone: { ...a.zone,
    redis: nodes.redis.url.replace('secret', 'wrong') } });
  await until(() => a.nginx.log.lines(/does not serve: WRONGPASS/).length,
    5 * SECOND, 'WRONGPASS in the log');
  assert.equal((await a.beat('bob', { wire: a.newWire('h1') })).status, 200);
});
