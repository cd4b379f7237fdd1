/*
 * Random lives of a user, lived twice: by the rules, as a server would use
 * them, and by a slow and obvious model.  The model keeps only what was heard,
 * and works out everything anew from all of it whenever it is asked.
 *
 * PRESENCE_TEST_SEED and PRESENCE_TEST_ROUNDS repeat or extend a run.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ngx_http_presence_rules.h"


#define SEED          20240229
#define ROUNDS        100000

#define NSESSIONS     4
#define MAX_EVENTS    100
#define MAX_INSTANTS  4096

#define MONO          700000
#define WALL          1790000000000
#define EARLY         (-1 - INT64_MAX)


typedef ngx_http_presence_ms_t      ms_t;
typedef ngx_http_presence_beat_t    beat_t;
typedef ngx_http_presence_policy_t  policy_t;


/* what happened to this user, so that no kind of life goes untested */

typedef struct {
    unsigned                     begins;
    unsigned                     news;
    unsigned                     late_beats;
    unsigned                     hidden;
    unsigned                     leaves;
    unsigned                     vain_leaves;
    unsigned                     cancelled;
    unsigned                     saved;
    unsigned                     bounded;
    unsigned                     missed;
    unsigned                     left;
    unsigned                     looked_late;
    unsigned                     deaf;
    unsigned                     down;
    unsigned                     stepped;
    unsigned                     seen[NGX_HTTP_PRESENCE_NSTATUSES];
    unsigned                     lapsed;
    unsigned                     counted[4];
} tally_t;


/* the server */

typedef struct {
    int                          used;
    ms_t                         due;
    ngx_http_presence_life_t     life;
} session_t;


typedef struct {
    ngx_http_presence_clock_t    clock;
    session_t                    sessions[NSESSIONS];
    ngx_http_presence_status_e   manual;
    ms_t                         until;
} roster_t;


/* the model */

typedef enum {
    BEAT,
    LEAVE,
    TOUCH,
    ACKNOWLEDGE
} kind_e;


typedef struct {
    kind_e                       kind;
    ms_t                         at;
    ms_t                         heard;     /* of an acknowledgement */
    beat_t                       beat;
} sign_t;


typedef struct {
    int                          there;
    int                          nsigns;
    sign_t                       signs[MAX_EVENTS];
} heard_t;


typedef struct {
    ms_t                         real;      /* since the start */
    ms_t                         wall;
    int                          down;
} instant_t;


typedef struct {
    ngx_http_presence_status_e   status;
    ms_t                         until;
} wish_t;


typedef struct {
    const policy_t              *policy;
    ms_t                         limit;
    int                          ninstants;
    instant_t                    instants[MAX_INSTANTS];
    heard_t                      sessions[NSESSIONS];
    int                          nwishes;
    wish_t                       wishes[MAX_EVENTS];
} model_t;


/* what the model says of a session */

typedef struct {
    ms_t                         last_sign;
    ms_t                         last_active;
    int                          leaving;
    int                          missed;
    int                          gone;
    ms_t                         end;
    ngx_http_presence_reason_e   reason;
    ms_t                         due;
} story_t;


/* one life */

typedef struct {
    policy_t                     policy;
    ms_t                         limit;
    ms_t                         real;
    ms_t                         boot;      /* real time of mono 0 */
    ms_t                         step;      /* of the wall clock */
    int                          attentive;
    int                          nsessions; /* that it uses */
    int                          seq;
    uint32_t                     doc;
    int                          told;
    beat_t                       last[MAX_EVENTS];
    roster_t                     roster;
    model_t                      model;
} life_t;


static uint64_t  random_state;
static int       verbose;
static int       failed;
static tally_t   tally;
static life_t    one;


#define check(what, got, expected)                                            \
    check_values(what, (int64_t) (got), (int64_t) (expected), __LINE__)


#define say(...)                                                              \
    if (verbose) {                                                            \
        printf(__VA_ARGS__);                                                  \
    }


static void
check_values(const char *what, int64_t got, int64_t expected, int line)
{
    if (got != expected) {
        failed = 1;
        say("    line %d: %s is %" PRId64 ", the model says %" PRId64 "\n",
            line, what, got, expected);
    }
}


static int
below(ms_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;

    return (int) ((random_state >> 32) % (uint64_t) n);
}


/* the model: the clock */

/* time counts while somebody listens; a gap over the limit is one instant */

