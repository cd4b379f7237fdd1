/**
 * What the elements decide without a page: order, filters, words, times.
 */
import assert from 'node:assert/strict';
import test from 'node:test';

import { LABELS, Texts } from '../src/elements/labels.js';
import { Times } from '../src/elements/times.js';
import { comparator, count, matches, placeOf, sectionOrder, sectionsOf, spoken } from '../src/elements/view.js';

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
const texts = new Texts(null, 'en');
const T = 1790000000000;

const entry = (user, props = {}) => {
  const member = {
    user, status: 'online', since: T, last_active: T, last_seen: T, sessions: 1, missed: 0, reason: 'beat',
    groups: ['agents'], text: null, meta: null, ...props,
  };
  return { member, name: props.name ?? user, note: member.text ?? '', reason: texts.reason(member) };
};
const VIEW = { status: '', group: '', search: '', sort: 'status', groupBy: 'none' };
const sorted = (sort, ...entries) => entries.sort(comparator(sort, collator)).map(({ member }) => member.user).join(' ');

test('order: by presence, then by name as people read it, then by id', () => {
  assert.equal(sorted('status', entry('c', { status: 'offline' }), entry('agent-10'), entry('agent-9'), entry('b', { status: 'away' })),
    'agent-9 agent-10 b c');
  assert.equal(sorted('-status', entry('a'), entry('b'), entry('c', { status: 'offline' })), 'c a b');
  assert.equal(sorted('name', entry('2', { name: 'Éa' }), entry('1', { name: 'eb' })), '2 1');
  assert.equal(sorted('-name', entry('a'), entry('b'), entry('c')), 'c b a');
  assert.equal(sorted('status', entry('y', { name: 'X' }), entry('x', { name: 'X' })), 'x y');
  assert.equal(sorted('unknown', entry('b', { status: 'away' }), entry('c')), 'c b');
});

test('order: times that are unknown come last, whoever is steady was seen now', () => {
  assert.equal(sorted('since', entry('a', { since: null }), entry('b', { since: T + 1 }), entry('c')), 'c b a');
  assert.equal(sorted('-since', entry('b'), entry('c', { since: T + 1 })), 'c b');
  assert.equal(sorted('-seen', entry('a', { missed: 1, last_seen: T + 9 }), entry('b'), entry('c', { status: 'offline', last_seen: null })), 'b a c');
  assert.equal(sorted('-missed', entry('a'), entry('b', { missed: 2 })), 'b a');
});

test('a place is found in a sorted list, after those that are equal', () => {
  const list = [1, 3, 3, 5];
  const by = (a, b) => a - b;
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6].map((n) => placeOf(list, n, by)), [0, 1, 1, 3, 3, 4, 4]);
  assert.equal(placeOf([], 1, by), 0);
});

test('filters: status, group, and words in name, id, note and reason', () => {
  const anna = entry('agent-7', { name: 'Anna Berg', text: 'On a call', reason: 'idle', status: 'away' });
  for (const search of ['berg', 'agent-7', 'call', 'no activity', '']) assert.ok(matches({ ...VIEW, search }, anna), search);
  assert.ok(!matches({ ...VIEW, search: 'ben' }, anna));
  assert.ok(matches({ ...VIEW, status: 'away', group: 'agents' }, anna));
  assert.ok(!matches({ ...VIEW, status: 'online' }, anna));
  assert.ok(!matches({ ...VIEW, group: 'billing' }, anna));
});

test('sections: by status, by each group that is asked for, and one for no group', () => {
  const { member } = entry('a', { groups: ['agents', 'billing', 'staff'] });
  assert.deepEqual(sectionsOf(VIEW, member, []), ['']);
  assert.deepEqual(sectionsOf({ ...VIEW, groupBy: 'status' }, member, []), ['online']);
  assert.deepEqual(sectionsOf({ ...VIEW, groupBy: 'group' }, member, []), ['agents', 'billing', 'staff']);
  assert.deepEqual(sectionsOf({ ...VIEW, groupBy: 'group' }, member, ['billing', 'agents']), ['agents', 'billing']);
  assert.deepEqual(sectionsOf({ ...VIEW, groupBy: 'group', group: 'staff' }, member, []), ['staff']);
  assert.deepEqual(sectionsOf({ ...VIEW, groupBy: 'group' }, entry('b', { groups: [] }).member, []), ['']);
  assert.deepEqual(['', 'zoo', 'agents', 'billing'].sort(sectionOrder({ ...VIEW, groupBy: 'group' }, ['billing', 'agents'], collator)),
    ['billing', 'agents', 'zoo', '']);
  assert.deepEqual(['offline', 'away', 'online'].sort(sectionOrder({ ...VIEW, groupBy: 'status' }, [], collator)),
    ['online', 'away', 'offline']);
});

test('aloud: few changes by name, many as a summary', () => {
  const changes = new Map([['a', { name: 'Anna', status: 'online' }], ['b', { name: 'Ben', status: 'dnd' }]]);
  assert.equal(spoken(changes, texts), 'Anna: Online. Ben: Do not disturb');
  for (const user of 'cdefg') changes.set(user, { name: user, status: 'offline' });
  assert.equal(spoken(changes, texts), '7 changes: Online 1, Do not disturb 1, Offline 5');
});

test('counts', () => {
  assert.deepEqual(count([entry('a').member, entry('b', { status: 'offline' }).member]),
    { all: 2, online: 1, busy: 0, dnd: 0, away: 0, offline: 1 });
});

test('labels: plurals, numbers and replacements in part', () => {
  const own = new Texts({ status: { online: 'Da' }, board: { changes: { one: '{n} Änderung', other: '{n} Änderungen' } } }, 'de');
  assert.equal(own.get('status.online'), 'Da');
  assert.equal(own.get('status.away'), 'Away');
  assert.equal(own.get('board.changes', { n: 1 }), '1 Änderung');
  assert.equal(own.get('board.changes', { n: 1200 }), '1.200 Änderungen');
  assert.equal(own.get('board.said', { name: '{status}', status: 'x' }), '{status}: x', 'what is filled in is not filled again');
  assert.equal(own.get('board.nothing'), 'board.nothing');
  assert.equal(LABELS.status.online, 'Online');
});

test('reasons: missed beats of somebody who is still there are only missing', () => {
  assert.equal(texts.reason({ reason: 'missed', status: 'online' }), 'beats are missing');
  assert.equal(texts.reason({ reason: 'missed', status: 'offline' }), 'heartbeat lost');
  assert.equal(texts.reason({ reason: null, status: 'offline' }), 'never seen');
  assert.equal(texts.reason({ reason: 'of tomorrow', status: 'online' }), 'of tomorrow');
});

test('times: the largest unit, and the next where it matters', () => {
  const times = new Times('en');
  const of = (...seconds) => seconds.map((s) => times.duration(s * 1000));
  assert.deepEqual(of(-5, 0, 59, 60, 126, 659, 3600, 3720, 36000, 90000), ['0s', '0s', '59s', '1m', '2m 6s', '10m', '1h', '1h 2m', '10h', '1d 1h']);
  assert.equal(times.ago(13000), '13s ago');
  assert.equal(times.ago(7_300_000), '2h ago');
  assert.equal(times.long(14400_000), '4 hours');
  assert.equal(times.long(5400_000), '90 minutes');
});
