#include "ngx_http_presence_redis_tls.h"


#if (NGX_HTTP_PRESENCE_REDIS_TLS)

#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>


static ngx_int_t ngx_http_presence_redis_tls_failed(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, const char *line, ngx_str_t *file);
static void ngx_http_presence_redis_tls_cleanup(void *data);


ngx_int_t
ngx_http_presence_redis_tls_init(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    SSL_CTX             *ctx;
    ngx_pool_cleanup_t  *cln;

    ERR_clear_error();

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL) {
        return ngx_http_presence_redis_tls_failed(cf, redis, "redis",
                                                  &redis->name);
    }

    cln->handler = ngx_http_presence_redis_tls_cleanup;
    cln->data = ctx;

    redis->tls = ctx;

    (void) SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);

    if (redis->verify) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }

    if (redis->ca.len == 0) {

        /* those that the system trusts */

        (void) SSL_CTX_set_default_verify_paths(ctx);

    } else if (SSL_CTX_load_verify_locations(ctx, (char *) redis->ca.data,
                                             NULL)
               != 1)
    {
        return ngx_http_presence_redis_tls_failed(cf, redis, "redis_ca",
                                                  &redis->ca);
    }

    if (redis->certificate.len
        && SSL_CTX_use_certificate_chain_file(ctx,
                                        (char *) redis->certificate.data)
           != 1)
    {
        return ngx_http_presence_redis_tls_failed(cf, redis,
                                                  "redis_certificate",
                                                  &redis->certificate);
    }

    if (redis->certificate.len
        && (SSL_CTX_use_PrivateKey_file(ctx,
                                     (char *) redis->certificate_key.data,
                                     SSL_FILETYPE_PEM)
            != 1
            || SSL_CTX_check_private_key(ctx) != 1))
    {
        return ngx_http_presence_redis_tls_failed(cf, redis,
                                                  "redis_certificate_key",
                                                  &redis->certificate_key);
    }

    ERR_clear_error();

    return NGX_OK;
}


ngx_int_t
ngx_http_presence_redis_tls_start(ngx_http_presence_redis_link_t *link,
    const char *host)
{
    SSL                        *ssl;
    size_t                      len;
    char                        name[NGX_MAXHOSTNAMELEN + 1];
    u_char                      in6[16];
    const void                 *funcs;
    ngx_http_presence_redis_t  *redis;

    redis = link->redis;

    ERR_clear_error();

    ssl = SSL_new(redis->tls);
    if (ssl == NULL) {
        return NGX_ERROR;
    }

    /* an IPv6 address has no brackets in a certificate */

    len = ngx_strlen(host);

    if (*host == '[') {
        host++;
        len -= 2;
    }

    ngx_cpystrn((u_char *) name, (u_char *) host,
                ngx_min(len + 1, sizeof(name)));

    if (ngx_inet_addr((u_char *) name, len) != INADDR_NONE
        || ngx_inet6_addr((u_char *) name, len, in6) == NGX_OK)
    {
        if (redis->verify
            && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) != 1)
        {
            goto failed;
        }

    } else if (SSL_set_tlsext_host_name(ssl, name) != 1
               || (redis->verify && SSL_set1_host(ssl, name) != 1))
    {
        goto failed;
    }

    link->ssl = ssl;

    funcs = link->ac->c.funcs;

    if (redisInitiateSSL(&link->ac->c, ssl) == REDIS_OK) {
        return NGX_OK;
    }

    /* a handshake that fails at once: hiredis would write by what is no more */

    link->ac->c.funcs = (void *) funcs;

    ngx_http_presence_redis_tls_why(link, link->why, sizeof(link->why));

    link->ssl = NULL;

failed:

    SSL_free(ssl);

    return NGX_ERROR;
}


void
ngx_http_presence_redis_tls_clear(void)
{
    ERR_clear_error();
}


void
ngx_http_presence_redis_tls_why(ngx_http_presence_redis_link_t *link,
    char *why, size_t size)
{
    long           result;
    const char    *reason;
    unsigned long  error;

    error = ERR_peek_error();
    reason = error ? ERR_reason_error_string(error) : NULL;
    result = link->ssl ? SSL_get_verify_result(link->ssl) : X509_V_OK;

    if (result != X509_V_OK && link->redis->verify) {
        reason = X509_verify_cert_error_string(result);
    }

    if (reason) {
        *ngx_snprintf((u_char *) why, size - 1, "TLS: %s", reason) = '\0';
    }

    /* nginx would take them for its own */

    ERR_clear_error();
}


static ngx_int_t
ngx_http_presence_redis_tls_failed(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, const char *line, ngx_str_t *file)
{
    const char  *reason;

    reason = ERR_reason_error_string(ERR_peek_last_error());

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" of presence_zone \"%V\" cannot be used: \"%V\": "
                       "%s", line, &redis->zone->name, file,
                       reason ? reason : "no reason is known");

    ERR_clear_error();

    return NGX_ERROR;
}


static void
ngx_http_presence_redis_tls_cleanup(void *data)
{
    SSL_CTX_free(data);
}


#else


ngx_int_t
ngx_http_presence_redis_tls_init(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"rediss://\" in presence_zone \"%V\" needs a hiredis "
                       "with TLS, 1.0 or later, which this module is not "
                       "built with: have a local proxy speak TLS, such as "
                       "stunnel", &redis->zone->name);
    return NGX_ERROR;
}


ngx_int_t
ngx_http_presence_redis_tls_start(ngx_http_presence_redis_link_t *link,
    const char *host)
{
    return NGX_ERROR;
}


void
ngx_http_presence_redis_tls_clear(void)
{
}


void
ngx_http_presence_redis_tls_why(ngx_http_presence_redis_link_t *link,
    char *why, size_t size)
{
}


#endif