static ms_t
model_time(const model_t *model, int ninstants)
{
    int   i;
    ms_t  t, gap;

    t = NGX_HTTP_PRESENCE_CLOCK_START;

    for (i = 1; i < ninstants; i++) {
        gap = model->instants[i].real - model->instants[i - 1].real;
        t += (gap > model->limit || model->instants[i].down) ? 1 : gap;
    }

    return t;
}


static ms_t
model_now(const model_t *model)
{
    return model_time(model, model->ninstants);
}


/*
 * The wall time of "at"; -1 where the clock need not know it: at least eight
 * deaf episodes have passed since, but not all that there were.
 */

static ms_t
model_wall(const model_t *model, ms_t at)
{
    int               i, deaf, all;
    ms_t              t, gap;
    const instant_t  *last, *instant;

    last = &model->instants[model->ninstants - 1];
    t = model_now(model);
    deaf = 0;
    all = 0;

    for (i = model->ninstants - 1; i > 0; i--) {
        instant = &model->instants[i];
        gap = instant->real - instant[-1].real;
        all += (gap > model->limit || instant->down);
    }

    for (i = model->ninstants - 1; i > 0; i--) {
        instant = &model->instants[i];
        gap = instant->real - instant[-1].real;

        if (gap > model->limit || instant->down) {
            if (at == t) {
                break;
            }

            t--;
            deaf++;

        } else {
            if (at > t - gap) {
                break;
            }

            t -= gap;
        }
    }

    if (deaf >= 8 && deaf < all) {
        return -1;
    }

    return model->instants[i].real + (at - t) + (last->wall - last->real);
}


/* the model: a session */

static story_t
model_story(const model_t *model, int s, ms_t now)
{
    int              i, j, k, news[MAX_EVENTS];
    ms_t             t, step, left, beat, high;
    story_t          story;
    uint32_t         doc, docs[MAX_EVENTS];
    const sign_t    *sign;
    const heard_t   *heard;
    const policy_t  *policy;

    heard = &model->sessions[s];
    policy = model->policy;

    /* which beats and leaves were news when they came? */

    for (i = 0; i < heard->nsigns; i++) {
        sign = &heard->signs[i];
        news[i] = 0;

        /* of which document was the page, and what was its highest number? */

        doc = (i == 0) ? 0 : docs[i - 1];
        docs[i] = doc;

        if (sign->kind == TOUCH || sign->kind == ACKNOWLEDGE) {
            continue;
        }

        high = -1;

        for (j = i - 1; j >= 0 && docs[j] == doc; j--) {
            if (news[j] && heard->signs[j].beat.seq > high) {
                high = heard->signs[j].beat.seq;
            }
        }

        if (sign->kind == BEAT) {
            news[i] = (i == 0
                       || sign->beat.doc != doc
                       || sign->beat.seq < 0
                       || sign->beat.seq >= high);

            if (news[i]) {
                docs[i] = sign->beat.doc;
            }

            continue;
        }

        /* a leave: said before? */

        for (j = i - 1; j >= 0 && !news[j]; j--) { /* void */ }

        if (j >= 0 && heard->signs[j].kind == LEAVE) {
            continue;
        }

        news[i] = (sign->beat.doc == 0 || doc == 0 || sign->beat.doc == doc)
                  && (sign->beat.seq < 0 || sign->beat.seq >= high);

        if (news[i] && sign->beat.doc != 0) {
            docs[i] = sign->beat.doc;
        }
    }

    /* the last sign of life, the last activity */

    story.last_sign = EARLY;
    story.last_active = EARLY;
    beat = EARLY;

    for (i = 0; i < heard->nsigns; i++) {
        sign = &heard->signs[i];

        if (sign->kind == LEAVE && !news[i]) {
            continue;
        }

        t = sign->at;

        if (sign->kind == ACKNOWLEDGE) {
            t = sign->heard;

            if (t > beat + policy->stream_life) {
                t = beat + policy->stream_life;
            }

        } else if (sign->kind != TOUCH) {
            beat = sign->at;
        }

        if (t > story.last_sign) {
            story.last_sign = t;
        }

        t = EARLY;

        if (sign->kind == TOUCH) {
            t = sign->at;

        } else if (sign->kind != ACKNOWLEDGE
                   && news[i] && sign->beat.active_ago >= 0)
        {
            t = sign->at - sign->beat.active_ago;

        } else if (sign->kind == BEAT && news[i]) {
            t = sign->at;
        }

        if (t > story.last_active) {
            story.last_active = t;
        }
    }

    /* does the page go, and in which step does it beat? */

    step = 0;
    left = EARLY;
    story.leaving = 0;

    for (i = heard->nsigns - 1; i >= 0 && !news[i]; i--) { /* void */ }

    if (i >= 0 && heard->signs[i].kind == LEAVE) {
        story.leaving = 1;
        left = heard->signs[i].at;
    }

    for (i = 0; i < heard->nsigns; i++) {
        if (news[i] && heard->signs[i].kind == BEAT) {
            step = heard->signs[i].beat.next;

            if (heard->signs[i].beat.hidden && step == -1) {
                step = policy->max_interval;
            }
        }
    }

    if (step < policy->interval) {
        step = policy->interval;
    }

    if (step > policy->max_interval) {
        step = policy->max_interval;
    }

    /* its end, and what happens up to then */

    story.end = story.last_sign + policy->misses * step + policy->slack;
    story.reason = NGX_HTTP_PRESENCE_MISSED;

    if (story.leaving && left + policy->leave_grace <= story.end) {
        story.end = left + policy->leave_grace;
        story.reason = NGX_HTTP_PRESENCE_LEAVE;
    }

    story.gone = (now >= story.end);
    story.missed = 0;
    story.due = story.end;

    for (k = 1; k <= (int) policy->misses; k++) {
        t = story.last_sign + k * step + policy->slack;

        if (now >= t) {
            story.missed = k;

        } else if (t < story.due) {
            story.due = t;
        }
    }

    return story;
}


