#include "ngx_http_presence_redis_patience.h"


int
ngx_http_presence_redis_patience_is_alone(const ngx_http_presence_life_t *life)
{
    return life->alone >= NGX_HTTP_PRESENCE_REDIS_ALONE;
}


ngx_http_presence_ms_t
ngx_http_presence_redis_patience(const ngx_http_presence_policy_t *policy,
    const ngx_http_presence_life_t *life,
    const ngx_http_presence_redis_outage_t *outage)
{
    ngx_http_presence_ms_t  beats, from;

    /* the page after it would have come here, as this one did */

    if (life->leaving && ngx_http_presence_redis_patience_is_alone(life)) {
        return 0;
    }

    beats = policy->misses;
    from = outage->turned;

    if (outage->away) {

        if (outage->others == 0) {
            return 0;
        }

        /* until Redis went, it would have said who else has heard it */

        if (from < life->last_sign) {
            from = life->last_sign;
        }

        if (beats < NGX_HTTP_PRESENCE_REDIS_BEATS * (outage->others + 1)) {
            beats = NGX_HTTP_PRESENCE_REDIS_BEATS * (outage->others + 1);
        }

    } else if (from == 0) {
        return 0;
    }

    return from + beats * life->step + policy->slack;
}
