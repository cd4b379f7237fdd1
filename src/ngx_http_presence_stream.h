/* GET /presence/stream: a reader comes. */

#ifndef _NGX_HTTP_PRESENCE_STREAM_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_STREAM_H_INCLUDED_


#include "ngx_http_presence_module.h"
#include "ngx_http_presence_subscriber.h"


ngx_int_t ngx_http_presence_stream_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);

/* starts the answer, for a content handler to return, and keeps it open */
ngx_int_t ngx_http_presence_stream_open(ngx_http_request_t *r,
    ngx_http_presence_subscriber_t *sub,
    const ngx_http_presence_filter_t *filter);


#endif /* _NGX_HTTP_PRESENCE_STREAM_H_INCLUDED_ */
