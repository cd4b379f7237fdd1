/**
 * What the elements have in common: labels and language, a Presence that is
 * given or made, and drawing once per frame.
 *
 * @module
 */

import { Texts } from './labels.js';
import { THEME, sheet } from './theme.js';
import { Times, everySecond } from './times.js';

/** So that the module can be loaded where there is no DOM, as on a server. */
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

export class PresenceElement extends Base {
  /** @type {import('../presence.js').Presence|null} */
  #given = null;
  #own = null;
  #off = [];
  #stopTicking;
  #frame = 0;
  #stale = new Set();
  #labels = null;

  /** @type {Texts} @internal */
  texts;
  /** @type {Times} @internal */
  times;
  /** @type {string|undefined} @internal */
  locale;

  /** @param {string} css */
  constructor(css) {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [sheet(THEME), sheet(css)];
  }

  /** @internal */
  connectedCallback() {
    // What was set before the element was defined hides the accessors.
    for (const name of this.constructor.properties) {
      if (Object.hasOwn(this, name)) {
        const value = this[name];
        delete this[name];
        this[name] = value;
      }
    }
    this.#stopTicking ??= everySecond(() => this.tick());
    this.renew('build', 'link');
  }

  /** @internal */
  disconnectedCallback() {
    // Moved to another place it is connected again by then, and goes on.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#stopTicking?.();
      this.#stopTicking = undefined;
      cancelAnimationFrame(this.#frame);
      this.#frame = 0;
      this.#unlink();
    });
  }

  /** @internal */
  attributeChangedCallback(name, before, now) {
    if (before !== now) this.renew(this.constructor.linking.includes(name) ? 'link' : 'build');
  }

  /**
   * The Presence that is shown.  An element with the attribute `url` and
   * without one makes its own, and ends it when it leaves the page.
   *
   * @type {import('../presence.js').Presence|null}
   */
  get presence() {
    return this.#given ?? this.#own;
  }

  set presence(presence) {
    if (presence === this.#given) return;
    this.#given = presence ?? null;
    this.renew('link');
  }

  /** Labels that replace the English ones; see labels.js for their names. @type {object|null} */
  get labels() {
    return this.#labels;
  }

  set labels(labels) {
    this.#labels = labels;
    this.renew('build');
  }

  /**
   * Something has to be done anew: `build` the tree, `link` the Presence.  All
   * that is set in one turn is done once.
   *
   * @param {...('build'|'link')} parts
   * @internal
   */
  renew(...parts) {
    if (!this.#stale.size) queueMicrotask(() => this.#renew());
    for (const part of parts) this.#stale.add(part);
  }

  #renew() {
    const parts = new Set(this.#stale);
    this.#stale.clear();
    if (!this.isConnected) return;
    if (parts.has('build')) {
      this.locale = locale(this);
      this.texts = new Texts(this.#labels ?? this.#parsed(), this.locale);
      this.times = new Times(this.locale);
      this.build();
    }
    if (parts.has('link')) {
      this.#unlink();
      if (!this.#given && this.hasAttribute('url')) this.#own = this.make();
      if (this.presence) {
        for (const [type, fn] of Object.entries(this.listeners())) this.#off.push(this.presence.on(type, fn));
        this.#own?.start();
        this.linked();
      }
    }
    // Nothing is claimed before there is anybody to ask.
    if (this.shadowRoot.firstElementChild) this.shadowRoot.firstElementChild.hidden = !this.presence;
    this.schedule();
  }

  #unlink() {
    for (const off of this.#off.splice(0)) off();
    this.#own?.stop();
    this.#own = null;
  }

  #parsed() {
    const text = this.getAttribute('labels');
    try {
      return text && JSON.parse(text);
    } catch (error) {
      console.warn(`<${this.localName}>: its labels are no JSON: ${error.message}`);
      return null;
    }
  }

  /** Draws with the next frame, however often it is asked for. @internal */
  schedule() {
    if (!this.#frame && this.isConnected) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        if (this.texts && this.presence) this.draw();
      });
    }
  }

  /**
   * @param {string} type
   * @param {any} detail
   * @internal
   */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

/** The language that the element is written in, if the browser knows it. */
function locale(element) {
  for (let at = element; at; at = at.parentNode ?? at.host) {
    const lang = at.lang || at.getAttribute?.('lang');
    if (lang) {
      try {
        return Intl.getCanonicalLocales(lang)[0];
      } catch {
        return undefined;
      }
    }
  }
  return undefined;
}
