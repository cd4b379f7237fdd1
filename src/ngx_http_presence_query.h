/* GET /presence/users and GET /presence/count. */

#ifndef _NGX_HTTP_PRESENCE_QUERY_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_QUERY_H_INCLUDED_


#include "ngx_http_presence_module.h"


ngx_int_t ngx_http_presence_users_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);
ngx_int_t ngx_http_presence_count_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);


#endif /* _NGX_HTTP_PRESENCE_QUERY_H_INCLUDED_ */
