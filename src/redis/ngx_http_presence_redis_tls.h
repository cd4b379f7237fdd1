/*
 * TLS to Redis, where hiredis has it: what the zone's lines say of it, and the
 * beginning of a connection.  With the link the only part that knows OpenSSL.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_TLS_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_TLS_H_INCLUDED_


#include "ngx_http_presence_redis.h"


/* at the end of the block; NGX_ERROR: it was told why not */
ngx_int_t ngx_http_presence_redis_tls_init(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);

/*
 * On a connection that is made: the handshake goes on as events come.  The
 * certificate has to be the one of "host", a name or an address.
 */
ngx_int_t ngx_http_presence_redis_tls_start(
    ngx_http_presence_redis_link_t *link, const char *host);

/* before hiredis reads or writes: errors of others are none of its */
void ngx_http_presence_redis_tls_clear(void);

/* why it was lost, if TLS knows: then it is written, and nothing is left */
void ngx_http_presence_redis_tls_why(ngx_http_presence_redis_link_t *link,
    char *why, size_t size);


#endif /* _NGX_HTTP_PRESENCE_REDIS_TLS_H_INCLUDED_ */
