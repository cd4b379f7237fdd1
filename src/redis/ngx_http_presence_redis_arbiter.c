#include "ngx_http_presence_redis_arbiter.h"
#include "ngx_http_presence_redis_cluster.h"
#include "ngx_http_presence_redis_mirror.h"


/* when the queue is full: until a look whether it still is */
#define NGX_HTTP_PRESENCE_REDIS_SOON      50


static ngx_uint_t ngx_http_presence_redis_arbiter_is_up_locked(
    ngx_http_presence_zone_t *zone, ngx_uint_t shard);


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

    ngx_http_presence_redis_arbiter_outage_locked(zone, session->user->id,
                                                  session->user->len, &outage);

    return ngx_http_presence_redis_patience(&zone->policy, &session->life,
                                            &outage);
}


void
ngx_http_presence_redis_arbiter_outage_locked(ngx_http_presence_zone_t *zone,
    const u_char *id, size_t len, ngx_http_presence_redis_outage_t *outage)
{
    ngx_uint_t                         shard;
    ngx_http_presence_redis_shared_t  *shared;

    shared = zone->sh->redis;
    shard = ngx_http_presence_redis_shard(id, len);

    outage->turned = shared->several[shard] ? shared->turned[shard] : 0;
    outage->others = (uint32_t) ngx_http_presence_redis_others_locked(zone);
    outage->away = !ngx_http_presence_redis_arbiter_is_up_locked(zone, shard);

    /* nothing was heard since the start: nobody is called gone for a guess */

    if (outage->others == 0 && !shared->filled[shard]) {
        outage->others = 1;
    }
}


static ngx_uint_t
ngx_http_presence_redis_arbiter_is_up_locked(ngx_http_presence_zone_t *zone,
    ngx_uint_t shard)
{
    ngx_uint_t  up;

    up = zone->redis->cluster ? zone->sh->redis->ups[shard]
                              : zone->sh->redis->up;

    return up == NGX_HTTP_PRESENCE_REDIS_SERVES;
}


ngx_http_presence_ms_t
ngx_http_presence_redis_arbiter_back_locked(ngx_http_presence_zone_t *zone,
    ngx_uint_t shard, ngx_http_presence_ms_t now)
{
    return ngx_http_presence_redis_arbiter_is_up_locked(zone, shard)
           ? zone->sh->redis->turned[shard] : now;
}
