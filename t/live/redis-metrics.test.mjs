// Redis in the metrics and on the status page, against what the tests do.

import assert from 'node:assert/strict';

import { scrape } from './lib/metrics.mjs';
import { scenario } from './lib/nodes.mjs';
import { isAlive } from './lib/process.mjs';
import { SECOND } from './lib/scale.mjs';
import { pass, until } from './lib/wait.mjs';
import { text } from './lib/wire.mjs';

const server = `
        location = /metrics { presence_metrics agents; }
        location = /status { presence_status agents; }`;

/* Nothing happens by itself. */
const patient = { interval: 60_000, slack: 5000, max_interval: 70_000,
  idle: 600_000 };

const names = (n, name = 'u') => Array.from({ length: n }, (_, i) => name + i);
const redis = (metrics, name) => metrics.get(`presence_redis_${name}`);

/* Each from a worker of its own, as the kernel deals them out. */
const look = (node) => scrape(node.newWire('spread'));

const settled = (node, condition, what) => until(async () => {
  const metrics = await look(node);

  return condition((name) => redis(metrics, name), metrics) && metrics;
}, 15 * SECOND, what);

const isQuiet = (get) => get('queue_length') === 0 && get('unanswered') === 0;

async function status(node, format) {
  const reply = await node.newWire('h1').open(
    { path: `/status?format=${format}`, timeout: 5000 });
  const page = await text(reply.body);

  return format === 'json' ? JSON.parse(page).redis : page;
}


scenario('what is counted is what was done: workers die, reloads, a new size',
  { count: 2, workers: 3, server, zone: patient }, async (nodes) => {
    const [a, b] = nodes.all;
    const counters = ['synced', 'connects', 'failures', 'loads', 'resyncs'];
    const totals = (metrics) => Object.fromEntries(counters.map(
      (name) => [name, redis(metrics, `${name}_total`)]));
    const noneLess = (before, after) => counters.filter(
      (name) => totals(after)[name] < totals(before)[name]);

    /* a connection of each worker, and that which follows the changes */
    const isUp = (more, before) => (get) => get('up') === 1
      && get('nodes') === 2 && get('connects_total')
        >= more + (before ? redis(before, 'connects_total') : 0)
      && get('resyncs_total') > 0 && isQuiet(get);

    for (const node of nodes.all) {
      await settled(node, isUp(4), 'all are connected');
    }

    /* a look at everybody that is due has been taken: there is nobody yet */
    await pass(300);

    const before = [await look(a), await look(b)];

    for (const user of names(40)) {
      await a.beat(user, { wire: a.newWire('spread') });
    }

    const told = await settled(a, (get) => get('synced_total')
      >= redis(before[0], 'synced_total') + 40, '40 users are told');
    const taken = await settled(b, (get) => get('changes_total')
      >= redis(before[1], 'changes_total') + 40, '40 users are taken over');

    assert.equal(redis(told, 'synced_total'),
      redis(before[0], 'synced_total') + 40);
    assert.equal(redis(taken, 'changes_total'),
      redis(before[1], 'changes_total') + 40);
    assert.equal(redis(taken, 'synced_total'),
      redis(before[1], 'synced_total'));
    assert.equal(redis(told, 'refused_total'), 0);
    assert.equal(redis(told, 'claimed_total'), 0);

    /* workers that find at once that Redis does not know it */
    assert.ok([1, 2, 3].includes(redis(told, 'loads_total')));
    assert.equal(told.lint(), '');

    /* the one that leads has two */
    const { workers } = JSON.parse(await text((await a.newWire('h1').open(
      { path: '/status?format=json', timeout: 5000 })).body));

    await a.nginx.killWorker(workers.find((worker) => !worker.leads).pid);

    const killed = await settled(a, (get) => isUp(1, told)(get)
      && get('resyncs_total') > redis(told, 'resyncs_total'),
    'the new worker is connected');

    assert.deepEqual(noneLess(told, killed), []);

    let old = await a.nginx.reload();

    await until(() => !old.some(isAlive), 10 * SECOND, 'old workers gone');

    const reloaded = await settled(a, isUp(4, killed),
      'connected after a reload');

    assert.deepEqual(noneLess(killed, reloaded), []);
    old = await a.nginx.reload({ ...a.nginx.site,
      zone: { ...a.nginx.site.zone, size: '16m' } });
    await until(() => !old.some(isAlive), 10 * SECOND, 'old workers gone');

    const grown = await settled(a, isUp(4, reloaded),
      'connected with a zone of another size');

    assert.deepEqual(noneLess(reloaded, grown), []);
    assert.equal(grown.lint(), '');
  });


