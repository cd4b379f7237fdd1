import { Presence } from 'ngx-presence';
import 'ngx-presence/board';
import { useMember, usePresence } from 'ngx-presence/react';
import { StrictMode, createElement as h } from 'react';
import { createRoot } from 'react-dom/client';

const presence = new Presence({ groups: ['agents'], include: 'offline' }).start();
const drawn = { ben: 0, chiara: 0 };

function Own() {
  const { status, live, counts } = usePresence(presence);

  return h('p', { id: 'own' }, `${status} ${live} ${counts.online}`);
}

function Colleague({ user }) {
  const member = useMember(presence, user);

  drawn[user]++;

  return h('p', { id: user }, member?.status ?? 'unknown');
}

const root = createRoot(document.querySelector('#app'));

root.render(h(StrictMode, null, h(Own), h(Colleague, { user: 'ben' }),
  h(Colleague, { user: 'chiara' }), h('presence-board', { presence })));

Object.assign(window, { presence, drawn, root });
