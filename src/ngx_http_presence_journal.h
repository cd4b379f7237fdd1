/*
 * The log lines of what happens to users, as "key=value" (docs/operations.md).
 *
 * Nothing is logged under the zone's lock: a change is noted there, and told
 * when the lock is free.
 */

#ifndef _NGX_HTTP_PRESENCE_JOURNAL_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_JOURNAL_H_INCLUDED_


#include "ngx_http_presence_module.h"
#include "ngx_http_presence_tracker.h"


/* what is known of a request that is a beat or a stream; zeroed at first */
typedef struct {
    ngx_http_presence_zone_t        *zone;
    ngx_http_presence_identity_t     identity;
    ngx_str_t                        session;
    int64_t                          seq;       /* -1: unknown */
    ngx_http_presence_answer_t       answer;
    void                            *subscriber;
    unsigned                         applied:1; /* "answer" is there */
    unsigned                         raised:1;  /* by presence_log_user */
} ngx_http_presence_context_t;


/* a change, to be noted under the lock */
typedef struct {
    ngx_http_presence_status_e       from;      /* the user's own view */
    ngx_http_presence_reason_e       reason;
    ngx_uint_t                       cause;     /* or _NO_CAUSE */
    ngx_uint_t                       told;      /* it is in the change ring */
} ngx_http_presence_note_of_change_t;


/* of a user's beat that is on its way to Redis: the key of its flow */
typedef struct {
    int64_t                          seq;
    size_t                           len;
    u_char                           session[NGX_HTTP_PRESENCE_MAX_SESSION];
    unsigned                         raised:1;
    unsigned                         told:1;    /* else nothing else is set */
} ngx_http_presence_flow_t;


/* in the configuration's pool; NULL: no memory */
ngx_http_presence_journal_t *ngx_http_presence_journal_create(
    ngx_conf_t *cf);

/* whose request the next hold of the lock is for, until it is unlocked */
void ngx_http_presence_journal_of(ngx_http_presence_zone_t *zone,
    ngx_http_request_t *r);

void ngx_http_presence_journal_change_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_user_t *user,
    const ngx_http_presence_note_of_change_t *change,
    ngx_http_presence_ms_t now);

/* without the lock: tells what was noted */
void ngx_http_presence_journal_tell(ngx_http_presence_zone_t *zone);

/* one line for a beat that came late; "request": what ends it, see below */
void ngx_http_presence_journal_late(ngx_log_t *log,
    ngx_http_presence_zone_t *zone, const ngx_str_t *user,
    const ngx_http_presence_report_t *report,
    const ngx_http_presence_arrival_t *arrival, const ngx_str_t *request);

/* what a line says of its request, for later; empty where none would be told */
void ngx_http_presence_journal_name(ngx_http_request_t *r, ngx_uint_t raised,
    ngx_str_t *name);

/* does "presence_log_user" of the location name this user? */
ngx_uint_t ngx_http_presence_journal_raises(ngx_http_request_t *r,
    const ngx_str_t *user);

/*
 * One line of the full flow: at notice if it is raised, else at debug.  "what"
 * is "key=value", or empty.
 */
void ngx_http_presence_journal_stage(ngx_http_request_t *r,
    const ngx_http_presence_context_t *ctx, const char *stage,
    const char *format, ...);

/* the same for changes that were written to this worker's streams */
void ngx_http_presence_journal_delivered(ngx_http_presence_zone_t *zone,
    const u_char *changes, size_t len, uint64_t epoch, ngx_uint_t streams);

/* the session of the user that was heard last; NULL: it is no beat */
void ngx_http_presence_journal_flow_locked(ngx_http_presence_flow_t *flow,
    const ngx_http_presence_user_t *user);

/* the same line as that of a stage, when Redis has answered */
void ngx_http_presence_journal_mirrored(ngx_http_presence_zone_t *zone,
    const ngx_str_t *user, const ngx_http_presence_flow_t *flow,
    const char *format, ...);

/* in postconfiguration: finds $request_id */
ngx_int_t ngx_http_presence_journal_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_PRESENCE_JOURNAL_H_INCLUDED_ */
