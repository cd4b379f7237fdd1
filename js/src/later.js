import { Activity } from './activity.js';
import { Awake } from './awake.js';
import { more } from './env.js';
import { Follower } from './follower.js';
import { hear } from './page.js';
import { Ticker } from './ticker.js';

/**
 * What a page can do without until its first beat has been answered: what
 * notices the person, keeps time, keeps the page from being frozen, and
 * follows others.  Loaded then, all at once, while the network is there.
 */
export class Later {
  /** @type {Follower|null} */
  follower = null;
  /** Has the browser stopped the page? */
  frozen = false;

  #host; #activity; #awake; #ticker; #keepAwake;
  /** @type {AbortSignal|undefined} */ #signal;

  /**
   * @param {import('./types.js').Host & {page: import('./page.js').Page, linked(link: import('./types.js').Link): void,
   *   deny(status: number): void, doubt(): void, staged(ms: number): object, thawed(unsent: number): void}} host
   *   what to do when the stream says how the server is reached; when it is
   *   refused for good; and when it says something else than the last reply;
   *   makes the beat of in so many ms; and takes back the numbers of those that
   *   were not sent
   */
  constructor(host) {
    const { presence, env, clock, transport, options, key } = host;
    const { activity = true, worker = true, keepAwake = true } = options;
    Object.assign(env, more(), options.env);
    this.#host = host;
    this.#keepAwake = keepAwake;
    this.#activity = new Activity(env, clock, activity, transport.url, () => presence.touch());
    this.#awake = new Awake(env, transport, `${key} awake ${presence.doc}`);
    this.#ticker = new Ticker(env, worker, () => presence.wake('worker'));
  }

  /** Who keeps the time? */
  get ticker() {
    return this.#ticker.kind;
  }

  /** The page is there. */
  enter() {
    const { presence, env: { document }, options, page } = this.#host;
    this.frozen = false;
    this.turned();
    if (options.beat) this.#ticker.start();
    if (page.signal === this.#signal) return;
    const signal = this.#signal = page.signal;
    hear(signal, document, 'freeze', () => this.#freeze());
    hear(signal, document, 'resume', () => presence.wake('resume'));
    if (options.beat) this.#activity.start(signal);
  }

  /** It is not, any more. */
  exit() {
    this.frozen = false;
    this.#ticker.stop();
    this.#awake.hold(false);
    this.#awake.unstage();
    this.follower?.close();
  }

  /** Hidden or shown. */
  turned() {
    const { presence, page } = this.#host;
    this.#awake.hold(this.#keepAwake && page.hidden && presence.link !== 'leaving');
  }

  #freeze() {
    const { presence: { reply, interval, link }, evidence, staged, tell } = this.#host;
    this.frozen = true;
    evidence.is('frozen', true);
    if (this.#keepAwake && reply && link !== 'leaving') {
      this.#awake.stage(Math.max(interval, 0.8 * (reply.max_interval_ms || 70000)), staged);
    }
    // Others must not wait for what we do not hear.
    if (this.follower?.shared) this.follower.close();
    tell();
  }

  #thaw() {
    const { evidence, thawed } = this.#host;
    this.frozen = false;
    evidence.is('frozen', false);
    thawed(this.#awake.unstage());
  }

  /** A beat is due in so many milliseconds. @param {number} ms */
  at(ms) {
    this.#ticker.at(ms);
  }

  /**
   * Is all well?  Called whenever the page wakes up.
   *
   * @param {string} reason
   * @param {boolean} eager
   */
  check(reason, eager) {
    if (this.frozen && reason !== 'timer') this.#thaw();
    this.#activity.routed();
    this.follower?.check(eager);
  }

  // -- others

  /** @param {string|null} user  who looks; null if unknown */
  follow(user) {
    const { presence, env, clock, transport, options, note } = this.#host;
    this.follower ??= new Follower(env, clock, transport, options, user, {
      session: () => presence.session,
      news: (detail) => this.#news(detail),
      live: (previous) => this.#live(previous),
      ping: ({ server_time: time }) => {
        clock.sync(time);
        presence.wake('ping');
      },
      denied: (status) => {
        if (!options.beat) this.#host.deny(status);
        return !options.beat;
      },
      note: (text) => note('stream', text),
    });
    this.follower.open();
  }

  /** What was known is of another user, or was. */
  forget() {
    this.follower?.close();
    this.follower = null;
  }

  #live(previous) {
    const { presence, options, linked, emit, tell } = this.#host;
    const { live, link } = presence;
    if (!options.beat) {
      linked(live === 'live' ? 'online' : live === 'reconnecting' && link === 'starting' ? 'starting' : 'retrying');
    }
    emit('live', { live, previous });
    tell();
  }

  #news(detail) {
    const { presence, transport, options, doubt, emit, tell } = this.#host;
    const { user, reply } = presence;
    if (!options.beat) transport.accepted();
    emit('members', detail);
    const own = detail.changes.find(({ member }) => member.user === user)?.member;
    // Whoever is called something else than the server last said, asks.
    if (own && reply && own.status !== reply.status && reply.status !== 'invisible') doubt();
    tell();
  }
}
