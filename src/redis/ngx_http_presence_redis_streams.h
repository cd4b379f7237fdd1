/*
 * The changes streams: follows them from the last entry that was read, and
 * takes what other nodes say into the zone.  One Redis is asked for all of them
 * at once and waits with the answer; each master of a cluster is asked for each
 * of its own, again and again.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_STREAMS_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_STREAMS_H_INCLUDED_


#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_ask.h"


typedef struct {
    ngx_http_presence_redis_link_t    link;
    ngx_http_presence_redis_asker_t   asker;
    ngx_http_presence_redis_call_t    read;
    unsigned                          reading:1;    /* not answered yet */
    unsigned                          stale:1;      /* an entry got lost */
    unsigned                          fresh:1;      /* connected: no answer */
    unsigned                          failing:1;    /* lost: no answer since */

    /* Redis' time from which on entries are news, and no history */
    ngx_http_presence_ms_t            news[NGX_HTTP_PRESENCE_REDIS_SHARDS];

    /* whether the last entries that were read are known to be there */
    uint64_t                          ids[NGX_HTTP_PRESENCE_REDIS_SHARDS][2];
    ngx_uint_t                        answers;
    uint8_t                           checked[NGX_HTTP_PRESENCE_REDIS_SHARDS];

    ngx_msec_t                        next_poll;    /* of a cluster */
} ngx_http_presence_redis_streams_t;


void ngx_http_presence_redis_streams_init(ngx_http_presence_redis_t *redis,
    ngx_log_t *log);

/* opens the connection: where they were left, and what has happened since */
void ngx_http_presence_redis_streams_open(ngx_http_presence_redis_t *redis);

/* the zone was filled: all that comes from now on */
void ngx_http_presence_redis_streams_follow(ngx_http_presence_redis_t *redis);

/* at each tick, while they are followed */
void ngx_http_presence_redis_streams_tick(ngx_http_presence_redis_t *redis);

void ngx_http_presence_redis_streams_close(ngx_http_presence_redis_t *redis);

/* a shard of a cluster has gone from one master to another */
void ngx_http_presence_redis_streams_move(ngx_uint_t shard,
    ngx_http_presence_redis_t *from, ngx_http_presence_redis_t *to);

/* the id of an entry: time and number */
ngx_int_t ngx_http_presence_redis_streams_id(const redisReply *entry,
    uint64_t id[2]);


#endif /* _NGX_HTTP_PRESENCE_REDIS_STREAMS_H_INCLUDED_ */
