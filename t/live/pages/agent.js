// What an application does with the client, and a list of what it was told.
// ?presence={…} are the client's options; its token is the URL of one.

import { Presence } from '/js/presence.js';

const given = new URLSearchParams(location.search).get('presence');
const { token, ...options } = JSON.parse(given ?? '{}');
const presence = new Presence({
  url: '/visit/',
  ...options,
  token: token && (() => fetch(token).then((reply) => reply.text())),
});
const events = [];
const lifecycle = [];

for (const type of ['state', 'beat', 'live', 'recovered', 'rejected', 'denied']) {
  presence.on(type, (detail) => events.push({ at: Date.now(), type, ...detail }));
}

for (const type of ['visibilitychange', 'freeze', 'resume']) {
  document.addEventListener(type, () => lifecycle.push(type));
}

Object.assign(globalThis, { presence, events, lifecycle });
presence.start();
