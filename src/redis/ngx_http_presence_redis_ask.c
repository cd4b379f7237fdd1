#include "ngx_http_presence_redis_ask.h"
#include "ngx_http_presence_redis_cluster.h"
#include "ngx_http_presence_redis_feed.h"


static ngx_int_t ngx_http_presence_redis_ask_send(
    ngx_http_presence_redis_ask_t *ask, ngx_http_presence_redis_link_t *link);
static void ngx_http_presence_redis_ask_answered(
    ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply);
static ngx_int_t ngx_http_presence_redis_ask_redirected(
    ngx_http_presence_redis_ask_t *ask, ngx_http_presence_redis_link_t *link,
    redisReply *reply);


ngx_int_t
ngx_http_presence_redis_ask(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_asker_t *asker,
    ngx_http_presence_redis_reply_pt handler, ngx_uint_t shard,
    const char *command, const char *what, const char *one, const char *two)
{
    ngx_http_presence_redis_ask_t  *ask;

    ask = ngx_alloc(sizeof(ngx_http_presence_redis_ask_t),
                    asker->link->timer.log);
    if (ask == NULL) {
        return NGX_ERROR;
    }

    ask->call.handler = ngx_http_presence_redis_ask_answered;
    ask->redis = redis;
    ask->asker = asker;
    ask->handler = handler;
    ask->shard = shard;
    ask->round = asker->round;
    ask->command = command;
    ask->what = what;
    ask->two = two;
    ask->asking = 0;

    ngx_cpystrn((u_char *) ask->one, (u_char *) one, sizeof(ask->one));

    if (ngx_http_presence_redis_ask_send(ask, asker->link) != NGX_OK) {
        ngx_free(ask);
        return NGX_ERROR;
    }

    asker->waiting++;

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_redis_ask_send(ngx_http_presence_redis_ask_t *ask,
    ngx_http_presence_redis_link_t *link)
{
    int                        argc;
    u_char                    *p;
    ngx_int_t                  i, key;
    ngx_http_presence_feed_t  *feed;
    const char                *argv[6];
    size_t                     len[6];

    feed = ask->redis->feed;
    argc = 0;

    argv[argc++] = ask->command;

    if (ngx_strcmp(ask->command, "XREAD") == 0) {
        argv[argc++] = "COUNT";
        argv[argc++] = NGX_HTTP_PRESENCE_REDIS_COUNT;
        argv[argc++] = "STREAMS";
        key = argc++;
        argv[argc++] = ask->one;

    } else {
        key = argc++;
        argv[argc++] = ask->one;

        if (ask->two) {
            argv[argc++] = ask->two;
        }

        argv[argc++] = "COUNT";
        argv[argc++] = ask->two ? "1" : "256";
    }

    p = ngx_http_presence_redis_key(feed->buffer, ask->redis, ask->shard,
                                    ask->what, NULL, 0);

    argv[key] = (char *) feed->buffer;

    for (i = 0; i < argc; i++) {
        len[i] = (i == key) ? (size_t) (p - feed->buffer)
                            : ngx_strlen(argv[i]);
    }

    if (ask->asking) {
        ngx_http_presence_redis_link_asking(link);
    }

    return ngx_http_presence_redis_link_call(link, &ask->call, argc, argv,
                                             len);
}


static void
ngx_http_presence_redis_ask_answered(ngx_http_presence_redis_link_t *link,
    ngx_http_presence_redis_call_t *call, redisReply *reply)
{
    ngx_int_t                       rc;
    ngx_http_presence_redis_ask_t  *ask;

    ask = (ngx_http_presence_redis_ask_t *) call;

    if (reply && reply->type == REDIS_REPLY_ERROR) {

        rc = ngx_http_presence_redis_ask_redirected(ask, link, reply);

        if (rc == NGX_OK) {
            return;
        }

        if (rc == NGX_DECLINED) {
            reply = NULL;
        }
    }

    ask->asker->waiting--;

    ask->handler(link, call, reply);

    ngx_free(ask);
}


/* NGX_OK: asked of another master; NGX_DECLINED: there is no answer now */

static ngx_int_t
ngx_http_presence_redis_ask_redirected(ngx_http_presence_redis_ask_t *ask,
    ngx_http_presence_redis_link_t *link, redisReply *reply)
{
    ngx_http_presence_redis_t  *to;

    switch (ngx_http_presence_redis_cluster_turn(link->redis, ask->shard,
                                                 reply, &to))
    {
    case NGX_HTTP_PRESENCE_REDIS_PLAIN:
        return ask->redis->cluster
               && ngx_http_presence_redis_error(reply)
                  == NGX_HTTP_PRESENCE_REDIS_CLUSTER
               ? NGX_DECLINED : NGX_ERROR;

    case NGX_HTTP_PRESENCE_REDIS_ONCE:

        if (!ask->asking) {
            ask->asking = 1;

            if (ngx_http_presence_redis_ask_send(ask, &to->mirror)
                == NGX_OK)
            {
                return NGX_OK;
            }
        }

        /* fall through */

    default:
        return NGX_DECLINED;
    }
}
