import { NEVER } from './clock.js';

/**
 * What the client knows about its own timing: the `diag` of a beat, from which
 * the server names the cause when one is late (docs/protocol.md).
 */
export class Evidence {
  /** Round trip of the last answered beat, ms. */
  rtt = 0;
  /** The last failure, as in `diag`. */
  error = '';

  #clock; #drift = 0; #slept = 0;
  /** How long the page was what since the last answer, ms. */ #spent = { hidden: 0, frozen: 0 };
  /** Since when it is. @type {Record<string, import('./clock.js').Mark|null>} */ #since = {};

  /** @param {import('./clock.js').Clock} clock */
  constructor(clock) {
    this.#clock = clock;
  }

  /**
   * The page is hidden, or frozen, from now on; or it is not any more.
   *
   * @param {'hidden'|'frozen'} what
   * @param {boolean} is
   */
  is(what, is) {
    this.#count();
    this.#since[what] = is ? this.#clock.mark() : null;
  }

  /** @param {number} ms */
  slept(ms) {
    this.#slept += ms;
  }

  /** A timer was so late. @param {number} ms */
  late(ms) {
    this.#drift = Math.max(this.#drift, ms);
  }

  /** @param {number} rtt  ms */
  answered(rtt) {
    this.#count();
    this.rtt = rtt;
    this.error = '';
    this.#drift = this.#slept = 0;
    this.#spent = { hidden: 0, frozen: 0 };
  }

  /**
   * @param {string} fired  what fires the beat
   * @param {import('./clock.js').Mark} last  the last attempt
   * @param {number} late  how late it is, ms
   * @param {number} failed  attempts since the last answer
   * @param {object} rest
   */
  report(fired, last, late, failed, rest) {
    const { wall, mono } = this.#clock.mark();
    this.#count();
    this.late(late);
    const { hidden, frozen } = this.#spent;
    const known = last !== NEVER;
    const diag = {
      fired,
      since_ms: known && mono - last.mono,
      wall_ms: known && wall - last.wall,
      drift_ms: this.#drift,
      failed,
      error: failed && this.error,
      rtt_ms: this.rtt,
      hidden_ms: hidden,
      frozen_ms: frozen,
      slept_ms: this.#slept,
      ...rest,
    };
    for (const name in diag) {
      if (typeof diag[name] === 'number') diag[name] = Math.round(diag[name]);
      // what is not there need not be told
      if (!diag[name]) delete diag[name];
    }
    return diag;
  }

  #count() {
    for (const what in this.#since) {
      const since = this.#since[what];
      if (!since) continue;
      this.#spent[what] += this.#clock.ago(since);
      this.#since[what] = this.#clock.mark();
    }
  }
}
