/*
 * What happened last: a ring of beats for each session, and the changes of
 * each user, in shared memory.  Told by ..._story.
 *
 * A session's ring outlives the session, until the user's next session has
 * ended as well.  Rings are there as long as there is room for them: for a
 * trace nobody is forgotten.  They are dropped when a zone is rebuilt, gets a
 * new size, or comes from a state file.
 */

#ifndef _NGX_HTTP_PRESENCE_TRACE_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_TRACE_H_INCLUDED_


#include "ngx_http_presence_record.h"
#include "ngx_http_presence_redis_reading.h"
#include "ngx_http_presence_roster.h"


#define NGX_HTTP_PRESENCE_TRACE_CHANGES   30    /* of a user, at most */
#define NGX_HTTP_PRESENCE_TRACE_SESSIONS  16    /* that are told of */


/* the newest beat in a session's ring */
typedef struct {
    ngx_http_presence_ms_t             wall;
    uint16_t                           seq;     /* lower bits of its number */
    ngx_http_presence_beat_record_t    beat;
} ngx_http_presence_trace_last_t;


/* copies, to be told without the lock; times are wall times */
typedef struct {
    ngx_http_presence_ms_t             at;
    ngx_http_presence_beat_record_t    beat;
} ngx_http_presence_trace_beat_t;


typedef struct {
    ngx_http_presence_ms_t             at;
    ngx_http_presence_change_record_t  change;
} ngx_http_presence_trace_change_t;


typedef struct {
    uint32_t                           key;     /* hash of the id */
    u_char                             id[NGX_HTTP_PRESENCE_MAX_SESSION];
    size_t                             len;     /* 0: it has ended */
    unsigned                           leaving:1;
    unsigned                           elsewhere:1; /* another node's */
    size_t                             node_len;    /* 0: not known whose */
    u_char                             node[NGX_HTTP_PRESENCE_REDIS_MAX_NODE];
    ngx_http_presence_ms_t             sign;    /* last sign of life */
    ngx_http_presence_ms_t             deadline;
    uint32_t                           step;
    uint32_t                           missed;
    int64_t                            seq;
    ngx_uint_t                         nbeats;  /* the newest first */
    ngx_http_presence_trace_beat_t     beats[NGX_HTTP_PRESENCE_MAX_TRACE];
} ngx_http_presence_trace_session_t;


typedef struct {
    ngx_http_presence_ms_t             now;
    unsigned                           known:1; /* 0: nothing of such a user */
    uint8_t                            status;  /* the user's own view */
    uint8_t                            reason;
    uint8_t                            missed;
    uint8_t                            cause;   /* of the status, or none */
    ngx_http_presence_ms_t             since;   /* 0: never */
    ngx_http_presence_ms_t             last_active;
    ngx_http_presence_ms_t             last_sign;
    ngx_http_presence_ms_t             request; /* last sign by presence_touch,
                                                   0: none is counted now */
    ngx_http_presence_redis_view_t     redis;

    /* of other nodes, by the places that beats name; 0: not known */
    size_t                             names_len
                                           [NGX_HTTP_PRESENCE_REDIS_NODES + 1];
    u_char                             names[NGX_HTTP_PRESENCE_REDIS_NODES + 1]
                                            [NGX_HTTP_PRESENCE_REDIS_MAX_NODE];

    ngx_uint_t                         ndeaf;   /* the oldest first */
    ngx_http_presence_deaf_t           deaf[NGX_HTTP_PRESENCE_CLOCK_EPISODES];
    ngx_uint_t                         nchanges;    /* the newest first */
    ngx_http_presence_trace_change_t
                                 changes[NGX_HTTP_PRESENCE_TRACE_CHANGES];
    ngx_uint_t                         nsessions;
    ngx_http_presence_trace_session_t
                                 sessions[NGX_HTTP_PRESENCE_TRACE_SESSIONS];
} ngx_http_presence_trace_t;


/*
 * Remembers a beat; the gap to the one before is worked out here.  "id" is of
 * a session that is there, or has just ended.
 */
void ngx_http_presence_trace_beat_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id,
    ngx_http_presence_beat_record_t *beat, int64_t seq,
    ngx_http_presence_ms_t wall);

/* the user's status has changed to what it is now, or a session came back */
void ngx_http_presence_trace_change_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_reason_e reason,
    ngx_uint_t cause, ngx_http_presence_ms_t wall);

/*
 * A beat of the session that another node heard, at that time: told of by what
 * is traced of the session here, if something is.
 */
void ngx_http_presence_trace_elsewhere_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id,
    ngx_http_presence_ms_t wall, ngx_http_presence_ms_t due, ngx_uint_t node);

/*
 * What was found out about the beat that came at that time; and, if it came
 * back from being called gone, about that change.
 */
void ngx_http_presence_trace_amend_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id,
    ngx_http_presence_ms_t wall, ngx_uint_t cause, ngx_uint_t hole);

/* NGX_DECLINED: there is none */
ngx_int_t ngx_http_presence_trace_last_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id,
    ngx_http_presence_ms_t wall, ngx_http_presence_trace_last_t *last);

void ngx_http_presence_trace_free_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user);

/* takes the lock itself */
void ngx_http_presence_trace_read(ngx_http_presence_zone_t *zone,
    const ngx_str_t *user, ngx_http_presence_trace_t *trace);


#endif /* _NGX_HTTP_PRESENCE_TRACE_H_INCLUDED_ */
