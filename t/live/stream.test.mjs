// What readers of a stream are told, over each kind of connection.

import assert from 'node:assert/strict';

import { Changer } from './lib/changer.mjs';
import { openFiles, ownMemory } from './lib/process.mjs';
import { scenario } from './lib/scenario.mjs';
import { SECOND, T } from './lib/scale.mjs';
import { now, pass, until } from './lib/wait.mjs';

const MB = 1024 * 1024;
const PROTOCOLS = ['h1', 'tls', 'h2'];

/* What a reader knows of its members, to be compared. */
const picture = (members) => members
  .map(({ user, status, text }) => `${user} ${status} ${text}`).sort();

const pictureOf = (stream) =>
  picture(stream.members.users.map((user) => stream.members.get(user)));


for (const target of PROTOCOLS) {
  scenario(`a whole day of one tab, ${target}`, {}, async (scene) => {
    const dash = await scene.dashboard({ target });
    const tab = await scene.tab('ann', { target });

    assert.equal(tab.reply.status, 200);
    await dash.waitForChange('ann', 'enter', SECOND);

    await tab.set({ status: 'busy', text: 'on a call' });
    await dash.waitFor(() => dash.members.status('ann') === 'busy',
      scene.zone.interval + SECOND, 'busy');
    await tab.set({ status: 'online', text: null });
    await dash.waitFor(() => dash.members.status('ann') === 'online',
      scene.zone.interval + SECOND, 'online again');
    await dash.waitFor(() => dash.pings.length >= 5,
      6 * scene.zone.interval + SECOND, 'pings');
    await tab.stop();

    const { body } = await scene.beat('ann', { target, leave: true });
    const leave = await dash.waitForChange('ann', 'leave',
      scene.zone.leave_grace + SECOND);

    assert.deepEqual(dash.news('ann'),
      ['enter', 'update', 'update', 'leave']);
    assert.deepEqual(dash.of('ann')
      .filter((c) => c.type === 'update' && c.isNews)
      .map((c) => c.member.text), ['on a call', null]);
    assert.equal(leave.member.reason, 'leave');
    assert.ok(leave.member.since >= body.server_time + scene.zone.leave_grace);

    const beats = await tab.beats();
    const arrival = dash.of('ann')[0].at - beats[0].sent;

    assert.ok(arrival < SECOND, `${arrival} ms from beat to dashboard`);
  });


  scenario(`the header of a stream, ${target}`, {}, async (scene) => {
    const { replyHeaders } = await scene.dashboard({ target,
      headers: { 'accept-encoding': 'gzip' } });

    assert.match(replyHeaders['content-type'], /^text\/event-stream/);
    assert.match(replyHeaders['cache-control'], /no-store/);
    assert.match(replyHeaders['cache-control'], /no-transform/);
    assert.equal(replyHeaders['content-encoding'], undefined);
  });
}


for (const target of PROTOCOLS) {
  scenario(`R22 a stream is cut and resumes: the delta, ${target}`, {},
    async (scene) => {
      const dash = await scene.dashboard({ target });

      await scene.beat('ann');
      await scene.beat('dan');
      await dash.waitForChange('dan', 'enter', SECOND);
      dash.cut();

      await scene.beat('bob');
      await scene.beat('ann', { text: 'while you were away' });
      await scene.beat('dan', { logout: true });
      await dash.again();
      await dash.waitForChange('dan', 'leave', SECOND);

      assert.equal(dash.states.length, 1);
      assert.equal(dash.connections[1].first, 'presence_diff');
      assert.deepEqual(dash.changes.map((c) => `${c.type} ${c.member.user}`),
        ['enter ann', 'enter dan', 'enter bob', 'update ann', 'leave dan']);
    });
}


for (const target of PROTOCOLS) {
  scenario(`who resumes and missed nothing is told at once, ${target}`,
    { zone: { interval: 60_000, max_interval: 60_000 } },
    async (scene) => {
      const dash = await scene.dashboard({ target });
      const cut = now();

      dash.cut();
      await dash.again();

      /* not with the next ping */
      assert.ok(now() - cut < 30_000);
      assert.equal(dash.status, 200);
      await scene.beat('ann');
      await dash.waitForChange('ann', 'enter', SECOND);
      assert.equal(dash.states.length, 1);
    });
}


scenario('R22 cut during a change, again and again: each told once', {},
  async (scene) => {
    const dash = await scene.dashboard({ groups: 'agents' });
    const texts = [];

    await scene.beat('ann');

    for (let n = 0; n < 40; n++) {
      const beat = scene.beat('ann', { text: `${n}` });

      texts.push(`${n}`);

      if (n % 2) {
        await pass(n % 7);
      }

      dash.cut();
      await dash.again();
      await beat;
    }

    await dash.waitFor(() => dash.members.get('ann')?.text === texts.at(-1),
      SECOND, 'the last text');
    assert.deepEqual(dash.of('ann')
      .filter((c) => c.type === 'update' && c.isNews)
      .map((c) => c.member.text), texts);
    assert.equal(dash.states.length, 1);
  });


