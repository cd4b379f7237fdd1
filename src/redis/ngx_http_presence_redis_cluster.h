/*
 * Redis Cluster: which master has which shard.  A worker has for each master
 * what it would have for a single Redis, with the shards that are there; this
 * part finds the masters, and follows shards that go from one to another.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_CLUSTER_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_CLUSTER_H_INCLUDED_


#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_slots.h"


/* one master */
typedef struct {
    ngx_http_presence_redis_t         redis;    /* the first */
    ngx_http_presence_redis_place_t   place;
    ngx_http_presence_redis_server_t  server;
    ngx_msec_t                        used;     /* the last time it was named */
    u_char                            name[sizeof("[]:65535") + 255];
} ngx_http_presence_redis_part_t;


struct ngx_http_presence_redis_cluster_s {
    /* has the shards that no master has, and never serves */
    ngx_http_presence_redis_t        *front;

    /* masters, and those that were; there are fewer than shards */
    ngx_http_presence_redis_part_t   *parts[NGX_HTTP_PRESENCE_REDIS_SHARDS];
    ngx_uint_t                        nparts;

    /* of each shard */
    ngx_http_presence_redis_t        *of[NGX_HTTP_PRESENCE_REDIS_SHARDS];
    unsigned                          slots[NGX_HTTP_PRESENCE_REDIS_SHARDS];
    uint8_t                           moves[NGX_HTTP_PRESENCE_REDIS_SHARDS];
    uint8_t                           torn[NGX_HTTP_PRESENCE_REDIS_SHARDS];
    ngx_msec_t                        since[NGX_HTTP_PRESENCE_REDIS_SHARDS];
    ngx_msec_t                        tried[NGX_HTTP_PRESENCE_REDIS_SHARDS];

    /* any server of the cluster, which is asked for the masters */
    ngx_http_presence_redis_link_t    link;
    ngx_http_presence_redis_server_t  *servers;     /* given, and masters */
    ngx_uint_t                        given;
    ngx_http_presence_redis_call_t    call;
    ngx_msec_t                        next;
    unsigned                          asking:1;     /* not answered yet */
    unsigned                          other:1;      /* ask another server */

    /* users whose keys were on their way just now */
    ngx_http_presence_redis_queue_t   later;

    ngx_event_t                       timer;
    ngx_connection_t                  owner;        /* data of "timer" */
};


/* what to do about a call that was answered with an error */
typedef enum {
    NGX_HTTP_PRESENCE_REDIS_PLAIN = 0,  /* it is none of a cluster's */
    NGX_HTTP_PRESENCE_REDIS_AGAIN,      /* to where the shard is now */
    NGX_HTTP_PRESENCE_REDIS_ONCE,       /* to another, asking to be let in */
    NGX_HTTP_PRESENCE_REDIS_LATER       /* its keys are on their way */
} ngx_http_presence_redis_turn_e;


ngx_int_t ngx_http_presence_redis_cluster_init_worker(
    ngx_http_presence_redis_t *redis, ngx_cycle_t *cycle);

#define ngx_http_presence_redis_cluster_of(redis, id, len)                    \
    ((redis)->cluster                                                         \
     ? (redis)->cluster->of[ngx_http_presence_redis_shard(id, len)] : (redis))

/* the keys of this user's shard have been on their way for long */
#define ngx_http_presence_redis_cluster_is_torn(redis, id, len)               \
    ((redis)->cluster                                                         \
     && (redis)->cluster->torn[ngx_http_presence_redis_shard(id, len)])

/* *to is for ONCE */
ngx_http_presence_redis_turn_e ngx_http_presence_redis_cluster_turn(
    ngx_http_presence_redis_t *redis, ngx_uint_t shard,
    const redisReply *reply, ngx_http_presence_redis_t **to);

/* what waits in this worker, for one master or for all */
void ngx_http_presence_redis_cluster_load(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_load_t *load);

/* a link was lost, or a master does not serve: there may be another one */
void ngx_http_presence_redis_cluster_lost(ngx_http_presence_redis_t *redis);


#endif /* _NGX_HTTP_PRESENCE_REDIS_CLUSTER_H_INCLUDED_ */
