// Networks and servers that fail, between a real browser and a real server.

import assert from 'node:assert/strict';
import fs from 'node:fs';
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
function remote(title, given, body, { timeout = 2000 } = {}) {
  visit(title, given, async (visit) => {
    const proxy = await Proxy.start(visit.scene.nginx.ports.h1);

    try {
      await visit.login('ann', proxy.origin);
      await body(visit, proxy, await visit.agent({ timeout }, proxy));
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


/* What was asked of the hole hangs for its whole time-out. */
remote('after a black hole the stream is back with the beats', {},
  async (visit, proxy, tab) => {
    await untilLive(tab);
    proxy.blackHole();
    await tab.until(() => presence.state === 'retrying'
      && presence.live !== 'live', SOON, 'the page knows that it is alone');
    await pass(1000);
    await tab.run(() => { events.length = 0; });
    proxy.pass();
    await tab.until(() => events.some(({ live }) => live === 'live'), SOON,
      'the stream is live again');

    const [answered, live] = await tab.run(() => [
      events.find(({ phase }) => phase === 'answered'),
      events.find((event) => event.live === 'live'),
    ].map(({ at }) => at));

    visit.scene.t.diagnostic(`${live - answered} ms after the beats`);
    assert.ok(live - answered < 3000);
    await visit.assertNeverOffline();
  }, { timeout: 15_000 });


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


/* Tokens that count until there is a file of their name, with which nginx
   alone refuses them; and a log of who came with which. */
const BEARER = `
    log_format tokens '$request_method $uri $status $token';
    map $http_authorization $token {
        default "";
        "~^Bearer (?<given>token-[0-9]+)$" $given;
    }
    map $token $whose {
        default ann;
        "" "";
    }`;

visit('a token expires in mid-stream: beats and streams get another', {
  http: BEARER,
  server: application.locations + dropIn('/tokens/', {
    user: '$whose', more: `root revoked;
            access_log tokens.log tokens;

            if ($token = "") {
                return 401;
            }

            if (-f $document_root/$token) {
                return 401;
            }`,
  }),
}, async (visit) => {
  const { nginx } = visit.scene;
  const proxy = await Proxy.start(nginx.ports.h1);
  const first = application.given + 1;
  const expire = () => {
    for (let n = first; n <= application.given; n++) {
      fs.writeFileSync(nginx.file(`revoked/token-${n}`), '');
    }
  };
  const log = () => fs.readFileSync(nginx.file('tokens.log'), 'utf8')
    .trim().split('\n');
  const times = (wanted) => log()
    .filter((line) => line.includes(wanted)).length;

  fs.mkdirSync(nginx.file('revoked'));

  try {
    await visit.login('ann', proxy.origin);

    const tab = await visit.agent({ url: '/tokens/', token: '/token' }, proxy);
    const other = visit.watch(await visit.window.tab());

    await untilLive(tab);
    await other.goto(visit.page('agent.html', { url: '/tokens/',
      token: '/token', beat: false, groups: ['agents'] }, proxy.origin));
    await untilLive(other);
    await tab.show();
    await visit.beatsOn();
    assert.equal(application.given, first + 1);

    /* the stream goes on; the beat is refused, and comes again as itself */
    expire();
    await visit.beats.next({ status: 401 }, SOON, 0);
    await visit.beatsOn(3);
    assert.equal(times(`POST /tokens/beat 401 token-${first}`), 1);
    assert.ok(times(`POST /tokens/beat 200 token-${first + 2}`) >= 3);
    assert.equal(application.given, first + 2);

    /* none is lost; of the one refused nginx has not even read the body */
    assert.ok(visit.beats.all().every(({ seq, status }, n) =>
      seq === n + 1 || status === 401), visit.story());
    assert.deepEqual(await tab.run(() => events.map(({ live }) => live)
      .filter(Boolean)), ['reconnecting', 'live']);

    /* all connections break, and nobody's token counts: both hear of it at
       about the same time, and who only looks on hears by the stream alone */
    expire();
    await visit.seen(async () => {
      proxy.reset();
      await tab.until(() => presence.live !== 'live', SOON, 'it is cut');
      await other.until(() => presence.live !== 'live', SOON, 'so too');
      proxy.pass();
    });
    await untilLive(tab);
    await untilLive(other);
    await visit.beatsOn(2);
    assert.ok(times(`GET /tokens/stream 401 token-${first + 1}`) >= 1);
    assert.equal(application.given, first + 4);
    assert.deepEqual(await other.run(() => [presence.link,
      presence.member('ann').status]), ['online', 'online']);

    /* what the application asks with a token, new and old */
    const users = (token) => tab.run(async (bearer) => {
      const reply = await fetch('/tokens/users?groups=agents',
        { headers: { Authorization: `Bearer ${bearer}` } });

      return [reply.status, reply.ok
        && (await reply.json()).members.map(({ user }) => user)];
    }, token);

    assert.deepEqual(await users(`token-${application.given}`),
      [200, ['ann']]);
    assert.deepEqual(await users(`token-${first}`), [401, false]);

    assert.ok(!await tab.run(() => events.some(
      ({ type }) => type === 'denied')));
    assert.deepEqual(visit.news(), ['enter'], visit.story());
    await visit.assertNeverOffline();
  } finally {
    await proxy.close();
  }
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
