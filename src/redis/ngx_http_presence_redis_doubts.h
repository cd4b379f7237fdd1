/*
 * Beats that came when another node may have heard the one before: whether they
 * are late, and why, is known when the script has said what it had of them.
 * They wait in the worker, and go along with the user (..._mirror).
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_DOUBTS_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_DOUBTS_H_INCLUDED_


#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_record.h"


ngx_int_t ngx_http_presence_redis_doubts_init_worker(
    ngx_http_presence_redis_t *redis, ngx_cycle_t *cycle);

/* a beat that was taken in just now, without the lock, at that wall time */
void ngx_http_presence_redis_doubts_put(ngx_http_request_t *r,
    const ngx_http_presence_context_t *ctx,
    const ngx_http_presence_report_t *report, ngx_http_presence_ms_t wall);

/* those of a user that is sent, into a list; and back, when it is sent again */
void ngx_http_presence_redis_doubts_take(ngx_http_presence_redis_t *redis,
    uint32_t hash, const u_char *user, size_t len, ngx_queue_t *list);
void ngx_http_presence_redis_doubts_return(ngx_http_presence_redis_t *redis,
    ngx_queue_t *list);

/* is one in the list of this session?  Then the script is asked. */
ngx_uint_t ngx_http_presence_redis_doubts_ask(ngx_queue_t *list,
    const ngx_http_presence_session_t *session);

/*
 * The script's answer: lines of sessions as they were before; "offset" is its
 * time less the wall time at which it was asked.
 */
void ngx_http_presence_redis_doubts_settle_locked(
    ngx_http_presence_redis_t *redis, ngx_queue_t *list,
    ngx_http_presence_redis_text_t before, int64_t offset);

/* without the lock: tells of those that were settled, and frees the list */
void ngx_http_presence_redis_doubts_drop(ngx_http_presence_redis_t *redis,
    ngx_queue_t *list);


#endif /* _NGX_HTTP_PRESENCE_REDIS_DOUBTS_H_INCLUDED_ */
