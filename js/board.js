/**
 * Defines `<presence-board>`.
 *
 * @module
 */

import { Presence } from './presence.js';
import { PresenceBoard } from './src/elements/board.js';

PresenceBoard.Client = Presence;
globalThis.customElements?.define('presence-board', PresenceBoard);

export { PresenceBoard };
