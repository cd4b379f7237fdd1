// Many users, large states, and a zone that is full.

import assert from 'node:assert/strict';

import { ownMemory } from './lib/process.mjs';
import { scenario } from './lib/scenario.mjs';
import { SECOND } from './lib/scale.mjs';
import { pass } from './lib/wait.mjs';

const MB = 1024 * 1024;
const patient = { interval: 60_000, slack: 5000, max_interval: 70_000,
  idle: 600_000 };

/* One beat of each, a few at a time; resolves with all replies. */
async function all(scene, users, fields = {}) {
  const replies = [];
  let next = 0;

  await Promise.all(Array.from({ length: 6 }, async () => {
    while (next < users.length) {
      const n = next++;

      replies[n] = await scene.beat(users[n], { target: 'spread', ...fields });
    }
  }));

  return replies;
}

const percentile = (values, p) =>
  values.sort((a, b) => a - b)[Math.ceil(values.length * p) - 1];


scenario('R19 10,000 sessions fall silent at once: p99 within a second',
  { zone: { size: '64m', interval: 1500, slack: 500, max_interval: 2000,
    idle: 600_000 } },
  async (scene) => {
    const users = Array.from({ length: 10_000 }, (_, n) => `u${n}`);
    const dash = await scene.dashboard();
    const replies = await all(scene, users);
    const deadlines = new Map(replies.map(({ body }) =>
      [body.user, body.server_time + body.deadline_ms]));

    await dash.waitFor(() => dash.members.present.length === 0
      && dash.changes.length > 0 && dash.kinds(users.at(-1)).includes('leave'),
    scene.window + 10 * SECOND, 'all gone');

    const leaves = dash.changes.filter((c) => c.type === 'leave');
    const after = (time) => leaves.map(
      (c) => c[time] - deadlines.get(c.member.user));
    const delays = after('serverTime');

    assert.equal(leaves.length, users.length);
    assert.equal(new Set(leaves.map((c) => c.member.user)).size, users.length);
    assert.ok(leaves.every(
      (c) => c.member.since >= deadlines.get(c.member.user) - 1));

    const p99 = percentile(delays, 0.99);

    scene.t.diagnostic(`detection: p50 ${percentile(delays, 0.5)} ms, `
      + `p99 ${p99} ms, last ${delays.at(-1)} ms; `
      + `read: p99 ${percentile(after('at'), 0.99)} ms`);
    assert.ok(p99 <= SECOND, `p99 is ${p99} ms`);
  });


scenario('a state of 5,000 members comes in parts and is whole',
  { zone: { size: '32m', ...patient } }, async (scene) => {
    const users = Array.from({ length: 5000 }, (_, n) => `u${n}`);

    await all(scene, users, { text: 'here I am' });

    for (const target of ['h1', 'tls', 'h2']) {
      const dash = await scene.dashboard({ target });

      assert.ok(dash.stateEvents > 1, `${dash.stateEvents} event`);
      assert.equal(dash.states[0].members.length, users.length);
      assert.deepEqual(dash.members.present, [...users].sort());
      await scene.beat('u7', { text: `now ${target}` });
      await dash.waitForChange('u7', 'update', SECOND);
      dash.close();
    }

    const { members } = await scene.users({ groups: 'agents', limit: 1000 });

    assert.equal(members.length, users.length);
    assert.deepEqual(members.map((m) => m.user).sort(), [...users].sort());
    assert.equal((await scene.count()).online, users.length);
  });


scenario('20 readers of a state of 5,000 do not cost 20 copies of it',
  { zone: { size: '32m', ...patient } }, async (scene) => {
    const users = Array.from({ length: 5000 }, (_, n) => `u${n}`);
    const memory = () => scene.nginx.workers().map(ownMemory)
      .reduce((a, b) => a + b);

    await all(scene, users, { text: 'x'.repeat(200) });
    await scene.dashboard({ target: 'spread' });

    const before = memory();
    const dashes = await Promise.all(Array.from({ length: 20 },
      () => scene.stream({ target: 'narrow' })));

    dashes.forEach((dash) => dash.pause());
    await pass(SECOND / 2);

    /* a copy is 2 MB */
    const grown = memory() - before;

    assert.ok(grown < 20 * MB, `${(grown / MB).toFixed(1)} MB`);
    dashes.forEach((dash) => dash.resume());
    await Promise.all(dashes.map((dash) => dash.waitFor(
      () => dash.states.length === 1, 10 * SECOND, 'the state')));
  });


