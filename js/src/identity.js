import { allowed } from './env.js';

/** An id that nobody else has. @param {number} bytes */
export function token(bytes) {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return btoa(String.fromCharCode(...random)).replace(/=/g, '').replace(/\W/g, '_');
}

/**
 * Who this tab is: a session, kept in sessionStorage over a reload, and a
 * document, one load of the page.  sessionStorage is copied when a tab is
 * duplicated; so a document claims its session before the others on a channel,
 * and of two the younger takes another one.
 */
export class Identity {
  doc = token(8);
  /** @type {string|undefined} */
  session;

  #env; #key; #rank; #taken;
  /** @type {any} */ #channel = null;

  /**
   * @param {import('./env.js').Environment} env
   * @param {string} key  of storage and channel
   * @param {() => void} taken  the session had another document, and is a new one now
   */
  constructor(env, key, taken) {
    this.#env = env;
    this.#key = key;
    this.#taken = taken;
    this.#rank = `${env.now()} ${this.doc}`;
  }

  /** @returns {boolean} is the session one of before, which others may have too? */
  recall() {
    const id = this.session ?? allowed(() => this.#env.storage?.getItem(this.#key)) ?? '';
    const known = /^[\w.~:-]{8,64}$/.test(id);
    this.#keep(known ? id : token(16));
    return known;
  }

  /** Says which session is ours, from now on to everybody who asks. */
  claim() {
    const { BroadcastChannel } = this.#env;
    if (!this.#channel && BroadcastChannel && this.session) {
      this.#channel = new BroadcastChannel(this.#key);
      this.#channel.onmessage = ({ data }) => this.#claimed(data);
    }
    this.#say();
  }

  close() {
    this.#channel?.close();
    this.#channel = null;
  }

  /** The next session is another one. */
  forget() {
    this.session = undefined;
    allowed(() => this.#env.storage?.removeItem(this.#key));
  }

  #say() {
    this.#channel?.postMessage({ session: this.session, rank: this.#rank });
  }

  #claimed({ session, rank }) {
    if (session !== this.session) return;
    if (this.#rank < rank) {
      this.#say();
      return;
    }
    this.#keep(token(16));
    this.#taken();
  }

  #keep(id) {
    this.session = id;
    allowed(() => this.#env.storage?.setItem(this.#key, id));
  }
}
