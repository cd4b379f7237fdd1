#include "ngx_http_presence_sse.h"
#include "ngx_http_presence_member.h"


/* room for an event's lines around its members */
#define NGX_HTTP_PRESENCE_SSE_FRAME  (256 + NGX_HTTP_PRESENCE_CURSOR_LEN)


static ngx_http_presence_payload_t *ngx_http_presence_sse_diff(
    const ngx_http_presence_filter_t *filter, const u_char *buf, size_t len,
    ngx_http_presence_cursor_t cursor, ngx_http_presence_ms_t wall);
static u_char *ngx_http_presence_sse_write_id(u_char *p,
    ngx_http_presence_cursor_t cursor);
static ngx_int_t ngx_http_presence_sse_add_member(void *data,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_str_t *id);


static const char *const  ngx_http_presence_sse_types[] = {
    NULL, "enter", "update", "leave"
};


ngx_http_presence_payload_t *
ngx_http_presence_sse_ping(ngx_http_presence_cursor_t cursor,
    ngx_http_presence_ms_t wall)
{
    u_char                       *p;
    ngx_http_presence_payload_t  *payload;

    payload = ngx_http_presence_payload_create(NGX_HTTP_PRESENCE_SSE_FRAME);
    if (payload == NULL) {
        return NULL;
    }

    payload->event = NGX_HTTP_PRESENCE_EVENT_PING;

    p = ngx_sprintf(payload->last,
                    "event: ping\ndata: {\"server_time\":%L}\n", wall);

    payload->last = ngx_http_presence_sse_write_id(p, cursor);

    return payload;
}


ngx_http_presence_payload_t *
ngx_http_presence_sse_changes(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_filter_t *filter, const u_char *buf, size_t len,
    ngx_http_presence_cursor_t cursor, ngx_http_presence_ms_t wall)
{
    uint64_t                      at;
    ngx_http_presence_counts_t    counts;
    ngx_http_presence_payload_t  *payload;

    payload = ngx_http_presence_sse_diff(filter, buf, len, cursor, wall);

    if (payload == NULL
        || !filter->count
        || ngx_http_presence_payload_len(payload) == 0)
    {
        return payload;
    }

    at = payload->at;

    ngx_http_presence_payload_release(payload);

    ngx_http_presence_filter_count(filter, zone, &counts);

    payload = ngx_http_presence_sse_count(&counts, cursor, wall);

    if (payload) {
        payload->at = at;
    }

    return payload;
}


ngx_http_presence_payload_t *
ngx_http_presence_sse_state_locked(const ngx_http_presence_filter_t *filter,
    ngx_http_presence_zone_t *zone, uint64_t *walk, ngx_uint_t limit,
    ngx_http_presence_cursor_t cursor, ngx_http_presence_ms_t wall,
    ngx_uint_t *more)
{
    u_char                       *p;
    ngx_int_t                     rc;
    ngx_http_presence_payload_t  *payload;

    payload = ngx_http_presence_payload_create(ngx_pagesize);
    if (payload == NULL) {
        return NULL;
    }

    payload->event = NGX_HTTP_PRESENCE_EVENT_STATE;

    payload->last = ngx_sprintf(payload->last,
                               "event: presence_state\ndata: {\"members\":[");

    rc = ngx_http_presence_filter_walk_locked(filter, zone, walk, limit,
                                             ngx_http_presence_sse_add_member,
                                             payload);

    if (rc == NGX_ERROR
        || ngx_http_presence_payload_reserve(payload,
                                             NGX_HTTP_PRESENCE_SSE_FRAME)
           != NGX_OK)
    {
        ngx_http_presence_payload_release(payload);
        return NULL;
    }

    *more = (rc == NGX_AGAIN);

    p = payload->last;

    if (p[-1] == ',') {
        p--;
    }

    p = ngx_sprintf(p, "],\"more\":%s,\"interval_ms\":%L,"
                    "\"server_time\":%L}\n",
                    *more ? "true" : "false", zone->policy.interval, wall);

    if (*more) {
        *p++ = LF;
        payload->last = p;

    } else {
        payload->last = ngx_http_presence_sse_write_id(p, cursor);
    }

    return payload;
}


ngx_http_presence_payload_t *
ngx_http_presence_sse_count(const ngx_http_presence_counts_t *counts,
    ngx_http_presence_cursor_t cursor, ngx_http_presence_ms_t wall)
{
    u_char                       *p;
    ngx_http_presence_payload_t  *payload;

    payload = ngx_http_presence_payload_create(NGX_HTTP_PRESENCE_SSE_FRAME
                                              + NGX_HTTP_PRESENCE_COUNTS_LEN);
    if (payload == NULL) {
        return NULL;
    }

    payload->event = NGX_HTTP_PRESENCE_EVENT_COUNT;

    p = ngx_sprintf(payload->last, "event: presence_count\ndata: ");
    p = ngx_http_presence_sse_write_counts(p, counts, wall);
    *p++ = LF;

    payload->last = ngx_http_presence_sse_write_id(p, cursor);

    return payload;
}


