// Why beats are late or missing where a balancer spreads them over the nodes:
// counted once, and with their cause, by whichever node.

import assert from 'node:assert/strict';
import fs from 'node:fs';

import { scrape } from './lib/metrics.mjs';
import { scenario } from './lib/nodes.mjs';
import { SECOND } from './lib/scale.mjs';
import { lines, TOLD, traceOf } from './lib/told.mjs';
import { pass, until } from './lib/wait.mjs';

const failed = { fired: 'timer', failed: 2, error: 'network' };

const FORMAT = `
    log_format beats escape=json '{"gap":"$presence_gap",'
        '"missed":"$presence_missed","cause":"$presence_cause"}';
`;

/* What the access log has of each beat. */
const variables = (node) => fs.readFileSync(node.nginx.file('beats.log'), 'utf8')
  .split('\n').filter(Boolean).map((line) => JSON.parse(line));

const metricsOf = (nodes) => Promise.all(nodes.all.map(
  (node) => scrape(node.newWire('h1'))));

const numbersOf = async (nodes, name) => (await metricsOf(nodes)).map(
  (metrics) => metrics.get(`presence_${name}`));

const sumOf = async (nodes, name) => (await numbersOf(nodes, name))
  .reduce((sum, n) => sum + n, 0);

const changes = (node, user, wanted) => lines(node.nginx.log, 'change')
  .filter((line) => line.user === user
    && Object.entries(wanted).every(([key, value]) => line[key] === value));

/* What each node says of the end of a user's silence. */
const endings = (nodes, user, ms) => Promise.all(nodes.all.map(
  (node) => until(() => changes(node, user, { to: 'offline' })[0], ms,
    `${user} goes, on node ${node.n}`)));


scenario('a silence: counted once, and each node says why',
  { count: 2, server: TOLD, zone: { stream_life: 10_000 } }, async (nodes) => {
    const [a, b] = nodes.all;
    const quiet = { doc: 'd', diag: { fired: 'timer' } };

    /* ann had trouble before her last beat, bob had none, and eve's page is
       frozen: her system goes on to answer on the stream to the other node.
       fay's beats are on one node, and her stream is on the other */
    const [stream, other] = await Promise.all(['eve', 'fay'].map((user) =>
      a.stream({ user, query: { session: `${user}-tab` } })));
    const tab = await b.tab('fay', { times: 6 });

    await a.beat('ann', { ...quiet, seq: 1 });
    await a.beat('bob', { doc: 'd', seq: 1, diag: failed });
    await until(async () => (await nodes.record('bob'))['s:bob-tab']
      && (await nodes.record('ann'))['s:ann-tab'], SECOND, 'both are told');
    await b.beat('ann', { doc: 'd', seq: 4, diag: failed });
    await b.beat('bob', { ...quiet, seq: 2 });
    await b.beat('eve', { ...quiet, seq: 1 });

    for (const [user, cause] of [['ann', 'network'], ['bob', 'unknown']]) {
      const told = await endings(nodes, user, nodes.window + 2 * SECOND);

      assert.deepEqual(told.map((line) => [line.reason, line.cause]),
        Array(2).fill(['missed', cause]));

      for (const node of nodes.all) {
        const trace = await traceOf(node.newWire('h1'), user);

        assert.equal(trace.cause, cause);
        assert.match(trace.verdict, new RegExp(`; cause: ${cause}, for `));
      }

      const { reason, cause: kept } = await nodes.record(user);

      assert.deepEqual([reason, kept], ['missed', cause]);

      /* and as each of them was missing */
      assert.deepEqual(changes(b, user, { reason: 'missed', to: 'online' })
        .map((line) => [line.missed, line.cause]), [[1, cause], [2, cause]]);
    }

    /* the node that heard them last has counted */
    assert.deepEqual(await numbersOf(nodes, 'missed_beats_total'), [0, 6]);

    await tab.done();
    await until(async () => (await nodes.record('fay'))['s:fay-tab']
      .startsWith('n0.'), SECOND, 'her stream is the last sign of life');
    other.close();

    assert.deepEqual(changes(a, 'eve', { to: 'offline' }), []);
    stream.close();

    for (const [user, cause] of [['fay', 'unknown'], ['eve', 'frozen']]) {
      const told = await endings(nodes, user, nodes.window + 2 * SECOND);

      assert.deepEqual(told.map((line) => [line.reason, line.cause]),
        Array(2).fill(['missed', cause]));
    }

    /* once, by the node of the beat or by that of the stream */
    assert.equal(await sumOf(nodes, 'missed_beats_total'), 12);
  });


