// The package as npm packs it, used by pages that know nothing else of it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Chromium } from './lib/chromium.mjs';
import { SOON, visits } from './lib/visit.mjs';

const SOURCE = fileURLToPath(new URL('../../js/', import.meta.url));
const NAME = 'ngx-presence';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'presence-package-'));

after(() => fs.rmSync(root, { recursive: true }));

/* What "make js-build" has built, packed and unpacked. */
function unpack() {
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json',
    '--ignore-scripts', '--pack-destination', root], { cwd: SOURCE }));

  execFileSync('tar', ['-xzf', path.join(root, filename), '-C', root]);

  return JSON.parse(fs.readFileSync(path.join(root, 'package/package.json')));
}

const { exports } = unpack();

/* Names of a package's entries, as a bundler or an import map finds them. */
const imports = Object.fromEntries(Object.entries(exports)
  .map(([name, entry]) => [name.replace('.', NAME),
    `/packed/package/${entry.default ?? entry}`.replace('/./', '/')]));

fs.writeFileSync(path.join(root, 'module.html'), `<!doctype html>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module">
  import { Presence } from '${NAME}';
  import '${NAME}/board';

  globalThis.events = [];
  globalThis.presence = new Presence({ url: '/visit/',
    worker: import.meta.resolve('${NAME}/worker') }).start();
</script>
<presence-board></presence-board>
`);
fs.writeFileSync(path.join(root, 'script.html'), `<!doctype html>
<script src="${imports[`${NAME}/global`]}"></script>
<script>
  globalThis.events = [];
  globalThis.presence = new Presence({ url: '/visit/' }).start();
</script>
`);

const visit = visits(Chromium);

for (const page of ['module.html', 'script.html']) {
  visit(`the packed package in a page beats (${page})`, {
    server: `location /packed/ { alias ${root}/; }`,
  }, async (visit) => {
    const tab = visit.watch(await visit.window.tab());

    await visit.seen(() => tab.goto(`${visit.origin}/packed/${page}`));
    await visit.beatsOn(3);
    await tab.until(() => presence.live === 'live'
      && presence.member('ann')?.status === 'online', SOON, 'it follows');
    assert.equal(visit.beats.all().at(-1).diag.ticker, 'worker');

    if (page === 'module.html') {
      assert.ok(await tab.run(() => !!customElements.get('presence-board')));
    }

    /* two of them are one stream */
    const other = visit.watch(await visit.window.tab());

    await visit.seen(() => other.goto(`${visit.origin}/packed/${page}`));
    await other.until(() => presence.live === 'live'
      && presence.member('ann')?.status === 'online', SOON, 'it follows');
    assert.deepEqual(visit.news(), ['enter'], visit.story());
    await visit.assertNeverOffline();
  });
}


/* As a network that failed just then; Firefox would ask this address no more. */
visit('what could not be loaded is asked for by another address', {
  server: `location /packed/ { alias ${root}/; }
           location = ${new URL('later.js', `http://x${imports[NAME]}`).pathname} {
               if ($args = "") { return 444; }
               alias ${root}/package/dist/later.js;
           }`,
}, async (visit) => {
  const tab = visit.watch(await visit.window.tab());

  await visit.seen(() => tab.goto(`${visit.origin}/packed/module.html`));
  await tab.until(() => presence.live === 'live', SOON, 'it follows');
  await visit.beatsOn(1);
  assert.equal(visit.beats.all().at(-1).diag.ticker, 'worker');
});
