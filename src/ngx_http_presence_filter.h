/* What a reader asked for: which members, and as what. */

#ifndef _NGX_HTTP_PRESENCE_FILTER_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_FILTER_H_INCLUDED_


#include "ngx_http_presence_access.h"
#include "ngx_http_presence_changes.h"


typedef struct {
    ngx_str_t                *groups;
    ngx_uint_t                ngroups;
    ngx_str_t                *users;
    ngx_uint_t                nusers;
    ngx_http_presence_view_t  view;     /* bounds "users" */
    ngx_str_t                 self;     /* may always be seen by name */
    unsigned                  everybody:1;
    unsigned                  offline:1;
    unsigned                  count:1;
    unsigned                  trace:1;  /* follows the one user in "users" */
} ngx_http_presence_filter_t;


/*
 * Reads "groups", "users", "include" and "mode" of the query within the
 * reader's view.  NGX_OK; or NGX_DECLINED, with *rc to be returned: the
 * problem is sent.
 */
ngx_int_t ngx_http_presence_filter_read(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_view_t *view, ngx_http_presence_filter_t *filter,
    ngx_int_t *rc);

/*
 * An argument of the query, unescaped; NULL data: it is not there.  NGX_ERROR:
 * no memory, and *rc is to be returned.
 */
ngx_int_t ngx_http_presence_filter_argument(ngx_http_request_t *r,
    const char *name, ngx_str_t *value, ngx_int_t *rc);

/* filters with the same key let the same through; NULL data: no memory */
ngx_str_t ngx_http_presence_filter_key(ngx_pool_t *pool,
    const ngx_http_presence_filter_t *filter);

/* a copy in another pool; NULL: no memory */
ngx_http_presence_filter_t *ngx_http_presence_filter_copy(ngx_pool_t *pool,
    const ngx_http_presence_filter_t *filter);

ngx_http_presence_change_e ngx_http_presence_filter_change(
    const ngx_http_presence_filter_t *filter,
    const ngx_http_presence_change_t *change);

/*
 * Walks the members that the filter lets through, each once: "visit" gets the
 * user, or NULL and the id of a named user who is not known or may not be
 * seen.  *cursor is 0 at first.  NGX_AGAIN after about "limit" users.
 */
typedef ngx_int_t (*ngx_http_presence_filter_visit_pt)(void *data,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_str_t *id);

ngx_int_t ngx_http_presence_filter_walk_locked(
    const ngx_http_presence_filter_t *filter, ngx_http_presence_zone_t *zone,
    uint64_t *cursor, ngx_uint_t limit,
    ngx_http_presence_filter_visit_pt visit, void *data);

/*
 * How many members have which status, offline ones included.  Takes the lock
 * itself: several times, when more than one group has to be walked.
 */
void ngx_http_presence_filter_count(const ngx_http_presence_filter_t *filter,
    ngx_http_presence_zone_t *zone, ngx_http_presence_counts_t *counts);


#endif /* _NGX_HTTP_PRESENCE_FILTER_H_INCLUDED_ */
