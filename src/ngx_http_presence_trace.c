#include "ngx_http_presence_trace.h"
#include "ngx_http_presence_redis.h"


/*
 * A user's traces are a list of places in the zone, counted in steps of 8
 * bytes, which takes half of a pointer: rings of sessions, the newest one
 * first, and the changes at its end.
 */

#define NGX_HTTP_PRESENCE_TRACE_IS_CHANGES  0x80000000

/* by so much the time of one of the last records may be off, by the others */
#define NGX_HTTP_PRESENCE_TRACE_ROUNDED     10

/* times are kept modulo 2^32 milliseconds */
#define NGX_HTTP_PRESENCE_TRACE_SPAN        ((ngx_http_presence_ms_t) 1 << 32)

#define ngx_http_presence_trace_at(zone, place)                               \
    ((void *) ((u_char *) (zone)->shpool                                      \
               + 8 * (size_t) ((place) & ~NGX_HTTP_PRESENCE_TRACE_IS_CHANGES)))

#define ngx_http_presence_trace_place(zone, p)                                \
    ((uint32_t) (((u_char *) (p) - (u_char *) (zone)->shpool) / 8))


/* with 16 beats this is 128 bytes */
typedef struct {
    uint32_t                           next;
    uint32_t                           key;
    uint32_t                           at;      /* newest, wall time modulo */
    uint8_t                            size;    /* beats that it can hold */
    uint8_t                            head;    /* place of the newest */
    uint16_t                           seq;     /* of the newest */
    uint8_t                            beats[1];
} ngx_http_presence_ring_of_beats_t;


/* with 6 changes this is 32 bytes */
typedef struct {
    uint32_t                           size;
    uint32_t                           at;
    uint32_t                           changes[1];  /* the newest first */
} ngx_http_presence_list_of_changes_t;


static void ngx_http_presence_trace_amend_change_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    ngx_http_presence_ms_t wall, ngx_uint_t cause);
static ngx_http_presence_list_of_changes_t *ngx_http_presence_trace_changes(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);
static ngx_http_presence_ring_of_beats_t *ngx_http_presence_trace_find(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    uint32_t key);
static ngx_http_presence_ring_of_beats_t *ngx_http_presence_trace_add_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    uint32_t key);
static void ngx_http_presence_trace_prune_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);
static ngx_http_presence_session_t *ngx_http_presence_trace_session(
    ngx_http_presence_user_t *user, uint32_t key);
static void *ngx_http_presence_trace_alloc_locked(
    ngx_http_presence_zone_t *zone, size_t size);
static uint32_t ngx_http_presence_trace_key(const ngx_str_t *id);
static ngx_http_presence_ms_t ngx_http_presence_trace_wall(
    ngx_http_presence_ms_t now, uint32_t at);
static void ngx_http_presence_trace_read_user(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_trace_t *trace,
    ngx_http_presence_ms_t now);
static void ngx_http_presence_trace_read_changes(
    ngx_http_presence_list_of_changes_t *list,
    ngx_http_presence_trace_t *trace);
static void ngx_http_presence_trace_read_session(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    ngx_http_presence_trace_session_t *told);
static void ngx_http_presence_trace_read_beats(
    ngx_http_presence_zone_t *zone, ngx_http_presence_ring_of_beats_t *ring,
    ngx_http_presence_trace_t *trace, ngx_http_presence_trace_session_t *told);


#define ngx_http_presence_ring_beat(ring, i)                                  \
    (&(ring)->beats[(size_t) (i) * NGX_HTTP_PRESENCE_RECORD_BEAT])


