#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_name.h"
#include "ngx_http_presence_redis_sentinel.h"
#include "ngx_http_presence_redis_socket.h"
#include "ngx_http_presence_redis_tls.h"


/* the pause before the nth attempt is by chance, up to BASE x 2^n and a cap */
#define NGX_HTTP_PRESENCE_REDIS_RETRY_BASE   100
#define NGX_HTTP_PRESENCE_REDIS_RETRY_CAP    5000
#define NGX_HTTP_PRESENCE_REDIS_RETRY_LEAST  200


static void ngx_http_presence_redis_link_go(
    ngx_http_presence_redis_link_t *link,
    const ngx_http_presence_redis_server_t *server);
static void ngx_http_presence_redis_link_use(
    ngx_http_presence_redis_link_t *link, redisAsyncContext *ac);
static void ngx_http_presence_redis_link_greet(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_link_greeted(redisAsyncContext *ac,
    void *data, void *last);
static void ngx_http_presence_redis_link_replied(redisAsyncContext *ac,
    void *reply, void *data);
static void ngx_http_presence_redis_link_failed(
    ngx_http_presence_redis_link_t *link, const char *why);
static void ngx_http_presence_redis_link_timer_handler(ngx_event_t *ev);
static void ngx_http_presence_redis_link_retry_handler(ngx_event_t *ev);
static void ngx_http_presence_redis_link_drop_handler(ngx_event_t *ev);


void
ngx_http_presence_redis_link_init(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_t *redis, ngx_msec_t patience,
    void (*ready)(ngx_http_presence_redis_link_t *link),
    void (*down)(ngx_http_presence_redis_link_t *link), ngx_log_t *log)
{
    ngx_memzero(link, sizeof(ngx_http_presence_redis_link_t));

    link->redis = redis;
    link->url = &redis->url;
    link->servers = redis->servers;
    link->nservers = redis->nservers;
    link->patience = patience;
    link->ready = ready;
    link->down = down;
    link->closed = 1;

    /* nginx's debug log takes the data of an event for a connection */

    link->owner.data = link;
    link->owner.fd = (ngx_socket_t) -1;

    link->timer.handler = ngx_http_presence_redis_link_timer_handler;
    link->timer.data = &link->owner;
    link->timer.log = log;

    /* it must not keep a worker that quits */

    link->timer.cancelable = 1;

    link->retry.handler = ngx_http_presence_redis_link_retry_handler;
    link->retry.data = &link->owner;
    link->retry.log = log;
    link->retry.cancelable = 1;

    link->drop.handler = ngx_http_presence_redis_link_drop_handler;
    link->drop.data = &link->owner;
    link->drop.log = log;

    if (redis->sentinel) {
        ngx_http_presence_redis_sentinel_add(redis->sentinel, link);
    }
}


void
ngx_http_presence_redis_link_start(ngx_http_presence_redis_link_t *link)
{
    link->closed = 0;

    ngx_add_timer(&link->retry, 1);
}


void
ngx_http_presence_redis_link_open(ngx_http_presence_redis_link_t *link)
{
    link->closed = 0;

    if (link->ac || link->retry.timer_set || ngx_exiting
        || link->state == NGX_HTTP_PRESENCE_REDIS_FINDING
        || link->state == NGX_HTTP_PRESENCE_REDIS_NAMING)
    {
        return;
    }

    if (link->sentinel) {
        link->state = NGX_HTTP_PRESENCE_REDIS_FINDING;
        ngx_add_timer(&link->timer, link->redis->connect_timeout);
        ngx_http_presence_redis_sentinel_find(link->sentinel, link);
        return;
    }

    if (link->url->path[0]) {
        ngx_http_presence_redis_link_use(link,
                                       redisAsyncConnectUnix(link->url->path));
        return;
    }

    /* all of them, one after the other */

    ngx_http_presence_redis_link_go(link,
                                    &link->servers[link->turn
                                                   % link->nservers]);
}


void
ngx_http_presence_redis_link_found(ngx_http_presence_redis_link_t *link,
    const ngx_http_presence_redis_server_t *server)
{
    if (link->state == NGX_HTTP_PRESENCE_REDIS_FINDING) {
        ngx_http_presence_redis_link_go(link, server);
    }
}


void
ngx_http_presence_redis_link_named(ngx_http_presence_redis_link_t *link,
    const char *address, const char *why)
{
    if (link->state != NGX_HTTP_PRESENCE_REDIS_NAMING) {
        return;
    }

    if (address) {
        ngx_cpystrn((u_char *) link->address, (u_char *) address,
                    sizeof(link->address));

    } else if (link->address[0] == '\0') {
        ngx_http_presence_redis_link_failed(link, why);
        return;
    }

    /* else the one of the start may still be right */

    ngx_http_presence_redis_link_use(link, redisAsyncConnect(link->address,
                                                             link->port));
}


void
ngx_http_presence_redis_link_not_found(ngx_http_presence_redis_link_t *link,
    const char *why)
{
    if (link->state == NGX_HTTP_PRESENCE_REDIS_FINDING) {
        ngx_http_presence_redis_link_failed(link, why);
    }
}


void
ngx_http_presence_redis_link_moved(ngx_http_presence_redis_link_t *link,
    const char *why)
{
    /* there is no more to wait for */

    link->attempts = 0;

    if (link->ac) {
        ngx_http_presence_redis_link_drop(link, why);

    } else if (link->state == NGX_HTTP_PRESENCE_REDIS_NAMING) {
        ngx_http_presence_redis_name_forget(link);
        ngx_http_presence_redis_link_failed(link, why);

    } else if (link->retry.timer_set) {
        ngx_del_timer(&link->retry);
        ngx_http_presence_redis_link_open(link);
    }
}


void
ngx_http_presence_redis_link_close(ngx_http_presence_redis_link_t *link)
{
    link->closed = 1;

    if (link->retry.timer_set) {
        ngx_del_timer(&link->retry);
    }

    if (link->drop.posted) {
        ngx_delete_posted_event(&link->drop);
    }

    ngx_http_presence_redis_name_forget(link);

    if (link->state == NGX_HTTP_PRESENCE_REDIS_FINDING
        || link->state == NGX_HTTP_PRESENCE_REDIS_NAMING)
    {
        link->state = NGX_HTTP_PRESENCE_REDIS_DOWN;
        ngx_del_timer(&link->timer);
    }

    if (link->ac) {
        redisAsyncFree(link->ac);
    }
}


void
ngx_http_presence_redis_link_drop(ngx_http_presence_redis_link_t *link,
    const char *why)
{
    if (link->ac == NULL || link->drop.posted) {
        return;
    }

    link->state = NGX_HTTP_PRESENCE_REDIS_DOWN;

    ngx_cpystrn((u_char *) link->why, (u_char *) why, sizeof(link->why));

    /* a context is not freed within its own callbacks */

    ngx_post_event(&link->drop, &ngx_posted_events);
}


ngx_int_t
ngx_http_presence_redis_link_call(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, int argc, const char **argv,
    const size_t *len)
{
    if (link->state != NGX_HTTP_PRESENCE_REDIS_READY || link->ac->err
        || redisAsyncCommandArgv(link->ac,
                                 ngx_http_presence_redis_link_replied, call,
                                 argc, argv, len)
           != REDIS_OK)
    {
        return NGX_ERROR;
    }

    call->link = link;

    if (link->waiting++ == 0) {
        ngx_add_timer(&link->timer, link->patience);
    }

    return NGX_OK;
}


void
ngx_http_presence_redis_link_asking(ngx_http_presence_redis_link_t *link)
{
    if (link->state == NGX_HTTP_PRESENCE_REDIS_READY && !link->ac->err) {
        (void) redisAsyncCommand(link->ac, NULL, NULL, "ASKING");
    }
}


ngx_http_presence_redis_error_e
ngx_http_presence_redis_error(const redisReply *reply)
{
    ngx_uint_t  i;

    static const struct {
        const char                       *word;
        ngx_http_presence_redis_error_e   error;
    } words[] = {
        { "NOSCRIPT", NGX_HTTP_PRESENCE_REDIS_NO_SCRIPT },
        { "LOADING", NGX_HTTP_PRESENCE_REDIS_ELSEWHERE },
        { "READONLY", NGX_HTTP_PRESENCE_REDIS_ELSEWHERE },
        { "MASTERDOWN", NGX_HTTP_PRESENCE_REDIS_ELSEWHERE },
        { "UNBLOCKED", NGX_HTTP_PRESENCE_REDIS_ELSEWHERE },
        { "NOAUTH", NGX_HTTP_PRESENCE_REDIS_ELSEWHERE },
        { "WRONGPASS", NGX_HTTP_PRESENCE_REDIS_ELSEWHERE },
        { "MOVED", NGX_HTTP_PRESENCE_REDIS_CLUSTER },
        { "ASK", NGX_HTTP_PRESENCE_REDIS_CLUSTER },
        { "CROSSSLOT", NGX_HTTP_PRESENCE_REDIS_CLUSTER },
        { "CLUSTERDOWN", NGX_HTTP_PRESENCE_REDIS_CLUSTER }
    };

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {

        /* what a script runs into is told after its own words */

        if (ngx_strncmp(reply->str, words[i].word,
                        ngx_strlen(words[i].word)) == 0
            || ngx_strstr(reply->str, words[i].word))
        {
            return words[i].error;
        }
    }

    return NGX_HTTP_PRESENCE_REDIS_REFUSED;
}


void
ngx_http_presence_redis_link_connected(ngx_http_presence_redis_link_t *link)
{
    if (link->url->tls
        && ngx_http_presence_redis_tls_start(link, link->host) != NGX_OK)
    {
        ngx_http_presence_redis_link_drop(link, link->why[0]
                                                ? link->why
                                                : "TLS cannot begin");
        return;
    }

    ngx_http_presence_redis_link_greet(link);
}


void
ngx_http_presence_redis_link_lost(ngx_http_presence_redis_link_t *link)
{
    ngx_http_presence_redis_link_failed(link, link->why);
}


/* to a server by its name, if there is one who can say where that is now */

static void
ngx_http_presence_redis_link_go(ngx_http_presence_redis_link_t *link,
    const ngx_http_presence_redis_server_t *server)
{
    ngx_str_t         host;
    const ngx_str_t  *known;

    known = server->name.len ? &server->name : &server->address;

    host.data = (u_char *) link->host;
    host.len = ngx_min(known->len, sizeof(link->host) - 1);

    ngx_cpystrn(host.data, known->data, host.len + 1);

    ngx_cpystrn((u_char *) link->address, server->address.data,
                ngx_min(server->address.len + 1, sizeof(link->address)));

    link->port = server->port;

    if (server->name.len == 0 || link->redis->resolver == NULL) {
        ngx_http_presence_redis_link_use(link,
                                         redisAsyncConnect(link->address,
                                                           link->port));
        return;
    }

    link->state = NGX_HTTP_PRESENCE_REDIS_NAMING;

    ngx_add_timer(&link->timer, link->redis->connect_timeout);

    ngx_http_presence_redis_name_resolve(link, &host);
}


/* a context that begins to connect, or cannot */

static void
ngx_http_presence_redis_link_use(ngx_http_presence_redis_link_t *link,
    redisAsyncContext *ac)
{
    if (ac == NULL) {
        ngx_http_presence_redis_link_failed(link, "no memory");
        return;
    }

    if (ac->err) {
        ngx_http_presence_redis_link_failed(link, ac->errstr);
        redisAsyncFree(ac);
        return;
    }

    if (ngx_http_presence_redis_socket_attach(link, ac) != NGX_OK) {
        redisAsyncFree(ac);
        ngx_http_presence_redis_link_failed(link, "no connection is free");
        return;
    }

    link->state = NGX_HTTP_PRESENCE_REDIS_CONNECTING;
    link->why[0] = '\0';

    ngx_add_timer(&link->timer, link->redis->connect_timeout);
}


static void
ngx_http_presence_redis_link_greet(ngx_http_presence_redis_link_t *link)
{
    int                                   rc;
    const ngx_http_presence_redis_url_t  *url;

    url = link->url;
    rc = REDIS_OK;

    link->state = NGX_HTTP_PRESENCE_REDIS_GREETING;

    if (url->password[0] && url->user[0]) {
        rc |= redisAsyncCommand(link->ac, ngx_http_presence_redis_link_greeted,
                                NULL, "AUTH %s %s", url->user, url->password);

    } else if (url->password[0]) {
        rc |= redisAsyncCommand(link->ac, ngx_http_presence_redis_link_greeted,
                                NULL, "AUTH %s", url->password);
    }

    if (url->db) {
        rc |= redisAsyncCommand(link->ac, ngx_http_presence_redis_link_greeted,
                                NULL, "SELECT %u", url->db);
    }

    /* who was the master may be so no more */

    if (link->sentinel) {
        rc |= redisAsyncCommand(link->ac, ngx_http_presence_redis_link_greeted,
                                NULL, "ROLE");
    }

    /* the last one tells whether it serves: it may be loading */

    rc |= redisAsyncCommand(link->ac, ngx_http_presence_redis_link_greeted,
                            link, "PING");
    if (rc != REDIS_OK) {
        ngx_http_presence_redis_link_drop(link, "no memory");
    }
}


static void
ngx_http_presence_redis_link_greeted(redisAsyncContext *ac, void *data,
    void *last)
{
    redisReply *reply = data;

    ngx_http_presence_redis_link_t  *link;

    link = ac->data;

    if (reply == NULL || link->state != NGX_HTTP_PRESENCE_REDIS_GREETING) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_presence_redis_link_drop(link, reply->str);
        return;
    }

    /* what ROLE is answered; nothing else of the greeting is a list */

    if (reply->type == REDIS_REPLY_ARRAY
        && (reply->elements == 0
            || reply->element[0]->type != REDIS_REPLY_STRING
            || ngx_strcmp(reply->element[0]->str, "master") != 0))
    {
        ngx_http_presence_redis_link_drop(link, "the server that Sentinel "
                                          "names is not a master");
        return;
    }

    if (last == NULL) {
        return;
    }

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    link->state = NGX_HTTP_PRESENCE_REDIS_READY;
    link->attempts = 0;

    if (!link->quiet) {
        link->redis->counters.connects++;
    }

    link->ready(link);
}


