#include "ngx_http_presence_touch.h"
#include "ngx_http_presence_access.h"
#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_recent.h"
#include "ngx_http_presence_tracker.h"


/* a request waits so long at most, and far less than beats are apart */
#define NGX_HTTP_PRESENCE_TOUCH_WINDOW   1000
#define NGX_HTTP_PRESENCE_TOUCH_PART     8

/* places for users: one for so many bytes of the zone, within bounds */
#define NGX_HTTP_PRESENCE_TOUCH_SHARE    4096
#define NGX_HTTP_PRESENCE_TOUCH_MIN      64
#define NGX_HTTP_PRESENCE_TOUCH_MAX      16384

/* users in one hold of the lock */
#define NGX_HTTP_PRESENCE_TOUCH_BUDGET   256


static void ngx_http_presence_touch_user(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_identity_t *identity,
    uint32_t hash, ngx_http_presence_ms_t ago);
static ngx_http_presence_recent_t *ngx_http_presence_touch_recent(
    ngx_http_presence_zone_t *zone);
static ngx_http_presence_ms_t ngx_http_presence_touch_window(
    ngx_http_presence_zone_t *zone);
static void ngx_http_presence_touch_flush(ngx_http_presence_zone_t *zone);


ngx_int_t
ngx_http_presence_touch_handler(ngx_http_request_t *r)
{
    uint32_t                       hash;
    ngx_time_t                    *tp;
    ngx_http_presence_ms_t         ago, mono;
    ngx_http_presence_zone_t      *zone;
    ngx_http_presence_recent_t    *recent;
    ngx_http_presence_identity_t   identity;
    ngx_http_presence_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_presence_module);

    zone = plcf->touches.zone;

    /* what the site itself refused is no sign of the user */

    if (zone == NULL
        || r->headers_out.status == NGX_HTTP_UNAUTHORIZED
        || r->headers_out.status == NGX_HTTP_FORBIDDEN
        || ngx_http_presence_access_name(r, &identity) != NGX_OK)
    {
        return NGX_OK;
    }

    /* the user was there when it began, and may have left since */

    tp = ngx_timeofday();

    ago = (ngx_http_presence_ms_t) (tp->sec - r->start_sec) * 1000
          + (ngx_http_presence_ms_t) tp->msec
          - (ngx_http_presence_ms_t) r->start_msec;

    ago = ngx_max(ago, 0);
    mono = ngx_current_msec;

    hash = ngx_http_presence_roster_hash(&identity.user);

    /* an id that is among them has been looked at when it came first */

    recent = zone->recent;

    if (recent
        && zone->sweep.timer_set
        && ago < recent->window
        && ngx_http_presence_recent_wait(recent, identity.user.data,
                                 identity.user.len, hash,
                                 ngx_http_presence_zone_endings(zone, hash),
                                 mono - ago, mono))
    {
        zone->traffic.touches++;
        zone->counted = 1;

        return NGX_OK;
    }

    if (ngx_http_presence_access_rest(r, zone, &identity) == NGX_OK) {
        ngx_http_presence_touch_user(r, zone, &identity, hash, ago);
    }

    return NGX_OK;
}


void
ngx_http_presence_touch_tick(ngx_http_presence_zone_t *zone)
{
    if (zone->recent
        && (ngx_exiting
            || ngx_http_presence_recent_is_due(zone->recent,
                                               ngx_current_msec)))
    {
        ngx_http_presence_touch_flush(zone);
    }
}


void
ngx_http_presence_touch_exit_worker(ngx_http_presence_zone_t *zone)
{
    if (zone->recent == NULL) {
        return;
    }

    ngx_http_presence_touch_flush(zone);

    ngx_http_presence_recent_free(zone->recent);
    zone->recent = NULL;
}


static void
ngx_http_presence_touch_user(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_identity_t *identity,
    uint32_t hash, ngx_http_presence_ms_t ago)
{
    uint32_t                     endings;
    ngx_int_t                    rc;
    ngx_http_presence_ms_t       now;
    ngx_http_presence_recent_t  *recent;

    ngx_http_presence_journal_of(zone, r);

    now = ngx_http_presence_zone_lock(zone);
    rc = ngx_http_presence_tracker_touch_locked(zone, identity, ago, now);
    endings = ngx_http_presence_zone_endings(zone, hash);
    ngx_http_presence_zone_unlock(zone);

    if (rc != NGX_OK) {
        return;
    }

    recent = ngx_http_presence_touch_recent(zone);

    if (recent) {
        ngx_http_presence_recent_told(recent, identity->user.data,
                                      identity->user.len, hash, endings,
                                      (ngx_http_presence_ms_t) ngx_current_msec
                                      - ago);
    }
}


/* NULL: each request is told at once */

static ngx_http_presence_recent_t *
ngx_http_presence_touch_recent(ngx_http_presence_zone_t *zone)
{
    uint32_t                n;
    ngx_http_presence_ms_t  window;

    if (zone->recent) {
        return zone->recent;
    }

    window = ngx_http_presence_touch_window(zone);

    if (window == 0) {
        return NULL;
    }

    for (n = NGX_HTTP_PRESENCE_TOUCH_MIN;
         n < zone->size / NGX_HTTP_PRESENCE_TOUCH_SHARE
         && n < NGX_HTTP_PRESENCE_TOUCH_MAX;
         n *= 2)
    {
        /* void */
    }

    zone->recent = ngx_http_presence_recent_create(n, window);

    return zone->recent;
}


/*
 * What waits must be told long before anything is decided for its lack.  Its
 * time comes with the sweep's tick: where that is too seldom, nothing waits.
 */

static ngx_http_presence_ms_t
ngx_http_presence_touch_window(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_ms_t  window;

    window = ngx_min(zone->policy.interval, zone->policy.idle)
             / NGX_HTTP_PRESENCE_TOUCH_PART;

    if (window < 2 * (ngx_http_presence_ms_t)
                 ngx_http_presence_zone_tick(zone))
    {
        return 0;
    }

    return ngx_min(window, NGX_HTTP_PRESENCE_TOUCH_WINDOW);
}


static void
ngx_http_presence_touch_flush(ngx_http_presence_zone_t *zone)
{
    ngx_str_t                         id;
    ngx_uint_t                        budget;
    ngx_http_presence_ms_t            now, mono;
    ngx_http_presence_recent_user_t  *user;

    mono = ngx_current_msec;
    user = ngx_http_presence_recent_next(zone->recent);

    while (user) {

        now = ngx_http_presence_zone_lock(zone);

        for (budget = NGX_HTTP_PRESENCE_TOUCH_BUDGET;
             user && budget;
             budget--)
        {
            id.len = user->len;
            id.data = user->id;

            if (ngx_http_presence_tracker_touched_locked(zone, &id, user->hash,
                                                      mono - user->last, now)
                != NGX_OK)
            {
                ngx_http_presence_recent_forget(user);
            }

            user = ngx_http_presence_recent_next(zone->recent);
        }

        ngx_http_presence_zone_unlock(zone);
    }
}
