// Activity, evidence, the worker, tokens, and what keeps a page awake.

import assert from 'node:assert/strict';
import test from 'node:test';

import { FetchSource } from '../src/source.js';
import { Transport } from '../src/transport.js';
import { Browser, World, member, settle } from './fake.mjs';

async function started(world, options) {
  const presence = world.presence(options).start();
  await settle();
  return presence;
}

// Activity

class Observer {
  static last;

  constructor(fn) {
    this.fn = fn;
    Observer.last = this;
  }

  observe(what) {
    assert.deepEqual(what, { type: 'resource' });
    this.on = true;
  }

  disconnect() {
    this.on = false;
  }

  see(name, initiatorType = 'fetch') {
    this.fn({ getEntries: () => [{ name, initiatorType }] });
  }
}

test('the application\'s own calls are activity', async () => {
  const world = new World();
  const presence = await started(world, { env: { PerformanceObserver: Observer } });
  for (const type of ['fetch', 'xmlhttprequest']) {
    await world.pass(20000);
    Observer.last.see(`https://site.test/api/${type}?x=1`, type);
    assert.equal(presence.activeAgo, 0, type);
  }
  await world.pass(20000);
  Observer.last.see('https://site.test/logo.png', 'img');
  Observer.last.see('https://site.test/presence/beat');
  assert.equal(presence.activeAgo, 20000);
  presence.stop();
  assert.equal(Observer.last.on, false);
});

test('a page that polls goes idle all the same (ng-idle#105)', async () => {
  const world = new World();
  const presence = await started(world, { env: { PerformanceObserver: Observer } });
  for (let t = 0; t < 310; t += 5) {
    await world.pass(5000);
    Observer.last.see(`https://site.test/api/poll?t=${t}`);
    world.window.fire('scroll');
    world.window.fire('mousemove', { screenX: 5, screenY: 5 });
  }
  assert.equal(presence.state, 'idle');
  world.window.fire('keydown');
  assert.equal(presence.state, 'online');
  await world.pass(5000);
  Observer.last.see('https://site.test/api/poll?t=1');
  assert.equal(presence.activeAgo, 0);
});

test('routes are activity: by navigation, by events, and by the address when a beat is due', async () => {
  const navigation = new (new World().window.constructor)();
  for (const [env, fire] of [
    [{ navigation }, () => navigation.fire('currententrychange')],
    [{}, (world) => world.window.fire('popstate')],
    [{}, (world, presence) => presence.wake('worker')],
  ]) {
    const world = new World();
    const location = { href: 'https://site.test/a' };
    const presence = await started(world, { env: { location, ...env } });
    await world.pass(5000);
    location.href = 'https://site.test/b';
    fire(world, presence);
    assert.equal(presence.activeAgo, 0);
    await world.pass(5000);
    fire(world, presence);
    assert.equal(presence.activeAgo, 5000);
  }
});

test('media that can be heard is activity, silent media is none', async () => {
  const world = new World();
  const presence = await started(world);
  const play = (props) => world.window.fire('timeupdate', { target: { paused: false, muted: false, volume: 1, ...props } });
  await world.pass(5000);
  play({ muted: true });
  play({ paused: true });
  play({ volume: 0 });
  assert.equal(presence.activeAgo, 5000);
  play();
  assert.equal(presence.activeAgo, 0);
});

test('scrolling counts near a person\'s doing only', async () => {
  const world = new World();
  const presence = await started(world);
  await world.pass(5000);
  world.window.fire('scroll');
  assert.equal(presence.activeAgo, 5000);
  world.window.fire('pointerdown');
  await world.pass(5000);
  world.window.fire('scroll');
  assert.equal(presence.activeAgo, 0);
  await world.pass(6000);
  world.window.fire('scroll');
  assert.equal(presence.activeAgo, 6000);
});

test('a phantom move after a real one is none', async () => {
  const world = new World();
  const presence = await started(world);
  const move = (x) => world.window.fire('mousemove', { screenX: x, screenY: 1 });
  await world.pass(5000);
  move(1);
  assert.equal(presence.activeAgo, 5000, 'the first tells where it is, no more');
  move(2);
  assert.equal(presence.activeAgo, 0);
  await world.pass(100);
  move(3);
  await world.pass(5000);
  move(3);
  assert.equal(presence.activeAgo, 5100);
});

