// What happens to the server's processes: reload, upgrade, kill, stop, start.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import test from 'node:test';

import { Changer } from './lib/changer.mjs';
import { scrape } from './lib/metrics.mjs';
import {
  commandLine, hasRead, isAlive, isStopped,
} from './lib/process.mjs';
import { scenario } from './lib/scenario.mjs';
import { SECOND, T } from './lib/scale.mjs';
import { now, pass, until } from './lib/wait.mjs';
import { text } from './lib/wire.mjs';

const STATE = 'agents.presence';
const kept = { zone: { state: STATE, state_interval: T(10) } };

const names = (n, name = 'u') => Array.from({ length: n }, (_, i) => name + i);

/* Readers on all workers, who come back with their last id. */
const readers = (scene, n, options) => Promise.all(Array.from({ length: n },
  () => scene.dashboard({ target: 'spread', reconnect: true, ...options })));

const tabs = (scene, users, options) => Promise.all(
  users.map((user) => scene.tab(user, { target: 'spread', ...options })));

const allBeats = async (list) =>
  (await Promise.all(list.map((tab) => tab.beats()))).flat();

/* Until each has its nth connection. */
const resumed = (dashes, n) => Promise.all(dashes.map((dash) => dash.waitFor(
  () => dash.connected && dash.connections.length >= n, 4 * SECOND,
  `connection ${n} of a stream`)));

/* Nobody of these was ever said to be anything but there. */
function assertNoEvent(stream, users) {
  for (const user of users) {
    assert.deepEqual(stream.news(user), [], `"${user}"\n${stream.story()}`);
  }

  assert.deepEqual(stream.states.slice(1).flatMap((s) => s.lost), []);
  assert.deepEqual(stream.states.slice(1).flatMap((s) => s.gained), []);
}

/* Until the state file has all that is known now: one that is being written may
   be of before. */
async function untilWritten(scene) {
  const written = () => fs.statSync(scene.nginx.file(STATE),
    { throwIfNoEntry: false })?.mtimeMs;

  for (let n = 0; n < 2; n++) {
    const before = written();

    await until(() => written() !== before, 10 * SECOND, 'a new state file');
  }
}

/* No beat was told that its session had been thought gone. */
async function assertNeverRecovered(list) {
  const beats = await allBeats(list);

  assert.deepEqual(beats.filter((b) => b.body?.recovered)
    .map((b) => b.body), []);
  assert.deepEqual([...new Set(beats.filter((b) => b.got)
    .map((b) => b.status))], [200]);
}


scenario('R10 a reload, then a binary upgrade, in mid-traffic',
  { zone: { ...kept.zone, max_interval: T(1000) } }, async (scene) => {
    const users = names(20);
    const gone = names(5, 'gone');
    const list = await tabs(scene, users);
    const quiet = { status: 'dnd', text: 'lunch', next_ms: T(1000) };

    /* one whom nobody hears of until all is over */
    await scene.beat('quiet', quiet);

    for (const user of gone) {
      await scene.beat(user);
      await scene.beat(user, { logout: true });
    }

    const dashes = await readers(scene, 6);

    await pass(T(30));
    await scene.nginx.reload();
    await resumed(dashes, 2);

    /* two who leave at the last moment */
    for (const user of ['gone0', 'late']) {
      await scene.beat(user);
      await scene.beat(user, { logout: true });
    }

    await scene.nginx.upgrade();
    await resumed(dashes, 3);
    await pass(scene.window);

    for (const dash of dashes) {
      assertNoEvent(dash, ['quiet', ...users, ...gone.slice(1)]);
      assert.deepEqual(dash.news('late'), ['enter', 'leave']);
      assert.deepEqual(dash.members.present, ['quiet', ...users].sort());
      assert.equal(dash.members.get('quiet').status, quiet.status);
      assert.equal(dash.members.get('quiet').text, quiet.text);
      assert.ok(dash.connections.slice(0, -1).every((c) => c.clean));
    }

    await assertNeverRecovered(list);

    for (const user of ['late', ...gone]) {
      assert.equal((await scene.member(user)).status, 'offline');
    }
  });