for (const [what, make] of [
  ['of another epoch', (id) => id.replace(/^.*-/, '1234567-')],
  ['that is none', () => 'what is this'],
  ['from the future', (id) => id.replace(/\d+$/, '999999999')],
  ['of the epoch and nothing', (id) => id.replace(/\d+$/, '')],
  ['that is a thousand bytes long',
    () => `${'9'.repeat(500)}-${'9'.repeat(499)}`],
]) {
  for (const how of ['header', 'argument']) {
    scenario(`R22 resume with an id ${what}, by ${how}: a new state`, {},
      async (scene) => {
        await scene.beat('ann');

        const { lastId } = await scene.dashboard();
        const id = make(lastId);
        const dash = await scene.dashboard(how === 'header'
          ? { headers: { 'last-event-id': id } }
          : { query: { last_event_id: id } });

        assert.deepEqual(dash.members.present, ['ann']);
        await scene.beat('bob');
        await dash.waitForChange('bob', 'enter', SECOND);
      });
  }
}


scenario('R22 resume with an id too old for the ring: a new state',
  { zone: { size: '1m', interval: 60_000, max_interval: 60_000 } },
  async (scene) => {
    const dash = await scene.dashboard();

    await scene.beat('ann');
    await scene.beat('bob');
    await dash.waitForChange('bob', 'enter', SECOND);
    dash.cut();

    /* more bytes than the zone has */
    for (let n = 0; n < 1200; n++) {
      await scene.beat('ann', { meta: { n, x: 'x'.repeat(900) } });
    }

    await scene.beat('bob', { logout: true });
    await dash.again();
    await dash.waitFor(() => dash.states.length > 1, SECOND, 'a new state');

    assert.deepEqual(dash.members.present, ['ann']);
    assert.equal(dash.members.get('ann').meta.n, 1199);
    await scene.beat('bob');
    await dash.waitForChange('bob', 'enter', SECOND, 1);
  });


for (const target of PROTOCOLS) {
  scenario(`a bound stream keeps its session without a beat, ${target}`, {},
    async (scene) => {
      const dash = await scene.dashboard();

      await scene.beat('ann', { target });

      const own = await scene.dashboard({ user: 'ann', target,
        query: { session: 'ann-tab' } });

      await pass(2 * scene.window);
      assert.deepEqual(dash.news('ann'), ['enter']);

      const cut = now();

      own.cut();

      const leave = await dash.waitForChange('ann', 'leave',
        scene.window + scene.zone.interval + SECOND);

      assert.equal(leave.member.reason, 'missed');
      assert.ok(leave.member.since >= cut + scene.window
        - 2 * scene.zone.interval, `${leave.member.since - cut} ms`);
    });
}


scenario('a bound stream keeps its session no longer than stream_life',
  { zone: { stream_life: T(150) } }, async (scene) => {
    const dash = await scene.dashboard();
    const beat = await scene.beat('ann');

    await scene.dashboard({ user: 'ann', query: { session: 'ann-tab' } });

    const life = scene.zone.stream_life + scene.window;
    const leave = await dash.waitForChange('ann', 'leave', life + SECOND);

    assert.ok(leave.member.since >= beat.sent + life
      - scene.zone.interval, `${leave.member.since - beat.sent} ms`);
    assert.ok(leave.at <= beat.got + life + SECOND);
  });


scenario('stream_life 0: a stream is no sign of life',
  { zone: { stream_life: 0 } }, async (scene) => {
    const dash = await scene.dashboard();
    const beat = await scene.beat('ann');

    await scene.dashboard({ user: 'ann', query: { session: 'ann-tab' } });

    const leave = await dash.waitForChange('ann', 'leave',
      scene.window + SECOND);

    assert.ok(leave.at <= beat.got + scene.window + SECOND);
  });


scenario('a leave wins over a stream that is open', {}, async (scene) => {
  const dash = await scene.dashboard();

  await scene.beat('ann');
  await scene.dashboard({ user: 'ann', query: { session: 'ann-tab' } });
  await pass(2 * scene.zone.interval);

  const bye = await scene.beat('ann', { leave: true });
  const leave = await dash.waitForChange('ann', 'leave',
    scene.zone.leave_grace + SECOND);

  assert.equal(leave.member.reason, 'leave');
  assert.ok(leave.at <= bye.got + scene.zone.leave_grace + SECOND);
  await pass(scene.window);
  assert.deepEqual(dash.news('ann'), ['enter', 'leave']);
});


