/**
 * Everything that the client asks of its surroundings.  Tests bring their own;
 * what a browser lacks is undefined, and done without.
 *
 * @typedef {object} Environment
 * @property {() => number} now     wall clock, ms since 1970
 * @property {() => number} mono    monotonic clock, ms
 * @property {() => number} random
 * @property {(fn: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {typeof globalThis.fetch} fetch
 * @property {() => Promise<typeof import('./later.js')>} later  loads the rest of the client
 * @property {any} [fetchLater]
 * @property {((url: string, data: BodyInit) => boolean)} [sendBeacon]
 * @property {any} [EventSource]
 * @property {any} [BroadcastChannel]
 * @property {any} [Worker]
 * @property {any} [PerformanceObserver]
 * @property {any} [locks]       `navigator.locks`
 * @property {any} [navigation]
 * @property {any} [location]
 * @property {any} [window]
 * @property {any} [document]
 * @property {any} [storage]     `sessionStorage`: of this tab
 * @property {any} [shared]      `localStorage`: of all tabs
 */

/**
 * What the browser may forbid the page, as it does with storage; undefined if
 * it has.
 *
 * @template T
 * @param {() => T} fn
 * @returns {T|undefined}
 */
export function allowed(fn) {
  try {
    return fn();
  } catch { /* then it is done without */ }
}

/** @returns {Environment} */
export function browser() {
  const g = /** @type {any} */ (globalThis);
  const { navigator } = g;
  return {
    now: () => Date.now(),
    mono: () => performance.now(),
    random: Math.random,
    setTimeout: (fn, ms) => setTimeout(fn, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    fetch: (...args) => g.fetch(...args),
    // Firefox asks no address again where it got no module.
    later: () => import('./later.js').catch(() =>
      import(/* webpackIgnore: true */ ['./later.js', Date.now()].join('?'))),
    sendBeacon: navigator?.sendBeacon?.bind(navigator),
    BroadcastChannel: g.BroadcastChannel,
    window: g.window,
    document: g.document,
    storage: allowed(() => g.sessionStorage),
    shared: allowed(() => g.localStorage),
  };
}

/** What nothing but later.js asks for. @returns {Partial<Environment>} */
export function more() {
  const g = /** @type {any} */ (globalThis);
  return {
    fetchLater: g.fetchLater?.bind(g),
    EventSource: g.EventSource,
    Worker: g.Worker,
    PerformanceObserver: g.PerformanceObserver,
    locks: g.navigator?.locks,
    navigation: g.navigation,
    location: g.location,
  };
}
