#include "ngx_http_presence_problem.h"
#include "ngx_http_presence_member.h"
#include "ngx_http_presence_module.h"


typedef struct {
    ngx_uint_t   status;
    const char  *type;
    const char  *title;
} ngx_http_presence_problem_type_t;


static void ngx_http_presence_problem_count(ngx_http_request_t *r,
    ngx_http_presence_problem_e problem);


static const ngx_http_presence_problem_type_t
ngx_http_presence_problem_types[] = {
    { 400, "invalid-json", "Invalid JSON" },
    { 400, "invalid-field", "Invalid field" },
    { 400, "invalid-argument", "Invalid argument" },
    { 400, "invalid-user", "Invalid user" },
    { 401, "unauthorized", "Unauthorized" },
    { 403, "forbidden-origin", "Forbidden origin" },
    { 403, "forbidden-view", "Forbidden view" },
    { 404, "not-found", "Not found" },
    { 405, "method-not-allowed", "Method not allowed" },
    { 413, "body-too-large", "Body too large" },
    { 415, "unsupported-media-type", "Unsupported media type" },
    { 503, "zone-full", "Zone full" }
};


ngx_int_t
ngx_http_presence_problem(ngx_http_request_t *r,
    ngx_http_presence_problem_e problem, const char *detail)
{
    u_char                                  *p, *body;
    size_t                                   len;
    ngx_int_t                                rc;
    const ngx_http_presence_problem_type_t  *type;

    type = &ngx_http_presence_problem_types[problem];

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "presence problem %s: %s", type->type, detail);

    ngx_http_presence_problem_count(r, problem);

    /* after an error nginx may close before it has read what is left */

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (problem == NGX_HTTP_PRESENCE_UNAUTHORIZED
        && ngx_http_presence_add_header(r, "WWW-Authenticate",
                                        "Session realm=\"presence\"")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (problem == NGX_HTTP_PRESENCE_ZONE_FULL
        && ngx_http_presence_add_header(r, "Retry-After", "5") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = ngx_strlen(detail);

    body = ngx_pnalloc(r->pool, 256
                                + ngx_http_presence_member_string_max(len));
    if (body == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(body, "{\"type\":\"urn:ngx-presence:problem:%s\","
                    "\"title\":\"%s\",\"status\":%ui,\"detail\":",
                    type->type, type->title, type->status);
    p = ngx_http_presence_member_write_string(p, (const u_char *) detail, len);
    *p++ = '}';

    return ngx_http_presence_send(r, type->status, "application/problem+json",
                                  body, p - body);
}


const char *
ngx_http_presence_problem_name(ngx_http_presence_problem_e problem)
{
    return ngx_http_presence_problem_types[problem].type;
}


ngx_int_t
ngx_http_presence_problem_method(ngx_http_request_t *r, const char *allow)
{
    if (ngx_http_presence_add_header(r, "Allow", allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_METHOD_NOT_ALLOWED,
                                     "see the header \"Allow\"");
}


ngx_int_t
ngx_http_presence_send_json(ngx_http_request_t *r, u_char *json, size_t len)
{
    return ngx_http_presence_send(r, NGX_HTTP_OK, "application/json", json,
                                  len);
}


ngx_int_t
ngx_http_presence_add_header(ngx_http_request_t *r, const char *name,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->key.len = ngx_strlen(name);
    h->key.data = (u_char *) name;
    h->value.len = ngx_strlen(value);
    h->value.data = (u_char *) value;

    return NGX_OK;
}


ngx_str_t *
ngx_http_presence_find_header(ngx_http_request_t *r, const char *name)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == len
                && ngx_memcmp(h[i].lowcase_key, name, len) == 0)
            {
                return &h[i].value;
            }
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_presence_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, u_char *body, size_t len)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    r->headers_out.status = status;
    r->headers_out.content_length_n = len;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    if (ngx_http_presence_add_header(r, "Cache-Control", "no-store")
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body;
    b->last = body + len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static void
ngx_http_presence_problem_count(ngx_http_request_t *r,
    ngx_http_presence_problem_e problem)
{
    ngx_http_presence_zone_t      *zone;
    ngx_http_presence_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_presence_module);
    zone = plcf->serves.zone;

    if (zone) {
        zone->traffic.problems[problem]++;
        zone->counted = 1;
    }
}
