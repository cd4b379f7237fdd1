import assert from 'node:assert/strict';
import test from 'node:test';

import { Browser, World, settle } from './fake.mjs';

const error = (status, props = {}, headers = {}) => ({
  status, headers, body: { type: 'urn:ngx-presence:problem:x', title: 'X', status, ...props },
});

const heard = (presence, type) => {
  const seen = [];
  const phase = { fail: 'failed', skip: 'skipped' }[type];
  if (phase) presence.on('beat', (detail) => detail.phase === phase && seen.push(detail));
  else presence.on(type, (detail) => seen.push(detail));
  return seen;
};

async function started(world, options) {
  const presence = world.presence(options);
  presence.start();
  await settle();
  return presence;
}

test('beats at once, then at the interval of the reply', async () => {
  const world = new World();
  const presence = await started(world);
  assert.equal(world.requests[0].url, '/presence/beat');
  assert.equal(world.beats.length, 1);
  assert.equal(presence.state, 'online');
  await world.pass(24400);
  assert.equal(world.beats.length, 1);
  await world.pass(700);
  assert.equal(world.beats.length, 2);
  world.answer = () => world.reply({ interval_ms: 5000 });
  await world.pass(25100);
  assert.equal(world.beats.length, 3);
  await world.pass(30100);
  assert.equal(world.beats.length, 9);
});

test('the interval has ten per cent of jitter either way', async () => {
  for (const [random, due] of [[0, 22500], [1, 27500]]) {
    const world = new World();
    await started(world, { env: { random: () => random } });
    await world.pass(due - 1000);
    assert.equal(world.beats.length, 1);
    await world.pass(1500);
    assert.equal(world.beats.length, 2);
  }
});

test('a beat carries the whole state', async () => {
  const world = new World();
  await started(world, { url: '/p', meta: { desk: 4 } });
  await world.pass(25100);
  const [first, second] = world.beats;
  assert.equal(world.requests[0].url, '/p/beat');
  assert.match(first.session, /^[\w-]{22}$/);
  assert.ok(first.doc.length >= 8 && first.doc.length <= 64);
  assert.equal(first.seq + 1, second.seq);
  assert.equal(first.visible, true);
  assert.equal(first.active_ms_ago, 0);
  assert.equal(second.active_ms_ago, 25000);
  assert.equal(second.next_ms, 25000);
  assert.deepEqual(first.meta, { desk: 4 });
  assert.equal(second.diag.fired, 'timer');
  assert.ok(JSON.stringify(second).length < 4096);
  assert.equal(second.status, undefined);
});

test('the session survives a reload, the document does not', async () => {
  const world = new World();
  await started(world);
  await started(world);
  const [a, b] = world.beats;
  assert.equal(a.session, b.session);
  assert.notEqual(a.doc, b.doc);
  assert.equal(b.seq, 1);
});

test('an id that is not one is replaced, forbidden storage is done without', async () => {
  const world = new World();
  world.stored.set('presence:/presence/', 'x y');
  await started(world);
  assert.match(world.beats[0].session, /^[\w-]{22}$/);
  const storage = { getItem() { throw new Error('no'); } };
  await started(world, { env: { storage } });
  assert.match(world.beats[1].session, /^[\w-]{22}$/);
});

test('never two beats in flight', async () => {
  const world = new World();
  world.answer = () => undefined;
  const presence = await started(world);
  presence.wake('ping');
  presence.touch();
  presence.setStatus('busy');
  await world.hide();
  await world.hide(false);
  await world.pass(7000);
  assert.equal(world.beats.length, 1);
});

test('a beat that hangs is given up after eight seconds', async () => {
  const world = new World();
  world.answer = () => undefined;
  const presence = await started(world);
  const failed = heard(presence, 'fail');
  await world.pass(7999);
  assert.equal(failed.length, 0);
  await world.pass(2);
  assert.equal(failed[0].error, 'timeout');
  assert.equal(presence.state, 'retrying');
  assert.equal(world.hanging, 0);
  world.answer = () => world.reply();
  await world.pass(1000);
  assert.equal(presence.state, 'online');
  assert.equal(world.beats[1].diag.error, 'timeout');
});

