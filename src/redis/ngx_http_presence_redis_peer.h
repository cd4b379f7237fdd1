/*
 * What other nodes know: takes a user's record, which the script answered or a
 * changes stream brought, into the zone.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_PEER_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_PEER_H_INCLUDED_


#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_record.h"


/* the owner of a session when there is no room for its node */
#define NGX_HTTP_PRESENCE_REDIS_NOBODY  (NGX_HTTP_PRESENCE_REDIS_NODES + 1)


/*
 * A list of names and values.  NGX_DECLINED: it is none, or of another version
 * of the layout.
 */
ngx_int_t ngx_http_presence_redis_peer_read(const redisReply *list,
    ngx_http_presence_redis_record_t *record);

/*
 * Takes the record over, unless a later one was.  "at" is the presence clock's
 * time of what it says; what was heard here since stands.  "asked": it is the
 * answer to this node, and decides what was due.
 */
void ngx_http_presence_redis_peer_apply_locked(
    ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record, ngx_http_presence_ms_t at,
    ngx_http_presence_ms_t now, ngx_uint_t asked);

/*
 * Redis knows nothing of a user.  Sessions of other nodes get one window, in
 * which those may tell of them: Redis may have been started empty.
 */
void ngx_http_presence_redis_peer_unknown_locked(
    ngx_http_presence_redis_t *redis, ngx_http_presence_user_t *user,
    ngx_http_presence_ms_t now);

/* 0: this node; else 1 + its place among the others, or _NOBODY */
ngx_uint_t ngx_http_presence_redis_peer_owner_locked(
    ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_text_t *id);

/* who is alive, from a list of nodes; "sure": who is not in it is dead */
void ngx_http_presence_redis_peer_nodes_locked(
    ngx_http_presence_redis_t *redis, const redisReply *list, ngx_uint_t sure);


#endif /* _NGX_HTTP_PRESENCE_REDIS_PEER_H_INCLUDED_ */
