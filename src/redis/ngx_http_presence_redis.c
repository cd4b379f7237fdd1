#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_cluster.h"
#include "ngx_http_presence_redis_doubts.h"
#include "ngx_http_presence_redis_feed.h"
#include "ngx_http_presence_redis_mirror.h"
#include "ngx_http_presence_redis_name.h"
#include "ngx_http_presence_redis_sentinel.h"


static void ngx_http_presence_redis_set_up_locked(
    ngx_http_presence_zone_t *zone, ngx_uint_t state,
    ngx_http_presence_ms_t now);
static void ngx_http_presence_redis_turn_locked(
    ngx_http_presence_zone_t *zone, ngx_uint_t shard,
    ngx_http_presence_ms_t now);
static void ngx_http_presence_redis_set_why(
    ngx_http_presence_redis_shared_t *shared, const char *why);


ngx_int_t
ngx_http_presence_redis_init_locked(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_redis_node_t    *self;
    ngx_http_presence_redis_shared_t  *shared;

    if (zone->redis == NULL || zone->sh->redis) {
        return NGX_OK;
    }

    shared = ngx_http_presence_zone_alloc_locked(zone,
                                     sizeof(ngx_http_presence_redis_shared_t));
    if (shared == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(shared, sizeof(ngx_http_presence_redis_shared_t));

    /* a life of the zone is a node of its own: the one before may still run */

    self = &shared->self;

    self->len = (uint8_t) (ngx_snprintf(self->id, sizeof(self->id),
                                        "%V.%08xD", &zone->redis->node,
                                        (uint32_t) (ngx_random()
                                                    ^ ngx_random() << 16
                                                    ^ ngx_pid << 8
                                                    ^ ngx_time()))
                           - self->id);
    self->alive = 1;

    zone->sh->redis = shared;

    return NGX_OK;
}


ngx_http_presence_redis_shared_t *
ngx_http_presence_redis_copy_locked(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_redis_shared_t  *copy;

    if (zone->redis == NULL
        || !ngx_http_presence_zone_holds(zone, zone->sh->redis,
                                     sizeof(ngx_http_presence_redis_shared_t)))
    {
        return NULL;
    }

    copy = ngx_alloc(sizeof(ngx_http_presence_redis_shared_t), ngx_cycle->log);

    if (copy) {
        *copy = *zone->sh->redis;
    }

    return copy;
}


void
ngx_http_presence_redis_keep_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_redis_shared_t *kept)
{
    if (zone->sh->redis && kept) {
        *zone->sh->redis = *kept;

        /* who owns which session is not known any more */

        ngx_memset(zone->sh->redis->resync, 1,
                   sizeof(zone->sh->redis->resync));
    }
}


