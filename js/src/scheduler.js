import { backoff } from './backoff.js';
import { NEVER } from './clock.js';

/**
 * When to beat.  One absolute deadline, `due`, and one function, `wake`, that
 * everything calls which might find it passed: the page's timer, the worker's,
 * the stream's ping, the page when it comes back.  Never two beats at a time.
 */
export class Scheduler {
  /** The server's interval, ms; 0 as long as it is unknown. */
  interval = 0;
  /** Attempts that failed since the last answer. */
  failures = 0;
  /** The last attempt. */
  last = NEVER;

  #env; #clock; #host;
  #on = false; #timer; #due = NEVER; #notBefore = NEVER; #urgent = '';
  /** @type {import('./clock.js').Mark|null} */ #flight = null;

  /**
   * @param {Pick<import('./types.js').Host, 'env'|'clock'|'options'|'presence'> & {beat(reason: string, at: import('./clock.js').Mark): void,
   *   timeout(late: number): void, rest(): number, armed(ms: number): void}} host
   *   what to do when a beat is due; when one takes too long, and how late
   *   that is seen; how long at most until the presence wants to be woken,
   *   whatever is due; and who else keeps time
   */
  constructor(host) {
    this.#env = host.env;
    this.#clock = host.clock;
    this.#host = host;
  }

  /** A beat is due now. */
  start() {
    this.#on = true;
    this.failures = 0;
    this.#urgent = '';
    this.#flight = null;
    this.last = this.#notBefore = NEVER;
    this.#due = this.#clock.mark();
  }

  stop() {
    this.#on = false;
    this.#env.clearTimeout(this.#timer);
  }

  /** Milliseconds until the next beat; negative when it is late. */
  get left() {
    return -this.#clock.ago(this.#due);
  }

  /** Of one beat, ms: shorter where the interval is, but not too short. */
  get timeout() {
    return Math.min(this.#host.options.timeout, Math.max(1000, this.interval || Infinity));
  }

  /**
   * The one way to a beat.
   *
   * @param {string} reason
   * @param {boolean} [hidden]  of a hidden page: its pings carry the beats
   * @returns {string} why there is no beat, or ''
   */
  wake(reason, hidden) {
    const { interval } = this;
    if (!this.#on) return 'stopped';
    if (this.#flight) {
      const left = this.timeout - this.#clock.ago(this.#flight);
      if (left > 0) {
        this.#arm(left);
        return 'in-flight';
      }
      this.#host.timeout(-left);
      return '';
    }
    // Timers of a hidden page may come a minute late, the next ping does not.
    const early = this.failures ? 0 : reason === 'ping' && hidden ? interval / 4 : Math.min(500, interval / 10);
    const wait = this.#wait;
    if (this.left > early || wait > 0) {
      this.#arm();
      return wait > 0 && wait > -this.#clock.ago(this.#notBefore) ? 'too-soon'
        : this.failures || wait > 0 ? 'backoff' : 'not-due';
    }
    reason = this.#urgent || (this.failures ? 'retry' : reason);
    this.#urgent = '';
    // Before anybody is told, who may do anything: beat, or stop.
    const flight = this.#flight = this.#clock.mark();
    this.#host.beat(reason, flight);
    if (this.#flight === flight) {
      this.last = flight;
      this.#arm(this.timeout);
    }
    return '';
  }

  /**
   * A beat as soon as one is allowed: there is something to tell.
   *
   * @param {string} reason
   */
  soon(reason) {
    this.#urgent = reason;
    if (this.left > 0) this.#due = this.#clock.mark();
    return this.wake(reason);
  }

  /**
   * The beat was answered; called in the response's handler, since browsers
   * throttle timers less that are armed there.
   *
   * @param {number} interval  from its start to the next, ms
   * @param {number} jitter    of that, about 1
   */
  answered(interval, jitter) {
    this.interval = Math.max(50, interval);
    this.failures = 0;
    this.#flight = null;
    this.#due = this.#clock.mark(this.interval * jitter - this.#clock.ago(this.last));
    this.#arm();
  }

  /**
   * It failed.
   *
   * @param {number} [wait]  what `Retry-After` asks for, ms
   * @returns {number} when the next attempt is, ms
   */
  fail(wait = 0) {
    const { random } = this.#env;
    // Not above the interval: a retry is a beat, and no rarer than one.
    let ms = backoff(this.failures++, random, Math.min(30000, this.interval || Infinity));
    if (wait) {
      ms = Math.max(ms, wait * (1 + random() / 10));
      this.#notBefore = this.#clock.mark(wait);
    }
    this.#flight = null;
    this.#due = this.#clock.mark(ms);
    this.#arm();
    return ms;
  }

  /**
   * What came up during the flight is told by the next beat.
   *
   * @param {string} [urgent]
   */
  settle(urgent = this.#urgent) {
    if (urgent) this.soon(urgent);
  }

  /** How long a beat is not allowed yet, ms. */
  get #wait() {
    const urgent = /^(status|token)$/.test(this.#urgent) ? 200 : 1000;
    const floor = this.failures && !this.#urgent ? 0
      : Math.min(urgent, this.interval / 2 || 1000) - this.#clock.ago(this.last);
    return Math.max(floor, -this.#clock.ago(this.#notBefore));
  }

  #arm(ms = Math.max(this.left, this.#wait)) {
    ms = Math.ceil(Math.max(0, Math.min(ms, this.#host.rest(), 2 ** 30)));
    this.#env.clearTimeout(this.#timer);
    this.#timer = this.#env.setTimeout(() => this.#host.presence.wake('timer'), ms);
    this.#host.armed(ms);
  }
}
