#include "ngx_http_presence_redis_doubts.h"
#include "ngx_http_presence_redis_peer.h"


/* lists of doubts; a power of two */
#define NGX_HTTP_PRESENCE_REDIS_DOUBTS      256

/* at a time; of more beats it is not found out */
#define NGX_HTTP_PRESENCE_REDIS_MOST        8192

/* after that they are given up: their user was not sent, or not answered */
#define NGX_HTTP_PRESENCE_REDIS_DOUBT_LIFE  60000


typedef struct {
    ngx_queue_t                  queue;
    ngx_http_presence_doubt_t    doubt;
    uint32_t                     hash;
    ngx_msec_t                   since;
    ngx_log_t                   *log;       /* of the location */
    ngx_str_t                    request;   /* what the log is told of it */
    unsigned                     asked:1;
    unsigned                     settled:1;
    u_char                       data[1];
} ngx_http_presence_redis_doubt_t;


static void ngx_http_presence_redis_doubts_expire(
    ngx_http_presence_redis_t *redis, ngx_queue_t *bucket);
static u_char *ngx_http_presence_redis_doubts_copy(ngx_str_t *dst, u_char *p,
    const ngx_str_t *src);
static ngx_uint_t ngx_http_presence_redis_doubts_find(
    const ngx_http_presence_redis_doubt_t *doubt,
    ngx_http_presence_redis_text_t lines,
    ngx_http_presence_redis_session_t *session);


#define ngx_http_presence_redis_doubts_of(redis, hash)                        \
    (&(redis)->zone->redis->doubts[(hash)                                     \
                                   & (NGX_HTTP_PRESENCE_REDIS_DOUBTS - 1)])


ngx_int_t
ngx_http_presence_redis_doubts_init_worker(ngx_http_presence_redis_t *redis,
    ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    redis->doubts = ngx_palloc(cycle->pool, NGX_HTTP_PRESENCE_REDIS_DOUBTS
                                            * sizeof(ngx_queue_t));
    if (redis->doubts == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_DOUBTS; i++) {
        ngx_queue_init(&redis->doubts[i]);
    }

    redis->ndoubts = 0;

    return NGX_OK;
}


void
ngx_http_presence_redis_doubts_put(ngx_http_request_t *r,
    const ngx_http_presence_context_t *ctx,
    const ngx_http_presence_report_t *report, ngx_http_presence_ms_t wall)
{
    u_char                           *p;
    ngx_str_t                         name;
    ngx_queue_t                      *bucket;
    ngx_http_core_loc_conf_t         *clcf;
    ngx_http_presence_redis_t        *redis;
    ngx_http_presence_redis_doubt_t  *doubt;

    redis = ctx->zone->redis;

    ngx_http_presence_journal_name(r, report->raised, &name);

    doubt = NULL;

    if (redis->ndoubts < NGX_HTTP_PRESENCE_REDIS_MOST) {
        doubt = ngx_alloc(sizeof(ngx_http_presence_redis_doubt_t)
                          + ctx->identity.user.len + report->session.len
                          + name.len, r->connection->log);
    }

    if (doubt == NULL) {
        return;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    doubt->hash = ngx_http_presence_roster_hash(&ctx->identity.user);
    doubt->since = ngx_current_msec;
    doubt->log = clcf->error_log;
    doubt->asked = 0;
    doubt->settled = 0;

    doubt->doubt.wall = wall;
    doubt->doubt.report = *report;
    doubt->doubt.arrival = ctx->answer.arrival;
    doubt->doubt.recovered = (ctx->answer.recovered
                              != NGX_HTTP_PRESENCE_UNSEEN);

    ngx_str_null(&doubt->doubt.report.text);
    ngx_str_null(&doubt->doubt.report.meta);

    p = ngx_http_presence_redis_doubts_copy(&doubt->doubt.user, doubt->data,
                                            &ctx->identity.user);
    p = ngx_http_presence_redis_doubts_copy(&doubt->doubt.report.session, p,
                                            &report->session);
    (void) ngx_http_presence_redis_doubts_copy(&doubt->request, p, &name);

    bucket = ngx_http_presence_redis_doubts_of(redis, doubt->hash);

    ngx_http_presence_redis_doubts_expire(redis, bucket);

    ngx_queue_insert_tail(bucket, &doubt->queue);
    redis->ndoubts++;
}


void
ngx_http_presence_redis_doubts_take(ngx_http_presence_redis_t *redis,
    uint32_t hash, const u_char *user, size_t len, ngx_queue_t *list)
{
    ngx_queue_t                      *q, *next, *bucket;
    ngx_http_presence_redis_doubt_t  *doubt;

    ngx_queue_init(list);

    bucket = ngx_http_presence_redis_doubts_of(redis, hash);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = next)
    {
        next = ngx_queue_next(q);
        doubt = ngx_queue_data(q, ngx_http_presence_redis_doubt_t, queue);

        if (doubt->hash == hash
            && doubt->doubt.user.len == len
            && ngx_memcmp(doubt->doubt.user.data, user, len) == 0)
        {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(list, q);
        }
    }
}


