/**
 * Icons as single paths on a grid of 16.  Each status has an outline of its
 * own, so that none depends on its colour: a disc with a tick, a square with
 * lines, a disc with a bar, a crescent, a ring, a broken ring.
 *
 * @module
 */

// Filled ones are cut out by the even-odd rule, the others are lines.
const FILLED = {
  online: 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1ZM4.1 8.2 7 11.1 12 5.7 10.9 4.7 7 8.9 5.2 7.1Z',
  busy: 'M5 1.5h6A3.5 3.5 0 0 1 14.5 5v6a3.5 3.5 0 0 1-3.5 3.5H5A3.5 3.5 0 0 1 1.5 11V5A3.5 3.5 0 0 1 5 1.5ZM4.6 5.1v1.7h6.8V5.1ZM4.6 9.2v1.7h4.6V9.2Z',
  dnd: 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1ZM4.2 7v2h7.6V7Z',
  away: 'M6 1.3a7 7 0 1 0 8.7 8.7A5.8 5.8 0 0 1 6 1.3Z',
  live: 'M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6ZM8 1.2a6.8 6.8 0 1 1 0 13.6A6.8 6.8 0 0 1 8 1.2ZM8 2.7a5.3 5.3 0 1 0 0 10.6A5.3 5.3 0 0 0 8 2.7Z',
};

const LINES = {
  offline: 'M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2Z',
  invisible: 'M5.5 2.8a5.8 5.8 0 0 1 5 0M13.2 5.5a5.8 5.8 0 0 1 0 5M10.5 13.2a5.8 5.8 0 0 1-5 0M2.8 10.5a5.8 5.8 0 0 1 0-5',
  auto: 'M13.6 6.2A6 6 0 1 0 14 8M14.2 2.6v3.8h-3.8',
  people: 'M6 2.5a2.7 2.7 0 1 1 0 5.4 2.7 2.7 0 0 1 0-5.4ZM1.2 13.8c.3-2.9 2.2-4.4 4.8-4.4s4.5 1.5 4.8 4.4M10.7 2.7a2.7 2.7 0 0 1 0 5M12.3 9.9c1.5.6 2.4 1.9 2.6 3.9',
  beat: 'M1 8.5h3L5.6 4l3 8.5 2-4H15',
  missed: 'M1 8.5h3.2M11.8 8.5H15M6 6.3l4 4M10 6.3l-4 4',
  wait: 'M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8ZM8 4.4V8l2.4 1.5',
  warn: 'M8 1.8 15 14H1L8 1.8ZM8 6.2v3.6M8 11.9v.1',
  search: 'M7 2a5 5 0 1 1 0 10A5 5 0 0 1 7 2ZM10.7 10.7 14 14',
  up: 'M8 13V3.5M4 7.2l4-4 4 4',
  down: 'M4 6l4 4 4-4',
};

const SVG = 'http://www.w3.org/2000/svg';

/** @param {string} [name] */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(document.createElementNS(SVG, 'path'));
  if (name) setIcon(svg, name);
  return svg;
}

/**
 * @param {SVGElement} svg  made by `icon`
 * @param {string} name
 */
export function setIcon(svg, name) {
  if (svg.dataset.icon === name) return;
  svg.dataset.icon = name;
  svg.classList.toggle('line', !(name in FILLED));
  svg.firstElementChild.setAttribute('d', FILLED[name] ?? LINES[name] ?? '');
}
