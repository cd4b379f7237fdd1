/**
 * `<presence-board>`: who is there, kept true.
 *
 * @module
 */

import { PresenceElement } from './base.js';
import { BOARD } from './board-style.js';
import { attr, h, put, words } from './dom.js';
import { icon, setIcon } from './icons.js';
import { List } from './list.js';
import { COLUMNS, NAME } from './rows.js';
import { ORDER, count } from './view.js';
import { Voice } from './voice.js';

/** Without a connection for so long, ms, more is said than by the mark. */
const LOST = 2000;

const CONTROLS = ['summary', 'live', 'counts', 'search', 'group', 'group-by', 'sort'];
const TONES = { live: 'good', connecting: 'wait', reconnecting: 'bad', stale: 'bad' };
const MARKS = { live: 'live', connecting: 'wait', reconnecting: 'warn', stale: 'warn' };

export class PresenceBoard extends PresenceElement {
  /** Attributes that make the element's own Presence another. @internal */
  static linking = ['url', 'groups', 'users', 'mode', 'include-offline', 'user', 'credentials'];
  static observedAttributes = [...this.linking, 'columns', 'controls', 'selectable', 'labels', 'label', 'lang',
    'status', 'group', 'sort', 'group-by', 'announce'];
  /** @internal */
  static properties = ['presence', 'labels', 'filter', 'nameOf', 'noteOf', 'selected'];

  /** @type {typeof import('../presence.js').Presence} @internal */
  static Client;

  /** @type {import('./view.js').View} */
  #view = { status: '', group: '', search: '', sort: 'status', groupBy: 'none' };
  #filter = null;
  #nameOf = null;
  #noteOf = null;
  /** @type {string|null} */
  #selected = null;

  /** @type {Map<string, import('./list.js').Listed>} */
  #entries = new Map();
  /** Names of those who are offline, of whom the server tells none. */
  #names = new Map();

  /** Users whose members have changed since the last frame. */
  #dirty = new Set();
  #everything = true;
  #arranged = false;
  #flash = new Set();

  #collator;
  /** When it stopped being live: times stand still from then on. */
  #stoppedAt = null;
  /** For so long that people are told more than by the mark? */
  #lost = false;
  #problem = null;

  #dom = null;
  #sheet = null;
  /** Not where there are only counts. @type {List|null} */
  #list = null;
  /** @type {Voice|null} */
  #voice = null;
  #unwatch = null;
  #groupsSeen = '';

  constructor() {
    super(BOARD);
    this.#sheet = new CSSStyleSheet();
    this.shadowRoot.adoptedStyleSheets.push(this.#sheet);
  }

  // -- for the page

  /** Shows only members of which this is true. @type {((member: import('../presence.js').Member) => boolean)|null} */
  get filter() {
    return this.#filter;
  }

  set filter(filter) {
    this.#filter = filter;
    this.#again();
  }

  /** What a member is called; `meta.name` or else the user's id if this is null. @type {((member: import('../presence.js').Member) => string)|null} */
  get nameOf() {
    return this.#nameOf;
  }

  set nameOf(nameOf) {
    this.#nameOf = nameOf;
    this.#again();
  }

  /** The line below the name; the member's text or `meta.title` if this is null. @type {((member: import('../presence.js').Member) => string)|null} */
  get noteOf() {
    return this.#noteOf;
  }

  set noteOf(noteOf) {
    this.#noteOf = noteOf;
    this.#again();
  }

  /** The user whose row is marked, or null. @type {string|null} */
  get selected() {
    return this.#selected;
  }

  set selected(user) {
    this.#selected = user ?? null;
    this.#list?.select(this.#selected);
  }

  /** What is shown. @type {'connecting'|'live'|'reconnecting'|'stale'} */
  get live() {
    const { presence } = this;
    if (!presence?.ready) return 'connecting';
    return presence.live;
  }

  /** @internal */
  connectedCallback() {
    super.connectedCallback();
    this.#unwatch ??= new AbortController();
    const { signal } = this.#unwatch;
    const look = () => this.#list?.partial && this.schedule();
    document.addEventListener('scroll', look, { capture: true, passive: true, signal });
    addEventListener('resize', look, { passive: true, signal });
  }

  /** @internal */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.#unwatch?.abort();
    this.#unwatch = null;
    this.#voice?.stop();
  }

  // -- what it is made of

  /** @internal */
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

  /** @internal */
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

  /** @internal */
  linked() {
    this.#problem = null;
    this.#stoppedAt = null;
    this.#lost = false;
    this.#names.clear();
    this.#again();
    this.#turned();
  }

