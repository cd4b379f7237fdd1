// What the trace keeps, and how it is followed: over a reload, after the death
// of a worker in the lock, and whatever a follower says it has seen. And the
// last stage of a change's flow through the log.

import assert from 'node:assert/strict';

import { Frames } from './lib/frames.mjs';
import { isAlive, isStopped } from './lib/process.mjs';
import { scenario } from './lib/scenario.mjs';
import { lines, storyOf, TOLD, traceOf } from './lib/told.mjs';
import { until } from './lib/wait.mjs';

const SOON = 10_000;

/* Nothing happens by itself. */
const zone = { size: '8m', interval: 60_000, slack: 5000, max_interval: 70_000,
  idle: 600_000 };
const site = { server: TOLD, zone };

const diag = { fired: 'timer' };

/* A follower of one user's trace, and what it was told. */
async function follow(scene, user, headers = {}) {
  const wire = scene.newWire('h1');
  const reply = await wire.open({ path: `/trace?user=${user}&follow=1`,
    headers: { accept: 'text/event-stream', ...headers } });
  const events = [];
  const frames = new Frames((event) => events.push(event));

  assert.equal(reply.status, 200);
  reply.body.setEncoding('utf8').on('data', (text) => frames.push(text));
  reply.body.on('error', () => { /* its worker died */ });

  return { events, told: () => events.filter(({ event }) =>
    event === 'presence_trace').map(({ data }) => JSON.parse(data)) };
}

const fired = ({ sessions }) => sessions.map(
  ({ beats }) => beats.map((beat) => beat.fired));


scenario('the trace outlives a reload', site, async (scene) => {
  for (let seq = 1; seq <= 3; seq++) {
    await scene.beat('ann', { doc: 'd', seq, diag });
  }

  await scene.beat('ann', { doc: 'd', seq: 4, status: 'busy', diag });

  const before = await traceOf(scene.newWire('h1'), 'ann');
  const old = await scene.nginx.reload();

  await until(() => !old.some(isAlive), SOON, 'old workers gone');

  const after = await traceOf(scene.newWire('h1'), 'ann');

  assert.equal(before.sessions[0].beats.length, 4);
  assert.deepEqual(after.sessions[0].beats, before.sessions[0].beats);
  assert.deepEqual(after.changes, before.changes);

  /* and goes on, with the gap to the beat before */
  await scene.beat('ann', { doc: 'd', seq: 5, diag, wire: scene.newWire('h1') });

  const [newest] = (await traceOf(scene.newWire('h1'), 'ann'))
    .sessions[0].beats;

  assert.equal(newest.hole, 0);
  assert.equal(newest.gap_ms, newest.at - before.sessions[0].beats[0].at);
});


scenario('a zone of another size: the session is told of, its beats are not',
  site, async (scene) => {
    await scene.beat('ann', { diag });

    const old = await scene.nginx.reload({ ...scene.nginx.site,
      zone: { ...scene.zone, size: '16m' } });

    await until(() => !old.some(isAlive), SOON, 'old workers gone');

    const { known, status, changes, sessions } =
      await traceOf(scene.newWire('h1'), 'ann');

    assert.deepEqual([known, status, changes], [true, 'online', []]);
    assert.deepEqual(sessions.map(({ session, beats }) => [session, beats]),
      [['ann-tab', []]]);
    assert.match(await storyOf(scene.newWire('h1'), 'ann'),
      /^"ann" online since \S+: last sign of life /);
  });


