/**
 * The rows of a board in their sections: order, what is in the tree, focus.
 *
 * @module
 */

import { attr, h, put } from './dom.js';
import { icon } from './icons.js';
import { Row } from './rows.js';
import { comparator, isHere, matches, placeOf, sectionOrder, sectionsOf } from './view.js';

/** @typedef {import('./view.js').Entry & {rows: Map<string, Row>}} Listed  with its row in each section */

/** As many rows are all in the tree; of more only those that can be seen. */
const WHOLE = 100;
/** Rows above and below what can be seen. */
const AHEAD = 8;
/** Of so many changes in one frame none draws the eye. */
const MANY = 20;

/**
 * Members under one heading.
 *
 * @typedef {object} Section
 * @property {string} key
 * @property {HTMLElement} element
 * @property {HTMLElement|null} heading  how many there are
 * @property {HTMLElement} body
 * @property {Row[]} rows        all of them, in order
 * @property {Set<Row>} drawn    those in the tree
 * @property {number} above      how many are not, before them
 * @property {number} below      and after
 */

/**
 * @typedef {object} Place  where a list is
 * @property {HTMLElement} table   its first child has the heads of the columns
 * @property {HTMLElement} scroll  around it
 * @property {string[]} groups     those that the board is about
 * @property {Intl.Collator} collator
 */

export class List {
  #place; #setting; #view;
  /** @type {Map<string, Section>} */
  #sections = new Map();
  /** @type {WeakMap<Element, Row>} */
  #rows = new WeakMap();
  #compare; #groupBy;
  /** The row that can be tabbed to. @type {Row|null} */
  #focus = null;
  #selected = null;
  #height = 62;

  /** Does the tree have only a part, so that scrolling changes it? */
  partial = false;

  /**
   * @param {Place} place
   * @param {import('./rows.js').Setting} setting
   * @param {import('./view.js').View} view
   */
  constructor(place, setting, view) {
    this.#place = place;
    this.#setting = setting;
    this.#view = view;
  }

