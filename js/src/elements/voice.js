/**
 * What a board says aloud: a polite live region that sums up instead of
 * reading out each change.
 *
 * @module
 */

import { h, put } from './dom.js';
import { spoken } from './view.js';

/** Changes are said after this, ms, and then not more often than that. */
const AFTER = 1500;
const EVERY = 6000;

/** What was found is said when the person has stopped typing for so long, ms. */
const FOUND = 700;

export class Voice {
  /** The live region. */
  element = h('div', { class: 'aloud', role: 'status', 'aria-live': 'polite' });

  #texts;
  #changes = new Map();
  #last = -Infinity;
  #timer; #found;

  /** @param {import('./labels.js').Texts} texts */
  constructor(texts) {
    this.#texts = texts;
  }

  /**
   * A status has changed: it is said before long, with what else there is.
   *
   * @param {string} user
   * @param {{name: string, status: string}} change
   */
  change(user, change) {
    this.#changes.set(user, change);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.say(spoken(this.#changes, this.#texts));
      this.#changes.clear();
    }, Math.max(AFTER, this.#last + EVERY - performance.now()));
  }

  /** @param {() => string} words  what a search or a filter came to */
  found(words) {
    clearTimeout(this.#found);
    this.#found = setTimeout(() => this.say(words()), FOUND);
  }

  /** At once. */
  say(words) {
    this.#last = performance.now();
    put(this.element, words);
  }

  stop() {
    clearTimeout(this.#timer);
    clearTimeout(this.#found);
    this.#timer = undefined;
    this.#changes.clear();
  }
}
