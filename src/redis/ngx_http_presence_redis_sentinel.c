#include "ngx_http_presence_redis_sentinel.h"
#include "ngx_http_presence_redis_name.h"
#include "ngx_http_presence_redis_reader.h"


/* a failover is known of so much later at most, when no message tells of it */
#define NGX_HTTP_PRESENCE_REDIS_SENTINEL_PAUSE  1000


struct ngx_http_presence_redis_sentinel_s {
    ngx_http_presence_redis_link_t    link;         /* to one of them */
    ngx_http_presence_redis_call_t    call;
    ngx_event_t                       poll;
    ngx_queue_t                       links;        /* of this worker */

    /* to the same one, for its messages */
    ngx_http_presence_redis_link_t    ear;
    ngx_http_presence_redis_server_t  here;

    /* of the master, as it was told last */
    char                              host[NGX_HTTP_PRESENCE_REDIS_MAX_HOST];
    in_port_t                         port;

    unsigned                          asking:1;     /* not answered yet */
    unsigned                          again:1;      /* to be asked once more */
    unsigned                          deaf:1;       /* it was told so */
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
    const redisReply *reply, ngx_http_presence_redis_server_t *server);
static void ngx_http_presence_redis_sentinel_listen(
    ngx_http_presence_redis_link_t *ear);
static void ngx_http_presence_redis_sentinel_heard(redisAsyncContext *ac,
    void *data, void *unused);
static void ngx_http_presence_redis_sentinel_deaf(
    ngx_http_presence_redis_link_t *ear);
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

    link->turn = (ngx_uint_t) ngx_random() % link->nservers;

    ngx_http_presence_redis_link_init(&sentinel->ear, redis, redis->timeout,
                                      ngx_http_presence_redis_sentinel_listen,
                                      ngx_http_presence_redis_sentinel_deaf,
                                      cycle->log);

    sentinel->ear.url = &redis->sentinel_login;
    sentinel->ear.quiet = 1;
    sentinel->ear.servers = &sentinel->here;
    sentinel->ear.nservers = 1;

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

    if (link->attempts > 1 && sentinel->link.nservers > 1) {
        ngx_http_presence_redis_link_drop(&sentinel->link,
                                          "another one is asked");
    }

    ngx_http_presence_redis_sentinel_ask(sentinel);
}


static void
ngx_http_presence_redis_sentinel_ready(ngx_http_presence_redis_link_t *link)
{
    ngx_http_presence_redis_server_t    *here;
    ngx_http_presence_redis_sentinel_t  *sentinel;

    sentinel = link->redis->sentinel;

    ngx_http_presence_redis_sentinel_ask(sentinel);

    /* what one of them says another may not know yet */

    here = &sentinel->here;

    *here = link->servers[link->turn % link->nservers];

    here->address.data = (u_char *) link->address;
    here->address.len = ngx_strlen(link->address);

    ngx_http_presence_redis_link_open(&sentinel->ear);
}