test('how late that is seen is evidence: nothing of the page ran', async () => {
  const world = new World();
  await started(world);
  world.answer = () => undefined;
  await world.pass(25000);
  assert.equal(world.beats.length, 2);
  world.stall(60000);
  world.answer = () => world.reply();
  await world.pass(1000);
  const { diag } = world.beats[2];
  assert.deepEqual([diag.failed, diag.error, diag.drift_ms], [1, 'timeout', 52000]);
});

test('a beat that hangs is given up by any wake-up when timers sleep', async () => {
  const world = new World();
  world.answer = () => undefined;
  const presence = await started(world);
  world.stall(60000);
  presence.wake('ping');
  assert.equal(presence.state, 'retrying');
});

test('backs off, and comes back to the interval', async () => {
  const world = new World();
  world.answer = () => new TypeError('unreachable');
  const presence = world.presence();
  const failed = heard(presence, 'fail');
  presence.start();
  await settle();
  assert.equal(presence.state, 'retrying');
  await world.pass(80000);
  assert.deepEqual(failed.map((f) => f.retry_ms), [750, 1500, 3000, 6000, 12000, 22500, 22500, 22500]);
  assert.equal(failed[0].error, 'network');
  world.answer = () => world.reply();
  await world.pass(11000);
  assert.equal(presence.state, 'online');
  const beats = world.beats.length;
  await world.pass(24000);
  assert.equal(world.beats.length, beats);
  await world.pass(1100);
  assert.equal(world.beats.length, beats + 1);
  world.answer = () => new TypeError('unreachable');
  failed.length = 0;
  await world.pass(25000);
  assert.equal(failed[0].retry_ms, 750);
});

test('a retry does not come early', async () => {
  const world = new World();
  const presence = await started(world);
  world.answer = () => error(503);
  await world.pass(25100);
  assert.equal(world.beats.length, 2);
  await world.pass(300);
  presence.wake('ping');
  await settle();
  assert.equal(world.beats.length, 2);
});

test('turning idle during a beat does not forget its time-out', async () => {
  const world = new World();
  world.answer = () => world.reply({ idle_ms: 27000 });
  const presence = await started(world);
  world.answer = () => undefined;
  await world.pass(28000);
  assert.equal(presence.state, 'idle');
  await world.pass(5500);
  assert.equal(presence.state, 'retrying');
});

test('what happens during a beat is told by the next', async () => {
  const world = new World();
  let answer;
  world.answer = () => new Promise((resolve) => { answer = resolve; });
  await started(world);
  await world.pass(1500);
  await world.hide();
  assert.equal(world.beats.length, 1);
  answer(world.reply());
  await settle();
  assert.equal(world.beats.length, 2);
  assert.equal(world.beats[1].visible, false);
});

test('the first retry is jittered too', async () => {
  for (const [random, due] of [[0, 500], [1, 1000]]) {
    const world = new World();
    world.answer = () => error(503);
    await started(world, { env: { random: () => random } });
    await world.pass(due - 1);
    assert.equal(world.beats.length, 1);
    await world.pass(2);
    assert.equal(world.beats.length, 2);
  }
});

test('Retry-After is honoured, whatever wakes up', async () => {
  const world = new World();
  world.answer = () => error(503, {}, { 'Retry-After': '20' });
  const presence = await started(world);
  await world.pass(10000);
  presence.setStatus('busy');
  await world.hide();
  await world.hide(false);
  world.window.fire('online');
  await world.pass(9900);
  assert.equal(world.beats.length, 1);
  world.answer = () => world.reply();
  await world.pass(2200);
  assert.equal(world.beats.length, 2);
  assert.equal(presence.state, 'online');
});

test('an answer that is not one is a failure', async () => {
  const world = new World();
  world.answer = () => ({ status: 200, body: '<html>Please log in' });
  const presence = await started(world);
  assert.equal(presence.state, 'retrying');
  world.answer = () => ({ status: 200, body: {} });
  await world.pass(1100);
  assert.equal(presence.state, 'retrying');
});

