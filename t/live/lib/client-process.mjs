// One client: see client.mjs.

import '../../../js/test/globals.mjs';

import { Presence } from '../../../js/presence.js';

const { url, user, options } = JSON.parse(process.argv[2]);

const presence = new Presence({
  url, stream: false, worker: false, ...options,
  env: {
    fetch: (to, { headers, ...init }) => fetch(to,
      { ...init, headers: { ...headers, 'x-user': user, 'x-groups': 'agents' } }),
  },
});

const off = presence.on('beat', ({ phase }) => {
  if (phase === 'answered') {
    off();
    process.send('answered');
  }
});

process.on('disconnect', () => process.exit());
presence.start();
