import { Activity } from './activity.js';
import { Awake } from './awake.js';
import { backoff, retryAfter } from './backoff.js';
import { Clock, NEVER } from './clock.js';
import { allowed, browser } from './env.js';
import { Evidence } from './evidence.js';
import { Identity } from './identity.js';
import { Scheduler } from './scheduler.js';
import { Ticker } from './ticker.js';
import { Transport } from './transport.js';

export { backoff, retryAfter };
export const version = '0.1.0';

/** @typedef {import('./members.js').Status} Status */
/** @typedef {import('./members.js').Member} Member */
/** @typedef {import('./members.js').Counts} Counts */
/** @typedef {import('./members.js').Change} Change */
/** @typedef {import('./members.js').Filter} Filter */
/** @typedef {import('./feed.js').Live} Live */
/** @typedef {import('./env.js').Environment} Environment */
/** @typedef {import('./activity.js').ActivityOptions} ActivityOptions */
/** @typedef {import('./types.js').ManualStatus} ManualStatus */
/** @typedef {import('./types.js').Link} Link */
/** @typedef {import('./types.js').ActivityState} ActivityState */
/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').Reply} Reply */
/** @typedef {import('./types.js').Options} Options */
/** @typedef {import('./types.js').Snapshot} Snapshot */

const MANUAL = ['online', 'busy', 'dnd', 'away', 'invisible'];
/** What may mean that much time has passed, or that the network is back. */
const EAGER = /^(visible|focus|pageshow|resume|online|storage|sleep|start)$/;
/** How long a claimed session may be contested before the first beat, ms. */
const CLAIM = 60;
const LOG = 40;
/** What a snapshot has of it. @type {(keyof Snapshot)[]} */
const SHOWN = ['state', 'link', 'activity', 'live', 'ready', 'user', 'session', 'status', 'manual', 'until', 'pending', 'members', 'counts'];
const NOBODY = new Map();
const NOTHING = Object.freeze({ online: 0, away: 0, busy: 0, dnd: 0, offline: 0 });

/**
 * One tab's presence: its beats, and what it knows of others.
 *
 * Events are listed in docs/client.md.
 */
export class Presence extends EventTarget {
  /** The last reply. @type {Reply|null} */
  reply = null;
  /** Beats sent and beats answered since the page was loaded. */
  sent = 0;
  answered = 0;

  #options; #env; #clock; #scheduler; #transport; #identity; #ticker; #activity; #awake; #evidence;
  #key; #claim;
  /** @type {AbortController|null} */ #listening = null;

  /** @type {Link} */ #link = 'stopped';
  /** @type {Snapshot|undefined} */ #snapshot;
  /** @type {string|null} */ #user = null;
  /** @type {import('./follower.js').Follower|null} */ #follower = null;
  #loading = false; #frozen = false; #shown = true; #loggedOut = false;
  #seq = 0; #active = NEVER;
  /** @type {any} */ #flight = null;
  /** @type {{status?: ManualStatus, until?: number|null, text?: string|null}|null} */ #manual = null;
  /** @type {string[]} */ #log = [];

