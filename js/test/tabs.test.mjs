// Several tabs of one browser.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Browser, World, member, settle } from './fake.mjs';

const STATE = { members: [member('a')], more: false, interval_ms: 25000, server_time: 1790000000000 };
const diff = (user, props) => ({ changes: [{ type: 'update', member: member(user, props) }], server_time: 1 });

/** Tabs with clocks that go together. */
class Tabs {
  browser = new Browser();
  worlds = [];

  async open(options = {}, stored) {
    const world = new World();
    const first = this.worlds[0];
    if (first) Object.assign(world, { wall: first.wall, mono: first.mono });
    world.browser = this.browser;
    if (stored) world.stored = new Map(stored);
    this.worlds.push(world);
    world.tab = world.presence({ stream: true, ...options }).start();
    await settle();
    return world;
  }

  /** In small steps, so that no clock is far ahead. */
  async pass(ms, step = 100) {
    for (let t = 0; t < ms; t += step) {
      for (const world of this.worlds) if (!world.gone) await world.pass(step);
    }
    await settle();
  }

  get streams() {
    return this.worlds.flatMap(({ streams }) => streams).filter(({ readyState }) => readyState !== 2);
  }
}

const live = (world) => {
  world.stream.open();
  world.stream.send('presence_state', STATE, 'e-1');
  return settle();
};

test('six tabs have one stream, and all know the same', async () => {
  const tabs = new Tabs();
  for (let i = 0; i < 6; i++) await tabs.open();
  assert.equal(tabs.streams.length, 1);
  const [leader] = tabs.worlds;
  await live(leader);
  leader.stream.send('presence_diff', diff('b', { status: 'busy' }), 'e-2');
  await settle();
  for (const { tab } of tabs.worlds) {
    assert.equal(tab.live, 'live');
    assert.equal(tab.member('b').status, 'busy');
    assert.equal(tab.counts.online, 1);
  }
  assert.equal(leader.tab.diagnose().stream.role, 'leader');
  assert.equal(tabs.worlds[5].tab.diagnose().stream.role, 'follower');
});

test('a tab that comes later is told the state', async () => {
  const tabs = new Tabs();
  await live(await tabs.open());
  const later = await tabs.open();
  assert.equal(later.streams.length, 0);
  assert.equal(later.tab.live, 'live');
  assert.equal(later.tab.member('a').status, 'online');
});

test('counts are shared as well', async () => {
  const tabs = new Tabs();
  const leader = await tabs.open({ mode: 'count' });
  const other = await tabs.open({ mode: 'count' });
  leader.stream.open();
  leader.stream.send('presence_count', { online: 7, away: 0, busy: 0, dnd: 0, offline: 0, server_time: 1 }, 'e-1');
  await settle();
  assert.equal(other.tab.counts.online, 7);
  assert.equal((await tabs.open({ mode: 'count' })).tab.counts.online, 7);
});

test('a ping is passed on, and answered by each tab for itself', async () => {
  const tabs = new Tabs();
  const leader = await tabs.open();
  const other = await tabs.open();
  await live(leader);
  other.stall(25000);
  leader.stream.send('ping', { server_time: leader.wall });
  await settle();
  assert.equal(other.beats.length, 2);
  assert.equal(other.beats[1].diag.fired, 'ping');
  assert.notEqual(other.beats[1].session, leader.beats[0].session);
});

test('when the leader goes another one goes on from where it was', async () => {
  const tabs = new Tabs();
  const leader = await tabs.open();
  const second = await tabs.open();
  const third = await tabs.open();
  await live(leader);
  leader.stream.send('presence_diff', diff('b'), 'e-2');
  await settle();
  leader.window.fire('pagehide');
  leader.gone = true;
  await settle();
  assert.equal(tabs.streams.length, 1);
  assert.equal(second.stream.url.searchParams.get('last_event_id'), 'e-2');
  assert.equal(second.tab.live, 'reconnecting');
  assert.notEqual(third.tab.live, 'live');
  second.stream.open();
  second.stream.send('presence_diff', diff('b', { status: 'dnd' }), 'e-3');
  await settle();
  assert.equal(third.tab.member('b').status, 'dnd');
  assert.equal(third.tab.live, 'live');
});

