// Random beats, leaves, logouts and cuts on three nodes, against a model.
// SEED= takes other ones, SEEDS= many, DURATION= (seconds) makes it longer.

import assert from 'node:assert/strict';

import { scenario } from './lib/nodes.mjs';
import { pass } from './lib/wait.mjs';

const SECONDS = +(process.env.DURATION ?? 12);
const SEEDS = +(process.env.SEEDS ?? 1);
const FIRST = +(process.env.SEED ?? 1);
const USERS = 12;

/* mulberry32: the same numbers for the same seed. */
function random(seed) {
  let a = seed;

  return (n) => {
    a = (a + 0x6d2b79f5) | 0;

    let t = Math.imul(a ^ (a >>> 15), 1 | a);

    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;

    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

/* What a person does: comes, stays for a while, goes in one way or another. */
class Person {
  constructor(user) {
    this.user = user;
    this.sessions = new Set();
    this.seq = 0;
  }

  beat(node, session, fields = {}) {
    this.sessions.add(session);

    return node.beat(this.user, { session, doc: `doc-${session}`,
      seq: ++this.seq, ...fields });
  }
}

for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
  scenario(`three nodes against a model, SEED=${seed}`, { count: 3,
    timeout: (SECONDS + 120) * 1000 }, async (nodes) => {
    const pick = random(seed);
    const people = Array.from({ length: USERS },
      (_, n) => new Person(`u${n}`));
    const dashes = await nodes.dashboards();
    const steady = people.slice(0, 4);
    const end = Date.now() + SECONDS * 1000;
    const broken = new Map();
    const any = () => nodes.up[pick(nodes.up.length)];
    let next = 0;

    while (Date.now() < end) {
      await pass(nodes.zone.interval / 4);

      /* each session that is there beats each interval, wherever */
      if (Date.now() >= next) {
        next = Date.now() + nodes.zone.interval / 2;

        for (const person of people) {
          for (const session of person.sessions) {
            await person.beat(any(), session);
          }
        }

        for (const person of steady) {
          await person.beat(any(), 'session-0');
        }
      }

      const person = people[steady.length + pick(USERS - steady.length)];
      const session = `session-${pick(2)}`;

      switch (pick(12)) {
        case 0: case 1: case 2: case 3:
          await person.beat(any(), session, { text: `text ${pick(100)}` });
          break;
        case 4:
          /* falls silent */
          person.sessions.delete(session);
          break;
        case 5:
          if (person.sessions.delete(session)) {
            await person.beat(any(), session, { leave: true });
            person.sessions.delete(session);
          }

          break;
        case 6: {
          const node = any();

          /* a node that is cut off cannot tell the others of a logout */
          if (!broken.has(node)) {
            await person.beat(node, session, { logout: true });
            person.sessions.clear();
          }

          break;
        }
        case 7:
          if (broken.size === 0) {
            const node = any();

            node.proxy.cut();
            broken.set(node, Date.now() + pick(1500));
          }

          break;
        case 8:
          any().proxy.tear();
          break;
        default:
      }

      for (const [node, until] of broken) {
        if (Date.now() >= until) {
          node.proxy.heal();
          broken.delete(node);
        }
      }
    }

    for (const node of broken.keys()) {
      node.proxy.heal();
    }

    /* those who are there beat on until all agree */
    const present = people.filter((p) => p.sessions.size > 0);
    const beating = setInterval(() => {
      for (const person of present) {
        for (const session of person.sessions) {
          person.beat(any(), session).catch(() => { /* seen below */ });
        }
      }
    }, nodes.zone.interval / 2);

    try {
      await nodes.untilAgreed(present.map((p) => p.user),
        4 * nodes.window + 10_000);
    } finally {
      clearInterval(beating);
    }

    for (const dash of dashes) {
      assert.deepEqual(dash.members.present,
        present.map((p) => p.user).sort(), dash.story());
      assert.deepEqual(dash.faults, []);
    }
  });
}
