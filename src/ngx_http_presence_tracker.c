#include "ngx_http_presence_tracker.h"
#include "ngx_http_presence_groups.h"
#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_redis_arbiter.h"
#include "ngx_http_presence_redis_mirror.h"
#include "ngx_http_presence_trace.h"
#include "ngx_http_presence_worst.h"


static ngx_int_t ngx_http_presence_tracker_requested_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    ngx_http_presence_ms_t ago, ngx_http_presence_ms_t now);
static const char *ngx_http_presence_tracker_mirror_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_http_presence_report_t *report,
    const ngx_http_presence_turn_t *turn);
static void ngx_http_presence_tracker_signed_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    ngx_http_presence_ms_t before);
static void ngx_http_presence_tracker_logout_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_http_presence_report_t *report, ngx_http_presence_turn_t *turn,
    ngx_http_presence_ms_t now);
static ngx_int_t ngx_http_presence_tracker_hear_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_report_t *report, ngx_http_presence_turn_t *turn,
    ngx_http_presence_ms_t now, ngx_http_presence_answer_t *answer);
static void ngx_http_presence_tracker_arrive_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    const ngx_http_presence_report_t *report, ngx_http_presence_ms_t now,
    ngx_http_presence_arrival_t *arrival);
static ngx_uint_t ngx_http_presence_tracker_is_known_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    const ngx_http_presence_report_t *report, ngx_http_presence_ms_t now);
static void ngx_http_presence_tracker_recover(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *session,
    ngx_http_presence_turn_t *turn, ngx_http_presence_answer_t *answer);
static ngx_int_t ngx_http_presence_tracker_apply_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_report_t *report, ngx_http_presence_turn_t *turn);
static void ngx_http_presence_tracker_set_manual(
    ngx_http_presence_user_t *user, const ngx_http_presence_report_t *report);
static ngx_http_presence_verdict_t ngx_http_presence_tracker_look(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    ngx_http_presence_ms_t now);
static void ngx_http_presence_tracker_expire_session_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    ngx_http_presence_ms_t now);
static ngx_http_presence_status_e ngx_http_presence_tracker_judge_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_http_presence_turn_t *turn, ngx_http_presence_status_e status);
static void ngx_http_presence_tracker_set_status_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    ngx_http_presence_status_e status, ngx_http_presence_ms_t now);
static void ngx_http_presence_tracker_set_timer_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_http_presence_sum_t *sum, ngx_http_presence_ms_t now);
static void ngx_http_presence_tracker_sum(ngx_http_presence_user_t *user,
    ngx_http_presence_sum_t *sum);


/* names of the groups that a user loses must outlive them: a worker has one */
static ngx_str_t  ngx_http_presence_tracker_names[NGX_HTTP_PRESENCE_MAX_GROUPS];
static u_char     ngx_http_presence_tracker_bytes[NGX_HTTP_PRESENCE_MAX_GROUPS]
                                                [NGX_HTTP_PRESENCE_MAX_GROUP];


ngx_int_t
ngx_http_presence_tracker_beat_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_report_t *report, ngx_http_presence_ms_t now,
    ngx_http_presence_answer_t *answer)
{
    uint32_t                   hash;
    ngx_int_t                  rc;
    ngx_http_presence_turn_t   turn;
    ngx_http_presence_user_t  *user;

    ngx_memzero(answer, sizeof(ngx_http_presence_answer_t));

    answer->arrival.gap = -1;
    answer->arrival.hole = -1;

    hash = ngx_http_presence_roster_hash(&identity->user);
    user = ngx_http_presence_roster_find_locked(zone, &identity->user, hash);

    if (user == NULL) {

        if (report->leave || report->logout) {
            return NGX_OK;
        }

        user = ngx_http_presence_roster_add_user_locked(zone, identity, hash);

        if (user == NULL) {
            return NGX_BUSY;
        }
    }

    user->raised = report->raised ? 1 : 0;

    ngx_http_presence_tracker_begin(user, &turn, NGX_HTTP_PRESENCE_BEAT);

    if (report->logout) {
        ngx_http_presence_tracker_logout_locked(zone, user, report, &turn,
                                                now);
        answer->result = NGX_HTTP_PRESENCE_BEAT_LOGGED_OUT;
        rc = NGX_OK;

    } else {
        rc = ngx_http_presence_tracker_hear_locked(zone, user, identity, report,
                                                  &turn, now, answer);
    }

    ngx_http_presence_tracker_settle_locked(zone, user, &turn, now);

    if (zone->redis) {
        answer->redis = ngx_http_presence_tracker_mirror_locked(zone, user,
                                                               report, &turn);
    }

    answer->status = user->status;
    answer->reason = user->reason;
    answer->manual = user->manual;
    answer->until = user->until;

    return rc;
}


