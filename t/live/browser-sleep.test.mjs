// A machine that sleeps: all of the browser stops, the server does not.

import assert from 'node:assert/strict';

import { Chromium } from './lib/chromium.mjs';
import { short, SOON, visits, WINDOW, zone } from './lib/visit.mjs';
import { pass } from './lib/wait.mjs';

const visit = visits(Chromium);

const HOUR = 3_600_000;

async function asleep({ browser }, meanwhile) {
  browser.processes.stop();

  try {
    return await meanwhile();
  } finally {
    browser.processes.go();
  }
}

/* What came after a time: one beat for all that was missed, and then the usual
   interval. */
function assertOneCatchUp(beats) {
  const [back, next] = beats;

  assert.ok(next.at - back.at >= zone.interval / 2,
    `a second beat ${next.at - back.at} ms after the first`);
}


visit('a nap within the window: no event', {}, async (visit) => {
  await visit.agent();
  await visit.beatsOn();

  const before = visit.beats.all().length;

  await asleep(visit, () => pass(4 * zone.interval));
  await visit.beatsOn(3);
  assertOneCatchUp(visit.beats.all().slice(before));
  assert.deepEqual(visit.news(), ['enter'], visit.story());
  await visit.assertNeverOffline();
});


visit('a sleep beyond the window: gone, and back with the first beat',
  { zone: short }, async (visit) => {
    const tab = await visit.agent();

    await visit.beatsOn();

    const leave = await asleep(visit, () => visit.untilGone(WINDOW + SOON));
    const before = visit.beats.all().length;

    assert.equal(leave.member.reason, 'missed');
    await visit.beatsOn(3);
    assertOneCatchUp(visit.beats.all().slice(before));
    assert.deepEqual(visit.news(), ['enter', 'leave', 'enter']);
    assert.ok(await tab.run(() => events.some(
      ({ type, reason }) => type === 'recovered' && reason === 'missed')));
  });


visit('the clock jumps by an hour, which is how sleep looks: no event', {},
  async (visit) => {
    const tab = await visit.window.tab();

    await tab.before(() => {
      const { now } = Date;

      globalThis.jump = 0;
      Date.now = () => now() + globalThis.jump;
    });
    visit.watch(tab);
    await visit.seen(() => tab.goto(visit.page('agent.html', {})));
    await visit.beatsOn();

    const before = visit.beats.all().length;

    await tab.run((hour) => { globalThis.jump = hour; }, HOUR);
    await visit.beatsOn(4);

    const [back] = visit.beats.all().slice(before)
      .filter(({ diag }) => diag.slept_ms > 0);

    assert.ok(back.diag.slept_ms >= HOUR - 1000, 'it says so');

    /* and back, as by a correction */
    await tab.run(() => { globalThis.jump = 0; });
    await visit.beatsOn(4);
    assert.deepEqual(visit.dash.kinds('ann'), ['enter'], visit.story());
    await visit.assertNeverOffline();
  });
