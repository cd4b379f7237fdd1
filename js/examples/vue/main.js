// An agent's page: the own status, colleagues, and who of them is free.

import { Presence } from 'ngx-presence';
import 'ngx-presence/board';
import 'ngx-presence/status';
import { computed, createApp, h } from 'vue';

import { usePresence } from './presence.js';

const presence = new Presence({ groups: ['agents'], include: 'offline' }).start();

createApp({
  setup() {
    const snapshot = usePresence(presence);
    const free = computed(() => snapshot.value.counts.online);

    // Elements take the Presence as a property: a dot before its name.
    return () => [
      h('h1', 'Support'),
      h('p', { id: 'free' }, `${free.value} free to talk`),
      h('presence-status', { '.presence': presence }),
      h('presence-board', { '.presence': presence, columns: 'status', controls: 'live search' }),
    ];
  },
}).mount('#app');
