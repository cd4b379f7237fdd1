/**
 * Rows of a board: made once for each member, and then kept up.
 *
 * @module
 */

import { attr, h, put } from './dom.js';
import { icon, setIcon } from './icons.js';
import { isHere } from './view.js';

/** @typedef {import('./view.js').Entry} Entry */

/**
 * Columns after the name: their widths, at which side they are where the board
 * is narrow, and by what a click on the head sorts, first and then.
 */
export const COLUMNS = {
  status: { width: 'minmax(9.5em, 1.3fr)', sorts: ['status', '-status'] },
  since: { width: 'minmax(4.5em, .6fr)', side: 'start', sorts: ['-since', 'since'] },
  beat: { width: 'minmax(7em, .8fr)', side: 'end', sorts: ['-missed', 'missed'] },
  seen: { width: 'minmax(5.5em, .7fr)', side: 'end', sorts: ['-seen', 'seen'] },
  groups: { width: 'minmax(6em, 1fr)', side: 'start' },
  sessions: { width: '5em', side: 'end' },
};

export const NAME = { width: 'minmax(10em, 2fr)', sorts: ['name', '-name'] };

/**
 * What rows need to know of their board.
 *
 * @typedef {object} Setting
 * @property {string[]} columns
 * @property {boolean} selectable
 * @property {import('./labels.js').Texts} texts
 * @property {import('./times.js').Times} times
 */

const MAKE = {
  status(cell) {
    const mark = icon();
    const word = h('span');
    const why = h('span', { class: 'why' });
    cell.classList.add('state-cell');
    cell.append(h('span', { class: 'state' }, mark, word), why);
    return { fill({ member, reason }, { texts }) {
      setIcon(mark, member.status);
      put(word, texts.get(`status.${member.status}`));
      put(why, reason);
    } };
  },

  since(cell) {
    const time = h('time');
    cell.append(time);
    return {
      fill({ member: { since } }, { times }) {
        attr(time, 'datetime', since ? new Date(since).toISOString() : null);
        attr(time, 'title', since ? times.stamp(since) : null);
      },
      tick({ member: { since } }, { times }, now) {
        put(time, since ? times.duration(now - since) : '–');
      },
    };
  },

  beat(cell) {
    const mark = icon();
    const word = h('span');
    const beat = h('span', {}, mark, word);
    cell.classList.add('beat');
    cell.append(beat);
    return { fill({ member }, { texts }) {
      const kind = !isHere(member) ? 'none' : member.missed ? 'missed' : 'steady';
      attr(beat, 'data-beat', kind);
      cell.classList.toggle('dull', kind === 'none');
      setIcon(mark, kind === 'missed' ? 'missed' : 'beat');
      put(word, kind === 'none' ? '–' : kind === 'missed' ? texts.get('board.missed', { n: member.missed }) : texts.get('board.steady'));
    } };
  },

  seen(cell) {
    const time = h('time');
    cell.append(time);
    return {
      fill({ member }, { times }) {
        attr(time, 'title', member.last_seen ? times.stamp(member.last_seen) : null);
        // Beats that only keep somebody there are no event of the stream:
        // without a missed one, now is when the last one was.
        cell.classList.toggle('dull', isHere(member));
      },
      tick({ member }, { texts, times }, now) {
        put(time, member.last_seen === null ? texts.get('board.never')
          : isHere(member) && !member.missed ? texts.get('board.now') : times.ago(now - member.last_seen));
      },
    };
  },

  groups(cell) {
    cell.classList.add('groups');
    return { fill: ({ member }) => put(cell, (member.groups ?? []).join(', ')) };
  },

  sessions(cell) {
    return { fill({ member }, { texts }) {
      cell.classList.toggle('dull', member.sessions < 2);
      put(cell, texts.number(member.sessions));
    } };
  },
};

/** The first letters of a name, at most two. */
function initials(name) {
  const [first, ...rest] = name.split(/[\s._-]+/).filter(Boolean);
  const last = rest.at(-1);
  return [first, last].filter(Boolean).map((part) => [...part][0].toLocaleUpperCase()).join('');
}

/** A colour that stays with the user. */
function hue(user) {
  let sum = 0;
  for (let i = 0; i < user.length; i++) sum = (sum * 31 + user.charCodeAt(i)) >>> 0;
  return ((sum ^ (sum >>> 7)) >>> 0) % 8;
}

export class Row {
  /** Only as long as it can be seen. @type {HTMLElement|null} */
  element = null;
  /** @type {Entry} */
  entry;

  #setting; #name; #note; #face;
  #cells = [];

  /**
   * @param {Entry} entry
   * @param {Setting} setting
   */
  constructor(entry, setting) {
    this.entry = entry;
    this.#setting = setting;
  }

  /** What takes the keyboard's focus, where rows can be selected. */
  get button() {
    return this.#name;
  }

  make() {
    this.#cells = [];
    const { columns, selectable, texts } = this.#setting;
    const { user } = this.entry.member;
    this.#face = h('span', { class: 'face', 'aria-hidden': true, 'data-hue': hue(user) });
    this.#name = selectable ? h('button', { class: 'name', type: 'button', tabindex: -1 }) : h('span', { class: 'name' });
    this.#note = h('span', { class: 'note' });
    this.element = h('div', { class: selectable ? 'row pick' : 'row', role: 'row', part: 'row', 'data-user': user },
      h('div', { class: 'cell who', role: 'rowheader' }, this.#face, h('div', {}, this.#name, this.#note)));
    for (const column of columns) {
      const { side } = COLUMNS[column];
      const cell = h('div', { class: side ? `cell rest ${side}` : 'cell', role: 'cell', 'data-short': texts.group('board.short')[column] });
      this.#cells.push(MAKE[column](cell));
      this.element.append(cell);
    }
    this.fill();
    return this.element;
  }

  /** Shows what is known of the member; times come with `tick`. */
  fill() {
    const { member, name, note } = this.entry;
    attr(this.element, 'data-status', member.status);
    attr(this.element, 'data-missed', member.missed);
    put(this.#face, initials(name));
    put(this.#name, name);
    put(this.#note, note);
    attr(this.#note, 'title', note || null);
    this.#note.hidden = !note;
    for (const cell of this.#cells) cell.fill(this.entry, this.#setting);
  }

  /** @param {number} now */
  tick(now) {
    for (const cell of this.#cells) cell.tick?.(this.entry, this.#setting, now);
  }

  /** @param {boolean} chosen */
  choose(chosen) {
    this.element.classList.toggle('chosen', chosen);
    attr(this.#name, 'aria-pressed', chosen);
  }

  /** Draws the eye to a change. */
  flash() {
    const color = getComputedStyle(this.element).getPropertyValue('--_t');
    this.element.animate([{ backgroundColor: color }, {}], { duration: 1400, easing: 'ease-out' });
  }
}
