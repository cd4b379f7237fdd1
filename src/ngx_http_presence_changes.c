#include "ngx_http_presence_changes.h"
#include "ngx_http_presence_groups.h"


#define NGX_HTTP_PRESENCE_MIN_RING   (32 * 1024)
#define NGX_HTTP_PRESENCE_MAX_RING   (16 * 1024 * 1024)

/* each such change has its position noted, so that a resume finds its own */
#define NGX_HTTP_PRESENCE_MARK       64

/* also makes sure that a filler's head fits where a record does not */
#define NGX_HTTP_PRESENCE_ALIGN      16

/* bytes that a record can hardly be shorter than */
#define NGX_HTTP_PRESENCE_MIN_RECORD 128


static size_t ngx_http_presence_changes_size(ngx_http_presence_user_t *user,
    const ngx_http_presence_was_t *was);
static ngx_http_presence_change_t *ngx_http_presence_changes_at(
    ngx_http_presence_ring_t *ring, uint64_t position);
static uint64_t ngx_http_presence_changes_find(ngx_http_presence_ring_t *ring,
    uint64_t seq);
static ngx_http_presence_change_t *ngx_http_presence_changes_reserve(
    ngx_http_presence_ring_t *ring, size_t size);
static u_char *ngx_http_presence_changes_write_groups(u_char *p,
    ngx_http_presence_user_t *user, const ngx_http_presence_was_t *was,
    ngx_uint_t *n);
static u_char *ngx_http_presence_changes_write_group(u_char *p,
    ngx_uint_t flags, const ngx_str_t *name);


ngx_int_t
ngx_http_presence_changes_init_locked(ngx_http_presence_zone_t *zone)
{
    size_t                     size;
    ngx_http_presence_ring_t  *ring;

    ring = &zone->sh->ring;

    size = ngx_min(zone->size / 16, NGX_HTTP_PRESENCE_MAX_RING);
    size = ngx_max(size, NGX_HTTP_PRESENCE_MIN_RING);

    ring->size = ngx_align(size, ngx_pagesize);
    ring->nmarks = ring->size
                   / (NGX_HTTP_PRESENCE_MARK * NGX_HTTP_PRESENCE_MIN_RECORD);

    ring->start = ngx_slab_alloc_locked(zone->shpool, ring->size);
    if (ring->start == NULL) {
        return NGX_ERROR;
    }

    ring->marks = ngx_slab_calloc_locked(zone->shpool,
                                         ring->nmarks * sizeof(uint64_t));
    if (ring->marks == NULL) {
        return NGX_ERROR;
    }

    ring->head = 0;
    ring->tail = 0;
    ring->first = 1;
    ring->next = 1;

    /* nobody may take these changes for those of another life of the zone */

    zone->sh->epoch = ((uint64_t) ngx_time() << 32)
                      | (uint32_t) (ngx_random() ^ (ngx_pid << 16));

    return NGX_OK;
}


void
ngx_http_presence_changes_append_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_http_presence_was_t *was)
{
    u_char                      *p, *json;
    size_t                       size;
    ngx_uint_t                   n;
    ngx_http_presence_ring_t    *ring;
    ngx_http_presence_change_t  *change;

    ring = &zone->sh->ring;

    change = ngx_http_presence_changes_reserve(ring,
                               ngx_http_presence_changes_size(user, was));

    if (change == NULL) {

        /* too large for a small ring: streams get a new state instead */

        ring->tail = ring->head;
        ring->next++;
        ring->first = ring->next;
        return;
    }

    change->seq = ring->next;
    change->at = ngx_http_presence_counters_time();
    change->user_len = user->len;
    change->before = was->status;
    change->after = ngx_http_presence_rules_shown(user->status);
    change->reason = user->reason;
    change->raised = user->raised;

    p = ngx_cpymem(change->data, user->id, user->len);

    p = ngx_http_presence_changes_write_groups(p, user, was, &n);
    change->ngroups = (uint8_t) n;

    json = p;
    p = ngx_http_presence_member_write(p, zone, user);
    change->json_len = (uint16_t) (p - json);

    size = ngx_align(p - (u_char *) change, NGX_HTTP_PRESENCE_ALIGN);
    change->size = (uint32_t) size;

    if (ring->next % NGX_HTTP_PRESENCE_MARK == 0) {
        ring->marks[ring->next / NGX_HTTP_PRESENCE_MARK % ring->nmarks] =
                                                                   ring->head;
    }

    ring->head += size;
    ring->next++;
}


