import { retryAfter } from './backoff.js';
import { Feed } from './feed.js';
import { MemberStore } from './members.js';
import { FetchSource } from './source.js';

/** What one user may know of others: a store, and what keeps it true. */
export class Follower {
  /** @type {MemberStore} */
  store;

  #env; #transport; #timeout; #path; #host; #feed;
  /** @type {import('./members.js').Filter} */ #filter;

  /**
   * @param {import('./env.js').Environment} env
   * @param {import('./clock.js').Clock} clock
   * @param {import('./transport.js').Transport} transport
   * @param {import('./presence.js').Options & {timeout: number}} options
   * @param {string|null} user  null if unknown
   * @param {{session(): string|undefined, news(detail: any): void, live(previous: string): void,
   *   ping(data: any): void, denied(status: number): boolean, note(text: string): void}} host
   *   `denied`: shall it give up?
   */
  constructor(env, clock, transport, options, user, host) {
    const { groups, users, mode, include, stream, timeout } = options;
    this.#env = env;
    this.#transport = transport;
    this.#timeout = timeout;
    this.#host = host;
    this.#filter = stream === 'self' ? { users: user === null ? [] : [user] } : { groups, users, mode, include };
    this.store = new MemberStore(this.#filter);
    this.#feed = new Feed(env, clock, timeout, {
      store: this.store,
      source: () => this.#source(),
      why: (failure) => this.#why(failure),
      news: host.news,
      live: host.live,
      ping: host.ping,
    });
    this.#path = () => {
      const query = this.#query({ session: host.session(), last_event_id: this.store.lastId });
      return 'stream' + (query && '?' + query);
    };
    // Only those who are known to see the same may share what they see.
    this.name = user === null ? undefined : `presence:${transport.url} ${user} ${this.#query()}`;
  }

  open() {
    if (this.#feed.role === 'off') this.#feed.open(this.name);
  }

  close() {
    this.#feed.close();
  }

  check(eager) {
    this.#feed.check(eager);
  }

  again() {
    this.#feed.again();
  }

  get live() {
    return this.#feed.live;
  }

  get shared() {
    return this.#feed.shared;
  }

  get evidence() {
    return this.#feed.evidence;
  }

  #query(rest = {}) {
    return Object.entries({ ...this.#filter, ...rest })
      .filter(([name, value]) => value?.length && value !== 'full')
      .map(([name, value]) => `${name}=${[value].flat().map(encodeURIComponent).join(',')}`)
      .join('&');
  }

  #source() {
    const transport = this.#transport;
    const { EventSource } = this.#env;
    if (transport.asks) return new FetchSource((signal) => transport.request(this.#path(), { signal }));
    return EventSource && new EventSource(transport.url + this.#path(), { withCredentials: transport.credentials === 'include' });
  }

  /** Why was there no stream?  An EventSource's event does not tell; a HEAD does. */
  async #why(failure) {
    const env = this.#env;
    let response = failure?.status === undefined ? undefined : failure;
    if (!response) {
      const abort = new AbortController();
      const timer = env.setTimeout(() => abort.abort(), this.#timeout);
      try {
        response = await this.#transport.request(this.#path(), { method: 'HEAD', signal: abort.signal });
      } catch { /* no connection: then as any other failure */ }
      env.clearTimeout(timer);
    }
    // Closed while it was asked: nobody wants to know.
    if (this.#feed.role === 'off') return 0;
    const { status, headers } = response ?? {};
    this.#host.note(`failed: ${status || 'no connection'}`);
    if (status !== 401 && status !== 403) return retryAfter(headers?.get('Retry-After'), env.now());
    if (this.#transport.renew(response)) return 0;
    // Where beats are allowed their answers decide, and this is asked rarely.
    return this.#host.denied(status) ? -1 : 60000;
  }
}