for (const signal of ['SIGQUIT', 'SIGTERM', 'SIGKILL']) {
  scenario(`R26 ended by ${signal}, down for 300 s, started again`, kept,
    async (scene) => {
      const users = names(5);
      const list = await tabs(scene, users);
      const silent = await scene.tab('silent');

      await scene.beat('left');
      await scene.beat('left', { logout: true });

      const before = await scene.dashboard();

      assert.equal(before.members.status('silent'), 'online');
      await untilWritten(scene);

      before.close();
      await silent.stop();
      await scene.nginx.stop(signal);
      await pass(T(300));

      const started = now();

      await scene.nginx.start();

      const dash = await scene.dashboard();
      const resumed = await scene.stream({ lastEventId: before.lastId });

      await resumed.waitFor(() => resumed.states.length + resumed.changes.length
        + resumed.pings.length > 0, SECOND, 'anything but silence');
      assert.deepEqual(dash.members.present, ['silent', ...users]);

      const leave = await dash.waitForChange('silent', 'leave',
        scene.window + 2 * SECOND);

      assert.equal(leave.member.reason, 'missed');
      assert.ok(leave.serverTime >= started + scene.window,
        `${leave.serverTime - started} ms after the start`);
      assertNoEvent(dash, users);
      assert.equal((await scene.member('left')).status, 'offline');
      await assertNeverRecovered(list);
    });
}


for (const [what, damage] of [
  ['is cut short', (bytes) => bytes.subarray(0, bytes.length >> 1)],
  ['has one wrong byte', (bytes) => {
    bytes[bytes.length >> 1] ^= 0x55;
    return bytes;
  }],
  ['is empty', () => Buffer.alloc(0)],
  ['is something else', () => Buffer.from('{"members":[]}\n'.repeat(100))],
  ['has a wrong head', (bytes) => bytes.fill(0xff, 0, 16)],
]) {
  scenario(`a state file that ${what} is reported and passed over`, kept,
    async (scene) => {
      const file = scene.nginx.file(STATE);

      for (const user of names(20)) {
        await scene.beat(user, { text: `this is ${user}` });
      }

      await scene.nginx.stop();
      assert.ok(fs.statSync(file).size > 0);
      fs.writeFileSync(file, damage(fs.readFileSync(file)));
      scene.nginx.log.allow(new RegExp(STATE));

      const told = scene.nginx.log.lines(new RegExp(STATE)).length;

      await scene.nginx.start();
      assert.ok(scene.nginx.log.lines(
        new RegExp(`\\[(warn|error|crit|alert)\\].*${STATE}`)).length > told);

      const dash = await scene.dashboard();

      assert.deepEqual(dash.members.present, []);
      await scene.beat('ann');
      await dash.waitForChange('ann', 'enter', SECOND);
    });
}


scenario('reload under load: 200 streams resume, no change lost or doubled',
  { zone: { size: '16m' } }, async (scene) => {
    const users = names(30);
    const list = await tabs(scene, users);
    const changer = new Changer(scene);
    const dashes = await readers(scene, 200);

    changer.start(50);
    await pass(SECOND);

    const old = await scene.nginx.reload();
    const reloaded = now();

    await until(() => !old.some(isAlive), 2 * SECOND, 'old workers gone');
    await resumed(dashes, 2);
    await pass(SECOND / 2);
    await changer.stop();

    const last = changer.truth.length;

    await Promise.all(dashes.map((dash) => dash.waitFor(
      () => changer.told(dash).length >= last, 5 * SECOND, 'all changes')));

    for (const dash of dashes) {
      assert.deepEqual(changer.told(dash), changer.truth);
      assert.equal(dash.connections.length, 2);
      assert.ok(dash.connections[0].clean && dash.connections[0].whole);
      assert.notEqual(dash.retry, null);
      assert.equal(dash.states.length, 1, 'a resume needs no state');
      assertNoEvent(dash, users);
    }

    assert.ok(new Set(dashes.map((dash) => dash.retry)).size > 50,
      'the herd is not spread');
    assert.ok(dashes.every((dash) => dash.connections[0].until
      < reloaded + 2 * SECOND));
    await assertNeverRecovered(list);
  });