static void
ngx_http_presence_redis_sentinel_down(ngx_http_presence_redis_link_t *link)
{
    char                                 why[sizeof(link->why) + 32];
    ngx_http_presence_redis_sentinel_t  *sentinel;

    sentinel = link->redis->sentinel;
    sentinel->asking = 0;

    ngx_http_presence_redis_link_close(&sentinel->ear);

    /* all of them have been tried */

    if (link->attempts >= link->nservers) {
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
        sentinel->again = 1;
        return;
    }

    sentinel->again = 0;

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
    ngx_uint_t                           moved;
    ngx_str_t                           *host;
    ngx_queue_t                         *q;
    ngx_http_presence_redis_link_t      *l;
    ngx_http_presence_redis_server_t     server;
    ngx_http_presence_redis_sentinel_t  *sentinel;
    char                                 why[sizeof(link->why)];

    sentinel = link->redis->sentinel;
    sentinel->asking = 0;

    if (reply == NULL) {
        return;
    }

    if (ngx_http_presence_redis_sentinel_read(reply, &server) != NGX_OK) {

        *ngx_snprintf((u_char *) why, sizeof(why) - 1, "Sentinel does not "
                      "tell the address of the master: %s",
                      reply->type == REDIS_REPLY_ERROR ? reply->str
                      : reply->type == REDIS_REPLY_NIL
                        ? "no master has that name"
                        : "what it tells is none")
            = '\0';

        ngx_http_presence_redis_sentinel_none(sentinel, why);
        ngx_http_presence_redis_link_drop(link, why);
        return;
    }

    if (server.name.len && link->redis->resolver == NULL) {

        *ngx_snprintf((u_char *) why, sizeof(why) - 1, "Sentinel tells a "
                      "name of the master, \"%V\": there has to be a "
                      "\"resolver\" in \"http\", or \"resolve-hostnames no\" "
                      "there", &server.name)
            = '\0';

        ngx_http_presence_redis_sentinel_none(sentinel, why);
        ngx_http_presence_redis_link_drop(link, why);
        return;
    }

    host = server.name.len ? &server.name : &server.address;

    moved = (sentinel->port != server.port
             || ngx_strcmp(sentinel->host, host->data) != 0);

    if (moved) {
        ngx_cpystrn((u_char *) sentinel->host, host->data,
                    sizeof(sentinel->host));
        sentinel->port = server.port;

        *ngx_snprintf((u_char *) why, sizeof(why) - 1,
                      "Sentinel names %V:%ui as master now", host,
                      (ngx_uint_t) server.port)
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
            ngx_http_presence_redis_link_found(l, &server);

        } else if (moved) {
            ngx_http_presence_redis_link_moved(l, why);
        }
    }

    if (sentinel->again) {
        ngx_http_presence_redis_sentinel_ask(sentinel);
    }

    ngx_add_timer(&sentinel->poll, NGX_HTTP_PRESENCE_REDIS_SENTINEL_PAUSE);
}


/* two strings: an address or a name, and a port */

static ngx_int_t
ngx_http_presence_redis_sentinel_read(const redisReply *reply,
    ngx_http_presence_redis_server_t *server)
{
    ngx_int_t          n;
    ngx_str_t          host;
    const redisReply  *first, *second;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    first = reply->element[0];
    second = reply->element[1];

    host.data = (u_char *) first->str;
    host.len = first->len;

    n = ngx_atoi((u_char *) second->str, second->len);

    if (n < 1 || n > 65535 || host.len == 0
        || host.len >= NGX_HTTP_PRESENCE_REDIS_MAX_HOST)
    {
        return NGX_ERROR;
    }

    ngx_memzero(server, sizeof(ngx_http_presence_redis_server_t));

    server->port = (in_port_t) n;

    if (ngx_http_presence_redis_name_is_address(host.data, host.len)) {
        server->address = host;

    } else {
        server->name = host;
    }

    return NGX_OK;
}


static void
ngx_http_presence_redis_sentinel_listen(ngx_http_presence_redis_link_t *ear)
{
    if (redisAsyncCommand(ear->ac, ngx_http_presence_redis_sentinel_heard,
                          NULL,
                          "SUBSCRIBE " NGX_HTTP_PRESENCE_REDIS_CHANNEL)
        != REDIS_OK)
    {
        ngx_http_presence_redis_link_drop(ear, "no memory");
    }
}


/*
 * Of a message, of whatever master, no more is believed than that there is
 * something to ask.
 */

static void
ngx_http_presence_redis_sentinel_heard(redisAsyncContext *ac, void *data,
    void *unused)
{
    redisReply *reply = data;

    ngx_http_presence_redis_link_t  *ear;

    ear = ac->data;

    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 3
        && reply->element[2]->type == REDIS_REPLY_STRING
        && ear->state == NGX_HTTP_PRESENCE_REDIS_READY)
    {
        ngx_http_presence_redis_sentinel_ask(ear->redis->sentinel);
    }
}


/* it is asked each second all the same */

static void
ngx_http_presence_redis_sentinel_deaf(ngx_http_presence_redis_link_t *ear)
{
    ngx_http_presence_redis_sentinel_t  *sentinel;

    sentinel = ear->redis->sentinel;

    if (!sentinel->deaf) {
        sentinel->deaf = 1;

        ngx_log_error(NGX_LOG_INFO, ear->timer.log, 0,
                      "presence_zone \"%V\": redis \"%V\": Sentinel's "
                      "messages cannot be had: %s; it is asked each second",
                      &ear->redis->zone->name, &ear->redis->name, ear->why);
    }
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