scenario('a worker dies inside the lock: the trace begins anew, and is followed',
  site, async (scene) => {
    const { nginx } = scene;

    await scene.beat('ann', { doc: 'd', seq: 1, diag });
    assert.deepEqual(fired(await traceOf(scene.newWire('h1'), 'ann')),
      [['timer']]);

    const [victim, other] = nginx.workers();

    nginx.log.allow(/shared memory zone "agents" was locked by/);
    nginx.log.allow(/presence_zone "agents" was rebuilt/);

    const { died } = await nginx.dieAt(victim,
      'ngx_http_presence_changes_append_locked');

    process.kill(other, 'SIGSTOP');
    await until(() => isStopped(other), SOON, 'the other worker stopped');

    const socket = scene.beatUnheard('unlucky', {});

    await died;
    process.kill(other, 'SIGCONT');
    socket.destroy();
    await until(() => nginx.log.lines(/was rebuilt/).length === 1, SOON,
      'the zone is rebuilt');

    const follower = await follow(scene, 'ann');

    await until(() => follower.told().length > 0, SOON, 'a trace');

    const [{ status, changes, sessions }] = follower.told();

    assert.deepEqual([status, changes], ['online', []]);
    assert.deepEqual(sessions.map(({ session, beats }) => [session, beats]),
      [['ann-tab', []]]);

    await scene.beat('ann', { doc: 'd', seq: 2, diag: { fired: 'ping' },
      wire: scene.newWire('h1') });
    await until(() => follower.told().length > 1, SOON, 'the next beat');
    assert.deepEqual(fired(follower.told().at(-1)), [['ping']]);
  });


scenario('whatever a follower has seen, it is told the whole at first',
  { ...site, zone: { ...zone, size: '1m' } }, async (scene) => {
    await scene.beat('ann', { doc: 'd', seq: 1, diag });

    const first = await follow(scene, 'ann');

    await until(() => first.told().length > 0, SOON, 'a trace');

    /* more changes than the ring of a small zone keeps */
    const dash = await scene.dashboard();
    const oldest = dash.lastId;

    for (let n = 0; n < 4000; n++) {
      await scene.beat('ben', { text: `${n}`.repeat(40).slice(0, 200) });
    }

    const resumed = await scene.stream({ lastEventId: oldest });

    await resumed.waitFor((s) => s.states.length > 0, SOON,
      'the ring does not reach back so far');

    const [epoch] = oldest.split('-');

    for (const id of [oldest, dash.lastId, `${epoch}-999999999`,
      '0000000000000000-1', 'nonsense', '']) {
      const again = await follow(scene, 'ann', { 'last-event-id': id });

      await until(() => again.told().length > 0, SOON, `a trace after "${id}"`);
      assert.deepEqual(again.told()[0].sessions[0].beats,
        first.told()[0].sessions[0].beats);
      assert.equal(again.events.find(({ data }) => data).event,
        'presence_trace');
    }

    /* and each further beat of the user, but no other's */
    const told = first.told().length;

    await scene.beat('ann', { doc: 'd', seq: 2, diag: { fired: 'ping' } });
    await until(() => first.told().length > told, SOON, 'the next beat');
    assert.deepEqual(fired(first.told().at(-1)), [['ping', 'timer']]);
    assert.equal(first.told().length, told + 1);
    assert.equal(told, 1, 'nothing was told of others');
  });


scenario('delivered: each worker with streams says to how many a change went',
  { workers: 2, zone, location: 'presence_log_user ann;' }, async (scene) => {
    const dashes = [];

    /* of both workers */
    await until(async () => {
      dashes.push(await scene.dashboard({ target: 'spread' }));

      return new Set(dashes.map(({ worker }) => worker)).size === 2;
    }, SOON, 'streams of both workers');

    await scene.beat('ann');
    await scene.beat('ben');
    await Promise.all(dashes.map(
      (dash) => dash.waitForChange('ben', 'enter', SOON)));

    const told = await until(() => {
      const all = lines(scene.nginx.log, 'flow')
        .filter(({ stage }) => stage === 'delivered');

      return all.length >= 2 && all;
    }, SOON, 'a line of each worker');
    const [change] = lines(scene.nginx.log, 'change');
    const { id } = dashes[0].of('ann')[0];

    assert.deepEqual(told.map(({ user }) => user), ['ann', 'ann'],
      'ben is not raised');
    assert.deepEqual(told.map((line) => line.id), [id, id]);
    assert.equal(change.id, id);
    assert.equal(told.reduce((sum, { streams }) => sum + streams, 0),
      dashes.length);
    assert.ok(scene.nginx.log.lines(/stage=delivered/)
      .every((line) => line.includes('[notice]')));
  });
