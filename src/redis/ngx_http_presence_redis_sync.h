/*
 * One user as the arguments of the script sync.lua, and what is remembered of
 * the call until its answer comes.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_SYNC_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_SYNC_H_INCLUDED_


#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_redis.h"


typedef struct {
    ngx_http_presence_redis_call_t   call;
    ngx_queue_t                      queue;     /* of those sent */
    uint32_t                         since;     /* it has waited, ms */
    ngx_http_presence_ms_t           at;        /* presence clock */
    ngx_http_presence_ms_t           wall;
    uint32_t                         hash;
    unsigned                         flags;
    ngx_http_presence_flow_t         flow;
    ngx_queue_t                      doubts;
    size_t                           len;
    u_char                           id[1];
} ngx_http_presence_redis_sync_t;


/* arguments while they are written; strings are in the worker's buffer */
typedef struct {
    u_char                          *p;
    int                              argc;
    const char                     **argv;
    size_t                          *len;
} ngx_http_presence_redis_args_t;


ngx_int_t ngx_http_presence_redis_sync_init_worker(
    ngx_http_presence_redis_t *redis, ngx_cycle_t *cycle);

/*
 * All that this node knows of the user whom the call names, by now.  The
 * arguments are good until the next time.
 */
void ngx_http_presence_redis_sync_write_locked(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_sync_t *sync,
    ngx_http_presence_redis_args_t *args);


#endif /* _NGX_HTTP_PRESENCE_REDIS_SYNC_H_INCLUDED_ */
