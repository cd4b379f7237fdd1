/**
 * Hears of events, and is in nobody's way.
 *
 * @param {AbortSignal} signal  ends it
 * @param {any} target
 * @param {string} types
 * @param {(event: any) => void} fn
 */
export function hear(signal, target, types, fn) {
  for (const type of types.split(' ')) {
    target?.addEventListener(type, fn, { passive: true, capture: true, signal });
  }
}

/**
 * The page, and what happens to it: it is hidden and shown, left and come back
 * to, perhaps from the back/forward cache.
 */
export class Page {
  #host;
  /** @type {AbortController|null} */ #listening = null;

  /**
   * @param {Pick<import('./types.js').Host, 'env'|'evidence'|'key'|'presence'> & {touched(kind: string): void, turned(): void, depart(): void,
   *   elsewhere(user: string|null): void}} host
   *   what to do when the person is seen; when it is hidden or shown, or left;
   *   and when somebody logs in or out (null) in another tab
   */
  constructor(host) {
    this.#host = host;
  }

  get hidden() {
    return this.#host.env.document?.visibilityState === 'hidden';
  }

  /** Ends with the listening. */
  get signal() {
    return /** @type {AbortController} */ (this.#listening).signal;
  }

  /** @param {boolean} [all]  or nothing but logins in other tabs */
  listen(all) {
    const { presence, env: { window, document }, evidence, touched, turned, depart, elsewhere } = this.#host;
    this.ignore();
    const { signal } = this.#listening = new AbortController();
    hear(signal, window, 'storage', ({ key, newValue }) => key === this.#host.key && elsewhere(newValue));
    if (!all) return;
    evidence.is('hidden', this.hidden);
    hear(signal, document, 'visibilitychange', () => {
      evidence.is('hidden', this.hidden);
      turned();
    });
    hear(signal, window, 'pagehide', depart);
    // The pageshow of a page that was loaded is no return.
    hear(signal, window, 'pageshow online', ({ type, persisted }) => persisted !== false && presence.wake(type));
    hear(signal, window, 'focus', ({ target }) => target === window && touched('focus'));
  }

  ignore() {
    this.#listening?.abort();
  }
}