ngx_int_t
ngx_http_presence_tracker_touch_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity, ngx_http_presence_ms_t ago,
    ngx_http_presence_ms_t now)
{
    uint32_t                   hash;
    ngx_int_t                  rc;
    ngx_http_presence_user_t  *user;

    /* what came before the window says nothing of now */

    if (ago >= zone->policy.interval * zone->policy.misses) {
        return NGX_DECLINED;
    }

    hash = ngx_http_presence_roster_hash(&identity->user);
    user = ngx_http_presence_roster_find_locked(zone, &identity->user, hash);

    if (user == NULL) {
        user = ngx_http_presence_roster_add_user_locked(zone, identity, hash);

        if (user == NULL) {
            return NGX_BUSY;
        }
    }

    rc = ngx_http_presence_tracker_requested_locked(zone, user, ago, now);

    if (rc != NGX_DECLINED) {
        zone->sh->counters.traffic.touches++;
    }

    return rc;
}


ngx_int_t
ngx_http_presence_tracker_touched_locked(ngx_http_presence_zone_t *zone,
    const ngx_str_t *id, uint32_t hash, ngx_http_presence_ms_t ago,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_user_t  *user;

    user = ngx_http_presence_roster_find_locked(zone, id, hash);

    return user ? ngx_http_presence_tracker_requested_locked(zone, user, ago,
                                                             now)
                : NGX_DECLINED;
}


void
ngx_http_presence_tracker_acknowledge_locked(ngx_http_presence_zone_t *zone,
    ngx_str_t *user_id, ngx_str_t *session_id, ngx_http_presence_ms_t ago,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_ms_t        before;
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_user_t     *user;
    ngx_http_presence_session_t  *session;

    user = ngx_http_presence_roster_find_locked(zone, user_id,
                                       ngx_http_presence_roster_hash(user_id));
    if (user == NULL) {
        return;
    }

    session = ngx_http_presence_roster_find_session(user, session_id);

    if (session == NULL || session->ended) {
        return;
    }

    zone->sh->counters.acknowledgements++;

    ngx_http_presence_tracker_begin(user, &turn, NGX_HTTP_PRESENCE_STREAM);

    before = session->life.last_sign;

    ngx_http_presence_rules_acknowledge(&zone->policy, &session->life,
                                        now - ago);

    if (session->life.last_sign > before) {
        session->owner = 0;
    }

    ngx_http_presence_tracker_watch_locked(zone, session, now);

    ngx_http_presence_tracker_settle_locked(zone, user, &turn, now);

    if (zone->redis) {
        ngx_http_presence_tracker_signed_locked(zone, session, before);
    }
}


void
ngx_http_presence_tracker_expire_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_ms_t now, ngx_uint_t *budget)
{
    ngx_queue_t                  *q;
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_user_t     *user;
    ngx_http_presence_timer_t    *timer;
    ngx_http_presence_session_t  *session;

    for ( ;; ) {
        timer = ngx_http_presence_wheel_expire(&zone->sh->sessions, now,
                                               budget);
        if (timer == NULL) {
            break;
        }

        session = ngx_queue_data(timer, ngx_http_presence_session_t, timer);

        ngx_http_presence_tracker_expire_session_locked(zone, session, now);
    }

    for ( ;; ) {
        timer = ngx_http_presence_wheel_expire(&zone->sh->users, now, budget);

        if (timer == NULL) {
            break;
        }

        user = ngx_queue_data(timer, ngx_http_presence_user_t, timer);

        ngx_http_presence_tracker_begin(user, &turn, NGX_HTTP_PRESENCE_IDLE);
        ngx_http_presence_tracker_settle_locked(zone, user, &turn, now);
    }

    while (*budget && !ngx_queue_empty(&zone->sh->offline)) {

        q = ngx_queue_head(&zone->sh->offline);
        timer = ngx_queue_data(q, ngx_http_presence_timer_t, queue);

        if (timer->due > now) {
            break;
        }

        (*budget)--;

        (void) ngx_http_presence_roster_evict_locked(zone);
    }
}


