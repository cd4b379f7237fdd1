// The examples of docs/redis.md, as they stand there.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { scenario } from './lib/nodes.mjs';
import { SECOND } from './lib/scale.mjs';
import { until } from './lib/wait.mjs';

const page = fs.readFileSync(
  new URL('../../docs/redis.md', import.meta.url), 'utf8');

const examples = (language) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))]
    .map(([, text]) => text).join('\n\n');

/* Python with the examples, then what is to be done with them. */
function python({ redis }, lines) {
  const script = `${examples('python')}\n`
    + `db = redis.Redis(port=${redis.port}, decode_responses=True)\n`
    + `import json\n${lines}\n`;
  const run = spawnSync('/usr/bin/python3', ['-c', script],
    { encoding: 'utf8', timeout: 20_000 });

  assert.equal(run.status, 0, run.stderr);

  return JSON.parse(run.stdout);
}


/* PHP as .ci/deps has unpacked it, or an installed one with the extension. */
const PHP = fileURLToPath(new URL('../../build/php/', import.meta.url));

function findPhp() {
  const unpacked = fs.existsSync(PHP)
    ? fs.readdirSync(PHP, { recursive: true }).map((name) => PHP + name) : [];
  const binary = unpacked.find((name) => /\/usr\/bin\/php\d[\d.]*$/.test(name));
  const extension = unpacked.find((name) => name.endsWith('/redis.so'));
  const command = binary && extension ? [binary, '-n', '-d',
    `extension_dir=${path.dirname(extension)}`, '-d', 'extension=igbinary',
    '-d', 'extension=redis'] : ['php'];
  const run = spawnSync(command[0], [...command.slice(1), '-r',
    'exit(class_exists("Redis") ? 0 : 1);'], { encoding: 'utf8' });

  return run.status === 0 ? command : null;
}

function php({ redis }, [binary, ...options], lines) {
  const script = `${examples('php')}\n$db = new Redis();\n`
    + `$db->connect('127.0.0.1', ${redis.port});\n${lines}\n`;
  const run = spawnSync(binary, [...options, '-r', script],
    { encoding: 'utf8', timeout: 20_000 });

  assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);

  return JSON.parse(run.stdout);
}


scenario('an application asks who is there, and how many', { count: 1 },
  async (nodes) => {
    const [node] = nodes.all;
    const file = path.join(nodes.redis.dir, 'example.mjs');

    fs.writeFileSync(file, examples('js'));

    const { online } = await import(pathToFileURL(file));

    for (const user of ['ann', 'bob', 'zoë/1']) {
      await node.tab(encodeURIComponent(user), { session: 'tab-of-it' });
    }

    await node.beat('gone');
    await until(async () => (await nodes.record('gone')).status === 'online',
      SECOND, 'one more');
    await node.beat('gone', { logout: true });
    await until(async () => (await nodes.record('gone')).status === 'offline'
      && await online(nodes.client) === 3, 2 * SECOND, 'three are there');

    assert.deepEqual(python(nodes, 'print(json.dumps([is_there(db, u) for u in'
      + ' ["ann", "bob", "gone", "nobody", "zo%C3%AB%2F1"]]))'),
    [true, true, false, false, true]);
  });


scenario('an application follows the changes, each by one of two workers',
  { count: 2 }, async (nodes) => {
    const [a, b] = nodes.all;

    python(nodes, 'join(db, "chat"); join(db, "chat"); print(1)');

    await a.beat('ann');
    await until(async () => (await nodes.record('ann')).status === 'online',
      SECOND, 'ann in Redis');
    await b.beat('ann', { text: 'hello' });
    await until(async () => (await nodes.record('ann')).text === 'hello',
      SECOND, 'the text in Redis');
    await b.beat('ann', { logout: true });
    await until(async () => (await nodes.record('ann')).status === 'offline',
      SECOND, 'the end in Redis');

    const changes = python(nodes, `
seen = []
for n in range(10):
    follow(db, 'chat', f'worker-{n % 2}', seen.append)
    if len(seen) == 3:
        break
print(json.dumps(seen))`);

    assert.deepEqual(changes.map(({ type, was, status, reason, text }) =>
      [type, was, status, reason, text]), [
      ['enter', 'offline', 'online', 'beat', ''],
      ['update', 'online', 'online', 'beat', 'hello'],
      ['leave', 'online', 'offline', 'logout', 'hello'],
    ]);
    assert.ok(changes.every(({ v, user }) => v === '1' && user === 'ann'));
  });


scenario('an application in Node.js follows the changes', { count: 1 },
  async (nodes) => {
    const [node] = nodes.all;
    const file = path.join(nodes.redis.dir, 'follow.mjs');
    const waits = await nodes.redis.client();
    const seen = [];

    fs.writeFileSync(file, examples('js'));

    const { join, follow } = await import(pathToFileURL(file));

    await join(waits, 'chat');
    await join(waits, 'chat');
    await node.beat('ann');
    await until(async () => (await nodes.record('ann')).status === 'online',
      SECOND, 'ann in Redis');
    await node.beat('ann', { logout: true });
    await until(async () => {
      await follow(waits, 'chat', 'worker-1', (change) => seen.push(change));

      return seen.length === 2;
    }, 5 * SECOND, 'both changes');
    assert.deepEqual(seen.map(({ v, user, type, reason }) =>
      [v, user, type, reason]),
    [['1', 'ann', 'enter', 'beat'], ['1', 'ann', 'leave', 'logout']]);

    /* each is done with */
    const pending = await Promise.all(Array.from({ length: 100 }, (_, n) =>
      waits.xPending(`presence:agents:{${`${n}`.padStart(2, '0')}}:changes`,
        'chat')));

    assert.equal(pending.reduce((sum, p) => sum + p.pending, 0), 0);
  });


const command = findPhp();

scenario('an application in PHP does the same', { count: 1,
  skip: !command && 'there is no PHP with the extension "redis"' },
async (nodes) => {
  const [node] = nodes.all;

  php(nodes, command, `presence_join($db, 'chat'); presence_join($db, 'chat');
    echo 1;`);

  await node.beat('ann');
  await node.tab('zo%C3%AB/1', { session: 'tab-of-it' });
  await until(async () => (await nodes.record('zo%C3%AB/1')).status === 'online'
    && (await nodes.record('ann')).status === 'online', SECOND, 'both in Redis');
  assert.deepEqual(php(nodes, command, `echo json_encode(array_map(
    fn ($user) => presence_is_there($db, $user),
    ['ann', 'nobody', 'zo%C3%AB/1']));`), [true, false, true]);
  await node.beat('ann', { logout: true });
  await until(async () => (await nodes.record('ann')).status === 'offline',
    SECOND, 'the end in Redis');
  assert.deepEqual(php(nodes, command,
    `echo json_encode([presence_is_there($db, 'ann')]);`), [false]);

  const changes = php(nodes, command, `$seen = [];
    for ($n = 0; $n < 10 && count($seen) < 3; $n++) {
        presence_follow($db, 'chat', "worker-" . $n % 2,
            function ($change) use (&$seen) { $seen[] = $change; });
    }
    echo json_encode($seen);`);

  assert.deepEqual(changes.filter(({ user }) => user === 'ann')
    .map(({ v, type, was, status, reason }) => [v, type, was, status, reason]), [
    ['1', 'enter', 'offline', 'online', 'beat'],
    ['1', 'leave', 'online', 'offline', 'logout'],
  ]);
});
