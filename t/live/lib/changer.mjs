// A source of changes that knows what every reader must be told: users who
// enter, say something, and log out, one change after the other.

import { pass } from './wait.mjs';

const RETRY = 20;
const RETRIES = 100;

export class Changer {
  truth = [];    /* ["enter u1", "update u1 hello", "leave u1", …] */

  constructor(scene, { name = 'c', target = 'h1', groups } = {}) {
    this.#scene = scene;
    this.#name = name;
    this.#options = { target, groups };
  }

  /* Changes until stopped, with a pause after each. */
  start(pause) {
    this.#run = this.#go(pause);
    this.#run.catch(() => { /* stop() tells */ });
  }

  async stop() {
    this.#stopped = true;
    await this.#run;
  }

  async round() {
    const user = `${this.#name}${this.#n++}`;
    const text = `hello ${user}`;

    await this.#beat(user, {}, `enter ${user}`);
    await this.#beat(user, { text }, `update ${user} ${text}`);
    await this.#beat(user, { logout: true }, `leave ${user}`);
  }

  /* What a reader was told of these users, in the form of the truth. */
  told(stream) {
    return stream.changes
      .filter((c) => c.isNews && c.member.user.startsWith(this.#name))
      .map(({ type, member: { user, text } }) =>
        (type === 'update' ? `update ${user} ${text}` : `${type} ${user}`));
  }

  async #go(pause) {
    while (!this.#stopped) {
      await this.round();
      await pass(pause);
    }
  }

  /* As a client does: the same again, until it is answered. A change of
     which only the answer was lost is none the second time. */
  async #beat(user, fields, change) {
    for (let n = 0; ; n++) {
      try {
        const reply = await this.#scene.beat(user,
          { ...this.#options, ...fields });

        if (reply.status !== 200) {
          throw new Error(`beat: ${reply.status}`);
        }

        this.truth.push(change);
        return;
      } catch (error) {
        if (n === RETRIES) {
          throw error;
        }

        await pass(RETRY);
      }
    }
  }

  #scene;
  #name;
  #options;
  #n = 0;
  #stopped = false;
  #run;
}
