/*
 * A text that grows: the answer to a request, or an event of a stream.  When
 * there is no memory for a part, the writer has "failed": that is looked at
 * once, at the end.
 */

#ifndef _NGX_HTTP_PRESENCE_WRITER_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_WRITER_H_INCLUDED_


#include "ngx_http_presence_payload.h"
#include "ngx_http_presence_rules.h"

#include <ngx_http.h>


typedef struct {
    ngx_http_presence_payload_t   *payload;
    unsigned                       failed:1;
} ngx_http_presence_writer_t;


/* of a payload that is released with the request; NGX_ERROR: no memory */
ngx_int_t ngx_http_presence_writer_begin(ngx_http_presence_writer_t *w,
    ngx_http_request_t *r, size_t size);

/* with the formats of ngx_sprintf() */
void ngx_http_presence_writer_print(ngx_http_presence_writer_t *w,
    const char *format, ...);

/* in quotes, as JSON has it */
void ngx_http_presence_writer_string(ngx_http_presence_writer_t *w,
    const u_char *data, size_t len);

/* as HTML has it */
void ngx_http_presence_writer_escaped(ngx_http_presence_writer_t *w,
    const u_char *data, size_t len);

/* local time, as in nginx' own log, with the date where it is long ago */
void ngx_http_presence_writer_time(ngx_http_presence_writer_t *w,
    ngx_http_presence_ms_t at, ngx_http_presence_ms_t now);

/* a length of time with its unit, rounded */
void ngx_http_presence_writer_span(ngx_http_presence_writer_t *w,
    ngx_http_presence_ms_t ms);

#define ngx_http_presence_writer_len(w)                                       \
    ngx_http_presence_payload_len((w)->payload)

/* what was written is the whole answer, with 200 */
ngx_int_t ngx_http_presence_writer_send(ngx_http_presence_writer_t *w,
    ngx_http_request_t *r, const char *type);


#endif /* _NGX_HTTP_PRESENCE_WRITER_H_INCLUDED_ */
