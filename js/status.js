/**
 * Defines `<presence-status>`.
 *
 * @module
 */

import { Presence } from './presence.js';
import { PresenceStatus } from './src/elements/status.js';

PresenceStatus.Client = Presence;
globalThis.customElements?.define('presence-status', PresenceStatus);

export { PresenceStatus };
