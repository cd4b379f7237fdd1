// What axe-core finds wrong with a page.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../../build/node/', import.meta.url));
const source = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');

/* Rules of WCAG 2.2 AA and axe's best practices. Returns findings as text. */
export async function check(page) {
  /* as the debugger does it: a policy of the page has no say in it */
  await page.evaluate(source);

  const { violations } = await page.evaluate(() => window.axe.run());

  return violations.flatMap(({ id, nodes }) => nodes.map(
    ({ target, failureSummary }) => `${id}: ${JSON.stringify(target)} `
      + failureSummary.replace(/\s+/g, ' ')));
}

/* The same in light and in dark, in a wide window and in a narrow one. */
export async function checkAll(page, what = '') {
  const findings = [];

  for (const [width, height] of [[390, 844], [1280, 900]]) {
    await page.setViewportSize({ width, height });

    for (const colorScheme of ['dark', 'light']) {
      await page.emulateMedia({ colorScheme });
      await page.evaluate(() => new Promise((done) => {
        requestAnimationFrame(() => requestAnimationFrame(done));
      }));
      findings.push(...(await check(page)).map(
        (finding) => `${what} ${colorScheme} ${width}: ${finding}`));
    }
  }

  return findings;
}
