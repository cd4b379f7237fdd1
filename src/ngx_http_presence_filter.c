#include "ngx_http_presence_filter.h"
#include "ngx_http_presence_groups.h"
#include "ngx_http_presence_problem.h"


/* groups and users that a query can name */
#define NGX_HTTP_PRESENCE_FILTER_NAMES  100

/* members counted in one hold of the lock */
#define NGX_HTTP_PRESENCE_FILTER_COUNT  256


typedef struct {
    const ngx_http_presence_filter_t   *filter;
    ngx_uint_t                          group;  /* being walked */
    ngx_http_presence_filter_visit_pt   visit;
    void                               *data;
} ngx_http_presence_filter_walk_t;


static ngx_int_t ngx_http_presence_filter_names(ngx_http_request_t *r,
    const char *name, size_t len, ngx_str_t **names, ngx_uint_t *n,
    ngx_int_t *rc);
static ngx_int_t ngx_http_presence_filter_word(ngx_http_request_t *r,
    const char *name, const char *on, const char *off, ngx_uint_t *value,
    ngx_int_t *rc);
static ngx_int_t ngx_http_presence_filter_copy_names(ngx_pool_t *pool,
    ngx_str_t **names, ngx_uint_t n);
static u_char *ngx_http_presence_filter_key_names(u_char *p,
    const ngx_str_t *names, ngx_uint_t n);
static int ngx_libc_cdecl ngx_http_presence_filter_compare(const void *one,
    const void *two);
static ngx_uint_t ngx_http_presence_filter_sees(
    const ngx_http_presence_filter_t *filter,
    const ngx_http_presence_change_t *change, ngx_uint_t when);
static ngx_uint_t ngx_http_presence_filter_changed_in(
    const ngx_str_t *groups, ngx_uint_t n,
    const ngx_http_presence_change_t *change, ngx_uint_t when);
static ngx_int_t ngx_http_presence_filter_visit(void *data,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);
static ngx_uint_t ngx_http_presence_filter_is_member(
    const ngx_http_presence_filter_t *filter, ngx_uint_t n,
    ngx_http_presence_user_t *user);
static ngx_uint_t ngx_http_presence_filter_shows(
    const ngx_http_presence_filter_t *filter, ngx_http_presence_user_t *user);
static ngx_int_t ngx_http_presence_filter_add(void *data,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_str_t *id);


ngx_int_t
ngx_http_presence_filter_read(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_view_t *view, ngx_http_presence_filter_t *filter,
    ngx_int_t *rc)
{
    ngx_uint_t  i, offline, count;

    ngx_memzero(filter, sizeof(ngx_http_presence_filter_t));

    filter->view = *view;
    filter->self = identity->user;

    if (ngx_http_presence_filter_names(r, "groups", zone->limits.max_group,
                                       &filter->groups, &filter->ngroups, rc)
        != NGX_OK
        || ngx_http_presence_filter_names(r, "users", zone->limits.max_user,
                                          &filter->users, &filter->nusers, rc)
           != NGX_OK
        || ngx_http_presence_filter_word(r, "include", "offline", "",
                                         &offline, rc)
           != NGX_OK
        || ngx_http_presence_filter_word(r, "mode", "count", "full", &count,
                                         rc)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    filter->offline = offline;
    filter->count = count;

    for (i = 0; i < filter->ngroups && !view->all; i++) {

        if (!ngx_http_presence_access_listed(view->groups, view->ngroups,
                                             filter->groups[i].data,
                                             filter->groups[i].len))
        {
            *rc = ngx_http_presence_problem(r,
                           NGX_HTTP_PRESENCE_FORBIDDEN_VIEW,
                           "a group in \"groups\" is not in the reader's view: "
                           "see the directive \"presence_view\"");
            return NGX_DECLINED;
        }
    }

    if (filter->ngroups == 0 && filter->nusers == 0) {
        filter->everybody = view->all;
        filter->groups = view->groups;
        filter->ngroups = view->all ? 0 : view->ngroups;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_presence_filter_argument(ngx_http_request_t *r, const char *name,
    ngx_str_t *value, ngx_int_t *rc)
{
    u_char  *dst, *src;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), value) != NGX_OK) {
        ngx_str_null(value);
        return NGX_OK;
    }

    dst = ngx_pnalloc(r->pool, value->len + 1);
    if (dst == NULL) {
        *rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        return NGX_ERROR;
    }

    src = value->data;
    value->data = dst;

    ngx_unescape_uri(&dst, &src, value->len, 0);

    value->len = dst - value->data;

    return NGX_OK;
}


