/*
 * The presence clock: what it counts, what it forgives, and what wall time it
 * gives for the times on it.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ngx_http_presence_rules.h"


#define T0     NGX_HTTP_PRESENCE_CLOCK_START
#define MONO   5000000
#define WALL   1790000000000
#define LIMIT  1000


static uint64_t  random_state;


static uint32_t
random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;

    return (uint32_t) (random_state >> 32) % n;
}


static void
start(ngx_http_presence_clock_t *clock)
{
    /* memory that held something else before */

    memset(clock, 0xa5, sizeof(ngx_http_presence_clock_t));

    ngx_http_presence_clock_start(clock, MONO, WALL);
}


/* both clocks of the machine at "at" milliseconds after the start */

static ngx_http_presence_ms_t
advance(ngx_http_presence_clock_t *clock, ngx_http_presence_ms_t at)
{
    return ngx_http_presence_clock_advance(clock, MONO + at, WALL + at, LIMIT);
}


static ngx_http_presence_ms_t
wall(const ngx_http_presence_clock_t *clock, ngx_http_presence_ms_t at)
{
    return ngx_http_presence_clock_wall(clock, at);
}


static ngx_http_presence_ms_t
at_wall(const ngx_http_presence_clock_t *clock, ngx_http_presence_ms_t wall)
{
    return ngx_http_presence_clock_at(clock, wall);
}


static void
test_start(void **state)
{
    ngx_http_presence_clock_t  clock;

    (void) state;

    start(&clock);

    assert_int_equal(clock.now, T0);
    assert_int_equal(clock.mono, MONO);
    assert_int_equal(clock.forgiven, 0);
    assert_int_equal(wall(&clock, T0), WALL);
    assert_int_equal(wall(&clock, T0 - 12345), WALL - 12345);

    /* an age of a century is still a positive time */

    assert_true(T0 > (ngx_http_presence_ms_t) 100 * 366 * 86400 * 1000);
}


static void
test_start_again(void **state)
{
    ngx_http_presence_clock_t  clock;

    (void) state;

    /* nothing of an earlier life is left */

    start(&clock);
    advance(&clock, 5000);
    ngx_http_presence_clock_start(&clock, 77, WALL + 9999);

    assert_int_equal(clock.now, T0);
    assert_int_equal(clock.mono, 77);
    assert_int_equal(clock.forgiven, 0);
    assert_int_equal(wall(&clock, T0 - 10), WALL + 9989);
}


static void
test_advance(void **state)
{
    ngx_http_presence_clock_t  clock;

    (void) state;

    start(&clock);

    assert_int_equal(advance(&clock, 1), 0);
    assert_int_equal(clock.now, T0 + 1);
    assert_int_equal(clock.mono, MONO + 1);

    assert_int_equal(advance(&clock, 500), 0);
    assert_int_equal(clock.now, T0 + 500);
    assert_int_equal(wall(&clock, T0 + 500), WALL + 500);
    assert_int_equal(clock.forgiven, 0);
}


static void
test_advance_older(void **state)
{
    ngx_http_presence_clock_t  clock, before;

    (void) state;

    start(&clock);
    advance(&clock, 500);
    before = clock;

    /* the same instant, and that of a worker with an older cached time */

    assert_int_equal(advance(&clock, 500), 0);
    assert_memory_equal(&clock, &before, sizeof(clock));

    assert_int_equal(advance(&clock, 499), 0);
    assert_memory_equal(&clock, &before, sizeof(clock));

    assert_int_equal(advance(&clock, -100000), 0);
    assert_memory_equal(&clock, &before, sizeof(clock));

    /* nothing was lost by it */

    assert_int_equal(advance(&clock, 501), 0);
    assert_int_equal(clock.now, T0 + 501);
}


