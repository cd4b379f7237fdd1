// From a beat that one worker takes to the event that a reader of another
// worker reads, while nothing else happens.

import { calm } from '../lib/cpu.mjs';
import { readers } from '../lib/load.mjs';
import { Server } from '../lib/server.mjs';

export async function measure(quick) {
  const server = await Server.start({ workers: 2 });

  await calm();

  const result = await readers(server, { across: true, streams: 1,
    changes: quick ? 100 : 500, pause: 10 });

  await server.stop();

  return {
    title: 'Latency: from a beat to its event on another worker, idle system',
    columns: ['changes', 'p50 ms', 'p99 ms'],
    rows: [[result.changes, result.p50_us / 1000, result.p99_us / 1000]],
  };
}
