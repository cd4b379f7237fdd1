/**
 * Browser client of ngx_http_presence_module.
 *
 *     import { Presence } from './presence.js';
 *
 *     const presence = new Presence({ url: '/presence/' }).start();
 *     const agents = presence.subscribe({ groups: ['agents'] });
 *     agents.addEventListener('change', () => draw(agents.members));
 *
 * `Presence` beats: it has one absolute deadline and one function, `wake`,
 * that everything calls which might find the deadline passed.  A `MemberStore`
 * is what a dashboard knows; a stream keeps it true.  The wire is described in
 * docs/protocol.md.
 *
 * @module
 */

/** @typedef {'online'|'away'|'busy'|'dnd'|'offline'} Status  what others see */
/** @typedef {'online'|'busy'|'dnd'|'away'|'invisible'} ManualStatus  `online` returns to the automatic one */
/** @typedef {'stopped'|'starting'|'online'|'idle'|'background'|'frozen'|'retrying'|'denied'|'leaving'} State */
/** @typedef {'connecting'|'live'|'stale'} Live */
/** @typedef {Record<Status, number>} Counts */

/**
 * @typedef {object} Member
 * @property {string} user
 * @property {Status} status
 * @property {number|null} since        when the status began (server's clock)
 * @property {number|null} last_active  last activity of the person
 * @property {number|null} last_seen    last sign of life
 * @property {number} sessions
 * @property {number} missed            beats missing now
 * @property {string|null} reason       of the last change
 * @property {string[]} groups
 * @property {string|null} text
 * @property {object|null} meta
 */

/**
 * @typedef {object} Reply  the answer to a beat
 * @property {string} user
 * @property {string} session
 * @property {Status|'invisible'} status  the user's own view
 * @property {ManualStatus|null} manual
 * @property {number|null} until
 * @property {number} interval_ms
 * @property {number} max_interval_ms
 * @property {number} idle_ms
 * @property {number} deadline_ms
 * @property {number} server_time
 * @property {number|null} seq
 * @property {{reason: string, at: number}|null} recovered
 */

/**
 * @typedef {object} Filter
 * @property {string[]} [groups]          members of these groups
 * @property {string[]} [users]           these users as well, offline ones too
 * @property {'full'|'count'} [mode]
 * @property {boolean} [includeOffline]   the groups' offline members too
 */

/**
 * Everything that the client asks of its surroundings; tests bring their own.
 *
 * @typedef {object} Environment
 * @property {() => number} now     wall clock
 * @property {() => number} mono    monotonic clock
 * @property {() => number} random
 * @property {(fn: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {typeof globalThis.fetch} fetch
 * @property {typeof globalThis.EventSource} [EventSource]
 * @property {EventTarget} [window]
 * @property {Document} [document]
 * @property {Pick<Storage, 'getItem'|'setItem'|'removeItem'>} [storage]
 * @property {(url: string, data: BodyInit) => boolean} [sendBeacon]
 */

/**
 * @typedef {object} Options
 * @property {string} [url='/presence/']  prefix of the drop-in location
 * @property {object} [meta]              anything of the application's, shown to others
 * @property {number} [timeout=8000]      of one request, ms
 * @property {RequestCredentials} [credentials='same-origin']
 * @property {Partial<Environment>} [env]
 */

const MANUAL = ['online', 'busy', 'dnd', 'away', 'invisible'];
const EVENTS = ['presence_state', 'presence_diff', 'presence_count', 'ping'];
const NEVER = { wall: -Infinity, mono: -Infinity };

/**
 * Delay before attempt n + 1 after n + 1 failures: exponential, capped, and
 * jittered from the first, so that a thousand clients do not return as one.
 *
 * @param {number} n  failures before this one
 * @param {() => number} [random]
 */
export function backoff(n, random = Math.random) {
  return Math.min(30000, 1000 * 2 ** n) * (0.5 + random() / 2);
}

