#include "ngx_http_presence_redis_nodes.h"
#include "ngx_http_presence_redis_cluster.h"
#include "ngx_http_presence_redis_feed.h"
#include "ngx_http_presence_redis_mirror.h"
#include "ngx_http_presence_redis_peer.h"
#include "ngx_http_presence_redis_scripts.h"
#include "ngx_http_presence_redis_share.h"


static void ngx_http_presence_redis_nodes_beaten(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static void ngx_http_presence_redis_nodes_died(
    ngx_http_presence_redis_t *redis);
static ngx_int_t ngx_http_presence_redis_nodes_visit(void *data,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);
static ngx_uint_t ngx_http_presence_redis_nodes_is_orphan(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);
static ngx_uint_t ngx_http_presence_redis_nodes_is_mine(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);


ngx_uint_t
ngx_http_presence_redis_nodes_tick(ngx_http_presence_redis_t *redis)
{
    ngx_http_presence_redis_pulse_t  *pulse;

    pulse = &redis->feed->pulse;

    if ((ngx_msec_int_t) (ngx_current_msec - pulse->next_beat) >= 0) {
        ngx_http_presence_redis_nodes_beat(redis);
    }

    return pulse->alive;
}


void
ngx_http_presence_redis_nodes_settle(ngx_http_presence_redis_t *redis)
{
    ngx_http_presence_redis_pulse_t  *pulse;

    pulse = &redis->feed->pulse;

    if (pulse->settled
        && ngx_http_presence_redis_walk_on(redis, &pulse->orphans,
                                           ngx_http_presence_redis_nodes_visit)
           == NGX_OK)
    {
        pulse->extend = 0;
    }
}


void
ngx_http_presence_redis_nodes_lost(ngx_http_presence_redis_t *redis)
{
    redis->feed->pulse.alive = 0;
    redis->feed->pulse.settled = 0;
}


void
ngx_http_presence_redis_nodes_beat(ngx_http_presence_redis_t *redis)
{
    u_char                           *p, *key;
    uint8_t                          *has;
    ngx_int_t                         shard;
    ngx_msec_t                        life;
    ngx_http_presence_zone_t         *zone;
    ngx_http_presence_redis_node_t    self;
    ngx_http_presence_redis_pulse_t  *pulse;
    const char                       *argv[7];
    size_t                            len[7];
    u_char                            number[NGX_INT64_LEN];

    pulse = &redis->feed->pulse;
    zone = redis->zone;

    /* each master of a cluster is told, by way of the first of its shards */

    shard = -1;

    if (redis->cluster) {
        has = memchr(redis->has, 1, sizeof(redis->has));
        shard = has ? has - redis->has : -1;
    }

    if (pulse->beating || (redis->cluster && shard < 0)) {
        return;
    }

    ngx_http_presence_zone_lock(zone);
    self = zone->sh->redis->self;
    ngx_http_presence_zone_unlock(zone);

    life = ngx_http_presence_redis_life(zone);

    pulse->next_beat = ngx_current_msec + life / 3;

    /* short enough to be sent in full each time */

    argv[0] = "EVAL";
    len[0] = sizeof("EVAL") - 1;
    argv[1] = ngx_http_presence_redis_node_script;
    len[1] = sizeof(ngx_http_presence_redis_node_script) - 1;
    argv[2] = "2";
    len[2] = 1;

    key = redis->feed->buffer;
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

    pulse->beat.handler = ngx_http_presence_redis_nodes_beaten;
    pulse->beat_shard = shard;

    if (ngx_http_presence_redis_link_call(&redis->mirror, &pulse->beat, 7,
                                          argv, len)
        == NGX_OK)
    {
        pulse->beating = 1;
    }
}


static void
ngx_http_presence_redis_nodes_beaten(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    int64_t                           time;
    ngx_uint_t                        i, sure, died;
    ngx_http_presence_zone_t         *zone;
    ngx_http_presence_redis_t        *redis, *to;
    ngx_http_presence_redis_node_t   *nodes;
    ngx_http_presence_redis_pulse_t  *pulse;
    ngx_http_presence_redis_error_e   error;
    uint8_t                           was[NGX_HTTP_PRESENCE_REDIS_NODES];

    redis = link->redis;
    pulse = &redis->feed->pulse;
    zone = redis->zone;

    pulse->beating = 0;

    if (reply == NULL) {
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_ARRAY)
    {
        if (reply->type == REDIS_REPLY_ERROR) {

            /* it is on its way to another master; the others know as well */

            if (ngx_http_presence_redis_cluster_turn(redis, pulse->beat_shard,
                                                     reply, &to)
                != NGX_HTTP_PRESENCE_REDIS_PLAIN)
            {
                return;
            }

            ngx_http_presence_redis_mirror_refuses(redis, reply->str);

            error = ngx_http_presence_redis_error(reply);

            if (error != NGX_HTTP_PRESENCE_REDIS_REFUSED
                && !(redis->cluster
                     && error == NGX_HTTP_PRESENCE_REDIS_CLUSTER))
            {
                ngx_http_presence_redis_link_drop(link, reply->str);
            }
        }

        ngx_http_presence_redis_nodes_lost(redis);
        return;
    }

    ngx_http_presence_redis_mirror_taken(redis);

    if (!redis->feed->leads) {

        /* when it leads it is to know at once who else is there */

        pulse->next_beat = ngx_current_msec;
        return;
    }

    if (!pulse->alive) {
        pulse->alive = 1;
        pulse->since = ngx_current_msec;
    }

    /* those who lost Redis as this node did get the time to come back */

    sure = ngx_current_msec - pulse->since
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

    if (sure && !pulse->settled) {
        pulse->settled = 1;
        died = 1;
    }

    if (died) {
        ngx_http_presence_redis_nodes_died(redis);
    }
}


static void
ngx_http_presence_redis_nodes_died(ngx_http_presence_redis_t *redis)
{
    ngx_uint_t                          i;
    ngx_http_presence_feed_t           *feed;
    ngx_http_presence_redis_cluster_t  *cluster;

    cluster = redis->cluster;

    for (i = 0; i < (cluster ? cluster->nparts : 1); i++) {
        feed = cluster ? cluster->parts[i]->redis.feed : redis->feed;

        ngx_http_presence_redis_walk_start(&feed->pulse.orphans);
    }
}


static ngx_int_t
ngx_http_presence_redis_nodes_visit(void *data, ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user)
{
    ngx_http_presence_redis_t *redis = data;

    ngx_uint_t  flags;

    if (!redis->has[ngx_http_presence_redis_shard(user->id, user->len)]
        || !ngx_http_presence_redis_nodes_is_orphan(zone, user)
        || (!redis->feed->pulse.extend
            && !ngx_http_presence_redis_nodes_is_mine(zone, user)))
    {
        return NGX_OK;
    }

    flags = NGX_HTTP_PRESENCE_REDIS_LOOK;

    if (redis->feed->pulse.extend) {
        flags |= NGX_HTTP_PRESENCE_REDIS_EXTEND;
    }

    (void) ngx_http_presence_redis_mirror_put(zone->redis, user->hash,
                                              user->id, user->len, flags);

    return NGX_OK;
}


/* has it a session of a node that is no more, or that is not known? */

static ngx_uint_t
ngx_http_presence_redis_nodes_is_orphan(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user)
{
    ngx_http_presence_session_t       *session;
    ngx_http_presence_redis_shared_t  *shared;

    shared = zone->sh->redis;

    for (session = user->sessions; session; session = session->next) {

        if (session->owner > NGX_HTTP_PRESENCE_REDIS_NODES
            || (session->owner && !shared->nodes[session->owner - 1].alive))
        {
            return 1;
        }
    }

    return 0;
}


/* of the nodes that are alive, is it this one that settles the user? */

static ngx_uint_t
ngx_http_presence_redis_nodes_is_mine(ngx_http_presence_zone_t *zone,
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
