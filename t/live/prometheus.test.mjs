// A real Prometheus that scrapes the module: the alert rules load and are
// tested, and each query of the Grafana dashboard finds data.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { scenario } from './lib/nodes.mjs';
import { binary, Prometheus } from './lib/prometheus.mjs';
import { SECOND } from './lib/scale.mjs';
import { until } from './lib/wait.mjs';

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url));
const ALERTS = path.join(DOCS, 'prometheus/alerts.yml');
const read = (name) => fs.readFileSync(path.join(DOCS, name), 'utf8');

function promtool(...args) {
  const { status, stdout, stderr, error }
    = spawnSync(binary('promtool'), args, { encoding: 'utf8' });

  assert.equal(status, 0, error ?? `${stdout}${stderr}`);
}

test('the alert rules are valid, and tell what they should', () => {
  promtool('check', 'rules', ALERTS);
  promtool('test', 'rules', path.join(DOCS, 'prometheus/alerts.test.yml'));
});

test('each alert has a chapter in the runbook', () => {
  const anchors = read('operations.md').split('\n')
    .filter((line) => line.startsWith('#'))
    .map((line) => line.replace(/^#+ /, '').toLowerCase()
      .replace(/[^a-z0-9 -]/g, '').replaceAll(' ', '-'));
  const named = [...read('prometheus/alerts.yml')
    .matchAll(/runbook: docs\/operations\.md#(\S+)/g)].map((m) => m[1]);

  assert.ok(named.length >= 10);
  assert.deepEqual(named.filter((name) => !anchors.includes(name)), []);
});

/* What Grafana puts in before it asks. */
const asGrafana = (query) => query
  .replaceAll('$__rate_interval', '1m')
  .replaceAll('$instance', '.*')
  .replaceAll('$zone', '.*');

const targets = () => JSON.parse(read('prometheus/dashboard.json')).panels
  .flatMap(({ title, targets: list = [] }) => list.map(
    ({ expr }) => ({ title, expr: asGrafana(expr) })));

scenario('Prometheus scrapes, the rules are healthy, each query has data',
  { timeout: 180_000, count: 2, workers: 2,
    server: 'location = /metrics { presence_metrics; }' },
  async (nodes) => {
    const [scene] = nodes.all;

    await scene.tab('anna', { target: 'spread' });

    const silent = await scene.tab('silent');
    const dash = await scene.dashboard();
    const prometheus = await Prometheus.start({
      ports: nodes.all.map(({ nginx }) => nginx.ports.h1), path: '/metrics', every: 500,
      rules: [ALERTS],
    });

    try {
      await silent.stop();
      await dash.waitForChange('silent', 'leave', 30 * SECOND);
      await scene.beat('silent');
      await scene.beat('bad', { seq: 'one' });

      const metrics = new Set((await prometheus.query(
        '{__name__=~"presence_.+"}')).map((s) => s.metric.__name__));

      for (const { title, expr } of targets()) {
        for (const [name] of expr.matchAll(/presence_[a-z_]+/g)) {
          assert.ok(metrics.has(name), `"${title}": there is no ${name}`);
        }

        await until(async () => (await prometheus.query(expr)).length > 0,
          60 * SECOND, `data for "${title}": ${expr}`);
      }

      /* two nodes know of anna, and she is one */
      const { expr } = targets().find(({ title }) => title === 'Online');
      const [{ value: [, online] }] = await prometheus.query(expr);

      assert.equal((await prometheus.query(
        'presence_users{status="online"} > 0')).length, 2);
      assert.equal(+online, +(await prometheus.query(
        'max(presence_users{status="online"})'))[0].value[1]);

      const rules = await until(async () => {
        const all = await prometheus.rules();

        return all.every((r) => r.health !== 'unknown') && all;
      }, 30 * SECOND, 'all rules evaluated');

      assert.deepEqual(rules.filter((r) => r.health !== 'ok')
        .map((r) => `${r.name}: ${r.lastError}`), []);
      await until(async () => (await prometheus.query(
        'ALERTS{alertname="PresenceRecovered",alertstate="firing"}'))
        .length > 0, 30 * SECOND, 'the alert on a false offline');
    } finally {
      await prometheus.stop();
    }
  });