void
ngx_http_presence_tracker_restored_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now,
    ngx_uint_t tell)
{
    ngx_http_presence_ms_t        since;
    ngx_http_presence_sum_t       sum;
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_session_t  *session;

    for (session = user->sessions; session; session = session->next) {
        ngx_http_presence_tracker_watch_locked(zone, session, now);
    }

    ngx_http_presence_tracker_begin(user, &turn, user->reason);
    ngx_http_presence_tracker_sum(user, &sum);

    since = user->since;

    ngx_http_presence_tracker_set_status_locked(zone, user,
                    ngx_http_presence_rules_status(&zone->policy, &sum,
                                                   user->manual, now), now);

    if (since) {
        user->since = since;
    }

    ngx_http_presence_tracker_set_timer_locked(zone, user, &sum, now);

    if (tell
        && turn.was.status != ngx_http_presence_rules_shown(user->status))
    {
        ngx_http_presence_changes_append_locked(zone, user, &turn.was);
    }
}


void
ngx_http_presence_tracker_reconcile_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_str_t *sessions, ngx_uint_t n,
    ngx_http_presence_reason_e reason, ngx_http_presence_ms_t now)
{
    ngx_uint_t                    i;
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_session_t  *session, *next;

    ngx_http_presence_tracker_begin(user, &turn, reason);

    for (session = user->sessions; session; session = next) {
        next = session->next;

        for (i = 0; i < n; i++) {
            if (sessions[i].len == session->len
                && ngx_memcmp(sessions[i].data, session->id, session->len)
                   == 0)
            {
                break;
            }
        }

        if (i == n && session->restored) {
            ngx_http_presence_roster_end_session_locked(zone, session, reason);

        } else {
            ngx_http_presence_tracker_watch_locked(zone, session, now);
        }
    }

    ngx_http_presence_tracker_settle_locked(zone, user, &turn, now);
}


static ngx_int_t
ngx_http_presence_tracker_requested_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t ago,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_ms_t        before;
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_session_t  *session;

    static ngx_str_t  nameless = ngx_string("");

    static const ngx_http_presence_beat_t  silent = { 0, -1, -1, -1, 0 };

    ngx_http_presence_tracker_begin(user, &turn, NGX_HTTP_PRESENCE_TOUCH);

    /* a request that began before the user went says nothing of now */

    if (user->status == NGX_HTTP_PRESENCE_OFFLINE
        && now - ago <= user->since)
    {
        return NGX_DECLINED;
    }

    session = ngx_http_presence_roster_find_session(user, &nameless);

    before = session ? session->life.last_sign : 0;

    if (session) {
        session->restored = 0;
        session->owner = 0;

        ngx_http_presence_rules_touch(&session->life, now - ago);

    } else {
        session = ngx_http_presence_roster_add_session_locked(zone, user,
                                                              &nameless);
        if (session) {
            ngx_http_presence_rules_begin(&zone->policy, &session->life,
                                          &silent, now - ago);
        }
    }

    if (session) {
        ngx_http_presence_tracker_watch_locked(zone, session, now);
    }

    ngx_http_presence_tracker_settle_locked(zone, user, &turn, now);

    if (session && zone->redis) {
        ngx_http_presence_tracker_signed_locked(zone, session, before);
    }

    return session ? NGX_OK : NGX_BUSY;
}


/* what Redis has to be told of a beat */

static const char *
ngx_http_presence_tracker_mirror_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_http_presence_report_t *report,
    const ngx_http_presence_turn_t *turn)
{
    ngx_uint_t  flags;

    flags = 0;

    if (report->status < NGX_HTTP_PRESENCE_NSTATUSES) {
        flags |= NGX_HTTP_PRESENCE_REDIS_MANUAL;
    }

    if (report->text.data || report->meta.data) {
        flags |= NGX_HTTP_PRESENCE_REDIS_NOTE;
    }

    if (turn->was.groups) {
        flags |= NGX_HTTP_PRESENCE_REDIS_GROUPS;
    }

    if (report->logout) {
        flags = NGX_HTTP_PRESENCE_REDIS_ALL;
    }

    return ngx_http_presence_redis_heard_locked(zone, user, flags);
}


/* signs of life that are many: Redis is told of four in an interval */

