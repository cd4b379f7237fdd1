// The runbook: each of its commands, on a server that is healthy and on one
// that is brought into the state that the chapter is about. Causes are in
// diagnose.test.mjs, which asks the runbook too.

import assert from 'node:assert/strict';
import test from 'node:test';

import { scenario as scenarioOfNodes } from './lib/nodes.mjs';
import { isAlive, isStopped } from './lib/process.mjs';
import { chapters, commands, run, verdicts } from './lib/runbook.mjs';
import { scenario } from './lib/scenario.mjs';
import { pass, until } from './lib/wait.mjs';

const SOON = 15_000;

const server = `
        location = /metrics { presence_metrics; }
        location = /status { presence_status agents; }
        location = /trace { presence_trace agents; }`;

/* Nothing happens by itself. */
const quiet = { size: '8m', interval: 60_000, slack: 5000,
  max_interval: 70_000, idle: 600_000 };

const names = (n, name = 'u') => Array.from({ length: n }, (_, i) => name + i);

/* Asks the nth command of a chapter until its answer is the sick one. */
const becomes = (scene, title, n, isSick, options) => until(async () => {
  const said = await says(scene, title, n, options);

  return isSick(said) && said;
}, SOON, `the answer of command ${n} of "${title}"`);

const says = async (scene, title, n = 0, options = {}) =>
  (await run(commands(title)[n], { nginx: scene.nginx, ...options })).said;

/* [{ name, labels, value }] */
const samples = (said) => said.split('\n').filter(Boolean).map((line) => {
  const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);

  return { name, labels, value: +value };
});

const value = (said, name, label = '') => samples(said)
  .filter((one) => one.name === name && (one.labels ?? '').includes(label))
  .reduce((sum, one) => sum + one.value, 0);


test('each cause has its words', () => {
  assert.deepEqual(Object.keys(verdicts), ['throttled', 'frozen', 'slept',
    'network', 'lost', 'server', 'flood', 'unknown']);
});


test('there is no chapter that nobody has tried', () => {
  assert.deepEqual(chapters, ['People who are there are shown as offline',
    'Beats fall away', 'Beats are late', 'Beats are refused', 'A user flaps',
    'Everybody reconnects', 'Changes are late', 'The zone is full',
    'The server was deaf', 'A worker died', 'Redis does not serve',
    'Redis is behind', 'A node is lost', 'Prometheus has no data']);
});


scenario('at first: findings, and the worst sessions',
  { server, zone: { ...quiet, interval: 300, max_interval: 300, slack: 100,
    misses: 100 } }, async (scene) => {
    assert.equal(await says(scene, ''), '[]\n[]\n');

    for (const user of names(20)) {
      await scene.beat(user);
    }

    const said = await becomes(scene, '', 0, (text) =>
      text.includes('16 or more sessions miss beats'));
    const [, worst] = /^(\[[^]*?\])\n(\[[^]*\])\n$/.exec(said).slice(1)
      .map((text) => JSON.parse(text));

    assert.ok(worst.length > 0);
    assert.deepEqual(worst.map(({ missed }) => missed),
      worst.map(({ missed }) => missed).sort((a, b) => b - a));
  });


scenario('People who are there are shown as offline; A user flaps',
  { server, zone: { ...quiet, interval: 200, max_interval: 200, slack: 200 } },
  async (scene) => {
    const title = 'People who are there are shown as offline';
    const none = samples(await says(scene, title, 1));

    assert.ok(none.length >= 8 && none.every((one) => one.value === 0));
    assert.match(await says(scene, title), /^"agent-7" is not known here: /);
    await scene.beat('agent-7');
    assert.match(await says(scene, title),
      /^"agent-7" online since \S+: last beat [\d.]+ m?s ago, none missed\n/);

    for (let n = 0; n < 3; n++) {
      await becomes(scene, title, 0, (text) => /^"agent-7" offline since \S+: 3 beats missed after [^\n]*; cause: unknown, for nothing says why /
        .test(text));
      await scene.beat('agent-7');
    }

    assert.match(await says(scene, title), /^"agent-7" online since [^\n]*; was called gone by mistake until \S+: unknown, for nothing says why/);
    assert.equal(value(await says(scene, title, 1),
      'presence_recovered_total', 'cause="unknown"'), 3);

    assert.match(await says(scene, ''), /"A session was called gone and beat again in the last hour, 3 since nginx started"/);

    const told = (await says(scene, 'A user flaps'))
      .match(/(offline|online) \((missed|recovered)\)/g);

    assert.equal(told.length, 6);
    told.forEach((one, i) => assert.equal(one, i % 2 === 0
      ? 'online (recovered)' : 'offline (missed)'));
  });


