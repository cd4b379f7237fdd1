#include "ngx_http_presence_redis_socket.h"
#include "ngx_http_presence_redis_reader.h"
#include "ngx_http_presence_redis_tls.h"


static void ngx_http_presence_redis_socket_read(ngx_event_t *rev);
static void ngx_http_presence_redis_socket_write(ngx_event_t *wev);
static void ngx_http_presence_redis_socket_add_read(void *data);
static void ngx_http_presence_redis_socket_del_read(void *data);
static void ngx_http_presence_redis_socket_add_write(void *data);
static void ngx_http_presence_redis_socket_del_write(void *data);
static void ngx_http_presence_redis_socket_cleanup(void *data);
static void ngx_http_presence_redis_socket_connected(
    const redisAsyncContext *ac, int status);
static void ngx_http_presence_redis_socket_disconnected(
    const redisAsyncContext *ac, int status);


ngx_int_t
ngx_http_presence_redis_socket_attach(ngx_http_presence_redis_link_t *link,
    redisAsyncContext *ac)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(ac->c.fd, link->timer.log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = link;
    c->log = link->timer.log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_http_presence_redis_socket_read;
    c->write->handler = ngx_http_presence_redis_socket_write;

    /* when the worker quits nginx calls the handler of what is idle */

    c->idle = 1;

    link->c = c;
    link->ac = ac;
    link->waiting = 0;

    ac->data = link;
    ac->ev.data = link;
    ac->ev.addRead = ngx_http_presence_redis_socket_add_read;
    ac->ev.delRead = ngx_http_presence_redis_socket_del_read;
    ac->ev.addWrite = ngx_http_presence_redis_socket_add_write;
    ac->ev.delWrite = ngx_http_presence_redis_socket_del_write;
    ac->ev.cleanup = ngx_http_presence_redis_socket_cleanup;

    ngx_http_presence_redis_reader_guard(ac);

    redisAsyncSetConnectCallback(ac, ngx_http_presence_redis_socket_connected);
    redisAsyncSetDisconnectCallback(ac,
                                 ngx_http_presence_redis_socket_disconnected);

    return NGX_OK;
}


static void
ngx_http_presence_redis_socket_read(ngx_event_t *rev)
{
    ngx_connection_t                *c;
    ngx_http_presence_redis_link_t  *link;

    c = rev->data;
    link = c->data;

    if (c->close) {
        ngx_http_presence_redis_link_close(link);
        return;
    }

    if (link->ssl) {
        ngx_http_presence_redis_tls_clear();
    }

    /* the connection may be gone after this */

    redisAsyncHandleRead(link->ac);
}


static void
ngx_http_presence_redis_socket_write(ngx_event_t *wev)
{
    ngx_connection_t                *c;
    ngx_http_presence_redis_link_t  *link;

    c = wev->data;
    link = c->data;

    if (link->ssl) {
        ngx_http_presence_redis_tls_clear();
    }

    redisAsyncHandleWrite(link->ac);
}


/* level-triggered, for hiredis reads 16 KB of what there is, and once */

static void
ngx_http_presence_redis_socket_add_read(void *data)
{
    ngx_http_presence_redis_link_t *link = data;

    if (!link->c->read->active
        && ngx_add_event(link->c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT)
           != NGX_OK)
    {
        ngx_http_presence_redis_link_drop(link, "its events cannot be had");
    }
}


static void
ngx_http_presence_redis_socket_del_read(void *data)
{
    ngx_http_presence_redis_link_t *link = data;

    if (link->c->read->active) {
        (void) ngx_del_event(link->c->read, NGX_READ_EVENT, 0);
    }
}


static void
ngx_http_presence_redis_socket_add_write(void *data)
{
    ngx_http_presence_redis_link_t *link = data;

    if (!link->c->write->active
        && ngx_add_event(link->c->write, NGX_WRITE_EVENT, NGX_LEVEL_EVENT)
           != NGX_OK)
    {
        ngx_http_presence_redis_link_drop(link, "its events cannot be had");
    }
}


static void
ngx_http_presence_redis_socket_del_write(void *data)
{
    ngx_http_presence_redis_link_t *link = data;

    if (link->c->write->active) {
        (void) ngx_del_event(link->c->write, NGX_WRITE_EVENT, 0);
    }
}


/* hiredis is about to free the context, and closes the socket itself */

static void
ngx_http_presence_redis_socket_cleanup(void *data)
{
    ngx_http_presence_redis_link_t *link = data;

    ngx_connection_t  *c;

    c = link->c;

    ngx_http_presence_redis_socket_del_read(link);
    ngx_http_presence_redis_socket_del_write(link);

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->fd = (ngx_socket_t) -1;
    ngx_free_connection(c);

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    if (link->ssl) {
        if (link->why[0] == '\0') {
            ngx_http_presence_redis_tls_why(link, link->why,
                                            sizeof(link->why));
        }

        ngx_http_presence_redis_tls_clear();
    }

    if (link->why[0] == '\0') {
        ngx_cpystrn((u_char *) link->why,
                    (u_char *) (link->ac->errstr && link->ac->errstr[0]
                                ? link->ac->errstr
                                : "the connection was closed"),
                    sizeof(link->why));
    }

    link->c = NULL;
    link->ac = NULL;
    link->ssl = NULL;

    ngx_http_presence_redis_link_lost(link);
}


static void
ngx_http_presence_redis_socket_connected(const redisAsyncContext *ac,
    int status)
{
    /* after a failure hiredis frees the context by itself */

    if (status == REDIS_OK) {
        ngx_http_presence_redis_link_connected(ac->data);
    }
}


static void
ngx_http_presence_redis_socket_disconnected(const redisAsyncContext *ac,
    int status)
{
    /* the cleanup, which comes for failed connects as well, has seen to it */
}