static void
ngx_http_presence_tracker_signed_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session, ngx_http_presence_ms_t before)
{
    ngx_http_presence_ms_t  part;

    part = ngx_max(zone->policy.interval / 4, 1);

    if (before / part != session->life.last_sign / part) {
        (void) ngx_http_presence_redis_heard_locked(zone, session->user, 0);
    }
}


/*
 * The user's own word ends all sessions, with no grace.  Of the one that says
 * it a memory stays for a while: a beat that it sent before may come later.
 */

static void
ngx_http_presence_tracker_logout_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_http_presence_report_t *report,
    ngx_http_presence_turn_t *turn, ngx_http_presence_ms_t now)
{
    ngx_http_presence_session_t  *session, *next;

    turn->reason = NGX_HTTP_PRESENCE_LOGOUT;

    for (session = user->sessions; session; session = next) {
        next = session->next;

        if (session->len != report->session.len
            || ngx_memcmp(session->id, report->session.data, session->len)
               != 0)
        {
            ngx_http_presence_roster_end_session_locked(zone, session,
                                                        turn->reason);
            continue;
        }

        if (!session->ended) {
            ngx_http_presence_roster_retire_session_locked(zone, session);
        }

        session->life.doc = report->beat.doc;
        session->life.seq = report->beat.seq;
        session->life.leaving = 1;
        session->life.leave_at = now;

        ngx_http_presence_tracker_watch_locked(zone, session, now);
    }
}


static ngx_int_t
ngx_http_presence_tracker_hear_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_report_t *report, ngx_http_presence_turn_t *turn,
    ngx_http_presence_ms_t now, ngx_http_presence_answer_t *answer)
{
    ngx_int_t                     rc;
    ngx_uint_t                    news;
    ngx_http_presence_session_t  *session;

    session = ngx_http_presence_roster_find_session(user, &report->session);

    if (session) {

        ngx_http_presence_tracker_arrive_locked(zone, session, report, now,
                                                &answer->arrival);
        session->restored = 0;
        session->owner = 0;

        news = report->leave
               ? ngx_http_presence_rules_leave(&session->life, &report->beat,
                                               now)
               : ngx_http_presence_rules_beat(&zone->policy, &session->life,
                                              &report->beat, now);

        if (report->leave && news) {
            ngx_http_presence_zone_ending_locked(zone, user->hash);
        }

        if (session->ended) {

            if (!news) {
                return NGX_OK;
            }

            ngx_http_presence_roster_revive_session_locked(zone, session);
            answer->result = NGX_HTTP_PRESENCE_BEAT_BEGAN;

        } else if (report->leave) {
            answer->result = news ? NGX_HTTP_PRESENCE_BEAT_LEFT
                                  : NGX_HTTP_PRESENCE_BEAT_IGNORED;

        } else {
            answer->result = news ? NGX_HTTP_PRESENCE_BEAT_RENEWED
                                  : NGX_HTTP_PRESENCE_BEAT_OVERTAKEN;
        }

        if (report->status < NGX_HTTP_PRESENCE_NSTATUSES) {
            turn->reason = NGX_HTTP_PRESENCE_MANUAL;
        }

    } else if (report->leave) {
        return NGX_OK;

    } else {
        session = ngx_http_presence_roster_add_session_locked(zone, user,
                                                            &report->session);
        if (session == NULL) {
            return NGX_BUSY;
        }

        ngx_http_presence_rules_begin(&zone->policy, &session->life,
                                      &report->beat, now);

        ngx_http_presence_tracker_recover(zone, user, &report->session, turn,
                                         answer);

        if (answer->recovered) {
            ngx_http_presence_arrival_of_lost_locked(zone, user, report, now,
                                                     &answer->arrival);
        }

        /* it may have been on another node before */

        if (zone->redis && ngx_http_presence_redis_others_locked(zone)
            && ngx_http_presence_redis_answers(zone, user))
        {
            answer->arrival.asked = 1;

        } else if (answer->recovered) {
            turn->cause = answer->arrival.diagnosis.cause;

            zone->sh->counters.late[turn->cause]++;
            zone->sh->counters.recovered[turn->cause]++;
            zone->sh->counters.recovered_at = (uint64_t) ngx_time();
        }

        answer->result = NGX_HTTP_PRESENCE_BEAT_BEGAN;
        news = 1;
    }

    ngx_http_presence_arrival_trace_locked(zone, session, report,
                                           &answer->arrival, news, now);

    rc = news ? ngx_http_presence_tracker_apply_locked(zone, user, identity,
                                                      report, turn)
              : NGX_OK;

    ngx_http_presence_tracker_watch_locked(zone, session, now);

    answer->deadline = ngx_http_presence_rules_deadline(&zone->policy,
                                                        &session->life)
                       - now;
    return rc;
}


