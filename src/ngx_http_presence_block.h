/*
 * The block "presence_zone": its lines, with their defaults and bounds.
 */

#ifndef _NGX_HTTP_PRESENCE_BLOCK_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_BLOCK_H_INCLUDED_


#include "ngx_http_presence_module.h"


/* the directive itself */
char *ngx_http_presence_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Name and value of the zone's nth time (milliseconds) or, if not "time", of
 * what else it counts and bounds, n = 0, 1, ...; NULL: no more.
 */
const char *ngx_http_presence_block_nth(ngx_http_presence_zone_t *zone,
    ngx_uint_t time, ngx_uint_t n, int64_t *value);


#endif /* _NGX_HTTP_PRESENCE_BLOCK_H_INCLUDED_ */
