import assert from 'node:assert/strict';
import test from 'node:test';

import { World, member, settle } from './fake.mjs';

const STATE = { members: [member('a')], more: false, server_time: 1790000000000 };

/** One that only looks on. */
const open = async (world, options) => {
  const presence = world.presence({ beat: false, stream: true, ...options }).start();
  await settle();
  return presence;
};

const lively = async (world, options) => {
  const presence = await open(world, options);
  world.stream.open();
  world.stream.send('presence_state', STATE, 'e-1');
  return presence;
};

const query = (world) => Object.fromEntries(world.stream.url.searchParams);

test('asks for what is wanted', async () => {
  const world = new World();
  await open(world, { groups: ['agents', 'a b'], users: ['x&y'], include: 'offline', mode: 'full' });
  assert.equal(world.stream.url.pathname, '/presence/stream');
  assert.equal(world.stream.url.search, '?groups=agents,a%20b&users=x%26y&include=offline');
  await open(world, { mode: 'count' });
  assert.deepEqual(query(world), { mode: 'count' });
  await open(world);
  assert.equal(world.stream.url.search, '');
  assert.equal(world.beats.length, 0);
});

test('follows oneself, when it is known who that is', async () => {
  const world = new World();
  const presence = world.presence({ stream: 'self', groups: ['agents'] }).start();
  assert.equal(world.streams.length, 0);
  await settle();
  assert.deepEqual(query(world), { users: 'agent-7', session: presence.session });
});

test('is bound to the session when there is one', async () => {
  const world = new World();
  const presence = world.presence({ stream: true }).start();
  await settle();
  assert.equal(query(world).session, world.beats[0].session);
  presence.stop();
  assert.equal(world.stream.readyState, 2);
});

test('is live only with a state', async () => {
  const world = new World();
  const presence = await open(world);
  assert.deepEqual([presence.live, presence.ready, presence.link], ['reconnecting', false, 'starting']);
  world.stream.open();
  assert.equal(presence.live, 'reconnecting');
  world.stream.send('presence_state', { ...STATE, more: true });
  assert.equal(presence.live, 'reconnecting');
  world.stream.send('presence_state', STATE, 'e-1');
  assert.deepEqual([presence.live, presence.ready, presence.link], ['live', true, 'online']);
  assert.equal(presence.member('a').status, 'online');
});

test('follows diffs and counts', async () => {
  const world = new World();
  const presence = await lively(world);
  const seen = [];
  presence.on('members', (detail) => seen.push(detail));
  world.stream.send('presence_diff', { changes: [{ type: 'enter', member: member('b') }], server_time: 1 }, 'e-2');
  assert.equal(presence.counts.online, 2);
  assert.deepEqual([seen[0].reset, seen[0].changes[0].member.user], [false, 'b']);
  const counts = await open(world, { mode: 'count' });
  world.stream.open();
  world.stream.send('presence_count', { online: 9, away: 0, busy: 0, dnd: 0, offline: 0, server_time: 1 }, 'e-2');
  assert.equal(counts.counts.online, 9);
  assert.equal(counts.live, 'live');
});

test('a cut connection is not live at once, and stale when it stays cut', async () => {
  const world = new World();
  const presence = await lively(world);
  const seen = [];
  presence.on('live', ({ live }) => seen.push(live));
  world.stream.fail(true);
  assert.equal(presence.live, 'reconnecting');
  assert.equal(presence.link, 'retrying');
  assert.equal(world.stream.readyState, 2);
  await world.pass(9000);
  assert.equal(presence.live, 'reconnecting');
  await world.pass(1100);
  assert.equal(presence.live, 'stale');
  await world.pass(1500);
  world.stream.open();
  assert.equal(presence.live, 'live');
  assert.deepEqual(seen, ['reconnecting', 'stale', 'live']);
});