/* looks at how long the session was silent, before its beat ends that */

static void
ngx_http_presence_tracker_arrive_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session,
    const ngx_http_presence_report_t *report, ngx_http_presence_ms_t now,
    ngx_http_presence_arrival_t *arrival)
{
    ngx_uint_t                known;
    ngx_http_presence_life_t  life;

    if (session->restored || session->ended || session->life.leaving) {
        return;
    }

    known = ngx_http_presence_tracker_is_known_locked(zone, session, report,
                                                      now);

    if (!known && !ngx_http_presence_redis_answers(zone, session->user)) {
        return;
    }

    /* the beat may come before the sweep has seen that it is late */

    if (known && session->owner == 0) {
        (void) ngx_http_presence_tracker_look(zone, session, now);
    }

    ngx_http_presence_arrival_of_known(zone, session, report, now, arrival);

    if (!known) {
        life = session->life;
        (void) ngx_http_presence_rules_look(&zone->policy, &life, now);

        arrival->missed = life.missed;
        arrival->counted = session->life.missed;
        arrival->asked = 1;

    } else if (!report->leave) {
        ngx_http_presence_arrival_count_locked(zone, arrival);
    }
}


/*
 * Other nodes hear beats as well: is the last one that is known here the one
 * before this?  It is when no number is missing; but what is late is up to the
 * session's owner.
 */

static ngx_uint_t
ngx_http_presence_tracker_is_known_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session,
    const ngx_http_presence_report_t *report, ngx_http_presence_ms_t now)
{
    ngx_http_presence_life_t  *life;

    life = &session->life;

    if (zone->redis == NULL) {
        return 1;
    }

    if (session->owner == 0) {
        return ngx_http_presence_rules_is_next(life, &report->beat)
               || !ngx_http_presence_redis_others_locked(zone);
    }

    return ngx_http_presence_rules_is_next(life, &report->beat)
           && now - life->last_beat <= life->step + zone->policy.slack;
}


/* was this new session there before, and thought to be gone? */

static void
ngx_http_presence_tracker_recover(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *session,
    ngx_http_presence_turn_t *turn, ngx_http_presence_answer_t *answer)
{
    if (user->lost == 0
        || user->lost != ngx_http_presence_roster_hash(session))
    {
        return;
    }

    user->lost = 0;

    turn->reason = NGX_HTTP_PRESENCE_RECOVERED;

    answer->recovered = NGX_HTTP_PRESENCE_MISSED;

    if (user->status == NGX_HTTP_PRESENCE_OFFLINE) {
        answer->recovered_at = ngx_http_presence_zone_wall(zone, user->since);
    }
}


/* what a beat says of its user; NGX_BUSY: not all of it found room */

static ngx_int_t
ngx_http_presence_tracker_apply_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_report_t *report, ngx_http_presence_turn_t *turn)
{
    ngx_int_t  rc;

    rc = NGX_OK;

    if (!ngx_http_presence_groups_are(user, identity)) {
        ngx_http_presence_tracker_was_in_groups(user, &turn->was);

        rc = ngx_http_presence_groups_set_locked(zone, user, identity);

        turn->changed = (rc == NGX_OK);
    }

    if (report->status < NGX_HTTP_PRESENCE_NSTATUSES) {
        ngx_http_presence_tracker_set_manual(user, report);
    }

    if (ngx_http_presence_roster_set_note_locked(zone, user, &report->text,
                                                 &report->meta, &turn->changed)
        != NGX_OK)
    {
        rc = NGX_BUSY;
    }

    return rc;
}


static void
ngx_http_presence_tracker_set_manual(ngx_http_presence_user_t *user,
    const ngx_http_presence_report_t *report)
{
    if (report->status == NGX_HTTP_PRESENCE_ONLINE) {
        user->manual = NGX_HTTP_PRESENCE_OFFLINE;
        user->until = 0;
        return;
    }

    user->manual = report->status;
    user->until = report->until;
}


/* one made by requests alone owes no beats, and so misses none */