static void
test_limit(void **state)
{
    ngx_http_presence_clock_t  clock;

    (void) state;

    start(&clock);

    assert_int_equal(advance(&clock, LIMIT), 0);
    assert_int_equal(clock.now, T0 + LIMIT);
    assert_int_equal(clock.forgiven, 0);

    assert_int_equal(advance(&clock, LIMIT + LIMIT + 1), LIMIT);
    assert_int_equal(clock.now, T0 + LIMIT + 1);
    assert_int_equal(clock.mono, MONO + LIMIT + LIMIT + 1);
    assert_int_equal(clock.forgiven, LIMIT);

    /* and the clock goes on from there */

    assert_int_equal(advance(&clock, LIMIT + LIMIT + 2), 0);
    assert_int_equal(clock.now, T0 + LIMIT + 2);
}


static void
test_forgiven(void **state)
{
    int                        i;
    ngx_http_presence_ms_t     at, sum;
    ngx_http_presence_clock_t  clock;

    (void) state;

    start(&clock);

    at = 0;
    sum = 0;

    for (i = 1; i <= 20; i++) {
        at += 10;
        sum += advance(&clock, at);
        at += LIMIT + i;
        sum += advance(&clock, at);
    }

    assert_int_equal(sum, 20 * (LIMIT - 1) + 210);
    assert_int_equal(clock.forgiven, sum);
    assert_int_equal(clock.now - T0 + clock.forgiven, at);
}


static void
test_wall_around_deafness(void **state)
{
    ngx_http_presence_clock_t  clock;

    (void) state;

    start(&clock);
    advance(&clock, 400);
    advance(&clock, 400 + 60000);

    /* the last instant before it, and the first after it */

    assert_int_equal(wall(&clock, T0), WALL);
    assert_int_equal(wall(&clock, T0 + 399), WALL + 399);
    assert_int_equal(wall(&clock, T0 + 400), WALL + 400);
    assert_int_equal(clock.now, T0 + 401);
    assert_int_equal(wall(&clock, T0 + 401), WALL + 400 + 60000);

    /* deadlines are in the future */

    assert_int_equal(wall(&clock, T0 + 501), WALL + 500 + 60000);
}


static void
test_wall_many_episodes(void **state)
{
    int                        i, n;
    ngx_http_presence_ms_t     real, off, sum, before[20], after[20], at[20];
    ngx_http_presence_clock_t  clock;

    (void) state;

    start(&clock);
    real = 0;
    sum = 0;

    for (n = 0; n < 20; n++) {
        real += 100 + n;
        advance(&clock, real);
        at[n] = clock.now;
        before[n] = WALL + real;

        real += 2000 + 17 * n;
        advance(&clock, real);
        after[n] = WALL + real;

        sum += 2000 + 17 * n - 1;
        assert_int_equal(clock.forgiven, sum);
        assert_int_equal(clock.nepisodes, (n < 8) ? n + 1 : 8);

        off = 0;

        for (i = 0; i <= n; i++) {

            /* exact since the eighth last one, and before the first one */

            if (i == 0 || i > n - 7) {
                assert_int_equal(wall(&clock, at[i]), before[i]);
            }

            if (i >= n - 7) {
                assert_int_equal(wall(&clock, at[i] + 1), after[i]);
            }

            /* in between too early, by all that was deaf before them */

            if (i > 0 && i <= n - 7) {
                assert_int_equal(wall(&clock, at[i]), before[i] - off);
                assert_true(wall(&clock, at[i]) > wall(&clock, at[i - 1]));
            }

            if (i < n - 7) {
                assert_int_equal(wall(&clock, at[i] + 1), wall(&clock, at[i])
                                                          + 1);
            }

            off += 2000 + 17 * i - 1;
        }
    }
}


static void
test_wall_step(void **state)
{
    ngx_http_presence_ms_t     step;
    ngx_http_presence_clock_t  clock;

    (void) state;

    for (step = -3600000; step <= 3600000; step += 7200000) {
        start(&clock);
        advance(&clock, 100);

        assert_int_equal(ngx_http_presence_clock_advance(&clock, MONO + 200,
                                               WALL + 200 + step, LIMIT),
                         0);

        /* no presence time knows of it: differences are what they were */

        assert_int_equal(clock.now, T0 + 200);
        assert_int_equal(clock.forgiven, 0);

        /* what is told to people is told by the clock that they see now */

        assert_int_equal(wall(&clock, T0 + 200), WALL + 200 + step);
        assert_int_equal(wall(&clock, T0 + 100), WALL + 100 + step);

        /* and back */

        advance(&clock, 300);
        assert_int_equal(clock.now, T0 + 300);
        assert_int_equal(clock.forgiven, 0);
        assert_int_equal(wall(&clock, T0 + 300), WALL + 300);
        assert_int_equal(wall(&clock, T0 + 100), WALL + 100);
    }
}