test('resumes from the last id, with jitter and not by EventSource\'s own, which has none', async () => {
  const world = new World();
  const presence = await lively(world);
  world.stream.send('presence_diff', { changes: [], server_time: 1 }, 'e-7');
  world.stream.fail(true);
  assert.equal(world.stream.readyState, 2);
  await world.pass(1000);
  assert.equal(world.streams.length, 1);
  await world.pass(200);
  assert.equal(world.streams.length, 2);
  assert.equal(query(world).last_event_id, 'e-7');
  assert.equal(presence.live, 'reconnecting');
  assert.equal(presence.member('a').status, 'online');
});

test('a 5xx does not end it; delays grow and start again after success', async () => {
  const world = new World();
  await open(world);
  const delays = [];
  for (let i = 0; i < 6; i++) {
    const before = world.mono;
    world.stream.fail();
    const count = world.streams.length;
    while (world.streams.length === count) await world.pass(50);
    delays.push(world.mono - before);
  }
  assert.deepEqual(delays, [1100, 2200, 4400, 8800, 13750, 13750]);
  world.stream.open();
  world.stream.send('presence_state', STATE, 'e-1');
  world.stream.fail();
  await world.pass(1200);
  assert.equal(world.streams.length, 8);
});

test('a stream that is refused for a while waits as long as it is told', async () => {
  const world = new World();
  world.head = () => ({ status: 503, body: {}, headers: { 'Retry-After': '20' } });
  await open(world);
  world.stream.fail();
  await world.pass(19900);
  assert.equal(world.streams.length, 1);
  await world.pass(1200);
  assert.equal(world.streams.length, 2);
});

test('who looks on and is refused is denied, once', async () => {
  for (const status of [401, 403]) {
    const world = new World();
    world.head = () => ({ status, body: {} });
    const presence = await open(world);
    const denied = [];
    presence.on('denied', (detail) => denied.push(detail));
    world.stream.fail();
    await world.pass(600000);
    assert.deepEqual(denied, [{ status, problem: null }]);
    assert.equal(presence.state, 'denied');
    assert.equal(presence.live, 'stale');
    assert.equal(world.streams.length, 1);
    assert.equal(world.timers.size, 0);
    presence.start();
    await settle();
    assert.equal(world.streams.length, 2);
  }
});

test('a stream that is refused does not stop the beats', async () => {
  const world = new World();
  world.head = () => ({ status: 403, body: {} });
  const presence = world.presence({ stream: true, groups: ['vips'] }).start();
  await settle();
  world.stream.fail();
  await world.pass(55000);
  assert.equal(presence.link, 'online');
  assert.equal(world.beats.length, 3);
  assert.equal(world.streams.length, 1);
  await world.pass(10000);
  assert.equal(world.streams.length, 2);
});

test('silence for longer than two intervals is a dead connection', async () => {
  const world = new World();
  const presence = world.presence({ stream: true }).start();
  await settle();
  world.stream.open();
  world.stream.send('presence_state', STATE, 'e-1');
  world.stream.send('ping', { server_time: world.wall });
  await world.pass(54900);
  assert.equal(presence.live, 'live');
  await world.pass(200);
  assert.equal(presence.live, 'stale');
  await world.pass(1500);
  assert.equal(query(world).last_event_id, 'e-1');
  presence.stop();
});

test('learns the interval from the state', async () => {
  const world = new World();
  const presence = await lively(world);
  world.stream.send('presence_state', { members: [], more: false, interval_ms: 60000 }, 'e-2');
  await world.pass(131900);
  assert.equal(presence.live, 'live');
  await world.pass(200);
  assert.equal(presence.live, 'stale');
});

test('learns the interval from the pings, by the server\'s clock', async () => {
  const world = new World();
  const presence = await lively(world);
  world.stream.send('ping', { server_time: 1790000000000 });
  world.stream.send('ping', { server_time: 1790000005000 });
  await world.pass(10900);
  assert.equal(presence.live, 'live');
  await world.pass(200);
  assert.equal(presence.live, 'stale');
});

