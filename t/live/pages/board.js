import '/js/board.js';

import { FakePresence, people, person } from './fake.js';

const board = document.querySelector('#board');
const presence = new FakePresence();
const violations = [];

document.addEventListener('securitypolicyviolation',
  (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
board.presence = presence;
Object.assign(window, { board, presence, people, person, violations });
