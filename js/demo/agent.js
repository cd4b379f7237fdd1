import { Presence } from '../presence.js';
import {
  ORDER, PEOPLE, STATUS, avatar, clock, deskOf, duration, h, icon, icons, login, nameOf, put, reason, statusMark, streamAllowed,
} from './ui.js';

const $ = (id) => document.getElementById(id);

// Who am I?  The address says it, else this tab remembers it, else chance.

const given = new URLSearchParams(location.search).get('agent') ?? sessionStorage.getItem('demo agent') ?? '';
const known = Object.keys(PEOPLE);
const user = given.toLowerCase().replace(/[^a-z0-9-]/g, '').slice(0, 32) || known[Math.floor(Math.random() * known.length)];
sessionStorage.setItem('demo agent', user);
history.replaceState(null, '', `?agent=${user}`);

// A network that can be cut: all of the client's ways out lead through here.

let cut = false;
/** Since when no activity is counted, or null. */
let pretend = null;
const sources = new Set();

const env = {
  fetch(url, init) {
    if (cut) return Promise.reject(new TypeError('The network is cut'));
    if (pretend !== null && init.body) {
      const body = JSON.parse(init.body);
      if ('active_ms_ago' in body) body.active_ms_ago = Math.max(body.active_ms_ago, Math.round(performance.now() - pretend));
      init = { ...init, body: JSON.stringify(body) };
    }
    return fetch(url, init);
  },
  EventSource: function Source(url, init) {
    const source = cut
      ? Object.assign(new EventTarget(), { readyState: 0, close() { this.readyState = 2; } })
      : new EventSource(url, init);
    sources.add(source);
    return source;
  },
};

const follows = await streamAllowed(3);
const presence = new Presence({
  url: login(user), meta: { name: nameOf(user), desk: deskOf(user) }, groups: ['agents'], include: 'offline',
  stream: follows, worker: '/src/worker.js', env,
});
const store = follows ? presence : null;

// The page

icons();
document.title = `${nameOf(user)} – agent`;
put($('name'), nameOf(user));
put($('t-user'), user);
put($('t-doc'), presence.doc);

const CHOICES = [['online', 'Automatic', 'auto'], ['busy', STATUS.busy, 'busy'], ['dnd', STATUS.dnd, 'dnd'],
  ['away', STATUS.away, 'away'], ['invisible', STATUS.invisible, 'invisible']];

$('choices').append(...CHOICES.map(([value, words, shape]) => h('label', { class: 'choice' },
  h('input', { type: 'radio', name: 'status', value, checked: value === 'online' }),
  h('span', { 'data-status': value }, icon(shape), words))));

const chosen = () => $('form').elements.status.value;
const until = () => ($('until').value && chosen() !== 'online' ? Math.round(presence.now()) + Number($('until').value) * 1000 : null);

$('choices').addEventListener('change', () => presence.setStatus(chosen(), { until: until() }));
$('until').addEventListener('change', () => chosen() !== 'online' && presence.setStatus(chosen(), { until: until() }));
$('form').addEventListener('submit', (event) => {
  event.preventDefault();
  presence.setStatus(chosen(), { until: until(), text: $('text').value.trim() || null });
  said('Note sent.');
});

const toggle = (id, fn) => $(id).addEventListener('click', () => {
  const on = $(id).getAttribute('aria-pressed') !== 'true';
  $(id).setAttribute('aria-pressed', String(on));
  fn(on);
});

toggle('cut', (on) => {
  cut = on;
  for (const source of sources) {
    const open = source.readyState !== 2;
    source.close();
    if (on && open) source.onerror?.();
  }
  sources.clear();
  if (!on) dispatchEvent(new Event('online'));
  said(on ? 'The network of this tab is cut.' : 'The network is back.');
});

toggle('idle', (on) => {
  pretend = on ? performance.now() : null;
  if (!on) presence.start();
  said(on ? `Nothing that you do here is counted: away in ${duration(presence.reply?.idle_ms ?? 0)}.` : 'You are counted again.');
});

