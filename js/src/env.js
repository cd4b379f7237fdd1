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
 * @property {() => Promise<typeof import('./follower.js')>} follower  loads what follows others
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
    follower: () => import('./follower.js'),
    fetchLater: g.fetchLater?.bind(g),
    sendBeacon: navigator?.sendBeacon?.bind(navigator),
    EventSource: g.EventSource,
    BroadcastChannel: g.BroadcastChannel,
    Worker: g.Worker,
    PerformanceObserver: g.PerformanceObserver,
    locks: navigator?.locks,
    navigation: g.navigation,
    location: g.location,
    window: g.window,
    document: g.document,
    storage: allowed(() => g.sessionStorage),
    shared: allowed(() => g.localStorage),
  };
}
