#include "ngx_http_presence_query.h"
#include "ngx_http_presence_member.h"
#include "ngx_http_presence_problem.h"
#include "ngx_http_presence_sse.h"
#include "ngx_http_presence_writer.h"


#define NGX_HTTP_PRESENCE_QUERY_LIMIT      100
#define NGX_HTTP_PRESENCE_QUERY_MAX_LIMIT  1000

/* members looked at in one hold of the lock, and holds for one page: one that
 * finds few of them stays short */
#define NGX_HTTP_PRESENCE_QUERY_HOLD       256
#define NGX_HTTP_PRESENCE_QUERY_HOLDS      64


typedef struct {
    ngx_http_presence_writer_t    w;
    ngx_uint_t                    found;
    ngx_uint_t                    statuses;     /* bits; 0: all */
} ngx_http_presence_query_page_t;


static ngx_int_t ngx_http_presence_query_begin(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_filter_t *filter,
    ngx_int_t *rc);
static ngx_int_t ngx_http_presence_query_statuses(ngx_http_request_t *r,
    ngx_uint_t *statuses, ngx_int_t *rc);
static ngx_int_t ngx_http_presence_query_limit(ngx_http_request_t *r,
    ngx_uint_t *limit, ngx_int_t *rc);
static ngx_int_t ngx_http_presence_query_cursor(ngx_http_request_t *r,
    uint64_t *walk, ngx_http_presence_cursor_t *first, ngx_int_t *rc);
static ngx_int_t ngx_http_presence_query_add(void *data,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_str_t *id);


