// A window of the browser, with cookies and storage of its own: to the server
// it is another person's browser.

import { Tab } from './tab.mjs';
import { until } from './wait.mjs';

const OPENED = 20_000;

export class Window {
  /* context: of the browser, which has cookies and storage by context. */
  constructor(chromium, context) {
    this.#chromium = chromium;
    this.#context = context;
  }

  /* What was uncaught on its pages. */
  errors = [];

  async setCookie(url, name, value) {
    await this.#chromium.send('Storage.setCookies', {
      browserContextId: this.#context, cookies: [{ url, name, value }],
    });
  }

  /* A new tab, in front of the others. */
  async tab(url) {
    const { targetId } = await this.#chromium.send('Target.createTarget',
      { url: 'about:blank', browserContextId: this.#context });
    const tab = await this.#attach(targetId);

    if (url) {
      await tab.goto(url);
    }

    return tab;
  }

  /* The tab that a tab opens meanwhile. */
  async opened(open) {
    return this.#attach(await this.#created(open));
  }

  /* The browser takes the memory of a tab. Returns what shows it again, which
     loads the page anew. */
  async discard(tab) {
    const url = await tab.run(() => location.href);
    const list = await this.tab('chrome://discards');

    await tab.detach();

    const targetId = await this.#created(() => list.until(discardFirst, OPENED,
      'a tab that can be discarded', url));

    return async () => {
      await this.#chromium.send('Target.activateTarget', { targetId });

      return this.#attach(targetId);
    };
  }

  async close() {
    await this.#chromium.send('Target.disposeBrowserContext',
      { browserContextId: this.#context });
  }

  async #attach(targetId) {
    const tab = await Tab.attach(this.#chromium, targetId);

    tab.on('Runtime.exceptionThrown', ({ exceptionDetails }) => {
      const { exception, text, url } = exceptionDetails;

      this.errors.push(`${url}: ${exception?.description ?? text}`);
    });

    return tab;
  }

  /* The target that comes meanwhile. */
  async #created(act) {
    const before = new Set(this.#ids());

    await act();

    return until(() => this.#ids().find((id) => !before.has(id)), OPENED,
      'a new tab');
  }

  #ids() {
    return this.#chromium.pages()
      .filter((target) => target.browserContextId === this.#context)
      .map((target) => target.targetId);
  }

  #chromium;
  #context;
}

/* In chrome://discards: the tab with that address. */
function discardFirst(url) {
  const tabs = document.querySelector('discards-main')?.shadowRoot
    .querySelector('discards-tab')?.shadowRoot.querySelectorAll('tr') ?? [];
  const row = [...tabs].find((tab) => tab.textContent.includes(url));
  const links = row ? [...row.querySelectorAll('[is=action-link]')] : [];
  const link = links.find((each) => each.textContent.includes('Urgent'));

  link?.click();

  return link !== undefined;
}
