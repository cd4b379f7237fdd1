/*
 * Groups of users, in shared memory: who is in which, and how many of them
 * have which status.  The caller of a "_locked" function holds the zone's lock.
 */

#ifndef _NGX_HTTP_PRESENCE_GROUPS_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_GROUPS_H_INCLUDED_


#include "ngx_http_presence_roster.h"


typedef struct {
    ngx_str_node_t                   sn;        /* its name */
    ngx_rbtree_t                     members;   /* memberships by user hash */
    ngx_rbtree_node_t                sentinel;
    ngx_http_presence_counts_t       counts;
    u_char                           name[1];
} ngx_http_presence_group_t;


struct ngx_http_presence_membership_s {
    ngx_rbtree_node_t                node;
    ngx_http_presence_membership_t  *next;      /* of the same user */
    ngx_http_presence_group_t       *group;
    ngx_http_presence_user_t        *user;
};


/* a group exists for as long as somebody is in it */
ngx_http_presence_group_t *ngx_http_presence_groups_find_locked(
    ngx_http_presence_zone_t *zone, const ngx_str_t *name);

/* is the user in the group of that name? */
ngx_uint_t ngx_http_presence_groups_has(const ngx_http_presence_user_t *user,
    const ngx_str_t *name);

/* is the user in just the groups of the identity, in their order? */
ngx_uint_t ngx_http_presence_groups_are(ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity);

/* NGX_OK; or NGX_BUSY: the zone is full, and the groups are as they were */
ngx_int_t ngx_http_presence_groups_set_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity);

/* frees a list of memberships of the user */
void ngx_http_presence_groups_drop_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_membership_t *list);

/* counts the user, in the zone and its groups, as having another status */
void ngx_http_presence_groups_recount_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_status_e before,
    ngx_http_presence_status_e after);

/* ngx_http_presence_roster_walk_locked() for a group */
ngx_int_t ngx_http_presence_groups_walk_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_group_t *group, uint32_t *from, ngx_uint_t limit,
    ngx_http_presence_visit_pt visit, void *data);


#endif /* _NGX_HTTP_PRESENCE_GROUPS_H_INCLUDED_ */
