// A wall clock that is wrong: for one process and its children.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const DIR = fileURLToPath(new URL('../../../build/live/', import.meta.url));
const LIBRARY = path.join(DIR, 'clock.so');

/* The monotonic clock stays right, as it does when an administrator sets the
   time. The kernel is asked itself, for libc's functions are these. */
const SOURCE = `
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long shift;

/* nginx' workers, who are forked, have no such variable any more */

__attribute__((constructor)) static void start(void)
{
    shift = atol(getenv("PRESENCE_TEST_CLOCK"));
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int rc = syscall(SYS_clock_gettime, id, ts);

    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        ts->tv_sec += shift;
    }

    return rc;
}

int gettimeofday(struct timeval *tv, void *zone)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}

time_t time(time_t *t)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    if (t) {
        *t = ts.tv_sec;
    }

    return ts.tv_sec;
}
`;

/* Variables of a process whose wall clock is so many seconds ahead. */
export function clockShifted(seconds) {
  fs.mkdirSync(DIR, { recursive: true });

  const own = `${LIBRARY}.${process.pid}`;

  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-w', '-x', 'c', '-o', own,
    '-'], { input: SOURCE });
  fs.renameSync(own, LIBRARY);

  return { LD_PRELOAD: LIBRARY, PRESENCE_TEST_CLOCK: `${seconds}` };
}
