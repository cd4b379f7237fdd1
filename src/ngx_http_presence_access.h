/* Who is a request of, where does it come from, and what may it see? */

#ifndef _NGX_HTTP_PRESENCE_ACCESS_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_ACCESS_H_INCLUDED_


#include "ngx_http_presence_module.h"
#include "ngx_http_presence_roster.h"


/* which groups a reader may see */
typedef struct {
    ngx_str_t    *groups;
    ngx_uint_t    ngroups;
    unsigned      all:1;
} ngx_http_presence_view_t;


/*
 * Finds out the request's identity, in the request's pool.  NGX_OK; or
 * NGX_DECLINED, with *rc what the handler has to return: the problem is sent.
 */
ngx_int_t ngx_http_presence_access_identify(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_identity_t *identity,
    ngx_int_t *rc);

/* the same for a reader, with what it may see */
ngx_int_t ngx_http_presence_access_view(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_identity_t *identity,
    ngx_http_presence_view_t *view, ngx_int_t *rc);

/* user and groups without an answer; NGX_DECLINED: there is no valid user */
ngx_int_t ngx_http_presence_access_user(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_identity_t *identity);

/* the same in two steps: the user's id as the site says it, and the rest */
ngx_int_t ngx_http_presence_access_name(ngx_http_request_t *r,
    ngx_http_presence_identity_t *identity);
ngx_int_t ngx_http_presence_access_rest(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_identity_t *identity);

/*
 * Takes a list apart, at commas and at blanks if "blanks", into at most "max"
 * names of at most "len" bytes.  NGX_DECLINED: there are more, or longer ones;
 * the list then has those that fit.
 */
ngx_int_t ngx_http_presence_access_list(ngx_pool_t *pool,
    const ngx_str_t *value, ngx_uint_t blanks, ngx_uint_t max, size_t len,
    ngx_str_t **names, ngx_uint_t *n);

ngx_uint_t ngx_http_presence_access_listed(const ngx_str_t *names,
    ngx_uint_t n, const u_char *data, size_t len);

/* steps over one character; 0: it is not UTF-8 (RFC 3629) */
ngx_uint_t ngx_http_presence_access_decode(u_char **p, u_char *end);

/* is it UTF-8 without control characters? */
ngx_uint_t ngx_http_presence_access_is_text(const u_char *p, size_t len);


#endif /* _NGX_HTTP_PRESENCE_ACCESS_H_INCLUDED_ */
