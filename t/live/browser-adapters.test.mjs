// The package as it would be published, imported by pages that use React and
// Vue, with a real server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { openBrowser } from './lib/browser.mjs';
import { Demo } from './lib/demo.mjs';
import { bundle } from './lib/packed.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SOON = 20_000;

let demo;
let browser;
let scripts;

before(async () => {
  scripts = await bundle({ react: 't/live/pages/react.js',
    main: 'js/examples/vue/main.js' });
  demo = await Demo.start();
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  assert.deepEqual(await demo?.stop(), []);
});

/* A page of the demo's site, with a login. */
async function open(html, user) {
  const context = await browser.newContext();
  const page = await context.newPage();

  await context.addCookies([{ name: 'presence_user', value: user,
    url: demo.page('') }]);
  await page.route('**/app/**', (route) => {
    const name = new URL(route.request().url()).pathname.slice('/app/'.length);

    return route.fulfill({ path: name.endsWith('.html')
      ? path.join(ROOT, html, name) : path.join(scripts, name) });
  });
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(error.stack));
  page.setDefaultTimeout(SOON);

  return page;
}

const shows = (page, selector, text) => page.locator(selector)
  .filter({ hasText: text }).first().waitFor();


test('React: hooks follow, and draw only what changed', { timeout: 120_000 },
  async () => {
    const page = await open('t/live/pages', 'anna');

    await page.goto(demo.page('app/react.html'));
    await shows(page, '#own', /^online live 1$/);
    await shows(page, '#ben', /^unknown$/);
    await shows(page, 'presence-board .row', 'anna');

    const { ben, chiara } = await page.evaluate(() => ({ ...window.drawn }));
    const colleague = await browser.newPage();

    await colleague.goto(demo.page('agent.html?agent=ben'));
    await shows(page, '#ben', /^online$/);
    await colleague.click('label:has(input[value=busy])');
    await shows(page, '#ben', /^busy$/);
    await shows(page, '#own', /^online live 1$/);

    const drawn = await page.evaluate(() => ({ ...window.drawn }));

    assert.ok(drawn.ben > ben);
    assert.equal(drawn.chiara, chiara);

    /* an effect that is undone leaves nothing behind */
    await page.evaluate(() => window.root.unmount());
    await colleague.click('label:has(input[value=online])');
    await page.waitForFunction(
      () => window.presence.member('ben').status === 'online');
    assert.deepEqual(page.errors, []);
    await colleague.close();
    await page.context().close();
  });


test('Vue: the example of js/examples/vue', { timeout: 120_000 }, async () => {
  const page = await open('js/examples/vue', 'chiara');
  const colleague = await browser.newPage();

  await page.goto(demo.page('app/index.html'));
  await shows(page, '#free', /^1 free to talk$/);
  await shows(page, 'presence-status .state', 'Online');
  await colleague.goto(demo.page('agent.html?agent=deniz'));
  await shows(page, '#free', /^2 free to talk$/);
  await shows(page, 'presence-board .row', 'Deniz Aydın');
  await page.click('label:has(input[value=dnd])');
  await shows(page, 'presence-status .state', 'Do not disturb');
  await shows(page, '#free', /^1 free to talk$/);
  assert.deepEqual(page.errors, []);
  await colleague.close();
  await page.context().close();
});
