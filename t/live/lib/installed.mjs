// Packages of npm that tests need: in build/node, or in t/live/node_modules.

import { createRequire } from 'node:module';

const PLACES = ['../../../build/node/', '../'];

export function installed(name) {
  for (const place of PLACES) {
    try {
      return createRequire(new URL(place, import.meta.url))(name);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') {
        throw error;
      }
    }
  }

  throw new Error(`${name} is not installed: npm ci in t/live`);
}