test('activity is throttled, and can be switched off but for touch', async () => {
  const world = new World();
  const presence = await started(world);
  world.window.fire('keydown');
  await world.pass(900);
  world.window.fire('keydown');
  assert.equal(presence.activeAgo, 900);
  presence.stop();
  const off = await started(world, { activity: false });
  await world.pass(2000);
  world.window.fire('keydown');
  assert.equal(off.activeAgo, 2000);
  off.touch();
  assert.equal(off.activeAgo, 0);
});

// Evidence

test('the first beat has no past', async () => {
  const world = new World();
  await started(world);
  assert.deepEqual(world.beats[0].diag, { fired: 'start', ticker: 'page' });
});

test('throttled timers show as drift in a hidden page', async () => {
  const world = new World();
  const presence = await started(world);
  await world.pass(2000);
  await world.hide();
  world.stall(60000);
  presence.wake('timer');
  await settle();
  const { diag } = world.beats.at(-1);
  assert.equal(diag.fired, 'timer');
  assert.equal(diag.since_ms, 60000);
  assert.equal(diag.wall_ms, 60000);
  assert.equal(diag.drift_ms, 35000);
  assert.equal(diag.hidden_ms, 60000);
  assert.equal(diag.slept_ms, undefined);
});

test('sleep shows as sleep', async () => {
  const world = new World();
  const presence = await started(world);
  await world.pass(10000);
  world.sleep(3600000);
  presence.wake('worker');
  await settle();
  const { diag } = world.beats.at(-1);
  assert.deepEqual([diag.fired, diag.slept_ms, diag.since_ms, diag.wall_ms], ['sleep', 3600000, 10000, 3610000]);
  assert.equal(world.beats.length, 2);
});

test('freezing shows as freezing', async () => {
  const world = new World();
  await started(world);
  await world.hide();
  await world.pass(2000);
  world.document.fire('freeze');
  world.stall(90000);
  world.document.fire('resume');
  await settle();
  const { diag } = world.beats.at(-1);
  assert.deepEqual([diag.fired, diag.frozen_ms], ['resume', 90000]);
  assert.ok(diag.hidden_ms >= 90000);
});

test('what failed is told by the one that gets through, with all that was before it', async () => {
  const world = new World();
  await started(world);
  await world.pass(2000);
  await world.hide();
  world.answer = () => new TypeError('unreachable');
  await world.pass(40000);
  world.answer = () => ({ status: 503, body: {} });
  await world.pass(20000);
  world.answer = () => world.reply();
  await world.pass(30000);
  const told = world.beats.filter(({ diag }) => diag.failed).at(-1).diag;
  assert.equal(told.error, '503');
  assert.ok(told.failed >= 3);
  assert.ok(told.hidden_ms > 50000);
  assert.equal(told.fired, 'retry');
  await world.pass(25100);
  assert.equal(world.beats.at(-1).diag.failed, undefined);
});

test('a discarded page says so once', async () => {
  const world = new World();
  world.document.wasDiscarded = true;
  await started(world);
  await world.pass(25100);
  assert.deepEqual(world.beats.map(({ diag }) => diag.discarded), [true, undefined]);
});

test('diagnose is plain, and has no token', async () => {
  const world = new World();
  const presence = await started(world, { token: () => 'SECRET' });
  const said = JSON.stringify(presence.diagnose());
  const told = JSON.parse(said);
  assert.equal(told.state, 'online');
  assert.equal(told.sent, 1);
  assert.ok(told.log.some((line) => /beat answered start/.test(line)), told.log);
  assert.doesNotMatch(said, /SECRET/);
});

test('debug tells the flow with one prefix', async () => {
  const world = new World();
  const lines = [];
  await started(world, { debug: (...line) => lines.push(line) });
  assert.ok(lines.length >= 4);
  assert.ok(lines.every(([prefix]) => prefix === '[presence]'));
});

