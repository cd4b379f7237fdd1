// The package as npm would publish it, unpacked, and pages that import it.

import { execFileSync } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BUILD = path.join(ROOT, 'build/packed');
const MODULES = path.join(ROOT, 'build/node/node_modules');

/* Bundles each of the files, by name, with the packed package. */
export async function bundle(files) {
  const { build } = createRequire(`${MODULES}/`)('esbuild');
  const modules = path.join(BUILD, 'node_modules');
  const target = path.join(modules, 'ngx-presence');
  const pages = path.join(BUILD, 'pages');

  await rm(BUILD, { recursive: true, force: true });
  await mkdir(target, { recursive: true });

  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json',
    '--silent', '--ignore-scripts', `--pack-destination=${BUILD}`],
  { cwd: path.join(ROOT, 'js'), encoding: 'utf8' }));

  execFileSync('tar', ['-xzf', path.join(BUILD, filename), '-C', target,
    '--strip-components=1']);
  await build({
    entryPoints: Object.fromEntries(Object.entries(files)
      .map(([name, file]) => [name, path.join(ROOT, file)])),
    bundle: true, format: 'esm', splitting: true, outdir: pages,
    nodePaths: [modules, MODULES], logLevel: 'warning',
    define: { 'process.env.NODE_ENV': '"development"' },
  });

  return pages;
}
