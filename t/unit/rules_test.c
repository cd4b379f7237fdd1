/*
 * Each rule of presence, and each of its boundaries to the millisecond.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ngx_http_presence_rules.h"


#define T0      NGX_HTTP_PRESENCE_CLOCK_START
#define STEP    25000
#define SLACK   5000
#define GRACE   10000
#define IDLE    300000
#define MAX     70000
#define LIFE    600000

/* the window of the policy below: three steps and the slack */
#define WINDOW  80000

#define DOC     7
#define OTHER   8


typedef struct {
    uint8_t                  missed;
    uint8_t                  leaving;
    ngx_http_presence_ms_t   last_active;
    ngx_http_presence_ms_t   last_sign;
} session_t;


static const ngx_http_presence_policy_t  policy = {
    STEP, SLACK, IDLE, GRACE, MAX, LIFE, 3
};


static uint64_t  random_state;


static uint32_t
random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;

    return (uint32_t) (random_state >> 32) % n;
}


static ngx_http_presence_beat_t
say(uint32_t doc, int64_t seq)
{
    ngx_http_presence_beat_t  beat;

    beat.doc = doc;
    beat.seq = seq;
    beat.active_ago = -1;
    beat.next = -1;
    beat.hidden = 0;

    return beat;
}


static ngx_http_presence_life_t
begin(uint32_t doc, int64_t seq, ngx_http_presence_ms_t now)
{
    ngx_http_presence_beat_t  beat;
    ngx_http_presence_life_t  life;

    /* memory from the zone's pool is not clean */

    memset(&life, 0xa5, sizeof(ngx_http_presence_life_t));

    beat = say(doc, seq);
    ngx_http_presence_rules_begin(&policy, &life, &beat, now);

    return life;
}


static ngx_http_presence_life_t
begin_step(ngx_http_presence_ms_t next, ngx_http_presence_ms_t now)
{
    ngx_http_presence_beat_t  beat;
    ngx_http_presence_life_t  life;

    memset(&life, 0xa5, sizeof(ngx_http_presence_life_t));

    beat = say(DOC, 1);
    beat.next = next;
    ngx_http_presence_rules_begin(&policy, &life, &beat, now);

    return life;
}


static ngx_http_presence_life_t
begin_hidden(ngx_http_presence_ms_t next, ngx_http_presence_ms_t now)
{
    ngx_http_presence_beat_t  beat;
    ngx_http_presence_life_t  life;

    memset(&life, 0xa5, sizeof(ngx_http_presence_life_t));

    beat = say(DOC, 1);
    beat.next = next;
    beat.hidden = 1;
    ngx_http_presence_rules_begin(&policy, &life, &beat, now);

    return life;
}


static int
beat_at(ngx_http_presence_life_t *life, uint32_t doc, int64_t seq,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_beat_t  beat;

    beat = say(doc, seq);

    return ngx_http_presence_rules_beat(&policy, life, &beat, now);
}


static int
leave_at(ngx_http_presence_life_t *life, uint32_t doc, int64_t seq,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_beat_t  beat;

    beat = say(doc, seq);

    return ngx_http_presence_rules_leave(life, &beat, now);
}


static void
acknowledge_at(ngx_http_presence_life_t *life, ngx_http_presence_ms_t at)
{
    ngx_http_presence_rules_acknowledge(&policy, life, at);
}


#define assert_stays(life, now, _missed, _due)                                \
    do {                                                                      \
        ngx_http_presence_verdict_t  v_;                                      \
                                                                              \
        v_ = ngx_http_presence_rules_look(&policy, &(life), now);             \
        assert_int_equal(v_.gone, 0);                                         \
        assert_int_equal((life).missed, _missed);                             \
        assert_int_equal(v_.due, _due);                                       \
    } while (0)


#define assert_gone(life, now, _reason)                                       \
    do {                                                                      \
        ngx_http_presence_verdict_t  v_;                                      \
                                                                              \
        v_ = ngx_http_presence_rules_look(&policy, &(life), now);             \
        assert_int_equal(v_.gone, 1);                                         \
        assert_int_equal(v_.reason, _reason);                                 \
    } while (0)


/* beginnings */

static void
test_begin(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 17, T0);

    assert_int_equal(life.last_beat, T0);
    assert_int_equal(life.last_sign, T0);
    assert_int_equal(life.last_active, T0);
    assert_int_equal(life.doc, DOC);
    assert_int_equal(life.seq, 17);
    assert_int_equal(life.step, STEP);
    assert_int_equal(life.missed, 0);
    assert_int_equal(life.leaving, 0);
    assert_stays(life, T0, 0, T0 + STEP + SLACK);
}


static void
test_begin_by_touch(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(0, -1, T0);

    assert_int_equal(life.doc, 0);
    assert_int_equal(life.seq, -1);
    assert_int_equal(life.last_active, T0);

    /* then the page beats for the first time, whatever its numbers */

    assert_int_equal(beat_at(&life, DOC, 0, T0 + 10), 1);
    assert_int_equal(life.doc, DOC);
    assert_int_equal(life.seq, 0);
}


static void
test_begin_inactive(void **state)
{
    ngx_http_presence_beat_t  beat;
    ngx_http_presence_life_t  life;

    (void) state;

    beat = say(DOC, 1);

    beat.active_ago = 40000;
    ngx_http_presence_rules_begin(&policy, &life, &beat, T0);
    assert_int_equal(life.last_active, T0 - 40000);
    assert_int_equal(life.last_sign, T0);

    beat.active_ago = 0;
    ngx_http_presence_rules_begin(&policy, &life, &beat, T0);
    assert_int_equal(life.last_active, T0);

    /* an absurd age neither overflows nor looks like "never" */

    beat.active_ago = T0 - 1;
    ngx_http_presence_rules_begin(&policy, &life, &beat, T0);
    assert_int_equal(life.last_active, 1);

    beat.active_ago = T0;
    ngx_http_presence_rules_begin(&policy, &life, &beat, T0);
    assert_int_equal(life.last_active, 1);

    beat.active_ago = INT64_MAX;
    ngx_http_presence_rules_begin(&policy, &life, &beat, T0);
    assert_int_equal(life.last_active, 1);
}


static void
test_alone(void **state)
{
    int                       n;
    ngx_http_presence_life_t  life;

    life = begin(DOC, 1, T0);
    assert_int_equal(life.alone, 0);

    for (n = 2; n <= 5; n++) {
        beat_at(&life, DOC, n, T0);
    }

    assert_int_equal(life.alone, 4);

    /* the same again, and one that was overtaken, are no evidence */

    beat_at(&life, DOC, 5, T0);
    beat_at(&life, DOC, 3, T0);
    assert_int_equal(life.alone, 4);

    /* the next page, and its leave */

    beat_at(&life, OTHER, 1, T0);
    leave_at(&life, OTHER, 2, T0);
    beat_at(&life, DOC, 1, T0);
    assert_int_equal(life.alone, 7);

    /* one is left out: by this document, by the next one, before a leave */

    beat_at(&life, DOC, 3, T0);
    assert_int_equal(life.alone, 0);

    beat_at(&life, DOC, 4, T0);
    beat_at(&life, OTHER, 2, T0);
    assert_int_equal(life.alone, 0);

    beat_at(&life, OTHER, 3, T0);
    leave_at(&life, OTHER, 5, T0);
    assert_int_equal(life.alone, 0);

    /* without numbers nothing is known */

    beat_at(&life, DOC, 1, T0);
    assert_int_equal(life.alone, 1);
    beat_at(&life, DOC, -1, T0);
    assert_int_equal(life.alone, 0);
    beat_at(&life, OTHER, -1, T0);
    beat_at(&life, OTHER, 1, T0);
    assert_int_equal(life.alone, 0);

    for (n = 2; n <= 400; n++) {
        beat_at(&life, OTHER, n, T0);
    }

    assert_int_equal(life.alone, UINT8_MAX);
}