scenario('a stream bound to a session of somebody else keeps nobody', {},
  async (scene) => {
    const dash = await scene.dashboard();

    await scene.beat('ann');
    await scene.stream({ user: 'eve', query: { session: 'ann-tab' } });
    await dash.waitForChange('ann', 'leave', scene.window + SECOND);
  });


scenario('beat on one worker, event on a stream of the other', {},
  async (scene) => {
    const workers = scene.nginx.workers();

    for (const reader of workers) {
      let dash;

      do {
        dash?.close();
        dash = await scene.dashboard({ target: 'spread' });
      } while (dash.worker !== reader);

      const wires = new Map();

      while (wires.size < workers.length) {
        const wire = scene.newWire('spread');

        wires.set((await scene.beat('ann', { wire })).worker, wire);
      }

      for (const [worker, wire] of wires) {
        const delays = [];

        for (let n = 0; n < 15; n++) {
          const { sent } = await scene.beat('ann', { wire, text: `${n}` });
          const { at } = await dash.waitFor(
            () => dash.changes.find((c) => c.member.text === `${n}`
              && c.at >= sent), SECOND, `text ${n} from ${worker}`);

          delays.push(at - sent);
        }

        /* woken at once, not by a look now and then */
        delays.sort((a, b) => a - b);
        assert.ok(delays[7] < SECOND / 10, `${delays} ms`);
      }
    }
  });


scenario('what is seen: by groups, by names, the offline too', {},
  async (scene) => {
    await scene.beat('off', { groups: 'agents' });
    await scene.beat('off', { groups: 'agents', logout: true });

    const open = (options, query) => scene.dashboard({ ...options, query });
    const sales = await open({ view: 'sales' }, {});
    const both = await open({}, { groups: 'agents,sales' });
    const named = await open({}, { users: 'ann,off,ghost' });
    const all = await open({}, { groups: 'agents', include: 'offline' });
    const own = await open({ groups: 'agents', view: null }, {});
    const denied = await scene.stream({ view: 'sales',
      query: { groups: 'agents' } });

    assert.equal(denied.status, 403);
    assert.match(denied.problem, /problem:forbidden-view/);

    await scene.beat('ann', { groups: 'agents' });
    await scene.beat('sam', { groups: 'sales' });
    await scene.beat('zoe', { groups: 'admins' });
    await Promise.all([both, own, named, all].map(
      (s) => s.waitForChange('ann', 'enter', SECOND)));
    await Promise.all([both, sales].map(
      (s) => s.waitForChange('sam', 'enter', SECOND)));

    assert.deepEqual(sales.members.users, ['sam']);
    assert.deepEqual(both.members.users, ['ann', 'sam']);
    assert.deepEqual(named.members.users, ['ann', 'ghost', 'off']);
    assert.deepEqual(all.members.users, ['ann', 'off']);
    assert.deepEqual(own.members.users, ['ann']);
    assert.equal(named.members.get('ghost').since, null);
    assert.equal(named.members.get('off').reason, 'logout');

    /* a change of groups: a leave for the one, an enter for the other */
    await scene.beat('ann', { groups: 'sales' });
    await sales.waitForChange('ann', 'enter', SECOND);
    await own.waitForChange('ann', 'leave', SECOND);
    await both.waitForChange('ann', 'update', SECOND);
    assert.deepEqual(both.members.get('ann').groups, ['sales']);

    /* nobody but ann herself knows that she is there */
    await scene.beat('ann', { groups: 'sales', status: 'invisible' });
    await sales.waitForChange('ann', 'leave', SECOND);
    await named.waitFor(() => named.members.status('ann') === 'offline',
      SECOND, 'ann invisible');
  });


scenario('mode=count', {}, async (scene) => {
  const dash = await scene.dashboard({ query: { mode: 'count' } });
  const is = (wanted) => dash.waitFor(() => Object.entries(wanted)
    .every(([status, n]) => dash.count[status] === n), SECOND,
  `${JSON.stringify(wanted)}, not ${JSON.stringify(dash.count)}`);

  assert.equal(dash.count.online, 0);
  await scene.tab('ann');
  await is({ online: 1 });
  await scene.tab('bob', { status: 'busy' });
  await is({ online: 1, busy: 1 });
  await scene.beat('bob', { logout: true });
  await is({ busy: 0, online: 1 });
  await scene.beat('cid', { active_ms_ago: 2 * scene.zone.idle });
  await is({ online: 1, away: 1 });

  const { server_time: _, ...counted } = await scene.count();

  await is(counted);
});