for (const target of ['h1', 'tls', 'h2']) {
  scenario(`a reload ends a stream cleanly and it resumes, ${target}`,
    { zone: { interval: T(1000), max_interval: T(1000) } }, async (scene) => {
      const dash = await scene.dashboard({ target, reconnect: true });

      await scene.beat('ann');
      await dash.waitForChange('ann', 'enter', SECOND);

      const old = await scene.nginx.reload();

      await until(() => !old.some(isAlive), 2 * SECOND, 'old workers gone');
      await scene.beat('ann', { text: 'on' });
      await resumed([dash], 2);
      await dash.waitForChange('ann', 'update', SECOND);
      assert.deepEqual(dash.news('ann'), ['enter', 'update']);
      assert.equal(dash.connections.length, 2);
      assert.ok(dash.connections[0].clean && dash.connections[0].whole);
      assert.equal(dash.states.length, 1);
    });
}


scenario('a stream that an old worker is asked for after a reload: come again',
  {}, async (scene) => {
    const socket = net.connect(scene.nginx.ports.h1, '127.0.0.1');
    let reply = '';

    socket.setEncoding('utf8').on('data', (data) => { reply += data; });
    await new Promise((done) => socket.write(
      'GET /presence/stream HTTP/1.1\r\nHost: localhost\r\n', done));
    await until(() => hasRead(scene.nginx.ports.h1, socket.localPort), SECOND,
      'a worker has begun to read');

    const old = await scene.nginx.reload();

    await until(() => old.some((pid) => commandLine(pid)
      .includes('is shutting down')), SECOND, 'an old worker that quits');
    socket.write('X-User: ann\r\nX-Groups: agents\r\n\r\n');
    await once(socket, 'end');
    socket.end();

    assert.ok(old.includes(+/^X-Worker: (\d+)/m.exec(reply)[1]));
    assert.match(reply, /\r\nretry: \d+\n\n\r\n0\r\n\r\n$/);
    await until(() => !old.some(isAlive), 2 * SECOND, 'old workers gone');
  });


for (const main of ['', 'worker_shutdown_timeout 1s;']) {
  scenario(`a reload with a stuck reader: old workers leave. ${main}`,
    { main }, async (scene) => {
      const dash = await scene.dashboard({ target: 'narrow' });

      dash.pause();

      for (let n = 0; n < 1500; n++) {
        await scene.beat('ann', { text: `${n}`, meta: { x: 'x'.repeat(900) } });
      }

      const old = await scene.nginx.reload();

      await until(() => !old.some(isAlive), 2 * SECOND, 'old workers gone');
      assert.equal((await scene.beat('ann')).status, 200);
    });
}


scenario('a quit with open streams: each is ended cleanly, nothing is left',
  {}, async (scene) => {
    const dashes = [];

    for (const target of ['h1', 'tls', 'h2', 'spread']) {
      for (let n = 0; n < 10; n++) {
        dashes.push(await scene.dashboard({ target }));
      }
    }

    const asked = now();

    await scene.nginx.stop();
    assert.ok(now() - asked < 2 * SECOND, `took ${now() - asked} ms`);

    await Promise.all(dashes.map((dash) => dash.waitFor(
      () => !dash.connected, SECOND, 'the end')));
    assert.ok(dashes.every((dash) => dash.connections[0].clean
      && dash.connections[0].whole && dash.retry !== null));
  });