void
ngx_http_presence_trace_beat_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id,
    ngx_http_presence_beat_record_t *beat, int64_t seq,
    ngx_http_presence_ms_t wall)
{
    uint32_t                            key;
    ngx_http_presence_ring_of_beats_t  *ring;

    if (zone->trace == 0) {
        return;
    }

    key = ngx_http_presence_trace_key(id);
    ring = ngx_http_presence_trace_find(zone, user, key);

    if (ring == NULL) {
        ring = ngx_http_presence_trace_add_locked(zone, user, key);

        if (ring == NULL) {
            return;
        }

        beat->gap = 0;

    } else {
        beat->gap = wall - ngx_http_presence_trace_wall(wall, ring->at);
    }

    ring->head = (uint8_t) ((ring->head + 1) % ring->size);
    ring->at = (uint32_t) wall;

    if (seq >= 0 && beat->kind != NGX_HTTP_PRESENCE_RECORD_OVERTAKEN) {
        ring->seq = (uint16_t) seq;
    }

    ngx_http_presence_record_pack_beat(
                        ngx_http_presence_ring_beat(ring, ring->head), beat);
}


void
ngx_http_presence_trace_change_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_reason_e reason,
    ngx_uint_t cause, ngx_http_presence_ms_t wall)
{
    size_t                                size;
    uint32_t                             *place;
    ngx_http_presence_change_record_t     change;
    ngx_http_presence_ring_of_beats_t    *ring;
    ngx_http_presence_list_of_changes_t  *list;

    if (zone->trace == 0) {
        return;
    }

    place = &user->trace;

    while (*place && !(*place & NGX_HTTP_PRESENCE_TRACE_IS_CHANGES)) {
        ring = ngx_http_presence_trace_at(zone, *place);
        place = &ring->next;
    }

    if (*place == 0) {

        /* 6, 14 or 30 changes: the pool rounds up to powers of two anyway */

        for (size = 32; size < 2 * zone->trace; size *= 2) { /* void */ }

        list = ngx_http_presence_trace_alloc_locked(zone, size);
        if (list == NULL) {
            return;
        }

        list->size = (uint32_t) (size / sizeof(uint32_t) - 2);

        *place = ngx_http_presence_trace_place(zone, list)
                 | NGX_HTTP_PRESENCE_TRACE_IS_CHANGES;

        change.gap = 0;

    } else {
        list = ngx_http_presence_trace_at(zone, *place);
        change.gap = wall - ngx_http_presence_trace_wall(wall, list->at);
    }

    change.status = user->status;
    change.reason = (uint8_t) reason;
    change.cause = (uint8_t) cause;

    ngx_memmove(&list->changes[1], &list->changes[0],
                (list->size - 1) * sizeof(uint32_t));

    list->changes[0] = ngx_http_presence_record_pack_change(&change);
    list->at = (uint32_t) wall;
}


void
ngx_http_presence_trace_elsewhere_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id,
    ngx_http_presence_ms_t wall, ngx_http_presence_ms_t due, ngx_uint_t node)
{
    uint8_t                            *p, *to;
    ngx_uint_t                          i, newer, place;
    ngx_http_presence_ms_t              at, next;
    ngx_http_presence_beat_record_t     beat;
    ngx_http_presence_ring_of_beats_t  *ring;

    ring = ngx_http_presence_trace_find(zone, user,
                                        ngx_http_presence_trace_key(id));
    if (ring == NULL) {
        return;
    }

    /* those that are newer; times from call to call differ a little */

    at = ngx_http_presence_trace_wall(
                      ngx_http_presence_zone_wall(zone, zone->sh->clock.now),
                      ring->at);
    place = ring->head;
    next = 0;

    for (newer = 0; newer < ring->size; newer++) {

        ngx_http_presence_record_unpack_beat(
                            ngx_http_presence_ring_beat(ring, place), &beat);

        if (beat.kind == NGX_HTTP_PRESENCE_RECORD_NONE) {
            at = wall;
            break;
        }

        if (at < wall - NGX_HTTP_PRESENCE_REDIS_SLIGHT) {
            break;
        }

        if (at <= wall + NGX_HTTP_PRESENCE_REDIS_SLIGHT) {
            return;
        }

        next = at;
        at -= beat.gap;
        place = (place + ring->size - 1) % ring->size;
    }

    if (newer == ring->size) {
        return;
    }

    /* they make room for it */

    ring->head = (uint8_t) ((ring->head + 1) % ring->size);

    for (i = 0; i < newer; i++) {
        place = (ring->head + ring->size - i) % ring->size;
        to = ngx_http_presence_ring_beat(ring, place);

        place = (place + ring->size - 1) % ring->size;
        p = ngx_http_presence_ring_beat(ring, place);

        ngx_memcpy(to, p, NGX_HTTP_PRESENCE_RECORD_BEAT);

        if (i == newer - 1) {
            ngx_http_presence_record_unpack_beat(to, &beat);
            beat.gap = next - wall;
            ngx_http_presence_record_pack_beat(to, &beat);
        }
    }

    if (newer == 0) {
        ring->at = (uint32_t) wall;
    }

    place = (ring->head + ring->size - newer) % ring->size;

    ngx_memzero(&beat, sizeof(ngx_http_presence_beat_record_t));

    beat.kind = NGX_HTTP_PRESENCE_RECORD_ELSEWHERE;
    beat.node = (uint8_t) node;
    beat.gap = wall - at;
    beat.due = due;
    beat.rtt = -1;
    beat.cause = NGX_HTTP_PRESENCE_NO_CAUSE;

    ngx_http_presence_record_pack_beat(
                            ngx_http_presence_ring_beat(ring, place), &beat);
}


