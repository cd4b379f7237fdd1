import { NEVER } from './clock.js';

const EVENTS = ['presence_state', 'presence_diff', 'presence_count', 'ping'];

/**
 * One connection to the server's events, again and again.  EventSource gives
 * up after an answer that is not a stream, repeats without backoff after any
 * other end, and hangs for ever on a dead connection; this does none of it.
 */
export class Stream {
  /** Time between two pings, ms. */
  interval = 25000;

  #env; #clock; #host; #timeout;
  /** @type {any} */ #source = null;
  #timer; #heard; #ping = 0; #failed = 0; #notBefore = NEVER;

  /**
   * @param {import('./env.js').Environment} env
   * @param {import('./clock.js').Clock} clock
   * @param {number} timeout  of a connection that is being made, ms
   * @param {{source(): any, event(type: string, data: any, id: string): void, up(is: boolean): void,
   *   why(failure: any): Promise<number>}} host  how to connect; what came; is it up;
   *   and how long to wait at least after a failure, ms (below 0: for ever)
   */
  constructor(env, clock, timeout, host) {
    this.#env = env;
    this.#clock = clock;
    this.#timeout = timeout;
    this.#host = host;
  }

  open() {
    this.close();
    this.#notBefore = NEVER;
    const source = this.#source = this.#host.source();
    if (!source) return;
    this.#ping = 0;
    this.#hear();
    source.onopen = () => {
      if (source !== this.#source) return;
      this.#hear();
      this.#host.up(true);
    };
    source.onerror = (failure) => source === this.#source && this.#error(failure);
    for (const type of EVENTS) {
      source.addEventListener(type, (event) => source === this.#source && this.#event(type, event));
    }
  }

  /** Closes, so that `open` can go on from here. */
  close() {
    this.#env.clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  /** Is the connection what it seems?  Called whenever the page wakes up. */
  check(eager) {
    if (this.#source ? this.#left <= 0 : eager) {
      this.#host.up(false);
      this.open();
    }
  }

  /**
   * The server is reached again.  What hangs since before, or waits to be
   * tried, is tried at once, unless the server asked to wait.
   */
  again() {
    if (this.#source?.readyState !== 1 && this.#clock.ago(this.#notBefore) >= 0) {
      this.#host.up(false);
      this.open();
    }
  }

  #event(type, { data: text, lastEventId }) {
    this.#hear();
    try {
      const data = JSON.parse(text);
      if (data.interval_ms > 0) this.interval = data.interval_ms;
      if (type === 'ping') {
        // By the server's clock: after a freeze pings come in a burst.
        if (this.#ping && data.server_time > this.#ping) this.interval = data.server_time - this.#ping;
        this.#ping = data.server_time;
      }
      this.#watch();
      this.#host.event(type, data, lastEventId);
      this.#failed = 0;
    } catch {
      // Not what the protocol says: what we know may be wrong, begin anew.
      this.#host.event('lost', null, '');
      this.#retry();
    }
  }

  async #error(failure) {
    const source = this.#source;
    this.#host.up(false);
    if (source.readyState !== 2) return this.#retry();
    this.#env.clearTimeout(this.#timer);
    const wait = await this.#host.why(failure);
    if (source !== this.#source) return;
    this.close();
    if (wait) this.#notBefore = this.#clock.mark(wait < 0 ? Infinity : wait);
    if (wait >= 0) this.#retry(wait);
  }

  /** Fully jittered: when a server goes, its readers must not return as one. */
  #retry(wait = 0) {
    const { random } = this.#env;
    const cap = Math.min(30000, Math.max(200, this.interval));
    const ms = (0.1 + 0.9 * random()) * Math.min(cap, 2000 * 2 ** this.#failed++);
    this.close();
    this.#host.up(false);
    this.#timer = this.#env.setTimeout(() => this.open(), Math.max(ms, wait * (1 + random() / 10)));
  }

  #hear() {
    this.#heard = this.#clock.mark();
    this.#watch();
  }

  get #left() {
    const limit = this.#source.readyState === 1 ? 2.2 * this.interval : this.#timeout;
    return Math.max(limit, 200) - this.#clock.ago(this.#heard);
  }

  #watch() {
    this.#env.clearTimeout(this.#timer);
    this.#timer = this.#env.setTimeout(() => {
      if (this.#left > 0) this.#watch();
      else this.#retry();
    }, Math.max(this.#left, 1));
  }
}
