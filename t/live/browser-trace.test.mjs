// The demo's page of one user's trace, in a real browser: what happens to an
// agent is seen there as it happens, with its cause.

import assert from 'node:assert/strict';
import test from 'node:test';

import { checkAll } from './lib/axe.mjs';
import { openBrowser } from './lib/browser.mjs';
import { Demo } from './lib/demo.mjs';
import { until } from './lib/wait.mjs';

const SECOND = 1000;

/* As the demo's nginx.conf.in has it: 3 beats of 5 s, and 1 s. */
const WINDOW = 16 * SECOND;
const SOON = 20 * SECOND;

function visit(title, body) {
  test(title, { timeout: 300_000 }, async () => {
    const demo = await Demo.start();
    const browser = await openBrowser();
    const errors = [];
    let stopped;

    try {
      const person = async () => {
        const context = await browser.newContext();

        return async (name) => {
          const page = await context.newPage();

          page.on('pageerror', (error) => errors.push(`${name}: ${error}`));
          await page.goto(demo.page(name));

          return page;
        };
      };

      await body({
        open: await person(), person, stop: () => { stopped = demo.stop(); },
      });
      assert.deepEqual(errors, []);
    } finally {
      await browser.close();
      assert.deepEqual(await (stopped ?? demo.stop()), []);
    }
  });
}

const shows = (page, status, ms = SOON) => page.waitForSelector(
  `#verdict[data-status=${status}]`, { timeout: ms });

const words = (page, pattern) => until(
  async () => pattern.test(await page.textContent('#words')), SOON,
  `the verdict says ${pattern}`);

const beats = (page, n) => until(
  async () => await page.locator('#rows tr').count() >= n, SOON + n * 6000,
  `${n} beats`);


visit('the trace: beats come live, a silence is missed, and its cause told',
  async ({ open }) => {
    const page = await open('trace.html?user=anna');

    await words(page, /^Anna Berg is not known here: /);
    await page.getByText('Live', { exact: true }).waitFor({ timeout: SOON });

    const agent = await open('agent.html?agent=anna');

    await shows(page, 'online');
    await words(page, /^Anna Berg is online since \S+: last beat /);
    await beats(page, 3);
    assert.ok(await page.locator('.track .beat').count() >= 3);
    assert.equal(await page.locator('.track .missed').count(), 0);

    const findings = await checkAll(page, 'online');

    /* nothing leaves the tab any more */
    await agent.click('#cut');
    await page.waitForSelector('.track .missed', { timeout: SOON });
    await words(page, /, [12] of 3 missed, offline at /);
    await shows(page, 'offline', WINDOW + SOON);
    await words(page, /: 3 beats missed after \S+; the last beat said /);
    await words(page, /; cause: unknown, for nothing says why until a later /);
    await page.waitForSelector('#changes [data-cause=unknown]');
    findings.push(...await checkAll(page, 'offline'));

    await agent.click('#cut');
    await shows(page, 'online');
    await words(page, /was called gone by mistake until \S+: network, for /);
    await page.waitForSelector('#rows [data-cause=network]');
    await page.waitForSelector('#changes [data-cause=network]');
    await page.waitForSelector('.track .beat.late');
    findings.push(...await checkAll(page, 'back'));
    assert.deepEqual(findings, []);

    /* another one */
    await page.selectOption('#who', 'ben');
    await words(page, /^Ben Okafor is not known here: /);
    assert.match(page.url(), /\?user=ben$/);
    assert.equal(await page.locator('#rows tr').count(), 0);
  });


visit('the trace: the causes that the demo can bring about',
  async ({ person }) => {
    const people = { network: 'anna', lost: 'ben', server: 'chiara',
      flood: 'deniz', frozen: 'emil', slept: 'farah', throttled: 'grace',
      unknown: 'hugo' };

    await Promise.all(Object.entries(people).map(async ([cause, user]) => {
      const open = await person();
      const agent = await open(`agent.html?agent=${user}`);
      const page = await open(`trace.html?user=${user}`);

      assert.deepEqual(await agent.locator('#kind option')
        .evaluateAll((options) => options.map(({ value }) => value)),
      Object.keys(people));
      await shows(page, 'online');

      await agent.selectOption('#kind', cause);
      await agent.click('#go');
      await page.waitForSelector(`#rows [data-cause=${cause}]`,
        { timeout: 3 * SOON });
      await words(page, new RegExp(`: ${cause}, for `));
      await agent.waitForSelector('#go:enabled', { timeout: SOON });
    }));
  });


visit('the trace: its ways in, and a server that goes', async ({ open, stop }) => {
  const agent = await open('agent.html?agent=ben');
  const dashboard = await open('admin.html');

  assert.match(await agent.getAttribute('#trace', 'href'), /\?user=ben$/);
  await dashboard.locator('.row[data-user=ben]').click({ timeout: SOON });

  const [page] = await Promise.all([dashboard.context().waitForEvent('page'),
    dashboard.click('#why')]);

  await words(page, /^Ben Okafor is online since /);

  /* what the runbook asks, and the state of it all, which needs no script */
  const [, asked] = /'(.+)'/.exec(await page.textContent('#command'));
  const [status] = await Promise.all([page.context().waitForEvent('page'),
    page.click('nav >> text=Status')]);

  assert.match(await (await fetch(asked)).text(), /^"ben" online since /);
  await status.getByRole('heading', { name: 'agents', exact: true }).waitFor();
  stop();
  await page.getByText('Reconnecting').waitFor({ timeout: SOON });
});


visit('the trace: with no connection left for a stream it asks',
  async ({ open }) => {
    const other = await open('index.html');

    await other.evaluate(() => {
      for (let i = 0; i < 5; i++) {
        navigator.locks.request(`demo stream ${i}`,
          () => new Promise(() => { /* kept */ }));
      }
    });
    await until(() => other.evaluate(async () =>
      (await navigator.locks.query()).held.length >= 5), SOON, 'five locks');
    await open('agent.html?agent=emil');

    const page = await open('trace.html?user=emil');

    await page.getByText('Every 2 s').waitFor({ timeout: SOON });
    await words(page, /^Emil Novák is online since /);
    await beats(page, 2);
  });
