// Presence in Vue 3: a composable that follows a Presence, and one member.

import { computed, onScopeDispose, shallowRef } from 'vue';

/**
 * All that there is to draw, as a ref.  It only looks: who makes a Presence
 * starts and stops it.
 *
 * @param {import('ngx-presence').Presence} presence
 */
export function usePresence(presence) {
  // A snapshot is replaced and never changed: nothing in it needs watching.
  const snapshot = shallowRef(presence.snapshot);
  const stop = presence.subscribe((next) => { snapshot.value = next; });

  onScopeDispose(stop);

  return snapshot;
}

/**
 * @param {ReturnType<typeof usePresence>} snapshot
 * @param {string} user
 */
export function useMember(snapshot, user) {
  return computed(() => snapshot.value.members.get(user));
}
