import '../board.js';
import { Presence } from '../presence.js';
import { clock, deskOf, h, icon, icons, login, nameOf, put, streamAllowed } from './ui.js';

const $ = (id) => document.getElementById(id);

const STATUS = { online: 'online', busy: 'busy', dnd: 'not to be disturbed', away: 'away', offline: 'offline' };

// What the board calls the reasons is for a column; here they end a sentence.
const REASONS = {
  beat: 'opened the desk', activity: 'active again', idle: 'no activity for a while', missed: 'heartbeat lost',
  leave: 'closed the page', logout: 'logged out', manual: 'set by hand', touch: 'used the site',
  stream: 'connection is open', recovered: 'came back',
};

icons();

// A dashboard only looks on: it beats for nobody.

const presence = new Presence({
  url: login('admin'), user: 'admin', beat: false, groups: ['agents'], include: 'offline',
});
const board = $('board');

board.nameOf = (member) => member.meta?.name ?? nameOf(member.user);
board.noteOf = (member) => member.text || (member.meta?.title ?? deskOf(member.user));
board.presence = presence;

// Where is everybody?  The title says it in a tab that is not looked at.

function title() {
  const { counts, members } = presence;
  document.title = `(${members.size - counts.offline}) Agents – dashboard`;
}

// What has happened

let only = null;

/** What a change means to a person, or null if nothing that is worth a line. */
function tell({ member, previous }) {
  const { status, missed, reason } = member;
  const before = previous?.status ?? 'offline';
  const why = REASONS[reason] ?? reason;
  if (status !== before) return { tone: status, icon: status, words: `is ${STATUS[status]}`, why: `was ${STATUS[before]} · ${why}` };
  if (!previous) return null;
  if (missed > previous.missed) {
    return { tone: 'dnd', icon: 'missed', words: `missed ${missed === 1 ? 'a beat' : `${missed} beats`}`, why: `still ${STATUS[status]}` };
  }
  if (missed < previous.missed) return { tone: 'online', icon: 'beat', words: 'beats again', why: `after ${previous.missed} missed` };
  if (member.text && member.text !== previous.text) return { tone: status, icon: 'note', words: 'left a note', why: member.text };
  return null;
}

function log(change) {
  const line = tell(change);
  if (!line) return;
  const { user } = change.member;
  $('feed').prepend(h('li', { 'data-status': line.tone, 'data-user': user, hidden: only !== null && only !== user },
    icon(line.icon), h('span', {}, h('b', { text: board.nameOf(change.member) }), ` ${line.words}`),
    h('time', { text: clock(presence.now()) }), h('small', { text: line.why })));
  while ($('feed').childElementCount > 100) $('feed').lastElementChild.remove();
}

function filter(user) {
  only = user;
  $('only').hidden = user === null;
  put($('only-name'), user === null ? '' : nameOf(user));
  $('why').hidden = user === null;
  $('why').href = $('trace').href = user === null ? 'trace.html' : `trace.html?user=${user}`;
  for (const item of $('feed').children) item.hidden = user !== null && item.dataset.user !== user;
  quiet();
}

function quiet() {
  const shown = [...$('feed').children].some((item) => !item.hidden);
  $('quiet').hidden = shown;
  put($('quiet'), only === null ? 'Nothing has changed since you opened this page.'
    : `Nothing of ${nameOf(only)} has changed since you opened this page.`);
}

board.addEventListener('presence-select', ({ detail }) => filter(detail.user));
$('only').addEventListener('click', () => {
  board.selected = null;
  filter(null);
});

presence.on('members', ({ changes }) => {
  title();
  changes.forEach(log);
  quiet();
});

if (await streamAllowed(5)) presence.start();
else $('full').hidden = false;
