/** @typedef {'online'|'away'|'busy'|'dnd'|'offline'} Status  what others see */
/** @typedef {Record<Status, number>} Counts */

/**
 * @typedef {object} Member
 * @property {string} user
 * @property {Status} status
 * @property {number|null} since        when the status began (server's clock)
 * @property {number|null} last_active  last activity of the person
 * @property {number|null} last_seen    last sign of life
 * @property {number} sessions
 * @property {number} missed            beats missing now
 * @property {string|null} reason       of the last change
 * @property {string[]} groups
 * @property {string|null} text
 * @property {object|null} meta
 */

/**
 * @typedef {object} Change
 * @property {'enter'|'update'|'leave'} type
 * @property {Member} member
 * @property {Member} [previous]
 */

/**
 * @typedef {object} Filter
 * @property {string[]} [groups]  members of these groups
 * @property {string[]} [users]   these users as well, offline ones too
 * @property {'full'|'count'} [mode]
 * @property {'offline'} [include]  the groups' offline members too
 */

/**
 * What a reader knows about its members.  Always consistent: a state that
 * comes in several parts is swapped in when it is complete, and everything may
 * be told twice.
 */
export class MemberStore {
  /** Never changed: replaced at each change. @type {Map<string, Member>} */
  members = new Map();
  /** Id of the last event, from which a stream resumes. */
  lastId = '';
  /** Has there been a state or a count yet? */
  ready = false;

  #filter;
  /** @type {Member[]} */ #parts = [];
  /** @type {Counts|null} */ #counts = null;

  /** @param {Filter} [filter] */
  constructor(filter = {}) {
    this.#filter = filter;
  }

  /** Are the counts all there is? */
  get counting() {
    return this.#filter.mode === 'count';
  }

  /** How many members have which status. @returns {Counts} */
  get counts() {
    if (this.#counts) return this.#counts;
    const counts = this.#counts = { online: 0, away: 0, busy: 0, dnd: 0, offline: 0 };
    for (const { status } of this.members.values()) counts[status]++;
    return counts;
  }

  /** A new connection: what the old one left unfinished is void. */
  reopen() {
    this.#parts = [];
  }

  /**
   * One event of the stream.
   *
   * @param {string} type
   * @param {any} data
   * @param {string} [id]
   * @returns {{reset: boolean, changes: Change[]}|null}  what it changed
   */
  apply(type, data, id) {
    /** @type {Change[]} */ let changes = [];
    /** @type {Counts|null} */ let counts = null;
    if (type === 'presence_state') {
      this.#parts.push(...data.members);
      if (data.more) return null;
      this.members = new Map(this.#parts.map((member) => [member.user, member]));
      this.#parts = [];
    } else if (type === 'presence_diff') {
      const members = new Map(this.members);
      changes = data.changes.map((change) => this.#change(members, change));
      this.members = members;
    } else if (type === 'presence_count') {
      const { online, away, busy, dnd, offline } = data;
      counts = { online, away, busy, dnd, offline };
    } else {
      return null;
    }
    if (id) this.lastId = id;
    this.ready = true;
    this.#counts = counts;
    return { reset: type !== 'presence_diff', changes };
  }

  /**
   * A leave may be of somebody who went offline or who left the groups: the
   * former stays where offline members are asked for.
   */
  #change(members, { type, member }) {
    const { groups = [], users = [], include } = this.#filter;
    const { user, status } = member;
    const previous = members.get(user);
    const stays = users.includes(user) || (status !== 'offline' ? type !== 'leave'
      : include === 'offline' && (!groups.length || groups.some((group) => member.groups?.includes(group))));
    if (stays) members.set(user, member);
    else members.delete(user);
    return { type, member, previous };
  }
}