  /** The tree, without members. @internal */
  build() {
    const { texts } = this;
    const has = this.#has();
    const t = (path, values) => texts.get(`board.${path}`, values);
    const counting = this.#counting;
    this.#collator = new Intl.Collator(this.locale, { numeric: true, sensitivity: 'base' });
    for (const [name, attribute] of [['status', 'status'], ['group', 'group'], ['sort', 'sort'], ['groupBy', 'group-by']]) {
      if (this.hasAttribute(attribute)) this.#view[name] = this.getAttribute(attribute);
    }
    const columns = this.hasAttribute('columns') ? words(this.getAttribute('columns')).filter((name) => name in COLUMNS)
      : ['status', 'since', 'beat', 'seen'];
    this.#sheet.replaceSync(`:host { --_columns: ${[NAME, ...columns.map((name) => COLUMNS[name])].map(({ width }) => width).join(' ')}; }`);

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
    };
    dom.liveMark = h('span', { class: 'mark', part: 'live' }, dom.mark, dom.live);
    dom.notice = h('div', { class: 'notice', part: 'notice', 'data-tone': 'bad', hidden: true }, icon('warn'), dom.noticeText);
    dom.reset.addEventListener('click', () => this.#reset());
    dom.retry.addEventListener('click', () => this.presence.start());

    const root = h('div', { class: columns.length > 1 ? 'board' : 'board lean', part: 'board', role: 'group', 'aria-label': this.getAttribute('label') ?? t('label') });
    if (has.summary || has.live) {
      root.append(h('div', { class: 'top', part: 'top' }, ...(has.summary ? [dom.summary] : []), ...(has.live ? [dom.liveMark] : [])));
    }
    root.append(dom.notice);
    if (has.counts || counting) root.append(this.#makeCounts(t, counting));
    this.#list = null;
    if (!counting) root.append(this.#makePanel(t, has, columns));
    this.#voice?.stop();
    this.#voice = new Voice(texts);
    root.append(this.#voice.element);
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

  #makePanel(t, has, columns) {
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
        ...['name', ...columns].map((column) => this.#makeHead(column, t)))));
    dom.table.addEventListener('keydown', (event) => this.#key(event));
    dom.table.addEventListener('click', (event) => this.#click(event));
    dom.table.addEventListener('focusin', (event) => this.#list.focused(event));
    // Without anything in it to tab to, a list that scrolls must take the focus.
    dom.scroll = h('div', { class: 'scroll', part: 'scroll', tabindex: this.hasAttribute('selectable') || has.sort ? null : 0 }, dom.table);
    dom.scroll.addEventListener('scroll', () => this.#list.partial && this.schedule(), { passive: true });
    this.#list = new List({ table: dom.table, scroll: dom.scroll, groups: this.#groups, collator: this.#collator },
      { columns, selectable: this.hasAttribute('selectable'), texts: this.texts, times: this.times }, this.#view);
    this.#list.select(this.#selected);
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
    if (aloud && this.#speaks) {
      this.#voice.found(() => this.texts.get('board.shown', { n: this.#list.size, all: this.#entries.size }));
    }
  }

  #click(event) {
    const row = this.#list.rowOf(event.target);
    if (!row || !this.hasAttribute('selectable') || getSelection()?.type === 'Range') return;
    const { member } = row.entry;
    this.selected = this.#selected === member.user ? null : member.user;
    this.emit('presence-select', { user: this.#selected, member: this.#selected ? member : null });
  }

  #key(event) {
    const row = this.hasAttribute('selectable') ? this.#list.next(event) : null;
    if (!row) return;
    event.preventDefault();
    // Once more where the rows turn out to be of another height.
    for (let tries = 0; !row.element && tries < 3; tries++) {
      this.#list.reveal(row);
      this.draw();
    }
    row.button?.focus({ preventScroll: true });
    // All of it, not just the name.
    row.element?.scrollIntoView({ block: 'nearest', behavior: 'instant' });
  }

  // -- what the server tells

  #changed(reset, changes) {
    if (reset) this.#everything = true;
    for (const { member, previous } of changes) {
      this.#dirty.add(member.user);
      if (member.status !== (previous?.status ?? 'offline')) {
        this.#flash.add(member.user);
        if (this.#speaks && (!this.#filter || this.#filter(member))) {
          this.#voice.change(member.user, { name: this.#describe(member).name, status: member.status });
        }
      }
    }
    this.schedule();
  }

  #turned() {
    const { live, presence } = this;
    if (live === 'live') {
      if (this.#lost) this.#say('board.saidLive');
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
    this.#list?.clear();
    this.#entries.clear();
    this.schedule();
  }

  /** @internal */
  draw() {
    if (!this.#dom) return;
    this.#drawLive();
    if (!this.#list) {
      if (this.presence.ready) this.#drawCounts(this.#told());
      this.tick();
      return;
    }
    if (this.presence.ready) {
      const touched = this.#update();
      const settled = this.#arranged;
      if (settled) this.#list.settle(touched);
      else this.#list.arrange(this.#entries.values());
      this.#arranged = true;
      this.#drawGroups();
      if (this.#list.draw(touched, settled, this.#flash)) this.schedule();
      this.#flash.clear();
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
        this.#list.remove(entry);
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
    const shows = this.#list.size > 0;
    const denied = Boolean(this.#problem);
    const failed = !ready && this.presence.live === 'stale';
    const kind = denied ? 'denied' : !ready ? failed ? 'failed' : 'waiting' : this.#entries.size ? 'noMatch' : 'empty';
    scroll.hidden = !shows || denied && !ready;
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

  /** Times that stand in what can be seen. @internal */
  tick() {
    if (!this.presence?.ready || !this.#dom) return;
    this.#list?.tick(this.#now);
    this.#tickLost();
  }

  /** A connection that is back at once is not worth a notice. */
  #tickLost() {
    const span = this.#stoppedAt === null ? 0 : this.presence.now() - this.#stoppedAt;
    if (this.#stoppedAt !== null && !this.#lost && (span >= LOST || this.live === 'stale')) {
      this.#lost = true;
      this.#say('board.saidLost');
    }
    this.#dom.notice.hidden = !this.#lost;
    if (this.#lost) {
      put(this.#dom.noticeText, this.texts.get('board.lost', {
        time: this.times.clock(this.#stoppedAt), ago: this.times.ago(span),
      }));
    }
  }

  /** @param {string} label */
  #say(label) {
    if (this.#speaks) this.#voice.say(this.texts.get(label));
  }

  // -- attributes

  get #groups() {
    return words(this.getAttribute('groups'));
  }

  get #speaks() {
    return this.#voice !== null && this.getAttribute('announce') !== 'off';
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
