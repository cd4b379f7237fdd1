// Why beats are late: each cause is really brought about, between a client in
// a process of its own and a server, and told in all the places where it is.
// What needs a browser is in browser-causes.test.mjs.

import assert from 'node:assert/strict';

import { BEAT_FORMAT, BEAT_LOG, BeatLog } from './lib/beatlog.mjs';
import { Cache } from './lib/cache.mjs';
import { Client } from './lib/client.mjs';
import { Proxy } from './lib/proxy.mjs';
import { windowOf } from './lib/scale.mjs';
import { scenario } from './lib/scenario.mjs';
import { late, lines, recovered, storyOf, TOLD, traceOf } from './lib/told.mjs';
import { now, pass, until } from './lib/wait.mjs';

/* What is late is later than this machine is under load. */
const zone = { size: '8m', interval: 500, misses: 50, slack: 1000, trace: 64,
  max_interval: 500, idle: 60_000 };
const short = { misses: 3 };

const WINDOW = windowOf({ ...zone, ...short });
const SILENCE = 3000;
const SOON = 20_000;

/* misses of many: nobody is called gone, beats are just late. */
function told(title, given, body) {
  const site = {
    zone: { ...zone, ...given.zone },
    http: `${BEAT_FORMAT}${given.http ?? ''}`,
    location: `${BEAT_LOG}${given.location ?? ''}`,
    server: TOLD,
  };

  scenario(title, site, async (scene) => {
    const world = {
      scene, site, beats: new BeatLog(scene.nginx.file('beats.log')),
      origin: `http://127.0.0.1:${scene.nginx.ports.h1}`,
      between: null, client: null,
    };

    try {
      await body(world);
    } finally {
      await world.client?.kill();
      await world.between?.close();
    }
  });
}

/* The client, by way of whatever is between. */
async function comes(world, options) {
  world.client = await Client.start((world.between ?? world).origin, 'ann',
    { timeout: 2000, ...options });
  await heard(world, 2);
}

/* So many more beats. */
const heard = ({ beats }, n = 1, wanted = {}) => beats.next(
  { status: 200, ...wanted }, SOON,
  beats.all({ status: 200, ...wanted }).length + n - 1);

/* Until there has been no beat for so long. */
const silent = ({ beats }, ms = SILENCE) => until(
  () => now() - beats.all({ status: 200 }).at(-1).at > ms, SOON,
  `silence of ${ms} ms\n${beats.story()}`);

const gone = ({ scene }) => until(
  async () => (await scene.member('ann')).status === 'offline',
  WINDOW + SOON, 'called gone');

const proxied = async (world) => {
  world.between = await Proxy.start(world.scene.nginx.ports.h1);
  await comes(world);
};

const long = { gap: SILENCE, ms: SOON };


for (const how of ['blackHole', 'reset']) {
  told(`network: no way through (${how})`, {}, async (world) => {
    await proxied(world);
    world.between[how]();
    await silent(world);
    world.between.pass();

    const line = await late(world.scene, world.beats, 'network', long);

    assert.equal(line.error, how === 'reset' ? 'network' : 'timeout');

    /* of the first that failed, the server may have heard: its answer got
       lost */
    assert.ok(line.failed > 0 && line.hole > 0
      && line.hole >= line.failed - 1, JSON.stringify(line));
  });


  told(`network: gone, and back (${how})`, { zone: short }, async (world) => {
    await proxied(world);
    world.between[how]();
    await gone(world);
    world.between.pass();
    await recovered(world.scene, world.beats, 'network',
      { gap: WINDOW - 100, ms: SOON, silence: 'unknown' });
  });
}


told('network: trouble before the silence is told at its end', { zone: short },
  async (world) => {
    await proxied(world);
    world.between.reset();
    await silent(world, 1000);
    world.between.pass();
    await until(() => world.beats.all({ status: 200 }).at(-1).diag.failed > 0,
      SOON, 'a beat after failed attempts');
    world.between.reset();
    await gone(world);

    const wire = world.scene.newWire('h1');
    const [{ cause, missed }] = lines(world.scene.nginx.log, 'change')
      .filter(({ to }) => to === 'offline');

    assert.deepEqual([cause, missed], ['network', 3]);

    const trace = await traceOf(wire, 'ann');

    assert.equal(trace.cause, 'network');
    assert.equal(trace.changes[0].cause, 'network');
    assert.match(await storyOf(wire, 'ann'),
      /attempts? before it failed \(network\); cause: network, for /);
  });


