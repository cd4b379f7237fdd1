/*
 * A question about one shard, as the worker that leads asks them: what a stream
 * or the set of those who are there has.  In a cluster it goes after the shard.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_ASK_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_ASK_H_INCLUDED_


#include "ngx_http_presence_redis.h"


/* entries of a stream in one answer */
#define NGX_HTTP_PRESENCE_REDIS_COUNT   "64"


/* who asks; what was asked in a past round is of no interest any more */
typedef struct {
    ngx_http_presence_redis_link_t   *link;
    ngx_uint_t                        round;
    ngx_uint_t                        waiting;  /* not answered yet */
} ngx_http_presence_redis_asker_t;


typedef struct {
    ngx_http_presence_redis_call_t    call;
    ngx_http_presence_redis_t        *redis;
    ngx_http_presence_redis_asker_t  *asker;
    ngx_http_presence_redis_reply_pt  handler;
    ngx_uint_t                        shard;
    ngx_uint_t                        round;
    const char                       *command;
    const char                       *what;
    const char                       *two;
    char                              one[2 * NGX_INT64_LEN + 2];
    unsigned                          asking:1;     /* of another master */
} ngx_http_presence_redis_ask_t;


/*
 * COMMAND KEY ONE [TWO] COUNT n, or XREAD COUNT n STREAMS KEY ONE.  The
 * handler's call is the question; it does not free it.
 */
ngx_int_t ngx_http_presence_redis_ask(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_asker_t *asker,
    ngx_http_presence_redis_reply_pt handler, ngx_uint_t shard,
    const char *command, const char *what, const char *one, const char *two);

#define ngx_http_presence_redis_ask_is_past(ask)                              \
    ((ask)->round != (ask)->asker->round)


#endif /* _NGX_HTTP_PRESENCE_REDIS_ASK_H_INCLUDED_ */