/**
 * Milliseconds that a `Retry-After` header asks for; 0 if it asks nothing.
 *
 * @param {string|null|undefined} value  seconds or a date
 * @param {number} now
 */
export function retryAfter(value, now) {
  if (!value) return 0;
  const ms = /^\s*\d+\s*$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Math.min(Math.max(ms || 0, 0), 3600000);
}

/**
 * What a reader knows about its members.  Always consistent: a state that
 * comes in several parts is swapped in when it is complete, and everything
 * may be told twice.
 *
 * Events: `change` (detail `{reset, changes}`), `live` (detail `{live}`).
 */
export class MemberStore extends EventTarget {
  /** @type {Map<string, Member>} */
  members = new Map();
  /** Id of the last event, from which a stream resumes. */
  lastId = '';
  /** Has there been a state or a count yet? */
  ready = false;

  /** @type {Live} */
  #live = 'connecting';
  /** @type {Member[]} */
  #parts = [];
  /** @type {Counts|null} */
  #counts = null;
  #filter;

  /** @param {Filter} [filter] */
  constructor(filter = {}) {
    super();
    this.#filter = { groups: [], users: [], mode: 'full', includeOffline: false, ...filter };
  }

  /** @param {string} id */
  member(id) {
    return this.members.get(id);
  }

  /** How many members have which status. */
  get counts() {
    if (!this.#counts) {
      this.#counts = { online: 0, away: 0, busy: 0, dnd: 0, offline: 0 };
      for (const { status } of this.members.values()) this.#counts[status]++;
    }
    return this.#counts;
  }

  /** Is this the truth of now, or of then? */
  get live() {
    return this.#live;
  }

  set live(live) {
    if (live === this.#live) return;
    this.#live = live;
    this.dispatchEvent(new CustomEvent('live', { detail: { live } }));
  }

  /** A new connection: what the old one left unfinished is void. */
  reopen() {
    this.#parts = [];
  }

  /**
   * One event of the stream.
   *
   * @param {string} type
   * @param {any} data
   * @param {string} [id]
   */
  apply(type, data, id) {
    if (type === 'presence_state') {
      this.#parts.push(...data.members);
      if (data.more) return;
      this.members = new Map(this.#parts.map((member) => [member.user, member]));
      this.#parts = [];
      this.#changed(id, { reset: true, changes: [] });
    } else if (type === 'presence_diff') {
      const changes = data.changes.map((change) => this.#change(change));
      this.#changed(id, { reset: false, changes });
    } else if (type === 'presence_count') {
      const { online, away, busy, dnd, offline } = data;
      this.#changed(id, { reset: true, changes: [] }, { online, away, busy, dnd, offline });
    }
  }

  #change({ type, member }) {
    const previous = this.members.get(member.user);
    if (this.#shows(type, member)) this.members.set(member.user, member);
    else this.members.delete(member.user);
    return { type, member, previous };
  }

  /**
   * A leave may be of somebody who went offline or who left the groups: the
   * former stays where offline members are asked for.
   */
  #shows(type, { user, status, groups }) {
    const f = this.#filter;
    if (f.users.includes(user)) return true;
    if (status !== 'offline') return type !== 'leave';
    return f.includeOffline
      && (!f.groups.length || f.groups.some((group) => groups?.includes(group)));
  }

  #changed(id, detail, counts = null) {
    if (id) this.lastId = id;
    this.ready = true;
    this.#counts = counts;
    this.dispatchEvent(new CustomEvent('change', { detail }));
  }
}

/** What `subscribe` returns: a store with a stream behind it. */
class Subscription extends MemberStore {
  #close;

  constructor(filter, close) {
    super(filter);
    this.#close = close;
  }

