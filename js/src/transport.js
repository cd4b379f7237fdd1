import { allowed } from './env.js';

/**
 * The way to the server: requests with cookies or a token, and a last word of
 * a page that goes.
 */
export class Transport {
  /** Of the location, with its last slash. */
  url;
  credentials;
  /** Asks the application for a token. */
  asks;

  #env; #token; #renewed = false;
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
    this.credentials = credentials;
    this.asks = token;
  }

  /**
   * A token was refused: is there a way to another?  Once, until one is
   * accepted: a server that refuses them all must not be asked for ever.  The
   * beat and the stream may both hear of one token that it has expired; who
   * is second has another already.
   *
   * @param {any} response  that refused it
   */
  renew(response) {
    if (!this.asks) return false;
    if (this.#sent.get(response) !== this.#token) return true;
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
   * @param {object} [body]  to post
   * @returns {Promise<Response>}
   */
  async request(path, init, body) {
    if (this.asks && this.#token === undefined) await this.#askFor(init?.signal);
    const token = this.#token;
    const response = await this.#env.fetch(this.url + path, this.init(init, body));
    this.#sent.set(response, token);
    return response;
  }

  /**
   * What `fetch` wants to know.
   *
   * @param {RequestInit & {activateAfter?: number}} [init]
   * @param {object} [body]  to post
   * @returns {RequestInit}
   */
  init(init, body) {
    const headers = {};
    if (body) headers['Content-Type'] = 'application/json';
    if (this.#token) headers.Authorization = 'Bearer ' + this.#token;
    return { credentials: this.credentials, cache: 'no-store', ...init, headers,
      ...body && { method: 'POST', body: JSON.stringify(body) } };
  }

  /** @param {AbortSignal|null} [signal]  who gives up waits no longer, and the next asks anew */
  async #askFor(signal) {
    const asking = this.#asking ??= (async () => /** @type {any} */ (this.asks)())();
    try {
      const token = await Promise.race([asking, new Promise((_, over) => {
        signal?.addEventListener('abort', over);
      })]);
      if (asking === this.#asking) this.#token = token;
    } finally {
      if (asking === this.#asking) this.#asking = undefined;
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
    allowed(() => {
      if (globalThis.Request && !('keepalive' in Request.prototype)) beacon();
      else this.#env.fetch(this.url + 'beat', this.init({ keepalive: true }, body)).catch(beacon);
    });
  }
}
