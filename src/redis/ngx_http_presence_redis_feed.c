#include "ngx_http_presence_redis_feed.h"
#include "ngx_http_presence_redis_cluster.h"
#include "ngx_http_presence_redis_mirror.h"


static void ngx_http_presence_redis_feed_lead(
    ngx_http_presence_redis_t *redis, ngx_uint_t leads);
static ngx_uint_t ngx_http_presence_redis_feed_is_filled(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_feed_stop(
    ngx_http_presence_redis_t *redis);


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

    feed->buffer = ngx_palloc(cycle->pool,
                              NGX_HTTP_PRESENCE_REDIS_SHARDS
                              * (ngx_http_presence_redis_max_key(redis)
                                 + 2 * NGX_INT64_LEN + 2));
    if (feed->buffer == NULL) {
        return NGX_ERROR;
    }

    redis->feed = feed;

    ngx_http_presence_redis_streams_init(redis, cycle->log);

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

    ngx_http_presence_redis_streams_move(shard, from, to);

    if (feed->phase != NGX_HTTP_PRESENCE_REDIS_FOLLOWING) {
        feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
        feed->fill.asker.round++;
    }
}


static void
ngx_http_presence_redis_feed_lead(ngx_http_presence_redis_t *redis,
    ngx_uint_t leads)
{
    ngx_uint_t                 filled;
    ngx_http_presence_feed_t  *feed;

    feed = redis->feed;

    ngx_http_presence_zone_lock(redis->zone);
    ngx_http_presence_redis_count_locked(redis);
    ngx_http_presence_zone_unlock(redis->zone);

    if (!leads || ngx_exiting) {
        ngx_http_presence_redis_feed_stop(redis);

        if (redis->mirror.state == NGX_HTTP_PRESENCE_REDIS_READY
            && !ngx_http_presence_redis_mirror_serves(redis))
        {
            (void) ngx_http_presence_redis_nodes_tick(redis);
        }

        return;
    }

    if (!feed->leads) {
        feed->leads = 1;
        ngx_http_presence_redis_walk_start(&feed->pulse.orphans);
    }

    if (redis->mirror.state != NGX_HTTP_PRESENCE_REDIS_READY) {
        ngx_http_presence_redis_nodes_lost(redis);
        return;
    }

    if (!ngx_http_presence_redis_nodes_tick(redis)) {
        return;
    }

    ngx_http_presence_redis_resync_begin(redis);

    filled = ngx_http_presence_redis_feed_is_filled(redis);

    if (feed->phase == NGX_HTTP_PRESENCE_REDIS_FOLLOWING
        && (feed->streams.stale || !filled))
    {
        feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
        feed->refill = 1;
        feed->streams.stale = 0;
    }

    if (feed->phase == NGX_HTTP_PRESENCE_REDIS_IDLE) {

        if (filled && !feed->refill) {
            feed->phase = NGX_HTTP_PRESENCE_REDIS_FOLLOWING;
            ngx_http_presence_redis_streams_open(redis);

        } else {
            ngx_http_presence_redis_fill_begin(redis);
        }
    }

    if (feed->phase == NGX_HTTP_PRESENCE_REDIS_SCANNING) {
        ngx_http_presence_redis_fill_tick(redis);
    }

    if (feed->phase == NGX_HTTP_PRESENCE_REDIS_FOLLOWING) {
        ngx_http_presence_redis_streams_tick(redis);
    }

    ngx_http_presence_redis_resync_go_on(redis);
    ngx_http_presence_redis_nodes_settle(redis);
}


static ngx_uint_t
ngx_http_presence_redis_feed_is_filled(ngx_http_presence_redis_t *redis)
{
    ngx_uint_t  i, filled;

    filled = 1;

    ngx_http_presence_zone_lock(redis->zone);

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (redis->has[i] && !redis->zone->sh->redis->filled[i]) {
            filled = 0;
        }
    }

    ngx_http_presence_zone_unlock(redis->zone);

    return filled;
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
    feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
    feed->fill.asker.round++;

    ngx_http_presence_redis_nodes_lost(redis);
    ngx_http_presence_redis_resync_stop(redis);
    ngx_http_presence_redis_streams_close(redis);
}
