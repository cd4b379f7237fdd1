/**
 * What runs in the worker.  Told in how many milliseconds it is time, it says
 * so then, and each second after until told anew; and at once when the wall
 * clock has jumped, which is how sleep looks.  Complete in itself: its source
 * may be put into a blob.
 */
export function work() {
  let due = Infinity, wall = Date.now(), timer;
  const arm = () => {
    const left = due - performance.now();
    timer = setTimeout(() => {
      const now = Date.now();
      if (due <= performance.now() || now - wall > 5000) postMessage(0);
      wall = now;
      arm();
    }, left > 0 ? Math.min(left, 1000) : 1000);
  };
  onmessage = ({ data }) => {
    clearTimeout(timer);
    due = performance.now() + data;
    arm();
  };
  arm();
}

/**
 * Keeps time in a worker, which browsers do not throttle in hidden pages.
 * Content-Security-Policy may forbid a worker of a blob, and tells so by an
 * error that comes later; then there is none.
 */
export class Ticker {
  #env; #urls; #tick; #ms;
  /** @type {any} */ #worker = null;

  /**
   * @param {import('./env.js').Environment} env
   * @param {boolean|string|URL} worker  URL of worker.js, tried first; true: a blob; false: none
   * @param {() => void} tick
   */
  constructor(env, worker, tick) {
    this.#env = env;
    this.#urls = worker === false ? [] : worker === true ? [''] : [worker, ''];
    this.#tick = tick;
  }

  /** Who keeps the time? */
  get kind() {
    return this.#worker ? 'worker' : 'page';
  }

  start() {
    const { Worker } = this.#env;
    const [given] = this.#urls;
    if (this.#worker || !Worker || given === undefined) return;
    const url = given || URL.createObjectURL(new Blob([`(${work})()`], { type: 'text/javascript' }));
    let worker;
    const failed = () => {
      if (worker && worker !== this.#worker) return;
      this.stop();
      this.#urls.shift();
      this.start();
    };
    try {
      worker = this.#worker = new Worker(url, { type: 'module', name: 'presence' });
      worker.onmessage = () => worker === this.#worker && this.#tick();
      worker.onerror = (event) => {
        event.preventDefault?.();
        failed();
      };
      if (this.#ms !== undefined) worker.postMessage(this.#ms);
    } catch {
      failed();
    }
    if (!given) URL.revokeObjectURL(String(url));
  }

  /** Ticks in so many milliseconds. @param {number} ms */
  at(ms) {
    this.#ms = ms;
    this.#worker?.postMessage(ms);
  }

  stop() {
    this.#worker?.terminate();
    this.#worker = null;
  }
}
