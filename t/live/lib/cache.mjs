// Something between a client and the server that knows better: it answers for
// the server, with what that has said before.

import { once } from 'node:events';
import http from 'node:http';

import { freePort } from './ports.mjs';
import { text } from './wire.mjs';

const HOST = '127.0.0.1';

export class Cache {
  /* to: the server's port. */
  static async start(to) {
    const cache = new Cache(to);

    cache.port = await freePort();
    cache.#server.listen(cache.port, HOST);
    await once(cache.#server, 'listening');

    return cache;
  }

  constructor(to) {
    this.#to = to;
  }

  /* Beats that it has answered by itself. */
  kept = 0;

  /* Whether beats go no further than here. */
  answers = false;

  get origin() {
    return `http://${HOST}:${this.port}`;
  }

  async close() {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #serve(request, response) {
    const isBeat = request.url.endsWith('/beat');

    if (isBeat && this.answers) {
      await text(request);
      this.kept++;
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end(this.#last);
      return;
    }

    const asked = http.request({ host: HOST, port: this.#to,
      method: request.method, path: request.url, headers: request.headers });

    request.pipe(asked);
    asked.on('error', () => response.destroy());
    response.on('close', () => asked.destroy());

    const [reply] = await once(asked, 'response');

    response.writeHead(reply.statusCode, reply.headers);

    if (isBeat) {
      this.#last = await text(reply);
      response.end(this.#last);
    } else {
      reply.pipe(response);
    }
  }

  #to;
  #last;
  #server = http.createServer((request, response) =>
    this.#serve(request, response).catch(() => response.destroy()));
}
