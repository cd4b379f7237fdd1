#include "ngx_http_presence_groups.h"


static ngx_http_presence_group_t *ngx_http_presence_groups_add_locked(
    ngx_http_presence_zone_t *zone, const ngx_str_t *name);


ngx_http_presence_group_t *
ngx_http_presence_groups_find_locked(ngx_http_presence_zone_t *zone,
    const ngx_str_t *name)
{
    return (ngx_http_presence_group_t *)
               ngx_str_rbtree_lookup(&zone->sh->groups, (ngx_str_t *) name,
                                     ngx_http_presence_roster_hash(name));
}


ngx_uint_t
ngx_http_presence_groups_has(const ngx_http_presence_user_t *user,
    const ngx_str_t *group)
{
    const ngx_http_presence_membership_t  *m;

    for (m = user->memberships; m; m = m->next) {

        if (m->group->sn.str.len == group->len
            && ngx_memcmp(m->group->sn.str.data, group->data, group->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_presence_groups_are(ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity)
{
    ngx_uint_t                       i;
    ngx_str_t                       *name;
    ngx_http_presence_membership_t  *m;

    if (user->ngroups != identity->ngroups) {
        return 0;
    }

    for (m = user->memberships, i = 0; m; m = m->next, i++) {
        name = &m->group->sn.str;

        if (name->len != identity->groups[i].len
            || ngx_memcmp(name->data, identity->groups[i].data, name->len)
               != 0)
        {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_http_presence_groups_set_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity)
{
    ngx_uint_t                        i;
    ngx_http_presence_group_t        *group;
    ngx_http_presence_membership_t   *m, *list, **last;

    list = NULL;
    last = &list;

    for (i = 0; i < identity->ngroups; i++) {

        m = ngx_http_presence_zone_alloc_locked(zone,
                                      sizeof(ngx_http_presence_membership_t));
        if (m == NULL) {
            goto full;
        }

        group = ngx_http_presence_groups_add_locked(zone,
                                                         &identity->groups[i]);
        if (group == NULL) {
            ngx_http_presence_zone_free_locked(zone, m);
            goto full;
        }

        m->next = NULL;
        m->user = user;
        m->group = group;
        m->node.key = user->hash;

        ngx_rbtree_insert(&group->members, &m->node);
        group->counts.status[ngx_http_presence_rules_shown(user->status)]++;

        *last = m;
        last = &m->next;
    }

    ngx_http_presence_groups_drop_locked(zone, user,
                                                user->memberships);

    user->memberships = list;
    user->ngroups = (unsigned) identity->ngroups;

    return NGX_OK;

full:

    ngx_http_presence_groups_drop_locked(zone, user, list);

    return NGX_BUSY;
}


void
ngx_http_presence_groups_drop_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_membership_t *list)
{
    ngx_http_presence_group_t       *group;
    ngx_http_presence_membership_t  *m;

    while (list) {
        m = list;
        list = m->next;
        group = m->group;

        ngx_rbtree_delete(&group->members, &m->node);
        group->counts.status[ngx_http_presence_rules_shown(user->status)]--;

        ngx_http_presence_zone_free_locked(zone, m);

        if (group->members.root == &group->sentinel) {
            ngx_rbtree_delete(&zone->sh->groups, &group->sn.node);
            ngx_http_presence_zone_free_locked(zone, group);
        }
    }
}


void
ngx_http_presence_groups_recount_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_status_e before,
    ngx_http_presence_status_e after)
{
    ngx_http_presence_membership_t  *m;

    zone->sh->counts.status[before]--;
    zone->sh->counts.status[after]++;

    for (m = user->memberships; m; m = m->next) {
        m->group->counts.status[before]--;
        m->group->counts.status[after]++;
    }
}


ngx_int_t
ngx_http_presence_groups_walk_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_group_t *group, uint32_t *from, ngx_uint_t limit,
    ngx_http_presence_visit_pt visit, void *data)
{
    ngx_uint_t                       visited;
    ngx_rbtree_key_t                 key;
    ngx_rbtree_node_t               *node, *next;
    ngx_http_presence_membership_t  *m;

    next = NULL;

    for (node = group->members.root; node != &group->sentinel; /* void */ ) {

        if (node->key >= *from) {
            next = node;
            node = node->left;

        } else {
            node = node->right;
        }
    }

    key = 0;
    visited = 0;

    for (node = next; node; node = ngx_rbtree_next(&group->members, node)) {

        if (visited >= limit && node->key != key) {
            *from = (uint32_t) node->key;
            return NGX_AGAIN;
        }

        key = node->key;
        m = ngx_rbtree_data(node, ngx_http_presence_membership_t, node);

        if (visit(data, zone, m->user) != NGX_OK) {
            return NGX_ERROR;
        }

        visited++;
    }

    return NGX_OK;
}


static ngx_http_presence_group_t *
ngx_http_presence_groups_add_locked(ngx_http_presence_zone_t *zone,
    const ngx_str_t *name)
{
    ngx_http_presence_group_t  *group;

    group = ngx_http_presence_groups_find_locked(zone, name);

    if (group) {
        return group;
    }

    group = ngx_http_presence_zone_alloc_locked(zone,
                                      offsetof(ngx_http_presence_group_t, name)
                                      + name->len);
    if (group == NULL) {
        return NULL;
    }

    ngx_memzero(&group->counts, sizeof(ngx_http_presence_counts_t));

    ngx_memcpy(group->name, name->data, name->len);

    group->sn.node.key = ngx_http_presence_roster_hash(name);
    group->sn.str.len = name->len;
    group->sn.str.data = group->name;

    ngx_rbtree_init(&group->members, &group->sentinel,
                    ngx_rbtree_insert_value);

    ngx_rbtree_insert(&zone->sh->groups, &group->sn.node);

    return group;
}
