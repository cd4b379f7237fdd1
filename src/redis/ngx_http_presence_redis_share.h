/*
 * Who settles the sessions of a node that died: the surviving nodes share them
 * out by hash, without asking each other.  Plain C.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_SHARE_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_SHARE_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/*
 * The weight of a node for a user.  Of all nodes that are alive the one with
 * the highest weight is the one (rendezvous hashing): when a node goes, only
 * its own part moves.
 */
uint32_t ngx_http_presence_redis_share_weight(const unsigned char *node,
    size_t len, uint32_t user_hash);


#endif /* _NGX_HTTP_PRESENCE_REDIS_SHARE_H_INCLUDED_ */
