/**
 * Delay before the next attempt: exponential, capped, and jittered from the
 * first, so that a thousand clients do not return as one.
 *
 * @param {number} n  failures before this one
 * @param {() => number} [random]
 * @param {number} [cap]  ms; where it is short the first delay is shorter too
 */
export function backoff(n, random = Math.random, cap = 30000) {
  return Math.min(cap, Math.min(1000, cap / 5) * 2 ** n) * (0.5 + random() / 2);
}

/**
 * Milliseconds that a `Retry-After` header asks for (RFC 9110, 10.2.3); 0 if
 * it asks nothing, an hour at most.
 *
 * @param {string|null|undefined} value  seconds or a date
 * @param {number} now
 */
export function retryAfter(value, now) {
  if (!value) return 0;
  const seconds = Number(value);
  const ms = seconds >= 0 ? seconds * 1000 : Date.parse(value) - now;
  return Math.min(Math.max(ms || 0, 0), 3600000);
}
