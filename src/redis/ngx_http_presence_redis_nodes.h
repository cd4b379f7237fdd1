/*
 * Who is alive: says so of this node, learns who else is, and has the sessions
 * that dead nodes have left settled by those of them that fall to this one.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_NODES_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_NODES_H_INCLUDED_


#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_walk.h"


/* the node's word to one Redis */
typedef struct {
    ngx_http_presence_redis_call_t    beat;
    ngx_int_t                         beat_shard;
    ngx_msec_t                        next_beat;
    ngx_msec_t                        since;        /* of the first answer */
    unsigned                          beating:1;    /* not answered yet */
    unsigned                          alive:1;      /* was answered */
    unsigned                          settled:1;    /* the dead are known */
    unsigned                          extend:1;     /* with a full window */
    ngx_http_presence_redis_walk_t    orphans;
} ngx_http_presence_redis_pulse_t;


/* says that this node is alive; the answer tells, too, that a write is taken */
void ngx_http_presence_redis_nodes_beat(ngx_http_presence_redis_t *redis);

/* at each tick, while Redis is connected; has it answered the one who leads? */
ngx_uint_t ngx_http_presence_redis_nodes_tick(
    ngx_http_presence_redis_t *redis);

/* goes on to settle what the dead have left, when it is known who is dead */
void ngx_http_presence_redis_nodes_settle(ngx_http_presence_redis_t *redis);

/* what was known of others is not sure any more */
void ngx_http_presence_redis_nodes_lost(ngx_http_presence_redis_t *redis);


#endif /* _NGX_HTTP_PRESENCE_REDIS_NODES_H_INCLUDED_ */
