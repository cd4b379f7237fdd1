// <presence-board> and <presence-status> in a real browser, under a strict
// Content-Security-Policy, with a Presence that does what the test says.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { checkAll } from './lib/axe.mjs';
import { openBrowser } from './lib/browser.mjs';
import { Pages } from './lib/pages.mjs';

const SOON = 10_000;

let pages;
let browser;

before(async () => {
  pages = await Pages.serve();
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  pages?.stop();
});

async function open(name) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });

  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(error.stack));
  page.setDefaultTimeout(SOON);
  await page.goto(pages.url(name));
  await page.waitForFunction(() => window.presence);

  return page;
}

async function done(page) {
  assert.deepEqual(page.errors, []);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  await page.close();
}

const names = (page) => page.evaluate(() => [...window.board.shadowRoot
  .querySelectorAll('.name')].map((name) => name.textContent));

const until = (page, fn, arg) => page.waitForFunction(fn, arg);

const text = (page, selector) => page.locator(selector).first().textContent();

/* When all that was asked for has been drawn. */
const drawn = (page) => page.evaluate(() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(done));
}));


test('board: each state of it, and no finding of axe', { timeout: 480_000 },
  async () => {
    const page = await open('board.html');
    const findings = [];
    const look = async (what) => {
      await drawn(page);
      findings.push(...await checkAll(page, what));
    };

    await page.waitForSelector('.empty');
    assert.equal(await text(page, '.empty strong'), 'Connecting');
    assert.equal(await text(page, '.mark'), 'Connecting');
    await look('connecting');

    await page.evaluate(() => presence.know([]));
    await drawn(page);
    assert.equal(await text(page, '.empty strong'), 'Nobody yet');
    assert.equal(await text(page, '.mark'), 'Live');
    await look('empty');

    await page.evaluate(() => presence.know(people(8)));
    await page.waitForSelector('.row');
    assert.equal((await names(page)).length, 8);
    await look('live');

    await page.getByLabel('Group by').selectOption('group');
    await drawn(page);
    assert.equal(await page.locator('.section').count(), 2);
    await look('grouped');
    await page.getByLabel('Group by').selectOption('none');

    await page.locator('.count[data-status=dnd]').click();
    await page.getByLabel('Search').fill('nobody of this name');
    await drawn(page);
    assert.equal(await text(page, '.empty strong'), 'No match');
    await look('no match');
    await page.getByText('Show everybody').click();
    await drawn(page);
    assert.equal((await names(page)).length, 8);

    await page.evaluate(() => presence.go('reconnecting'));
    await drawn(page);
    assert.equal(await text(page, '.mark'), 'Reconnecting');
    await page.getByText('The connection is lost').waitFor();
    await look('reconnecting');
    await page.evaluate(() => presence.go('stale'));
    await drawn(page);
    assert.equal(await text(page, '.mark'), 'Stale');

    await page.evaluate(() => {
      presence.state = 'denied';
      presence.emit('denied', { status: 403, problem: null });
    });
    await drawn(page);
    assert.equal(await text(page, '.mark'), 'Not allowed');
    await look('denied');

    assert.deepEqual(findings, []);
    await done(page);
  });


test('board: changes find their place, and nothing else moves',
  { timeout: 60_000 }, async () => {
    const page = await open('board.html');

    await page.evaluate(() => {
      presence.know(['anna', 'ben', 'chiara', 'deniz'].map((user) => (
        { ...person(user), status: 'online', reason: 'beat', missed: 0,
          groups: ['agents'], meta: { name: user } })));
    });
    await page.waitForSelector('.row');
    assert.deepEqual(await names(page), ['anna', 'ben', 'chiara', 'deniz']);

    /* the focus goes with its row, and no other row leaves the tree */
    await page.locator('.name', { hasText: 'anna' }).focus();
    await page.evaluate(() => {
      window.gone = 0;
      new MutationObserver((records) => records.forEach((record) => {
        window.gone += record.removedNodes.length;
      })).observe(board.shadowRoot.querySelector('.body > [role=presentation]'),
        { childList: true });
      presence.change({ user: 'anna', status: 'away', reason: 'idle' });
    });
    await until(page, () => board.shadowRoot.querySelector('.row:last-child')
      .dataset.user === 'anna');
    assert.deepEqual(await names(page), ['ben', 'chiara', 'deniz', 'anna']);
    assert.equal(await page.evaluate(() => board.shadowRoot.activeElement
      .textContent), 'anna');
    assert.equal(await page.evaluate(() => window.gone), 1);
    assert.equal(await text(page, '.row[data-user=anna] .why'), 'no activity');

    /* several in one frame, those that trade places too */
    await page.evaluate(() => {
      presence.change({ user: 'deniz', status: 'busy' },
        { user: 'anna', status: 'online' });
      presence.change({ user: 'ben', status: 'offline', meta: null });
      presence.change({ user: 'emil', status: 'online', missed: 2,
        meta: { name: 'emil' } });
      presence.remove('chiara');
    });
    await until(page, () => board.shadowRoot.querySelector('[data-user=emil]'));
    assert.deepEqual(await names(page), ['anna', 'emil', 'deniz', 'ben']);
    assert.equal(await text(page, '[data-user=emil] .beat'), '2 missed');
    assert.equal(await text(page, '.summary'), '3 of 4 here, 2 online');

    /* what others call themselves is text */
    await page.evaluate(() => presence.change({ user: 'emil',
      meta: { name: '<img src=x onerror=alert(1)>' }, text: '<b>x</b>' }));
    await until(page, () => board.shadowRoot.querySelector('[data-user=emil] '
      + '.note').textContent === '<b>x</b>');
    assert.equal(await page.locator('.row img, .row b').count(), 0);
    await done(page);
  });


