/*
 * Answers to requests that cannot be served: RFC 9457 problem+json, with the
 * types of docs/protocol.md; and the headers that every answer has.
 */

#ifndef _NGX_HTTP_PRESENCE_PROBLEM_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_PROBLEM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


typedef enum {
    NGX_HTTP_PRESENCE_INVALID_JSON = 0,
    NGX_HTTP_PRESENCE_INVALID_FIELD,
    NGX_HTTP_PRESENCE_INVALID_ARGUMENT,
    NGX_HTTP_PRESENCE_INVALID_USER,
    NGX_HTTP_PRESENCE_UNAUTHORIZED,
    NGX_HTTP_PRESENCE_FORBIDDEN_ORIGIN,
    NGX_HTTP_PRESENCE_FORBIDDEN_VIEW,
    NGX_HTTP_PRESENCE_NOT_FOUND,
    NGX_HTTP_PRESENCE_METHOD_NOT_ALLOWED,
    NGX_HTTP_PRESENCE_BODY_TOO_LARGE,
    NGX_HTTP_PRESENCE_UNSUPPORTED_MEDIA_TYPE,
    NGX_HTTP_PRESENCE_ZONE_FULL,
    NGX_HTTP_PRESENCE_NPROBLEMS
} ngx_http_presence_problem_e;


/*
 * Sends the problem as the whole answer, for a content handler to return or a
 * body handler to finalize with.  "detail" is a sentence for the developer.
 */
ngx_int_t ngx_http_presence_problem(ngx_http_request_t *r,
    ngx_http_presence_problem_e problem, const char *detail);

/* the word of "type", NULL-terminated */
const char *ngx_http_presence_problem_name(
    ngx_http_presence_problem_e problem);

/* 405 with "Allow" */
ngx_int_t ngx_http_presence_problem_method(ngx_http_request_t *r,
    const char *allow);

/* sends "json" with 200 as the whole answer */
ngx_int_t ngx_http_presence_send_json(ngx_http_request_t *r, u_char *json,
    size_t len);

/* the same with any status and type, which is a NULL-terminated string */
ngx_int_t ngx_http_presence_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, u_char *body, size_t len);

ngx_int_t ngx_http_presence_add_header(ngx_http_request_t *r,
    const char *name, const char *value);

/* the value of a request header, whose name is lowercase; NULL: none */
ngx_str_t *ngx_http_presence_find_header(ngx_http_request_t *r,
    const char *name);


#endif /* _NGX_HTTP_PRESENCE_PROBLEM_H_INCLUDED_ */