static void
test_wall_step_older(void **state)
{
    ngx_http_presence_clock_t  clock, before;

    (void) state;

    /* a worker with an older time has an older wall time as well */

    start(&clock);
    advance(&clock, 200);
    before = clock;

    assert_int_equal(ngx_http_presence_clock_advance(&clock, MONO + 200,
                                                     WALL - 3600000, LIMIT),
                     0);
    assert_memory_equal(&clock, &before, sizeof(clock));

    assert_int_equal(ngx_http_presence_clock_advance(&clock, MONO + 100,
                                                     WALL - 3600000, LIMIT),
                     0);
    assert_memory_equal(&clock, &before, sizeof(clock));
}


static void
test_wall_jitter(void **state)
{
    int                        i;
    ngx_http_presence_ms_t     off;
    ngx_http_presence_clock_t  clock;

    (void) state;

    start(&clock);

    /* small differences move no past time, to either side */

    for (i = 1; i <= 100; i++) {
        off = (i & 1) ? NGX_HTTP_PRESENCE_CLOCK_STEP
                      : -NGX_HTTP_PRESENCE_CLOCK_STEP;

        ngx_http_presence_clock_advance(&clock, MONO + i, WALL + i + off,
                                        LIMIT);

        assert_int_equal(wall(&clock, T0), WALL);
        assert_int_equal(wall(&clock, clock.now), WALL + i);
    }
}


static void
test_wall_step_boundary(void **state)
{
    ngx_http_presence_ms_t     off;
    ngx_http_presence_clock_t  clock;

    (void) state;

    off = NGX_HTTP_PRESENCE_CLOCK_STEP + 1;

    start(&clock);
    ngx_http_presence_clock_advance(&clock, MONO + 1, WALL + 1 + off, LIMIT);
    assert_int_equal(wall(&clock, T0 + 1), WALL + 1 + off);

    start(&clock);
    ngx_http_presence_clock_advance(&clock, MONO + 1, WALL + 1 - off, LIMIT);
    assert_int_equal(wall(&clock, T0 + 1), WALL + 1 - off);

    /* drift comes to the same in the end, and counts from what was set */

    ngx_http_presence_clock_advance(&clock, MONO + 2, WALL + 2 - off
                                    - NGX_HTTP_PRESENCE_CLOCK_STEP, LIMIT);
    assert_int_equal(wall(&clock, T0 + 2), WALL + 2 - off);

    ngx_http_presence_clock_advance(&clock, MONO + 3, WALL + 3 - 2 * off,
                                    LIMIT);
    assert_int_equal(wall(&clock, T0 + 3), WALL + 3 - 2 * off);
}


static void
test_wall_step_in_deafness(void **state)
{
    ngx_http_presence_ms_t     step;
    ngx_http_presence_clock_t  clock;

    (void) state;

    /* a machine that was suspended, and whose wall clock was set on resume */

    for (step = -7200000; step <= 7200000; step += 14400000) {
        start(&clock);
        advance(&clock, 100);

        assert_int_equal(ngx_http_presence_clock_advance(&clock,
                                  MONO + 60100, WALL + 60100 + step, LIMIT),
                         59999);

        assert_int_equal(clock.now, T0 + 101);
        assert_int_equal(wall(&clock, T0 + 101), WALL + 60100 + step);
        assert_int_equal(wall(&clock, T0 + 100), WALL + 100 + step);
    }
}


static void
test_suspended_without_mono(void **state)
{
    ngx_http_presence_clock_t  clock;

    (void) state;

    /* CLOCK_MONOTONIC stands still in a suspend: only the wall shows it */

    start(&clock);
    advance(&clock, 100);

    assert_int_equal(ngx_http_presence_clock_advance(&clock, MONO + 150,
                                              WALL + 150 + 3600000, LIMIT),
                     0);
    assert_int_equal(clock.now, T0 + 150);
    assert_int_equal(wall(&clock, T0 + 150), WALL + 150 + 3600000);
}


