/**
 * `<presence-status>`: the own status, set by hand if need be, and whether the
 * server hears this page.
 *
 * @module
 */

import { PresenceElement } from './base.js';
import { attr, h, put, words } from './dom.js';
import { icon, setIcon } from './icons.js';
import { STATUS } from './status-style.js';

/** Statuses by hand; `online` returns to the automatic one. */
const CHOICES = ['online', 'busy', 'dnd', 'away', 'invisible'];

/** Of a status by hand, seconds, or `day` for what is left of it. */
const DURATIONS = '1800 3600 14400 day';

/** Arrows walk through the choices: the one that they stop at is meant. */
const WALK = 600;

const TONES = { online: 'good', idle: 'good', background: 'good', starting: 'wait', retrying: 'bad', denied: 'bad' };
const MARKS = { good: 'live', wait: 'wait', bad: 'warn', off: 'offline' };

export class PresenceStatus extends PresenceElement {
  /** Attributes that make the element's own Presence another. @internal */
  static linking = ['url', 'worker', 'credentials'];
  static observedAttributes = [...this.linking, 'menu', 'durations', 'statuses', 'no-text', 'labels', 'label', 'lang'];
  /** @internal */
  static properties = ['presence', 'labels'];

  /** @type {typeof import('../presence.js').Presence} @internal */
  static Client;

  #dom = null;
  #walking; #byKey = false;
  #notice = '';
  #text = null;
  #undo = null;

  constructor() {
    super(STATUS);
  }

  /** @internal */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.#undo?.abort();
    this.#undo = null;
    clearTimeout(this.#walking);
  }

  /** @internal */
  make() {
    return new PresenceStatus.Client({
      url: this.getAttribute('url'),
      credentials: this.getAttribute('credentials') ?? undefined,
      stream: 'self',
      worker: this.getAttribute('worker') ?? undefined,
    });
  }

  /** @internal */
  listeners() {
    return {
      change: () => this.schedule(),
      beat: () => this.schedule(),
      state: () => this.schedule(),
      rejected: ({ problem }) => this.#tell(problem?.detail ?? this.texts.get('own.rejected')),
      recovered: ({ reason }) => this.#tell(this.texts.get('own.recovered', { reason: this.texts.group('reason')[reason] ?? reason })),
      denied: () => this.schedule(),
    };
  }

  /** @internal */
  linked() {
    this.#notice = '';
    this.#text = null;
  }

  /** @internal */
  build() {
    const t = (path, values) => this.texts.get(`own.${path}`, values);
    const menu = this.hasAttribute('menu');
    const label = this.getAttribute('label') ?? t('label');
    const dom = this.#dom = {
      mark: icon(), word: h('span'), state: null,
      hint: h('p', { class: 'hint', part: 'hint' }),
      linkIcon: icon(), link: h('span'), linkMark: null,
      start: h('button', { class: 'button', type: 'button', hidden: true }, t('start')),
      form: h('form', { class: 'panel', part: 'panel' }),
      until: null, text: null,
      noticeText: h('p'), notice: null,
      aloud: h('div', { class: 'aloud', role: 'status', 'aria-live': 'polite' }),
      trigger: null,
    };
    dom.state = h('span', { class: 'state', part: 'state' }, dom.mark, dom.word);
    dom.linkMark = h('span', { class: menu ? 'link' : 'mark', part: 'link' }, dom.linkIcon, menu ? h('span', { class: 'aloud' }, dom.link) : dom.link);
    dom.notice = h('div', { class: 'notice', part: 'notice', 'data-tone': 'wait', hidden: true }, icon('warn'), dom.noticeText);
    dom.start.addEventListener('click', () => this.presence.start());
    this.#makeForm(t);

