#include <netinet/tcp.h>

#include "ngx_http_presence_hub.h"
#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_subscriber.h"
#include "ngx_http_presence_tracker.h"


/* bytes of changes taken from the ring in one go */
#define NGX_HTTP_PRESENCE_BATCH          (64 * 1024)

/* pings are spread over the interval in steps, not shorter than this */
#define NGX_HTTP_PRESENCE_PING_TICK      10

/* with many subscribers changes are gathered: one write carries several */
#define NGX_HTTP_PRESENCE_GATHER         50     /* milliseconds at most */
#define NGX_HTTP_PRESENCE_GATHER_PER_MS  20     /* subscribers for each */

/* beats wake nobody: whoever follows a user looks for them, milliseconds */
#define NGX_HTTP_PRESENCE_FOLLOW         200

/* readers come back spread over so many milliseconds after a shutdown */
#define NGX_HTTP_PRESENCE_RETRY          2000


static ngx_http_presence_audience_t *ngx_http_presence_hub_audience(
    ngx_http_presence_hub_t *hub, ngx_pool_t *pool,
    const ngx_http_presence_filter_t *filter);
static void ngx_http_presence_hub_gathered(ngx_event_t *ev);
static void ngx_http_presence_hub_deliver_now(ngx_http_presence_hub_t *hub);
static void ngx_http_presence_hub_deliver_batch(ngx_http_presence_hub_t *hub,
    ngx_http_presence_cursor_t to, ngx_http_presence_ms_t wall, size_t len);
static void ngx_http_presence_hub_tell(ngx_http_presence_hub_t *hub,
    ngx_http_presence_audience_t *audience,
    ngx_http_presence_payload_t *payload, ngx_http_presence_cursor_t to);
static void ngx_http_presence_hub_follow(ngx_event_t *ev);
static void ngx_http_presence_hub_ping(ngx_event_t *ev);
static void ngx_http_presence_hub_ping_slot(ngx_http_presence_hub_t *hub,
    ngx_queue_t *slot);
static void ngx_http_presence_hub_hear_slot(ngx_http_presence_hub_t *hub,
    ngx_queue_t *slot);
static ngx_msec_int_t ngx_http_presence_hub_acknowledged(ngx_connection_t *c);
static void ngx_http_presence_hub_drop_audiences(ngx_http_presence_hub_t *hub);


ngx_int_t
ngx_http_presence_hub_init_worker(ngx_http_presence_zone_t *zone,
    ngx_cycle_t *cycle)
{
    ngx_uint_t                i;
    ngx_http_presence_hub_t  *hub;

    hub = ngx_pcalloc(cycle->pool, sizeof(ngx_http_presence_hub_t));
    if (hub == NULL) {
        return NGX_ERROR;
    }

    hub->zone = zone;
    hub->size = ngx_max(NGX_HTTP_PRESENCE_BATCH,
                        NGX_HTTP_PRESENCE_MAX_RECORD);

    hub->batch = ngx_palloc(cycle->pool, hub->size);
    hub->single = ngx_palloc(cycle->pool, hub->size);

    if (hub->batch == NULL || hub->single == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&hub->audiences);

    hub->nslots = ngx_min(NGX_HTTP_PRESENCE_PING_SLOTS,
                          zone->policy.interval / NGX_HTTP_PRESENCE_PING_TICK);

    for (i = 0; i < NGX_HTTP_PRESENCE_PING_SLOTS; i++) {
        ngx_queue_init(&hub->slots[i]);
    }

    /* nginx's debug log takes the data of an event for a connection */

    hub->owner.data = hub;
    hub->owner.fd = (ngx_socket_t) -1;

    hub->gather.handler = ngx_http_presence_hub_gathered;
    hub->gather.data = &hub->owner;
    hub->gather.log = cycle->log;
    hub->gather.cancelable = 1;

    hub->follow.handler = ngx_http_presence_hub_follow;
    hub->follow.data = &hub->owner;
    hub->follow.log = cycle->log;
    hub->follow.cancelable = 1;

    hub->ping.handler = ngx_http_presence_hub_ping;
    hub->ping.data = &hub->owner;
    hub->ping.log = cycle->log;
    hub->ping.cancelable = 1;

    zone->hub = hub;

    return NGX_OK;
}


