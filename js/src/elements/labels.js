/**
 * What the elements say, in English, and how a page has them say it otherwise.
 *
 * Labels are plain strings, so that they can come from an attribute as JSON.
 * `{name}` is filled in.  Where a number decides, a label is an object with a
 * form for each of the language's plural categories (`one`, `other`, …).
 *
 * @module
 */

/** @typedef {string | {other: string, [category: string]: string}} Label */

export const LABELS = {
  status: {
    online: 'Online', busy: 'Busy', dnd: 'Do not disturb', away: 'Away', offline: 'Offline', invisible: 'Invisible',
  },

  // Why the status is what it is.  `missing` is "missed" while some beats are
  // still awaited.
  reason: {
    beat: 'opened the page',
    activity: 'active again',
    idle: 'no activity',
    missed: 'heartbeat lost',
    missing: 'beats are missing',
    leave: 'closed the page',
    logout: 'logged out',
    expired: 'login expired',
    kicked: 'removed by an admin',
    manual: 'set by hand',
    touch: 'used the site',
    stream: 'connection is open',
    recovered: 'came back',
    none: 'never seen',
  },

  live: { connecting: 'Connecting', live: 'Live', reconnecting: 'Reconnecting', stale: 'Stale' },

  board: {
    label: 'Presence',
    here: { one: '{here} of {n} here', other: '{here} of {n} here' },
    free: { one: '{n} online', other: '{n} online' },
    nobody: 'Nobody has been here yet',
    all: 'Everybody',
    only: 'Show only',
    search: 'Search',
    searchHint: 'Search name, note or reason',
    sort: 'Sort by',
    sorts: {
      status: 'Status', name: 'Name', '-since': 'Latest change', since: 'Longest in status', '-missed': 'Missed beats',
    },
    group: 'Group',
    allGroups: 'All groups',
    groupBy: 'Group by',
    groupBys: { none: 'Nothing', group: 'Group', status: 'Status' },
    noGroup: 'No group',
    columns: {
      name: 'Name', status: 'Status', since: 'Since', beat: 'Heartbeat', seen: 'Last seen', groups: 'Groups', sessions: 'Sessions',
    },
    // Before a value where a narrow board has no heads of columns.
    short: { since: 'For', seen: 'Seen', sessions: 'Sessions' },
    steady: 'Steady',
    missed: { one: '{n} missed', other: '{n} missed' },
    now: 'now',
    never: 'never',
    empty: 'Nobody yet',
    emptyHint: 'People appear here as soon as they open their page.',
    noMatch: 'No match',
    noMatchHint: 'Nobody has this status, group and search.',
    reset: 'Show everybody',
    waiting: 'Connecting',
    waitingHint: 'The list comes with the first message of the stream.',
    lost: 'The connection is lost. This is how it was {ago}, at {time}. Trying to connect again…',
    denied: 'Not allowed',
    deniedHint: 'The server does not show this list to you. You may have to log in again.',
    failed: 'Cannot connect',
    failedHint: 'The server does not answer. Trying again…',
    retry: 'Try again',
    shown: { one: '{n} of {all} shown', other: '{n} of {all} shown' },
    said: '{name}: {status}',
    changes: { one: '{n} change', other: '{n} changes' },
    saidLost: 'Connection lost, the list is not live',
    saidLive: 'The list is live again',
  },

  own: {
    label: 'Own status',
    choose: 'My status',
    automatic: 'Automatic',
    until: 'For how long',
    always: 'Until I change it',
    day: 'Until the end of the day',
    text: 'Note for the others',
    textHint: 'In a call with a customer',
    setText: 'Set note',
    sending: 'Telling the server…',
    automaticIn: 'By hand, automatic again at {time}, in {left}',
    byHand: 'Set by hand, until you change it',
    unseen: 'Set by hand: everybody else sees you as offline',
    auto: 'Follows what you do',
    lost: 'The server does not hear this page: offline for the others in {left}',
    gone: 'The server does not hear this page: the others see you as offline',
    rejected: 'The server refused this status.',
    recovered: 'The others saw you as offline for a while ({reason}). You are back.',
    start: 'Connect',
    link: {
      stopped: 'Not connected', starting: 'Connecting', online: 'Connected', idle: 'Connected',
      background: 'Connected', frozen: 'Paused', retrying: 'Reconnecting', denied: 'Not logged in', leaving: 'Leaving',
    },
  },
};

/**
 * The labels of one element, in one language.
 */
export class Texts {
  #labels;
  #plural;
  #number;

  /**
   * @param {object} own  labels that replace the English ones
   * @param {string|undefined} locale
   */
  constructor(own, locale) {
    this.#labels = merge(LABELS, own);
    this.#plural = new Intl.PluralRules(locale);
    this.#number = new Intl.NumberFormat(locale);
  }

  /**
   * @param {string} path  as `board.missed`
   * @param {Record<string, string|number>} [values]  `n` decides the plural
   */
  get(path, values = {}) {
    const label = this.group(path);
    const form = typeof label === 'object' ? label[this.#plural.select(Number(values.n))] ?? label.other : label;
    if (typeof form !== 'string') return path;
    return form.replace(/\{(\w+)\}/g, (whole, name) => {
      const value = values[name];
      return value === undefined ? whole : typeof value === 'number' ? this.#number.format(value) : value;
    });
  }

  /** @param {string} path  of an object of labels */
  group(path) {
    return path.split('.').reduce((labels, name) => labels?.[name], this.#labels);
  }

  /** @param {number} n */
  number(n) {
    return this.#number.format(n);
  }

  /** Why a member's status is what it is. */
  reason({ reason, status }) {
    if (!reason) return this.get('reason.none');
    if (reason === 'missed' && status !== 'offline') return this.get('reason.missing');
    return this.group('reason')[reason] ?? reason;
  }
}

function merge(base, own) {
  if (!own || typeof own !== 'object') return base;
  const merged = { ...base };
  for (const [name, value] of Object.entries(own)) {
    merged[name] = typeof value === 'object' && typeof base[name] === 'object' ? merge(base[name], value) : value;
  }
  return merged;
}
