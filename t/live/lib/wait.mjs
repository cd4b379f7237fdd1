// Waiting: for a condition, with a deadline that names what was waited for.

export const now = Date.now;

/* Let scenario time go by: silence is part of many scenarios. Never a way to
   wait for something to happen: that is until(). */
export const pass = (ms) => new Promise((done) => setTimeout(done, ms));

export async function until(condition, ms, what) {
  const end = now() + ms;

  for (;;) {
    const value = await condition();

    if (value) {
      return value;
    }

    if (now() >= end) {
      throw new Error(`not within ${ms} ms: ${what}`);
    }

    await pass(10);
  }
}

export async function within(promise, ms, what) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(
      () => fail(new Error(`not within ${ms} ms: ${what}`)), ms);
  });

  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
