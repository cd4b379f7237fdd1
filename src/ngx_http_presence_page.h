/*
 * The status of a zone as a page: HTML and a style, no script, nothing from
 * elsewhere.
 */

#ifndef _NGX_HTTP_PRESENCE_PAGE_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_PAGE_H_INCLUDED_


#include "ngx_http_presence_status.h"
#include "ngx_http_presence_writer.h"


void ngx_http_presence_page_write(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status);


#endif /* _NGX_HTTP_PRESENCE_PAGE_H_INCLUDED_ */
