// A beat, next to a request with the same body to a location that throws it
// away: what nginx itself needs is the ceiling.

import { calm } from '../lib/cpu.mjs';
import { beats, fill } from '../lib/load.mjs';
import { Server } from '../lib/server.mjs';
import { median, ratio } from '../lib/statistics.mjs';
import { times } from '../lib/table.mjs';

const SESSIONS = 10_000;
const CONNECTIONS = 64;

const KINDS = [
  ['return 204', { path: '/presence/none' }],
  ['return 204, presence_touch', { path: '/presence/touched' }],
  ['beat', { path: '/presence/beat' }],
  ['beat, return=minimal',
    { path: '/presence/beat', header: 'Prefer: return=minimal' }],
];

/* Round by round, so that each kind gets its share of a noisy minute. */
async function interleaved(server, kinds, rounds, values) {
  const runs = kinds.map(() => []);

  for (let round = 0; round < rounds; round++) {
    await calm();

    for (const [i, [, kind]] of kinds.entries()) {
      runs[i].push(await beats(server, { sessions: SESSIONS,
        connections: CONNECTIONS, ...kind, ...values }));
    }
  }

  return (i, key) => runs[i].map((run) => run[key]);
}

export async function measure(quick) {
  const rounds = quick ? 3 : 7;
  const seconds = quick ? 1 : 2;
  const server = await Server.start();

  await fill(server, SESSIONS);

  const full = await interleaved(server, KINDS, rounds, { seconds });
  const half = Math.round(median(full(0, 'rate')) / 2);
  const paced = await interleaved(server, KINDS, quick ? 1 : 3,
    { seconds, rate: half });

  await server.stop();

  return {
    title: `Beats: ${SESSIONS} sessions, ${CONNECTIONS} connections, one `
      + `worker, median of ${rounds} rounds of ${seconds} s`,
    columns: ['', 'per second', 'ratio', 'CPU µs', 'ratio', 'p99 ms',
      `at ${half}/s: p50 ms`, 'p99 ms', ''],
    rows: KINDS.map(([name], i) => [
      name,
      median(full(i, 'rate')),
      times(ratio(full(i, 'rate'), full(0, 'rate'))),
      median(full(i, 'cpu_us')),
      times(ratio(full(0, 'cpu_us'), full(i, 'cpu_us'))),
      median(full(i, 'p99_us')) / 1000,
      median(paced(i, 'p50_us')) / 1000,
      median(paced(i, 'p99_us')) / 1000,
      times(ratio(paced(i, 'p99_us'), paced(0, 'p99_us'))),
    ]),
    notes: ['the ratios are to "return 204": of requests per second, and of '
      + 'requests per CPU time. All', 'send the same body, which is that of '
      + 'the browser client.'],
  };
}