test('401 and 403 stop it, until it is started again', async () => {
  for (const status of [401, 403]) {
    const world = new World();
    world.answer = () => error(status);
    const presence = world.presence();
    const denied = heard(presence, 'denied');
    presence.start();
    await settle();
    assert.equal(presence.state, 'denied');
    assert.equal(denied[0].problem.status, status);
    assert.equal(world.timers.size, 0);
    presence.wake('focus');
    await world.pass(600000);
    assert.equal(world.beats.length, 1);
    world.answer = () => world.reply();
    presence.start();
    await settle();
    assert.equal(presence.state, 'online');
  }
});

test('a ping beats when a beat is due, and only then', async () => {
  const world = new World();
  const presence = await started(world);
  world.stall(20000);
  presence.wake('ping');
  assert.equal(world.beats.length, 1);
  world.stall(4600);
  presence.wake('ping');
  await settle();
  assert.equal(world.beats.length, 2);
  assert.equal(world.beats[1].diag.fired, 'ping');
  presence.wake('ping');
  assert.equal(world.beats.length, 2);
});

test('in a hidden page pings carry the beats alone', async () => {
  const world = new World();
  const presence = await started(world, { env: { random: () => 1 } });
  await world.pass(2000);
  await world.hide();
  const before = world.beats.length;
  for (let i = 0; i < 20; i++) {
    world.stall(25000);
    presence.wake('ping');
    await settle();
  }
  assert.equal(world.beats.length, before + 20);
});

test('hiding tells at once that beats may come slowly, showing that they do not', async () => {
  const world = new World();
  const presence = await started(world);
  await world.pass(2000);
  await world.hide();
  assert.equal(presence.state, 'background');
  assert.equal(world.beats[1].visible, false);
  assert.equal(world.beats[1].next_ms, 70000);
  await world.pass(2000);
  await world.hide(false);
  assert.equal(world.beats.length, 3);
  assert.equal(world.beats[2].visible, true);
  assert.equal(world.beats[2].next_ms, 25000);
  assert.equal(world.beats[2].diag.fired, 'visible');
});

test('flicker does not flood', async () => {
  const world = new World();
  await started(world);
  for (let i = 0; i < 50; i++) {
    await world.hide();
    await world.pass(20);
    await world.hide(false);
    await world.pass(20);
  }
  assert.ok(world.beats.length <= 4, `${world.beats.length} beats in 2 s`);
  await world.pass(1000);
  assert.equal(world.beats.at(-1).visible, true);
});

test('waking up catches up with one beat', async () => {
  for (const [type, target] of [['focus', 'window'], ['resume', 'document'], ['online', 'window']]) {
    const world = new World();
    await started(world);
    world.stall(90000);
    world[target].fire(type);
    world[target].fire(type);
    await settle();
    assert.equal(world.beats.length, 2, type);
  }
});

test('waking up soon after a beat needs none, later than five seconds does', async () => {
  const world = new World();
  await started(world);
  await world.pass(4900);
  world.window.fire('focus');
  await settle();
  assert.equal(world.beats.length, 1);
  await world.pass(200);
  world.window.fire('focus');
  await settle();
  assert.equal(world.beats.length, 2);
});

test('focus of a field is not focus of the page', async () => {
  const world = new World();
  await started(world);
  await world.pass(10000);
  world.window.fire('focus', { target: {} });
  await settle();
  assert.equal(world.beats.length, 1);
});

test('after sleep the first timer beats', async () => {
  const world = new World();
  await started(world);
  await world.pass(10000);
  world.sleep(3600000);
  world.window.fire('pointerdown');
  await settle();
  assert.equal(world.beats.length, 2);
  assert.equal(world.beats[1].diag.wall_ms - world.beats[1].diag.since_ms, 3600000);
});

test('a wall clock that is set back delays nothing', async () => {
  const world = new World();
  await started(world);
  world.wall -= 7200000;
  await world.pass(25100);
  assert.equal(world.beats.length, 2);
  assert.equal(world.beats[1].active_ms_ago, 25000);
});

