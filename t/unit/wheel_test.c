/*
 * The timing wheel, against a plain sorted list: what fires, when and in which
 * order, and what becomes of everything else.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "ngx_http_presence_wheel.h"


#define TICK        NGX_HTTP_PRESENCE_WHEEL_TICK
#define SPAN        (NGX_HTTP_PRESENCE_WHEEL_SLOTS * TICK)
#define T0          NGX_HTTP_PRESENCE_CLOCK_START
#define HOUR        ((ngx_http_presence_ms_t) 3600000)

#define NTIMERS     400
#define OPERATIONS  200000


typedef ngx_http_presence_ms_t     ms_t;
typedef ngx_http_presence_timer_t  wheel_timer_t;


typedef struct {
    ms_t       due;
    ms_t       latest;      /* the tick after this one is too late */
    int        timer;
} entry_t;


/* the list: the earliest first, and of those the one that came first */

static int                        nentries;
static entry_t                    entries[NTIMERS];

static wheel_timer_t              timers[NTIMERS];
static ngx_http_presence_wheel_t  wheel;
static uint64_t                   random_state;


static uint32_t
random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;

    return (uint32_t) (random_state >> 32) % n;
}


static void
start(ms_t now)
{
    /* the zone's memory is not clean, but a timer's is zeroed */

    memset(&wheel, 0xa5, sizeof(ngx_http_presence_wheel_t));
    memset(timers, 0, sizeof(timers));

    nentries = 0;
    ngx_http_presence_wheel_init(&wheel, now);
}


static void
add(int timer, ms_t due)
{
    ngx_http_presence_wheel_add(&wheel, &timers[timer], due);
}


static int
is_set(int timer)
{
    return ngx_http_presence_timer_is_set(&timers[timer]);
}


/* the next one that fires, or -1 */

static int
expire(ms_t now, ngx_uint_t *budget)
{
    ngx_uint_t      before;
    wheel_timer_t  *timer;

    before = *budget;
    timer = ngx_http_presence_wheel_expire(&wheel, now, budget);

    assert_true(*budget <= before);

    if (timer == NULL) {
        return -1;
    }

    assert_true(*budget < before);
    assert_false(ngx_http_presence_timer_is_set(timer));
    assert_true(timer->due <= now);

    return (int) (timer - timers);
}


static int
fire(ms_t now)
{
    ngx_uint_t  budget;

    budget = 100000;

    return expire(now, &budget);
}


/* the list */

static void
list_remove(int timer)
{
    int  i;

    for (i = 0; i < nentries; i++) {
        if (entries[i].timer == timer) {
            nentries--;
            memmove(&entries[i], &entries[i + 1],
                    (nentries - i) * sizeof(entry_t));
            return;
        }
    }
}


/* "seen": a time up to which everything may have been handled already */

static void
list_add(int timer, ms_t due, ms_t seen)
{
    int   i;
    ms_t  latest;

    list_remove(timer);

    latest = (due > seen) ? due : seen;

    for (i = nentries; i > 0 && entries[i - 1].latest > latest; i--) {
        entries[i] = entries[i - 1];
    }

    entries[i].due = due;
    entries[i].latest = latest;
    entries[i].timer = timer;
    nentries++;
}


static const entry_t *
list_find(int timer)
{
    int  i;

    for (i = 0; i < nentries; i++) {
        if (entries[i].timer == timer) {
            return &entries[i];
        }
    }

    return NULL;
}


static void
test_empty(void **state)
{
    ngx_uint_t  budget;

    (void) state;

    start(T0);
    budget = 3;

    assert_int_equal(expire(T0, &budget), -1);
    assert_int_equal(expire(T0 + TICK, &budget), -1);
    assert_int_equal(expire(T0 + 2 * SPAN, &budget), -1);
    assert_int_equal(expire(T0 + 1000 * HOUR, &budget), -1);
    assert_int_equal(budget, 3);

    budget = 0;
    assert_int_equal(expire(T0 + 1001 * HOUR, &budget), -1);
}