ngx_str_t
ngx_http_presence_filter_key(ngx_pool_t *pool,
    const ngx_http_presence_filter_t *filter)
{
    u_char      *p;
    size_t       len;
    ngx_str_t    key;
    ngx_uint_t   i;

    len = sizeof("eoct////") + filter->self.len;

    for (i = 0; i < filter->ngroups; i++) {
        len += 1 + filter->groups[i].len;
    }

    for (i = 0; i < filter->nusers; i++) {
        len += 1 + filter->users[i].len;
    }

    for (i = 0; i < filter->view.ngroups; i++) {
        len += 1 + filter->view.groups[i].len;
    }

    key.len = 0;
    key.data = ngx_pnalloc(pool, len);

    if (key.data == NULL) {
        return key;
    }

    p = key.data;

    *p++ = filter->everybody ? 'e' : '-';
    *p++ = filter->offline ? 'o' : '-';
    *p++ = filter->count ? 'c' : '-';
    *p++ = filter->trace ? 't' : '-';

    p = ngx_http_presence_filter_key_names(p, filter->groups, filter->ngroups);

    /* only for named users it matters who asks */

    if (filter->nusers) {
        p = ngx_http_presence_filter_key_names(p, filter->users,
                                               filter->nusers);

        if (!filter->view.all) {
            p = ngx_http_presence_filter_key_names(p, filter->view.groups,
                                                   filter->view.ngroups);
            p = ngx_cpymem(p, filter->self.data, filter->self.len);
        }
    }

    key.len = p - key.data;

    return key;
}


ngx_http_presence_filter_t *
ngx_http_presence_filter_copy(ngx_pool_t *pool,
    const ngx_http_presence_filter_t *filter)
{
    ngx_http_presence_filter_t  *copy;

    copy = ngx_palloc(pool, sizeof(ngx_http_presence_filter_t));
    if (copy == NULL) {
        return NULL;
    }

    *copy = *filter;

    copy->self.data = ngx_pstrdup(pool, &copy->self);

    if (copy->self.data == NULL
        || ngx_http_presence_filter_copy_names(pool, &copy->groups,
                                               copy->ngroups)
           != NGX_OK
        || ngx_http_presence_filter_copy_names(pool, &copy->users,
                                               copy->nusers)
           != NGX_OK
        || ngx_http_presence_filter_copy_names(pool, &copy->view.groups,
                                               copy->view.ngroups)
           != NGX_OK)
    {
        return NULL;
    }

    return copy;
}


ngx_http_presence_change_e
ngx_http_presence_filter_change(const ngx_http_presence_filter_t *filter,
    const ngx_http_presence_change_t *change)
{
    ngx_http_presence_change_e  what;

    what = ngx_http_presence_rules_change(
               change->before != NGX_HTTP_PRESENCE_OFFLINE
               && ngx_http_presence_filter_sees(filter, change,
                                           NGX_HTTP_PRESENCE_GROUP_BEFORE),
               change->after != NGX_HTTP_PRESENCE_OFFLINE
               && ngx_http_presence_filter_sees(filter, change,
                                           NGX_HTTP_PRESENCE_GROUP_AFTER));

    /* a count stays the same when somebody's status does */

    if (filter->count
        && what == NGX_HTTP_PRESENCE_CHANGE_UPDATE
        && change->before == change->after)
    {
        return NGX_HTTP_PRESENCE_NO_CHANGE;
    }

    return what;
}


/*
 * The cursor is the part (the group walked, or after them the named users) and
 * the hash within it.
 */

