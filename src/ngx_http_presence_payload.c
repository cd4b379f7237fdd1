#include "ngx_http_presence_payload.h"


ngx_http_presence_payload_t *
ngx_http_presence_payload_create(size_t size)
{
    ngx_http_presence_payload_t  *payload;

    payload = ngx_calloc(sizeof(ngx_http_presence_payload_t), ngx_cycle->log);
    if (payload == NULL) {
        return NULL;
    }

    payload->refs = 1;

    if (ngx_http_presence_payload_reserve(payload, size) != NGX_OK) {
        ngx_free(payload);
        return NULL;
    }

    return payload;
}


ngx_int_t
ngx_http_presence_payload_reserve(ngx_http_presence_payload_t *payload,
    size_t size)
{
    u_char  *p;
    size_t   len, new;

    if ((size_t) (payload->end - payload->last) >= size) {
        return NGX_OK;
    }

    len = payload->last - payload->start;
    new = ngx_max(2 * (size_t) (payload->end - payload->start), len + size);

    p = ngx_alloc(new, ngx_cycle->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (payload->start) {
        ngx_memcpy(p, payload->start, len);
        ngx_free(payload->start);
    }

    payload->start = p;
    payload->last = p + len;
    payload->end = p + new;

    return NGX_OK;
}


void
ngx_http_presence_payload_release(ngx_http_presence_payload_t *payload)
{
    if (--payload->refs) {
        return;
    }

    ngx_free(payload->start);
    ngx_free(payload);
}
