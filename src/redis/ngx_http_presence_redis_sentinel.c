#include "ngx_http_presence_redis_sentinel.h"


/* a failover is known of so much later than by Sentinel at most */
#define NGX_HTTP_PRESENCE_REDIS_SENTINEL_PAUSE  1000


struct ngx_http_presence_redis_sentinel_s {
    ngx_http_presence_redis_link_t    link;         /* to one of them */
    ngx_http_presence_redis_call_t    call;
    ngx_event_t                       poll;
    ngx_queue_t                       links;        /* of this worker */

    /* of the master, as it was told last */
    char                              host[NGX_SOCKADDR_STRLEN + 1];
    in_port_t                         port;

    unsigned                          asking:1;     /* not answered yet */
};


static void ngx_http_presence_redis_sentinel_ready(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_sentinel_down(
    ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_sentinel_ask(
    ngx_http_presence_redis_sentinel_t *sentinel);
static void ngx_http_presence_redis_sentinel_answered(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static ngx_int_t ngx_http_presence_redis_sentinel_read(
    const redisReply *reply, char *host, in_port_t *port);
static void ngx_http_presence_redis_sentinel_none(
    ngx_http_presence_redis_sentinel_t *sentinel, const char *why);
static void ngx_http_presence_redis_sentinel_poll(ngx_event_t *ev);


ngx_int_t
ngx_http_presence_redis_sentinel_init_worker(ngx_http_presence_redis_t *redis,
    ngx_cycle_t *cycle)
{
    ngx_http_presence_redis_link_t      *link;
    ngx_http_presence_redis_sentinel_t  *sentinel;

    if (redis->url.master[0] == '\0') {
        return NGX_OK;
    }

    sentinel = ngx_pcalloc(cycle->pool,
                           sizeof(ngx_http_presence_redis_sentinel_t));
    if (sentinel == NULL) {
        return NGX_ERROR;
    }

    link = &sentinel->link;

    ngx_http_presence_redis_link_init(link, redis, redis->timeout,
                                      ngx_http_presence_redis_sentinel_ready,
                                      ngx_http_presence_redis_sentinel_down,
                                      cycle->log);

    link->url = &redis->sentinel_login;
    link->quiet = 1;

    /* not all workers of all nodes the same one */

    link->turn = (ngx_uint_t) ngx_random() % link->naddrs;

    sentinel->poll.handler = ngx_http_presence_redis_sentinel_poll;
    sentinel->poll.data = &link->owner;
    sentinel->poll.log = cycle->log;
    sentinel->poll.cancelable = 1;

    ngx_queue_init(&sentinel->links);

    redis->sentinel = sentinel;

    ngx_http_presence_redis_link_start(link);

    return NGX_OK;
}


void
ngx_http_presence_redis_sentinel_add(
    ngx_http_presence_redis_sentinel_t *sentinel,
    ngx_http_presence_redis_link_t *link)
{
    link->sentinel = sentinel;

    ngx_queue_insert_tail(&sentinel->links, &link->queue);
}


void
ngx_http_presence_redis_sentinel_find(
    ngx_http_presence_redis_sentinel_t *sentinel,
    ngx_http_presence_redis_link_t *link)
{
    /* where this one has sent it there was no master, and another may know */

    if (link->attempts > 1 && sentinel->link.naddrs > 1) {
        ngx_http_presence_redis_link_drop(&sentinel->link,
                                          "another one is asked");
    }

    ngx_http_presence_redis_sentinel_ask(sentinel);
}


static void
ngx_http_presence_redis_sentinel_ready(ngx_http_presence_redis_link_t *link)
{
    ngx_http_presence_redis_sentinel_ask(link->redis->sentinel);
}


static void
ngx_http_presence_redis_sentinel_down(ngx_http_presence_redis_link_t *link)
{
    char                                 why[sizeof(link->why) + 32];
    ngx_http_presence_redis_sentinel_t  *sentinel;

    sentinel = link->redis->sentinel;
    sentinel->asking = 0;

    /* all of them have been tried */

    if (link->attempts >= link->naddrs) {
        *ngx_snprintf((u_char *) why, sizeof(why) - 1,
                      "no Sentinel answers: %s", link->why) = '\0';

        ngx_http_presence_redis_sentinel_none(sentinel, why);
    }
}


static void
ngx_http_presence_redis_sentinel_ask(
    ngx_http_presence_redis_sentinel_t *sentinel)
{
    const char  *argv[3];
    size_t       len[3];

    if (sentinel->asking) {
        return;
    }

    argv[0] = "SENTINEL";
    argv[1] = "GET-MASTER-ADDR-BY-NAME";
    argv[2] = sentinel->link.redis->url.master;

    len[0] = ngx_strlen(argv[0]);
    len[1] = ngx_strlen(argv[1]);
    len[2] = ngx_strlen(argv[2]);

    sentinel->call.handler = ngx_http_presence_redis_sentinel_answered;

    if (ngx_http_presence_redis_link_call(&sentinel->link, &sentinel->call, 3,
                                          argv, len)
        == NGX_OK)
    {
        sentinel->asking = 1;
    }
}


static void
ngx_http_presence_redis_sentinel_answered(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    char                                 host[NGX_SOCKADDR_STRLEN + 1];
    char                                 why[sizeof(link->why)];
    in_port_t                            port;
    ngx_uint_t                           moved;
    ngx_queue_t                         *q;
    ngx_http_presence_redis_link_t      *l;
    ngx_http_presence_redis_sentinel_t  *sentinel;

    sentinel = link->redis->sentinel;
    sentinel->asking = 0;

    if (reply == NULL) {
        return;
    }

    if (ngx_http_presence_redis_sentinel_read(reply, host, &port) != NGX_OK) {

        *ngx_snprintf((u_char *) why, sizeof(why) - 1, "Sentinel does not "
                      "tell the address of the master: %s",
                      reply->type == REDIS_REPLY_ERROR ? reply->str
                      : reply->type == REDIS_REPLY_NIL
                        ? "no master has that name"
                      : "it is no number; set \"resolve-hostnames\" there to "
                        "\"no\"")
            = '\0';

        ngx_http_presence_redis_sentinel_none(sentinel, why);
        ngx_http_presence_redis_link_drop(link, why);
        return;
    }

    moved = (sentinel->port != port
             || ngx_strcmp(sentinel->host, host) != 0);

    if (moved) {
        ngx_cpystrn((u_char *) sentinel->host, (u_char *) host, sizeof(host));
        sentinel->port = port;

        *ngx_snprintf((u_char *) why, sizeof(why) - 1,
                      "Sentinel names %s:%ui as master now", host,
                      (ngx_uint_t) port)
            = '\0';

        ngx_log_error(NGX_LOG_INFO, link->timer.log, 0,
                      "presence_zone \"%V\": redis \"%V\": %s",
                      &link->redis->zone->name, &link->redis->name, why);
    }

    for (q = ngx_queue_head(&sentinel->links);
         q != ngx_queue_sentinel(&sentinel->links);
         q = ngx_queue_next(q))
    {
        l = ngx_queue_data(q, ngx_http_presence_redis_link_t, queue);

        if (l->state == NGX_HTTP_PRESENCE_REDIS_FINDING) {
            ngx_http_presence_redis_link_found(l, host, port);

        } else if (moved) {
            ngx_http_presence_redis_link_moved(l, why);
        }
    }

    ngx_add_timer(&sentinel->poll, NGX_HTTP_PRESENCE_REDIS_SENTINEL_PAUSE);
}


/* two strings, of which hiredis needs the first one to be an address */

static ngx_int_t
ngx_http_presence_redis_sentinel_read(const redisReply *reply, char *host,
    in_port_t *port)
{
    u_char            *p;
    ngx_int_t          n;
    const redisReply  *first, *second;
    u_char             in6[16];

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    first = reply->element[0];
    second = reply->element[1];

    p = (u_char *) first->str;
    n = ngx_atoi((u_char *) second->str, second->len);

    if (n < 1 || n > 65535 || first->len > NGX_SOCKADDR_STRLEN
        || (ngx_inet_addr(p, first->len) == INADDR_NONE
            && ngx_inet6_addr(p, first->len, in6) != NGX_OK))
    {
        return NGX_ERROR;
    }

    ngx_cpystrn((u_char *) host, p, first->len + 1);
    *port = (in_port_t) n;

    return NGX_OK;
}


static void
ngx_http_presence_redis_sentinel_none(
    ngx_http_presence_redis_sentinel_t *sentinel, const char *why)
{
    ngx_queue_t  *q;

    for (q = ngx_queue_head(&sentinel->links);
         q != ngx_queue_sentinel(&sentinel->links);
         q = ngx_queue_next(q))
    {
        ngx_http_presence_redis_link_not_found(
              ngx_queue_data(q, ngx_http_presence_redis_link_t, queue), why);
    }
}


static void
ngx_http_presence_redis_sentinel_poll(ngx_event_t *ev)
{
    ngx_connection_t *owner = ev->data;

    ngx_http_presence_redis_link_t  *link;

    link = owner->data;

    if (!ngx_exiting) {
        ngx_http_presence_redis_sentinel_ask(link->redis->sentinel);
    }
}
