// The scale of time: much faster than life, with the same ratios.

/* A zone as the replays have it: interval 20 s, 3 misses, 300 s idle, 10 s
   grace. The slack is twice the usual share, for the machine's own delays do
   not shrink with the rest. */
export const scaled = (T) => ({
  size: '8m',
  interval: T(20),
  misses: 3,
  slack: T(10),
  idle: T(300),
  leave_grace: T(10),
  max_interval: T(70),
  stream_life: T(600),
});

/* A second of a replay, in milliseconds: a hundred times faster. */
export const T = (seconds) => seconds * 10;

/* Where single missed beats are counted, so that a tab a little late is not
   taken for one: forty times faster. */
export const SLOW = (seconds) => seconds * 25;

export const zone = scaled(T);

export const windowOf = (z) => z.misses * z.interval + z.slack;

/* Time from a deadline to its event that is always granted: the promise is
   a second, and that one does not scale. */
export const SECOND = 1000;
