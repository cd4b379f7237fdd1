// A headless Chromium. Its driver is in build/node or in t/live/node_modules.

import { createRequire } from 'node:module';

const PLACES = ['../../../build/node/', '../'];
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu',
  '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

function driver() {
  for (const place of PLACES) {
    try {
      return createRequire(new URL(place, import.meta.url))('playwright-core');
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') {
        throw error;
      }
    }
  }

  throw new Error('playwright-core is not installed: npm ci in t/live');
}

export const openBrowser = () => driver().chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: FLAGS,
});
