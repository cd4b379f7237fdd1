// Several tabs of one browser, and several people one after another.

import assert from 'node:assert/strict';

import { Chromium } from './lib/chromium.mjs';
import { SOON, visits, zone } from './lib/visit.mjs';
import { pass, until } from './lib/wait.mjs';
import { text } from './lib/wire.mjs';

const visit = visits(Chromium);

const TABS = 7;     /* one more than the connections that HTTP/1.1 gives */


visit('a duplicated tab is a session of its own', {}, async (visit) => {
  const tab = await visit.agent();
  const [{ session }] = visit.beats.all();
  const twin = visit.watch(await visit.window.opened(
    () => tab.run(() => { open(location.href); })));

  await until(() => new Set(visit.beats.all().map((beat) => beat.session))
    .size === 2, SOON, 'the twin has another session');
  await visit.beatsOn(3, { session });
  assert.equal(await tab.run(() => presence.session), session);
  assert.notEqual(await twin.run(() => presence.session), session);
  await until(async () => (await visit.member()).sessions === 2, SOON,
    'two sessions');

  await twin.close();
  await pass(zone.leave_grace);
  await visit.beatsOn(2, { session });
  assert.equal((await visit.member()).sessions, 1);
  assert.deepEqual(visit.news(), ['enter'], visit.story());
  await visit.assertNeverOffline();
});


/* How many are open, as the server counts them. */
async function streams({ scene }) {
  const reply = await scene.wire('h1').open({ path: '/metrics' });

  return +/^presence_streams\{.*\} (\d+)$/m.exec(await text(reply.body))[1];
}

visit('more tabs than HTTP/1.1 has connections: all beat, on one stream',
  { server: 'location = /metrics { presence_metrics agents; }' },
  async (visit) => {
    const tabs = [];

    for (let n = 0; n < TABS; n++) {
      tabs.push(await visit.agent());
    }

    const sessions = await Promise.all(
      tabs.map((tab) => tab.run(() => presence.session)));

    assert.equal(new Set(sessions).size, TABS);
    await Promise.all(sessions.map((session) => visit.beatsOn(3, { session })));
    await Promise.all(tabs.map((tab) => tab.until(
      () => presence.live === 'live' && presence.member('ann')?.status
        === 'online', SOON, 'every tab knows who is there')));
    assert.equal((await visit.member()).sessions, TABS);
    await until(async () => await streams(visit) === 2, SOON,
      'one stream of the tabs, and one of the dashboard');

    /* the tab that has it goes: another one takes over */
    await tabs.shift().close();
    await visit.scene.beat('bob');
    await Promise.all(tabs.map((tab) => tab.until(
      () => presence.live === 'live' && presence.member('bob')?.status
        === 'online', SOON, 'every tab knows of the change')));
    assert.deepEqual(visit.news(), ['enter'], visit.story());

    await visit.assertNeverOffline();
  });


visit('a logout in one tab is one in all', {}, async (visit) => {
  const tab = await visit.agent();
  const other = await visit.agent();

  await visit.beatsOn();
  assert.equal(await tab.run(() => presence.logout()), true);

  const leave = await visit.untilGone(SOON);

  assert.equal(leave.member.reason, 'logout');
  await other.until(() => presence.state === 'stopped', SOON,
    'the other tab has stopped');
  await pass(3 * zone.interval);
  assert.deepEqual(visit.news(), ['enter', 'leave'], visit.story());
  assert.equal((await visit.member()).sessions, 0);
});


visit('a login as somebody else: the two never mix', {}, async (visit) => {
  const tab = await visit.agent();
  const other = await visit.agent();
  const [{ session }] = visit.beats.all();

  await visit.beatsOn();
  await tab.run(() => presence.logout());
  await visit.untilGone(SOON);
  await visit.login('bob');
  await visit.seen(() => tab.run(() => { presence.start(); }), { user: 'bob' });
  await visit.seen(() => other.reload(), { user: 'bob' });
  await visit.beatsOn(4, { user: 'bob' });

  assert.ok(visit.beats.all({ user: 'bob' })
    .every((beat) => beat.session !== session));
  assert.deepEqual(visit.news(), ['enter', 'leave'], visit.story());
  assert.deepEqual(visit.news('bob'), ['enter']);
  assert.equal((await visit.member()).sessions, 0);
  assert.equal((await visit.member('bob')).sessions, 2);
});
