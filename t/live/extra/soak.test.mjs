// An agent's page left hidden for SOAK_MINUTES (15), with the intervals that
// the module has by default ("make soak"). Both with a worker and without.

import assert from 'node:assert/strict';

import { Chromium } from '../lib/chromium.mjs';
import { explained, TOLD } from '../lib/told.mjs';
import { dropIn, visits } from '../lib/visit.mjs';
import { pass } from '../lib/wait.mjs';

const MINUTES = Number(process.env.SOAK_MINUTES ?? 15);
const MINUTE = 60_000;

const visit = visits(Chromium, { flags: ['--enable-features='
  + 'IntensiveWakeUpThrottling:grace_period_seconds/10,'
  + 'InfiniteTabsFreezing:num_protected_tabs/0'] });

const zone = {
  interval: 25_000, misses: 3, slack: 5000, idle: 300_000,
  leave_grace: 10_000, max_interval: 70_000, stream_life: 600_000,
};

/* Each is a user of their own: nobody is kept by another's beats. */
const PAGES = {
  worker: ['agent.html', {}],
  stream: ['workerless/agent.html', {}],
  timers: ['workerless/agent.html', { stream: false }],
};

visit(`hidden for ${MINUTES} minutes: never offline`,
  {
    zone, timeout: (MINUTES + 3) * MINUTE,
    server: TOLD + Object.keys(PAGES)
      .map((user) => dropIn(`/soak/${user}/`, { user })).join(''),
  }, async (visit) => {
    const tabs = {};

    for (const [user, [page, presence]] of Object.entries(PAGES)) {
      tabs[user] = await visit.agent(
        { url: `/soak/${user}/`, ...presence }, { page });
    }

    await visit.window.tab(visit.page('elsewhere.html'));

    const since = Date.now();

    await pass(MINUTES * MINUTE);

    for (const [user, tab] of Object.entries(tabs)) {
      const times = [since, ...visit.beats
        .all({ uri: `/soak/${user}/beat`, visible: false })
        .map((beat) => beat.at), Date.now()];
      const gaps = times.slice(1).map((at, n) => at - times[n]);
      const { status } = await visit.member(user);
      const fired = await explained(visit.scene, visit.beats,
        { user, due: zone.max_interval, slack: zone.slack });

      visit.scene.t.diagnostic(`${user}: ${gaps.length - 1} beats, longest gap `
        + `${Math.max(...gaps)} ms, fired by ${JSON.stringify(fired)}, `
        + `${status}, changes `
        + visit.dash.of(user).map((change) =>
          `${change.type} ${change.member.status} missed `
          + `${change.member.missed} ${change.member.reason}`).join(', '));
      await tab.untilHidden();
      assert.deepEqual(visit.leaves(user), [], visit.story());
      assert.notEqual(status, 'offline');
    }
  });