scenario('Beats fall away', { server, zone: { ...quiet, interval: 500 } },
  async (scene) => {
    const title = 'Beats fall away';
    const tabs = await Promise.all(
      names(4).map((user) => scene.tab(user, { every: 500 })));
    const parse = (said) => {
      const [, sessions, minute, seconds]
        = /^(\d+)\n(\d+)\n(\[[^]*\])\n$/.exec(said);

      return { sessions: +sessions, minute: +minute,
        seconds: JSON.parse(seconds) };
    };

    /* eight a second, of four sessions */
    await becomes(scene, title, 0, (said) => parse(said).minute >= 32);

    const healthy = parse(await says(scene, title));

    assert.equal(healthy.sessions, 4);
    assert.ok(healthy.seconds.slice(-4).some((beats) => beats > 0));

    for (const tab of tabs) {
      await tab.stop();
    }

    const sick = parse(await becomes(scene, title, 0, (said) =>
      parse(said).seconds.slice(-4).every((beats) => beats === 0)));

    assert.equal(sick.sessions, 4);

    /* a beat by hand */
    assert.match(await says(scene, title, 1),
      /^HTTP\/\S+ 200[^]*"deadline_ms":\d+/);
    assert.match(await says(scene, title, 1, { login: false }),
      /^HTTP\/\S+ 401 /);

    await scene.nginx.stop();
    assert.notEqual((await run(commands(title)[1], scene)).code, 0);
    await scene.nginx.start();
  });


scenario('Beats are late', { server, zone: { ...quiet, interval: 100,
  max_interval: 100, slack: 0, misses: 100 } }, async (scene) => {
  const title = 'Beats are late';
  const healthy = samples(await says(scene, title));

  assert.ok(healthy.length === 8 && healthy.every((one) => one.value === 0));
  await scene.beat('agent-7', { doc: 'd', seq: 1 });
  await pass(500);
  await scene.beat('agent-7', { doc: 'd', seq: 5,
    diag: { failed: 3, error: 'network' } });
  assert.equal(value(await says(scene, title), 'presence_late_beats_total',
    'cause="network"'), 1);
  assert.equal(scene.nginx.log.lines(/presence late .* cause=network/).length,
    1);
});


scenario('Beats are refused', { server, zone: quiet }, async (scene) => {
  const title = 'Beats are refused';

  assert.equal(await says(scene, title), '');
  await scene.beat('');
  await scene.beat('ann', { seq: 'one' });
  await scene.beat('ann',
    { options: { headers: { origin: 'https://elsewhere.example' } } });

  const wire = scene.newWire('h1');

  await wire.open({ method: 'POST', path: '/presence/beat',
    headers: { 'x-user': 'ann' }, body: '{' });

  await becomes(scene, title, 0, (said) => ['unauthorized', 'invalid-field',
    'forbidden-origin', 'invalid-json'].every((type) =>
    value(said, 'presence_problems_total', `"${type}"`) === 1));
});


scenario('Everybody reconnects', { server, zone: { ...quiet, size: '1m' } },
  async (scene) => {
    const title = 'Everybody reconnects';
    const dashes = await Promise.all(Array.from({ length: 5 },
      () => scene.dashboard({ reconnect: true })));

    await becomes(scene, title, 0,
      (said) => value(said, 'presence_streams') === 5
        && value(said, 'presence_streams_opened_total') === 5);

    /* after a reload: once by as many */
    await scene.nginx.reload();
    await becomes(scene, title, 0,
      (said) => value(said, 'presence_streams_opened_total') === 10
        && value(said, 'presence_stream_resumes_total', '"continued"') === 5);

    /* who comes back later than the ring reaches, and from before a restart */
    const [{ lastId }] = dashes;
    const [epoch] = lastId.split('-');

    for (let n = 0; n < 4000; n++) {
      await scene.beat('ben', { text: `${n}`.repeat(40).slice(0, 200) });
    }

    await scene.stream({ lastEventId: lastId });
    await scene.stream({
      lastEventId: `${epoch.replace(/./, (c) => (c === '0' ? '1' : '0'))}-1` });
    await becomes(scene, title, 0, (said) =>
      value(said, 'presence_stream_resumes_total', '"too-old"') === 1
        && value(said, 'presence_stream_resumes_total', '"other-epoch"') === 1);
  });


scenario('Changes are late', { server, zone: { ...quiet, interval: 1000,
  max_interval: 1000, slack: 500 }, workers: 2 }, async (scene) => {
  const title = 'Changes are late';
  const bucket = (said, metric, le) =>
    value(said, `presence_${metric}_seconds_bucket`, `le="${le}"`);
  const dash = await scene.dashboard();
  const other = scene.nginx.workers().find((pid) => pid !== dash.worker);

  await scene.beat('ann');
  await dash.waitForChange('ann', 'enter', SOON);

  const healthy = await becomes(scene, title, 0,
    (said) => bucket(said, 'delivery_latency', '+Inf') === 1);

  assert.equal(bucket(healthy, 'delivery_latency', '1'), 1);

  /* one worker hangs, the other one takes a beat */
  process.kill(dash.worker, 'SIGSTOP');
  await until(() => isStopped(dash.worker), SOON, 'it hangs');

  for (let n = 0, by = 0; by !== other; n++) {
    assert.ok(n < 20);
    by = (await scene.beat('ben', { wire: scene.newWire('h1') })).worker;
  }

  await pass(1500);
  process.kill(dash.worker, 'SIGCONT');

  const sick = await becomes(scene, title, 0,
    (said) => bucket(said, 'delivery_latency', '+Inf') >= 2);

  assert.ok(bucket(sick, 'delivery_latency', '1')
    < bucket(sick, 'delivery_latency', '+Inf'));

  /* and those who fall silent */
  const late = await becomes(scene, title, 0,
    (said) => bucket(said, 'detection_delay', '+Inf') >= 2);

  assert.equal(bucket(late, 'detection_delay', '1'),
    bucket(late, 'detection_delay', '+Inf'));
});


