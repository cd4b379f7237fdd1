/**
 * What a board shows of its members, and in which order: plain functions on
 * plain values.
 *
 * @module
 */

/** @typedef {import('../presence.js').Member} Member */

/** Statuses from the most to the least present. */
export const ORDER = ['online', 'busy', 'dnd', 'away', 'offline'];

/**
 * One member as a board knows it.
 *
 * @typedef {object} Entry
 * @property {Member} member
 * @property {string} name     as it is shown
 * @property {string} note     what stands below the name
 * @property {string} reason   in words
 */

/**
 * What the person at the board has chosen.
 *
 * @typedef {object} View
 * @property {string} status   only these, or all if empty
 * @property {string} group    only these, or all if empty
 * @property {string} search   lower case
 * @property {string} sort     key of `SORTS`, a leading minus turns it round
 * @property {'none'|'group'|'status'} groupBy
 */

const far = (time, otherwise) => time ?? otherwise;

/** @type {Record<string, (a: Entry, b: Entry) => number>} */
const SORTS = {
  name: () => 0,
  status: (a, b) => ORDER.indexOf(a.member.status) - ORDER.indexOf(b.member.status),
  since: (a, b) => far(a.member.since, Infinity) - far(b.member.since, Infinity) || 0,
  seen: (a, b) => far(seen(a.member), -Infinity) - far(seen(b.member), -Infinity) || 0,
  missed: (a, b) => a.member.missed - b.member.missed,
};

/** Whoever is there and misses nothing is seen now. */
const seen = (member) => (isHere(member) && !member.missed ? Infinity : member.last_seen);

/** @param {Member} member */
export const isHere = ({ status }) => status !== 'offline';

/**
 * @param {string} sort
 * @param {Intl.Collator} collator
 * @returns {(a: Entry, b: Entry) => number}  a total order
 */
export function comparator(sort, collator) {
  const down = sort.startsWith('-');
  const by = SORTS[down ? sort.slice(1) : sort] ?? SORTS.status;
  const sign = down ? -1 : 1;
  const turned = by === SORTS.name ? sign : 1;
  return (a, b) => sign * by(a, b)
    || turned * collator.compare(a.name, b.name)
    || (a.member.user < b.member.user ? -turned : Number(a.member.user > b.member.user) * turned);
}

/**
 * Is this member among those that are looked for?
 *
 * @param {View} view
 * @param {Entry} entry
 */
export function matches(view, { member, name, note, reason }) {
  if (view.status && member.status !== view.status) return false;
  if (view.group && !member.groups?.includes(view.group)) return false;
  return !view.search
    || [name, member.user, note, reason].some((text) => text.toLowerCase().includes(view.search));
}

/**
 * The sections in which a member is listed.
 *
 * @param {View} view
 * @param {Member} member
 * @param {string[]} groups  the groups that the board is about; empty for all
 * @returns {string[]}
 */
export function sectionsOf(view, member, groups) {
  if (view.groupBy === 'status') return [member.status];
  if (view.groupBy !== 'group') return [''];
  if (view.group) return [view.group];
  const own = (member.groups ?? []).filter((group) => !groups.length || groups.includes(group));
  return own.length ? own : [''];
}

/**
 * The order of sections: that of the groups asked for, or of the alphabet; of
 * statuses their own; whoever has no group comes last.
 *
 * @param {View} view
 * @param {string[]} groups
 * @param {Intl.Collator} collator
 */
export function sectionOrder(view, groups, collator) {
  const place = view.groupBy === 'status' ? ORDER : groups;
  const rank = (key) => (key === '' ? Infinity : place.includes(key) ? place.indexOf(key) : place.length);
  return (a, b) => (rank(a) === rank(b) ? collator.compare(a, b) : rank(a) - rank(b));
}

/**
 * Where an element belongs in a sorted list.
 *
 * @template T
 * @param {T[]} list
 * @param {T} item
 * @param {(a: T, b: T) => number} compare
 */
export function placeOf(list, item, compare) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(list[middle], item) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * What is said aloud of changes: each by name as long as they are few, else
 * how many and what they came to.
 *
 * @param {Map<string, {name: string, status: string}>} changes  the last of each user
 * @param {import('./labels.js').Texts} texts
 */
export function spoken(changes, texts) {
  const status = (name) => texts.get(`status.${name}`);
  if (changes.size <= 3) {
    return [...changes.values()].map(({ name, status: now }) => texts.get('board.said', { name, status: status(now) })).join('. ');
  }
  const counts = ORDER.map((name) => [name, [...changes.values()].filter((change) => change.status === name).length]);
  return `${texts.get('board.changes', { n: changes.size })}: ${counts.filter(([, n]) => n)
    .map(([name, n]) => `${status(name)} ${texts.number(n)}`).join(', ')}`;
}

/**
 * @param {Iterable<Member>} members
 * @returns {Record<string, number>}  by status, and `all`
 */
export function count(members) {
  const counts = { all: 0 };
  for (const status of ORDER) counts[status] = 0;
  for (const { status } of members) {
    counts[status]++;
    counts.all++;
  }
  return counts;
}
