/*
 * The state file: keeps a zone over a restart and a binary upgrade.
 *
 * The worker that sweeps writes it now and then, a little at a time, and the
 * master at exit; it is always replaced as a whole.  Of two servers side by
 * side (a binary upgrade) only the one that holds the lock file writes.  The
 * new one asks the old one for a fresh file when it starts; when the old one
 * has gone it merges what that heard last.
 */

#ifndef _NGX_HTTP_PRESENCE_STATE_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_STATE_H_INCLUDED_


#include "ngx_http_presence_zone.h"


/*
 * In the master, for each zone of a new configuration: takes part in the lock,
 * and checks that workers can write the file.  Does nothing without "state".
 */
ngx_int_t ngx_http_presence_state_open(ngx_http_presence_zone_t *zone);

/* fills a new zone; what is damaged is reported and passed over */
void ngx_http_presence_state_load(ngx_http_presence_zone_t *zone);

/* in the worker that sweeps, at each tick */
void ngx_http_presence_state_tick(ngx_http_presence_zone_t *zone);

/* in the master when all workers have gone */
void ngx_http_presence_state_save(ngx_http_presence_zone_t *zone);


#endif /* _NGX_HTTP_PRESENCE_STATE_H_INCLUDED_ */
