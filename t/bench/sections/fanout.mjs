// One change to each of many streams, next to a server that does nothing but
// write it to them; and many changes to each of them.

import { Ceiling } from '../lib/ceiling.mjs';
import { calm } from '../lib/cpu.mjs';
import { readers } from '../lib/load.mjs';
import { Server } from '../lib/server.mjs';
import { median, ratio } from '../lib/statistics.mjs';
import { times } from '../lib/table.mjs';

const STREAMS = 1000;
const USERS = 1000;
const RATE = 1000;

const ROUNDS = 3;

export async function measure(quick) {
  const streams = { streams: STREAMS, users: USERS };
  const lone = { ...streams, changes: quick ? 10 : 20, pause: 60 };
  const runs = [];
  let storm;

  for (let round = 0; round < ROUNDS; round++) {
    await calm();

    const plain = await Ceiling.start();
    const server = await Server.start();

    runs.push([await readers(plain, lone), await readers(server, lone)]);
    plain.stop();

    if (round === ROUNDS - 1) {
      storm = await readers(server,
        { ...streams, changes: RATE * (quick ? 2 : 5), rate: RATE });
    }

    await server.stop();
  }

  const of = (i, key) => runs.map((run) => run[i][key]);

  const row = (name, i) => [name,
    median(of(i, 'cpu_us')), times(ratio(of(0, 'cpu_us'), of(i, 'cpu_us'))),
    median(of(i, 'last_p50_us')) / 1000, median(of(i, 'last_p99_us')) / 1000];

  return {
    title: `Fan-out: to ${STREAMS} streams of one worker`,
    columns: ['', 'CPU µs/delivery', 'ratio', 'p50 ms', 'p99 ms',
      'deliveries/s', 'CPU %'],
    rows: [
      row('one change, only written', 0),
      row('one change', 1),
      [`${RATE} changes a second`, storm.cpu_us, '', storm.p50_us / 1000,
        storm.p99_us / 1000, storm.deliveries / storm.seconds,
        storm.cpu_us * storm.deliveries / storm.seconds / 1e4],
    ],
    notes: ['a delivery is one change that one stream reads; each came once. '
      + 'The ratio is of CPU time,', 'the time of one change is that of the '
      + 'last reader. The beats that make the changes are included.'],
  };
}
