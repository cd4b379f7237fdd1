// What `npm pack` makes: the files, their size, and whether they work from
// where npm puts them.  Needs dist/, which `make js-build` makes.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';

import './globals.mjs';

const run = promisify(execFile);
const here = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const built = (name) => readFile(join(here, 'dist', name));
const gzipped = async (name) => gzipSync(await built(name), { level: 9 }).length;

/** Bytes, gzipped. */
const BUDGET = { 'presence.js': 8 * 1024, 'follower.js': 3.5 * 1024, 'presence.global.js': 11 * 1024 };

test('keeps its size', async (t) => {
  for (const [name, limit] of Object.entries(BUDGET)) {
    const size = await gzipped(name);
    t.diagnostic(`${name}: ${size} bytes gzipped`);
    assert.ok(size <= limit, `${name} has ${size} bytes gzipped, more than ${limit}`);
  }
});

test('says what it weighs', async () => {
  const readme = await readFile(join(here, 'README.md'), 'utf8');
  const [presence, follower] = await Promise.all(['presence.js', 'follower.js'].map(async (name) => ((await gzipped(name)) / 1024).toFixed(1)));
  assert.match(readme.replace(/\s+/g, ' '), new RegExp(`${presence} KiB gzipped, and ${follower} KiB more`));
});

test('each script has its source map, and names it', async () => {
  for (const name of Object.keys(BUDGET)) {
    assert.match(String(await built(name)), new RegExp(`//# sourceMappingURL=${name}\\.map\\n?$`));
    assert.equal(JSON.parse(String(await built(`${name}.map`))).version, 3);
  }
});

test('as a script it is one file, and Presence is global', async () => {
  const page = vm.createContext({ EventTarget, CustomEvent, AbortController, performance, setTimeout, clearTimeout, crypto, btoa });
  vm.runInContext(String(await built('presence.global.js')), page);
  assert.equal(typeof page.Presence, 'function');
  assert.equal(page.presence, undefined);
  assert.equal(vm.runInContext('new Presence().state', page), 'stopped');
  // it has what follows others in it
  vm.runInContext(`
    const reply = { user: 'a', status: 'online', interval_ms: 25000, idle_ms: 300000, server_time: Date.now() };
    var opened = '';
    var tab = new Presence({ stream: 'self', env: {
      fetch: async () => ({ ok: true, status: 200, json: async () => reply }),
      EventSource: class { constructor(url) { opened = url; } addEventListener() {} close() {} },
    } }).start();
  `, page);
  for (const end = Date.now() + 10_000; !page.opened && Date.now() < end;) await new Promise((resolve) => { setTimeout(resolve, 5); });
  assert.match(page.opened, /^\/presence\/stream\?users=a&session=/);
  page.tab.stop();
});

