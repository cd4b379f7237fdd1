#include <ngx_sha1.h>

#include "ngx_http_presence_redis_mirror.h"
#include "ngx_http_presence_arrival.h"
#include "ngx_http_presence_groups.h"
#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_redis_cluster.h"
#include "ngx_http_presence_redis_doubts.h"
#include "ngx_http_presence_redis_feed.h"
#include "ngx_http_presence_redis_patience.h"
#include "ngx_http_presence_redis_peer.h"
#include "ngx_http_presence_redis_scripts.h"


/* users that wait to be sent; past it all are sent, a bit at a time */
#define NGX_HTTP_PRESENCE_REDIS_QUEUE     4096

/* when the queue is full: until a look whether it still is */
#define NGX_HTTP_PRESENCE_REDIS_SOON      50

/* users that are sent and not answered */
#define NGX_HTTP_PRESENCE_REDIS_INFLIGHT  256

/* arguments before those of sessions: EVALSHA, script, 3, keys, and 13 */
#define NGX_HTTP_PRESENCE_REDIS_FIXED     19

/* all of a session but the ids */
#define NGX_HTTP_PRESENCE_REDIS_NUMBERS   (12 * (NGX_INT64_LEN + 1))


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


static void ngx_http_presence_redis_mirror_outage_locked(
    ngx_http_presence_zone_t *zone, const u_char *id, size_t len,
    ngx_http_presence_redis_outage_t *outage);
static ngx_uint_t ngx_http_presence_redis_mirror_is_up_locked(
    ngx_http_presence_zone_t *zone, ngx_uint_t shard);
static ngx_http_presence_ms_t ngx_http_presence_redis_mirror_back_locked(
    ngx_http_presence_zone_t *zone, ngx_uint_t shard,
    ngx_http_presence_ms_t now);
