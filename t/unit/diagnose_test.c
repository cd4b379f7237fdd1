/*
 * The cause of a late or missing beat: each cause, and the bounds between one
 * and the next.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ngx_http_presence_diagnose.h"


#define STEP   25000
#define SLACK  5000


static ngx_http_presence_diag_t      diag;
static ngx_http_presence_evidence_t  evidence;


static void
say_nothing(void)
{
    memset(&diag, 0, sizeof(ngx_http_presence_diag_t));

    diag.since = -1;
    diag.rtt = -1;
}


/* before each test: a beat a minute overdue, of which nothing is known */

static int
begin(void **state)
{
    (void) state;

    say_nothing();

    memset(&evidence, 0, sizeof(ngx_http_presence_evidence_t));

    evidence.gap = STEP + 60000;
    evidence.step = STEP;
    evidence.slack = SLACK;
    evidence.hole = -1;

    return 0;
}


static void
assert_cause(const char *cause)
{
    ngx_http_presence_diagnosis_t  diagnosis;

    diagnosis = ngx_http_presence_diagnose_beat(&evidence, &diag);

    assert_true(diagnosis.late);
    assert_string_equal(ngx_http_presence_cause_names[diagnosis.cause], cause);
}


static void
test_late(void **state)
{
    ngx_http_presence_diagnosis_t  diagnosis;

    (void) state;

    evidence.gap = STEP + SLACK;
    diagnosis = ngx_http_presence_diagnose_beat(&evidence, &diag);
    assert_false(diagnosis.late);

    evidence.gap++;
    diagnosis = ngx_http_presence_diagnose_beat(&evidence, &diag);
    assert_true(diagnosis.late);

    /* its own word of when it is due counts, not the interval */

    evidence.step = 70000;
    diagnosis = ngx_http_presence_diagnose_beat(&evidence, &diag);
    assert_false(diagnosis.late);
}


static void
test_unknown(void **state)
{
    (void) state;

    assert_cause("unknown");

    /* failed in a way that is not said */

    diag.failed = 2;
    assert_cause("unknown");
}


static void
test_throttled(void **state)
{
    (void) state;

    diag.drift = 60000;
    diag.hidden = 85000;
    assert_cause("throttled");

    /* half of the lateness is enough, less is not */

    diag.drift = 30000;
    assert_cause("throttled");

    diag.drift = 29999;
    assert_cause("unknown");

    /* hidden for as much as that */

    diag.drift = 60000;
    diag.hidden = 30000;
    assert_cause("frozen");

    diag.hidden = 30001;
    assert_cause("throttled");
}


/* nothing of the page ran, and no browser says so */

static void
test_stood(void **state)
{
    (void) state;

    /* one that is shown has timers that come in time */

    diag.drift = 60000;
    assert_cause("frozen");

    diag.drift = 29999;
    assert_cause("unknown");

    /* one that is hidden has them once a minute */

    evidence.gap = STEP + 65001;
    diag.hidden = evidence.gap;
    diag.drift = 65000;
    assert_cause("throttled");

    diag.drift = 65001;
    assert_cause("frozen");

    /* and an attempt that failed as it went on explains little */

    diag.failed = 1;
    diag.error = NGX_HTTP_PRESENCE_ERROR_NETWORK;
    assert_cause("frozen");
}


static void
test_frozen(void **state)
{
    (void) state;

    /* what was frozen is late by its timers, too */

    diag.drift = 60000;
    diag.frozen = 60000;
    assert_cause("frozen");

    diag.frozen = 29999;
    diag.drift = 0;
    assert_cause("unknown");

    diag.frozen = 0;
    diag.discarded = 1;
    assert_cause("frozen");
}


static void
test_slept(void **state)
{
    (void) state;

    diag.drift = 60000;
    diag.slept = 60000;
    assert_cause("slept");

    /* a page that was frozen when the machine went to sleep */

    diag.frozen = 60000;
    assert_cause("slept");

    /* by the difference of the clocks alone */

    say_nothing();
    diag.since = 25000;
    diag.wall = 85000;
    assert_cause("slept");

    /* clocks are never quite the same: 2 s are no sleep */

    evidence.gap = STEP + 3000;
    evidence.slack = 0;
    evidence.hole = 0;
    diag.wall = 27000;
    assert_cause("unknown");

    diag.wall = 27001;
    assert_cause("slept");

    /* a wall clock that was set back is no evidence */

    diag.wall = -3600000;
    diag.drift = 3000;
    diag.hidden = 3000;
    assert_cause("throttled");
}


static void
test_network(void **state)
{
    (void) state;

    diag.failed = 3;
    diag.error = NGX_HTTP_PRESENCE_ERROR_NETWORK;
    evidence.hole = 3;
    assert_cause("network");

    diag.error = NGX_HTTP_PRESENCE_ERROR_TIMEOUT;
    assert_cause("network");

    /* it came, and only its answer was lost: that did not make this one late */

    evidence.hole = 0;
    assert_cause("unknown");

    diag.drift = 55000;
    assert_cause("frozen");

    evidence.hole = 3;

    /* a hidden page tries again as rarely as its timers let it */

    diag.drift = 59000;
    diag.hidden = 85000;
    assert_cause("network");

    /* one attempt that failed when the machine woke up explains little */

    diag.failed = 1;
    diag.slept = 50000;
    assert_cause("slept");
}


