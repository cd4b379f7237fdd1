#include "ngx_http_presence_redis_fill.h"
#include "ngx_http_presence_redis_feed.h"
#include "ngx_http_presence_redis_mirror.h"
#include "ngx_http_presence_redis_record.h"


static void ngx_http_presence_redis_fill_marked(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_fill_scan(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_fill_scanned(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_fill_done(
    ngx_http_presence_redis_t *redis);


/*
 * A new zone: first where the streams end, then who is there, then what has
 * happened since.  What the streams tell twice is known by its revision.
 */

void
ngx_http_presence_redis_fill_begin(ngx_http_presence_redis_t *redis)
{
    ngx_uint_t                       i;
    ngx_http_presence_feed_t        *feed;
    ngx_http_presence_redis_fill_t  *fill;

    feed = redis->feed;
    fill = &feed->fill;

    feed->phase = NGX_HTTP_PRESENCE_REDIS_MARKING;
    feed->refill = 1;
    fill->asker.link = &redis->mirror;
    fill->asker.round++;
    fill->asked = 0;
    fill->answers = 0;

    ngx_memzero(fill->ids, sizeof(fill->ids));

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (!redis->has[i]) {
            continue;
        }

        fill->asked++;

        if (ngx_http_presence_redis_ask(redis, &fill->asker,
                                        ngx_http_presence_redis_fill_marked,
                                        i, "XREVRANGE", "changes", "+", "-")
            != NGX_OK)
        {
            feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
            return;
        }
    }
}


void
ngx_http_presence_redis_fill_tick(ngx_http_presence_redis_t *redis)
{
    if (!redis->feed->fill.scanning) {
        ngx_http_presence_redis_fill_scan(redis);
    }
}


static void
ngx_http_presence_redis_fill_marked(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    ngx_uint_t                       i;
    ngx_http_presence_feed_t        *feed;
    ngx_http_presence_zone_t        *zone;
    ngx_http_presence_redis_ask_t   *ask;
    ngx_http_presence_redis_fill_t  *fill;

    ask = (ngx_http_presence_redis_ask_t *) call;

    feed = ask->redis->feed;
    fill = &feed->fill;
    zone = ask->redis->zone;

    if (ngx_http_presence_redis_ask_is_past(ask)
        || feed->phase != NGX_HTTP_PRESENCE_REDIS_MARKING)
    {
        return;
    }

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
        return;
    }

    if (reply->elements
        && ngx_http_presence_redis_streams_id(reply->element[0],
                                              fill->ids[ask->shard])
           != NGX_OK)
    {
        feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
        return;
    }

    if (++fill->answers < fill->asked) {
        return;
    }

    ngx_http_presence_zone_lock(zone);

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {
        if (ask->redis->has[i]) {
            zone->sh->redis->ids[i][0] = fill->ids[i][0];
            zone->sh->redis->ids[i][1] = fill->ids[i][1];
        }
    }

    ngx_http_presence_zone_unlock(zone);

    feed->phase = NGX_HTTP_PRESENCE_REDIS_SCANNING;
    fill->shard = 0;
    fill->cursor = 0;

    ngx_http_presence_redis_fill_scan(ask->redis);
}


static void
ngx_http_presence_redis_fill_scan(ngx_http_presence_redis_t *redis)
{
    ngx_http_presence_redis_fill_t  *fill;
    u_char                           cursor[NGX_INT64_LEN + 1];

    fill = &redis->feed->fill;

    if (ngx_http_presence_redis_queue_room(&redis->queue)
        < 2 * NGX_HTTP_PRESENCE_REDIS_ROOM)
    {
        return;     /* at the next tick */
    }

    while (fill->shard < NGX_HTTP_PRESENCE_REDIS_SHARDS
           && !redis->has[fill->shard])
    {
        fill->shard++;
    }

    if (fill->shard == NGX_HTTP_PRESENCE_REDIS_SHARDS) {
        ngx_http_presence_redis_fill_done(redis);
        return;
    }

    ngx_sprintf(cursor, "%uL%Z", fill->cursor);

    if (ngx_http_presence_redis_ask(redis, &fill->asker,
                                    ngx_http_presence_redis_fill_scanned,
                                    fill->shard, "ZSCAN", "online",
                                    (char *) cursor, NULL)
        == NGX_OK)
    {
        fill->scanning = 1;
    }
}


static void
ngx_http_presence_redis_fill_scanned(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    size_t                           i;
    ngx_str_t                        id;
    const redisReply                *list;
    ngx_http_presence_feed_t        *feed;
    ngx_http_presence_redis_t       *redis;
    ngx_http_presence_redis_ask_t   *ask;
    ngx_http_presence_redis_fill_t  *fill;

    ask = (ngx_http_presence_redis_ask_t *) call;
    redis = ask->redis;

    feed = redis->feed;
    fill = &feed->fill;

    fill->scanning = 0;

    if (ngx_http_presence_redis_ask_is_past(ask)
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

    fill->cursor = (uint64_t) ngx_http_presence_redis_record_number(
                                                    reply->element[0]->str,
                                                    reply->element[0]->len, 0);

    fill->shard += (fill->cursor == 0);

    ngx_http_presence_redis_fill_scan(redis);
}


static void
ngx_http_presence_redis_fill_done(ngx_http_presence_redis_t *redis)
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

            feed->pulse.extend = 1;
        }
    }

    ngx_http_presence_zone_unlock(zone);

    feed->phase = NGX_HTTP_PRESENCE_REDIS_FOLLOWING;
    feed->refill = 0;

    ngx_http_presence_redis_streams_follow(redis);
}