/* the model: the user */

static void
model_check_user(life_t *life)
{
    int                         s, n, staying, missed, any;
    ms_t                        now, wall, active, sign;
    story_t                     stories[NSESSIONS];
    const wish_t               *wish;
    const model_t              *model;
    ngx_http_presence_sum_t     sum;
    ngx_http_presence_status_e  manual, expected, status;

    model = &life->model;
    now = model_now(model);
    wall = model->instants[model->ninstants - 1].wall;

    n = 0;
    staying = 0;
    active = EARLY;
    sign = EARLY;

    for (s = 0; s < NSESSIONS; s++) {
        if (!model->sessions[s].there) {
            continue;
        }

        stories[s] = model_story(model, s, now);

        n++;
        staying += !stories[s].leaving;

        if (stories[s].last_active > active) {
            active = stories[s].last_active;
        }

        if (stories[s].last_sign > sign) {
            sign = stories[s].last_sign;
        }
    }

    /* of those that stay, or if none does of all, the most present one */

    missed = 0;
    any = 0;

    for (s = 0; s < NSESSIONS; s++) {
        if (model->sessions[s].there
            && (staying == 0 || !stories[s].leaving)
            && (!any || stories[s].missed < missed))
        {
            missed = stories[s].missed;
            any = 1;
        }
    }

    manual = NGX_HTTP_PRESENCE_OFFLINE;

    if (model->nwishes) {
        wish = &model->wishes[model->nwishes - 1];
        manual = wish->status;

        if (wish->until != 0 && wish->until <= wall) {
            tally.lapsed += (manual != NGX_HTTP_PRESENCE_OFFLINE);
            manual = NGX_HTTP_PRESENCE_OFFLINE;
        }
    }

    if (n == 0) {
        expected = NGX_HTTP_PRESENCE_OFFLINE;

    } else if (manual != NGX_HTTP_PRESENCE_OFFLINE) {
        expected = manual;

    } else if (now >= active + life->policy.idle) {
        expected = NGX_HTTP_PRESENCE_AWAY;

    } else {
        expected = NGX_HTTP_PRESENCE_ONLINE;
    }

    tally.seen[expected]++;
    tally.counted[missed < 3 ? missed : 3]++;

    /* the server */

    memset(&sum, 0, sizeof(ngx_http_presence_sum_t));

    for (s = 0; s < NSESSIONS; s++) {
        if (life->roster.sessions[s].used) {
            ngx_http_presence_rules_add(&sum, &life->roster.sessions[s].life);
        }
    }

    wall = ngx_http_presence_clock_wall(&life->roster.clock,
                                        life->roster.clock.now);
    manual = ngx_http_presence_rules_manual(life->roster.manual,
                                            life->roster.until, wall);
    status = ngx_http_presence_rules_status(&life->policy, &sum, manual,
                                            life->roster.clock.now);

    check("status", status, expected);
    check("what is shown", ngx_http_presence_rules_shown(status),
          (expected == NGX_HTTP_PRESENCE_INVISIBLE)
              ? NGX_HTTP_PRESENCE_OFFLINE : expected);
    check("sessions", sum.sessions, n);

    if (n) {
        check("staying", sum.staying, staying);
        check("missed of the user", sum.missed, missed);
        check("last_active of the user", sum.last_active, active);
        check("last_sign of the user", sum.last_sign, sign);
    }
}


