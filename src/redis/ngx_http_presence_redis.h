/*
 * Redis beside a zone: configuration, what its nodes share in the zone's
 * memory, and what a worker keeps.  How nodes work together is in
 * docs/design.md; keys and fields are in docs/redis.md.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_H_INCLUDED_


#include "ngx_http_presence_zone.h"
#include "ngx_http_presence_redis_link.h"
#include "ngx_http_presence_redis_queue.h"
#include "ngx_http_presence_redis_reading.h"
#include "ngx_http_presence_redis_url.h"


/* parts of the key space; a user's is the CRC-32 of its id modulo this */
#define NGX_HTTP_PRESENCE_REDIS_SHARDS   100

/* bytes of a node's name without its incarnation */
#define NGX_HTTP_PRESENCE_REDIS_MAX_NAME 32


/* flags of what goes to the script */
#define NGX_HTTP_PRESENCE_REDIS_MANUAL   1      /* has a new status by hand */
#define NGX_HTTP_PRESENCE_REDIS_NOTE     2      /* a new text or meta */
#define NGX_HTTP_PRESENCE_REDIS_GROUPS   4      /* other groups */
#define NGX_HTTP_PRESENCE_REDIS_ALL      8      /* ends all sessions */
#define NGX_HTTP_PRESENCE_REDIS_LOOK     16     /* answer with the record */
#define NGX_HTTP_PRESENCE_REDIS_EXTEND   32     /* a full window for orphans */
#define NGX_HTTP_PRESENCE_REDIS_FRESH    64     /* heard just now; not sent */

#define NGX_HTTP_PRESENCE_REDIS_CONTENT  15     /* kept until they are sent */


/* what the log was told last; 0: nothing yet */
#define NGX_HTTP_PRESENCE_REDIS_FAILS    1
#define NGX_HTTP_PRESENCE_REDIS_SERVES   2


/* another node, as the zone of this one knows it: session->owner is 1 + i */
typedef struct {
    u_char                            id[NGX_HTTP_PRESENCE_REDIS_MAX_NODE];
    uint8_t                           len;
    uint8_t                           alive;
    ngx_http_presence_ms_t            died;     /* monotonic time */
    ngx_http_presence_ms_t            heard;    /* the same, of its last word */
} ngx_http_presence_redis_node_t;


/* in the zone's memory */
struct ngx_http_presence_redis_shared_s {
    ngx_http_presence_redis_node_t    self;
    ngx_http_presence_redis_node_t    nodes[NGX_HTTP_PRESENCE_REDIS_NODES];

    /* the last entries read of the changes streams */
    uint64_t                          ids[NGX_HTTP_PRESENCE_REDIS_SHARDS][2];

    ngx_http_presence_ms_t            offset;   /* Redis' time less wall */
    ngx_msec_t                        made;     /* the newest configuration */
    ngx_uint_t                        up;       /* the last that was logged */
    ngx_http_presence_ms_t            changed;  /* of "up", wall time */

    /* of each shard: was it filled at the start, are its users to be sent? */
    uint8_t                           filled[NGX_HTTP_PRESENCE_REDIS_SHARDS];
    uint8_t                           resync[NGX_HTTP_PRESENCE_REDIS_SHARDS];

    /* when it went or came back, and whether other nodes were alive then */
    ngx_http_presence_ms_t            turned[NGX_HTTP_PRESENCE_REDIS_SHARDS];
    uint8_t                           several[NGX_HTTP_PRESENCE_REDIS_SHARDS];

    /* of a cluster: "up" and "offset" of each shard's master */
    uint8_t                           ups[NGX_HTTP_PRESENCE_REDIS_SHARDS];
    ngx_http_presence_ms_t            offsets[NGX_HTTP_PRESENCE_REDIS_SHARDS];

    ngx_http_presence_redis_counters_t  counters;
    ngx_http_presence_redis_load_t    load[NGX_HTTP_PRESENCE_MAX_WORKERS];

    uint8_t                           why_len;  /* it did not serve, last */
    u_char                            why[NGX_HTTP_PRESENCE_REDIS_MAX_WHY];
};


typedef struct ngx_http_presence_feed_s  ngx_http_presence_feed_t;
typedef struct ngx_http_presence_redis_cluster_s
    ngx_http_presence_redis_cluster_t;


/* one Redis; of a cluster a worker has one of these for each master */

struct ngx_http_presence_redis_s {
    ngx_http_presence_zone_t         *zone;

    /* configuration */
    ngx_http_presence_redis_url_t     url;
    ngx_str_t                         name;     /* url without the password */
    ngx_http_presence_redis_server_t  *servers;     /* Sentinels, maybe */
    ngx_uint_t                        nservers;
    ngx_http_presence_redis_url_t     sentinel_login;
    ngx_str_t                         sentinel_user;
    ngx_str_t                         sentinel_password_file;
    ngx_str_t                         prefix;
    ngx_str_t                         node;
    ngx_str_t                         password_file;
    ngx_str_t                         ca;
    ngx_str_t                         certificate;
    ngx_str_t                         certificate_key;
    ngx_str_t                         verify_line;
    ngx_uint_t                        verify;
    ngx_msec_t                        made;     /* monotonic time */
    void                             *tls;      /* OpenSSL's context */
    ngx_msec_t                        timeout;
    ngx_msec_t                        connect_timeout;
    ngx_uint_t                        stream_length;

