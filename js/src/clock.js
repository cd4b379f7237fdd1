/**
 * A point in time, on both clocks.
 *
 * @typedef {{wall: number, mono: number}} Mark
 */

/** @type {Mark} */
export const NEVER = { wall: -Infinity, mono: -Infinity };

/** Less than this between the clocks is how clocks are, ms. */
const NOISE = 2000;

/**
 * Two clocks.  The monotonic one may stop while the machine sleeps, the wall
 * clock may be set: where they disagree, the one that says more is right.
 */
export class Clock {
  #env; #gap; #offset = -Infinity;

  /** @param {import('./env.js').Environment} env */
  constructor(env) {
    this.#env = env;
    this.#gap = env.now() - env.mono();
  }

  /** Now, or `ms` from now. @returns {Mark} */
  mark(ms = 0) {
    return { wall: this.#env.now() + ms, mono: this.#env.mono() + ms };
  }

  /** Time since a mark, ms; below 0 if it is to come. @param {Mark} mark */
  ago({ wall, mono }) {
    return Math.max(this.#env.now() - wall, this.#env.mono() - mono);
  }

  /**
   * How long the machine slept since this was asked last, ms.  A wall clock
   * that was set forward looks the same.
   */
  slept() {
    const gap = this.#env.now() - this.#env.mono();
    const slept = gap - this.#gap;
    this.#gap = gap;
    return slept > NOISE ? slept : 0;
  }

  /**
   * The server told its time, `lag` ms ago.  Where that is unknown, what came
   * fastest is nearest to the truth.
   *
   * @param {number} time
   * @param {number} [lag]
   */
  sync(time, lag) {
    const offset = time - this.#env.mono() + (lag ?? 0);
    if (lag !== undefined || offset > this.#offset) this.#offset = offset;
  }

  /** What the server's clock says, ms since 1970; ours if it was never told. */
  server() {
    return this.#offset > 0 ? this.#offset + this.#env.mono() : this.#env.now();
  }
}