test('a tab that missed something asks for all of it', async () => {
  const tabs = new Tabs();
  const leader = await tabs.open();
  const other = await tabs.open();
  await live(leader);
  other.deaf = true;
  leader.stream.send('presence_diff', diff('b'), 'e-2');
  await settle();
  other.deaf = false;
  await tabs.pass(200);
  leader.stream.send('presence_diff', diff('c'), 'e-3');
  await settle();
  assert.deepEqual([...other.tab.members.keys()].sort(), ['a', 'b', 'c']);
});

test('a leader that falls silent is replaced, and what it says later is void', async () => {
  const tabs = new Tabs();
  const leader = await tabs.open();
  const other = await tabs.open();
  await live(leader);
  leader.gone = true;
  leader.deaf = true;
  await tabs.pass(54800);
  assert.equal(other.tab.live, 'live');
  await tabs.pass(400);
  assert.notEqual(other.tab.live, 'live');
  assert.equal(other.streams.length, 1);
  other.stream.open();
  other.stream.send('presence_diff', diff('b', { status: 'away' }), 'e-2');
  await settle();
  // the old one wakes up, with an event that has waited
  leader.deaf = false;
  leader.stream.send('presence_diff', diff('b', { status: 'online' }), 'e-1');
  await settle();
  assert.equal(other.tab.member('b').status, 'away');
  assert.equal(tabs.streams.length, 1);
  assert.equal(leader.tab.diagnose().stream.role, 'follower');
});

test('a leader that is frozen hands the stream on at once', async () => {
  const tabs = new Tabs();
  const leader = await tabs.open();
  const other = await tabs.open();
  await live(leader);
  leader.document.fire('freeze');
  await settle();
  assert.equal(leader.stream.readyState, 2);
  assert.equal(other.streams.length, 1);
  assert.equal(leader.tab.state, 'frozen');
  leader.document.fire('resume');
  await live(other);
  assert.equal(leader.tab.live, 'live');
  assert.equal(tabs.streams.length, 1);
});

test('many tabs that steal end with one leader', async () => {
  const tabs = new Tabs();
  const leader = await tabs.open();
  for (let i = 0; i < 4; i++) await tabs.open();
  await live(leader);
  leader.gone = true;
  await tabs.pass(60000);
  assert.equal(tabs.worlds.slice(1).filter(({ tab }) => tab.diagnose().stream.role === 'leader').length, 1);
  assert.equal(tabs.streams.length, 1);
});

test('those who ask for something else have a stream of their own', async () => {
  const tabs = new Tabs();
  await tabs.open({ groups: ['agents'] });
  await tabs.open({ groups: ['admins'] });
  assert.equal(tabs.streams.length, 2);
});

test('without locks each tab has its own', async () => {
  const tabs = new Tabs();
  for (let i = 0; i < 2; i++) await tabs.open({ env: { locks: undefined } });
  assert.equal(tabs.streams.length, 2);
});

test('who only looks on shares with those who are known to be the same', async () => {
  const tabs = new Tabs();
  await tabs.open({ beat: false });
  await tabs.open({ beat: false });
  assert.equal(tabs.streams.length, 2);
  await tabs.open({ beat: false, user: 'boss' });
  await tabs.open({ beat: false, user: 'boss' });
  assert.equal(tabs.streams.length, 3);
});

test('stop leaves no lock and no channel behind', async () => {
  const tabs = new Tabs();
  const one = await tabs.open();
  const two = await tabs.open();
  await live(one);
  await two.hide();
  for (const { tab } of tabs.worlds) tab.stop();
  await settle();
  assert.equal(tabs.browser.channels.size, 0);
  assert.equal(tabs.browser.held(''), 0);
  assert.equal(one.timers.size + two.timers.size, 0);
});

// Who a tab is

test('a duplicated tab takes a session of its own, before it beats', async () => {
  const tabs = new Tabs();
  const first = await tabs.open();
  await tabs.pass(100);
  const copy = await tabs.open({}, first.stored);
  await tabs.pass(200);
  assert.equal(copy.beats.length, 1);
  assert.notEqual(copy.beats[0].session, first.beats[0].session);
  assert.equal(first.tab.session, first.beats[0].session);
  assert.equal(copy.stored.get('presence:/presence/'), copy.beats[0].session);
});

