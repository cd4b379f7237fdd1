// Server-Sent Events: text in, events out.

export class Frames {
  constructor(onEvent) {
    this.#onEvent = onEvent;
  }

  push(text) {
    const lines = (this.#rest + text).split(/\r?\n/);

    this.#rest = lines.pop();
    lines.forEach((line) => this.#line(line));
  }

  /* Text that no event was made of: a stream was cut, or ended badly. */
  get isWhole() {
    return this.#rest === '' && Object.keys(this.#event).length === 0;
  }

  #line(line) {
    if (line === '') {
      const event = this.#event;

      this.#event = {};

      if (Object.keys(event).length > 0) {
        this.#onEvent(event);
      }

      return;
    }

    if (line.startsWith(':')) {
      return;
    }

    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/.exec(line);

    if (field === 'data' && this.#event.data !== undefined) {
      this.#event.data += `\n${value}`;
    } else {
      this.#event[field] = value ?? '';
    }
  }

  #onEvent;
  #rest = '';
  #event = {};
}