$('reload').addEventListener('click', () => location.reload());
$('logout').addEventListener('click', async () => {
  if (presence.state === 'stopped' || presence.state === 'denied') {
    presence.start();
    return;
  }
  $('logout').disabled = true;
  const told = await presence.logout();
  $('logout').disabled = false;
  note('bad', told ? 'logged out' : 'could not tell the server: the session ends by silence', 'logout');
});

const said = (text) => put($('said'), text);

// What the client tells

const beats = [];
let fired = 'start';
let failure = null;

function note(kind, text, by = fired, reply = '') {
  $('rows').prepend(h('tr', {}, h('td', { text: clock(Date.now()) }), h('td', { text: by }), h('td', { text: reply }),
    h('td', { text, class: kind })));
  while ($('rows').childElementCount > 60) $('rows').lastElementChild.remove();
}

presence.on('beat', ({ phase, reason: by }) => { if (phase === 'sent') fired = by; });
presence.on('beat', ({ phase, reply, rtt_ms: rtt }) => {
  if (phase !== 'answered') return;
  failure = null;
  beats.push({ at: performance.now(), ok: true });
  note('', STATUS[reply.status] + (reply.manual ? ', set by hand' : ''), fired, `${rtt} ms`);
  show();
});
presence.on('beat', ({ phase, error, status, retry_ms }) => {
  if (phase !== 'failed') return;
  failure = performance.now() + retry_ms;
  beats.push({ at: performance.now(), ok: false });
  note('bad', { network: 'no connection', timeout: 'no answer in time', reply: 'an answer that makes no sense', status: `refused with ${status}` }[error]);
  show();
});
presence.on('recovered', ({ reason: why }) => note('bad', `the server had thought this tab gone (${why})`));
presence.on('rejected', ({ problem }) => {
  note('bad', problem?.detail ?? 'the server refused this status');
  said(problem?.detail ?? 'The server refused this status.');
});
presence.on('state', ({ state }) => {
  note('', `state: ${state}`, '–');
  show();
});

const LINK = {
  stopped: ['off', 'offline', 'Logged out'], starting: ['wait', 'wait', 'Connecting'], online: ['good', 'live', 'Connected'],
  idle: ['good', 'live', 'Connected, idle'], background: ['good', 'live', 'Connected'], frozen: ['off', 'offline', 'Frozen'],
  retrying: ['bad', 'warn', 'Reconnecting'], denied: ['bad', 'warn', 'Not logged in'], leaving: ['off', 'offline', 'Leaving'],
};
const LIVE = { reconnecting: ['wait', 'Connecting'], live: ['live', 'Live'], stale: ['warn', 'Not live'] };

function pill(id, kind, shape, words) {
  put($(`${id}-text`), words);
  if ($(id).dataset.shape !== shape) $(`${id}-icon`).replaceChildren(icon(shape));
  $(id).dataset.shape = shape;
  if (id === 'link') $(id).dataset.link = kind;
  else $(id).dataset.live = kind;
}

let drawn = '';

const deadline = () => presence.reply.deadline_ms - (presence.now() - presence.reply.server_time);

function show() {
  const { reply, state } = presence;
  const off = state === 'stopped' || state === 'denied';
  // Past its deadline the server has given this tab up, whatever it said last.
  const lost = state === 'retrying' && reply && deadline() <= 0;
  const status = off || !reply || lost ? 'offline' : reply.status;
  pill('link', ...LINK[state]);
  put($('t-state'), state);
  put($('t-session'), presence.session ?? '–');
  put($('f-sent'), String(presence.sent));
  put($('f-answered'), String(presence.answered));
  put($('logout-text'), off ? 'Log in again' : 'Log out');
  if (reply) {
    put($('f-interval'), duration(reply.interval_ms));
    put($('f-deadline'), duration(reply.deadline_ms));
    put($('f-idle'), duration(reply.idle_ms));
    if (!presence.pending) {
      const choice = reply.manual ?? 'online';
      if (chosen() !== choice) $('form').elements.status.value = choice;
    }
  }
  const words = off ? 'Logged out' : !reply ? 'Connecting' : STATUS[status];
  if (drawn !== words) {
    drawn = words;
    $('avatar').replaceChildren(avatar(user, status, true));
    $('own').replaceChildren(statusMark(status, words));
  }
  tick();
}

