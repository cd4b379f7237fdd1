import { PEOPLE, avatar, clock, duration, h, icon, icons, nameOf, put, streamAllowed } from './ui.js';

const $ = (id) => document.getElementById(id);

const STATUS = { online: 'Online', busy: 'Busy', dnd: 'Do not disturb', away: 'Away', offline: 'Offline', invisible: 'Invisible' };

const REASONS = {
  beat: 'a beat came', activity: 'active again', idle: 'no activity', missed: 'no beat came any more', leave: 'the page was closed',
  logout: 'logged out', expired: 'login expired', kicked: 'removed by an admin', manual: 'set by hand', touch: 'used the site',
  stream: 'its stream is alive', recovered: 'was called gone by mistake',
};

/** What a cause means, for whoever has not read docs/root-causes.md. */
const CAUSES = {
  throttled: 'the browser held its timers back',
  frozen: 'the page stood still',
  slept: 'the machine slept',
  network: 'the network did not let it through',
  lost: 'sent, and never arrived',
  server: 'the server could not hear, or refused it',
  flood: 'refused: too many requests',
  unknown: 'nothing says why',
};

// Whose?

const given = new URLSearchParams(location.search).get('user') ?? 'anna';
const users = new Set([...Object.keys(PEOPLE), given]);
let user = given;

$('who').append(...[...users].map((id) => h('option', { value: id, selected: id === given, text: nameOf(id) })));
$('who').addEventListener('change', () => {
  user = $('who').value;
  open();
});
$('span').addEventListener('change', draw);
$('choose').addEventListener('submit', (event) => event.preventDefault());

icons();

// The trace, live.  A browser has six connections to a site over HTTP/1.1:
// when the demo's other tabs have them, this one asks now and then.

const AGAIN = 2000;
const follows = await streamAllowed(5);
/** @type {any} the last that the server told */
let trace = null;
/** The server's clock less this page's, ms. */
let ahead = 0;
let source = null, timer, link = 'connecting';

const address = (more) => `/trace?user=${encodeURIComponent(user)}${more}`;
const now = () => Date.now() + ahead;

function open() {
  source?.close();
  clearTimeout(timer);
  trace = null;
  history.replaceState(null, '', `?user=${encodeURIComponent(user)}`);
  document.title = `${nameOf(user)} – trace`;
  put($('name'), nameOf(user));
  $('avatar').replaceChildren(avatar(user, true));
  put($('command'), `curl -s '${location.origin}${address('&format=text')}'`);
  mark('connecting');
  tell();
  if (follows) follow();
  else ask();
}

function follow() {
  const stream = source = new EventSource(address('&follow=1'));
  stream.onopen = () => mark('live');
  stream.onerror = () => {
    mark('reconnecting');
    // it comes again by itself, but not after an answer that is no stream
    if (stream.readyState === EventSource.CLOSED && stream === source) timer = setTimeout(follow, AGAIN);
  };
  stream.addEventListener('presence_trace', ({ data }) => stream === source && take(JSON.parse(data)));
}

async function ask() {
  const whose = user;
  try {
    const reply = await fetch(address(''));
    if (!reply.ok) throw new Error(String(reply.status));
    const told = await reply.json();
    if (whose !== user) return;
    mark('asking');
    take(told);
  } catch {
    if (whose !== user) return;
    mark('reconnecting');
  }
  timer = setTimeout(ask, AGAIN);
}

const LIVE = { connecting: 'Connecting', live: 'Live', asking: 'Every 2 s', reconnecting: 'Reconnecting' };

function mark(state) {
  link = state;
  $('live').replaceChildren(icon(state === 'live' || state === 'asking' ? 'live' : 'wait'), LIVE[state]);
  $('live').classList.toggle('on', state === 'live' || state === 'asking');
}

function take(told) {
  const before = trace;
  trace = told;
  ahead = told.server_time - Date.now();
  tell();
  if (before && (before.status !== told.status || before.missed !== told.missed)) {
    put($('said'), `${nameOf(user)} is ${STATUS[told.status].toLowerCase()}, ${told.missed} missed`);
  }
}

// In words

/** One beat for one line: with the session that it is of, the newest first. */
const beatsOf = ({ sessions }) => sessions.flatMap((session, i) => session.beats.map((beat) => ({ ...beat, session, i })))
  .sort((a, b) => b.at - a.at);