test('idle after the server\'s threshold, and back at once', async () => {
  const world = new World();
  world.answer = () => world.reply({ idle_ms: 310000 });
  const presence = await started(world);
  const states = heard(presence, 'state');
  await world.pass(309000);
  assert.equal(presence.state, 'online');
  await world.pass(1000);
  assert.deepEqual(states, [{ state: 'idle', previous: 'online', link: 'online', activity: 'idle' }]);
  const before = world.beats.length;
  await world.pass(2000);
  world.window.fire('keydown');
  await settle();
  assert.equal(world.beats.length, before + 1);
  assert.equal(world.beats.at(-1).active_ms_ago, 0);
  assert.equal(world.beats.at(-1).diag.fired, 'activity');
  assert.equal(presence.state, 'online');
});

test('activity is what a person does', async () => {
  const world = new World();
  await started(world);
  const ago = async (type, props) => {
    await world.pass(25100);
    world.window.fire(type, props);
    await world.pass(2000);
    return world.beats.at(-1).active_ms_ago;
  };
  await ago('keydown', { isTrusted: false });
  await world.pass(25000);
  assert.ok(world.beats.at(-1).active_ms_ago > 40000);
  for (const type of ['pointerdown', 'keydown', 'wheel', 'touchstart']) {
    await ago(type);
    await world.pass(25000);
    assert.ok(world.beats.at(-1).active_ms_ago <= 27100, type);
  }
  world.window.fire('pointermove', { screenX: 3, screenY: 4 });
  await world.pass(100000);
  world.window.fire('pointermove', { screenX: 3, screenY: 4 });
  await world.pass(25100);
  assert.ok(world.beats.at(-1).active_ms_ago > 100000, 'a move that did not move');
});

test('touch is activity', async () => {
  const world = new World();
  const presence = await started(world);
  await world.pass(20000);
  presence.touch();
  await world.pass(5100);
  assert.equal(world.beats.at(-1).active_ms_ago, 5000);
});

test('a status by hand is sent until it has been answered, then no more', async () => {
  const world = new World();
  const presence = await started(world);
  await world.pass(2000);
  world.answer = () => new TypeError('unreachable');
  presence.setStatus('busy', { until: new Date(1790000900000), text: 'On a call' });
  await settle();
  assert.equal(presence.pending, true);
  world.answer = () => world.reply();
  await world.pass(2000);
  assert.equal(presence.pending, false);
  await world.pass(25100);
  const told = world.beats.slice(1).map(({ status, until, text }) => ({ status, until, text }));
  const busy = { status: 'busy', until: 1790000900000, text: 'On a call' };
  assert.deepEqual(told, [busy, busy, { status: undefined, until: undefined, text: undefined }]);
});

test('a person who sets a status does not wait for long', async () => {
  const world = new World();
  const presence = await started(world);
  presence.setStatus('busy');
  await world.pass(150);
  presence.setStatus('away');
  assert.equal(world.beats.length, 1);
  await world.pass(60);
  assert.equal(world.beats.length, 2);
  assert.equal(world.beats[1].status, 'away');
});

test('a status set while a beat is in flight goes with the next', async () => {
  const world = new World();
  let answer;
  world.answer = () => new Promise((resolve) => { answer = resolve; });
  const presence = await started(world);
  presence.setStatus('dnd');
  await world.pass(1500);
  world.answer = () => world.reply();
  answer(world.reply());
  await settle();
  assert.equal(world.beats.length, 2);
  assert.equal(world.beats[0].status, undefined);
  assert.deepEqual([world.beats[1].status, world.beats[1].until], ['dnd', null]);
  assert.equal(presence.pending, false);
});

test('a status that the server refuses is dropped, and beats go on', async () => {
  const world = new World();
  const presence = await started(world);
  const rejected = heard(presence, 'rejected');
  await world.pass(2000);
  world.answer = (body) => (body.text ? error(400, { detail: '"text" is too long' }) : world.reply());
  presence.setStatus('busy', { text: 'x'.repeat(300) });
  await world.pass(2000);
  assert.equal(rejected[0].problem.detail, '"text" is too long');
  assert.equal(presence.pending, false);
  assert.equal(presence.state, 'online');
});

test('setStatus refuses what is no status', () => {
  const presence = new World().presence();
  assert.throws(() => presence.setStatus('lunch'), /"lunch" is none of online, busy/);
});

