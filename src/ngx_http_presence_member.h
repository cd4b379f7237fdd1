/* One member as JSON, as docs/protocol.md has it. */

#ifndef _NGX_HTTP_PRESENCE_MEMBER_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_MEMBER_H_INCLUDED_


#include "ngx_http_presence_roster.h"


/* the longest member of this zone, bytes */
size_t ngx_http_presence_member_max(ngx_http_presence_zone_t *zone);

/* writes what everybody else may see of the user; returns the end */
u_char *ngx_http_presence_member_write(u_char *p,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);

/* a user of whom nothing is known */
u_char *ngx_http_presence_member_write_unknown(u_char *p,
    const ngx_str_t *id);

/* a JSON string with its quotes */
u_char *ngx_http_presence_member_write_string(u_char *p, const u_char *data,
    size_t len);

#define ngx_http_presence_member_string_max(len)  (2 + 6 * (len))


#endif /* _NGX_HTTP_PRESENCE_MEMBER_H_INCLUDED_ */
