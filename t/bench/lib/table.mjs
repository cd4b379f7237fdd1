// Tables for a terminal.

const LOCALE = 'en-US';

/* Three digits that mean something, or all of those before the point. */
function cell(value) {
  if (typeof value !== 'number') {
    return value ?? '';
  }

  const size = Math.abs(value);
  const digits = Number.isInteger(value) || size >= 100 ? 0
    : size >= 10 ? 1 : 2;

  return value.toLocaleString(LOCALE, { minimumFractionDigits: digits,
    maximumFractionDigits: digits });
}

export const times = (ratio) => `× ${ratio.toFixed(2)}`;

export function print({ title, columns, rows, notes = [], others }) {
  const lines = [columns, ...rows].map((row) => row.map(cell));
  const widths = columns.map((_, i) =>
    Math.max(...lines.map((line) => (line[i] ?? '').length)));

  console.log(`\n${title}`);

  for (const line of lines) {
    console.log(`  ${widths.map((width, i) => i === 0
      ? (line[i] ?? '').padEnd(width)
      : (line[i] ?? '').padStart(width)).join('  ')}`.trimEnd());
  }

  for (const note of notes) {
    console.log(`  ${note}`);
  }

  if (others > 0.15) {
    console.log(`  others kept ${others.toFixed(1)} CPUs busy meanwhile`);
  }
}
