// The runbook of docs/operations.md: its commands are run as they stand there,
// but for the places and names in them, which are a test's own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';

const page = fs.readFileSync(
  new URL('../../../docs/operations.md', import.meta.url), 'utf8');

const runbook = page.slice(page.indexOf('\n## Runbook\n'),
  page.indexOf('\n## Known limits\n'));

/* Titles of its chapters. */
export const chapters = [...runbook.matchAll(/^### (.+)$/gm)]
  .map(([, title]) => title);

function chapter(title) {
  const start = title ? runbook.indexOf(`\n### ${title}\n`) : 0;

  assert.ok(start >= 0, `the runbook has no chapter "${title}"`);

  return runbook.slice(start, runbook.indexOf('\n### ', start + 1));
}

/* Of the chapter, or of what is before the first one: ''. */
export const commands = (title) =>
  [...chapter(title).matchAll(/```sh\n(.*?)```/gs)].map(([, text]) => text);

/* { cause: what the verdict says }, of the table of causes. */
export const verdicts = Object.fromEntries(
  [...chapter('People who are there are shown as offline')
    .matchAll(/^\| `(\w+)` \| ([^|]+) \| [^|]+ \|$/gm)]
    .map(([, cause, words]) => [cause, words]));

/* Runs one as an operator does. Returns { said, code }. */
export async function run(command,
  { nginx, redis, user = 'agent-7', login = true }) {
  const site = `-k https://127.0.0.1:${nginx.ports.tls}`;
  const shell = spawn('bash', ['-c', command
    .replaceAll('http://127.0.0.1:9145', `http://127.0.0.1:${nginx.ports.h1}`)
    .replaceAll('https://www.example.com',
      login ? `-H 'X-User: ${user}' ${site}` : site)
    .replaceAll('agent-7', user)
    .replaceAll('-h 10.0.0.5 --user presence --askpass ', '')
    .replaceAll('redis-cli ', `redis-cli -p ${redis?.port} `)
    .replaceAll('/var/log/nginx/error.log', nginx.file('error.log'))],
  { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';

  shell.stdout.setEncoding('utf8').on('data', (text) => { said += text; });

  const [code] = await once(shell, 'close');

  return { said, code };
}
