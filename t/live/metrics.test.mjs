// Metrics against traffic that the tests count themselves: several workers,
// reloads, deaths, and the cost of a scrape.

import assert from 'node:assert/strict';

import { scrape } from './lib/metrics.mjs';
import { isAlive } from './lib/process.mjs';
import { SECOND } from './lib/scale.mjs';
import { scenario } from './lib/scenario.mjs';
import { until } from './lib/wait.mjs';

const server = `
        location = /metrics { presence_metrics agents; }
        location = /api {
            presence_touch agents;
            presence_user $http_x_user;
            presence_groups $http_x_groups;
            return 204;
        }`;

/* Nothing happens by itself. */
const patient = { size: '8m', interval: 60_000, slack: 5000,
  max_interval: 70_000, idle: 600_000 };

const names = (n, name = 'u') => Array.from({ length: n }, (_, i) => name + i);

/* A worker's counts may be a tick behind another's, and a reader that went is
   seen to be gone a little later. */
const settled = (scene, condition, what) => until(async () => {
  const metrics = await scrape(scene.newWire('spread'));

  return condition(metrics) && metrics;
}, 10 * SECOND, what);

/* Gauges are what a walk through all users finds. */
async function assertGaugesAreTrue(scene, metrics) {
  const { members } = await scene.users({ include: 'offline', limit: 1000 });
  const found = {};
  let sessions = 0;

  for (const member of members) {
    found[member.status] = (found[member.status] ?? 0) + 1;
    sessions += member.sessions;
  }

  assert.deepEqual(metrics.by('status', 'presence_users'), found);
  assert.equal(metrics.get('presence_sessions'), sessions);
}

/* Some of everything, by connections to all workers. Returns what was done. */
async function traffic(scene, users) {
  const wires = Array.from({ length: 8 }, () => scene.newWire('spread'));
  const workers = new Set();
  const done = { began: 0, renewed: 0, overtaken: 0, left: 0,
    'logged-out': 0, ignored: 0, rejected: 0 };
  let n = 0;

  const beat = async (result, user, fields) => {
    const reply = await scene.beat(user,
      { wire: wires[n++ % wires.length], doc: 'd', ...fields });

    assert.equal(reply.status, result === 'rejected' ? 400 : 200);
    workers.add(reply.worker);
    done[result]++;
  };

  for (const user of users) {
    await beat('began', user, { seq: 1 });
    await beat('renewed', user, { seq: 5 });
    await beat('overtaken', user, { seq: 2 });
    await beat('began', user, { seq: 1, session: 'second' });
    await beat('left', user, { seq: 2, session: 'second', leave: true });
    await beat('ignored', user, { seq: 1, session: 'third', leave: true });
    await beat('rejected', user, { seq: 'one' });
  }

  for (const user of users.slice(0, 5)) {
    await beat('logged-out', user, { seq: 9, logout: true });
  }

  for (const wire of wires) {
    wire.close();
  }

  return { done, workers };
}

const plus = (a, b) => Object.fromEntries(
  Object.keys(a).map((key) => [key, a[key] + b[key]]));


scenario('what is counted is what was done: 4 workers, reload, another size',
  { workers: 4, server, zone: { ...patient, leave_grace: 60_000 } },
  async (scene) => {
    const first = await traffic(scene, names(30));

    assert.ok(first.workers.size > 1, 'just one worker was met');

    const counted = (metrics) => metrics.by('result', 'presence_beats_total');
    const isAt = (done) => (m) =>
      JSON.stringify(Object.entries(counted(m)).sort())
        === JSON.stringify(Object.entries(done).sort());
    const before = await settled(scene, isAt(first.done),
      `${JSON.stringify(first.done)} is counted`);

    assert.equal(before.lint(), '');
    assert.equal(before.get('presence_beat_gap_seconds_count'),
      first.done.renewed + first.done.overtaken);
    assert.deepEqual(before.by('type', 'presence_problems_total'),
      { 'invalid-field': first.done.rejected });
    assert.equal(before.get('presence_transitions_total',
      { from: 'offline', to: 'online', reason: 'beat' }), 30);
    assert.equal(before.get('presence_transitions_total',
      { from: 'online', to: 'offline', reason: 'logout' }), 5);
    await assertGaugesAreTrue(scene, before);

    await scene.nginx.reload();

    const second = await traffic(scene, names(10, 'v'));
    const both = plus(first.done, second.done);

    await assertGaugesAreTrue(scene,
      await settled(scene, isAt(both), 'both are counted after a reload'));

    const site = scene.nginx.site;

    const old = await scene.nginx.reload({ ...site,
      zone: { ...site.zone, size: '16m' } });

    /* what they still hear goes into the zone that goes with them */
    await until(() => !old.some(isAlive), 10 * SECOND, 'old workers gone');

    const third = await traffic(scene, names(10, 'w'));
    const after = await settled(scene, isAt(plus(both, third.done)),
      'all are counted in a zone of another size');

    await assertGaugesAreTrue(scene, after);
    assert.equal(after.lint(), '');
    assert.equal(after.get('presence_zone_rebuilds_total'), 0);
  });


