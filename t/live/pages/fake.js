// A Presence without a server, which does what a test says.

const STATUSES = ['online', 'online', 'online', 'busy', 'dnd', 'away', 'offline'];
const REASONS = { online: 'activity', busy: 'manual', dnd: 'manual', away: 'idle', offline: 'leave' };

export class FakePresence extends EventTarget {
  members = new Map();
  ready = false;
  live = 'reconnecting';
  state = 'stopped';
  started = 0;
  stopped = 0;
  user = 'anna';
  pending = false;
  reply = null;
  asked = [];

  start() {
    this.started++;
    return this;
  }

  stop() {
    this.stopped++;
  }

  setStatus(status, options) {
    this.asked.push({ status, ...options });
    this.pending = true;
    this.emit('change', {});

    return this;
  }

  /* The server answers a beat. */
  answer(reply = {}) {
    this.reply = { status: 'online', manual: null, until: null,
      deadline_ms: 80000, server_time: Date.now(), ...reply };
    this.pending = false;
    this.turn('online');
  }

  turn(state) {
    const previous = this.state;

    this.state = state;
    this.emit('state', { state, previous });
    this.emit('change', {});
  }

  now() {
    return Date.now();
  }

  member(user) {
    return this.members.get(user);
  }

  on(type, fn) {
    const listener = (event) => fn(event.detail);

    this.addEventListener(type, listener);

    return () => this.removeEventListener(type, listener);
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  get counts() {
    const counts = { online: 0, away: 0, busy: 0, dnd: 0, offline: 0 };

    for (const { status } of this.members.values()) {
      counts[status]++;
    }

    return counts;
  }

  know(members) {
    this.members = new Map(members.map((member) => [member.user, member]));
    this.ready = true;
    this.go('live');
    this.emit('members', { reset: true, changes: [] });
  }

  go(live) {
    const previous = this.live;

    this.live = live;
    this.emit('live', { live, previous });
  }

  /* Changes of some members: user and what is different. */
  change(...changes) {
    const members = new Map(this.members);
    const told = changes.map(({ user, ...rest }) => {
      const previous = members.get(user);
      const member = { ...(previous ?? person(user)), ...rest };

      members.set(user, member);

      return { type: !previous ? 'enter' : member.status === 'offline'
        ? 'leave' : 'update', member, previous };
    });

    this.members = members;
    this.emit('members', { reset: false, changes: told });
  }

  remove(user) {
    const previous = this.members.get(user);

    this.members = new Map(this.members);
    this.members.delete(user);
    this.emit('members', { reset: false, changes: [{ type: 'leave',
      member: { ...previous, status: 'offline', reason: 'leave' }, previous }] });
  }
}

export function person(user, i = 0) {
  const status = STATUSES[i % STATUSES.length];
  const now = Date.now();

  return { user, status, since: now - 1000 * (i * 7 % 4000),
    last_active: now, last_seen: now - 1000 * (i % 50), sessions: 1,
    missed: i % 11 === 3 && status !== 'offline' ? 2 : 0, reason: REASONS[status],
    groups: [['agents'], ['billing'], ['agents', 'billing']][i % 3],
    text: i % 5 === 1 ? 'On a call, back at half past' : null,
    meta: status === 'offline' ? null : { name: `Person ${i}` } };
}

export const people = (n) => Array.from({ length: n },
  (_, i) => person(`agent-${i}`, i));
