// What browsers have, and Node.js 18 does not without flags.

import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
globalThis.CustomEvent ??= class extends Event {
  constructor(type, { detail } = {}) {
    super(type);
    this.detail = detail;
  }
};
