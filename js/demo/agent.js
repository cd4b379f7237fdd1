import { Presence } from '../presence.js';
import { PEOPLE, avatar, clock, deskOf, duration, h, icon, icons, login, nameOf, put, streamAllowed } from './ui.js';

const $ = (id) => document.getElementById(id);

// Who am I?  The address says it, else this tab remembers it, else chance.

const given = new URLSearchParams(location.search).get('agent') ?? sessionStorage.getItem('demo agent') ?? '';
const known = Object.keys(PEOPLE);
const user = given.toLowerCase().replace(/[^a-z0-9-]/g, '').slice(0, 32) || known[Math.floor(Math.random() * known.length)];
sessionStorage.setItem('demo agent', user);
history.replaceState(null, '', `?agent=${user}`);

// What the client has of the browser, and what can be done to it: a network
// that can be cut, timers that are held back, a clock that stands still.

let cut = false;
/** What happens to beats for a while: one of TROUBLES, or null. */
let trouble = null;
/** The last answer to a beat, as a cache has it. */
let answer = '{}';
/** Does the next beat say no more than it must? */
let mute = false;
/** Time for which the monotonic clock stood still, ms. */
let stood = 0;
/** Is the page taken for hidden, and what is held back of it? */
let hidden = false;
let held = [];
/** Since when no activity is counted, or null. */
let pretend = null;
const sources = new Set();

const holds = (fn) => fn && ((...args) => (trouble === 'throttled' ? held.push(() => fn(...args)) : fn(...args)));

class Events extends EventSource {
  addEventListener(type, fn) { super.addEventListener(type, holds(fn)); }
}

const env = {
  fetch(url, init) {
    if (cut) return Promise.reject(new TypeError('The network is cut'));
    if (trouble && init.body && TROUBLES[trouble]) return TROUBLES[trouble](init);
    if (mute && init.body) {
      const { session, active_ms_ago } = JSON.parse(init.body);
      init = { ...init, body: JSON.stringify({ session, active_ms_ago }) };
      mute = false;
    }
    if (pretend !== null && init.body) {
      const body = JSON.parse(init.body);
      if ('active_ms_ago' in body) body.active_ms_ago = Math.max(body.active_ms_ago, Math.round(performance.now() - pretend));
      init = { ...init, body: JSON.stringify(body) };
    }
    const sent = fetch(url, init);
    if (init.body) sent.then(async (reply) => { answer = await reply.clone().text(); }).catch(() => {});
    return sent;
  },
  EventSource: function Source(url, init) {
    const source = cut
      ? Object.assign(new EventTarget(), { readyState: 0, close() { this.readyState = 2; } })
      : new Events(url, init);
    sources.add(source);
    return source;
  },
  Worker: class extends Worker {
    set onmessage(fn) { super.onmessage = holds(fn); }
  },
  setTimeout: (fn, ms) => setTimeout(holds(fn), ms),
  mono: () => performance.now() - stood,
  document: new Proxy(document, {
    get(page, name) {
      if (name === 'visibilityState' && hidden) return 'hidden';
      const value = page[name];
      return typeof value === 'function' ? value.bind(page) : value;
    },
  }),
};

const TROUBLES = {
  network: () => Promise.reject(new TypeError('The network is cut')),
  lost: async () => new Response(answer, { headers: { 'Content-Type': 'application/json' } }),
  server: ({ signal }) => fetch('/refused/503', { signal }),
  flood: ({ signal }) => fetch('/refused/429', { signal }),
};
TROUBLES.unknown = TROUBLES.lost;

// The beat comes first: a reload must be over before the grace is.

const follows = await streamAllowed(3);
const presence = new Presence({
  url: login(user), meta: { name: nameOf(user), title: deskOf(user) }, groups: ['agents'], include: 'offline',
  stream: follows, worker: '/src/worker.js', env,
});

presence.start();
import('../status.js');
import('../board.js');

// The page

icons();
document.title = `${nameOf(user)} – desk`;
put($('name'), nameOf(user));
put($('desk'), deskOf(user));
put($('t-user'), user);
put($('t-doc'), presence.doc);
$('avatar').replaceChildren(avatar(user, true));

$('trace').href = `trace.html?user=${user}`;
$('status').presence = presence;

const team = $('team');
team.filter = (member) => member.user !== user;
team.nameOf = (member) => member.meta?.name ?? nameOf(member.user);
team.noteOf = (member) => member.text || deskOf(member.user);
if (follows) team.presence = presence;
else {
  team.remove();
  $('nobody').hidden = false;
  put($('nobody'), 'Three agents’ tabs follow their colleagues already. A browser has six connections to a site over HTTP/1.1, and this tab keeps its own for beats.');
}

