/** Beats that are staged when the page is frozen. */
const STAGED = 10;

/**
 * Keeps a hidden page from being frozen, by holding a Web Lock (of a name that
 * nobody else asks for) while it is hidden only: Firefox keeps no page in its
 * back/forward cache that holds one.  A page that is frozen all the same has
 * left beats with the browser, where that knows `fetchLater`.
 */
export class Awake {
  #env; #transport; #name;
  /** @type {((value?: any) => void)|null} */ #release = null;
  /** @type {AbortController|null} */ #abort = null;
  /** @type {({activated: boolean}|undefined)[]} */ #staged = [];

  /**
   * @param {import('./env.js').Environment} env
   * @param {import('./transport.js').Transport} transport
   * @param {string} name  of the lock
   */
  constructor(env, transport, name) {
    this.#env = env;
    this.#transport = transport;
    this.#name = name;
  }

  /** @param {boolean} held */
  hold(held) {
    if (!held) {
      this.#release?.();
      this.#release = null;
    } else if (!this.#release && this.#env.locks) {
      const wait = new Promise((resolve) => {
        this.#release = resolve;
      });
      this.#env.locks.request(this.#name, () => wait).catch(() => {});
    }
  }

  /**
   * Leaves beats with the browser, which sends them even if the page is frozen.
   *
   * @param {number} step  ms from beat to beat
   * @param {(ms: number) => object} body  of the beat in so many ms
   */
  stage(step, body) {
    const transport = this.#transport;
    const { signal } = this.#abort = new AbortController();
    for (let n = 1; n <= STAGED; n++) {
      let staged;
      try {
        staged = this.#env.fetchLater?.(transport.url + 'beat', transport.init({ activateAfter: n * step, signal }, body(n * step)));
      } catch { /* over its quota, or forbidden */ }
      this.#staged.push(staged);
      if (!staged) break;
    }
  }

  /** Takes back what has not been sent. @returns {number} how many */
  unstage() {
    const back = this.#staged.filter((staged) => !staged?.activated).length;
    this.#abort?.abort();
    this.#abort = null;
    this.#staged = [];
    return back;
  }
}