ngx_int_t
ngx_http_presence_changes_read_locked(ngx_http_presence_zone_t *zone,
    uint64_t seq, u_char *buf, size_t size, size_t *len)
{
    uint64_t                     position;
    ngx_http_presence_ring_t    *ring;
    ngx_http_presence_change_t  *change;

    ring = &zone->sh->ring;
    *len = 0;

    if (seq + 1 < ring->first || seq >= ring->next) {
        return NGX_DECLINED;
    }

    if (seq + 1 == ring->next) {
        return NGX_OK;
    }

    position = ngx_http_presence_changes_find(ring, seq + 1);

    while (position < ring->head) {
        change = ngx_http_presence_changes_at(ring, position);

        if (change->seq) {

            if (*len + change->size > size) {
                return NGX_AGAIN;
            }

            ngx_memcpy(buf + *len, change, change->size);
            *len += change->size;
        }

        position += change->size;
    }

    return NGX_OK;
}


/* bytes that the record of this change has at most */

static size_t
ngx_http_presence_changes_size(ngx_http_presence_user_t *user,
    const ngx_http_presence_was_t *was)
{
    size_t                           size;
    ngx_uint_t                       i;
    ngx_http_presence_membership_t  *m;

    size = sizeof(ngx_http_presence_change_t) + user->len
           + ngx_http_presence_member_size(user);

    for (m = user->memberships; m; m = m->next) {
        size += 2 + m->group->sn.str.len;
    }

    for (i = 0; i < was->ngroups; i++) {
        size += 2 + was->groups[i].len;
    }

    return ngx_align(size, NGX_HTTP_PRESENCE_ALIGN);
}


static ngx_http_presence_change_t *
ngx_http_presence_changes_at(ngx_http_presence_ring_t *ring,
    uint64_t position)
{
    return (ngx_http_presence_change_t *)
                                     (ring->start + position % ring->size);
}


/* the position of a change that is in the ring */

static uint64_t
ngx_http_presence_changes_find(ngx_http_presence_ring_t *ring, uint64_t seq)
{
    uint64_t                     position, mark;
    ngx_http_presence_change_t  *change;

    position = ring->tail;
    mark = seq - seq % NGX_HTTP_PRESENCE_MARK;

    if (mark > ring->first
        && mark + NGX_HTTP_PRESENCE_MARK * ring->nmarks > ring->next)
    {
        position = ring->marks[mark / NGX_HTTP_PRESENCE_MARK % ring->nmarks];
    }

    for ( ;; ) {
        change = ngx_http_presence_changes_at(ring, position);

        if (change->seq == seq) {
            return position;
        }

        position += change->size;
    }
}


/*
 * Room for a record at the head; the oldest records make way.  A record is
 * never split: the rest up to the ring's end becomes a filler.
 */

static ngx_http_presence_change_t *
ngx_http_presence_changes_reserve(ngx_http_presence_ring_t *ring, size_t size)
{
    size_t                       rest, filler;
    ngx_http_presence_change_t  *change;

    if (size > ring->size / 2) {
        return NULL;
    }

    rest = ring->size - ring->head % ring->size;
    filler = (rest < size) ? rest : 0;

    while (ring->head + filler + size - ring->tail > ring->size) {
        change = ngx_http_presence_changes_at(ring, ring->tail);

        if (change->seq) {
            ring->first = change->seq + 1;
        }

        ring->tail += change->size;
    }

    if (filler) {
        change = ngx_http_presence_changes_at(ring, ring->head);
        change->seq = 0;
        change->size = (uint32_t) filler;
        ring->head += filler;
    }

    return ngx_http_presence_changes_at(ring, ring->head);
}


static u_char *
ngx_http_presence_changes_write_groups(u_char *p,
    ngx_http_presence_user_t *user, const ngx_http_presence_was_t *was,
    ngx_uint_t *n)
{
    ngx_uint_t                       i, flags;
    ngx_str_t                       *name;
    ngx_http_presence_membership_t  *m;

    *n = 0;

    for (m = user->memberships; m; m = m->next) {
        name = &m->group->sn.str;

        flags = NGX_HTTP_PRESENCE_GROUP_AFTER;

        if (was->groups == NULL) {
            flags |= NGX_HTTP_PRESENCE_GROUP_BEFORE;
        }

        for (i = 0; was->groups && i < was->ngroups; i++) {
            if (was->groups[i].len == name->len
                && ngx_memcmp(was->groups[i].data, name->data, name->len) == 0)
            {
                flags |= NGX_HTTP_PRESENCE_GROUP_BEFORE;
                break;
            }
        }

        p = ngx_http_presence_changes_write_group(p, flags, name);
        (*n)++;
    }

    for (i = 0; was->groups && i < was->ngroups; i++) {
        if (!ngx_http_presence_groups_has(user, &was->groups[i])) {
            p = ngx_http_presence_changes_write_group(p,
                                               NGX_HTTP_PRESENCE_GROUP_BEFORE,
                                               &was->groups[i]);
            (*n)++;
        }
    }

    return p;
}


static u_char *
ngx_http_presence_changes_write_group(u_char *p, ngx_uint_t flags,
    const ngx_str_t *name)
{
    *p++ = (u_char) flags;
    *p++ = (u_char) name->len;

    return ngx_cpymem(p, name->data, name->len);
}
