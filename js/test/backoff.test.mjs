import assert from 'node:assert/strict';
import test from 'node:test';

import { backoff, retryAfter } from '../presence.js';

test('doubles from one second and stops at thirty', () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 50].map((n) => backoff(n, () => 1));
  assert.deepEqual(longest, [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
});

test('has at least half of the delay, and jitter from the first attempt on', () => {
  assert.equal(backoff(0, () => 0), 500);
  assert.equal(backoff(9, () => 0), 15000);
  assert.notEqual(backoff(0, () => 0.2), backoff(0, () => 0.8));
});

test('Retry-After: seconds, a date, nonsense', () => {
  const now = Date.parse('2026-11-01T12:00:00Z');
  assert.equal(retryAfter('7', now), 7000);
  assert.equal(retryAfter(' 120 ', now), 120000);
  assert.equal(retryAfter('Sun, 01 Nov 2026 12:00:30 GMT', now), 30000);
  assert.equal(retryAfter('Sun, 01 Nov 2026 11:00:00 GMT', now), 0);
  for (const nothing of [null, undefined, '', 'soon', '-5']) assert.equal(retryAfter(nothing, now), 0);
});

test('Retry-After never silences a client for more than an hour', () => {
  assert.equal(retryAfter('999999999', 0), 3600000);
});
