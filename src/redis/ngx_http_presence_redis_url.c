#include <stdio.h>
#include <string.h>

#include "ngx_http_presence_redis_url.h"


static int ngx_http_presence_redis_url_starts(const char **s,
    const char *end, const char *with);
static const char *ngx_http_presence_redis_url_login(const char **s,
    const char *end, ngx_http_presence_redis_url_t *url);
static const char *ngx_http_presence_redis_url_host(const char *s,
    const char *end, ngx_http_presence_redis_url_t *url);
static const char *ngx_http_presence_redis_url_sentinels(const char *s,
    const char *end, ngx_http_presence_redis_url_t *url);
static const char *ngx_http_presence_redis_url_cluster(const char *s,
    const char *end, ngx_http_presence_redis_url_t *url);
static const char *ngx_http_presence_redis_url_servers(const char *s,
    const char *end, unsigned port, ngx_http_presence_redis_url_t *url);
static const char *ngx_http_presence_redis_url_server(const char *s,
    const char *end, ngx_http_presence_redis_url_t *url);
static int ngx_http_presence_redis_url_copy(char *to, size_t size,
    const char *s, const char *end);
static int ngx_http_presence_redis_url_decode(char *to, size_t size,
    const char *s, const char *end);
static int ngx_http_presence_redis_url_hex(char c);
static int ngx_http_presence_redis_url_number(const char *s, const char *end,
    unsigned max, unsigned *n);


const char *
ngx_http_presence_redis_url_parse(const char *s, size_t len,
    ngx_http_presence_redis_url_t *url)
{
    const char  *end, *query, *error;

    memset(url, 0, sizeof(ngx_http_presence_redis_url_t));

    url->port = NGX_HTTP_PRESENCE_REDIS_PORT;

    end = s + len;

    url->tls = ngx_http_presence_redis_url_starts(&s, end, "sentinels://");

    if (url->tls
        || ngx_http_presence_redis_url_starts(&s, end, "sentinel://"))
    {

        error = ngx_http_presence_redis_url_login(&s, end, url);

        return error ? error
                     : ngx_http_presence_redis_url_sentinels(s, end, url);
    }

    url->tls = ngx_http_presence_redis_url_starts(&s, end, "clusters://");

    if (url->tls || ngx_http_presence_redis_url_starts(&s, end, "cluster://"))
    {

        error = ngx_http_presence_redis_url_login(&s, end, url);

        return error ? error : ngx_http_presence_redis_url_cluster(s, end, url);
    }

    if (ngx_http_presence_redis_url_starts(&s, end, "unix://")) {

        error = ngx_http_presence_redis_url_login(&s, end, url);
        if (error) {
            return error;
        }

        query = memchr(s, '?', end - s);

        if (query) {
            len = query - s;
            query++;

            if (!ngx_http_presence_redis_url_starts(&query, end, "db=")
                || !ngx_http_presence_redis_url_number(query, end,
                                               NGX_HTTP_PRESENCE_REDIS_MAX_DB,
                                               &url->db))
            {
                return "after \"?\" there is only \"db=NUMBER\"";
            }

            end = s + len;
        }

    } else if (!ngx_http_presence_redis_url_starts(&s, end, "unix:")) {

        url->tls = ngx_http_presence_redis_url_starts(&s, end, "rediss://");

        if (!url->tls
            && !ngx_http_presence_redis_url_starts(&s, end, "redis://"))
        {
            return "it begins with \"redis://\", \"rediss://\", "
                   "\"sentinel://\", \"cluster://\" or \"unix:\"";
        }

        error = ngx_http_presence_redis_url_login(&s, end, url);

        return error ? error : ngx_http_presence_redis_url_host(s, end, url);
    }

    if (s == end || *s != '/'
        || !ngx_http_presence_redis_url_copy(url->path, sizeof(url->path),
                                             s, end))
    {
        return "the path of the socket begins with \"/\" and has at most 107 "
               "bytes";
    }

    return NULL;
}


static int
ngx_http_presence_redis_url_starts(const char **s, const char *end,
    const char *with)
{
    size_t  len;

    len = strlen(with);

    if ((size_t) (end - *s) < len || memcmp(*s, with, len) != 0) {
        return 0;
    }

    *s += len;

    return 1;
}


/* steps over what is before the last "@", if there is one */

static const char *
ngx_http_presence_redis_url_login(const char **s, const char *end,
    ngx_http_presence_redis_url_t *url)
{
    const char  *at, *colon;

    for (at = end; at > *s && at[-1] != '@'; at--) { /* void */ }

    if (at == *s) {
        return NULL;
    }

    at--;

    colon = memchr(*s, ':', at - *s);

    if (colon == NULL || colon + 1 == at) {
        return "before the \"@\" there is \"USER:PASSWORD\" or \":PASSWORD\"";
    }

    if (!ngx_http_presence_redis_url_decode(url->user, sizeof(url->user), *s,
                                            colon)
        || !ngx_http_presence_redis_url_decode(url->password,
                                               sizeof(url->password),
                                               colon + 1, at))
    {
        return "its user or password is too long, or not percent-encoded as "
               "it has to be";
    }

    *s = at + 1;

    return NULL;
}


