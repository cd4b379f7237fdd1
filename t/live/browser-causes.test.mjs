// Why beats of a real browser are late: its pages are held back, frozen,
// discarded, asleep and cut off, and each cause is told in all the places where
// it is.

import assert from 'node:assert/strict';

import { Cache } from './lib/cache.mjs';
import { Chromium } from './lib/chromium.mjs';
import { Proxy } from './lib/proxy.mjs';
import { late, recovered, storyOf, TOLD } from './lib/told.mjs';
import { visits, WINDOW, zone } from './lib/visit.mjs';
import { now, until } from './lib/wait.mjs';

const visit = visits(Chromium);

/* misses of many: nobody is called gone, beats are just late. A hidden page
   says that it beats as often as one that is shown. */
const patient = { slack: 1000, misses: 100, max_interval: zone.interval,
  stream_life: 0, trace: 64 };
const short = { ...patient, misses: 3 };

const SILENCE = 4000;
const SOON = 20_000;

/* No stream, no worker, and no lock: what the page has by itself. */
const alone = { stream: false, keepAwake: false };

const told = (title, lines, body, given) => visit(title,
  { zone: lines, server: TOLD, ...given }, body);

const last = ({ beats }) => beats.all({ status: 200 }).at(-1);

const silent = (visit, ms = SILENCE) => until(
  () => now() - last(visit).at > ms, SOON, `silence of ${ms} ms`);

const long = { gap: SILENCE, ms: SOON };

const hide = async (visit, tab) => {
  await visit.window.tab(visit.page('elsewhere.html'));
  await tab.untilHidden();
  await visit.beatsOn(1, { visible: false });
};


/* Chromium wakes a hidden page once a second, and once a minute after five
   minutes, but not where a timer is set in the handler of an answer. */
told('throttled: a hidden page has its timers only',
  { ...patient, interval: 100, max_interval: 100, slack: 400 },
  async (visit) => {
    const tab = await visit.agent({ ...alone, worker: false });

    await hide(visit, tab);

    const line = await late(visit.scene, visit.beats, 'throttled',
      { gap: 700, ms: SOON });

    assert.equal(line.visible, 0);
    assert.ok(line.drift > line.gap / 2 && line.hidden > line.gap / 2);
  });


told('frozen: the page, by the browser', patient, async (visit) => {
  const tab = await visit.agent(alone);

  await hide(visit, tab);
  await tab.freeze();
  await silent(visit);
  await tab.thaw();

  const line = await late(visit.scene, visit.beats, 'frozen', long);

  assert.ok(line.frozen > line.gap / 2);
  assert.equal(line.fired, 'resume');
});


told('frozen: gone, and back', short, async (visit) => {
  const tab = await visit.agent(alone);

  await hide(visit, tab);
  await tab.freeze();
  await visit.untilGone(WINDOW + SOON);
  await tab.thaw();
  await recovered(visit.scene, visit.beats, 'frozen',
    { gap: WINDOW - 100, ms: SOON, silence: 'unknown' });
});


told('frozen: the page, by a script of its own that does not end', patient,
  async (visit) => {
    const tab = await visit.agent(alone);

    await visit.beatsOn(1);
    await tab.run((ms) => {
      const end = performance.now() + ms;

      while (performance.now() < end) { /* as busy as it gets */ }
    }, SILENCE);

    const line = await late(visit.scene, visit.beats, 'frozen',
      { ...long, gap: SILENCE - 100 });

    assert.equal(line.visible, 1);
  });


told('frozen: the tab was discarded', short, async (visit) => {
  const tab = await visit.agent(alone);

  await visit.beatsOn(1);

  const show = await visit.window.discard(tab);

  await visit.untilGone(WINDOW + SOON).catch(() => { /* it said goodbye */ });
  visit.watch(await show());
  await recovered(visit.scene, visit.beats, 'frozen',
    { gap: WINDOW - 100, ms: SOON, silence: 'unknown' });
}, { inFirstWindow: true });


/* All of the browser stops, as in a machine that sleeps; and its monotonic
   clock with it, as Linux and macOS have it. */
async function asleep(visit, meanwhile) {
  visit.browser.processes.stop();

  try {
    await meanwhile();
  } finally {
    visit.browser.processes.go();
  }
}

async function sleeper(visit) {
  const tab = await visit.window.tab();

  await tab.before(() => {
    const mono = performance.now.bind(performance);
    let stood = 0;
    let seen = mono();

    performance.now = () => {
      const ran = mono() - seen;

      seen += ran;
      stood += ran > 2000 ? ran : 0;

      return seen - stood;
    };
    setInterval(() => performance.now(), 100);
  });
  visit.watch(tab);
  await visit.seen(() => tab.goto(visit.page('agent.html', alone)));

  return tab;
}