void
ngx_http_presence_trace_amend_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id,
    ngx_http_presence_ms_t wall, ngx_uint_t cause, ngx_uint_t hole)
{
    uint8_t                            *p;
    ngx_uint_t                          i, place;
    ngx_http_presence_ms_t              at;
    ngx_http_presence_beat_record_t     beat;
    ngx_http_presence_ring_of_beats_t  *ring;

    ring = ngx_http_presence_trace_find(zone, user,
                                        ngx_http_presence_trace_key(id));
    if (ring == NULL) {
        return;
    }

    at = ngx_http_presence_trace_wall(
                      ngx_http_presence_zone_wall(zone, zone->sh->clock.now),
                      ring->at);
    place = ring->head;

    for (i = 0; i < ring->size; i++) {
        p = ngx_http_presence_ring_beat(ring, place);

        ngx_http_presence_record_unpack_beat(p, &beat);

        if (beat.kind == NGX_HTTP_PRESENCE_RECORD_NONE
            || at < wall - NGX_HTTP_PRESENCE_TRACE_ROUNDED)
        {
            break;
        }

        if (at <= wall + NGX_HTTP_PRESENCE_TRACE_ROUNDED
            && beat.kind != NGX_HTTP_PRESENCE_RECORD_ELSEWHERE)
        {
            beat.cause = (uint8_t) cause;
            beat.hole = (uint8_t) hole;
            ngx_http_presence_record_pack_beat(p, &beat);
            break;
        }

        at -= beat.gap;
        place = (place + ring->size - 1) % ring->size;
    }

    ngx_http_presence_trace_amend_change_locked(zone, user, wall, cause);
}


ngx_int_t
ngx_http_presence_trace_last_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id,
    ngx_http_presence_ms_t wall, ngx_http_presence_trace_last_t *last)
{
    ngx_http_presence_ring_of_beats_t  *ring;

    ring = ngx_http_presence_trace_find(zone, user,
                                        ngx_http_presence_trace_key(id));
    if (ring == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_presence_record_unpack_beat(
                ngx_http_presence_ring_beat(ring, ring->head), &last->beat);

    last->wall = ngx_http_presence_trace_wall(wall, ring->at);
    last->seq = ring->seq;

    return NGX_OK;
}


void
ngx_http_presence_trace_free_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user)
{
    uint32_t                            place;
    ngx_http_presence_ring_of_beats_t  *ring;

    place = user->trace;
    user->trace = 0;

    while (place) {
        ring = ngx_http_presence_trace_at(zone, place);
        place = (place & NGX_HTTP_PRESENCE_TRACE_IS_CHANGES) ? 0 : ring->next;

        ngx_http_presence_zone_free_locked(zone, ring);
    }
}


