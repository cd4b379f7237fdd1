/*
 * Names of hosts: what is one, and its address by nginx' resolver.  No worker
 * waits for it.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_NAME_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_NAME_H_INCLUDED_


#include "ngx_http_presence_zone.h"
#include "ngx_http_presence_redis_link.h"


/* an IPv6 address with brackets or without, or an IPv4 address? */
ngx_uint_t ngx_http_presence_redis_name_is_address(const u_char *s,
    size_t len);

/* the one of "resolver" in "http"; NULL: there is none */
ngx_resolver_t *ngx_http_presence_redis_name_resolver(ngx_cycle_t *cycle);

/*
 * The link is told of an address, one after the other from time to time, or
 * that there is none: maybe before this returns.
 */
void ngx_http_presence_redis_name_resolve(ngx_http_presence_redis_link_t *link,
    const ngx_str_t *name);

/* it is not told any more */
void ngx_http_presence_redis_name_forget(ngx_http_presence_redis_link_t *link);


#endif /* _NGX_HTTP_PRESENCE_REDIS_NAME_H_INCLUDED_ */