test('a subscriber is told of each change, and of nothing else', async () => {
  const world = new World();
  const presence = world.presence();
  const seen = [];
  const off = presence.subscribe((snapshot) => seen.push(snapshot));
  const before = presence.snapshot;
  presence.start();
  await settle();
  assert.equal(presence.snapshot, seen.at(-1));
  assert.notEqual(presence.snapshot, before);
  assert.equal(seen.at(-1).status, 'online');
  const count = seen.length;
  await world.pass(60000);
  assert.equal(seen.length, count);
  assert.equal(presence.snapshot, seen.at(-1));
  off();
  presence.stop();
  assert.equal(seen.length, count);
});

// The worker

class FakeWorker {
  static made = [];

  constructor(url, options) {
    if (FakeWorker.throws) throw new Error('SecurityError');
    Object.assign(this, { url: String(url), options, told: [] });
    FakeWorker.made.push(this);
  }

  postMessage(message) {
    this.told.push(message);
  }

  terminate() {
    this.over = true;
  }
}

const worker = async (world, options) => {
  FakeWorker.made = [];
  FakeWorker.throws = false;
  return started(world, { env: { Worker: FakeWorker }, ...options });
};

test('a worker is told when to tick, and its ticks beat', async () => {
  const world = new World();
  const presence = await worker(world);
  const [made] = FakeWorker.made;
  assert.match(made.url, /^blob:/);
  assert.equal(made.told.at(-1), 25000);
  world.stall(25000);
  made.onmessage({});
  await settle();
  assert.equal(world.beats.length, 2);
  assert.deepEqual([world.beats[1].diag.fired, world.beats[1].diag.ticker], ['worker', 'worker']);
  presence.stop();
  assert.equal(made.over, true);
});

test('a worker of its own URL first, then a blob, then none', async () => {
  const world = new World();
  const presence = await worker(world, { worker: '/w.js' });
  assert.equal(FakeWorker.made[0].url, '/w.js');
  FakeWorker.made[0].onerror({});
  assert.match(FakeWorker.made[1].url, /^blob:/);
  FakeWorker.made[1].onerror({});
  assert.equal(FakeWorker.made.length, 2);
  assert.ok(FakeWorker.made.every(({ over }) => over));
  assert.equal(presence.diagnose().ticker, 'page');
  await world.pass(25100);
  assert.equal(world.beats.length, 2);
});

test('workers that are forbidden at once, or not wanted, are done without', async () => {
  const world = new World();
  FakeWorker.made = [];
  FakeWorker.throws = true;
  const presence = await started(world, { env: { Worker: FakeWorker } });
  assert.equal(presence.state, 'online');
  await worker(world, { worker: false });
  assert.equal(FakeWorker.made.length, 0);
});

// Tokens

test('a token goes in a header, and is asked for again once when it is refused', async () => {
  const world = new World();
  const tokens = ['one', 'two', 'three'];
  let asked = 0;
  const given = () => world.requests.map(({ init }) => init.headers.Authorization);
  const presence = await started(world, { token: async () => tokens[asked++] });
  await world.pass(25100);
  assert.deepEqual(given(), ['Bearer one', 'Bearer one']);
  world.answer = () => (given().at(-1) === 'Bearer one' ? { status: 401, body: {} } : world.reply());
  await world.pass(25100);
  assert.deepEqual(given().slice(2), ['Bearer one', 'Bearer two']);
  assert.equal(world.beats.at(-1).diag.fired, 'token');
  assert.equal(presence.state, 'online');
  // and later again: it is not once for ever
  world.answer = () => (given().at(-1) === 'Bearer two' ? { status: 401, body: {} } : world.reply());
  await world.pass(26000);
  assert.equal(given().at(-1), 'Bearer three');
});

test('a server that refuses every token is not asked for ever (intercom-frontend#534)', async () => {
  const world = new World();
  let asked = 0;
  world.answer = () => ({ status: 401, body: {} });
  const presence = await started(world, { token: () => `t${asked++}` });
  await world.pass(600000);
  assert.equal(presence.state, 'denied');
  assert.equal(asked, 2);
  assert.equal(world.beats.length, 2);
});