ngx_int_t
ngx_http_presence_redis_init_worker(ngx_http_presence_zone_t *zone,
    ngx_cycle_t *cycle)
{
    if (zone->redis == NULL) {
        return NGX_OK;
    }

    ngx_http_presence_zone_lock(zone);
    zone->sh->redis->made = ngx_max(zone->sh->redis->made, zone->redis->made);
    ngx_http_presence_zone_unlock(zone);

    zone->redis->resolver = ngx_http_presence_redis_name_resolver(cycle);

    ngx_memset(zone->redis->has, 1, sizeof(zone->redis->has));

    if (ngx_http_presence_redis_doubts_init_worker(zone->redis, cycle)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (zone->redis->url.cluster) {
        return ngx_http_presence_redis_cluster_init_worker(zone->redis, cycle);
    }

    if (ngx_http_presence_redis_sentinel_init_worker(zone->redis, cycle)
        != NGX_OK
        || ngx_http_presence_redis_mirror_init_worker(zone->redis, cycle)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_presence_redis_feed_init_worker(zone->redis, cycle);
}


void
ngx_http_presence_redis_tell(ngx_http_presence_redis_t *redis, ngx_uint_t up,
    const char *why)
{
    ngx_uint_t                         n, told, state;
    ngx_http_presence_ms_t             now;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_redis_shared_t  *shared;

    zone = redis->zone;

    state = up ? NGX_HTTP_PRESENCE_REDIS_SERVES
               : NGX_HTTP_PRESENCE_REDIS_FAILS;

    now = ngx_http_presence_zone_lock(zone);

    shared = zone->sh->redis;

    if (redis->made < shared->made) {

        /* a worker of a past configuration: what it has to say is past too */

        told = 1;

    } else if (redis->cluster) {
        told = ngx_http_presence_redis_tell_shards_locked(redis, redis->has,
                                                          state, now);

    } else {
        told = (shared->up == state);
        ngx_http_presence_redis_set_up_locked(zone, state, now);

        for (n = 0; !told && n < NGX_HTTP_PRESENCE_REDIS_SHARDS; n++) {
            ngx_http_presence_redis_turn_locked(zone, n, now);
        }
    }

    if (!told && why) {
        ngx_http_presence_redis_set_why(shared, why);
    }

    ngx_http_presence_zone_unlock(zone);

    if (told) {
        return;
    }

    if (up) {
        ngx_log_error(NGX_LOG_NOTICE, zone->cycle->log, 0,
                      "presence_zone \"%V\": redis \"%V\" serves",
                      &zone->name, &redis->name);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, zone->cycle->log, 0,
                  "presence_zone \"%V\": redis \"%V\" does not serve: %s; "
                  "this node decides alone until it does",
                  &zone->name, &redis->name, why);
}


ngx_uint_t
ngx_http_presence_redis_tell_shards_locked(ngx_http_presence_redis_t *redis,
    const uint8_t *shards, ngx_uint_t state, ngx_http_presence_ms_t now)
{
    ngx_uint_t                         i, told, fails, serves;
    ngx_http_presence_redis_shared_t  *shared;

    shared = redis->zone->sh->redis;
    told = 1;
    fails = 0;
    serves = 0;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (shards[i] && shared->ups[i] != state) {
            shared->ups[i] = (uint8_t) state;
            ngx_http_presence_redis_turn_locked(redis->zone, i, now);
            told = 0;
        }

        fails += (shared->ups[i] == NGX_HTTP_PRESENCE_REDIS_FAILS);
        serves += (shared->ups[i] == NGX_HTTP_PRESENCE_REDIS_SERVES);
    }

    /* a cluster serves when all of its masters do */

    if (fails) {
        ngx_http_presence_redis_set_up_locked(redis->zone,
                                          NGX_HTTP_PRESENCE_REDIS_FAILS, now);

    } else if (serves == NGX_HTTP_PRESENCE_REDIS_SHARDS) {
        ngx_http_presence_redis_set_up_locked(redis->zone,
                                         NGX_HTTP_PRESENCE_REDIS_SERVES, now);
    }

    return told;
}


static void
ngx_http_presence_redis_set_up_locked(ngx_http_presence_zone_t *zone,
    ngx_uint_t state, ngx_http_presence_ms_t now)
{
    ngx_http_presence_redis_shared_t  *shared;

    shared = zone->sh->redis;

    if (shared->up != state) {
        shared->up = state;
        shared->changed = ngx_http_presence_zone_wall(zone, now);
    }
}


static void
ngx_http_presence_redis_turn_locked(ngx_http_presence_zone_t *zone,
    ngx_uint_t shard, ngx_http_presence_ms_t now)
{
    zone->sh->redis->turned[shard] = now;
    zone->sh->redis->several[shard] =
                            ngx_http_presence_redis_others_locked(zone) != 0;
}


ngx_uint_t
ngx_http_presence_redis_others_locked(ngx_http_presence_zone_t *zone)
{
    ngx_uint_t  n, others;

    others = 0;

    for (n = 0; n < NGX_HTTP_PRESENCE_REDIS_NODES; n++) {
        others += zone->sh->redis->nodes[n].alive;
    }

    return others;
}


void
ngx_http_presence_redis_resync_locked(ngx_http_presence_redis_t *redis)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {
        redis->zone->sh->redis->resync[i] |= redis->has[i];
    }
}


void
ngx_http_presence_redis_count_locked(ngx_http_presence_redis_t *redis)
{
    size_t                             i;
    uint64_t                          *own, *all;
    ngx_http_presence_redis_shared_t  *shared;

    shared = redis->zone->sh->redis;

    own = (uint64_t *) &redis->counters;
    all = (uint64_t *) &shared->counters;

    for (i = 0;
         i < sizeof(ngx_http_presence_redis_counters_t) / sizeof(uint64_t);
         i++)
    {
        all[i] += own[i];
        own[i] = 0;
    }

    if (redis->overflow) {
        redis->overflow = 0;
        ngx_http_presence_redis_resync_locked(redis);
    }

    if (redis->zone->place < NGX_HTTP_PRESENCE_MAX_WORKERS) {
        ngx_http_presence_redis_cluster_load(redis,
                                       &shared->load[redis->zone->place]);
    }
}


void
ngx_http_presence_redis_adopt_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_redis_shared_t *former)
{
    if (zone->redis && former) {
        zone->sh->redis->counters = former->counters;
    }
}


u_char *
ngx_http_presence_redis_key(u_char *p, ngx_http_presence_redis_t *redis,
    ngx_int_t shard, const char *what, const u_char *id, size_t len)
{
    p = ngx_sprintf(p, "%V%V:", &redis->prefix, &redis->zone->name);

    if (shard >= 0) {
        p = ngx_sprintf(p, "{%02i}:", shard);
    }

    p = ngx_cpymem(p, what, ngx_strlen(what));

    if (id) {
        *p++ = ':';
        p = ngx_cpymem(p, id, len);
    }

    return p;
}


ngx_msec_t
ngx_http_presence_redis_life(ngx_http_presence_zone_t *zone)
{
    return (ngx_msec_t) ngx_min(ngx_max(zone->policy.interval, 600), 5000);
}


/* it is shown on pages and in JSON: whatever it is, it has to be text */

static void
ngx_http_presence_redis_set_why(ngx_http_presence_redis_shared_t *shared,
    const char *why)
{
    size_t  i;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_MAX_WHY && why[i]; i++) {
        shared->why[i] = (why[i] < ' ' || why[i] > '~') ? '?' : why[i];
    }

    shared->why_len = (uint8_t) i;
}
