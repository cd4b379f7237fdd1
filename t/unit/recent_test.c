/*
 * Recent users: who waits, who is told of at once, and that whatever waits is
 * told in time, to a model that knows every request.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ngx_http_presence_recent.h"


#define WINDOW    1000
#define TICK      100
#define PLACES    64
#define NUSERS    60
#define REQUESTS  200000


typedef ngx_http_presence_ms_t           ms_t;
typedef ngx_http_presence_recent_t       recent_t;
typedef ngx_http_presence_recent_user_t  user_t;


static recent_t  *recent;


static int
setup(void **state)
{
    (void) state;

    recent = ngx_http_presence_recent_create(PLACES, WINDOW);

    return recent == NULL;
}


static int
teardown(void **state)
{
    (void) state;

    ngx_http_presence_recent_free(recent);

    return 0;
}


static int
wait_as(const char *id, uint32_t hash, uint32_t mark, ms_t at, ms_t now)
{
    return ngx_http_presence_recent_wait(recent, (const unsigned char *) id,
                                         strlen(id), hash, mark, at, now);
}


static void
told_as(const char *id, uint32_t hash, uint32_t mark, ms_t at)
{
    ngx_http_presence_recent_told(recent, (const unsigned char *) id,
                                  strlen(id), hash, mark, at);
}


static void
assert_next(const char *id, ms_t last)
{
    user_t  *user;

    user = ngx_http_presence_recent_next(recent);

    assert_non_null(user);
    assert_int_equal(user->len, strlen(id));
    assert_memory_equal(user->id, id, user->len);
    assert_int_equal(user->last, last);
}


static void
assert_none_waits(void)
{
    assert_null(ngx_http_presence_recent_next(recent));
}


static void
test_first_is_told_and_second_waits(void **state)
{
    (void) state;

    assert_false(wait_as("anna", 7, 0, 5000, 5000));
    assert_false(wait_as("anna", 7, 0, 5000, 5000));
    told_as("anna", 7, 0, 5000);

    assert_true(wait_as("anna", 7, 0, 5001, 5001));
    assert_true(wait_as("anna", 7, 0, 5999, 5999));

    assert_next("anna", 5999);
    assert_none_waits();
}


static void
test_what_the_zone_knows_does_not_wait(void **state)
{
    (void) state;

    told_as("anna", 7, 0, 5000);

    /* a slow one that began before it, and one in the same millisecond */

    assert_true(wait_as("anna", 7, 0, 4500, 5100));
    assert_true(wait_as("anna", 7, 0, 5000, 5100));

    assert_none_waits();
}


static void
test_silence_of_a_window(void **state)
{
    (void) state;

    told_as("anna", 7, 0, 5000);

    assert_false(wait_as("anna", 7, 0, 6000, 6000));
    assert_true(wait_as("anna", 7, 0, 5999, 6000));

    /* it will be told soon in any case */

    assert_true(wait_as("anna", 7, 0, 6000, 6000));
    assert_next("anna", 6000);
    assert_false(wait_as("anna", 7, 0, 7000, 7000));
}


static void
test_another_mark(void **state)
{
    (void) state;

    told_as("anna", 7, 1, 5000);

    assert_false(wait_as("anna", 7, 2, 5001, 5001));
    told_as("anna", 7, 2, 5001);

    assert_true(wait_as("anna", 7, 2, 5002, 5002));
    assert_false(wait_as("anna", 7, 1, 5003, 5003));

    /* a slow one is told, with the new mark: what waits still waits */

    told_as("anna", 7, 3, 4900);
    assert_true(wait_as("anna", 7, 3, 4901, 5004));

    assert_next("anna", 5002);
    assert_none_waits();
}


static void
test_told_meanwhile(void **state)
{
    (void) state;

    told_as("anna", 7, 1, 5000);

    assert_true(wait_as("anna", 7, 1, 5001, 5001));
    told_as("anna", 7, 2, 5002);
    assert_none_waits();

    assert_true(wait_as("anna", 7, 2, 5003, 5003));
    assert_next("anna", 5003);
}


static void
test_when_it_is_due(void **state)
{
    (void) state;

    told_as("anna", 7, 0, 5000);
    told_as("ben", 8, 0, 5000);

    assert_false(ngx_http_presence_recent_is_due(recent, 9000));

    assert_true(wait_as("anna", 7, 0, 5400, 5500));
    assert_true(wait_as("ben", 8, 0, 5900, 5900));

    assert_false(ngx_http_presence_recent_is_due(recent, 6499));
    assert_true(ngx_http_presence_recent_is_due(recent, 6500));

    assert_next("ben", 5900);
    assert_next("anna", 5400);
    assert_none_waits();

    assert_false(ngx_http_presence_recent_is_due(recent, 9000));
}


static void
test_same_hash(void **state)
{
    (void) state;

    told_as("anna", 7, 0, 5000);

    assert_false(wait_as("anne", 7, 0, 5001, 5001));
    assert_false(wait_as("ann", 7, 0, 5001, 5001));

    told_as("anne", 7, 0, 5001);

    assert_true(wait_as("anna", 7, 0, 5002, 5002));
    assert_next("anna", 5002);
}


