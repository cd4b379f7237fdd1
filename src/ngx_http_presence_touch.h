/*
 * Requests of other locations that are signs of life.
 *
 * The zone is told of a user's request at once if it could change something.
 * Those that follow it shortly are noted in the worker, which tells the zone of
 * the last of them within a second and a tick.
 */

#ifndef _NGX_HTTP_PRESENCE_TOUCH_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_TOUCH_H_INCLUDED_


#include "ngx_http_presence_module.h"


/* in the log phase of a location with "presence_touch"; never fails it */
ngx_int_t ngx_http_presence_touch_handler(ngx_http_request_t *r);

/* tells the zone what is due; and at the end of a worker whatever there is */
void ngx_http_presence_touch_tick(ngx_http_presence_zone_t *zone);
void ngx_http_presence_touch_exit_worker(ngx_http_presence_zone_t *zone);


#endif /* _NGX_HTTP_PRESENCE_TOUCH_H_INCLUDED_ */
