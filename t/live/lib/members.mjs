// What a reader of a stream knows, and whether it was told it in an order that
// can be true.

const isPresent = (member) => !!member && member.status !== 'offline';

export class Members {
  /* keepsOffline(user): does this stream list the user when offline? */
  constructor(keepsOffline) {
    this.#keepsOffline = keepsOffline;
  }

  get(user) {
    return this.#all.get(user);
  }

  status(user) {
    return this.#all.get(user)?.status ?? 'offline';
  }

  get users() {
    return [...this.#all.keys()].sort();
  }

  get present() {
    return [...this.#all.values()].filter(isPresent).map((m) => m.user)
      .sort();
  }

  /* A state replaces everything. Returns what it changed in who is there. */
  replace(members) {
    const before = this.present;
    const faults = [];

    this.#all = new Map();

    for (const member of members) {
      if (this.#all.has(member.user)) {
        faults.push(`"${member.user}" is twice in one state`);
      }

      if (!isPresent(member) && !this.#keepsOffline(member.user)) {
        faults.push(`"${member.user}" is offline and in the state`);
      }

      this.#all.set(member.user, member);
    }

    return {
      faults,
      lost: before.filter((user) => !isPresent(this.#all.get(user))),
      gained: this.present.filter((user) => !before.includes(user)),
    };
  }

  /* Returns what is impossible about the change, or null. */
  apply({ type, member }) {
    const known = this.#all.get(member.user);
    const fault = this.#impossible(type, member, known);

    if (type === 'leave' && !this.#keepsOffline(member.user)) {
      this.#all.delete(member.user);
    } else {
      this.#all.set(member.user, member);
    }

    return fault;
  }

  #impossible(type, member, known) {
    const name = `"${member.user}"`;

    switch (type) {
      case 'enter':
        return isPresent(known) ? `enter of ${name}, who is there`
          : !isPresent(member) ? `enter of ${name}, who is offline` : null;
      case 'update':
        return !known ? `update of ${name}, who is not known`
          : isPresent(known) !== isPresent(member)
            ? `update of ${name} that is an enter or a leave` : null;
      case 'leave':
        return !isPresent(known) ? `leave of ${name}, who is not there`
          : null;
      default:
        return `change of type "${type}"`;
    }
  }

  #all = new Map();
  #keepsOffline;
}
