// Why beats are late or missing where a balancer spreads them over the nodes:
// counted once, and with their cause, by whichever node.

import assert from 'node:assert/strict';

import { scrape } from './lib/metrics.mjs';
import { scenario } from './lib/nodes.mjs';
import { SECOND } from './lib/scale.mjs';
import { lines, TOLD, traceOf } from './lib/told.mjs';
import { pass, until } from './lib/wait.mjs';

const failed = { fired: 'timer', failed: 2, error: 'network' };

const metricsOf = (nodes) => Promise.all(nodes.all.map(
  (node) => scrape(node.newWire('h1'))));

const numbersOf = async (nodes, name) => (await metricsOf(nodes)).map(
  (metrics) => metrics.get(`presence_${name}`));

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
       frozen: her system goes on to answer on the stream to the other node */
    const stream = await a.stream({ user: 'eve', query: { session: 'eve-tab' } });

    await a.beat('ann', { ...quiet, seq: 1 });
    await b.beat('ann', { doc: 'd', seq: 4, diag: failed });
    await a.beat('bob', { doc: 'd', seq: 1, diag: failed });
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

    assert.deepEqual(changes(a, 'eve', { to: 'offline' }), []);
    stream.close();

    for (const line of await endings(nodes, 'eve', nodes.window + 2 * SECOND)) {
      assert.deepEqual([line.reason, line.cause], ['missed', 'frozen']);
    }

    assert.deepEqual(await numbersOf(nodes, 'missed_beats_total'), [3, 6]);
  });