/* misses */

static void
test_missed(void **state)
{
    int                       k;
    ngx_http_presence_ms_t    at;
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 1, T0);

    for (k = 1; k <= 2; k++) {
        at = T0 + k * STEP + SLACK;

        assert_stays(life, at - 1, k - 1, at);
        assert_stays(life, at, k, at + STEP);
    }

    at = T0 + WINDOW;

    assert_stays(life, at - 1, 2, at);
    assert_gone(life, at, NGX_HTTP_PRESENCE_MISSED);
    assert_int_equal(life.missed, 3);

    /* however late the look, no more than there can be */

    assert_gone(life, at + 1000 * STEP, NGX_HTTP_PRESENCE_MISSED);
    assert_int_equal(life.missed, 3);
}


static void
test_missed_not_before(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 1, T0);

    /* another worker's older time; and slack alone misses nothing */

    assert_stays(life, T0 - 5, 0, T0 + STEP + SLACK);
    assert_stays(life, T0 - 10 * STEP, 0, T0 + STEP + SLACK);
    assert_stays(life, T0 + SLACK, 0, T0 + STEP + SLACK);
    assert_stays(life, T0 + STEP, 0, T0 + STEP + SLACK);
}


static void
test_missed_extremes(void **state)
{
    ngx_http_presence_life_t     life;
    ngx_http_presence_policy_t   strict;
    ngx_http_presence_verdict_t  verdict;

    (void) state;

    /* one miss, no slack, a millisecond */

    strict = policy;
    strict.interval = 1;
    strict.max_interval = 1;
    strict.slack = 0;
    strict.misses = 1;

    life = begin(DOC, 1, T0);
    life.step = 1;

    verdict = ngx_http_presence_rules_look(&strict, &life, T0);
    assert_int_equal(verdict.gone, 0);
    assert_int_equal(verdict.due, T0 + 1);

    verdict = ngx_http_presence_rules_look(&strict, &life, T0 + 1);
    assert_int_equal(verdict.gone, 1);
    assert_int_equal(life.missed, 1);

    /* a hundred misses of the longest step that fits */

    strict.misses = 100;
    life.step = UINT32_MAX;

    verdict = ngx_http_presence_rules_look(&strict, &life,
                               T0 + 100 * (int64_t) UINT32_MAX - 1);
    assert_int_equal(verdict.gone, 0);
    assert_int_equal(life.missed, 99);
    assert_int_equal(verdict.due, T0 + 100 * (int64_t) UINT32_MAX);

    verdict = ngx_http_presence_rules_look(&strict, &life,
                                     T0 + 100 * (int64_t) UINT32_MAX);
    assert_int_equal(verdict.gone, 1);
    assert_int_equal(life.missed, 100);
}


static void
test_beat_resets(void **state)
{
    ngx_http_presence_ms_t    at;
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 1, T0);

    at = T0 + WINDOW - 1;
    assert_stays(life, at, 2, at + 1);

    assert_int_equal(beat_at(&life, DOC, 4, at), 1);

    /* also before anybody looks again */

    assert_int_equal(life.missed, 0);
    assert_int_equal(life.last_beat, at);
    assert_int_equal(life.last_sign, at);
    assert_stays(life, at, 0, at + STEP + SLACK);
    assert_stays(life, at + WINDOW - 1, 2, at + WINDOW);
    assert_gone(life, at + WINDOW, NGX_HTTP_PRESENCE_MISSED);
}


static void
test_deadline(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 1, T0);
    assert_int_equal(ngx_http_presence_rules_deadline(&policy, &life),
                     T0 + WINDOW);

    ngx_http_presence_rules_touch(&life, T0 + 1234);
    assert_int_equal(ngx_http_presence_rules_deadline(&policy, &life),
                     T0 + 1234 + WINDOW);

    life = begin_step(60000, T0);
    assert_int_equal(ngx_http_presence_rules_deadline(&policy, &life),
                     T0 + 3 * 60000 + SLACK);
}


static void
test_deadline_leaving(void **state)
{
    ngx_http_presence_life_t    life;
    ngx_http_presence_policy_t  patient;

    (void) state;

    life = begin(DOC, 1, T0);
    leave_at(&life, DOC, 2, T0 + 100);
    assert_int_equal(ngx_http_presence_rules_deadline(&policy, &life),
                     T0 + 100 + GRACE);

    patient = policy;
    patient.leave_grace = WINDOW + 1;
    assert_int_equal(ngx_http_presence_rules_deadline(&patient, &life),
                     T0 + 100 + WINDOW);

    beat_at(&life, DOC, 3, T0 + 200);
    assert_int_equal(ngx_http_presence_rules_deadline(&policy, &life),
                     T0 + 200 + WINDOW);
}


/* leaving */

static void
test_leave_grace(void **state)
{
    ngx_http_presence_ms_t    at;
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 1, T0);

    at = T0 + 20000;
    assert_int_equal(leave_at(&life, DOC, 2, at), 1);
    assert_int_equal(life.leaving, 1);
    assert_int_equal(life.leave_at, at);
    assert_int_equal(life.last_beat, at);
    assert_int_equal(life.last_sign, at);

    assert_stays(life, at, 0, at + GRACE);
    assert_stays(life, at + GRACE - 1, 0, at + GRACE);
    assert_gone(life, at + GRACE, NGX_HTTP_PRESENCE_LEAVE);
    assert_gone(life, at + GRACE + 10 * WINDOW, NGX_HTTP_PRESENCE_LEAVE);
}


static void
test_leave_without_grace(void **state)
{
    ngx_http_presence_life_t     life;
    ngx_http_presence_policy_t   hard;
    ngx_http_presence_verdict_t  verdict;

    (void) state;

    hard = policy;
    hard.leave_grace = 0;

    life = begin(DOC, 1, T0);
    leave_at(&life, DOC, 2, T0 + 5);

    verdict = ngx_http_presence_rules_look(&hard, &life, T0 + 5);
    assert_int_equal(verdict.gone, 1);
    assert_int_equal(verdict.reason, NGX_HTTP_PRESENCE_LEAVE);
}


