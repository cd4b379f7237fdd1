/**
 * Surroundings for the client: a clock that only moves when told to, a server
 * that answers as told, a page, and streams that a test drives by hand.
 */
import './globals.mjs';

import * as later from '../src/later.js';
import { Presence } from '../presence.js';

/** Lets promises run that are settled already. */
export const settle = async () => {
  for (let i = 0; i < 20; i++) await null;
};

class Target {
  #listeners = [];

  get listeners() {
    return this.#listeners.filter(({ signal }) => !signal?.aborted);
  }

  addEventListener(type, fn, { signal } = {}) {
    this.#listeners.push({ type, fn, signal });
  }

  fire(type, props = {}) {
    for (const listener of this.listeners) {
      if (listener.type === type) listener.fn({ type, isTrusted: true, target: this, ...props });
    }
  }
}

export class World {
  wall = 1790000000000;
  mono = 5000;
  timers = new Map();
  window = new Target();
  document = Object.assign(new Target(), { visibilityState: 'visible' });
  stored = new Map();
  /** What all tabs of a browser have in common; a test may give it to several. */
  browser = null;
  requests = [];
  streams = [];
  /** What the server says; a test puts its own. */
  answer = () => this.reply();
  /** ... to a HEAD of the stream. */
  head = () => ({ status: 503, body: {} });
  #timer = 0;
  #hanging = new Set();

  reply(props = {}) {
    const body = {
      user: 'agent-7', session: this.requests.at(-1)?.body.session, status: 'online', manual: null, until: null,
      interval_ms: 25000, max_interval_ms: 70000, idle_ms: 300000, deadline_ms: 80000,
      server_time: this.wall, seq: this.requests.at(-1)?.body.seq ?? null, recovered: null, ...props,
    };
    return { status: 200, body };
  }

  env() {
    const world = this;
    return {
      now: () => this.wall,
      mono: () => this.mono,
      random: () => 0.5,
      setTimeout: (fn, ms) => {
        this.timers.set(++this.#timer, { fn, at: this.mono + ms });
        return this.#timer;
      },
      clearTimeout: (timer) => this.timers.delete(timer),
      fetch: (url, init) => this.#fetch(url, init),
      EventSource: class extends Target {
        readyState = 0;

        constructor(url) {
          super();
          this.url = new URL(url, 'http://site.test');
          world.streams.push(this);
        }

        open() {
          this.readyState = 1;
          this.onopen?.();
        }

        send(type, data, lastEventId = '') {
          this.fire(type, { data: typeof data === 'string' ? data : JSON.stringify(data), lastEventId });
        }

        /** `again`: EventSource would try again by itself. */
        fail(again = false) {
          this.readyState = again ? 0 : 2;
          this.onerror?.(new Event('error'));
        }

        close() {
          this.readyState = 2;
        }
      },
      later: () => Promise.resolve(later),
      fetchLater: undefined,
      sendBeacon: undefined,
      BroadcastChannel: undefined,
      Worker: undefined,
      PerformanceObserver: undefined,
      locks: undefined,
      navigation: undefined,
      location: undefined,
      shared: undefined,
      window: this.window,
      document: this.document,
      storage: {
        getItem: (key) => this.stored.get(key) ?? null,
        setItem: (key, value) => this.stored.set(key, value),
        removeItem: (key) => this.stored.delete(key),
      },
      ...this.browser?.env(this),
    };
  }

  presence(options = {}, Client = Presence) {
    const { env, ...rest } = options;
    return new Client({ env: { ...this.env(), ...env }, stream: false, ...rest });
  }

  /** Beats that the server got, without goodbyes. */
  get beats() {
    return this.requests.map(({ body }) => body).filter(({ leave, logout }) => !leave && !logout);
  }

  /** Requests that have not been answered. */
  get hanging() {
    return this.#hanging.size;
  }

  get stream() {
    return this.streams.at(-1);
  }

  hide(hidden = true) {
    this.document.visibilityState = hidden ? 'hidden' : 'visible';
    this.document.fire('visibilitychange');
    return settle();
  }

  /** Time passes and timers fire. */
  async pass(ms) {
    const end = this.mono + ms;
    await settle();
    for (;;) {
      const [id, next] = [...this.timers].sort((a, b) => a[1].at - b[1].at)[0] ?? [];
      if (!next || next.at > end) break;
      this.#step(Math.max(0, next.at - this.mono));
      this.timers.delete(id);
      next.fn();
      await settle();
    }
    this.#step(end - this.mono);
    await settle();
  }

  /** Time passes and no timer fires: a throttled or frozen page. */
  stall(ms) {
    this.#step(ms);
  }

  /** The machine sleeps: the monotonic clock stands still. */
  sleep(ms) {
    this.wall += ms;
  }

  #step(ms) {
    this.wall += ms;
    this.mono += ms;
  }

