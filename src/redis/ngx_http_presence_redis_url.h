/*
 * Where Redis is: the value of the line "redis".  Plain C.
 *
 *     redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]
 *     unix:PATH
 *     unix://[[USER]:PASSWORD@]/PATH[?db=DB]
 *
 * USER and PASSWORD may be percent-encoded (RFC 3986, section 2.1); HOST may
 * be an IPv6 address in brackets.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_URL_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_URL_H_INCLUDED_


#include <stddef.h>


#define NGX_HTTP_PRESENCE_REDIS_PORT     6379
#define NGX_HTTP_PRESENCE_REDIS_MAX_DB   65535


/* strings end with a zero; an empty one is absent */
typedef struct {
    char      host[256];
    char      path[108];        /* of a socket; then there is no host */
    char      user[129];
    char      password[513];
    unsigned  port;
    unsigned  db;
} ngx_http_presence_redis_url_t;


/* NULL; or what is wrong, as the end of a sentence */
const char *ngx_http_presence_redis_url_parse(const char *s, size_t len,
    ngx_http_presence_redis_url_t *url);


#endif /* _NGX_HTTP_PRESENCE_REDIS_URL_H_INCLUDED_ */