static void
test_fires(void **state)
{
    ms_t  now, due, from;

    (void) state;

    /* looked at each millisecond: never early, at most a tick late */

    for (from = T0; from < T0 + TICK; from += 5) {
        for (due = from; due < from + 3 * TICK; due++) {
            start(from);
            add(0, due);
            assert_true(is_set(0));
            assert_int_equal(timers[0].due, due);

            for (now = from; now < due; now++) {
                assert_int_equal(fire(now), -1);
            }

            while (fire(now) == -1) {
                now++;
                assert_true(now <= due + TICK);
            }

            assert_false(is_set(0));
            assert_int_equal(fire(now), -1);
            assert_int_equal(fire(now + 2 * SPAN), -1);
        }
    }
}


static void
test_fires_over_span(void **state)
{
    ms_t        now, due, ahead;
    ngx_uint_t  budget;

    (void) state;

    /* around the span, and turns beyond it */

    for (ahead = SPAN - 3 * TICK; ahead < SPAN + 3 * TICK; ahead += 7) {
        start(T0 + 5);
        due = T0 + 5 + ahead;
        add(0, due);

        for (now = T0 + 5; now < due; now += 11) {
            assert_int_equal(fire(now), -1);
            assert_true(is_set(0));
        }

        assert_int_equal(fire(due - 1), -1);
        assert_int_equal(fire(due + TICK), 0);
    }

    start(T0);
    due = T0 + 3 * SPAN + 777;
    add(0, due);
    budget = 100;

    for (now = T0; now < due; now += 13) {
        assert_int_equal(expire(now, &budget), -1);
        assert_true(is_set(0));
        assert_int_equal(timers[0].due, due);
    }

    assert_int_equal(expire(due + TICK, &budget), 0);

    /* it took a look a turn, and the last one */

    assert_in_range(budget, 100 - 5, 100 - 1);
}


static void
test_past(void **state)
{
    ms_t  now;

    (void) state;

    /* within a tick, whatever was handled before */

    start(T0);
    assert_int_equal(fire(T0 + 1000), -1);

    for (now = T0 + 1000; now < T0 + 1000 + 3 * TICK; now++) {
        assert_int_equal(fire(now), -1);
        add(0, now);
        add(1, now - 1);
        add(2, T0 - HOUR);
        add(3, 1);
        add(4, 0);

        assert_int_equal(fire(now + TICK), 0);
        assert_int_equal(fire(now + TICK), 1);
        assert_int_equal(fire(now + TICK), 2);
        assert_int_equal(fire(now + TICK), 3);
        assert_int_equal(fire(now + TICK), 4);
        assert_int_equal(fire(now + TICK), -1);

        start(now);
    }
}


static void
test_add_again(void **state)
{
    (void) state;

    /* one that moves is not where it was, to either side */

    start(T0);
    add(0, T0 + 100);
    add(0, T0 + 5000);
    assert_int_equal(fire(T0 + 4999), -1);
    assert_int_equal(fire(T0 + 5000 + TICK), 0);
    assert_int_equal(fire(T0 + 2 * SPAN), -1);

    start(T0);
    add(0, T0 + 5000);
    add(0, T0 + 100);
    assert_int_equal(fire(T0 + 100 + TICK), 0);
    assert_int_equal(fire(T0 + 2 * SPAN), -1);

    /* beside others, in the same slot and anew for the same time */

    start(T0);
    add(0, T0 + 100);
    add(1, T0 + 100);
    add(2, T0 + 100);
    add(1, T0 + 100);
    assert_int_equal(fire(T0 + 200), 0);
    assert_int_equal(fire(T0 + 200), 2);
    assert_int_equal(fire(T0 + 200), 1);
    assert_int_equal(fire(T0 + 200), -1);

    /* by its owner, when it fires */

    add(2, T0 + 300);
    assert_int_equal(fire(T0 + 299), -1);
    assert_int_equal(fire(T0 + 300 + TICK), 2);
}


