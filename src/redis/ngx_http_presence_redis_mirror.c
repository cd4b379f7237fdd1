#include "ngx_http_presence_redis_mirror.h"
#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_redis_cluster.h"
#include "ngx_http_presence_redis_doubts.h"
#include "ngx_http_presence_redis_feed.h"
#include "ngx_http_presence_redis_peer.h"
#include "ngx_http_presence_redis_sync.h"


/* users that wait to be sent; past it all are sent, a bit at a time */
#define NGX_HTTP_PRESENCE_REDIS_QUEUE     4096

/* users that are sent and not answered */
#define NGX_HTTP_PRESENCE_REDIS_INFLIGHT  256


static void ngx_http_presence_redis_mirror_ready(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_mirror_down(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_mirror_flush(ngx_event_t *ev);
static ngx_int_t ngx_http_presence_redis_mirror_send(
    ngx_http_presence_redis_t *redis, const u_char *id, size_t len,
    uint32_t hash, unsigned flags, uint32_t since, ngx_uint_t asking);
static void ngx_http_presence_redis_mirror_replied(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_mirror_tell(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_sync_t *sync,
    const redisReply *reply);
static void ngx_http_presence_redis_mirror_refused(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_sync_t *sync,
    redisReply *reply);
static ngx_uint_t ngx_http_presence_redis_mirror_is_answer(
    const redisReply *reply);
static ngx_uint_t ngx_http_presence_redis_mirror_redirected(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_sync_t *sync,
    redisReply *reply);
static void ngx_http_presence_redis_mirror_lost(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_sync_t *sync);
static void ngx_http_presence_redis_mirror_apply(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_sync_t *sync,
    redisReply *reply);


ngx_int_t
ngx_http_presence_redis_mirror_init_worker(ngx_http_presence_redis_t *redis,
    ngx_cycle_t *cycle)
{
    void                        *memory;
    ngx_http_presence_limits_t  *limits;

    limits = &redis->zone->limits;

    memory = ngx_palloc(cycle->pool,
                 ngx_http_presence_redis_queue_bytes(
                                               NGX_HTTP_PRESENCE_REDIS_QUEUE,
                                               limits->max_user));
    if (memory == NULL) {
        return NGX_ERROR;
    }

    ngx_http_presence_redis_queue_init(&redis->queue,
                                       NGX_HTTP_PRESENCE_REDIS_QUEUE,
                                       limits->max_user, memory);

    if (ngx_http_presence_redis_sync_init_worker(redis, cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    redis->owner.data = redis;
    redis->owner.fd = (ngx_socket_t) -1;

    redis->flush.handler = ngx_http_presence_redis_mirror_flush;
    redis->flush.data = &redis->owner;
    redis->flush.log = cycle->log;

    redis->proven = 0;
    redis->refusing = 0;
    redis->inflight = 0;

    ngx_queue_init(&redis->sent);

    ngx_http_presence_redis_link_init(&redis->mirror, redis, redis->timeout,
                                      ngx_http_presence_redis_mirror_ready,
                                      ngx_http_presence_redis_mirror_down,
                                      cycle->log);
    ngx_http_presence_redis_link_start(&redis->mirror);

    return NGX_OK;
}


void
ngx_http_presence_redis_mirror_load(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_load_t *load)
{
    ngx_queue_t                     *q;
    ngx_http_presence_redis_sync_t  *sync;

    load->queued = ngx_http_presence_redis_queue_length(&redis->queue);
    load->sent = (uint32_t) redis->inflight;
    load->lag = 0;

    if (!ngx_queue_empty(&redis->sent)) {
        q = ngx_queue_head(&redis->sent);
        sync = ngx_queue_data(q, ngx_http_presence_redis_sync_t, queue);

        load->lag = (uint32_t) ngx_current_msec - sync->since;

    } else if (load->queued) {
        load->lag = (uint32_t) ngx_current_msec
                    - ngx_http_presence_redis_queue_since(&redis->queue);
    }
}


ngx_uint_t
ngx_http_presence_redis_mirror_serves(ngx_http_presence_redis_t *redis)
{
    return redis->mirror.state == NGX_HTTP_PRESENCE_REDIS_READY
           && redis->proven && !redis->refusing;
}


void
ngx_http_presence_redis_mirror_taken(ngx_http_presence_redis_t *redis)
{
    if (redis->proven && !redis->refusing) {
        return;
    }

    /* what was refused is sent again, with all */

    redis->overflow |= redis->refusing;

    redis->proven = 1;
    redis->refusing = 0;

    if (!redis->feed->streams.failing) {
        ngx_http_presence_redis_tell(redis, 1, NULL);
    }
}


void
ngx_http_presence_redis_mirror_refuses(ngx_http_presence_redis_t *redis,
    const char *why)
{
    if (!redis->refusing) {
        redis->refusing = 1;
        ngx_http_presence_redis_tell(redis, 0, why);
    }
}


const char *
ngx_http_presence_redis_heard_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_uint_t flags)
{
    ngx_uint_t  put;

    user->pending |= (unsigned) flags & NGX_HTTP_PRESENCE_REDIS_CONTENT;

    put = ngx_http_presence_redis_mirror_put(zone->redis, user->hash, user->id,
                                             user->len,
                                             NGX_HTTP_PRESENCE_REDIS_FRESH);

    if (!ngx_http_presence_redis_mirror_serves(zone->redis)) {
        return "down";
    }

    return put ? "up" : "full";
}


ngx_uint_t
ngx_http_presence_redis_mirror_put(ngx_http_presence_redis_t *redis,
    uint32_t hash, const u_char *id, size_t len, ngx_uint_t flags)
{
    redis = ngx_http_presence_redis_cluster_of(redis, id, len);

    if (redis->mirror.state != NGX_HTTP_PRESENCE_REDIS_READY
        || !ngx_http_presence_redis_queue_put(&redis->queue, hash, id, len,
                                              (unsigned) flags,
                                              (uint32_t) ngx_current_msec))
    {
        /* the leader sends everybody when Redis is there again */

        redis->counters.dropped++;
        redis->overflow = 1;
        return 0;
    }

    if (!redis->flush.posted
        && redis->inflight < NGX_HTTP_PRESENCE_REDIS_INFLIGHT)
    {
        ngx_post_event(&redis->flush, &ngx_posted_next_events);
    }

    return 1;
}


static void
ngx_http_presence_redis_mirror_ready(ngx_http_presence_redis_link_t *link)
{
    /* what was under way when it was lost, or said since, is not known */

    link->redis->overflow = 1;

    /* a server that answers may be read-only, or full: does it take a write? */

    link->redis->proven = 0;

    ngx_http_presence_redis_nodes_beat(link->redis);
}


static void
ngx_http_presence_redis_mirror_down(ngx_http_presence_redis_link_t *link)
{
    size_t                      len;
    uint32_t                    hash;
    unsigned                    flags;
    ngx_http_presence_redis_t  *redis;

    redis = link->redis;

    /* it comes again as part of all */

    while (ngx_http_presence_redis_queue_take(&redis->queue, &hash, &len,
                                              &flags))
    {
        redis->counters.dropped++;
    }

    ngx_http_presence_redis_cluster_lost(redis);
}


static void
ngx_http_presence_redis_mirror_flush(ngx_event_t *ev)
{
    ngx_connection_t *owner = ev->data;

    size_t                      len;
    uint32_t                    hash, since;
    unsigned                    flags;
    const u_char               *id;
    ngx_http_presence_redis_t  *redis;

    redis = owner->data;

    while (redis->inflight < NGX_HTTP_PRESENCE_REDIS_INFLIGHT
           && ngx_http_presence_redis_queue_length(&redis->queue))
    {
        since = ngx_http_presence_redis_queue_since(&redis->queue);

        id = ngx_http_presence_redis_queue_take(&redis->queue, &hash, &len,
                                                &flags);

        if (ngx_http_presence_redis_cluster_of(redis, id, len) != redis) {
            (void) ngx_http_presence_redis_mirror_put(redis, hash, id, len,
                                                      flags);

        } else if (ngx_http_presence_redis_mirror_send(redis, id, len, hash,
                                                       flags, since, 0)
                   != NGX_OK)
        {
            redis->counters.dropped++;
        }
    }
}


static ngx_int_t
ngx_http_presence_redis_mirror_send(ngx_http_presence_redis_t *redis,
    const u_char *id, size_t len, uint32_t hash, unsigned flags,
    uint32_t since, ngx_uint_t asking)
{
    ngx_int_t                        rc;
    ngx_http_presence_redis_args_t   args;
    ngx_http_presence_redis_sync_t  *sync;

    sync = ngx_alloc(sizeof(ngx_http_presence_redis_sync_t) + len,
                     redis->flush.log);
    if (sync == NULL) {
        return NGX_ERROR;
    }

    sync->call.handler = ngx_http_presence_redis_mirror_replied;
    sync->since = since;
    sync->hash = hash;
    sync->flags = flags;
    sync->len = len;
    ngx_memcpy(sync->id, id, len);

    ngx_http_presence_redis_doubts_take(redis, hash, id, len, &sync->doubts);

    ngx_http_presence_zone_lock(redis->zone);
    ngx_http_presence_redis_count_locked(redis);
    ngx_http_presence_redis_sync_write_locked(redis, sync, &args);
    ngx_http_presence_zone_unlock(redis->zone);

    if (asking) {
        ngx_http_presence_redis_link_asking(&redis->mirror);
    }

    rc = ngx_http_presence_redis_link_call(&redis->mirror, &sync->call,
                                           args.argc, args.argv, args.len);
    if (rc != NGX_OK) {
        ngx_http_presence_redis_mirror_lost(redis, sync);
        ngx_http_presence_redis_doubts_drop(redis, &sync->doubts);
        ngx_free(sync);
        return NGX_ERROR;
    }

    redis->inflight++;
    ngx_queue_insert_tail(&redis->sent, &sync->queue);

    return NGX_OK;
}


static void
ngx_http_presence_redis_mirror_replied(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    ngx_http_presence_redis_t       *redis;
    ngx_http_presence_redis_sync_t  *sync;

    redis = link->redis;
    sync = (ngx_http_presence_redis_sync_t *) call;

    redis->inflight--;
    ngx_queue_remove(&sync->queue);

    if (sync->flow.told) {
        ngx_http_presence_redis_mirror_tell(redis, sync, reply);
    }

    if (reply == NULL) {
        redis->counters.dropped++;
        ngx_http_presence_redis_mirror_lost(redis, sync);
        ngx_http_presence_redis_doubts_drop(redis, &sync->doubts);
        ngx_free(sync);
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_presence_redis_mirror_refused(redis, sync, reply);

    } else if (!ngx_http_presence_redis_mirror_is_answer(reply)) {
        redis->counters.refused++;
        redis->overflow = 1;
        ngx_http_presence_redis_mirror_lost(redis, sync);
        ngx_http_presence_redis_link_drop(link, "an answer of another kind");

    } else {
        redis->counters.synced++;

        if (redis->eval) {
            redis->eval = 0;
            redis->counters.loads++;
        }

        ngx_http_presence_redis_mirror_taken(redis);

        ngx_http_presence_redis_mirror_apply(redis, sync, reply);
    }

    ngx_http_presence_redis_doubts_drop(redis, &sync->doubts);
    ngx_free(sync);

    if (ngx_http_presence_redis_queue_length(&redis->queue)
        && !redis->flush.posted)
    {
        ngx_post_event(&redis->flush, &ngx_posted_next_events);
    }
}


/* the flow's last stage here: Redis has it, or has said why not */

static void
ngx_http_presence_redis_mirror_tell(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_sync_t *sync, const redisReply *reply)
{
    size_t       n;
    ngx_str_t    id;
    const char  *result;

    result = "ok";
    n = 2;

    if (reply == NULL) {
        result = "lost";
        n = 4;

    } else if (reply->type == REDIS_REPLY_ERROR) {

        /* the first word of an error is its name */

        result = reply->str;
        n = strspn(result, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    }

    id.data = sync->id;
    id.len = sync->len;

    ngx_http_presence_journal_mirrored(redis->zone, &id, &sync->flow,
                                       " result=%*s took=%uD", n, result,
                                       (uint32_t) ngx_current_msec
                                       - sync->since);
}


static void
ngx_http_presence_redis_mirror_refused(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_sync_t *sync, redisReply *reply)
{
    ngx_http_presence_redis_mirror_lost(redis, sync);

    /* it may be sent again */

    ngx_http_presence_redis_doubts_return(redis, &sync->doubts);

    if (ngx_http_presence_redis_mirror_redirected(redis, sync, reply)) {
        return;
    }

    switch (ngx_http_presence_redis_error(reply)) {

    case NGX_HTTP_PRESENCE_REDIS_NO_SCRIPT:

        redis->eval = 1;

        (void) ngx_http_presence_redis_mirror_put(redis, sync->hash, sync->id,
                                    sync->len,
                                    sync->flags
                                    & ~NGX_HTTP_PRESENCE_REDIS_CONTENT);
        return;

    case NGX_HTTP_PRESENCE_REDIS_CLUSTER:

        if (redis->cluster) {
            break;
        }

        /* fall through */

    case NGX_HTTP_PRESENCE_REDIS_ELSEWHERE:
        ngx_http_presence_redis_link_drop(&redis->mirror, reply->str);
        break;

    default:
        break;
    }

    redis->counters.refused++;
    redis->overflow = 1;

    ngx_http_presence_redis_mirror_refuses(redis, reply->str);
}


/* now, revision before and after, beats before, and maybe the record */

static ngx_uint_t
ngx_http_presence_redis_mirror_is_answer(const redisReply *reply)
{
    ngx_uint_t  i;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 4) {
        return 0;
    }

    for (i = 0; i < 4; i++) {
        if (reply->element[i]->type != REDIS_REPLY_STRING) {
            return 0;
        }
    }

    return 1;
}


/* the user's keys are elsewhere, or on their way to there */

static ngx_uint_t
ngx_http_presence_redis_mirror_redirected(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_sync_t *sync, redisReply *reply)
{
    unsigned                         flags;
    ngx_http_presence_redis_t       *to;
    ngx_http_presence_redis_turn_e   turn;

    turn = ngx_http_presence_redis_cluster_turn(redis,
                           ngx_http_presence_redis_shard(sync->id, sync->len),
                           reply, &to);

    flags = sync->flags & ~NGX_HTTP_PRESENCE_REDIS_CONTENT;

    switch (turn) {

    case NGX_HTTP_PRESENCE_REDIS_AGAIN:

        (void) ngx_http_presence_redis_mirror_put(redis, sync->hash, sync->id,
                                                  sync->len, flags);
        return 1;

    case NGX_HTTP_PRESENCE_REDIS_ONCE:

        if (ngx_http_presence_redis_mirror_send(to, sync->id, sync->len,
                                                sync->hash, flags,
                                                sync->since, 1)
            == NGX_OK)
        {
            return 1;
        }

        /* fall through */

    case NGX_HTTP_PRESENCE_REDIS_LATER:

        if (!ngx_http_presence_redis_queue_put(&redis->cluster->later,
                                               sync->hash, sync->id,
                                               sync->len, flags, sync->since))
        {
            redis->counters.dropped++;
            redis->overflow = 1;
        }

        return 1;

    default:
        return 0;
    }
}


/* what was said of the user goes along the next time */

static void
ngx_http_presence_redis_mirror_lost(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_sync_t *sync)
{
    ngx_str_t                  id;
    ngx_http_presence_user_t  *user;

    if ((sync->flags & NGX_HTTP_PRESENCE_REDIS_CONTENT) == 0) {
        return;
    }

    id.len = sync->len;
    id.data = sync->id;

    ngx_http_presence_zone_lock(redis->zone);

    user = ngx_http_presence_roster_find_locked(redis->zone, &id, sync->hash);

    if (user) {
        user->pending |= sync->flags & NGX_HTTP_PRESENCE_REDIS_CONTENT;
    }

    ngx_http_presence_zone_unlock(redis->zone);
}


static void
ngx_http_presence_redis_mirror_apply(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_sync_t *sync, redisReply *reply)
{
    int64_t                            time, rev, prior;
    ngx_str_t                          id;
    ngx_http_presence_ms_t             now;
    ngx_http_presence_user_t          *user;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_redis_text_t     before;
    ngx_http_presence_redis_record_t   record;

    time = ngx_http_presence_redis_record_number(reply->element[0]->str,
                                                 reply->element[0]->len, 0);
    prior = ngx_http_presence_redis_record_number(reply->element[1]->str,
                                                  reply->element[1]->len, 0);
    rev = ngx_http_presence_redis_record_number(reply->element[2]->str,
                                                reply->element[2]->len, 0);

    if (reply->elements < 5 && prior == rev && ngx_queue_empty(&sync->doubts)
        && (sync->flags & NGX_HTTP_PRESENCE_REDIS_LOOK) == 0)
    {
        return;
    }

    before.data = reply->element[3]->str;
    before.len = reply->element[3]->len;

    zone = redis->zone;

    now = ngx_http_presence_zone_lock(zone);

    /* between the two, half of the way on average */

    zone->sh->redis->offset = time
                              - (sync->wall
                                 + ngx_http_presence_zone_wall(zone, now)) / 2;

    if (redis->cluster) {
        zone->sh->redis->offsets[ngx_http_presence_redis_shard(sync->id,
                                                               sync->len)]
            = zone->sh->redis->offset;
    }

    ngx_http_presence_redis_doubts_settle_locked(redis, &sync->doubts, before,
                                                 time - sync->wall);

    id.len = sync->len;
    id.data = sync->id;

    user = ngx_http_presence_roster_find_locked(zone, &id, sync->hash);

    /*
     * Nobody else has changed the user in between: what this node has said of
     * the user since stands.
     */

    if (user && rev && user->rev == (uint32_t) prior) {
        user->rev = (uint32_t) rev;
    }

    if (reply->elements >= 5
        && ngx_http_presence_redis_peer_read(reply->element[4], &record)
           == NGX_OK)
    {
        ngx_http_presence_redis_peer_apply_locked(redis, &record, sync->at,
                                                  now, 1);

    } else if (user && rev == 0) {
        ngx_http_presence_redis_peer_unknown_locked(redis, user, now);

    } else if (user && ngx_http_presence_redis_record_later(rev, user->rev)) {
        user->rev = (uint32_t) rev;
    }

    ngx_http_presence_zone_unlock(zone);
}
