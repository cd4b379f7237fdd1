import assert from 'node:assert/strict';
import test from 'node:test';

import { World, member, settle } from './fake.mjs';

const STATE = { members: [member('a')], more: false, server_time: 1790000000000 };

const open = (world, filter, presence = world.presence()) => {
  const store = presence.subscribe(filter);
  return { presence, store };
};

const lively = (world, filter) => {
  const both = open(world, filter);
  world.stream.open();
  world.stream.send('presence_state', STATE, 'e-1');
  return both;
};

const query = (world) => Object.fromEntries(world.stream.url.searchParams);

test('asks for what is wanted', () => {
  const world = new World();
  open(world, { groups: ['agents', 'a b'], users: ['x&y'], includeOffline: true });
  assert.equal(world.stream.url.pathname, '/presence/stream');
  assert.equal(world.stream.url.search, '?groups=agents,a%20b&users=x%26y&include=offline');
  open(world, { mode: 'count' });
  assert.deepEqual(query(world), { mode: 'count' });
  open(world);
  assert.equal(world.stream.url.search, '');
});

test('is bound to the session when there is one', async () => {
  const world = new World();
  const { presence } = open(world);
  assert.equal(query(world).session, undefined);
  presence.start();
  await settle();
  assert.equal(query(world).session, world.beats[0].session);
  assert.equal(world.streams[0].readyState, 2);
});

test('is live only with a state', () => {
  const world = new World();
  const { store } = open(world);
  assert.equal(store.live, 'connecting');
  world.stream.open();
  assert.equal(store.live, 'connecting');
  world.stream.send('presence_state', { ...STATE, more: true });
  assert.equal(store.live, 'connecting');
  world.stream.send('presence_state', STATE, 'e-1');
  assert.equal(store.live, 'live');
  assert.equal(store.member('a').status, 'online');
});

test('follows diffs and counts', () => {
  const world = new World();
  const { store } = lively(world);
  world.stream.send('presence_diff', { changes: [{ type: 'enter', member: member('b') }], server_time: 1 }, 'e-2');
  assert.equal(store.counts.online, 2);
  const { store: counts } = open(world, { mode: 'count' });
  world.stream.send('presence_count', { online: 9, away: 0, busy: 0, dnd: 0, offline: 0, server_time: 1 }, 'e-2');
  assert.equal(counts.counts.online, 9);
  assert.equal(counts.live, 'live');
});

test('a cut connection is stale at once; the first try is left to EventSource', async () => {
  const world = new World();
  const { store } = lively(world);
  world.stream.fail(true);
  assert.equal(store.live, 'stale');
  await world.pass(1000);
  assert.equal(world.streams.length, 1);
  world.stream.open();
  assert.equal(store.live, 'live');
});

test('the second try has backoff and resumes from the last id', async () => {
  const world = new World();
  const { store } = lively(world);
  world.stream.send('presence_diff', { changes: [], server_time: 1 }, 'e-7');
  world.stream.fail(true);
  world.stream.fail(true);
  assert.equal(world.stream.readyState, 2);
  await world.pass(700);
  assert.equal(world.streams.length, 1);
  await world.pass(100);
  assert.equal(world.streams.length, 2);
  assert.equal(query(world).last_event_id, 'e-7');
  assert.equal(store.live, 'stale');
  assert.equal(store.member('a').status, 'online');
});

test('a refusal does not end it; delays grow and start again after success', async () => {
  const world = new World();
  open(world);
  const delays = [];
  for (let i = 0; i < 7; i++) {
    const before = world.mono;
    world.stream.fail();
    const count = world.streams.length;
    while (world.streams.length === count) await world.pass(250);
    delays.push(world.mono - before);
  }
  assert.deepEqual(delays, [750, 1500, 3000, 6000, 12000, 22500, 22500]);
  world.stream.open();
  world.stream.send('presence_state', STATE, 'e-1');
  world.stream.fail();
  await world.pass(800);
  assert.equal(world.streams.length, 9);
});

test('silence for longer than two intervals is a dead connection', async () => {
  const world = new World();
  const { presence, store } = lively(world);
  presence.start();
  await settle();
  world.stream.open();
  world.stream.send('ping', { server_time: world.wall });
  assert.equal(store.live, 'live');
  await world.pass(54900);
  assert.equal(store.live, 'live');
  await world.pass(200);
  assert.equal(store.live, 'stale');
  await world.pass(1000);
  assert.equal(query(world).last_event_id, 'e-1');
  presence.stop();
});

test('a looker-on learns the interval from the state', async () => {
  const world = new World();
  const { store } = lively(world);
  world.stream.send('presence_state', { members: [], more: false, interval_ms: 60000 }, 'e-2');
  await world.pass(131900);
  assert.equal(store.live, 'live');
  await world.pass(200);
  assert.equal(store.live, 'stale');
});