test('pings that come in a burst do not make it nervous', async () => {
  const world = new World();
  const presence = await lively(world);
  for (const i of [0, 1, 2, 3, 3]) world.stream.send('ping', { server_time: 1790000000000 + i * 25000 });
  await world.pass(50000);
  assert.equal(presence.live, 'live');
  assert.equal(world.streams.length, 1);
});

test('a connection that never opens is tried again', async () => {
  const world = new World();
  await open(world);
  await world.pass(7900);
  assert.equal(world.streams.length, 1);
  await world.pass(1300);
  assert.equal(world.streams.length, 2);
  assert.equal(world.streams[0].readyState, 2);
});

test('waking up after a long time does not trust the connection', async () => {
  const world = new World();
  const presence = await lively(world);
  world.sleep(3600000);
  world.window.fire('online');
  assert.equal(world.streams.length, 2);
  assert.equal(query(world).last_event_id, 'e-1');
  assert.notEqual(presence.live, 'live');
  world.stream.open();
  assert.equal(presence.live, 'live');
});

test('waking up does not wait for the backoff', async () => {
  const world = new World();
  await open(world);
  world.stream.fail();
  await settle();
  world.window.fire('online');
  assert.equal(world.streams.length, 2);
});

test('a beat that is answered again does not leave the stream to hang', async () => {
  const world = new World();
  const presence = world.presence({ stream: true }).start();
  await settle();
  world.stream.open();
  world.stream.send('presence_state', STATE, 'e-1');
  // a black hole: beats fail, and a connection that is made anew hangs
  world.answer = () => undefined;
  await world.pass(40000);
  world.stream.fail(true);
  await world.pass(15000);
  assert.equal(presence.state, 'retrying');
  assert.equal(world.stream.readyState, 0);
  const reached = async () => {
    const { answered } = presence;
    world.answer = () => world.reply();
    for (;;) {
      const before = world.streams.length;
      await world.pass(10);
      if (presence.answered > answered) return world.streams.length - before;
    }
  };
  assert.equal(await reached(), 1);
  assert.equal(query(world).last_event_id, 'e-1');
  // one that is good is left alone, and so is one that was told to wait
  world.stream.open();
  world.answer = () => new Error('cut');
  await world.pass(30000);
  assert.equal(presence.state, 'retrying');
  assert.equal(await reached(), 0);
  world.head = () => ({ status: 503, body: {}, headers: { 'Retry-After': '600' } });
  world.stream.fail();
  world.answer = () => new Error('cut');
  await world.pass(30000);
  assert.equal(presence.state, 'retrying');
  assert.equal(await reached(), 0);
  presence.stop();
});

test('waking up leaves a good connection alone', async () => {
  const world = new World();
  await lively(world);
  await world.pass(20000);
  world.window.fire('focus');
  world.document.fire('resume');
  assert.equal(world.streams.length, 1);
});

test('a ping brings a beat when one is due', async () => {
  const world = new World();
  world.presence({ stream: true }).start();
  await settle();
  world.stream.open();
  world.stall(25000);
  world.stream.send('ping', { server_time: world.wall });
  await settle();
  assert.equal(world.beats.length, 2);
  assert.equal(world.beats[1].diag.fired, 'ping');
});

test('what is not the protocol leads to a new state, not to a broken one', async () => {
  for (const junk of ['{"members":', '{}', 'null']) {
    const world = new World();
    const presence = await lively(world);
    world.stream.send('presence_state', junk, 'e-9');
    assert.equal(presence.live, 'reconnecting');
    assert.equal(presence.member('a').status, 'online');
    await world.pass(1200);
    assert.equal(query(world).last_event_id, undefined);
  }
});

test('half a state is dropped when the connection is', async () => {
  const world = new World();
  const presence = await lively(world);
  world.stream.send('presence_state', { ...STATE, members: [member('ghost')], more: true });
  world.stream.fail(true);
  await world.pass(1200);
  world.stream.open();
  world.stream.send('presence_state', { ...STATE, members: [member('b')] }, 'e-2');
  assert.deepEqual([...presence.members.keys()], ['b']);
});

