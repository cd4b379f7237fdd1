#include "ngx_http_presence_access.h"
#include "ngx_http_presence_problem.h"


static ngx_uint_t ngx_http_presence_access_origin(ngx_http_request_t *r,
    ngx_http_presence_loc_conf_t *plcf);
static ngx_int_t ngx_http_presence_access_groups(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_complex_value_t *value,
    ngx_uint_t max, ngx_str_t **names, ngx_uint_t *n);


ngx_int_t
ngx_http_presence_access_identify(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_identity_t *identity,
    ngx_int_t *rc)
{
    ngx_http_presence_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_presence_module);

    if (!ngx_http_presence_access_origin(r, plcf)) {
        *rc = ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_FORBIDDEN_ORIGIN,
                       "pages of another site may not use this: see the "
                       "directive \"presence_origin\"");
        return NGX_DECLINED;
    }

    switch (ngx_http_presence_access_user(r, zone, identity)) {

    case NGX_OK:
        return NGX_OK;

    case NGX_DECLINED:

        *rc = identity->user.len
              ? ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_INVALID_USER,
                       "the user's id is too long, or not text in UTF-8")
              : ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_UNAUTHORIZED,
                       "the request is of nobody: \"presence_user\" is empty");

        return NGX_DECLINED;

    default:
        *rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        return NGX_DECLINED;
    }
}


ngx_int_t
ngx_http_presence_access_view(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_identity_t *identity,
    ngx_http_presence_view_t *view, ngx_int_t *rc)
{
    ngx_http_presence_loc_conf_t  *plcf;

    if (ngx_http_presence_access_identify(r, zone, identity, rc) != NGX_OK) {
        return NGX_DECLINED;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_presence_module);

    view->all = 0;
    view->groups = identity->groups;
    view->ngroups = identity->ngroups;

    if (plcf->view == NULL) {
        return NGX_OK;
    }

    if (ngx_http_presence_access_groups(r, zone, plcf->view,
                                        NGX_HTTP_PRESENCE_MAX_GROUPS,
                                        &view->groups, &view->ngroups)
        != NGX_OK)
    {
        *rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        return NGX_DECLINED;
    }

    view->all = ngx_http_presence_access_listed(view->groups, view->ngroups,
                                                (u_char *) "*", 1);
    return NGX_OK;
}


ngx_int_t
ngx_http_presence_access_user(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_identity_t *identity)
{
    if (ngx_http_presence_access_name(r, identity) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_presence_access_rest(r, zone, identity);
}


ngx_int_t
ngx_http_presence_access_name(ngx_http_request_t *r,
    ngx_http_presence_identity_t *identity)
{
    ngx_http_presence_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_presence_module);

    ngx_memzero(identity, sizeof(ngx_http_presence_identity_t));

    return ngx_http_complex_value(r, plcf->user, &identity->user);
}


ngx_int_t
ngx_http_presence_access_rest(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_identity_t *identity)
{
    ngx_str_t                     *user;
    ngx_http_presence_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_presence_module);

    user = &identity->user;

    if (user->len == 0
        || user->len > zone->limits.max_user
        || !ngx_http_presence_access_is_text(user->data, user->len))
    {
        return NGX_DECLINED;
    }

    if (plcf->groups == NULL) {
        return NGX_OK;
    }

    return ngx_http_presence_access_groups(r, zone, plcf->groups,
                                           zone->limits.max_groups,
                                           &identity->groups,
                                           &identity->ngroups);
}


