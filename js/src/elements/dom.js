/**
 * Small helpers for building and keeping up a shadow tree.
 *
 * @module
 */

/**
 * An element with attributes and children.  Text becomes text, never markup.
 *
 * @param {string} tag
 * @param {Record<string, any>} [attributes]  null, undefined and false are left out
 * @param {...(Node|string)} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

/** Sets text where it differs, so that nothing is redrawn or read out twice. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute where it differs; null removes it. */
export function attr(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** The words of a list attribute: separated by blanks or commas. */
export const words = (text) => (text ?? '').split(/[\s,]+/).filter(Boolean);