void
ngx_http_presence_hub_deliver(ngx_http_presence_zone_t *zone)
{
    ngx_msec_t                since, gap;
    ngx_http_presence_hub_t  *hub;

    hub = zone->hub;

    if (hub->nsubscribers == 0 || hub->gather.timer_set) {
        return;
    }

    gap = ngx_min(hub->nsubscribers / NGX_HTTP_PRESENCE_GATHER_PER_MS,
                  NGX_HTTP_PRESENCE_GATHER);

    since = ngx_current_msec - hub->delivered;

    if (since < gap && !ngx_exiting) {
        ngx_add_timer(&hub->gather, gap - since);
        return;
    }

    ngx_http_presence_hub_deliver_now(hub);
}


void
ngx_http_presence_hub_end_all(ngx_http_presence_zone_t *zone)
{
    ngx_queue_t                     *q;
    ngx_http_presence_hub_t         *hub;
    ngx_http_presence_audience_t    *audience;
    ngx_http_presence_subscriber_t  *sub;

    hub = zone->hub;

    if (hub->gather.timer_set) {
        ngx_del_timer(&hub->gather);
    }

    ngx_http_presence_hub_deliver_now(hub);

    for (q = ngx_queue_head(&hub->audiences);
         q != ngx_queue_sentinel(&hub->audiences);
         q = ngx_queue_next(q))
    {
        audience = ngx_queue_data(q, ngx_http_presence_audience_t, queue);

        while (!ngx_queue_empty(&audience->subscribers)) {

            sub = ngx_queue_data(ngx_queue_head(&audience->subscribers),
                                 ngx_http_presence_subscriber_t, queue);

            ngx_http_presence_subscriber_finalize(sub,
                                               ngx_http_presence_hub_end(sub));
        }
    }

    ngx_http_presence_hub_drop_audiences(hub);
}


ngx_int_t
ngx_http_presence_hub_end(ngx_http_presence_subscriber_t *sub)
{
    ngx_http_presence_payload_t  *retry;

    ngx_http_presence_hub_detach(sub);

    /* one that does not read must not keep the worker from leaving */

    if (ngx_http_presence_subscriber_is_busy(sub)) {
        return NGX_ERROR;
    }

    retry = ngx_http_presence_sse_retry(NGX_HTTP_PRESENCE_RETRY);
    if (retry == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_presence_subscriber_send(sub, retry, 1);
}


ngx_int_t
ngx_http_presence_hub_subscribe(ngx_http_presence_subscriber_t *sub,
    const ngx_http_presence_filter_t *filter)
{
    ngx_http_request_t           *r;
    ngx_pool_cleanup_t           *pcln;
    ngx_http_cleanup_t           *cln;
    ngx_http_presence_hub_t      *hub;
    ngx_http_presence_context_t  *ctx;

    r = sub->request;
    hub = sub->hub;

    /* a subscriber leaves its audience when the request ends, but frames of
     * HTTP/2 may point to its payload for as long as the pool is there */

    pcln = ngx_pool_cleanup_add(r->pool, 0);
    cln = ngx_http_cleanup_add(r, 0);

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_presence_context_t));

    if (pcln == NULL || cln == NULL || ctx == NULL) {
        return NGX_ERROR;
    }

    sub->audience = ngx_http_presence_hub_audience(hub, r->pool, filter);

    if (sub->audience == NULL) {
        return NGX_ERROR;
    }

    pcln->handler = ngx_http_presence_subscriber_release;
    pcln->data = sub;

    cln->handler = ngx_http_presence_hub_detach;
    cln->data = sub;

    ctx->zone = hub->zone;
    ctx->identity.user = sub->user;
    ctx->session = sub->session;
    ctx->seq = -1;
    ctx->subscriber = sub;

    ngx_http_set_ctx(r, ctx, ngx_http_presence_module);

    hub->zone->traffic.opened++;
    hub->zone->counted = 1;

    if (hub->nsubscribers++ == 0) {
        ngx_http_presence_zone_lock(hub->zone);
        hub->cursor.epoch = hub->zone->sh->epoch;
        hub->cursor.seq = ngx_http_presence_changes_last(hub->zone->sh);
        ngx_http_presence_zone_unlock(hub->zone);
    }

    ngx_queue_insert_tail(&sub->audience->subscribers, &sub->queue);
    ngx_queue_insert_tail(&hub->slots[(hub->slot + hub->nslots - 1)
                                      % hub->nslots], &sub->ping);

    if (filter->trace && !hub->follow.timer_set) {
        ngx_add_timer(&hub->follow, NGX_HTTP_PRESENCE_FOLLOW);
    }

    if (!hub->ping.timer_set) {
        ngx_add_timer(&hub->ping, hub->zone->policy.interval / hub->nslots);
    }

    return NGX_OK;
}


