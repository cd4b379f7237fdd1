/*
 * The rules of presence: when has a session missed beats, when is it gone,
 * what is its user's status.  Plain C on plain values, no nginx call.
 *
 * All times are milliseconds of the presence clock unless said otherwise.
 */

#ifndef _NGX_HTTP_PRESENCE_RULES_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_RULES_H_INCLUDED_


#include "ngx_http_presence_clock.h"


typedef enum {
    NGX_HTTP_PRESENCE_OFFLINE = 0,
    NGX_HTTP_PRESENCE_ONLINE,
    NGX_HTTP_PRESENCE_AWAY,
    NGX_HTTP_PRESENCE_BUSY,
    NGX_HTTP_PRESENCE_DND,
    NGX_HTTP_PRESENCE_INVISIBLE,
    NGX_HTTP_PRESENCE_NSTATUSES
} ngx_http_presence_status_e;


/* why a status is what it is; _UNSEEN is of a user without any history */
typedef enum {
    NGX_HTTP_PRESENCE_UNSEEN = 0,
    NGX_HTTP_PRESENCE_BEAT,
    NGX_HTTP_PRESENCE_ACTIVITY,
    NGX_HTTP_PRESENCE_IDLE,
    NGX_HTTP_PRESENCE_MISSED,
    NGX_HTTP_PRESENCE_LEAVE,
    NGX_HTTP_PRESENCE_LOGOUT,
    NGX_HTTP_PRESENCE_EXPIRED,
    NGX_HTTP_PRESENCE_KICKED,
    NGX_HTTP_PRESENCE_MANUAL,
    NGX_HTTP_PRESENCE_TOUCH,
    NGX_HTTP_PRESENCE_STREAM,
    NGX_HTTP_PRESENCE_RECOVERED,
    NGX_HTTP_PRESENCE_NREASONS
} ngx_http_presence_reason_e;


/* what a change is to one reader */
typedef enum {
    NGX_HTTP_PRESENCE_NO_CHANGE = 0,
    NGX_HTTP_PRESENCE_CHANGE_ENTER,
    NGX_HTTP_PRESENCE_CHANGE_UPDATE,
    NGX_HTTP_PRESENCE_CHANGE_LEAVE
} ngx_http_presence_change_e;


typedef struct {
    ngx_http_presence_ms_t  interval;       /* between beats, > 0 */
    ngx_http_presence_ms_t  slack;          /* on top of each deadline, >= 0 */
    ngx_http_presence_ms_t  idle;           /* > 0 */
    ngx_http_presence_ms_t  leave_grace;    /* >= 0 */
    ngx_http_presence_ms_t  max_interval;   /* >= interval */
    ngx_http_presence_ms_t  stream_life;    /* 0: a stream is no sign of life */
    uint32_t                misses;         /* 1 to 100 */
} ngx_http_presence_policy_t;


/* what a beat says that the rules need; -1: it does not say */
typedef struct {
    uint32_t                doc;            /* hash of the id, 0: none */
    int64_t                 seq;
    ngx_http_presence_ms_t  active_ago;
    ngx_http_presence_ms_t  next;
    uint8_t                 hidden;         /* the page is not visible */
} ngx_http_presence_beat_t;


/* the life of a session */
typedef struct {
    ngx_http_presence_ms_t  last_beat;
    ngx_http_presence_ms_t  last_sign;      /* beats are missed from here */
    ngx_http_presence_ms_t  last_active;
    ngx_http_presence_ms_t  leave_at;       /* while "leaving" */
    int64_t                 seq;            /* -1: unknown */
    uint32_t                doc;            /* hash of the id, 0: unknown */
    uint32_t                step;           /* time between its beats */
    uint8_t                 missed;
    uint8_t                 leaving;
    uint8_t                 alone;          /* beats in a row, by "seq" */
} ngx_http_presence_life_t;


typedef struct {
    uint8_t                 gone;
    ngx_http_presence_reason_e  reason;     /* when gone: _MISSED or _LEAVE */
    ngx_http_presence_ms_t  due;            /* otherwise: when to look again */
} ngx_http_presence_verdict_t;


