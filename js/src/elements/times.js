/**
 * Times as people read them, and the one timer that keeps them true.
 *
 * @module
 */

const UNITS = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];

/** Formats of one language; each is made once. */
export class Times {
  #locale;
  #units = new Map();
  #ago;
  #clock;
  #stamp;

  /** @param {string|undefined} locale */
  constructor(locale) {
    this.#locale = locale;
    this.#ago = new Intl.RelativeTimeFormat(locale, { style: 'narrow' });
    this.#clock = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
    this.#stamp = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' });
  }

  /** The largest unit, and the next one where that is worth reading: "2m 6s". */
  duration(ms) {
    let seconds = Math.max(0, Math.floor(ms / 1000));
    const first = UNITS.findIndex(([, size]) => seconds >= size);
    if (first < 0) return this.#unit('second', 0);
    const [name, size] = UNITS[first];
    const count = Math.floor(seconds / size);
    const words = this.#unit(name, count);
    seconds -= count * size;
    const next = UNITS[first + 1];
    // Seconds after ten minutes, or hours after ten days, tell nobody anything.
    if (!next || count >= 10 || seconds < next[1]) return words;
    return `${words} ${this.#unit(next[0], Math.floor(seconds / next[1]))}`;
  }

  /** "13s ago" */
  ago(ms) {
    const seconds = Math.max(0, Math.floor(ms / 1000));
    const [name, size] = UNITS.find(([, size]) => seconds >= size) ?? UNITS[3];
    return this.#ago.format(-Math.floor(seconds / size), name);
  }

  /** Time of day, to the second. */
  clock(time) {
    return this.#clock.format(time);
  }

  /** Day and time of day. */
  stamp(time) {
    return this.#stamp.format(time);
  }

  /** In words, in the largest unit that fits without a rest: "90 minutes". */
  long(ms) {
    const seconds = Math.round(ms / 1000);
    const [name, size] = UNITS.find(([, size]) => seconds >= size && seconds % size === 0) ?? UNITS[3];
    return this.#unit(name, seconds / size, 'long');
  }

  #unit(unit, count, unitDisplay = 'narrow') {
    const key = unit + unitDisplay;
    let format = this.#units.get(key);
    if (!format) {
      format = new Intl.NumberFormat(this.#locale, { style: 'unit', unit, unitDisplay });
      this.#units.set(key, format);
    }
    return format.format(count);
  }
}

/** @type {Set<() => void>} */
const tickers = new Set();
let timer;

/**
 * Calls `fn` about once a second as long as the page is seen, and at once when
 * it is seen again.  All elements of a page share one timer, and there is none
 * while nobody needs it.
 *
 * @param {() => void} fn
 * @returns {() => void}  ends it
 */
export function everySecond(fn) {
  if (!tickers.size) document.addEventListener('visibilitychange', turn);
  tickers.add(fn);
  if (!timer) turn();
  return () => {
    tickers.delete(fn);
    if (tickers.size) return;
    document.removeEventListener('visibilitychange', turn);
    clearTimeout(timer);
    timer = undefined;
  };
}

function turn() {
  clearTimeout(timer);
  timer = undefined;
  if (document.hidden) return;
  for (const fn of tickers) fn();
  if (tickers.size) timer = setTimeout(turn, 1000);
}
