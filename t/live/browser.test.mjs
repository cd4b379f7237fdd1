// The demo in a real browser: an agent's desk and a dashboard.

import assert from 'node:assert/strict';
import test from 'node:test';

import { checkAll } from './lib/axe.mjs';
import { openBrowser } from './lib/browser.mjs';
import { Demo } from './lib/demo.mjs';
import { Stream } from './lib/stream.mjs';
import { now, pass } from './lib/wait.mjs';

const GRACE = 5000;    /* as the demo's nginx.conf.in has it */
const SECOND = 1000;

test('the demo: an agent comes, reloads, and goes', { timeout: 120_000 },
  async (t) => {
    const demo = await Demo.start();
    const browser = await openBrowser();
    const errors = [];
    let stream;

    try {
      /* what the server says, whatever the pages make of it */
      stream = await Stream.open({ target: demo.target,
        headers: { cookie: 'presence_user=admin-test' } });
      assert.equal(stream.status, 200, stream.problem);

      const context = await browser.newContext();
      const open = async (name) => {
        const page = await context.newPage();

        page.on('pageerror', (error) => errors.push(`${name}: ${error}`));
        await page.goto(demo.page(name));

        return page;
      };
      const dashboard = await open('admin.html');
      const shows = (status, ms) => dashboard.waitForSelector(
        `.row[data-user=anna][data-status=${status}]`, { timeout: ms });

      const agent = await open('agent.html?agent=anna');

      await shows('online', 2 * SECOND);
      assert.deepEqual(stream.news('anna'), ['enter']);

      /* a reload: the page is back before the grace is over */
      for (let n = 0; n < 3; n++) {
        await agent.reload();
      }

      await pass(GRACE + SECOND);
      assert.deepEqual(stream.news('anna'), ['enter'], stream.story());
      await shows('online', SECOND);

      await agent.click('label:has(input[value=busy])');
      await shows('busy', 2 * SECOND);

      const closed = now();

      await agent.close();
      await shows('offline', GRACE + 2 * SECOND);

      const leave = await stream.waitForChange('anna', 'leave', SECOND);

      assert.equal(leave.member.reason, 'leave');
      assert.ok(leave.member.since >= closed + GRACE);
      assert.deepEqual(stream.news('anna'), ['enter', 'update', 'leave']);

      /* the dashboard's own view: who is watched is told once */
      assert.equal(await dashboard.locator('.row').count(), 1);
      assert.deepEqual(errors, []);
      assert.deepEqual(stream.faults, []);
    } catch (error) {
      t.diagnostic(stream?.story() ?? 'no stream');
      throw error;
    } finally {
      stream?.close();
      await browser.close();
      assert.deepEqual(await demo.stop(), []);
    }
  });

test('the demo: no finding of axe', { timeout: 480_000 }, async () => {
  const demo = await Demo.start();
  const browser = await openBrowser();

  try {
    const context = await browser.newContext();
    const findings = [];
    const look = async (name, selector) => {
      const page = await context.newPage();

      await page.goto(demo.page(name));
      await page.waitForSelector(selector);

      return page;
    };
    const pages = {
      start: await look('index.html', '.person'),
      desk: await look('agent.html?agent=anna', '[data-status=online]'),
      dashboard: await look('admin.html', '.row[data-user=anna]'),
    };

    for (const [name, page] of Object.entries(pages)) {
      await page.bringToFront();
      findings.push(...await checkAll(page, name));
    }

    assert.deepEqual(findings, []);
  } finally {
    await browser.close();
    assert.deepEqual(await demo.stop(), []);
  }
});

test('a board: denied, logged in, and without its server', { timeout: 120_000 },
  async () => {
    const demo = await Demo.start();
    const browser = await openBrowser();
    let stopped;

    try {
      const page = await browser.newPage();
      const mark = (text) => page.locator('#board .mark')
        .filter({ hasText: text }).waitFor({ timeout: 20 * SECOND });

      await page.goto(demo.page('index.html'));
      await page.evaluate(async () => {
        await import('/board.js');

        const board = document.createElement('presence-board');

        board.id = 'board';
        board.setAttribute('url', '/presence/');
        board.setAttribute('groups', 'agents');
        document.querySelector('main').prepend(board);
      });
      await mark('Not allowed');
      await page.evaluate(() => {
        document.cookie = 'presence_user=admin; path=/';
      });
      await page.getByText('Try again').click();
      await mark('Live');

      stopped = demo.stop();
      await mark('Reconnecting');
      await page.getByText('The connection is lost')
        .waitFor({ timeout: 20 * SECOND });
    } finally {
      await browser.close();
      assert.deepEqual(await (stopped ?? demo.stop()), []);
    }
  });
