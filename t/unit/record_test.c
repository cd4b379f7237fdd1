/* A beat and a change as the trace keeps them: what comes back. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ngx_http_presence_record.h"


static ngx_http_presence_beat_record_t
through(ngx_http_presence_beat_record_t beat)
{
    uint8_t                          bytes[NGX_HTTP_PRESENCE_RECORD_BEAT + 1];
    ngx_http_presence_beat_record_t  back;

    memset(bytes, 0x5a, sizeof(bytes));
    memset(&back, 0xa5, sizeof(back));

    ngx_http_presence_record_pack_beat(bytes, &beat);

    /* it writes into its own bytes only */

    assert_int_equal(bytes[NGX_HTTP_PRESENCE_RECORD_BEAT], 0x5a);

    ngx_http_presence_record_unpack_beat(bytes, &back);

    return back;
}


static ngx_http_presence_beat_record_t
ordinary(void)
{
    ngx_http_presence_beat_record_t  beat;

    memset(&beat, 0, sizeof(beat));

    beat.kind = NGX_HTTP_PRESENCE_RECORD_CURRENT;
    beat.cause = NGX_HTTP_PRESENCE_NO_CAUSE;
    beat.gap = 25013;
    beat.due = 25000;
    beat.rtt = -1;

    return beat;
}


static void
test_each_part_alone(void **state)
{
    unsigned                         i;
    ngx_http_presence_beat_record_t  beat, back;

    (void) state;

    for (i = 0; i <= NGX_HTTP_PRESENCE_NO_CAUSE; i++) {
        beat = ordinary();
        beat.cause = (uint8_t) i;
        assert_int_equal(through(beat).cause, i);
    }

    for (i = 0; i < NGX_HTTP_PRESENCE_NFIRED; i++) {
        beat = ordinary();
        beat.fired = (uint8_t) i;
        assert_int_equal(through(beat).fired, i);
    }

    for (i = 0; i < NGX_HTTP_PRESENCE_NERRORS; i++) {
        beat = ordinary();
        beat.error = (uint8_t) i;
        assert_int_equal(through(beat).error, i);
    }

    for (i = 1; i <= NGX_HTTP_PRESENCE_RECORD_LEAVE; i++) {
        beat = ordinary();
        beat.kind = (uint8_t) i;
        assert_int_equal(through(beat).kind, i);
    }

    for (i = 0; i < 32; i++) {
        beat = ordinary();
        beat.kind = NGX_HTTP_PRESENCE_RECORD_ELSEWHERE;
        beat.node = (uint8_t) i;
        back = through(beat);

        assert_int_equal(back.kind, NGX_HTTP_PRESENCE_RECORD_ELSEWHERE);
        assert_int_equal(back.node, i);
        assert_int_equal(back.fired, NGX_HTTP_PRESENCE_FIRED_UNSAID);
        assert_int_equal(back.error, NGX_HTTP_PRESENCE_ERROR_NONE);
        assert_int_equal(back.gap, beat.gap);
        assert_in_range(llabs(beat.due - back.due), 0, beat.due / 64);
        assert_int_equal(through(ordinary()).node, 0);
    }

    beat = ordinary();
    beat.hidden = 1;
    beat.hole = 200;
    beat.failed = 6;
    back = through(beat);

    assert_int_equal(back.hidden, 1);
    assert_int_equal(back.hole, NGX_HTTP_PRESENCE_RECORD_MANY);
    assert_int_equal(back.failed, 6);
    assert_int_equal(back.gap, beat.gap);
    assert_int_equal(back.cause, NGX_HTTP_PRESENCE_NO_CAUSE);
}


static void
test_gap(void **state)
{
    ngx_http_presence_ms_t           gap, most;
    ngx_http_presence_beat_record_t  beat;

    (void) state;

    beat = ordinary();

    for (gap = 0; gap < 65536; gap++) {
        beat.gap = gap;
        assert_int_equal(through(beat).gap, gap);
    }

    most = (ngx_http_presence_ms_t) 65535 << 15;

    for (gap = 65536; gap <= most; gap += gap / 7) {
        beat.gap = gap;
        assert_in_range(llabs(gap - through(beat).gap), 0, gap / 32768);
    }

    beat.gap = 2 * most;
    assert_int_equal(through(beat).gap, most);

    beat.gap = -1;
    assert_int_equal(through(beat).gap, 0);
}


static void
test_due(void **state)
{
    ngx_http_presence_ms_t           due;
    ngx_http_presence_beat_record_t  beat;

    (void) state;

    beat = ordinary();

    for (due = 50; due <= 2000000; due += due / 9 + 1) {
        beat.due = due;
        assert_in_range(llabs(due - through(beat).due), 0, due / 32);
    }

    beat.due = 25000;
    assert_int_equal(through(beat).due, 25088);

    beat.due = 60000;
    assert_int_equal(through(beat).due, 60416);

    beat.due = 3600000;
    assert_int_equal(through(beat).due, 63 << 15);
}


static void
test_rtt(void **state)
{
    ngx_http_presence_ms_t           rtt;
    ngx_http_presence_beat_record_t  beat;

    (void) state;

    beat = ordinary();
    assert_int_equal(through(beat).rtt, -1);

    for (rtt = 1; rtt < 32768; rtt++) {
        beat.rtt = rtt;
        assert_in_range(through(beat).rtt, rtt / 2 + 1, rtt);
    }

    beat.rtt = 0;
    assert_int_equal(through(beat).rtt, 1);

    beat.rtt = 3600000;
    assert_int_equal(through(beat).rtt, 32768);
}


static void
test_change(void **state)
{
    uint32_t                           packed;
    ngx_http_presence_ms_t             gap;
    ngx_http_presence_change_record_t  change, back;

    (void) state;

    for (change.status = 0;
         change.status < NGX_HTTP_PRESENCE_NSTATUSES;
         change.status++)
    {
        for (change.reason = 0;
             change.reason < NGX_HTTP_PRESENCE_NREASONS;
             change.reason++)
        {
            for (change.cause = 0;
                 change.cause <= NGX_HTTP_PRESENCE_NO_CAUSE;
                 change.cause++)
            {
                change.gap = 60000;

                packed = ngx_http_presence_record_pack_change(&change);
                assert_int_not_equal(packed, 0);

                ngx_http_presence_record_unpack_change(packed, &back);

                assert_int_equal(back.gap, 60000);
                assert_int_equal(back.status, change.status);
                assert_int_equal(back.reason, change.reason);
                assert_int_equal(back.cause, change.cause);
            }
        }
    }

    /* a month */

    for (gap = 65536; gap < 2592000000; gap += gap / 3) {
        change.gap = gap;
        packed = ngx_http_presence_record_pack_change(&change);
        ngx_http_presence_record_unpack_change(packed, &back);

        assert_in_range(llabs(gap - back.gap), 0, gap / 32768);
    }

    /* even of what never happens a record is none that is empty */

    memset(&change, 0, sizeof(change));
    change.cause = NGX_HTTP_PRESENCE_NO_CAUSE;
    assert_int_not_equal(ngx_http_presence_record_pack_change(&change), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_each_part_alone),
        cmocka_unit_test(test_gap),
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_rtt),
        cmocka_unit_test(test_change),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
