#include "ngx_http_presence_redis.h"


static void ngx_http_presence_redis_reading_take_load(
    ngx_http_presence_redis_reading_t *reading,
    const ngx_http_presence_counters_t *counters,
    const ngx_http_presence_redis_load_t *load);


void
ngx_http_presence_redis_reading_take(
    ngx_http_presence_redis_reading_t *reading,
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_counters_t *counters)
{
    ngx_uint_t                         i;
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
    reading->nodes = 1;
    reading->counters = shared->counters;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_NODES; i++) {
        reading->nodes += shared->nodes[i].alive;
    }

    reading->why_len = shared->why_len;
    ngx_memcpy(reading->why, shared->why, shared->why_len);

    reading->self_len = shared->self.len;
    ngx_memcpy(reading->self, shared->self.id, shared->self.len);

    ngx_memcpy(load, shared->load, sizeof(load));

    ngx_http_presence_zone_unlock(zone);

    ngx_http_presence_redis_reading_take_load(reading, counters, load);
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