void
ngx_http_presence_redis_doubts_return(ngx_http_presence_redis_t *redis,
    ngx_queue_t *list)
{
    ngx_queue_t                      *q;
    ngx_http_presence_redis_doubt_t  *doubt;

    while (!ngx_queue_empty(list)) {
        q = ngx_queue_last(list);
        doubt = ngx_queue_data(q, ngx_http_presence_redis_doubt_t, queue);

        doubt->asked = 0;

        ngx_queue_remove(q);
        ngx_queue_insert_head(ngx_http_presence_redis_doubts_of(redis,
                                                                doubt->hash),
                              q);
    }
}


ngx_uint_t
ngx_http_presence_redis_doubts_ask(ngx_queue_t *list,
    const ngx_http_presence_session_t *session)
{
    ngx_str_t                        *id;
    ngx_uint_t                        found;
    ngx_queue_t                      *q;
    ngx_http_presence_redis_doubt_t  *doubt;

    found = 0;

    for (q = ngx_queue_head(list);
         q != ngx_queue_sentinel(list);
         q = ngx_queue_next(q))
    {
        doubt = ngx_queue_data(q, ngx_http_presence_redis_doubt_t, queue);
        id = &doubt->doubt.report.session;

        if (id->len == session->len
            && ngx_memcmp(id->data, session->id, id->len) == 0)
        {
            doubt->asked = 1;
            found = 1;
        }
    }

    return found;
}


void
ngx_http_presence_redis_doubts_settle_locked(ngx_http_presence_redis_t *redis,
    ngx_queue_t *list, ngx_http_presence_redis_text_t lines, int64_t offset)
{
    int64_t                             came;
    ngx_uint_t                          found;
    ngx_queue_t                        *q;
    ngx_http_presence_before_t          before;
    ngx_http_presence_redis_doubt_t    *doubt;
    ngx_http_presence_redis_session_t   s;

    for (q = ngx_queue_head(list);
         q != ngx_queue_sentinel(list);
         q = ngx_queue_next(q))
    {
        doubt = ngx_queue_data(q, ngx_http_presence_redis_doubt_t, queue);

        found = doubt->asked
                && ngx_http_presence_redis_doubts_find(doubt, lines, &s);

        if (found) {

            /* all of it by Redis' clock: the nodes' own may differ */

            came = doubt->doubt.wall + offset;

            before.gap = came - s.beat;
            before.silence = came - s.sign;
            before.step = (uint32_t) s.step;
            before.missed = (uint32_t) s.missed;
            before.doc = (uint32_t) s.doc;
            before.seq = s.seq;
            before.node = ngx_http_presence_redis_peer_owner_locked(redis,
                                                                    &s.by);
            before.lost = (s.leaving == NGX_HTTP_PRESENCE_REDIS_LOST);
            before.leaving = (s.leaving != 0) && !before.lost;
        }

        ngx_http_presence_arrival_settle_locked(redis->zone, &doubt->doubt,
                                                found ? &before : NULL,
                                                doubt->asked);
        doubt->settled = 1;
    }
}


void
ngx_http_presence_redis_doubts_drop(ngx_http_presence_redis_t *redis,
    ngx_queue_t *list)
{
    ngx_queue_t                      *q;
    ngx_http_presence_zone_t         *zone;
    ngx_http_presence_redis_doubt_t  *doubt;

    zone = redis->zone;

    while (!ngx_queue_empty(list)) {
        q = ngx_queue_head(list);
        ngx_queue_remove(q);

        doubt = ngx_queue_data(q, ngx_http_presence_redis_doubt_t, queue);

        if (!doubt->settled) {
            ngx_http_presence_zone_lock(zone);
            ngx_http_presence_arrival_settle_locked(zone, &doubt->doubt, NULL,
                                                    0);
            ngx_http_presence_zone_unlock(zone);
        }

        if (doubt->doubt.arrival.diagnosis.late) {
            ngx_http_presence_journal_late(doubt->log, zone,
                                           &doubt->doubt.user,
                                           &doubt->doubt.report,
                                           &doubt->doubt.arrival,
                                           &doubt->request);
        }

        zone->redis->ndoubts--;
        ngx_free(doubt);
    }
}


static void
ngx_http_presence_redis_doubts_expire(ngx_http_presence_redis_t *redis,
    ngx_queue_t *bucket)
{
    ngx_queue_t                      *q, old;
    ngx_http_presence_redis_doubt_t  *doubt;

    ngx_queue_init(&old);

    while (!ngx_queue_empty(bucket)) {
        q = ngx_queue_head(bucket);
        doubt = ngx_queue_data(q, ngx_http_presence_redis_doubt_t, queue);

        if (ngx_current_msec - doubt->since
            < NGX_HTTP_PRESENCE_REDIS_DOUBT_LIFE)
        {
            break;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&old, q);
    }

    ngx_http_presence_redis_doubts_drop(redis, &old);
}


static u_char *
ngx_http_presence_redis_doubts_copy(ngx_str_t *dst, u_char *p,
    const ngx_str_t *src)
{
    dst->len = src->len;
    dst->data = p;

    return ngx_cpymem(p, src->data, src->len);
}


static ngx_uint_t
ngx_http_presence_redis_doubts_find(
    const ngx_http_presence_redis_doubt_t *doubt,
    ngx_http_presence_redis_text_t lines,
    ngx_http_presence_redis_session_t *session)
{
    const ngx_str_t  *id;

    id = &doubt->doubt.report.session;

    while (ngx_http_presence_redis_record_session(&lines, session)) {

        if (session->id.len == id->len
            && ngx_memcmp(session->id.data, id->data, id->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