static void
test_downtime(void **state)
{
    ngx_http_presence_clock_t  clock;

    (void) state;

    start(&clock);
    advance(&clock, 100);
    ngx_http_presence_clock_forgive(&clock, 90000);

    assert_int_equal(clock.now, T0 + 101);
    assert_int_equal(wall(&clock, T0 + 100), WALL + 100);
    assert_int_equal(wall(&clock, T0 + 101), WALL + 100 + 90000);

    /* the one millisecond by which the clock moved was not forgiven */

    assert_int_equal(clock.forgiven, 90000 - 1);

    /* the machine was rebooted meanwhile: its monotonic clock began anew */

    clock.mono = 7;
    assert_int_equal(ngx_http_presence_clock_advance(&clock, 7 + 50,
                                              WALL + 100 + 90000 + 50, LIMIT),
                     0);
    assert_int_equal(clock.now, T0 + 151);
    assert_int_equal(wall(&clock, T0 + 151), WALL + 100 + 90000 + 50);
    assert_int_equal(wall(&clock, T0 + 100), WALL + 100);
}


static void
test_downtime_none(void **state)
{
    int                        length;
    ngx_http_presence_clock_t  clock;

    (void) state;

    /* a restart within a millisecond; the clock moves on all the same */

    for (length = 0; length <= 2; length++) {
        start(&clock);
        advance(&clock, 100);
        ngx_http_presence_clock_forgive(&clock, length);

        assert_int_equal(clock.now, T0 + 101);
        assert_int_equal(clock.forgiven, length - 1);
        assert_int_equal(wall(&clock, T0 + 100), WALL + 100);
        assert_int_equal(wall(&clock, T0 + 101), WALL + 100 + length);
        assert_int_equal(at_wall(&clock, WALL + 99), T0 + 99);
        assert_int_equal(at_wall(&clock, WALL + 100 + length), T0 + 101);
        assert_int_equal(at_wall(&clock, WALL + 101 + length), T0 + 102);
    }
}


static void
test_downtime_between_deafness(void **state)
{
    int                        i;
    ngx_http_presence_ms_t     sum;
    ngx_http_presence_clock_t  clock;

    (void) state;

    /* both kinds are one to the total and to what is kept */

    start(&clock);
    sum = 0;

    for (i = 0; i < 15; i++) {
        if (i & 1) {
            sum += ngx_http_presence_clock_advance(&clock, clock.mono + 5000,
                                                   WALL + sum + i + 5000,
                                                   LIMIT);

        } else {
            ngx_http_presence_clock_forgive(&clock, 300);
            sum += 299;
        }

        assert_int_equal(clock.forgiven, sum);
        assert_int_equal(clock.now, T0 + i + 1);
        assert_int_equal(wall(&clock, clock.now), WALL + sum + i + 1);
        assert_int_equal(wall(&clock, T0), WALL);
    }
}


static void
test_at(void **state)
{
    ngx_http_presence_clock_t  clock;

    (void) state;

    /* never deaf */

    start(&clock);
    assert_int_equal(at_wall(&clock, WALL), T0);
    assert_int_equal(at_wall(&clock, WALL - 12345), T0 - 12345);
    assert_int_equal(at_wall(&clock, WALL + 12345), T0 + 12345);
    assert_int_equal(at_wall(&clock, 0), T0 - WALL);

    advance(&clock, 400);
    assert_int_equal(at_wall(&clock, WALL), T0);
    assert_int_equal(at_wall(&clock, WALL + 400), T0 + 400);
    assert_int_equal(at_wall(&clock, WALL + 401), T0 + 401);

    /* before, and the last instant at which somebody listened */

    advance(&clock, 400 + 60000);
    assert_int_equal(at_wall(&clock, WALL - 12345), T0 - 12345);
    assert_int_equal(at_wall(&clock, WALL + 399), T0 + 399);
    assert_int_equal(at_wall(&clock, WALL + 400), T0 + 400);

    /* within */

    assert_int_equal(at_wall(&clock, WALL + 401), T0 + 400);
    assert_int_equal(at_wall(&clock, WALL + 30000), T0 + 400);
    assert_int_equal(at_wall(&clock, WALL + 400 + 59999), T0 + 400);

    /* the first instant after it, and later */

    assert_int_equal(at_wall(&clock, WALL + 400 + 60000), T0 + 401);
    assert_int_equal(at_wall(&clock, WALL + 400 + 60001), T0 + 402);
    assert_int_equal(at_wall(&clock, WALL + 500 + 60000), T0 + 501);
}