test('the package has what a user needs and nothing else, and works', { timeout: 120_000 }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'presence-pack-'));
  t.after(() => rm(dir, { recursive: true }));
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], { cwd: here });
  const [{ filename, files }] = JSON.parse(stdout);
  const paths = files.map(({ path }) => path);
  const strange = paths.filter((path) => !/^(dist\/[\w.-]+\.js(\.map)?|dist\/types\/[\w./-]+\.d\.ts|package\.json|README\.md|LICENSE)$/.test(path));
  assert.deepEqual(strange, []);
  for (const needed of ['dist/presence.js', 'dist/follower.js', 'dist/presence.global.js', 'dist/presence-worker.js',
    'dist/types/presence.d.ts', 'README.md', 'LICENSE']) assert.ok(paths.includes(needed), needed);

  const root = join(dir, 'node_modules', 'ngx-presence');
  await mkdir(root, { recursive: true });
  await run('tar', ['xzf', join(dir, filename), '-C', root, '--strip-components=1']);
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  assert.equal(manifest.dependencies, undefined);

  await writeFile(join(dir, 'package.json'), '{"type":"module"}');
  await writeFile(join(dir, 'use.js'), `
    import { Presence, backoff, version } from 'ngx-presence';
    const reply = { user: 'a', status: 'online', interval_ms: 25000, idle_ms: 300000, server_time: Date.now() };
    let beats = 0;
    const opened = [];
    const presence = new Presence({ env: {
      fetch: async () => (beats++, Response.json(reply)),
      EventSource: class { constructor(url) { opened.push(url); } addEventListener() {} close() {} },
      BroadcastChannel: undefined, locks: undefined,
    } });
    presence.start();
    const end = Date.now() + 10000;
    while (!opened.length && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const entry of ['board', 'status', 'worker', 'global']) await import.meta.resolve('ngx-presence/' + entry);
    console.log(JSON.stringify([presence.state, beats, opened.length, typeof backoff, version]));
    presence.stop();
  `);
  const used = await run(process.execPath, ['--experimental-import-meta-resolve', '--import', new URL('./globals.mjs', import.meta.url).href, 'use.js'], { cwd: dir });
  assert.deepEqual(JSON.parse(used.stdout), ['online', 1, 1, 'function', manifest.version]);

  await writeFile(join(dir, 'use.ts'), `
    import { Presence, type Snapshot } from 'ngx-presence';
    const presence: Presence = new Presence({ groups: ['agents'], include: 'offline', token: async () => 'x', activity: { ajax: false } }).start();
    const off: () => void = presence.subscribe((now: Snapshot) => now.members.get('a')?.status === 'online');
    presence.setStatus('busy', { until: Date.now() + 60000, text: null });
    const told: Promise<boolean> = presence.logout();
    // @ts-expect-error no such status
    presence.setStatus('lunch');
    // @ts-expect-error no such option
    new Presence({ grups: [] });
    export { off, told };
  `);
  await writeFile(join(dir, 'elements.ts'), `
    import 'ngx-presence/board';
    import { type PresenceStatus } from 'ngx-presence/status';
    import { Presence } from 'ngx-presence';
    const board = document.createElement('presence-board');
    board.presence = new Presence({ beat: false });
    board.filter = ({ status }) => status !== 'offline';
    board.nameOf = (member) => member.user.toUpperCase();
    const selected: string | null = board.selected;
    const status: PresenceStatus | null = document.querySelector('presence-status');
    // @ts-expect-error no such property
    board.member = 'a';
    // @ts-expect-error no Presence
    board.presence = { start: true };
    export { selected, status };
  `);
  await writeFile(join(dir, 'react.tsx'), `
    import { useRef } from 'react';
    import { type PresenceBoard } from 'ngx-presence/board';
    import { Presence } from 'ngx-presence';
    import { usePresence } from 'ngx-presence/react';
    const presence = new Presence();
    export function Page() {
      const board = useRef<PresenceBoard>(null);
      const { counts } = usePresence(presence);
      return <main title={String(counts.online)}>
        <presence-board ref={board} presence={presence} groups="agents" include-offline selectable className="wide" />
        <presence-status presence={presence} menu="inline" />
      </main>;
    }
    // @ts-expect-error no such attribute
    export const wrong = <presence-board grups="agents" />;
    // @ts-expect-error no Presence
    export const worse = <presence-status presence="mine" />;
  `);
  await symlink(join(here, 'node_modules', '@types'), join(dir, 'node_modules', '@types'));
  await symlink(join(here, 'node_modules', 'csstype'), join(dir, 'node_modules', 'csstype'));
  await run(process.execPath, [require.resolve('typescript/bin/tsc'), '--noEmit', '--strict', '--target', 'es2022',
    '--module', 'nodenext', '--moduleResolution', 'nodenext', '--lib', 'es2022,dom', '--jsx', 'react-jsx', 'use.ts', 'elements.ts', 'react.tsx'],
  { cwd: dir }).catch(({ stdout: said }) => assert.fail(said));
});
