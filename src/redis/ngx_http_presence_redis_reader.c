#include "ngx_http_presence_redis_reader.h"


/* the types of hiredis before its first release, and since */

#if (HIREDIS_MAJOR)
typedef size_t  ngx_http_presence_redis_elements_t;
#else
typedef int     ngx_http_presence_redis_elements_t;
#endif


static ngx_uint_t ngx_http_presence_redis_reader_is_asked_for(
    const redisReadTask *task, const char *s, size_t len, int n);
static ngx_uint_t ngx_http_presence_redis_reader_is_message(
    const redisReadTask *task, const char *s, size_t len, int n);
static void *ngx_http_presence_redis_reader_string(const redisReadTask *task,
    char *s, size_t len);
static void *ngx_http_presence_redis_reader_array(const redisReadTask *task,
    ngx_http_presence_redis_elements_t n);
static void *ngx_http_presence_redis_reader_integer(const redisReadTask *task,
    long long n);
static void *ngx_http_presence_redis_reader_nil(const redisReadTask *task);


/* hiredis' own, and with a look before */
static redisReplyObjectFunctions   ngx_http_presence_redis_reader_usual;
static redisReplyObjectFunctions   ngx_http_presence_redis_reader_guarded;


void
ngx_http_presence_redis_reader_guard(redisAsyncContext *ac)
{
    redisReader                *reader;
    redisReplyObjectFunctions  *fn;

    reader = ac->c.reader;
    fn = &ngx_http_presence_redis_reader_guarded;

    if (reader->fn != fn) {
        ngx_http_presence_redis_reader_usual = *reader->fn;

        *fn = *reader->fn;
        fn->createString = ngx_http_presence_redis_reader_string;
        fn->createArray = ngx_http_presence_redis_reader_array;
        fn->createInteger = ngx_http_presence_redis_reader_integer;
        fn->createNil = ngx_http_presence_redis_reader_nil;
    }

    reader->fn = fn;
    reader->privdata = ac;
}


/*
 * An error that nobody asked for is Redis' farewell: hiredis knows that one.
 * "s" is the string that it is, "n" the elements of what it is a list of.
 */

static ngx_uint_t
ngx_http_presence_redis_reader_is_asked_for(const redisReadTask *task,
    const char *s, size_t len, int n)
{
    redisAsyncContext               *ac;
    ngx_http_presence_redis_link_t  *link;

    ac = task->privdata;

    if (ac->replies.head) {
        return 1;
    }

    if (ac->c.flags & REDIS_SUBSCRIBED) {
        if (ngx_http_presence_redis_reader_is_message(task, s, len, n)) {
            return 1;
        }

    } else if (task->parent || task->type == REDIS_REPLY_ERROR) {
        return 1;
    }

    link = ac->data;

    ngx_cpystrn((u_char *) link->why,
                (u_char *) "an answer that was not asked for",
                sizeof(link->why));

    return 0;
}


/* hiredis takes it for granted that these are what they should be */

static ngx_uint_t
ngx_http_presence_redis_reader_is_message(const redisReadTask *task,
    const char *s, size_t len, int n)
{
    if (task->parent == NULL) {
        return n == 3 || task->type == REDIS_REPLY_ERROR;
    }

    if (task->parent->parent
        || (task->idx < 2 && task->type != REDIS_REPLY_STRING))
    {
        return 0;
    }

    switch (task->idx) {

    case 0:
        return s && ((len == 7 && ngx_strncmp(s, "message", 7) == 0)
                     || (len == 9 && ngx_strncmp(s, "subscribe", 9) == 0));

    case 1:
        return s && len == sizeof(NGX_HTTP_PRESENCE_REDIS_CHANNEL) - 1
               && ngx_strncmp(s, NGX_HTTP_PRESENCE_REDIS_CHANNEL, len) == 0;

    default:
        return 1;
    }
}


static void *
ngx_http_presence_redis_reader_string(const redisReadTask *task, char *s,
    size_t len)
{
    if (!ngx_http_presence_redis_reader_is_asked_for(task, s, len, 0)) {
        return NULL;
    }

    return ngx_http_presence_redis_reader_usual.createString(task, s, len);
}


static void *
ngx_http_presence_redis_reader_array(const redisReadTask *task,
    ngx_http_presence_redis_elements_t n)
{
    if (!ngx_http_presence_redis_reader_is_asked_for(task, NULL, 0, (int) n)) {
        return NULL;
    }

    return ngx_http_presence_redis_reader_usual.createArray(task, n);
}


static void *
ngx_http_presence_redis_reader_integer(const redisReadTask *task, long long n)
{
    if (!ngx_http_presence_redis_reader_is_asked_for(task, NULL, 0, 0)) {
        return NULL;
    }

    return ngx_http_presence_redis_reader_usual.createInteger(task, n);
}


static void *
ngx_http_presence_redis_reader_nil(const redisReadTask *task)
{
    if (!ngx_http_presence_redis_reader_is_asked_for(task, NULL, 0, 0)) {
        return NULL;
    }

    return ngx_http_presence_redis_reader_usual.createNil(task);
}
