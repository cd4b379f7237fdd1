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

import internal from '../internal.mjs';
import * as sources from '../presence.js';
import { World, member, settle } from './fake.mjs';

const run = promisify(execFile);
const here = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const built = (name) => readFile(join(here, 'dist', name));
const gzipped = async (name) => gzipSync(await built(name), { level: 9 }).length;

/** Bytes, gzipped. */
const BUDGET = { 'presence.js': 6 * 1024, 'later.js': 5.5 * 1024, 'presence.global.js': 11 * 1024 };

test('keeps its size', async (t) => {
  for (const [name, limit] of Object.entries(BUDGET)) {
    const size = await gzipped(name);
    t.diagnostic(`${name}: ${size} bytes gzipped`);
    assert.ok(size <= limit, `${name} has ${size} bytes gzipped, more than ${limit}`);
  }
});

test('says what it weighs', async () => {
  const text = async (name) => (await readFile(join(here, name), 'utf8')).replace(/\s+/g, ' ');
  const kib = async (...names) => ((await Promise.all(names.map(gzipped))).reduce((a, b) => a + b) / 1024).toFixed(1);
  const [presence, later, both, global] = await Promise.all([kib('presence.js'), kib('later.js'), kib('presence.js', 'later.js'), kib('presence.global.js')]);
  const [readme, docs] = await Promise.all([text('README.md'), text('../docs/client.md')]);
  for (const [said, what] of [[readme, `${presence} KiB gzipped, and ${later} KiB more`], [docs, `\`presence.js\` | ${presence} KiB`],
    [docs, `\`later.js\` | ${later} KiB`], [docs, `\`presence.global.js\` | ${global} KiB`], [docs, `A page loads ${both} KiB in all`]]) {
    assert.ok(said.includes(what), what);
  }
});

test('each script has its source map, and names it', async () => {
  for (const name of Object.keys(BUDGET)) {
    assert.match(String(await built(name)), new RegExp(`//# sourceMappingURL=${name}\\.map\\n?$`));
    const { version, sources, sourcesContent } = JSON.parse(String(await built(`${name}.map`)));
    assert.equal(version, 3);
    for (const [n, source] of sources.entries()) {
      assert.equal(sourcesContent[n], await readFile(join(here, 'dist', source), 'utf8'), source);
    }
  }
});

/** All that goes out, and all that is told, in a life with something of everything. */
async function life({ Presence }, { Later }) {
  const said = [];
  const later = { env: { later: async () => ({ Later }) } };
  const world = new World();
  const staged = [];
  const fetchLater = (url, init) => {
    staged.push([url, init]);
    return { activated: staged.length < 3 };
  };
  const presence = world.presence({ stream: true, groups: ['agents'], meta: { desk: 4 }, token: () => 't', env: { ...later.env, fetchLater } }, Presence);
  for (const type of ['state', 'live', 'members', 'beat', 'recovered', 'rejected', 'denied', 'change']) {
    presence.on(type, (detail) => said.push([type, detail]));
  }
  presence.start();
  await settle();
  world.window.fire('keydown');
  presence.setStatus('busy', { until: world.wall + 60000, text: 'On a call' });
  await world.pass(30000);
  await world.hide();
  world.document.fire('freeze');
  world.stall(90000);
  world.document.fire('resume');
  await world.pass(100);
  world.sleep(60000);
  presence.wake('worker');
  for (const answer of [() => new TypeError('unreachable'), () => ({ status: 503, body: { type: 'x' }, headers: { 'Retry-After': '3' } }),
    () => ({ status: 400, body: { type: 'y' } }), () => world.reply({ recovered: { reason: 'missed', at: 1 } })]) {
    world.answer = answer;
    presence.setStatus('dnd');
    await world.pass(30000);
  }
  const told = presence.diagnose();
  world.window.fire('pagehide');
  world.window.fire('pageshow', { persisted: true });
  await settle();
  await presence.logout();
  world.answer = () => ({ status: 403, body: { type: 'z' } });
  presence.start();
  await settle();

  const other = new World();
  const looks = other.presence({ beat: false, stream: true, users: ['a'], ...later }, Presence);
  for (const type of ['state', 'live', 'members', 'change']) looks.on(type, (detail) => said.push([type, detail]));
  looks.start();
  await settle();
  other.stream.open();
  other.stream.send('presence_state', { members: [member('a')], more: false }, 'e-1');
  other.stream.send('presence_diff', { changes: [{ type: 'leave', member: member('a', { status: 'offline' }) }] }, 'e-2');
  other.stream.send('ping', { server_time: other.wall });
  other.stream.fail();
  await other.pass(60000);
  said.push(looks.diagnose(), other.streams.map(({ url }) => String(url)));
  looks.stop();

  const plain = (value) => JSON.stringify(value, (name, of) => (of instanceof Map ? [...of] : of instanceof Error ? String(of) : of), 1)
    .replaceAll(presence.doc, 'DOC').replaceAll(told.session, 'SESSION').replaceAll(looks.doc, 'DOC')
    .replaceAll(/[\w-]{22}/g, (id) => (/[A-Z]/.test(id) && /\d/.test(id) ? 'ID' : id));
  return plain({ said, told, staged, requests: world.requests });
}

test('what is built does what the sources do, letter by letter', async (t) => {
  t.mock.method(Math, 'random', () => 0.5);
  const [ours, built] = await Promise.all([
    life(sources, await import('../src/later.js')),
    life(await import('../dist/presence.js'), await import('../dist/later.js')),
  ]);
  assert.equal(built, ours);
});

test('nothing that is public has a name that the build makes shorter', async () => {
  const types = async (name) => (await readFile(join(here, `dist/types/src/${name}.d.ts`), 'utf8')).replace(/\/\*.*?\*\//gs, '');
  const declared = (await Promise.all(['presence', 'types', 'members', 'env', 'activity'].map(types))).join('\n').split(/^export /m)
    .filter((one) => !/^type Host|^class (?!Presence)/.test(one)).join('');
  for (const name of internal) assert.doesNotMatch(declared, new RegExp(`^\\s*(get |readonly )*${name}[?(]?[:(]`, 'm'));
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
  for (const needed of ['dist/presence.js', 'dist/later.js', 'dist/presence.global.js', 'dist/presence-worker.js',
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
