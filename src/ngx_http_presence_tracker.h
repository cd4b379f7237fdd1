/*
 * What happens to users: beats, requests, acknowledgements, deadlines.
 *
 * Each function ends in one place, which works out the user's status, keeps
 * the counts, and puts the change, if others see one, into the change ring.
 * The caller of a "_locked" function holds the zone's lock.
 */

#ifndef _NGX_HTTP_PRESENCE_TRACKER_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_TRACKER_H_INCLUDED_


#include "ngx_http_presence_arrival.h"
#include "ngx_http_presence_changes.h"


/* what a beat is answered with */
typedef struct {
    ngx_http_presence_status_e       status;
    ngx_http_presence_reason_e       reason;    /* of the status */
    ngx_http_presence_status_e       manual;    /* _OFFLINE: none */
    ngx_http_presence_ms_t           until;     /* wall time */
    ngx_http_presence_ms_t           deadline;  /* from now, 0: not there */
    ngx_http_presence_beat_e         result;
    ngx_http_presence_reason_e       recovered; /* _UNSEEN: it was not gone */
    ngx_http_presence_ms_t           recovered_at;  /* wall time */
    const char                      *redis;     /* as in the log; NULL: none */
    ngx_http_presence_arrival_t      arrival;
} ngx_http_presence_answer_t;


/* one change of a user, from what everybody saw before to what is new */
typedef struct {
    ngx_http_presence_was_t          was;
    ngx_http_presence_reason_e       reason;
    ngx_uint_t                       cause;     /* or _NO_CAUSE */
    ngx_uint_t                       changed;
    unsigned                         judged:1;  /* Redis says "away" or not */
    unsigned                         away:1;
} ngx_http_presence_turn_t;


/*
 * NGX_OK; or NGX_BUSY: the zone is full.  Then a session that was there has
 * been renewed all the same, and what did not fit is as it was.
 */
ngx_int_t ngx_http_presence_tracker_beat_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_report_t *report, ngx_http_presence_ms_t now,
    ngx_http_presence_answer_t *answer);

/*
 * A request that came "ago" milliseconds ago.  NGX_OK, or NGX_BUSY as above;
 * or NGX_DECLINED: it came too long ago to count.
 */
ngx_int_t ngx_http_presence_tracker_touch_locked(
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity, ngx_http_presence_ms_t ago,
    ngx_http_presence_ms_t now);

/* the same, told later: it has been counted, and brings in nobody new */
ngx_int_t ngx_http_presence_tracker_touched_locked(
    ngx_http_presence_zone_t *zone, const ngx_str_t *id, uint32_t hash,
    ngx_http_presence_ms_t ago, ngx_http_presence_ms_t now);

/* the peer of the session's stream acknowledged data "ago" milliseconds ago */
void ngx_http_presence_tracker_acknowledge_locked(
    ngx_http_presence_zone_t *zone, ngx_str_t *user, ngx_str_t *session,
    ngx_http_presence_ms_t ago, ngx_http_presence_ms_t now);

/*
 * Looks at up to *budget deadlines, which it counts down: misses, idle users,
 * leavers, forgotten users.  More may be due when *budget comes back as 0.
 */
void ngx_http_presence_tracker_expire_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_ms_t now, ngx_uint_t *budget);

/*
 * Works out the status of a user whom an image brought (..._image), when its
 * last session is there.  Everybody is told of it if "tell".
 */
void ngx_http_presence_tracker_restored_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now,
    ngx_uint_t tell);

/*
 * Ends those restored sessions of the user that have not beaten since, and are
 * not among the "n" that a newer image still has.
 */
void ngx_http_presence_tracker_reconcile_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_str_t *sessions, ngx_uint_t n,
    ngx_http_presence_reason_e reason, ngx_http_presence_ms_t now);

/*
 * The beginning and the end of each change, for others that change a user.
 * The names of the groups that it was in are kept only on demand, before they
 * are changed.
 */
void ngx_http_presence_tracker_begin(ngx_http_presence_user_t *user,
    ngx_http_presence_turn_t *turn, ngx_http_presence_reason_e reason);
void ngx_http_presence_tracker_was_in_groups(ngx_http_presence_user_t *user,
    ngx_http_presence_was_t *was);
void ngx_http_presence_tracker_settle_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_turn_t *turn,
    ngx_http_presence_ms_t now);

/* sees to it that the session's next deadline is looked at */
void ngx_http_presence_tracker_watch_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session, ngx_http_presence_ms_t now);


#endif /* _NGX_HTTP_PRESENCE_TRACKER_H_INCLUDED_ */
