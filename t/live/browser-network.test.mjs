// Networks and servers that fail, between a real browser and a real server.

import assert from 'node:assert/strict';
import { after } from 'node:test';

import { Application } from './lib/application.mjs';
import { Chromium } from './lib/chromium.mjs';
import { Proxy } from './lib/proxy.mjs';
import { dropIn, short, SOON, visits, WINDOW } from './lib/visit.mjs';
import { pass } from './lib/wait.mjs';

const visit = visits(Chromium);
const application = await Application.start();

after(() => application.close());

/* A visit by way of a proxy. */
function remote(title, given, body) {
  visit(title, given, async (visit) => {
    const proxy = await Proxy.start(visit.scene.nginx.ports.h1);

    try {
      await visit.login('ann', proxy.origin);
      await body(visit, proxy, await visit.agent({ timeout: 2000 }, proxy));
    } finally {
      await proxy.close();
    }
  });
}

/* The page's stream tells what is true again. */
const untilLive = (tab) => tab.until(() => presence.live === 'live', SOON,
  'the stream is live again');


for (const how of ['blackHole', 'reset']) {
  remote(`offline and online again within the window: no event (${how})`, {},
    async (visit, proxy, tab) => {
      await untilLive(tab);
      await visit.beatsOn();
      proxy[how]();
      await pass(2000);
      proxy.pass();
      await visit.beatsOn();
      await untilLive(tab);
      assert.deepEqual(visit.news(), ['enter'], visit.story());
      await visit.assertNeverOffline();
    });


  remote(`offline for longer: gone at the deadline, and back (${how})`,
    { zone: short }, async (visit, proxy, tab) => {
      await untilLive(tab);
      proxy[how]();

      const leave = await visit.untilGone(WINDOW + SOON);
      const last = visit.beats.all().at(-1);

      assert.equal(leave.member.reason, 'missed');
      assert.ok(leave.member.since >= last.at + WINDOW - 100);
      await tab.until(() => presence.state === 'retrying'
        && presence.live !== 'live', SOON, 'the page knows that it is alone');

      await visit.seen(() => proxy.pass());
      assert.equal((await visit.member()).status, 'online');
      await untilLive(tab);
      await visit.beatsOn();
      assert.deepEqual(visit.news(), ['enter', 'leave', 'enter']);
      assert.ok(await tab.run(() => events.some(
        ({ type, reason }) => type === 'recovered' && reason === 'missed')));
    });
}


remote('another network with another address: no event', {},
  async (visit, proxy, tab) => {
    const [{ session }] = visit.beats.all();

    await visit.beatsOn();
    proxy.moveTo('127.0.0.7');
    await visit.beatsOn(3, { session, from: '127.0.0.7' });
    await untilLive(tab);
    assert.deepEqual(visit.news(), ['enter'], visit.story());
    await visit.assertNeverOffline();
  });


visit('the server is down and back: nobody has gone',
  { zone: { state: 'agents.presence', state_interval: 200 } },
  async (visit) => {
    const tab = await visit.agent();

    await visit.beatsOn();
    await visit.scene.nginx.stop('SIGTERM');
    await tab.until(() => presence.state === 'retrying', SOON,
      'the page knows');
    await visit.scene.nginx.start();
    await visit.dash.again();
    await visit.beatsOn(3);
    await tab.until(() => presence.live === 'live', SOON, 'live again');
    assert.deepEqual(visit.leaves(), [], visit.story());
    assert.deepEqual(visit.dash.states.flatMap((state) => state.lost), []);
    await visit.assertNeverOffline();
  });


visit('a reload of the server under a page: no event', {}, async (visit) => {
  await visit.agent();
  await visit.beatsOn();
  await visit.scene.nginx.reload();
  await visit.dash.again();
  await visit.beatsOn(4);
  await visit.assertNeverOffline();
});


visit('an expired token is asked for again: no event', {
  server: application.locations + dropIn('/tokens/', {
    user: '$who', more: `auth_request /whoami;
            auth_request_set $who $upstream_http_x_user;`,
  }),
}, async (visit) => {
  const given = application.given;

  await visit.agent({ url: '/tokens/', token: '/token' });
  assert.equal(application.given, given + 1);
  await visit.beatsOn();
  application.expire();
  await visit.beats.next({ status: 401 }, SOON, 0);
  await visit.beatsOn(3);
  assert.equal(application.given, given + 2);
  assert.equal(visit.beats.all({ status: 401 }).length, 1);
  assert.deepEqual(visit.news(), ['enter'], visit.story());
  await visit.assertNeverOffline();
});


visit('who is logged out is asked once more, and then left in peace', {
  zone: short,
}, async (visit) => {
  const tab = await visit.agent();

  await visit.login('');
  await tab.until(() => presence.state === 'denied', SOON, 'it is denied');

  const refused = visit.beats.all({ status: 401 }).length;

  assert.ok(refused >= 1 && refused <= 2);
  assert.equal((await visit.untilGone(WINDOW + SOON)).member.reason, 'missed');
  assert.equal(visit.beats.all({ status: 401 }).length, refused);

  await visit.login('ann');
  await visit.seen(() => tab.run(() => { presence.start(); }));
  assert.equal((await visit.member()).status, 'online');
});