scenario('kill -9 of each worker in turn, in mid-traffic', {},
  async (scene) => {
    const users = names(40);
    const list = await tabs(scene, users);
    const changer = new Changer(scene, { target: 'spread' });
    const dashes = await readers(scene, 20);

    changer.start(20);

    for (const pid of scene.nginx.workers()) {
      await pass(T(50));

      const silent = `silent-${pid}`;
      const beat = await scene.beat(silent);

      await scene.nginx.killWorker(pid);

      const dash = dashes[0];
      const leave = await dash.waitForChange(silent, 'leave',
        scene.window + 2 * SECOND);

      assert.equal(leave.member.reason, 'missed');
      assert.ok(leave.member.since >= beat.sent + scene.window);
      assert.ok(leave.member.since <= beat.got + scene.window + SECOND,
        `${leave.member.since - beat.got} ms after the last beat`);
    }

    await changer.stop();

    for (const dash of dashes) {
      await dash.waitFor(
        () => changer.told(dash).length >= changer.truth.length, 2 * SECOND,
        'all changes');
      assert.deepEqual(changer.told(dash), changer.truth);
      assertNoEvent(dash, users);
      assert.equal(dash.states.length, 1, 'a resume needs no state');
    }

    /* each worker had readers, so each of them lost its stream once */
    assert.ok(dashes.every((dash) => dash.connections.length >= 2));
    await assertNeverRecovered(list);
  });


/* The debugger holds the worker for seconds: the window has to be longer. */
scenario('a worker dies inside the lock: the zone is rebuilt, nobody is lost',
  { zone: { interval: 3 * SECOND, max_interval: 3 * SECOND,
    idle: 60 * SECOND },
  server: 'location = /metrics { presence_metrics agents; }' },
  async (scene) => {
    const users = names(20);
    const list = await tabs(scene, users, { groups: 'agents,night' });

    await scene.beat('gone');
    await scene.beat('gone', { logout: true });

    const dashes = await readers(scene, 6);
    const [victim, other] = scene.nginx.workers();
    const log = scene.nginx.log;

    log.allow(/shared memory zone "agents" was locked by/);
    log.allow(/presence_zone "agents" was rebuilt/);

    const { died } = await scene.nginx.dieAt(victim,
      'ngx_http_presence_changes_append_locked');

    process.kill(other, 'SIGSTOP');
    await until(() => isStopped(other), SECOND, 'the other worker stopped');

    const socket = scene.beatUnheard('unlucky', {});

    await died;
    process.kill(other, 'SIGCONT');
    socket.destroy();

    await until(() => log.lines(/was rebuilt/).length === 1, 4 * SECOND,
      'the rebuilt zone in the log');
    assert.equal((await scene.beat('unlucky')).status, 200);

    for (const dash of dashes) {
      await dash.waitFor(() => dash.members.present.includes('unlucky'),
        8 * SECOND, 'the one whose beat was interrupted');
      assertNoEvent({ news: (user) => dash.news(user), states: [],
        story: () => dash.story() }, users);
      assert.deepEqual(dash.members.present, [...users, 'unlucky'].sort());
    }

    assert.equal((await scene.count({ groups: 'night' })).online, 20);
    assert.equal((await scene.count()).online, 21);
    assert.equal((await scene.member('gone')).reason, 'logout');
    assert.equal(log.lines(/was rebuilt/).length, 1);

    const metrics = await scrape(scene.wire('h1'));

    assert.equal(metrics.get('presence_zone_rebuilds_total'), 1);
    assert.equal(metrics.get('presence_beats_total',
      { result: 'logged-out' }), 1);
    assert.equal(metrics.get('presence_users', { status: 'online' }), 21);
    assert.equal(metrics.get('presence_sessions'), 21);
    await assertNeverRecovered(list);
  });


scenario('all of nginx is stopped for longer than the window', {},
  async (scene) => {
    const users = names(20);
    const list = await tabs(scene, users);
    const dash = await scene.dashboard();
    const before = T(20);
    const silent = await scene.beat('silent');

    await pass(before);
    await scene.nginx.freeze();
    await pass(2 * scene.window);
    scene.nginx.thaw();

    const thawed = now();
    const leave = await dash.waitForChange('silent', 'leave',
      scene.window + 2 * SECOND);

    /* it may take the deaf time as heard by no more than it could hear */
    assert.ok(leave.member.since >= thawed + scene.window - before
      - scene.zone.slack, `${leave.member.since - thawed} ms after the thaw,`
      + ` ${leave.member.since - silent.got} ms after its beat`);
    assert.ok(leave.member.since <= thawed + scene.window + SECOND);
    assertNoEvent(dash, users);
    await assertNeverRecovered(list);
  });