static void
ngx_http_presence_redis_link_replied(redisAsyncContext *ac, void *reply,
    void *data)
{
    ngx_http_presence_redis_call_t *call = data;

    ngx_http_presence_redis_link_t  *link;

    link = call->link;
    link->waiting--;

    if (reply && link->state == NGX_HTTP_PRESENCE_REDIS_READY) {

        if (link->waiting) {
            ngx_add_timer(&link->timer, link->patience);

        } else if (link->timer.timer_set) {
            ngx_del_timer(&link->timer);
        }

    } else {
        reply = NULL;
    }

    call->handler(link, call, reply);
}


static void
ngx_http_presence_redis_link_failed(ngx_http_presence_redis_link_t *link,
    const char *why)
{
    ngx_uint_t                  i;
    ngx_msec_t                  most, cap;
    ngx_http_presence_redis_t  *redis;

    redis = link->redis;

    link->state = NGX_HTTP_PRESENCE_REDIS_DOWN;

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    if (link->closed) {
        return;
    }

    /* back within an interval of Redis' return */

    cap = (ngx_msec_t) redis->zone->policy.interval;
    cap = ngx_min(cap, NGX_HTTP_PRESENCE_REDIS_RETRY_CAP);
    cap = ngx_max(cap, NGX_HTTP_PRESENCE_REDIS_RETRY_LEAST);

    most = NGX_HTTP_PRESENCE_REDIS_RETRY_BASE;

    for (i = 0; i < link->attempts && most < cap; i++) {
        most *= 2;
    }

    link->attempts++;
    link->turn++;

    if (why != link->why) {
        ngx_cpystrn((u_char *) link->why, (u_char *) why, sizeof(link->why));
    }

    if (!link->quiet) {
        redis->counters.failures++;
        ngx_http_presence_redis_tell(redis, 0, why);
    }

    link->down(link);

    if (!ngx_exiting) {
        ngx_add_timer(&link->retry,
                      1 + (ngx_msec_t) ngx_random() % ngx_min(most, cap));
    }
}


