// The sweep: what does it cost to watch sessions that are healthy? All of them
// beat at the beginning of an interval. In the quiet rest of it the deadlines
// that the beats before had set come up, and each is found to have moved.

import { pass } from '../../live/lib/wait.mjs';
import { fill } from '../lib/load.mjs';
import { Server } from '../lib/server.mjs';

const SESSIONS = 100_000;

/* The beats of all sessions must take less than the slack, and less than what
   an interval is longer than that, also where the machine is slow. */
const INTERVAL = 10_000;
const SLACK = INTERVAL / 2;
const MARGIN = 200;
const TRIES = 4;

const SETTLE = 1000;    /* the start of a worker is not its idle life */

const USUAL = 25;    /* seconds: the default interval */

/* CPU time of a server that nobody asks anything, nanoseconds. */
async function quiet(server, ms) {
  const before = server.ran();

  await pass(ms);

  return server.ran() - before;
}

/* How many changes there have been. */
async function changes(server) {
  const reply = await fetch(
    `http://127.0.0.1:${server.port}/presence/users?limit=1`,
    { headers: { cookie: 'uid=reader' } });

  return (await reply.json()).id;
}

export async function measure(quick) {
  const server = await Server.start({
    zone: `64m { interval ${INTERVAL}ms; max_interval ${INTERVAL}ms; `
      + `slack ${SLACK}ms; }`,
  });

  await quiet(server, SETTLE);

  const idle = await quiet(server, INTERVAL / 4) / (INTERVAL / 4);
  const wanted = quick ? 1 : 2;
  const costs = [];
  let start = performance.now();
  let former = 0;

  await fill(server, SESSIONS);

  for (let cycle = 0; cycle <= TRIES && costs.length < wanted; cycle++) {
    const taken = performance.now() - start;

    /* of those who had beaten at their time, no deadline has come up yet */
    if (cycle && Math.max(taken, former) < SLACK) {
      const seen = await changes(server);
      const ms = INTERVAL - taken - MARGIN;
      const cost = await quiet(server, ms) - idle * ms;

      if (await changes(server) === seen) {
        costs.push(cost);
      }
    }

    former = taken;
    await pass(start + INTERVAL - performance.now());
    start = performance.now();
    await fill(server, SESSIONS);
  }

  await server.stop();

  const cost = Math.min(...costs);

  return {
    title: `Sweep: ${SESSIONS} healthy sessions`,
    columns: ['CPU µs per session and interval',
      `% of a CPU at 1,000,000 and ${USUAL}s`, 'CPU µs/s without sessions'],
    rows: costs.length ? [[(cost / SESSIONS / 1000).toFixed(3),
      cost / SESSIONS * 1e6 / (USUAL * 1e9) * 100, idle]] : [],
    notes: costs.length ? [] : ['the beats took too long to see the sweep '
      + 'by itself: is the machine busy?'],
  };
}