  #fetch(url, init) {
    if (init.method === 'HEAD') return Promise.resolve(response(this.head(url)));
    const body = JSON.parse(init.body);
    this.requests.push({ url, init, body, at: this.wall });
    const answer = this.answer(body);
    if (answer instanceof Error) return Promise.reject(answer);
    if (answer === undefined) {
      const request = {};
      this.#hanging.add(request);
      return new Promise((_, reject) => {
        init.signal?.addEventListener('abort', () => {
          this.#hanging.delete(request);
          reject(new DOMException('aborted', 'AbortError'));
        });
      });
    }
    if (typeof answer.then === 'function') return answer.then((a) => response(a));
    return Promise.resolve(response(answer));
  }
}

/**
 * What the tabs of one browser share: channels, locks, storage.  Messages and
 * locks come in a microtask, as late as a browser has them at the earliest.
 */
export class Browser {
  channels = new Set();
  locks = new Map();
  stored = new Map();
  tabs = new Set();

  env(world) {
    const browser = this;
    this.tabs.add(world);
    return {
      BroadcastChannel: class {
        constructor(name) {
          this.name = name;
          this.world = world;
          browser.channels.add(this);
        }

        postMessage(message) {
          const data = structuredClone(message);
          if (!browser.channels.has(this)) throw new DOMException('closed', 'InvalidStateError');
          for (const other of browser.channels) {
            if (other === this || other.name !== this.name || other.world.deaf) continue;
            Promise.resolve().then(() => browser.channels.has(other) && other.onmessage?.({ data }));
          }
        }

        close() {
          browser.channels.delete(this);
        }
      },
      locks: {
        request: (name, given, fn = given) => {
          const { signal, steal } = typeof given === 'object' ? given : {};
          if (signal && steal) return Promise.reject(new DOMException('both', 'NotSupportedError'));
          return new Promise((resolve, reject) => {
            const queue = browser.locks.get(name) ?? [];
            const entry = { fn, resolve, reject, granted: false, world };
            browser.locks.set(name, queue);
            signal?.addEventListener('abort', () => {
              if (entry.granted) return;
              queue.splice(queue.indexOf(entry), 1);
              reject(new DOMException('aborted', 'AbortError'));
            });
            if (steal) {
              const [holder] = queue;
              if (holder?.granted) queue.shift().reject(new DOMException('stolen', 'AbortError'));
              queue.unshift(entry);
            } else {
              queue.push(entry);
            }
            browser.#grant(queue);
          });
        },
      },
      shared: {
        getItem: (key) => this.stored.get(key) ?? null,
        setItem: (key, value) => this.#store(world, key, value),
        removeItem: (key) => this.#store(world, key, null),
      },
    };
  }

  holder(name) {
    return this.locks.get(name)?.find(({ granted }) => granted)?.world;
  }

  held(part) {
    return [...this.locks].filter(([name, queue]) => name.includes(part) && queue.length).length;
  }

  #grant(queue) {
    const [entry] = queue;
    if (!entry || entry.granted) return;
    entry.granted = true;
    Promise.resolve().then(() => entry.fn({})).then((value) => {
      if (queue[0] !== entry) return;
      queue.shift();
      entry.resolve(value);
      this.#grant(queue);
    });
  }

  #store(world, key, newValue) {
    const oldValue = this.stored.get(key) ?? null;
    if (newValue === oldValue) return;
    if (newValue === null) this.stored.delete(key);
    else this.stored.set(key, newValue);
    for (const tab of this.tabs) if (tab !== world) tab.window.fire('storage', { key, oldValue, newValue });
  }
}

const response = ({ status, body, headers = {} }) => ({
  ok: status >= 200 && status < 300,
  status,
  headers: new Headers(headers),
  json: async () => (typeof body === 'string' ? JSON.parse(body) : body),
});

export const member = (user, props = {}) => ({
  user, status: 'online', since: 1, last_active: 1, last_seen: 1, sessions: 1,
  missed: 0, reason: 'beat', groups: ['agents'], text: null, meta: null, ...props,
});