static void
test_at_episodes(void **state)
{
    ngx_http_presence_clock_t  clock;

    (void) state;

    /* two that follow each other at once, and a third one */

    start(&clock);
    advance(&clock, 400);
    advance(&clock, 5400);
    advance(&clock, 7400);
    advance(&clock, 8000);
    advance(&clock, 18000);

    assert_int_equal(at_wall(&clock, WALL + 399), T0 + 399);
    assert_int_equal(at_wall(&clock, WALL + 400), T0 + 400);
    assert_int_equal(at_wall(&clock, WALL + 401), T0 + 400);
    assert_int_equal(at_wall(&clock, WALL + 5399), T0 + 400);

    assert_int_equal(at_wall(&clock, WALL + 5400), T0 + 401);
    assert_int_equal(at_wall(&clock, WALL + 5401), T0 + 401);
    assert_int_equal(at_wall(&clock, WALL + 7399), T0 + 401);

    assert_int_equal(at_wall(&clock, WALL + 7400), T0 + 402);
    assert_int_equal(at_wall(&clock, WALL + 7401), T0 + 403);
    assert_int_equal(at_wall(&clock, WALL + 8000), T0 + 1002);
    assert_int_equal(at_wall(&clock, WALL + 8001), T0 + 1002);
    assert_int_equal(at_wall(&clock, WALL + 17999), T0 + 1002);
    assert_int_equal(at_wall(&clock, WALL + 18000), T0 + 1003);
    assert_int_equal(at_wall(&clock, WALL + 18100), T0 + 1103);
}


static void
test_at_merged(void **state)
{
    int                        i;
    ngx_http_presence_clock_t  clock;

    (void) state;

    /* nine of 1000 ms, after 100 ms each */

    start(&clock);

    for (i = 0; i < 9; i++) {
        ngx_http_presence_clock_advance(&clock, clock.mono + 100,
                                        WALL + i * 1100 + 100, LIMIT);
        ngx_http_presence_clock_forgive(&clock, 1000);
        clock.mono += 1000;
    }

    assert_int_equal(clock.nepisodes, 8);
    assert_int_equal(clock.now, T0 + 9 * 101);

    /* before the first one as it was */

    assert_int_equal(at_wall(&clock, WALL + 99), T0 + 99);
    assert_int_equal(at_wall(&clock, WALL + 100), T0 + 100);

    /* the two became one, where the second was */

    assert_int_equal(at_wall(&clock, WALL + 101), T0 + 101);
    assert_int_equal(at_wall(&clock, WALL + 201), T0 + 201);
    assert_int_equal(at_wall(&clock, WALL + 202), T0 + 201);
    assert_int_equal(at_wall(&clock, WALL + 2199), T0 + 201);

    /* from its end on as it was */

    assert_int_equal(at_wall(&clock, WALL + 2200), T0 + 202);
    assert_int_equal(at_wall(&clock, WALL + 2300), T0 + 302);
    assert_int_equal(at_wall(&clock, WALL + 2301), T0 + 302);
    assert_int_equal(at_wall(&clock, WALL + 3299), T0 + 302);
    assert_int_equal(at_wall(&clock, WALL + 3300), T0 + 303);
    assert_int_equal(at_wall(&clock, WALL + 9900), T0 + 909);
}


