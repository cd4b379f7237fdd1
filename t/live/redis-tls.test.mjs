// Redis by TLS: with the module that is built for it where the usual one has
// none, for the lack of a hiredis that has.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';
import { fileURLToPath } from 'node:url';

const BUILT = fileURLToPath(
  new URL('../../build/tls/ngx_http_presence_module.so', import.meta.url));
const USUAL = process.env.MODULE ?? fileURLToPath(
  new URL('../../build/ngx_http_presence_module.so', import.meta.url));

if (fs.existsSync(BUILT)) {
  process.env.MODULE = BUILT;
}

const { MODULE, NGINX } = await import('./lib/nginx.mjs');
const { ClusterNodes } = await import('./lib/cluster.mjs');
const { Names } = await import('./lib/names.mjs');
const { Nodes, scenario } = await import('./lib/nodes.mjs');
const { freePort } = await import('./lib/ports.mjs');
const { isAlive } = await import('./lib/process.mjs');
const { Proxy, Redis } = await import('./lib/redis.mjs');
const { SentinelNodes } = await import('./lib/sentinel.mjs');
const { SECOND } = await import('./lib/scale.mjs');
const { until } = await import('./lib/wait.mjs');

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'presence-tls-'));
const at = (name) => path.join(dir, name);
const openssl = (...args) =>
  execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });

process.on('exit', () => fs.rmSync(dir, { recursive: true }));

for (const ca of ['ca', 'otherca']) {
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
    'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj',
    `/CN=${ca}`, '-keyout', `${ca}.key`, '-out', `${ca}.crt`);
}

for (const [name, alt] of [['server', 'DNS:localhost,IP:127.0.0.1'],
  ['stranger', 'DNS:redis.example'], ['client', 'DNS:node.example']]) {
  fs.writeFileSync(at('ext'), `subjectAltName=${alt}\n`);
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
    '-nodes', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', 'csr');
  openssl('x509', '-req', '-in', 'csr', '-CA', 'ca.crt', '-CAkey', 'ca.key',
    '-CAcreateserial', '-days', '2', '-extfile', 'ext', '-out', `${name}.crt`);
}

/* What nginx says of a zone with these lines. */
function check(module, lines) {
  fs.writeFileSync(at('nginx.conf'), `
    load_module ${module};
    events { }
    http { presence_zone agents 1m { ${lines} } }`);

  return spawnSync(NGINX, ['-t', '-p', dir, '-c', at('nginx.conf'), '-e',
    'stderr', '-g', `pid ${at('pid')};`], { encoding: 'utf8' }).stderr;
}

const LINE = `redis rediss://localhost; redis_ca ${at('ca.crt')};`;
const LACK = /"rediss:\/\/" in presence_zone "agents" needs a hiredis with TLS/;
const lacks = LACK.test(check(MODULE, LINE));
const skip = lacks && 'no hiredis with TLS: .ci/deps test gets one';

class TlsNodes extends Nodes {
  async openRedis() {
    const { client = 'no', certificate = 'server' } = this.site;

    this.port = await freePort();
    this.redis = await Redis.start({ args: ['--tls-port', `${this.port}`,
      '--tls-cert-file', at(`${certificate}.crt`),
      '--tls-key-file', at(`${certificate}.key`),
      '--tls-ca-cert-file', at('ca.crt'), '--tls-auth-clients', client] });
    this.client = await this.redis.client();
  }

  constructor(t, site) {
    super(t, site);
    this.site = site;
  }

  async way() {
    const proxy = await Proxy.start(this.port);

    return { proxy, lines: { redis: `rediss://localhost:${proxy.port}`,
      redis_ca: at('ca.crt'), ...this.site.lines } };
  }

  async configure(node, lines) {
    const old = await node.nginx.reload({ ...node.nginx.site,
      zone: { ...node.zone, ...lines } });

    await until(() => !old.some(isAlive), 10 * SECOND, 'old workers gone');
  }
}

const tls = (title, site, body) => scenario(title,
  { Nodes: TlsNodes, skip, ...site }, body);

const untilSaid = (node, reason, before = 0) =>
  until(() => node.nginx.log.lines(reason).length > before, 10 * SECOND,
    `${reason}`);