static void
test_network_delay(void **state)
{
    (void) state;

    /* sent in time, and a minute on its way */

    evidence.hole = 0;
    diag.since = STEP;
    diag.wall = STEP;
    assert_cause("network");

    diag.since = diag.wall = STEP + 30000;
    assert_cause("network");

    diag.since = diag.wall = STEP + 30001;
    assert_cause("unknown");

    /* "since" is of an attempt that did not come */

    evidence.hole = -1;
    diag.since = diag.wall = STEP;
    assert_cause("unknown");
}


static void
test_lost(void **state)
{
    (void) state;

    evidence.hole = 2;
    diag.since = STEP;
    assert_cause("lost");

    evidence.hole = 1;
    assert_cause("unknown");

    /* those that the client knows to have failed are not lost */

    evidence.hole = 2;
    diag.failed = 2;
    diag.error = NGX_HTTP_PRESENCE_ERROR_NETWORK;
    assert_cause("network");

    /* a number from nowhere proves no more than the gap has room for */

    diag.failed = 0;
    evidence.hole = INT64_MAX;
    assert_cause("lost");
}


static void
test_server(void **state)
{
    (void) state;

    evidence.deaf = 60000;
    assert_cause("server");

    /* its clients could not reach it meanwhile, which is no other cause */

    diag.failed = 4;
    diag.error = NGX_HTTP_PRESENCE_ERROR_NETWORK;
    assert_cause("server");

    evidence.deaf = 30000;
    assert_cause("server");

    evidence.deaf = 29999;
    assert_cause("network");

    /* it answered, but not as it should */

    evidence.deaf = 0;
    diag.error = NGX_HTTP_PRESENCE_ERROR_FAILED;
    assert_cause("server");

    diag.error = NGX_HTTP_PRESENCE_ERROR_REFUSED;
    assert_cause("server");

    diag.error = NGX_HTTP_PRESENCE_ERROR_REPLY;
    assert_cause("server");
}


static void
test_flood(void **state)
{
    (void) state;

    diag.failed = 2;
    diag.error = NGX_HTTP_PRESENCE_ERROR_TOO_MANY;
    assert_cause("flood");
}


static void
test_silence(void **state)
{
    ngx_http_presence_silence_t  silence;

    (void) state;

    memset(&silence, 0, sizeof(ngx_http_presence_silence_t));

    silence.step = STEP;
    silence.slack = SLACK;

    assert_int_equal(ngx_http_presence_diagnose_silence(&silence),
                     NGX_HTTP_PRESENCE_CAUSE_UNKNOWN);

    silence.failed = 1;
    silence.error = NGX_HTTP_PRESENCE_ERROR_TIMEOUT;
    assert_int_equal(ngx_http_presence_diagnose_silence(&silence),
                     NGX_HTTP_PRESENCE_CAUSE_NETWORK);

    silence.error = NGX_HTTP_PRESENCE_ERROR_TOO_MANY;
    assert_int_equal(ngx_http_presence_diagnose_silence(&silence),
                     NGX_HTTP_PRESENCE_CAUSE_FLOOD);

    silence.error = NGX_HTTP_PRESENCE_ERROR_FAILED;
    assert_int_equal(ngx_http_presence_diagnose_silence(&silence),
                     NGX_HTTP_PRESENCE_CAUSE_SERVER);

    /* what its system acknowledges now says more than what failed before */

    silence.alive = STEP + SLACK + 1;
    assert_int_equal(ngx_http_presence_diagnose_silence(&silence),
                     NGX_HTTP_PRESENCE_CAUSE_FROZEN);

    /* one that is still awaited may come: the way was open until then */

    silence.alive = STEP + SLACK;
    silence.failed = 0;
    assert_int_equal(ngx_http_presence_diagnose_silence(&silence),
                     NGX_HTTP_PRESENCE_CAUSE_UNKNOWN);
}


static void
test_status(void **state)
{
    (void) state;

    assert_int_equal(ngx_http_presence_diagnose_status(400),
                     NGX_HTTP_PRESENCE_ERROR_REFUSED);
    assert_int_equal(ngx_http_presence_diagnose_status(429),
                     NGX_HTTP_PRESENCE_ERROR_TOO_MANY);
    assert_int_equal(ngx_http_presence_diagnose_status(499),
                     NGX_HTTP_PRESENCE_ERROR_REFUSED);
    assert_int_equal(ngx_http_presence_diagnose_status(500),
                     NGX_HTTP_PRESENCE_ERROR_FAILED);
    assert_int_equal(ngx_http_presence_diagnose_status(302),
                     NGX_HTTP_PRESENCE_ERROR_FAILED);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_late, begin),
        cmocka_unit_test_setup(test_unknown, begin),
        cmocka_unit_test_setup(test_throttled, begin),
        cmocka_unit_test_setup(test_stood, begin),
        cmocka_unit_test_setup(test_frozen, begin),
        cmocka_unit_test_setup(test_slept, begin),
        cmocka_unit_test_setup(test_network, begin),
        cmocka_unit_test_setup(test_network_delay, begin),
        cmocka_unit_test_setup(test_lost, begin),
        cmocka_unit_test_setup(test_server, begin),
        cmocka_unit_test_setup(test_flood, begin),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_status),
    };

    return cmocka_run_group_tests_name("diagnose", tests, NULL, NULL);
}