  /** How many members are listed; one in two sections is one. */
  get size() {
    return new Set(this.#all().map(({ entry }) => entry)).size;
  }

  /** @param {EventTarget|null} target */
  rowOf(target) {
    return this.#rows.get(/** @type {any} */ (target)?.closest?.('.row')) ?? null;
  }

  /** The user whose row is marked. */
  select(user) {
    this.#selected = user;
    for (const { drawn } of this.#sections.values()) for (const row of drawn) this.#mark(row);
  }

  // -- order

  /**
   * Everybody's place, anew.
   *
   * @param {Iterable<Listed>} entries
   */
  arrange(entries) {
    const by = comparator(this.#view.sort, this.#place.collator);
    this.#compare = (a, b) => by(a.entry, b.entry);
    if (this.#groupBy !== this.#view.groupBy) this.clear();
    this.#groupBy = this.#view.groupBy;
    for (const section of this.#sections.values()) section.rows = [];
    for (const entry of entries) {
      const keys = this.#keys(entry);
      for (const key of [...entry.rows.keys()]) if (!keys.includes(key)) this.#drop(entry, key);
      for (const key of keys) this.#section(key).rows.push(this.#row(entry, key));
    }
    for (const section of this.#sections.values()) section.rows.sort(this.#compare);
  }

  /**
   * Puts the changed into their places, and leaves the others where they are.
   *
   * @param {Listed[]} changed
   */
  settle(changed) {
    const wanted = new Map();
    for (const entry of changed) {
      const keys = this.#keys(entry);
      wanted.set(entry, keys);
      for (const [key, row] of [...entry.rows]) {
        if (keys.includes(key)) this.#unlist(row, key);
        else this.#drop(entry, key);
      }
    }
    // Only now is every list in order, so that a place in it can be searched.
    for (const [entry, keys] of wanted) {
      for (const key of keys) {
        const row = this.#row(entry, key);
        const { rows } = this.#section(key);
        rows.splice(placeOf(rows, row, this.#compare), 0, row);
      }
    }
  }

  /** @param {Listed} entry */
  remove(entry) {
    for (const key of [...entry.rows.keys()]) this.#drop(entry, key);
  }

  clear() {
    for (const { element, drawn } of this.#sections.values()) {
      for (const row of drawn) row.element = null;
      element.remove();
    }
    this.#sections.clear();
    this.#focus = null;
  }

  #all() {
    return this.#ordered().flatMap(({ rows }) => rows);
  }

  /** The sections in which a member is to be shown. */
  #keys(entry) {
    return matches(this.#view, entry) ? sectionsOf(this.#view, entry.member, this.#place.groups) : [];
  }

  #row(entry, key) {
    let row = entry.rows.get(key);
    if (!row) entry.rows.set(key, row = new Row(entry, this.#setting));
    return row;
  }

  #drop(entry, key) {
    const row = entry.rows.get(key);
    entry.rows.delete(key);
    this.#unlist(row, key);
    if (this.#focus === row) this.#rove(null);
    this.#sections.get(key)?.drawn.delete(row);
    row.element?.remove();
  }

  #unlist(row, key) {
    const rows = this.#sections.get(key)?.rows ?? [];
    const at = rows.indexOf(row);
    if (at >= 0) rows.splice(at, 1);
  }

  #section(key) {
    let section = this.#sections.get(key);
    if (!section) {
      const { columns, texts } = this.#setting;
      const isStatus = this.#view.groupBy === 'status';
      const heading = this.#view.groupBy === 'none' ? null : h('small');
      const body = h('div', { role: 'presentation' });
      const element = h('div', { class: 'body', role: 'rowgroup' });
      if (heading) {
        element.append(h('div', { class: 'section', role: 'row', part: 'section', 'data-status': isStatus ? key : null },
          h('div', { role: 'rowheader', 'aria-colspan': columns.length + 1 }, ...(isStatus ? [icon(key)] : []),
            isStatus ? texts.get(`status.${key}`) : key || texts.get('board.noGroup'), heading)));
      }
      element.append(body);
      this.#sections.set(key, section = { key, element, heading, body, rows: [], drawn: new Set(), above: 0, below: 0 });
    }
    return section;
  }

  #ordered() {
    const order = sectionOrder(this.#view, this.#place.groups, this.#place.collator);
    return [...this.#sections.values()].sort((a, b) => order(a.key, b.key));
  }

  // -- the tree

  /**
   * @param {Listed[]} changed
   * @param {boolean} settled       only those may be in another place than before
   * @param {Set<string>} flashing  users to draw the eye to
   * @returns {boolean}  true if rows are of another height than it thought, and it has to be done again
   */
  draw(changed, settled, flashing) {
    const { table } = this.#place;
    const root = /** @type {ShadowRoot} */ (table.getRootNode());
    this.#measure();
    const active = /** @type {HTMLElement|null} */ (root.activeElement);
    const sections = this.#ordered().filter((section) => section.rows.length || this.#forget(section));
    this.partial = sections.reduce((sum, { rows }) => sum + rows.length, 0) > WHOLE;
    const seen = this.partial ? this.#seen() : null;
    const moved = this.#fill(changed, settled, flashing);
    let top = 0;
    let index = 1;
    let before = table.firstElementChild;

    for (const section of sections) {
      const { rows, element, heading, body } = section;
      if (before.nextElementSibling !== element) before.after(element);
      before = element;
      if (heading) {
        this.#head(section);
        if (seen) top += element.offsetHeight - body.offsetHeight;
        index++;
      }
      const at = (y) => Math.max(0, Math.min(rows.length, Math.floor((y - top) / this.#height)));
      const from = seen ? Math.max(0, at(seen.top) - AHEAD) : 0;
      const to = seen ? Math.min(rows.length, at(seen.bottom) + AHEAD) : rows.length;
      this.#drawRows(section, from, to, moved, seen ? index : 0);
      top += rows.length * this.#height;
      index += rows.length;
    }
    attr(table, 'aria-rowcount', seen ? index : null);

    if (active && root.activeElement !== active) {
      // Moved within the list it keeps the focus; with the row gone from what
      // can be seen, the list has it, and the arrows go on from the row.
      (active.isConnected ? active : table).focus({ preventScroll: true });
    }
    if (this.#setting.selectable && !this.#focus) this.#rove(sections[0]?.rows.find(({ element }) => element) ?? null);
    return this.#measure();
  }

  /**
   * How high are the rows?  With that the room for those that are not in the
   * tree changes, and what can be seen would be elsewhere: it stays where it
   * is, and the row that has the focus is not lost.
   *
   * @returns {boolean}  true if they are not as high as it thought
   */
  #measure() {
    const drawn = this.#ordered().flatMap((section) => [...section.drawn]);
    const height = drawn[0]?.element.offsetHeight || this.#height;
    if (height === this.#height) return false;
    this.#height = height;
    if (!this.partial) return false;

    const { table, scroll } = this.#place;
    const focused = this.rowOf(/** @type {ShadowRoot} */ (table.getRootNode()).activeElement);
    const top = ({ element }) => element.getBoundingClientRect().top;
    const edge = Math.max(0, scroll.getBoundingClientRect().top);
    const held = focused ?? drawn.find((row) => top(row) >= edge) ?? drawn[0];
    const before = top(held);
    for (const section of this.#sections.values()) this.#room(section);
    this.#scrollBy(top(held) - before);
    focused?.element.scrollIntoView({ block: 'nearest', behavior: 'instant' });
    return true;
  }

  /** @param {number} now */
  tick(now) {
    for (const { drawn } of this.#sections.values()) for (const row of drawn) row.tick(now);
  }

  /** Elements of rows that have changed, and may be in the wrong place. */
  #fill(changed, settled, flashing) {
    const moved = new Set();
    for (const entry of changed) {
      for (const row of entry.rows.values()) {
        if (!row.element) continue;
        row.fill();
        if (settled) moved.add(row.element);
        if (flashing.has(entry.member.user) && flashing.size <= MANY && !calm.matches) row.flash();
      }
    }
    return moved;
  }

  #head({ heading, rows }) {
    const { texts } = this.#setting;
    put(heading, this.#view.groupBy === 'status' ? texts.number(rows.length)
      : texts.get('board.here', { n: rows.length, here: rows.filter(({ entry }) => isHere(entry.member)).length }));
  }

  #forget({ element, key }) {
    element.remove();
    this.#sections.delete(key);
    return false;
  }

  /** What can be seen of the rows, px below the heads of the columns. */
  #seen() {
    const { table, scroll } = this.#place;
    const start = table.getBoundingClientRect().top + /** @type {HTMLElement} */ (table.firstElementChild).offsetHeight;
    const clip = scroll.getBoundingClientRect();
    return { top: Math.max(0, clip.top) - start, bottom: Math.min(innerHeight, clip.bottom) - start };
  }

  /**
   * Has some of a section's rows in the tree, in the order of the list, and
   * room for the others.  The walk passes over elements that have moved, and
   * fetches them when it is their turn: one that moves costs one move.
   */
  #drawRows(section, from, to, moved, index) {
    const { body, rows, drawn } = section;
    const wanted = new Set(rows.slice(from, to));
    for (const row of drawn) {
      if (wanted.has(row)) continue;
      row.element?.remove();
      row.element = null;
    }
    drawn.clear();
    let place = body.firstElementChild;
    let n = index + from;
    for (const row of wanted) {
      drawn.add(row);
      if (!row.element) this.#make(row);
      while (place && place !== row.element && moved.has(place)) place = place.nextElementSibling;
      if (row.element === place) place = place.nextElementSibling;
      else body.insertBefore(row.element, place);
      attr(row.element, 'aria-rowindex', index ? ++n : null);
    }
    section.above = from;
    section.below = rows.length - to;
    this.#room(section);
  }

  #room({ body: { style }, above, below }) {
    for (const [side, rows] of /** @type {const} */ ([['paddingBlockStart', above], ['paddingBlockEnd', below]])) {
      const room = rows ? `${rows * this.#height}px` : '';
      if (style[side] !== room) style[side] = room;
    }
  }

  #make(row) {
    this.#rows.set(row.make(), row);
    this.#mark(row);
    if (row === this.#focus) row.button.setAttribute('tabindex', '0');
  }

  #mark(row) {
    if (this.#setting.selectable) row.choose(row.entry.member.user === this.#selected);
  }

  // -- focus

  /**
   * One row alone can be tabbed to; the arrows go on from there.
   *
   * @param {Row|null} row
   */
  #rove(row) {
    if (this.#focus === row) return;
    this.#focus?.button?.setAttribute('tabindex', '-1');
    this.#focus = row;
    row?.button?.setAttribute('tabindex', '0');
  }

  /** @param {FocusEvent} event */
  focused({ target }) {
    const row = this.rowOf(target);
    if (row) this.#rove(row);
  }

  /**
   * Where a key leads, or null.
   *
   * @param {KeyboardEvent} event
   * @returns {Row|null}
   */
  next({ target, key, altKey, ctrlKey, metaKey, shiftKey }) {
    const row = target === this.#place.table ? this.#focus : this.rowOf(target);
    if (!row || altKey || ctrlKey || metaKey || shiftKey) return null;
    const rows = this.#all();
    const at = rows.indexOf(row);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, PageDown: at + 10, PageUp: at - 10 }[key];
    return to === undefined ? null : rows[Math.max(0, Math.min(rows.length - 1, to))];
  }

  /**
   * Scrolls to a row that may not be in the tree yet.
   *
   * @param {Row} row
   */
  reveal(row) {
    this.#measure();
    const { table, scroll } = this.#place;
    const top = table.getBoundingClientRect().top + this.#offset(row);
    this.#scrollBy(top - (this.#scrolls ? scroll.getBoundingClientRect().top + scroll.clientHeight / 2 : innerHeight / 2));
  }

  /** Does it scroll by itself, or with the page? */
  get #scrolls() {
    const { scroll } = this.#place;
    return scroll.scrollHeight > scroll.clientHeight;
  }

  #scrollBy(top) {
    (this.#scrolls ? this.#place.scroll : window).scrollBy({ top, behavior: 'instant' });
  }

  /** Where a row is in the table, px. */
  #offset(row) {
    let top = /** @type {HTMLElement} */ (this.#place.table.firstElementChild).offsetHeight;
    for (const { rows, element, body } of this.#ordered()) {
      top += element.offsetHeight - body.offsetHeight;
      const at = rows.indexOf(row);
      if (at >= 0) return top + at * this.#height;
      top += rows.length * this.#height;
    }
    return top;
  }
}

const calm = globalThis.matchMedia?.('(prefers-reduced-motion: reduce)') ?? { matches: true };
