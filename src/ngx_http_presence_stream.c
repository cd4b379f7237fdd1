#include <netinet/tcp.h>

#include "ngx_http_presence_stream.h"
#include "ngx_http_presence_problem.h"
#include "ngx_http_presence_sse.h"
#include "ngx_http_presence_tracker.h"


/* members of one presence_state, which is rendered under the lock */
#define NGX_HTTP_PRESENCE_STATE_MEMBERS  256

/* bytes of changes taken from the ring in one go */
#define NGX_HTTP_PRESENCE_BATCH          (64 * 1024)

/* pings are spread over the interval in so many steps, not shorter than this */
#define NGX_HTTP_PRESENCE_PING_SLOTS     32
#define NGX_HTTP_PRESENCE_PING_TICK      10

/* with many subscribers changes are gathered: one write carries several */
#define NGX_HTTP_PRESENCE_GATHER         50     /* milliseconds at most */
#define NGX_HTTP_PRESENCE_GATHER_PER_MS  20     /* subscribers for each */

/* readers come back spread over so many milliseconds after a shutdown */
#define NGX_HTTP_PRESENCE_RETRY          2000


/* all subscribers with the same filter */
typedef struct {
    ngx_queue_t                    queue;
    ngx_queue_t                    subscribers;
    ngx_str_t                      key;
    ngx_http_presence_filter_t    *filter;
    ngx_pool_t                    *pool;
} ngx_http_presence_audience_t;


struct ngx_http_presence_hub_s {
    ngx_http_presence_zone_t      *zone;
    ngx_http_presence_cursor_t     cursor;      /* delivered up to here */
    ngx_queue_t                    audiences;
    ngx_uint_t                     nsubscribers;

    u_char                        *batch;       /* changes for everybody */
    u_char                        *single;      /* changes for one */
    size_t                         size;        /* of each */

    ngx_connection_t               owner;       /* data of the events */

    ngx_msec_t                     delivered;
    ngx_event_t                    gather;

    ngx_event_t                    ping;
    ngx_uint_t                     slot;
    ngx_uint_t                     nslots;
    ngx_queue_t                    slots[NGX_HTTP_PRESENCE_PING_SLOTS];
};


typedef struct {
    ngx_queue_t                    queue;       /* in the audience */
    ngx_queue_t                    ping;        /* in a slot of the hub */
    ngx_http_request_t            *request;
    ngx_http_presence_hub_t       *hub;
    ngx_http_presence_audience_t  *audience;
    ngx_http_presence_cursor_t     cursor;      /* told up to here */

    ngx_http_presence_payload_t   *payload;     /* under way */
    ngx_buf_t                      buf;
    off_t                          sent;        /* when last looked at */

    uint64_t                       walk;        /* next part of the state */
    ngx_str_t                      user;
    ngx_str_t                      session;     /* bound to it, or empty */
    ngx_msec_int_t                 ago;         /* peer acknowledged; < 0: no */

    unsigned                       state:1;     /* is to be told the state */
    unsigned                       behind:1;    /* is to be told changes */
} ngx_http_presence_subscriber_t;


static ngx_int_t ngx_http_presence_stream_session(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_str_t *session, ngx_int_t *rc);
static ngx_int_t ngx_http_presence_stream_last_id(ngx_http_request_t *r,
    ngx_http_presence_cursor_t *cursor);
static ngx_int_t ngx_http_presence_stream_send_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_presence_stream_subscribe(
    ngx_http_presence_subscriber_t *sub,
    const ngx_http_presence_filter_t *filter);
static ngx_http_presence_audience_t *ngx_http_presence_stream_audience(
    ngx_http_presence_hub_t *hub, ngx_pool_t *pool,
    const ngx_http_presence_filter_t *filter);
static void ngx_http_presence_stream_detach(void *data);
static void ngx_http_presence_stream_release(void *data);

static void ngx_http_presence_stream_gathered(ngx_event_t *ev);
static void ngx_http_presence_stream_deliver_now(ngx_http_presence_hub_t *hub);
static void ngx_http_presence_stream_deliver_batch(
    ngx_http_presence_hub_t *hub, ngx_http_presence_cursor_t to,
    ngx_http_presence_ms_t wall, size_t len);
