import '/js/status.js';

import { FakePresence } from './fake.js';

const presence = new FakePresence();
const violations = [];

document.addEventListener('securitypolicyviolation',
  (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`));

for (const element of document.querySelectorAll('presence-status')) {
  element.presence = presence;
}

Object.assign(window, { status_: document.querySelector('#status'),
  menu: document.querySelector('#menu'), presence, violations });