test('board: keyboard, selection, sorting by heads', { timeout: 60_000 },
  async () => {
    const page = await open('board.html');
    const focused = () => page.evaluate(
      () => board.shadowRoot.activeElement?.closest('.row')?.dataset.user);

    await page.evaluate(() => {
      window.selected = [];
      board.addEventListener('presence-select',
        ({ detail }) => window.selected.push(detail.user));
      presence.know(people(500));
    });
    await page.waitForSelector('.row');

    /* one stop for Tab, arrows go on from there */
    assert.equal(await page.locator('.name[tabindex="0"]').count(), 1);
    await page.locator('.name[tabindex="0"]').focus();

    const first = await focused();

    await page.keyboard.press('ArrowDown');

    const second = await focused();

    assert.notEqual(second, first);
    await page.keyboard.press('Enter');
    await page.keyboard.press('ArrowUp');
    assert.equal(await focused(), first);
    assert.deepEqual(await page.evaluate(() => window.selected), [second]);
    assert.equal(await page.locator('.name[aria-pressed=true]').count(), 1);

    /* to a row that is not in the tree, and back */
    await page.setViewportSize({ width: 390, height: 844 });
    await page.keyboard.press('End');
    await until(page, () => board.shadowRoot.activeElement
      ?.closest('.row')?.getAttribute('aria-rowindex') === '501');
    await page.keyboard.press('Home');
    await until(page, (user) => board.shadowRoot.activeElement
      ?.closest('.row')?.dataset.user === user, first);

    await page.setViewportSize({ width: 1280, height: 900 });

    const head = page.getByRole('columnheader', { name: 'Since' });

    await head.getByRole('button').click();
    await drawn(page);
    assert.equal(await head.getAttribute('aria-sort'), 'descending');
    await head.getByRole('button').click();
    await drawn(page);
    assert.equal(await head.getAttribute('aria-sort'), 'ascending');
    await done(page);
  });


test('board: rows of another height, and the focus stays where it is',
  { timeout: 60_000 }, async () => {
    const page = await open('board.html');
    const cdp = await page.context().newCDPSession(page);
    const narrow = { width: 390, height: 844, deviceScaleFactor: 1,
      mobile: false };
    const place = () => page.evaluate(() => {
      const row = board.shadowRoot.activeElement?.closest('.row');
      const { top, bottom } = row?.getBoundingClientRect() ?? {};

      return { row: row?.getAttribute('aria-rowindex'),
        seen: Math.ceil(top) >= 0 && Math.floor(bottom) <= innerHeight };
    });

    for (const height of ['none', '500px']) {
      await page.evaluate((px) => {
        board.style.setProperty('--presence-board-height', px);
        presence.know(people(500));
      }, height);
      await drawn(page);
      await page.locator('.name[tabindex="0"]').focus();

      /* no frame between the two: the key finds a layout not yet drawn for */
      await Promise.all([
        cdp.send('Emulation.setDeviceMetricsOverride', narrow),
        cdp.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'End',
          code: 'End', windowsVirtualKeyCode: 35 }),
      ]);
      await until(page, () => innerWidth === 390);
      await drawn(page);
      await drawn(page);
      assert.deepEqual(await place(), { row: '501', seen: true });

      /* and back, as a tablet is turned */
      await cdp.send('Emulation.clearDeviceMetricsOverride');
      await until(page, () => innerWidth === 1280);
      await drawn(page);
      await drawn(page);
      assert.deepEqual(await place(), { row: '501', seen: true });
      await page.keyboard.press('Home');
    }
    await done(page);
  });


