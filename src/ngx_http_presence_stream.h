/* GET /presence/stream: a reader comes. */

#ifndef _NGX_HTTP_PRESENCE_STREAM_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_STREAM_H_INCLUDED_


#include "ngx_http_presence_module.h"


ngx_int_t ngx_http_presence_stream_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);


#endif /* _NGX_HTTP_PRESENCE_STREAM_H_INCLUDED_ */
