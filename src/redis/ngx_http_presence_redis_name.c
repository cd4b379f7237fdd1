#include "ngx_http_presence_redis_name.h"
#include "ngx_http_presence_redis.h"


static void ngx_http_presence_redis_name_resolved(ngx_resolver_ctx_t *ctx);


ngx_uint_t
ngx_http_presence_redis_name_is_address(const u_char *s, size_t len)
{
    u_char  in6[16];

    if (len > 2 && s[0] == '[' && s[len - 1] == ']') {
        s++;
        len -= 2;
    }

    return ngx_inet_addr((u_char *) s, len) != INADDR_NONE
           || ngx_inet6_addr((u_char *) s, len, in6) == NGX_OK;
}


ngx_resolver_t *
ngx_http_presence_redis_name_resolver(ngx_cycle_t *cycle)
{
    ngx_http_conf_ctx_t       *ctx;
    ngx_http_core_loc_conf_t  *clcf;

    ctx = (ngx_http_conf_ctx_t *) ngx_get_conf(cycle->conf_ctx,
                                               ngx_http_module);
    clcf = ctx->loc_conf[ngx_http_core_module.ctx_index];

    /* nginx makes one without servers where none is configured */

    return clcf->resolver && clcf->resolver->connections.nelts
           ? clcf->resolver : NULL;
}


void
ngx_http_presence_redis_name_resolve(ngx_http_presence_redis_link_t *link,
    const ngx_str_t *name)
{
    ngx_resolver_ctx_t  *ctx;

    ctx = ngx_resolve_start(link->redis->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_http_presence_redis_link_named(link, NULL, "no memory");
        return;
    }

    ctx->name = *name;
    ctx->handler = ngx_http_presence_redis_name_resolved;
    ctx->data = link;
    ctx->timeout = link->redis->connect_timeout;
    ctx->cancelable = 1;

    link->resolving = ctx;

    /* the context is freed when that fails */

    if (ngx_resolve_name(ctx) != NGX_OK) {
        link->resolving = NULL;
        ngx_http_presence_redis_link_named(link, NULL, "no memory");
    }
}


void
ngx_http_presence_redis_name_forget(ngx_http_presence_redis_link_t *link)
{
    if (link->resolving) {
        ngx_resolve_name_done(link->resolving);
        link->resolving = NULL;
    }
}


static void
ngx_http_presence_redis_name_resolved(ngx_resolver_ctx_t *ctx)
{
    u_char                          *p;
    ngx_resolver_addr_t             *addr;
    ngx_http_presence_redis_link_t  *link;
    u_char                           why[128];
    u_char                           address[NGX_SOCKADDR_STRLEN + 1];

    link = ctx->data;

    if (ctx->state || ctx->naddrs == 0) {
        *ngx_snprintf(why, sizeof(why) - 1, "\"%V\" cannot be resolved: %s",
                      &ctx->name,
                      ctx->state ? ngx_resolver_strerror(ctx->state)
                                 : "it has no address")
            = '\0';

        ngx_http_presence_redis_name_forget(link);
        ngx_http_presence_redis_link_named(link, NULL, (char *) why);
        return;
    }

    addr = &ctx->addrs[link->turn % ctx->naddrs];

    p = address;
    p += ngx_sock_ntop(addr->sockaddr, addr->socklen, p, NGX_SOCKADDR_STRLEN,
                       0);
    *p = '\0';

    ngx_http_presence_redis_name_forget(link);
    ngx_http_presence_redis_link_named(link, (char *) address, NULL);
}
