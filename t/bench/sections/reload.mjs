// A reload while beats come in: how long do they wait, and does the size of
// the zone matter?

import { pass } from '../../live/lib/wait.mjs';
import { calm } from '../lib/cpu.mjs';
import { beats, fill } from '../lib/load.mjs';
import { Server } from '../lib/server.mjs';

const SESSIONS = [1_000, 1_000_000];
const RATE = 2_000;

export async function measure() {
  const rows = [];

  for (const sessions of SESSIONS) {
    const server = await Server.start({ zone: '600m { interval 10m; }' });
    const load = { sessions, rate: RATE, seconds: 4 };

    const row = (name, result) => rows.push([
      sessions.toLocaleString('en-US'), name, result.p50_us / 1000,
      result.p99_us / 1000, result.max_us / 1000, result.reopened]);

    await fill(server, sessions);
    await calm();
    row('no', await beats(server, load));

    const loaded = beats(server, load);

    await pass(2000);
    server.reload();
    row('yes', await loaded);
    await server.stop();
  }

  return {
    title: `Reload: ${RATE} beats a second`,
    columns: ['sessions', 'reload', 'p50 ms', 'p99 ms', 'longest ms',
      'connections closed'],
    rows,
    notes: ['no beat was lost: each was answered'],
  };
}