ngx_http_presence_payload_t *
ngx_http_presence_sse_retry(ngx_msec_t ms)
{
    ngx_http_presence_payload_t  *payload;

    payload = ngx_http_presence_payload_create(NGX_HTTP_PRESENCE_SSE_FRAME);
    if (payload == NULL) {
        return NULL;
    }

    payload->event = NGX_HTTP_PRESENCE_EVENT_RETRY;

    payload->last = ngx_sprintf(payload->last, "retry: %M\n\n",
                                (ngx_msec_t) (ngx_random() % (ms + 1)));

    return payload;
}


u_char *
ngx_http_presence_sse_write_counts(u_char *p,
    const ngx_http_presence_counts_t *counts, ngx_http_presence_ms_t wall)
{
    return ngx_sprintf(p, "{\"online\":%ui,\"away\":%ui,\"busy\":%ui,"
                       "\"dnd\":%ui,\"offline\":%ui,\"server_time\":%L}",
                       counts->status[NGX_HTTP_PRESENCE_ONLINE],
                       counts->status[NGX_HTTP_PRESENCE_AWAY],
                       counts->status[NGX_HTTP_PRESENCE_BUSY],
                       counts->status[NGX_HTTP_PRESENCE_DND],
                       counts->status[NGX_HTTP_PRESENCE_OFFLINE], wall);
}


u_char *
ngx_http_presence_sse_write_cursor(u_char *p,
    ngx_http_presence_cursor_t cursor)
{
    return ngx_sprintf(p, "%016xL-%uL", cursor.epoch, cursor.seq);
}


ngx_int_t
ngx_http_presence_sse_read_cursor(const ngx_str_t *id,
    ngx_http_presence_cursor_t *cursor)
{
    u_char      c;
    off_t       seq;
    ngx_uint_t  i;

    if (id->len < 18 || id->data[16] != '-') {
        return NGX_ERROR;
    }

    cursor->epoch = 0;

    for (i = 0; i < 16; i++) {
        c = ngx_tolower(id->data[i]);

        if (c >= '0' && c <= '9') {
            c -= '0';

        } else if (c >= 'a' && c <= 'f') {
            c -= 'a' - 10;

        } else {
            return NGX_ERROR;
        }

        cursor->epoch = (cursor->epoch << 4) | c;
    }

    seq = ngx_atoof(id->data + 17, id->len - 17);

    if (seq == NGX_ERROR) {
        return NGX_ERROR;
    }

    cursor->seq = (uint64_t) seq;

    return NGX_OK;
}


static ngx_http_presence_payload_t *
ngx_http_presence_sse_diff(const ngx_http_presence_filter_t *filter,
    const u_char *buf, size_t len, ngx_http_presence_cursor_t cursor,
    ngx_http_presence_ms_t wall)
{
    u_char                       *p;
    const u_char                 *json, *end;
    ngx_uint_t                    i;
    ngx_http_presence_change_e    what;
    ngx_http_presence_change_t   *change;
    ngx_http_presence_payload_t  *payload;

    /* a change becomes no longer here than its record is */

    payload = ngx_http_presence_payload_create(NGX_HTTP_PRESENCE_SSE_FRAME
                                               + len);
    if (payload == NULL) {
        return NULL;
    }

    payload->event = NGX_HTTP_PRESENCE_EVENT_DIFF;

    change = (ngx_http_presence_change_t *) buf;
    end = buf + len;

    for ( /* void */ ;
         (const u_char *) change < end;
         change = ngx_http_presence_change_next(change))
    {
        what = ngx_http_presence_filter_change(filter, change);

        if (what == NGX_HTTP_PRESENCE_NO_CHANGE) {
            continue;
        }

        if (ngx_http_presence_payload_reserve(payload,
                                              NGX_HTTP_PRESENCE_SSE_FRAME
                                              + change->json_len)
            != NGX_OK)
        {
            ngx_http_presence_payload_release(payload);
            return NULL;
        }

        p = payload->last;

        if (p == payload->start) {
            payload->at = change->at;
            p = ngx_sprintf(p, "event: presence_diff\ndata: {\"changes\":[");

        } else {
            *p++ = ',';
        }

        json = ngx_http_presence_change_groups(change);

        for (i = 0; i < change->ngroups; i++) {
            json = ngx_http_presence_change_group_next(json);
        }

        p = ngx_sprintf(p, "{\"type\":\"%s\",\"member\":",
                        ngx_http_presence_sse_types[what]);
        p = ngx_cpymem(p, json, change->json_len);
        *p++ = '}';

        payload->last = p;
    }

    if (payload->last > payload->start) {
        p = ngx_sprintf(payload->last, "],\"server_time\":%L}\n", wall);
        payload->last = ngx_http_presence_sse_write_id(p, cursor);
    }

    return payload;
}


static u_char *
ngx_http_presence_sse_write_id(u_char *p, ngx_http_presence_cursor_t cursor)
{
    p = ngx_cpymem(p, "id: ", sizeof("id: ") - 1);
    p = ngx_http_presence_sse_write_cursor(p, cursor);

    *p++ = LF;
    *p++ = LF;

    return p;
}


static ngx_int_t
ngx_http_presence_sse_add_member(void *data, ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id)
{
    return ngx_http_presence_member_add(data, zone, user, id);
}