test('going says so, with a seq above all beats', async () => {
  const world = new World();
  const presence = await started(world);
  world.window.fire('pagehide');
  const { body, init } = world.requests.at(-1);
  assert.equal(body.leave, true);
  assert.equal(init.keepalive, true);
  assert.equal(body.seq, world.beats[0].seq + 1);
  assert.equal(body.doc, world.beats[0].doc);
  assert.equal(presence.state, 'leaving');
  await world.hide();
  await world.pass(600000);
  assert.equal(world.beats.length, 1);
  assert.equal(world.timers.size, 0);
});

test('coming back from the back/forward cache beats at once', async () => {
  const world = new World();
  const presence = await started(world);
  await world.pass(5000);
  world.window.fire('pagehide', { persisted: true });
  world.stall(30000);
  world.window.fire('pageshow', { persisted: true });
  await settle();
  assert.equal(presence.state, 'online');
  assert.equal(world.beats.length, 2);
  assert.ok(world.beats[1].seq > world.requests[1].body.seq);
});

test('the pageshow of a page load is not a return', async () => {
  const world = new World();
  await started(world);
  await world.pass(8000);
  world.window.fire('pageshow', { persisted: false });
  await settle();
  assert.equal(world.beats.length, 1);
});

test('where fetch has no keepalive, the beacon says it', async () => {
  const world = new World();
  const beacons = [];
  const Request = globalThis.Request;
  await started(world, { env: { sendBeacon: (...args) => beacons.push(args) } });
  globalThis.Request = class {};
  try {
    world.window.fire('pagehide');
  } finally {
    globalThis.Request = Request;
  }
  assert.equal(beacons[0][0], '/presence/beat');
  assert.equal(JSON.parse(beacons[0][1]).leave, true);
});

test('stop says goodbye and leaves nothing behind', async () => {
  const world = new World();
  const presence = await started(world, { stream: true });
  await world.pass(1000);
  assert.equal(world.stream.readyState, 0);
  presence.stop();
  await settle();
  assert.equal(world.requests.at(-1).body.leave, true);
  assert.equal(presence.state, 'stopped');
  assert.equal(world.timers.size, 0);
  assert.equal(world.window.listeners.length + world.document.listeners.length, 0);
  assert.equal(world.stream.readyState, 2);
  world.answer = (body) => (body.leave ? world.reply() : undefined);
  presence.start();
  presence.stop();
  await settle();
  assert.equal(world.timers.size, 0);
  assert.equal(world.hanging, 0);
});

test('an answer that comes after stop is not heard', async () => {
  const world = new World();
  let answer;
  world.answer = () => new Promise((resolve) => { answer = resolve; });
  const presence = await started(world);
  const late = answer;
  presence.stop();
  late(world.reply());
  await settle();
  assert.equal(presence.state, 'stopped');
  assert.equal(world.timers.size, 0);
  world.answer = () => world.reply();
  presence.start();
  await settle();
  assert.equal(presence.state, 'online');
});

test('logout ends the session for good; the next login has another', async () => {
  const world = new World();
  const presence = await started(world);
  const before = presence.session;
  assert.equal(await presence.logout(), true);
  const { body, init } = world.requests.at(-1);
  assert.deepEqual([body.session, body.logout, body.leave], [before, true, undefined]);
  assert.equal(init.keepalive, true);
  assert.equal(presence.state, 'stopped');
  assert.equal(world.timers.size, 0);
  presence.start();
  await settle();
  assert.notEqual(presence.session, before);
  world.answer = () => new TypeError('unreachable');
  assert.equal(await presence.logout(), false);
});

test('logout does not wait for a beat in flight, which the server knows is older', async () => {
  const world = new World();
  world.answer = (body) => (body.logout ? world.reply() : undefined);
  const presence = await started(world);
  const told = presence.logout();
  // in time for a page that goes
  const [beat, last] = world.requests.map(({ body }) => body);
  assert.deepEqual([last.logout, last.session, last.doc, last.seq], [true, beat.session, beat.doc, beat.seq + 1]);
  assert.equal(await told, true);
  assert.deepEqual([presence.state, presence.reply], ['stopped', null]);
  assert.equal(world.hanging, 0);
  assert.equal(world.timers.size, 0);
  assert.equal(world.window.listeners.length, 0);
});