static ngx_http_presence_payload_t *ngx_http_presence_stream_render(
    ngx_http_presence_hub_t *hub, const ngx_http_presence_filter_t *filter,
    const u_char *buf, size_t len, ngx_http_presence_cursor_t cursor,
    ngx_http_presence_ms_t wall);

static ngx_int_t ngx_http_presence_stream_pump(
    ngx_http_presence_subscriber_t *sub);
static ngx_http_presence_payload_t *ngx_http_presence_stream_next_state(
    ngx_http_presence_subscriber_t *sub);
static ngx_http_presence_payload_t *ngx_http_presence_stream_next_changes(
    ngx_http_presence_subscriber_t *sub);
static ngx_int_t ngx_http_presence_stream_send(
    ngx_http_presence_subscriber_t *sub,
    ngx_http_presence_payload_t *payload, ngx_uint_t last);
static ngx_int_t ngx_http_presence_stream_sent(
    ngx_http_presence_subscriber_t *sub);
static ngx_uint_t ngx_http_presence_stream_is_busy(
    ngx_http_presence_subscriber_t *sub);
static void ngx_http_presence_stream_write_handler(ngx_http_request_t *r);
static void ngx_http_presence_stream_finalize(
    ngx_http_presence_subscriber_t *sub, ngx_int_t rc);

static void ngx_http_presence_stream_ping(ngx_event_t *ev);
static void ngx_http_presence_stream_ping_slot(ngx_http_presence_hub_t *hub,
    ngx_queue_t *slot);
static void ngx_http_presence_stream_hear_slot(ngx_http_presence_hub_t *hub,
    ngx_queue_t *slot);
static ngx_msec_int_t ngx_http_presence_stream_acknowledged(
    ngx_connection_t *c);
static void ngx_http_presence_stream_drop_audiences(
    ngx_http_presence_hub_t *hub);


ngx_int_t
ngx_http_presence_stream_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone)
{
    ngx_int_t                        rc;
    ngx_http_presence_view_t         view;
    ngx_http_presence_filter_t       filter;
    ngx_http_presence_identity_t     identity;
    ngx_http_presence_subscriber_t  *sub;

    if (r != r->main) {
        return NGX_HTTP_NOT_FOUND;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_presence_problem_method(r, "GET, HEAD");
    }

    if (ngx_http_presence_access_view(r, zone, &identity, &view, &rc)
        != NGX_OK
        || ngx_http_presence_filter_read(r, zone, &identity, &view, &filter,
                                         &rc)
           != NGX_OK)
    {
        return rc;
    }

    sub = ngx_pcalloc(r->pool, sizeof(ngx_http_presence_subscriber_t));
    if (sub == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    sub->request = r;
    sub->hub = zone->hub;
    sub->user = identity.user;

    if (ngx_http_presence_stream_session(r, zone, &sub->session, &rc)
        != NGX_OK)
    {
        return rc;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    /* an id that cannot be continued gets the state: the ring will decide */

    sub->state = 1;

    if (ngx_http_presence_stream_last_id(r, &sub->cursor) == NGX_OK) {
        sub->state = 0;
        sub->behind = 1;
    }

    rc = ngx_http_presence_stream_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (ngx_http_presence_stream_subscribe(sub, &filter) != NGX_OK) {
        return NGX_ERROR;
    }

    r->main->count++;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_presence_stream_write_handler;

    /* streams of HTTP/2 and HTTP/3 have no socket of their own to watch */

    if (r->stream == NULL && r->http_version < 3000) {

        if (r->connection->read->ready) {
            ngx_post_event(r->connection->read, &ngx_posted_events);

        } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_ERROR);
            return NGX_DONE;
        }
    }

    if (ngx_http_presence_stream_pump(sub) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }

    return NGX_DONE;
}


ngx_int_t
ngx_http_presence_stream_init_worker(ngx_http_presence_zone_t *zone,
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

    hub->gather.handler = ngx_http_presence_stream_gathered;
    hub->gather.data = &hub->owner;
    hub->gather.log = cycle->log;
    hub->gather.cancelable = 1;

    hub->ping.handler = ngx_http_presence_stream_ping;
    hub->ping.data = &hub->owner;
    hub->ping.log = cycle->log;
    hub->ping.cancelable = 1;

    zone->hub = hub;

    return NGX_OK;
}


void
ngx_http_presence_stream_deliver(ngx_http_presence_zone_t *zone)
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

    ngx_http_presence_stream_deliver_now(hub);
}


