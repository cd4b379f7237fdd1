#include "ngx_http_presence_redis_feed.h"
#include "ngx_http_presence_redis_cluster.h"
#include "ngx_http_presence_redis_mirror.h"
#include "ngx_http_presence_redis_peer.h"
#include "ngx_http_presence_redis_scripts.h"
#include "ngx_http_presence_redis_share.h"


/* how long Redis waits for a change before it answers that there is none */
#define NGX_HTTP_PRESENCE_REDIS_BLOCK   500
#define NGX_HTTP_PRESENCE_REDIS_COUNT   "64"

/* a cluster does not wait for several streams at once: it is asked for each */
#define NGX_HTTP_PRESENCE_REDIS_POLL    150

/* users looked at in one hold of the lock, and in one tick */
#define NGX_HTTP_PRESENCE_REDIS_SLICE   64
#define NGX_HTTP_PRESENCE_REDIS_SLICES  32

/* room that is left in the queue for what is heard meanwhile */
#define NGX_HTTP_PRESENCE_REDIS_ROOM    1024


typedef enum {
    NGX_HTTP_PRESENCE_REDIS_IDLE = 0,
    NGX_HTTP_PRESENCE_REDIS_MARKING,    /* where do the streams end? */
    NGX_HTTP_PRESENCE_REDIS_SCANNING,   /* who is there? */
    NGX_HTTP_PRESENCE_REDIS_FOLLOWING
} ngx_http_presence_redis_phase_e;


/* a look at all users of the zone, a slice at a time */
typedef struct {
    uint32_t                          from;
    unsigned                          active:1;
    unsigned                          orphans:1;    /* just those */
    unsigned                          extend:1;     /* with a full window */
    ngx_http_presence_redis_t        *redis;
    uint8_t                           shards[NGX_HTTP_PRESENCE_REDIS_SHARDS];
} ngx_http_presence_redis_walk_t;


/* a question about one shard */
typedef struct {
    ngx_http_presence_redis_call_t    call;
    ngx_http_presence_redis_t        *redis;
    ngx_http_presence_redis_reply_pt  handler;
    ngx_uint_t                        shard;
    ngx_uint_t                        round;
    const char                       *command;
    const char                       *what;
    const char                       *two;
    char                              one[2 * NGX_INT64_LEN + 2];
    unsigned                          polls:1;
    unsigned                          asking:1;     /* of another master */
} ngx_http_presence_redis_ask_t;


struct ngx_http_presence_feed_s {
    ngx_http_presence_redis_link_t    link;
    ngx_http_presence_redis_phase_e   phase;

    ngx_http_presence_redis_call_t    beat;
    ngx_int_t                         beat_shard;
    ngx_msec_t                        next_beat;
    ngx_msec_t                        since;        /* of the first answer */
    unsigned                          beating:1;    /* not answered yet */
    unsigned                          alive:1;      /* was answered */
    unsigned                          leads:1;
    unsigned                          settled:1;    /* the dead are known */
    unsigned                          scanning:1;   /* not answered yet */
    unsigned                          reading:1;
    unsigned                          refill:1;     /* until it is done */
    unsigned                          stale:1;      /* it has to be filled */

    /* Redis' time from which on entries are news, and no history */
    ngx_http_presence_ms_t            news[NGX_HTTP_PRESENCE_REDIS_SHARDS];

    /* of a cluster: questions that are not answered, when to ask again, and
       whether the last entry read of each stream is known to be there */
    ngx_uint_t                        polls;
    ngx_msec_t                        next_poll;
    uint8_t                           checked[NGX_HTTP_PRESENCE_REDIS_SHARDS];

    ngx_uint_t                        round;        /* of the filling */
    ngx_uint_t                        check;        /* of the streams */
    ngx_uint_t                        shard;
    ngx_uint_t                        asked;
    ngx_uint_t                        answers;
    uint64_t                          cursor;
    uint64_t                          ids[NGX_HTTP_PRESENCE_REDIS_SHARDS][2];

    ngx_http_presence_redis_walk_t    all;
    ngx_http_presence_redis_walk_t    orphans;

    ngx_http_presence_redis_call_t    read;
    u_char                           *buffer;
    size_t                            size;
};


static void ngx_http_presence_redis_feed_lead(
    ngx_http_presence_redis_t *redis, ngx_uint_t leads);
