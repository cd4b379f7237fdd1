// The site's application, as far as it knows who is logged in: it gives out
// tokens to whom a cookie names, and tells nginx whose a token is.

import { once } from 'node:events';
import http from 'node:http';

import { freePort } from './ports.mjs';

const HOST = '127.0.0.1';

export class Application {
  static async start() {
    const application = new Application();

    application.port = await freePort();
    application.#server.listen(application.port, HOST);
    await once(application.#server, 'listening');

    return application;
  }

  /* Tokens given out so far. */
  given = 0;

  /* None of them counts any more. */
  expire() {
    this.#tokens.clear();
  }

  /* nginx's locations for it: /token for the pages, and /whoami. */
  get locations() {
    return `
        location = /token { proxy_pass http://${HOST}:${this.port}; }
        location = /whoami {
            internal;
            proxy_pass http://${HOST}:${this.port};
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }`;
  }

  async close() {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  #answer({ url, headers }, response) {
    response.setHeader('Cache-Control', 'no-store');

    if (url === '/token') {
      const token = `token-${++this.given}`;

      this.#tokens.set(token, /\buser=(\w+)/.exec(headers.cookie)?.[1]);
      response.end(token);
      return;
    }

    const user = this.#tokens.get(/^Bearer (.+)/.exec(headers.authorization)?.[1]);

    response.statusCode = user ? 200 : 401;
    response.setHeader('X-User', user ?? '');
    response.end();
  }

  #tokens = new Map();
  #server = http.createServer((request, response) =>
    this.#answer(request, response));
}