scenario('a zone filled to the brim, and its recovery',
  { zone: { size: '256k', ...patient, leave_grace: 0 } }, async (scene) => {
    const dash = await scene.dashboard();
    const accepted = [];
    let refused;

    for (let n = 0; !refused; n++) {
      const reply = await scene.beat(`u${n}`, { target: 'spread' });

      if (reply.status === 200) {
        accepted.push(`u${n}`);
      } else {
        refused = reply;
      }
    }

    scene.t.diagnostic(`${accepted.length} users in 256k`);
    assert.ok(accepted.length > 20);
    assert.equal(refused.status, 503);
    assert.match(refused.headers['content-type'],
      /^application\/problem\+json/);
    assert.ok(+refused.headers['retry-after'] >= 1);
    assert.equal(refused.body.type, 'urn:ngx-presence:problem:zone-full');

    for (let n = 0; n < 200; n++) {
      assert.equal((await scene.beat(`x${n}`, { target: 'spread' })).status,
        503);
    }

    /* who is in stays in */
    const replies = await all(scene, accepted);

    assert.ok(replies.every((r) => r.status === 200 && !r.body.recovered));
    assert.equal((await scene.count()).online, accepted.length);
    assert.ok(dash.changes.every((c) => c.type === 'enter'));
    assert.ok(scene.nginx.log.lines(/\[(warn|error)\].*"agents"/).length <= 2,
      'one line a minute, not one for each');

    /* room is made of the offline, the oldest first */
    const gone = accepted.slice(10, 20);

    for (const user of gone) {
      await scene.beat(user, { logout: true });
    }

    assert.equal((await scene.member(gone[0])).reason, 'logout');

    const fresh = [];

    for (let n = 0; n <= gone.length; n++) {
      if ((await scene.beat(`n${n}`)).status === 200) {
        fresh.push(`n${n}`);
      }

      const known = (await Promise.all(gone.map((user) => scene.member(user))))
        .map((member) => member.reason !== null);

      assert.ok(!known.includes(false, known.indexOf(true))
        || !known.includes(true), `an older one is kept: ${known}`);
    }

    assert.ok(fresh.length >= gone.length, `room for ${fresh.length}`);
    assert.equal((await scene.member(gone[0])).reason, null);
    await dash.waitForChange(fresh.at(-1), 'enter', SECOND);
    assert.deepEqual(dash.members.present,
      [...accepted.filter((u) => !gone.includes(u)), ...fresh].sort());
    assert.deepEqual(dash.changes.filter((c) => c.type === 'leave')
      .map((c) => c.member.user), gone);

    await all(scene, [...accepted, ...fresh], { logout: true });

    /* and again, without end: a page of 16 users, or two, may be lost to the
       order in which pages are taken, but not more with each round */
    const rooms = [];

    for (const name of 'rstvwxyz') {
      const users = accepted.map((user) => user.replace('u', name));
      const beatAll = async (fields) => {
        const statuses = [];

        for (const user of users) {
          statuses.push((await scene.beat(user, fields)).status);
        }

        return statuses.filter((status) => status === 200).length;
      };

      const room = await beatAll({});
      const counted = await scene.count();

      rooms.push(room);
      assert.equal(counted.online, room);

      if (room < users.length) {
        assert.equal(counted.offline, 0, 'refused, with offline users kept');
      }

      await beatAll({ logout: true });
    }

    scene.t.diagnostic(`and again: ${rooms}`);
    assert.ok(Math.min(...rooms) >= 0.8 * accepted.length, `${rooms}`);
    assert.ok(rooms.at(-1) >= Math.max(...rooms) - 32, `${rooms}`);
  });


scenario('a zone of offline users only: the oldest make room, without end',
  { zone: { size: '256k', ...patient } }, async (scene) => {
    for (let n = 0; n < 3000; n++) {
      const user = `u${n}`;

      assert.equal((await scene.beat(user)).status, 200, user);
      await scene.beat(user, { logout: true });
    }

    assert.equal((await scene.member('u2999')).reason, 'logout');
    assert.equal((await scene.member('u0')).reason, null);
  });