static void
test_leave_long_grace(void **state)
{
    ngx_http_presence_life_t     life;
    ngx_http_presence_policy_t   patient;
    ngx_http_presence_verdict_t  verdict;

    (void) state;

    /* misses are counted in the grace, and what comes first is the reason */

    patient = policy;
    patient.leave_grace = WINDOW;

    life = begin(DOC, 1, T0);
    leave_at(&life, DOC, 2, T0);

    verdict = ngx_http_presence_rules_look(&patient, &life, T0);
    assert_int_equal(verdict.due, T0 + STEP + SLACK);

    verdict = ngx_http_presence_rules_look(&patient, &life,
                                           T0 + STEP + SLACK);
    assert_int_equal(verdict.gone, 0);
    assert_int_equal(life.missed, 1);
    assert_int_equal(verdict.due, T0 + 2 * STEP + SLACK);

    verdict = ngx_http_presence_rules_look(&patient, &life, T0 + WINDOW);
    assert_int_equal(verdict.gone, 1);
    assert_int_equal(verdict.reason, NGX_HTTP_PRESENCE_LEAVE);

    patient.leave_grace = WINDOW + 1;

    verdict = ngx_http_presence_rules_look(&patient, &life, T0 + WINDOW - 1);
    assert_int_equal(verdict.gone, 0);
    assert_int_equal(verdict.due, T0 + WINDOW);

    verdict = ngx_http_presence_rules_look(&patient, &life, T0 + WINDOW);
    assert_int_equal(verdict.gone, 1);
    assert_int_equal(verdict.reason, NGX_HTTP_PRESENCE_MISSED);

    verdict = ngx_http_presence_rules_look(&patient, &life, T0 + 5 * WINDOW);
    assert_int_equal(verdict.gone, 1);
    assert_int_equal(verdict.reason, NGX_HTTP_PRESENCE_MISSED);
}


static void
test_leave_other_doc(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    /* a reload whose first beat overtook the old page's beacon */

    life = begin(DOC, 9, T0);
    beat_at(&life, OTHER, 1, T0 + 10);

    assert_int_equal(leave_at(&life, DOC, 10, T0 + 20), 0);
    assert_int_equal(life.leaving, 0);
    assert_int_equal(life.last_beat, T0 + 10);
    assert_int_equal(life.last_sign, T0 + 10);
    assert_int_equal(life.seq, 1);
    assert_stays(life, T0 + 20 + GRACE, 0, T0 + 10 + STEP + SLACK);
}


static void
test_leave_lower_seq(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 9, T0);

    assert_int_equal(leave_at(&life, DOC, 8, T0 + 20), 0);
    assert_int_equal(life.leaving, 0);
    assert_int_equal(life.last_beat, T0);
    assert_int_equal(life.last_sign, T0);
    assert_int_equal(life.last_active, T0);

    /* not lower: the page has said it with the number of its last beat */

    assert_int_equal(leave_at(&life, DOC, 9, T0 + 20), 1);
    assert_int_equal(life.leaving, 1);
}


static void
test_leave_lower_seq_no_doc(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    /* where no document contradicts, the number alone decides */

    life = begin(DOC, 9, T0);
    assert_int_equal(leave_at(&life, 0, 8, T0 + 20), 0);
    assert_int_equal(leave_at(&life, 0, 9, T0 + 20), 1);

    life = begin(0, 9, T0);
    assert_int_equal(leave_at(&life, DOC, 8, T0 + 20), 0);
    assert_int_equal(leave_at(&life, DOC, 9, T0 + 20), 1);

    life = begin(0, 9, T0);
    assert_int_equal(leave_at(&life, 0, 8, T0 + 20), 0);
    assert_int_equal(leave_at(&life, 0, 9, T0 + 20), 1);

    /* zero is a number like any other */

    life = begin(0, 0, T0);
    assert_int_equal(leave_at(&life, 0, 0, T0 + 20), 1);
    assert_int_equal(life.seq, 0);

    life = begin(0, 1, T0);
    assert_int_equal(leave_at(&life, 0, 0, T0 + 20), 0);
}


static void
test_leave_no_seq(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 9, T0);
    assert_int_equal(leave_at(&life, DOC, -1, T0 + 20), 1);
    assert_int_equal(life.leaving, 1);

    /* the beats before it are still known for what they are */

    assert_int_equal(life.seq, 9);
    assert_int_equal(beat_at(&life, DOC, 8, T0 + 30), 0);
    assert_int_equal(life.leaving, 1);

    life = begin(DOC, -1, T0);
    assert_int_equal(leave_at(&life, DOC, 0, T0 + 20), 1);
    assert_int_equal(life.seq, 0);
}


static void
test_leave_unknown_doc(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    /* touched, then the leave overtakes the page's only beat */

    life = begin(0, -1, T0);
    assert_int_equal(leave_at(&life, DOC, 2, T0 + 20), 1);
    assert_int_equal(life.doc, DOC);
    assert_int_equal(life.seq, 2);
    assert_int_equal(beat_at(&life, DOC, 1, T0 + 30), 0);
    assert_int_equal(life.leaving, 1);

    /* without a document it leaves the one that is there */

    life = begin(DOC, 1, T0);
    assert_int_equal(leave_at(&life, 0, 2, T0 + 20), 1);
    assert_int_equal(life.doc, DOC);
    assert_int_equal(beat_at(&life, DOC, 1, T0 + 30), 0);
    assert_int_equal(life.leaving, 1);

    /* the numbers of nobody are not those of the document */

    life = begin(0, 9, T0);
    assert_int_equal(leave_at(&life, DOC, -1, T0 + 20), 1);
    assert_int_equal(beat_at(&life, DOC, 3, T0 + 30), 1);
    assert_int_equal(life.leaving, 0);
}


static void
test_leave_repeated(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 1, T0);

    assert_int_equal(leave_at(&life, DOC, 2, T0 + 100), 1);
    assert_int_equal(leave_at(&life, DOC, 2, T0 + 200), 0);
    assert_int_equal(leave_at(&life, DOC, 3, T0 + 300), 0);
    assert_int_equal(life.leave_at, T0 + 100);
    assert_int_equal(life.last_sign, T0 + 100);
    assert_gone(life, T0 + 100 + GRACE, NGX_HTTP_PRESENCE_LEAVE);
}


static void
test_leave_activity(void **state)
{
    ngx_http_presence_beat_t  beat;
    ngx_http_presence_life_t  life;

    (void) state;

    /* going is no activity, but it may tell of one */

    life = begin(DOC, 1, T0);
    leave_at(&life, DOC, 2, T0 + 5000);
    assert_int_equal(life.last_active, T0);

    life = begin(DOC, 1, T0);
    beat = say(DOC, 2);
    beat.active_ago = 0;
    ngx_http_presence_rules_leave(&life, &beat, T0 + 5000);
    assert_int_equal(life.last_active, T0 + 5000);

    life = begin(DOC, 1, T0);
    beat.active_ago = 1000;
    ngx_http_presence_rules_leave(&life, &beat, T0 + 5000);
    assert_int_equal(life.last_active, T0 + 4000);

    /* one that is no news tells nothing */

    life = begin(DOC, 1, T0);
    beat.doc = OTHER;
    ngx_http_presence_rules_leave(&life, &beat, T0 + 5000);
    assert_int_equal(life.last_active, T0);
}


static void
test_leave_keeps_step(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin_step(60000, T0);
    leave_at(&life, DOC, 2, T0);
    assert_int_equal(life.step, 60000);
}