ngx_int_t
ngx_http_presence_access_list(ngx_pool_t *pool, const ngx_str_t *value,
    ngx_uint_t blanks, ngx_uint_t max, size_t len, ngx_str_t **names,
    ngx_uint_t *n)
{
    u_char     *p, *end, *start;
    ngx_int_t   rc;

    rc = NGX_OK;

    *n = 0;
    *names = NULL;

    p = value->data;
    end = p + value->len;

    while (p < end) {

        for (start = p;
             p < end && *p != ',' && !(blanks && (*p == ' ' || *p == '\t'));
             p++)
        {
            /* void */
        }

        if (p > start) {

            if ((size_t) (p - start) > len || *n == max
                || !ngx_http_presence_access_is_text(start, p - start))
            {
                rc = NGX_DECLINED;

            } else if (!ngx_http_presence_access_listed(*names, *n, start,
                                                        p - start))
            {
                if (*names == NULL) {
                    *names = ngx_palloc(pool, max * sizeof(ngx_str_t));
                    if (*names == NULL) {
                        return NGX_ERROR;
                    }
                }

                (*names)[*n].len = p - start;
                (*names)[*n].data = start;
                (*n)++;
            }
        }

        p++;
    }

    return rc;
}


ngx_uint_t
ngx_http_presence_access_listed(const ngx_str_t *names, ngx_uint_t n,
    const u_char *data, size_t len)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (names[i].len == len && ngx_memcmp(names[i].data, data, len) == 0) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_presence_access_is_text(const u_char *p, size_t len)
{
    u_char  *c, *end;

    c = (u_char *) p;
    end = c + len;

    while (c < end) {

        if (*c >= 0x20 && *c < 0x7f) {
            c++;
            continue;
        }

        if (*c < 0x20 || *c == 0x7f
            || ngx_http_presence_access_decode(&c, end) == 0)
        {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_http_presence_access_decode(u_char **p, u_char *end)
{
    uint32_t  n;

    if (**p < 0x80) {
        (*p)++;
        return 1;
    }

    n = ngx_utf8_decode(p, end - *p);

    /* ngx_utf8_decode() lets the halves of UTF-16 pairs through */

    return n <= 0x10ffff && (n < 0xd800 || n > 0xdfff);
}


/*
 * Browsers say themselves which site a page is of; what says nothing is no
 * browser's page, and carries no cookies of somebody unaware.
 */

static ngx_uint_t
ngx_http_presence_access_origin(ngx_http_request_t *r,
    ngx_http_presence_loc_conf_t *plcf)
{
    u_char     *host;
    ngx_str_t  *site, *origin;

    if (plcf->origin == NGX_HTTP_PRESENCE_ORIGIN_ANY) {
        return 1;
    }

    origin = ngx_http_presence_find_header(r, "origin");

    if (origin && plcf->origins
        && ngx_http_presence_access_listed(plcf->origins->elts,
                                           plcf->origins->nelts,
                                           origin->data, origin->len))
    {
        return 1;
    }

    site = ngx_http_presence_find_header(r, "sec-fetch-site");

    if (site) {
        return (site->len == sizeof("same-origin") - 1
                && ngx_memcmp(site->data, "same-origin", site->len) == 0)
               || (site->len == sizeof("none") - 1
                   && ngx_memcmp(site->data, "none", site->len) == 0);
    }

    if (origin == NULL) {
        return 1;
    }

    if (r->headers_in.host == NULL) {
        return 0;
    }

    host = ngx_strlchr(origin->data, origin->data + origin->len, '/');

    if (host == NULL || origin->data + origin->len - host < 2) {
        return 0;
    }

    host += 2;

    return (size_t) (origin->data + origin->len - host)
           == r->headers_in.host->value.len
           && ngx_strncasecmp(host, r->headers_in.host->value.data,
                              r->headers_in.host->value.len) == 0;
}


static ngx_int_t
ngx_http_presence_access_groups(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_complex_value_t *value,
    ngx_uint_t max, ngx_str_t **names, ngx_uint_t *n)
{
    ngx_int_t  rc;
    ngx_str_t  list;

    if (ngx_http_complex_value(r, value, &list) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_presence_access_list(r->pool, &list, 1, max,
                                       zone->limits.max_group, names, n);

    if (rc == NGX_DECLINED) {

        /* too much of it is no reason to show somebody as offline */

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "presence: of the groups \"%V\" only %ui fit the limits "
                      "of zone \"%V\"", &list, *n, &zone->name);
        return NGX_OK;
    }

    return rc;
}
