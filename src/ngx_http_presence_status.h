/*
 * GET of a "presence_status" location: how a zone is, for a person or as JSON.
 * All of it is read in short holds of the lock that do not depend on the
 * number of users.
 */

#ifndef _NGX_HTTP_PRESENCE_STATUS_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_STATUS_H_INCLUDED_


#include "ngx_http_presence_module.h"
#include "ngx_http_presence_reading.h"


#define NGX_HTTP_PRESENCE_STATUS_SECONDS   60
#define NGX_HTTP_PRESENCE_STATUS_FINDINGS  9


/* a session that misses beats; times are wall times */
typedef struct {
    u_char                         user[NGX_HTTP_PRESENCE_MAX_USER];
    u_char                         session[NGX_HTTP_PRESENCE_MAX_SESSION];
    size_t                         user_len;
    size_t                         session_len;
    ngx_uint_t                     missed;
    ngx_http_presence_ms_t         last_seen;
    ngx_http_presence_ms_t         deadline;
} ngx_http_presence_worst_t;


typedef struct {
    u_char                         text[128];
    size_t                         len;
} ngx_http_presence_finding_t;


typedef struct {
    ngx_http_presence_reading_t    reading;

    ngx_pid_t                      leader;      /* 0: nobody has the lease */
    uint64_t                       epoch;
    uint64_t                       first;       /* change in the ring */
    uint64_t                       ring_used;   /* bytes */
    uint64_t                       ring_size;
    unsigned                       nepisodes;
    ngx_http_presence_deaf_t       episodes[NGX_HTTP_PRESENCE_CLOCK_EPISODES];
    ngx_uint_t                     nworst;      /* the worst first */
    ngx_http_presence_worst_t      worst[NGX_HTTP_PRESENCE_NWORST];

    /* the oldest first, without the second that runs */
    uint32_t                       beats[NGX_HTTP_PRESENCE_STATUS_SECONDS];
    uint64_t                       minute;      /* sum of these */

    /* what needs a look; none: all is well */
    ngx_uint_t                     nfindings;
    ngx_http_presence_finding_t
                                findings[NGX_HTTP_PRESENCE_STATUS_FINDINGS];
} ngx_http_presence_status_t;


ngx_int_t ngx_http_presence_status_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);

/* name and value of the nth thing that is counted of Redis; NULL: no more */
const char *ngx_http_presence_status_redis(
    const ngx_http_presence_redis_counters_t *counters, ngx_uint_t n,
    uint64_t *value);


#endif /* _NGX_HTTP_PRESENCE_STATUS_H_INCLUDED_ */