test('a duplicate of a frozen tab gives way when that comes back', async () => {
  const tabs = new Tabs();
  const first = await tabs.open();
  await tabs.pass(2000);
  first.document.fire('freeze');
  first.deaf = first.gone = true;
  const copy = await tabs.open({}, first.stored);
  await tabs.pass(3000);
  assert.equal(copy.beats[0].session, first.beats[0].session);
  first.deaf = first.gone = false;
  first.document.fire('resume');
  await tabs.pass(200);
  assert.equal(first.tab.session, first.beats[0].session);
  assert.notEqual(copy.tab.session, first.tab.session);
  assert.equal(copy.beats.at(-1).diag.fired, 'session');
});

test('a reload keeps its session, and waits for no more than a moment', async () => {
  const tabs = new Tabs();
  const first = await tabs.open();
  first.window.fire('pagehide');
  first.gone = true;
  const again = await tabs.open({}, first.stored);
  assert.equal(again.beats.length, 0);
  await tabs.pass(100);
  assert.equal(again.beats[0].session, first.beats[0].session);
});

// Login and logout

test('a logout stops the other tabs, without a word of theirs', async () => {
  const tabs = new Tabs();
  const one = await tabs.open();
  const two = await tabs.open();
  await one.tab.logout();
  await settle();
  assert.equal(two.tab.state, 'stopped');
  assert.equal(two.tab.user, null);
  assert.equal(two.requests.filter(({ body }) => body.leave || body.logout).length, 0);
  assert.equal(two.timers.size, 0);
});

test('of all tabs one writes down who is logged in', async () => {
  const tabs = new Tabs();
  const wrote = [];
  for (let n = 0; n < 2; n++) {
    const world = new World();
    world.browser = tabs.browser;
    const { shared } = world.env();
    const setItem = (key, value) => {
      wrote.push(value);
      shared.setItem(key, value);
    };
    await tabs.open({ env: { shared: { ...shared, setItem } } });
  }
  assert.deepEqual(wrote, ['agent-7']);
});

test('the next login starts them again, as whoever that is', async () => {
  const tabs = new Tabs();
  const one = await tabs.open();
  const two = await tabs.open();
  await live(one);
  const before = two.beats[0].session;
  await one.tab.logout();
  for (const world of [one, two]) world.answer = () => world.reply({ user: 'agent-8' });
  one.tab.start();
  await settle();
  assert.equal(two.tab.state, 'online');
  assert.equal(two.tab.user, 'agent-8');
  assert.notEqual(two.tab.session, before);
  assert.equal(two.tab.members.size, 0);
});

test('what was denied begins again when somebody logs in elsewhere', async () => {
  const tabs = new Tabs();
  const one = await tabs.open({ env: { random: () => 0.5 } });
  const two = await tabs.open();
  two.answer = () => ({ status: 401, body: {} });
  await two.pass(25100);
  assert.equal(two.tab.state, 'denied');
  two.answer = () => two.reply();
  await one.tab.logout();
  one.tab.start();
  await tabs.pass(100);
  assert.equal(two.tab.state, 'online');
});

test('another user never gets what was the first one\'s', async () => {
  const tabs = new Tabs();
  const world = await tabs.open({ groups: ['agents'] });
  await live(world);
  const { tab: presence } = world;
  const resets = [];
  presence.on('members', ({ reset }) => resets.push(reset));
  world.answer = () => new TypeError('unreachable');
  await world.pass(2000);
  presence.setStatus('busy');
  await settle();
  // another tab: A goes, B comes
  world.window.fire('storage', { key: 'presence:/presence/', oldValue: 'agent-7', newValue: 'agent-8' });
  assert.equal(presence.pending, false);
  world.answer = () => world.reply({ user: 'agent-8' });
  await world.pass(2000);
  assert.equal(world.beats.at(-1).status, undefined);
  assert.equal(presence.user, 'agent-8');
  assert.equal(presence.members.size, 0);
  assert.deepEqual(resets, [true]);
  assert.equal(world.streams[0].readyState, 2);
  assert.equal(world.streams[1].url.searchParams.get('last_event_id'), null);
  assert.equal(tabs.browser.held('agent-7'), 0);
});