void
ngx_http_presence_stream_end_all(ngx_http_presence_zone_t *zone)
{
    ngx_int_t                        rc;
    ngx_queue_t                     *q;
    ngx_http_presence_hub_t         *hub;
    ngx_http_presence_payload_t     *retry;
    ngx_http_presence_audience_t    *audience;
    ngx_http_presence_subscriber_t  *sub;

    hub = zone->hub;

    if (hub->gather.timer_set) {
        ngx_del_timer(&hub->gather);
    }

    ngx_http_presence_stream_deliver_now(hub);

    for (q = ngx_queue_head(&hub->audiences);
         q != ngx_queue_sentinel(&hub->audiences);
         q = ngx_queue_next(q))
    {
        audience = ngx_queue_data(q, ngx_http_presence_audience_t, queue);

        while (!ngx_queue_empty(&audience->subscribers)) {

            sub = ngx_queue_data(ngx_queue_head(&audience->subscribers),
                                 ngx_http_presence_subscriber_t, queue);

            ngx_http_presence_stream_detach(sub);

            /* one that does not read must not keep the worker from leaving */

            rc = NGX_ERROR;

            if (!ngx_http_presence_stream_is_busy(sub)) {

                retry = ngx_http_presence_sse_retry(NGX_HTTP_PRESENCE_RETRY);

                if (retry) {
                    rc = ngx_http_presence_stream_send(sub, retry, 1);
                }
            }

            ngx_http_presence_stream_finalize(sub, rc);
        }
    }

    ngx_http_presence_stream_drop_audiences(hub);
}


