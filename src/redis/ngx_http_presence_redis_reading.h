/*
 * What is told of Redis to those who watch a zone: what was counted, the
 * state, and how much is on its way.  Whoever reads it need not know hiredis.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_READING_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_READING_H_INCLUDED_


#include "ngx_http_presence_zone.h"


/* bytes of Redis' last error, and of a node's name with its incarnation */
#define NGX_HTTP_PRESENCE_REDIS_MAX_WHY   160
#define NGX_HTTP_PRESENCE_REDIS_MAX_NODE  41

/* other nodes that are known at a time; a session has 5 bits for its owner */
#define NGX_HTTP_PRESENCE_REDIS_NODES     30


/* nothing but uint64_t */
typedef struct {
    uint64_t                   synced;      /* users sent and answered */
    uint64_t                   refused;     /* answered with an error */
    uint64_t                   dropped;     /* no room, or no answer */
    uint64_t                   changes;     /* of other nodes, taken over */
    uint64_t                   claimed;     /* sessions of dead nodes */
    uint64_t                   connects;
    uint64_t                   failures;    /* connections lost or none */
    uint64_t                   loads;       /* script sent in full */
    uint64_t                   resyncs;     /* all users looked at */
} ngx_http_presence_redis_counters_t;


/* what waits in one worker, as of its last tick */
typedef struct {
    uint32_t                   queued;      /* users to be sent */
    uint32_t                   sent;        /* and not answered yet */
    uint32_t                   lag;         /* ms that the oldest has waited */
} ngx_http_presence_redis_load_t;


/* nothing but uint64_t up to "counters" */
typedef struct {
    uint64_t                   configured;  /* else all of it is 0 */
    uint64_t                   up;
    uint64_t                   changed;     /* of "up", wall ms; 0: not yet */
    uint64_t                   queued;      /* by all workers */
    uint64_t                   sent;
    uint64_t                   lag;         /* the longest of theirs */
    uint64_t                   nodes;       /* alive, this one among them */
    ngx_http_presence_redis_counters_t  counters;

    size_t                     why_len;     /* 0: there was no error */
    size_t                     self_len;
    u_char                     why[NGX_HTTP_PRESENCE_REDIS_MAX_WHY];
    u_char                     self[NGX_HTTP_PRESENCE_REDIS_MAX_NODE];
} ngx_http_presence_redis_reading_t;


/* what has to be known of Redis, and of other nodes, to judge one user */
typedef struct {
    unsigned                   configured:1;
    unsigned                   up:1;        /* for this user */
    ngx_http_presence_ms_t     since;       /* wall time; 0: not known */
    ngx_uint_t                 nodes;       /* alive, this one among them */
    size_t                     self_len;
    u_char                     self[NGX_HTTP_PRESENCE_REDIS_MAX_NODE];
} ngx_http_presence_redis_view_t;


/*
 * In a short hold of the zone's lock, which does not depend on the users.
 * "counters" know the zone's workers.
 */
void ngx_http_presence_redis_reading_take(
    ngx_http_presence_redis_reading_t *reading,
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_counters_t *counters);

/* what this node is called: "node", or the name of its host */
const ngx_str_t *ngx_http_presence_redis_reading_self(
    const ngx_http_presence_zone_t *zone);

void ngx_http_presence_redis_reading_view_locked(
    ngx_http_presence_redis_view_t *view, ngx_http_presence_zone_t *zone,
    const ngx_str_t *user);

/*
 * The name of the node that owns a session, and its length; nothing in it is
 * what JSON would want escaped.  0: it is this node, or not known.
 */
size_t ngx_http_presence_redis_reading_owner_locked(
    ngx_http_presence_zone_t *zone, ngx_uint_t owner, u_char *name);


#endif /* _NGX_HTTP_PRESENCE_REDIS_READING_H_INCLUDED_ */