static ngx_http_presence_verdict_t
ngx_http_presence_tracker_look(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session, ngx_http_presence_ms_t now)
{
    uint8_t                      missed;
    ngx_http_presence_verdict_t  verdict;

    missed = session->life.missed;

    verdict = ngx_http_presence_rules_look(&zone->policy, &session->life, now);

    /* another node's: that counts, and when it is gone Redis says so */

    if (session->owner) {
        session->life.missed = missed;

        verdict.gone = 0;
        verdict.due = ngx_http_presence_rules_deadline(&zone->policy,
                                                       &session->life);
        verdict.due = ngx_max(verdict.due, now + 1);

        return verdict;
    }

    if (session->len == 0) {
        session->life.missed = 0;
    }

    if (session->life.missed > missed && !session->life.leaving) {
        zone->sh->counters.missed += session->life.missed - missed;
    }

    ngx_http_presence_worst_update_locked(zone, session);

    return verdict;
}


/*
 * Counts the session's missed beats, and sees to it that the wheel looks at it
 * in time: a later deadline is found when the timer fires.
 */

void
ngx_http_presence_tracker_watch_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session, ngx_http_presence_ms_t now)
{
    ngx_http_presence_ms_t       due;
    ngx_http_presence_verdict_t  verdict;

    verdict = ngx_http_presence_tracker_look(zone, session, now);

    due = verdict.due;

    if (verdict.gone) {
        due = now;

        if (zone->redis && !session->ended) {
            due = ngx_max(due, ngx_http_presence_redis_patience_locked(zone,
                                                                   session));
        }
    }

    if (!ngx_http_presence_timer_is_set(&session->timer)
        || due < session->timer.due)
    {
        ngx_http_presence_wheel_add(&zone->sh->sessions, &session->timer, due);
    }
}


static void
ngx_http_presence_tracker_expire_session_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session, ngx_http_presence_ms_t now)
{
    ngx_uint_t                    missed;
    ngx_http_presence_ms_t        leave, again;
    ngx_http_presence_life_t      life;
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_user_t     *user;
    ngx_http_presence_verdict_t   verdict;

    if (session->owner) {
        ngx_http_presence_wheel_add(&zone->sh->sessions, &session->timer,
                      ngx_http_presence_redis_look_locked(zone, session, now));
        return;
    }

    missed = session->life.missed;

    if (zone->redis && !session->ended) {
        life = session->life;
        verdict = ngx_http_presence_rules_look(&zone->policy, &life, now);

        /* another node may have heard it since */

        if (verdict.gone || (session->len && life.missed != missed)) {
            again = ngx_http_presence_redis_hold_locked(zone, session,
                                                        verdict.gone, now);
            if (again) {
                ngx_http_presence_wheel_add(&zone->sh->sessions,
                                            &session->timer, again);
                return;
            }
        }
    }

    verdict = ngx_http_presence_tracker_look(zone, session, now);

    if (!verdict.gone) {
        ngx_http_presence_wheel_add(&zone->sh->sessions, &session->timer,
                                    verdict.due);

        if (session->life.missed == missed) {
            return;
        }
    }

    user = session->user;

    ngx_http_presence_tracker_begin(user, &turn, verdict.reason);

    if (verdict.reason == NGX_HTTP_PRESENCE_MISSED && session->len) {
        turn.cause = ngx_http_presence_arrival_silence_locked(zone, session,
                                                              now);
    }

    if (verdict.gone) {

        if (!session->ended) {
            ngx_http_presence_counters_observe(&zone->sh->counters.detection,
                           &ngx_http_presence_detection_scale,
                           now - ngx_http_presence_rules_deadline(
                                              &zone->policy, &session->life));
        }

        leave = (verdict.reason == NGX_HTTP_PRESENCE_LEAVE)
                ? session->life.leave_at : 0;

        ngx_http_presence_roster_end_session_locked(zone, session,
                                                    verdict.reason);

        /* requests before the leave were those of the page that has gone */

        session = user->sessions;

        if (session && session->next == NULL && session->len == 0
            && session->life.last_sign <= leave)
        {
            ngx_http_presence_roster_end_session_locked(zone, session,
                                                        verdict.reason);
        }
    }

    ngx_http_presence_tracker_settle_locked(zone, user, &turn, now);
}


/* keeps what everybody sees of the user before it is changed */

