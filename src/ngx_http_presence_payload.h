/*
 * Bytes that are rendered once and shared by reference count among all who
 * are sent them.
 */

#ifndef _NGX_HTTP_PRESENCE_PAYLOAD_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_PAYLOAD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    u_char      *start;
    u_char      *last;
    u_char      *end;
    ngx_uint_t   refs;

    /* for who counts what is sent */
    ngx_uint_t   event;         /* ngx_http_presence_event_e */
    uint64_t     at;            /* its first change was made, 0: it has none */
} ngx_http_presence_payload_t;


/* with one reference, the caller's; NULL: no memory */
ngx_http_presence_payload_t *ngx_http_presence_payload_create(size_t size);

/* makes room for "size" more bytes at "last" */
ngx_int_t ngx_http_presence_payload_reserve(
    ngx_http_presence_payload_t *payload, size_t size);

void ngx_http_presence_payload_release(ngx_http_presence_payload_t *payload);

#define ngx_http_presence_payload_len(payload)                                \
    ((size_t) ((payload)->last - (payload)->start))


#endif /* _NGX_HTTP_PRESENCE_PAYLOAD_H_INCLUDED_ */