ngx_int_t
ngx_http_presence_filter_walk_locked(const ngx_http_presence_filter_t *filter,
    ngx_http_presence_zone_t *zone, uint64_t *cursor, ngx_uint_t limit,
    ngx_http_presence_filter_visit_pt visit, void *data)
{
    uint32_t                          from;
    ngx_int_t                         rc;
    ngx_uint_t                        i, part, nparts;
    ngx_http_presence_user_t         *user;
    ngx_http_presence_group_t        *group;
    ngx_http_presence_filter_walk_t   walk;

    walk.filter = filter;
    walk.visit = visit;
    walk.data = data;

    nparts = filter->everybody ? 1 : filter->ngroups;

    part = *cursor >> 32;
    from = (uint32_t) *cursor;

    for ( /* void */ ; part < nparts; part++, from = 0) {
        group = NULL;
        walk.group = part;

        if (!filter->everybody) {
            group = ngx_http_presence_groups_find_locked(zone,
                                                       &filter->groups[part]);
            if (group == NULL) {
                continue;
            }
        }

        rc = group ? ngx_http_presence_groups_walk_locked(zone, group, &from,
                                         limit, ngx_http_presence_filter_visit,
                                         &walk)
                   : ngx_http_presence_roster_walk_locked(zone, &from, limit,
                                                ngx_http_presence_filter_visit,
                                                &walk);

        if (rc == NGX_AGAIN) {
            *cursor = ((uint64_t) part << 32) | from;
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    for (i = 0; i < filter->nusers; i++) {

        user = ngx_http_presence_roster_find_locked(zone, &filter->users[i],
                           ngx_http_presence_roster_hash(&filter->users[i]));

        if (user && !ngx_http_presence_filter_shows(filter, user)) {
            user = NULL;
        }

        /* as a member of a group it had its turn, unless it is offline */

        if (user
            && (filter->offline
                || ngx_http_presence_rules_shown(user->status)
                   != NGX_HTTP_PRESENCE_OFFLINE)
            && ngx_http_presence_filter_is_member(filter, filter->ngroups,
                                                  user))
        {
            continue;
        }

        if (visit(data, zone, user, &filter->users[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_http_presence_filter_count(const ngx_http_presence_filter_t *filter,
    ngx_http_presence_zone_t *zone, ngx_http_presence_counts_t *counts)
{
    uint64_t                     cursor;
    ngx_int_t                    rc;
    ngx_http_presence_group_t   *group;
    ngx_http_presence_filter_t   all;

    ngx_memzero(counts, sizeof(ngx_http_presence_counts_t));

    /* somebody in two of the groups counts once: these have to be walked */

    all = *filter;
    all.offline = 1;

    cursor = 0;

    do {
        rc = NGX_OK;

        ngx_http_presence_zone_lock(zone);

        if (filter->everybody) {
            *counts = zone->sh->counts;

        } else if (filter->ngroups == 1 && filter->nusers == 0) {
            group = ngx_http_presence_groups_find_locked(zone,
                                                         &filter->groups[0]);
            if (group) {
                *counts = group->counts;
            }

        } else {
            rc = ngx_http_presence_filter_walk_locked(&all, zone, &cursor,
                                               NGX_HTTP_PRESENCE_FILTER_COUNT,
                                               ngx_http_presence_filter_add,
                                               counts);
        }

        ngx_http_presence_zone_unlock(zone);

    } while (rc == NGX_AGAIN);
}


static ngx_int_t
ngx_http_presence_filter_names(ngx_http_request_t *r, const char *name,
    size_t len, ngx_str_t **names, ngx_uint_t *n, ngx_int_t *rc)
{
    ngx_str_t  value;

    if (ngx_http_presence_filter_argument(r, name, &value, rc) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.data == NULL) {
        return NGX_OK;
    }

    switch (ngx_http_presence_access_list(r->pool, &value, 0,
                                          NGX_HTTP_PRESENCE_FILTER_NAMES, len,
                                          names, n))
    {
    case NGX_OK:
        break;

    case NGX_DECLINED:
        *rc = ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_INVALID_ARGUMENT,
                        "\"groups\" and \"users\" take at most 100 names, "
                        "separated by commas, none longer than the zone's "
                        "limit");
        return NGX_ERROR;

    default:
        *rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        return NGX_ERROR;
    }

    if (*n == 0) {
        *rc = ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_INVALID_ARGUMENT,
                        "\"groups\" or \"users\" names nothing");
        return NGX_ERROR;
    }

    qsort(*names, *n, sizeof(ngx_str_t), ngx_http_presence_filter_compare);

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_filter_word(ngx_http_request_t *r, const char *name,
    const char *on, const char *off, ngx_uint_t *value, ngx_int_t *rc)
{
    ngx_str_t  word;

    *value = 0;

    if (ngx_http_presence_filter_argument(r, name, &word, rc) != NGX_OK) {
        return NGX_ERROR;
    }

    if (word.data == NULL) {
        return NGX_OK;
    }

    if (word.len == ngx_strlen(on)
        && ngx_memcmp(word.data, on, word.len) == 0)
    {
        *value = 1;
        return NGX_OK;
    }

    if (word.len == ngx_strlen(off)
        && ngx_memcmp(word.data, off, word.len) == 0)
    {
        return NGX_OK;
    }

    *rc = ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_INVALID_ARGUMENT,
                        "\"mode\" is \"full\" or \"count\", and \"include\" "
                        "is \"offline\"");
    return NGX_ERROR;
}


static ngx_int_t
ngx_http_presence_filter_copy_names(ngx_pool_t *pool, ngx_str_t **names,
    ngx_uint_t n)
{
    ngx_str_t   *copy;
    ngx_uint_t   i;

    copy = ngx_palloc(pool, (n + 1) * sizeof(ngx_str_t));
    if (copy == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        copy[i].len = (*names)[i].len;
        copy[i].data = ngx_pstrdup(pool, &(*names)[i]);

        if (copy[i].data == NULL) {
            return NGX_ERROR;
        }
    }

    *names = copy;

    return NGX_OK;
}


static u_char *
ngx_http_presence_filter_key_names(u_char *p, const ngx_str_t *names,
    ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        p = ngx_cpymem(p, names[i].data, names[i].len);
        *p++ = ',';
    }

    *p++ = '/';

    return p;
}


static int ngx_libc_cdecl
ngx_http_presence_filter_compare(const void *one, const void *two)
{
    const ngx_str_t  *a = one, *b = two;

    return (int) ngx_memn2cmp(a->data, b->data, a->len, b->len);
}


static ngx_uint_t
ngx_http_presence_filter_sees(const ngx_http_presence_filter_t *filter,
    const ngx_http_presence_change_t *change, ngx_uint_t when)
{
    if (filter->everybody
        || ngx_http_presence_filter_changed_in(filter->groups,
                                               filter->ngroups, change, when))
    {
        return 1;
    }

    if (filter->nusers == 0
        || !ngx_http_presence_access_listed(filter->users, filter->nusers,
                                            change->data, change->user_len))
    {
        return 0;
    }

    return filter->view.all
           || (filter->self.len == change->user_len
               && ngx_memcmp(filter->self.data, change->data,
                             change->user_len) == 0)
           || ngx_http_presence_filter_changed_in(filter->view.groups,
                                                  filter->view.ngroups,
                                                  change, when);
}


static ngx_uint_t
ngx_http_presence_filter_changed_in(const ngx_str_t *groups, ngx_uint_t n,
    const ngx_http_presence_change_t *change, ngx_uint_t when)
{
    ngx_uint_t     i;
    const u_char  *p;

    p = ngx_http_presence_change_groups(change);

    for (i = 0; i < change->ngroups; i++) {

        if ((p[0] & when)
            && ngx_http_presence_access_listed(groups, n, p + 2, p[1]))
        {
            return 1;
        }

        p = ngx_http_presence_change_group_next(p);
    }

    return 0;
}


static ngx_int_t
ngx_http_presence_filter_visit(void *data, ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user)
{
    ngx_http_presence_filter_walk_t *walk = data;

    if (!walk->filter->offline
        && ngx_http_presence_rules_shown(user->status)
           == NGX_HTTP_PRESENCE_OFFLINE)
    {
        return NGX_OK;
    }

    if (ngx_http_presence_filter_is_member(walk->filter, walk->group, user)) {
        return NGX_OK;
    }

    return walk->visit(walk->data, zone, user, NULL);
}


/* is the user in one of the first "n" groups of the filter? */

static ngx_uint_t
ngx_http_presence_filter_is_member(const ngx_http_presence_filter_t *filter,
    ngx_uint_t n, ngx_http_presence_user_t *user)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (ngx_http_presence_groups_has(user, &filter->groups[i])) {
            return 1;
        }
    }

    return 0;
}


/* may a user be seen by name? */

static ngx_uint_t
ngx_http_presence_filter_shows(const ngx_http_presence_filter_t *filter,
    ngx_http_presence_user_t *user)
{
    ngx_http_presence_membership_t  *m;

    if (filter->view.all
        || (filter->self.len == user->len
            && ngx_memcmp(filter->self.data, user->id, user->len) == 0))
    {
        return 1;
    }

    for (m = user->memberships; m; m = m->next) {

        if (ngx_http_presence_access_listed(filter->view.groups,
                                            filter->view.ngroups,
                                            m->group->sn.str.data,
                                            m->group->sn.str.len))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_presence_filter_add(void *data, ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id)
{
    ngx_http_presence_counts_t  *counts = data;

    counts->status[user ? ngx_http_presence_rules_shown(user->status)
                        : NGX_HTTP_PRESENCE_OFFLINE]++;

    return NGX_OK;
}