/* all sessions of a user, summed up */
typedef struct {
    uint32_t                sessions;
    uint32_t                staying;        /* those that are not leaving */
    uint32_t                missed;         /* of the most present one */
    ngx_http_presence_ms_t  last_active;
    ngx_http_presence_ms_t  last_sign;
} ngx_http_presence_sum_t;


/* a session begins with its first beat, or touch (with an empty beat) */
void ngx_http_presence_rules_begin(const ngx_http_presence_policy_t *policy,
    ngx_http_presence_life_t *life, const ngx_http_presence_beat_t *beat,
    ngx_http_presence_ms_t now);

/*
 * A beat arrives.  Returns 0 when it is older than one that came before: then
 * it is a sign of life, but neither changes the state nor cancels a leave.
 */
int ngx_http_presence_rules_beat(const ngx_http_presence_policy_t *policy,
    ngx_http_presence_life_t *life, const ngx_http_presence_beat_t *beat,
    ngx_http_presence_ms_t now);

/*
 * Has the beat the number right after the session's last?  Then no other one
 * came in between, wherever it could have.
 */
int ngx_http_presence_rules_is_next(const ngx_http_presence_life_t *life,
    const ngx_http_presence_beat_t *beat);

/*
 * The page says that it goes.  Returns 0 when that is no news: said before,
 * by another document than the current one, or overtaken by a later beat.
 */
int ngx_http_presence_rules_leave(ngx_http_presence_life_t *life,
    const ngx_http_presence_beat_t *beat, ngx_http_presence_ms_t now);

/* a request of the user: life and activity */
void ngx_http_presence_rules_touch(ngx_http_presence_life_t *life,
    ngx_http_presence_ms_t now);

/*
 * The peer of a bound stream acknowledged data at that time: life but not
 * activity, for at most stream_life after the last beat.
 */
void ngx_http_presence_rules_acknowledge(
    const ngx_http_presence_policy_t *policy, ngx_http_presence_life_t *life,
    ngx_http_presence_ms_t at);

/*
 * Counts the missed beats, and says whether the session is gone and otherwise
 * when its answer can next change.  Beat k is missed from
 * last_sign + k x step + slack on.
 */
ngx_http_presence_verdict_t ngx_http_presence_rules_look(
    const ngx_http_presence_policy_t *policy, ngx_http_presence_life_t *life,
    ngx_http_presence_ms_t now);

/* the time at which silence from now on ends the session */
ngx_http_presence_ms_t ngx_http_presence_rules_deadline(
    const ngx_http_presence_policy_t *policy,
    const ngx_http_presence_life_t *life);

/* a user is as present as the most present session; start from a zeroed sum */
void ngx_http_presence_rules_add(ngx_http_presence_sum_t *sum,
    const ngx_http_presence_life_t *life);

/*
 * The status by hand that is in force; _OFFLINE stands for none.  "until" and
 * "wall" are wall times, for it is a time that a person named; 0: no end.
 */
ngx_http_presence_status_e ngx_http_presence_rules_manual(
    ngx_http_presence_status_e manual, ngx_http_presence_ms_t until,
    ngx_http_presence_ms_t wall);

/* the user's own status, with "manual" as the function above says it */
ngx_http_presence_status_e ngx_http_presence_rules_status(
    const ngx_http_presence_policy_t *policy,
    const ngx_http_presence_sum_t *sum, ngx_http_presence_status_e manual,
    ngx_http_presence_ms_t now);

/* what everybody else sees of it */
ngx_http_presence_status_e ngx_http_presence_rules_shown(
    ngx_http_presence_status_e status);

/* what a change is to a reader who saw the user before, or sees it now */
ngx_http_presence_change_e ngx_http_presence_rules_change(int before,
    int after);

/* the words of the wire, NULL-terminated strings; "unseen" has none: NULL */
extern const char *const
    ngx_http_presence_status_names[NGX_HTTP_PRESENCE_NSTATUSES];
extern const char *const
    ngx_http_presence_reason_names[NGX_HTTP_PRESENCE_NREASONS];


#endif /* _NGX_HTTP_PRESENCE_RULES_H_INCLUDED_ */