/* the server: what it does with the rules */

static void
look(life_t *life, int s)
{
    ms_t                          now, wall, deadline;
    story_t                       story;
    session_t                    *session;
    ngx_http_presence_verdict_t   verdict;

    session = &life->roster.sessions[s];

    if (!session->used) {
        return;
    }

    now = life->roster.clock.now;
    verdict = ngx_http_presence_rules_look(&life->policy, &session->life, now);
    deadline = ngx_http_presence_rules_deadline(&life->policy,
                                                &session->life);

    say("    look at %d: missed %d, gone %d, due %" PRId64 "\n", s,
        session->life.missed, verdict.gone,
        verdict.due - NGX_HTTP_PRESENCE_CLOCK_START);

    story = model_story(&life->model, s, model_now(&life->model));

    check("gone", verdict.gone, story.gone);
    check("missed", session->life.missed, story.missed);
    check("leaving", session->life.leaving, story.leaving);
    check("last_sign", session->life.last_sign, story.last_sign);
    check("last_active", session->life.last_active, story.last_active);
    check("deadline", deadline, story.end);

    if (!verdict.gone) {
        check("due", verdict.due, story.due);
        session->due = verdict.due;
        return;
    }

    check("reason", verdict.reason, story.reason);

    tally.missed += (story.reason == NGX_HTTP_PRESENCE_MISSED);
    tally.left += (story.reason == NGX_HTTP_PRESENCE_LEAVE);
    tally.looked_late += (story.end < now);

    /* a server that looks when it is told to is never late */

    if (life->attentive) {
        check("when", now, story.end);
    }

    wall = model_wall(&life->model, story.end);

    if (wall != -1) {
        check("when, by the wall",
              ngx_http_presence_clock_wall(&life->roster.clock, deadline),
              wall);
    }

    session->used = 0;
    life->model.sessions[s].there = 0;
    life->model.sessions[s].nsigns = 0;
}


static void
fire(life_t *life)
{
    int         s;
    session_t  *session;

    for (s = 0; s < NSESSIONS; s++) {
        session = &life->roster.sessions[s];

        if (session->used && session->due <= life->roster.clock.now) {
            look(life, s);
        }
    }
}


static void
advance(life_t *life, ms_t gap)
{
    ms_t       forgiven;
    model_t   *model;
    instant_t *instant;

    life->real += gap;

    forgiven = ngx_http_presence_clock_advance(&life->roster.clock,
                                               life->real - life->boot,
                                               WALL + life->real + life->step,
                                               life->limit);

    check("forgiven", forgiven, (gap > life->limit) ? gap - 1 : 0);

    model = &life->model;

    if (gap > 0) {
        instant = &model->instants[model->ninstants++];
        instant->real = life->real;
        instant->wall = WALL + life->real + life->step;
        instant->down = 0;
    }

    check("now", life->roster.clock.now, model_now(model));

    if (life->attentive) {
        fire(life);
    }
}


/* time passes, and somebody listens all the time */

static void
pass(life_t *life, ms_t length)
{
    int         s;
    ms_t        gap, wait;
    session_t  *session;

    while (length > 0 && !failed) {
        gap = below(3) ? life->limit : 1 + below(life->limit);

        if (gap > length) {
            gap = length;
        }

        if (life->attentive) {
            for (s = 0; s < NSESSIONS; s++) {
                session = &life->roster.sessions[s];
                wait = session->due - life->roster.clock.now;

                if (session->used && wait > 0 && wait < gap) {
                    gap = wait;
                }
            }
        }

        advance(life, gap);
        length -= gap;
    }

    if (!life->attentive && below(2)) {
        fire(life);
    }
}


static void
hear(life_t *life, int s, kind_e kind, const beat_t *beat, ms_t heard)
{
    sign_t   *sign;
    heard_t  *session;

    session = &life->model.sessions[s];
    session->there = 1;

    sign = &session->signs[session->nsigns++];
    sign->kind = kind;
    sign->at = model_now(&life->model);
    sign->heard = heard;

    if (beat) {
        sign->beat = *beat;
    }
}