ngx_int_t
ngx_http_presence_users_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone)
{
    u_char                          *p;
    uint64_t                         walk;
    ngx_int_t                        rc;
    ngx_uint_t                       limit, holds;
    ngx_http_presence_ms_t           now, wall;
    ngx_http_presence_cursor_t       first;
    ngx_http_presence_filter_t       filter;
    ngx_http_presence_payload_t     *payload;
    ngx_http_presence_query_page_t   page;

    ngx_memzero(&page, sizeof(ngx_http_presence_query_page_t));

    if (ngx_http_presence_query_begin(r, zone, &filter, &rc) != NGX_OK
        || ngx_http_presence_query_statuses(r, &page.statuses, &rc) != NGX_OK
        || ngx_http_presence_query_limit(r, &limit, &rc) != NGX_OK
        || ngx_http_presence_query_cursor(r, &walk, &first, &rc) != NGX_OK)
    {
        return rc;
    }

    if (ngx_http_presence_writer_begin(&page.w, r, ngx_pagesize) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    payload = page.w.payload;

    ngx_http_presence_writer_print(&page.w, "{\"members\":[");

    holds = 0;

    do {
        now = ngx_http_presence_zone_lock(zone);
        wall = ngx_http_presence_zone_wall(zone, now);

        if (first.epoch == 0) {
            first.epoch = zone->sh->epoch;
            first.seq = ngx_http_presence_changes_last(zone->sh);
        }

        rc = ngx_http_presence_filter_walk_locked(&filter, zone, &walk,
                            ngx_min(limit - page.found,
                                    NGX_HTTP_PRESENCE_QUERY_HOLD),
                            ngx_http_presence_query_add, &page);

        ngx_http_presence_zone_unlock(zone);

        holds++;

    } while (rc == NGX_AGAIN && page.found < limit
             && holds < NGX_HTTP_PRESENCE_QUERY_HOLDS);

    if (rc == NGX_ERROR
        || ngx_http_presence_payload_reserve(payload, 256) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = payload->last;

    if (p[-1] == ',') {
        p--;
    }

    p = ngx_sprintf(p, "],\"next\":");

    if (rc == NGX_AGAIN) {
        p = ngx_sprintf(p, "\"%016xL", walk);
        p = ngx_http_presence_sse_write_cursor(p, first);
        *p++ = '"';

    } else {
        p = ngx_sprintf(p, "null");
    }

    p = ngx_sprintf(p, ",\"id\":\"");
    p = ngx_http_presence_sse_write_cursor(p, first);

    payload->last = ngx_sprintf(p, "\",\"server_time\":%L}", wall);

    return ngx_http_presence_writer_send(&page.w, r, "application/json");
}


ngx_int_t
ngx_http_presence_count_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone)
{
    u_char                      *json;
    ngx_int_t                    rc;
    ngx_http_presence_ms_t       now, wall;
    ngx_http_presence_counts_t   counts;
    ngx_http_presence_filter_t   filter;

    if (ngx_http_presence_query_begin(r, zone, &filter, &rc) != NGX_OK) {
        return rc;
    }

    json = ngx_pnalloc(r->pool, NGX_HTTP_PRESENCE_COUNTS_LEN);
    if (json == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_presence_filter_count(&filter, zone, &counts);

    now = ngx_http_presence_zone_lock(zone);
    wall = ngx_http_presence_zone_wall(zone, now);
    ngx_http_presence_zone_unlock(zone);

    return ngx_http_presence_send_json(r, json,
               ngx_http_presence_sse_write_counts(json, &counts, wall) - json);
}


static ngx_int_t
ngx_http_presence_query_begin(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_filter_t *filter,
    ngx_int_t *rc)
{
    ngx_http_presence_view_t      view;
    ngx_http_presence_identity_t  identity;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        *rc = ngx_http_presence_problem_method(r, "GET, HEAD");
        return NGX_DECLINED;
    }

    if (ngx_http_presence_access_view(r, zone, &identity, &view, rc) != NGX_OK
        || ngx_http_presence_filter_read(r, zone, &identity, &view, filter, rc)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    *rc = ngx_http_discard_request_body(r);

    return (*rc == NGX_OK) ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_presence_query_statuses(ngx_http_request_t *r, ngx_uint_t *statuses,
    ngx_int_t *rc)
{
    ngx_str_t   value, *names;
    ngx_uint_t  i, n, status;

    *statuses = 0;

    if (ngx_http_presence_filter_argument(r, "status", &value, rc) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (value.data == NULL) {
        return NGX_OK;
    }

    if (ngx_http_presence_access_list(r->pool, &value, 0,
                                      NGX_HTTP_PRESENCE_NSTATUSES, 16, &names,
                                      &n)
        != NGX_OK || n == 0)
    {
        goto invalid;
    }

    for (i = 0; i < n; i++) {

        for (status = NGX_HTTP_PRESENCE_OFFLINE;
             status < NGX_HTTP_PRESENCE_INVISIBLE;
             status++)
        {
            if (ngx_strlen(ngx_http_presence_status_names[status])
                == names[i].len
                && ngx_memcmp(ngx_http_presence_status_names[status],
                              names[i].data, names[i].len)
                   == 0)
            {
                *statuses |= 1 << status;
                break;
            }
        }

        if (status == NGX_HTTP_PRESENCE_INVISIBLE) {
            goto invalid;
        }
    }

    return NGX_OK;

invalid:

    *rc = ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_INVALID_ARGUMENT,
                          "\"status\" takes online, away, busy, dnd and "
                          "offline, separated by commas");
    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_presence_query_limit(ngx_http_request_t *r, ngx_uint_t *limit,
    ngx_int_t *rc)
{
    ngx_int_t  n;
    ngx_str_t  value;

    *limit = NGX_HTTP_PRESENCE_QUERY_LIMIT;

    if (ngx_http_presence_filter_argument(r, "limit", &value, rc) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (value.data == NULL) {
        return NGX_OK;
    }

    n = ngx_atoi(value.data, value.len);

    if (n < 1 || n > NGX_HTTP_PRESENCE_QUERY_MAX_LIMIT) {
        *rc = ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_INVALID_ARGUMENT,
                                        "\"limit\" is from 1 to 1000");
        return NGX_DECLINED;
    }

    *limit = n;

    return NGX_OK;
}


/* 16 digits of the walk, then the id of the first page */

static ngx_int_t
ngx_http_presence_query_cursor(ngx_http_request_t *r, uint64_t *walk,
    ngx_http_presence_cursor_t *first, ngx_int_t *rc)
{
    ngx_str_t  value, rest;
    ngx_int_t  high, low;

    *walk = 0;
    ngx_memzero(first, sizeof(ngx_http_presence_cursor_t));

    if (ngx_http_presence_filter_argument(r, "cursor", &value, rc) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (value.data == NULL) {
        return NGX_OK;
    }

    if (value.len > 16) {
        high = ngx_hextoi(value.data, 8);
        low = ngx_hextoi(value.data + 8, 8);

        rest.len = value.len - 16;
        rest.data = value.data + 16;

        if (high != NGX_ERROR && low != NGX_ERROR
            && ngx_http_presence_sse_read_cursor(&rest, first) == NGX_OK
            && first->epoch)
        {
            *walk = ((uint64_t) high << 32) | (uint64_t) low;
            return NGX_OK;
        }
    }

    *rc = ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_INVALID_ARGUMENT,
                      "\"cursor\" is not the \"next\" of a page before");
    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_presence_query_add(void *data, ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id)
{
    ngx_http_presence_query_page_t *page = data;

    ngx_http_presence_status_e  status;

    status = user ? ngx_http_presence_rules_shown(user->status)
                  : NGX_HTTP_PRESENCE_OFFLINE;

    if (page->statuses && !(page->statuses & (1 << status))) {
        return NGX_OK;
    }

    page->found++;

    return ngx_http_presence_member_add(page->w.payload, zone, user, id);
}