test('a module without TLS says so, and the others what is wrong', () => {
  const usual = check(USUAL, LINE);

  assert.match(usual, lacks || MODULE !== USUAL ? LACK : /is successful/);

  if (!lacks) {
    assert.match(check(MODULE, LINE), /is successful/);
    assert.match(check(MODULE, 'redis rediss://localhost; redis_ca nowhere;'),
      /"redis_ca" of presence_zone "agents" cannot be used: ".*nowhere"/);
    assert.match(check(MODULE, `${LINE} redis_certificate ${at('ca.crt')};
      redis_certificate_key ${at('client.key')};`),
    /"redis_certificate_key" .* cannot be used: ".*": key values mismatch/);
  }
});


tls('two nodes by TLS: cut and torn connections come back', { count: 2 },
  async (nodes) => {
    const [a, b] = nodes.all;
    const dashes = await nodes.dashboards();

    await a.tab('ann');
    await dashes[1].waitForChange('ann', 'enter', SECOND);
    await b.beat('bob', { text: 'x'.repeat(200) });
    await dashes[0].waitForChange('bob', 'enter', SECOND);

    const before = a.nginx.log.lines(/ serves$/).length;

    a.proxy.cut();
    await untilSaid(a, /does not serve/);
    a.proxy.heal();
    await untilSaid(a, / serves$/, before);
    await b.tab('cal');
    await dashes[0].waitForChange('cal', 'enter', 2 * SECOND);

    for (let n = 0; n < 3; n++) {
      const told = a.nginx.log.lines(/ serves$/).length;

      a.proxy.tear();
      await untilSaid(a, / serves$/, told);
    }

    /* by address, and whole sets of users in one answer */
    await nodes.configure(a, { redis: a.zone.redis.replace('localhost',
      '127.0.0.1') });

    const dash = await a.dashboard();

    for (let n = 0; n < 100; n++) {
      await b.beat(`user${n}`, { text: 'x'.repeat(200) });
    }

    await dash.waitFor(() => dash.members.present.length > 99, 5 * SECOND,
      'a hundred users');
    await nodes.untilAgreed(['ann', 'cal']);
    assert.deepEqual(dashes[1].news('ann'), ['enter']);
  });


tls('whom the certificate does not name or the CA does not know is refused',
  { count: 1, zone: { redis_connect_timeout: 600 } }, async (nodes) => {
    const [node] = nodes.all;
    const good = { redis: node.zone.redis, redis_ca: node.zone.redis_ca };
    const [port, wrong] = [await freePort(), await freePort()];
    const silent = net.createServer(() => { /* never a word */ }).unref();

    silent.listen(port, '127.0.0.1');
    await once(silent, 'listening');

    const stranger = await Redis.start({ args: ['--tls-port', `${wrong}`,
      '--tls-cert-file', at('stranger.crt'), '--tls-key-file',
      at('stranger.key'), '--tls-ca-cert-file', at('ca.crt'),
      '--tls-auth-clients', 'no'] });

    nodes.t.after(() => stranger.close());

    for (const [lines, reason] of [
      [{ ...good, redis_ca: at('otherca.crt') },
        /does not serve: TLS: self-signed certificate in certificate chain/],
      [{ ...good, redis: `rediss://localhost:${wrong}` },
        /does not serve: TLS: hostname mismatch/],
      [{ ...good, redis: `rediss://127.0.0.1:${wrong}` },
        /does not serve: TLS: IP address mismatch/],
      [{ ...good, redis: `rediss://localhost:${nodes.redis.port}` },
        /does not serve: no connection in time/],
      [{ ...good, redis: `rediss://localhost:${port}` },
        /does not serve: no connection in time/],
    ]) {
      const told = node.nginx.log.lines(reason).length;

      await nodes.configure(node, lines);
      await untilSaid(node, reason, told);

      const sent = Date.now();

      assert.equal((await node.beat('ann', { wire: node.newWire('h1') }))
        .status, 200);
      assert.ok(Date.now() - sent < 300);

      const served = node.nginx.log.lines(/ serves$/).length;

      await nodes.configure(node, good);
      await untilSaid(node, / serves$/, served);
    }

    for (const lines of [{ ...good, redis_ca: at('otherca.crt') },
      { ...good, redis: `rediss://localhost:${wrong}` }]) {
      const client = await (lines.redis === good.redis ? nodes.redis
        : stranger).client();

      await client.flushAll();
      await nodes.configure(node, { ...lines, redis_verify: 'off' });
      await node.beat('ann', { wire: node.newWire('h1') });
      await until(() => client.exists(nodes.key('ann')), 5 * SECOND,
        'without verification');
    }
  });


