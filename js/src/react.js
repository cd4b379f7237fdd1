/**
 * Hooks for React 18 and later.
 *
 *     const presence = new Presence({ groups: ['agents'] }).start();
 *
 *     function Own() {
 *       const { status, live } = usePresence(presence);
 *       …
 *     }
 *
 * They only look: who makes a Presence starts and stops it.
 *
 * @module
 */

import { useCallback, useSyncExternalStore } from 'react';

/** @typedef {import('./presence.js').Presence} Presence */
/** @typedef {import('./presence.js').Snapshot} Snapshot */
/** @typedef {import('./presence.js').Member} Member */

/** @param {Presence} presence */
function useSubscribe(presence) {
  return useCallback((/** @type {() => void} */ changed) => presence.subscribe(changed), [presence]);
}

/**
 * All that there is to draw; renders anew when any of it changes.
 *
 * @param {Presence} presence
 * @returns {Snapshot}
 */
export function usePresence(presence) {
  const snapshot = () => presence.snapshot;
  return useSyncExternalStore(useSubscribe(presence), snapshot, snapshot);
}

/**
 * One member; renders anew only when this one changes.
 *
 * @param {Presence} presence
 * @param {string} user
 * @returns {Member|undefined}  undefined for somebody whom the stream does not tell
 */
export function useMember(presence, user) {
  const member = () => presence.member(user);
  return useSyncExternalStore(useSubscribe(presence), member, member);
}