test('logout does not wait for ever, neither for the server nor for a token', { timeout: 10_000 }, async (t) => {
  // The time-out's own timer would not keep Node.js running.
  const running = setInterval(() => {}, 1000);
  t.after(() => clearInterval(running));
  const never = () => new Promise(() => {});
  for (const [answer, token] of [[() => undefined], [undefined, never]]) {
    const world = new World();
    if (answer) world.answer = answer;
    const presence = world.presence({ token, timeout: 20 }).start();
    assert.equal(await presence.logout(), false);
    assert.equal(world.hanging, 0);
  }
});

test('starting twice is starting once', async () => {
  const world = new World();
  const presence = await started(world);
  presence.start();
  await settle();
  assert.equal(world.beats.length, 1);
});

test('tells what it does', async () => {
  const world = new World();
  const presence = world.presence();
  const events = [];
  for (const type of ['state', 'beat', 'recovered']) presence.on(type, (d) => events.push([d.phase ?? type, d]));
  world.answer = () => world.reply({ recovered: { reason: 'missed', at: 5 } });
  presence.start();
  await settle();
  assert.deepEqual(events.map(([type]) => type), ['state', 'sent', 'answered', 'recovered', 'state']);
  assert.deepEqual(events[0][1], { state: 'starting', previous: 'stopped', link: 'starting', activity: 'active' });
  assert.equal(events[1][1].reason, 'start');
  assert.deepEqual(events[3][1], { reason: 'missed', at: 5 });
  assert.equal(presence.sent, 1);
  assert.equal(presence.answered, 1);
  assert.equal(presence.nextIn, 25000);
});

test('tells why there is no beat', async () => {
  const world = new World();
  const presence = await started(world);
  const skipped = heard(presence, 'skip');
  presence.wake('ping');
  world.window.fire('online');
  world.answer = () => undefined;
  await world.pass(25100);
  presence.wake('ping');
  await world.pass(9000);
  await world.pass(3000);
  presence.wake('ping');
  presence.wake('timer');
  assert.deepEqual(skipped.map(({ reason, why }) => [reason, why]), [
    ['ping', 'too-soon'], ['online', 'too-soon'], ['ping', 'in-flight'], ['ping', 'in-flight']]);
});

test('knows the server\'s time', async () => {
  const world = new World();
  world.answer = () => world.reply({ server_time: world.wall + 90000 });
  const presence = await started(world);
  await world.pass(1000);
  assert.equal(presence.now(), world.wall + 90000);
});

test('a page that is prerendered beats when it is shown', async () => {
  const world = new World();
  world.document.prerendering = true;
  await started(world);
  assert.equal(world.beats.length, 0);
  world.document.prerendering = false;
  world.document.fire('prerenderingchange');
  await settle();
  assert.equal(world.beats.length, 1);
});

test('works without a page at all', async () => {
  const world = new World();
  const presence = await started(world, { env: { window: undefined, document: undefined, storage: undefined } });
  assert.equal(presence.state, 'online');
  presence.stop();
});

test('a handler may do anything when it is told of a beat', async () => {
  const world = new World();
  const presence = world.presence({ stream: true });
  let once = true;
  presence.on('beat', ({ phase }) => {
    if (phase !== 'sent' || !once) return;
    once = false;
    presence.wake('online');
    presence.touch();
    presence.setStatus('busy');
  });
  presence.start();
  assert.equal(world.beats.length, 1);
  await world.pass(2000);
  assert.deepEqual(world.beats.map(({ status }) => status), [undefined, 'busy']);
  for (const at of ['sent', 'answered', 'failed']) {
    const other = new World();
    if (at === 'failed') other.answer = () => new TypeError('unreachable');
    const stops = other.presence({ stream: true });
    stops.on('beat', ({ phase }) => phase === at && stops.stop());
    stops.start();
    await other.pass(60000);
    assert.equal(stops.state, 'stopped', at);
    assert.equal(other.beats.length, at === 'sent' ? 0 : 1, at);
    assert.equal(other.timers.size, 0, at);
    assert.ok(other.streams.every(({ readyState }) => readyState === 2), at);
  }
});

