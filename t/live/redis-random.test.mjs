// Random beats, leaves and logouts on three nodes, of which one at a time is
// cut off from Redis, killed or frozen, or all of them are cut off, against a
// model.
//
// SEED= repeats one run. SEEDS= takes so many by chance, DURATION= (seconds)
// makes each longer: "make random".

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

import { scenario } from './lib/nodes.mjs';
import { random } from './lib/random.mjs';
import { SECOND } from './lib/scale.mjs';
import { pass } from './lib/wait.mjs';

const SECONDS = +(process.env.DURATION || 12);
const USERS = 12;
const STEADY = 4;

const byChance = (n) => Array.from({ length: n }, () => randomInt(1, 1e9));

/* Two that are always the same, and one that nobody has seen. */
const seeds = process.env.SEED ? [+process.env.SEED]
  : process.env.SEEDS ? byChance(+process.env.SEEDS)
    : [1, 2, ...byChance(1)];

/* What a person does: comes, stays for a while, goes in one way or another. */
class Person {
  constructor(user) {
    this.user = user;
    this.sessions = new Set();
    this.seq = 0;
  }

  /* The longest time between two beats of the session that is always there:
     if the test itself was late, the nodes are right to miss them. */
  longest = 0;

  async beat(node, session, fields = {}) {
    this.sessions.add(session);

    const reply = await node.beat(this.user, { session,
      doc: `doc-${session}`, seq: ++this.seq, ...fields });

    if (session === 'session-0') {
      this.longest = Math.max(this.longest, reply.got - (this.last
        ?? reply.got));
      this.last = reply.sent;
    }

    return reply;
  }
}

/* One node at a time is in trouble, or all without Redis, for a while. */
class Trouble {
  constructor(nodes, dashes) {
    this.#nodes = nodes;
    this.#dashes = dashes;
  }

  /* a node that is cut off cannot tell the others */
  isCut(node) {
    return this.#node === node || (this.#node && this.#kind === 'outage');
  }

  async begin(kind, node, ms) {
    if (this.#node) {
      return;
    }

    this.#kind = kind;
    this.#node = node;
    this.#end = Date.now() + ms;
    this.story.push(`${Date.now()} ${kind} n${node.n} for ${ms} ms`);

    if (kind === 'cut') {
      node.proxy.cut();
      return;
    }

    if (kind === 'outage') {
      this.#nodes.all.forEach(({ proxy }) => proxy.cut());
      return;
    }

    node.isUp = false;
    await (kind === 'kill' ? node.nginx.stop('SIGKILL')
      : node.nginx.freeze());
  }

  async end(isNow = true) {
    const node = this.#node;

    if (!node || !(isNow || Date.now() >= this.#end)) {
      return;
    }

    this.story.push(`${Date.now()} ${this.#kind} n${node.n} ends`);

    if (this.#kind === 'cut') {
      node.proxy.heal();

    } else if (this.#kind === 'outage') {
      this.#nodes.all.forEach(({ proxy }) => proxy.heal());

    } else if (this.#kind === 'freeze') {
      node.nginx.thaw();

    } else {
      await node.nginx.start();
      this.#dashes.push(await node.dashboard());
    }

    node.isUp = true;
    this.#node = null;
  }

  story = [];

  #nodes;
  #dashes;
  #node = null;
  #kind;
  #end;
}

for (const seed of seeds) {
  scenario(`three nodes against a model, SEED=${seed}`, { count: 3,
    timeout: (SECONDS + 150) * SECOND }, async (nodes) => {
    const pick = random(seed);
    const people = Array.from({ length: USERS },
      (_, n) => new Person(`u${n}`));
    const dashes = await nodes.dashboards();
    const trouble = new Trouble(nodes, dashes);
    const steady = people.slice(0, STEADY);
    const end = Date.now() + SECONDS * SECOND;
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

      const person = people[STEADY + pick(USERS - STEADY)];
      const session = `session-${pick(2)}`;

      switch (pick(15)) {
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

          if (!trouble.isCut(node)) {
            await person.beat(node, session, { logout: true });
            person.sessions.clear();
          }

          break;
        }
        case 7:
          await trouble.begin('cut', any(), pick(1500));
          break;
        case 8:
          any().proxy.tear();
          break;
        case 9:
          await trouble.begin('kill', any(), pick(2500));
          break;
        case 10:
          await trouble.begin('freeze', any(), pick(3000));
          break;
        case 11:
          await trouble.begin('outage', any(), pick(4000));
          break;
        default:
      }

      await trouble.end(false);
    }

    await trouble.end();

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
    } catch (error) {
      throw new Error(`${error.message}\n${trouble.story.join('\n')}`);
    } finally {
      clearInterval(beating);
    }

    const alive = dashes.filter((dash) => dash.connected);

    assert.ok(alive.length >= nodes.up.length);

    /* a stream tells a moment after a node that is asked */
    const expected = present.map((p) => p.user).sort();

    for (const dash of alive) {
      await dash.waitFor(() => isDeepStrictEqual(dash.members.present,
        expected), SECOND).catch(() => { /* seen below */ });
      assert.deepEqual(dash.members.present, expected, dash.story());
    }

    for (const dash of dashes) {
      assert.deepEqual(dash.faults, []);

      /* no false offline */
      for (const person of steady) {
        if (person.longest < nodes.window - nodes.zone.interval) {
          assert.ok(!dash.kinds(person.user).includes('leave'),
            `${person.user} left\n${dash.of(person.user)
              .map((c) => `${c.at} ${c.id} ${c.type} ${c.member.reason}`)
              .join('\n')}\n${trouble.story.join('\n')}`);
        }
      }
    }
  });
}
