// The client as a script: `Presence` is global, and a page may do without a
// script of its own:
//
//     <script src="presence.global.js" data-presence="/presence/"></script>
//
// begins with that URL, and leaves it in the global `presence`.
import { Presence } from './presence.js';

const page = /** @type {any} */ (globalThis);
const { presence: url, worker } = page.document?.currentScript?.dataset ?? {};

page.Presence = Presence;
if (url !== undefined) page.presence = new Presence({ url: url || '/presence/', stream: 'self', worker: worker ?? true }).start();