    /* of this worker */
    ngx_resolver_t                   *resolver;     /* NULL: there is none */
    ngx_http_presence_redis_sentinel_t  *sentinel;
    ngx_http_presence_redis_cluster_t  *cluster;    /* NULL: there is none */
    uint8_t                           has[NGX_HTTP_PRESENCE_REDIS_SHARDS];
    ngx_http_presence_redis_link_t    mirror;
    ngx_http_presence_redis_queue_t   queue;
    ngx_event_t                       flush;
    ngx_connection_t                  owner;    /* data of "flush" */
    ngx_uint_t                        inflight;
    ngx_queue_t                       sent;     /* the oldest first */
    ngx_queue_t                      *doubts;   /* lists, by hash of the user */
    ngx_uint_t                        ndoubts;
    u_char                           *buffer;   /* what one user is sent as */
    size_t                            size;
    char                              sha[41];  /* of the script */
    ngx_http_presence_redis_counters_t  counters;   /* not added up yet */
    ngx_http_presence_feed_t         *feed;
    unsigned                          eval:1;   /* send the script in full */
    unsigned                          proven:1; /* a write was taken, here */
    unsigned                          refusing:1;   /* none since then */
    unsigned                          overflow:1;   /* not told the zone yet */
};


/* memory of Redis' in the zone; NGX_ERROR: there is none */
ngx_int_t ngx_http_presence_redis_init_locked(ngx_http_presence_zone_t *zone);

/* what a rebuilt zone keeps: a copy outside of it, ngx_alloc()ed, or NULL */
ngx_http_presence_redis_shared_t *ngx_http_presence_redis_copy_locked(
    ngx_http_presence_zone_t *zone);
void ngx_http_presence_redis_keep_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_redis_shared_t *kept);

/* in a worker */
ngx_int_t ngx_http_presence_redis_init_worker(ngx_http_presence_zone_t *zone,
    ngx_cycle_t *cycle);

/* tells the log that Redis serves, or no more, once for all workers */
void ngx_http_presence_redis_tell(ngx_http_presence_redis_t *redis,
    ngx_uint_t up, const char *why);

/* the same of these shards of a cluster; were they told to be so? */
ngx_uint_t ngx_http_presence_redis_tell_shards_locked(
    ngx_http_presence_redis_t *redis, const uint8_t *shards, ngx_uint_t state,
    ngx_http_presence_ms_t now);

/* other nodes that are alive, as far as is known */
ngx_uint_t ngx_http_presence_redis_others_locked(
    ngx_http_presence_zone_t *zone);

/* all users of its shards have to be sent, and looked at */
void ngx_http_presence_redis_resync_locked(ngx_http_presence_redis_t *redis);

/* adds up what this worker has counted, and says what waits in it */
void ngx_http_presence_redis_count_locked(ngx_http_presence_redis_t *redis);

/* a zone that replaces another one counts on */
void ngx_http_presence_redis_adopt_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_redis_shared_t *former);

/* a key: "presence:ZONE:{NN}:" or "presence:ZONE:", and the rest */
u_char *ngx_http_presence_redis_key(u_char *p,
    ngx_http_presence_redis_t *redis, ngx_int_t shard, const char *what,
    const u_char *id, size_t len);

#define ngx_http_presence_redis_max_key(redis)                                \
    ((redis)->prefix.len + (redis)->zone->name.len                            \
     + sizeof(":{00}:changes:") + NGX_HTTP_PRESENCE_MAX_USER)

#define ngx_http_presence_redis_shard(id, len)                                \
    (ngx_crc32_long((u_char *) (id), len) % NGX_HTTP_PRESENCE_REDIS_SHARDS)

/* a time of the presence clock from one of Redis', and the other way round */
#define ngx_http_presence_redis_at(sh, time)                                  \
    ngx_http_presence_clock_at(&(sh)->clock, (time) - (sh)->redis->offset)
#define ngx_http_presence_redis_time(sh, at)                                  \
    (ngx_http_presence_clock_wall(&(sh)->clock, at) + (sh)->redis->offset)

/* from here on "offset" is that of the shard's master */
#define ngx_http_presence_redis_clock_locked(r, shard)                        \
    if ((r)->cluster) {                                                       \
        (r)->zone->sh->redis->offset = (r)->zone->sh->redis->offsets[shard];  \
    }

/* by so much the time of one sign of life differs from call to call */
#define NGX_HTTP_PRESENCE_REDIS_SLIGHT   100

/* milliseconds for which a node is taken to be alive */
ngx_msec_t ngx_http_presence_redis_life(ngx_http_presence_zone_t *zone);


#endif /* _NGX_HTTP_PRESENCE_REDIS_H_INCLUDED_ */