function tell() {
  $('verdict').dataset.status = trace?.status ?? 'offline';
  $('status').replaceChildren(icon(trace?.status ?? 'wait'), trace ? STATUS[trace.status] : '…');
  if (!trace) {
    put($('words'), `Asking about ${nameOf(user)} …`);
    for (const id of ['rows', 'changes', 'lanes']) $(id).replaceChildren();
    return;
  }
  const { known, verdict, changes, policy, deaf } = trace;
  const beats = beatsOf(trace);
  put($('words'), `${nameOf(user)} ${known ? 'is ' : ''}${verdict}.`);
  put($('count'), beats.length ? `${beats.length} remembered` : '');
  $('none').hidden = beats.length > 0;
  $('quiet').hidden = changes.length > 0;
  $('rows').replaceChildren(...beats.map(row));
  $('changes').replaceChildren(...changes.map(change));

  const session = lastSession();
  put($('r-missed'), `${trace.missed} of ${policy.misses}`);
  put($('r-deadline'), session ? clock(session.deadline) : '–');
  put($('r-interval'), duration(policy.interval_ms));
  put($('r-misses'), `${policy.misses} missed beats`);
  put($('r-slack'), duration(policy.slack_ms));
  put($('r-deaf'), deaf.length ? `${duration(deaf.reduce((sum, { ms }) => sum + ms, 0))}, last at ${clock(deaf.at(-1).at)}` : 'never');
  draw();
}

const lastSession = () => trace.sessions.filter(({ session }) => session !== null)
  .sort((a, b) => b.last_seen - a.last_seen)[0];

const seconds = (ms) => (ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : duration(ms + 500));
const many = (n) => (n >= 7 ? '7 or more' : n);

function row(beat) {
  const { at, gap_ms: gap, fired, visible, rtt_ms: rtt, cause, failed, error, hole, kind } = beat;
  const how = [];
  if (kind === 'elsewhere') how.push(`came to node ${beat.node}`);
  else if (cause) how.push(CAUSES[cause]);
  else if (kind === 'overtaken') how.push('after a later one');
  else if (kind === 'leave') how.push('said goodbye');
  else how.push(gap ? 'in time' : 'the first');
  if (failed) how.push(`${many(failed)} ${failed === 1 ? 'attempt' : 'attempts'} failed${error ? ` (${error})` : ''}`);
  else if (hole) how.push(`${many(hole)} before it did not come`);
  return h('tr', { class: cause ? 'bad' : null, 'data-cause': cause },
    h('td', { text: clock(at) }), h('td', { text: gap ? seconds(gap) : '–' }), h('td', { text: fired ?? '–' }),
    h('td', { text: visible === undefined ? '–' : visible ? 'shown' : 'hidden' }),
    h('td', { text: typeof rtt === 'number' ? `${rtt} ms` : '–' }),
    h('td', {}, cause && h('b', { class: 'cause', text: cause }), how.join(' · ')));
}

function change({ at, status, reason, cause }, i) {
  const before = trace.changes[i + 1]?.status ?? 'offline';
  const same = before === status;
  const words = !same ? STATUS[status] : reason === 'missed' ? `Still ${STATUS[status].toLowerCase()}` : STATUS[status];
  return h('li', { 'data-status': reason === 'missed' ? 'dnd' : status, 'data-cause': cause },
    icon(same && reason === 'missed' ? 'missed' : same ? 'beat' : status),
    h('span', {}, h('b', { text: words })), h('time', { text: clock(at) }),
    h('small', { text: (REASONS[reason] ?? reason) + (cause ? ` · ${cause}: ${CAUSES[cause]}` : '') }));
}

// As a line.  A lane for the status, and one for each session; what is to come
// has a little room at the right.

const AHEAD = 0.06;

