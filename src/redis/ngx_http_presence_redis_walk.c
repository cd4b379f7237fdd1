#include "ngx_http_presence_redis_walk.h"


/* users looked at in one hold of the lock, and in one tick */
#define NGX_HTTP_PRESENCE_REDIS_SLICE   64
#define NGX_HTTP_PRESENCE_REDIS_SLICES  32


void
ngx_http_presence_redis_walk_start(ngx_http_presence_redis_walk_t *walk)
{
    walk->active = 1;
    walk->from = 0;
}


ngx_int_t
ngx_http_presence_redis_walk_on(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_walk_t *walk, ngx_http_presence_visit_pt visit)
{
    ngx_int_t                  rc;
    ngx_uint_t                 n;
    ngx_http_presence_zone_t  *zone;

    zone = redis->zone;

    if (!walk->active) {
        return NGX_DECLINED;
    }

    for (n = 0; n < NGX_HTTP_PRESENCE_REDIS_SLICES; n++) {

        if (ngx_http_presence_redis_queue_room(&redis->queue)
            < NGX_HTTP_PRESENCE_REDIS_ROOM)
        {
            break;
        }

        ngx_http_presence_zone_lock(zone);

        rc = ngx_http_presence_roster_walk_locked(zone, &walk->from,
                                                NGX_HTTP_PRESENCE_REDIS_SLICE,
                                                visit, redis);

        ngx_http_presence_zone_unlock(zone);

        if (rc != NGX_AGAIN) {
            walk->active = 0;
            return NGX_OK;
        }
    }

    return NGX_AGAIN;
}