void
ngx_http_presence_tracker_begin(ngx_http_presence_user_t *user,
    ngx_http_presence_turn_t *turn, ngx_http_presence_reason_e reason)
{
    turn->was.status = ngx_http_presence_rules_shown(user->status);
    turn->was.ngroups = 0;
    turn->was.groups = NULL;
    turn->reason = reason;
    turn->cause = NGX_HTTP_PRESENCE_NO_CAUSE;
    turn->changed = 0;
    turn->judged = 0;
    turn->away = 0;
}


void
ngx_http_presence_tracker_was_in_groups(ngx_http_presence_user_t *user,
    ngx_http_presence_was_t *was)
{
    ngx_str_t                       *name, *copy;
    ngx_http_presence_membership_t  *m;

    was->groups = ngx_http_presence_tracker_names;

    for (m = user->memberships; m; m = m->next) {
        name = &m->group->sn.str;
        copy = &ngx_http_presence_tracker_names[was->ngroups];

        copy->len = name->len;
        copy->data = ngx_http_presence_tracker_bytes[was->ngroups];
        ngx_memcpy(copy->data, name->data, name->len);

        was->ngroups++;
    }
}


/*
 * The end of each change: works out the user's status, and tells everybody
 * when something that they see is different.
 */

void
ngx_http_presence_tracker_settle_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_turn_t *turn,
    ngx_http_presence_ms_t now)
{
    ngx_uint_t                          missed, traced;
    ngx_http_presence_sum_t             sum;
    ngx_http_presence_status_e          status, shown;
    ngx_http_presence_note_of_change_t  change;

    ngx_http_presence_tracker_sum(user, &sum);

    if (user->manual
        && ngx_http_presence_rules_manual(user->manual, user->until,
                                       ngx_http_presence_zone_wall(zone, now))
           == NGX_HTTP_PRESENCE_OFFLINE)
    {
        user->manual = NGX_HTTP_PRESENCE_OFFLINE;
        user->until = 0;
        turn->reason = NGX_HTTP_PRESENCE_MANUAL;
    }

    status = ngx_http_presence_rules_status(&zone->policy, &sum, user->manual,
                                            now);

    if (zone->redis) {
        status = ngx_http_presence_tracker_judge_locked(zone, user, turn,
                                                        status);
    }

    shown = ngx_http_presence_rules_shown(status);

    if (sum.sessions) {
        user->last_active = ngx_max(user->last_active, sum.last_active);
        user->last_sign = ngx_max(user->last_sign, sum.last_sign);
        missed = sum.missed;

    } else if (user->status != NGX_HTTP_PRESENCE_OFFLINE) {
        missed = (turn->reason == NGX_HTTP_PRESENCE_MISSED)
                 ? zone->policy.misses : 0;
    } else {
        missed = user->missed;
    }

    if (missed != user->missed) {
        user->missed = (uint8_t) missed;
        turn->changed = 1;
    }

    if (turn->reason == NGX_HTTP_PRESENCE_BEAT
        && user->status == NGX_HTTP_PRESENCE_AWAY
        && status == NGX_HTTP_PRESENCE_ONLINE)
    {
        turn->reason = NGX_HTTP_PRESENCE_ACTIVITY;
    }

    /* a sign of life may come before the timer that sees that nobody acts */

    if ((turn->reason == NGX_HTTP_PRESENCE_BEAT
         || turn->reason == NGX_HTTP_PRESENCE_TOUCH
         || turn->reason == NGX_HTTP_PRESENCE_STREAM)
        && user->status == NGX_HTTP_PRESENCE_ONLINE
        && status == NGX_HTTP_PRESENCE_AWAY
        && user->manual == NGX_HTTP_PRESENCE_OFFLINE)
    {
        turn->reason = NGX_HTTP_PRESENCE_IDLE;
    }

    /* what somebody invisible did is not told afterwards either */

    if (user->status == NGX_HTTP_PRESENCE_INVISIBLE
        && status == NGX_HTTP_PRESENCE_OFFLINE)
    {
        user->last_active = ngx_min(user->last_active, user->since);
        user->last_sign = ngx_min(user->last_sign, user->since);
        user->missed = 0;
    }

    change.from = user->status;

    if (status != user->status) {
        ngx_http_presence_tracker_set_status_locked(zone, user, status, now);
        traced = 1;

    } else {

        /* Redis says its last reason with each look */

        traced = (turn->reason == NGX_HTTP_PRESENCE_RECOVERED
                  && !turn->judged);
    }

    if (traced) {
        ngx_http_presence_trace_change_locked(zone, user, turn->reason,
                                     turn->cause,
                                     ngx_http_presence_zone_wall(zone, now));
    }

    ngx_http_presence_tracker_set_timer_locked(zone, user, &sum, now);

    if (shown != turn->was.status) {
        zone->sh->counters.transitions[turn->was.status][shown]
                                      [turn->reason]++;
        turn->changed = 1;

    } else if (shown == NGX_HTTP_PRESENCE_OFFLINE) {
        turn->changed = 0;
    }

    if (turn->changed) {
        user->reason = turn->reason;
        ngx_http_presence_changes_append_locked(zone, user, &turn->was);
    }

    if (turn->changed || traced) {
        change.reason = turn->reason;
        change.cause = turn->cause;
        change.told = turn->changed;

        ngx_http_presence_journal_change_locked(zone, user, &change, now);
    }
}


