/** Beats that are staged when the page is frozen. */
const STAGED = 10;

/**
 * Keeps a hidden page from being frozen, by holding a Web Lock (of a name that
 * nobody else asks for) while it is hidden only: Firefox keeps no page in its
 * back/forward cache that holds one.  A page that is frozen all the same has
 * left beats with the browser, where that knows `fetchLater`.
 */
export class Awake {
  #env; #name;
  /** @type {((value?: any) => void)|null} */ #release = null;
  /** @type {AbortController|null} */ #abort = null;
  /** @type {{activated: boolean}[]} */ #staged = [];

  /**
   * @param {import('./env.js').Environment} env
   * @param {string} name  of the lock
   */
  constructor(env, name) {
    this.#env = env;
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
   * @param {number} step  ms from beat to beat
   * @param {(ms: number, signal: AbortSignal) => {activated: boolean}|undefined} later
   *   leaves one with the browser
   */
  stage(step, later) {
    const { signal } = this.#abort = new AbortController();
    this.#staged = [];
    for (let n = 1; n <= STAGED; n++) {
      const staged = later(n * step, signal);
      if (!staged) break;
      this.#staged.push(staged);
    }
  }

  /** Takes back what has not been sent. @returns {number} how many */
  unstage() {
    const back = this.#staged.filter(({ activated }) => !activated).length;
    this.#abort?.abort();
    this.#abort = null;
    this.#staged = [];
    return back;
  }
}
