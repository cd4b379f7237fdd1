#include "ngx_http_presence_redis_streams.h"
#include "ngx_http_presence_redis_cluster.h"
#include "ngx_http_presence_redis_feed.h"
#include "ngx_http_presence_redis_mirror.h"
#include "ngx_http_presence_redis_peer.h"


/* how long Redis waits for a change before it answers that there is none */
#define NGX_HTTP_PRESENCE_REDIS_BLOCK   500

/* a cluster does not wait for several streams at once: it is asked for each */
#define NGX_HTTP_PRESENCE_REDIS_POLL    150


static void ngx_http_presence_redis_streams_news_locked(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_streams_ready(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_streams_down(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_streams_answered(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_streams_checked(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_streams_read(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_streams_have_read(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_streams_poll(
    ngx_http_presence_redis_t *redis);
static void ngx_http_presence_redis_streams_polled(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_streams_take(
    ngx_http_presence_redis_t *redis, const redisReply *stream);
static void ngx_http_presence_redis_streams_look(
    ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record);


void
ngx_http_presence_redis_streams_init(ngx_http_presence_redis_t *redis,
    ngx_log_t *log)
{
    ngx_http_presence_redis_streams_t  *streams;

    streams = &redis->feed->streams;

    ngx_http_presence_redis_link_init(&streams->link, redis,
                                      redis->timeout
                                      + NGX_HTTP_PRESENCE_REDIS_BLOCK,
                                      ngx_http_presence_redis_streams_ready,
                                      ngx_http_presence_redis_streams_down,
                                      log);

    streams->asker.link = &streams->link;
}


void
ngx_http_presence_redis_streams_open(ngx_http_presence_redis_t *redis)
{
    ngx_http_presence_redis_link_open(&redis->feed->streams.link);
}


void
ngx_http_presence_redis_streams_follow(ngx_http_presence_redis_t *redis)
{
    ngx_http_presence_redis_streams_t  *streams;

    streams = &redis->feed->streams;

    ngx_http_presence_zone_lock(redis->zone);
    ngx_http_presence_redis_streams_news_locked(redis);
    ngx_http_presence_zone_unlock(redis->zone);

    ngx_memset(streams->checked, 1, sizeof(streams->checked));

    ngx_http_presence_redis_streams_open(redis);

    if (streams->link.state == NGX_HTTP_PRESENCE_REDIS_READY
        && redis->cluster == NULL)
    {
        ngx_http_presence_redis_streams_read(redis);
    }
}


void
ngx_http_presence_redis_streams_tick(ngx_http_presence_redis_t *redis)
{
    ngx_http_presence_redis_streams_t  *streams;

    streams = &redis->feed->streams;

    if (redis->cluster
        && streams->link.state == NGX_HTTP_PRESENCE_REDIS_READY
        && streams->asker.waiting == 0
        && (ngx_msec_int_t) (ngx_current_msec - streams->next_poll) >= 0)
    {
        ngx_http_presence_redis_streams_poll(redis);
    }
}


void
ngx_http_presence_redis_streams_close(ngx_http_presence_redis_t *redis)
{
    redis->feed->streams.asker.round++;
    redis->feed->streams.failing = 0;

    ngx_http_presence_redis_link_close(&redis->feed->streams.link);
}


void
ngx_http_presence_redis_streams_move(ngx_uint_t shard,
    ngx_http_presence_redis_t *from, ngx_http_presence_redis_t *to)
{
    ngx_http_presence_redis_streams_t  *streams;

    streams = &to->feed->streams;

    /* what was news is so still, when it was followed all the time */

    streams->checked[shard] = 0;
    streams->news[shard] = ngx_http_presence_redis_mirror_serves(from)
                           ? from->feed->streams.news[shard] : 0;
}


ngx_int_t
ngx_http_presence_redis_streams_id(const redisReply *entry, uint64_t id[2])
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


/* what comes from now on */

static void
ngx_http_presence_redis_streams_news_locked(ngx_http_presence_redis_t *redis)
{
    ngx_uint_t                   i;
    ngx_http_presence_shared_t  *sh;

    sh = redis->zone->sh;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (redis->has[i]) {
            ngx_http_presence_redis_clock_locked(redis, i);
            redis->feed->streams.news[i] =
                               ngx_http_presence_redis_time(sh, sh->clock.now);
        }
    }
}


static void
ngx_http_presence_redis_streams_ready(ngx_http_presence_redis_link_t *link)
{
    ngx_uint_t                          i;
    ngx_http_presence_zone_t           *zone;
    ngx_http_presence_redis_streams_t  *streams;
    u_char                              id[2 * NGX_INT64_LEN + 2];

    streams = &link->redis->feed->streams;
    zone = link->redis->zone;

    streams->fresh = 1;

    /* a fill that is under way goes on to read by itself */

    if (link->redis->feed->phase != NGX_HTTP_PRESENCE_REDIS_FOLLOWING) {
        ngx_http_presence_redis_streams_answered(link->redis);
        return;
    }

    /*
     * Is the last that was read still there?  If not, then what comes next was
     * trimmed meanwhile, or the server is another one that never had it.
     */

    streams->asker.round++;
    streams->answers = 0;

    ngx_http_presence_zone_lock(zone);
    ngx_memcpy(streams->ids, zone->sh->redis->ids, sizeof(streams->ids));
    ngx_http_presence_redis_streams_news_locked(link->redis);
    ngx_http_presence_zone_unlock(zone);

    if (link->redis->cluster) {
        ngx_memzero(streams->checked, sizeof(streams->checked));
        streams->next_poll = ngx_current_msec;
        return;
    }

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        ngx_sprintf(id, "%uL-%uL%Z", streams->ids[i][0], streams->ids[i][1]);

        if (ngx_http_presence_redis_ask(link->redis, &streams->asker,
                                       ngx_http_presence_redis_streams_checked,
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
ngx_http_presence_redis_streams_down(ngx_http_presence_redis_link_t *link)
{
    ngx_http_presence_redis_t  *redis;

    redis = link->redis;

    redis->feed->streams.reading = 0;
    redis->feed->streams.failing = 1;

    /* whoever sent it away may take no writes either */

    redis->proven = 0;
    redis->feed->pulse.next_beat = ngx_current_msec;

    ngx_http_presence_redis_cluster_lost(redis);
}


static void
ngx_http_presence_redis_streams_answered(ngx_http_presence_redis_t *redis)
{
    if (!redis->feed->streams.fresh) {
        return;
    }

    redis->feed->streams.fresh = 0;
    redis->feed->streams.failing = 0;

    if (ngx_http_presence_redis_mirror_serves(redis)) {
        ngx_http_presence_redis_tell(redis, 1, NULL);
    }
}


static void
ngx_http_presence_redis_streams_checked(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    uint64_t                           *last, first[2];
    ngx_http_presence_feed_t           *feed;
    ngx_http_presence_redis_t          *redis;
    ngx_http_presence_redis_ask_t      *ask;
    ngx_http_presence_redis_streams_t  *streams;

    ask = (ngx_http_presence_redis_ask_t *) call;
    redis = ask->redis;

    feed = redis->feed;
    streams = &feed->streams;

    if (reply == NULL || ngx_http_presence_redis_ask_is_past(ask)
        || feed->phase != NGX_HTTP_PRESENCE_REDIS_FOLLOWING)
    {
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY) {
        ngx_http_presence_redis_link_drop(&streams->link,
                                          reply->str ? reply->str : "no list");
        return;
    }

    ngx_http_presence_redis_streams_answered(redis);

    last = streams->ids[ask->shard];

    if ((last[0] || last[1])
        && (reply->elements == 0
            || ngx_http_presence_redis_streams_id(reply->element[0], first)
               != NGX_OK
            || first[0] != last[0] || first[1] != last[1]))
    {
        ngx_log_error(NGX_LOG_NOTICE, link->timer.log, 0,
                      "presence_zone \"%V\": changes that redis \"%V\" has "
                      "forgotten are made up for by a look at everybody",
                      &redis->zone->name, &redis->name);

        redis->overflow = 1;

        feed->phase = NGX_HTTP_PRESENCE_REDIS_IDLE;
        feed->refill = 1;
        return;
    }

    if (redis->cluster) {
        streams->checked[ask->shard] = 1;

    } else if (++streams->answers == NGX_HTTP_PRESENCE_REDIS_SHARDS) {
        ngx_http_presence_redis_streams_read(redis);
    }
}


static void
ngx_http_presence_redis_streams_read(ngx_http_presence_redis_t *redis)
{
    u_char                             *p;
    ngx_int_t                           i;
    ngx_http_presence_zone_t           *zone;
    ngx_http_presence_redis_streams_t  *streams;
    u_char                              block[NGX_INT_T_LEN];

    enum { FIXED = 6, N = NGX_HTTP_PRESENCE_REDIS_SHARDS };

    const char                         *argv[FIXED + 2 * N];
    size_t                              len[FIXED + 2 * N];

    streams = &redis->feed->streams;
    zone = redis->zone;

    if (streams->reading) {
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

    p = redis->feed->buffer;

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

    streams->read.handler = ngx_http_presence_redis_streams_have_read;

    if (ngx_http_presence_redis_link_call(&streams->link, &streams->read,
                                          FIXED + 2 * N, argv, len)
        == NGX_OK)
    {
        streams->reading = 1;
    }
}


static void
ngx_http_presence_redis_streams_have_read(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    size_t                     i;
    ngx_http_presence_feed_t  *feed;

    feed = link->redis->feed;
    feed->streams.reading = 0;

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

    ngx_http_presence_redis_streams_answered(link->redis);

    for (i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        ngx_http_presence_redis_streams_take(link->redis, reply->element[i]);
    }

    ngx_http_presence_redis_streams_read(link->redis);
}


/*
 * What is new in each shard of a master.  Of one that has just come, or comes
 * again after a connection was lost, first whether the last entry that was
 * read is still there.
 */

static void
ngx_http_presence_redis_streams_poll(ngx_http_presence_redis_t *redis)
{
    ngx_int_t                           rc;
    ngx_uint_t                          i;
    ngx_http_presence_zone_t           *zone;
    ngx_http_presence_redis_streams_t  *streams;
    char                                id[2 * NGX_INT64_LEN + 2];

    streams = &redis->feed->streams;
    zone = redis->zone;

    streams->next_poll = ngx_current_msec + NGX_HTTP_PRESENCE_REDIS_POLL;

    ngx_http_presence_zone_lock(zone);
    ngx_memcpy(streams->ids, zone->sh->redis->ids, sizeof(streams->ids));
    ngx_http_presence_zone_unlock(zone);

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (!redis->has[i]) {
            continue;
        }

        ngx_sprintf((u_char *) id, "%uL-%uL%Z", streams->ids[i][0],
                    streams->ids[i][1]);

        if (streams->checked[i]) {
            rc = ngx_http_presence_redis_ask(redis, &streams->asker,
                                       ngx_http_presence_redis_streams_polled,
                                       i, "XREAD", "changes", id, NULL);

        } else {
            rc = ngx_http_presence_redis_ask(redis, &streams->asker,
                                       ngx_http_presence_redis_streams_checked,
                                       i, "XRANGE", "changes", id, "+");
        }

        if (rc != NGX_OK) {
            return;
        }
    }
}


static void
ngx_http_presence_redis_streams_polled(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    size_t                          i;
    ngx_http_presence_feed_t       *feed;
    ngx_http_presence_redis_ask_t  *ask;

    ask = (ngx_http_presence_redis_ask_t *) call;
    feed = ask->redis->feed;

    if (reply == NULL || ngx_http_presence_redis_ask_is_past(ask)
        || !feed->leads
        || feed->phase != NGX_HTTP_PRESENCE_REDIS_FOLLOWING
        || !ask->redis->has[ask->shard])
    {
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY && reply->type != REDIS_REPLY_NIL) {
        ngx_http_presence_redis_link_drop(&feed->streams.link,
                                          reply->type == REDIS_REPLY_ERROR
                                          ? reply->str
                                          : "an answer of another kind");
        return;
    }

    ngx_http_presence_redis_streams_answered(ask->redis);

    if (reply->type == REDIS_REPLY_NIL) {
        return;
    }

    /* there may be more of them */

    feed->streams.next_poll = ngx_current_msec;

    for (i = 0; i < reply->elements; i++) {
        ngx_http_presence_redis_streams_take(ask->redis, reply->element[i]);
    }
}


static void
ngx_http_presence_redis_streams_take(ngx_http_presence_redis_t *redis,
    const redisReply *stream)
{
    size_t                             i;
    uint64_t                           id[2];
    ngx_int_t                          shard;
    const char                        *brace;
    ngx_http_presence_ms_t             now, news;
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

        if (ngx_http_presence_redis_streams_id(entry, id) != NGX_OK) {
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

        news = redis->feed->streams.news[shard];

        if ((ngx_http_presence_ms_t) id[0] >= news) {
            ngx_http_presence_redis_peer_apply_locked(redis, &record,
                          ngx_http_presence_redis_at(zone->sh,
                                                     (int64_t) id[0]), now, 0);

        } else {
            ngx_http_presence_redis_streams_look(redis, &record);
        }

        ngx_http_presence_zone_unlock(zone);
    }
}


/*
 * A change of a time in which this node followed nobody, and decided alone:
 * what has come of it counts, and not the way there.
 */

static void
ngx_http_presence_redis_streams_look(ngx_http_presence_redis_t *redis,
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
        redis->feed->streams.stale = 1;
    }
}