static void
test_clear(void **state)
{
    (void) state;

    start(T0);

    /* one that was never added, and twice */

    ngx_http_presence_timer_clear(&timers[0]);
    assert_false(is_set(0));

    add(0, T0 + 100);
    add(1, T0 + 100);
    add(2, T0 + 100);
    ngx_http_presence_timer_clear(&timers[1]);
    assert_false(is_set(1));
    ngx_http_presence_timer_clear(&timers[1]);

    assert_int_equal(fire(T0 + 200), 0);

    /* one that fired is out already; one that waits for its turn gets out */

    ngx_http_presence_timer_clear(&timers[0]);
    ngx_http_presence_timer_clear(&timers[2]);
    assert_int_equal(fire(T0 + 200), -1);
    assert_int_equal(fire(T0 + 2 * SPAN), -1);

    add(1, T0 + 2 * SPAN + 100);
    assert_int_equal(fire(T0 + 2 * SPAN + 200), 1);

    /* the only one */

    add(1, T0 + 3 * SPAN);
    ngx_http_presence_timer_clear(&timers[1]);
    assert_int_equal(fire(T0 + 4 * SPAN), -1);
}


static void
test_budget(void **state)
{
    int         i, n;
    ngx_uint_t  budget;

    (void) state;

    start(T0);

    for (i = 0; i < 100; i++) {
        add(i, T0 + 10 * i);
    }

    /* so many at a time, and the next ones the next time */

    n = 0;

    while (n < 100) {
        budget = 7;

        while ((i = expire(T0 + 1000 + TICK, &budget)) != -1) {
            assert_int_equal(i, n);
            n++;
            assert_int_equal(budget, 7 - 1 - (n - 1) % 7);
        }

        if (n < 100) {
            assert_int_equal(n % 7, 0);
            assert_int_equal(budget, 0);
        }
    }

    assert_int_equal(budget, 7 - 100 % 7);

    /* none */

    add(0, T0);
    budget = 0;
    assert_int_equal(expire(T0 + 2000, &budget), -1);
    assert_int_equal(budget, 0);
    assert_true(is_set(0));
    assert_int_equal(fire(T0 + 2000), 0);
}


static void
test_budget_put_on(void **state)
{
    int         i, rounds;
    ms_t        due;
    ngx_uint_t  budget;

    (void) state;

    /* those that are only put on were looked at, too */

    start(T0);
    due = T0 + SPAN + 5000;

    for (i = 0; i < 20; i++) {
        add(i, due);
    }

    budget = 100;
    assert_int_equal(expire(T0 + SPAN, &budget), -1);
    assert_int_equal(budget, 80);

    budget = 100;
    assert_int_equal(expire(due - 1, &budget), -1);
    assert_int_equal(budget, 100);

    /* and interrupted in between none is lost, nor early */

    start(T0);

    for (i = 0; i < 20; i++) {
        add(i, due);
    }

    for (rounds = 0; rounds < 4; rounds++) {
        budget = 6;
        assert_int_equal(expire(T0 + SPAN, &budget), -1);
        assert_int_equal(budget, (rounds < 3) ? 0 : 4);
    }

    for (i = 0; i < 20; i++) {
        assert_true(is_set(i));
        assert_int_equal(fire(due - 1), -1);
    }

    for (i = 0; i < 20; i++) {
        assert_int_equal(fire(due + TICK), i);
    }

    assert_int_equal(fire(due + TICK), -1);
}


