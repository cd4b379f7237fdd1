// Bytes of a session: how many fit into a zone until it is full?

import { beats } from '../lib/load.mjs';
import { Server } from '../lib/server.mjs';

const MIB = 1024 * 1024;
const ZONES = [36];      /* MiB: some 100,000 sessions */

export async function measure() {
  const rows = [];

  for (const size of ZONES) {
    const server = await Server.start({ zone: `${size}m { }` });
    const { accepted } = await beats(server,
      { sessions: 10_000_000, until_refused: true });

    await server.stop();

    rows.push([`${size}m`, accepted, Math.round(size * MIB / accepted)]);
  }

  return {
    title: 'Memory: a zone is filled until it is full; each user with one '
      + 'session and one group, ids of 16 bytes',
    columns: ['zone', 'sessions', 'bytes each'],
    rows,
    notes: ['all of the zone is counted: users, sessions, memberships, the '
      + 'hash table, wheels, the ring', 'of recent changes (a sixteenth of '
      + 'the zone), and what the slab allocator loses'],
  };
}