/* events */

static void
random_beat(life_t *life, beat_t *beat)
{
    /* a copy that was on its way for long */

    if (life->told && below(5) == 0) {
        *beat = life->last[below(life->told)];
        return;
    }

    if (below(8) == 0) {
        life->doc = (uint32_t) below(3);
    }

    beat->doc = below(6) ? life->doc : (uint32_t) below(3);
    beat->seq = -1;

    if (below(5)) {
        beat->seq = life->seq++;

        /* overtaken */

        if (below(3) == 0) {
            beat->seq -= below(6);
        }

        if (beat->seq < 0) {
            beat->seq = 0;
        }
    }

    beat->active_ago = below(2) ? -1 : below(2 * life->policy.idle);
    beat->next = below(2) ? -1 : below(2 * life->policy.max_interval);
    beat->hidden = (below(3) == 0);
}


static void
event_beat(life_t *life)
{
    int         s, news, leaving;
    beat_t      beat;
    session_t  *session;

    s = below(life->nsessions);
    random_beat(life, &beat);
    life->last[life->told++] = beat;

    say("  beat of %d: doc %u seq %" PRId64 " active %" PRId64
        " next %" PRId64 " hidden %d\n", s, beat.doc, beat.seq,
        beat.active_ago, beat.next, beat.hidden);

    /* a server may or may not look before it listens */

    if (below(4) == 0) {
        look(life, s);
    }

    session = &life->roster.sessions[s];

    if (session->used) {
        leaving = session->life.leaving;
        news = ngx_http_presence_rules_beat(&life->policy, &session->life,
                                            &beat, life->roster.clock.now);
        tally.news += (news != 0);
        tally.late_beats += (news == 0);
        tally.cancelled += (leaving && news);
        tally.hidden += (news && beat.hidden && beat.next == -1);

    } else {
        ngx_http_presence_rules_begin(&life->policy, &session->life, &beat,
                                      life->roster.clock.now);
        session->used = 1;
        tally.begins++;
    }

    hear(life, s, BEAT, &beat, 0);
    look(life, s);
}


static void
event_leave(life_t *life)
{
    int         s, news;
    beat_t      beat;
    session_t  *session;

    s = below(life->nsessions);
    session = &life->roster.sessions[s];
    random_beat(life, &beat);

    say("  leave of %d: doc %u seq %" PRId64 " active %" PRId64 "\n", s,
        beat.doc, beat.seq, beat.active_ago);

    if (!session->used) {
        return;
    }

    news = ngx_http_presence_rules_leave(&session->life, &beat,
                                         life->roster.clock.now);
    tally.leaves += (news != 0);
    tally.vain_leaves += (news == 0);

    hear(life, s, LEAVE, &beat, 0);
    look(life, s);
}


static void
event_touch(life_t *life)
{
    int         s;
    beat_t      empty;
    session_t  *session;

    s = below(life->nsessions);
    session = &life->roster.sessions[s];

    say("  touch of %d\n", s);

    if (session->used) {
        ngx_http_presence_rules_touch(&session->life, life->roster.clock.now);
        hear(life, s, TOUCH, NULL, 0);

    } else {
        empty.doc = 0;
        empty.seq = -1;
        empty.active_ago = -1;
        empty.next = -1;
        empty.hidden = 0;

        ngx_http_presence_rules_begin(&life->policy, &session->life, &empty,
                                      life->roster.clock.now);
        session->used = 1;
        hear(life, s, BEAT, &empty, 0);
        tally.begins++;
    }

    look(life, s);
}


static void
event_acknowledge(life_t *life)
{
    int         s;
    ms_t        at, before;
    session_t  *session;

    s = below(life->nsessions);
    session = &life->roster.sessions[s];
    at = life->roster.clock.now - (below(2) ? 0 : below(30));

    say("  acknowledgement of %d at %" PRId64 "\n", s,
        at - NGX_HTTP_PRESENCE_CLOCK_START);

    if (!session->used) {
        return;
    }

    before = session->life.last_sign;
    ngx_http_presence_rules_acknowledge(&life->policy, &session->life, at);

    tally.saved += (session->life.last_sign > before);
    tally.bounded += (at > before && session->life.last_sign < at);

    hear(life, s, ACKNOWLEDGE, NULL, at);
    look(life, s);
}