static void
test_leave_cancelled(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    /* by the document of the reload */

    life = begin(DOC, 5, T0);
    leave_at(&life, DOC, 6, T0 + 100);
    assert_int_equal(beat_at(&life, OTHER, 1, T0 + 100 + GRACE - 1), 1);
    assert_int_equal(life.leaving, 0);
    assert_stays(life, T0 + 100 + GRACE, 0,
                 T0 + 100 + GRACE - 1 + STEP + SLACK);

    /* by the same one, back from the page cache */

    life = begin(DOC, 5, T0);
    leave_at(&life, DOC, 6, T0 + 100);
    assert_int_equal(beat_at(&life, DOC, 7, T0 + 200), 1);
    assert_int_equal(life.leaving, 0);

    /* by beats without numbers or documents */

    life = begin(DOC, 5, T0);
    leave_at(&life, DOC, 6, T0 + 100);
    assert_int_equal(beat_at(&life, DOC, -1, T0 + 200), 1);
    assert_int_equal(life.leaving, 0);

    life = begin(0, -1, T0);
    leave_at(&life, 0, -1, T0 + 100);
    assert_int_equal(beat_at(&life, 0, -1, T0 + 200), 1);
    assert_int_equal(life.leaving, 0);

    /* and then it can leave again */

    assert_int_equal(leave_at(&life, 0, -1, T0 + 300), 1);
    assert_int_equal(life.leave_at, T0 + 300);

    /* after its end, if nobody has looked: the one who is there wins */

    assert_int_equal(beat_at(&life, 0, -1, T0 + 300 + GRACE), 1);
    assert_stays(life, T0 + 300 + GRACE, 0,
                 T0 + 300 + GRACE + STEP + SLACK);
}


static void
test_leave_not_cancelled(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    /* by the beat that the leave overtook, by a touch or a stream */

    life = begin(DOC, 5, T0);
    leave_at(&life, DOC, 7, T0 + 100);

    assert_int_equal(beat_at(&life, DOC, 6, T0 + 200), 0);
    assert_int_equal(life.leaving, 1);
    ngx_http_presence_rules_touch(&life, T0 + 300);
    assert_int_equal(life.leaving, 1);
    acknowledge_at(&life, T0 + 400);
    assert_int_equal(life.leaving, 1);
    assert_int_equal(life.last_sign, T0 + 400);

    assert_stays(life, T0 + 100 + GRACE - 1, 0, T0 + 100 + GRACE);
    assert_gone(life, T0 + 100 + GRACE, NGX_HTTP_PRESENCE_LEAVE);
}


/* late and repeated beats */

static void
test_old_beat(void **state)
{
    ngx_http_presence_beat_t  beat;
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 5, T0);
    beat = say(DOC, 4);
    beat.next = 60000;

    /* life, but no news: not even that of activity */

    assert_int_equal(ngx_http_presence_rules_beat(&policy, &life, &beat,
                                                  T0 + 40000), 0);
    assert_int_equal(life.last_sign, T0 + 40000);
    assert_int_equal(life.last_beat, T0 + 40000);
    assert_int_equal(life.last_active, T0);
    assert_int_equal(life.seq, 5);
    assert_int_equal(life.step, STEP);
    assert_stays(life, T0 + 40000 + STEP + SLACK - 1, 0,
                 T0 + 40000 + STEP + SLACK);
}


static void
test_old_beat_boundary(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 5, T0);
    assert_int_equal(beat_at(&life, DOC, 5, T0 + 1), 1);
    assert_int_equal(beat_at(&life, DOC, 4, T0 + 2), 0);
    assert_int_equal(beat_at(&life, DOC, 6, T0 + 3), 1);
    assert_int_equal(beat_at(&life, DOC, 5, T0 + 4), 0);

    /* another document counts anew */

    assert_int_equal(beat_at(&life, OTHER, 0, T0 + 5), 1);
    assert_int_equal(life.doc, OTHER);
    assert_int_equal(life.seq, 0);
    assert_int_equal(beat_at(&life, OTHER, 1, T0 + 6), 1);
    assert_int_equal(beat_at(&life, OTHER, 0, T0 + 7), 0);

    /* 2^53 - 1 is the last number of the wire */

    assert_int_equal(beat_at(&life, OTHER, 9007199254740991, T0 + 8), 1);
    assert_int_equal(beat_at(&life, OTHER, 9007199254740990, T0 + 9), 0);
}


static void
test_next_beat(void **state)
{
    ngx_http_presence_life_t  life;
    ngx_http_presence_beat_t  beat;

    (void) state;

    life = begin(DOC, 5, T0);

    beat = say(DOC, 6);
    assert_true(ngx_http_presence_rules_is_next(&life, &beat));
    assert_int_equal(life.seq, 5);

    beat = say(DOC, 5);
    assert_false(ngx_http_presence_rules_is_next(&life, &beat));
    beat = say(DOC, 7);
    assert_false(ngx_http_presence_rules_is_next(&life, &beat));
    beat = say(OTHER, 6);
    assert_false(ngx_http_presence_rules_is_next(&life, &beat));

    /* a number that is not known is none, and 0 is not the one after it */

    beat = say(DOC, -1);
    assert_false(ngx_http_presence_rules_is_next(&life, &beat));

    life = begin(DOC, -1, T0);
    beat = say(DOC, 0);
    assert_false(ngx_http_presence_rules_is_next(&life, &beat));
}


static void
test_old_beat_no_seq(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    /* one without a number is never old, and makes no other one young */

    life = begin(DOC, 5, T0);
    assert_int_equal(beat_at(&life, DOC, -1, T0 + 1), 1);
    assert_int_equal(life.seq, 5);
    assert_int_equal(beat_at(&life, DOC, 4, T0 + 2), 0);
    assert_int_equal(beat_at(&life, DOC, 5, T0 + 3), 1);

    /* but those of another document say nothing of this one */

    assert_int_equal(beat_at(&life, OTHER, -1, T0 + 4), 1);
    assert_int_equal(life.seq, -1);
    assert_int_equal(beat_at(&life, OTHER, 0, T0 + 5), 1);
    assert_int_equal(life.seq, 0);
}


/* the step */

static void
test_step(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin_step(-1, T0);
    assert_int_equal(life.step, STEP);

    life = begin_step(0, T0);
    assert_int_equal(life.step, STEP);

    life = begin_step(STEP - 1, T0);
    assert_int_equal(life.step, STEP);

    life = begin_step(STEP, T0);
    assert_int_equal(life.step, STEP);

    life = begin_step(STEP + 1, T0);
    assert_int_equal(life.step, STEP + 1);

    life = begin_step(MAX - 1, T0);
    assert_int_equal(life.step, MAX - 1);

    life = begin_step(MAX, T0);
    assert_int_equal(life.step, MAX);

    life = begin_step(MAX + 1, T0);
    assert_int_equal(life.step, MAX);

    life = begin_step(INT64_MAX, T0);
    assert_int_equal(life.step, MAX);
}


static void
test_step_counts(void **state)
{
    ngx_http_presence_ms_t    at;
    ngx_http_presence_beat_t  beat;
    ngx_http_presence_life_t  life;

    (void) state;

    /* a browser that wakes hidden tabs once a minute misses no beat */

    life = begin_step(60000, T0);

    at = T0 + 60000 + SLACK;
    assert_stays(life, at - 1, 0, at);
    assert_stays(life, at, 1, at + 60000);
    assert_stays(life, at + 60000, 2, at + 120000);
    assert_gone(life, at + 120000, NGX_HTTP_PRESENCE_MISSED);

    /* each beat says it anew */

    beat = say(DOC, 2);
    beat.next = 30000;
    ngx_http_presence_rules_beat(&policy, &life, &beat, at);
    assert_stays(life, at, 0, at + 30000 + SLACK);

    beat_at(&life, DOC, 3, at);
    assert_stays(life, at, 0, at + STEP + SLACK);

    /* and nothing else does */

    life = begin_step(60000, T0);
    ngx_http_presence_rules_touch(&life, T0 + 1000);
    acknowledge_at(&life, T0 + 2000);
    assert_stays(life, T0 + 2000, 0, T0 + 2000 + 60000 + SLACK);
}