void
ngx_http_presence_trace_read(ngx_http_presence_zone_t *zone,
    const ngx_str_t *id, ngx_http_presence_trace_t *trace)
{
    ngx_http_presence_ms_t     now;
    ngx_http_presence_user_t  *user;

    ngx_memzero(trace, sizeof(ngx_http_presence_trace_t));

    now = ngx_http_presence_zone_lock(zone);

    trace->now = ngx_http_presence_zone_wall(zone, now);
    trace->cause = NGX_HTTP_PRESENCE_NO_CAUSE;

    ngx_http_presence_redis_reading_view_locked(&trace->redis, zone, id);

    user = ngx_http_presence_roster_find_locked(zone, id,
                                            ngx_http_presence_roster_hash(id));
    if (user) {
        trace->known = 1;
        ngx_http_presence_trace_read_user(zone, user, trace, now);
    }

    ngx_http_presence_zone_unlock(zone);
}


static void
ngx_http_presence_trace_amend_change_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t wall,
    ngx_uint_t cause)
{
    ngx_uint_t                            i;
    ngx_http_presence_ms_t                at;
    ngx_http_presence_change_record_t     change;
    ngx_http_presence_list_of_changes_t  *list;

    list = ngx_http_presence_trace_changes(zone, user);

    if (list == NULL) {
        return;
    }

    at = ngx_http_presence_trace_wall(
                      ngx_http_presence_zone_wall(zone, zone->sh->clock.now),
                      list->at);

    for (i = 0; i < list->size && list->changes[i]; i++) {

        ngx_http_presence_record_unpack_change(list->changes[i], &change);

        if (at < wall - NGX_HTTP_PRESENCE_TRACE_ROUNDED) {
            return;
        }

        if (at <= wall + NGX_HTTP_PRESENCE_TRACE_ROUNDED
            && change.reason == NGX_HTTP_PRESENCE_RECOVERED)
        {
            change.cause = (uint8_t) cause;
            list->changes[i] = ngx_http_presence_record_pack_change(&change);
            return;
        }

        at -= change.gap;
    }
}


/* NULL: there is none */

static ngx_http_presence_list_of_changes_t *
ngx_http_presence_trace_changes(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user)
{
    uint32_t                            place;
    ngx_http_presence_ring_of_beats_t  *ring;

    for (place = user->trace; place; place = ring->next) {

        ring = ngx_http_presence_trace_at(zone, place);

        if (place & NGX_HTTP_PRESENCE_TRACE_IS_CHANGES) {
            return (void *) ring;
        }
    }

    return NULL;
}


static ngx_http_presence_ring_of_beats_t *
ngx_http_presence_trace_find(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, uint32_t key)
{
    uint32_t                            place;
    ngx_http_presence_ring_of_beats_t  *ring;

    for (place = user->trace;
         place && !(place & NGX_HTTP_PRESENCE_TRACE_IS_CHANGES);
         place = ring->next)
    {
        ring = ngx_http_presence_trace_at(zone, place);

        if (ring->key == key) {
            return ring;
        }
    }

    return NULL;
}


static ngx_http_presence_ring_of_beats_t *
ngx_http_presence_trace_add_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, uint32_t key)
{
    ngx_http_presence_ring_of_beats_t  *ring;

    ngx_http_presence_trace_prune_locked(zone, user);

    ring = ngx_http_presence_trace_alloc_locked(zone,
                        offsetof(ngx_http_presence_ring_of_beats_t, beats)
                        + zone->trace * NGX_HTTP_PRESENCE_RECORD_BEAT);
    if (ring == NULL) {
        return NULL;
    }

    ring->key = key;
    ring->size = (uint8_t) zone->trace;
    ring->next = user->trace;

    user->trace = ngx_http_presence_trace_place(zone, ring);

    return ring;
}


/* of sessions that have ended just the last one is remembered */

static void
ngx_http_presence_trace_prune_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user)
{
    uint32_t                           *place, *kept;
    ngx_http_presence_ring_of_beats_t  *ring, *other;

    kept = NULL;

    for (place = &user->trace;
         *place && !(*place & NGX_HTTP_PRESENCE_TRACE_IS_CHANGES);
         /* void */ )
    {
        ring = ngx_http_presence_trace_at(zone, *place);

        if (ngx_http_presence_trace_session(user, ring->key)) {
            place = &ring->next;
            continue;
        }

        if (kept == NULL) {
            kept = place;
            place = &ring->next;
            continue;
        }

        other = ngx_http_presence_trace_at(zone, *kept);

        if ((int32_t) (ring->at - other->at) <= 0) {
            *place = ring->next;
            ngx_http_presence_zone_free_locked(zone, ring);
            continue;
        }

        /* the one kept so far goes, and with it perhaps the link to this */

        *kept = other->next;

        if (place != &other->next) {
            kept = place;
        }

        ngx_http_presence_zone_free_locked(zone, other);

        place = &ring->next;
    }
}


