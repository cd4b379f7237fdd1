// The scale of time: a hundred times faster than life, with the same ratios.

export const T = (seconds) => seconds * 10;

/* The replays' interval of 20 s, 3 misses, 300 s idle and 10 s grace. The
   slack is twice the usual share: the machine's own delays do not shrink. */
export const zone = {
  size: '8m',
  interval: T(20),
  misses: 3,
  slack: T(10),
  idle: T(300),
  leave_grace: T(10),
  max_interval: T(70),
  stream_life: T(600),
};

export const windowOf = (z) => z.misses * z.interval + z.slack;

/* Time from a deadline to its event that is always granted: the promise is
   a second, and that one does not scale. */
export const SECOND = 1000;