static void
test_hidden(void **state)
{
    ngx_http_presence_beat_t    beat;
    ngx_http_presence_life_t    life;
    ngx_http_presence_policy_t  p;

    (void) state;

    /* browsers wake it when they like: it gets all the time there is */

    life = begin_hidden(-1, T0);
    assert_int_equal(life.step, MAX);

    /* one that says when is taken at its word, as a visible one is */

    life = begin_hidden(0, T0);
    assert_int_equal(life.step, STEP);

    life = begin_hidden(STEP - 1, T0);
    assert_int_equal(life.step, STEP);

    life = begin_hidden(STEP, T0);
    assert_int_equal(life.step, STEP);

    life = begin_hidden(STEP + 1, T0);
    assert_int_equal(life.step, STEP + 1);

    life = begin_hidden(MAX - 1, T0);
    assert_int_equal(life.step, MAX - 1);

    life = begin_hidden(MAX, T0);
    assert_int_equal(life.step, MAX);

    life = begin_hidden(MAX + 1, T0);
    assert_int_equal(life.step, MAX);

    life = begin_hidden(INT64_MAX, T0);
    assert_int_equal(life.step, MAX);

    /* any non-zero is a yes */

    beat = say(DOC, 1);
    beat.hidden = 0x80;
    ngx_http_presence_rules_begin(&policy, &life, &beat, T0);
    assert_int_equal(life.step, MAX);

    /* where there is no more time to give */

    p = policy;
    p.max_interval = p.interval;
    ngx_http_presence_rules_begin(&p, &life, &beat, T0);
    assert_int_equal(life.step, STEP);

    p.max_interval = p.interval + 1;
    ngx_http_presence_rules_begin(&p, &life, &beat, T0);
    assert_int_equal(life.step, STEP + 1);

    beat.hidden = 0;
    ngx_http_presence_rules_begin(&p, &life, &beat, T0);
    assert_int_equal(life.step, STEP);
}


static void
test_hidden_counts(void **state)
{
    ngx_http_presence_ms_t    at;
    ngx_http_presence_beat_t  beat;
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin_hidden(-1, T0);

    at = T0 + MAX + SLACK;
    assert_stays(life, at - 1, 0, at);
    assert_stays(life, at, 1, at + MAX);
    assert_stays(life, at + MAX, 2, at + 2 * MAX);
    assert_stays(life, at + 2 * MAX - 1, 2, at + 2 * MAX);
    assert_gone(life, at + 2 * MAX, NGX_HTTP_PRESENCE_MISSED);
    assert_int_equal(ngx_http_presence_rules_deadline(&policy, &life),
                     at + 2 * MAX);

    /* each beat says it anew: shown, hidden, hidden but with a time */

    beat_at(&life, DOC, 2, at);
    assert_stays(life, at, 0, at + STEP + SLACK);

    beat = say(DOC, 3);
    beat.hidden = 1;
    ngx_http_presence_rules_beat(&policy, &life, &beat, at);
    assert_stays(life, at, 0, at + MAX + SLACK);

    beat = say(DOC, 4);
    beat.hidden = 1;
    beat.next = 30000;
    ngx_http_presence_rules_beat(&policy, &life, &beat, at);
    assert_stays(life, at, 0, at + 30000 + SLACK);

    /* one that comes late says nothing of what is now */

    beat_at(&life, DOC, 9, at);
    beat = say(DOC, 8);
    beat.hidden = 1;
    assert_int_equal(ngx_http_presence_rules_beat(&policy, &life, &beat, at),
                     0);
    assert_stays(life, at, 0, at + STEP + SLACK);

    /* nor does a page that goes, and is hidden before it does */

    beat = say(DOC, 9);
    beat.hidden = 1;
    assert_int_equal(ngx_http_presence_rules_leave(&life, &beat, at), 1);
    assert_int_equal(life.step, STEP);

    life = begin_hidden(-1, T0);
    leave_at(&life, DOC, 2, T0);
    assert_int_equal(life.step, MAX);

    /* nor any other sign of life */

    life = begin_hidden(-1, T0);
    ngx_http_presence_rules_touch(&life, T0 + 1000);
    acknowledge_at(&life, T0 + 2000);
    assert_stays(life, T0 + 2000, 0, T0 + 2000 + MAX + SLACK);

    /* hidden is not idle: that is what active_ago is for */

    assert_int_equal(life.last_active, T0 + 1000);
}


/* other signs of life */

static void
test_touch(void **state)
{
    ngx_http_presence_ms_t    at;
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 1, T0);

    at = T0 + 2 * STEP + SLACK;
    assert_stays(life, at, 2, T0 + WINDOW);

    ngx_http_presence_rules_touch(&life, at);
    assert_int_equal(life.missed, 0);
    assert_int_equal(life.last_sign, at);
    assert_int_equal(life.last_active, at);
    assert_int_equal(life.last_beat, T0);
    assert_int_equal(life.seq, 1);
    assert_stays(life, at, 0, at + STEP + SLACK);
    assert_gone(life, at + WINDOW, NGX_HTTP_PRESENCE_MISSED);

    /* another worker's older time takes nothing back */

    ngx_http_presence_rules_touch(&life, at - 1);
    assert_int_equal(life.last_sign, at);
    assert_int_equal(life.last_active, at);
    assert_int_equal(life.missed, 3);
}


static void
test_beat_older_time(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 1, T0);
    ngx_http_presence_rules_touch(&life, T0 + 100);

    assert_int_equal(beat_at(&life, DOC, 2, T0 + 50), 1);
    assert_int_equal(life.last_sign, T0 + 100);
    assert_int_equal(life.last_active, T0 + 100);
    assert_int_equal(life.seq, 2);
}


static void
test_beat_activity(void **state)
{
    ngx_http_presence_beat_t  beat;
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 1, T0);

    /* what is older than what is known is no news */

    beat = say(DOC, 2);
    beat.active_ago = STEP + 1;
    ngx_http_presence_rules_beat(&policy, &life, &beat, T0 + STEP);
    assert_int_equal(life.last_active, T0);

    beat = say(DOC, 3);
    beat.active_ago = STEP - 1;
    ngx_http_presence_rules_beat(&policy, &life, &beat, T0 + STEP);
    assert_int_equal(life.last_active, T0 + 1);

    beat = say(DOC, 4);
    beat.active_ago = 0;
    ngx_http_presence_rules_beat(&policy, &life, &beat, T0 + STEP);
    assert_int_equal(life.last_active, T0 + STEP);

    /* one that does not say is activity itself */

    beat_at(&life, DOC, 5, T0 + 2 * STEP);
    assert_int_equal(life.last_active, T0 + 2 * STEP);
}


static void
test_acknowledge(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 1, T0);
    assert_stays(life, T0 + STEP + SLACK, 1, T0 + 2 * STEP + SLACK);

    acknowledge_at(&life, T0 + STEP + SLACK);
    assert_int_equal(life.missed, 0);
    assert_int_equal(life.last_sign, T0 + STEP + SLACK);
    assert_int_equal(life.last_beat, T0);
    assert_int_equal(life.last_active, T0);
    assert_int_equal(life.seq, 1);

    /* an older one takes nothing back */

    acknowledge_at(&life, T0 + STEP);
    assert_int_equal(life.last_sign, T0 + STEP + SLACK);

    /* nor does the same one, asked for again, give anything */

    assert_stays(life, T0 + 2 * (STEP + SLACK), 1,
                 T0 + 3 * STEP + 2 * SLACK);
    acknowledge_at(&life, T0 + STEP + SLACK);
    assert_int_equal(life.missed, 1);
}


