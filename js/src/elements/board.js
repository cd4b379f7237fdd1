/**
 * `<presence-board>`: who is there, kept true.
 *
 * @module
 */

import { PresenceElement } from './base.js';
import { BOARD } from './board-style.js';
import { attr, h, put, words } from './dom.js';
import { icon, setIcon } from './icons.js';
import { COLUMNS, NAME, Row } from './rows.js';
import { sheet } from './theme.js';
import { ORDER, comparator, count, isHere, matches, placeOf, sectionOrder, sectionsOf, spoken } from './view.js';

/** @typedef {import('./view.js').Entry} Entry */
/** @typedef {import('./view.js').View} View */

/** As many rows are all in the tree; of more only those that can be seen. */
const WHOLE = 100;
/** Rows above and below what can be seen. */
const AHEAD = 8;

/** Changes are said after this, ms, and then not more often than that. */
const SAY_AFTER = 1500;
const SAY_EVERY = 6000;

/** Without a connection for so long, ms, more is said than by the mark. */
const LOST = 2000;

const CONTROLS = ['summary', 'live', 'counts', 'search', 'group', 'group-by', 'sort'];
const TONES = { live: 'good', connecting: 'wait', reconnecting: 'bad', stale: 'bad' };
const MARKS = { live: 'live', connecting: 'wait', reconnecting: 'warn', stale: 'warn' };

/**
 * A list of members under one heading.
 *
 * @typedef {object} Section
 * @property {string} key
 * @property {HTMLElement} element
 * @property {HTMLElement|null} heading  how many there are
 * @property {HTMLElement} list
 * @property {Row[]} rows        all of them, in order
 * @property {Set<Row>} drawn    those in the tree
 */

export class PresenceBoard extends PresenceElement {
  static linking = ['url', 'groups', 'users', 'mode', 'include-offline', 'user', 'credentials'];
  static observedAttributes = [...this.linking, 'columns', 'controls', 'selectable', 'labels', 'label', 'lang',
    'status', 'group', 'sort', 'group-by', 'announce'];
  static properties = ['presence', 'labels', 'filter', 'nameOf', 'noteOf', 'selected'];

  /** @type {typeof import('../../presence.js').Presence} */
  static Client;

  /** @type {View} */
  #view = { status: '', group: '', search: '', sort: 'status', groupBy: 'none' };
  #filter = null;
  #nameOf = null;
  #noteOf = null;
  #selected = null;

  /** @type {Map<string, Entry & {rows: Map<string, Row>}>} */
  #entries = new Map();
  /** @type {Map<string, Section>} */
  #sections = new Map();
  /** Names of those who are offline, of whom the server tells none. */
  #names = new Map();

  /** Users whose members have changed since the last frame. */
  #dirty = new Set();
  #everything = true;
  #arranged = false;
  #sectioned = 'none';
  #flash = new Set();

  #compare; #collator;
  /** When it stopped being live: times stand still from then on. */
  #stoppedAt = null;
  /** For so long that people are told more than by the mark? */
  #lost = false;
  #problem = null;

  #dom = null;
  #columns = [];
  #sheet = null;
  /** The row that can be tabbed to. @type {Row|null} */
  #focus = null;
  #unwatch = null;
  #windowed = false;
  #height = 62;
  #groupsSeen = '';
  #say = new Map();
  #saying; #saidAt = -Infinity;