static void
test_at_wall_step(void **state)
{
    ngx_http_presence_ms_t     step;
    ngx_http_presence_clock_t  clock;

    (void) state;

    /* past times are told by the clock that people see now */

    for (step = -3600000; step <= 3600000; step += 7200000) {
        start(&clock);
        advance(&clock, 100);
        advance(&clock, 5100);
        ngx_http_presence_clock_advance(&clock, MONO + 5200,
                                        WALL + 5200 + step, LIMIT);

        assert_int_equal(at_wall(&clock, WALL + 100 + step), T0 + 100);
        assert_int_equal(at_wall(&clock, WALL + 101 + step), T0 + 100);
        assert_int_equal(at_wall(&clock, WALL + 5099 + step), T0 + 100);
        assert_int_equal(at_wall(&clock, WALL + 5100 + step), T0 + 101);
        assert_int_equal(at_wall(&clock, WALL + 5200 + step), T0 + 201);

        /* a step within an episode is none of its length */

        ngx_http_presence_clock_advance(&clock, MONO + 9200,
                                        WALL + 9200 + 2 * step, LIMIT);

        assert_int_equal(at_wall(&clock, WALL + 100 + 2 * step), T0 + 100);
        assert_int_equal(at_wall(&clock, WALL + 5100 + 2 * step), T0 + 101);
        assert_int_equal(at_wall(&clock, WALL + 5200 + 2 * step), T0 + 201);
        assert_int_equal(at_wall(&clock, WALL + 9199 + 2 * step), T0 + 201);
        assert_int_equal(at_wall(&clock, WALL + 9200 + 2 * step), T0 + 202);
    }
}


static void
test_at_round_trip(void **state)
{
    int                        round, i, n;
    ngx_http_presence_ms_t     t, w, at;
    ngx_http_presence_clock_t  clock;

    (void) state;

    random_state = 88172645463325252;

    /* each millisecond, with any number of episodes, merged ones too */

    for (round = 0; round < 300; round++) {
        start(&clock);
        n = (int) random_below(14);

        for (i = 0; i < n; i++) {
            t = random_below(3) * random_below(20);
            ngx_http_presence_clock_advance(&clock, clock.mono + t,
                                            wall(&clock, clock.now) + t,
                                            LIMIT);
            ngx_http_presence_clock_forgive(&clock, 1 + random_below(40));
        }

        for (t = T0 - 30; t <= clock.now + 30; t++) {
            assert_int_equal(at_wall(&clock, wall(&clock, t)), t);
        }

        /* the last time that is not after it */

        for (w = WALL - 30; w <= wall(&clock, clock.now) + 30; w++) {
            at = at_wall(&clock, w);

            assert_true(wall(&clock, at) <= w);
            assert_true(wall(&clock, at + 1) > w);
        }
    }
}


static void
test_amnesty(void **state)
{
    ngx_http_presence_ms_t       real;
    ngx_http_presence_beat_t     beat;
    ngx_http_presence_life_t     life;
    ngx_http_presence_clock_t    clock;
    ngx_http_presence_verdict_t  verdict;

    static const ngx_http_presence_policy_t  policy = {
        25000, 5000, 300000, 10000, 70000, 600000, 3
    };

    (void) state;

    beat.doc = 1;
    beat.seq = 1;
    beat.active_ago = -1;
    beat.next = -1;
    beat.hidden = 0;

    start(&clock);
    ngx_http_presence_rules_begin(&policy, &life, &beat, clock.now);

    for (real = 500; real <= 79500; real += 500) {
        advance(&clock, real);
    }

    verdict = ngx_http_presence_rules_look(&policy, &life, clock.now);
    assert_int_equal(verdict.gone, 0);
    assert_int_equal(life.missed, 2);
    assert_int_equal(verdict.due, T0 + 80000);

    /* stopped for an hour in the last moment of a session's life */

    real = 79500 + 3600000;
    advance(&clock, real);

    verdict = ngx_http_presence_rules_look(&policy, &life, clock.now);
    assert_int_equal(verdict.gone, 0);
    assert_int_equal(life.missed, 2);

    /* what was left of its window is left now, to the millisecond */

    advance(&clock, real + 498);
    verdict = ngx_http_presence_rules_look(&policy, &life, clock.now);
    assert_int_equal(verdict.gone, 0);

    advance(&clock, real + 499);
    verdict = ngx_http_presence_rules_look(&policy, &life, clock.now);
    assert_int_equal(verdict.gone, 1);
    assert_int_equal(wall(&clock, clock.now), WALL + real + 499);
}


