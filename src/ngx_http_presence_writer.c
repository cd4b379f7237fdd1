#include "ngx_http_presence_writer.h"
#include "ngx_http_presence_member.h"
#include "ngx_http_presence_problem.h"


/* what happened longer ago is told with its date */
#define NGX_HTTP_PRESENCE_WRITER_DAY   (20 * 3600 * 1000)

#define NGX_HTTP_PRESENCE_WRITER_MORE  1024


static u_char *ngx_http_presence_writer_reserve(ngx_http_presence_writer_t *w,
    size_t size);
static void ngx_http_presence_writer_release(void *data);


ngx_int_t
ngx_http_presence_writer_begin(ngx_http_presence_writer_t *w,
    ngx_http_request_t *r, size_t size)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    w->failed = 0;
    w->payload = ngx_http_presence_payload_create(size);

    if (w->payload == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_presence_writer_release;
    cln->data = w->payload;

    return NGX_OK;
}


void
ngx_http_presence_writer_print(ngx_http_presence_writer_t *w,
    const char *format, ...)
{
    u_char                       *p;
    va_list                       args;
    ngx_http_presence_payload_t  *payload;

    payload = w->payload;

    for ( ;; ) {

        va_start(args, format);
        p = ngx_vslprintf(payload->last, payload->end, format, args);
        va_end(args);

        if (p < payload->end) {
            payload->last = p;
            return;
        }

        /* it may have been cut: once more, with more room */

        if (ngx_http_presence_writer_reserve(w, payload->end - payload->last
                                             + NGX_HTTP_PRESENCE_WRITER_MORE)
            == NULL)
        {
            return;
        }
    }
}


void
ngx_http_presence_writer_string(ngx_http_presence_writer_t *w,
    const u_char *data, size_t len)
{
    u_char  *p;

    p = ngx_http_presence_writer_reserve(w,
                                     ngx_http_presence_member_string_max(len));
    if (p) {
        w->payload->last = ngx_http_presence_member_write_string(p, data, len);
    }
}


void
ngx_http_presence_writer_escaped(ngx_http_presence_writer_t *w,
    const u_char *data, size_t len)
{
    u_char  *p;

    p = ngx_http_presence_writer_reserve(w,
                          len + ngx_escape_html(NULL, (u_char *) data, len));
    if (p) {
        w->payload->last = (u_char *) ngx_escape_html(p, (u_char *) data, len);
    }
}


void
ngx_http_presence_writer_time(ngx_http_presence_writer_t *w,
    ngx_http_presence_ms_t at, ngx_http_presence_ms_t now)
{
    ngx_tm_t  tm;

    ngx_localtime((time_t) (at / 1000), &tm);

    if (now - at > NGX_HTTP_PRESENCE_WRITER_DAY) {
        ngx_http_presence_writer_print(w, "%4d-%02d-%02d ", tm.ngx_tm_year,
                                       tm.ngx_tm_mon, tm.ngx_tm_mday);
    }

    ngx_http_presence_writer_print(w, "%02d:%02d:%02d", tm.ngx_tm_hour,
                                   tm.ngx_tm_min, tm.ngx_tm_sec);
}


void
ngx_http_presence_writer_span(ngx_http_presence_writer_t *w,
    ngx_http_presence_ms_t ms)
{
    if (ms < 1000) {
        ngx_http_presence_writer_print(w, "%L ms", ngx_max(ms, 0));

    } else if (ms < 10000) {
        ngx_http_presence_writer_print(w, "%L.%L s", ms / 1000,
                                       ms % 1000 / 100);

    } else if (ms < 600000) {
        ngx_http_presence_writer_print(w, "%L s", (ms + 500) / 1000);

    } else if (ms < 36000000) {
        ngx_http_presence_writer_print(w, "%L min", (ms + 30000) / 60000);

    } else {
        ngx_http_presence_writer_print(w, "%L h", (ms + 1800000) / 3600000);
    }
}


ngx_int_t
ngx_http_presence_writer_send(ngx_http_presence_writer_t *w,
    ngx_http_request_t *r, const char *type)
{
    if (w->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_presence_send(r, NGX_HTTP_OK, type, w->payload->start,
                                  ngx_http_presence_writer_len(w));
}


/* where "size" more bytes have room; NULL: nowhere */

static u_char *
ngx_http_presence_writer_reserve(ngx_http_presence_writer_t *w, size_t size)
{
    if (ngx_http_presence_payload_reserve(w->payload, size) != NGX_OK) {
        w->failed = 1;
        return NULL;
    }

    return w->payload->last;
}


static void
ngx_http_presence_writer_release(void *data)
{
    ngx_http_presence_payload_release(data);
}