static void
ngx_http_presence_redis_link_timer_handler(ngx_event_t *ev)
{
    ngx_connection_t *owner = ev->data;

    ngx_http_presence_redis_link_t  *link;

    link = owner->data;

    if (link->state == NGX_HTTP_PRESENCE_REDIS_FINDING) {
        ngx_http_presence_redis_link_failed(link,
                                            "no Sentinel has answered in time");
        return;
    }

    if (link->state == NGX_HTTP_PRESENCE_REDIS_NAMING) {
        ngx_http_presence_redis_name_forget(link);
        ngx_http_presence_redis_link_named(link, NULL,
                                           "the resolver has not answered in "
                                           "time");
        return;
    }

    if (link->ac == NULL) {
        return;
    }

    ngx_cpystrn((u_char *) link->why,
                (u_char *) (link->state == NGX_HTTP_PRESENCE_REDIS_READY
                            ? "no answer in time"
                            : "no connection in time"),
                sizeof(link->why));

    link->state = NGX_HTTP_PRESENCE_REDIS_DOWN;

    redisAsyncFree(link->ac);
}


static void
ngx_http_presence_redis_link_retry_handler(ngx_event_t *ev)
{
    ngx_connection_t *owner = ev->data;

    ngx_http_presence_redis_link_t  *link;

    link = owner->data;

    if (!link->closed) {
        ngx_http_presence_redis_link_open(link);
    }
}


static void
ngx_http_presence_redis_link_drop_handler(ngx_event_t *ev)
{
    ngx_connection_t *owner = ev->data;

    ngx_http_presence_redis_link_t  *link;

    link = owner->data;

    if (link->ac) {
        redisAsyncFree(link->ac);
    }
}