static void ngx_http_presence_redis_feed_stop(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_feed_beat(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_feed_beaten(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_feed_died(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_feed_fill(
    ngx_http_presence_redis_t *redis);
static ngx_int_t ngx_http_presence_redis_feed_ask(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_reply_pt handler, ngx_uint_t shard,
    const char *command, const char *what, const char *one, const char *two);
static ngx_int_t ngx_http_presence_redis_feed_send(
    ngx_http_presence_redis_ask_t *ask, ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_feed_answered(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static ngx_int_t ngx_http_presence_redis_feed_redirected(
    ngx_http_presence_redis_ask_t *ask, ngx_http_presence_redis_link_t *link,
    redisReply *reply);
static void ngx_http_presence_redis_feed_marked(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_feed_scan(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_feed_scanned(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_feed_filled(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_feed_news_locked(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_feed_ready(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_feed_down(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_feed_checked(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_feed_read(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_feed_have_read(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_feed_poll(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_feed_polled(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_feed_stream(
    ngx_http_presence_redis_t *redis, const redisReply *stream);
static void ngx_http_presence_redis_feed_look(
    ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record);
static ngx_int_t ngx_http_presence_redis_feed_id(const redisReply *reply,
    uint64_t id[2]);
static void ngx_http_presence_redis_feed_walk(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_walk_t *walk);
static ngx_int_t ngx_http_presence_redis_feed_visit(void *data,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);
static ngx_uint_t ngx_http_presence_redis_feed_is_mine(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);


ngx_int_t
ngx_http_presence_redis_feed_init_worker(ngx_http_presence_redis_t *redis,
    ngx_cycle_t *cycle)
{
    ngx_http_presence_feed_t  *feed;

    feed = ngx_pcalloc(cycle->pool, sizeof(ngx_http_presence_feed_t));
    if (feed == NULL) {
        return NGX_ERROR;
    }

    /* all keys of streams, and the ids after which to read */

    feed->size = NGX_HTTP_PRESENCE_REDIS_SHARDS
                 * (ngx_http_presence_redis_max_key(redis)
                    + 2 * NGX_INT64_LEN + 2);

    feed->buffer = ngx_palloc(cycle->pool, feed->size);
    if (feed->buffer == NULL) {
        return NGX_ERROR;
    }

    ngx_http_presence_redis_link_init(&feed->link, redis,
                                      redis->timeout
                                      + NGX_HTTP_PRESENCE_REDIS_BLOCK,
                                      ngx_http_presence_redis_feed_ready,
                                      ngx_http_presence_redis_feed_down,
                                      cycle->log);

    feed->all.redis = redis;
    feed->orphans.redis = redis;
    feed->orphans.orphans = 1;

    redis->feed = feed;

    return NGX_OK;
}


void
ngx_http_presence_redis_feed_tick(ngx_http_presence_zone_t *zone,
    ngx_uint_t leads)
{
    ngx_uint_t                          i;
    ngx_http_presence_redis_t          *part;
    ngx_http_presence_redis_cluster_t  *cluster;

    cluster = zone->redis->cluster;

    if (cluster == NULL) {
        ngx_http_presence_redis_feed_lead(zone->redis, leads);
        return;
    }

    ngx_http_presence_zone_lock(zone);
    ngx_http_presence_redis_count_locked(zone->redis);
    ngx_http_presence_zone_unlock(zone);

    for (i = 0; i < cluster->nparts; i++) {
        part = &cluster->parts[i]->redis;

        ngx_http_presence_redis_feed_lead(part, leads
                              && memchr(part->has, 1, sizeof(part->has)));
    }
}


void
ngx_http_presence_redis_feed_move(ngx_uint_t shard,
    ngx_http_presence_redis_t *from, ngx_http_presence_redis_t *to)
{
    ngx_http_presence_feed_t  *feed;

    feed = to->feed;

    if (feed == NULL) {
        return;
    }

    /* what was news is so still, when it was followed all the time */

    feed->checked[shard] = 0;
    feed->news[shard] = ngx_http_presence_redis_mirror_serves(from)
                        ? from->feed->news[shard] : 0;

    if (feed->phase != NGX_HTTP_PRESENCE_REDIS_FOLLOWING) {
        feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
        feed->round++;
    }
}


static void
ngx_http_presence_redis_feed_lead(ngx_http_presence_redis_t *redis,
    ngx_uint_t leads)
{
    ngx_uint_t                         i, resync, filled;
    ngx_http_presence_feed_t          *feed;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_redis_shared_t  *shared;

    feed = redis->feed;
    zone = redis->zone;

    ngx_http_presence_zone_lock(zone);
    ngx_http_presence_redis_count_locked(redis);
    ngx_http_presence_zone_unlock(zone);

    if (!leads || ngx_exiting) {
        ngx_http_presence_redis_feed_stop(redis);
        return;
    }

    if (!feed->leads) {
        feed->leads = 1;
        feed->orphans.active = 1;
        feed->orphans.from = 0;
    }

    if (redis->mirror.state != NGX_HTTP_PRESENCE_REDIS_READY) {
        feed->alive = 0;
        feed->settled = 0;
        return;
    }

    if (!feed->beating
        && (ngx_msec_int_t) (ngx_current_msec - feed->next_beat) >= 0)
    {
        ngx_http_presence_redis_feed_beat(redis);
    }

    if (!feed->alive) {
        return;
    }

    ngx_http_presence_zone_lock(zone);

    shared = zone->sh->redis;
    filled = 1;
    resync = 0;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (!redis->has[i]) {
            continue;
        }

        if (!shared->filled[i]) {
            filled = 0;
        }

        if (shared->resync[i] && !redis->refusing) {
            shared->resync[i] = 0;
            feed->all.shards[i] = 1;
            resync = 1;
        }
    }

    shared->counters.resyncs += resync;

    ngx_http_presence_zone_unlock(zone);

    if (resync) {
        feed->all.active = 1;
        feed->all.from = 0;
    }

    if (feed->phase == NGX_HTTP_PRESENCE_REDIS_FOLLOWING
        && (feed->stale || !filled))
    {
        feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
        feed->refill = 1;
        feed->stale = 0;
    }

    if (feed->phase == NGX_HTTP_PRESENCE_REDIS_IDLE) {

        if (filled && !feed->refill) {
            feed->phase = NGX_HTTP_PRESENCE_REDIS_FOLLOWING;
            ngx_http_presence_redis_link_open(&feed->link);

        } else {
            ngx_http_presence_redis_feed_fill(redis);
        }
    }

    if (feed->phase == NGX_HTTP_PRESENCE_REDIS_SCANNING && !feed->scanning) {
        ngx_http_presence_redis_feed_scan(redis);
    }

    if (redis->cluster
        && feed->phase == NGX_HTTP_PRESENCE_REDIS_FOLLOWING
        && feed->link.state == NGX_HTTP_PRESENCE_REDIS_READY
        && feed->polls == 0
        && (ngx_msec_int_t) (ngx_current_msec - feed->next_poll) >= 0)
    {
        ngx_http_presence_redis_feed_poll(redis);
    }

    ngx_http_presence_redis_feed_walk(redis, &feed->all);

    if (feed->settled) {
        ngx_http_presence_redis_feed_walk(redis, &feed->orphans);
    }
}


static void
ngx_http_presence_redis_feed_stop(ngx_http_presence_redis_t *redis)
{
    ngx_http_presence_feed_t  *feed;

    feed = redis->feed;

    if (!feed->leads) {
        return;
    }

    feed->leads = 0;
    feed->alive = 0;
    feed->settled = 0;
    feed->all.active = 0;
    feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
    feed->round++;
    feed->check++;

    ngx_http_presence_redis_link_close(&feed->link);
}


static void
ngx_http_presence_redis_feed_beat(ngx_http_presence_redis_t *redis)
{
    u_char                          *p, *key;
    ngx_int_t                        shard;
    ngx_msec_t                       life;
    ngx_http_presence_feed_t        *feed;
    ngx_http_presence_zone_t        *zone;
    ngx_http_presence_redis_node_t   self;
    const char                      *argv[7];
    size_t                           len[7];
    u_char                           number[NGX_INT64_LEN];

    feed = redis->feed;
    zone = redis->zone;

    ngx_http_presence_zone_lock(zone);
    self = zone->sh->redis->self;
    ngx_http_presence_zone_unlock(zone);

    life = ngx_http_presence_redis_life(zone);

    feed->next_beat = ngx_current_msec + life / 3;

    /* short enough to be sent in full each time */

    argv[0] = "EVAL";
    len[0] = sizeof("EVAL") - 1;
    argv[1] = ngx_http_presence_redis_node_script;
    len[1] = sizeof(ngx_http_presence_redis_node_script) - 1;
    argv[2] = "2";
    len[2] = 1;

    /* each master of a cluster is told, by way of the first of its shards */

    shard = -1;

    if (redis->cluster) {
        shard = (u_char *) memchr(redis->has, 1, sizeof(redis->has))
                - redis->has;
    }

    key = feed->buffer;
    p = ngx_http_presence_redis_key(key, redis, shard, "nodes", NULL, 0);
    argv[3] = (char *) key;
    len[3] = p - key;

    key = p;
    p = ngx_http_presence_redis_key(key, redis, shard, "node", self.id,
                                    self.len);
    argv[4] = (char *) key;
    len[4] = p - key;

    argv[5] = (char *) self.id;
    len[5] = self.len;

    argv[6] = (char *) number;
    len[6] = ngx_sprintf(number, "%M", life) - number;

    feed->beat.handler = ngx_http_presence_redis_feed_beaten;
    feed->beat_shard = shard;

    if (ngx_http_presence_redis_link_call(&redis->mirror, &feed->beat, 7, argv,
                                          len)
        == NGX_OK)
    {
        feed->beating = 1;
    }
}


static void
ngx_http_presence_redis_feed_beaten(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    int64_t                          time;
    ngx_uint_t                       i, sure, died;
    ngx_http_presence_feed_t        *feed;
    ngx_http_presence_zone_t        *zone;
    ngx_http_presence_redis_t       *redis, *to;
    ngx_http_presence_redis_node_t  *nodes;
    ngx_http_presence_redis_error_e  error;
    uint8_t                          was[NGX_HTTP_PRESENCE_REDIS_NODES];

    redis = link->redis;
    feed = redis->feed;
    zone = redis->zone;

    feed->beating = 0;

    if (reply == NULL || !feed->leads) {
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_ARRAY)
    {
        if (reply->type == REDIS_REPLY_ERROR) {

            /* it is on its way to another master; the others know as well */

            if (ngx_http_presence_redis_cluster_turn(redis, feed->beat_shard,
                                                     reply, &to)
                != NGX_HTTP_PRESENCE_REDIS_PLAIN)
            {
                return;
            }

            if (!redis->refusing) {
                redis->refusing = 1;
                ngx_http_presence_redis_tell(redis, 0, reply->str);
            }

            error = ngx_http_presence_redis_error(reply);

            if (error != NGX_HTTP_PRESENCE_REDIS_REFUSED
                && !(redis->cluster
                     && error == NGX_HTTP_PRESENCE_REDIS_CLUSTER))
            {
                ngx_http_presence_redis_link_drop(link, reply->str);
            }
        }

        feed->alive = 0;
        feed->settled = 0;
        return;
    }

    if (redis->refusing) {
        redis->refusing = 0;
        redis->overflow = 1;
        ngx_http_presence_redis_tell(redis, 1, NULL);
    }

    if (!feed->alive) {
        feed->alive = 1;
        feed->since = ngx_current_msec;
    }

    /* those who lost Redis as this node did get the time to come back */

    sure = ngx_current_msec - feed->since
           > 2 * ngx_http_presence_redis_life(zone);

    time = ngx_http_presence_redis_record_number(reply->element[0]->str,
                                                 reply->element[0]->len, 0);
    died = 0;

    ngx_http_presence_zone_lock(zone);

    zone->sh->redis->offset = time
                              - ngx_http_presence_zone_wall(zone,
                                                        zone->sh->clock.now);

    if (redis->cluster) {
        for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {
            if (redis->has[i]) {
                zone->sh->redis->offsets[i] = zone->sh->redis->offset;
            }
        }
    }

    nodes = zone->sh->redis->nodes;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_NODES; i++) {
        was[i] = nodes[i].alive;
    }

    ngx_http_presence_redis_peer_nodes_locked(redis, reply->element[1], sure);

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_NODES; i++) {
        died += (was[i] && !nodes[i].alive);
    }

    ngx_http_presence_zone_unlock(zone);

    if (sure && !feed->settled) {
        feed->settled = 1;
        died = 1;
    }

    if (died) {
        ngx_http_presence_redis_feed_died(redis);
    }
}


static void
ngx_http_presence_redis_feed_died(ngx_http_presence_redis_t *redis)
{
    ngx_uint_t                          i;
    ngx_http_presence_feed_t           *feed;
    ngx_http_presence_redis_cluster_t  *cluster;

    cluster = redis->cluster;

    for (i = 0; i < (cluster ? cluster->nparts : 1); i++) {
        feed = cluster ? cluster->parts[i]->redis.feed : redis->feed;

        feed->orphans.active = 1;
        feed->orphans.from = 0;
    }
}


/*
 * A new zone: first where the streams end, then who is there, then what has
 * happened since.  What the streams tell twice is known by its revision.
 */

static void
ngx_http_presence_redis_feed_fill(ngx_http_presence_redis_t *redis)
{
    ngx_uint_t                 i;
    ngx_http_presence_feed_t  *feed;

    feed = redis->feed;

    feed->phase = NGX_HTTP_PRESENCE_REDIS_MARKING;
    feed->refill = 1;
    feed->round++;
    feed->asked = 0;
    feed->answers = 0;

    ngx_memzero(feed->ids, sizeof(feed->ids));

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (!redis->has[i]) {
            continue;
        }

        feed->asked++;

        if (ngx_http_presence_redis_feed_ask(redis, &redis->mirror,
                                         ngx_http_presence_redis_feed_marked,
                                         i, "XREVRANGE", "changes", "+", "-")
            != NGX_OK)
        {
            feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
            return;
        }
    }
}


/* one question about one shard; the handler does not free it */

static ngx_int_t
ngx_http_presence_redis_feed_ask(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_reply_pt handler, ngx_uint_t shard,
    const char *command, const char *what, const char *one, const char *two)
{
    ngx_http_presence_feed_t       *feed;
    ngx_http_presence_redis_ask_t  *ask;

    feed = redis->feed;

    ask = ngx_alloc(sizeof(ngx_http_presence_redis_ask_t), link->timer.log);
    if (ask == NULL) {
        return NGX_ERROR;
    }

    ask->call.handler = ngx_http_presence_redis_feed_answered;
    ask->redis = redis;
    ask->handler = handler;
    ask->shard = shard;
    ask->round = (link == &feed->link) ? feed->check : feed->round;
    ask->command = command;
    ask->what = what;
    ask->two = two;
    ask->polls = (redis->cluster && link == &feed->link);
    ask->asking = 0;

    ngx_cpystrn((u_char *) ask->one, (u_char *) one, sizeof(ask->one));

    if (ngx_http_presence_redis_feed_send(ask, link) != NGX_OK) {
        ngx_free(ask);
        return NGX_ERROR;
    }

    feed->polls += ask->polls;

    return NGX_OK;
}


/* COMMAND KEY ONE [TWO] COUNT n, or XREAD COUNT n STREAMS KEY ONE */

static ngx_int_t
ngx_http_presence_redis_feed_send(ngx_http_presence_redis_ask_t *ask,
    ngx_http_presence_redis_link_t *link)
{
    int                        argc;
    u_char                    *p;
    ngx_int_t                  i, key;
    ngx_http_presence_feed_t  *feed;
    const char                *argv[6];
    size_t                     len[6];

    feed = ask->redis->feed;
    argc = 0;

    argv[argc++] = ask->command;

    if (ngx_strcmp(ask->command, "XREAD") == 0) {
        argv[argc++] = "COUNT";
        argv[argc++] = NGX_HTTP_PRESENCE_REDIS_COUNT;
        argv[argc++] = "STREAMS";
        key = argc++;
        argv[argc++] = ask->one;

    } else {
        key = argc++;
        argv[argc++] = ask->one;

        if (ask->two) {
            argv[argc++] = ask->two;
        }

        argv[argc++] = "COUNT";
        argv[argc++] = ask->two ? "1" : "256";
    }

    p = ngx_http_presence_redis_key(feed->buffer, ask->redis, ask->shard,
                                    ask->what, NULL, 0);

    argv[key] = (char *) feed->buffer;

    for (i = 0; i < argc; i++) {
        len[i] = (i == key) ? (size_t) (p - feed->buffer)
                            : ngx_strlen(argv[i]);
    }

    if (ask->asking) {
        ngx_http_presence_redis_link_asking(link);
    }

    return ngx_http_presence_redis_link_call(link, &ask->call, argc, argv,
                                             len);
}


static void
ngx_http_presence_redis_feed_answered(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    ngx_int_t                       rc;
    ngx_http_presence_redis_ask_t  *ask;

    ask = (ngx_http_presence_redis_ask_t *) call;

    if (reply && reply->type == REDIS_REPLY_ERROR) {

        rc = ngx_http_presence_redis_feed_redirected(ask, link, reply);

        if (rc == NGX_OK) {
            return;
        }

        if (rc == NGX_DECLINED) {
            reply = NULL;
        }
    }

    ask->redis->feed->polls -= ask->polls;

    ask->handler(link, call, reply);

    ngx_free(ask);
}


/* NGX_OK: asked of another master; NGX_DECLINED: there is no answer now */

static ngx_int_t
ngx_http_presence_redis_feed_redirected(ngx_http_presence_redis_ask_t *ask,
    ngx_http_presence_redis_link_t *link, redisReply *reply)
{
    ngx_http_presence_redis_t  *to;

    switch (ngx_http_presence_redis_cluster_turn(link->redis, ask->shard,
                                                 reply, &to))
    {
    case NGX_HTTP_PRESENCE_REDIS_PLAIN:
        return ask->redis->cluster
               && ngx_http_presence_redis_error(reply)
                  == NGX_HTTP_PRESENCE_REDIS_CLUSTER
               ? NGX_DECLINED : NGX_ERROR;

    case NGX_HTTP_PRESENCE_REDIS_ONCE:

        if (!ask->asking) {
            ask->asking = 1;

            if (ngx_http_presence_redis_feed_send(ask, &to->mirror)
                == NGX_OK)
            {
                return NGX_OK;
            }
        }

        /* fall through */

    default:
        return NGX_DECLINED;
    }
}


static void
ngx_http_presence_redis_feed_marked(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    ngx_uint_t                      i, shard, round;
    ngx_http_presence_feed_t       *feed;
    ngx_http_presence_zone_t       *zone;
    ngx_http_presence_redis_ask_t  *ask;

    ask = (ngx_http_presence_redis_ask_t *) call;
    shard = ask->shard;
    round = ask->round;

    feed = ask->redis->feed;
    zone = ask->redis->zone;

    if (round != feed->round
        || feed->phase != NGX_HTTP_PRESENCE_REDIS_MARKING)
    {
        return;
    }

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
        return;
    }

    if (reply->elements
        && ngx_http_presence_redis_feed_id(reply->element[0], feed->ids[shard])
           != NGX_OK)
    {
        feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
        return;
    }

    if (++feed->answers < feed->asked) {
        return;
    }

    ngx_http_presence_zone_lock(zone);

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {
        if (ask->redis->has[i]) {
            zone->sh->redis->ids[i][0] = feed->ids[i][0];
            zone->sh->redis->ids[i][1] = feed->ids[i][1];
        }
    }

    ngx_http_presence_zone_unlock(zone);

    feed->phase = NGX_HTTP_PRESENCE_REDIS_SCANNING;
    feed->shard = 0;
    feed->cursor = 0;

    ngx_http_presence_redis_feed_scan(ask->redis);
}


static void
ngx_http_presence_redis_feed_scan(ngx_http_presence_redis_t *redis)
{
    ngx_http_presence_feed_t  *feed;
    u_char                     cursor[NGX_INT64_LEN + 1];

    feed = redis->feed;

    if (ngx_http_presence_redis_queue_room(&redis->queue)
        < 2 * NGX_HTTP_PRESENCE_REDIS_ROOM)
    {
        return;     /* at the next tick */
    }

    while (feed->shard < NGX_HTTP_PRESENCE_REDIS_SHARDS
           && !redis->has[feed->shard])
    {
        feed->shard++;
    }

    if (feed->shard == NGX_HTTP_PRESENCE_REDIS_SHARDS) {
        ngx_http_presence_redis_feed_filled(redis);
        return;
    }

    ngx_sprintf(cursor, "%uL%Z", feed->cursor);

    if (ngx_http_presence_redis_feed_ask(redis, &redis->mirror,
                                     ngx_http_presence_redis_feed_scanned,
                                     feed->shard, "ZSCAN", "online",
                                     (char *) cursor, NULL)
        == NGX_OK)
    {
        feed->scanning = 1;
    }
}


static void
ngx_http_presence_redis_feed_scanned(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    size_t                      i;
    ngx_str_t                   id;
    ngx_uint_t                  round;
    const redisReply           *list;
    ngx_http_presence_feed_t   *feed;
    ngx_http_presence_redis_t  *redis;

    redis = ((ngx_http_presence_redis_ask_t *) call)->redis;
    round = ((ngx_http_presence_redis_ask_t *) call)->round;

    feed = redis->feed;

    feed->scanning = 0;

    if (round != feed->round
        || feed->phase != NGX_HTTP_PRESENCE_REDIS_SCANNING)
    {
        return;
    }

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 2
        || reply->element[1]->type != REDIS_REPLY_ARRAY)
    {
        feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
        return;
    }

    list = reply->element[1];

    for (i = 0; i + 1 < list->elements; i += 2) {
        id.data = (u_char *) list->element[i]->str;
        id.len = list->element[i]->len;

        (void) ngx_http_presence_redis_mirror_put(redis,
                                           ngx_http_presence_roster_hash(&id),
                                           id.data, id.len,
                                           NGX_HTTP_PRESENCE_REDIS_LOOK);
    }

    feed->cursor = (uint64_t) ngx_http_presence_redis_record_number(
                                                    reply->element[0]->str,
                                                    reply->element[0]->len, 0);

    feed->shard += (feed->cursor == 0);

    ngx_http_presence_redis_feed_scan(redis);
}


static void
ngx_http_presence_redis_feed_filled(ngx_http_presence_redis_t *redis)
{
    ngx_uint_t                         i;
    ngx_http_presence_feed_t          *feed;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_redis_shared_t  *shared;

    feed = redis->feed;
    zone = redis->zone;

    ngx_http_presence_zone_lock(zone);

    shared = zone->sh->redis;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (redis->has[i] && !shared->filled[i]) {
            shared->filled[i] = 1;

            /* of what no node looks after, all have a full window from now */

            feed->orphans.extend = 1;
        }
    }

    ngx_http_presence_redis_feed_news_locked(redis);

    ngx_http_presence_zone_unlock(zone);

    feed->phase = NGX_HTTP_PRESENCE_REDIS_FOLLOWING;
    feed->refill = 0;

    ngx_memset(feed->checked, 1, sizeof(feed->checked));

    ngx_http_presence_redis_link_open(&feed->link);

    if (feed->link.state == NGX_HTTP_PRESENCE_REDIS_READY
        && redis->cluster == NULL)
    {
        ngx_http_presence_redis_feed_read(redis);
    }
}


/* what comes from now on */

static void
ngx_http_presence_redis_feed_news_locked(ngx_http_presence_redis_t *redis)
{
    ngx_uint_t                   i;
    ngx_http_presence_shared_t  *sh;

    sh = redis->zone->sh;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (redis->has[i]) {
            ngx_http_presence_redis_clock_locked(redis, i);
            redis->feed->news[i] = ngx_http_presence_redis_time(sh,
                                                                sh->clock.now);
        }
    }
}


static void
ngx_http_presence_redis_feed_ready(ngx_http_presence_redis_link_t *link)
{
    ngx_uint_t                 i;
    ngx_http_presence_feed_t  *feed;
    ngx_http_presence_zone_t  *zone;
    u_char                     id[2 * NGX_INT64_LEN + 2];

    feed = link->redis->feed;
    zone = link->redis->zone;

    if (ngx_http_presence_redis_mirror_serves(link->redis)) {
        ngx_http_presence_redis_tell(link->redis, 1, NULL);
    }

    /* a fill that is under way goes on to read by itself */

    if (feed->phase != NGX_HTTP_PRESENCE_REDIS_FOLLOWING) {
        return;
    }

    /*
     * Is the last that was read still there?  If not, then what comes next was
     * trimmed meanwhile, or the server is another one that never had it.
     */

    feed->check++;
    feed->answers = 0;

    ngx_http_presence_zone_lock(zone);
    ngx_memcpy(feed->ids, zone->sh->redis->ids, sizeof(feed->ids));
    ngx_http_presence_redis_feed_news_locked(link->redis);
    ngx_http_presence_zone_unlock(zone);

    if (link->redis->cluster) {
        ngx_memzero(feed->checked, sizeof(feed->checked));
        feed->next_poll = ngx_current_msec;
        return;
    }

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        ngx_sprintf(id, "%uL-%uL%Z", feed->ids[i][0], feed->ids[i][1]);

        if (ngx_http_presence_redis_feed_ask(link->redis, link,
                                        ngx_http_presence_redis_feed_checked,
                                        i, "XRANGE", "changes", (char *) id,
                                        "+")
            != NGX_OK)
        {
            ngx_http_presence_redis_link_drop(link, "no memory");
            return;
        }
    }
}


static void
ngx_http_presence_redis_feed_down(ngx_http_presence_redis_link_t *link)
{
    link->redis->feed->reading = 0;

    ngx_http_presence_redis_cluster_lost(link->redis);
}


static void
ngx_http_presence_redis_feed_checked(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    uint64_t                   *last, first[2];
    ngx_uint_t                  shard, round;
    ngx_http_presence_feed_t   *feed;
    ngx_http_presence_redis_t  *redis;

    redis = ((ngx_http_presence_redis_ask_t *) call)->redis;
    shard = ((ngx_http_presence_redis_ask_t *) call)->shard;
    round = ((ngx_http_presence_redis_ask_t *) call)->round;

    feed = redis->feed;

    if (reply == NULL || round != feed->check
        || feed->phase != NGX_HTTP_PRESENCE_REDIS_FOLLOWING)
    {
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY) {
        ngx_http_presence_redis_link_drop(&feed->link,
                                          reply->str ? reply->str : "no list");
        return;
    }

    last = feed->ids[shard];

    if ((last[0] || last[1])
        && (reply->elements == 0
            || ngx_http_presence_redis_feed_id(reply->element[0], first)
               != NGX_OK
            || first[0] != last[0] || first[1] != last[1]))
    {
        ngx_log_error(NGX_LOG_NOTICE, link->timer.log, 0,
                      "presence_zone \"%V\": changes that redis \"%V\" has "
                      "forgotten are made up for by a look at everybody",
                      &redis->zone->name, &redis->name);

        redis->overflow = 1;
        ngx_http_presence_redis_feed_fill(redis);
        return;
    }

    if (redis->cluster) {
        feed->checked[shard] = 1;

    } else if (++feed->answers == NGX_HTTP_PRESENCE_REDIS_SHARDS) {
        ngx_http_presence_redis_feed_read(redis);
    }
}


static void
ngx_http_presence_redis_feed_read(ngx_http_presence_redis_t *redis)
{
    u_char                     *p;
    ngx_int_t                   i;
    ngx_http_presence_feed_t   *feed;
    ngx_http_presence_zone_t   *zone;
    u_char                      block[NGX_INT_T_LEN];

    enum { FIXED = 6, N = NGX_HTTP_PRESENCE_REDIS_SHARDS };

    const char                 *argv[FIXED + 2 * N];
    size_t                      len[FIXED + 2 * N];

    feed = redis->feed;
    zone = redis->zone;

    if (feed->reading) {
        return;
    }

    argv[0] = "XREAD";
    argv[1] = "COUNT";
    argv[2] = NGX_HTTP_PRESENCE_REDIS_COUNT;
    argv[3] = "BLOCK";
    argv[4] = (char *) block;
    argv[5] = "STREAMS";

    for (i = 0; i < FIXED; i++) {
        len[i] = (i == 4) ? (size_t) (ngx_sprintf(block, "%d",
                                               NGX_HTTP_PRESENCE_REDIS_BLOCK)
                                      - block)
                          : ngx_strlen(argv[i]);
    }

    p = feed->buffer;

    for (i = 0; i < N; i++) {
        argv[FIXED + i] = (char *) p;
        p = ngx_http_presence_redis_key(p, redis, i, "changes", NULL, 0);
        len[FIXED + i] = p - (u_char *) argv[FIXED + i];
    }

    ngx_http_presence_zone_lock(zone);

    for (i = 0; i < N; i++) {
        argv[FIXED + N + i] = (char *) p;
        p = ngx_sprintf(p, "%uL-%uL", zone->sh->redis->ids[i][0],
                        zone->sh->redis->ids[i][1]);
        len[FIXED + N + i] = p - (u_char *) argv[FIXED + N + i];
    }

    ngx_http_presence_zone_unlock(zone);

    feed->read.handler = ngx_http_presence_redis_feed_have_read;

    if (ngx_http_presence_redis_link_call(&feed->link, &feed->read,
                                          FIXED + 2 * N, argv, len)
        == NGX_OK)
    {
        feed->reading = 1;
    }
}


static void
ngx_http_presence_redis_feed_have_read(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    size_t                     i;
    ngx_http_presence_feed_t  *feed;

    feed = link->redis->feed;
    feed->reading = 0;

    if (reply == NULL || !feed->leads
        || feed->phase != NGX_HTTP_PRESENCE_REDIS_FOLLOWING)
    {
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY && reply->type != REDIS_REPLY_NIL) {
        ngx_http_presence_redis_link_drop(link,
                                          reply->type == REDIS_REPLY_ERROR
                                          ? reply->str
                                          : "an answer of another kind");
        return;
    }

    for (i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        ngx_http_presence_redis_feed_stream(link->redis, reply->element[i]);
    }

    ngx_http_presence_redis_feed_read(link->redis);
}


/*
 * What is new in each shard of a master.  Of one that has just come, or comes
 * again after a connection was lost, first whether the last entry that was
 * read is still there.
 */

static void
ngx_http_presence_redis_feed_poll(ngx_http_presence_redis_t *redis)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_http_presence_feed_t  *feed;
    ngx_http_presence_zone_t  *zone;
    char                       id[2 * NGX_INT64_LEN + 2];

    feed = redis->feed;
    zone = redis->zone;

    feed->next_poll = ngx_current_msec + NGX_HTTP_PRESENCE_REDIS_POLL;

    ngx_http_presence_zone_lock(zone);
    ngx_memcpy(feed->ids, zone->sh->redis->ids, sizeof(feed->ids));
    ngx_http_presence_zone_unlock(zone);

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (!redis->has[i]) {
            continue;
        }

        ngx_sprintf((u_char *) id, "%uL-%uL%Z", feed->ids[i][0],
                    feed->ids[i][1]);

        if (feed->checked[i]) {
            rc = ngx_http_presence_redis_feed_ask(redis, &feed->link,
                                         ngx_http_presence_redis_feed_polled,
                                         i, "XREAD", "changes", id, NULL);

        } else {
            rc = ngx_http_presence_redis_feed_ask(redis, &feed->link,
                                         ngx_http_presence_redis_feed_checked,
                                         i, "XRANGE", "changes", id, "+");
        }

        if (rc != NGX_OK) {
            return;
        }
    }
}


static void
ngx_http_presence_redis_feed_polled(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    size_t                          i;
    ngx_http_presence_feed_t       *feed;
    ngx_http_presence_redis_ask_t  *ask;

    ask = (ngx_http_presence_redis_ask_t *) call;
    feed = ask->redis->feed;

    if (reply == NULL || ask->round != feed->check || !feed->leads
        || feed->phase != NGX_HTTP_PRESENCE_REDIS_FOLLOWING
        || !ask->redis->has[ask->shard])
    {
        return;
    }

    if (reply->type == REDIS_REPLY_NIL) {
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY) {
        ngx_http_presence_redis_link_drop(&feed->link,
                                          reply->type == REDIS_REPLY_ERROR
                                          ? reply->str
                                          : "an answer of another kind");
        return;
    }

    /* there may be more of them */

    feed->next_poll = ngx_current_msec;

    for (i = 0; i < reply->elements; i++) {
        ngx_http_presence_redis_feed_stream(ask->redis, reply->element[i]);
    }
}


static void
ngx_http_presence_redis_feed_stream(ngx_http_presence_redis_t *redis,
    const redisReply *stream)
{
    size_t                             i;
    uint64_t                           id[2];
    ngx_int_t                          shard;
    const char                        *brace;
    ngx_http_presence_ms_t             now;
    ngx_http_presence_zone_t          *zone;
    const redisReply                  *entries, *entry;
    ngx_http_presence_redis_node_t    *self;
    ngx_http_presence_redis_record_t   record;

    zone = redis->zone;

    if (stream->type != REDIS_REPLY_ARRAY || stream->elements != 2
        || stream->element[0]->type != REDIS_REPLY_STRING
        || stream->element[1]->type != REDIS_REPLY_ARRAY)
    {
        return;
    }

    brace = strrchr(stream->element[0]->str, '{');
    shard = brace ? ngx_atoi((u_char *) brace + 1, 2) : NGX_ERROR;

    if (shard == NGX_ERROR) {
        return;
    }

    entries = stream->element[1];

    for (i = 0; i < entries->elements; i++) {
        entry = entries->element[i];

        if (ngx_http_presence_redis_feed_id(entry, id) != NGX_OK) {
            return;
        }

        now = ngx_http_presence_zone_lock(zone);

        self = &zone->sh->redis->self;

        ngx_http_presence_redis_clock_locked(redis, shard);

        zone->sh->redis->ids[shard][0] = id[0];
        zone->sh->redis->ids[shard][1] = id[1];

        /* what this node said itself came back as an answer */

        if (ngx_http_presence_redis_peer_read(entry->element[1], &record)
            != NGX_OK
            || (record.node.len == self->len
                && ngx_memcmp(record.node.data, self->id, self->len) == 0))
        {
            ngx_http_presence_zone_unlock(zone);
            continue;
        }

        if ((ngx_http_presence_ms_t) id[0] >= redis->feed->news[shard]) {
            ngx_http_presence_redis_peer_apply_locked(redis, &record,
                          ngx_http_presence_redis_at(zone->sh,
                                                     (int64_t) id[0]), now, 0);

        } else {
            ngx_http_presence_redis_feed_look(redis, &record);
        }

        ngx_http_presence_zone_unlock(zone);
    }
}


/*
 * A change of a time in which this node followed nobody, and decided alone:
 * what has come of it counts, and not the way there.
 */

static void
ngx_http_presence_redis_feed_look(ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record)
{
    ngx_str_t  id;

    id.data = (u_char *) record->user.data;
    id.len = record->user.len;

    if (!ngx_http_presence_redis_mirror_put(redis,
                                           ngx_http_presence_roster_hash(&id),
                                           id.data, id.len,
                                           NGX_HTTP_PRESENCE_REDIS_LOOK))
    {
        redis->feed->stale = 1;
    }
}


/* the id of an entry: time and number */

static ngx_int_t
ngx_http_presence_redis_feed_id(const redisReply *entry, uint64_t id[2])
{
    int64_t            time, number;
    const char        *dash;
    const redisReply  *text;

    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2
        || entry->element[0]->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    text = entry->element[0];
    dash = memchr(text->str, '-', text->len);

    if (dash == NULL) {
        return NGX_ERROR;
    }

    time = ngx_http_presence_redis_record_number(text->str, dash - text->str,
                                                 -1);
    number = ngx_http_presence_redis_record_number(dash + 1,
                                    text->str + text->len - dash - 1, -1);

    if (time < 0 || number < 0) {
        return NGX_ERROR;
    }

    id[0] = (uint64_t) time;
    id[1] = (uint64_t) number;

    return NGX_OK;
}


static void
ngx_http_presence_redis_feed_walk(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_walk_t *walk)
{
    ngx_int_t                  rc;
    ngx_uint_t                 n;
    ngx_http_presence_zone_t  *zone;

    zone = redis->zone;

    for (n = 0; walk->active && n < NGX_HTTP_PRESENCE_REDIS_SLICES; n++) {

        if (ngx_http_presence_redis_queue_room(&redis->queue)
            < NGX_HTTP_PRESENCE_REDIS_ROOM)
        {
            return;
        }

        ngx_http_presence_zone_lock(zone);

        rc = ngx_http_presence_roster_walk_locked(zone, &walk->from,
                                        NGX_HTTP_PRESENCE_REDIS_SLICE,
                                        ngx_http_presence_redis_feed_visit,
                                        walk);

        ngx_http_presence_zone_unlock(zone);

        if (rc != NGX_AGAIN) {
            walk->active = 0;
            walk->extend = 0;
            ngx_memzero(walk->shards, sizeof(walk->shards));
        }
    }
}


static ngx_int_t
ngx_http_presence_redis_feed_visit(void *data, ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user)
{
    ngx_http_presence_redis_walk_t *walk = data;

    uint8_t                           *shards;
    ngx_uint_t                         flags;
    ngx_http_presence_ms_t             window;
    ngx_http_presence_session_t       *session;
    ngx_http_presence_redis_shared_t  *shared;

    shared = zone->sh->redis;
    flags = NGX_HTTP_PRESENCE_REDIS_LOOK;

    if (walk->redis->cluster) {
        shards = walk->orphans ? walk->redis->has : walk->shards;

        if (!shards[ngx_http_presence_redis_shard(user->id, user->len)]) {
            return NGX_OK;
        }
    }

    if (walk->orphans) {

        for (session = user->sessions; session; session = session->next) {

            if (session->owner > NGX_HTTP_PRESENCE_REDIS_NODES
                || (session->owner
                    && !shared->nodes[session->owner - 1].alive))
            {
                break;
            }
        }

        if (session == NULL
            || (!walk->extend
                && !ngx_http_presence_redis_feed_is_mine(zone, user)))
        {
            return NGX_OK;
        }

        if (walk->extend) {
            flags |= NGX_HTTP_PRESENCE_REDIS_EXTEND;
        }

    } else {

        /* those who went while Redis was away, too; older ones it ends */

        window = zone->policy.max_interval * zone->policy.misses
                 + zone->policy.slack;

        if (user->nsessions == 0
            && zone->sh->clock.now - user->since > 4 * window)
        {
            return NGX_OK;
        }
    }

    (void) ngx_http_presence_redis_mirror_put(zone->redis, user->hash,
                                              user->id, user->len, flags);

    return NGX_OK;
}


/* of the nodes that are alive, is it this one that settles the user? */

static ngx_uint_t
ngx_http_presence_redis_feed_is_mine(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user)
{
    uint32_t                           own;
    ngx_uint_t                         n;
    ngx_http_presence_redis_node_t    *node;
    ngx_http_presence_redis_shared_t  *shared;

    shared = zone->sh->redis;

    own = ngx_http_presence_redis_share_weight(shared->self.id,
                                               shared->self.len, user->hash);

    for (n = 0; n < NGX_HTTP_PRESENCE_REDIS_NODES; n++) {
        node = &shared->nodes[n];

        if (node->alive
            && ngx_http_presence_redis_share_weight(node->id, node->len,
                                                    user->hash)
               > own)
        {
            return 0;
        }
    }

    return 1;
}