scenario('Redis goes and comes back: state, time, error, what was lost',
  { count: 1, workers: 2, server }, async (nodes) => {
    const [node] = nodes.all;
    const isSince = (ms, from) => ms >= from - 100 && ms <= Date.now() + 100;

    await settled(node, (get) => get('up') === 1, 'up');
    await node.beat('ann');

    const before = await settled(node,
      (get) => get('synced_total') > 0 && isQuiet(get), 'ann is told');
    const away = Date.now();

    await nodes.redis.stop();

    const gone = await settled(node, (get) => get('up') === 0
      && get('failures_total') > redis(before, 'failures_total'), 'down');

    assert.ok(isSince(1000 * redis(gone, 'changed_timestamp_seconds'), away));
    await node.beat('bob');
    await settled(node, (get) => get('dropped_total') > 0, 'bob is dropped');

    const sick = await status(node, 'json');

    assert.equal(sick.up, false);
    assert.ok(isSince(sick.since, away), JSON.stringify(sick));
    assert.ok(sick.last_error.length > 0);
    assert.ok(sick.node.startsWith('n0.'));
    assert.match(await status(node, 'html'), /Redis does not serve/);

    const back = Date.now();

    await nodes.redis.start();

    const again = await settled(node, (get) => get('up') === 1
      && get('resyncs_total') > redis(before, 'resyncs_total'), 'up again');

    assert.ok(isSince(1000 * redis(again, 'changed_timestamp_seconds'), back));

    const well = await status(node, 'json');

    assert.equal(well.up, true);
    assert.equal(well.last_error, sick.last_error);
    assert.doesNotMatch(await status(node, 'html'), /Redis does not serve/);
  });


scenario('how far behind Redis is; a full one; how many nodes there are',
  { count: 2, server }, async (nodes) => {
    const [a, b] = nodes.all;

    await settled(a, (get) => get('up') === 1 && get('nodes') === 2, 'two');

    nodes.redis.freeze();
    await a.beat('ann');

    const behind = await settled(a, (get) => get('lag_seconds') > 0.5,
      'it is behind');

    assert.ok(redis(behind, 'unanswered') >= 1);
    assert.equal(redis(behind, 'up'), 1);
    nodes.redis.thaw();
    await settled(a, (get) => isQuiet(get) && get('lag_seconds') === 0,
      'it has caught up');

    await nodes.client.configSet('maxmemory', '1');
    await a.beat('bob');
    await settled(a, (get) => get('refused_total') > 0 && get('up') === 0,
      'refused');
    await until(async () => /OOM/.test((await status(a, 'json')).last_error),
      5 * SECOND, 'OOM is told');
    await nodes.client.configSet('maxmemory', '0');
    await settled(a, (get) => get('up') === 1, 'up');

    await b.tab('eve');
    await a.dashboard().then((dash) => dash.waitFor(
      () => dash.members.present.includes('eve'), SECOND, 'eve'));
    await nodes.kill(b);
    await settled(a, (get) => get('nodes') === 1, 'one is left');
    await settled(a, (get) => get('claimed_total') >= 1, 'eve is looked after');
  });