/* With TLS 1.3 a server says so after the handshake, and closes: what was sent
   meanwhile may have the network drop the reason. */
const REFUSED = new RegExp('does not serve: (TLS: .*(certificate required'
  + '|unexpected eof)|Connection reset by peer|Broken pipe'
  + '|Server closed the connection)');


tls('a server that asks for a certificate', { count: 1, client: 'yes',
  lines: { redis_certificate: at('client.crt'),
    redis_certificate_key: at('client.key') } }, async (nodes) => {
  const [node] = nodes.all;

  await node.tab('ann');
  await nodes.untilAgreed(['ann']);

  const { redis_certificate: _, redis_certificate_key: __, ...zone } =
    node.zone;

  await node.nginx.reload({ ...node.nginx.site, zone });
  await untilSaid(node, REFUSED);
});


tls('a failover by TLS, of the servers and of Sentinel', {
  Nodes: SentinelNodes,
  tls: [`tls-cert-file ${at('server.crt')}`,
    `tls-key-file ${at('server.key')}`, `tls-ca-cert-file ${at('ca.crt')}`,
    'tls-auth-clients no', 'tls-replication yes'],
  lines: { redis_ca: at('ca.crt') },
}, async (nodes) => {
  const [node] = nodes.all;

  assert.match(node.zone.redis, /^sentinels:/);
  await node.tab('ann');
  await nodes.untilAgreed(['ann']);
  await nodes.redis.stop();
  await nodes.failedOver();
  await nodes.untilAgreed(['ann']);
});


const CERTIFICATE = { redis_ca: at('ca.crt'),
  redis_certificate: at('client.crt'), redis_certificate_key: at('client.key') };
const names = await Names.start({ localhost: '127.0.0.1' });

after(() => names.close());

tls('a cluster by TLS, whose servers have names and ask for certificates', {
  Nodes: ClusterNodes, count: 2,
  http: `resolver 127.0.0.1:${names.port} ipv6=off;`,
  cluster: { host: 'localhost', lines: CERTIFICATE,
    args: ['--cluster-announce-hostname', 'localhost',
      '--cluster-preferred-endpoint-type', 'hostname'],
    tls: ['--tls-cert-file', at('server.crt'),
      '--tls-key-file', at('server.key'), '--tls-ca-cert-file', at('ca.crt'),
      '--tls-auth-clients', 'yes', '--tls-cluster', 'yes',
      '--tls-replication', 'yes'] },
}, async (nodes) => {
  const cluster = nodes.redis;
  const [a, b] = nodes.all;
  const dash = await b.dashboard();
  const users = Array.from({ length: 12 }, (_, n) => `u${n}`);
  const key = nodes.key('u0');
  const first = await cluster.masterOf(key);
  const replica = cluster.servers[cluster.servers.indexOf(first) + 3];

  assert.match(a.zone.redis, /^clusters:\/\/localhost:/);

  for (const user of users) {
    await a.tab(user);
  }

  await dash.waitFor(() => dash.members.present.length === users.length,
    2 * SECOND, 'all');
  await nodes.untilAgreed(users);

  /* nobody came in but by TLS */
  for (const master of await cluster.masters()) {
    assert.equal((await master.db.clientList()).filter(({ cmd, laddr }) =>
      /^(eval|evalsha|xread)$/.test(cmd)
      && laddr.endsWith(`:${master.port}`)).length, 0);
    assert.ok((await nodes.usersOf(master, users)).length > 0);
  }

  await replica.db.sendCommand(['CLUSTER', 'FAILOVER']);
  await until(async () => await cluster.masterOf(key) === replica,
    30 * SECOND, 'another master');
  await nodes.untilUp();
  await a.beat('u0', { session: 'other', text: 'by the new one' });
  await dash.waitFor(() => dash.members.get('u0').text === 'by the new one',
    2 * SECOND, 'a change by way of the new master');
  await nodes.untilAgreed(users);

  for (const user of users) {
    assert.deepEqual(dash.news(user).filter((type) => type !== 'update'),
      ['enter']);
  }

  /* whom they do not know they do not let in */
  const { redis_certificate: _, redis_certificate_key: __, ...zone } = a.zone;

  await a.nginx.reload({ ...a.nginx.site, zone });
  await untilSaid(a, REFUSED);
});
