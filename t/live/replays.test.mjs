// Faults that presence systems had, replayed on one node. T(seconds) is the
// replay's own time on our scale.

import assert from 'node:assert/strict';

import { scenario } from './lib/scenario.mjs';
import { scaled, SECOND, SLOW, T } from './lib/scale.mjs';
import { pass, until } from './lib/wait.mjs';

const missedOf = (stream, user) => stream.of(user).map((c) => c.member.missed);


scenario('R1 beats each interval: online throughout', {}, async (scene) => {
  const dash = await scene.dashboard();
  const tab = await scene.tab('ann', { times: 31 });

  await tab.done();

  assert.deepEqual(dash.news('ann'), ['enter']);
  assert.equal((await scene.member('ann')).status, 'online');
});


for (const [how, hidden] of [
  ['says when it beats next', { visible: false, next_ms: T(60) }],
  ['only says that it is hidden', { visible: false }],
]) {
  scenario(`R2 a tab slows down to one beat a minute and ${how}`, {},
    async (scene) => {
      const dash = await scene.dashboard();
      const plan = [];

      for (let n = 0; n < 15; n++) {
        plan.push({ at: n * T(20) });
      }

      for (let n = 0; n < 10; n++) {
        plan.push(
          { at: plan.at(-1).at + T(60) + (n % 2 ? -T(1) : T(1)), ...hidden });
      }

      await (await scene.tab('ann', { plan })).done();

      assert.deepEqual(dash.news('ann'), ['enter']);
      assert.equal((await scene.member('ann')).status, 'online');
    });
}


scenario('R3 one gap of 45 s: missed rises and returns, nobody is offline',
  { zone: scaled(SLOW) }, async (scene) => {
    const dash = await scene.dashboard();
    const tab = await scene.tab('ann', {
      plan: [0, 20, 40, 85, 105].map((s) => ({ at: SLOW(s) })),
    });

    await tab.done();
    await dash.waitFor(() => dash.of('ann').length >= 3, SECOND,
      'missed back at 0');

    assert.deepEqual(dash.kinds('ann'), ['enter', 'update', 'update']);
    assert.deepEqual(missedOf(dash, 'ann'), [0, 1, 0]);
    assert.ok(dash.of('ann').every((c) => c.member.status === 'online'));
  });


scenario('R4 six streams are read, beats are withheld: online', {},
  async (scene) => {
    const dash = await scene.dashboard();

    for (let n = 0; n < 6; n++) {
      const session = `ann-tab-${n}`;

      await scene.beat('ann', { session });
      await scene.dashboard({ user: 'ann', query: { session } });
    }

    /* bob reads as well, but on a stream that is bound to no session */
    await scene.beat('bob');
    await scene.dashboard({ user: 'bob' });
    await pass(T(120));

    assert.deepEqual(dash.news('ann'), ['enter']);
    assert.equal((await scene.member('ann')).sessions, 6);
    assert.equal(dash.members.status('bob'), 'offline');
  });


scenario('R5 one beat is dropped, later three: offline once',
  { zone: scaled(SLOW) }, async (scene) => {
    const dash = await scene.dashboard();
    const tab = await scene.tab('ann', {
      plan: [0, 20, 60, 80, 160, 180].map((s) => ({ at: SLOW(s) })),
    });
    const beats = await tab.done();

    await dash.waitFor(() => dash.kinds('ann').at(-1) === 'enter', SECOND,
      'ann back');

    assert.deepEqual(dash.kinds('ann'), ['enter', 'update', 'update',
      'update', 'update', 'leave', 'enter']);
    assert.deepEqual(missedOf(dash, 'ann').slice(0, 5), [0, 1, 0, 1, 2]);

    const leave = dash.of('ann')[5];

    assert.equal(leave.member.reason, 'missed');
    assert.ok(leave.member.since >= beats[3].sent + scene.window);
    assert.equal(beats[4].body.recovered.reason, 'missed');
    assert.deepEqual(beats.filter((b) => b.body.recovered).map((b) => b.seq),
      [5]);
  });


