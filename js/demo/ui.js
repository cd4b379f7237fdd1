/**
 * What the demo's pages share: words, icons, times, and who they are.
 */

export const STATUS = {
  online: 'Online', busy: 'Busy', dnd: 'Do not disturb', away: 'Away', offline: 'Offline', invisible: 'Invisible',
};

/** From the most to the least present. */
export const ORDER = ['online', 'busy', 'dnd', 'away', 'offline'];

const REASONS = {
  beat: 'opened the page',
  activity: 'active again',
  idle: 'no activity',
  missed: 'heartbeat lost',
  leave: 'closed the page',
  logout: 'logged out',
  expired: 'login expired',
  kicked: 'removed by an admin',
  manual: 'set by hand',
  touch: 'used the site',
  stream: 'stream is open',
  recovered: 'came back',
};

/** Why a member's status is what it is, in words. */
export function reason({ reason: why, status }) {
  if (!why) return 'never seen';
  if (why === 'missed' && status !== 'offline') return 'beats are missing';
  return REASONS[why] ?? why;
}

export const PEOPLE = {
  anna: ['Anna Berg', 'Billing'],
  ben: ['Ben Okafor', 'Billing'],
  chiara: ['Chiara Russo', 'Orders'],
  deniz: ['Deniz Aydın', 'Orders'],
  emil: ['Emil Novák', 'Technical'],
  farah: ['Farah Haddad', 'Technical'],
  grace: ['Grace Lin', 'Sales'],
  hugo: ['Hugo Martins', 'Sales'],
};

/** @param {string} user */
export const nameOf = (user) => PEOPLE[user]?.[0] ?? user.replace(/(^|-)(\w)/g, (_, dash, c) => (dash ? ' ' : '') + c.toUpperCase());
export const deskOf = (user) => PEOPLE[user]?.[1] ?? 'Support';

/**
 * The demo's login.  A real site has its own; here a cookie names the user,
 * and a path of its own keeps it apart, so that one browser can be many people.
 *
 * @param {string} user
 * @returns {string} where that user's presence is
 */
export function login(user) {
  document.cookie = `presence_user=${user}; path=/as/${user}/; SameSite=Strict`;
  return `/as/${user}/presence/`;
}

/**
 * Browsers open six connections to a host over HTTP/1.1, and each stream
 * takes one.  With many of the demo's tabs open, the last ones do without, so
 * that there is always a connection for beats.  A site over HTTP/2 needs none
 * of this.
 *
 * @param {number} limit
 * @returns {Promise<boolean>}
 */