test('board: says few changes by name, and many as one sentence',
  { timeout: 60_000 }, async () => {
    const page = await open('board.html');
    const said = (pattern) => until(page, (source) => new RegExp(source)
      .test(board.shadowRoot.querySelector('.aloud').textContent), pattern);

    await page.evaluate(() => {
      presence.know(people(50));
      presence.change({ user: 'agent-0', status: 'away', reason: 'idle' });
    });
    await said('^Person 0: Away$');
    await page.evaluate(() => {
      for (let i = 0; i < 20; i++) {
        presence.change({ user: `agent-${i}`, status: 'offline' });
      }
    });
    await said('^1\\d changes: Offline 1\\d$');
    await done(page);
  });


test('board: 1,000 members and 100 changes a second', { timeout: 120_000 },
  async (t) => {
    const page = await open('board.html');
    const cdp = await page.context().newCDPSession(page);
    const metrics = async () => {
      const { metrics: all } = await cdp.send('Performance.getMetrics');

      return Object.fromEntries(all.map(({ name, value }) => [name, value]));
    };

    await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
    await page.evaluate(() => presence.know(people(1000)));
    await page.waitForSelector('.row');
    await drawn(page);
    assert.equal(await text(page, '.count'), '1,000Everybody');

    const start = await metrics();
    const result = await page.evaluate(async () => {
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      const long = [];
      const watch = new PerformanceObserver((list) => long.push(
        ...list.getEntries().map(({ duration }) => Math.round(duration))));
      const begin = await frame();
      let frames = 0;
      let sent = 0;
      let now = begin;

      watch.observe({ type: 'longtask' });

      while (now < begin + 5000) {
        now = await frame();
        frames++;

        for (; sent < (now - begin) / 10; sent++) {
          presence.change({ user: `agent-${sent * 37 % 1000}`,
            status: ['online', 'busy', 'away', 'offline', 'dnd'][sent % 5],
            since: Date.now(), reason: 'activity' });
        }
      }

      await frame();

      return { frames, sent, long, rows:
        board.shadowRoot.querySelectorAll('.row').length };
    });
    const end = await metrics();
    const cpu = end.TaskDuration - start.TaskDuration;

    t.diagnostic(`${result.frames} frames, ${result.sent} changes, main thread`
      + ` ${Math.round(1000 * cpu / result.frames * 10) / 10} ms a frame, long`
      + ` tasks ${JSON.stringify(result.long)}, ${result.rows} rows`);

    assert.ok(result.sent >= 490, `${result.sent} changes`);
    assert.ok(result.rows < 60, `${result.rows} rows in the tree`);
    /* processor time, not time on the wall: other programs are no matter */
    assert.ok(cpu / result.frames < 0.016,
      `${cpu} s of the main thread for ${result.frames} frames`);

    /* and it shows what is true */
    const [shown, known] = await page.evaluate(() => [
      Object.fromEntries([...board.shadowRoot.querySelectorAll('.count')].slice(1)
        .map((tile) => [tile.dataset.status,
          Number(tile.querySelector('b').textContent)])), presence.counts]);

    assert.deepEqual(shown, known);
    await done(page);
  });


test('board: only a count, and the end of its own Presence',
  { timeout: 60_000 }, async () => {
    const page = await open('board.html');

    await page.evaluate(async () => {
      const { PresenceBoard } = await import('/js/board.js');
      const { FakePresence } = await import('./fake.js');
      const made = window.made = [];

      PresenceBoard.Client = class extends FakePresence {
        constructor(options) {
          super();
          this.options = options;
          made.push(this);
        }
      };
      const board = document.createElement('presence-board');

      board.setAttribute('url', '/p/');
      board.setAttribute('groups', 'a, b');
      board.setAttribute('mode', 'count');
      board.id = 'own';
      document.querySelector('main').append(board);
    });
    await until(page, () => made.length === 1 && made[0].started === 1);
    assert.deepEqual(JSON.parse(await page.evaluate(
      () => JSON.stringify(made[0].options))), {
      url: '/p/', beat: false, groups: ['a', 'b'], users: [], mode: 'count' });
    await page.evaluate(() => made[0].know(people(7)));
    await until(page, () => document.querySelector('#own').shadowRoot
      .querySelector('.count b').textContent === '7');
    assert.equal(await page.locator('#own .row, #own button.count').count(), 0);

    /* moved it goes on, changed it begins anew, removed it ends */
    await page.evaluate(() => document.body.append(document.querySelector('#own')));
    await page.evaluate(() => document.querySelector('#own')
      .setAttribute('groups', 'a'));
    await until(page, () => made.at(-1).started === 1 && made.length >= 2
      && made.slice(0, -1).every(({ stopped }) => stopped === 1));
    await page.evaluate(() => document.querySelector('#own').remove());
    await until(page, () => made.at(-1).stopped === 1);
    await done(page);
  });