scenario('the workers alone are stopped for longer than the window', {},
  async (scene) => {
    const users = names(20);
    const list = await tabs(scene, users);
    const dash = await scene.dashboard();
    const workers = scene.nginx.workers();

    workers.forEach((pid) => process.kill(pid, 'SIGSTOP'));
    await pass(2 * scene.window);
    workers.forEach((pid) => process.kill(pid, 'SIGCONT'));
    await pass(scene.window);

    assertNoEvent(dash, users);
    assert.deepEqual(dash.members.present, [...users].sort());
    await assertNeverRecovered(list);
  });


scenario('one worker is stopped: the other one finds who is gone', {},
  async (scene) => {
    const [first, second] = scene.nginx.workers();

    for (const [frozen, other] of [[first, second], [second, first]]) {
      const user = `silent-${frozen}`;
      let dash;

      do {
        dash?.close();
        dash = await scene.dashboard({ target: 'spread' });
      } while (dash.worker !== other);

      let wire;
      let beat;

      do {
        wire?.close();
        wire = scene.newWire('spread');
        beat = await scene.beat(user, { wire });
      } while (beat.worker !== other);

      process.kill(frozen, 'SIGSTOP');

      const leave = await dash.waitForChange(user, 'leave',
        scene.window + 2 * SECOND).finally(
        () => process.kill(frozen, 'SIGCONT'));

      assert.ok(leave.member.since >= beat.sent + scene.window);
      assert.ok(leave.member.since <= beat.got + scene.window + SECOND,
        `${leave.member.since - beat.got} ms after its beat`);
      dash.close();
    }
  });


scenario('a reload right after a request: what its worker had not told is told',
  { server: `
        location = /api {
            presence_touch agents;
            presence_user $http_x_user;
            return 204;
        }`, zone: { size: '8m', interval: 60_000, max_interval: 70_000,
    idle: 600_000 } },
  async (scene) => {
    const wire = scene.wire('h1');
    const request = async () => text((await wire.open({ path: '/api',
      headers: { 'X-User': 'ann' } })).body);

    await request();

    const first = await scene.member('ann');

    await until(() => now() > first.last_active + 50, SECOND, 'a later time');
    await request();

    const old = await scene.nginx.reload();

    await until(() => !old.some(isAlive), 2 * SECOND, 'old workers gone');

    const { last_active: active } = await scene.member('ann');

    assert.ok(active > first.last_active + 40,
      `${active - first.last_active} ms after the first request`);
  });


scenario('another size on reload: a fresh zone, and the log says so',
  {}, async (scene) => {
    const users = names(10);

    await tabs(scene, users);

    const dash = await scene.dashboard({ reconnect: true });

    assert.deepEqual(dash.members.present, users);

    const old = await scene.nginx.reload({
      ...scene.nginx.site, zone: { ...scene.zone, size: '16m' },
    });

    await until(() => !old.some(isAlive), 2 * SECOND, 'old workers gone');
    assert.ok(scene.nginx.log.lines(/\[(notice|warn)\].*"agents".*size/)
      .length > 0, 'nothing in the log');
    await dash.waitFor(() => dash.states.length > 1, 4 * SECOND, 'a new state');
    await dash.waitFor(() => dash.members.present.length === users.length,
      scene.zone.interval + SECOND, 'everybody back');
    await pass(scene.window);
    assert.deepEqual(dash.members.present, users);
  });


scenario('other times on reload: they hold for the sessions that are there',
  {}, async (scene) => {
    const dash = await scene.dashboard({ reconnect: true });
    const zone = { ...scene.zone, misses: 6 };

    await scene.tab('ann');

    const old = await scene.nginx.reload({ ...scene.nginx.site, zone });

    await until(() => !old.some(isAlive), 2 * SECOND, 'old workers gone');

    const beat = await scene.beat('bob');
    const longer = 6 * zone.interval + zone.slack;

    assert.ok(Math.abs(beat.body.deadline_ms - longer) <= 1);

    const leave = await dash.waitForChange('bob', 'leave', longer + 2 * SECOND);

    assert.ok(leave.member.since >= beat.sent + longer);
    assert.deepEqual(dash.news('ann').filter((k) => k !== 'enter'), []);
  });