for (const says of [true, false]) {
  scenario(`R7 ten tabs open and close in a row, ${says
    ? 'each says so' : 'none says so'}`, {}, async (scene) => {
    const dash = await scene.dashboard();

    for (let n = 0; n < 10; n++) {
      const session = `ann-tab-${n}`;
      const stream = await scene.stream({ user: 'ann', query: { session } });

      await scene.beat('ann', { session, doc: `d${n}`, seq: 1 });
      stream.cut();

      if (says) {
        await scene.beat('ann', { session, doc: `d${n}`, seq: 2, leave: true });
      }
    }

    await dash.waitForChange('ann', 'leave', scene.window + SECOND);
    await pass(scene.window);

    assert.deepEqual(dash.kinds('ann').filter((k) => k !== 'update'),
      ['enter', 'leave']);
    assert.deepEqual([...new Set(dash.of('ann').map((c) => c.member.status))],
      ['online', 'offline']);
    assert.equal(dash.of('ann').at(-1).member.sessions, 0);
    assert.equal((await scene.member('ann')).sessions, 0);
  });
}


scenario('R8 of two tabs one leaves, then the other', {}, async (scene) => {
  const dash = await scene.dashboard();
  const b = await scene.tab('ann', { session: 'tab-b' });

  await scene.beat('ann', { session: 'tab-a' });
  await scene.beat('ann', { session: 'tab-a', leave: true });
  await pass(3 * scene.zone.leave_grace);

  assert.deepEqual(dash.news('ann'), ['enter']);
  assert.equal((await scene.member('ann')).sessions, 1);

  await b.stop();

  const bye = await scene.beat('ann', { session: 'tab-b', leave: true });
  const leave = await dash.waitForChange('ann', 'leave',
    scene.zone.leave_grace + SECOND);

  assert.equal(leave.member.reason, 'leave');
  assert.ok(leave.member.since >= bye.sent + scene.zone.leave_grace);
  assert.ok(leave.at <= bye.got + scene.zone.leave_grace + SECOND);
  assert.deepEqual(dash.news('ann'), ['enter', 'leave']);
});


scenario('R12 the text changes five times: five updates', {},
  async (scene) => {
    const dash = await scene.dashboard();
    const texts = ['a', 'b', 'c', 'd', 'e'];

    await scene.beat('ann');

    for (const text of texts) {
      await scene.beat('ann', { text });
      await scene.beat('ann', { text });    /* no news the second time */
    }

    await dash.waitFor(() => dash.news('ann').length >= 6, SECOND,
      'five updates');
    await pass(scene.zone.interval / 2);

    assert.deepEqual(dash.news('ann'),
      ['enter', ...texts.map(() => 'update')]);
    assert.deepEqual(dash.of('ann').filter((c) => c.isNews).slice(1)
      .map((c) => c.member.text), texts);
  });


scenario('R13 two devices, one active, one idle, by turns for 5 min', {},
  async (scene) => {
    const dash = await scene.dashboard();
    const idle = { active_ms_ago: T(1000) };
    const active = { active_ms_ago: 0 };
    const tabs = [];

    /* which device is known longer must not matter */
    for (const [user, first, second] of [
      ['ann', active, idle], ['bob', idle, active],
    ]) {
      await scene.beat(user, { session: 'a', ...active });
      tabs.push(
        await scene.tab(user, { session: 'a', times: 17, ...first }),
        await scene.tab(user, { session: 'b', times: 17, ...second }));
    }

    await Promise.all(tabs.map((tab) => tab.done()));

    for (const user of ['ann', 'bob']) {
      assert.deepEqual(dash.news(user), ['enter']);
      assert.equal((await scene.member(user)).status, 'online');
    }
  });


scenario('R13 two devices, both idle: away once',
  { zone: { idle: T(50) } }, async (scene) => {
    const dash = await scene.dashboard();
    const plan = [0, 20, 40, 60, 80].map(
      (s) => ({ at: T(s), active_ms_ago: T(s) }));
    const tabs = [
      await scene.tab('ann', { session: 'a', plan }),
      await scene.tab('ann', { session: 'b', plan }),
    ];

    await Promise.all(tabs.map((tab) => tab.done()));

    assert.deepEqual(dash.news('ann'), ['enter', 'update']);
    assert.equal(dash.members.status('ann'), 'away');
    assert.equal(dash.members.get('ann').reason, 'idle');
  });


scenario('a beat that comes just as its user is idle: away as idle, not as beat',
  { zone: { idle: T(50) } }, async (scene) => {
    const dash = await scene.dashboard();
    const users = Array.from({ length: 40 }, (_, n) => `u${n}`);

    for (const user of users) {
      await scene.beat(user, { active_ms_ago: T(50) - 3 });
      await pass(3);
      await scene.beat(user, { active_ms_ago: T(50) });
    }

    await dash.waitFor(() => users.every(
      (user) => dash.members.status(user) === 'away'), SECOND, 'all away');
    assert.deepEqual(users.filter(
      (user) => dash.members.get(user).reason !== 'idle'), []);
  });


