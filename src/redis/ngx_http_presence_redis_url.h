/*
 * Where Redis is: the value of the line "redis".  Plain C.
 *
 *     redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]
 *     rediss://…, the same by TLS
 *     sentinel://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]/MASTER[/DB]
 *     sentinels://…, the same by TLS
 *     cluster://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]
 *     clusters://…, the same by TLS
 *     unix:PATH
 *     unix://[[USER]:PASSWORD@]/PATH[?db=DB]
 *
 * USER and PASSWORD may be percent-encoded (RFC 3986, section 2.1); HOST may
 * be an IPv6 address in brackets.  With Sentinel the hosts are Sentinels, and
 * USER and PASSWORD those of the server to which they lead.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_URL_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_URL_H_INCLUDED_


#include <stddef.h>


#define NGX_HTTP_PRESENCE_REDIS_PORT           6379
#define NGX_HTTP_PRESENCE_REDIS_SENTINEL_PORT  26379
#define NGX_HTTP_PRESENCE_REDIS_MAX_DB         65535


/* strings end with a zero; an empty one is absent */
typedef struct {
    char      host[256];
    char      path[108];        /* of a socket; then there is no host */
    char      servers[1024];    /* HOST:PORT,HOST:PORT; nor is there one now */
    char      master[129];      /* the servers are Sentinels of it */
    char      user[129];
    char      password[513];
    unsigned  port;
    unsigned  db;
    int       cluster;          /* the servers are of one */
    int       tls;
} ngx_http_presence_redis_url_t;


/* NULL; or what is wrong, as the end of a sentence */
const char *ngx_http_presence_redis_url_parse(const char *s, size_t len,
    ngx_http_presence_redis_url_t *url);

/* steps to the next one of the servers; 0: there is none */
int ngx_http_presence_redis_url_next(const char **list, const char **s,
    size_t *len);


#endif /* _NGX_HTTP_PRESENCE_REDIS_URL_H_INCLUDED_ */
