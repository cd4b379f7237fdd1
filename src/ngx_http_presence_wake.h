/*
 * Between workers: content travels in shared memory, and just a wake-up
 * crosses, by one eventfd for each worker.
 */

#ifndef _NGX_HTTP_PRESENCE_WAKE_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_WAKE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* in the master: makes the eventfds, "fds", of a new cycle's workers */
ngx_int_t ngx_http_presence_wake_init(ngx_cycle_t *cycle, ngx_array_t *fds);

/* in a worker: listens to its own */
ngx_int_t ngx_http_presence_wake_init_worker(ngx_cycle_t *cycle);

/* has all workers look for changes, this one too, soon after this returns */
void ngx_http_presence_wake(void);


#endif /* _NGX_HTTP_PRESENCE_WAKE_H_INCLUDED_ */
