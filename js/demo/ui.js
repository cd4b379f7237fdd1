/**
 * What the demo's pages share: who they are, icons, times.
 */

import { icon as elementIcon } from '../src/elements/icons.js';

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
 * Browsers open six connections to a host over HTTP/1.1, and each user's
 * stream takes one.  With many of the demo's users in one browser, the last
 * ones do without, so that there is always a connection for beats.  A site over
 * HTTP/2, or with one user in a browser, needs none of this.
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
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child || child === ''));
  return element;
}

/** Sets text only where it differs, so that nothing is redrawn or read twice. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The icons that only the demo has, as lines. */
const SHAPES = {
  brand: 'M1 8.6h3l1.6-4.3 2.6 8 1.8-3.7h5',
  cross: 'm4 4 8 8M12 4l-8 8',
  note: 'M2 3.5h12v7.5H7.5L4.5 13.5V11H2ZM5 6.3h6M5 8.5h4',
  plug: 'M5.5 1.5V5M10.5 1.5V5M3.5 5h9v2.5a4.5 4.5 0 0 1-9 0V5ZM8 12v2.8',
  moon: 'M6.4 2a6.2 6.2 0 1 0 7.6 7.6A5 5 0 0 1 6.4 2Z',
  exit: 'M6.5 2H3a1 1 0 0 0-1 1v10a1 1 0 0 0 1 1h3.5M10.5 4.8 13.7 8l-3.2 3.2M13.5 8H6',
  reload: 'M13.6 6.2A6 6 0 1 0 14 8M14.2 2.6v3.8h-3.8',
};

/** @param {string} name */
export function icon(name) {
  const svg = elementIcon(name);
  if (SHAPES[name]) svg.firstElementChild.setAttribute('d', SHAPES[name]);
  return svg;
}

/** As the board colours them. */
const HUES = [10, 50, 90, 145, 185, 215, 265, 315];

/** @param {string} user @param {boolean} [big] */
export function avatar(user, big = false) {
  const initials = nameOf(user).split(' ').map((part) => part[0]).join('').slice(0, 2);
  let sum = 0;
  for (let i = 0; i < user.length; i++) sum = (sum * 31 + user.charCodeAt(i)) >>> 0;
  const element = h('span', { class: big ? 'avatar big' : 'avatar', 'aria-hidden': 'true' }, initials);
  element.style.setProperty('--h', String(HUES[((sum ^ (sum >>> 7)) >>> 0) % 8]));
  return element;
}

/** @param {number} ms */
export function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 600 && s % 60) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
}

/** @param {number} time */
export const clock = (time) => new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });

/** Fills each `<span data-icon="…">` of the page. */
export function icons() {
  for (const element of document.querySelectorAll('[data-icon]')) element.replaceWith(icon(element.dataset.icon));
}