scenario('R15 the reply to one active beat is lost',
  { zone: { idle: T(50) } }, async (scene) => {
    const dash = await scene.dashboard();
    const back = { active_ms_ago: 0, status: 'busy', text: 'back' };
    const tab = await scene.tab('ann', { active_ms_ago: T(1000) });

    await dash.waitFor(() => dash.members.status('ann') === 'away', SECOND,
      'ann away');
    await tab.stop();

    const socket = scene.beatUnheard('ann', back);

    await dash.waitFor(() => dash.members.status('ann') === 'busy', SECOND,
      'ann busy');
    socket.destroy();

    const told = dash.of('ann').length;
    const reply = await scene.beat('ann', back);

    assert.equal(reply.body.status, 'busy');
    assert.equal(reply.body.recovered, null);
    await pass(scene.zone.interval / 2);
    assert.equal(dash.of('ann').length, told);
    assert.equal(dash.members.get('ann').text, 'back');
  });


scenario('R15 one active beat is lost: the next one says it all',
  { zone: { idle: T(50) } }, async (scene) => {
    const dash = await scene.dashboard();
    const tab = await scene.tab('ann', { active_ms_ago: T(1000) });

    await dash.waitFor(() => dash.members.status('ann') === 'away', SECOND,
      'ann away');
    await tab.stop();

    const told = dash.of('ann').length;

    await pass(scene.zone.interval);
    await scene.beat('ann', { seq: 100, active_ms_ago: T(20), text: 'back',
      meta: { chats: 2 } });
    await dash.waitFor(() => dash.members.status('ann') === 'online', SECOND,
      'ann online');

    const { text, meta, reason } = dash.members.get('ann');

    assert.deepEqual({ text, meta }, { text: 'back', meta: { chats: 2 } });
    assert.equal(dash.of('ann').length, told + 1, `reason ${reason}`);
  });


scenario('R16 after 300 s of silence the first beat recovers', {},
  async (scene) => {
    const dash = await scene.dashboard();
    const first = await scene.beat('ann');

    await pass(T(300));

    assert.deepEqual(dash.news('ann'), ['enter', 'leave']);

    const { body } = await scene.beat('ann');
    const leave = dash.of('ann').find((c) => c.type === 'leave');

    assert.equal(first.body.recovered, null);
    assert.equal(body.status, 'online');
    assert.deepEqual(body.recovered,
      { reason: 'missed', at: leave.member.since });
    await dash.waitForChange('ann', 'enter', SECOND, 2);
    assert.equal((await scene.beat('ann')).body.recovered, null);
  });


scenario('R23 a tab is hidden for 10 s: never offline', {}, async (scene) => {
  const dash = await scene.dashboard();
  const tab = await scene.tab('ann', {
    plan: [
      { at: 0, visible: true },
      { at: T(20), visible: true },
      { at: T(25), visible: false, next_ms: T(60) },
      { at: T(35), visible: true },
      { at: T(55), visible: true },
    ],
  });

  await tab.done();

  assert.ok(dash.kinds('ann').slice(1).every((k) => k === 'update'));
  assert.ok(dash.of('ann').every(
    (c) => ['online', 'away'].includes(c.member.status)));
  assert.equal((await scene.member('ann')).status, 'online');
});


scenario('R27 the web tab closes, the phone beats on', {}, async (scene) => {
  const dash = await scene.dashboard();
  const web = await scene.tab('ann', { session: 'web' });

  await scene.tab('ann', { session: 'phone' });
  await web.stop();
  await scene.beat('ann', { session: 'web', leave: true });
  await pass(scene.window + scene.zone.leave_grace);

  assert.deepEqual(dash.news('ann'), ['enter']);
  assert.equal((await scene.member('ann')).sessions, 1);
});


scenario('R27 the web tab falls silent, the phone beats on', {},
  async (scene) => {
    const dash = await scene.dashboard();
    const web = await scene.tab('ann', { session: 'web' });

    await scene.tab('ann', { session: 'phone' });
    await web.stop();
    await until(async () => (await scene.member('ann')).sessions === 1,
      scene.window + SECOND, 'the web session gone');

    assert.deepEqual(dash.news('ann'), ['enter']);
  });
