#include "ngx_http_presence_redis.h"


static void ngx_http_presence_redis_reading_take_load(
    ngx_http_presence_redis_reading_t *reading,
    const ngx_http_presence_counters_t *counters,
    const ngx_http_presence_redis_load_t *load);
static size_t ngx_http_presence_redis_reading_name(
    const ngx_http_presence_redis_node_t *node, u_char *name);
static ngx_uint_t ngx_http_presence_redis_reading_nodes(
    const ngx_http_presence_redis_shared_t *shared);


void
ngx_http_presence_redis_reading_take(
    ngx_http_presence_redis_reading_t *reading,
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_counters_t *counters)
{
    ngx_http_presence_redis_shared_t  *shared;
    ngx_http_presence_redis_load_t     load[NGX_HTTP_PRESENCE_MAX_WORKERS];

    ngx_memzero(reading, sizeof(ngx_http_presence_redis_reading_t));

    if (zone->redis == NULL) {
        return;
    }

    ngx_http_presence_zone_lock(zone);

    shared = zone->sh->redis;

    reading->configured = 1;
    reading->up = (shared->up == NGX_HTTP_PRESENCE_REDIS_SERVES);
    reading->changed = (uint64_t) shared->changed;
    reading->nodes = ngx_http_presence_redis_reading_nodes(shared);
    reading->counters = shared->counters;

    reading->why_len = shared->why_len;
    ngx_memcpy(reading->why, shared->why, shared->why_len);

    reading->self_len = shared->self.len;
    ngx_memcpy(reading->self, shared->self.id, shared->self.len);

    ngx_memcpy(load, shared->load, sizeof(load));

    ngx_http_presence_zone_unlock(zone);

    ngx_http_presence_redis_reading_take_load(reading, counters, load);
}


const ngx_str_t *
ngx_http_presence_redis_reading_self(const ngx_http_presence_zone_t *zone)
{
    return (zone->redis && zone->redis->node.len)
           ? &zone->redis->node : (const ngx_str_t *) &ngx_cycle->hostname;
}


void
ngx_http_presence_redis_reading_view_locked(
    ngx_http_presence_redis_view_t *view, ngx_http_presence_zone_t *zone,
    const ngx_str_t *user)
{
    ngx_uint_t                         state;
    ngx_http_presence_redis_shared_t  *shared;

    ngx_memzero(view, sizeof(ngx_http_presence_redis_view_t));

    if (zone->redis == NULL) {
        return;
    }

    shared = zone->sh->redis;

    state = zone->redis->url.cluster
            ? shared->ups[ngx_http_presence_redis_shard(user->data, user->len)]
            : shared->up;

    view->configured = 1;
    view->up = (state == NGX_HTTP_PRESENCE_REDIS_SERVES);
    view->since = (state == shared->up) ? shared->changed : 0;
    view->nodes = ngx_http_presence_redis_reading_nodes(shared);

    view->self_len = ngx_http_presence_redis_reading_name(&shared->self,
                                                          view->self);
}


size_t
ngx_http_presence_redis_reading_owner_locked(ngx_http_presence_zone_t *zone,
    ngx_uint_t owner, u_char *name)
{
    if (zone->redis == NULL || owner == 0
        || owner > NGX_HTTP_PRESENCE_REDIS_NODES)
    {
        return 0;
    }

    return ngx_http_presence_redis_reading_name(
                                    &zone->sh->redis->nodes[owner - 1], name);
}


static size_t
ngx_http_presence_redis_reading_name(
    const ngx_http_presence_redis_node_t *node, u_char *name)
{
    size_t  i;

    for (i = 0; i < node->len; i++) {
        name[i] = (node->id[i] <= ' ' || node->id[i] > '~'
                   || node->id[i] == '"' || node->id[i] == '\\')
                  ? '?' : node->id[i];
    }

    return node->len;
}


static ngx_uint_t
ngx_http_presence_redis_reading_nodes(
    const ngx_http_presence_redis_shared_t *shared)
{
    ngx_uint_t  i, n;

    n = 1;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_NODES; i++) {
        n += shared->nodes[i].alive;
    }

    return n;
}


/* what a dead worker had waits no more */

static void
ngx_http_presence_redis_reading_take_load(
    ngx_http_presence_redis_reading_t *reading,
    const ngx_http_presence_counters_t *counters,
    const ngx_http_presence_redis_load_t *load)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_PRESENCE_MAX_WORKERS; i++) {

        if ((load[i].queued || load[i].sent)
            && ngx_http_presence_counters_is_alive(&counters->workers[i]))
        {
            reading->queued += load[i].queued;
            reading->sent += load[i].sent;
            reading->lag = ngx_max(reading->lag, load[i].lag);
        }
    }
}