static void ngx_http_presence_redis_mirror_ready(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_mirror_down(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_mirror_flush(ngx_event_t *ev);
static ngx_int_t ngx_http_presence_redis_mirror_send(
    ngx_http_presence_redis_t *redis, const u_char *id, size_t len,
    uint32_t hash, unsigned flags, uint32_t since, ngx_uint_t asking);
static void ngx_http_presence_redis_mirror_write_locked(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_args_t *args,
    ngx_http_presence_redis_sync_t *sync);
static void ngx_http_presence_redis_mirror_write_user_locked(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_args_t *args,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now);
static void ngx_http_presence_redis_mirror_write_dead(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_args_t *args,
    ngx_http_presence_user_t *user);
static void ngx_http_presence_redis_mirror_write_session(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_args_t *args,
    ngx_http_presence_session_t *session, ngx_uint_t fresh,
    ngx_http_presence_ms_t now);
static u_char *ngx_http_presence_redis_mirror_arg(
    ngx_http_presence_redis_args_t *args, const char *format, ...);
static void ngx_http_presence_redis_mirror_add(
    ngx_http_presence_redis_args_t *args, u_char *end);
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
static void ngx_http_presence_redis_mirror_sha1(const char *script,
    char *hex);


ngx_int_t
ngx_http_presence_redis_mirror_init_worker(ngx_http_presence_redis_t *redis,
    ngx_cycle_t *cycle)
{
    void                        *memory;
    size_t                       sessions;
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

    /* a reload may have lowered max_sessions: those that are there stay */

    sessions = NGX_HTTP_PRESENCE_MAX_SESSIONS + 1;

    redis->size = 2 * ngx_http_presence_redis_max_key(redis) + 1024
                  + NGX_HTTP_PRESENCE_MAX_USER
                  + NGX_HTTP_PRESENCE_MAX_GROUPS
                    * (NGX_HTTP_PRESENCE_MAX_GROUP + 1)
                  + NGX_HTTP_PRESENCE_MAX_TEXT + NGX_HTTP_PRESENCE_MAX_META
                  + NGX_HTTP_PRESENCE_REDIS_NODES
                    * (NGX_HTTP_PRESENCE_REDIS_MAX_NODE + 1)
                  + sessions * (NGX_HTTP_PRESENCE_MAX_SESSION
                                + NGX_HTTP_PRESENCE_REDIS_NUMBERS);

    redis->buffer = ngx_palloc(cycle->pool, redis->size);
    if (redis->buffer == NULL) {
        return NGX_ERROR;
    }

    ngx_http_presence_redis_mirror_sha1(ngx_http_presence_redis_sync_script,
                                        redis->sha[0]);
    ngx_http_presence_redis_mirror_sha1(ngx_http_presence_redis_node_script,
                                        redis->sha[1]);

    redis->owner.data = redis;
    redis->owner.fd = (ngx_socket_t) -1;

    redis->flush.handler = ngx_http_presence_redis_mirror_flush;
    redis->flush.data = &redis->owner;
    redis->flush.log = cycle->log;

    redis->proven = 0;
    redis->refusing = 0;
    redis->eval = 0;
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
ngx_http_presence_redis_answers(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_user_t *user)
{
    ngx_http_presence_redis_t  *redis;

    redis = ngx_http_presence_redis_cluster_of(zone->redis, user->id,
                                               user->len);

    return ngx_http_presence_redis_mirror_serves(redis)
           && !ngx_http_presence_redis_cluster_is_torn(redis, user->id,
                                                       user->len);
}


ngx_http_presence_ms_t
ngx_http_presence_redis_ask_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user)
{
    ngx_http_presence_redis_t  *redis;

    if (!ngx_http_presence_redis_answers(zone, user)) {
        return 0;
    }

    redis = ngx_http_presence_redis_cluster_of(zone->redis, user->id,
                                               user->len);

    /* many are due at once: when there is room for this one */

    if (ngx_http_presence_redis_queue_room(&redis->queue) == 0) {
        return NGX_HTTP_PRESENCE_REDIS_SOON;
    }

    (void) ngx_http_presence_redis_mirror_put(zone->redis, user->hash,
                                              user->id, user->len,
                                              NGX_HTTP_PRESENCE_REDIS_LOOK);

    return ngx_http_presence_redis_retry(zone);
}


ngx_http_presence_ms_t
ngx_http_presence_redis_look_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session, ngx_http_presence_ms_t now)
{
    ngx_uint_t              owner;
    ngx_http_presence_ms_t  window;

    window = (ngx_http_presence_ms_t) zone->policy.misses * session->life.step
             + zone->policy.slack;

    (void) ngx_http_presence_redis_ask_locked(zone, session->user);

    owner = session->owner;

    /* its owner looks after it: this makes sure that nothing was lost */

    if (owner > NGX_HTTP_PRESENCE_REDIS_NODES
        || !zone->sh->redis->nodes[owner - 1].alive)
    {
        return now + ngx_max(window / 4, ngx_http_presence_redis_retry(zone));
    }

    return now + 2 * window;
}


ngx_http_presence_ms_t
ngx_http_presence_redis_hold_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session, ngx_uint_t gone,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_ms_t  wait, until, window;

    wait = ngx_http_presence_redis_ask_locked(zone, session->user);

    /* what is not heard now is not missed either */

    until = (gone || wait == 0)
            ? ngx_http_presence_redis_patience_locked(zone, session) : 0;

    if (wait) {
        return ngx_max(until, now + wait);
    }

    /* Redis may be back before that */

    window = (ngx_http_presence_ms_t) zone->policy.misses * session->life.step
             + zone->policy.slack;

    return until > now ? ngx_min(until, now + window) : 0;
}


ngx_http_presence_ms_t
ngx_http_presence_redis_patience_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_session_t *session)
{
    ngx_http_presence_redis_outage_t  outage;

    ngx_http_presence_redis_mirror_outage_locked(zone, session->user->id,
                                                 session->user->len, &outage);

    return ngx_http_presence_redis_patience(&zone->policy, &session->life,
                                            &outage);
}