test('an old connection has nothing more to say', async () => {
  const world = new World();
  const presence = await lively(world);
  const old = world.stream;
  world.stream.fail();
  await world.pass(1200);
  old.send('presence_state', { ...STATE, members: [] }, 'e-0');
  old.onerror(new Event('error'));
  old.onerror(new Event('error'));
  await settle();
  assert.equal(presence.member('a').status, 'online');
  assert.equal(world.stream.readyState, 0);
});

test('is closed when the page goes and opened when it comes back', async () => {
  const world = new World();
  const presence = await lively(world);
  world.window.fire('pagehide', { persisted: true });
  assert.equal(world.stream.readyState, 2);
  assert.equal(presence.live, 'stale');
  await world.pass(60000);
  assert.equal(world.streams.length, 1);
  world.window.fire('pageshow', { persisted: true });
  assert.equal(world.streams.length, 2);
  assert.equal(query(world).last_event_id, 'e-1');
});

test('stop ends it and leaves nothing behind', async () => {
  const world = new World();
  const presence = await lively(world);
  presence.stop();
  assert.equal(world.stream.readyState, 2);
  assert.equal(presence.live, 'stale');
  assert.equal(presence.member('a').status, 'online');
  assert.equal(world.timers.size, 0);
  assert.equal(world.window.listeners.length, 0);
  assert.equal(world.requests.length, 0);
  await world.pass(100000);
  assert.equal(world.streams.length, 1);
});

test('where there is no EventSource nothing is live, and beats go on', async () => {
  const world = new World();
  const presence = world.presence({ stream: true, env: { EventSource: undefined } }).start();
  await world.pass(60000);
  assert.equal(presence.live, 'stale');
  assert.equal(presence.link, 'online');
  assert.equal(world.beats.length, 3);
});

test('denied: the stream ends with the session', async () => {
  const world = new World();
  const presence = world.presence({ stream: true }).start();
  await settle();
  world.answer = () => ({ status: 401, body: {} });
  await world.pass(25100);
  assert.equal(presence.state, 'denied');
  assert.equal(presence.live, 'stale');
  assert.equal(world.stream.readyState, 2);
  assert.equal(world.timers.size, 0);
});

test('who is called offline while they are there says so at once', async () => {
  const world = new World();
  world.presence({ stream: true }).start();
  await settle();
  world.stream.open();
  world.stream.send('presence_state', { ...STATE, members: [member('agent-7')] }, 'e-1');
  await world.pass(3000);
  world.stream.send('presence_diff', { changes: [
    { type: 'leave', member: member('agent-7', { status: 'offline', reason: 'missed' }) }], server_time: 1 }, 'e-2');
  await settle();
  assert.equal(world.beats.length, 2);
  assert.equal(world.beats[1].diag.fired, 'stream');
});

test('the rest of the client is asked for again when it could not be loaded', async () => {
  for (const beat of [true, false]) {
    const world = new World();
    let fails = true, asked = 0;
    const { later } = world.env();
    const env = { later: () => (asked++, fails ? Promise.reject(new TypeError('no connection')) : later()) };
    const presence = world.presence({ beat, stream: true, env }).start();
    await settle();
    assert.equal(world.streams.length, 0);
    assert.match(presence.diagnose().log.join('\n'), /later not loaded: TypeError: no connection/);
    fails = false;
    await world.pass(25100);
    assert.ok(world.streams.length);
    assert.equal(asked, 2);
    presence.stop();
    assert.equal(world.timers.size, 0);
  }
});

test('a page that has stopped is not denied any more', async () => {
  const world = new World();
  let answer;
  world.head = () => ({ status: 401, body: {} });
  const { fetch } = world.env();
  const env = { fetch: async (...args) => { await new Promise((resolve) => { answer = resolve; }); return fetch(...args); } };
  const presence = world.presence({ beat: false, stream: true, env }).start();
  await settle();
  const states = [];
  presence.on('state', ({ state }) => states.push(state));
  world.stream.fail();
  await settle();
  presence.stop();
  answer();
  await settle();
  assert.deepEqual(states, ['stopped']);
});