told('network: sent in time, and long on its way', { zone: { slack: 400 } },
  async (world) => {
    await proxied(world);

    const { at } = world.beats.all({ status: 200 }).at(-1);

    world.between.hold();
    await until(() => now() - at > 1300, SOON, 'a beat is on its way');
    world.between.pass();

    const line = await late(world.scene, world.beats, 'network',
      { gap: 1200, ms: SOON });

    assert.deepEqual([line.hole, line.failed, line.error], [0, 0, '-']);
  });


told('lost: something answers for the server', {}, async (world) => {
  world.between = await Cache.start(world.scene.nginx.ports.h1);
  await comes(world);
  world.between.answers = true;
  await silent(world);
  world.between.answers = false;

  const line = await late(world.scene, world.beats, 'lost', long);

  assert.equal(line.hole, world.between.kept);
  assert.equal(line.failed, 0);
});


told('server: stopped, and going on', { zone: short }, async (world) => {
  const { nginx } = world.scene;

  await comes(world);
  await nginx.freeze();
  await silent(world);
  nginx.thaw();

  const line = await late(world.scene, world.beats, 'server', long);

  assert.ok(line.deaf >= line.gap - 1500, JSON.stringify(line));
  assert.match(await storyOf(world.scene.newWire('h1'), 'ann'),
    /the server could not hear\n/);
  assert.deepEqual(lines(nginx.log, 'change').map(({ reason }) => reason),
    ['beat'], 'nobody was called gone for it');
});


for (const [what, answer, error] of [
  ['an error', 'return 503;', '5xx'],
  ['a refusal', 'return 404;', '4xx'],
  ['a page that is no answer', 'return 200 "<!doctype html>";', 'reply'],
]) {
  told(`server: it answers with ${what}`, {}, async (world) => {
    const { scene, site } = world;

    await comes(world);

    const { at } = world.beats.all().at(-1);

    await scene.nginx.reload({ ...site, location: site.location + answer });
    await until(() => now() - at > SILENCE + zone.interval, SOON, 'silence');
    await scene.nginx.reload(site);

    const line = await late(scene, world.beats, 'server', long);

    assert.equal(line.error, error);
  });
}


told('flood: a script in a loop uses up what the user may ask', {
  http: 'limit_req_zone $http_x_user zone=asked:1m rate=2r/s;',
  location: 'limit_req zone=asked burst=2 nodelay; limit_req_status 429;'
    + ' limit_req_log_level info;',
}, async (world) => {
  const wire = world.scene.newWire('h1');
  let loops = true;

  await comes(world);

  const script = (async () => {
    while (loops) {
      (await wire.open({ path: '/presence/count',
        headers: { 'x-user': 'ann' } })).body.resume();
      await pass(5);
    }
  })();

  await silent(world);
  loops = false;
  await script;

  const line = await late(world.scene, world.beats, 'flood', long);

  assert.equal(line.error, 429);
});


told('frozen: nothing of the client ran, and its clocks went on', {},
  async (world) => {
    await comes(world);
    await world.client.stop();
    await silent(world);
    world.client.go();

    const line = await late(world.scene, world.beats, 'frozen', long);

    assert.ok(line.drift >= line.gap / 2);
  });


told('unknown: a client that says nothing of itself', {}, async (world) => {
  const one = () => world.scene.beat('ann');

  await one();
  await until(() => world.beats.all().length > 0, SOON, 'it is logged');
  await silent(world);
  await one();
  await late(world.scene, world.beats, 'unknown', long);
});


told('unknown: one that dies says nothing', { zone: short }, async (world) => {
  await comes(world);
  await world.client.kill();
  await gone(world);

  const [{ cause }] = lines(world.scene.nginx.log, 'change')
    .filter(({ to }) => to === 'offline');

  assert.equal(cause, 'unknown');
  assert.match(await storyOf(world.scene.newWire('h1'), 'ann'),
    /; cause: unknown, for nothing says why until a later beat tells; /);
});