test('board: labels and language of the page', { timeout: 60_000 }, async () => {
  const page = await open('board.html');

  await page.evaluate(() => {
    board.setAttribute('lang', 'de');
    board.setAttribute('labels', JSON.stringify({ status: { online: 'Da' },
      board: { missed: { one: 'einer fehlt', other: '{n} fehlen' } } }));
    presence.know([{ ...person('a'), status: 'online', missed: 2,
      last_seen: Date.now() - 13000 }]);
  });
  await page.waitForSelector('.row');
  assert.equal(await text(page, '.row .state'), 'Da');
  assert.equal(await text(page, '.row .beat'), '2 fehlen');
  assert.match(await text(page, '.row time:not([datetime])'), /^vor 1\d/);
  await done(page);
});


test('status: choosing, expiry, note, connection, and no finding of axe',
  { timeout: 480_000 }, async () => {
    const page = await open('status.html');
    const findings = [];
    const own = page.locator('#status');
    const asked = (n) => until(page, (count) => presence.asked.length === count, n)
      .then(() => page.evaluate(() => presence.asked.at(-1)));

    await drawn(page);
    assert.equal(await own.locator('.state').textContent(), 'Not connected');
    findings.push(...await checkAll(page, 'stopped'));
    await own.getByRole('button', { name: 'Connect' }).click();
    assert.equal(await page.evaluate(() => presence.started), 1);

    await page.evaluate(() => presence.answer());
    await drawn(page);
    assert.equal(await own.locator('.state').textContent(), 'Online');
    assert.equal(await own.locator('.mark').textContent(), 'Connected');
    findings.push(...await checkAll(page, 'online'));

    await own.locator('label', { hasText: 'Busy' }).click();
    assert.deepEqual(await asked(1), { status: 'busy', until: null });
    await drawn(page);
    assert.equal(await own.locator('.hint').textContent(), 'Telling the server…');
    await page.evaluate(() => presence.answer({ status: 'busy', manual: 'busy' }));
    await drawn(page);
    assert.equal(await own.locator('.hint').textContent(),
      'Set by hand, until you change it');

    await own.getByLabel('For how long').selectOption('1800');

    const { status, until: end } = await asked(2);

    assert.equal(status, 'busy');
    assert.ok(Math.abs(end - Date.now() - 1800_000) < 60_000, `until ${end}`);
    await page.evaluate((time) => presence.answer({ status: 'busy',
      manual: 'busy', until: time }), end);
    await drawn(page);
    assert.match(await own.locator('.hint').textContent(),
      /^By hand, automatic again at .*, in (30m|29m)/);

    await own.getByLabel('Note for the others').fill(' Back at noon ');
    await own.getByRole('button', { name: 'Set note' }).click();
    assert.equal((await asked(3)).text, 'Back at noon');
    await page.evaluate(() => presence.answer());

    /* arrows walk over what is not meant */
    await drawn(page);
    await own.getByLabel('Automatic').focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    assert.equal((await asked(4)).status, 'dnd');

    /* the server does not hear the page */
    await page.evaluate(() => {
      presence.answer();
      presence.turn('retrying');
    });
    await drawn(page);
    assert.equal(await own.locator('.mark').textContent(), 'Reconnecting');
    assert.match(await own.locator('.hint').textContent(), /offline for the others in/);
    await page.evaluate(() => {
      presence.reply.server_time -= 100_000;
      presence.emit('change', {});
    });
    await drawn(page);
    assert.equal(await own.locator('.state').textContent(), 'Offline');
    findings.push(...await checkAll(page, 'retrying'));

    await page.evaluate(() => {
      presence.answer();
      presence.emit('recovered', { reason: 'missed', at: Date.now() });
    });
    await drawn(page);
    assert.match(await own.locator('.notice').textContent(), /\(heartbeat lost\)/);

    /* the one in a bar */
    const menu = page.locator('#menu');

    await menu.getByRole('button', { expanded: false }).click();
    await drawn(page);
    findings.push(...await checkAll(page, 'menu'));
    await page.keyboard.press('Escape');
    assert.equal(await menu.locator('form').isVisible(), false);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'menu');

    assert.deepEqual(findings, []);
    await done(page);
  });
