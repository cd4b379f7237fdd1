// Questions that are answered at once: users and count.

import { headersOf } from './person.mjs';
import { text } from './wire.mjs';

export async function ask(wire, person, resource, query = {}) {
  const reply = await wire.open({
    path: `/presence/${resource}?${new URLSearchParams(query)}`,
    headers: headersOf(person), timeout: 5000,
  });

  return {
    status: reply.status, headers: reply.headers,
    body: JSON.parse(await text(reply.body)),
  };
}

/* All pages. */
export async function allUsers(wire, person, query = {}) {
  const members = [];
  let cursor;
  let first;

  do {
    const { status, body } = await ask(wire, person, 'users',
      { ...query, ...(cursor && { cursor }) });

    if (status !== 200) {
      throw new Error(`users: ${status} ${JSON.stringify(body)}`);
    }

    first ??= body;
    members.push(...body.members);
    cursor = body.next;
  } while (cursor);

  return { members, id: first.id };
}