    const root = h('div', { class: menu ? 'status menu' : 'status', part: 'status', role: 'group', 'aria-label': label });
    this.#undo?.abort();
    this.#undo = new AbortController();
    if (menu) {
      dom.trigger = h('button', { class: 'trigger', part: 'trigger', type: 'button', 'aria-expanded': 'false' }, dom.state, dom.linkMark, icon('down'));
      dom.form.hidden = true;
      dom.form.prepend(dom.hint);
      dom.form.append(dom.start);
      dom.trigger.addEventListener('click', () => this.#open(dom.form.hidden));
      const { signal } = this.#undo;
      document.addEventListener('pointerdown', (event) => event.composedPath().includes(this) || this.#open(false), { signal });
      root.addEventListener('keydown', (event) => {
        if (event.key !== 'Escape' || dom.form.hidden) return;
        event.stopPropagation();
        this.#open(false);
        dom.trigger.focus();
      });
      root.addEventListener('focusout', ({ relatedTarget }) => relatedTarget && !root.contains(relatedTarget) && this.#open(false));
      root.append(dom.trigger, dom.form, dom.aloud);
    } else {
      root.append(h('div', { class: 'own' }, dom.state, dom.linkMark, dom.start, dom.hint), dom.notice, dom.form, dom.aloud);
    }
    this.shadowRoot.replaceChildren(root);
    if (menu) dom.form.prepend(dom.notice);
  }

  #makeForm(t) {
    const dom = this.#dom;
    const offered = this.hasAttribute('statuses') ? ['online', ...words(this.getAttribute('statuses'))] : CHOICES;
    const choices = CHOICES.filter((status) => offered.includes(status));
    dom.form.append(h('fieldset', {}, h('legend', {}, t('choose')), h('div', { class: 'choices', part: 'choices' },
      ...choices.map((status) => h('label', { class: 'choice', part: 'choice' },
        h('input', { type: 'radio', name: 'status', value: status, checked: status === 'online' }),
        h('span', { 'data-status': status === 'online' ? null : status }, icon(status === 'online' ? 'auto' : status),
          status === 'online' ? t('automatic') : this.texts.get(`status.${status}`)))))));

    dom.until = h('select', { class: 'field' }, h('option', { value: '' }, t('always')),
      ...words(this.getAttribute('durations') ?? DURATIONS).map((value) => h('option', { value },
        value === 'day' ? t('day') : this.times.long(Number(value) * 1000))));
    const how = h('div', { class: 'how' }, h('label', {}, h('span', { class: 'label' }, t('until')), dom.until));
    if (!this.hasAttribute('no-text')) {
      dom.text = h('input', { class: 'field', autocomplete: 'off', maxlength: 80, placeholder: t('textHint') });
      how.append(h('label', {}, h('span', { class: 'label' }, t('text')), dom.text),
        h('button', { class: 'button', type: 'submit' }, t('setText')));
    }
    dom.form.append(how);

    dom.form.addEventListener('keydown', (event) => { this.#byKey = event.key.startsWith('Arrow'); });
    dom.form.addEventListener('pointerdown', () => { this.#byKey = false; });
    dom.form.addEventListener('change', (event) => {
      if (event.target === dom.text) return;
      if (event.target === dom.until && this.#chosen === 'online') return;
      clearTimeout(this.#walking);
      this.#walking = setTimeout(() => {
        this.#walking = undefined;
        this.#set();
      }, this.#byKey ? WALK : 0);
    });
    dom.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#set({ text: dom.text.value.trim() || null });
      this.#open(false);
    });
  }

  get #chosen() {
    return this.#dom.form.elements.namedItem('status').value;
  }

  #set(options = {}) {
    const status = /** @type {any} */ (this.#chosen);
    this.#notice = '';
    this.presence.setStatus(status, { until: status === 'online' ? null : this.#until(), ...options });
    this.emit('presence-set', { status });
    this.schedule();
  }

  /** When the automatic status returns, by the server's clock. */
  #until() {
    const { value } = this.#dom.until;
    if (!value) return null;
    const now = this.presence.now();
    if (value !== 'day') return Math.round(now + Number(value) * 1000);
    const end = new Date();
    end.setHours(24, 0, 0, 0);
    return Math.round(now + (end.getTime() - Date.now()));
  }

  #open(open) {
    const { trigger, form } = this.#dom;
    if (!trigger || form.hidden === !open) return;
    form.hidden = !open;
    attr(trigger, 'aria-expanded', open);
    if (open) form.querySelector('input:checked')?.focus();
  }

  #tell(text) {
    this.#notice = text;
    put(this.#dom.aloud, text);
    this.schedule();
  }

  // -- drawing

  /** @internal */
  draw() {
    const { presence } = this;
    const dom = this.#dom;
    if (!dom) return;
    const { state, reply } = presence;
    const off = state === 'stopped' || state === 'denied';
    const status = off || !reply || this.#left <= 0 ? 'offline' : reply.status;
    const tone = TONES[state] ?? 'off';
    attr(dom.state, 'data-status', status);
    setIcon(dom.mark, status);
    put(dom.word, off || !reply ? this.texts.get(`own.link.${state}`) : this.texts.get(`status.${status}`));
    attr(dom.linkMark, 'data-tone', tone);
    setIcon(dom.linkIcon, MARKS[tone]);
    put(dom.link, this.texts.get(`own.link.${state}`));
    dom.start.hidden = !off;
    dom.notice.hidden = !this.#notice;
    put(dom.noticeText, this.#notice);
    for (const input of dom.form.elements) input.disabled = off;
    dom.start.disabled = false;

    // What the server has, unless the person is just choosing otherwise.
    if (reply && !presence.pending && this.#walking === undefined) {
      const choice = [...dom.form.querySelectorAll('[name=status]')].find(({ value }) => value === (reply.manual ?? 'online'));
      if (choice && !choice.checked) choice.checked = true;
      if (!reply.manual) dom.until.value = '';
    }
    const text = presence.member(presence.user)?.text ?? null;
    if (dom.text && text !== this.#text) {
      this.#text = text;
      if (this.shadowRoot.activeElement !== dom.text) dom.text.value = text ?? '';
    }
    this.tick();
  }

  /** Time until the server, which does not hear this page, calls it gone, ms. */
  get #left() {
    const { state, reply } = this.presence;
    if (state !== 'retrying' || !reply) return Infinity;
    return reply.deadline_ms - (this.presence.now() - reply.server_time);
  }

  /** @internal */
  tick() {
    if (!this.#dom || !this.presence) return;
    const { mark, hint } = this.#dom;
    const left = this.#left;
    if (left <= 0 && mark.dataset.icon !== 'offline') this.schedule();
    put(hint, this.#hint(left));
  }

  #hint(left) {
    const { pending, reply, state } = this.presence;
    const t = (path, values) => this.texts.get(`own.${path}`, values);
    const { times } = this;
    if (!reply || state === 'stopped' || state === 'denied') return '';
    if (left <= 0) return t('gone');
    if (left < Infinity) return t('lost', { left: times.duration(left + 999) });
    if (pending) return t('sending');
    if (reply.until) return t('automaticIn', { time: times.clock(reply.until), left: times.duration(reply.until - this.presence.now() + 999) });
    if (reply.manual === 'invisible') return t('unseen');
    return reply.manual ? t('byHand') : t('auto');
  }
}
