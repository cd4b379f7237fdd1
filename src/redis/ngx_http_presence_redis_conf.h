/*
 * What the lines of "presence_zone" say of Redis.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_CONF_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_CONF_H_INCLUDED_


#include "ngx_http_presence_zone.h"


/*
 * A line of the block: NGX_CONF_OK, or an error that was told; *done is 0 when
 * it is none of Redis'.
 */
char *ngx_http_presence_redis_conf_line(ngx_conf_t *cf,
    ngx_http_presence_zone_t *zone, ngx_uint_t *done);

/* at the end of the block */
char *ngx_http_presence_redis_conf_apply(ngx_conf_t *cf,
    ngx_http_presence_zone_t *zone, ngx_msec_t timeout,
    ngx_msec_t connect_timeout, ngx_uint_t stream_length);


#endif /* _NGX_HTTP_PRESENCE_REDIS_CONF_H_INCLUDED_ */
