// A headless Chromium as people have it: no driver's flags, which switch off
// just what is tested here (slowed timers, hidden tabs, the back/forward cache).

import fs from 'node:fs';
import path from 'node:path';

import { BrowserProcess } from './browserprocess.mjs';
import { Cdp } from './cdp.mjs';
import { until } from './wait.mjs';
import { Window } from './window.mjs';

const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const START = 30_000;

/* No GPU and no sandbox in a container; nothing that calls home. */
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu',
  '--no-first-run', '--disable-quic', '--disable-dev-shm-usage',
  '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-breakpad', '--remote-debugging-pipe'];

/* Pages like chrome://discards, on which tabs can be discarded. */
const LOCAL_STATE = '{"internal_only_uis_enabled":true}';

export class Chromium {
  static async start({ flags = [] } = {}) {
    const chromium = new Chromium(flags);

    try {
      const { product } = await chromium.send('Browser.getVersion');

      chromium.product = product;
      await chromium.send('Target.setDiscoverTargets', { discover: true });
    } catch (error) {
      await chromium.close();
      throw new Error(`${error.message}\n${chromium.processes.said}`);
    }

    return chromium;
  }

  constructor(flags) {
    const { home } = this.processes;

    fs.writeFileSync(path.join(home, 'Local State'), LOCAL_STATE);
    this.processes.start(PROGRAM,
      [...FLAGS, `--user-data-dir=${home}`, ...flags, 'about:blank'], 2);
    this.#cdp = new Cdp(this.processes.pipe(0), this.processes.pipe(1));

    for (const event of ['targetCreated', 'targetInfoChanged']) {
      this.on(`Target.${event}`, ({ targetInfo }) => {
        this.#targets.set(targetInfo.targetId, targetInfo);
      });
    }

    this.on('Target.targetDestroyed', ({ targetId }) => {
      this.#targets.delete(targetId);
    });
  }

  processes = new BrowserProcess('chromium');

  /* sessionId: of an attached target; without it, of the browser itself. */
  send(method, params, sessionId) {
    return this.#cdp.send(method, params, sessionId);
  }

  /* fn(params, sessionId). Returns what ends it. */
  on(method, fn) {
    return this.#cdp.on(method, fn);
  }

  /* All the tabs. */
  pages() {
    return [...this.#targets.values()].filter(({ type }) => type === 'page');
  }

  /* A window with cookies and storage of its own: a person's browser. */
  async window() {
    const { browserContextId } = await this.send('Target.createBrowserContext');

    return new Window(this, browserContextId);
  }

  /* The window that was there at the start: only its tabs can be discarded,
     and it is closed with the browser only. */
  async firstWindow() {
    const { browserContextId } = await until(() => this.pages()[0], START,
      'the first tab');

    return new Window(this, browserContextId);
  }

  close() {
    return this.processes.close(() => this.send('Browser.close'));
  }

  #cdp;
  #targets = new Map();
}
