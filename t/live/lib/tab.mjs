// One tab: what a person can do to it, and what can happen to it.

import { until, within } from './wait.mjs';

const LOAD = 30_000;

export class Tab {
  static async attach(chromium, targetId) {
    const { sessionId } = await chromium.send('Target.attachToTarget',
      { targetId, flatten: true });
    const tab = new Tab(chromium, targetId, sessionId);

    await tab.send('Page.enable');
    await tab.send('Runtime.enable');

    return tab;
  }

  constructor(chromium, targetId, sessionId) {
    this.#chromium = chromium;
    this.targetId = targetId;
    this.#sessionId = sessionId;
  }

  send(method, params) {
    return this.#chromium.send(method, params, this.#sessionId);
  }

  on(method, fn) {
    return this.#chromium.on(method, (params, sessionId) =>
      sessionId === this.#sessionId && fn(params));
  }

  /* Calls the function in the page; its arguments and what it returns, or
     resolves with, are JSON. */
  async run(fn, ...args) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression: `(${fn})(...${JSON.stringify(args)})`,
      awaitPromise: true, returnByValue: true, userGesture: true,
    });

    if (exceptionDetails) {
      throw new Error(exceptionDetails.exception?.description
        ?? exceptionDetails.text);
    }

    return result.value;
  }

  /* Until the function, in the page, returns something true. */
  until(fn, ms, what, ...args) {
    return until(() => this.run(fn, ...args), ms, what);
  }

  /* Before any script of the pages that it loads from now on. */
  async before(fn) {
    await this.send('Page.addScriptToEvaluateOnNewDocument',
      { source: `(${fn})()` });
  }

  goto(url) {
    return this.#loaded('Page.loadEventFired', `load of ${url}`,
      () => this.send('Page.navigate', { url }));
  }

  reload() {
    return this.#loaded('Page.loadEventFired', 'a reload',
      () => this.send('Page.reload'));
  }

  /* Through the history; resolves with "BackForwardCacheRestore" if the page
     was kept, else with "Navigation". */
  async back(steps = -1) {
    const { currentIndex, entries } =
      await this.send('Page.getNavigationHistory');
    const { id } = entries[currentIndex + steps];
    const { type } = await this.#loaded('Page.frameNavigated', 'a way back',
      () => this.send('Page.navigateToHistoryEntry', { entryId: id }));

    return type;
  }

  /* To the front: the tabs behind it are hidden. */
  async show() {
    await this.#chromium.send('Target.activateTarget',
      { targetId: this.targetId });
    await this.until(() => document.visibilityState === 'visible', LOAD,
      'the tab in front is visible');
  }

  untilHidden() {
    return this.until(() => document.visibilityState === 'hidden', LOAD,
      'the tab behind is hidden');
  }

  freeze() {
    return this.send('Page.setWebLifecycleState', { state: 'frozen' });
  }

  thaw() {
    return this.send('Page.setWebLifecycleState', { state: 'active' });
  }

  /* A key of a keyboard, pressed by a person. */
  async press(key = 'a') {
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', key });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key });
  }

  /* The pointer, moved by a person. */
  point(x, y) {
    return this.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x, y });
  }

  wheel() {
    return this.send('Input.dispatchMouseEvent',
      { type: 'mouseWheel', x: 20, y: 20, deltaX: 0, deltaY: 40 });
  }

  /* No longer watched: a tab that is watched is never discarded. */
  async detach() {
    await this.#chromium.send('Target.detachFromTarget',
      { sessionId: this.#sessionId });
  }

  async close() {
    await this.#chromium.send('Target.closeTarget',
      { targetId: this.targetId });
  }

  /* Its process dies; nothing of the page is run any more. */
  async crash() {
    const gone = this.#event('Inspector.targetCrashed', () => true);

    await this.send('Inspector.enable');
    this.send('Page.crash').catch(() => { /* it never answers */ });
    await within(gone, LOAD, 'the crash of a tab');
  }

  async #loaded(event, what, go) {
    const happened = this.#event(event,
      ({ frame }) => frame === undefined || frame.parentId === undefined);

    const answer = await go();

    if (answer?.errorText) {
      throw new Error(`${what}: ${answer.errorText}`);
    }

    return within(happened, LOAD, what);
  }

  #event(method, isMeant) {
    return new Promise((done) => {
      const off = this.on(method, (params) => {
        if (isMeant(params)) {
          off();
          done(params);
        }
      });
    });
  }

  #chromium;
  #sessionId;
}
