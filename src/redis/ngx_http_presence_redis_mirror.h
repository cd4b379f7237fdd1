/*
 * What goes to Redis: a user at a time, by one script that takes over what
 * this node heard, settles what is due by Redis' word, and tells the change to
 * all nodes.  Requests put the user's name into a queue; it is sent when the
 * event loop has done what there was to do, and nobody waits for it.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_MIRROR_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_MIRROR_H_INCLUDED_


#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_roster.h"


ngx_int_t ngx_http_presence_redis_mirror_init_worker(
    ngx_http_presence_redis_t *redis, ngx_cycle_t *cycle);

/* what waits in this worker */
void ngx_http_presence_redis_mirror_load(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_load_t *load);

/* is there somebody to ask?  One who has taken a write on this connection. */
ngx_uint_t ngx_http_presence_redis_mirror_serves(
    ngx_http_presence_redis_t *redis);

/* a write was taken, or refused: told to the zone when it was not so before */
void ngx_http_presence_redis_mirror_taken(ngx_http_presence_redis_t *redis);
void ngx_http_presence_redis_mirror_refuses(ngx_http_presence_redis_t *redis,
    const char *why);

/*
 * A session of the user was heard, or something was said of the user.  Returns
 * "up": it is on its way; "down": Redis does not serve; "full": too many wait.
 */
const char *ngx_http_presence_redis_heard_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    ngx_uint_t flags);

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

/* a user by name, who need not be in the zone; 0: the queue is full */
ngx_uint_t ngx_http_presence_redis_mirror_put(ngx_http_presence_redis_t *redis,
    uint32_t hash, const u_char *id, size_t len, ngx_uint_t flags);

/* the time after which an answer that was asked for is no more awaited */
#define ngx_http_presence_redis_retry(zone)                                   \
    ((ngx_http_presence_ms_t) (zone)->redis->timeout + 50)


#endif /* _NGX_HTTP_PRESENCE_REDIS_MIRROR_H_INCLUDED_ */
