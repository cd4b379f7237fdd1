// Makes dist/: the client as one module and what it loads a moment later, as
// one script, its worker, and the types of all.
//
// node build.mjs

import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import internal from './internal.mjs';

const require = createRequire(import.meta.url);
const esbuild = require('esbuild');
const { minify } = require('terser');
const here = fileURLToPath(new URL('.', import.meta.url));
const { version, license } = require('./package.json');

const common = {
  absWorkingDir: here,
  outdir: 'dist',
  bundle: true,
  minify: true,
  sourcemap: true,
  target: 'es2022',
  legalComments: 'none',
  banner: { js: `/* ngx-presence ${version}, ${license} */` },
  logLevel: 'warning',
};

/** What the parts call each other by must be the same in all of them. */
let shortened = {};

/** The client has a size to keep: what esbuild makes is minified once more. */
async function client(name, entry, options) {
  const { outputFiles, mangleCache } = await esbuild.build({
    ...common, ...options, entryPoints: { [name]: entry }, write: false,
    minify: false, minifySyntax: true, minifyIdentifiers: true,
    mangleProps: new RegExp(`^(${internal.join('|')})$`), mangleCache: shortened,
  });
  const file = `${name}.js`;
  const text = (end) => outputFiles.find(({ path }) => path.endsWith(end)).text;
  const { code, map } = await minify(text('.js'), {
    module: options.format === 'esm', ecma: 2022, compress: { passes: 2 },
    format: { comments: /^ ngx-presence|webpackIgnore/ },
    sourceMap: { content: text('.map'), filename: file, url: `${file}.map`, includeSources: true },
  });
  shortened = mangleCache;
  await writeFile(new URL(`dist/${file}`, import.meta.url), code);
  await writeFile(new URL(`dist/${file}.map`, import.meta.url), map);
}

await rm(new URL('dist', import.meta.url), { recursive: true, force: true });
await mkdir(new URL('dist', import.meta.url));

// What is loaded later stays a file of its own.
await client('presence', 'src/presence.js', { format: 'esm', external: ['./later.js'] });
await client('later', 'src/later.js', { format: 'esm' });
await client('presence.global', 'src/global.js', { format: 'iife' });
await Promise.all([
  esbuild.build({ ...common, format: 'esm', entryPoints: { 'presence-worker': 'src/worker.js' } }),
  // The elements use the client that the page has, and share what they share;
  // the hooks use the page's React.
  esbuild.build({ ...common, format: 'esm', entryPoints: { board: 'board.js', status: 'status.js', react: 'react.js' },
    splitting: true, chunkNames: 'elements', external: ['./presence.js', 'react'] }),
]);

for (const project of ['tsconfig.json', 'tsconfig.types.json']) {
  execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '--project', project],
    { cwd: here, stdio: 'inherit' });
}

// What JSDoc cannot say: the elements' names, for the DOM and for JSX.
for (const name of ['board', 'status', 'react']) {
  await appendFile(new URL(`dist/types/${name}.d.ts`, import.meta.url), await readFile(new URL(`types/${name}.d.ts`, import.meta.url)));
}
