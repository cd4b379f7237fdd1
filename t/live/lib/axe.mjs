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

/* The same in a wide window in light and in a narrow one in dark. */
export async function checkBoth(page, what = '') {
  const findings = [];

  for (const [colorScheme, width, height] of [['dark', 390, 844],
    ['light', 1280, 900]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height });
    await page.evaluate(() => new Promise((done) => {
      requestAnimationFrame(() => requestAnimationFrame(done));
    }));
    findings.push(...(await check(page)).map(
      (finding) => `${what} ${colorScheme} ${width}: ${finding}`));
  }

  return findings;
}
