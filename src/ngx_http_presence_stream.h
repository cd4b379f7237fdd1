/*
 * GET /presence/stream: the subscribers of this worker.  Each change is
 * rendered once for each filter; what is sent is shared by all subscribers of
 * the filter.  A subscriber has at most one payload under way: one that does
 * not keep up is marked, and gets what it missed when it reads again.
 */

#ifndef _NGX_HTTP_PRESENCE_STREAM_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_STREAM_H_INCLUDED_


#include "ngx_http_presence_module.h"


ngx_int_t ngx_http_presence_stream_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);

/* in a worker: sets up the zone's hub of subscribers */
ngx_int_t ngx_http_presence_stream_init_worker(ngx_http_presence_zone_t *zone,
    ngx_cycle_t *cycle);

/* delivers the changes that there are since the last time */
void ngx_http_presence_stream_deliver(ngx_http_presence_zone_t *zone);

/* ends all streams cleanly: the worker quits */
void ngx_http_presence_stream_end_all(ngx_http_presence_zone_t *zone);


#endif /* _NGX_HTTP_PRESENCE_STREAM_H_INCLUDED_ */
