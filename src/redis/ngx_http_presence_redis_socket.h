/*
 * The socket of a link: hiredis' context on nginx' event loop.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_SOCKET_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_SOCKET_H_INCLUDED_


#include "ngx_http_presence_redis_link.h"


/*
 * From now on the link is told when it is connected, and when it is lost; with
 * NGX_ERROR the context is the caller's.
 */
ngx_int_t ngx_http_presence_redis_socket_attach(
    ngx_http_presence_redis_link_t *link, redisAsyncContext *ac);


#endif /* _NGX_HTTP_PRESENCE_REDIS_SOCKET_H_INCLUDED_ */
