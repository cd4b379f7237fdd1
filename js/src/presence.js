import { backoff, retryAfter } from './backoff.js';
import { Clock, NEVER } from './clock.js';
import { allowed, browser } from './env.js';
import { Evidence } from './evidence.js';
import { Identity } from './identity.js';
import { Page } from './page.js';
import { Scheduler } from './scheduler.js';
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
const EAGER = /^(visible|focus|pageshow|resume|online|storage|start)$/;
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

  #options; #env; #clock; #scheduler; #transport; #identity; #evidence; #page; #host; #key; #timer;
  /** @type {import('./later.js').Later|null} */ #later = null;

  /** @type {Link} */ #link = 'stopped';
  /** @type {Snapshot|undefined} */ #snapshot;
  /** @type {string|null} */ #user = null;
  #loading = false; #shown = true; #loggedOut = false; #seq = 0; #active = NEVER;
  /** @type {any} */ #flight = null;
  /** @type {{status?: ManualStatus, until?: number|null, text?: string|null}|null} */ #manual = null;
  /** @type {string[]} */ #log = [];

  /** @param {Options} [options] */
  constructor(options = {}) {
    super();
    const { url = '/presence/', timeout = 8000, credentials = 'same-origin' } = options;
    const env = this.#env = { ...browser(), ...options.env };
    const clock = this.#clock = new Clock(env);
    const path = url.replace(/\/?$/, '/');
    const key = this.#key = 'presence:' + path;
    this.#options = { beat: true, stream: true, leave: true, ...options, timeout };
    this.#user = options.user ?? null;
    const transport = this.#transport = new Transport(env, path, credentials, options.token);
    const evidence = this.#evidence = new Evidence(clock);
    this.#identity = new Identity(env, key, () => {
      this.#note('session', 'a new one');
      this.#soon('session');
    });
    const host = {
      presence: this, env, clock, transport, evidence, options: this.#options, key,
      beat: (reason, at) => this.#beat(reason, at),
      timeout: (late) => {
        evidence.late(late);
        this.#flight.abort.abort();
        this.#fail('timeout');
      },
      rest: () => (this.#rest > 0 ? this.#rest : Infinity),
      armed: (ms) => this.#later?.at(ms),
      touched: (kind) => this.#touched(kind),
      turned: () => this.#turned(),
      depart: () => this.#depart(),
      elsewhere: (user) => this.#elsewhere(user),
      linked: (link) => {
        if (this.#here) this.#link = link;
      },
      deny: (status) => this.#deny(status),
      doubt: () => {
        if (!this.#flight) this.#soon('stream');
      },
      staged: (ms) => this.#body('staged', this.#maxInterval, ms),
      thawed: (unsent) => {
        this.#seq -= unsent;
        // A copy of this tab could not be told that its session has an owner.
        this.#identity.claim();
        this.#load();
      },
      emit: (type, detail) => this.#emit(type, detail),
      tell: () => this.#tell(),
      note: (type, text) => this.#note(type, text),
    };
    this.#scheduler = new Scheduler(host);
    const page = this.#page = new Page(host);
    this.#host = { ...host, page };
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
    this.#page.listen(true);
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
   * other tabs of this browser.  True if the server has confirmed it.  Of a
   * beat that is still on its way the server knows that it is older.
   *
   * @returns {Promise<boolean>}
   */
  async logout() {
    const identity = this.#identity;
    const transport = this.#transport;
    if (!identity.session) identity.recall();
    const { session, doc } = identity;
    this.#halt('stopped');
    this.#forget();
    allowed(() => this.#env.shared?.removeItem(this.#key));
    try {
      const init = { keepalive: true, signal: AbortSignal.timeout?.(this.#scheduler.timeout) };
      return (await transport.request('beat', init, { session, doc, seq: ++this.#seq, logout: true })).ok;
    } catch {
      return false;
    } finally {
      transport.forget();
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
    if (status) Object.assign(manual, { status, until: until && Math.round(Number(until)) });
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
    if (this.#later?.frozen) return 'frozen';
    if (this.#page.hidden) return 'background';
    return this.#running && this.#rest <= 0 ? 'idle' : 'active';
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
    return this.#running ? this.#identity.session : undefined;
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
    return this.session ? Math.max(0, this.#scheduler.left) : null;
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
    return this.#snapshot ??= this.#take();
  }

  /** What support wants to see: a plain object, for a ticket.  No token is in it. */
  diagnose() {
    const env = this.#env;
    const { members, ...rest } = this.snapshot;
    const { document } = env;
    return {
      version, at: new Date(env.now()).toISOString(), url: this.#transport.url, ...rest, known: members.size, doc: this.doc,
      interval_ms: this.interval, next_ms: this.nextIn, active_ms_ago: Math.round(this.activeAgo),
      sent: this.sent, answered: this.answered, failed: this.#scheduler.failures, error: this.#evidence.error, rtt_ms: this.#evidence.rtt,
      clock_ms: Math.round(this.now() - env.now()), ticker: this.#ticker, stream: this.#follower?.evidence ?? null,
      page: { visibility: document?.visibilityState, discarded: !!document?.wasDiscarded, agent: globalThis.navigator?.userAgent },
      browser: Object.keys(env).filter((name) => env[name]),
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
    const eager = !!slept || EAGER.test(reason);
    this.#later?.check(reason, eager);
    this.#tell();
    const { failures, last, interval } = this.#scheduler;
    const soon = eager && (failures || reason === 'visible' && !this.#shown
      || this.#clock.ago(last) > Math.min(5000, interval / 5 || 5000));
    const why = soon ? this.#scheduler.soon(slept ? 'sleep' : reason) : this.#scheduler.wake(reason, this.#page.hidden);
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

  /** How long until the person is taken to be away, ms: never, where nobody would notice them. */
  get #rest() {
    return (this.#later && this.reply?.idle_ms || Infinity) - this.activeAgo;
  }

  get #follower() {
    return this.#later?.follower;
  }

  /** Who keeps the time? */
  get #ticker() {
    return this.#later?.ticker ?? 'page';
  }

  get #maxInterval() {
    return Math.max(this.interval, this.reply?.max_interval_ms || 70000);
  }

  /** A beat as soon as one is allowed: there is something to tell. */
  #soon(reason) {
    if (this.#here) this.#scheduler.soon(reason);
  }

  /** @param {number} [ahead]  ms from now when it will be sent */
  #body(reason, next, ahead = 0) {
    const { session, doc } = this.#identity;
    const { failures, last, left } = this.#scheduler;
    const { meta } = this.#options;
    return {
      session, doc,
      seq: ++this.#seq,
      visible: !this.#page.hidden,
      active_ms_ago: this.#later ? Math.round(this.activeAgo + ahead) : 0,
      next_ms: Math.ceil(next) || undefined,
      ...this.#manual,
      meta,
      diag: this.#evidence.report(reason, last, -left, failures, {
        ticker: this.#ticker,
        discarded: !this.answered && this.#env.document?.wasDiscarded,
      }),
    };
  }

  async #beat(reason, at) {
    const jitter = 0.9 + 0.2 * this.#env.random();
    const delay = this.interval * jitter;
    // Browsers wake a hidden page as rarely as once a minute: be honest.
    const body = this.#body(reason, this.#page.hidden ? Math.max(delay, this.#maxInterval) : delay);
    /** @type {any} */
    const flight = this.#flight = { reason, at, jitter, manual: this.#manual, abort: new AbortController() };
    this.#shown = !this.#page.hidden;
    this.sent++;
    this.#emit('beat', { phase: 'sent', reason, body });
    if (flight !== this.#flight) return;
    /** @type {any} */ let response;
    let content, cause;
    try {
      response = await this.#transport.request('beat', { signal: flight.abort.signal }, body);
      content = await response.json();
    } catch (error) {
      cause = error;
    }
    if (flight !== this.#flight) return;
    if (response?.ok && content?.interval_ms > 0) this.#succeed(content);
    else this.#fail(!response ? 'network' : response.ok ? 'reply' : 'status', response, content, cause);
  }

  #succeed(reply) {
    const { reason, at, jitter, manual } = this.#flight;
    const rtt = this.#clock.ago(at);
    this.#flight = null;
    this.answered++;
    this.#evidence.answered(rtt);
    this.#transport.accepted();
    this.#clock.sync(reply.server_time, rtt / 2);
    this.reply = reply;
    if (this.#manual === manual) this.#manual = null;
    this.#link = 'online';
    if (this.#scheduler.failures) this.#follower?.again();
    this.#scheduler.answered(reply.interval_ms, jitter);
    // From here on handlers are told, who may do anything.
    if (this.#user !== reply.user) this.#login(reply.user);
    this.#emit('beat', { phase: 'answered', reason, reply, rtt_ms: Math.round(rtt) });
    if (reply.recovered) this.#emit('recovered', reply.recovered);
    this.#load();
    this.#tell();
    this.#scheduler.settle();
  }

  /**
   * @param {'network'|'timeout'|'status'|'reply'} error
   * @param {Response|null} [response]
   * @param {any} [content]
   * @param {any} [cause]
   */
  #fail(error, response = null, content = null, cause = null) {
    const { reason, manual } = this.#flight;
    const { status = 0, ok, headers } = /** @type {Partial<Response>} */ (response ?? {});
    const problem = !ok && content?.type ? content : null;
    const refused = status === 401 || status === 403;
    const renewed = refused && this.#transport.renew(response);
    // It would be refused for ever, and the person called offline for it.
    const rejected = manual && (status === 400 || status === 413);
    this.#flight = null;
    if (refused && !renewed) {
      this.#deny(status, problem);
      return;
    }
    if (rejected && this.#manual === manual) this.#manual = null;
    const retry = this.#scheduler.fail(retryAfter(headers?.get('Retry-After'), this.#env.now()));
    this.#evidence.error = error === 'status' ? String(status) : error;
    this.#link = 'retrying';
    this.#emit('beat', { phase: 'failed', reason, error, status, problem, cause, retry_ms: Math.round(retry) });
    if (rejected) this.#emit('rejected', { problem });
    this.#tell();
    this.#scheduler.settle(renewed ? 'token' : undefined);
  }

  #deny(status, problem = null) {
    this.#halt('denied');
    this.#emit('denied', { status, problem });
  }

  // -- who

  /** Another user: nothing of the one before is theirs. */
  #login(user) {
    if (this.#user !== null) {
      this.#note('user', 'another one');
      this.#manual = null;
      this.#reset();
    }
    this.#user = user;
    // Once by all tabs: in Firefox a removal gets lost below a write of what was there.
    const { shared } = this.#env;
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
    this.#later?.forget();
    this.#emit('members', { reset: true, changes: [] });
  }

  /** Loads the rest of the client, and follows as soon as it is known for whom. */
  async #load() {
    if (!this.#later) {
      if (this.#loading) return;
      this.#loading = true;
      try {
        const { Later } = await this.#env.later();
        this.#later = new Later(this.#host);
      } catch (error) {
        // The next answer tries again, if there is one to come.
        this.#note('later', `not loaded: ${error}`);
        if (!this.#options.beat && this.#here) this.#timer = this.#env.setTimeout(() => this.#load(), backoff(3));
      }
      this.#loading = false;
      if (!this.#later || !this.#here) return;
      // What the person did until now nobody has noticed.
      this.#active = this.#clock.mark();
      this.#later.enter();
      // the worker, too, is to know when
      this.wake('timer');
    }
    const { beat, stream } = this.#options;
    const user = this.#user;
    if (stream && this.#here && !this.#later.frozen && (user !== null || !beat && stream !== 'self')) {
      this.#later.follow(user);
      this.#tell();
    }
  }

  // -- the page

  /** All that a page has only while it is there. */
  #enter() {
    const { beat } = this.#options;
    const recalled = beat && this.#identity.recall();
    this.#identity.claim();
    this.#later?.enter();
    if (this.#later || !beat) this.#load();
    this.#tell();
    if (!beat) return;
    const begin = () => {
      this.#scheduler.start();
      this.wake('start');
    };
    if (recalled && this.#env.BroadcastChannel) this.#timer = this.#env.setTimeout(begin, CLAIM);
    else begin();
  }

  #halt(link) {
    this.#link = link;
    this.#exit();
    this.#page.ignore();
    if (link === 'denied' || this.#loggedOut) this.#page.listen();
    this.#tell();
  }

  #exit() {
    this.#flight?.abort.abort();
    this.#flight = null;
    this.#env.clearTimeout(this.#timer);
    this.#scheduler.stop();
    this.#identity.close();
    this.#later?.exit();
  }

  #turned() {
    this.#later?.turned();
    // The server must know that beats may come slowly from now on.
    if (!this.#page.hidden) this.#touched('visible');
    else if (this.#shown) this.#soon('hidden');
    this.#tell();
  }

  /** The page goes, perhaps for good, perhaps into the back/forward cache. */
  #depart() {
    if (!this.#here) return;
    this.#link = 'leaving';
    this.#exit();
    this.#evidence.is('frozen', true);
    if (this.#options.leave) this.#farewell();
    this.#tell();
  }

  #back(reason) {
    this.#evidence.is('frozen', false);
    this.#link = 'starting';
    this.#note('back', reason);
    this.#enter();
  }

  #farewell() {
    const { session, doc } = this.#identity;
    if (session && this.#seq) this.#transport.farewell({ session, doc, seq: ++this.#seq, leave: true });
  }

  #touched(kind) {
    if (!this.#running) return;
    const idle = this.#rest <= 0;
    this.#active = this.#clock.mark();
    if (this.#link === 'leaving') this.#back(kind);
    else if (idle) this.#soon(kind);
    this.wake(kind);
  }

  // -- telling

  #take() {
    return Object.freeze(/** @type {Snapshot} */ (Object.fromEntries(SHOWN.map((name) => [name, this[name]]))));
  }

  #tell() {
    const before = this.#snapshot;
    const now = this.#take();
    if (before && SHOWN.every((name) => now[name] === before[name])) return;
    this.#snapshot = now;
    const { state, link, activity } = now;
    const previous = before?.state ?? 'stopped';
    if (state !== previous) this.#emit('state', { state, previous, link, activity });
    this.dispatchEvent(new CustomEvent('change', { detail: now }));
  }

  #emit(type, detail) {
    this.#note(type, Object.values(detail).filter((value) => value && Object(value) !== value).join(' '), detail);
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #note(type, text, detail) {
    const { debug } = this.#options;
    this.#log.push(`${new Date(this.#env.now()).toISOString()} ${type} ${text}`);
    if (this.#log.length > LOG) this.#log.shift();
    if (debug) (typeof debug === 'function' ? debug : console.debug)('[presence]', type, text, detail ?? '');
  }
}
