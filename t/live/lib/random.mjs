// Numbers by chance, the same for the same seed.

/* mulberry32. Returns what gives the next one of 0 to n - 1. */
export function random(seed) {
  let a = seed;

  return (n) => {
    a = (a + 0x6d2b79f5) | 0;

    let t = Math.imul(a ^ (a >>> 15), 1 | a);

    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;

    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}