function tick() {
  const { reply, state } = presence;
  const now = presence.now();
  const mine = store?.member(user);
  let seen = '';
  if (presence.pending) seen = 'Telling the server…';
  else if (reply?.until) seen = `By hand, automatic again in ${duration(reply.until - now)}`;
  else if (reply?.manual === 'invisible') seen = 'Set by hand: everybody else sees you as offline';
  else if (reply?.manual) seen = 'Set by hand, until you change it';
  else if (mine?.since && mine.status === reply?.status) seen = `For ${duration(now - mine.since)}`;
  if (state === 'retrying' && reply) {
    seen = deadline() > 0 ? `The server does not hear this tab: gone for the others in ${duration(deadline() + 999)}`
      : 'The server does not hear this tab: the others see you as offline';
    if ((drawn === STATUS.offline) !== (deadline() <= 0)) show();
  }
  put($('seen'), seen || deskOf(user));

  const next = presence.nextIn;
  put($('next'), next === null ? '' : failure !== null ? `Trying again in ${duration(next + 999)}`
    : next ? `Next beat in ${duration(next + 999)}` : 'Beating…');
  put($('f-active'), `${duration(pretend === null ? presence.activeAgo : performance.now() - pretend)} ago`);
  if (reply) {
    put($('f-reply'), `${duration(now - reply.server_time)} ago`);
  }
  draw();
  if (store?.live === 'live') for (const time of $('team').querySelectorAll('[data-since]')) put(time, line(store.member(time.dataset.since), now));
}

presence.on('beat', ({ phase, rtt_ms: rtt }) => phase === 'answered' && put($('f-rtt'), `${rtt} ms`));

// The last minute as a line: a peak for each answer, a cross for each failure.

const path = $('pulse').querySelector('path');

function draw() {
  const now = performance.now();
  const x = (at) => 600 - (now - at) / 100;
  while (beats.length && x(beats[0].at) < -20) beats.shift();
  let d = 'M-20 44';
  for (const { at, ok } of beats) {
    if (ok) d += `H${(x(at) - 9).toFixed(1)}l3 -5 3 5 2 6 4 -34 4 42 3 -14h2`;
  }
  path.setAttribute('d', `${d}H620`);
  const failed = beats.filter(({ ok }) => !ok);
  const marks = $('pulse').querySelectorAll('i');
  failed.forEach(({ at }, i) => {
    const mark = marks[i] ?? $('pulse').appendChild(h('i', {}, icon('cross')));
    mark.style.left = `${x(at) / 6}%`;
  });
  [...marks].slice(failed.length).forEach((mark) => mark.remove());
  $('pulse').dataset.link = LINK[presence.state][0];
}

// Colleagues

const line = (member, now) => (member?.status === 'offline'
  ? `${reason(member)}${member.since ? `, ${duration(now - member.since)} ago` : ''}`
  : member?.text || `for ${duration(now - (member?.since ?? now))}`);

function team() {
  const now = presence.now();
  const others = [...store.members.values()].filter((m) => m.user !== user)
    .sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || a.user.localeCompare(b.user));
  $('team').replaceChildren(...others.map((m) => h('li', { 'data-user': m.user },
    avatar(m.user, m.status),
    h('span', { class: 'who' }, h('b', { text: m.meta?.name ?? nameOf(m.user) }), h('span', { 'data-since': m.user, text: line(m, now) })),
    statusMark(m.status))));
  put($('nobody'), others.length || !store.ready ? '' : 'Nobody else has been here yet. Open another agent from the start page.');
}

function live() {
  pill('live', store.live, ...LIVE[store.live]);
  $('team').classList.toggle('old', store.live !== 'live');
}

presence.start();
show();
setInterval(tick, matchMedia('(prefers-reduced-motion: reduce)').matches ? 1000 : 250);

if (store) {
  store.on('members', () => {
    team();
    tick();
  });
  store.on('live', live);
  live();
} else {
  $('live').hidden = true;
  put($('nobody'), 'Three agents’ tabs follow their colleagues already. A browser has six connections to a site over HTTP/1.1, and this tab keeps its own for beats.');
}