static ngx_http_presence_session_t *
ngx_http_presence_trace_session(ngx_http_presence_user_t *user, uint32_t key)
{
    ngx_str_t                     id;
    ngx_http_presence_session_t  *session;

    for (session = user->sessions; session; session = session->next) {

        if (session->len == 0 || session->ended) {
            continue;
        }

        id.len = session->len;
        id.data = session->id;

        if (ngx_http_presence_trace_key(&id) == key) {
            return session;
        }
    }

    return NULL;
}


/* where there is no room there is no trace, and no complaint */

static void *
ngx_http_presence_trace_alloc_locked(ngx_http_presence_zone_t *zone,
    size_t size)
{
    void  *p;

    p = ngx_slab_alloc_locked(zone->shpool, size);

    if (p == NULL) {
        return NULL;
    }

    /* the upper bit of a place is taken: that is 16 gigabytes from the start */

    if (((u_char *) p - (u_char *) zone->shpool) / 8
        >= NGX_HTTP_PRESENCE_TRACE_IS_CHANGES)
    {
        ngx_http_presence_zone_free_locked(zone, p);
        return NULL;
    }

    ngx_memzero(p, size);

    return p;
}


static uint32_t
ngx_http_presence_trace_key(const ngx_str_t *id)
{
    return ngx_http_presence_roster_hash(id);
}


/* at most 49 days before "now" */

static ngx_http_presence_ms_t
ngx_http_presence_trace_wall(ngx_http_presence_ms_t now, uint32_t at)
{
    int32_t  ago;

    ago = (int32_t) ((uint32_t) now - at);

    /* a wall clock that was set back puts it ahead of now by a little */

    return (ago < 0 && ago > -86400000) ? now
                                        : now - (uint32_t) ago;
}


static void
ngx_http_presence_trace_read_user(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_trace_t *trace,
    ngx_http_presence_ms_t now)
{
    uint32_t                             place, key;
    ngx_str_t                            id;
    ngx_uint_t                           i;
    ngx_http_presence_clock_t           *clock;
    ngx_http_presence_session_t         *session;
    ngx_http_presence_ring_of_beats_t   *ring;
    ngx_http_presence_trace_session_t   *told;

    trace->status = user->status;
    trace->reason = user->reason;
    trace->missed = user->missed;
    trace->since = user->since ? ngx_http_presence_zone_wall(zone, user->since)
                               : 0;
    trace->last_active = user->last_active
                     ? ngx_http_presence_zone_wall(zone, user->last_active)
                     : 0;
    trace->last_sign = user->last_sign
                       ? ngx_http_presence_zone_wall(zone, user->last_sign)
                       : 0;

    clock = &zone->sh->clock;

    for (i = 0; i < clock->nepisodes; i++) {
        trace->deaf[i].at = ngx_http_presence_zone_wall(zone,
                                                        clock->episodes[i].at);
        trace->deaf[i].length = clock->episodes[i].length;
    }

    trace->ndeaf = clock->nepisodes;

    for (session = user->sessions; session; session = session->next) {
        if (session->len == 0 && !session->ended) {
            trace->request = ngx_http_presence_zone_wall(zone,
                                                    session->life.last_sign);
        }
    }

    /* what is older than times in it can tell would be told as of now */

    place = (trace->now - trace->last_sign < NGX_HTTP_PRESENCE_TRACE_SPAN)
            ? user->trace : 0;

    for ( /* void */ ; place; place = ring->next) {

        ring = ngx_http_presence_trace_at(zone, place);

        if (place & NGX_HTTP_PRESENCE_TRACE_IS_CHANGES) {
            ngx_http_presence_trace_read_changes((void *) ring, trace);
            break;
        }

        if (trace->nsessions == NGX_HTTP_PRESENCE_TRACE_SESSIONS) {
            continue;
        }

        told = &trace->sessions[trace->nsessions++];
        told->key = ring->key;

        session = ngx_http_presence_trace_session(user, ring->key);

        if (session) {
            ngx_http_presence_trace_read_session(zone, session, told);
        }

        ngx_http_presence_trace_read_beats(zone, ring, trace, told);
    }

    /* sessions of which nothing is traced yet, as after a restart */

    for (session = user->sessions; session; session = session->next) {

        if (session->len == 0 || session->ended) {
            continue;
        }

        id.len = session->len;
        id.data = session->id;
        key = ngx_http_presence_trace_key(&id);

        if (ngx_http_presence_trace_find(zone, user, key) == NULL
            && trace->nsessions < NGX_HTTP_PRESENCE_TRACE_SESSIONS)
        {
            told = &trace->sessions[trace->nsessions++];
            told->key = key;

            ngx_http_presence_trace_read_session(zone, session, told);
        }
    }

    if (trace->nchanges
        && trace->changes[0].change.status == trace->status)
    {
        trace->cause = trace->changes[0].change.cause;
    }
}