static ngx_http_presence_audience_t *
ngx_http_presence_hub_audience(ngx_http_presence_hub_t *hub,
    ngx_pool_t *pool, const ngx_http_presence_filter_t *filter)
{
    ngx_str_t                      key;
    ngx_queue_t                   *q;
    ngx_http_presence_audience_t  *audience;

    key = ngx_http_presence_filter_key(pool, filter);

    if (key.data == NULL) {
        return NULL;
    }

    for (q = ngx_queue_head(&hub->audiences);
         q != ngx_queue_sentinel(&hub->audiences);
         q = ngx_queue_next(q))
    {
        audience = ngx_queue_data(q, ngx_http_presence_audience_t, queue);

        if (audience->key.len == key.len
            && ngx_memcmp(audience->key.data, key.data, key.len) == 0)
        {
            return audience;
        }
    }

    pool = ngx_create_pool(1024, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    audience = ngx_pcalloc(pool, sizeof(ngx_http_presence_audience_t));
    if (audience == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    audience->pool = pool;
    audience->filter = ngx_http_presence_filter_copy(pool, filter);
    audience->key.len = key.len;
    audience->key.data = ngx_pstrdup(pool, &key);

    if (audience->filter == NULL || audience->key.data == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    ngx_queue_init(&audience->subscribers);
    ngx_queue_insert_tail(&hub->audiences, &audience->queue);

    return audience;
}


/* the audience is dropped later, when nobody walks through it */

void
ngx_http_presence_hub_detach(void *data)
{
    ngx_http_presence_subscriber_t *sub = data;

    if (sub->audience == NULL) {
        return;
    }

    sub->audience = NULL;

    ngx_queue_remove(&sub->queue);
    ngx_queue_remove(&sub->ping);

    sub->hub->nsubscribers--;
    sub->hub->zone->counted = 1;
}


static void
ngx_http_presence_hub_gathered(ngx_event_t *ev)
{
    ngx_connection_t *owner = ev->data;

    ngx_http_presence_hub_deliver_now(owner->data);
}


static void
ngx_http_presence_hub_deliver_now(ngx_http_presence_hub_t *hub)
{
    size_t                       len;
    ngx_int_t                    rc;
    ngx_http_presence_ms_t       now, wall;
    ngx_http_presence_zone_t    *zone;
    ngx_http_presence_change_t  *change, *next;
    ngx_http_presence_cursor_t   to;

    zone = hub->zone;

    hub->delivered = ngx_current_msec;

    do {
        if (hub->nsubscribers == 0) {
            return;
        }

        now = ngx_http_presence_zone_lock(zone);
        wall = ngx_http_presence_zone_wall(zone, now);

        to.epoch = zone->sh->epoch;
        to.seq = ngx_http_presence_changes_last(zone->sh);

        len = 0;
        rc = NGX_DECLINED;

        if (hub->cursor.epoch == to.epoch) {
            rc = ngx_http_presence_changes_read_locked(zone, hub->cursor.seq,
                                                       hub->batch, hub->size,
                                                       &len);
        }

        ngx_http_presence_zone_unlock(zone);

        if (rc == NGX_OK && len == 0) {
            return;
        }

        if (rc == NGX_AGAIN) {
            change = (ngx_http_presence_change_t *) hub->batch;

            for (next = change;
                 (u_char *) next < hub->batch + len;
                 next = ngx_http_presence_change_next(next))
            {
                change = next;
            }

            to.seq = change->seq;
        }

        /* on NGX_DECLINED each subscriber finds out for itself */

        ngx_http_presence_hub_deliver_batch(hub, to, wall, len);

        ngx_http_presence_journal_delivered(zone, hub->batch, len, to.epoch,
                                            hub->nsubscribers);

        hub->cursor = to;

    } while (rc == NGX_AGAIN);
}


static void
ngx_http_presence_hub_deliver_batch(ngx_http_presence_hub_t *hub,
    ngx_http_presence_cursor_t to, ngx_http_presence_ms_t wall, size_t len)
{
    ngx_queue_t                   *q;
    ngx_http_presence_payload_t   *payload;
    ngx_http_presence_audience_t  *audience;

    for (q = ngx_queue_head(&hub->audiences);
         q != ngx_queue_sentinel(&hub->audiences);
         q = ngx_queue_next(q))
    {
        audience = ngx_queue_data(q, ngx_http_presence_audience_t, queue);

        if (ngx_queue_empty(&audience->subscribers)) {
            continue;
        }

        payload = NULL;

        if (len && !audience->filter->trace) {
            payload = ngx_http_presence_sse_changes(hub->zone,
                                                    audience->filter,
                                                    hub->batch, len, to, wall);
        }

        ngx_http_presence_hub_tell(hub, audience, payload, to);

        if (payload) {
            ngx_http_presence_payload_release(payload);
        }
    }
}


/* NULL: each of the audience looks for itself what there is to be told */

static void
ngx_http_presence_hub_tell(ngx_http_presence_hub_t *hub,
    ngx_http_presence_audience_t *audience,
    ngx_http_presence_payload_t *payload, ngx_http_presence_cursor_t to)
{
    ngx_queue_t                      todo;
    ngx_http_presence_subscriber_t  *sub;

    /* to end one stream may end others, of the same connection */

    ngx_queue_init(&todo);
    ngx_queue_add(&todo, &audience->subscribers);
    ngx_queue_init(&audience->subscribers);

    while (!ngx_queue_empty(&todo)) {
        sub = ngx_queue_data(ngx_queue_head(&todo),
                             ngx_http_presence_subscriber_t, queue);

        ngx_queue_remove(&sub->queue);
        ngx_queue_insert_tail(&audience->subscribers, &sub->queue);

        if (payload == NULL
            || sub->state || sub->behind
            || sub->cursor.epoch != hub->cursor.epoch
            || sub->cursor.seq != hub->cursor.seq
            || ngx_http_presence_subscriber_is_busy(sub))
        {
            sub->behind = 1;

            if (ngx_http_presence_subscriber_pump(sub) != NGX_OK) {
                ngx_http_presence_subscriber_finalize(sub, NGX_ERROR);
            }

            continue;
        }

        sub->cursor = to;

        if (ngx_http_presence_payload_len(payload) == 0) {
            continue;
        }

        payload->refs++;

        if (ngx_http_presence_subscriber_send(sub, payload, 0) == NGX_ERROR) {
            ngx_http_presence_subscriber_finalize(sub, NGX_ERROR);
        }
    }
}


static void
ngx_http_presence_hub_follow(ngx_event_t *ev)
{
    ngx_connection_t *owner = ev->data;

    ngx_uint_t                     followed;
    ngx_queue_t                   *q;
    ngx_http_presence_hub_t       *hub;
    ngx_http_presence_audience_t  *audience;

    hub = owner->data;
    followed = 0;

    for (q = ngx_queue_head(&hub->audiences);
         q != ngx_queue_sentinel(&hub->audiences);
         q = ngx_queue_next(q))
    {
        audience = ngx_queue_data(q, ngx_http_presence_audience_t, queue);

        if (audience->filter->trace
            && !ngx_queue_empty(&audience->subscribers))
        {
            ngx_http_presence_hub_tell(hub, audience, NULL, hub->cursor);
            followed = 1;
        }
    }

    if (followed && !ngx_exiting) {
        ngx_add_timer(ev, NGX_HTTP_PRESENCE_FOLLOW);
    }
}


static void
ngx_http_presence_hub_ping(ngx_event_t *ev)
{
    ngx_connection_t *owner = ev->data;

    ngx_http_presence_hub_t  *hub;

    hub = owner->data;

    ngx_http_presence_hub_drop_audiences(hub);

    if (hub->nsubscribers == 0 || ngx_exiting) {
        return;
    }

    /* those who were pinged a step ago have had time to acknowledge it */

    ngx_http_presence_hub_hear_slot(hub, &hub->slots[hub->slot]);

    hub->slot = (hub->slot + 1) % hub->nslots;

    ngx_http_presence_hub_ping_slot(hub, &hub->slots[hub->slot]);

    ngx_add_timer(ev, hub->zone->policy.interval / hub->nslots);
}


static void
ngx_http_presence_hub_ping_slot(ngx_http_presence_hub_t *hub,
    ngx_queue_t *slot)
{
    ngx_queue_t                      todo;
    ngx_http_presence_ms_t           now, wall;
    ngx_http_presence_payload_t     *payload;
    ngx_http_presence_subscriber_t  *sub;

    if (ngx_queue_empty(slot)) {
        return;
    }

    now = ngx_http_presence_zone_lock(hub->zone);
    wall = ngx_http_presence_zone_wall(hub->zone, now);
    ngx_http_presence_zone_unlock(hub->zone);

    ngx_queue_init(&todo);
    ngx_queue_add(&todo, slot);
    ngx_queue_init(slot);

    while (!ngx_queue_empty(&todo)) {
        sub = ngx_queue_data(ngx_queue_head(&todo),
                             ngx_http_presence_subscriber_t, ping);

        ngx_queue_remove(&sub->ping);
        ngx_queue_insert_tail(slot, &sub->ping);

        if (ngx_http_presence_subscriber_is_busy(sub)) {
            continue;
        }

        payload = ngx_http_presence_sse_ping(sub->cursor, wall);

        if (payload == NULL
            || ngx_http_presence_subscriber_send(sub, payload, 0) == NGX_ERROR)
        {
            ngx_http_presence_subscriber_finalize(sub, NGX_ERROR);
        }
    }
}


static void
ngx_http_presence_hub_hear_slot(ngx_http_presence_hub_t *hub,
    ngx_queue_t *slot)
{
    ngx_uint_t                       heard;
    ngx_queue_t                     *q;
    ngx_http_presence_ms_t           now;
    ngx_http_presence_subscriber_t  *sub;

    heard = 0;

    for (q = ngx_queue_head(slot);
         q != ngx_queue_sentinel(slot);
         q = ngx_queue_next(q))
    {
        sub = ngx_queue_data(q, ngx_http_presence_subscriber_t, ping);

        sub->ago = sub->session.len
                   ? ngx_http_presence_hub_acknowledged(
                                                     sub->request->connection)
                   : -1;

        heard += (sub->ago >= 0);
    }

    if (heard == 0 || hub->zone->policy.stream_life == 0) {
        return;
    }

    now = ngx_http_presence_zone_lock(hub->zone);

    for (q = ngx_queue_head(slot);
         q != ngx_queue_sentinel(slot);
         q = ngx_queue_next(q))
    {
        sub = ngx_queue_data(q, ngx_http_presence_subscriber_t, ping);

        if (sub->ago >= 0) {
            ngx_http_presence_tracker_acknowledge_locked(hub->zone, &sub->user,
                                                        &sub->session,
                                                        sub->ago, now);
        }
    }

    ngx_http_presence_zone_unlock(hub->zone);
}


/* milliseconds since the peer's kernel acknowledged data; -1: unknown */

static ngx_msec_int_t
ngx_http_presence_hub_acknowledged(ngx_connection_t *c)
{
#if (NGX_HAVE_TCP_INFO && NGX_LINUX)
    socklen_t        len;
    struct tcp_info  ti;

    len = sizeof(struct tcp_info);

    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &ti, &len) == 0) {
        return ti.tcpi_last_ack_recv;
    }
#endif

    return -1;
}


static void
ngx_http_presence_hub_drop_audiences(ngx_http_presence_hub_t *hub)
{
    ngx_queue_t                   *q, *next;
    ngx_http_presence_audience_t  *audience;

    for (q = ngx_queue_head(&hub->audiences);
         q != ngx_queue_sentinel(&hub->audiences);
         q = next)
    {
        next = ngx_queue_next(q);
        audience = ngx_queue_data(q, ngx_http_presence_audience_t, queue);

        if (ngx_queue_empty(&audience->subscribers)) {
            ngx_queue_remove(q);
            ngx_destroy_pool(audience->pool);
        }
    }
}
