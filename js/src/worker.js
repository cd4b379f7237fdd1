// The worker under an address of its own, for pages whose
// Content-Security-Policy forbids workers made of blobs.
import { work } from './ticker.js';

work();
