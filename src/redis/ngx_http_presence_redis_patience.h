/*
 * How long a node waits before it calls a session gone when it cannot ask Redis
 * whether another node has heard it, and when it can again but those may not
 * have told of it yet.  Plain C.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_PATIENCE_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_PATIENCE_H_INCLUDED_


#include "ngx_http_presence_rules.h"


/* without Redis a node hears a part of the beats: it waits for so many times
   the number of nodes, of which it hears none once in 20,000 times or less */
#define NGX_HTTP_PRESENCE_REDIS_BEATS  10

/* beats in a row after which a page's next one is expected here, too */
#define NGX_HTTP_PRESENCE_REDIS_ALONE  15


typedef struct {
    ngx_http_presence_ms_t  turned;     /* Redis went, or came back; 0: never */
    uint32_t                others;     /* nodes that may hear of it as well */
    uint8_t                 away;
} ngx_http_presence_redis_outage_t;


/* is the session heard by this node alone? */
int ngx_http_presence_redis_patience_is_alone(
    const ngx_http_presence_life_t *life);

/* the time before which it is not called gone; 0: there is no need to wait */
ngx_http_presence_ms_t ngx_http_presence_redis_patience(
    const ngx_http_presence_policy_t *policy,
    const ngx_http_presence_life_t *life,
    const ngx_http_presence_redis_outage_t *outage);


#endif /* _NGX_HTTP_PRESENCE_REDIS_PATIENCE_H_INCLUDED_ */