static void
test_forgotten(void **state)
{
    user_t  *user;

    (void) state;

    told_as("anna", 7, 0, 5000);
    assert_true(wait_as("anna", 7, 0, 5001, 5001));

    user = ngx_http_presence_recent_next(recent);
    ngx_http_presence_recent_forget(user);

    assert_false(wait_as("anna", 7, 0, 5002, 5002));
}


static void
test_length_of_ids(void **state)
{
    char  id[NGX_HTTP_PRESENCE_RECENT_ID + 2];

    (void) state;

    memset(id, 'x', sizeof(id));

    id[NGX_HTTP_PRESENCE_RECENT_ID + 1] = '\0';
    told_as(id, 7, 0, 5000);
    assert_false(wait_as(id, 7, 0, 5001, 5001));

    id[NGX_HTTP_PRESENCE_RECENT_ID] = '\0';
    told_as(id, 7, 0, 5000);
    assert_true(wait_as(id, 7, 0, 5001, 5001));
    assert_next(id, 5001);
}


/* at the end of the table, too: places go on at its beginning */

static void
test_places(void **state)
{
    (void) state;

    told_as("a", PLACES - 1, 0, 5000);
    told_as("b", PLACES - 1, 0, 5001);
    told_as("c", PLACES - 1, 0, 5002);
    told_as("d", PLACES - 1, 0, 5003);

    assert_true(wait_as("a", PLACES - 1, 0, 5010, 5010));
    assert_true(wait_as("c", PLACES - 1, 0, 5010, 5010));
    assert_true(wait_as("d", PLACES - 1, 0, 5010, 5010));

    /* who waits keeps the place */

    told_as("e", PLACES - 1, 0, 5011);
    assert_false(wait_as("b", PLACES - 1, 0, 5012, 5012));
    assert_true(wait_as("e", PLACES - 1, 0, 5012, 5012));

    told_as("f", PLACES - 1, 0, 5013);
    assert_false(wait_as("f", PLACES - 1, 0, 5014, 5014));

    assert_next("e", 5012);
    assert_next("d", 5010);
    assert_next("c", 5010);
    assert_next("a", 5010);
    assert_none_waits();

    told_as("f", PLACES - 1, 0, 5014);
    assert_false(wait_as("a", PLACES - 1, 0, 5015, 5015));
    assert_true(wait_as("f", PLACES - 1, 0, 5015, 5015));
}


/*
 * Users who share hashes and places, some of them slow.  The zone never lags
 * behind a request by more than a window and a tick, nor is it told of one
 * that was not there.
 */

static void
test_model(void **state)
{
    int       n, i, told;
    char      id[8];
    ms_t      at, now, tick, latest[NUSERS], known[NUSERS], lag[NUSERS];
    user_t   *user;
    uint32_t  mark[NUSERS];

    (void) state;

    memset(latest, 0, sizeof(latest));
    memset(known, 0, sizeof(known));
    memset(lag, 0, sizeof(lag));
    memset(mark, 0, sizeof(mark));

    srand(1);

    now = 1000000;
    tick = now;
    told = 0;

    for (n = 0; n < REQUESTS; n++) {

        now += rand() % 4;
        i = rand() % NUSERS;
        at = now - (rand() % 8 ? 0 : rand() % WINDOW);

        if (rand() % 500 == 0) {
            mark[i]++;
        }

        snprintf(id, sizeof(id), "u%d", i);

        if (wait_as(id, i / 2 * 3, mark[i], at, now)) {
            assert_true(known[i]);

        } else {
            told_as(id, i / 2 * 3, mark[i], at);
            told++;

            if (at > known[i]) {
                known[i] = at;
            }
        }

        if (at > latest[i]) {

            if (latest[i] == known[i]) {
                lag[i] = now;
            }

            latest[i] = at;
        }

        if (now - tick >= TICK) {
            tick = now;

            if (ngx_http_presence_recent_is_due(recent, now)) {

                while ((user = ngx_http_presence_recent_next(recent))) {
                    snprintf(id, sizeof(id), "%.*s", user->len,
                             (char *) user->id);
                    i = atoi(id + 1);

                    assert_true(user->last <= latest[i]);

                    if (user->last > known[i]) {
                        known[i] = user->last;
                    }

                    told++;
                }
            }

            for (i = 0; i < NUSERS; i++) {
                assert_true(known[i] == latest[i]
                            || now - lag[i] <= WINDOW + TICK + 4);
            }
        }
    }

    assert_true(told < REQUESTS / 4);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_first_is_told_and_second_waits,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_what_the_zone_knows_does_not_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silence_of_a_window, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_another_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_told_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_when_it_is_due, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_hash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(test_length_of_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_model, setup, teardown),
    };

    return cmocka_run_group_tests_name("recent", tests, NULL, NULL);
}
