// The connections of one client to one listener: HTTP/1.1, the same with TLS,
// or HTTP/2 with TLS.

import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import tls from 'node:tls';

const HOST = '127.0.0.1';

/* As many as a browser opens to one host. */
const SOCKETS = 6;

class Wire1 {
  constructor({ proto, port }) {
    const { Agent, request } = proto === 'tls' ? https : http;

    this.#agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
    this.#request = request;
    this.#port = port;
  }

  /* Resolves when the reply's header is there. A kept connection that nginx
     closes just then, at a reload, is no failure: as in a browser. */
  open(asked) {
    const { method = 'GET', path, headers = {}, body, timeout = 0 } = asked;

    return new Promise((done, fail) => {
      const request = this.#request({
        host: HOST, port: this.#port, agent: this.#agent,
        rejectUnauthorized: false, method, path, headers, timeout,
      });

      request.on('response', (response) => done({
        status: response.statusCode, headers: response.headers,
        body: response, socket: response.socket,
      }));
      request.on('timeout', () => request.destroy(new Error('time-out')));
      request.on('error', (error) => {
        if (request.reusedSocket && error.code === 'ECONNRESET') {
          done(this.open(asked));
        } else {
          fail(error);
        }
      });
      request.end(body);
    });
  }

  close() {
    this.#agent.destroy();
  }

  #agent;
  #request;
  #port;
}

class Wire2 {
  constructor({ port }) {
    this.#port = port;
  }

  open({ method = 'GET', path, headers = {}, body, timeout = 0 }) {
    return new Promise((done, fail) => {
      const stream = this.#connection().request(
        { ':method': method, ':path': path, ...headers },
        { endStream: body === undefined });

      stream.on('response', (all) => done({
        status: all[':status'], headers: all, body: stream,
        socket: this.#socket,
      }));
      stream.setTimeout(timeout,
        () => stream.destroy(new Error('time-out')));
      stream.on('error', fail);
      stream.on('close', () => fail(new Error('closed without a reply')));

      if (body !== undefined) {
        stream.end(body);
      }
    });
  }

  close() {
    this.#session?.destroy();
  }

  #connection() {
    if (!this.#session || this.#session.closed || this.#session.destroyed) {
      this.#socket = tls.connect({ host: HOST, port: this.#port,
        ALPNProtocols: ['h2'], rejectUnauthorized: false });
      this.#session = http2.connect(`https://${HOST}:${this.#port}`,
        { createConnection: () => this.#socket });
      this.#session.on('error', () => { /* each of its streams tells */ });
      this.#session.on('goaway', () => this.#session.close());
    }

    return this.#session;
  }

  #port;
  #session;
  #socket;
}

export const wireTo = (target) =>
  target.proto === 'h2' ? new Wire2(target) : new Wire1(target);

export async function text(body) {
  let all = '';

  body.setEncoding('utf8');

  for await (const chunk of body) {
    all += chunk;
  }

  return all;
}
