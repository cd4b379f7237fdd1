/*
 * The filling of a zone from Redis, when it is new or has lost what the streams
 * would have told: notes where the streams end, and looks at all who are there.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_FILL_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_FILL_H_INCLUDED_


#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_ask.h"


typedef struct {
    ngx_http_presence_redis_asker_t   asker;
    ngx_uint_t                        asked;        /* where streams end */
    ngx_uint_t                        answers;
    uint64_t                          ids[NGX_HTTP_PRESENCE_REDIS_SHARDS][2];

    /* the place in the sets of those who are there */
    ngx_uint_t                        shard;
    uint64_t                          cursor;
    unsigned                          scanning:1;   /* not answered yet */
} ngx_http_presence_redis_fill_t;


void ngx_http_presence_redis_fill_begin(ngx_http_presence_redis_t *redis);

/* at each tick, while it looks who is there */
void ngx_http_presence_redis_fill_tick(ngx_http_presence_redis_t *redis);


#endif /* _NGX_HTTP_PRESENCE_REDIS_FILL_H_INCLUDED_ */
