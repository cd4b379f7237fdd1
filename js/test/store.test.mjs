import assert from 'node:assert/strict';
import test from 'node:test';

import { member } from './fake.mjs';
import { MemberStore } from '../src/members.js';

const state = (members, more = false) => ({ members, more, server_time: 1 });
const diff = (...changes) => ({ changes: changes.map(([type, m]) => ({ type, member: m })), server_time: 1 });

function watched(filter) {
  const store = new MemberStore(filter);
  const seen = [];
  const { apply } = store;
  store.apply = (...event) => {
    const detail = apply.call(store, ...event);
    if (detail) seen.push(detail);
  };
  return { store, seen };
}

test('a state fills it', () => {
  const { store, seen } = watched();
  assert.equal(store.ready, false);
  store.apply('presence_state', state([member('a'), member('b', { status: 'away' })]), 'e-1');
  assert.equal(store.ready, true);
  assert.equal(store.members.get('b').status, 'away');
  assert.equal(store.members.get('c'), undefined);
  assert.deepEqual(store.counts, { online: 1, away: 1, busy: 0, dnd: 0, offline: 0 });
  assert.equal(store.lastId, 'e-1');
  assert.deepEqual(seen, [{ reset: true, changes: [] }]);
});

test('a state in parts shows when it is complete, and replaces everything', () => {
  const { store, seen } = watched();
  store.apply('presence_state', state([member('old')]), 'e-1');
  store.apply('presence_state', state([member('a')], true), 'e-1');
  assert.deepEqual([...store.members.keys()], ['old']);
  assert.equal(seen.length, 1);
  store.apply('presence_state', state([member('b')], true), 'e-1');
  store.apply('presence_state', state([member('c')]), 'e-5');
  assert.deepEqual([...store.members.keys()], ['a', 'b', 'c']);
  assert.equal(store.lastId, 'e-5');
  assert.equal(seen.length, 2);
});

test('a state that broke off is forgotten', () => {
  const { store } = watched();
  store.apply('presence_state', state([member('a')], true));
  store.reopen();
  store.apply('presence_state', state([member('b')]), 'e-2');
  assert.deepEqual([...store.members.keys()], ['b']);
});

test('enter, update and leave, with what was before', () => {
  const { store, seen } = watched({ groups: ['agents'] });
  store.apply('presence_state', state([]), 'e-1');
  store.apply('presence_diff', diff(['enter', member('a')]), 'e-2');
  assert.equal(store.counts.online, 1);
  store.apply('presence_diff', diff(
    ['update', member('a', { status: 'busy' })], ['enter', member('b')]), 'e-4');
  assert.deepEqual(store.counts, { online: 1, away: 0, busy: 1, dnd: 0, offline: 0 });
  assert.equal(seen.at(-1).reset, false);
  assert.equal(seen.at(-1).changes[0].previous.status, 'online');
  assert.equal(seen.at(-1).changes[1].previous, undefined);
  store.apply('presence_diff', diff(['leave', member('a', { status: 'offline', reason: 'leave' })]), 'e-5');
  assert.deepEqual([...store.members.keys()], ['b']);
  assert.equal(seen.at(-1).changes[0].member.reason, 'leave');
  assert.equal(store.lastId, 'e-5');
});

test('what is told twice counts once', () => {
  const { store } = watched();
  store.apply('presence_state', state([]), 'e-1');
  for (let i = 0; i < 2; i++) store.apply('presence_diff', diff(['enter', member('a')]), 'e-2');
  assert.equal(store.counts.online, 1);
  for (let i = 0; i < 2; i++) store.apply('presence_diff', diff(['leave', member('a', { status: 'offline' })]), 'e-3');
  assert.equal(store.counts.online, 0);
  assert.equal(store.counts.offline, 0);
});

test('an update of somebody unknown is news all the same', () => {
  const { store } = watched();
  store.apply('presence_state', state([]), 'e-1');
  store.apply('presence_diff', diff(['update', member('a')]), 'e-2');
  assert.equal(store.members.get('a').status, 'online');
});

test('who goes offline stays when offline members are asked for', () => {
  for (const type of ['leave', 'update']) {
    const { store } = watched({ groups: ['agents'], include: 'offline' });
    store.apply('presence_state', state([member('a')]), 'e-1');
    store.apply('presence_diff', diff([type, member('a', { status: 'offline', reason: 'missed' })]), 'e-2');
    assert.equal(store.members.get('a').reason, 'missed');
    assert.equal(store.counts.offline, 1);
  }
});

test('who leaves the group goes, online or offline', () => {
  const { store } = watched({ groups: ['agents'], include: 'offline' });
  store.apply('presence_state', state([member('a'), member('b')]), 'e-1');
  store.apply('presence_diff', diff(
    ['leave', member('a', { groups: ['admins'] })],
    ['leave', member('b', { groups: ['admins'], status: 'offline' })]), 'e-2');
  assert.equal(store.members.size, 0);
});

test('users asked for by name stay, offline and of no group', () => {
  const { store } = watched({ users: ['a'] });
  store.apply('presence_state', state([member('a')]), 'e-1');
  store.apply('presence_diff', diff(['leave', member('a', { status: 'offline', groups: [] })]), 'e-2');
  assert.equal(store.members.get('a').status, 'offline');
});

test('counts alone', () => {
  const { store, seen } = watched({ mode: 'count' });
  store.apply('presence_count', { online: 3, away: 1, busy: 0, dnd: 0, offline: 2, server_time: 1 }, 'e-9');
  assert.deepEqual(store.counts, { online: 3, away: 1, busy: 0, dnd: 0, offline: 2 });
  assert.equal(store.ready, true);
  assert.equal(store.lastId, 'e-9');
  assert.equal(seen.length, 1);
});

test('an event without an id keeps the last one', () => {
  const { store } = watched();
  store.apply('presence_state', state([]), 'e-1');
  store.apply('presence_diff', diff(['enter', member('a')]), '');
  assert.equal(store.lastId, 'e-1');
});

test('a ping changes nothing', () => {
  const { store, seen } = watched();
  store.apply('ping', { server_time: 1 }, 'e-1');
  assert.equal(store.ready, false);
  assert.equal(seen.length, 0);
});

test('what was taken from it never changes', () => {
  const { store } = watched();
  store.apply('presence_state', state([member('a')]), 'e-1');
  const { members, counts } = store;
  store.apply('presence_diff', diff(['enter', member('b')]), 'e-2');
  assert.deepEqual([...members.keys()], ['a']);
  assert.equal(counts.online, 1);
  assert.notEqual(store.members, members);
  assert.equal(store.counts, store.counts);
});