static void
test_fired(void **state)
{
    int         i;
    ngx_uint_t  budget;

    (void) state;

    /* a slot's timers that were taken, and still wait to be looked at */

    start(T0);

    for (i = 0; i < 6; i++) {
        add(i, T0 + 32 + i);
    }

    budget = 1;
    assert_int_equal(expire(T0 + 48, &budget), 0);
    assert_false(ngx_queue_empty(&wheel.fired));

    /* one goes, one moves, one is added for a time that has passed */

    ngx_http_presence_timer_clear(&timers[1]);
    add(2, T0 + 500);
    add(6, T0 + 32);

    /* an older time comes up: some are not due for it, but are not lost */

    assert_int_equal(fire(T0 + 35), 3);
    assert_int_equal(fire(T0 + 35), -1);
    assert_true(is_set(4));
    assert_true(is_set(5));

    assert_int_equal(fire(T0 + 48), -1);
    assert_int_equal(fire(T0 + 64), 6);
    assert_int_equal(fire(T0 + 64), 4);
    assert_int_equal(fire(T0 + 64), 5);
    assert_int_equal(fire(T0 + 64), -1);
    assert_int_equal(fire(T0 + 500 + TICK), 2);
    assert_int_equal(fire(T0 + 500 + TICK), -1);
    assert_true(ngx_queue_empty(&wheel.fired));
}


static void
test_pause(void **state)
{
    int   i, n;
    ms_t  pause, now;

    static const ms_t  pauses[] = {
        SPAN - TICK, SPAN - 1, SPAN, SPAN + 1, SPAN + TICK, 2 * SPAN,
        HOUR, 7 * HOUR + 1234, 1000 * HOUR, (ms_t) 1 << 60
    };

    (void) state;

    /* a visit to each tick of the last one would take years */

    alarm(60);

    /* everything that came due in it fires, and nothing else */

    for (i = 0; i < (int) (sizeof(pauses) / sizeof(ms_t)); i++) {
        pause = pauses[i];
        now = T0 + 7 + pause;

        start(T0 + 7);

        for (n = 0; n < 100; n++) {
            add(n, T0 + 7 + n * ((pause - TICK) / 100));
            add(100 + n, now + 1 + n * 20);
            add(200 + n, now + SPAN + n * 1000);
        }

        for (n = 0; n < 100; n++) {
            assert_in_range(fire(now), 0, 99);
        }

        assert_int_equal(fire(now), -1);

        for (n = 0; n < 200; n++) {
            assert_int_equal(is_set(n), n >= 100);
        }

        /* the others fire when they are due, in order */

        for (n = 0; n < 100; n++) {
            assert_int_equal(fire(now + n * 20), -1);
            assert_int_equal(fire(now + n * 20 + 1 + TICK), 100 + n);
        }

        for (n = 0; n < 100; n++) {
            assert_int_equal(fire(now + SPAN + n * 1000 - 1), -1);
            assert_int_equal(fire(now + SPAN + n * 1000 + TICK), 200 + n);
        }

        assert_int_equal(fire(now + 9 * SPAN), -1);
    }

    alarm(0);
}


static void
test_order(void **state)
{
    int         round, i, n, got;
    ms_t        now, due, end;
    ngx_uint_t  budget;

    (void) state;

    random_state = 88172645463325252;

    /*
     * By their ticks, and within one in the order in which they were added;
     * a budget that runs out changes nothing of it.  More than a whole span
     * behind they fire all the same, but in any order.
     */

    for (round = 0; round < 300; round++) {
        now = T0 + random_below(100000);
        end = now + SPAN;
        start(now);

        for (i = 0; i < NTIMERS; i++) {
            n = (int) random_below(NTIMERS);
            due = now + random_below(round & 1 ? SPAN - TICK : 2000)
                  - random_below(2) * 50;

            add(n, due);
            list_add(n, (due > now) ? due / TICK : now / TICK, 0);
        }

        while (nentries) {
            now = ngx_min(now + random_below(round & 1 ? SPAN / 5 : 300), end);
            budget = random_below(40);

            while ((got = expire(now, &budget)) != -1) {
                assert_true(nentries > 0);
                assert_int_equal(got, entries[0].timer);
                list_remove(got);
            }

            assert_true(budget == 0 || nentries == 0
                        || entries[0].due >= now / TICK);
        }

        for (i = 0; i < NTIMERS; i++) {
            assert_false(is_set(i));
        }
    }
}


