/*
 * A look at all users of the zone, a slice of them in each hold of the lock,
 * for as long as the queue to Redis has room: the rest at the next tick.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_WALK_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_WALK_H_INCLUDED_


#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_roster.h"


/* room that is left in the queue for what is heard meanwhile */
#define NGX_HTTP_PRESENCE_REDIS_ROOM    1024


typedef struct {
    uint32_t                          from;
    unsigned                          active:1;
} ngx_http_presence_redis_walk_t;


/* from the first user on */
void ngx_http_presence_redis_walk_start(ngx_http_presence_redis_walk_t *walk);

/*
 * Goes on, where one is active; "visit" gets the redis as its data.  NGX_OK:
 * that was the last user.
 */
ngx_int_t ngx_http_presence_redis_walk_on(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_walk_t *walk,
    ngx_http_presence_visit_pt visit);


#endif /* _NGX_HTTP_PRESENCE_REDIS_WALK_H_INCLUDED_ */