  constructor() {
    super(BOARD);
    this.#sheet = new CSSStyleSheet();
    this.shadowRoot.adoptedStyleSheets.push(this.#sheet);
  }

  // -- for the page

  /** Shows only members of which this is true. @type {((member: object) => boolean)|null} */
  get filter() {
    return this.#filter;
  }

  set filter(filter) {
    this.#filter = filter;
    this.#again();
  }

  /** What a member is called; `meta.name` or else the user's id if this is null. @type {((member: object) => string)|null} */
  get nameOf() {
    return this.#nameOf;
  }

  set nameOf(nameOf) {
    this.#nameOf = nameOf;
    this.#again();
  }

  /** The line below the name; the member's text or `meta.title` if this is null. @type {((member: object) => string)|null} */
  get noteOf() {
    return this.#noteOf;
  }

  set noteOf(noteOf) {
    this.#noteOf = noteOf;
    this.#again();
  }

  /** The user whose row is marked, or null. */
  get selected() {
    return this.#selected;
  }

  set selected(user) {
    const before = this.#selected;
    this.#selected = user ?? null;
    for (const id of [before, this.#selected]) this.#choose(this.#entries.get(id));
  }

  /** What is shown: `connecting`, `live`, `reconnecting` or `stale`. */
  get live() {
    const { presence } = this;
    if (!presence?.ready) return 'connecting';
    return presence.live;
  }

  connectedCallback() {
    super.connectedCallback();
    this.#unwatch ??= new AbortController();
    const { signal } = this.#unwatch;
    const look = () => this.#windowed && this.schedule();
    document.addEventListener('scroll', look, { capture: true, passive: true, signal });
    addEventListener('resize', look, { passive: true, signal });
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#unwatch?.abort();
    this.#unwatch = null;
    clearTimeout(this.#saying);
    this.#saying = undefined;
  }

  // -- what it is made of

  make() {
    return new PresenceBoard.Client({
      url: this.getAttribute('url'),
      credentials: this.getAttribute('credentials') ?? undefined,
      beat: false,
      user: this.getAttribute('user') ?? undefined,
      groups: this.#groups,
      users: words(this.getAttribute('users')),
      mode: this.getAttribute('mode') === 'count' ? 'count' : 'full',
      include: this.hasAttribute('include-offline') ? 'offline' : undefined,
    });
  }

  listeners() {
    return {
      members: ({ reset, changes }) => this.#changed(reset, changes),
      live: () => this.#turned(),
      state: () => this.#turned(),
      denied: (problem) => {
        this.#problem = problem;
        this.schedule();
      },
    };
  }

  linked() {
    this.#problem = null;
    this.#stoppedAt = null;
    this.#lost = false;
    this.#names.clear();
    this.#again();
    this.#turned();
  }

  /** The tree, without members. */
  build() {
    const { texts } = this;
    const has = this.#has();
    const t = (path, values) => texts.get(`board.${path}`, values);
    const counting = this.#counting;
    this.#collator = new Intl.Collator(this.locale, { numeric: true, sensitivity: 'base' });
    for (const [name, attribute] of [['status', 'status'], ['group', 'group'], ['sort', 'sort'], ['groupBy', 'group-by']]) {
      if (this.hasAttribute(attribute)) this.#view[name] = this.getAttribute(attribute);
    }
    this.#columns = this.hasAttribute('columns') ? words(this.getAttribute('columns')).filter((name) => name in COLUMNS)
      : ['status', 'since', 'beat', 'seen'];
    this.#sheet.replaceSync(`:host { --_columns: ${[NAME, ...this.#columns.map((name) => COLUMNS[name])].map(({ width }) => width).join(' ')}; }`);

    const dom = this.#dom = {
      summary: h('p', { class: 'summary' }),
      mark: icon(), live: h('span'), liveMark: null,
      noticeText: h('p'), notice: null,
      counts: new Map(),
      search: null, group: null, groupPick: null, sort: null,
      heads: new Map(),
      emptyIcon: icon('people'), emptyTitle: h('strong'), emptyText: h('p'),
      reset: h('button', { class: 'button', type: 'button' }, t('reset')),
      retry: h('button', { class: 'button', type: 'button' }, t('retry')),
      aloud: h('div', { class: 'aloud', role: 'status', 'aria-live': 'polite' }),
    };
    dom.liveMark = h('span', { class: 'mark', part: 'live' }, dom.mark, dom.live);
    dom.notice = h('div', { class: 'notice', part: 'notice', 'data-tone': 'bad', hidden: true }, icon('warn'), dom.noticeText);
    dom.reset.addEventListener('click', () => this.#reset());
    dom.retry.addEventListener('click', () => this.presence.start());

    const root = h('div', { class: this.#columns.length > 1 ? 'board' : 'board lean', part: 'board', role: 'group', 'aria-label': this.getAttribute('label') ?? t('label') });
    if (has.summary || has.live) {
      root.append(h('div', { class: 'top', part: 'top' }, ...(has.summary ? [dom.summary] : []), ...(has.live ? [dom.liveMark] : [])));
    }
    root.append(dom.notice);
    if (has.counts || counting) root.append(this.#makeCounts(t, counting));
    if (!counting) root.append(this.#makePanel(t, has));
    root.append(dom.aloud);
    dom.root = root;

    this.shadowRoot.replaceChildren(root);
    this.#groupsSeen = '';
    this.#again();
  }

  #makeCounts(t, counting) {
    const root = h('div', { class: 'counts', part: 'counts', role: 'group', 'aria-label': t('only') });
    for (const status of ['', ...ORDER]) {
      const number = h('b', {}, '–');
      const tile = h(counting ? 'div' : 'button', { class: 'count', part: 'count', type: counting ? null : 'button', 'data-status': status || null, 'data-count': status || 'all' },
        number, icon(status || 'people'), h('span', {}, status ? this.texts.get(`status.${status}`) : t('all')));
      if (!counting) tile.addEventListener('click', () => this.#only(this.#view.status === status ? '' : status));
      this.#dom.counts.set(status, { number, tile });
      root.append(tile);
    }
    return root;
  }

  #makePanel(t, has) {
    const dom = this.#dom;
    const pick = (label, options, value, fn) => {
      const select = h('select', { class: 'field' }, ...Object.entries(options).map(([key, text]) => h('option', { value: key }, text)));
      select.value = value;
      select.addEventListener('change', () => fn(select.value));
      return [select, h('label', { class: 'pick' }, h('span', {}, label), select)];
    };
    const tools = [];
    if (has.search) {
      dom.search = h('input', { class: 'field', type: 'search', autocomplete: 'off', spellcheck: 'false', 'aria-label': t('search'), placeholder: t('searchHint') });
      dom.search.value = this.#view.search;
      dom.search.addEventListener('input', () => {
        this.#view.search = dom.search.value.trim().toLowerCase();
        this.#rearrange(true);
      });
      tools.push(h('div', { class: 'look' }, icon('search'), dom.search));
    }
    if (has.group) {
      [dom.group, dom.groupPick] = pick(t('group'), {}, '', (group) => {
        this.#view.group = group;
        this.#rearrange(true);
      });
      dom.groupPick.hidden = true;
      tools.push(dom.groupPick);
    }
    if (has['group-by']) {
      tools.push(pick(t('groupBy'), this.texts.group('board.groupBys'), this.#view.groupBy, (by) => {
        this.#view.groupBy = /** @type {any} */ (by);
        this.#rearrange();
      })[1]);
    }
    if (has.sort) {
      const [select, label] = pick(t('sort'), this.texts.group('board.sorts'), this.#view.sort, (sort) => this.#sort(sort));
      dom.sort = select;
      tools.push(label);
    }

    dom.table = h('div', { class: 'table', part: 'table', role: 'table', tabindex: -1, 'aria-label': this.getAttribute('label') ?? t('label') },
      h('div', { role: 'rowgroup' }, h('div', { class: 'head', part: 'head', role: 'row' },
        ...['name', ...this.#columns].map((column) => this.#makeHead(column, t)))));
    dom.table.addEventListener('keydown', (event) => this.#key(event));
    dom.table.addEventListener('click', (event) => this.#click(event));
    dom.table.addEventListener('focusin', (event) => this.#focused(event));
    // Without anything in it to tab to, a list that scrolls must take the focus.
    dom.scroll = h('div', { class: 'scroll', part: 'scroll', tabindex: this.hasAttribute('selectable') || has.sort ? null : 0 }, dom.table);
    dom.scroll.addEventListener('scroll', () => this.#windowed && this.schedule(), { passive: true });
    dom.empty = h('div', { class: 'empty', part: 'empty' }, dom.emptyIcon, dom.emptyTitle, dom.emptyText,
      h('slot', { name: 'empty' }), dom.reset, dom.retry);
    return h('div', { class: 'panel', part: 'panel' },
      ...(tools.length ? [h('div', { class: 'tools', part: 'tools' }, ...tools)] : []), dom.scroll, dom.empty);
  }

  #makeHead(column, t) {
    const { sorts } = column === 'name' ? NAME : COLUMNS[column];
    const text = t(`columns.${column}`);
    const head = h('div', { role: 'columnheader' });
    if (!sorts || !this.#has().sort) {
      head.append(text);
      return head;
    }
    const button = h('button', { type: 'button' }, text, icon('up'));
    button.addEventListener('click', () => this.#sort(this.#view.sort === sorts[0] ? sorts[1] : sorts[0]));
    head.append(button);
    this.#dom.heads.set(column, { head, sorts });
    return head;
  }

  // -- what the person chooses

  #only(status) {
    this.#view.status = status;
    this.#rearrange(true);
  }

  #sort(sort) {
    this.#view.sort = sort;
    this.#rearrange();
  }

  #reset() {
    Object.assign(this.#view, { status: '', group: '', search: '' });
    if (this.#dom.search) this.#dom.search.value = '';
    if (this.#dom.group) this.#dom.group.value = '';
    this.#rearrange(true);
    this.#dom.search?.focus();
  }

  #rearrange(aloud = false) {
    this.#arranged = false;
    this.schedule();
    if (aloud) this.#say.set('', null);
    if (aloud) this.#speakSoon(700);
  }

  #click(event) {
    const row = this.#rowOf(event.target);
    if (!row || !this.hasAttribute('selectable') || getSelection()?.type === 'Range') return;
    const { member } = row.entry;
    this.selected = this.#selected === member.user ? null : member.user;
    this.emit('presence-select', { user: this.#selected, member: this.#selected ? member : null });
  }

  #key(event) {
    const row = event.target === this.#dom.table ? this.#focus : this.#rowOf(event.target);
    if (!row || !this.hasAttribute('selectable') || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const rows = this.#ordered().flatMap((section) => section.rows);
    const at = rows.indexOf(row);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#goTo(rows[Math.max(0, Math.min(rows.length - 1, to))]);
  }

  #focused(event) {
    const row = this.#rowOf(event.target);
    if (row) this.#rove(row);
  }

  /** One row alone can be tabbed to; the arrows go on from there. */
  #rove(row) {
    if (this.#focus === row) return;
    this.#focus?.button?.setAttribute('tabindex', '-1');
    this.#focus = row;
    row?.button?.setAttribute('tabindex', '0');
  }

  #rowOf(target) {
    return this.#rows.get(target.closest?.('.row')) ?? null;
  }

  /** @type {WeakMap<Element, Row>} */
  #rows = new WeakMap();

  /** Focus on a row that may not be in the tree yet. */
  #goTo(row) {
    const { table, scroll } = this.#dom;
    if (!row.element) {
      const within = scroll.scrollHeight > scroll.clientHeight;
      const by = table.getBoundingClientRect().top + this.#offset(row) - (within ? scroll.getBoundingClientRect().top : 0)
        - (within ? scroll.clientHeight : innerHeight) / 2;
      (within ? scroll : globalThis).scrollBy({ top: by, behavior: 'instant' });
      this.draw();
    }
    row.button?.focus();
  }

  /** Where a row is in the table, px. */
  #offset(row) {
    let top = this.#dom.table.firstElementChild.offsetHeight;
    for (const { rows, element, list } of this.#ordered()) {
      top += element.offsetHeight - list.offsetHeight;
      const at = rows.indexOf(row);
      if (at >= 0) return top + at * this.#height;
      top += rows.length * this.#height;
    }
    return top;
  }

  #choose(entry) {
    for (const row of entry?.rows.values() ?? []) {
      if (row.element && row.button.localName === 'button') row.choose(entry.member.user === this.#selected);
    }
  }

  // -- what the server tells

  #changed(reset, changes) {
    if (reset) this.#everything = true;
    for (const { member, previous } of changes) {
      this.#dirty.add(member.user);
      if (member.status !== (previous?.status ?? 'offline')) {
        this.#flash.add(member.user);
        if (!this.#filter || this.#filter(member)) this.#tell(member);
      }
    }
    this.schedule();
  }

  #turned() {
    const { live, presence } = this;
    if (live === 'live') {
      if (this.#lost) this.#announce(this.texts?.get('board.saidLive'));
      this.#stoppedAt = null;
      this.#lost = false;
      this.#problem = null;
    } else if (presence.ready) {
      this.#stoppedAt ??= presence.now();
    }
    if (presence.state !== 'denied' && presence.state !== 'stopped') this.#problem = null;
    this.emit('presence-live', { live });
    this.schedule();
  }

  // -- drawing

  /** Everything that is known is looked at anew. */
  #again() {
    this.#everything = true;
    this.#arranged = false;
    for (const { element } of this.#sections.values()) element.remove();
    this.#sections.clear();
    this.#entries.clear();
    this.#focus = null;
    this.schedule();
  }

  draw() {
    if (!this.#dom) return;
    this.#drawLive();
    if (this.#counting) {
      if (this.presence.ready) this.#drawCounts(this.#told());
      this.tick();
      return;
    }
    if (this.presence.ready) {
      const touched = this.#update();
      const settled = this.#arranged;
      if (settled) this.#settle(touched);
      else this.#arrange();
      this.#drawGroups();
      this.#drawSections(touched, settled);
      this.#drawCounts(this.#count());
      this.#drawHeads();
    }
    this.#drawEmpty();
    this.tick();
  }

  /** Entries of those who have changed. */
  #update() {
    const { members } = this.presence;
    const touched = [];
    if (this.#everything) {
      this.#arranged = false;
      for (const user of this.#entries.keys()) if (!members.has(user)) this.#dirty.add(user);
      for (const user of members.keys()) this.#dirty.add(user);
    }
    for (const user of this.#dirty) {
      const member = members.get(user);
      let entry = this.#entries.get(user);
      if (entry && entry.member === member && !this.#everything) continue;
      if (member && (!this.#filter || this.#filter(member))) {
        if (!entry) this.#entries.set(user, entry = { rows: new Map() });
        Object.assign(entry, this.#describe(member));
        touched.push(entry);
      } else if (entry) {
        this.#entries.delete(user);
        for (const key of [...entry.rows.keys()]) this.#drop(entry, key);
      }
    }
    this.#dirty.clear();
    this.#everything = false;
    return touched;
  }

  #describe(member) {
    const { user, text, meta } = member;
    const string = (value) => (typeof value === 'string' ? value.trim() : '');
    let name = string(this.#nameOf ? this.#nameOf(member) : meta?.name);
    if (name) this.#names.set(user, name);
    else name = this.#names.get(user) ?? user;
    return { member, name, note: string(this.#noteOf ? this.#noteOf(member) : text || meta?.title), reason: this.texts.reason(member) };
  }

  #tell(member) {
    if (this.getAttribute('announce') === 'off' || !this.texts) return;
    this.#say.set(member.user, { name: this.#describe(member).name, status: member.status });
    this.#speakSoon(SAY_AFTER);
  }

  /** Puts the changed into their places, and leaves the others where they are. */
  #settle(touched) {
    const wanted = new Map();
    for (const entry of touched) {
      const keys = this.#places(entry);
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

  /** Everybody's place, anew. */
  #arrange() {
    const by = comparator(this.#view.sort, this.#collator);
    this.#compare = (a, b) => by(a.entry, b.entry);
    this.#arranged = true;
    if (this.#sectioned !== this.#view.groupBy) {
      this.#sectioned = this.#view.groupBy;
      for (const { element } of this.#sections.values()) element.remove();
      this.#sections.clear();
    }
    for (const section of this.#sections.values()) section.rows = [];
    for (const entry of this.#entries.values()) {
      const keys = this.#places(entry);
      for (const key of [...entry.rows.keys()]) if (!keys.includes(key)) this.#drop(entry, key);
      for (const key of keys) this.#section(key).rows.push(this.#row(entry, key));
    }
    for (const section of this.#sections.values()) section.rows.sort(this.#compare);
  }

  /** The sections in which a member is to be shown. */
  #places(entry) {
    return matches(this.#view, entry) ? sectionsOf(this.#view, entry.member, this.#groups) : [];
  }

  #row(entry, key) {
    let row = entry.rows.get(key);
    if (!row) {
      row = new Row(entry, {
        columns: this.#columns, selectable: this.hasAttribute('selectable'), texts: this.texts, times: this.times,
      });
      entry.rows.set(key, row);
    }
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
      const heading = this.#view.groupBy === 'none' ? null : h('small');
      const name = this.#view.groupBy === 'status' ? this.texts.get(`status.${key}`) : key || this.texts.get('board.noGroup');
      const list = h('div', { role: 'presentation' });
      const element = h('div', { class: 'body', role: 'rowgroup' });
      if (heading) {
        element.append(h('div', { class: 'section', role: 'row', part: 'section', 'data-status': this.#view.groupBy === 'status' ? key : null },
          h('div', { role: 'rowheader', 'aria-colspan': this.#columns.length + 1 },
            ...(this.#view.groupBy === 'status' ? [icon(key)] : []), name, heading)));
      }
      element.append(list);
      this.#sections.set(key, section = { key, element, heading, list, rows: [], drawn: new Set() });
    }
    return section;
  }

  #ordered() {
    const order = sectionOrder(this.#view, this.#groups, this.#collator);
    return [...this.#sections.values()].sort((a, b) => order(a.key, b.key));
  }

  #drawSections(touched, settled) {
    const sections = this.#ordered().filter((section) => section.rows.length || this.#forget(section));
    const all = sections.reduce((sum, { rows }) => sum + rows.length, 0);
    this.#windowed = all > WHOLE;
    const seen = this.#windowed ? this.#seen() : null;
    const active = this.shadowRoot.activeElement;
    const moved = new Set();
    let top = 0;
    let index = 1;
    let before = this.#dom.table.firstElementChild;

    for (const entry of touched) {
      for (const row of entry.rows.values()) {
        if (!row.element) continue;
        row.fill();
        if (settled) moved.add(row.element);
        if (this.#flash.has(entry.member.user) && this.#flash.size <= 20 && !calm.matches) row.flash();
      }
    }
    this.#flash.clear();

    for (const section of sections) {
      const { rows, element, heading, list } = section;
      if (before.nextElementSibling !== element) before.after(element);
      before = element;
      if (heading) {
        put(heading, this.#view.groupBy === 'status' ? this.texts.number(rows.length)
          : this.texts.get('board.here', { n: rows.length, here: rows.filter(({ entry }) => isHere(entry.member)).length }));
        if (seen) top += element.offsetHeight - list.offsetHeight;
        index++;
      }
      const within = (y) => Math.max(0, Math.min(rows.length, Math.floor((y - top) / this.#height)));
      const from = seen ? Math.max(0, within(seen.top) - AHEAD) : 0;
      const to = seen ? Math.min(rows.length, within(seen.bottom) + AHEAD) : rows.length;
      this.#drawRows(section, from, to, moved, seen ? index : 0);
      top += rows.length * this.#height;
      index += rows.length;
    }
    attr(this.#dom.table, 'aria-rowcount', seen ? index : null);

    if (active && this.shadowRoot.activeElement !== active) {
      // Moved within the list it keeps the focus; with the row gone from what
      // can be seen, the list has it, and the arrows go on from the row.
      (active.isConnected ? active : this.#dom.table).focus({ preventScroll: true });
    }
    if (this.hasAttribute('selectable') && !this.#focus) this.#rove(sections[0]?.rows.find(({ element }) => element) ?? null);
    const height = sections[0] && [...sections[0].drawn][0]?.element.offsetHeight;
    if (height && height !== this.#height) {
      this.#height = height;
      if (seen) this.schedule();
    }
  }

  #forget(section) {
    section.element.remove();
    this.#sections.delete(section.key);
    return false;
  }

  /** What can be seen of the rows, px below the heads of the columns. */
  #seen() {
    const { table, scroll } = this.#dom;
    const start = table.getBoundingClientRect().top + table.firstElementChild.offsetHeight;
    const clip = scroll.getBoundingClientRect();
    return { top: Math.max(0, clip.top) - start, bottom: Math.min(innerHeight, clip.bottom) - start };
  }

  /**
   * Has some of a section's rows in the tree, in the order of the list, and
   * room for the others.  Elements of rows that have changed may be in the
   * wrong place: the walk passes over them and fetches them when it is their
   * turn, so that one that moves costs one move.
   */
  #drawRows({ list, rows, drawn }, from, to, moved, index) {
    const wanted = new Set(rows.slice(from, to));
    for (const row of drawn) {
      if (wanted.has(row)) continue;
      row.element?.remove();
      row.element = null;
    }
    drawn.clear();
    let place = list.firstElementChild;
    let n = index + from;
    for (const row of wanted) {
      drawn.add(row);
      if (!row.element) this.#makeRow(row);
      if (row.element !== place) {
        while (place && place !== row.element && moved.has(place)) place = place.nextElementSibling;
      }
      if (row.element === place) place = place.nextElementSibling;
      else list.insertBefore(row.element, place);
      attr(row.element, 'aria-rowindex', index ? ++n : null);
    }
    const room = (count) => (count ? `${count * this.#height}px` : '');
    if (list.style.paddingBlockStart !== room(from)) list.style.paddingBlockStart = room(from);
    if (list.style.paddingBlockEnd !== room(rows.length - to)) list.style.paddingBlockEnd = room(rows.length - to);
  }

  #makeRow(row) {
    this.#rows.set(row.make(), row);
    if (row.button.localName === 'button') {
      row.choose(row.entry.member.user === this.#selected);
      if (row === this.#focus) row.button.setAttribute('tabindex', '0');
    }
  }

  #drawLive() {
    const { live } = this;
    const kind = this.#problem ? 'stale' : live;
    attr(this.#dom.liveMark, 'data-tone', TONES[kind]);
    setIcon(this.#dom.mark, MARKS[kind]);
    put(this.#dom.live, this.#problem ? this.texts.get('board.denied') : this.texts.get(`live.${live}`));
    this.#dom.root.classList.toggle('stale', live !== 'live' && live !== 'connecting');
  }

  #drawCounts(counts) {
    for (const [status, { number, tile }] of this.#dom.counts) {
      put(number, this.texts.number(counts[status || 'all']));
      if (!this.#counting) attr(tile, 'aria-pressed', this.#view.status === status);
    }
    const here = counts.all - counts.offline;
    put(this.#dom.summary, !counts.all ? this.texts.get('board.nobody')
      : `${this.texts.get('board.here', { n: counts.all, here })}, ${this.texts.get('board.free', { n: counts.online })}`);
  }

  #count() {
    const members = [...this.#entries.values()].map(({ member }) => member);
    return count(this.#view.group ? members.filter(({ groups }) => groups?.includes(this.#view.group)) : members);
  }

  #told() {
    const { counts } = this.presence;
    return { ...counts, all: ORDER.reduce((sum, status) => sum + (counts[status] ?? 0), 0) };
  }

  /** The choice of groups: those asked for, else those that there are. */
  #drawGroups() {
    const { group, groupPick } = this.#dom;
    if (!group) return;
    const seen = new Set(this.#groups);
    if (!seen.size) for (const { member } of this.#entries.values()) for (const name of member.groups ?? []) seen.add(name);
    const names = this.#groups.length ? this.#groups : [...seen].sort(this.#collator.compare);
    const key = names.join(' ');
    if (key === this.#groupsSeen) return;
    this.#groupsSeen = key;
    if (this.#view.group && !seen.has(this.#view.group)) names.push(this.#view.group);
    group.replaceChildren(h('option', { value: '' }, this.texts.get('board.allGroups')), ...names.map((name) => h('option', { value: name }, name)));
    group.value = this.#view.group;
    groupPick.hidden = names.length < 2;
  }

  #drawHeads() {
    for (const { head, sorts } of this.#dom.heads.values()) {
      const { sort } = this.#view;
      attr(head, 'aria-sort', !sorts.includes(sort) ? null : sort.startsWith('-') ? 'descending' : 'ascending');
    }
    if (this.#dom.sort) {
      this.#dom.sort.value = this.#view.sort;
      // Sorted by a head in a way that the choice does not have.
      if (this.#dom.sort.selectedIndex < 0) this.#dom.sort.value = this.#view.sort.replace('-', '');
    }
  }

  #drawEmpty() {
    const { empty, emptyIcon, emptyTitle, emptyText, reset, retry, scroll } = this.#dom;
    const { ready } = this.presence;
    const rows = [...this.#sections.values()].some((section) => section.rows.length);
    const denied = Boolean(this.#problem);
    const failed = !ready && this.presence.live === 'stale';
    const kind = denied ? 'denied' : !ready ? failed ? 'failed' : 'waiting' : this.#entries.size ? 'noMatch' : 'empty';
    scroll.hidden = !rows || denied && !ready;
    empty.hidden = !scroll.hidden;
    if (empty.hidden) return;
    setIcon(emptyIcon, denied || failed ? 'warn' : kind === 'waiting' ? 'wait' : 'people');
    put(emptyTitle, this.texts.get(`board.${kind}`));
    put(emptyText, this.#problem?.problem?.detail ?? this.texts.get(`board.${kind}Hint`));
    reset.hidden = kind !== 'noMatch';
    retry.hidden = !denied;
    empty.querySelector('slot').hidden = kind !== 'empty';
  }

  get #now() {
    return this.#stoppedAt ?? this.presence.now();
  }

  /** Times that stand in what can be seen. */
  tick() {
    if (!this.presence?.ready || !this.#dom) return;
    const now = this.#now;
    for (const { drawn } of this.#sections.values()) for (const row of drawn) row.tick(now);
    this.#tickLost();
  }

  /** A connection that is back at once is not worth a notice. */
  #tickLost() {
    const span = this.#stoppedAt === null ? 0 : this.presence.now() - this.#stoppedAt;
    if (this.#stoppedAt !== null && !this.#lost && (span >= LOST || this.live === 'stale')) {
      this.#lost = true;
      this.#announce(this.texts.get('board.saidLost'));
    }
    this.#dom.notice.hidden = !this.#lost;
    if (this.#lost) {
      put(this.#dom.noticeText, this.texts.get('board.lost', {
        time: this.times.clock(this.#stoppedAt), ago: this.times.ago(span),
      }));
    }
  }

  // -- what is said aloud

  #speakSoon(ms) {
    if (this.#saying) return;
    const wait = Math.max(ms, this.#saidAt + SAY_EVERY - performance.now());
    this.#saying = setTimeout(() => this.#speak(), this.#say.has('') ? ms : wait);
  }

  #speak() {
    this.#saying = undefined;
    const found = this.#say.delete('');
    const parts = [];
    if (this.#say.size) parts.push(spoken(this.#say, this.texts));
    this.#say.clear();
    if (found) {
      const shown = new Set([...this.#sections.values()].flatMap(({ rows }) => rows.map(({ entry }) => entry))).size;
      parts.unshift(this.texts.get('board.shown', { n: shown, all: this.#entries.size }));
    }
    this.#announce(parts.join('. '));
  }

  #announce(text) {
    if (!text || !this.#dom || this.getAttribute('announce') === 'off') return;
    this.#saidAt = performance.now();
    put(this.#dom.aloud, text);
  }

  // -- attributes

  get #groups() {
    return words(this.getAttribute('groups'));
  }

  get #counting() {
    return this.getAttribute('mode') === 'count';
  }

  /** Which controls there are. */
  #has() {
    const asked = this.getAttribute('controls');
    const names = asked === null ? CONTROLS : words(asked);
    return Object.fromEntries(CONTROLS.map((name) => [name, names.includes(name)]));
  }
}

const calm = globalThis.matchMedia?.('(prefers-reduced-motion: reduce)') ?? { matches: true };
