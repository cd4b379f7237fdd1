// The trace of a user whose beats come to several nodes: it tells which node
// knows more, and whether Redis serves.

import assert from 'node:assert/strict';

import { scenario } from './lib/nodes.mjs';
import { SECOND } from './lib/scale.mjs';
import { lines, storyOf, TOLD, traceOf } from './lib/told.mjs';
import { until } from './lib/wait.mjs';

/* Nothing is missed while the test looks. */
const zone = { interval: 5000, max_interval: 5000, stream_life: 0 };

const trace = (node, user) => traceOf(node.newWire('h1'), user);
const story = (node, user) => storyOf(node.newWire('h1'), user);


scenario('the trace names the node that hears, and says whether Redis serves',
  { count: 2, server: TOLD, zone }, async (nodes) => {
    const [a, b] = nodes.all;

    await a.beat('ann', { doc: 'd', seq: 1 });

    const told = await until(async () => {
      const { sessions: [session], ...rest } = await trace(b, 'ann');

      return session?.node && { session, ...rest };
    }, 5 * SECOND, 'the other node knows whose ann is');
    const own = await until(async () => {
      const seen = await trace(a, 'ann');

      return seen.redis.nodes === 2 && seen;
    }, 5 * SECOND, 'each node knows of the other');

    assert.match(own.redis.node, /^n0\.[0-9a-f]{8}$/);
    assert.equal(own.sessions[0].node, null);
    assert.equal(own.sessions[0].beats.length, 1);
    assert.equal(own.redis.up, true);
    assert.match(await story(a, 'ann'), / online since \S+: last beat /);

    assert.equal(told.session.node, own.redis.node);
    assert.deepEqual(told.session.beats, []);
    assert.match(told.verdict, new RegExp(`: node ${own.redis.node} hears it `
      + 'and knows of its beats, none missed'));

    const text = await story(b, 'ann');

    assert.match(text, new RegExp('\nbeats are those that came to node '
      + `${told.redis.node}, one of 2, and of others what it was told of\n`));
    assert.match(text, new RegExp(` heard by node ${own.redis.node} now\n`));

    /* and without Redis each node decides alone */
    await nodes.redis.stop();

    for (const node of nodes.all) {
      const { redis, verdict } = await until(async () => {
        const alone = await trace(node, 'ann');

        return !alone.redis.up && alone;
      }, 5 * SECOND, 'Redis does not serve');

      assert.ok(redis.since > own.redis.since);
      assert.match(verdict, /; Redis does not serve since \S+, and this node /);
    }
  });


scenario('who has gone: beats that other nodes heard are no stream',
  { count: 2, server: TOLD, zone: { interval: 500, max_interval: 500 } },
  async (nodes) => {
    const [a, b] = nodes.all;

    await a.beat('ann', { doc: 'd', seq: 1 });
    await nodes.pass(1100);
    await b.beat('ann', { doc: 'd', seq: 2 });
    await b.beat('ben', { doc: 'd', seq: 1 });
    await nodes.untilAgreed([]);

    const { verdict } = await trace(a, 'ann');

    assert.match(verdict, /: 3 beats missed after \S+; the last beat came to node n1\.[0-9a-f]{8}, which knows more of it, and said next in 50\d ms; /);
    assert.doesNotMatch(verdict, /stream/);
    assert.match(verdict, /; the server heard all the time, and Redis served$/);
    assert.match((await trace(a, 'ben')).verdict,
      /; no beat came to this node, and another one knows more; /);
    assert.doesNotMatch((await trace(b, 'ann')).verdict, /another|stream/);

    /* back, and looked at by one node after the other: that is told once */
    for (let seq = 3; seq < 9; seq++) {
      await [a, b][seq % 2].beat('ann', { doc: 'd', seq });
      await nodes.pass(nodes.zone.interval);
    }

    for (const node of nodes.all) {
      const told = lines(node.nginx.log, 'change')
        .filter(({ user }) => user === 'ann');
      const { changes } = await trace(node, 'ann');

      assert.deepEqual(changes.map((change) => change.reason),
        ['recovered', 'missed', 'beat'], JSON.stringify(changes));
      assert.equal(told.filter(({ reason }) => reason === 'recovered').length, 1);
    }
  });