static void
event_manual(life_t *life)
{
    wish_t  *wish;

    wish = &life->model.wishes[life->model.nwishes++];

    /* offline stands for none */

    wish->status = NGX_HTTP_PRESENCE_AWAY + (unsigned) below(4);

    if (below(5) == 0) {
        wish->status = NGX_HTTP_PRESENCE_OFFLINE;
    }

    wish->until = below(3) ? WALL + life->real + life->step + below(200) - 10
                           : 0;

    say("  manual: %u until %" PRId64 "\n", wish->status, wish->until);

    life->roster.manual = wish->status;
    life->roster.until = wish->until;
}


static void
event_pass(life_t *life)
{
    ms_t        length;
    session_t  *session;

    session = &life->roster.sessions[below(life->nsessions)];

    switch (below(8)) {

    case 0:
        length = below(4);
        break;

    case 1:
    case 2:
        length = below(life->policy.interval) + 1;
        break;

    case 3:
        length = below(2 * life->policy.max_interval * life->policy.misses);
        break;

    case 4:
        length = life->policy.leave_grace + below(3) - 1;
        break;

    default:

        /* to a boundary, and one to either side */

        length = below(20);

        if (session->used) {
            length = session->due - life->roster.clock.now + below(3) - 1;
        }
    }

    say("  %" PRId64 " ms pass\n", length);

    pass(life, length);
}


static void
event_clock(life_t *life)
{
    int         off;
    ms_t        length;
    model_t    *model;
    instant_t  *instant;

    model = &life->model;

    switch (below(4)) {

    case 0:
        length = life->limit + 1 + below(2) * below(1000);
        say("  deaf for %" PRId64 " ms\n", length);
        tally.deaf++;
        advance(life, length);
        return;

    case 1:

        /* nginx is down; the machine may have been booted meanwhile */

        length = 1 + below(1000);
        say("  down for %" PRId64 " ms\n", length);
        tally.down++;

        life->real += length;
        ngx_http_presence_clock_forgive(&life->roster.clock, length);

        if (below(2)) {
            life->boot = life->real - below(1000);
        }

        life->roster.clock.mono = life->real - life->boot;

        instant = &model->instants[model->ninstants++];
        instant->real = life->real;
        instant->wall = WALL + life->real + life->step;
        instant->down = 1;

        if (life->attentive) {
            fire(life);
        }

        return;

    case 2:

        /* a worker whose cached time is older */

        length = below(20);
        say("  %" PRId64 " ms back\n", length);

        check("forgiven",
              ngx_http_presence_clock_advance(&life->roster.clock,
                                      life->real - life->boot - length,
                                      WALL + life->real + life->step - length,
                                      life->limit),
              0);
        return;

    default:
        off = NGX_HTTP_PRESENCE_CLOCK_STEP + 1 + below(100000);

        if (below(2)) {
            off = -off;
        }

        say("  the wall clock is stepped by %d ms\n", off);
        tally.stepped++;

        life->step += off;
        advance(life, 1);
    }
}


static void
event_look(life_t *life)
{
    int  s;

    say("  look at all\n");

    for (s = 0; s < NSESSIONS; s++) {
        look(life, s);
    }

    model_check_user(life);
}


