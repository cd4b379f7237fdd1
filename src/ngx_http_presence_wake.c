#include <sys/eventfd.h>

#include "ngx_http_presence_wake.h"
#include "ngx_http_presence_module.h"
#include "ngx_http_presence_hub.h"


/* no wake-up is lost that this does not find, milliseconds */
#define NGX_HTTP_PRESENCE_WAKE_CHECK  1000


static void ngx_http_presence_wake_close(void *data);
static void ngx_http_presence_wake_read(ngx_event_t *rev);
static void ngx_http_presence_wake_announce(ngx_event_t *ev);
static void ngx_http_presence_wake_check(ngx_event_t *ev);
static void ngx_http_presence_wake_deliver(void);


static ngx_event_t       ngx_http_presence_wake_event;
static ngx_event_t       ngx_http_presence_wake_timer;
static ngx_connection_t  ngx_http_presence_wake_owner;


ngx_int_t
ngx_http_presence_wake_init(ngx_cycle_t *cycle, ngx_array_t *fds)
{
    int                 *fd;
    ngx_int_t            i, n;
    ngx_core_conf_t     *ccf;
    ngx_pool_cleanup_t  *cln;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    n = ngx_max(ccf->worker_processes, 1);

    if (ngx_array_init(fds, cycle->pool, n, sizeof(int)) != NGX_OK) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_presence_wake_close;
    cln->data = fds;

    for (i = 0; i < n; i++) {
        fd = ngx_array_push(fds);

        *fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (*fd == -1) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                          "eventfd() failed");
            fds->nelts--;
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_presence_wake_init_worker(ngx_cycle_t *cycle)
{
    int                            *fds;
    ngx_connection_t               *c;
    ngx_http_presence_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_presence_module);

    ngx_memzero(&ngx_http_presence_wake_event, sizeof(ngx_event_t));
    ngx_memzero(&ngx_http_presence_wake_timer, sizeof(ngx_event_t));

    /* nginx's debug log takes the data of an event for a connection */

    ngx_http_presence_wake_owner.fd = (ngx_socket_t) -1;

    ngx_http_presence_wake_event.handler = ngx_http_presence_wake_announce;
    ngx_http_presence_wake_event.data = &ngx_http_presence_wake_owner;
    ngx_http_presence_wake_event.log = cycle->log;

    ngx_http_presence_wake_timer.handler = ngx_http_presence_wake_check;
    ngx_http_presence_wake_timer.data = &ngx_http_presence_wake_owner;
    ngx_http_presence_wake_timer.log = cycle->log;
    ngx_http_presence_wake_timer.cancelable = 1;

    ngx_add_timer(&ngx_http_presence_wake_timer, NGX_HTTP_PRESENCE_WAKE_CHECK);

    if (ngx_worker >= pmcf->wake.nelts) {
        return NGX_OK;
    }

    fds = pmcf->wake.elts;

    c = ngx_get_connection(fds[ngx_worker], cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->log = cycle->log;
    c->read->log = cycle->log;
    c->write->log = cycle->log;
    c->read->handler = ngx_http_presence_wake_read;

    /* when the worker quits nginx calls the handler of what is idle */

    c->idle = 1;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        c->fd = (ngx_socket_t) -1;
        ngx_free_connection(c);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_http_presence_wake(void)
{
    /* once for all that happens until the event loop goes on */

    if (ngx_http_presence_wake_event.handler
        && !ngx_http_presence_wake_event.posted)
    {
        ngx_post_event(&ngx_http_presence_wake_event, &ngx_posted_events);
    }
}


static void
ngx_http_presence_wake_close(void *data)
{
    ngx_array_t *fds = data;

    int         *fd;
    ngx_uint_t   i;

    fd = fds->elts;

    for (i = 0; i < fds->nelts; i++) {
        (void) close(fd[i]);
    }
}


static void
ngx_http_presence_wake_read(ngx_event_t *rev)
{
    uint64_t                         n;
    ngx_uint_t                       i;
    ngx_connection_t                *c;
    ngx_http_presence_zone_t       **zones;
    ngx_http_presence_main_conf_t   *pmcf;

    c = rev->data;

    if (c->close) {
        pmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                                   ngx_http_presence_module);
        zones = pmcf->zones.elts;

        for (i = 0; i < pmcf->zones.nelts; i++) {
            ngx_http_presence_hub_end_all(zones[i]);
        }

        /* the descriptor is the cycle's */

        (void) ngx_del_event(rev, NGX_READ_EVENT, 0);
        c->fd = (ngx_socket_t) -1;
        ngx_free_connection(c);

        return;
    }

    if (read(c->fd, &n, sizeof(uint64_t)) == -1 && ngx_errno != NGX_EAGAIN) {
        ngx_log_error(NGX_LOG_ERR, rev->log, ngx_errno,
                      "read() from eventfd failed");
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, rev->log, 0,
                      "presence: changes of other workers come late");
    }

    ngx_http_presence_wake_deliver();
}


static void
ngx_http_presence_wake_announce(ngx_event_t *ev)
{
    int                            *fds;
    uint64_t                        one;
    ngx_uint_t                      i;
    ngx_http_presence_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_presence_module);
    fds = pmcf->wake.elts;
    one = 1;

    for (i = 0; i < pmcf->wake.nelts; i++) {

        if (i == ngx_worker) {
            continue;
        }

        /* EAGAIN is of a counter at its limit: that worker is woken anyway */

        if (write(fds[i], &one, sizeof(uint64_t)) == -1
            && ngx_errno != NGX_EAGAIN)
        {
            ngx_log_error(NGX_LOG_ERR, ev->log, ngx_errno,
                          "write() to eventfd failed");
        }
    }

    ngx_http_presence_wake_deliver();
}


static void
ngx_http_presence_wake_check(ngx_event_t *ev)
{
    ngx_http_presence_wake_deliver();

    if (!ngx_exiting) {
        ngx_add_timer(ev, NGX_HTTP_PRESENCE_WAKE_CHECK);
    }
}


static void
ngx_http_presence_wake_deliver(void)
{
    ngx_uint_t                       i;
    ngx_http_presence_zone_t       **zones;
    ngx_http_presence_main_conf_t   *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_presence_module);
    zones = pmcf->zones.elts;

    for (i = 0; i < pmcf->zones.nelts; i++) {
        ngx_http_presence_hub_deliver(zones[i]);
    }
}
