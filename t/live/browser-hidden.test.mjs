// Hidden tabs: browsers slow their timers to one a minute, and freeze them.
// What must not slow down is told by a clock of the page's own beside it.

import assert from 'node:assert/strict';

import { Chromium } from './lib/chromium.mjs';
import { explained, TOLD } from './lib/told.mjs';
import { SOON, visits, zone } from './lib/visit.mjs';
import { pass } from './lib/wait.mjs';

/* From two seconds after a page was hidden, and for every hidden page, what
   Chromium does to others after five minutes. */
const visit = visits(Chromium, { flags: ['--enable-features='
  + 'IntensiveWakeUpThrottling:grace_period_seconds/2,'
  + 'InfiniteTabsFreezing:num_protected_tabs/0'] });

const BEATS = 12;

/* Another tab in front of it. */
async function hide(visit, tab) {
  await tab.run(() => {
    globalThis.ticks = 0;
    globalThis.ticked = Date.now();
    setInterval(() => {
      globalThis.ticks++;
      globalThis.ticked = Date.now();
    }, 100);
  });
  await visit.window.tab(visit.page('elsewhere.html'));
  await tab.untilHidden();
  await visit.beats.next({ visible: false }, SOON, 0);
}

const untilSlowed = (tab) => tab.until(
  () => Date.now() - globalThis.ticked > 3000, 2 * SOON,
  'the timers of a hidden page are slowed');

for (const [how, page, presence, ticker, firing] of [
  ['', 'agent.html', {}, 'worker', /^(worker|ping|timer)$/],
  [' without blobs, by the worker\'s own URL', 'blobless/agent.html',
    { worker: '/js/src/worker.js' }, 'worker', /^(worker|ping|timer)$/],
  [' by the worker alone', 'agent.html', { stream: false }, 'worker',
    /^(worker|timer)$/],
  [' without workers, by the stream', 'workerless/agent.html', {}, 'page',
    /^(ping|timer)$/],
]) {
  visit(`a hidden tab beats on${how}`, { server: TOLD }, async (visit) => {
    const tab = await visit.agent(presence, { page });

    await hide(visit, tab);
    await untilSlowed(tab);

    const ticks = await tab.run(() => globalThis.ticks);

    await visit.beatsOn(BEATS, { visible: false });

    /* meanwhile the page's own timer was woken once at most */
    assert.ok(await tab.run(() => globalThis.ticks) - ticks < BEATS);
    assert.equal(visit.beats.all().at(-1).diag.ticker, ticker);
    assert.deepEqual(visit.dash.kinds('ann'), ['enter'], visit.story());
    await visit.assertNeverOffline();

    /* and its beats explain themselves, to whoever looks at the trace */
    const fired = await explained(visit.scene, visit.beats,
      { due: zone.max_interval, slack: zone.slack });

    visit.scene.t.diagnostic(`fired by: ${JSON.stringify(fired)}`);
    assert.deepEqual(Object.keys(fired)
      .filter((what) => !firing.test(what) && what !== 'hidden'), []);
    assert.ok(Object.values(fired).reduce((a, b) => a + b) >= BEATS / 2);
  });
}

visit('a hidden tab with nothing but its timers is slow, and online', {},
  async (visit) => {
    const tab = await visit.agent({ stream: false },
      { page: 'workerless/agent.html' });

    await hide(visit, tab);
    await untilSlowed(tab);

    /* longer than the window of a tab that is shown */
    await pass(visit.scene.window);
    assert.equal(await visit.assertNeverOffline(), 0);
    assert.equal(visit.beats.all().at(-1).next_ms, zone.max_interval);

    await visit.seen(() => tab.show(), { visible: true });
    await visit.beatsOn(2, { visible: true });
    assert.deepEqual(visit.dash.kinds('ann'), ['enter'], visit.story());
  });


visit('a hidden tab that the browser freezes comes back as it went', {},
  async (visit) => {
    /* no stream: the tab that has it holds a lock, and is not frozen */
    const tab = await visit.agent({ keepAwake: false, stream: false });

    await hide(visit, tab);
    await tab.until(() => globalThis.lifecycle.includes('freeze'), 2 * SOON,
      'the page is frozen');
    await pass(visit.scene.window);
    assert.equal(await visit.assertNeverOffline(), 0);

    await visit.seen(() => tab.show(), { visible: true });
    await visit.beatsOn(2, { visible: true });
    assert.deepEqual(visit.dash.kinds('ann'), ['enter'], visit.story());
  });
