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

/* a user by name, who need not be in the zone; 0: the queue is full */
ngx_uint_t ngx_http_presence_redis_mirror_put(ngx_http_presence_redis_t *redis,
    uint32_t hash, const u_char *id, size_t len, ngx_uint_t flags);


#endif /* _NGX_HTTP_PRESENCE_REDIS_MIRROR_H_INCLUDED_ */
