/**
 * An EventSource by fetch, so that a token can go in a header: an address
 * would end up in logs.  Does what the stream here needs of the interface.
 * After an error it is closed; the error tells the status.
 */
export class FetchSource {
  readyState = 0;
  /** @type {(() => void)|undefined} */
  onopen;
  /** @type {((failure: Response|{status: number}) => void)|undefined} */
  onerror;

  #abort = new AbortController(); #listeners = {};

  /** @param {(signal: AbortSignal) => Promise<Response>} request */
  constructor(request) {
    this.#run(request);
  }

  addEventListener(type, fn) {
    this.#listeners[type] = fn;
  }

  close() {
    this.readyState = 2;
    this.#abort.abort();
  }

  async #run(request) {
    let response;
    try {
      response = await request(this.#abort.signal);
      if (response.ok && this.readyState === 0) {
        this.readyState = 1;
        this.onopen?.();
        await this.#read(response.body.getReader());
      }
    } catch { /* the connection broke */ }
    if (this.readyState === 2) return;
    this.close();
    this.onerror?.(response ?? { status: 0 });
  }

  async #read(reader) {
    const decoder = new TextDecoder();
    let text = '', id = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.readyState === 2) return;
      const frames = (text + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
      text = /** @type {string} */ (frames.pop());
      for (const frame of frames) {
        const field = (name) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(frame)?.[1];
        id = field('id') ?? id;
        const data = field('data');
        if (data !== undefined) this.#listeners[field('event') ?? 'message']?.({ data, lastEventId: id });
      }
    }
  }
}