  /** @param {Options} [options] */
  constructor(options = {}) {
    super();
    const { url = '/presence/', timeout = 8000, credentials = 'same-origin', worker = true, activity = true } = options;
    const env = this.#env = { ...browser(), ...options.env };
    const clock = this.#clock = new Clock(env);
    const path = url.replace(/\/?$/, '/');
    this.#options = { beat: true, stream: true, keepAwake: true, leave: true, ...options, timeout };
    this.#user = options.user ?? null;
    this.#key = 'presence:' + path;
    this.#transport = new Transport(env, path, credentials, options.token);
    this.#identity = new Identity(env, this.#key, () => {
      this.#note('session', 'was another tab\'s, is a new one');
      if (!this.#claim) this.#soon('session');
    });
    this.#evidence = new Evidence(clock);
    this.#awake = new Awake(env, `${this.#key} awake ${this.#identity.doc}`);
    this.#activity = new Activity(env, clock, activity, path, () => this.#touched('activity'));
    this.#ticker = new Ticker(env, worker, () => this.wake('worker'));
    this.#scheduler = new Scheduler(env, clock, timeout, {
      wake: (reason) => this.wake(reason),
      beat: (reason) => this.#beat(reason),
      timeout: (late) => {
        this.#evidence.late(late);
        this.#drop();
        this.#fail({ error: 'timeout' });
      },
      rest: () => {
        const rest = this.#idle - clock.ago(this.#active);
        return rest > 0 ? rest : Infinity;
      },
      armed: (ms) => this.#ticker.at(ms),
    });
  }

  // -- for the application

  /** Beats from now on, and follows. */
  start() {
    const { document } = this.#env;
    if (this.#running) {
      this.wake('start');
      return this;
    }
    if (document?.prerendering) {
      document.addEventListener('prerenderingchange', () => this.start(), { once: true });
      return this;
    }
    this.#transport.forget();
    this.#loggedOut = false;
    this.#link = 'starting';
    this.#active = this.#clock.mark();
    this.#clock.slept();
    this.#listen(true);
    this.#enter();
    return this;
  }

  /** Says goodbye and frees everything. */
  stop() {
    this.#loggedOut = false;
    if (this.#here) this.#farewell();
    this.#halt('stopped');
  }

  /**
   * Ends all sessions of the user, at once and without grace, and stops the
   * other tabs of this browser.  True if the server has confirmed it.
   *
   * @returns {Promise<boolean>}
   */
  async logout() {
    const env = this.#env;
    const flight = this.#flight;
    if (!this.#identity.session) this.#identity.recall();
    const { session, doc } = this.#identity;
    this.#flight = null;
    this.#halt('stopped');
    this.#forget();
    allowed(() => env.shared?.removeItem(this.#key));
    try {
      return await this.#transport.logout({ session, doc, seq: ++this.#seq, logout: true }, flight, this.#scheduler.timeout);
    } finally {
      this.#transport.forget();
    }
  }

  /** The person just did something that this page cannot see. */
  touch() {
    this.#touched('activity');
  }

  /**
   * A status by hand; `online` returns to the automatic one, null leaves it as
   * it is.  Sent with each beat until one has been answered.
   *
   * @param {ManualStatus|null} status
   * @param {{until?: number|Date|null, text?: string|null, meta?: object|null}} [options]
   *   `until`: when the automatic status returns, by the server's clock (`now()`)
   */
  setStatus(status, { until = null, text, meta } = {}) {
    if (status !== null && !MANUAL.includes(status)) throw new TypeError(`"${status}" is none of ${MANUAL.join(', ')}`);
    const manual = this.#manual = { ...this.#manual };
    if (status) Object.assign(manual, { status, until: until === null ? null : Math.round(Number(until)) });
    if (text !== undefined) manual.text = text;
    if (meta !== undefined) this.#options.meta = meta;
    this.#soon('status');
    this.#tell();
    return this;
  }

  /**
   * Calls `fn` after each change of anything that the snapshot has.
   *
   * @param {(snapshot: Snapshot) => void} fn
   * @returns {() => void} ends it
   */
  subscribe(fn) {
    return this.on('change', fn);
  }

  /**
   * `addEventListener` that returns its own undoing.
   *
   * @param {string} type
   * @param {(detail: any) => void} fn
   * @returns {() => void}
   */
  on(type, fn) {
    const listener = (event) => fn(event.detail);
    this.addEventListener(type, listener);
    return () => this.removeEventListener(type, listener);
  }

  /** @returns {State} */
  get state() {
    const { activity } = this;
    return this.#link !== 'online' ? this.#link : activity === 'active' ? 'online' : activity;
  }

  /** How the server is reached, whatever the person does. */
  get link() {
    return this.#link;
  }

  /** What the person and the page do, however the server is reached. @returns {ActivityState} */
  get activity() {
    if (this.#frozen) return 'frozen';
    if (this.#hidden) return 'background';
    return this.#running && this.activeAgo >= this.#idle ? 'idle' : 'active';
  }

  /** Is what is known of others of now? */
  get live() {
    return this.#follower?.live ?? 'stale';
  }

  /** Has there been a state or a count yet? */
  get ready() {
    return !!this.#follower?.store.ready;
  }

  /** Never changed, replaced at each change. @returns {ReadonlyMap<string, Member>} */
  get members() {
    return this.#follower?.store.members ?? NOBODY;
  }

  /** @param {string} user */
  member(user) {
    return this.members.get(user);
  }

  get counts() {
    return this.#follower?.store.counts ?? NOTHING;
  }

  /** As the server says; null as long as it has not. */
  get user() {
    return this.#user;
  }

  get session() {
    return this.#options.beat && this.#running ? this.#identity.session : undefined;
  }

  get doc() {
    return this.#identity.doc;
  }

  get status() {
    return this.reply?.status ?? null;
  }

  get manual() {
    return this.reply?.manual ?? null;
  }

  get until() {
    return this.reply?.until ?? null;
  }

  /** Is a status by hand still waiting to be told to the server? */
  get pending() {
    return this.#manual !== null;
  }

  /** The server's interval, ms; 0 as long as it is unknown. */
  get interval() {
    return this.#scheduler.interval;
  }

  /** Milliseconds until the next beat; null when there is none to come. */
  get nextIn() {
    return this.#options.beat && this.#running ? Math.max(0, this.#scheduler.left) : null;
  }

  /** Milliseconds since the person last did something. */
  get activeAgo() {
    return this.#clock.ago(this.#active);
  }

  /** What the server's clock says now, as far as we know, ms since 1970. */
  now() {
    return this.#clock.server();
  }

  /** All that an application draws. @returns {Snapshot} */
  get snapshot() {
    return this.#snapshot ?? this.#take();
  }

  /** What support wants to see: a plain object, for a ticket.  No token is in it. */
  diagnose() {
    const env = this.#env;
    const { members, ...rest } = this.snapshot;
    const has = (names) => Object.fromEntries(names.map((name) => [name, !!env[name]]));
    return {
      version, at: new Date(env.now()).toISOString(), url: this.#key.slice(9), ...rest, known: members.size, doc: this.doc,
      interval_ms: this.interval, next_ms: this.nextIn, active_ms_ago: Math.round(this.activeAgo),
      sent: this.sent, answered: this.answered, failed: this.#scheduler.failed, error: this.#evidence.error, rtt_ms: this.#evidence.rtt,
      clock_ms: Math.round(this.now() - env.now()), ticker: this.#ticker.kind, stream: this.#follower?.evidence ?? null,
      page: { visibility: env.document?.visibilityState, discarded: !!env.document?.wasDiscarded, agent: globalThis.navigator?.userAgent },
      browser: has(['EventSource', 'BroadcastChannel', 'locks', 'Worker', 'PerformanceObserver', 'navigation', 'fetchLater', 'storage', 'shared']),
      log: [...this.#log],
    };
  }

  /**
   * The one way to a beat.  Whatever might find the deadline passed calls it:
   * a timer, a ping of the stream, the page waking up.
   *
   * @param {string} reason
   */
  wake(reason) {
    const slept = this.#clock.slept();
    if (!this.#running) return;
    if (this.#link === 'leaving') {
      if (EAGER.test(reason)) this.#back(reason);
      return;
    }
    if (slept) {
      this.#evidence.slept(slept);
      this.#note('slept', `${Math.round(slept)} ms`);
    }
    if (this.#frozen && reason !== 'timer') this.#thaw();
    const eager = !!slept || EAGER.test(reason);
    this.#activity.routed();
    this.#follower?.check(eager);
    this.#tell();
    if (!this.#options.beat) return;
    const { failed, last, interval } = this.#scheduler;
    const soon = eager && (failed || reason === 'visible' && !this.#shown
      || this.#clock.ago(last) > Math.min(5000, interval / 5 || 5000));
    const why = soon ? this.#scheduler.soon(slept ? 'sleep' : reason) : this.#scheduler.wake(reason, this.#hidden);
    if (why && why !== 'stopped' && (eager || reason === 'ping')) this.#emit('beat', { phase: 'skipped', reason, why });
  }

  // -- beats

  get #running() {
    return this.#link !== 'stopped' && this.#link !== 'denied';
  }

  /** Running, and the page has not gone. */
  get #here() {
    return this.#running && this.#link !== 'leaving';
  }

  get #hidden() {
    return this.#env.document?.visibilityState === 'hidden';
  }

  get #idle() {
    return this.reply?.idle_ms || Infinity;
  }

  get #maxInterval() {
    return Math.max(this.interval, this.reply?.max_interval_ms || 70000);
  }

  /** A beat as soon as one is allowed: there is something to tell. */
  #soon(reason) {
    if (this.#here) this.#scheduler.soon(reason);
  }

  #body(reason, next, rest) {
    const { session, doc } = this.#identity;
    const { failed, last, left } = this.#scheduler;
    const { meta } = this.#options;
    return {
      session, doc,
      seq: ++this.#seq,
      visible: !this.#hidden,
      active_ms_ago: Math.max(0, Math.round(this.activeAgo)),
      next_ms: next ? Math.ceil(next) : undefined,
      ...this.#manual,
      meta,
      diag: this.#evidence.report(reason, last, -left, failed, {
        ticker: this.#ticker.kind,
        discarded: !this.answered && this.#env.document?.wasDiscarded,
        ...rest,
      }),
    };
  }

  #beat(reason) {
    const jitter = 0.9 + 0.2 * this.#env.random();
    const delay = this.interval * jitter;
    // Browsers wake a hidden page as rarely as once a minute: be honest.
    const body = this.#body(reason, this.#hidden ? Math.max(delay, this.#maxInterval) : delay);
    /** @type {any} */
    const flight = this.#flight = { at: this.#clock.mark(), reason, jitter, manual: this.#manual, abort: new AbortController() };
    this.#shown = !this.#hidden;
    this.sent++;
    this.#emit('beat', { phase: 'sent', reason, body });
    if (flight !== this.#flight) return;
    flight.done = this.#fly(flight, body);
  }

  async #fly(flight, body) {
    let response, content, cause;
    try {
      response = await this.#transport.post(body, { signal: flight.abort.signal });
      content = await response.json();
    } catch (error) {
      cause = error;
    }
    if (flight !== this.#flight) return;
    if (response?.ok && content?.interval_ms > 0) {
      this.#flight = null;
      this.#succeed(flight, content);
      return;
    }
    const status = response?.status ?? 0;
    const problem = response && !response.ok && content?.type ? content : null;
    const refused = status === 401 || status === 403;
    const renewed = refused && this.#transport.renew(response);
    if (refused && !renewed) {
      this.#flight = null;
      this.#deny(status, problem);
      return;
    }
    if ((status === 400 || status === 413) && flight.manual) {
      // It would be refused for ever, and the person called offline for it.
      if (this.#manual === flight.manual) this.#manual = null;
      this.#emit('rejected', { problem });
    }
    this.#fail({
      error: !response ? 'network' : response.ok ? 'reply' : 'status',
      status, problem, cause, renewed,
      wait: retryAfter(response?.headers?.get('Retry-After'), this.#env.now()),
    });
  }

  #succeed(flight, reply) {
    const rtt = this.#clock.ago(flight.at);
    this.answered++;
    this.#evidence.answered(rtt);
    this.#transport.accepted();
    this.#clock.sync(reply.server_time, rtt / 2);
    if (this.#user !== reply.user) this.#login(reply.user);
    this.reply = reply;
    this.#scheduler.interval = Math.max(50, reply.interval_ms);
    if (this.#manual === flight.manual) this.#manual = null;
    this.#link = 'online';
    if (this.#scheduler.failed) this.#follower?.again();
    this.#scheduler.answered(this.interval * flight.jitter);
    this.#emit('beat', { phase: 'answered', reason: flight.reason, reply, rtt_ms: Math.round(rtt) });
    if (reply.recovered) this.#emit('recovered', reply.recovered);
    this.#follow();
    this.#tell();
    this.#scheduler.settle();
  }

  /** @param {{error: string, status?: number, problem?: any, cause?: any, wait?: number, renewed?: boolean}} failure */
  #fail({ error, status = 0, problem = null, cause = null, wait = 0, renewed = false }) {
    const reason = this.#flight?.reason;
    this.#flight = null;
    const retry = this.#scheduler.fail(wait);
    this.#evidence.error = status && error === 'status' ? String(status) : error;
    this.#link = 'retrying';
    this.#emit('beat', { phase: 'failed', reason, error, status, problem, cause, retry_ms: Math.round(retry) });
    this.#tell();
    if (renewed) this.#scheduler.soon('token');
    else this.#scheduler.settle();
  }

  #deny(status, problem) {
    this.#halt('denied');
    this.#emit('denied', { status, problem });
  }

  /** Gives up the beat in flight. */
  #drop() {
    this.#flight?.abort.abort();
  }

  // -- who

  /** Another user: nothing of the one before is theirs. */
  #login(user) {
    const { shared } = this.#env;
    if (this.#user !== null) {
      this.#note('user', 'another one logged in');
      this.#manual = null;
      this.#reset();
    }
    this.#user = user;
    allowed(() => shared?.getItem(this.#key) !== user && shared?.setItem(this.#key, user));
  }

  /** Somebody logged in or out in another tab. */
  #elsewhere(user) {
    if (user === null) {
      if (!this.#running || this.#user === null) return;
      this.#loggedOut = true;
      this.#halt('stopped');
      this.#forget();
      this.#note('logout', 'in another tab');
    } else if (this.#loggedOut || this.#link === 'denied') {
      this.start();
    } else {
      if (user !== this.#user) this.#manual = null;
      this.wake('storage');
    }
  }

  #forget() {
    this.#identity.forget();
    this.#user = this.#options.user ?? null;
    this.#manual = this.reply = null;
    this.#reset();
    this.#tell();
  }

  // -- others

  /** What was known is of another user, or was. */
  #reset() {
    this.#follower?.close();
    this.#follower = null;
    this.#emit('members', { reset: true, changes: [] });
  }

  /** Follows, as soon as it is known for whom. */
  async #follow() {
    const { beat, stream } = this.#options;
    const user = this.#user;
    if (!stream || !this.#here || this.#frozen || (beat || stream === 'self') && user === null) return;
    if (this.#follower) {
      this.#follower.open();
      return;
    }
    if (this.#loading) return;
    this.#loading = true;
    let module;
    try {
      module = await this.#env.follower();
    } catch (error) {
      // the next answer tries again
      this.#note('stream', `not loaded: ${error}`);
    }
    this.#loading = false;
    if (!module || !this.#here) return;
    if (user !== this.#user) return this.#follow();
    this.#follower = new module.Follower(this.#env, this.#clock, this.#transport, this.#options, user, {
      session: () => this.session,
      news: (detail) => this.#news(detail),
      live: (previous) => {
        const { live } = this;
        if (!beat && this.#here) {
          this.#link = live === 'live' ? 'online' : live === 'reconnecting' && this.#link === 'starting' ? 'starting' : 'retrying';
        }
        this.#emit('live', { live, previous });
        this.#tell();
      },
      ping: ({ server_time: time }) => {
        this.#clock.sync(time);
        this.wake('ping');
      },
      denied: (status) => {
        if (!beat) this.#deny(status, null);
        return !beat;
      },
      note: (text) => this.#note('stream', text),
    });
    this.#follower.open();
    this.#tell();
  }

  #news(detail) {
    if (!this.#options.beat) this.#transport.accepted();
    this.#emit('members', detail);
    const { reply } = this;
    const own = detail.changes.find(({ member }) => member.user === this.#user)?.member;
    // Whoever is called something else than the server last said, asks.
    if (own && reply && !this.#flight && own.status !== reply.status && reply.status !== 'invisible') this.#soon('stream');
    this.#tell();
  }

  // -- the page

  /** All that a page has only while it is there. */
  #enter() {
    const { beat, keepAwake } = this.#options;
    this.#shown = !this.#hidden;
    if (!beat) {
      this.#follow();
      this.#tell();
      return;
    }
    const recalled = this.#identity.recall();
    this.#identity.claim();
    this.#ticker.start();
    this.#evidence.is('hidden', this.#hidden);
    if (this.#hidden && keepAwake) this.#awake.hold(true);
    this.#follow();
    this.#tell();
    const begin = () => {
      this.#claim = null;
      this.#scheduler.start();
      this.wake('start');
    };
    if (recalled && this.#env.BroadcastChannel) this.#claim = this.#env.setTimeout(begin, CLAIM);
    else begin();
  }

  #halt(link) {
    this.#exit();
    this.#link = link;
    this.#frozen = false;
    this.#listening?.abort();
    if (link === 'denied' || this.#loggedOut) this.#listen();
    this.#tell();
  }

  #exit() {
    this.#drop();
    this.#flight = null;
    this.#env.clearTimeout(this.#claim);
    this.#claim = null;
    this.#scheduler.stop();
    this.#ticker.stop();
    this.#awake.hold(false);
    this.#awake.unstage();
    this.#identity.close();
    this.#follower?.close();
  }

  /** @param {boolean} [all]  or nothing but logins in other tabs */
  #listen(all) {
    const { window, document } = this.#env;
    this.#listening?.abort();
    const { signal } = this.#listening = new AbortController();
    const on = (target, type, fn) => target?.addEventListener?.(type, fn, { passive: true, capture: true, signal });
    on(window, 'storage', ({ key, newValue }) => key === this.#key && this.#elsewhere(newValue));
    if (!all) return;
    on(document, 'visibilitychange', () => this.#turned());
    on(document, 'freeze', () => this.#freeze());
    on(document, 'resume', () => this.wake('resume'));
    on(window, 'pagehide', () => this.#depart());
    on(window, 'pageshow', ({ persisted }) => persisted && this.wake('pageshow'));
    on(window, 'online', () => this.wake('online'));
    on(window, 'focus', ({ target }) => (!target || target === window) && this.#touched('focus'));
    if (this.#options.beat) this.#activity.start(signal);
  }

  #turned() {
    const hidden = this.#hidden;
    this.#evidence.is('hidden', hidden);
    if (this.#options.keepAwake && this.#link !== 'leaving') this.#awake.hold(hidden);
    // The server must know that beats may come slowly from now on.
    if (!hidden) this.#touched('visible');
    else if (this.#shown && this.#options.beat) this.#soon('hidden');
    this.#tell();
  }

  #freeze() {
    const { beat, keepAwake } = this.#options;
    this.#frozen = true;
    this.#evidence.is('frozen', true);
    if (beat && keepAwake && this.reply && this.#link !== 'leaving') {
      const step = Math.max(this.interval, 0.8 * this.#maxInterval);
      this.#awake.stage(step, (ms, signal) => {
        const body = this.#body('staged', this.#maxInterval);
        body.active_ms_ago += Math.round(ms);
        const staged = this.#transport.later(body, ms, signal);
        if (!staged) this.#seq--;
        return staged;
      });
    }
    // Others must not wait for what we do not hear.
    if (this.#follower?.shared) this.#follower.close();
    this.#tell();
  }

  #thaw() {
    this.#frozen = false;
    this.#evidence.is('frozen', false);
    // A beat that was not sent was never numbered.
    this.#seq -= this.#awake.unstage();
    // A copy of this tab could not be told that its session has an owner.
    if (this.#options.beat) this.#identity.claim();
    if (this.#follower) this.#follow();
  }

  /** The page goes, perhaps for good, perhaps into the back/forward cache. */
  #depart() {
    if (!this.#here) return;
    const { leave } = this.#options;
    this.#exit();
    this.#evidence.is('frozen', true);
    if (leave) this.#farewell();
    this.#link = 'leaving';
    this.#tell();
  }

  #back(reason) {
    this.#frozen = false;
    this.#evidence.is('frozen', false);
    this.#link = 'starting';
    this.#note('back', reason);
    this.#enter();
  }

  #farewell() {
    const { session, doc } = this.#identity;
    if (this.#options.beat && this.#seq) this.#transport.farewell({ session, doc, seq: ++this.#seq, leave: true });
  }

  #touched(kind) {
    if (!this.#running) return;
    const idle = this.activeAgo >= this.#idle;
    this.#active = this.#clock.mark();
    if (this.#link === 'leaving') this.#back(kind);
    else if (idle && this.#options.beat) this.#soon(kind);
    this.wake(kind);
  }

  // -- telling

  #take() {
    const now = /** @type {Snapshot} */ (Object.fromEntries(SHOWN.map((name) => [name, this[name]])));
    return this.#snapshot = Object.freeze(now);
  }

  #tell() {
    const before = this.#snapshot;
    const now = this.#take();
    if (before && SHOWN.every((name) => now[name] === before[name])) {
      this.#snapshot = before;
      return;
    }
    const { state, link, activity } = now;
    const previous = before?.state ?? 'stopped';
    if (state !== previous) this.#emit('state', { state, previous, link, activity });
    this.dispatchEvent(new CustomEvent('change', { detail: now }));
  }

  #emit(type, detail) {
    const { phase, reason, why, error, status, state, live } = detail;
    this.#note(type, [phase, reason, why, error, status, state, live].filter(Boolean).join(' '), detail);
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #note(type, text, detail) {
    const { debug } = this.#options;
    this.#log.push(`${new Date(this.#env.now()).toISOString()} ${type} ${text}`);
    if (this.#log.length > LOG) this.#log.shift();
    if (debug) (typeof debug === 'function' ? debug : console.debug)('[presence]', type, text, detail ?? '');
  }
}
