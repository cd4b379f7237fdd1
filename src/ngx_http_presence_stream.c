#include "ngx_http_presence_stream.h"
#include "ngx_http_presence_problem.h"
#include "ngx_http_presence_subscriber.h"


static ngx_int_t ngx_http_presence_stream_session(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_str_t *session, ngx_int_t *rc);
static ngx_int_t ngx_http_presence_stream_last_id(ngx_http_request_t *r,
    ngx_http_presence_cursor_t *cursor);
static void ngx_http_presence_stream_resume(ngx_http_request_t *r,
    ngx_http_presence_subscriber_t *sub);
static ngx_int_t ngx_http_presence_stream_send_header(ngx_http_request_t *r);


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

    ngx_http_presence_stream_resume(r, sub);

    return ngx_http_presence_stream_open(r, sub, &filter);
}


ngx_int_t
ngx_http_presence_stream_open(ngx_http_request_t *r,
    ngx_http_presence_subscriber_t *sub,
    const ngx_http_presence_filter_t *filter)
{
    ngx_int_t  rc;

    rc = ngx_http_presence_stream_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (ngx_http_presence_hub_subscribe(sub, filter) != NGX_OK) {
        return NGX_ERROR;
    }

    /* the others of this worker have been ended, and none is any more */

    if (ngx_exiting) {
        return ngx_http_presence_hub_end(sub);
    }

    r->main->count++;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_presence_subscriber_write_handler;

    /* streams of HTTP/2 and HTTP/3 have no socket of their own to watch */

    if (r->stream == NULL && r->http_version < 3000) {

        if (r->connection->read->ready) {
            ngx_post_event(r->connection->read, &ngx_posted_events);

        } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_ERROR);
            return NGX_DONE;
        }
    }

    if (ngx_http_presence_subscriber_pump(sub) != NGX_OK
        || ngx_http_presence_subscriber_flush(sub) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_ERROR);
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_http_presence_stream_session(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_str_t *session, ngx_int_t *rc)
{
    if (ngx_http_presence_filter_argument(r, "session", session, rc)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (session->data == NULL) {
        return NGX_OK;
    }

    if (session->len == 0 || session->len > zone->limits.max_session) {
        *rc = ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_INVALID_ARGUMENT,
                          "\"session\" is empty, or longer than "
                          "\"max_session_length\"");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* an id that cannot be continued gets the state: the ring will decide */

static void
ngx_http_presence_stream_resume(ngx_http_request_t *r,
    ngx_http_presence_subscriber_t *sub)
{
    ngx_http_presence_zone_t  *zone;

    zone = sub->hub->zone;

    switch (ngx_http_presence_stream_last_id(r, &sub->cursor)) {

    case NGX_OK:
        sub->behind = 1;
        sub->resumes = 1;
        break;

    case NGX_ERROR:
        zone->traffic.resumes[NGX_HTTP_PRESENCE_RESUME_INVALID]++;
        zone->counted = 1;
        sub->state = 1;
        break;

    default:
        sub->state = 1;
    }
}


/* NGX_DECLINED: there is none; NGX_ERROR: it is none */

static ngx_int_t
ngx_http_presence_stream_last_id(ngx_http_request_t *r,
    ngx_http_presence_cursor_t *cursor)
{
    ngx_int_t   rc;
    ngx_str_t  *header, argument;

    header = ngx_http_presence_find_header(r, "last-event-id");

    if (header) {
        return ngx_http_presence_sse_read_cursor(header, cursor);
    }

    if (ngx_http_presence_filter_argument(r, "last_event_id", &argument, &rc)
        != NGX_OK
        || argument.data == NULL)
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
