// Figures of the module, next to what nginx itself costs. They are printed and
// judged by nobody: only a wrong answer makes this fail.
//
//   run [SECTION…]   NGINX=… MODULE=… QUICK=1 PATIENCE=seconds
//
// The server has one core and the load another. Compare only what one run
// prints, and CPU time rather than rates when others use the machine as well.

import os from 'node:os';

import { elsewhere, SERVER_CPU, LOAD_CPU } from './lib/cpu.mjs';
import { build } from './lib/load.mjs';
import * as table from './lib/table.mjs';

const USUAL = ['beats', 'memory', 'sweep', 'latency', 'fanout'];
const LARGE = ['growth', 'reload'];

const quick = !['', '0', undefined].includes(process.env.QUICK);
const sections = process.argv.slice(2);

if (sections.some((name) => ![...USUAL, ...LARGE].includes(name))) {
  console.error(`usage: [QUICK=1] t/bench/run [SECTION...]
  sections: ${USUAL.join(', ')} (all of these if none is named);
            ${LARGE.join(', ')} (1,000,000 sessions: 2 GB, some minutes)`);
  process.exit(2);
}

console.log(`${os.cpus()[0]?.model.trim()}, Linux ${os.release()}, `
  + `server on CPU ${SERVER_CPU}, load on CPU ${LOAD_CPU}`
  + (SERVER_CPU === LOAD_CPU ? ': the rates are of both together' : ''));

async function report(name) {
  const { measure } = await import(`./sections/${name}.mjs`);
  const others = elsewhere();
  const result = await measure(quick);

  table.print({ ...result, others: others() });
}

try {
  build();

  for (const name of sections.length ? sections : USUAL) {
    await report(name);
  }
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
