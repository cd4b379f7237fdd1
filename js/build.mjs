// Makes dist/: the client as one module and what it loads when it is wanted,
// as one script, its worker, and the types of all.
//
// node build.mjs

import { execFileSync } from 'node:child_process';
import { appendFile, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const esbuild = require('esbuild');
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

await rm(new URL('dist', import.meta.url), { recursive: true, force: true });

await Promise.all([
  // What is loaded later stays a file of its own.
  esbuild.build({ ...common, format: 'esm', entryPoints: { presence: 'src/presence.js' }, external: ['./follower.js'] }),
  esbuild.build({ ...common, format: 'esm', entryPoints: { follower: 'src/follower.js', 'presence-worker': 'src/worker.js' } }),
  // The elements use the client that the page has, and share what they share;
  // the hooks use the page's React.
  esbuild.build({ ...common, format: 'esm', entryPoints: { board: 'board.js', status: 'status.js', react: 'react.js' },
    splitting: true, chunkNames: 'elements', external: ['./presence.js', 'react'] }),
  esbuild.build({ ...common, format: 'iife', entryPoints: { 'presence.global': 'src/global.js' } }),
]);

for (const project of ['tsconfig.json', 'tsconfig.types.json']) {
  execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '--project', project],
    { cwd: here, stdio: 'inherit' });
}

// What JSDoc cannot say: the elements' names, for the DOM and for JSX.
for (const name of ['board', 'status', 'react']) {
  await appendFile(new URL(`dist/types/${name}.d.ts`, import.meta.url), await readFile(new URL(`types/${name}.d.ts`, import.meta.url)));
}
