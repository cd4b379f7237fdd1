#include "ngx_http_presence_sweep.h"
#include "ngx_http_presence_redis_feed.h"
#include "ngx_http_presence_state.h"
#include "ngx_http_presence_touch.h"
#include "ngx_http_presence_tracker.h"


/* deadlines looked at in one hold of the lock, and holds in one go */
#define NGX_HTTP_PRESENCE_SWEEP_BUDGET  256
#define NGX_HTTP_PRESENCE_SWEEP_ROUNDS  8

/* a lease lapses after so many ticks without its holder */
#define NGX_HTTP_PRESENCE_SWEEP_LEASE   3


static void ngx_http_presence_sweep_handler(ngx_event_t *ev);
static ngx_uint_t ngx_http_presence_sweep_take_lease_locked(
    ngx_http_presence_zone_t *zone);


void
ngx_http_presence_sweep_init_worker(ngx_http_presence_zone_t *zone,
    ngx_cycle_t *cycle)
{
    ngx_event_t  *ev;

    ev = &zone->sweep;

    ngx_memzero(ev, sizeof(ngx_event_t));

    /* nginx's debug log takes the data of an event for a connection */

    ngx_memzero(&zone->sweeper, sizeof(ngx_connection_t));

    zone->sweeper.data = zone;
    zone->sweeper.fd = (ngx_socket_t) -1;

    ev->handler = ngx_http_presence_sweep_handler;
    ev->data = &zone->sweeper;
    ev->log = cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, ngx_http_presence_zone_tick(zone));
}


static void
ngx_http_presence_sweep_handler(ngx_event_t *ev)
{
    ngx_connection_t *sweeper = ev->data;

    ngx_uint_t                 round, budget, leads;
    ngx_http_presence_ms_t     now;
    ngx_http_presence_zone_t  *zone;

    zone = sweeper->data;
    leads = 0;
    budget = 0;

    ngx_http_presence_touch_tick(zone);

    /* the lock's clock hears for those workers, too, that do not lead */

    for (round = 0; round < NGX_HTTP_PRESENCE_SWEEP_ROUNDS; round++) {

        budget = NGX_HTTP_PRESENCE_SWEEP_BUDGET;

        now = ngx_http_presence_zone_lock(zone);

        leads = ngx_http_presence_sweep_take_lease_locked(zone);

        if (leads) {
            ngx_http_presence_tracker_expire_locked(zone, now, &budget);
        }

        ngx_http_presence_zone_unlock(zone);

        if (budget) {
            break;
        }
    }

    if (leads) {
        ngx_http_presence_state_tick(zone);
    }

    if (zone->redis) {
        ngx_http_presence_redis_feed_tick(zone, leads);
    }

    if (!ngx_exiting) {
        /* others' events come first, then the rest of what is due */

        ngx_add_timer(ev, budget ? ngx_http_presence_zone_tick(zone) : 1);
    }
}


static ngx_uint_t
ngx_http_presence_sweep_take_lease_locked(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_ms_t      mono;
    ngx_http_presence_lease_t  *lease;

    mono = ngx_current_msec;
    lease = &zone->sh->lease;

    if (ngx_exiting) {

        if (lease->holder == ngx_pid) {
            lease->until = 0;
        }

        return 0;
    }

    if (lease->holder != ngx_pid && mono < lease->until) {
        return 0;
    }

    lease->holder = ngx_pid;
    lease->until = mono + NGX_HTTP_PRESENCE_SWEEP_LEASE
                          * (ngx_http_presence_ms_t)
                            ngx_http_presence_zone_tick(zone);

    return 1;
}