static void
test_random(void **state)
{
    int                        round, i, n, deaf;
    ngx_http_presence_ms_t     real, step, off, gap, now, got, sum;
    ngx_http_presence_ms_t     at[60], told[60], before[60], episode[60];
    ngx_http_presence_clock_t  clock;

    (void) state;

    random_state = 362436069;

    /* against a plain list of all instants at which somebody listened */

    for (round = 0; round < 2000; round++) {
        start(&clock);

        n = 1;
        deaf = 0;
        real = 0;
        step = 0;
        sum = 0;
        now = T0;
        at[0] = T0;
        told[0] = WALL;
        before[0] = 0;

        while (n < 60) {
            gap = (int) random_below(LIMIT + 100) - 50;

            if (random_below(8) == 0) {
                gap += (int) random_below(3) * LIMIT;
            }

            if (random_below(20) == 0) {
                off = (int) random_below(2000000) - 1000000;

                if (off > NGX_HTTP_PRESENCE_CLOCK_STEP
                    || off < -NGX_HTTP_PRESENCE_CLOCK_STEP)
                {
                    for (i = 0; i < n; i++) {
                        told[i] += off;
                    }

                    step += off;
                    gap = 1;
                }
            }

            got = ngx_http_presence_clock_advance(&clock, MONO + real + gap,
                                                  WALL + real + gap + step,
                                                  LIMIT);

            if (gap <= 0) {
                assert_int_equal(got, 0);
                assert_int_equal(clock.now, now);
                continue;
            }

            real += gap;

            if (gap > LIMIT) {
                assert_int_equal(got, gap - 1);
                episode[deaf++] = now;
                sum += gap - 1;
                now++;

            } else {
                assert_int_equal(got, 0);
                now += gap;
            }

            assert_int_equal(clock.now, now);
            assert_int_equal(clock.forgiven, sum);

            at[n] = now;
            told[n] = WALL + real + step;
            before[n] = sum;
            n++;

            for (i = 0; i < n; i++) {

                /* exact, or without all the episodes that became one */

                if (deaf <= 8 || at[i] > episode[deaf - 8]
                    || at[i] <= episode[0])
                {
                    assert_int_equal(wall(&clock, at[i]), told[i]);
                    assert_int_equal(at_wall(&clock, told[i]), at[i]);

                } else {
                    assert_int_equal(wall(&clock, at[i]),
                                     told[i] - before[i]);
                    assert_int_equal(at_wall(&clock, told[i] - before[i]),
                                     at[i]);
                }

                /* while nobody listened */

                if (i > 0 && before[i] > before[i - 1]
                    && (deaf <= 8 || at[i - 1] > episode[deaf - 8]))
                {
                    off = random_below(told[i] - told[i - 1]);
                    assert_int_equal(at_wall(&clock, told[i - 1] + off),
                                     at[i - 1]);
                }
            }
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_start_again),
        cmocka_unit_test(test_advance),
        cmocka_unit_test(test_advance_older),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_forgiven),
        cmocka_unit_test(test_wall_around_deafness),
        cmocka_unit_test(test_wall_many_episodes),
        cmocka_unit_test(test_wall_step),
        cmocka_unit_test(test_wall_step_older),
        cmocka_unit_test(test_wall_jitter),
        cmocka_unit_test(test_wall_step_boundary),
        cmocka_unit_test(test_wall_step_in_deafness),
        cmocka_unit_test(test_suspended_without_mono),
        cmocka_unit_test(test_downtime),
        cmocka_unit_test(test_downtime_none),
        cmocka_unit_test(test_downtime_between_deafness),
        cmocka_unit_test(test_at),
        cmocka_unit_test(test_at_episodes),
        cmocka_unit_test(test_at_merged),
        cmocka_unit_test(test_at_wall_step),
        cmocka_unit_test(test_at_round_trip),
        cmocka_unit_test(test_amnesty),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
