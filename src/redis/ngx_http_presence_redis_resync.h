/*
 * Everybody is sent to Redis and looked at: after it was away, or when
 * something that was said may have been lost.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_RESYNC_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_RESYNC_H_INCLUDED_


#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_walk.h"


typedef struct {
    ngx_http_presence_redis_walk_t    walk;
    uint8_t                           shards[NGX_HTTP_PRESENCE_REDIS_SHARDS];
} ngx_http_presence_redis_resync_t;


/* takes up what the zone says is to be done; at each tick */
void ngx_http_presence_redis_resync_begin(ngx_http_presence_redis_t *redis);

void ngx_http_presence_redis_resync_go_on(ngx_http_presence_redis_t *redis);

void ngx_http_presence_redis_resync_stop(ngx_http_presence_redis_t *redis);


#endif /* _NGX_HTTP_PRESENCE_REDIS_RESYNC_H_INCLUDED_ */