scenario('The zone is full', { server, zone: { ...quiet, size: '1m',
  trace: 0 } }, async (scene) => {
  const title = 'The zone is full';
  const memory = async () => JSON.parse(await says(scene, title));
  const healthy = await memory();

  assert.deepEqual([healthy.refusals, healthy.evictions], [0, 0]);
  assert.ok(healthy.free >= healthy.size / 10);

  /* the offline go first, then there is no room for more */
  scene.nginx.log.allow(/is full: new sessions get 503/);

  for (const user of names(100, 'gone')) {
    await scene.beat(user);
    await scene.beat(user, { logout: true });
  }

  const meta = { text: 'x'.repeat(1000) };
  let status = 200;

  for (let n = 0; status === 200; n++) {
    ({ status } = await scene.beat(`u${n}`, { meta }));
  }

  assert.equal(status, 503);

  const sick = await memory();

  assert.ok(sick.refusals > 0 && sick.evictions > 0, JSON.stringify(sick));
  assert.ok(sick.free < sick.size / 10);
});


scenario('The server was deaf', { server, zone: quiet }, async (scene) => {
  const title = 'The server was deaf';

  assert.deepEqual(JSON.parse(await says(scene, title)).episodes, []);
  await scene.nginx.freeze();
  await pass(4000);
  scene.nginx.thaw();

  const { episodes } = JSON.parse(await becomes(scene, title, 0,
    (said) => JSON.parse(said).episodes.length > 0));

  assert.ok(episodes[0].length_ms >= 3000, JSON.stringify(episodes));
});


scenario('A worker died', { server, zone: quiet }, async (scene) => {
  const title = 'A worker died';

  assert.equal(await says(scene, title), '');

  const [pid] = scene.nginx.workers();

  await scene.nginx.killWorker(pid);
  await until(() => !isAlive(pid), SOON, 'it is dead');
  assert.match(await says(scene, title), /exited on signal 9\n$/);
});


scenarioOfNodes('Redis does not serve, is behind; A node is lost',
  { count: 2, server }, async (nodes) => {
    const [scene, other] = nodes.all;
    const { redis } = nodes;
    const serves = 'Redis does not serve';
    const behind = 'Redis is behind';
    const lost = 'A node is lost';
    const lag = (said) => value(said, 'presence_redis_lag_seconds');

    await scene.tab('ann');

    assert.equal(JSON.parse(await says(scene, serves)).up, true);
    assert.equal(await says(scene, serves, 1, { redis }), 'PONG\n');

    const healthy = await says(scene, behind);

    assert.ok(lag(healthy) < 0.5, healthy);
    assert.equal(value(healthy, 'presence_redis_queue_length'), 0);

    /* the names and times of the nodes follow the two metrics */
    const known = (said) => said.split('\n')
      .filter((line) => line && !line.startsWith('presence_'));
    const alive = (said) => {
      const rows = known(said);

      return rows.filter((row, i) => i % 2 && +row > Date.now()).length;
    };
    const told = (said, n) => alive(said) === n
      && new RegExp(`presence_redis_nodes\\{[^}]*\\} ${n}\n`).test(said);

    await becomes(scene, lost, 0, (said) => told(said, 2), { redis });
    await nodes.kill(other);
    await becomes(scene, lost, 0, (said) => told(said, 1), { redis });

    redis.freeze();
    await becomes(scene, behind, 0, (said) => lag(said) >= 0.5);

    const hung = JSON.parse(await becomes(scene, serves, 0,
      (said) => JSON.parse(said).up === false));

    assert.equal(hung.last_error, 'no answer in time');
    redis.thaw();
    await becomes(scene, serves, 0, (said) => JSON.parse(said).up === true);
    await redis.stop();
    await becomes(scene, serves, 0, (said) => JSON.parse(said).up === false
      && JSON.parse(said).last_error === 'Server closed the connection');
    assert.notEqual((await run(commands(serves)[1],
      { nginx: scene.nginx, redis })).code, 0);
  });


for (const [answer, location] of [
  ['200 OK', 'location = /metrics { presence_metrics; }'],
  ['403 Forbidden', 'location = /metrics { presence_metrics; deny all; }'],
  ['404 Not Found', 'location /metrics { return 404; }'],
]) {
  scenario(`Prometheus has no data: ${answer}`,
    { server: location, zone: quiet }, async (scene) => {
      scene.nginx.log.allow(/access forbidden by rule/);
      assert.equal(await says(scene, 'Prometheus has no data'),
        `HTTP/1.1 ${answer}\r\n`);
    });
}