static ms_t
random_due(ms_t now)
{
    switch (random_below(8)) {

    case 0:
        return now - random_below(SPAN);

    case 1:
        return now + random_below(3 * TICK) - TICK;

    case 2:
        return now + SPAN + random_below(6 * TICK) - 3 * TICK;

    case 3:
        return now + SPAN + random_below(6 * HOUR);

    case 4:
    case 5:
        return now + random_below(1000);

    default:
        return now + random_below(SPAN);
    }
}


static void
test_random(void **state)
{
    int             i, n, timer, moved, put_on, fired, late;
    ms_t            now, seen, due;
    ngx_uint_t      budget, before;
    const entry_t  *entry;

    (void) state;

    random_state = 362436069;

    start(T0);
    now = T0;
    seen = T0;
    put_on = 0;
    fired = 0;
    late = 0;

    for (i = 0; i < OPERATIONS; i++) {
        timer = (int) random_below(NTIMERS);

        switch (random_below(8)) {

        case 0:
        case 1:
        case 2:
            due = random_due(now);
            add(timer, due);
            list_add(timer, due, seen);
            continue;

        case 3:
            ngx_http_presence_timer_clear(&timers[timer]);
            list_remove(timer);
            continue;

        default:
            break;
        }

        /* time passes; another worker's may be older */

        switch (random_below(50)) {

        case 0:
            now += random_below(2 * SPAN);
            break;

        case 1:
            now += (random_below(8) == 0) ? random_below(10 * HOUR) : 1;
            break;

        case 2:
            now -= random_below(50);
            break;

        default:
            now += random_below(3 * TICK);
        }

        if (now > seen) {
            seen = now;

        } else if (now < seen) {

            /* what was taken already for the newer one waits for that again */

            for (n = 0; n < nentries; n++) {
                if (entries[n].latest < seen) {
                    entries[n].latest = seen;
                }
            }
        }

        budget = random_below(4) ? 100000 : random_below(10);
        moved = 0;

        for ( ;; ) {
            before = budget;
            timer = expire(now, &budget);

            if (timer == -1) {
                put_on += before - budget;
                break;
            }

            put_on += before - budget - 1;
            fired++;

            entry = list_find(timer);
            assert_non_null(entry);
            assert_true(entry->due <= now);
            assert_int_equal(entry->due, timers[timer].due);

            late += (now - entry->latest > TICK);
            list_remove(timer);

            /* owners put on what moved meanwhile */

            if (moved < 50 && random_below(4) == 0) {
                due = now + 1 + random_below(2 * SPAN);
                add(timer, due);
                list_add(timer, due, seen);
                moved++;
            }
        }

        /* what remains are those that need not have fired yet, and all */

        if (budget && nentries) {
            assert_true(entries[0].latest / TICK >= now / TICK);
        }

        if (i % 64 == 0) {
            for (timer = 0; timer < NTIMERS; timer++) {
                assert_int_equal(is_set(timer), list_find(timer) != NULL);
            }
        }
    }

    /* in the end each of them fires */

    now = seen + 100 * HOUR;

    while ((timer = fire(now)) != -1) {
        assert_non_null(list_find(timer));
        list_remove(timer);
    }

    assert_int_equal(nentries, 0);

    /* all of it happened, and often */

    assert_true(fired > OPERATIONS / 10);
    assert_true(put_on > OPERATIONS / 100);
    assert_true(late > OPERATIONS / 1000);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_fires),
        cmocka_unit_test(test_fires_over_span),
        cmocka_unit_test(test_past),
        cmocka_unit_test(test_add_again),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_budget_put_on),
        cmocka_unit_test(test_fired),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
