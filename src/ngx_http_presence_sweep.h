/*
 * The timer that looks at deadlines: missed beats, idle users, leavers.  One
 * worker at a time holds the lease for it; when it dies or stalls another one
 * takes over.
 */

#ifndef _NGX_HTTP_PRESENCE_SWEEP_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_SWEEP_H_INCLUDED_


#include "ngx_http_presence_zone.h"


/* in a worker */
void ngx_http_presence_sweep_init_worker(ngx_http_presence_zone_t *zone,
    ngx_cycle_t *cycle);


#endif /* _NGX_HTTP_PRESENCE_SWEEP_H_INCLUDED_ */
