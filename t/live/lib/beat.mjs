// One beat.

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
    body: answer ? JSON.parse(answer) : null,
    sent,
    got: Date.now(),
  };
}
