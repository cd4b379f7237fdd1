/* The configuration, as ngx_http_presence_module.c reads it. */

#ifndef _NGX_HTTP_PRESENCE_MODULE_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_presence_zone.h"


/* the content handler of an endpoint, with the zone that it serves */
typedef ngx_int_t (*ngx_http_presence_handler_pt)(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);


/* which sites' pages may use a location */
typedef enum {
    NGX_HTTP_PRESENCE_ORIGIN_SAME = 0,
    NGX_HTTP_PRESENCE_ORIGIN_ANY,
    NGX_HTTP_PRESENCE_ORIGIN_LISTED     /* or the same */
} ngx_http_presence_origin_e;


typedef struct {
    ngx_array_t                   zones;    /* ngx_http_presence_zone_t * */
    ngx_array_t                   lookups;  /* of ..._variables, pointers */
    ngx_array_t                   wake;     /* of the workers (..._wake) */
} ngx_http_presence_main_conf_t;


/* a zone that a directive names, and where it does */
typedef struct {
    ngx_str_t                     name;
    ngx_str_t                     directive;
    u_char                       *file;
    ngx_uint_t                    line;
    unsigned                      anonymous:1;  /* needs no user */
    unsigned                      all:1;        /* zones: "zone" is NULL */
    ngx_http_presence_zone_t     *zone;
} ngx_http_presence_zone_ref_t;


typedef struct {
    ngx_http_presence_handler_pt  handler;
    ngx_http_presence_zone_ref_t  serves;
    ngx_http_presence_zone_ref_t  touches;

    ngx_http_complex_value_t     *user;
    ngx_http_complex_value_t     *groups;
    ngx_http_complex_value_t     *view;

    ngx_array_t                  *log_users;    /* ngx_http_complex_value_t */

    ngx_uint_t                    origin;
    ngx_array_t                  *origins;  /* ngx_str_t */
} ngx_http_presence_loc_conf_t;


extern ngx_module_t  ngx_http_presence_module;


/*
 * Zones may be configured further down than what names them: a directive is
 * noted where it stands, and its zone looked up at the end.  "user" is NULL
 * where the location has none, which is an error unless the reference is
 * anonymous.
 */
void ngx_http_presence_refer(ngx_conf_t *cf,
    ngx_http_presence_zone_ref_t *ref);
ngx_int_t ngx_http_presence_resolve(ngx_conf_t *cf,
    ngx_http_presence_zone_ref_t *ref, ngx_http_complex_value_t *user);

/* of those configured so far; NULL: there is none of that name */
ngx_http_presence_zone_t *ngx_http_presence_find_zone(
    ngx_http_presence_main_conf_t *pmcf, const ngx_str_t *name);


#endif /* _NGX_HTTP_PRESENCE_MODULE_H_INCLUDED_ */
