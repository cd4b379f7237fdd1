/* One member as JSON, as docs/protocol.md has it. */

#ifndef _NGX_HTTP_PRESENCE_MEMBER_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_MEMBER_H_INCLUDED_


#include "ngx_http_presence_payload.h"
#include "ngx_http_presence_roster.h"


/* bytes that this user's member has at most */
size_t ngx_http_presence_member_size(ngx_http_presence_user_t *user);

/* bytes that any member has at most, within the bounds of "presence_zone" */
#define NGX_HTTP_PRESENCE_MAX_MEMBER                                          \
    (NGX_HTTP_PRESENCE_MEMBER_FIXED                                           \
     + ngx_http_presence_member_string_max(NGX_HTTP_PRESENCE_MAX_USER)        \
     + ngx_http_presence_member_string_max(NGX_HTTP_PRESENCE_MAX_TEXT)        \
     + NGX_HTTP_PRESENCE_MAX_META                                             \
     + NGX_HTTP_PRESENCE_MAX_GROUPS                                           \
       * (ngx_http_presence_member_string_max(NGX_HTTP_PRESENCE_MAX_GROUP) + 1))

/* all but the strings */
#define NGX_HTTP_PRESENCE_MEMBER_FIXED  (192 + 5 * NGX_INT64_LEN)

/* writes what everybody else may see of the user; returns the end */
u_char *ngx_http_presence_member_write(u_char *p,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);

/*
 * Adds the user, or the id of one of whom nothing is known, and a comma to the
 * payload.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_presence_member_add(ngx_http_presence_payload_t *payload,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_str_t *id);

/* a JSON string with its quotes */
u_char *ngx_http_presence_member_write_string(u_char *p, const u_char *data,
    size_t len);

#define ngx_http_presence_member_string_max(len)                              \
    (2 + 6 * (size_t) (len))


#endif /* _NGX_HTTP_PRESENCE_MEMBER_H_INCLUDED_ */
