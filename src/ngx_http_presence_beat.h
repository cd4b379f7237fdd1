/* POST /presence/beat */

#ifndef _NGX_HTTP_PRESENCE_BEAT_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_BEAT_H_INCLUDED_


#include "ngx_http_presence_module.h"


#define NGX_HTTP_PRESENCE_BEAT_MAX_BODY  4096


ngx_int_t ngx_http_presence_beat_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);

#endif /* _NGX_HTTP_PRESENCE_BEAT_H_INCLUDED_ */