scenario('streams: open ones, events and latency; a worker dies, a reload',
  { workers: 3, server, zone: patient }, async (scene) => {
    const open = (n) => Promise.all(Array.from({ length: n },
      () => scene.dashboard({ target: 'spread', reconnect: true })));
    const dashes = await open(12);
    const streams = (n, resumes = 0) => settled(scene,
      (m) => m.get('presence_streams') === n
        && m.get('presence_stream_resumes_total',
          { result: 'continued' }) === resumes,
      `${n} streams, ${resumes} of them resumed`);

    assert.ok(new Set(dashes.map((d) => d.worker)).size > 1);
    await streams(12);

    for (const user of names(10)) {
      await scene.beat(user);
      await Promise.all(dashes.map(
        (dash) => dash.waitForChange(user, 'enter', 10 * SECOND)));
    }

    const before = await settled(scene, (m) => m.get(
      'presence_stream_events_total', { event: 'presence_diff' }) === 120,
    '120 diffs');

    assert.equal(before.get('presence_delivery_latency_seconds_count'), 120);
    assert.equal(before.get('presence_stream_events_total',
      { event: 'presence_state' }), 12);
    assert.equal(before.get('presence_streams_opened_total'), 12);

    /* its readers come back to other workers, with their last id */
    const victim = dashes[0].worker;
    const cut = dashes.filter((dash) => dash.worker === victim).length;

    await scene.nginx.killWorker(victim);
    await Promise.all(dashes.map((dash) => until(
      () => dash.connected && dash.worker !== victim, 10 * SECOND,
      'a reader comes back after a kill')));

    const killed = await streams(12, cut);

    assert.equal(killed.get('presence_streams_opened_total'), 12 + cut);

    /* what was missed meanwhile is no slow delivery */
    assert.equal(killed.get('presence_delivery_latency_seconds_count'), 120);

    const old = await scene.nginx.reload();

    await until(() => !old.some(isAlive), 10 * SECOND, 'old workers gone');
    await Promise.all(dashes.map((dash) => until(
      () => dash.connected && !old.includes(dash.worker), 10 * SECOND,
      'a reader comes back after a reload')));

    const after = await streams(12, 12 + cut);

    /* and one more to a reader that was back before old workers had left */
    assert.ok(after.get('presence_stream_events_total',
      { event: 'retry' }) >= 12);

    dashes.forEach((dash) => dash.close());
    await streams(0, 12 + cut);
  });


scenario('who falls silent: misses, ends, and how long it took to see it',
  { workers: 2, server, zone: { interval: 500, max_interval: 500, slack: 250,
    misses: 3 } }, async (scene) => {
    const users = names(20);

    for (const user of users) {
      await scene.beat(user, { target: 'spread' });
    }

    const gone = await settled(scene, (m) =>
      m.get('presence_users', { status: 'offline' }) === 20, 'all gone');

    assert.equal(gone.get('presence_missed_beats_total'), 60);
    assert.equal(gone.get('presence_detection_delay_seconds_count'), 20);
    assert.equal(gone.get('presence_detection_delay_seconds_bucket',
      { le: '10' }), 20);
    assert.equal(gone.get('presence_sessions'), 0);
    assert.equal(gone.get('presence_transitions_total',
      { to: 'offline', reason: 'missed' }), 20);

    for (const user of users.slice(0, 7)) {
      await scene.beat(user, { target: 'spread' });
    }

    const back = await settled(scene,
      (m) => m.get('presence_recovered_total') === 7, '7 recovered');

    assert.equal(back.get('presence_transitions_total',
      { to: 'online', reason: 'recovered' }), 7);
  });


scenario('a scrape tells of 500 users in as many lines as of 10',
  { workers: 1, server, zone: { ...patient, size: '32m' } },
  async (scene) => {
    const lines = async () => (await scrape(scene.wire('h1')))
      .text.split('\n').length;

    for (const user of names(10)) {
      await scene.beat(user);
    }

    const few = await lines();

    await Promise.all(names(490, 'v').map((user) => scene.beat(user)));

    assert.equal(await lines(), few);
  });
