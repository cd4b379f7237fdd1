#include "ngx_http_presence_redis_cluster.h"
#include "ngx_http_presence_redis_feed.h"
#include "ngx_http_presence_redis_mirror.h"
#include "ngx_http_presence_redis_name.h"
#include "ngx_http_presence_roster.h"


/* how often there is a look at what is due, milliseconds */
#define NGX_HTTP_PRESENCE_REDIS_TICK    100

/* the masters are asked for, when all is well and when it is not */
#define NGX_HTTP_PRESENCE_REDIS_WELL    10000
#define NGX_HTTP_PRESENCE_REDIS_UNWELL  300

/* users who wait until their keys have arrived */
#define NGX_HTTP_PRESENCE_REDIS_WAITERS 1024

/* when nobody has been turned away for so long, the keys have arrived */
#define NGX_HTTP_PRESENCE_REDIS_WHOLE   1000

/* so often a shard is followed from one look at the masters to the next */
#define NGX_HTTP_PRESENCE_REDIS_MOVES   4


static void ngx_http_presence_redis_cluster_ready(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_cluster_down(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_cluster_timer(ngx_event_t *ev);
static void ngx_http_presence_redis_cluster_ask(
    ngx_http_presence_redis_cluster_t *cluster);
static void ngx_http_presence_redis_cluster_told(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static ngx_uint_t ngx_http_presence_redis_cluster_is_unwell(
    ngx_http_presence_redis_cluster_t *cluster);
static void ngx_http_presence_redis_cluster_move(
    ngx_http_presence_redis_cluster_t *cluster, ngx_uint_t shard,
    ngx_http_presence_redis_t *to);
static ngx_http_presence_redis_t *ngx_http_presence_redis_cluster_part(
    ngx_http_presence_redis_cluster_t *cluster,
    const ngx_http_presence_redis_place_t *place);
static ngx_int_t ngx_http_presence_redis_cluster_name(
    ngx_http_presence_redis_cluster_t *cluster,
    ngx_http_presence_redis_part_t *part,
    const ngx_http_presence_redis_place_t *place);
static void ngx_http_presence_redis_cluster_torn(
    ngx_http_presence_redis_t *redis, ngx_uint_t shard, ngx_uint_t torn,
    const char *why);
static ngx_uint_t ngx_http_presence_redis_cluster_is_empty(
    ngx_http_presence_redis_t *redis);


ngx_int_t
ngx_http_presence_redis_cluster_init_worker(ngx_http_presence_redis_t *redis,
    ngx_cycle_t *cycle)
{
    u_char                             *p, *key;
    void                               *memory;
    ngx_uint_t                          i;
    ngx_http_presence_redis_cluster_t  *cluster;

    cluster = ngx_pcalloc(cycle->pool,
                          sizeof(ngx_http_presence_redis_cluster_t));
    if (cluster == NULL) {
        return NGX_ERROR;
    }

    cluster->given = redis->nservers;
    cluster->servers = ngx_palloc(cycle->pool,
                                  (redis->nservers
                                   + NGX_HTTP_PRESENCE_REDIS_SHARDS)
                                  * sizeof(ngx_http_presence_redis_server_t));
    if (cluster->servers == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(cluster->servers, redis->servers,
               redis->nservers * sizeof(ngx_http_presence_redis_server_t));

    redis->servers = cluster->servers;

    key = ngx_palloc(cycle->pool, ngx_http_presence_redis_max_key(redis));
    if (key == NULL) {
        return NGX_ERROR;
    }

    memory = ngx_palloc(cycle->pool,
                 ngx_http_presence_redis_queue_bytes(
                                             NGX_HTTP_PRESENCE_REDIS_WAITERS,
                                             redis->zone->limits.max_user));
    if (memory == NULL) {
        return NGX_ERROR;
    }

    ngx_http_presence_redis_queue_init(&cluster->later,
                                       NGX_HTTP_PRESENCE_REDIS_WAITERS,
                                       redis->zone->limits.max_user, memory);

    redis->cluster = cluster;
    cluster->front = redis;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {
        p = ngx_http_presence_redis_key(key, redis, i, "changes", NULL, 0);

        cluster->slots[i] = ngx_http_presence_redis_slots_of((char *) key,
                                                             p - key);
        cluster->of[i] = redis;
    }

    cluster->owner.data = cluster;
    cluster->owner.fd = (ngx_socket_t) -1;

    cluster->timer.handler = ngx_http_presence_redis_cluster_timer;
    cluster->timer.data = &cluster->owner;
    cluster->timer.log = cycle->log;
    cluster->timer.cancelable = 1;

    ngx_add_timer(&cluster->timer, NGX_HTTP_PRESENCE_REDIS_TICK);

    ngx_http_presence_redis_link_init(&cluster->link, redis, redis->timeout,
                                      ngx_http_presence_redis_cluster_ready,
                                      ngx_http_presence_redis_cluster_down,
                                      cycle->log);
    cluster->link.quiet = 1;

    ngx_http_presence_redis_link_start(&cluster->link);

    return NGX_OK;
}


ngx_http_presence_redis_turn_e
ngx_http_presence_redis_cluster_turn(ngx_http_presence_redis_t *redis,
    ngx_uint_t shard, const redisReply *reply, ngx_http_presence_redis_t **to)
{
    ngx_http_presence_redis_t          *part;
    ngx_http_presence_redis_cluster_t  *cluster;
    ngx_http_presence_redis_place_t     place;

    cluster = redis->cluster;

    if (cluster == NULL) {
        return NGX_HTTP_PRESENCE_REDIS_PLAIN;
    }

    switch (ngx_http_presence_redis_slots_redirect(reply->str, reply->len,
                        ((ngx_http_presence_redis_part_t *) redis)->place.host,
                        &place))
    {
    case NGX_HTTP_PRESENCE_REDIS_MOVED:

        cluster->next = ngx_current_msec;

        part = ngx_http_presence_redis_cluster_part(cluster, &place);

        if (part == NULL || part == redis
            || cluster->moves[shard]++ >= NGX_HTTP_PRESENCE_REDIS_MOVES)
        {
            return NGX_HTTP_PRESENCE_REDIS_LATER;
        }

        if (cluster->of[shard] == redis) {
            ngx_http_presence_redis_cluster_move(cluster, shard, part);
        }

        return NGX_HTTP_PRESENCE_REDIS_AGAIN;

    case NGX_HTTP_PRESENCE_REDIS_ASK:

        part = ngx_http_presence_redis_cluster_part(cluster, &place);

        if (part == NULL || part == redis
            || part->mirror.state != NGX_HTTP_PRESENCE_REDIS_READY)
        {
            return NGX_HTTP_PRESENCE_REDIS_LATER;
        }

        *to = part;

        return NGX_HTTP_PRESENCE_REDIS_ONCE;

    default:
        break;
    }

    if (ngx_strncmp(reply->str, "TRYAGAIN", sizeof("TRYAGAIN") - 1) == 0) {

        /* some of a user's keys have arrived, and others have not */

        if (ngx_current_msec - cluster->tried[shard]
            > NGX_HTTP_PRESENCE_REDIS_WHOLE)
        {
            cluster->since[shard] = ngx_current_msec;
        }

        cluster->tried[shard] = ngx_current_msec;

        if (!cluster->torn[shard]
            && ngx_current_msec - cluster->since[shard]
               > cluster->front->timeout)
        {
            ngx_http_presence_redis_cluster_torn(redis, shard, 1, reply->str);
        }

        return NGX_HTTP_PRESENCE_REDIS_LATER;
    }

    /* such as CLUSTERDOWN: another one may be the master by now */

    cluster->next = ngx_current_msec;

    return NGX_HTTP_PRESENCE_REDIS_PLAIN;
}


void
ngx_http_presence_redis_cluster_load(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_load_t *load)
{
    ngx_uint_t                          i;
    ngx_http_presence_redis_load_t      part;
    ngx_http_presence_redis_cluster_t  *cluster;

    cluster = redis->cluster;

    if (cluster == NULL) {
        ngx_http_presence_redis_mirror_load(redis, load);
        return;
    }

    ngx_memzero(load, sizeof(ngx_http_presence_redis_load_t));

    for (i = 0; i < cluster->nparts; i++) {
        ngx_http_presence_redis_mirror_load(&cluster->parts[i]->redis, &part);

        load->queued += part.queued;
        load->sent += part.sent;
        load->lag = ngx_max(load->lag, part.lag);
    }

    load->queued += ngx_http_presence_redis_queue_length(&cluster->later);
}


void
ngx_http_presence_redis_cluster_lost(ngx_http_presence_redis_t *redis)
{
    if (redis->cluster) {
        redis->cluster->next = ngx_current_msec;
    }
}


static void
ngx_http_presence_redis_cluster_ready(ngx_http_presence_redis_link_t *link)
{
    ngx_http_presence_redis_cluster_ask(link->redis->cluster);
}


static void
ngx_http_presence_redis_cluster_down(ngx_http_presence_redis_link_t *link)
{
    /* as long as no master is known this is all that there is to tell */

    ngx_http_presence_redis_tell(link->redis, 0, link->why);
}


static void
ngx_http_presence_redis_cluster_timer(ngx_event_t *ev)
{
    ngx_connection_t *owner = ev->data;

    size_t                              len;
    uint32_t                            n, hash;
    unsigned                            flags;
    ngx_uint_t                          i;
    const u_char                       *id;
    ngx_http_presence_redis_t          *part;
    ngx_http_presence_redis_cluster_t  *cluster;

    if (ngx_exiting) {
        return;
    }

    cluster = owner->data;

    for (n = ngx_http_presence_redis_queue_length(&cluster->later); n; n--) {

        id = ngx_http_presence_redis_queue_take(&cluster->later, &hash, &len,
                                                &flags);

        (void) ngx_http_presence_redis_mirror_put(cluster->front, hash, id,
                                                  len, flags);
    }

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (cluster->torn[i]
            && ngx_current_msec - cluster->tried[i]
               > NGX_HTTP_PRESENCE_REDIS_WHOLE)
        {
            ngx_http_presence_redis_cluster_torn(cluster->of[i], i, 0, NULL);
        }
    }

    /* who is a master no more, and has answered all there was */

    for (i = 0; i < cluster->nparts; i++) {
        part = &cluster->parts[i]->redis;

        if (!part->mirror.closed && part->inflight == 0
            && part->mirror.waiting == 0
            && ngx_http_presence_redis_cluster_is_empty(part)
            && ngx_current_msec - cluster->parts[i]->used
               > NGX_HTTP_PRESENCE_REDIS_WELL)
        {
            ngx_http_presence_redis_link_close(&part->mirror);
        }
    }

    if (cluster->other) {
        cluster->other = 0;
        cluster->asking = 0;

        ngx_http_presence_redis_link_close(&cluster->link);

        cluster->link.turn++;

        ngx_http_presence_redis_link_open(&cluster->link);

    } else if (!cluster->asking
               && cluster->link.state == NGX_HTTP_PRESENCE_REDIS_READY
               && (ngx_msec_int_t) (ngx_current_msec - cluster->next) >= 0)
    {
        ngx_http_presence_redis_cluster_ask(cluster);
    }

    ngx_add_timer(ev, NGX_HTTP_PRESENCE_REDIS_TICK);
}


static void
ngx_http_presence_redis_cluster_ask(ngx_http_presence_redis_cluster_t *cluster)
{
    static const char   *argv[] = { "CLUSTER", "SLOTS" };
    static const size_t  len[] = { sizeof("CLUSTER") - 1, sizeof("SLOTS") - 1 };

    cluster->call.handler = ngx_http_presence_redis_cluster_told;
    cluster->next = ngx_current_msec + NGX_HTTP_PRESENCE_REDIS_UNWELL;

    if (ngx_http_presence_redis_link_call(&cluster->link, &cluster->call, 2,
                                          argv, len)
        == NGX_OK)
    {
        cluster->asking = 1;
    }
}


static void
ngx_http_presence_redis_cluster_told(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    int                                 n;
    ngx_uint_t                          i, changed;
    ngx_http_presence_redis_t          *to;
    ngx_http_presence_redis_cluster_t  *cluster;
    int                                 of[NGX_HTTP_PRESENCE_REDIS_SHARDS];
    ngx_http_presence_redis_t          *parts[NGX_HTTP_PRESENCE_REDIS_SHARDS];

    static ngx_http_presence_redis_place_t
        places[NGX_HTTP_PRESENCE_REDIS_SHARDS];

    cluster = link->redis->cluster;
    cluster->asking = 0;

    if (reply == NULL) {
        return;
    }

    n = ngx_http_presence_redis_slots_read(reply, link->host,
                                           cluster->slots,
                                           NGX_HTTP_PRESENCE_REDIS_SHARDS,
                                           places, of);

    if (n <= 0) {
        cluster->other = 1;

        ngx_http_presence_redis_tell(cluster->front, 0,
                                     reply->type == REDIS_REPLY_ERROR
                                     ? reply->str : "it has no slots");
        return;
    }

    link->nservers = cluster->given;

    for (i = 0; i < (ngx_uint_t) n; i++) {
        parts[i] = ngx_http_presence_redis_cluster_part(cluster, &places[i]);

        if (parts[i]) {
            cluster->servers[link->nservers++] = parts[i]->servers[0];
        }
    }

    changed = 0;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        to = (of[i] == NGX_HTTP_PRESENCE_REDIS_NO_PLACE) ? NULL : parts[of[i]];

        if (to == NULL) {
            to = cluster->front;
        }

        cluster->moves[i] = 0;

        if (cluster->of[i] != to) {
            ngx_http_presence_redis_cluster_move(cluster, i, to);
            changed = 1;
        }
    }

    ngx_http_presence_redis_tell(cluster->front, 0, "some of its slots have "
                                 "no master with a usable address");

    if (ngx_http_presence_redis_cluster_is_unwell(cluster)) {

        /* this one may be the last to know */

        cluster->other = !changed;

    } else {
        cluster->next = ngx_current_msec + NGX_HTTP_PRESENCE_REDIS_WELL;
    }
}


static ngx_uint_t
ngx_http_presence_redis_cluster_is_unwell(
    ngx_http_presence_redis_cluster_t *cluster)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {
        if (!ngx_http_presence_redis_mirror_serves(cluster->of[i])) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_presence_redis_cluster_move(
    ngx_http_presence_redis_cluster_t *cluster, ngx_uint_t shard,
    ngx_http_presence_redis_t *to)
{
    ngx_http_presence_zone_t   *zone;
    ngx_http_presence_redis_t  *from;

    zone = cluster->front->zone;
    from = cluster->of[shard];

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, cluster->timer.log, 0,
                   "presence redis shard %ui from \"%V\" to \"%V\"",
                   shard, &from->name, &to->name);

    from->has[shard] = 0;
    to->has[shard] = 1;
    cluster->of[shard] = to;

    ngx_http_presence_redis_feed_move(shard, from, to);

    /* from one who can say so all of it has come along */

    if (!ngx_http_presence_redis_mirror_serves(from)) {
        ngx_http_presence_zone_lock(zone);
        zone->sh->redis->resync[shard] = 1;
        ngx_http_presence_zone_unlock(zone);
    }

    if (ngx_http_presence_redis_mirror_serves(to) && !cluster->torn[shard]) {
        ngx_http_presence_redis_tell(to, 1, NULL);
    }
}


/* the part of a server, which may be a new one; NULL: it cannot be had */

static ngx_http_presence_redis_t *
ngx_http_presence_redis_cluster_part(
    ngx_http_presence_redis_cluster_t *cluster,
    const ngx_http_presence_redis_place_t *place)
{
    ngx_uint_t                       i;
    ngx_cycle_t                     *cycle;
    ngx_http_presence_redis_t       *redis;
    ngx_http_presence_redis_part_t  *part, *unused;

    static ngx_http_presence_redis_part_t  probe;

    cycle = (ngx_cycle_t *) ngx_cycle;
    unused = NULL;

    for (i = 0; i < cluster->nparts; i++) {
        part = cluster->parts[i];

        if (part->place.port == place->port
            && ngx_strcmp(part->place.host, place->host) == 0)
        {
            goto found;
        }

        if (part->redis.mirror.closed) {
            unused = part;
        }
    }

    if (ngx_http_presence_redis_cluster_name(cluster, &probe, place)
        != NGX_OK) {
        return NULL;
    }

    if (unused) {
        part = unused;
        (void) ngx_http_presence_redis_cluster_name(cluster, part, place);
        goto found;
    }

    if (cluster->nparts == NGX_HTTP_PRESENCE_REDIS_SHARDS) {
        return NULL;
    }

    part = ngx_pcalloc(cycle->pool, sizeof(ngx_http_presence_redis_part_t));
    if (part == NULL) {
        return NULL;
    }

    redis = &part->redis;

    *redis = *cluster->front;

    ngx_memzero(redis->has, sizeof(redis->has));
    ngx_memzero(&redis->counters, sizeof(redis->counters));
    redis->overflow = 0;
    redis->servers = &part->server;
    redis->nservers = 1;
    redis->url.db = 0;

    (void) ngx_http_presence_redis_cluster_name(cluster, part, place);

    /* the second one has it connect as well */

    if (ngx_http_presence_redis_feed_init_worker(redis, cycle) != NGX_OK
        || ngx_http_presence_redis_mirror_init_worker(redis, cycle) != NGX_OK)
    {
        return NULL;
    }

    cluster->parts[cluster->nparts++] = part;
    part->used = ngx_current_msec;

    return redis;

found:

    part->used = ngx_current_msec;

    if (part->redis.mirror.closed) {
        ngx_http_presence_redis_link_open(&part->redis.mirror);
    }

    return &part->redis;
}


/* NGX_ERROR: it has a name, and there is nobody to resolve that */

static ngx_int_t
ngx_http_presence_redis_cluster_name(ngx_http_presence_redis_cluster_t *cluster,
    ngx_http_presence_redis_part_t *part,
    const ngx_http_presence_redis_place_t *place)
{
    ngx_str_t   host;
    ngx_str_t  *name;

    if (!ngx_http_presence_redis_name_is_address((u_char *) place->host,
                                                 ngx_strlen(place->host))
        && cluster->front->resolver == NULL)
    {
        return NGX_ERROR;
    }

    part->place = *place;

    host.data = (u_char *) part->place.host;
    host.len = ngx_strlen(part->place.host);

    ngx_memzero(&part->server, sizeof(ngx_http_presence_redis_server_t));

    part->server.port = (in_port_t) place->port;

    if (ngx_http_presence_redis_name_is_address(host.data, host.len)) {
        part->server.address = host;

    } else {
        part->server.name = host;
    }

    name = &part->redis.name;

    name->data = part->name;
    name->len = ngx_sprintf(part->name,
                            ngx_strchr(host.data, ':') ? "[%V]:%ud" : "%V:%ud",
                            &host, place->port)
                - part->name;

    return NGX_OK;
}


/* told once for all workers, like the rest */

static void
ngx_http_presence_redis_cluster_torn(ngx_http_presence_redis_t *redis,
    ngx_uint_t shard, ngx_uint_t torn, const char *why)
{
    ngx_uint_t                 told;
    ngx_http_presence_ms_t     now;
    ngx_http_presence_zone_t  *zone;
    uint8_t                    shards[NGX_HTTP_PRESENCE_REDIS_SHARDS];

    zone = redis->zone;
    redis->cluster->torn[shard] = (uint8_t) torn;

    ngx_memzero(shards, sizeof(shards));
    shards[shard] = 1;

    now = ngx_http_presence_zone_lock(zone);

    told = ngx_http_presence_redis_tell_shards_locked(redis, shards,
                                       torn ? NGX_HTTP_PRESENCE_REDIS_FAILS
                                            : NGX_HTTP_PRESENCE_REDIS_SERVES,
                                       now);
    if (!torn) {
        zone->sh->redis->resync[shard] = 1;
    }

    ngx_http_presence_zone_unlock(zone);

    if (told) {
        return;
    }

    if (torn) {
        ngx_log_error(NGX_LOG_ERR, zone->cycle->log, 0,
                      "presence_zone \"%V\": redis \"%V\" does not serve part "
                      "{%02ui}: %s; this node decides alone about its users "
                      "until it does", &zone->name, &redis->name, shard, why);
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, zone->cycle->log, 0,
                  "presence_zone \"%V\": redis \"%V\" serves part {%02ui}",
                  &zone->name, &redis->name, shard);
}


static ngx_uint_t
ngx_http_presence_redis_cluster_is_empty(ngx_http_presence_redis_t *redis)
{
    return memchr(redis->has, 1, sizeof(redis->has)) == NULL;
}
