#include "ngx_http_presence_redis_resync.h"
#include "ngx_http_presence_redis_feed.h"
#include "ngx_http_presence_redis_mirror.h"


static ngx_int_t ngx_http_presence_redis_resync_visit(void *data,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);


void
ngx_http_presence_redis_resync_begin(ngx_http_presence_redis_t *redis)
{
    ngx_uint_t                         i, found;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_redis_resync_t  *resync;
    ngx_http_presence_redis_shared_t  *shared;

    resync = &redis->feed->resync;
    zone = redis->zone;
    found = 0;

    if (redis->refusing) {
        return;
    }

    ngx_http_presence_zone_lock(zone);

    shared = zone->sh->redis;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (redis->has[i] && shared->resync[i]) {
            shared->resync[i] = 0;
            resync->shards[i] = 1;
            found = 1;
        }
    }

    shared->counters.resyncs += found;

    ngx_http_presence_zone_unlock(zone);

    if (found) {
        ngx_http_presence_redis_walk_start(&resync->walk);
    }
}


void
ngx_http_presence_redis_resync_go_on(ngx_http_presence_redis_t *redis)
{
    ngx_http_presence_redis_resync_t  *resync;

    resync = &redis->feed->resync;

    if (ngx_http_presence_redis_walk_on(redis, &resync->walk,
                                        ngx_http_presence_redis_resync_visit)
        == NGX_OK)
    {
        ngx_memzero(resync->shards, sizeof(resync->shards));
    }
}


void
ngx_http_presence_redis_resync_stop(ngx_http_presence_redis_t *redis)
{
    redis->feed->resync.walk.active = 0;
}


static ngx_int_t
ngx_http_presence_redis_resync_visit(void *data,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user)
{
    ngx_http_presence_redis_t *redis = data;

    ngx_uint_t              shard;
    ngx_http_presence_ms_t  window;

    shard = ngx_http_presence_redis_shard(user->id, user->len);

    if (redis->cluster && !redis->feed->resync.shards[shard]) {
        return NGX_OK;
    }

    /* those who went while Redis was away, too; older ones it ends */

    window = zone->policy.max_interval * zone->policy.misses
             + zone->policy.slack;

    if (user->nsessions == 0
        && zone->sh->clock.now - user->since > 4 * window)
    {
        return NGX_OK;
    }

    (void) ngx_http_presence_redis_mirror_put(zone->redis, user->hash,
                                              user->id, user->len,
                                              NGX_HTTP_PRESENCE_REDIS_LOOK);

    return NGX_OK;
}
