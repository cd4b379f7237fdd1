/*
 * Tells the trace of one user: as JSON, as text for a person, and live as a
 * stream, each with a verdict in a sentence (docs/protocol.md).
 */

#ifndef _NGX_HTTP_PRESENCE_STORY_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_STORY_H_INCLUDED_


#include "ngx_http_presence_subscriber.h"


/* content handler of "presence_trace" */
ngx_int_t ngx_http_presence_story_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);

/*
 * For one who follows a user: the whole trace, if it is not what was told
 * last, or empty.  NULL: no memory.
 */
ngx_http_presence_payload_t *ngx_http_presence_story_next(
    ngx_http_presence_subscriber_t *sub);


#endif /* _NGX_HTTP_PRESENCE_STORY_H_INCLUDED_ */
