// nginx's error log, and what must never be in it.

import fs from 'node:fs';

const FAULT = /\[(alert|emerg|crit)\]|Sanitizer|runtime error:/;

export class Log {
  #path;
  #allowed = [];

  constructor(path) {
    this.#path = path;
  }

  allow(pattern) {
    this.#allowed.push(pattern);
  }

  lines(pattern = /./) {
    const text = fs.existsSync(this.#path)
      ? fs.readFileSync(this.#path, 'utf8') : '';

    return text.split('\n').filter((line) => pattern.test(line));
  }

  faults() {
    return this.lines(FAULT)
      .filter((line) => !this.#allowed.some((ok) => ok.test(line)));
  }
}
