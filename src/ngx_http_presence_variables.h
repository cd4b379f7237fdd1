/* Variables of requests, and "presence_lookup" (docs/directives.md). */

#ifndef _NGX_HTTP_PRESENCE_VARIABLES_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_VARIABLES_H_INCLUDED_


#include "ngx_http_presence_module.h"


/* in preconfiguration */
ngx_int_t ngx_http_presence_variables_add(ngx_conf_t *cf);

/* the directive "presence_lookup" */
char *ngx_http_presence_lookup(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* in postconfiguration: finds the zones that look-ups name */
ngx_int_t ngx_http_presence_lookup_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_PRESENCE_VARIABLES_H_INCLUDED_ */
