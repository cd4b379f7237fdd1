import { Presence } from '../presence.js';
import { ORDER, STATUS, avatar, clock, deskOf, duration, h, icon, icons, login, nameOf, put, reason, statusMark, streamAllowed } from './ui.js';

const $ = (id) => document.getElementById(id);

// A dashboard only looks on: it beats for nobody.

const url = login('admin');
const presence = new Presence({ url, beat: false, groups: ['agents'], include: 'offline' });
let store = null;

const view = { only: '', search: '', sort: 'status' };
/** When it stopped being live (server's clock): times stand still from then on. */
let staleAt = null;
const rows = new Map();
/** Sessions of each user: one more or less is no event of the stream. */
const sessions = new Map();

icons();

const now = () => staleAt ?? presence.now();
const name = (member) => member.meta?.name ?? nameOf(member.user);

// Counts, which are filters too

const tiles = ['', ...ORDER].map((status) => {
  const number = h('b', { text: '–' });
  const element = h('button', { class: 'tile', type: 'button', 'aria-pressed': String(status === ''), 'data-status': status || null, 'data-count': status || 'all' },
    number, icon(status || 'people'), h('span', { text: status ? STATUS[status] : 'Everybody' }));
  element.addEventListener('click', () => only(view.only === status ? '' : status));
  return { status, number, element };
});
$('tiles').append(...tiles.map(({ element }) => element));

function only(status) {
  view.only = status;
  for (const tile of tiles) tile.element.setAttribute('aria-pressed', String(tile.status === status));
  list();
}

$('search').addEventListener('input', () => {
  view.search = $('search').value.trim().toLowerCase();
  list();
});
$('sort').addEventListener('change', () => {
  view.sort = $('sort').value;
  list();
});
$('empty-reset').addEventListener('click', () => {
  $('search').value = view.search = '';
  only('');
});

// One row each, made once and then kept up

function row(user) {
  const cells = {
    who: h('b'), note: h('span', { class: 'note' }), face: h('span'), mark: h('span'), why: h('span', { class: 'why' }),
    since: h('span'), beat: h('span'), seen: h('span'), sessions: h('span'),
  };
  const cell = (props, ...children) => h('td', { role: 'cell', ...props }, ...children);
  const element = h('tr', { role: 'row', 'data-user': user },
    cell({}, h('div', { class: 'agent-cell' }, cells.face, h('div', {}, cells.who, cells.note))),
    cell({ class: 'state' }, cells.mark, cells.why),
    cell({ class: 'num rest', 'data-label': 'For' }, cells.since),
    cell({ class: 'beat rest right' }, cells.beat),
    cell({ class: 'num rest', 'data-label': 'Seen' }, cells.seen),
    cell({ class: 'num rest right', 'data-label': 'Sessions' }, cells.sessions));
  element.addEventListener('transitionend', () => element.classList.remove('fresh'));
  return { element, cells, drawn: null };
}

function fill(entry, member) {
  const { element, cells, drawn } = entry;
  element.dataset.status = member.status;
  element.dataset.reason = member.reason ?? '';
  element.dataset.missed = String(member.missed);
  if (drawn?.status !== member.status) {
    cells.face.replaceChildren(avatar(member.user, member.status));
    cells.mark.replaceChildren(statusMark(member.status));
  }
  put(cells.who, name(member));
  put(cells.note, member.text || (member.meta?.desk ?? deskOf(member.user)));
  cells.note.title = member.text ?? '';
  put(cells.why, reason(member));
  // On a narrow screen the ordinary is left out.
  cells.beat.parentNode.classList.toggle('dull', member.status === 'offline');
  const beat = member.status === 'offline' ? 'none' : member.missed ? 'missed' : 'steady';
  if (drawn?.beat !== beat || drawn?.missed !== member.missed) {
    cells.beat.replaceChildren(beat === 'none' ? h('span', { class: 'beats', 'data-beat': beat, text: '–' })
      : h('span', { class: 'beats', 'data-beat': beat }, icon(beat === 'steady' ? 'beat' : 'lost'),
        beat === 'steady' ? 'Steady' : `${member.missed} missed`));
  }
  entry.drawn = { status: member.status, beat, missed: member.missed };
  times(entry, member);
}

function times({ cells }, member) {
  const open = member.status === 'offline' ? 0 : sessions.get(member.user) ?? member.sessions;
  put(cells.sessions, String(open));
  cells.sessions.parentNode.classList.toggle('dull', open < 2);
  const t = now();
  put(cells.since, member.since ? duration(t - member.since) : '–');
  const here = member.status !== 'offline' && !member.missed;
  put(cells.seen, member.last_seen === null ? 'never' : here ? 'now' : `${duration(t - member.last_seen)} ago`);
  cells.seen.parentNode.classList.toggle('dull', here);
}

