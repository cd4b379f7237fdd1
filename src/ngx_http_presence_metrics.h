/*
 * GET of a "presence_metrics" location: the figures of a zone, or of all of
 * them, in Prometheus' text format, version 0.0.4.  docs/metrics.md has them.
 */

#ifndef _NGX_HTTP_PRESENCE_METRICS_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_METRICS_H_INCLUDED_


#include "ngx_http_presence_module.h"


/* "zone" is NULL for all zones */
ngx_int_t ngx_http_presence_metrics_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);


#endif /* _NGX_HTTP_PRESENCE_METRICS_H_INCLUDED_ */