static void
ngx_http_presence_redis_mirror_outage_locked(ngx_http_presence_zone_t *zone,
    const u_char *id, size_t len, ngx_http_presence_redis_outage_t *outage)
{
    ngx_uint_t                         shard;
    ngx_http_presence_redis_shared_t  *shared;

    shared = zone->sh->redis;
    shard = ngx_http_presence_redis_shard(id, len);

    outage->turned = shared->several[shard] ? shared->turned[shard] : 0;
    outage->others = (uint32_t) ngx_http_presence_redis_others_locked(zone);
    outage->away = !ngx_http_presence_redis_mirror_is_up_locked(zone, shard);

    /* nothing was heard since the start: nobody is called gone for a guess */

    if (outage->others == 0 && !shared->filled[shard]) {
        outage->others = 1;
    }
}


static ngx_uint_t
ngx_http_presence_redis_mirror_is_up_locked(ngx_http_presence_zone_t *zone,
    ngx_uint_t shard)
{
    ngx_uint_t  up;

    up = zone->redis->cluster ? zone->sh->redis->ups[shard]
                              : zone->sh->redis->up;

    return up == NGX_HTTP_PRESENCE_REDIS_SERVES;
}


/* of what is sent now: since when has Redis been back, when that is there? */

static ngx_http_presence_ms_t
ngx_http_presence_redis_mirror_back_locked(ngx_http_presence_zone_t *zone,
    ngx_uint_t shard, ngx_http_presence_ms_t now)
{
    return ngx_http_presence_redis_mirror_is_up_locked(zone, shard)
           ? zone->sh->redis->turned[shard] : now;
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

    static const char  *argv[NGX_HTTP_PRESENCE_REDIS_FIXED
                             + 2 * (NGX_HTTP_PRESENCE_MAX_SESSIONS + 1)];
    static size_t       lens[sizeof(argv) / sizeof(argv[0])];

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

    args.p = redis->buffer;
    args.argc = 0;
    args.argv = argv;
    args.len = lens;

    ngx_http_presence_zone_lock(redis->zone);
    ngx_http_presence_redis_count_locked(redis);
    ngx_http_presence_redis_mirror_write_locked(redis, &args, sync);
    ngx_http_presence_zone_unlock(redis->zone);

    if (asking) {
        ngx_http_presence_redis_link_asking(&redis->mirror);
    }

    rc = ngx_http_presence_redis_link_call(&redis->mirror, &sync->call,
                                           args.argc, argv, lens);
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
ngx_http_presence_redis_mirror_write_locked(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_args_t *args,
    ngx_http_presence_redis_sync_t *sync)
{
    u_char                            *p;
    ngx_str_t                          id;
    ngx_int_t                          shard;
    ngx_uint_t                         fresh;
    ngx_http_presence_ms_t             now, wait;
    ngx_http_presence_user_t          *user;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_policy_t        *policy;
    ngx_http_presence_session_t       *session;

    zone = redis->zone;
    policy = &zone->policy;
    now = zone->sh->clock.now;

    sync->at = now;
    sync->wall = ngx_http_presence_zone_wall(zone, now);

    id.len = sync->len;
    id.data = sync->id;

    user = ngx_http_presence_roster_find_locked(zone, &id, sync->hash);

    if (user) {
        sync->flags |= user->pending;
        user->pending = 0;
    }

    ngx_http_presence_journal_flow_locked(&sync->flow,
                                          sync->flags
                                          & NGX_HTTP_PRESENCE_REDIS_FRESH
                                          ? user : NULL);

    if (redis->eval) {
        ngx_http_presence_redis_mirror_arg(args, "EVAL");
        args->argv[args->argc] = ngx_http_presence_redis_sync_script;
        args->len[args->argc++] =
                               sizeof(ngx_http_presence_redis_sync_script) - 1;
    } else {
        ngx_http_presence_redis_mirror_arg(args, "EVALSHA");
        ngx_http_presence_redis_mirror_arg(args, "%s", redis->sha[0]);
    }

    ngx_http_presence_redis_mirror_arg(args, "3");

    shard = ngx_http_presence_redis_shard(id.data, id.len);

    p = ngx_http_presence_redis_key(args->p, redis, shard, "user", id.data,
                                    id.len);
    ngx_http_presence_redis_mirror_add(args, p);

    p = ngx_http_presence_redis_key(args->p, redis, shard, "online", NULL, 0);
    ngx_http_presence_redis_mirror_add(args, p);

    p = ngx_http_presence_redis_key(args->p, redis, shard, "changes", NULL, 0);
    ngx_http_presence_redis_mirror_add(args, p);

    ngx_http_presence_redis_mirror_arg(args, "%*s",
                                       (size_t) zone->sh->redis->self.len,
                                       zone->sh->redis->self.id);
    ngx_http_presence_redis_mirror_arg(args, "%uD", user ? user->rev : 0);

    /* others may not be back yet */

    wait = ngx_http_presence_redis_mirror_back_locked(zone, shard, now)
           + policy->misses * policy->max_interval + policy->slack - now;
    wait = ngx_max(wait, 0);

    ngx_http_presence_redis_mirror_arg(args, "%ud",
                                       sync->flags
                                       & ~NGX_HTTP_PRESENCE_REDIS_FRESH);
    ngx_http_presence_redis_mirror_arg(args, "%L %L %L %ui %uD %L %L",
                                       policy->idle, zone->retention,
                                       policy->interval * policy->misses
                                       + policy->slack,
                                       redis->stream_length, policy->misses,
                                       policy->slack, wait);

    ngx_http_presence_redis_mirror_write_user_locked(redis, args, user, now);

    ngx_http_presence_redis_mirror_write_dead(redis, args, user);
    ngx_http_presence_redis_mirror_arg(args, "%V", &id);

    if (user == NULL) {
        return;
    }

    for (session = user->sessions; session; session = session->next) {

        if (session->owner == 0 && !session->ended) {
            fresh = (sync->flags & NGX_HTTP_PRESENCE_REDIS_FRESH) ? 1 : 0;

            if (fresh
                && ngx_http_presence_redis_doubts_ask(&sync->doubts, session))
            {
                fresh = 4;
            }

            ngx_http_presence_redis_mirror_write_session(redis, args, session,
                                                         fresh, now);

        } else if (session->ended
                   && sync->flags & NGX_HTTP_PRESENCE_REDIS_ALL)
        {
            ngx_http_presence_redis_mirror_write_session(redis, args, session,
                                                         2, now);

        } else if (!session->ended) {

            /* it may be this node's, and news of that be on their way */

            p = ngx_cpymem(args->p, session->id, session->len);
            ngx_http_presence_redis_mirror_add(args, p);
            ngx_http_presence_redis_mirror_arg(args, "0 0 0 0 0 0 0 0 0 - 3");
        }
    }
}


static void
ngx_http_presence_redis_mirror_write_user_locked(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_args_t *args,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now)
{
    u_char                          *p;
    const char                      *reason;
    ngx_http_presence_ms_t           left;
    ngx_http_presence_note_t        *note;
    ngx_http_presence_membership_t  *m;

    reason = user ? ngx_http_presence_reason_names[user->reason] : NULL;

    ngx_http_presence_redis_mirror_arg(args, "%s", reason ? reason : "beat");

    ngx_http_presence_redis_mirror_arg(args, "%L", user && user->since
                                                   ? now - user->since : 0);

    ngx_http_presence_redis_mirror_arg(args, "%s",
        ngx_http_presence_status_names[user ? user->manual
                                            : NGX_HTTP_PRESENCE_OFFLINE]);

    left = 0;

    if (user && user->manual && user->until) {
        left = user->until - ngx_http_presence_zone_wall(redis->zone, now);
        left = ngx_max(left, 1);
    }

    ngx_http_presence_redis_mirror_arg(args, "%L", left);

    p = args->p;

    for (m = user ? user->memberships : NULL; m; m = m->next) {
        p = ngx_cpymem(p, m->group->name, m->group->sn.str.len);

        if (m->next) {
            *p++ = ',';
        }
    }

    ngx_http_presence_redis_mirror_add(args, p);

    note = user ? user->note : NULL;

    p = note ? ngx_cpymem(args->p, note->data, note->text_len) : args->p;
    ngx_http_presence_redis_mirror_add(args, p);

    p = note ? ngx_cpymem(args->p, note->data + note->text_len, note->meta_len)
             : args->p;
    ngx_http_presence_redis_mirror_add(args, p);
}


/* nodes of this user's sessions that are no more */

static void
ngx_http_presence_redis_mirror_write_dead(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_args_t *args, ngx_http_presence_user_t *user)
{
    u_char                          *p;
    ngx_http_presence_session_t     *session;
    ngx_http_presence_redis_node_t  *node;

    p = args->p;

    for (session = user ? user->sessions : NULL;
         session;
         session = session->next)
    {
        if (session->owner == 0
            || session->owner > NGX_HTTP_PRESENCE_REDIS_NODES)
        {
            continue;
        }

        node = &redis->zone->sh->redis->nodes[session->owner - 1];

        if (!node->alive
            && (size_t) (p - args->p) < NGX_HTTP_PRESENCE_REDIS_NODES
                                        * NGX_HTTP_PRESENCE_REDIS_MAX_NODE)
        {
            p = ngx_cpymem(p, node->id, node->len);
            *p++ = ',';
        }
    }

    ngx_http_presence_redis_mirror_add(args, p);
}


static void
ngx_http_presence_redis_mirror_write_session(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_args_t *args, ngx_http_presence_session_t *session,
    ngx_uint_t fresh, ngx_http_presence_ms_t now)
{
    u_char                            *p;
    const char                        *cause;
    ngx_http_presence_ms_t             left, wall;
    ngx_http_presence_life_t           life;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_verdict_t        verdict;
    ngx_http_presence_redis_outage_t   outage;

    zone = redis->zone;

    /* a copy: what is missed counts when Redis has agreed */

    life = session->life;
    verdict = ngx_http_presence_rules_look(&zone->policy, &life, now);

    left = ngx_http_presence_rules_deadline(&zone->policy, &life) - now;

    if (verdict.gone) {
        left = 0;
    }

    ngx_http_presence_redis_mirror_outage_locked(zone, session->user->id,
                                                 session->user->len, &outage);
    if (outage.away) {
        outage.away = 0;
        outage.turned = outage.others ? now : 0;
    }

    left = ngx_max(left, ngx_http_presence_redis_patience(&zone->policy, &life,
                                                          &outage)
                         - now);

    cause = "-";

    if (life.missed && !life.leaving && session->len) {
        cause = ngx_http_presence_cause_names[
                     ngx_http_presence_arrival_silence_locked(zone, session,
                                                              now)];
    }

    p = ngx_cpymem(args->p, session->id, session->len);
    ngx_http_presence_redis_mirror_add(args, p);

    /* ages are true ones: this node's deafness is no matter of others */

    wall = ngx_http_presence_zone_wall(zone, now);

    ngx_http_presence_redis_mirror_arg(args,
                                       "%L %L %L %L %uD %ud %ud %uD %L %s %ui",
                                       wall - ngx_http_presence_zone_wall(zone,
                                                             life.last_sign),
                                       left,
                                       wall - ngx_http_presence_zone_wall(zone,
                                                             life.last_active),
                                       wall - ngx_http_presence_zone_wall(zone,
                                                             life.last_beat),
                                       life.step,
                                       session->len ? life.missed : 0,
                                       life.leaving, life.doc, life.seq,
                                       cause, fresh);
}


static u_char *
ngx_http_presence_redis_mirror_arg(ngx_http_presence_redis_args_t *args,
    const char *format, ...)
{
    u_char   *p;
    va_list   list;

    va_start(list, format);
    p = ngx_vslprintf(args->p, (u_char *) -1, format, list);
    va_end(list);

    ngx_http_presence_redis_mirror_add(args, p);

    return p;
}


static void
ngx_http_presence_redis_mirror_add(ngx_http_presence_redis_args_t *args,
    u_char *end)
{
    args->argv[args->argc] = (char *) args->p;
    args->len[args->argc++] = end - args->p;
    args->p = end;
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


static void
ngx_http_presence_redis_mirror_sha1(const char *script, char *hex)
{
    u_char      *p, digest[20];
    ngx_sha1_t   sha1;

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, script, ngx_strlen(script));
    ngx_sha1_final(digest, &sha1);

    p = ngx_hex_dump((u_char *) hex, digest, sizeof(digest));
    *p = '\0';
}
