// A headless Firefox ESR, by WebDriver BiDi. It has the window and the tabs
// that Chromium has here, as far as BiDi can do what they do.

import fs from 'node:fs';
import path from 'node:path';

import { Bidi } from './bidi.mjs';
import { BrowserProcess } from './browserprocess.mjs';
import { until } from './wait.mjs';

export const PROGRAM = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

const START = 60_000;
const LOAD = 30_000;

/* As people have it, but that it calls home, and its first-run pages; the
   preferences of remote control are those of other tests. */
const PREFERENCES = {
  'remote.prefs.recommended': false,
  'app.update.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'toolkit.telemetry.enabled': false,
};

export class Firefox {
  static async start() {
    const firefox = new Firefox();

    try {
      await firefox.#connect();
    } catch (error) {
      await firefox.close();
      throw new Error(`${error.message}\n${firefox.processes.said}`);
    }

    return firefox;
  }

  constructor() {
    const { home } = this.processes;

    fs.writeFileSync(path.join(home, 'user.js'), Object.entries(PREFERENCES)
      .map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`)
      .join('\n'));
    this.processes.start(PROGRAM, ['--headless', '--no-remote', '--profile',
      home, '--remote-debugging-port', '0']);
  }

  processes = new BrowserProcess('firefox');

  send(method, params) {
    return this.#bidi.send(method, params);
  }

  on(method, fn) {
    this.#bidi.on(method, fn);
  }

  async window() {
    const { userContext } = await this.send('browser.createUserContext');

    return new Window(this, userContext);
  }

  close() {
    return this.processes.close(() => this.send('browser.close'));
  }

  async #connect() {
    const url = await until(() => {
      if (!this.processes.isUp) {
        throw new Error('Firefox has ended');
      }

      return /BiDi listening on (ws:\S+)/.exec(this.processes.said)?.[1];
    }, START, 'Firefox is up');

    this.#bidi = await Bidi.connect(url);

    const { capabilities } = await this.send('session.new',
      { capabilities: {} });

    this.product = `Firefox/${capabilities.browserVersion}`;
    await this.send('session.subscribe', { events: ['log.entryAdded'] });
  }

  #bidi;
}

class Window {
  /* context: of the browser, which has cookies and storage by context. */
  constructor(firefox, context) {
    this.#firefox = firefox;
    this.#context = context;
    firefox.on('log.entryAdded', ({ type, level, text, source }) => {
      if (type === 'javascript' && level === 'error'
        && !text.startsWith('Content-Security-Policy:')
        && this.#tabs.includes(source.context)) {
        this.errors.push(text);
      }
    });
  }

  errors = [];

  async setCookie(url, name, value) {
    await this.#firefox.send('storage.setCookie', {
      cookie: { name, value: { type: 'string', value },
        domain: new URL(url).hostname, path: '/' },
      partition: { type: 'storageKey', userContext: this.#context },
    });
  }

  async tab(url) {
    const { context } = await this.#firefox.send('browsingContext.create',
      { type: 'tab', userContext: this.#context });
    const tab = new Tab(this.#firefox, context);

    this.#tabs.push(context);

    if (url) {
      await tab.goto(url);
    }

    return tab;
  }

  async close() {
    await this.#firefox.send('browser.removeUserContext',
      { userContext: this.#context });
  }

  #firefox;
  #context;
  #tabs = [];
}

class Tab {
  constructor(firefox, context) {
    this.#firefox = firefox;
    this.#context = context;
  }

  async run(fn, ...args) {
    const { type, result, exceptionDetails } = await this.#send(
      'script.evaluate', {
        expression: `Promise.resolve((${fn})(...${JSON.stringify(args)}))
          .then((value) => JSON.stringify(value ?? null))`,
        target: { context: this.#context }, awaitPromise: true,
        userActivation: true,
      });

    if (type === 'exception') {
      throw new Error(exceptionDetails.text);
    }

    return JSON.parse(result.value);
  }

  until(fn, ms, what, ...args) {
    return until(() => this.run(fn, ...args), ms, what);
  }

  goto(url) {
    return this.#send('browsingContext.navigate', { url, wait: 'complete' });
  }

  reload() {
    return this.#send('browsingContext.reload', { wait: 'complete' });
  }

  /* Through the history. */
  async back() {
    const url = await this.run(() => location.href);

    await this.#send('browsingContext.traverseHistory', { delta: -1 });
    await this.until((from) => location.href !== from, LOAD, 'a way back', url);
  }

  async show() {
    await this.#send('browsingContext.activate');
    await this.until(() => document.visibilityState === 'visible', LOAD,
      'the tab in front is visible');
  }

  untilHidden() {
    return this.until(() => document.visibilityState === 'hidden', LOAD,
      'the tab behind is hidden');
  }

  async press(key = 'a') {
    await this.#send('input.performActions', {
      actions: [{ type: 'key', id: 'keyboard', actions: [
        { type: 'keyDown', value: key }, { type: 'keyUp', value: key }] }],
    });
  }

  async close() {
    await this.#send('browsingContext.close');
  }

  #send(method, params = {}) {
    return this.#firefox.send(method, { context: this.#context, ...params });
  }

  #firefox;
  #context;
}
