// A visit: a scenario with a person's browser. The server says what it saw:
// an admin's stream, and the log of all the beats that it took.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

import { BEAT_FORMAT, BEAT_LOG, BeatLog } from './beatlog.mjs';
import { windowOf } from './scale.mjs';
import { scenario } from './scenario.mjs';
import { within } from './wait.mjs';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PAGES = `${ROOT}t/live/pages/`;

/* A browser does not get faster with the scale of time: the slack is for a
   machine under load, and a hidden page is woken once a minute whatever the
   interval is. */
export const zone = {
  interval: 500, misses: 3, slack: 4000, idle: 60_000, leave_grace: 3000,
  max_interval: 70_000, stream_life: 60_000,
};

/* Where somebody's silence is waited for: the kernel of a browser that stands
   still, and a proxy that loses all, go on to acknowledge what a stream says. */
export const short = { slack: 1000, stream_life: 0 };
export const WINDOW = windowOf({ ...zone, ...short });

/* What is granted to whatever has no bound of its own. */
export const SOON = 20_000;

const ASKED = 3000;

const USER = 'ann';

/* A drop-in for pages, which have a cookie and no header of ours. */
export const dropIn = (path, { user = '$cookie_user', more = '' } = {}) => `
        location ${path} {
            presence agents;
            presence_user ${user};
            presence_groups agents;
            ${BEAT_LOG}
            ${more}
        }`;

/* more: in the location of the visits. */
const site = ({
  zone: lines, http = '', server = '', more, ...rest } = {}) => ({
  zone: { ...zone, ...lines },
  http: `${BEAT_FORMAT}
    types { text/html html; text/javascript js mjs; application/json json map; }
    ${http}`,
  server: `${dropIn('/visit/', { more })}
        location /js/ { alias ${ROOT}js/; }
        location /pages/ { alias ${PAGES}; }
        location /pages/blobless/ {
            alias ${PAGES};
            add_header Content-Security-Policy "default-src 'self'";
        }
        location /pages/workerless/ {
            alias ${PAGES};
            add_header Content-Security-Policy
                "default-src 'self'; worker-src 'none'";
        }
        location /app/ { return 204; }
        location = /favicon.ico { return 204; }
        ${server}`,
  ...rest,
});

/* All visits of one file share a browser: visits(Chromium, { flags }). Returns
   the function that makes one: visit(title, { zone, http, server, … },
   async (visit) => {}). */
export function visits(Browser, options) {
  let browser;

  after(() => browser?.close());

  return (title, given, body) => scenario(title, site(given), async (scene) => {
    if (!browser?.processes.isUp) {
      await browser?.close();
      browser = await Browser.start(options);
    }

    const visit = new Visit(scene, browser);

    try {
      await visit.open(given.inFirstWindow);
      await body(visit);
      visit.check();
    } catch (error) {
      await visit.explain();
      await visit.close().catch((also) => scene.t.diagnostic(also.message));
      throw error;
    }

    await visit.close();
  });
}

class Visit {
  constructor(scene, browser) {
    this.scene = scene;
    this.browser = browser;
    this.beats = new BeatLog(scene.nginx.file('beats.log'));
    this.origin = `http://127.0.0.1:${scene.nginx.ports.h1}`;
  }

  async open(inFirstWindow = false) {
    this.#inFirstWindow = inFirstWindow;
    this.dash = await this.scene.dashboard();
    this.window = await (inFirstWindow ? this.browser.firstWindow()
      : this.browser.window());
    this.#errors = this.window.errors;
    await this.login(USER);
  }

  login(user, origin = this.origin) {
    return this.window.setCookie(origin, 'user', user);
  }

  /* presence: the client's options, on an agent's page. */
  page(name, presence, origin = this.origin) {
    const query = presence
      ? `?presence=${encodeURIComponent(JSON.stringify(presence))}` : '';

    return `${origin}/pages/${name}${query}`;
  }

  /* A tab with an agent's page, once the server has seen it. */
  async agent(presence, { page = 'agent.html', origin } = {}) {
    const tab = await this.window.tab();

    this.watch(tab);
    await this.seen(() => tab.goto(this.page(page, presence, origin)));

    return tab;
  }

  /* What it was told belongs to the story, if it comes to that. */
  watch(tab) {
    this.#tabs.push(tab);

    return tab;
  }

  /* Until the server has taken a beat, sent after this has begun. */
  async seen(act, wanted = {}) {
    const before = this.beats.all({ status: 200, ...wanted }).length;

    await act();

    return this.beats.next({ status: 200, ...wanted }, SOON, before);
  }

  /* Until the server has taken that many more beats. */
  async beatsOn(n = 2, wanted = {}) {
    const which = { status: 200, ...wanted };

    return this.beats.next(which, SOON, this.beats.all(which).length + n - 1);
  }

  member(user = USER) {
    return this.scene.member(user);
  }

  /* Changes of the user, but those that only count missed beats. */
  news(user = USER) {
    return this.dash.news(user);
  }

  leaves(user = USER) {
    return this.dash.of(user).filter((change) => change.type === 'leave');
  }

  untilGone(ms, user = USER) {
    return this.dash.waitForChange(user, 'leave', ms, 0);
  }

  /* The first promise. */
  async assertNeverOffline(user = USER) {
    const { status, missed } = await this.member(user);

    assert.deepEqual(this.leaves(user), [], this.story());
    assert.notEqual(status, 'offline', this.story());

    return missed;
  }

  /* Of the pages, what no test is about. */
  check() {
    assert.deepEqual(this.#errors, []);
  }

  story() {
    return `stream:\n${this.dash?.story()}\nbeats:\n${this.beats.story()}`;
  }

  async explain() {
    this.scene.t.diagnostic(this.story());

    for (const tab of this.#tabs) {
      this.scene.t.diagnostic(`a tab was told:\n${await told(tab)}`);
    }
  }

  /* The person goes, with all tabs. */
  async close() {
    if (this.#inFirstWindow) {
      await this.browser.close();
    } else {
      await this.window?.close();
    }

    this.window = null;
  }

  #tabs = [];
  #errors = [];
  #inFirstWindow = false;
}

/* What a page's client said of itself, if it can still be asked. */
async function told(tab) {
  try {
    return await within(tab.run(() => globalThis.events.slice(-40)
      .map((event) => `  ${JSON.stringify(event)}`).join('\n')),
    ASKED, 'an answer of the page');
  } catch (error) {
    return `  (${error.message})`;
  }
}