static void
test_acknowledge_bound(void **state)
{
    ngx_http_presence_life_t  life;

    (void) state;

    life = begin(DOC, 1, T0);

    acknowledge_at(&life, T0 + LIFE - 1);
    assert_int_equal(life.last_sign, T0 + LIFE - 1);
    acknowledge_at(&life, T0 + LIFE);
    assert_int_equal(life.last_sign, T0 + LIFE);
    acknowledge_at(&life, T0 + LIFE + 1);
    assert_int_equal(life.last_sign, T0 + LIFE);
    acknowledge_at(&life, T0 + 10 * LIFE);
    assert_int_equal(life.last_sign, T0 + LIFE);

    assert_stays(life, T0 + LIFE + WINDOW - 1, 2, T0 + LIFE + WINDOW);
    assert_gone(life, T0 + LIFE + WINDOW, NGX_HTTP_PRESENCE_MISSED);

    /* whatever came before it */

    life = begin(DOC, 1, T0);
    acknowledge_at(&life, T0 + 10 * LIFE);
    assert_int_equal(life.last_sign, T0 + LIFE);

    /* a touch is no beat: it gives the stream no longer life */

    ngx_http_presence_rules_touch(&life, T0 + LIFE + 10);
    acknowledge_at(&life, T0 + LIFE + 20);
    assert_int_equal(life.last_sign, T0 + LIFE + 10);

    /* any beat does, even one that came late */

    beat_at(&life, DOC, 0, T0 + LIFE + 30);
    acknowledge_at(&life, T0 + 2 * LIFE + 30);
    assert_int_equal(life.last_sign, T0 + 2 * LIFE + 30);
}


static void
test_acknowledge_off(void **state)
{
    ngx_http_presence_life_t    life;
    ngx_http_presence_policy_t  deaf;

    (void) state;

    deaf = policy;
    deaf.stream_life = 0;

    life = begin(DOC, 1, T0);

    ngx_http_presence_rules_acknowledge(&deaf, &life, T0 + 1);
    assert_int_equal(life.last_sign, T0);
    ngx_http_presence_rules_acknowledge(&deaf, &life, T0 + STEP);
    assert_int_equal(life.last_sign, T0);
    assert_gone(life, T0 + WINDOW, NGX_HTTP_PRESENCE_MISSED);
}


static void
test_acknowledge_leaving(void **state)
{
    ngx_http_presence_ms_t    t;
    ngx_http_presence_life_t  life;

    (void) state;

    /* the stream of a page that said it goes keeps nobody */

    life = begin(DOC, 1, T0);
    leave_at(&life, DOC, 2, T0 + 100);

    for (t = T0 + 200; t < T0 + 100 + GRACE; t += 1000) {
        acknowledge_at(&life, t);
        assert_stays(life, t, 0, T0 + 100 + GRACE);
    }

    assert_gone(life, T0 + 100 + GRACE, NGX_HTTP_PRESENCE_LEAVE);
}


/* a user's sessions */

static void
add(ngx_http_presence_sum_t *sum, int missed, int leaving,
    ngx_http_presence_ms_t last_active, ngx_http_presence_ms_t last_sign)
{
    ngx_http_presence_life_t  life;

    life = begin(DOC, 1, T0);

    life.missed = (uint8_t) missed;
    life.leaving = (uint8_t) leaving;
    life.last_active = last_active;
    life.last_sign = last_sign;

    ngx_http_presence_rules_add(sum, &life);
}


static void
test_sum(void **state)
{
    ngx_http_presence_sum_t  sum;

    (void) state;

    memset(&sum, 0, sizeof(ngx_http_presence_sum_t));

    add(&sum, 2, 0, T0 + 5, T0 + 9);
    assert_int_equal(sum.sessions, 1);
    assert_int_equal(sum.staying, 1);
    assert_int_equal(sum.missed, 2);
    assert_int_equal(sum.last_active, T0 + 5);
    assert_int_equal(sum.last_sign, T0 + 9);

    add(&sum, 1, 0, T0 + 4, T0 + 10);
    assert_int_equal(sum.sessions, 2);
    assert_int_equal(sum.staying, 2);
    assert_int_equal(sum.missed, 1);
    assert_int_equal(sum.last_active, T0 + 5);
    assert_int_equal(sum.last_sign, T0 + 10);

    add(&sum, 2, 0, T0 + 6, T0 + 8);
    assert_int_equal(sum.sessions, 3);
    assert_int_equal(sum.staying, 3);
    assert_int_equal(sum.missed, 1);
    assert_int_equal(sum.last_active, T0 + 6);
    assert_int_equal(sum.last_sign, T0 + 10);

    /* one that leaves adds no presence, but its times are the user's */

    add(&sum, 0, 1, T0 + 7, T0 + 11);
    assert_int_equal(sum.sessions, 4);
    assert_int_equal(sum.staying, 3);
    assert_int_equal(sum.missed, 1);
    assert_int_equal(sum.last_active, T0 + 7);
    assert_int_equal(sum.last_sign, T0 + 11);
}


static void
test_sum_negative_times(void **state)
{
    ngx_http_presence_sum_t  sum;

    (void) state;

    /* the first session's times stand, whatever a zeroed sum says */

    memset(&sum, 0, sizeof(ngx_http_presence_sum_t));
    add(&sum, 0, 0, -5, -4);
    assert_int_equal(sum.last_active, -5);
    assert_int_equal(sum.last_sign, -4);
}


static void
test_sum_leaving(void **state)
{
    ngx_http_presence_sum_t  sum;

    (void) state;

    /* all leave: the most present of them */

    memset(&sum, 0, sizeof(ngx_http_presence_sum_t));
    add(&sum, 2, 1, T0, T0);
    assert_int_equal(sum.missed, 2);
    assert_int_equal(sum.sessions, 1);
    assert_int_equal(sum.staying, 0);
    add(&sum, 1, 1, T0, T0);
    assert_int_equal(sum.missed, 1);
    add(&sum, 2, 1, T0, T0);
    assert_int_equal(sum.missed, 1);
    assert_int_equal(sum.sessions, 3);
    assert_int_equal(sum.staying, 0);

    /* the first that stays counts for more, though it misses more */

    add(&sum, 2, 0, T0, T0);
    assert_int_equal(sum.missed, 2);
    assert_int_equal(sum.staying, 1);
    add(&sum, 0, 1, T0, T0);
    assert_int_equal(sum.missed, 2);
    add(&sum, 1, 0, T0, T0);
    assert_int_equal(sum.missed, 1);
    assert_int_equal(sum.staying, 2);
}


