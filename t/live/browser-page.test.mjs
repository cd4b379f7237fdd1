// The life of a page, from its first beat to the last, as the server sees it.

import assert from 'node:assert/strict';

import { Chromium } from './lib/chromium.mjs';
import { short, SOON, visits, WINDOW, zone } from './lib/visit.mjs';
import { pass, until } from './lib/wait.mjs';

const visit = visits(Chromium);


visit('a page beats from login on, each interval', {}, async (visit) => {
  const tab = await visit.agent();

  await visit.beatsOn(4);

  const beats = visit.beats.all();
  const { session, doc } = beats[0];

  assert.ok(beats.every((beat) => beat.session === session
    && beat.doc === doc && beat.visible === true));
  assert.equal(new Set(beats.map((beat) => beat.seq)).size, beats.length);
  assert.equal(await tab.run(() => presence.session), session);
  assert.deepEqual(visit.news(), ['enter']);
  await visit.assertNeverOffline();
});


visit('a reload is no event', {}, async (visit) => {
  const tab = await visit.agent();
  const [{ session }] = visit.beats.all();

  for (let n = 0; n < 3; n++) {
    await tab.reload();
    await visit.beatsOn();
  }

  await pass(zone.leave_grace);
  await visit.beatsOn();
  assert.deepEqual(visit.news(), ['enter'], visit.story());
  assert.equal(visit.beats.all({ leave: true }).length, 3);
  assert.ok(visit.beats.all().every((beat) => beat.session === session));
  assert.equal(new Set(visit.beats.all().map((beat) => beat.doc)).size, 4);
  await visit.assertNeverOffline();
});


visit('a closed tab is gone after the grace, not before', {}, async (visit) => {
  const tab = await visit.agent();

  await visit.beatsOn(1);
  await tab.close();

  const bye = await visit.beats.next({ leave: true }, SOON, 0);
  const leave = await visit.untilGone(zone.leave_grace + SOON);

  assert.equal(leave.member.reason, 'leave');
  assert.ok(leave.member.since >= bye.at + zone.leave_grace - 1);
  assert.deepEqual(visit.news(), ['enter', 'leave']);
});


visit('a closed hidden tab says so as well', {}, async (visit) => {
  const tab = await visit.agent();

  await visit.window.tab(visit.page('elsewhere.html'));
  await tab.untilHidden();
  await visit.beats.next({ visible: false }, SOON, 0);
  await tab.close();
  await visit.beats.next({ leave: true }, SOON, 0);
  assert.equal((await visit.untilGone(zone.leave_grace + SOON)).member.reason,
    'leave');
});


visit('one of two tabs closes: nothing has changed', {}, async (visit) => {
  const tab = await visit.agent();
  const other = await visit.agent();

  await visit.beatsOn();
  await other.close();
  await visit.beats.next({ leave: true }, SOON, 0);
  await pass(zone.leave_grace + 2 * zone.interval);
  assert.equal((await visit.member()).sessions, 1);
  assert.deepEqual(visit.news(), ['enter'], visit.story());
  await visit.assertNeverOffline();
  await tab.close();
});


visit('away to a page without presence: gone after the grace', {},
  async (visit) => {
    const tab = await visit.agent();

    await tab.goto(visit.page('elsewhere.html'));

    const bye = await visit.beats.next({ leave: true }, SOON, 0);
    const leave = await visit.untilGone(zone.leave_grace + SOON);

    assert.ok(leave.member.since >= bye.at + zone.leave_grace - 1);
    assert.equal(leave.member.reason, 'leave');
  });


visit('away and back by the back/forward cache: the same session goes on', {},
  async (visit) => {
    const tab = await visit.agent();
    const [{ session, doc }] = visit.beats.all();

    await visit.beatsOn(1);
    await tab.goto(visit.page('elsewhere.html'));
    await visit.beats.next({ leave: true }, SOON, 0);
    assert.equal(await tab.back(), 'BackForwardCacheRestore');
    await visit.beatsOn(3, { session, doc });
    await pass(zone.leave_grace);
    assert.deepEqual(visit.news(), ['enter'], visit.story());
    await visit.assertNeverOffline();

    /* longer away than the grace: it comes as it went */
    await tab.goto(visit.page('elsewhere.html'));
    await visit.untilGone(zone.leave_grace + SOON);
    assert.equal(await tab.back(), 'BackForwardCacheRestore');
    await visit.beatsOn(2, { session, doc });
    assert.equal((await visit.member()).status, 'online');
    assert.deepEqual(visit.news(), ['enter', 'leave', 'enter']);
  });


visit('a frozen page is not gone, and beats once when it goes on', {},
  async (visit) => {
    const tab = await visit.agent();

    await visit.window.tab(visit.page('elsewhere.html'));
    await visit.beats.next({ visible: false }, SOON, 0);
    await tab.freeze();
    await tab.until(() => globalThis.lifecycle.includes('freeze'), SOON,
      'the page is frozen');
    await pass(visit.scene.window + zone.interval);
    await visit.assertNeverOffline();

    const before = visit.beats.all().length;

    await tab.thaw();
    await visit.beatsOn(3);

    const [back, next] = visit.beats.all().slice(before);

    assert.equal(back.diag.fired, 'resume');
    assert.ok(back.diag.frozen_ms >= visit.scene.window);
    assert.ok(next.at - back.at >= zone.interval / 2, 'one beat for the pause');
    assert.deepEqual(visit.dash.kinds('ann'), ['enter'], visit.story());
  });


visit('a discarded tab is loaded again in the same session',
  { inFirstWindow: true }, async (visit) => {
    const tab = await visit.agent();
    const [{ session, doc }] = visit.beats.all();
    const show = await visit.window.discard(tab);

    await visit.seen(async () => visit.watch(await show()),
      { session, visible: true });
    await visit.beatsOn(2);

    const [back] = visit.beats.all().filter((beat) => beat.doc !== doc);

    assert.equal(back.session, session);
    assert.equal(back.diag.discarded, true);
    assert.deepEqual(visit.news(), ['enter'], visit.story());
    await visit.assertNeverOffline();
  });


visit('a crashed tab says nothing: it is missed, and gone at the deadline',
  { zone: short }, async (visit) => {
    const tab = await visit.agent();

    await visit.beatsOn(1);
    await tab.crash();

    const leave = await visit.untilGone(WINDOW + SOON);
    const last = visit.beats.all().at(-1);

    assert.equal(leave.member.reason, 'missed');
    assert.ok(leave.member.since >= last.at + WINDOW - 100);
    assert.equal(visit.beats.all({ leave: true }).length, 0);

    await visit.seen(() => tab.reload());
    await visit.dash.waitForChange('ann', 'enter', SOON, 2);
    assert.equal((await visit.member()).status, 'online');
  });


visit('one of two tabs crashes: nothing has changed', { zone: short },
  async (visit) => {
    const tab = await visit.agent();
    const [{ session }] = visit.beats.all();
    const other = await visit.agent();

    await visit.beatsOn();
    await other.crash();
    await until(async () => (await visit.member()).sessions === 1,
      WINDOW + SOON, 'the crashed tab\'s session is over');
    await tab.show();
    await visit.beatsOn(2, { session });
    assert.deepEqual(visit.news(), ['enter'], visit.story());
    await visit.assertNeverOffline();
  });