test('of a token that has expired several may hear, and one asks for the next', async () => {
  let asked = 0, good = 't1';
  const env = { fetch: async (url, { headers }) => ({ status: headers.Authorization === `Bearer ${good}` ? 200 : 401 }) };
  const transport = new Transport(env, '/presence/', 'same-origin', async () => `t${++asked}`);
  const both = () => Promise.all([transport.request('beat'), transport.request('stream')]);
  const statuses = async () => (await both()).map(({ status }) => status);
  assert.deepEqual(await statuses(), [200, 200]);
  assert.equal(asked, 1);
  good = 't2';
  const [one, other] = await both();
  assert.deepEqual([one.status, other.status], [401, 401]);
  assert.deepEqual([transport.renew(one), transport.renew(other)], [true, true]);
  assert.deepEqual(await statuses(), [200, 200]);
  // an answer that was long on its way says nothing about the token of now
  assert.equal(transport.renew(other), true);
  assert.equal(asked, 2);
  transport.accepted();
  good = '';
  assert.equal(transport.renew((await both())[0]), true);
  assert.deepEqual((await both()).map((response) => transport.renew(response)), [false, false]);
  assert.equal(asked, 3);
});

test('a token that never comes does not keep the next beat waiting', async () => {
  const world = new World();
  let asked = 0;
  const presence = await started(world, { token: () => (asked++ ? 't' : new Promise(() => {})) });
  await world.pass(10000);
  assert.equal(presence.state, 'online');
  assert.equal(asked, 2);
});

test('a token callback that fails is a failure like others', async () => {
  const world = new World();
  let fails = true;
  const presence = await started(world, { token: () => (fails ? Promise.reject(new Error('no')) : 't') });
  assert.equal(presence.state, 'retrying');
  fails = false;
  await world.pass(1000);
  assert.equal(presence.state, 'online');
});

test('with a token the stream is a fetch: frames, ids, and the status when refused', async () => {
  const bytes = new TextEncoder();
  const parts = [': hi\n\nid: e-1\nevent: presence_sta', 'te\ndata: {"a":"ü', '"}\n\nevent: ping\r\ndata: {}\r\n\r\n'];
  const seen = [];
  const source = new FetchSource(async () => new Response(new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(bytes.encode(part));
      controller.close();
    },
  })));
  for (const type of ['presence_state', 'ping']) source.addEventListener(type, (event) => seen.push([type, event.data, event.lastEventId]));
  source.onopen = () => seen.push('open');
  const failure = await new Promise((resolve) => { source.onerror = resolve; });
  assert.deepEqual(seen, ['open', ['presence_state', '{"a":"ü"}', 'e-1'], ['ping', '{}', 'e-1']]);
  assert.equal(failure.status, 200);
  assert.equal(source.readyState, 2);
  const refused = new FetchSource(async () => new Response('', { status: 401 }));
  assert.equal((await new Promise((resolve) => { refused.onerror = resolve; })).status, 401);
});

// Awake

test('a lock is held while the page is hidden, and not a moment longer', async () => {
  const world = new World();
  world.browser = new Browser();
  const presence = await started(world);
  assert.equal(world.browser.held('awake'), 0);
  await world.hide();
  assert.equal(world.browser.held('awake'), 1);
  await world.hide(false);
  assert.equal(world.browser.held('awake'), 0);
  await world.hide();
  world.window.fire('pagehide');
  await settle();
  assert.equal(world.browser.held('awake'), 0);
  presence.stop();
  const free = await started(world, { keepAwake: false });
  await world.hide();
  assert.equal(world.browser.held('awake'), 0);
  free.stop();
});

