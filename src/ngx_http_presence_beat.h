/* POST /presence/beat, and requests of other locations that count as one. */

#ifndef _NGX_HTTP_PRESENCE_BEAT_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_BEAT_H_INCLUDED_


#include "ngx_http_presence_module.h"


#define NGX_HTTP_PRESENCE_BEAT_MAX_BODY  4096


ngx_int_t ngx_http_presence_beat_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);

/* in the log phase of a location with "presence_touch"; never fails it */
ngx_int_t ngx_http_presence_touch_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_PRESENCE_BEAT_H_INCLUDED_ */