function draw() {
  if (!trace) return;
  const end = now();
  const span = Number($('span').value) * 1000;
  const begin = end - span * (1 - AHEAD);
  const x = (at) => 100 * (at - begin) / span;
  const place = (element, from, to) => {
    const left = Math.max(-1, x(from));
    element.style.left = `${left}%`;
    if (to !== undefined) element.style.width = `${Math.max(0, Math.min(101, x(to)) - left)}%`;
    return element;
  };
  const width = Math.max(1, $('lanes').querySelector('.track')?.clientWidth ?? $('lanes').clientWidth);
  /** Is there room for so many letters? */
  const fits = (from, to, text) => (x(Math.min(to, end)) - Math.max(0, x(from))) * width / 100 > 8 * text.length + 14;
  const inside = (from, to = from) => x(to) > -1 && x(from) < 101;
  const some = (list) => list.filter(Boolean);
  const lane = (label, sub, items, kind) => h('div', { class: `lane ${kind}` },
    h('div', { class: 'label' }, h('b', { text: label }), h('span', { text: sub })),
    h('div', { class: 'track' }, ...deafness(), ...items, place(h('i', { class: 'now' }), end)));
  const deafness = () => trace.deaf.filter(({ at, ms }) => inside(at, at + ms))
    .map(({ at, ms }) => place(h('i', { class: 'deaf' }), at, at + ms));

  // what was missed, and for how long something was due

  const silence = (from, due, until, missed, cause) => {
    const late = from + due;
    const { slack_ms: slack } = trace.policy;
    const items = [];
    if (until > late && inside(late, until)) {
      items.push(place(h('i', { class: 'gap' }, cause && fits(late, until, cause) && h('span', { text: cause })), late, until));
    }
    for (let k = 1; k <= missed; k++) {
      const at = from + k * due + slack;
      if (at <= until + 500 && inside(at)) items.push(place(h('i', { class: 'missed' }, icon('cross')), at));
    }
    return items;
  };

  const session = (told) => {
    const { beats, deadline, step_ms: step, missed } = told;
    const items = [];
    beats.forEach(({ at, gap_ms: gap, visible, kind, cause }, i) => {
      const previous = beats[i + 1];
      if (cause && previous && previous.kind !== 'leave') {
        items.push(...silence(at - gap, previous.due_ms, at, trace.policy.misses, cause));
      }
      if (inside(at)) {
        items.push(place(h('i', { class: some(['beat', visible === false && 'hidden', cause && 'late', kind !== 'beat' && kind]).join(' ') }), at));
      }
    });
    if (told.session !== null) {
      items.push(...silence(told.last_seen, step, Math.min(end, deadline), missed, ''));
      if (missed && inside(deadline)) items.push(place(h('i', { class: 'deadline' }), deadline));
    } else if (beats[0] && beats[0].kind === 'beat') {
      const gone = trace.changes.find(({ at, status, reason }) => status === 'offline' && reason === 'missed' && at > beats[0].at);
      const back = trace.sessions.some((other) => other !== told && other.key === told.key);
      if (gone && !back) items.push(...silence(beats[0].at, beats[0].due_ms, gone.at, trace.policy.misses, gone.cause ?? ''));
    }
    const { length } = trace.sessions;
    return lane(length > 1 ? `Tab ${length - trace.sessions.indexOf(told)}` : 'Beats',
      told.session === null ? 'ended' : told.leaving ? 'leaving' : told.missed ? `${told.missed} missed` : 'there', items, 'session');
  };

  const statuses = trace.changes.map(({ at, status }, i) => {
    const until = trace.changes[i - 1]?.at ?? end;
    return inside(at, until) && place(h('i', { class: 'status', 'data-status': status },
      fits(at, until, `${STATUS[status]}   `) && h('span', {}, icon(status), STATUS[status])), at, until);
  });

  const tick = span / 6;
  const times = [];
  for (let at = Math.ceil(begin / tick) * tick; at < end; at += tick) {
    if (x(at) * width > 3200 && x(at) < 90) times.push(place(h('span', { text: clock(at) }), at));
  }

  $('lanes').replaceChildren(
    lane('Status', trace.since ? `since ${clock(trace.since)}` : 'not known', some(statuses), 'states'),
    ...trace.sessions.filter(({ beats, session: id }) => id !== null || inside(beats[0]?.at ?? 0, end)).map(session),
    h('div', { class: 'lane axis' }, h('div', { class: 'label' }), h('div', { class: 'track' }, ...times)));
}

open();
setInterval(draw, matchMedia('(prefers-reduced-motion: reduce)').matches ? 1000 : 250);