test('a frozen page leaves beats with the browser, and takes back what was not sent', async () => {
  const world = new World();
  const later = [];
  const fetchLater = (url, init) => {
    const staged = { activated: false, url, init, body: JSON.parse(init.body) };
    init.signal.addEventListener('abort', () => { staged.aborted = true; });
    later.push(staged);
    return staged;
  };
  await started(world, { env: { fetchLater } });
  await world.pass(2000);
  await world.hide();
  const { seq } = world.beats.at(-1);
  world.document.fire('freeze');
  assert.equal(later.length, 10);
  assert.deepEqual(later.map(({ body }) => body.seq), later.map((_, n) => seq + 1 + n));
  assert.deepEqual(later.slice(0, 2).map(({ init }) => init.activateAfter), [56000, 112000]);
  assert.equal(later[0].body.diag.fired, 'staged');
  assert.equal(later[1].body.active_ms_ago - later[0].body.active_ms_ago, 56000);
  later[0].activated = later[1].activated = true;
  world.stall(120000);
  world.document.fire('resume');
  await settle();
  assert.ok(later[2].aborted);
  assert.equal(world.beats.at(-1).seq, seq + 3);
});

test('a browser that stages nothing wastes no number', async () => {
  const world = new World();
  await started(world, { env: { fetchLater: () => { throw new Error('QuotaExceededError'); } } });
  const { seq } = world.beats.at(-1);
  world.document.fire('freeze');
  world.stall(60000);
  world.document.fire('resume');
  await settle();
  assert.equal(world.beats.at(-1).seq, seq + 1);
});

// Leaving

test('a farewell that a blocker stops goes by beacon (ghost-typesense#37)', async () => {
  const world = new World();
  const beacons = [];
  await started(world, { env: { sendBeacon: (...args) => beacons.push(args) } });
  world.answer = () => new TypeError('blocked');
  world.window.fire('pagehide');
  await settle();
  assert.equal(JSON.parse(beacons[0][1]).leave, true);
});

test('leave: false says nothing when the page goes', async () => {
  const world = new World();
  await started(world, { leave: false });
  world.window.fire('pagehide');
  assert.equal(world.requests.length, 1);
});

// Faults of other clients

test('inbound traffic never postpones a beat (realtime-js#133)', async () => {
  const world = new World();
  await started(world, { stream: true });
  world.stream.open();
  world.stream.send('presence_state', { members: [member('a')], more: false }, 'e-1');
  for (let i = 0; i < 60; i++) {
    await world.pass(1000);
    world.stream.send('presence_diff', { changes: [{ type: 'update', member: member('b') }] }, `e-${i + 2}`);
  }
  assert.equal(world.beats.length, 3);
});

test('a beat that was in flight at stop does not block the next start (supabase-js#2625)', async () => {
  const world = new World();
  world.answer = (body) => (body.leave ? world.reply() : undefined);
  const presence = await started(world);
  presence.stop();
  world.answer = () => world.reply();
  presence.start();
  await settle();
  assert.equal(presence.state, 'online');
});

test('a thousand clients do not come back as one (rails#40229)', async () => {
  const delays = [];
  for (let i = 0; i < 50; i++) {
    const world = new World();
    world.answer = () => ({ status: 503, body: {} });
    const presence = world.presence({ env: { random: () => i / 50 } });
    presence.on('beat', ({ phase, retry_ms: ms }) => phase === 'failed' && delays.push(ms));
    presence.start();
    await settle();
    presence.stop();
  }
  assert.equal(new Set(delays).size, 50);
});

test('after sleep a dead link is not trusted (socket.io#5135)', async () => {
  const world = new World();
  const presence = await started(world, { stream: true });
  world.stream.open();
  world.stream.send('presence_state', { members: [], more: false }, 'e-1');
  world.sleep(600000);
  presence.wake('worker');
  await settle();
  assert.equal(world.streams.length, 2);
  assert.notEqual(presence.live, 'live');
  assert.equal(world.beats.length, 2);
});

test('short intervals have short retries and time-outs, but not too short', async () => {
  const world = new World();
  world.answer = () => world.reply({ interval_ms: 200, max_interval_ms: 600 });
  const presence = await started(world);
  const failed = [];
  presence.on('beat', (beat) => beat.phase === 'failed' && failed.push(beat));
  world.answer = () => new TypeError('unreachable');
  await world.pass(2000);
  assert.ok(failed.length >= 8, `${failed.length} attempts`);
  assert.ok(failed.every(({ retry_ms: ms }) => ms <= 200));
  world.answer = () => undefined;
  await world.pass(1500);
  assert.equal(failed.at(-1).error, 'timeout');
});
