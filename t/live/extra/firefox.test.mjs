// The main cases of a page's life, in Firefox ESR ("make firefox").

import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { Firefox, PROGRAM } from '../lib/firefox.mjs';
import { short, SOON, visits, WINDOW, zone } from '../lib/visit.mjs';
import { pass } from '../lib/wait.mjs';

const skip = fs.existsSync(PROGRAM) ? null
  : `${PROGRAM} is not there: apt-get install firefox-esr`;
const visit = skip ? (title) => test(title, { skip }) : visits(Firefox);


visit('Firefox: a page beats, and a reload is no event', {}, async (visit) => {
  const tab = await visit.agent();
  const [{ session }] = visit.beats.all();

  await visit.beatsOn(4);

  for (let n = 0; n < 3; n++) {
    await tab.reload();
    await visit.beatsOn();
  }

  await pass(zone.leave_grace);
  await visit.beatsOn();
  assert.equal(visit.beats.all({ leave: true }).length, 3);
  assert.ok(visit.beats.all().every((beat) => beat.session === session));
  assert.deepEqual(visit.news(), ['enter'], visit.story());
  await visit.assertNeverOffline();
});


visit('Firefox: a hidden tab beats on, with and without a worker', {},
  async (visit) => {
    const tab = await visit.agent();
    const { session } = visit.beats.all().at(-1);
    const other = await visit.agent({}, { page: 'workerless/agent.html' });
    const others = visit.beats.all().at(-1).session;

    await visit.window.tab(visit.page('elsewhere.html'));
    await tab.untilHidden();
    await other.untilHidden();
    await visit.beatsOn(12, { session, visible: false });
    await visit.beatsOn(12, { session: others, visible: false });
    assert.deepEqual(visit.dash.kinds('ann'), ['enter'], visit.story());

    await visit.seen(() => tab.show(), { session, visible: true });
    await visit.assertNeverOffline();
  });


/* Firefox ends the process of a tab with it, often before pagehide has run, if
   no other tab of the site is in that process. */
visit('Firefox: a closed tab is gone, by its word or at the deadline',
  { zone: short }, async (visit) => {
    const tab = await visit.agent();

    await visit.beatsOn(1);
    await tab.close();

    const { member } = await visit.untilGone(zone.leave_grace + WINDOW + SOON);

    assert.ok(['leave', 'missed'].includes(member.reason), member.reason);
    visit.scene.t.diagnostic(`closed: ${member.reason}`);
    assert.deepEqual(visit.news(), ['enter', 'leave']);
  });


/* The tab that has the stream holds a lock, and Firefox keeps no such page: it
   is loaded anew, in its session. One without a stream is kept as it was. */
for (const [what, presence, isKept] of [
  ['and loaded anew', {}, false],
  ['by the back/forward cache', { stream: false }, true],
]) {
  visit(`Firefox: away and back, ${what}`, {}, async (visit) => {
    const tab = await visit.agent(presence);
    const [{ session, doc }] = visit.beats.all();

    await visit.beatsOn(1);
    await tab.goto(visit.page('elsewhere.html'));
    await visit.beats.next({ leave: true }, SOON, 0);
    await tab.back();
    await visit.beatsOn(3, { session });
    assert.equal(visit.beats.all().at(-1).doc === doc, isKept);
    await pass(zone.leave_grace);
    assert.deepEqual(visit.news(), ['enter'], visit.story());
    await visit.assertNeverOffline();

    await tab.goto(visit.page('elsewhere.html'));
    assert.equal((await visit.untilGone(zone.leave_grace + SOON)).member.reason,
      'leave');
  });
}


visit('Firefox: a logout is the end, a login as somebody else is theirs', {},
  async (visit) => {
    const tab = await visit.agent();
    const other = await visit.agent();
    const sessions = visit.beats.all().map((beat) => beat.session);

    assert.equal(await tab.run(() => presence.logout()), true);
    assert.equal((await visit.untilGone(SOON)).member.reason, 'logout');
    await other.until(() => presence.state === 'stopped', SOON,
      'the other tab has stopped');
    await visit.login('bob');
    await visit.seen(() => tab.run(() => { presence.start(); }),
      { user: 'bob' });
    await visit.beatsOn(4, { user: 'bob' });
    assert.ok(visit.beats.all({ user: 'bob' })
      .every((beat) => !sessions.includes(beat.session)));
    assert.deepEqual(visit.news(), ['enter', 'leave'], visit.story());
    assert.deepEqual(visit.news('bob'), ['enter']);
  });


/* It remembers an address that gave no module, and asks it no more. */
visit('Firefox: what could not be loaded is asked for by another address', {
  server: `location = /js/src/later.js {
               if ($args = "") { return 444; }
               alias ${fileURLToPath(new URL('../../../js/src/later.js', import.meta.url))};
           }`,
}, async (visit) => {
  const tab = await visit.agent();

  await tab.until(() => presence.live === 'live', SOON, 'it follows');
});