const by = {
  name: (a, b) => name(a).localeCompare(name(b)),
  status: (a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || by.name(a, b),
  newest: (a, b) => (b.since ?? 0) - (a.since ?? 0),
  oldest: (a, b) => (a.since ?? Infinity) - (b.since ?? Infinity),
  missed: (a, b) => b.missed - a.missed || by.status(a, b),
};

function list() {
  if (!store?.ready) return;
  const shown = [...store.members.values()].filter((m) => (!view.only || m.status === view.only)
    && (!view.search || [name(m), m.user, m.text ?? '', reason(m)].join(' ').toLowerCase().includes(view.search)))
    .sort(by[view.sort]);

  const wanted = new Set(shown.map(({ user }) => user));
  for (const [user, { element }] of rows) if (!wanted.has(user)) element.remove();
  for (const user of rows.keys()) if (!store.members.has(user)) rows.delete(user);
  let place = $('rows').firstElementChild;
  for (const member of shown) {
    if (!rows.has(member.user)) rows.set(member.user, row(member.user));
    const entry = rows.get(member.user);
    fill(entry, member);
    if (entry.element === place) place = place.nextElementSibling;
    else $('rows').insertBefore(entry.element, place);
  }

  const { counts } = store;
  for (const { status, number } of tiles) put(number, String(status ? counts[status] : store.members.size));
  const here = store.members.size - counts.offline;
  document.title = `(${here}) Agents – dashboard`;
  put($('summary'), store.members.size === 0 ? 'Nobody has been here yet.'
    : `${here} of ${store.members.size} ${staleAt === null ? 'are' : 'were'} here${counts.online ? `, ${counts.online} of them free to talk` : ', nobody free to talk'}.`);

  $('roster').hidden = shown.length === 0;
  $('empty').hidden = shown.length > 0;
  const nobody = store.members.size === 0;
  put($('empty-title'), nobody ? 'Nobody yet' : 'No match');
  put($('empty-text'), nobody ? 'Agents appear here as soon as they open their page.' : 'There is nobody with this status and search.');
  $('empty-open').hidden = !nobody;
  $('empty-reset').hidden = nobody;
}

// What has happened

const NOW = {
  online: 'is online', busy: 'is busy', dnd: 'is not to be disturbed', away: 'is away', offline: 'is offline',
};

const aloud = [];

function tell({ member, previous }) {
  const before = previous?.status ?? 'offline';
  if (before === member.status && previous?.missed === member.missed) return;
  const entry = rows.get(member.user);
  let words = NOW[member.status];
  let why = reason(member);
  if (before === member.status) {
    if (!member.missed) {
      words = 'beats again';
      why = `after ${previous.missed} missed`;
    } else {
      words = `missed ${member.missed === 1 ? 'a beat' : `${member.missed} beats`}`;
      why = `still ${STATUS[member.status].toLowerCase()}`;
    }
  } else {
    why = `was ${STATUS[before].toLowerCase()}, ${why}`;
    aloud.push(`${name(member)}: ${STATUS[member.status]}`);
  }
  $('feed').prepend(h('li', { 'data-status': before === member.status && member.missed ? 'dnd' : member.status },
    icon(before !== member.status ? member.status : member.missed ? 'lost' : 'beat'),
    h('span', {}, h('b', { text: name(member) }), ` ${words}`),
    h('time', { text: clock(presence.now()) }),
    h('small', { text: why })));
  while ($('feed').childElementCount > 50) $('feed').lastElementChild.remove();
  $('quiet').hidden = true;
  if (entry) {
    entry.element.classList.add('fresh');
    requestAnimationFrame(() => requestAnimationFrame(() => entry.element.classList.remove('fresh')));
  }
}

const LIVE = { reconnecting: ['wait', 'Connecting'], live: ['live', 'Live'], stale: ['warn', 'Reconnecting'] };

function live() {
  const [shape, words] = LIVE[store.live];
  const stale = store.live === 'stale';
  $('live').dataset.live = store.live;
  $('live-icon').replaceChildren(icon(shape));
  put($('live-text'), words);
  $('main').classList.toggle('stale', stale);
  $('notice').hidden = !stale;
  if (stale) {
    staleAt ??= presence.now();
    put($('notice-text'), `The connection is lost. What you see is how it was at ${clock(staleAt)}. Trying to connect again…`);
    aloud.push('Connection lost, this is not live');
  } else {
    if (staleAt !== null) aloud.push('Live again');
    staleAt = null;
  }
  list();
}

setInterval(() => {
  if (staleAt === null) {
    for (const [user, entry] of rows) {
      const member = store?.member(user);
      if (member && entry.element.isConnected) times(entry, member);
    }
  }
  if (aloud.length) put($('aloud'), aloud.length > 4 ? `${aloud.length} changes` : aloud.join('. '));
  aloud.length = 0;
}, 1000);

async function count() {
  if (document.hidden || store?.live !== 'live') return;
  let cursor = '';
  try {
    do {
      const response = await fetch(`${url}users?groups=agents&limit=1000${cursor && `&cursor=${cursor}`}`, { cache: 'no-store' });
      const { members, next } = await response.json();
      for (const member of members) sessions.set(member.user, member.sessions);
      cursor = next;
    } while (cursor);
  } catch { /* the next time, then */ }
}

setInterval(count, 3000);

if (await streamAllowed(5)) {
  store = presence.start();
  store.on('members', (detail) => {
    for (const { member } of detail.changes) sessions.set(member.user, member.sessions);
    list();
    detail.changes.forEach(tell);
  });
  store.on('live', live);
  live();
} else {
  put($('summary'), 'Five tabs of this demo follow the server already. Close one and reload: a browser has six connections to a site over HTTP/1.1.');
}
