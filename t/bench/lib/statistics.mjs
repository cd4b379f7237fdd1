export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;

  return sorted.length % 2
    ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/* How many times as much, round by round: two neighbours in time have the
   same luck. */
export const ratio = (values, base) =>
  median(values.map((value, i) => value / base[i]));