static void
ngx_http_presence_trace_read_changes(
    ngx_http_presence_list_of_changes_t *list,
    ngx_http_presence_trace_t *trace)
{
    ngx_uint_t                         i;
    ngx_http_presence_ms_t             at;
    ngx_http_presence_trace_change_t  *told;

    at = ngx_http_presence_trace_wall(trace->now, list->at);

    for (i = 0; i < list->size && list->changes[i]; i++) {
        told = &trace->changes[trace->nchanges++];

        ngx_http_presence_record_unpack_change(list->changes[i],
                                               &told->change);
        told->at = at;
        at -= told->change.gap;
    }
}


static void
ngx_http_presence_trace_read_session(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session,
    ngx_http_presence_trace_session_t *told)
{
    ngx_http_presence_life_t  *life;

    life = &session->life;

    told->len = session->len;
    ngx_memcpy(told->id, session->id, session->len);

    told->leaving = life->leaving;
    told->elsewhere = (session->owner != 0);
    told->node_len = ngx_http_presence_redis_reading_owner_locked(zone,
                                                                session->owner,
                                                                told->node);
    told->sign = ngx_http_presence_zone_wall(zone, life->last_sign);
    told->deadline = ngx_http_presence_zone_wall(zone, zone->sh->clock.now)
                     + ngx_http_presence_rules_deadline(&zone->policy, life)
                     - zone->sh->clock.now;
    told->step = life->step;
    told->missed = life->missed;
    told->seq = life->seq;
}


static void
ngx_http_presence_trace_read_beats(ngx_http_presence_zone_t *zone,
    ngx_http_presence_ring_of_beats_t *ring, ngx_http_presence_trace_t *trace,
    ngx_http_presence_trace_session_t *told)
{
    ngx_uint_t                       i, node, place;
    ngx_http_presence_ms_t           at;
    ngx_http_presence_trace_beat_t  *beat;

    at = ngx_http_presence_trace_wall(trace->now, ring->at);
    place = ring->head;

    for (i = 0; i < ring->size; i++) {
        beat = &told->beats[told->nbeats];

        ngx_http_presence_record_unpack_beat(
                          ngx_http_presence_ring_beat(ring, place),
                          &beat->beat);

        if (beat->beat.kind == NGX_HTTP_PRESENCE_RECORD_NONE) {
            break;
        }

        node = beat->beat.node;

        if (node > NGX_HTTP_PRESENCE_REDIS_NODES) {
            beat->beat.node = 0;

        } else if (trace->names_len[node] == 0) {
            trace->names_len[node] =
                ngx_http_presence_redis_reading_owner_locked(zone, node,
                                                           trace->names[node]);
        }

        beat->at = at;
        at -= beat->beat.gap;

        told->nbeats++;
        place = (place + ring->size - 1) % ring->size;
    }
}
