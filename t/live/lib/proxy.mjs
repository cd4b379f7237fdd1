// The network between a browser and the server: a TCP proxy that can break.

import { once } from 'node:events';
import net from 'node:net';

import { freePort } from './ports.mjs';

const HOST = '127.0.0.1';

export class Proxy {
  static async start(to) {
    const proxy = new Proxy(to);

    proxy.port = await freePort();
    proxy.#server.listen(proxy.port, HOST);
    await once(proxy.#server, 'listening');

    return proxy;
  }

  /* to: the server's port. */
  constructor(to) {
    this.#to = to;
    this.#server = net.createServer((socket) => this.#accept(socket));
  }

  get origin() {
    return `http://${HOST}:${this.port}`;
  }

  /* All goes through, on new connections and on those that were held: others
     stay as they are. */
  pass() {
    this.#mode = 'pass';
    this.#pairs.forEach((pair) => pair.release());
  }

  /* What is sent is on its way until it may pass, and nothing is lost. */
  hold() {
    this.#mode = 'hold';
    this.#pairs.forEach((pair) => pair.hold());
  }

  /* Whatever is sent gets lost, and nobody is told. What was open then stays
     so for ever, as after the loss of a NAT's table. */
  blackHole() {
    this.#mode = 'black hole';
    this.#pairs.forEach((pair) => pair.lose());
  }

  /* Connections break, old ones and new ones. */
  reset() {
    this.#mode = 'reset';
    this.#pairs.forEach((pair) => pair.reset());
  }

  /* Another network, with another address: what was open breaks. */
  moveTo(address) {
    this.#from = address;
    this.#pairs.forEach((pair) => pair.reset());
  }

  async close() {
    this.reset();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket) {
    if (this.#mode === 'reset') {
      socket.on('error', () => { /* as it should be */ });
      socket.resetAndDestroy();
      return;
    }

    const pair = new Pair(socket, this.#mode !== 'black hole' && net.connect(
      { host: HOST, port: this.#to, localAddress: this.#from }));

    if (this.#mode === 'hold') {
      pair.hold();
    }

    this.#pairs.add(pair);
    socket.on('close', () => this.#pairs.delete(pair));
  }

  #to;
  #server;
  #mode = 'pass';
  #from = HOST;
  #pairs = new Set();
}

/* A connection on both of its sides; without a server it leads nowhere. */
class Pair {
  constructor(client, server) {
    this.#sides = [client, server].filter(Boolean);
    this.#sides.forEach((side) => side.on('error', () => this.#destroy()));
    client.resume();

    if (server) {
      client.pipe(server).pipe(client);
      this.#sides.forEach((side) => side.on('close', () => this.#destroy()));
    }
  }

  /* A stream without a reader waits. */
  hold() {
    this.#held = true;
    this.#sides[0].unpipe();
  }

  release() {
    if (this.#held) {
      this.#held = false;
      this.#sides[0].pipe(this.#sides[1]);
    }
  }

  lose() {
    for (const side of this.#sides) {
      side.unpipe();
      side.removeAllListeners('close');
      side.removeAllListeners('end');
      side.resume();
    }
  }

  /* One that is not connected yet, or is at its end, cannot be reset any more:
     Node would keep it, and never come to an end itself. */
  reset() {
    this.#sides.forEach((side) => (side.connecting || side.writableEnded
      ? side.destroy() : side.resetAndDestroy()));
  }

  #destroy() {
    this.#sides.forEach((side) => side.destroy());
  }

  #sides;
  #held = false;
}
