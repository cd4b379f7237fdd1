// One beat.

import net from 'node:net';

import { headersOf } from './person.mjs';
import { text } from './wire.mjs';

const PATH = '/presence/beat';
const TIMEOUT = 5000;

export async function beat(wire, person, fields, options = {}) {
  const { headers = {}, timeout = TIMEOUT } = options;
  const body = JSON.stringify(fields);
  const sent = Date.now();
  const reply = await wire.open({
    method: 'POST', path: PATH, timeout, body,
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...headersOf(person), ...headers,
    },
  });
  const answer = await text(reply.body);

  return {
    status: reply.status,
    headers: reply.headers,
    worker: +reply.headers['x-worker'],
    body: /json/.test(reply.headers['content-type'])
      ? JSON.parse(answer) : answer,
    sent,
    got: Date.now(),
  };
}

/* A beat that reaches the server, whose reply reaches nobody. */
export function beatUnheard({ port }, person, fields) {
  const body = JSON.stringify(fields);
  const headers = Object.entries({
    host: 'localhost',
    'content-length': Buffer.byteLength(body),
    ...headersOf(person),
  }).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const socket = net.connect(port, '127.0.0.1');

  socket.on('error', () => { /* as it should be */ });
  socket.write(`POST ${PATH} HTTP/1.1\r\n${headers}\r\n${body}`);

  return socket;
}