static const char *
ngx_http_presence_redis_url_host(const char *s, const char *end,
    ngx_http_presence_redis_url_t *url)
{
    const char  *slash;

    slash = memchr(s, '/', end - s);

    if (slash) {
        if (slash + 1 < end
            && !ngx_http_presence_redis_url_number(slash + 1, end,
                                               NGX_HTTP_PRESENCE_REDIS_MAX_DB,
                                               &url->db))
        {
            return "after the host there is \"/\" and the number of a "
                   "database";
        }

        end = slash;
    }

    return ngx_http_presence_redis_url_server(s, end, url);
}


static const char *
ngx_http_presence_redis_url_sentinels(const char *s, const char *end,
    ngx_http_presence_redis_url_t *url)
{
    const char  *slash, *master, *error;

    slash = memchr(s, '/', end - s);
    master = slash ? slash + 1 : end;

    if (slash == NULL || master == end || *master == '/') {
        return "after the Sentinels there is \"/\" and the name of the master";
    }

    error = ngx_http_presence_redis_url_servers(s, slash,
                                    NGX_HTTP_PRESENCE_REDIS_SENTINEL_PORT, url);
    if (error) {
        return error;
    }

    slash = memchr(master, '/', end - master);

    if (slash && slash + 1 < end
        && !ngx_http_presence_redis_url_number(slash + 1, end,
                                               NGX_HTTP_PRESENCE_REDIS_MAX_DB,
                                               &url->db))
    {
        return "after the master there is \"/\" and the number of a database";
    }

    if (!ngx_http_presence_redis_url_copy(url->master, sizeof(url->master),
                                          master, slash ? slash : end))
    {
        return "the name of the master is too long";
    }

    return NULL;
}


static const char *
ngx_http_presence_redis_url_cluster(const char *s, const char *end,
    ngx_http_presence_redis_url_t *url)
{
    url->cluster = 1;

    if (memchr(s, '/', end - s)) {
        return "a cluster has no databases, and nothing comes after its "
               "servers";
    }

    return ngx_http_presence_redis_url_servers(s, end,
                                           NGX_HTTP_PRESENCE_REDIS_PORT, url);
}


/* one or more of them */

static const char *
ngx_http_presence_redis_url_servers(const char *s, const char *end,
    unsigned port, ngx_http_presence_redis_url_t *url)
{
    int          n;
    char        *p;
    size_t       left;
    const char  *comma, *error;

    p = url->servers;

    for ( ;; ) {

        comma = memchr(s, ',', end - s);

        url->port = port;

        error = ngx_http_presence_redis_url_server(s, comma ? comma : end,
                                                   url);
        if (error) {
            return error;
        }

        left = url->servers + sizeof(url->servers) - p;

        n = snprintf(p, left, "%s%s:%u", p > url->servers ? "," : "",
                     url->host, url->port);

        if (n < 0 || (size_t) n >= left) {
            return "it has too many servers";
        }

        if (comma == NULL) {
            break;
        }

        p += n;
        s = comma + 1;
    }

    url->host[0] = '\0';
    url->port = NGX_HTTP_PRESENCE_REDIS_PORT;

    return NULL;
}


int
ngx_http_presence_redis_url_next(const char **list, const char **s,
    size_t *len)
{
    *s = *list;
    *len = strcspn(*s, ",");
    *list += *len;

    if (**list == ',') {
        (*list)++;
    }

    return *len > 0;
}


/* a host, and maybe its port */

static const char *
ngx_http_presence_redis_url_server(const char *s, const char *end,
    ngx_http_presence_redis_url_t *url)
{
    const char  *p;

    /* an IPv6 address has colons of its own, and brackets */

    for (p = end; p > s && p[-1] != ':' && p[-1] != ']'; p--) { /* void */ }

    if (p > s && p[-1] == ':') {
        if (!ngx_http_presence_redis_url_number(p, end, 65535, &url->port)
            || url->port == 0)
        {
            return "the port is a number from 1 to 65535";
        }

        end = p - 1;
    }

    if (s == end
        || !ngx_http_presence_redis_url_copy(url->host, sizeof(url->host),
                                             s, end))
    {
        return "it has no host, or one that is too long";
    }

    return NULL;
}


static int
ngx_http_presence_redis_url_copy(char *to, size_t size, const char *s,
    const char *end)
{
    if ((size_t) (end - s) >= size) {
        return 0;
    }

    memcpy(to, s, end - s);
    to[end - s] = '\0';

    return 1;
}


static int
ngx_http_presence_redis_url_decode(char *to, size_t size, const char *s,
    const char *end)
{
    int     high, low;
    size_t  n;

    for (n = 0; s < end; n++) {

        if (n + 1 == size) {
            return 0;
        }

        if (*s != '%') {
            to[n] = *s++;
            continue;
        }

        if (end - s < 3) {
            return 0;
        }

        high = ngx_http_presence_redis_url_hex(s[1]);
        low = ngx_http_presence_redis_url_hex(s[2]);

        if (high < 0 || low < 0 || high + low == 0) {
            return 0;
        }

        to[n] = (char) (high * 16 + low);
        s += 3;
    }

    to[n] = '\0';

    return 1;
}


static int
ngx_http_presence_redis_url_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }

    return -1;
}


static int
ngx_http_presence_redis_url_number(const char *s, const char *end,
    unsigned max, unsigned *n)
{
    if (s == end) {
        return 0;
    }

    *n = 0;

    for ( /* void */ ; s < end; s++) {

        if (*s < '0' || *s > '9') {
            return 0;
        }

        *n = *n * 10 + (unsigned) (*s - '0');

        if (*n > max) {
            return 0;
        }
    }

    return 1;
}
