/*
 * One connection to Redis: connects, logs in, chooses the database, and
 * connects again when it is lost.  It is told a few servers, or whom to ask
 * for one.  With its neighbours the only part that knows hiredis.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_LINK_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_LINK_H_INCLUDED_


#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include "ngx_http_presence_zone.h"
#include "ngx_http_presence_redis_url.h"


/* bytes of a host, with the zero at its end */
#define NGX_HTTP_PRESENCE_REDIS_MAX_HOST  256


typedef struct ngx_http_presence_redis_link_s  ngx_http_presence_redis_link_t;
typedef struct ngx_http_presence_redis_call_s  ngx_http_presence_redis_call_t;
typedef struct ngx_http_presence_redis_sentinel_s
    ngx_http_presence_redis_sentinel_t;


/* where one is; strings need not end with a zero */
typedef struct {
    ngx_str_t                          name;        /* empty: it has none */
    ngx_str_t                          address;     /* empty: not known */
    in_port_t                          port;
} ngx_http_presence_redis_server_t;


/*
 * The answer to a call; NULL: there will be none, and no call can be made from
 * within.  The call is its receiver's again.
 */
typedef void (*ngx_http_presence_redis_reply_pt)(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);


/* the beginning of what a caller keeps for the answer */
struct ngx_http_presence_redis_call_s {
    ngx_http_presence_redis_link_t    *link;
    ngx_http_presence_redis_reply_pt   handler;
};


typedef enum {
    NGX_HTTP_PRESENCE_REDIS_DOWN = 0,
    NGX_HTTP_PRESENCE_REDIS_FINDING,        /* Sentinel is asked where to */
    NGX_HTTP_PRESENCE_REDIS_NAMING,         /* the resolver is asked */
    NGX_HTTP_PRESENCE_REDIS_CONNECTING,
    NGX_HTTP_PRESENCE_REDIS_GREETING,
    NGX_HTTP_PRESENCE_REDIS_READY
} ngx_http_presence_redis_state_e;


/* what an error of the server's means */
typedef enum {
    NGX_HTTP_PRESENCE_REDIS_REFUSED = 0,    /* OOM, MISCONF, NOPERM, … */
    NGX_HTTP_PRESENCE_REDIS_NO_SCRIPT,
    NGX_HTTP_PRESENCE_REDIS_ELSEWHERE,      /* connect again: READONLY, … */
    NGX_HTTP_PRESENCE_REDIS_CLUSTER         /* MOVED, CLUSTERDOWN, … */
} ngx_http_presence_redis_error_e;


struct ngx_http_presence_redis_link_s {
    ngx_http_presence_redis_t         *redis;
    ngx_http_presence_redis_state_e    state;

    /* how to log in, the servers, or a socket's path in the URL */
    const ngx_http_presence_redis_url_t  *url;
    const ngx_http_presence_redis_server_t  *servers;
    ngx_uint_t                         nservers;
    ngx_uint_t                         turn;        /* of the servers */

    /* of the server: its name or else its address, and the last one known */
    char                               host[NGX_HTTP_PRESENCE_REDIS_MAX_HOST];
    char                               address[NGX_SOCKADDR_STRLEN + 1];
    in_port_t                          port;
    ngx_resolver_ctx_t                *resolving;

    /* who is asked for the address instead, and of what else it is */
    ngx_http_presence_redis_sentinel_t  *sentinel;
    ngx_queue_t                        queue;

    redisAsyncContext                 *ac;
    void                              *ssl;         /* OpenSSL's, in "ac" */
    ngx_connection_t                  *c;
    ngx_connection_t                   owner;       /* data of the timers */
    ngx_event_t                        timer;       /* connect, commands */
    ngx_event_t                        retry;
    ngx_event_t                        drop;
    ngx_msec_t                         patience;    /* of a command */
    ngx_uint_t                         attempts;
    ngx_uint_t                         waiting;     /* calls not answered */
    char                               why[160];    /* it was lost */
    void                             (*ready)(
                                       ngx_http_presence_redis_link_t *link);
    void                             (*down)(
                                       ngx_http_presence_redis_link_t *link);
    unsigned                           closed:1;
    unsigned                           quiet:1;     /* is not Redis itself */
};


/*
 * "ready" and "down" are called from the event loop, each time.  It connects
 * to where the zone's line "redis" says, unless it is told otherwise.
 */
void ngx_http_presence_redis_link_init(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_t *redis, ngx_msec_t patience,
    void (*ready)(ngx_http_presence_redis_link_t *link),
    void (*down)(ngx_http_presence_redis_link_t *link), ngx_log_t *log);

/* from where the time may be an old one: when the event loop runs */
void ngx_http_presence_redis_link_start(ngx_http_presence_redis_link_t *link);

void ngx_http_presence_redis_link_open(ngx_http_presence_redis_link_t *link);

/* for good, or until it is opened again */
void ngx_http_presence_redis_link_close(ngx_http_presence_redis_link_t *link);

/* gives the connection up and makes another one; from anywhere */
void ngx_http_presence_redis_link_drop(ngx_http_presence_redis_link_t *link,
    const char *why);

/* answers of the one who is asked for the server: one, none, another one */
void ngx_http_presence_redis_link_found(ngx_http_presence_redis_link_t *link,
    const ngx_http_presence_redis_server_t *server);
void ngx_http_presence_redis_link_not_found(
    ngx_http_presence_redis_link_t *link, const char *why);
void ngx_http_presence_redis_link_moved(ngx_http_presence_redis_link_t *link,
    const char *why);

/* the same of the resolver's: an address, or NULL and why there is none */
void ngx_http_presence_redis_link_named(ngx_http_presence_redis_link_t *link,
    const char *address, const char *why);

/* what the socket has to tell: it is connected, or is no more */
void ngx_http_presence_redis_link_connected(
    ngx_http_presence_redis_link_t *link);
void ngx_http_presence_redis_link_lost(ngx_http_presence_redis_link_t *link);

/* NGX_ERROR: it was not sent, and the call is still the caller's */
ngx_int_t ngx_http_presence_redis_link_call(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, int argc, const char **argv,
    const size_t *len);

/* the next call is let in where its slot is on the way to */
void ngx_http_presence_redis_link_asking(ngx_http_presence_redis_link_t *link);

ngx_http_presence_redis_error_e ngx_http_presence_redis_error(
    const redisReply *reply);


#endif /* _NGX_HTTP_PRESENCE_REDIS_LINK_H_INCLUDED_ */