/* Of three nodes one has a clock that is ahead, and one that is behind. */
scenario('beats that go to any node: each is late by the one before it',
  { count: 3, server: TOLD, clocks: [90, 0, -90], http: FORMAT,
    location: 'access_log beats.log beats;' }, async (nodes) => {
    const { interval, slack } = nodes.zone;
    const silence = interval + slack + 300;
    let seq = 0;

    /* A beat of ann to that node; so many that it tried before had failed. */
    const beats = (node, failures = 0, diag = {}) => node.beat('ann',
      { doc: 'd', seq: seq += 1 + failures, diag: { fired: 'timer', ...diag } });
    const told = async (node, gap, ms) => {
      const line = await until(() => lines(node.nginx.log, 'late').at(-1),
        SECOND, 'a late line');

      assert.ok(line.gap >= gap - 50 && line.gap < gap + ms,
        JSON.stringify(line));
      assert.match(line.request, /^[0-9a-f]{32}$/);

      return line;
    };

    for (let n = 0; n < 6; n++) {
      await beats(nodes.all[n % 3]);
      await pass(interval);
    }

    await until(async () => await sumOf(nodes, 'beat_gap_seconds_count') === 5,
      SECOND, 'five gaps');
    assert.equal(await sumOf(nodes, 'late_beats_total'), 0);
    assert.equal(await sumOf(nodes, 'missed_beats_total'), 0);

    const seconds = await sumOf(nodes, 'beat_gap_seconds_sum');

    assert.ok(seconds >= 5 * interval / 1000 && seconds < 8 * interval / 1000,
      `${seconds} s in 5 gaps`);

    /* the log can say what it knows at once: the same node, the next number */
    const [a, b, c] = nodes.all;

    await beats(c);
    await until(() => variables(c).length === 3, SECOND, 'three requests');
    assert.deepEqual(variables(c).slice(0, 2).map((v) => v.gap), ['', '']);
    assert.ok(Math.abs(1000 * variables(c)[2].gap - interval) < 200);

    /* late, on another node each time, and each time by another cause */
    await pass(silence);
    await beats(a, 2, { failed: 2, error: 'network' });

    const cut = await told(a, silence, interval);

    assert.deepEqual([cut.cause, cut.hole, cut.due, cut.missed],
      ['network', 2, interval, 1]);
    await pass(silence);
    await beats(b, 1);
    assert.deepEqual([(await told(b, silence, interval)).cause,
      (await told(b, silence, interval)).hole], ['lost', 1]);

    await until(async () => await sumOf(nodes, 'beat_gap_seconds_count') === 8,
      SECOND, 'eight gaps');
    assert.deepEqual((await metricsOf(nodes)).map((metrics) =>
      metrics.by('cause', 'presence_late_beats_total')),
    [{ network: 1 }, { lost: 1 }, {}]);
    assert.equal(await sumOf(nodes, 'missed_beats_total'), 2);

    const { verdict, sessions: [{ beats: [newest, ...older] }] } =
      await traceOf(b.newWire('h1'), 'ann');
    const isNear = (gap, ms) => Math.abs(gap - ms) < 250;

    assert.deepEqual([newest.cause, newest.hole], ['lost', 1]);
    assert.ok(isNear(newest.gap_ms, silence), JSON.stringify(newest));

    /* the one before it, and the one before that, came to others */
    assert.deepEqual(older.slice(0, 2).map(({ kind, due_ms: due, node }) =>
      [kind, isNear(due, interval), node?.split('.')[0]]),
    [['elsewhere', true, 'n0'], ['elsewhere', true, 'n2']]);
    assert.ok(isNear(older[0].gap_ms, silence), JSON.stringify(older));
    assert.ok(older.filter(({ kind }) => kind === 'beat')
      .every(({ hole, cause, gap_ms: gap }) => hole === 0 && cause === null
        && gap < interval + 250), JSON.stringify(older));
    assert.match(verdict, /: lost, for beats were sent and did not arrive/);

    /* called gone, and back on a node that was not the last */
    await endings(nodes, 'ann', nodes.window + 2 * SECOND);

    const reply = await beats(c, 4, { failed: 4, error: 'timeout' });

    assert.equal(reply.body.recovered.reason, 'missed');

    const back = await told(c, nodes.window, 2 * SECOND);

    assert.deepEqual([back.cause, back.hole, back.missed], ['network', 4, 3]);
    await until(async () => await sumOf(nodes, 'recovered_total') === 1,
      SECOND, 'it has recovered');

    const { changes: [change] } = await traceOf(c.newWire('h1'), 'ann');

    assert.deepEqual([change.reason, change.cause], ['recovered', 'network']);
    assert.deepEqual((await metricsOf(nodes))[2].by('cause',
      'presence_recovered_total'), { network: 1 });
    assert.equal(await sumOf(nodes, 'missed_beats_total'), 5);
  });
