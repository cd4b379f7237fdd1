/**
 * The way to the server: requests with cookies or a token, and a last word of
 * a page that goes.
 */
export class Transport {
  /** Of the location, with its last slash. */
  url;

  #env; #credentials; #ask; #token; #renewed = false;
  /** One answer for all who wait for a token. @type {Promise<string>|undefined} */ #asking;
  /** With which token an answer came. @type {WeakMap<object, string|undefined>} */ #sent = new WeakMap();

  /**
   * @param {import('./env.js').Environment} env
   * @param {string} url  of the location, with its last slash
   * @param {RequestCredentials} credentials
   * @param {(() => string|Promise<string>)} [token]
   */
  constructor(env, url, credentials, token) {
    this.#env = env;
    this.url = url;
    this.#credentials = credentials;
    this.#ask = token;
  }

  get withToken() {
    return !!this.#ask;
  }

  get withCredentials() {
    return this.#credentials === 'include';
  }

  /**
   * A token was refused: is there a way to another?  Once, until one is
   * accepted: a server that refuses them all must not be asked for ever.  The
   * beat and the stream may both hear of one token that it has expired; who
   * is second has another already.
   *
   * @param {object} [response]  that refused it
   */
  renew(response) {
    if (!this.#ask) return false;
    if (response && this.#sent.get(response) !== this.#token) return true;
    if (this.#renewed) return false;
    this.#renewed = true;
    this.#token = undefined;
    return true;
  }

  /** The token was accepted, or everything begins anew. */
  accepted() {
    this.#renewed = false;
  }

  /** The next request asks for a token again. */
  forget() {
    this.#token = this.#asking = undefined;
    this.#renewed = false;
  }

  /**
   * @param {string} path  below the location
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   */
  async request(path, init) {
    if (this.#ask && this.#token === undefined) await this.#askFor(init?.signal);
    const token = this.#token;
    const response = await this.#env.fetch(this.url + path, this.#init(init));
    this.#sent.set(response, token);
    return response;
  }

  /** @param {AbortSignal|null} [signal]  who gives up waits no longer, and the next asks anew */
  async #askFor(signal) {
    const asking = this.#asking ??= (async () => /** @type {any} */ (this.#ask)())();
    const over = () => {
      if (asking === this.#asking) this.#asking = undefined;
    };
    signal?.addEventListener('abort', over);
    try {
      const token = await asking;
      if (asking === this.#asking) this.#token = token;
    } finally {
      over();
    }
  }

  /**
   * @param {object} body
   * @param {RequestInit} [init]
   */
  post(body, init) {
    return this.request('beat', { ...this.#post(body), ...init });
  }

  /**
   * The last word of a user.  It must not arrive before the beat in flight,
   * which would be one of a new login: waits a moment for its answer, but not
   * if the page goes.
   *
   * @param {object} body
   * @param {{done: Promise<void>, abort: AbortController}|null} flight
   * @param {number} limit  ms
   * @returns {Promise<boolean>}  has the server confirmed it?
   */
  async logout(body, flight, limit) {
    const env = this.#env;
    const abort = new AbortController();
    const { signal } = abort;
    let timer, sent;
    const send = () => (sent ??= this.post(body, { keepalive: true, signal }));
    try {
      if (flight) {
        env.window?.addEventListener('pagehide', send, { signal });
        await Promise.race([flight.done, new Promise((resolve) => {
          timer = env.setTimeout(() => resolve(null), 1000);
        })]);
        env.clearTimeout(timer);
        flight.abort.abort();
      }
      timer = env.setTimeout(() => abort.abort(), limit);
      return (await send()).ok;
    } catch {
      return false;
    } finally {
      env.clearTimeout(timer);
      abort.abort();
    }
  }

  /**
   * Outlives the page.  By fetch, not by beacon, which blockers cancel while
   * it returns true; at once, since the page has no time for a new token.
   *
   * @param {object} body
   */
  farewell(body) {
    const beacon = () => this.#env.sendBeacon?.(this.url + 'beat', JSON.stringify(body));
    try {
      if (globalThis.Request && !('keepalive' in Request.prototype)) beacon();
      else this.#env.fetch(this.url + 'beat', this.#init({ ...this.#post(body), keepalive: true })).catch(beacon);
    } catch { /* nobody is left who could be told */ }
  }

  /**
   * A beat that the browser sends later, even if the page is frozen.
   *
   * @param {object} body
   * @param {number} ms
   * @param {AbortSignal} signal
   * @returns {{activated: boolean}|undefined}
   */
  later(body, ms, signal) {
    try {
      return this.#env.fetchLater?.(this.url + 'beat', this.#init({ ...this.#post(body), activateAfter: ms, signal }));
    } catch { /* over its quota, or forbidden */ }
  }

  #post(body) {
    return { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  }

  #init({ headers, ...init } = /** @type {any} */ ({})) {
    if (this.#token) headers = { ...headers, Authorization: 'Bearer ' + this.#token };
    return { credentials: this.#credentials, cache: 'no-store', ...init, headers };
  }
}
