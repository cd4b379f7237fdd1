#include "ngx_http_presence_subscriber.h"
#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_story.h"


/* members of one presence_state, which is rendered under the lock */
#define NGX_HTTP_PRESENCE_STATE_MEMBERS  256


static ngx_http_presence_payload_t *ngx_http_presence_subscriber_next_state(
    ngx_http_presence_subscriber_t *sub);
static ngx_http_presence_payload_t *ngx_http_presence_subscriber_next_changes(
    ngx_http_presence_subscriber_t *sub);
static void ngx_http_presence_subscriber_count(
    ngx_http_presence_subscriber_t *sub, ngx_uint_t event, uint64_t at);
static ngx_int_t ngx_http_presence_subscriber_sent(
    ngx_http_presence_subscriber_t *sub);


ngx_int_t
ngx_http_presence_subscriber_pump(ngx_http_presence_subscriber_t *sub)
{
    ngx_http_presence_payload_t  *payload;

    while ((sub->state || sub->behind)
           && !ngx_http_presence_subscriber_is_busy(sub))
    {
        if (sub->audience->filter->trace) {
            payload = ngx_http_presence_story_next(sub);

        } else {
            payload = sub->state
                      ? ngx_http_presence_subscriber_next_state(sub)
                      : ngx_http_presence_subscriber_next_changes(sub);
        }

        if (payload == NULL) {
            return NGX_ERROR;
        }

        if (ngx_http_presence_payload_len(payload) == 0) {
            ngx_http_presence_payload_release(payload);
            continue;
        }

        if (ngx_http_presence_subscriber_send(sub, payload, 0) == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_presence_subscriber_flush(ngx_http_presence_subscriber_t *sub)
{
    ngx_http_request_t  *r;

    r = sub->request;

    if (r->connection->sent || ngx_http_presence_subscriber_is_busy(sub)) {
        return NGX_OK;
    }

    if (ngx_http_send_special(r, NGX_HTTP_FLUSH) == NGX_ERROR) {
        return NGX_ERROR;
    }

    return ngx_http_presence_subscriber_sent(sub);
}


ngx_int_t
ngx_http_presence_subscriber_send(ngx_http_presence_subscriber_t *sub,
    ngx_http_presence_payload_t *payload, ngx_uint_t last)
{
    uint64_t     at;
    ngx_int_t    rc;
    ngx_uint_t   event;
    ngx_chain_t  out;

    sub->payload = payload;
    event = payload->event;
    at = payload->at;

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

    if (rc == NGX_ERROR) {
        return rc;
    }

    ngx_http_presence_subscriber_count(sub, event, at);

    if (last) {
        return rc;
    }

    return ngx_http_presence_subscriber_sent(sub);
}


ngx_uint_t
ngx_http_presence_subscriber_is_busy(ngx_http_presence_subscriber_t *sub)
{
    ngx_http_request_t  *r;

    r = sub->request;

    return sub->payload || r->connection->buffered || r->buffered
           || r->postponed;
}


void
ngx_http_presence_subscriber_write_handler(ngx_http_request_t *r)
{
    ngx_event_t                     *wev;
    ngx_http_presence_context_t     *ctx;
    ngx_http_presence_subscriber_t  *sub;

    wev = r->connection->write;
    ctx = ngx_http_get_module_ctx(r, ngx_http_presence_module);
    sub = ctx->subscriber;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, wev->log, 0,
                   "presence stream write handler");

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, wev->log, NGX_ETIMEDOUT,
                      "presence stream: client timed out");
        r->connection->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if ((ngx_http_presence_subscriber_is_busy(sub)
         && ngx_http_output_filter(r, NULL) == NGX_ERROR)
        || ngx_http_presence_subscriber_sent(sub) != NGX_OK
        || ngx_http_presence_subscriber_pump(sub) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}


void
ngx_http_presence_subscriber_release(void *data)
{
    ngx_http_presence_subscriber_t *sub = data;

    if (sub->payload) {
        ngx_http_presence_payload_release(sub->payload);
        sub->payload = NULL;
    }
}


void
ngx_http_presence_subscriber_finalize(ngx_http_presence_subscriber_t *sub,
    ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = sub->request->connection;

    ngx_http_finalize_request(sub->request, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_http_presence_payload_t *
ngx_http_presence_subscriber_next_state(ngx_http_presence_subscriber_t *sub)
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
ngx_http_presence_subscriber_next_changes(ngx_http_presence_subscriber_t *sub)
{
    u_char                       *p;
    size_t                        len;
    ngx_int_t                     rc;
    ngx_uint_t                    resumes;
    ngx_http_presence_hub_t      *hub;
    ngx_http_presence_ms_t        now, wall;
    ngx_http_presence_zone_t     *zone;
    ngx_http_presence_resume_e    result;
    ngx_http_presence_change_t   *change;
    ngx_http_presence_payload_t  *payload;

    hub = sub->hub;
    zone = hub->zone;
    len = 0;
    rc = NGX_DECLINED;

    result = NGX_HTTP_PRESENCE_RESUME_EPOCH;

    now = ngx_http_presence_zone_lock(zone);
    wall = ngx_http_presence_zone_wall(zone, now);

    if (sub->cursor.epoch == zone->sh->epoch) {
        result = NGX_HTTP_PRESENCE_RESUME_TOO_OLD;
        rc = ngx_http_presence_changes_read_locked(zone, sub->cursor.seq,
                                                   hub->single, hub->size,
                                                   &len);
    }

    ngx_http_presence_zone_unlock(zone);

    resumes = sub->resumes;

    if (resumes && rc != NGX_AGAIN) {
        sub->resumes = 0;
        zone->traffic.resumes[(rc == NGX_OK)
                              ? NGX_HTTP_PRESENCE_RESUME_CONTINUED
                              : result]++;
        zone->counted = 1;
    }

    if (rc == NGX_DECLINED) {
        sub->state = 1;
        sub->walk = 0;

        return ngx_http_presence_subscriber_next_state(sub);
    }

    for (p = hub->single; p < hub->single + len; p += change->size) {
        change = (ngx_http_presence_change_t *) p;
        sub->cursor.seq = change->seq;
    }

    sub->behind = (rc == NGX_AGAIN);

    payload = ngx_http_presence_sse_changes(zone, sub->audience->filter,
                                            hub->single, len, sub->cursor,
                                            wall);

    if (payload == NULL || !resumes) {
        return payload;
    }

    /* what happened while a reader was away took no time to be delivered */

    payload->at = 0;

    /* one that missed nothing is told so: with nothing to write, the header
     * of the response would wait as well */

    if (rc == NGX_OK && ngx_http_presence_payload_len(payload) == 0) {
        ngx_http_presence_payload_release(payload);
        payload = ngx_http_presence_sse_ping(sub->cursor, wall);
    }

    return payload;
}


static void
ngx_http_presence_subscriber_count(ngx_http_presence_subscriber_t *sub,
    ngx_uint_t event, uint64_t at)
{
    ngx_http_presence_zone_t  *zone;

    zone = sub->hub->zone;

    zone->traffic.events[event]++;
    zone->counted = 1;

    if (at) {
        ngx_http_presence_counters_observe(&zone->traffic.delivery,
                                     &ngx_http_presence_delivery_scale,
                                     ngx_http_presence_counters_time() - at);
    }
}


/* after output: what is still under way gets a time to go out */

static ngx_int_t
ngx_http_presence_subscriber_sent(ngx_http_presence_subscriber_t *sub)
{
    ngx_event_t               *wev;
    ngx_connection_t          *c;
    ngx_http_core_loc_conf_t  *clcf;

    c = sub->request->connection;
    wev = c->write;

    if (sub->payload && sub->buf.pos == sub->buf.last) {
        ngx_http_presence_subscriber_release(sub);
    }

    clcf = ngx_http_get_module_loc_conf(sub->request, ngx_http_core_module);

    if (!ngx_http_presence_subscriber_is_busy(sub)) {

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
