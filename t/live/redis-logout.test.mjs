// A logout, and a beat that was sent before it, on two nodes within
// milliseconds: whichever Redis hears of first, nobody is told of a return.

import assert from 'node:assert/strict';

import { scrape } from './lib/metrics.mjs';
import { scenario } from './lib/nodes.mjs';
import { SECOND } from './lib/scale.mjs';
import { pass, until } from './lib/wait.mjs';

const names = (n, name = 'u') => Array.from({ length: n }, (_, i) => name + i);

/* Beats are not missed by chance. */
const patient = { interval: 5000, slack: 2000, max_interval: 5000 };

/* Users to whom a stream did not happen as it should: what it told of them. */
const others = (dash, users, news) => users
  .filter((user) => `${dash.news(user)}` !== news)
  .map((user) => `${user}: ${dash.news(user)}`);


for (const [what, hold, count] of [
  ['at the same time', 0, 100],
  ['of which Redis hears in the other order', 50, 40],
]) {
  scenario(`a beat on one node, a logout on another, ${what}`,
    { count: 2, zone: patient }, async (nodes) => {
      const [a, b] = nodes.all;
      const dashes = await nodes.dashboards();
      const users = names(count);

      await Promise.all(users.map(
        (user) => a.beat(user, { doc: 'd1', seq: 1 })));

      for (const dash of dashes) {
        await dash.waitFor(() => dash.members.present.length === count,
          5 * SECOND, 'all are there');
      }

      for (const [n, user] of users.entries()) {
        const [here, there] = n % 2 ? [a, b] : [b, a];

        /* for the last ones the tab's other one beats */
        const session = n < count / 2 ? `${user}-tab` : `${user}-other`;

        there.proxy.hold(hold);

        const beat = there.beat(user, { doc: 'd1', seq: 2, session });

        await pass(n % 4);
        await Promise.all([beat,
          here.beat(user, { doc: 'd1', seq: 3, logout: true })]);
        await Promise.all(dashes.map((dash) => dash.waitForChange(user,
          'leave', 5 * SECOND)));
        there.proxy.hold(0);
      }

      await nodes.untilAgreed([]);

      for (const dash of dashes) {
        assert.deepEqual(others(dash, users, 'enter,leave'), []);
      }
    });
}


scenario('who logs in again at once, on either node, is there',
  { count: 2, zone: patient }, async (nodes) => {
    const [a, b] = nodes.all;
    const dashes = await nodes.dashboards();
    const users = names(20);

    for (const [n, user] of users.entries()) {
      const again = n % 2 ? a : b;

      await a.beat(user, { doc: 'd1', seq: 1 });
      await Promise.all(dashes.map((dash) => dash.waitForChange(user, 'enter',
        5 * SECOND)));
      await a.beat(user, { doc: 'd1', seq: 2, logout: true });

      /* the same page, or the page after it: that has a number of its own */
      await again.beat(user, n % 4 < 2 ? { doc: 'd1', seq: 3 }
        : { doc: 'd2', seq: 1 });
    }

    for (const dash of dashes) {
      await dash.waitFor(() => dash.members.present.length === users.length,
        2 * SECOND, 'all are back');
    }

    await nodes.untilAgreed(users, 2 * SECOND);
  });


scenario('of those who have logged out Redis is not asked again and again',
  { count: 1, zone: { ...patient, redis_timeout: 100 },
    server: 'location = /metrics { presence_metrics; }' }, async (nodes) => {
    const [node] = nodes.all;
    const synced = async () => (await scrape(node.wire('h1')))
      .get('presence_redis_synced_total');

    for (const user of names(20)) {
      await node.beat(user);
      await node.beat(user, { logout: true });
    }

    await nodes.untilAgreed([]);

    /* a page's late beat is known for what it is as long as this */
    await pass(2 * nodes.zone.leave_grace);

    const before = await until(synced, SECOND, 'some are counted');

    await pass(2 * SECOND);
    assert.equal(await synced(), before);
  });
