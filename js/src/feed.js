import { Stream } from './stream.js';

/** @typedef {'live'|'reconnecting'|'stale'} Live */

/**
 * Keeps a store true.  Of the tabs of one browser that follow the same, one
 * leads: it holds a Web Lock, has the stream, and tells the others on a
 * channel.  When it closes, the lock passes on; when it falls silent, the lock
 * is stolen.  Every leader has a term, and what comes from an older one (a
 * page that was frozen, say) is void.  Without locks or channels each tab has
 * a stream of its own.
 */
export class Feed {
  /** @type {'off'|'own'|'leader'|'follower'} */
  role = 'off';
  /** @type {Live} */
  live = 'stale';

  #env; #clock; #timeout; #host; #stream; #name = ''; #term = 0;
  /** @type {any} */ #channel = null;
  /** @type {AbortController|null} */ #turn = null;
  #up = false; #heard; #timer; #interval = 25000; #asked;

  /**
   * @param {import('./env.js').Environment} env
   * @param {import('./clock.js').Clock} clock
   * @param {number} timeout
   * @param {{store: import('./members.js').MemberStore, source(): any, why(failure: any): Promise<number>,
   *   news(detail: any): void, live(previous: Live): void, ping(data: any): void}} host
   */
  constructor(env, clock, timeout, host) {
    this.#env = env;
    this.#clock = clock;
    this.#timeout = timeout;
    this.#host = host;
    this.#heard = clock.mark();
    this.#stream = new Stream(env, clock, timeout, {
      source: () => {
        // What the last connection left unfinished is void.
        host.store.reopen();
        return host.source();
      },
      why: host.why,
      up: (is) => this.#is(is),
      event: (type, data, id) => {
        const { store } = host;
        if (type === 'lost') {
          store.lastId = '';
          return;
        }
        this.#interval = this.#stream.interval;
        const prev = store.lastId;
        const detail = this.#event(type, data, id);
        if (detail?.reset) this.#tellAll();
        else if (detail || type === 'ping') this.#post({ event: [type, data, id], prev });
      },
    });
  }

  /**
   * @param {string} [name]  what tabs that follow the same have in common
   */
  open(name) {
    const { locks, BroadcastChannel } = this.#env;
    this.close();
    this.#heard = this.#clock.mark();
    this.role = 'own';
    if (name && locks && BroadcastChannel) {
      this.#name = name;
      this.#channel = new BroadcastChannel(name);
      this.#channel.onmessage = ({ data }) => this.#receive(data);
      this.#follow();
    } else {
      this.#stream.open();
    }
    this.#watch();
  }

  /** Ends the stream, or hands it on. */
  close() {
    this.#turn?.abort();
    this.#turn = null;
    this.#channel?.close();
    this.#channel = null;
    this.#stream.close();
    this.role = 'off';
    this.#up = false;
    this.#watch();
  }

  get shared() {
    return !!this.#channel;
  }

  /** Is all well?  Called whenever the page wakes up. */
  check(eager) {
    if (this.role === 'off') return;
    if (this.role !== 'follower') this.#stream.check(eager);
    this.#watch();
  }

  /** The server is reached again, after it was not. */
  again() {
    if (this.role === 'own' || this.role === 'leader') this.#stream.again();
  }

  /** For support. */
  get evidence() {
    return { role: this.role, up: this.#up, heard_ms_ago: Math.round(this.#clock.ago(this.#heard)), ping_ms: this.#interval };
  }

  // -- who leads

  #follow() {
    this.role = 'follower';
    this.#join(false);
    this.#ask();
  }

  #join(steal) {
    const turn = this.#turn = new AbortController();
    const { signal } = turn;
    // The standard knows no signal together with steal.
    this.#env.locks.request(this.#name, steal ? { steal } : { signal }, () => turn === this.#turn && new Promise((resolve) => {
      signal.addEventListener('abort', resolve);
      this.#lead();
    })).catch(() => {}).then(() => {
      // The lock was stolen: we were silent, or seemed so.
      if (turn !== this.#turn) return;
      this.#stream.close();
      this.#follow();
    });
  }

  #lead() {
    this.role = 'leader';
    this.#term = this.#env.now() + this.#env.random();
    this.#up = false;
    this.#tellAll();
    this.#stream.open();
    this.#watch();
  }

  #steal() {
    this.#turn?.abort();
    this.#heard = this.#clock.mark();
    this.#join(true);
  }

  // -- what is told

  #post(message) {
    if (this.role === 'leader') this.#channel.postMessage({ term: this.#term, up: this.#up, interval: this.#interval, ...message });
  }

  #ask() {
    if (this.#asked && this.#clock.ago(this.#asked) < 100) return;
    this.#asked = this.#clock.mark();
    this.#channel.postMessage({ ask: true });
  }

  #tellAll() {
    const { store } = this.#host;
    const { members, counts, lastId } = store;
    this.#post(!store.ready ? {} : {
      event: store.counting ? ['presence_count', counts, lastId] : ['presence_state', { members: [...members.values()] }, lastId],
    });
  }

  #receive({ ask, term, up, interval, event, prev }) {
    const { store } = this.#host;
    if (ask) {
      this.#tellAll();
      return;
    }
    if (term < this.#term) return;
    if (term > this.#term) {
      // A new leader; if that was us, our lock is stolen.
      this.#term = term;
      if (this.role === 'leader') {
        this.role = 'follower';
        this.#stream.close();
      }
      if (!event) this.#ask();
    }
    this.#heard = this.#clock.mark();
    this.#interval = interval;
    if (event) {
      const [type, data, id] = event;
      if (type === 'presence_diff' && prev !== store.lastId) this.#ask();
      else this.#event(type, data, id);
    }
    this.#is(up && store.ready);
  }

  #event(type, data, id) {
    const detail = this.#host.store.apply(type, data, id);
    if (this.role !== 'follower') this.#is(true);
    if (detail) this.#host.news(detail);
    if (type === 'ping') this.#host.ping(data);
    return detail;
  }

  // -- is it live?

  #is(up) {
    const was = this.#up;
    this.#up = up && this.#host.store.ready;
    if (up) this.#heard = this.#clock.mark();
    if (this.#up !== was || !up) this.#post({});
    this.#watch();
  }

  #watch() {
    const ago = this.#clock.ago(this.#heard);
    const limit = Math.max(2.2 * this.#interval, 200);
    const grace = Math.min(10000, this.#interval);
    const { live, role } = this;
    // A leader that cannot connect says so each time that it tries.
    const patience = this.#up ? limit : Math.max(this.#timeout, limit);
    this.#env.clearTimeout(this.#timer);
    if (role === 'follower' && ago >= patience) {
      this.#up = false;
      this.#steal();
    }
    this.live = this.role === 'off' ? 'stale'
      : this.#up && ago < limit ? 'live'
        : ago < grace ? 'reconnecting' : 'stale';
    const next = (this.live === 'reconnecting' ? grace : role === 'follower' ? patience : limit) - ago;
    if (role !== 'off' && next > 0) this.#timer = this.#env.setTimeout(() => this.#watch(), Math.ceil(next));
    if (live !== this.live) this.#host.live(live);
  }
}