static ngx_int_t
ngx_http_presence_stream_session(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_str_t *session, ngx_int_t *rc)
{
    switch (ngx_http_presence_filter_argument(r, "session", session)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        ngx_str_null(session);
        return NGX_OK;

    default:
        *rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        return NGX_ERROR;
    }

    if (session->len == 0 || session->len > zone->limits.max_session) {
        *rc = ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_INVALID_ARGUMENT,
                          "\"session\" is empty, or longer than "
                          "\"max_session_length\"");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_stream_last_id(ngx_http_request_t *r,
    ngx_http_presence_cursor_t *cursor)
{
    ngx_str_t  *header, argument;

    header = ngx_http_presence_find_header(r, "last-event-id");

    if (header) {
        return ngx_http_presence_sse_read_cursor(header, cursor);
    }

    if (ngx_http_presence_filter_argument(r, "last_event_id", &argument)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_http_presence_sse_read_cursor(&argument, cursor);
}


static ngx_int_t
ngx_http_presence_stream_send_header(ngx_http_request_t *r)
{
    r->headers_out.status = NGX_HTTP_OK;
    ngx_str_set(&r->headers_out.content_type, "text/event-stream");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    r->keepalive = 0;

    /* a compressor would hold events back, a rate would tear them */

    r->gzip_tested = 1;
    r->gzip_ok = 0;
    r->limit_rate = 0;
    r->limit_rate_set = 1;

    if (ngx_http_presence_add_header(r, "Cache-Control",
                                     "no-store, no-transform")
        != NGX_OK
        || ngx_http_presence_add_header(r, "X-Accel-Buffering", "no")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_send_header(r);
}


static ngx_int_t
ngx_http_presence_stream_subscribe(ngx_http_presence_subscriber_t *sub,
    const ngx_http_presence_filter_t *filter)
{
    ngx_http_request_t       *r;
    ngx_pool_cleanup_t       *pcln;
    ngx_http_cleanup_t       *cln;
    ngx_http_presence_hub_t  *hub;

    r = sub->request;
    hub = sub->hub;

    /* a subscriber leaves its audience when the request ends, but frames of
     * HTTP/2 may point to its payload for as long as the pool is there */

    pcln = ngx_pool_cleanup_add(r->pool, 0);
    cln = ngx_http_cleanup_add(r, 0);

    if (pcln == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    sub->audience = ngx_http_presence_stream_audience(hub, r->pool, filter);

    if (sub->audience == NULL) {
        return NGX_ERROR;
    }

    pcln->handler = ngx_http_presence_stream_release;
    pcln->data = sub;

    cln->handler = ngx_http_presence_stream_detach;
    cln->data = sub;

    ngx_http_set_ctx(r, sub, ngx_http_presence_module);

    if (hub->nsubscribers++ == 0) {
        ngx_http_presence_zone_lock(hub->zone);
        hub->cursor.epoch = hub->zone->sh->epoch;
        hub->cursor.seq = ngx_http_presence_changes_last(hub->zone->sh);
        ngx_http_presence_zone_unlock(hub->zone);
    }

    ngx_queue_insert_tail(&sub->audience->subscribers, &sub->queue);
    ngx_queue_insert_tail(&hub->slots[(hub->slot + hub->nslots - 1)
                                      % hub->nslots], &sub->ping);

    if (!hub->ping.timer_set) {
        ngx_add_timer(&hub->ping, hub->zone->policy.interval / hub->nslots);
    }

    return NGX_OK;
}


static ngx_http_presence_audience_t *
ngx_http_presence_stream_audience(ngx_http_presence_hub_t *hub,
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


/* may be called twice; the audience is dropped later, when it is not in use */

static void
ngx_http_presence_stream_detach(void *data)
{
    ngx_http_presence_subscriber_t *sub = data;

    if (sub->audience == NULL) {
        return;
    }

    sub->audience = NULL;

    ngx_queue_remove(&sub->queue);
    ngx_queue_remove(&sub->ping);

    sub->hub->nsubscribers--;
}


static void
ngx_http_presence_stream_release(void *data)
{
    ngx_http_presence_subscriber_t *sub = data;

    if (sub->payload) {
        ngx_http_presence_payload_release(sub->payload);
        sub->payload = NULL;
    }
}


static void
ngx_http_presence_stream_gathered(ngx_event_t *ev)
{
    ngx_connection_t *owner = ev->data;

    ngx_http_presence_stream_deliver_now(owner->data);
}


static void
ngx_http_presence_stream_deliver_now(ngx_http_presence_hub_t *hub)
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

        ngx_http_presence_stream_deliver_batch(hub, to, wall, len);

        hub->cursor = to;

    } while (rc == NGX_AGAIN);
}


static void
ngx_http_presence_stream_deliver_batch(ngx_http_presence_hub_t *hub,
    ngx_http_presence_cursor_t to, ngx_http_presence_ms_t wall, size_t len)
{
    ngx_queue_t                     *q, todo;
    ngx_http_presence_payload_t     *payload;
    ngx_http_presence_audience_t    *audience;
    ngx_http_presence_subscriber_t  *sub;

    for (q = ngx_queue_head(&hub->audiences);
         q != ngx_queue_sentinel(&hub->audiences);
         q = ngx_queue_next(q))
    {
        audience = ngx_queue_data(q, ngx_http_presence_audience_t, queue);

        if (ngx_queue_empty(&audience->subscribers)) {
            continue;
        }

        payload = len ? ngx_http_presence_stream_render(hub, audience->filter,
                                                        hub->batch, len, to,
                                                        wall)
                      : NULL;

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
                || ngx_http_presence_stream_is_busy(sub))
            {
                sub->behind = 1;

                if (ngx_http_presence_stream_pump(sub) != NGX_OK) {
                    ngx_http_presence_stream_finalize(sub, NGX_ERROR);
                }

                continue;
            }

            sub->cursor = to;

            if (ngx_http_presence_payload_len(payload) == 0) {
                continue;
            }

            payload->refs++;

            if (ngx_http_presence_stream_send(sub, payload, 0) == NGX_ERROR) {
                ngx_http_presence_stream_finalize(sub, NGX_ERROR);
            }
        }

        if (payload) {
            ngx_http_presence_payload_release(payload);
        }
    }
}


/* empty when nothing of it concerns the filter; NULL: no memory */

static ngx_http_presence_payload_t *
ngx_http_presence_stream_render(ngx_http_presence_hub_t *hub,
    const ngx_http_presence_filter_t *filter, const u_char *buf, size_t len,
    ngx_http_presence_cursor_t cursor, ngx_http_presence_ms_t wall)
{
    ngx_http_presence_counts_t    counts;
    ngx_http_presence_payload_t  *payload;

    payload = ngx_http_presence_sse_diff(filter, buf, len, cursor, wall);

    if (payload == NULL
        || !filter->count
        || ngx_http_presence_payload_len(payload) == 0)
    {
        return payload;
    }

    ngx_http_presence_payload_release(payload);

    ngx_http_presence_filter_count(filter, hub->zone, &counts);

    return ngx_http_presence_sse_count(&counts, cursor, wall);
}


/*
 * Sends what the subscriber is to be told, as far as it takes it.  NGX_ERROR:
 * the caller has to finalize.
 */

static ngx_int_t
ngx_http_presence_stream_pump(ngx_http_presence_subscriber_t *sub)
{
    ngx_http_presence_payload_t  *payload;

    while ((sub->state || sub->behind)
           && !ngx_http_presence_stream_is_busy(sub))
    {
        payload = sub->state ? ngx_http_presence_stream_next_state(sub)
                             : ngx_http_presence_stream_next_changes(sub);

        if (payload == NULL) {
            return NGX_ERROR;
        }

        if (ngx_http_presence_payload_len(payload) == 0) {
            ngx_http_presence_payload_release(payload);
            continue;
        }

        if (ngx_http_presence_stream_send(sub, payload, 0) == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_http_presence_payload_t *
ngx_http_presence_stream_next_state(ngx_http_presence_subscriber_t *sub)
{
    ngx_uint_t                    more;
    ngx_http_presence_ms_t        now, wall;
    ngx_http_presence_zone_t     *zone;
    ngx_http_presence_counts_t    counts;
    ngx_http_presence_filter_t   *filter;
    ngx_http_presence_payload_t  *payload;

    zone = sub->hub->zone;
    filter = sub->audience->filter;
    more = 0;

    now = ngx_http_presence_zone_lock(zone);
    wall = ngx_http_presence_zone_wall(zone, now);

    /* what changes while a large state is told, is told as changes after it */

    if (sub->walk == 0) {
        sub->cursor.epoch = zone->sh->epoch;
        sub->cursor.seq = ngx_http_presence_changes_last(zone->sh);
        sub->behind = 0;
    }

    payload = NULL;

    if (!filter->count) {
        payload = ngx_http_presence_sse_state_locked(filter, zone, &sub->walk,
                                               NGX_HTTP_PRESENCE_STATE_MEMBERS,
                                               sub->cursor, wall, &more);
    }

    if (!more) {
        sub->state = 0;
        sub->walk = 0;

        if (ngx_http_presence_changes_last(zone->sh) != sub->cursor.seq) {
            sub->behind = 1;
        }
    }

    ngx_http_presence_zone_unlock(zone);

    if (filter->count) {
        ngx_http_presence_filter_count(filter, zone, &counts);
        payload = ngx_http_presence_sse_count(&counts, sub->cursor, wall);
    }

    return payload;
}


static ngx_http_presence_payload_t *
ngx_http_presence_stream_next_changes(ngx_http_presence_subscriber_t *sub)
{
    u_char                      *p;
    size_t                       len;
    ngx_int_t                    rc;
    ngx_http_presence_hub_t     *hub;
    ngx_http_presence_ms_t       now, wall;
    ngx_http_presence_zone_t    *zone;
    ngx_http_presence_change_t  *change;

    hub = sub->hub;
    zone = hub->zone;
    len = 0;
    rc = NGX_DECLINED;

    now = ngx_http_presence_zone_lock(zone);
    wall = ngx_http_presence_zone_wall(zone, now);

    if (sub->cursor.epoch == zone->sh->epoch) {
        rc = ngx_http_presence_changes_read_locked(zone, sub->cursor.seq,
                                                   hub->single, hub->size,
                                                   &len);
    }

    ngx_http_presence_zone_unlock(zone);

    if (rc == NGX_DECLINED) {
        sub->state = 1;
        sub->walk = 0;

        return ngx_http_presence_stream_next_state(sub);
    }

    for (p = hub->single; p < hub->single + len; p += change->size) {
        change = (ngx_http_presence_change_t *) p;
        sub->cursor.seq = change->seq;
    }

    sub->behind = (rc == NGX_AGAIN);

    return ngx_http_presence_stream_render(hub, sub->audience->filter,
                                           hub->single, len, sub->cursor,
                                           wall);
}


/*
 * Takes over the caller's reference.  NGX_ERROR: the connection is broken, and
 * the caller has to finalize.
 */

static ngx_int_t
ngx_http_presence_stream_send(ngx_http_presence_subscriber_t *sub,
    ngx_http_presence_payload_t *payload, ngx_uint_t last)
{
    ngx_int_t    rc;
    ngx_chain_t  out;

    sub->payload = payload;

    ngx_memzero(&sub->buf, sizeof(ngx_buf_t));

    sub->buf.start = payload->start;
    sub->buf.pos = payload->start;
    sub->buf.last = payload->last;
    sub->buf.end = payload->last;
    sub->buf.memory = 1;
    sub->buf.flush = 1;
    sub->buf.last_buf = last;
    sub->buf.last_in_chain = last;

    out.buf = &sub->buf;
    out.next = NULL;

    rc = ngx_http_output_filter(sub->request, &out);

    if (rc == NGX_ERROR || last) {
        return rc;
    }

    return ngx_http_presence_stream_sent(sub);
}


/* after output: what is still under way gets a time to go out */

static ngx_int_t
ngx_http_presence_stream_sent(ngx_http_presence_subscriber_t *sub)
{
    ngx_event_t               *wev;
    ngx_connection_t          *c;
    ngx_http_core_loc_conf_t  *clcf;

    c = sub->request->connection;
    wev = c->write;

    if (sub->payload && sub->buf.pos == sub->buf.last) {
        ngx_http_presence_stream_release(sub);
    }

    clcf = ngx_http_get_module_loc_conf(sub->request, ngx_http_core_module);

    if (!ngx_http_presence_stream_is_busy(sub)) {

        if (wev->timer_set) {
            ngx_del_timer(wev);
        }

    } else if (!wev->timer_set || c->sent != sub->sent) {
        sub->sent = c->sent;
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (sub->request->stream || sub->request->http_version >= 3000) {
        return NGX_OK;
    }

    return ngx_handle_write_event(wev, clcf->send_lowat);
}


static ngx_uint_t
ngx_http_presence_stream_is_busy(ngx_http_presence_subscriber_t *sub)
{
    ngx_http_request_t  *r;

    r = sub->request;

    return sub->payload || r->connection->buffered || r->buffered
           || r->postponed;
}


static void
ngx_http_presence_stream_write_handler(ngx_http_request_t *r)
{
    ngx_event_t                     *wev;
    ngx_http_presence_subscriber_t  *sub;

    wev = r->connection->write;
    sub = ngx_http_get_module_ctx(r, ngx_http_presence_module);

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, wev->log, 0,
                   "presence stream write handler");

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, wev->log, NGX_ETIMEDOUT,
                      "presence stream: client timed out");
        r->connection->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if ((ngx_http_presence_stream_is_busy(sub)
         && ngx_http_output_filter(r, NULL) == NGX_ERROR)
        || ngx_http_presence_stream_sent(sub) != NGX_OK
        || ngx_http_presence_stream_pump(sub) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}


/* outside of the request's own handlers: the request may be gone afterwards */

static void
ngx_http_presence_stream_finalize(ngx_http_presence_subscriber_t *sub,
    ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = sub->request->connection;

    ngx_http_finalize_request(sub->request, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_presence_stream_ping(ngx_event_t *ev)
{
    ngx_connection_t *owner = ev->data;

    ngx_http_presence_hub_t  *hub;

    hub = owner->data;

    ngx_http_presence_stream_drop_audiences(hub);

    if (hub->nsubscribers == 0 || ngx_exiting) {
        return;
    }

    /* those who were pinged a step ago have had time to acknowledge it */

    ngx_http_presence_stream_hear_slot(hub, &hub->slots[hub->slot]);

    hub->slot = (hub->slot + 1) % hub->nslots;

    ngx_http_presence_stream_ping_slot(hub, &hub->slots[hub->slot]);

    ngx_add_timer(ev, hub->zone->policy.interval / hub->nslots);
}


static void
ngx_http_presence_stream_ping_slot(ngx_http_presence_hub_t *hub,
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

        if (ngx_http_presence_stream_is_busy(sub)) {
            continue;
        }

        payload = ngx_http_presence_sse_ping(sub->cursor, wall);

        if (payload == NULL
            || ngx_http_presence_stream_send(sub, payload, 0) == NGX_ERROR)
        {
            ngx_http_presence_stream_finalize(sub, NGX_ERROR);
        }
    }
}


static void
ngx_http_presence_stream_hear_slot(ngx_http_presence_hub_t *hub,
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
                   ? ngx_http_presence_stream_acknowledged(
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
ngx_http_presence_stream_acknowledged(ngx_connection_t *c)
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
ngx_http_presence_stream_drop_audiences(ngx_http_presence_hub_t *hub)
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
