// One redis-server of our own: start, kill, stop the clock, start empty; and a
// proxy before it, that can be cut.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

import { freePort } from './ports.mjs';
import { within } from './wait.mjs';

/* Debian's package redis-tools has the server under another name, and its
   redis-server would start one for the whole machine. */
const SERVERS = ['/usr/bin/redis-server', '/usr/bin/redis-check-rdb'];
const START = 10_000;
const PLACES = ['../../../build/node/', '../'];

const running = new Set();

process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

function library() {
  for (const place of PLACES) {
    try {
      return createRequire(new URL(place, import.meta.url))('redis');
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') {
        throw error;
      }
    }
  }

  throw new Error('redis is not installed: npm ci in t/live');
}

/* The one program is server and Sentinel, as its name says. Resolves with its
   process when that has said so much. */
export async function run(name, args, ready) {
  const child = spawn(SERVERS.find((file) => fs.existsSync(file)), args,
    { argv0: name, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';

  running.add(child);

  await within(new Promise((done, fail) => {
    child.stdout.on('data', (text) => {
      said += text;

      if (said.includes(ready)) {
        done();
      }
    });
    child.on('exit', () => {
      running.delete(child);
      fail(new Error(`${name} has ended: ${said}`));
    });
  }), START, name);

  return child;
}

export class Redis {
  static async start({ args = [] } = {}) {
    const redis = new Redis(await freePort(), args);

    await redis.start();

    return redis;
  }

  constructor(port, args) {
    this.port = port;
    this.#args = args;
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'presence-redis-'));
    this.socket = path.join(this.dir, 'redis.sock');
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  /* With nothing in it. */
  async start() {
    this.#child = await run('redis-server', ['--port', `${this.port}`,
      '--bind', '127.0.0.1', '--unixsocket', this.socket, '--save', '',
      '--dir', this.dir, ...this.#args], 'Ready to accept connections');
  }

  /* A client, as an application has it. */
  async client(options = {}) {
    const client = library().createClient({ url: this.url, ...options });

    client.on('error', () => { /* each command tells */ });
    await client.connect();
    this.#clients.push(client);

    return client;
  }

  async stop(signal = 'SIGKILL') {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exit = once(this.#child, 'exit');

      this.#child.kill(signal);
      await within(exit, START, 'redis-server gone');
    }
  }

  freeze() {
    this.#child.kill('SIGSTOP');
  }

  thaw() {
    this.#child.kill('SIGCONT');
  }

  async close() {
    this.#clients.forEach((client) => client.disconnect().catch(() => {}));
    this.thaw();
    await this.stop();
    fs.rmSync(this.dir, { recursive: true, force: true });
  }

  #args;
  #child;
  #clients = [];
}

/* Writes to a socket so much later, and never before what came before. */
function inOrder(socket) {
  const waiting = [];

  const write = () => {
    const data = waiting.shift();

    socket.destroyed || socket.write(data);
  };

  return (data, delay) => {
    waiting.push(data);

    if (delay || waiting.length > 1) {
      setTimeout(write, delay);
    } else {
      write();
    }
  };
}

/* Between a node and Redis. */
export class Proxy {
  static async start(to, address = '127.0.0.1', port) {
    const proxy = new Proxy();

    proxy.port = port ?? await freePort();
    proxy.#server = net.createServer((client) => proxy.#connect(client, to));
    proxy.#server.listen(proxy.port, address);
    await once(proxy.#server, 'listening');

    return proxy;
  }

  /* No connection, old or new, gets through. */
  cut() {
    this.#isCut = true;
    this.#sockets.forEach((socket) => socket.destroy());
  }

  heal() {
    this.#isCut = false;
  }

  /* Answers come so much later; 0: at once. */
  delay(ms) {
    this.#delay = ms;
  }

  /* What the node says comes so much later; 0: at once. */
  hold(ms) {
    this.#hold = ms;
  }

  /* The next answer is cut in the middle. */
  tear() {
    this.#isTorn = true;
  }

  close() {
    this.cut();
    this.#server.close();
  }

  #connect(client, to) {
    if (this.#isCut) {
      client.destroy();
      return;
    }

    const server = net.connect(to, '127.0.0.1');

    client.setNoDelay();
    server.setNoDelay();

    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => { /* it closes */ });
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }

    const up = inOrder(server);
    const down = inOrder(client);

    client.on('data', (data) => up(data, this.#hold));
    server.on('data', (data) => {
      if (this.#isTorn) {
        this.#isTorn = false;
        client.write(data.subarray(0, data.length >> 1),
          () => client.destroy());
      } else {
        down(data, this.#delay);
      }
    });
  }

  #server;
  #sockets = new Set();
  #isCut = false;
  #isTorn = false;
  #delay = 0;
  #hold = 0;
}