test('a looker-on learns the interval from the pings, by the server\'s clock', async () => {
  const world = new World();
  const { store } = lively(world);
  world.stream.send('ping', { server_time: 1790000000000 });
  world.stream.send('ping', { server_time: 1790000005000 });
  await world.pass(10900);
  assert.equal(store.live, 'live');
  await world.pass(200);
  assert.equal(store.live, 'stale');
});

test('pings that come in a burst do not make it nervous', async () => {
  const world = new World();
  const { store } = lively(world);
  for (const i of [0, 1, 2, 3, 3]) world.stream.send('ping', { server_time: 1790000000000 + i * 25000 });
  await world.pass(50000);
  assert.equal(store.live, 'live');
  assert.equal(world.streams.length, 1);
});

test('a connection that never opens is tried again', async () => {
  const world = new World();
  open(world);
  await world.pass(7900);
  assert.equal(world.streams.length, 1);
  await world.pass(1000);
  assert.equal(world.streams.length, 2);
  assert.equal(world.streams[0].readyState, 2);
});

test('waking up after a long time does not trust the connection', async () => {
  const world = new World();
  const { store } = lively(world);
  world.sleep(3600000);
  world.window.fire('focus');
  assert.equal(world.streams.length, 2);
  assert.equal(query(world).last_event_id, 'e-1');
  assert.equal(store.live, 'stale');
  world.stream.open();
  assert.equal(store.live, 'live');
});

test('waking up does not wait for the backoff', async () => {
  const world = new World();
  open(world);
  world.stream.fail();
  world.window.fire('online');
  assert.equal(world.streams.length, 2);
});

test('waking up leaves a good connection alone', async () => {
  const world = new World();
  lively(world);
  await world.pass(20000);
  world.window.fire('focus');
  world.document.fire('resume');
  assert.equal(world.streams.length, 1);
  world.stream.fail(true);
  await world.pass(1100);
  world.window.fire('pointerdown');
  assert.equal(world.streams.length, 1);
});

test('a ping brings a beat when one is due', async () => {
  const world = new World();
  const { presence } = open(world);
  presence.start();
  await settle();
  world.stream.open();
  world.stall(25000);
  world.stream.send('ping', { server_time: world.wall });
  await settle();
  assert.equal(world.beats.length, 2);
  assert.equal(world.beats[1].diag.by, 'ping');
});

test('what is not the protocol leads to a new state, not to a broken one', async () => {
  for (const junk of ['{"members":', '{}', 'null']) {
    const world = new World();
    const { store } = lively(world);
    world.stream.send('presence_state', junk, 'e-9');
    assert.equal(store.live, 'stale');
    assert.equal(store.member('a').status, 'online');
    await world.pass(1000);
    assert.equal(query(world).last_event_id, undefined);
  }
});

test('half a state is dropped when the connection is', async () => {
  const world = new World();
  const { store } = lively(world);
  world.stream.send('presence_state', { ...STATE, members: [member('ghost')], more: true });
  world.stream.fail(true);
  world.stream.open();
  world.stream.send('presence_state', { ...STATE, members: [member('b')] }, 'e-2');
  assert.deepEqual([...store.members.keys()], ['b']);
});

test('an old connection has nothing more to say', async () => {
  const world = new World();
  const { store } = lively(world);
  const old = world.stream;
  world.stream.fail();
  await world.pass(1000);
  old.send('presence_state', { ...STATE, members: [] }, 'e-0');
  old.onerror();
  old.onerror();
  assert.equal(store.member('a').status, 'online');
  assert.equal(store.lastId, 'e-1');
  assert.equal(world.stream.readyState, 0);
});

test('is closed when the page goes and opened when it comes back', async () => {
  const world = new World();
  const { store } = lively(world);
  world.window.fire('pagehide', { persisted: true });
  assert.equal(world.stream.readyState, 2);
  assert.equal(store.live, 'stale');
  await world.pass(60000);
  assert.equal(world.streams.length, 1);
  world.window.fire('pageshow', { persisted: true });
  assert.equal(world.streams.length, 2);
  assert.equal(query(world).last_event_id, 'e-1');
});

test('close ends it and leaves nothing behind', async () => {
  const world = new World();
  const { store } = lively(world);
  store.close();
  assert.equal(world.stream.readyState, 2);
  assert.equal(store.live, 'stale');
  assert.equal(world.timers.size, 0);
  assert.equal(world.window.listeners.length, 0);
  await world.pass(100000);
  assert.equal(world.streams.length, 1);
});

test('where there is no EventSource it stays connecting', () => {
  const world = new World();
  const store = world.presence({ env: { EventSource: undefined } }).subscribe();
  assert.equal(store.live, 'connecting');
});

test('denied: the stream ends with the session', async () => {
  const world = new World();
  const { presence, store } = lively(world);
  world.answer = () => ({ status: 401, body: {} });
  presence.start();
  await settle();
  assert.equal(presence.state, 'denied');
  assert.equal(store.live, 'stale');
  assert.equal(world.stream.readyState, 2);
  assert.equal(world.timers.size, 0);
});
