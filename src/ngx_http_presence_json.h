/* A beat's body.  The only part that knows cJSON. */

#ifndef _NGX_HTTP_PRESENCE_JSON_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_JSON_H_INCLUDED_


#include "ngx_http_presence_tracker.h"


/*
 * Reads a body as docs/protocol.md has it; strings go to "pool".  NGX_OK; or
 * NGX_ERROR, with *detail a sentence that says what is wrong, and *field set
 * when it is a member rather than the JSON.
 */
ngx_int_t ngx_http_presence_json_read_beat(ngx_pool_t *pool, u_char *body,
    size_t len, const ngx_http_presence_limits_t *limits,
    ngx_http_presence_report_t *report, const char **detail,
    ngx_uint_t *field);


#endif /* _NGX_HTTP_PRESENCE_JSON_H_INCLUDED_ */