$('reply').addEventListener('submit', (event) => {
  event.preventDefault();
  const words = $('words').value.trim();
  if (!words) return;
  $('chat').append(h('li', { class: 'own' }, h('p', { text: words })));
  $('chat').scrollTop = $('chat').scrollHeight;
  $('words').value = '';
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

// A hidden page may be silent for as long as max_interval of nginx.conf.in.

const TROUBLE = 12000;
const HIDDEN = 25000;

const SAYS = {
  frozen: 'This page hangs for twelve seconds.',
  slept: 'This page hangs for twelve seconds, and its clock with it.',
  throttled: 'For 25 seconds this page takes itself for hidden, and no timer fires.',
};

const turned = () => document.dispatchEvent(new Event('visibilitychange'));

$('trouble').addEventListener('submit', (event) => {
  event.preventDefault();
  const kind = $('kind').value;
  const end = performance.now() + TROUBLE;
  const over = () => {
    trouble = null;
    $('go').disabled = false;
    said('The trouble is over: see the trace.');
  };
  $('go').disabled = true;
  said(SAYS[kind] ?? 'No beat gets through for twelve seconds.');
  // what was said is drawn first
  if (kind === 'frozen' || kind === 'slept') setTimeout(() => {
    while (performance.now() < end);
    if (kind === 'slept') stood += TROUBLE;
    over();
  }, 200);
  else if (kind === 'throttled') {
    trouble = kind;
    hidden = true;
    turned();
    setTimeout(() => {
      over();
      const late = held;
      held = [];
      late.forEach((fn) => fn());
      setTimeout(() => {
        hidden = false;
        turned();
      }, 1000);
    }, HIDDEN);
  } else {
    trouble = kind;
    setTimeout(() => {
      mute = kind === 'unknown';
      over();
    }, TROUBLE);
  }
});

$('reload').addEventListener('click', () => location.reload());
$('logout').addEventListener('click', async () => {
  if (isOff()) {
    presence.start();
    return;
  }
  $('logout').disabled = true;
  const told = await presence.logout();
  $('logout').disabled = false;
  note('bad', told ? 'logged out' : 'could not tell the server: the session ends by silence', 'logout');
});

const isOff = () => presence.state === 'stopped' || presence.state === 'denied';
const said = (text) => put($('said'), text);

// What the client tells

const beats = [];
let fired = 'start';
let failing = false;

function note(kind, text, by = fired, reply = '') {
  $('rows').prepend(h('tr', {}, h('td', { text: clock(Date.now()) }), h('td', { text: by }), h('td', { text: reply }),
    h('td', { text, class: kind })));
  while ($('rows').childElementCount > 60) $('rows').lastElementChild.remove();
}

const FAILED = { network: 'no connection', timeout: 'no answer in time', reply: 'an answer that makes no sense' };

presence.on('beat', ({ phase, reason, reply, rtt_ms: rtt, error, status }) => {
  if (phase === 'sent') fired = reason;
  if (phase === 'answered') {
    failing = false;
    beats.push({ at: performance.now(), ok: true });
    note('', reply.status + (reply.manual ? ', set by hand' : ''), fired, `${rtt} ms`);
    put($('f-rtt'), `${rtt} ms`);
  }
  if (phase === 'failed') {
    failing = true;
    beats.push({ at: performance.now(), ok: false });
    note('bad', FAILED[error] ?? `refused with ${status}`);
  }
  show();
});
presence.on('recovered', ({ reason }) => note('bad', `the server had thought this tab gone (${reason})`));
presence.on('state', ({ state }) => {
  note('', `state: ${state}`, '–');
  show();
});

function show() {
  const { reply, state } = presence;
  put($('f-state'), state);
  put($('t-session'), presence.session ?? '–');
  put($('f-answered'), `${presence.answered} of ${presence.sent}`);
  put($('logout-text'), isOff() ? 'Log in again' : 'Log out');
  if (reply) {
    put($('f-interval'), duration(reply.interval_ms));
    put($('f-deadline'), duration(reply.deadline_ms));
    put($('f-idle'), duration(reply.idle_ms));
  }
  tick();
}

function tick() {
  const { reply } = presence;
  const next = presence.nextIn;
  put($('next'), next === null ? '' : failing ? `Trying again in ${duration(next + 999)}`
    : next ? `Next beat in ${duration(next + 999)}` : 'Beating…');
  put($('f-active'), `${duration(pretend === null ? presence.activeAgo : performance.now() - pretend)} ago`);
  if (reply) put($('f-reply'), `${duration(presence.now() - reply.server_time)} ago`);
  draw();
}

// The last minute as a line: a peak for each answer, a cross for each failure.

const path = $('pulse').querySelector('path');
const FAINT = ['starting', 'retrying', 'denied', 'stopped', 'frozen', 'leaving'];

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
  $('pulse').classList.toggle('faint', FAINT.includes(presence.state));
}

show();
setInterval(tick, matchMedia('(prefers-reduced-motion: reduce)').matches ? 1000 : 250);
