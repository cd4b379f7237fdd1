// Does a beat cost more when there are more sessions?

import { calm } from '../lib/cpu.mjs';
import { beats, fill } from '../lib/load.mjs';
import { Server } from '../lib/server.mjs';
import { median, ratio } from '../lib/statistics.mjs';
import { times } from '../lib/table.mjs';

const SESSIONS = [1_000, 10_000, 100_000, 1_000_000];

/* Nobody is missed while the others beat. */
const ZONE = '600m { interval 10m; max_interval 10m; }';

export async function measure(quick) {
  const rounds = quick ? 3 : 5;
  const servers = [];
  const runs = SESSIONS.map(() => []);

  for (const sessions of SESSIONS) {
    const server = await Server.start({ zone: ZONE });

    await fill(server, sessions);
    servers.push(server);
  }

  for (let round = 0; round < rounds; round++) {
    await calm();

    for (const [i, sessions] of SESSIONS.entries()) {
      runs[i].push(await beats(servers[i], { sessions, seconds: 2 }));
    }
  }

  for (const server of servers) {
    await server.stop();
  }

  const of = (i, key) => runs[i].map((run) => run[key]);

  return {
    title: `Growth: beats of many sessions, median of ${rounds} rounds of 2 s`,
    columns: ['sessions', 'beats/s', 'CPU µs', '', 'p99 ms'],
    rows: SESSIONS.map((sessions, i) => [
      sessions.toLocaleString('en-US'),
      median(of(i, 'rate')),
      median(of(i, 'cpu_us')),
      times(ratio(of(i, 'cpu_us'), of(0, 'cpu_us'))),
      median(of(i, 'p99_us')) / 1000,
    ]),
  };
}
