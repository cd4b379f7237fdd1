#include "ngx_http_presence_reading.h"
#include "ngx_http_presence_changes.h"


void
ngx_http_presence_reading_take(ngx_http_presence_reading_t *reading,
    ngx_http_presence_zone_t *zone)
{
    ngx_uint_t                   i;
    ngx_http_presence_ms_t       now;
    ngx_http_presence_shared_t  *sh;

    now = ngx_http_presence_zone_lock(zone);
    sh = zone->sh;

    reading->counters = sh->counters;

    for (i = 0; i < NGX_HTTP_PRESENCE_NSHOWN; i++) {
        reading->users[i] = sh->counts.status[i];
    }

    reading->wall = ngx_http_presence_zone_wall(zone, now);
    reading->sessions = sh->nsessions;
    reading->bytes[1] = (uint64_t) zone->shpool->pfree * ngx_pagesize;
    reading->changes = ngx_http_presence_changes_last(sh);
    reading->deaf = sh->clock.forgiven;

    ngx_http_presence_zone_unlock(zone);

    reading->zone = zone;
    reading->bytes[0] = zone->size - reading->bytes[1];
    reading->interval = zone->policy.interval;
    reading->max_interval = zone->policy.max_interval;
    reading->streams = ngx_http_presence_counters_streams(&reading->counters);

    ngx_http_presence_redis_reading_take(&reading->redis, zone,
                                         &reading->counters);
}