test('a handler may stop it when it is told of another user, or of a status that was refused', async () => {
  for (const [type, answer] of [['members', (world) => world.reply({ user: 'agent-8' })], ['rejected', () => error(400)]]) {
    const world = new World();
    const presence = await started(world);
    presence.on(type, () => presence.stop());
    world.answer = () => answer(world);
    presence.setStatus('busy');
    await world.pass(60000);
    assert.equal(presence.state, 'stopped', type);
    assert.equal(world.beats.length, 2, type);
    assert.equal(world.timers.size, 0, type);
  }
});

// Before the rest of the client is there

/** What is loaded when `arrive` is called. */
function late(world) {
  let arrive;
  const { later } = world.env();
  const arrived = new Promise((resolve) => { arrive = resolve; });
  return { env: { later: () => arrived.then(later) }, arrive: () => { arrive(); return settle(); } };
}

test('without the rest it beats, hides, comes back and goes', async () => {
  const world = new World();
  const presence = await started(world, { ...late(world), stream: true });
  await world.pass(2000);
  await world.hide();
  assert.deepEqual([world.beats.at(-1).visible, world.beats.at(-1).next_ms], [false, 70000]);
  world.stall(90000);
  presence.wake('timer');
  await settle();
  assert.deepEqual([world.beats.length, presence.state, presence.live], [3, 'background', 'stale']);
  world.answer = () => new TypeError('unreachable');
  await world.pass(30000);
  assert.equal(presence.state, 'retrying');
  world.answer = () => world.reply();
  world.window.fire('online');
  await settle();
  assert.equal(presence.state, 'background');
  await world.hide(false);
  world.window.fire('pagehide');
  assert.equal(world.requests.at(-1).body.leave, true);
  world.window.fire('pageshow', { persisted: true });
  await settle();
  assert.equal(presence.state, 'online');
  assert.equal(presence.diagnose().ticker, 'page');
  assert.equal(await presence.logout(), true);
  assert.equal(world.timers.size, 0);
});

test('nobody is idle, and nobody called away, as long as nothing would notice them', async () => {
  const world = new World();
  const { env, arrive } = late(world);
  const presence = await started(world, { env });
  await world.pass(400000);
  assert.equal(presence.state, 'online');
  assert.ok(world.beats.every((beat) => beat.active_ms_ago === 0));
  world.window.fire('keydown');
  assert.equal(presence.activeAgo, 400000);
  await arrive();
  assert.equal(presence.activeAgo, 0);
  await world.pass(2000);
  world.window.fire('keydown');
  assert.equal(presence.activeAgo, 0);
  await world.pass(310000);
  assert.equal(presence.state, 'idle');
});

test('what comes late is as if it had always been there', async () => {
  const world = new World();
  world.browser = new Browser();
  const made = [];
  const Worker = class {
    told = [];

    constructor() {
      made.push(this);
    }

    postMessage(ms) {
      this.told.push(ms);
    }

    terminate() {
      this.over = true;
    }
  };
  const { env, arrive } = late(world);
  const presence = await started(world, { stream: true, env: { ...env, Worker } });
  await world.hide();
  await world.pass(5000);
  await arrive();
  assert.equal(world.browser.held('awake'), 1);
  assert.equal(made[0].told.at(-1), Math.ceil(presence.nextIn));
  assert.equal(world.streams.length, 1);
  world.document.fire('freeze');
  assert.equal(presence.state, 'frozen');
  world.document.fire('resume');
  assert.equal(presence.state, 'background');
  presence.stop();
  await settle();
  assert.deepEqual([made[0].over, world.browser.held('awake'), world.document.listeners.length], [true, 0, 0]);
  // and what comes after the end wakes nobody
  const other = new World();
  other.browser = new Browser();
  const slow = late(other);
  const stopped = await started(other, { stream: true, env: { ...slow.env, Worker } });
  await other.hide();
  stopped.stop();
  await slow.arrive();
  assert.deepEqual([stopped.state, made.length, other.browser.held('awake'), other.streams.length], ['stopped', 1, 0, 0]);
});
