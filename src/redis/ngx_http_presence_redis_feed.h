/*
 * What comes from Redis, in the worker that sweeps: says that this node is
 * alive and learns who else is, fills a new zone, follows the changes streams,
 * shares out what dead nodes have left, and has everybody looked at after
 * Redis was away.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_FEED_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_FEED_H_INCLUDED_


#include "ngx_http_presence_redis.h"


ngx_int_t ngx_http_presence_redis_feed_init_worker(
    ngx_http_presence_redis_t *redis, ngx_cycle_t *cycle);

/* a shard of a cluster has gone from one master to another */
void ngx_http_presence_redis_feed_move(ngx_uint_t shard,
    ngx_http_presence_redis_t *from, ngx_http_presence_redis_t *to);

/* at each tick of the sweep; does this worker lead? */
void ngx_http_presence_redis_feed_tick(ngx_http_presence_zone_t *zone,
    ngx_uint_t leads);


#endif /* _NGX_HTTP_PRESENCE_REDIS_FEED_H_INCLUDED_ */