scenario('opened while everything changes: state and changes fit together',
  { zone: { size: '16m' } }, async (scene) => {
    const changer = new Changer(scene);
    const dashes = [];

    /* a state in one part: of several, what changed meanwhile is told again */
    for (let n = 0; n < 200; n++) {
      await scene.beat(`stays${n}`, { next_ms: scene.zone.max_interval,
        text: 'x'.repeat(200) });
    }

    changer.start(1);

    for (let n = 0; n < 60; n++) {
      dashes.push(await scene.dashboard({ target: 'spread',
        user: `reader${n % 7}`, query: n % 2 ? {} : { groups: 'agents' } }));
    }

    await changer.stop();
    await scene.beat('last');
    await Promise.all(dashes.map(
      (dash) => dash.waitForChange('last', 'enter', 2 * SECOND)));

    for (const dash of dashes) {
      const told = changer.told(dash);
      const rest = changer.truth.slice(changer.truth.length - told.length);

      assert.deepEqual(told, rest);
    }
  });


scenario('pages of users, then a stream from their id', {}, async (scene) => {
  for (let n = 0; n < 250; n++) {
    await scene.beat(`u${n}`, { next_ms: scene.zone.max_interval });
  }

  const changer = new Changer(scene);

  changer.start(0);

  const { members, id } = await scene.users({ groups: 'agents', limit: 20 });

  await changer.stop();

  const names = members.map((m) => m.user);

  assert.equal(new Set(names).size, names.length);
  assert.equal(names.filter((name) => name.startsWith('u')).length, 250);

  const dash = await scene.stream({ lastEventId: id,
    query: { groups: 'agents' } });

  await dash.waitFor(() => changer.told(dash).at(-1) === changer.truth.at(-1),
    SECOND, 'the last change');
  assert.equal(dash.states.length, 0);
  dash.faults = [];    /* it knows no state: the pages were it */
});


for (const target of ['narrow', 'tls', 'h2']) {
  scenario(`a reader stops reading, 10,000 changes happen, ${target}`,
    { zone: { size: '16m', interval: 10_000, max_interval: 10_000 } },
    async (scene) => {
      const meta = { x: 'x'.repeat(800) };
      const users = Array.from({ length: 100 }, (_, n) => `u${n}`);
      const change = async (n) => {
        for (let i = 0; i < users.length; i += 4) {
          await Promise.all(users.slice(i, i + 4).map((user) =>
            scene.beat(user, { text: `${n}`, meta })));
        }
      };
      const memory = () => scene.nginx.workers().map(ownMemory)
        .reduce((a, b) => a + b);

      const dash = await scene.dashboard({ target });
      const reading = await scene.dashboard();

      for (let n = 0; n < 5; n++) {
        await change(n);
      }

      dash.pause();

      const before = memory();

      for (let n = 5; n < 105; n++) {
        await change(n);
      }

      /* the changes are some 10 MB */
      const grown = memory() - before;

      assert.ok(grown < 2 * MB, `${(grown / MB).toFixed(1)} MB`);
      await reading.waitFor(() => users.every(
        (user) => reading.members.get(user)?.text === '104'), 2 * SECOND,
      'all changes, at the one who reads');

      dash.resume();
      await dash.waitFor(() => users.every(
        (user) => dash.members.get(user)?.text === '104'), 5 * SECOND,
      'the right state, at the one who reads again');
      assert.deepEqual(pictureOf(dash), pictureOf(reading));

      await scene.beat('ann');
      await dash.waitForChange('ann', 'enter', SECOND);
    });
}


/* One worker, so that each round asks the same of its memory. */
scenario('many streams come and go: files and memory return', { workers: 1 },
  async (scene) => {
    const [worker] = scene.nginx.workers();
    const changer = new Changer(scene);
    const round = async () => {
      const dashes = [];

      for (const target of ['h1', 'tls', 'h2']) {
        dashes.push(...await Promise.all(Array.from({ length: 60 },
          (_, n) => scene.dashboard({ target, user: `r${n}`,
            query: { session: `s${n}` } }))));
      }

      await changer.round();
      await Promise.all(dashes.map((dash) => dash.waitFor(
        () => changer.told(dash).length === 3, SECOND, 'the changes')));
      dashes.forEach((dash, n) => (n % 2 ? dash.cut() : dash.close()));
      scene.forgetStreams();
      await until(() => openFiles(worker) === files, 2 * SECOND,
        `${files} open files again`);

      return ownMemory(worker);
    };

    await scene.beat('ann');

    const files = openFiles(worker);
    const memory = [];

    for (let n = 0; n < 12; n++) {
      memory.push(await round());
    }

    /* a leak goes on for ever; what malloc() keeps does not */
    const least = (from) => Math.min(...memory.slice(from, from + 4));
    const grown = least(8) - least(4);

    scene.t.diagnostic(`KB after each round: ${memory.map((m) => m >> 10)}`);
    assert.ok(grown < MB / 4, `${grown >> 10} KB more`);
  });