told('slept: the machine, and its clock stood still', patient,
  async (visit) => {
    await sleeper(visit);
    await visit.beatsOn(1);
    await asleep(visit, () => silent(visit));

    const line = await late(visit.scene, visit.beats, 'slept', long);

    assert.ok(line.slept > line.gap / 2);
  });


told('slept: gone, and back', short, async (visit) => {
  await sleeper(visit);
  await visit.beatsOn(1);
  await asleep(visit, () => visit.untilGone(WINDOW + SOON));
  await recovered(visit.scene, visit.beats, 'slept',
    { gap: WINDOW - 100, ms: SOON, silence: 'unknown' });
});


told('frozen: the machine stood still, and its clocks went on', patient,
  async (visit) => {
    await visit.agent(alone);
    await visit.beatsOn(1);
    await asleep(visit, () => silent(visit));

    const line = await late(visit.scene, visit.beats, 'frozen', long);

    assert.equal(line.slept, 0);
  });


told('frozen: the browser stands still, and its system answers for it',
  { ...short, stream_life: 3000 }, async (visit) => {
    const tab = await visit.agent({ keepAwake: false });

    await tab.until(() => presence.live === 'live', SOON, 'it follows');
    await asleep(visit, () => visit.untilGone(WINDOW + SOON));

    /* its stream was acknowledged after the last beat: told in the silence */
    await recovered(visit.scene, visit.beats, 'frozen',
      { gap: WINDOW - 100, ms: SOON, silence: 'frozen' });
    assert.match(await storyOf(visit.scene.newWire('h1'), 'ann'),
      / offline \(missed\), cause: frozen\n/);
  });


/* A visit by way of something between. */
async function by(visit, Between, body, options = alone) {
  const between = await Between.start(visit.scene.nginx.ports.h1);

  try {
    await visit.login('ann', between.origin);

    const tab = await visit.agent({ ...options, timeout: 2000 }, between);

    await visit.beatsOn(1);
    await body(between, tab);
  } finally {
    await between.close();
  }
}

for (const how of ['blackHole', 'reset']) {
  told(`network: no way through (${how})`, patient,
    (visit) => by(visit, Proxy, async (proxy) => {
      proxy[how]();
      await silent(visit);
      proxy.pass();

      const line = await late(visit.scene, visit.beats, 'network', long);

      assert.equal(line.error, how === 'reset' ? 'network' : 'timeout');
    }));
}


/* A stream that is acknowledged until the cut is no sign of frost. */
told('network: gone, and back', { ...short, stream_life: 3000 },
  (visit) => by(visit, Proxy, async (proxy, tab) => {
    await tab.until(() => presence.live === 'live', SOON, 'it follows');
    await visit.beatsOn(1);
    proxy.reset();
    await visit.untilGone(WINDOW + SOON);
    proxy.pass();
    await recovered(visit.scene, visit.beats, 'network',
      { gap: WINDOW - 100, ms: SOON, silence: 'unknown' });
  }, { keepAwake: false }));


told('lost: something answers for the server', patient,
  (visit) => by(visit, Cache, async (cache) => {
    cache.answers = true;
    await silent(visit);
    cache.answers = false;

    const line = await late(visit.scene, visit.beats, 'lost', long);

    assert.ok(line.hole >= 2);
  }));


told('server: stopped, and going on', short, async (visit) => {
  await visit.agent({ ...alone, timeout: 2000 });
  await visit.beatsOn(1);
  await visit.scene.nginx.freeze();
  await silent(visit);
  visit.scene.nginx.thaw();

  const line = await late(visit.scene, visit.beats, 'server', long);

  assert.ok(line.deaf > line.gap / 2);
  assert.deepEqual(visit.leaves(), [], visit.story());
});


told('flood: the page has a script in a loop', patient, async (visit) => {
  const tab = await visit.agent(alone);

  await visit.beatsOn(1);
  await tab.run(() => {
    globalThis.loop = setInterval(() => fetch('/visit/count'), 5);
  });
  await silent(visit);
  await tab.run(() => clearInterval(globalThis.loop));

  const line = await late(visit.scene, visit.beats, 'flood', long);

  assert.equal(line.error, 429);
}, {
  http: 'limit_req_zone $cookie_user zone=asked:1m rate=2r/s;'
    + ' limit_req_status 429; limit_req_log_level info;',
  more: 'limit_req zone=asked burst=2 nodelay;',
});
