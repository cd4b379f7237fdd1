// Several nodes with one Redis.

import assert from 'node:assert/strict';

import { scenario, zone } from './lib/nodes.mjs';
import { SECOND } from './lib/scale.mjs';
import { now, pass, until } from './lib/wait.mjs';

const names = (n, name = 'u') => Array.from({ length: n }, (_, i) => name + i);

const newsOf = (dashes, user) => dashes.map((dash) => dash.news(user));

/* What a node's log says of Redis. */
const linesOf = (node) => node.nginx.log.lines(/redis ".*" (does|serves)/)
  .map((line) => /" (serves|does not serve)/.exec(line)[1]);

/* How many Redis has had. */
const connections = async (nodes) => +/total_connections_received:(\d+)/.exec(
  await nodes.client.info('stats'))[1];

/* A tab whose beats go to one node after the other. */
async function alternate(nodes, user, beats, fields = () => ({})) {
  for (let n = 0; n < beats; n++) {
    await nodes.up[n % nodes.up.length].beat(user,
      { doc: 'd1', seq: n + 1, ...fields(n) });
    await pass(nodes.zone.interval);
  }
}


scenario('R1 each beat renews the session and the TTL in Redis', { count: 1 },
  async (nodes) => {
    const [node] = nodes.all;
    const tab = await node.tab('ann', { times: 12 });
    const margin = nodes.window;
    const samples = [];

    await until(() => nodes.client.exists(nodes.key('ann')), SECOND, 'key');

    const sampler = setInterval(async () => {
      samples.push(await nodes.client.pTTL(nodes.key('ann')));
    }, 20);

    await tab.done();
    clearInterval(sampler);

    /* deadline and margin; at least a beat old, and never past the deadline */
    assert.ok(samples.length > 50);
    assert.ok(Math.min(...samples) > margin, `TTL ${Math.min(...samples)}`);
    assert.ok(Math.max(...samples) <= nodes.window + margin);
    assert.ok(samples.some((ttl, n) => ttl > samples[n - 1] + 100));

    /* at one moment: the last beat may still be on its way */
    const [record, score] = await nodes.client.multi()
      .hGetAll(nodes.key('ann')).zScore(nodes.key('ann', 'online'), 'ann')
      .exec();

    assert.equal(record.v, '1');
    assert.equal(record.user, 'ann');
    assert.equal(record.status, 'online');
    assert.equal(record.groups, 'agents');
    assert.equal(record.sessions, '1');
    assert.ok(record['s:ann-tab'].startsWith('n0.'));
    assert.equal(score, +record.deadline);

    await nodes.untilAgreed([]);
    assert.equal((await nodes.record('ann')).reason, 'missed');
    assert.equal(await nodes.client.zScore(nodes.key('ann', 'online'), 'ann'),
      null);

    const entries = await nodes.client.xRange(nodes.key('ann', 'changes'),
      '-', '+');

    assert.deepEqual(entries.map((e) => e.message.type)
      .filter((type) => type !== 'update'), ['enter', 'leave']);
  });


scenario('a change on one node is told on each, once', { count: 3 },
  async (nodes) => {
    const dashes = await nodes.dashboards();
    const [a, b] = nodes.all;
    const quiet = { next_ms: 500 };

    await a.beat('ann', quiet);
    await Promise.all(dashes.map((d) => d.waitForChange('ann', 'enter',
      SECOND)));

    for (let n = 0; n < 5; n++) {
      const dashesBefore = dashes.map((d) => d.of('ann').length);

      await [a, b][n % 2].beat('ann', { ...quiet, text: `text ${n}` });
      await Promise.all(dashes.map((d, i) => d.waitFor(
        () => d.of('ann').length > dashesBefore[i], SECOND, `text ${n}`)));
    }

    await b.beat('ann', { logout: true });
    await Promise.all(dashes.map((d) => d.waitForChange('ann', 'leave',
      SECOND)));

    for (const dash of dashes) {
      assert.deepEqual(dash.kinds('ann'),
        ['enter', ...Array(5).fill('update'), 'leave']);
      assert.deepEqual(dash.of('ann').slice(1, 6).map((c) => c.member.text),
        names(5, 'text '));
      assert.equal(dash.of('ann').at(-1).member.reason, 'logout');
    }
  });


scenario('R28 beats of one tab alternate between the nodes: no event',
  { count: 2 }, async (nodes) => {
    const dashes = await nodes.dashboards();

    await alternate(nodes, 'ann', 14);

    assert.deepEqual(dashes.map((d) => d.kinds('ann')), [['enter'], ['enter']],
      dashes[0].story());

    const record = await nodes.record('ann');

    assert.equal(record.sessions, '1');
    assert.deepEqual(Object.keys(record).filter((k) => k.startsWith('s:')),
      ['s:ann-tab']);
    await nodes.untilAgreed([]);
    await Promise.all(dashes.map((d) => d.waitForChange('ann', 'leave',
      SECOND)));
    assert.deepEqual(newsOf(dashes, 'ann'),
      [['enter', 'leave'], ['enter', 'leave']]);
  });


scenario('beats of one tab on two nodes at once, and late news: it is there',
  { count: 2 }, async (nodes) => {
    const [a, b] = nodes.all;
    const quiet = { doc: 'd1' };

    await a.beat('ann', { ...quiet, seq: 1 });
    await until(async () => (await b.member('ann'))?.status === 'online',
      SECOND, 'b knows of ann');

    for (let n = 0; n < 10; n++) {

      /* b hears of the change when it has heard the tab itself */
      b.proxy.delay(60);
      await a.beat('ann', { ...quiet, seq: 3 * n + 2, text: `text ${n}` });
      await pass(10);
      await b.beat('ann', { ...quiet, seq: 3 * n + 3 });
      await until(async () => (await b.member('ann')).text === `text ${n}`,
        SECOND, 'b knows of the text');
      b.proxy.delay(0);

      /* and says something else of ann */
      await b.beat('ann', { session: 'ann-other', doc: 'd2', seq: n + 1,
        text: `other ${n}` });
      await until(async () => (await nodes.record('ann')).text === `other ${n}`,
        SECOND, 'Redis knows of the other tab');

      const record = await nodes.record('ann');

      assert.deepEqual([record.sessions, !!record['s:ann-tab']], ['2', true]);
    }
  });


scenario('R9 a node is killed: the silent go in time, who beats stays',
  { count: 3 }, async (nodes) => {
    const [a, b, c] = nodes.all;
    const silent = names(10, 'silent');
    const moving = names(5, 'moving');
    const dashes = [await b.dashboard(), await c.dashboard()];
    const tabs = [];

    const last = {};

    for (const user of [...silent, ...moving]) {
      last[user] = (await a.beat(user)).sent;
    }

    for (const user of names(5, 'other')) {
      tabs.push(await b.tab(user));
    }

    for (const dash of dashes) {
      await dash.waitFor(() => dash.members.present.length === 20, SECOND,
        'all are there');
    }

    await nodes.kill(a);

    for (const user of moving) {
      tabs.push(await c.tab(user));
    }

    for (const dash of dashes) {
      for (const user of silent) {
        const leave = await dash.waitForChange(user, 'leave',
          nodes.window + 5 * SECOND);

        assert.equal(leave.member.reason, 'missed');
        assert.ok(leave.member.since >= last[user] + nodes.window - 50);
      }
    }

    await pass(nodes.window);

    for (const dash of dashes) {
      for (const user of silent) {
        assert.deepEqual(dash.news(user), ['enter', 'leave']);
      }

      for (const user of [...moving, ...names(5, 'other')]) {
        assert.deepEqual(dash.news(user), ['enter'], dash.story());
      }
    }

    await nodes.untilAgreed([...moving, ...names(5, 'other')]);
  });


scenario('a node is frozen and thawed: nobody who moved on flips',
  { count: 2 }, async (nodes) => {
    const [a, b] = nodes.all;
    const dash = await b.dashboard();

    await a.beat('silent');
    await a.beat('moving');
    await dash.waitForChange('silent', 'enter', SECOND);

    await a.nginx.freeze();

    const tab = await b.tab('moving');

    await dash.waitForChange('silent', 'leave', nodes.window + 2 * SECOND);
    a.nginx.thaw();
    await nodes.untilAgreed(['moving']);
    await pass(nodes.window);
    assert.deepEqual(dash.news('moving'), ['enter']);
    assert.deepEqual(dash.news('silent'), ['enter', 'leave']);
    await nodes.untilAgreed(['moving']);
    assert.ok((await tab.stop()).every((beat) => !beat.body?.recovered));
  });


scenario('a page says leave on one node and is loaded by another: no event',
  { count: 2 }, async (nodes) => {
    const [a, b] = nodes.all;
    const dashes = await nodes.dashboards();

    await a.beat('ann', { doc: 'd1', seq: 1 });
    await dashes[1].waitForChange('ann', 'enter', SECOND);
    await a.beat('ann', { doc: 'd1', seq: 2, leave: true });
    await pass(100);
    await b.beat('ann', { doc: 'd2', seq: 1 });
    await pass(1.5 * nodes.zone.leave_grace);
    assert.deepEqual(newsOf(dashes, 'ann'), [['enter'], ['enter']]);

    await a.beat('ann', { doc: 'd2', seq: 2, leave: true });

    for (const dash of dashes) {
      const leave = await dash.waitForChange('ann', 'leave',
        nodes.zone.leave_grace + SECOND);

      assert.equal(leave.member.reason, 'leave');
    }
  });


/* A node asks for a session that it heard last by itself when the first beat of
   it is missing: here that is just when the other node ends it. */
scenario('a node asks as another one ends a session: it tells the same reason',
  { count: 2 }, async (nodes) => {
    const [a, b] = nodes.all;
    const dashes = await nodes.dashboards();
    const { interval, slack, leave_grace: grace } = nodes.zone;
    const users = names(60);

    await Promise.all(users.map(async (user, n) => {
      await pass(5 * n);

      const asked = now() + interval + slack;

      await b.beat(user, { doc: 'd', seq: 1 });
      await pass(asked - grace - now() + n % 12 - 8);
      await a.beat(user, { doc: 'd', seq: 2, leave: true });
    }));

    for (const user of users) {
      for (const dash of dashes) {
        const { member } = await dash.waitForChange(user, 'leave', SECOND);

        assert.equal(member.reason, 'leave', user);
      }
    }
  });


scenario('two tabs on two nodes: one that goes is no event; logout ends both',
  { count: 2 }, async (nodes) => {
    const [a, b] = nodes.all;
    const dashes = await nodes.dashboards();
    const one = await a.tab('ann', { session: 'tab-one1' });

    await b.tab('ann', { session: 'tab-two2' });
    await one.stop();
    await pass(nodes.window + SECOND);
    assert.deepEqual(newsOf(dashes, 'ann'), [['enter'], ['enter']]);

    await b.beat('bob', { session: 'tab-one1' });
    await a.beat('bob', { session: 'tab-two2' });
    await dashes[0].waitForChange('bob', 'enter', SECOND);
    await until(async () => (await nodes.record('bob')).sessions === '2',
      SECOND, 'both in Redis');
    await until(async () => {
      const { members } = await a.users({ users: 'bob' });

      return members[0].sessions === 2;
    }, 2 * SECOND, 'both known to the other node');

    await a.beat('bob', { session: 'tab-two2', logout: true });

    for (const dash of dashes) {
      const { member } = await dash.waitForChange('bob', 'leave', SECOND);

      assert.equal(member.reason, 'logout');
    }
  });


scenario('who is active on another node is not away', { count: 2,
  zone: { idle: 1500 } }, async (nodes) => {
  const [a, b] = nodes.all;
  const dashes = await nodes.dashboards();

  await a.tab('ann', { session: 'tab-one1', active_ms_ago: 100_000 });

  const active = await b.tab('ann', { session: 'tab-two2' });

  await dashes[0].waitForChange('ann', 'enter', SECOND);
  await pass(3000);
  assert.equal(dashes[0].members.status('ann'), 'online');

  const settled = dashes.map((d) => d.of('ann').length);

  await pass(2000);
  assert.deepEqual(dashes.map((d) => d.of('ann').length), settled,
    dashes[0].story());

  await active.stop();

  for (const dash of dashes) {
    await dash.waitFor(() => dash.members.status('ann') === 'away',
      1500 + nodes.window + 2 * SECOND, 'away');
  }
});


scenario('a node that starts is filled, and nobody flips', { count: 2 },
  async (nodes) => {
    const users = names(40);
    const [a] = nodes.all;
    const dashes = await nodes.dashboards();

    for (const user of users) {
      await a.tab(user, { text: `this is ${user}` });
    }

    await dashes[1].waitFor(
      () => dashes[1].members.present.length === users.length, SECOND, 'all');

    const c = await nodes.add();

    await until(async () => (await nodes.present(c)).length === users.length,
      5 * SECOND, 'the new node is filled');
    assert.equal((await c.member('u3')).text, 'this is u3');
    await pass(nodes.window + SECOND);
    assert.deepEqual(await nodes.present(c), [...users].sort());

    for (const dash of dashes) {
      for (const user of users) {
        assert.deepEqual(dash.news(user), ['enter']);
      }
    }
  });


for (const [what, away, back, isLong] of [
  ['killed and started empty', (redis) => redis.stop(),
    (redis) => redis.start(), true],
  ['frozen', (redis) => redis.freeze(), (redis) => redis.thaw(), false],
]) {
  scenario(`Redis is ${what}: beats and streams go on, then all agree`,
    { count: 2, workers: 2 }, async (nodes) => {
      const [a, b] = nodes.all;
      const dashes = await nodes.dashboards();
      const list = [await a.tab('ann'), await b.tab('bob')];

      await b.tab('silent', { times: 4 });

      for (const dash of dashes) {
        await dash.waitFor(() => dash.members.present.length === 3, SECOND,
          'three are there');
      }

      const told = nodes.all.map((node) => linesOf(node));

      await away(nodes.redis);

      /* what a node hears itself it tells at once */
      const said = Date.now();
      const reply = await a.beat('new');

      assert.equal(reply.status, 200);
      await dashes[0].waitForChange('new', 'enter', SECOND);
      assert.ok(Date.now() - said < SECOND);
      await until(() => nodes.all.every(
        (node, n) => linesOf(node).length > told[n].length), 5 * SECOND,
      'a line in each log');
      await a.beat('ann', { text: 'said alone' });
      await a.tab('new');

      /* who goes silent is gone after ten beats for each node */
      if (isLong) {
        const { interval, slack } = nodes.zone;
        const { at } = await dashes[1].waitForChange('silent', 'leave',
          20 * interval + slack + 2 * SECOND);

        assert.ok(at - said > 20 * interval, `${at - said} ms`);

      } else {
        await pass(nodes.window);
      }

      await back(nodes.redis);
      await dashes[1].waitForChange('new', 'enter', 10 * SECOND);
      await nodes.untilAgreed(['ann', 'bob', 'new']);
      await until(async () => (await b.member('ann')).text === 'said alone',
        5 * SECOND, 'what was said meanwhile');

      for (const dash of dashes) {
        for (const user of ['ann', 'bob']) {
          assert.ok(!dash.kinds(user).includes('leave'), dash.story());
        }
      }

      for (const tab of list) {
        const beats = await tab.beats();

        assert.deepEqual([...new Set(beats.filter((x) => x.got)
          .map((x) => x.status))], [200]);
        assert.ok(beats.every((x) => !x.body?.recovered));
      }

      nodes.all.forEach((node, n) => assert.deepEqual(
        linesOf(node).slice(told[n].length), ['does not serve', 'serves']));
    });
}


scenario('a node is cut off from Redis and comes back: nothing is lost',
  { count: 2 }, async (nodes) => {
    const [a, b] = nodes.all;
    const dashes = await nodes.dashboards();

    await a.tab('ann');
    await b.tab('bob');
    await a.beat('silent');

    for (const dash of dashes) {
      await dash.waitFor(() => dash.members.present.length === 3, SECOND,
        'three are there');
    }

    a.proxy.cut();
    await dashes[1].waitForChange('silent', 'leave',
      2 * nodes.window + 4 * SECOND);
    a.proxy.heal();
    await dashes[0].waitForChange('silent', 'leave', 3 * SECOND);
    await nodes.untilAgreed(['ann', 'bob']);
    assert.deepEqual(dashes[0].news('ann'), ['enter']);
    assert.deepEqual(dashes[0].news('bob'), ['enter']);
    assert.deepEqual(dashes[1].news('bob'), ['enter']);
    assert.deepEqual(newsOf(dashes, 'silent'),
      [['enter', 'leave'], ['enter', 'leave']]);
  });


for (const [what, start, end] of [
  ['full', ['CONFIG', 'SET', 'maxmemory', '1'],
    ['CONFIG', 'SET', 'maxmemory', '0']],
  ['without enough replicas', ['CONFIG', 'SET', 'min-replicas-to-write', '1'],
    ['CONFIG', 'SET', 'min-replicas-to-write', '0']],
  ['read-only', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
]) {
  scenario(`Redis is ${what}: told, and made up for`, { count: 2 },
    async (nodes) => {
      const [a, b] = nodes.all;
      const dash = await b.dashboard();

      await a.tab('ann');
      await dash.waitForChange('ann', 'enter', SECOND);

      const told = linesOf(a).length;

      await nodes.client.sendCommand(start);
      await until(() => linesOf(a).length > told, 5 * SECOND,
        'a line in the log');
      await a.tab('new');
      assert.equal((await a.member('new')).status, 'online');
      assert.equal(await nodes.client.exists(nodes.key('new')), 0);

      /* a replica is left for a new connection, which is let in and no good */
      if (what === 'read-only') {
        const before = await connections(nodes);

        await until(async () => await connections(nodes) > before + 6,
          5 * SECOND, 'new connections');
      }

      await nodes.client.sendCommand(end);
      await dash.waitForChange('new', 'enter', 5 * SECOND);
      await nodes.untilAgreed(['ann', 'new']);
      assert.deepEqual(dash.news('ann'), ['enter']);

      assert.deepEqual(linesOf(a).slice(told), ['does not serve', 'serves']);
    });
}


scenario('Redis answers late, or not to the end: nobody flips', { count: 2 },
  async (nodes) => {
    const [a, b] = nodes.all;
    const dashes = await nodes.dashboards();

    await a.tab('ann');
    await dashes[1].waitForChange('ann', 'enter', SECOND);

    for (const node of [a, b]) {
      node.proxy.delay(200);
    }

    const sent = Date.now();

    assert.equal((await b.beat('bob')).status, 200);
    assert.ok(Date.now() - sent < 200);
    await dashes[0].waitForChange('bob', 'enter', 2 * SECOND);
    await nodes.untilAgreed(['ann']);

    for (const node of [a, b]) {
      node.proxy.delay(0);
    }

    for (let n = 0; n < 5; n++) {
      const told = linesOf(a).length;

      a.proxy.tear();
      await until(() => linesOf(a).length >= told + 2, 5 * SECOND,
        'it is told that Redis went and came');
    }

    await nodes.untilAgreed(['ann']);
    assert.deepEqual(newsOf(dashes, 'ann'), [['enter'], ['enter']]);
    assert.deepEqual(newsOf(dashes, 'bob'),
      [['enter', 'leave'], ['enter', 'leave']]);
  });


scenario('a reload and a binary upgrade with two nodes: no event',
  { count: 2, workers: 2 }, async (nodes) => {
    const [a, b] = nodes.all;
    const users = names(10);
    const dash = await b.dashboard();

    for (const user of users) {
      await a.tab(user);
    }

    await a.beat('left');
    await dash.waitFor(() => dash.members.present.length === 11, SECOND, 'all');
    await a.beat('left', { logout: true });
    await a.nginx.reload();
    await pass(nodes.window);
    await a.nginx.upgrade();
    await pass(2 * nodes.window);

    for (const user of users) {
      assert.deepEqual(dash.news(user), ['enter'], dash.story());
    }

    assert.deepEqual(dash.news('left'), ['enter', 'leave']);
    await nodes.untilAgreed(users);
  });


scenario('a shared secret, a user, a database, a socket', { count: 1,
  args: ['--user', 'presence', 'on', '>secret%40', '~presence:*', '+@all'] },
async (nodes) => {
  const node = await nodes.all[0];
  const { redis: url } = node.zone;

  await node.beat('ann');

  for (const line of [
    url.replace('redis://', 'redis://presence:secret%2540@') + '/3',
    `unix://presence:secret%2540@${nodes.redis.socket}?db=3`,
  ]) {
    await node.nginx.reload(
      { ...node.nginx.site, zone: { ...node.zone, redis: line } });
    await node.beat('bob', { wire: node.newWire('h1') });
    const third = await nodes.redis.client({ database: 3 });

    await until(async () => (await third.keys('*:user:*')).length > 0,
      5 * SECOND, line);
    await third.flushDb();
  }

  const wrong = url.replace('redis://', 'redis://presence:wrong@');

  await node.nginx.reload(
    { ...node.nginx.site, zone: { ...node.zone, redis: wrong } });
  await until(() => node.nginx.log.lines(/does not serve: WRONGPASS/).length,
    5 * SECOND, 'WRONGPASS in the log');
  assert.equal((await node.beat('bob',
    { wire: node.newWire('h1') })).status, 200);
});
