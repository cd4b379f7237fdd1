import { NEVER } from './clock.js';
import { hear } from './page.js';

/**
 * What counts as activity of the person; false: nothing but `touch()`.
 *
 * @typedef {object} ActivityOptions
 * @property {number} [throttle=1000]  not looked at more often than this, ms
 * @property {boolean} [input=true]    pointer, key, wheel, touch, scroll
 * @property {boolean} [media=true]    media that plays and can be heard
 * @property {boolean} [ajax=true]     the application's own fetch and XMLHttpRequest
 * @property {boolean} [routes=true]   routes of a single-page application
 */

/** Scrolling on its own is activity only this long after a person's doing. */
const SCROLL = 10000;
const SEEN = 50;

/**
 * Notices what a person does, by passive listeners only; nothing of the page
 * is patched, and what it was is told to nobody.
 */
export class Activity {
  #env; #clock; #tell; #own;
  /** @type {Required<ActivityOptions>|null} */ #options;
  #told = NEVER; #input = NEVER; #x = NaN; #y = NaN; #href; #seen = new Set();

  /**
   * @param {import('./env.js').Environment} env
   * @param {import('./clock.js').Clock} clock
   * @param {ActivityOptions|boolean} options
   * @param {string} own  URL of the client's own requests, which do not count
   * @param {() => void} tell
   */
  constructor(env, clock, options, own, tell) {
    this.#env = env;
    this.#clock = clock;
    this.#tell = tell;
    this.#own = own;
    this.#options = !options ? null : { throttle: 1000, input: true, media: true, ajax: true, routes: true,
      ...(options === true ? {} : options) };
  }

  /** @param {AbortSignal} signal  ends it */
  start(signal) {
    const { window, navigation, location, PerformanceObserver } = this.#env;
    if (!this.#options) return;
    const { input, media, ajax, routes } = this.#options;
    if (input) {
      hear(signal, window, 'pointerdown pointermove mousedown mousemove keydown wheel touchstart touchmove scroll',
        (event) => this.#happened(event));
    }
    if (media) {
      hear(signal, window, 'timeupdate', ({ target: { paused, muted, volume } }) => {
        if (!paused && !muted && volume && !this.#hidden) this.#count();
      });
    }
    if (routes) {
      this.#href = location?.href;
      if (navigation) hear(signal, navigation, 'currententrychange', () => this.routed());
      else hear(signal, window, 'popstate hashchange', () => this.routed());
    }
    if (ajax && PerformanceObserver) {
      const observer = new PerformanceObserver((list) => {
        for (const { initiatorType, name } of list.getEntries()) {
          if (/^(fetch|xmlhttprequest)$/.test(initiatorType) && !name.includes(this.#own)) {
            this.#once(name.replace(/[?#].*/, ''));
          }
        }
      });
      try {
        observer.observe({ type: 'resource' });
        signal.addEventListener('abort', () => observer.disconnect());
      } catch { /* a browser that does not know the type */ }
    }
  }

  /** Has the address changed?  Where no event tells, beats ask. */
  routed() {
    const href = this.#env.location?.href;
    if (!this.#options?.routes || href === this.#href) return;
    this.#href = href;
    this.#once(href);
  }

  get #hidden() {
    return this.#env.document?.visibilityState === 'hidden';
  }

  #happened({ type, isTrusted, screenX, screenY }) {
    if (!isTrusted) return;
    if (/move$/.test(type) && screenX !== undefined) {
      // Browsers make moves of their own when things move below the pointer.
      const still = screenX === this.#x && screenY === this.#y;
      const first = this.#x !== this.#x;
      this.#x = screenX;
      this.#y = screenY;
      if (still || first) return;
    }
    if (type === 'scroll') {
      // scrollTo() makes trusted ones too: only with a person near.
      if (this.#clock.ago(this.#input) > SCROLL) return;
    } else {
      this.#input = this.#clock.mark();
      this.#seen.clear();
    }
    this.#count();
  }

  /**
   * Pages call their server and turn their routes by themselves, too.  What
   * they have done already since the person did something does not count.
   */
  #once(what) {
    if (this.#hidden || this.#seen.has(what) || this.#seen.size >= SEEN) return;
    this.#seen.add(what);
    this.#count();
  }

  #count() {
    if (this.#clock.ago(this.#told) < (this.#options?.throttle ?? 0)) return;
    this.#told = this.#clock.mark();
    this.#tell();
  }
}