static void
test_sum_any_order(void **state)
{
    int                      i, j, n, round, missed, best, stays;
    session_t                s[4], swap;
    ngx_http_presence_sum_t  sum;
    ngx_http_presence_ms_t   active, sign;

    (void) state;

    random_state = 88172645463325252;

    for (round = 0; round < 20000; round++) {
        n = 1 + (int) random_below(4);

        for (i = 0; i < n; i++) {
            s[i].missed = (uint8_t) random_below(4);
            s[i].leaving = (uint8_t) random_below(2);
            s[i].last_active = T0 + random_below(100);
            s[i].last_sign = T0 + random_below(100);
        }

        best = -1;
        stays = 0;
        active = 0;
        sign = 0;

        for (i = 0; i < n; i++) {
            stays += !s[i].leaving;
        }

        for (i = 0; i < n; i++) {
            missed = s[i].missed;

            if ((stays == 0 || !s[i].leaving)
                && (best == -1 || missed < best))
            {
                best = missed;
            }

            active = (s[i].last_active > active) ? s[i].last_active : active;
            sign = (s[i].last_sign > sign) ? s[i].last_sign : sign;
        }

        for (i = n - 1; i > 0; i--) {
            j = (int) random_below((uint32_t) i + 1);
            swap = s[i];
            s[i] = s[j];
            s[j] = swap;
        }

        memset(&sum, 0, sizeof(ngx_http_presence_sum_t));

        for (i = 0; i < n; i++) {
            add(&sum, s[i].missed, s[i].leaving, s[i].last_active,
                s[i].last_sign);
        }

        assert_int_equal(sum.sessions, n);
        assert_int_equal(sum.staying, stays);
        assert_int_equal(sum.missed, best);
        assert_int_equal(sum.last_active, active);
        assert_int_equal(sum.last_sign, sign);
    }
}


static ngx_http_presence_status_e
status(const ngx_http_presence_sum_t *sum, ngx_http_presence_status_e manual,
    ngx_http_presence_ms_t now)
{
    return ngx_http_presence_rules_status(&policy, sum, manual, now);
}


static void
test_status(void **state)
{
    ngx_http_presence_sum_t  sum;

    (void) state;

    memset(&sum, 0, sizeof(ngx_http_presence_sum_t));
    assert_int_equal(status(&sum, NGX_HTTP_PRESENCE_OFFLINE, T0),
                     NGX_HTTP_PRESENCE_OFFLINE);

    add(&sum, 0, 0, T0, T0);

    assert_int_equal(status(&sum, NGX_HTTP_PRESENCE_OFFLINE, T0),
                     NGX_HTTP_PRESENCE_ONLINE);
    assert_int_equal(status(&sum, NGX_HTTP_PRESENCE_OFFLINE, T0 + IDLE - 1),
                     NGX_HTTP_PRESENCE_ONLINE);
    assert_int_equal(status(&sum, NGX_HTTP_PRESENCE_OFFLINE, T0 + IDLE),
                     NGX_HTTP_PRESENCE_AWAY);
    assert_int_equal(status(&sum, NGX_HTTP_PRESENCE_OFFLINE, T0 + 9 * IDLE),
                     NGX_HTTP_PRESENCE_AWAY);

    /* another worker's older time */

    assert_int_equal(status(&sum, NGX_HTTP_PRESENCE_OFFLINE, T0 - 1),
                     NGX_HTTP_PRESENCE_ONLINE);

    /* activity in one of two tabs is the user's */

    add(&sum, 0, 0, T0 + 100, T0);
    assert_int_equal(status(&sum, NGX_HTTP_PRESENCE_OFFLINE,
                            T0 + 100 + IDLE - 1),
                     NGX_HTTP_PRESENCE_ONLINE);
    assert_int_equal(status(&sum, NGX_HTTP_PRESENCE_OFFLINE, T0 + 100 + IDLE),
                     NGX_HTTP_PRESENCE_AWAY);
}


static void
test_status_leaving(void **state)
{
    ngx_http_presence_sum_t  sum;

    (void) state;

    /* a reload is no departure: nothing to see during the grace */

    memset(&sum, 0, sizeof(ngx_http_presence_sum_t));
    add(&sum, 0, 1, T0, T0);
    assert_int_equal(status(&sum, NGX_HTTP_PRESENCE_OFFLINE, T0),
                     NGX_HTTP_PRESENCE_ONLINE);

    /* nor while beats are missing */

    memset(&sum, 0, sizeof(ngx_http_presence_sum_t));
    add(&sum, 2, 0, T0, T0);
    assert_int_equal(status(&sum, NGX_HTTP_PRESENCE_OFFLINE, T0),
                     NGX_HTTP_PRESENCE_ONLINE);
}


static void
test_status_manual(void **state)
{
    ngx_http_presence_sum_t     sum;
    ngx_http_presence_status_e  manual;

    (void) state;

    for (manual = NGX_HTTP_PRESENCE_AWAY;
         manual <= NGX_HTTP_PRESENCE_INVISIBLE;
         manual++)
    {
        /* nobody who is not there has one */

        memset(&sum, 0, sizeof(ngx_http_presence_sum_t));
        assert_int_equal(status(&sum, manual, T0), NGX_HTTP_PRESENCE_OFFLINE);

        /* it wins over activity and over idleness */

        add(&sum, 0, 0, T0, T0);
        assert_int_equal(status(&sum, manual, T0), manual);
        assert_int_equal(status(&sum, manual, T0 + IDLE), manual);
    }
}


static void
test_manual(void **state)
{
    (void) state;

    /* no end */

    assert_int_equal(ngx_http_presence_rules_manual(NGX_HTTP_PRESENCE_BUSY, 0,
                                                    1790000000000),
                     NGX_HTTP_PRESENCE_BUSY);

    assert_int_equal(ngx_http_presence_rules_manual(NGX_HTTP_PRESENCE_BUSY,
                                                    1790000000000,
                                                    1789999999999),
                     NGX_HTTP_PRESENCE_BUSY);
    assert_int_equal(ngx_http_presence_rules_manual(NGX_HTTP_PRESENCE_BUSY,
                                                    1790000000000,
                                                    1790000000000),
                     NGX_HTTP_PRESENCE_OFFLINE);
    assert_int_equal(ngx_http_presence_rules_manual(NGX_HTTP_PRESENCE_DND,
                                                    1790000000000,
                                                    1790000000001),
                     NGX_HTTP_PRESENCE_OFFLINE);

    assert_int_equal(ngx_http_presence_rules_manual(NGX_HTTP_PRESENCE_OFFLINE,
                                                    0, 1790000000000),
                     NGX_HTTP_PRESENCE_OFFLINE);
}


static void
test_shown(void **state)
{
    ngx_http_presence_status_e  s;

    (void) state;

    for (s = NGX_HTTP_PRESENCE_OFFLINE; s < NGX_HTTP_PRESENCE_NSTATUSES; s++) {
        assert_int_equal(ngx_http_presence_rules_shown(s),
                         (s == NGX_HTTP_PRESENCE_INVISIBLE)
                             ? NGX_HTTP_PRESENCE_OFFLINE : s);
    }
}


static void
test_change(void **state)
{
    (void) state;

    assert_int_equal(ngx_http_presence_rules_change(0, 0),
                     NGX_HTTP_PRESENCE_NO_CHANGE);
    assert_int_equal(ngx_http_presence_rules_change(0, 1),
                     NGX_HTTP_PRESENCE_CHANGE_ENTER);
    assert_int_equal(ngx_http_presence_rules_change(1, 1),
                     NGX_HTTP_PRESENCE_CHANGE_UPDATE);
    assert_int_equal(ngx_http_presence_rules_change(1, 0),
                     NGX_HTTP_PRESENCE_CHANGE_LEAVE);

    /* any non-zero is a yes */

    assert_int_equal(ngx_http_presence_rules_change(4, 2),
                     NGX_HTTP_PRESENCE_CHANGE_UPDATE);
}