  /** Ends the stream; the store stays as it is, and stale. */
  close() {
    this.#close();
  }
}

/**
 * Keeps a store true.  EventSource gives up after an answer that is not a
 * stream, and hangs for ever on a dead connection; this does neither.
 */
class Stream {
  #host; #store; #filter;
  #source = null; #timer; #heard; #ping = 0; #errors = 0; #failed = 0;
  #interval = 25000;

  constructor(host, store, filter) {
    this.#host = host;
    this.#store = store;
    this.#filter = filter;
  }

  open() {
    const { env, url, session } = this.#host;
    const { groups, users, mode, includeOffline } = this.#filter;
    const query = [];
    const add = (name, value) => {
      if (value?.length) query.push(name + '=' + [].concat(value).map(encodeURIComponent).join(','));
    };

    this.suspend();
    if (!env.EventSource) return;
    add('groups', groups);
    add('users', users);
    if (mode === 'count') add('mode', mode);
    if (includeOffline) add('include', 'offline');
    add('session', session);
    add('last_event_id', this.#store.lastId);

    const source = new env.EventSource(url + 'stream' + (query.length ? '?' + query.join('&') : ''),
      { withCredentials: this.#host.credentials === 'include' });
    this.#source = source;
    this.#errors = 0;
    this.#ping = 0;
    this.#hear();
    source.onopen = () => source === this.#source && this.#opened();
    source.onerror = () => source === this.#source && this.#error();
    for (const type of EVENTS) {
      source.addEventListener(type, (event) => source === this.#source && this.#event(type, event));
    }
  }

  /** Closes, so that `open` can go on from here. */
  suspend() {
    this.#host.env.clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    if (this.#store.live === 'live') this.#store.live = 'stale';
  }

  /** Is the connection what it seems?  Called whenever the page wakes up. */
  check(eager) {
    if (this.#source ? this.#left() <= 0 : eager) {
      this.suspend();
      this.open();
    }
  }

  #opened() {
    this.#errors = 0;
    this.#ping = 0;
    this.#hear();
    this.#store.reopen();
    if (this.#store.ready) this.#store.live = 'live';
  }

  #event(type, event) {
    let data;
    this.#hear();
    try {
      data = JSON.parse(event.data);
      this.#store.apply(type, data, event.lastEventId);
    } catch {
      // Not what the protocol says: what we know may be wrong, begin anew.
      this.#store.lastId = '';
      this.#retry();
      return;
    }
    this.#failed = 0;
    this.#host.sync(data.server_time);
    if (this.#store.ready) this.#store.live = 'live';
    if (data.interval_ms > 0) {
      this.#interval = data.interval_ms;
      this.#watch();
    }
    if (type === 'ping') {
      // By the server's clock: after a freeze pings come in a burst.
      if (this.#ping && data.server_time > this.#ping) this.#interval = data.server_time - this.#ping;
      this.#ping = data.server_time;
      this.#watch();
      this.#host.wake('ping');
    }
  }

  #error() {
    if (this.#store.ready) this.#store.live = 'stale';
    // The first time EventSource may try again, in the time that the server
    // told it; it has no backoff, so not a second time.
    if (this.#source.readyState === 2 || this.#errors++) this.#retry();
    else this.#hear();
  }

  #retry() {
    const { env } = this.#host;
    this.suspend();
    this.#timer = env.setTimeout(() => this.open(), backoff(this.#failed++, env.random));
  }

  #hear() {
    this.#heard = this.#host.mark();
    this.#watch();
  }

  #left() {
    const { timeout, interval } = this.#host;
    const limit = this.#source.readyState === 1 ? 2.2 * (interval || this.#interval) : timeout;
    return Math.max(limit, 200) - this.#host.ago(this.#heard);
  }

  #watch() {
    const { env } = this.#host;
    env.clearTimeout(this.#timer);
    this.#timer = env.setTimeout(() => {
      if (this.#left() > 0) this.#watch();
      else this.#retry();
    }, Math.max(this.#left(), 1));
  }
}

/**
 * One tab's presence.
 *
 * Events: `state` (`{state, previous}`), `beat` (`{reason, body}`), `reply`
 * (`{reply, rtt}`), `recovered` (`{reason, at}`: the server had thought this
 * session gone), `fail` (`{error, status, problem, retry_ms}`), `rejected`
 * (`{problem}`: the status set by hand was refused and is dropped), `denied`
 * (`{status, problem}`: the user is not known any more; `start` tries again).
 */
export class Presence extends EventTarget {
  /** The last reply. @type {Reply|null} */
  reply = null;
  /** Beats sent and beats answered since the page was loaded. */
  sent = 0;
  answered = 0;

  #url; #timeout; #credentials; #meta; #env;
  #listening = null;
  #streams = new Map();

  /** @type {State} */
  #link = 'stopped';
  /** @type {State} */
  #told = 'stopped';
  #frozen = false;
  #session; #doc; #seq = 0;

  #interval = 0; #maxInterval = 70000; #idle = 300000;
  #due = NEVER; #last = NEVER; #notBefore = NEVER; #active = NEVER; #pointer = '';
  #timer; #flight = null; #urgent = ''; #shown = true;
  #failed = 0; #error = null; #rtt = null;
  #manual = null; #offset = null;

  /** @param {Options} [options] */
  constructor({ url = '/presence/', meta, timeout = 8000, credentials = 'same-origin', env } = {}) {
    super();
    this.#url = url.replace(/\/?$/, '/');
    this.#meta = meta;
    this.#timeout = timeout;
    this.#credentials = credentials;
    this.#env = { ...browser(), ...env };
    this.#doc = this.#token(8);
  }

  // -- for the application

  /** Beats from now on. */
  start() {
    const document = this.#env.document;
    if (this.#running) {
      this.#arrive('start');
      return this;
    }
    if (document && 'prerendering' in document && document.prerendering) {
      document.addEventListener('prerenderingchange', () => this.start(), { once: true });
      return this;
    }
    this.#session = this.#recall();
    this.#flight = null;
    this.#failed = 0;
    this.#urgent = '';
    this.#last = this.#notBefore = NEVER;
    this.#active = this.#due = this.mark();
    this.#shown = !this.#hidden;
    this.#link = 'starting';
    this.#listen();
    for (const stream of this.#streams.values()) stream.open();
    this.#tell();
    this.wake('start');
    return this;
  }

  /** Says goodbye and frees everything; subscriptions go on at `start`. */
  stop() {
    if (this.#running && this.#seq) this.#farewell({ leave: true });
    this.#halt('stopped');
  }

  /**
   * Ends all sessions of the user, at once and without grace.  True if the
   * server has confirmed it.
   */
  async logout() {
    const session = this.#session ?? this.#recall();
    const { env } = this;
    const flight = this.#flight;
    this.#flight = null;
    this.#halt('stopped');
    this.#session = undefined;
    this.#manual = this.reply = null;
    try {
      env.storage?.removeItem(this.#key);
    } catch { /* forbidden by the browser */ }
    const abort = new AbortController();
    const body = { session, doc: this.#doc, seq: ++this.#seq, logout: true };
    let timer, sent;
    const send = () => (sent ??= this.#post(body, { keepalive: true, signal: abort.signal }));
    try {
      if (flight) {
        // It must not arrive after the logout, as the beat of a new login:
        // wait a moment for its answer, but not if the page goes.
        env.window?.addEventListener('pagehide', send, { signal: abort.signal });
        await Promise.race([flight.done, new Promise((resolve) => {
          timer = env.setTimeout(() => resolve(null), 1000);
        })]);
        env.clearTimeout(timer);
        flight.abort.abort();
      }
      timer = env.setTimeout(() => abort.abort(), this.#timeout);
      return (await send()).ok;
    } catch {
      return false;
    } finally {
      env.clearTimeout(timer);
      abort.abort();
    }
  }

  /** The person just did something that this page cannot see. */
  touch() {
    this.#touched('activity');
  }

  /**
   * A status by hand; `online` returns to the automatic one.  Sent with each
   * beat until one has been answered.
   *
   * @param {ManualStatus} status
   * @param {{until?: number|Date|null, text?: string|null}} [options]
   *   `until`: when the automatic status returns, by the server's clock (`now()`)
   */
  setStatus(status, { until = null, text } = {}) {
    if (!MANUAL.includes(status)) throw new TypeError(`"${status}" is none of ${MANUAL.join(', ')}`);
    this.#manual = { ...this.#manual, status, until: until === null ? null : Math.round(Number(until)) };
    if (text !== undefined) this.#manual.text = text;
    this.#soon('status');
    return this;
  }

  /**
   * Follows other users.  Needs no `start`: a dashboard may only look on.
   *
   * @param {Filter} [filter]
   * @returns {MemberStore & {close(): void}}
   */
  subscribe(filter = {}) {
    const store = new Subscription(filter, () => {
      stream.suspend();
      this.#streams.delete(store);
      if (!this.#running && !this.#streams.size) this.#unlisten();
    });
    const stream = new Stream(this, store, filter);
    this.#streams.set(store, stream);
    this.#listen();
    stream.open();
    return store;
  }

  /**
   * `addEventListener` that returns its own undoing.
   *
   * @param {string} type
   * @param {(detail: any) => void} fn
   */
  on(type, fn) {
    const listener = (event) => fn(event.detail);
    this.addEventListener(type, listener);
    return () => this.removeEventListener(type, listener);
  }

  /** @returns {State} */
  get state() {
    if (this.#link !== 'online') return this.#link;
    if (this.#frozen) return 'frozen';
    if (this.#hidden) return 'background';
    return this.ago(this.#active) >= this.#idle ? 'idle' : 'online';
  }

  get session() {
    return this.#running ? this.#session : undefined;
  }

  get doc() {
    return this.#doc;
  }

  /** Is a status by hand still waiting to be told to the server? */
  get pending() {
    return this.#manual !== null;
  }

  /** The server's interval; 0 as long as it is unknown. */
  get interval() {
    return this.#interval;
  }

  /** Milliseconds until the next beat; null when there is none to come. */
  get nextIn() {
    return this.#running ? Math.max(0, this.#left) : null;
  }

  /** Milliseconds since the person last did something. */
  get activeAgo() {
    return this.ago(this.#active);
  }

  /** What the server's clock says now, as far as we know. */
  now() {
    return this.#offset === null ? this.#env.now() : this.#offset + this.#env.mono();
  }

  // -- for the streams

  get env() {
    return this.#env;
  }

  get url() {
    return this.#url;
  }

  get credentials() {
    return this.#credentials;
  }

  get timeout() {
    return this.#timeout;
  }

  /** A point in time, on both clocks. */
  mark(ms = 0) {
    return { wall: this.#env.now() + ms, mono: this.#env.mono() + ms };
  }

  /**
   * Time since a mark.  The monotonic clock may stop in sleep, the wall clock
   * may be set back: the one that says more is right.
   */
  ago({ wall, mono }) {
    return Math.max(this.#env.now() - wall, this.#env.mono() - mono);
  }

  /**
   * The server told its time, `lag` ago.  Where that is unknown, what came
   * fastest is nearest to the truth.
   */
  sync(time, lag) {
    const offset = time - this.#env.mono() + (lag ?? 0);
    if (lag !== undefined || offset > (this.#offset ?? -Infinity)) this.#offset = offset;
  }

  /**
   * The one way to a beat.  Whatever might find the deadline passed calls it:
   * a timer, a ping of the stream, the page waking up.
   *
   * @param {string} reason
   */
  wake(reason) {
    if (reason !== 'ping') {
      const eager = /^(visible|focus|pageshow|resume|online)$/.test(reason);
      for (const stream of this.#streams.values()) stream.check(eager);
    }
    if (!this.#running || this.#link === 'leaving') return;
    const flight = this.#flight;
    if (flight) {
      const left = this.#timeout - this.ago(flight.at);
      if (left > 0) return this.#arm(left);
      flight.abort.abort();
      this.#flight = null;
      this.#fail({ error: 'timeout' });
      return;
    }
    this.#tell();
    const early = this.#link === 'retrying' ? 0
      : reason === 'ping' && this.#hidden ? this.#interval / 4
        : Math.min(500, this.#interval / 10);
    if (this.#left <= early && this.#wait <= 0) this.#beat(this.#urgent || reason);
    else this.#arm();
  }

  // -- the scheduler

  get #running() {
    return this.#link !== 'stopped' && this.#link !== 'denied';
  }

  get #hidden() {
    return this.#env.document?.visibilityState === 'hidden';
  }

  get #left() {
    return -this.ago(this.#due);
  }

  /** How long a beat is not allowed yet. */
  get #wait() {
    const floor = this.#link === 'retrying' && !this.#urgent ? 0
      : Math.min(this.#urgent === 'status' ? 200 : 1000, this.#interval / 2 || 1000) - this.ago(this.#last);
    return Math.max(floor, -this.ago(this.#notBefore));
  }

  #arm(ms = Math.max(this.#left, this.#wait)) {
    const idle = this.#idle - this.ago(this.#active);
    const { env } = this;
    env.clearTimeout(this.#timer);
    if (idle > 0) ms = Math.min(ms, idle);
    this.#timer = env.setTimeout(() => this.wake('timer'), Math.min(Math.max(Math.ceil(ms), 0), 2 ** 30));
  }

  /** A beat as soon as one is allowed: there is something to tell. */
  #soon(reason) {
    if (!this.#running || this.#link === 'leaving') return;
    this.#urgent = reason;
    if (this.#left > 0 && !this.#flight) this.#due = this.mark();
    this.wake(reason);
  }

  #beat(reason) {
    const { env } = this;
    const hidden = this.#hidden;
    const last = this.#last;
    const at = this.mark();
    const jitter = 0.9 + 0.2 * env.random();
    const delay = this.#interval * jitter;
    const flight = { at, jitter, manual: this.#manual, abort: new AbortController() };
    const body = {
      session: this.#session,
      doc: this.#doc,
      seq: ++this.#seq,
      visible: !hidden,
      active_ms_ago: Math.max(0, Math.round(this.ago(this.#active))),
    };
    // Browsers wake a hidden page as rarely as once a minute: be honest.
    if (hidden) body.next_ms = Math.ceil(Math.max(delay, this.#maxInterval));
    else if (delay) body.next_ms = Math.ceil(delay);
    Object.assign(body, this.#manual);
    if (this.#meta !== undefined) body.meta = this.#meta;
    body.diag = { by: reason, failed: this.#failed, error: this.#error, rtt_ms: this.#rtt };
    if (last !== NEVER) {
      body.diag.wall_ms = Math.round(at.wall - last.wall);
      body.diag.mono_ms = Math.round(at.mono - last.mono);
      body.diag.late_ms = Math.round(-this.#left);
    }

    this.#flight = flight;
    this.#last = at;
    this.#urgent = '';
    this.#shown = !hidden;
    this.sent++;
    this.#arm(this.#timeout);
    this.#emit('beat', { reason, body });
    flight.done = this.#fly(flight, body);
  }

  async #fly(flight, body) {
    let response, content, error;
    try {
      response = await this.#post(body, { signal: flight.abort.signal });
      content = await response.json();
    } catch (e) {
      error = e;
    }
    if (flight !== this.#flight) return;
    this.#flight = null;
    if (response?.ok && content?.interval_ms > 0) return this.#success(flight, content);
    const status = response?.status ?? 0;
    const problem = response && !response.ok && content?.type ? content : null;
    if (status === 401 || status === 403) return this.#deny(status, problem);
    if ((status === 400 || status === 413) && flight.manual) {
      // It would be refused for ever, and the person called offline for it.
      if (this.#manual === flight.manual) this.#manual = null;
      this.#emit('rejected', { problem });
    }
    this.#fail({
      error: response ? (response.ok ? 'reply' : 'status') : 'network',
      status, problem, cause: error,
      wait: retryAfter(response?.headers?.get('Retry-After'), this.#env.now()),
    });
  }

  #success(flight, reply) {
    const rtt = this.ago(flight.at);
    this.answered++;
    this.reply = reply;
    this.#rtt = Math.round(rtt);
    this.#failed = 0;
    this.#error = null;
    this.#interval = Math.max(50, reply.interval_ms);
    this.#maxInterval = Math.max(this.#interval, reply.max_interval_ms || 0);
    this.#idle = reply.idle_ms > 0 ? reply.idle_ms : Infinity;
    this.sync(reply.server_time, rtt / 2);
    if (this.#manual === flight.manual) this.#manual = null;
    this.#link = 'online';
    // Armed here, in the response's handler: browsers throttle this less.
    const delay = this.#interval * flight.jitter;
    this.#due = { wall: flight.at.wall + delay, mono: flight.at.mono + delay };
    this.#arm();
    this.#emit('reply', { reply, rtt });
    if (reply.recovered) this.#emit('recovered', reply.recovered);
    this.#tell();
    this.#settled();
  }

  #fail({ error, status = 0, problem = null, cause = null, wait = 0 }) {
    const { env } = this;
    let ms = backoff(this.#failed++, env.random);
    if (wait) {
      ms = Math.max(ms, wait * (1 + env.random() / 10));
      this.#notBefore = this.mark(wait);
    }
    this.#error = status ? `${error} ${status}` : error;
    this.#link = 'retrying';
    this.#due = this.mark(ms);
    this.#arm();
    this.#emit('fail', { error, status, problem, cause, retry_ms: Math.round(ms) });
    this.#tell();
    this.#settled();
  }

  #settled() {
    if (this.#urgent) this.#soon(this.#urgent);
  }

  #deny(status, problem) {
    this.#halt('denied');
    this.#emit('denied', { status, problem });
  }

  #halt(link) {
    this.#drop();
    this.#link = link;
    this.#frozen = false;
    for (const stream of this.#streams.values()) stream.suspend();
    this.#unlisten();
    this.#tell();
  }

  #drop() {
    this.#env.clearTimeout(this.#timer);
    this.#flight?.abort.abort();
    this.#flight = null;
  }

  // -- the page

  #listen() {
    if (this.#listening) return;
    const { window, document } = this.#env;
    const { signal } = this.#listening = new AbortController();
    const on = (target, types, fn) => {
      for (const type of types.split(' ')) {
        target?.addEventListener?.(type, fn, { passive: true, capture: true, signal });
      }
    };
    on(document, 'visibilitychange', () => this.#turned());
    on(document, 'freeze', () => {
      this.#frozen = true;
      this.#tell();
    });
    on(document, 'resume', () => this.#arrive('resume'));
    on(window, 'pagehide', () => this.#depart());
    on(window, 'pageshow', (event) => event.persisted && this.#arrive('pageshow'));
    on(window, 'online', () => this.#arrive('online'));
    on(window, 'focus', (event) => {
      if (event.target && event.target !== window) return;
      this.#touched('focus');
      this.#arrive('focus');
    });
    // No "scroll": scrollTo() makes trusted ones.  A person's own scrolling
    // shows as wheel, touchmove, keydown or pointerdown.
    on(window, 'pointerdown pointermove keydown wheel touchstart touchmove', (event) => this.#input(event));
  }

  #unlisten() {
    this.#listening?.abort();
    this.#listening = null;
  }

  #turned() {
    if (this.#hidden) {
      // The server must know that beats may come slowly from now on.
      if (this.#running && this.#shown) this.#soon('hidden');
    } else {
      this.#touched('visible');
      this.#arrive('visible');
    }
    this.#tell();
  }

  /** The page is back, or something says that the network is. */
  #arrive(reason) {
    this.#frozen = false;
    if (this.#link === 'leaving') {
      this.#link = 'starting';
      for (const stream of this.#streams.values()) stream.open();
      this.#soon(reason);
    } else if (this.#running && (reason === 'visible' && !this.#shown
        || this.#link === 'retrying'
        || this.ago(this.#last) > Math.min(5000, this.#interval / 5 || 5000))) {
      this.#soon(reason);
    }
    this.wake(reason);
    this.#tell();
  }

  /** The page goes, perhaps for good, perhaps into the back/forward cache. */
  #depart() {
    for (const stream of this.#streams.values()) stream.suspend();
    if (!this.#running) return;
    this.#drop();
    if (this.#seq) this.#farewell({ leave: true });
    this.#link = 'leaving';
    this.#tell();
  }

  #input(event) {
    if (!event.isTrusted || this.ago(this.#active) < 1000) return;
    if (event.type === 'pointermove') {
      // Browsers make moves of their own when things move below the pointer.
      const pointer = event.screenX + ',' + event.screenY;
      if (pointer === this.#pointer) return;
      this.#pointer = pointer;
    }
    this.#touched('activity');
  }

  #touched(reason) {
    const idle = this.ago(this.#active) >= this.#idle;
    this.#active = this.mark();
    if (this.#link === 'leaving') this.#arrive(reason);
    else if (idle) this.#soon(reason);
    this.wake(reason);
  }

  // -- the wire

  #post(body, init) {
    return this.#env.fetch(this.#url + 'beat', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      credentials: this.#credentials,
      cache: 'no-store',
      ...init,
    });
  }

  /** A last word that outlives the page. */
  #farewell(word) {
    const body = { session: this.#session, doc: this.#doc, seq: ++this.#seq, ...word };
    const { sendBeacon } = this.#env;
    try {
      if (sendBeacon && globalThis.Request && !('keepalive' in Request.prototype)) {
        sendBeacon(this.#url + 'beat', JSON.stringify(body));
      } else {
        this.#post(body, { keepalive: true }).catch(() => {});
      }
    } catch { /* nobody is left who could be told */ }
  }

  get #key() {
    return 'presence:' + this.#url;
  }

  /** The id of this tab: kept over a reload. */
  #recall() {
    const { storage } = this.#env;
    let id = this.#session;
    try {
      id ??= storage?.getItem(this.#key);
      if (!/^[\w.~:-]{8,64}$/.test(id ?? '')) id = this.#token(16);
      storage?.setItem(this.#key, id);
    } catch {
      id ??= this.#token(16);
    }
    return id;
  }

  #token(bytes) {
    const random = crypto.getRandomValues(new Uint8Array(bytes));
    return btoa(String.fromCharCode(...random)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
  }

  #tell() {
    const { state } = this;
    const previous = this.#told;
    if (state === previous) return;
    this.#told = state;
    this.#emit('state', { state, previous });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @returns {Environment} */
function browser() {
  const g = globalThis;
  let storage;
  try {
    storage = g.sessionStorage;
  } catch { /* forbidden by the browser */ }
  return {
    now: () => Date.now(),
    mono: () => performance.now(),
    random: Math.random,
    setTimeout: (fn, ms) => setTimeout(fn, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    fetch: (...args) => g.fetch(...args),
    sendBeacon: g.navigator?.sendBeacon?.bind(g.navigator),
    EventSource: g.EventSource,
    window: g.window,
    document: g.document,
    storage,
  };
}