static void
run(uint64_t seed)
{
    int        i, n;
    life_t    *life;
    policy_t  *p;

    life = &one;
    random_state = seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d;

    for (i = 0; i < 8; i++) {
        (void) below(1);
    }

    failed = 0;

    memset(&life->roster, 0, sizeof(roster_t));

    for (i = 0; i < NSESSIONS; i++) {
        life->model.sessions[i].there = 0;
        life->model.sessions[i].nsigns = 0;
    }

    p = &life->policy;

    p->interval = 1 + below(50);
    p->max_interval = p->interval + below(3) * below(40);
    p->slack = below(4) * below(10);
    p->misses = 1 + (uint32_t) below(5);
    p->idle = 1 + below(150);
    p->leave_grace = below(3) * below(50);
    p->stream_life = below(3) * below(200);

    life->limit = 20 + below(100);
    life->attentive = below(2);
    life->nsessions = 1 + below(NSESSIONS);
    life->seq = 0;
    life->doc = (uint32_t) below(3);
    life->told = 0;
    life->real = 0;
    life->boot = -MONO;
    life->step = 0;

    life->model.policy = p;
    life->model.limit = life->limit;
    life->model.nwishes = 0;
    life->model.ninstants = 1;
    life->model.instants[0].real = 0;
    life->model.instants[0].wall = WALL;
    life->model.instants[0].down = 0;

    ngx_http_presence_clock_start(&life->roster.clock, MONO, WALL);

    say("  interval %" PRId64 " max %" PRId64 " slack %" PRId64 " misses %u"
        " idle %" PRId64 " grace %" PRId64 " stream %" PRId64 " limit %"
        PRId64 " attentive %d\n", p->interval, p->max_interval, p->slack,
        p->misses, p->idle, p->leave_grace, p->stream_life, life->limit,
        life->attentive);

    n = 1 + below(MAX_EVENTS - 1);

    for (i = 0; i < n && !failed; i++) {

        if (life->model.ninstants > MAX_INSTANTS / 2) {
            break;
        }

        switch (below(20)) {

        case 0: case 1: case 2: case 3: case 4:
            event_beat(life);
            break;

        case 5: case 6: case 7:
            event_leave(life);
            break;

        case 8:
            event_touch(life);
            break;

        case 9: case 10:
            event_acknowledge(life);
            break;

        case 11:
            event_manual(life);
            break;

        case 12:
            event_clock(life);
            break;

        case 13: case 14:
            event_look(life);
            break;

        default:
            event_pass(life);
        }

        say("  now %" PRId64 "\n",
            life->roster.clock.now - NGX_HTTP_PRESENCE_CLOCK_START);
    }

    event_look(life);
}


static uint64_t
from_environment(const char *name, uint64_t value)
{
    const char  *s;

    s = getenv(name);

    return (s && *s) ? strtoull(s, NULL, 10) : value;
}


static void
test_model(void **state)
{
    int       i;
    uint64_t  seed, rounds, round;

    (void) state;

    seed = from_environment("PRESENCE_TEST_SEED", SEED);
    rounds = from_environment("PRESENCE_TEST_ROUNDS", ROUNDS);

    print_message("seed %" PRIu64 ", %" PRIu64 " lives\n", seed, rounds);

    for (round = 0; round < rounds; round++) {
        run(seed + round);

        if (failed) {
            verbose = 1;
            run(seed + round);

            fail_msg("life %" PRIu64 ": repeat with PRESENCE_TEST_SEED=%"
                     PRIu64 " PRESENCE_TEST_ROUNDS=1", round, seed + round);
        }
    }

    print_message("%u sessions; %u beats, %u late, %u hidden; %u leaves, "
                  "%u in vain, %u cancelled; %u acknowledgements, "
                  "%u bounded\n", tally.begins, tally.news,
                  tally.late_beats, tally.hidden, tally.leaves,
                  tally.vain_leaves, tally.cancelled, tally.saved,
                  tally.bounded);
    print_message("%u missed, %u left, %u looked at late; %u deaf, %u down, "
                  "%u wall steps, %u statuses lapsed\n", tally.missed,
                  tally.left, tally.looked_late, tally.deaf, tally.down,
                  tally.stepped, tally.lapsed);

    print_message("missed 0 to 3: %u, %u, %u, %u\n", tally.counted[0],
                  tally.counted[1], tally.counted[2], tally.counted[3]);

    if (rounds < ROUNDS) {
        return;
    }

    /* every kind of life was among them, and often */

    assert_true(tally.begins > rounds);
    assert_true(tally.news > rounds);
    assert_true(tally.late_beats > rounds / 20);
    assert_true(tally.hidden > rounds / 20);
    assert_true(tally.leaves > rounds / 5);
    assert_true(tally.vain_leaves > rounds / 5);
    assert_true(tally.cancelled > rounds / 50);
    assert_true(tally.saved > rounds / 20);
    assert_true(tally.bounded > rounds / 50);
    assert_true(tally.missed > rounds / 5);
    assert_true(tally.left > rounds / 5);
    assert_true(tally.looked_late > rounds / 20);
    assert_true(tally.deaf > rounds / 20);
    assert_true(tally.down > rounds / 20);
    assert_true(tally.stepped > rounds / 20);
    assert_true(tally.lapsed > rounds / 50);

    for (i = 0; i < NGX_HTTP_PRESENCE_NSTATUSES; i++) {
        assert_true(tally.seen[i] > rounds / 20);
    }

    for (i = 0; i < 4; i++) {
        assert_true(tally.counted[i] > rounds / 50);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_model),
    };

    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
