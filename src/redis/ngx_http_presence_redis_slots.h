/*
 * What Redis Cluster says of where its keys are: the slot of a key, the
 * answer to CLUSTER SLOTS, and the errors MOVED and ASK.  Plain C, and the
 * replies of hiredis.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_SLOTS_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_SLOTS_H_INCLUDED_


#include <stddef.h>

#include <hiredis/hiredis.h>


#define NGX_HTTP_PRESENCE_REDIS_SLOTS     16384

/* no master has it */
#define NGX_HTTP_PRESENCE_REDIS_NO_PLACE  -1


/* a server as the cluster names it: an address, or a name */
typedef struct {
    char      host[256];
    unsigned  port;
} ngx_http_presence_redis_place_t;


typedef enum {
    NGX_HTTP_PRESENCE_REDIS_STAYS = 0,      /* it is another error */
    NGX_HTTP_PRESENCE_REDIS_MOVED,
    NGX_HTTP_PRESENCE_REDIS_ASK
} ngx_http_presence_redis_redirect_e;


/* of what is between the first "{" and the next "}", or else of all */
unsigned ngx_http_presence_redis_slots_of(const char *key, size_t len);

/*
 * Says of n slots which of the places is the master of each.  There is room
 * for n places; returns how many they are, or -1: it is no such answer.
 * "host" is of the server that answered: one that does not know its own
 * address leaves that out.
 */
int ngx_http_presence_redis_slots_read(const redisReply *reply,
    const char *host, const unsigned *slots, int n,
    ngx_http_presence_redis_place_t *places, int *of);

ngx_http_presence_redis_redirect_e ngx_http_presence_redis_slots_redirect(
    const char *s, size_t len, const char *host,
    ngx_http_presence_redis_place_t *place);


#endif /* _NGX_HTTP_PRESENCE_REDIS_SLOTS_H_INCLUDED_ */
