/*
 * Which server is the master: asks Sentinels, one after the other until one
 * knows, at each attempt to connect and then each second, and has the links of
 * this worker go where the master is now.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_SENTINEL_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_SENTINEL_H_INCLUDED_


#include "ngx_http_presence_redis.h"


/* before the links of the same worker */
ngx_int_t ngx_http_presence_redis_sentinel_init_worker(
    ngx_http_presence_redis_t *redis, ngx_cycle_t *cycle);

/* a link that goes where Sentinel says */
void ngx_http_presence_redis_sentinel_add(
    ngx_http_presence_redis_sentinel_t *sentinel,
    ngx_http_presence_redis_link_t *link);

/* the link waits for an address: it is told of one, or that there is none */
void ngx_http_presence_redis_sentinel_find(
    ngx_http_presence_redis_sentinel_t *sentinel,
    ngx_http_presence_redis_link_t *link);


#endif /* _NGX_HTTP_PRESENCE_REDIS_SENTINEL_H_INCLUDED_ */
