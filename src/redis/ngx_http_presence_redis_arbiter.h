/*
 * Who decides whether a session is gone: Redis where it can be asked, and this
 * node alone when it has waited for as long as others may have heard what it
 * has not (..._patience).
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_ARBITER_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_ARBITER_H_INCLUDED_


#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_patience.h"
#include "ngx_http_presence_roster.h"


/* is there somebody to ask about the user? */
ngx_uint_t ngx_http_presence_redis_answers(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_user_t *user);

/*
 * Has Redis decide about the user: what is due is done when its answer comes,
 * for which the time to wait is returned.  0: there is nobody to ask.
 */
ngx_http_presence_ms_t ngx_http_presence_redis_ask_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);

/*
 * A deadline of a session that another node owns: returns the time at which to
 * look again.
 */
ngx_http_presence_ms_t ngx_http_presence_redis_look_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    ngx_http_presence_ms_t now);

/*
 * A session of this node's own has missed a beat, or all of them: returns the
 * time at which to look again, for Redis was asked, or other nodes may have
 * heard it.  0: this node decides alone, and now.
 */
ngx_http_presence_ms_t ngx_http_presence_redis_hold_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    ngx_uint_t gone, ngx_http_presence_ms_t now);

/* the time before which such a session is not called gone, or 0 */
ngx_http_presence_ms_t ngx_http_presence_redis_patience_locked(
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_session_t *session);

/* has Redis gone or come back for a user, and who else may hear of that one? */
void ngx_http_presence_redis_arbiter_outage_locked(
    ngx_http_presence_zone_t *zone, const u_char *id, size_t len,
    ngx_http_presence_redis_outage_t *outage);

/* of what is sent now: since when has Redis been back, when that is there? */
ngx_http_presence_ms_t ngx_http_presence_redis_arbiter_back_locked(
    ngx_http_presence_zone_t *zone, ngx_uint_t shard,
    ngx_http_presence_ms_t now);

/* the time after which an answer that was asked for is no more awaited */
#define ngx_http_presence_redis_retry(zone)                                   \
    ((ngx_http_presence_ms_t) (zone)->redis->timeout + 50)


#endif /* _NGX_HTTP_PRESENCE_REDIS_ARBITER_H_INCLUDED_ */