static void
test_names(void **state)
{
    const char *const  *s, *const  *r;

    (void) state;

    s = ngx_http_presence_status_names;

    assert_string_equal(s[NGX_HTTP_PRESENCE_OFFLINE], "offline");
    assert_string_equal(s[NGX_HTTP_PRESENCE_ONLINE], "online");
    assert_string_equal(s[NGX_HTTP_PRESENCE_AWAY], "away");
    assert_string_equal(s[NGX_HTTP_PRESENCE_BUSY], "busy");
    assert_string_equal(s[NGX_HTTP_PRESENCE_DND], "dnd");
    assert_string_equal(s[NGX_HTTP_PRESENCE_INVISIBLE], "invisible");

    r = ngx_http_presence_reason_names;

    assert_null(r[NGX_HTTP_PRESENCE_UNSEEN]);
    assert_string_equal(r[NGX_HTTP_PRESENCE_BEAT], "beat");
    assert_string_equal(r[NGX_HTTP_PRESENCE_ACTIVITY], "activity");
    assert_string_equal(r[NGX_HTTP_PRESENCE_IDLE], "idle");
    assert_string_equal(r[NGX_HTTP_PRESENCE_MISSED], "missed");
    assert_string_equal(r[NGX_HTTP_PRESENCE_LEAVE], "leave");
    assert_string_equal(r[NGX_HTTP_PRESENCE_LOGOUT], "logout");
    assert_string_equal(r[NGX_HTTP_PRESENCE_EXPIRED], "expired");
    assert_string_equal(r[NGX_HTTP_PRESENCE_KICKED], "kicked");
    assert_string_equal(r[NGX_HTTP_PRESENCE_MANUAL], "manual");
    assert_string_equal(r[NGX_HTTP_PRESENCE_TOUCH], "touch");
    assert_string_equal(r[NGX_HTTP_PRESENCE_STREAM], "stream");
    assert_string_equal(r[NGX_HTTP_PRESENCE_RECOVERED], "recovered");
}


/* when to look again */

static void
test_due(void **state)
{
    int                          round;
    uint8_t                      missed;
    ngx_http_presence_ms_t       t, now;
    ngx_http_presence_beat_t     beat;
    ngx_http_presence_life_t     life, copy;
    ngx_http_presence_policy_t   p;
    ngx_http_presence_verdict_t  verdict, again;

    (void) state;

    random_state = 2463534242;

    for (round = 0; round < 20000; round++) {

        p.interval = 1 + random_below(30);
        p.slack = random_below(10);
        p.idle = 1 + random_below(50);
        p.leave_grace = random_below(80);
        p.max_interval = p.interval + random_below(40);
        p.stream_life = random_below(3) * 50;
        p.misses = 1 + random_below(4);

        now = T0;
        beat = say(DOC, 1);
        beat.next = (int) random_below(80) - 5;
        beat.hidden = (uint8_t) random_below(2);
        ngx_http_presence_rules_begin(&p, &life, &beat, now);

        if (random_below(2)) {
            now += random_below(30);
            beat = say(DOC, 2);
            ngx_http_presence_rules_leave(&life, &beat, now);
        }

        if (random_below(2)) {
            now += random_below(30);
            ngx_http_presence_rules_acknowledge(&p, &life, now);
        }

        if (random_below(2)) {
            now += random_below(30);
            ngx_http_presence_rules_touch(&life, now);
        }

        if (random_below(4) == 0) {
            now += random_below(30);
            beat = say(DOC, (int) random_below(4));
            beat.next = (int) random_below(80) - 5;
            beat.hidden = (uint8_t) random_below(2);
            ngx_http_presence_rules_beat(&p, &life, &beat, now);
        }

        now += (int) random_below(60) - 3;

        verdict = ngx_http_presence_rules_look(&p, &life, now);
        missed = life.missed;

        if (verdict.gone) {

            /* for good, as long as it stays silent */

            for (t = now; t < now + 100; t++) {
                again = ngx_http_presence_rules_look(&p, &life, t);
                assert_int_equal(again.gone, 1);
                assert_int_equal(again.reason, verdict.reason);
            }

            continue;
        }

        assert_true(verdict.due > now);

        for (t = now; t < verdict.due; t++) {
            copy = life;
            again = ngx_http_presence_rules_look(&p, &copy, t);

            assert_int_equal(again.gone, 0);
            assert_int_equal(copy.missed, missed);
            assert_int_equal(again.due, verdict.due);
        }

        copy = life;
        again = ngx_http_presence_rules_look(&p, &copy, verdict.due);
        assert_true(again.gone || copy.missed != missed);
    }
}


static void
test_look_is_pure(void **state)
{
    ngx_http_presence_life_t  life, before;

    (void) state;

    /* a look counts, and changes nothing else: it may come at any time */

    life = begin(DOC, 1, T0);
    leave_at(&life, DOC, 2, T0 + 1);
    before = life;

    (void) ngx_http_presence_rules_look(&policy, &life, T0 + 9 * WINDOW);
    assert_int_equal(life.missed, 3);

    (void) ngx_http_presence_rules_look(&policy, &life, T0);
    assert_int_equal(life.missed, 0);
    assert_int_equal(life.last_beat, before.last_beat);
    assert_int_equal(life.last_sign, before.last_sign);
    assert_int_equal(life.last_active, before.last_active);
    assert_int_equal(life.leave_at, before.leave_at);
    assert_int_equal(life.leaving, before.leaving);
    assert_int_equal(life.seq, before.seq);
    assert_int_equal(life.doc, before.doc);
    assert_int_equal(life.step, before.step);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_begin_by_touch),
        cmocka_unit_test(test_begin_inactive),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_missed),
        cmocka_unit_test(test_missed_not_before),
        cmocka_unit_test(test_missed_extremes),
        cmocka_unit_test(test_beat_resets),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_deadline_leaving),
        cmocka_unit_test(test_leave_grace),
        cmocka_unit_test(test_leave_without_grace),
        cmocka_unit_test(test_leave_long_grace),
        cmocka_unit_test(test_leave_other_doc),
        cmocka_unit_test(test_leave_lower_seq),
        cmocka_unit_test(test_leave_lower_seq_no_doc),
        cmocka_unit_test(test_leave_no_seq),
        cmocka_unit_test(test_leave_unknown_doc),
        cmocka_unit_test(test_leave_repeated),
        cmocka_unit_test(test_leave_activity),
        cmocka_unit_test(test_leave_keeps_step),
        cmocka_unit_test(test_leave_cancelled),
        cmocka_unit_test(test_leave_not_cancelled),
        cmocka_unit_test(test_old_beat),
        cmocka_unit_test(test_old_beat_boundary),
        cmocka_unit_test(test_next_beat),
        cmocka_unit_test(test_old_beat_no_seq),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_step_counts),
        cmocka_unit_test(test_hidden),
        cmocka_unit_test(test_hidden_counts),
        cmocka_unit_test(test_touch),
        cmocka_unit_test(test_beat_older_time),
        cmocka_unit_test(test_beat_activity),
        cmocka_unit_test(test_acknowledge),
        cmocka_unit_test(test_acknowledge_bound),
        cmocka_unit_test(test_acknowledge_off),
        cmocka_unit_test(test_acknowledge_leaving),
        cmocka_unit_test(test_sum),
        cmocka_unit_test(test_sum_negative_times),
        cmocka_unit_test(test_sum_leaving),
        cmocka_unit_test(test_sum_any_order),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_leaving),
        cmocka_unit_test(test_status_manual),
        cmocka_unit_test(test_manual),
        cmocka_unit_test(test_shown),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_look_is_pure),
    };

    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