export async function streamAllowed(limit) {
  if (!navigator.locks) return true;
  for (let i = 0; i < limit; i++) {
    const got = await new Promise((resolve) => {
      navigator.locks.request(`demo stream ${i}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock && new Promise(() => {});
      });
    });
    if (got) return true;
  }
  return false;
}

/**
 * @param {string} tag
 * @param {Record<string, any>} [props]  attributes; `text` is the content
 * @param {...(Node|string|null|undefined|false)} children
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'text') element.textContent = value;
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child || child === ''));
  return element;
}

/** Sets text only where it differs, so that nothing is redrawn or read twice. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const SHAPES = {
  // Each status has an outline of its own: a disc with a tick, a square, a
  // disc with a bar, a crescent, a ring, a broken ring.
  online: '<circle cx="8" cy="8" r="7" fill="currentColor"/><path d="m4.8 8.2 2.2 2.2 4.2-4.6" class="cut"/>',
  busy: '<rect x="1.5" y="1.5" width="13" height="13" rx="3.5" fill="currentColor"/><path d="M5 6h6M5 10h4" class="cut"/>',
  dnd: '<circle cx="8" cy="8" r="7" fill="currentColor"/><path d="M4.7 8h6.6" class="cut bold"/>',
  away: '<path d="M6 1.3a7 7 0 1 0 8.7 8.7A5.8 5.8 0 0 1 6 1.3Z" fill="currentColor"/>',
  offline: '<circle cx="8" cy="8" r="5.8" class="line bold"/>',
  invisible: '<circle cx="8" cy="8" r="5.8" class="line bold" stroke-dasharray="2.9 3.15"/>',
  auto: '<path d="M13.6 6.2A6 6 0 1 0 14 8" class="line bold"/><path d="M14.2 2.6v3.8h-3.8" class="line bold"/>',
  brand: '<path d="M1 8.6h3l1.6-4.3 2.6 8 1.8-3.7h5" class="line bold"/>',
  beat: '<path d="M1 8.5h3L5.6 4l3 8.5 2-4H15" class="line"/>',
  lost: '<path d="M1 8.5h3.2M11.8 8.5H15M6 6.3l4 4M10 6.3l-4 4" class="line"/>',
  cross: '<path d="m4 4 8 8M12 4l-8 8" class="line bold"/>',
  live: '<circle cx="8" cy="8" r="3" fill="currentColor"/><circle cx="8" cy="8" r="6" class="line"/>',
  wait: '<circle cx="8" cy="8" r="6.2" class="line"/><path d="M8 4.4V8l2.4 1.5" class="line"/>',
  warn: '<path d="M8 1.8 15 14H1L8 1.8Z" class="line"/><path d="M8 6.2v3.6M8 11.9v.1" class="line"/>',
  people: '<circle cx="6" cy="5.2" r="2.7" class="line"/><path d="M1.2 13.8c.3-2.9 2.2-4.4 4.8-4.4s4.5 1.5 4.8 4.400M10.7 2.700a2.7 2.7 0 0 1 0 5M12.3 9.900c1.5.6 2.4 1.9 2.6 3.9" class="line"/>',
  plug: '<path d="M5.5 1.500v3.500M10.5 1.500v3.500M3.5 5h9v2.500a4.5 4.5 0 0 1-9 0V5ZM8 12v2.8" class="line"/>',
  moon: '<path d="M6.4 2a6.2 6.2 0 1 0 7.6 7.600A5 5 0 0 1 6.4 2Z" class="line"/>',
  exit: '<path d="M6.5 2H3a1 1 0 0 0-1 1v10a1 1 0 0 0 1 1h3.500M10.5 4.8 13.7 8l-3.2 3.200M13.5 8H6" class="line"/>',
  reload: '<path d="M13.6 6.200A6 6 0 1 0 14 8" class="line"/><path d="M14.2 2.600v3.800h-3.8" class="line"/>',
};

const parser = new DOMParser();

/** @param {string} name */
export function icon(name) {
  const svg = parser.parseFromString(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" aria-hidden="true">${SHAPES[name]}</svg>`, 'image/svg+xml');
  return document.importNode(svg.documentElement, true);
}

/** @param {string} status @param {string} [words] */
export const statusMark = (status, words = STATUS[status]) => h('span', { class: 'status', 'data-status': status }, icon(status), h('span', { text: words }));

/** @param {string} user @param {string|null} status @param {boolean} [big] */
export function avatar(user, status, big = false) {
  const name = nameOf(user);
  const initials = name.split(' ').map((part) => part[0]).join('').slice(0, 2);
  let hue = 0;
  for (const c of user) hue = (hue * 31 + c.codePointAt(0)) % 360;
  const element = h('span', { class: big ? 'avatar big' : 'avatar', 'aria-hidden': 'true' }, initials,
    status && h('span', { class: 'badge', 'data-status': status }, icon(status)));
  element.style.setProperty('--h', String((hue * 47) % 360));
  return element;
}

/** @param {number} ms */
export function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 600 && s % 60) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

/** @param {number} time */
export const clock = (time) => new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });

/** Fills each `<span data-icon="…">` of the page. */
export function icons() {
  for (const element of document.querySelectorAll('[data-icon]')) element.replaceWith(icon(element.dataset.icon));
}