/*
 * Whether a user is idle is Redis' word where there is one: another node may
 * know of activity.
 */

static ngx_http_presence_status_e
ngx_http_presence_tracker_judge_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_http_presence_turn_t *turn,
    ngx_http_presence_status_e status)
{
    if (status != NGX_HTTP_PRESENCE_ONLINE && status != NGX_HTTP_PRESENCE_AWAY)
    {
        return status;
    }

    if (user->manual == NGX_HTTP_PRESENCE_AWAY) {
        return status;
    }

    if (turn->judged) {
        return turn->away ? NGX_HTTP_PRESENCE_AWAY : NGX_HTTP_PRESENCE_ONLINE;
    }

    if (status == NGX_HTTP_PRESENCE_AWAY
        && user->status == NGX_HTTP_PRESENCE_ONLINE
        && ngx_http_presence_redis_ask_locked(zone, user))
    {
        return NGX_HTTP_PRESENCE_ONLINE;
    }

    return status;
}


static void
ngx_http_presence_tracker_set_status_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_status_e status,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_status_e  before, after;

    before = ngx_http_presence_rules_shown(user->status);
    after = ngx_http_presence_rules_shown(status);

    /* the wheel holds those who are there, the queue those who are not */

    if (user->status == NGX_HTTP_PRESENCE_OFFLINE
        || status == NGX_HTTP_PRESENCE_OFFLINE)
    {
        ngx_http_presence_timer_clear(&user->timer);
    }

    ngx_http_presence_zone_ending_locked(zone, user->hash);

    user->status = status;

    if (before == after) {
        return;
    }

    user->since = now;

    ngx_http_presence_groups_recount_locked(zone, user, before, after);
}


/*
 * When something happens to the user by itself: idle, the end of a status set
 * by hand; an offline user waits to be forgotten.
 */

static void
ngx_http_presence_tracker_set_timer_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_http_presence_sum_t *sum,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_ms_t  due;

    if (user->status == NGX_HTTP_PRESENCE_OFFLINE) {

        if (!ngx_http_presence_timer_is_set(&user->timer)) {
            user->timer.due = user->since + zone->retention;
            ngx_queue_insert_tail(&zone->sh->offline, &user->timer.queue);
        }

        return;
    }

    if (user->manual) {

        if (user->until == 0) {
            return;
        }

        due = now + user->until - ngx_http_presence_zone_wall(zone, now);

    } else if (user->status == NGX_HTTP_PRESENCE_ONLINE) {
        due = sum->last_active + zone->policy.idle;

    } else {
        return;
    }

    /* Redis has been asked */

    if (zone->redis && due <= now) {
        due = now + ngx_http_presence_redis_retry(zone);
    }

    if (!ngx_http_presence_timer_is_set(&user->timer)
        || due < user->timer.due)
    {
        ngx_http_presence_wheel_add(&zone->sh->users, &user->timer, due);
    }
}


static void
ngx_http_presence_tracker_sum(ngx_http_presence_user_t *user,
    ngx_http_presence_sum_t *sum)
{
    ngx_http_presence_session_t  *session;

    ngx_memzero(sum, sizeof(ngx_http_presence_sum_t));

    for (session = user->sessions; session; session = session->next) {

        if (!session->ended) {
            ngx_http_presence_rules_add(sum, &session->life);
        }
    }
}
