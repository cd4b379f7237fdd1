#include "ngx_http_presence_redis_conf.h"
#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_name.h"
#include "ngx_http_presence_redis_tls.h"


static char *ngx_http_presence_redis_conf_url(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_conf_node(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_conf_prefix(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_conf_password_file(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_conf_sentinel_user(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_conf_sentinel_password(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_conf_ca(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_conf_verify(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_conf_certificate(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_conf_certificate_key(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_conf_servers(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_conf_server(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *name);
static char *ngx_http_presence_redis_conf_password(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *file, char *password);
static char *ngx_http_presence_redis_conf_file(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *file);
static char *ngx_http_presence_redis_conf_string(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *slot, ngx_uint_t *valid);
static char *ngx_http_presence_redis_conf_tls(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static ngx_http_presence_redis_t *ngx_http_presence_redis_conf_of(
    ngx_conf_t *cf, ngx_http_presence_zone_t *zone);
static ngx_uint_t ngx_http_presence_redis_conf_is_name(const ngx_str_t *name,
    const char *others, size_t max);


static const struct {
    const char     *word;
    char         *(*handler)(ngx_conf_t *cf, ngx_http_presence_redis_t *redis);
} ngx_http_presence_redis_conf_lines[] = {
    { "redis", ngx_http_presence_redis_conf_url },
    { "node", ngx_http_presence_redis_conf_node },
    { "redis_prefix", ngx_http_presence_redis_conf_prefix },
    { "redis_password_file", ngx_http_presence_redis_conf_password_file },
    { "redis_sentinel_user", ngx_http_presence_redis_conf_sentinel_user },
    { "redis_sentinel_password_file",
      ngx_http_presence_redis_conf_sentinel_password },
    { "redis_ca", ngx_http_presence_redis_conf_ca },
    { "redis_verify", ngx_http_presence_redis_conf_verify },
    { "redis_certificate", ngx_http_presence_redis_conf_certificate },
    { "redis_certificate_key", ngx_http_presence_redis_conf_certificate_key }
};


char *
ngx_http_presence_redis_conf_line(ngx_conf_t *cf,
    ngx_http_presence_zone_t *zone, ngx_uint_t *done)
{
    ngx_uint_t                  i, n;
    ngx_str_t                  *value;
    ngx_http_presence_redis_t  *redis;

    value = cf->args->elts;

    n = sizeof(ngx_http_presence_redis_conf_lines)
        / sizeof(ngx_http_presence_redis_conf_lines[0]);

    for (i = 0; i < n; i++) {
        if (ngx_strcmp(value[0].data,
                       ngx_http_presence_redis_conf_lines[i].word)
            == 0)
        {
            break;
        }
    }

    *done = (i < n);

    if (i == n) {
        return NGX_CONF_OK;
    }

    redis = ngx_http_presence_redis_conf_of(cf, zone);
    if (redis == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_presence_redis_conf_lines[i].handler(cf, redis);
}


char *
ngx_http_presence_redis_conf_apply(ngx_conf_t *cf,
    ngx_http_presence_zone_t *zone, ngx_msec_t timeout,
    ngx_msec_t connect_timeout, ngx_uint_t stream_length)
{
    size_t                      i;
    u_char                      c;
    ngx_http_presence_redis_t  *redis;

    redis = zone->redis;

    if (redis == NULL) {
        return NGX_CONF_OK;
    }

    if (redis->name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "presence_zone \"%V\" has \"node\", "
                           "\"redis_prefix\" or \"redis_password_file\" and "
                           "no \"redis\"", &zone->name);
        return NGX_CONF_ERROR;
    }

    if (redis->url.master[0] == '\0'
        && (redis->sentinel_user.len || redis->sentinel_password_file.len))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "presence_zone \"%V\" has \"redis_sentinel_user\" "
                           "or \"redis_sentinel_password_file\" and no "
                           "\"redis sentinel://...\"", &zone->name);
        return NGX_CONF_ERROR;
    }

    if (redis->sentinel_user.len && redis->sentinel_password_file.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "presence_zone \"%V\" has \"redis_sentinel_user\" "
                           "and no \"redis_sentinel_password_file\"",
                           &zone->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_presence_redis_conf_tls(cf, redis) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    redis->sentinel_login.tls = redis->url.tls;

    ngx_memcpy(redis->sentinel_login.user, redis->sentinel_user.data,
               redis->sentinel_user.len);

    if (zone->state_file.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"state\" and \"redis\" in presence_zone \"%V\": "
                           "use one of them, since Redis keeps the zone over "
                           "a restart", &zone->name);
        return NGX_CONF_ERROR;
    }

    redis->timeout = timeout;
    redis->connect_timeout = connect_timeout;
    redis->stream_length = stream_length;

    if (redis->prefix.len == 0) {
        ngx_str_set(&redis->prefix, "presence:");
    }

    if (redis->node.len == 0) {
        redis->node.len = ngx_min(cf->cycle->hostname.len,
                                  NGX_HTTP_PRESENCE_REDIS_MAX_NAME);
        redis->node.data = ngx_pstrdup(cf->pool, &cf->cycle->hostname);
        if (redis->node.data == NULL) {
            return NGX_CONF_ERROR;
        }

        for (i = 0; i < redis->node.len; i++) {
            c = redis->node.data[i];

            if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                  || (c >= '0' && c <= '9') || c == '.' || c == '-'))
            {
                redis->node.data[i] = '_';
            }
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_redis_conf_url(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    size_t       len;
    u_char      *p;
    ngx_str_t   *value;
    const char  *error;

    value = cf->args->elts;

    if (redis->name.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"redis\" in presence_zone \"%V\"",
                           &redis->zone->name);
        return NGX_CONF_ERROR;
    }

    /* a file may have given it already, and the URL is zeroed */

    error = "it has one value";

    if (cf->args->nelts == 2) {
        ngx_http_presence_redis_url_t  url;

        error = ngx_http_presence_redis_url_parse((char *) value[1].data,
                                                  value[1].len, &url);
        if (url.password[0] && redis->password_file.len) {
            error = "there is a \"redis_password_file\" as well";
        }

        if (redis->password_file.len) {
            ngx_memcpy(url.password, redis->url.password,
                       sizeof(url.password));
        }

        redis->url = url;
    }

    if (error) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"redis\" in presence_zone \"%V\": %s; "
                           "use \"redis redis://HOST:PORT/DB;\", or "
                           "\"rediss://\" for TLS, \"redis "
                           "sentinel://HOST:PORT,HOST:PORT/MASTER/DB;\", "
                           "\"redis cluster://HOST:PORT,HOST:PORT;\" or "
                           "\"redis unix:/PATH;\"", &redis->zone->name,
                           error);
        return NGX_CONF_ERROR;
    }

    if (redis->url.servers[0]) {
        return ngx_http_presence_redis_conf_servers(cf, redis);
    }

    len = sizeof("unix:") + ngx_max(sizeof(redis->url.host) + 2 * NGX_INT_T_LEN,
                                    sizeof(redis->url.path));

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    redis->name.data = p;

    if (redis->url.path[0]) {
        p = ngx_sprintf(p, "unix:%s", redis->url.path);
        redis->name.len = p - redis->name.data;
        return NGX_CONF_OK;
    }

    p = ngx_sprintf(p, "%s:%ud", redis->url.host, redis->url.port);
    redis->name.len = p - redis->name.data;

    return ngx_http_presence_redis_conf_server(cf, redis, &redis->name);
}


static char *
ngx_http_presence_redis_conf_servers(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    u_char      *p;
    ngx_str_t    name;
    const char  *list, *s;

    p = ngx_pnalloc(cf->pool, sizeof(redis->url.master) + sizeof(" at ")
                              + sizeof(redis->url.servers));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    redis->name.data = p;

    if (redis->url.master[0]) {
        p = ngx_sprintf(p, "%s at ", redis->url.master);
    }

    p = ngx_sprintf(p, "%s", redis->url.servers);
    redis->name.len = p - redis->name.data;

    list = redis->url.servers;

    while (ngx_http_presence_redis_url_next(&list, &s, &name.len)) {
        name.data = (u_char *) s;

        if (ngx_http_presence_redis_conf_server(cf, redis, &name)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/*
 * Names are resolved here, once, and the addresses kept for as long as there
 * is no resolver that says more.  They come after those that are there.
 */

static char *
ngx_http_presence_redis_conf_server(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *name)
{
    u_char                            *p;
    ngx_url_t                          u;
    ngx_uint_t                         i;
    ngx_http_presence_redis_server_t  *servers;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *name;
    u.default_port = NGX_HTTP_PRESENCE_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in \"redis\" of presence_zone \"%V\": \"%V\"",
                           u.err ? u.err : "no address",
                           &redis->zone->name, name);
        return NGX_CONF_ERROR;
    }

    servers = ngx_pcalloc(cf->pool, (redis->nservers + u.naddrs)
                                    * sizeof(*servers));
    if (servers == NULL) {
        return NGX_CONF_ERROR;
    }

    if (redis->nservers) {
        ngx_memcpy(servers, redis->servers,
                   redis->nservers * sizeof(*servers));
    }

    redis->servers = servers;
    servers += redis->nservers;
    redis->nservers += u.naddrs;

    for (i = 0; i < u.naddrs; i++) {

        p = ngx_pnalloc(cf->pool, NGX_SOCKADDR_STRLEN);
        if (p == NULL) {
            return NGX_CONF_ERROR;
        }

        servers[i].address.data = p;
        servers[i].address.len = ngx_sock_ntop(u.addrs[i].sockaddr,
                                               u.addrs[i].socklen, p,
                                               NGX_SOCKADDR_STRLEN, 0);
        servers[i].port = ngx_inet_get_port(u.addrs[i].sockaddr);

        if (!ngx_http_presence_redis_name_is_address(u.host.data,
                                                     u.host.len))
        {
            servers[i].name = u.host;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_redis_conf_node(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    char        *rv;
    ngx_uint_t   valid;

    rv = ngx_http_presence_redis_conf_string(cf, redis, &redis->node, &valid);

    if (rv != NGX_CONF_OK
        || (valid && ngx_http_presence_redis_conf_is_name(&redis->node, "._-",
                                          NGX_HTTP_PRESENCE_REDIS_MAX_NAME)))
    {
        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"node\" in presence_zone \"%V\": use \"node "
                       "NAME;\" with up to 32 letters, digits and \"._-\"",
                       &redis->zone->name);
    return NGX_CONF_ERROR;
}


static char *
ngx_http_presence_redis_conf_prefix(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    char        *rv;
    ngx_uint_t   valid;

    rv = ngx_http_presence_redis_conf_string(cf, redis, &redis->prefix,
                                             &valid);

    if (rv != NGX_CONF_OK
        || (valid && ngx_http_presence_redis_conf_is_name(&redis->prefix,
                                                          "._:-", 64)))
    {
        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"redis_prefix\" in presence_zone \"%V\": use "
                       "\"redis_prefix PREFIX;\" with up to 64 letters, "
                       "digits and \"._:-\"", &redis->zone->name);
    return NGX_CONF_ERROR;
}


static char *
ngx_http_presence_redis_conf_password_file(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    return ngx_http_presence_redis_conf_password(cf, redis,
                                                 &redis->password_file,
                                                 redis->url.password);
}


static char *
ngx_http_presence_redis_conf_sentinel_user(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    char        *rv;
    ngx_uint_t   valid;

    rv = ngx_http_presence_redis_conf_string(cf, redis, &redis->sentinel_user,
                                             &valid);

    if (rv != NGX_CONF_OK
        || (valid && redis->sentinel_user.len
                     < sizeof(redis->sentinel_login.user)))
    {
        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"redis_sentinel_user\" in presence_zone "
                       "\"%V\": use \"redis_sentinel_user NAME;\" with up to "
                       "128 bytes", &redis->zone->name);
    return NGX_CONF_ERROR;
}


static char *
ngx_http_presence_redis_conf_sentinel_password(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    return ngx_http_presence_redis_conf_password(cf, redis,
                                            &redis->sentinel_password_file,
                                            redis->sentinel_login.password);
}


static char *
ngx_http_presence_redis_conf_ca(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    return ngx_http_presence_redis_conf_file(cf, redis, &redis->ca);
}


static char *
ngx_http_presence_redis_conf_certificate(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    return ngx_http_presence_redis_conf_file(cf, redis, &redis->certificate);
}


static char *
ngx_http_presence_redis_conf_certificate_key(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    return ngx_http_presence_redis_conf_file(cf, redis,
                                             &redis->certificate_key);
}


static char *
ngx_http_presence_redis_conf_verify(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    char        *rv;
    ngx_uint_t   valid;

    rv = ngx_http_presence_redis_conf_string(cf, redis, &redis->verify_line,
                                             &valid);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (valid && ngx_strcmp(redis->verify_line.data, "on") == 0) {
        return NGX_CONF_OK;
    }

    if (valid && ngx_strcmp(redis->verify_line.data, "off") == 0) {
        redis->verify = 0;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"redis_verify\" in presence_zone \"%V\": use "
                       "\"redis_verify on;\" or \"redis_verify off;\"",
                       &redis->zone->name);
    return NGX_CONF_ERROR;
}


/* here, for the workers may not be allowed to read it */

static char *
ngx_http_presence_redis_conf_password(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *file, char *password)
{
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_http_presence_redis_conf_file(cf, redis, file) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (password[0]) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "presence_zone \"%V\" has a password in \"redis\" "
                           "and a \"redis_password_file\"",
                           &redis->zone->name);
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\" of presence_zone \"%V\" cannot be opened: "
                           "\"%V\"", &value[0], &redis->zone->name, file);
        return NGX_CONF_ERROR;
    }

    n = ngx_read_fd(fd, password, sizeof(redis->url.password));

    (void) ngx_close_file(fd);

    while (n > 0 && (password[n - 1] == '\n' || password[n - 1] == '\r')) {
        n--;
    }

    if (n <= 0 || n == sizeof(redis->url.password)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of presence_zone \"%V\" is to have one "
                           "password of up to 512 bytes: \"%V\"", &value[0],
                           &redis->zone->name, file);
        return NGX_CONF_ERROR;
    }

    password[n] = '\0';

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_redis_conf_file(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *file)
{
    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   valid;

    value = cf->args->elts;

    rv = ngx_http_presence_redis_conf_string(cf, redis, file, &valid);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (!valid) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\" in presence_zone \"%V\": use "
                           "\"%V FILE;\" with the name of a file", &value[0],
                           &redis->zone->name, &value[0]);
        return NGX_CONF_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_redis_conf_string(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *slot, ngx_uint_t *valid)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (slot->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"%V\" in presence_zone \"%V\"",
                           &value[0], &redis->zone->name);
        return NGX_CONF_ERROR;
    }

    *valid = (cf->args->nelts == 2 && value[1].len);

    if (*valid) {
        *slot = value[1];
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_redis_conf_tls(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    if (!redis->url.tls
        && (redis->ca.len || redis->certificate.len
            || redis->certificate_key.len || redis->verify_line.len))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "presence_zone \"%V\" has \"redis_ca\", "
                           "\"redis_verify\", \"redis_certificate\" or "
                           "\"redis_certificate_key\" and no \"redis "
                           "rediss://...\"", &redis->zone->name);
        return NGX_CONF_ERROR;
    }

    if (!redis->url.tls) {
        return NGX_CONF_OK;
    }

    if ((redis->certificate.len == 0) != (redis->certificate_key.len == 0)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "presence_zone \"%V\" has one of "
                           "\"redis_certificate\" and "
                           "\"redis_certificate_key\": use both",
                           &redis->zone->name);
        return NGX_CONF_ERROR;
    }

    return ngx_http_presence_redis_tls_init(cf, redis) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_http_presence_redis_t *
ngx_http_presence_redis_conf_of(ngx_conf_t *cf, ngx_http_presence_zone_t *zone)
{
    if (zone->redis == NULL) {
        zone->redis = ngx_pcalloc(cf->pool, sizeof(ngx_http_presence_redis_t));

        if (zone->redis) {
            zone->redis->zone = zone;
            zone->redis->verify = 1;
            zone->redis->made = ngx_current_msec;
        }
    }

    return zone->redis;
}


static ngx_uint_t
ngx_http_presence_redis_conf_is_name(const ngx_str_t *name,
    const char *others, size_t max)
{
    size_t  i;
    u_char  c;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || ngx_strchr(others, c)))
        {
            return 0;
        }
    }

    return name->len <= max;
}
