/*
 * What comes from Redis, in the worker that sweeps.  This part says what is to
 * be done in which order, for each Redis or master; its neighbours do it: say
 * that the node is alive (nodes), fill a zone (fill), follow the changes
 * (streams), send everybody (resync).
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_FEED_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_FEED_H_INCLUDED_


#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_fill.h"
#include "ngx_http_presence_redis_nodes.h"
#include "ngx_http_presence_redis_resync.h"
#include "ngx_http_presence_redis_streams.h"


typedef enum {
    NGX_HTTP_PRESENCE_REDIS_IDLE = 0,
    NGX_HTTP_PRESENCE_REDIS_MARKING,    /* where do the streams end? */
    NGX_HTTP_PRESENCE_REDIS_SCANNING,   /* who is there? */
    NGX_HTTP_PRESENCE_REDIS_FOLLOWING
} ngx_http_presence_redis_phase_e;


struct ngx_http_presence_feed_s {
    ngx_http_presence_redis_phase_e   phase;
    unsigned                          leads:1;
    unsigned                          refill:1;     /* until it is done */

    ngx_http_presence_redis_pulse_t   pulse;
    ngx_http_presence_redis_fill_t    fill;
    ngx_http_presence_redis_streams_t  streams;
    ngx_http_presence_redis_resync_t  resync;

    u_char                           *buffer;       /* of keys, for one call */
};


ngx_int_t ngx_http_presence_redis_feed_init_worker(
    ngx_http_presence_redis_t *redis, ngx_cycle_t *cycle);

/* a shard of a cluster has gone from one master to another */
void ngx_http_presence_redis_feed_move(ngx_uint_t shard,
    ngx_http_presence_redis_t *from, ngx_http_presence_redis_t *to);

/* at each tick of the sweep; does this worker lead? */
void ngx_http_presence_redis_feed_tick(ngx_http_presence_zone_t *zone,
    ngx_uint_t leads);


#endif /* _NGX_HTTP_PRESENCE_REDIS_FEED_H_INCLUDED_ */
