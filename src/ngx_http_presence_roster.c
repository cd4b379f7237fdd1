#include "ngx_http_presence_roster.h"
#include "ngx_http_presence_groups.h"
#include "ngx_http_presence_trace.h"
#include "ngx_http_presence_worst.h"


static void ngx_http_presence_roster_remove_user_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);
static ngx_http_presence_session_t *ngx_http_presence_roster_stalest(
    ngx_http_presence_user_t *user);


ngx_http_presence_user_t *
ngx_http_presence_roster_find_locked(ngx_http_presence_zone_t *zone,
    const ngx_str_t *id, uint32_t hash)
{
    ngx_http_presence_user_t  *user;

    user = *ngx_http_presence_zone_bucket(zone->sh, hash);

    for ( /* void */ ; user; user = user->next) {

        if (user->hash == hash
            && user->len == id->len
            && ngx_memcmp(user->id, id->data, id->len) == 0)
        {
            return user;
        }
    }

    return NULL;
}


ngx_http_presence_session_t *
ngx_http_presence_roster_find_session(ngx_http_presence_user_t *user,
    const ngx_str_t *id)
{
    ngx_http_presence_session_t  *session;

    for (session = user->sessions; session; session = session->next) {

        if (session->len == id->len
            && ngx_memcmp(session->id, id->data, id->len) == 0)
        {
            return session;
        }
    }

    return NULL;
}


ngx_http_presence_user_t *
ngx_http_presence_roster_add_user_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity, uint32_t hash)
{
    ngx_http_presence_user_t  *user, **bucket;

    user = ngx_http_presence_zone_alloc_locked(zone,
                                      offsetof(ngx_http_presence_user_t, id)
                                      + identity->user.len);
    if (user == NULL) {
        return NULL;
    }

    ngx_memzero(user, offsetof(ngx_http_presence_user_t, id));

    user->hash = hash;
    user->len = (unsigned) identity->user.len;
    user->status = NGX_HTTP_PRESENCE_OFFLINE;

    ngx_memcpy(user->id, identity->user.data, identity->user.len);

    if (ngx_http_presence_groups_set_locked(zone, user, identity)
        != NGX_OK)
    {
        ngx_http_presence_zone_free_locked(zone, user);
        return NULL;
    }

    /* the one store that makes it reachable: a crash leaves no half of it */

    bucket = ngx_http_presence_zone_bucket(zone->sh, hash);
    user->next = *bucket;

    ngx_memory_barrier();

    *bucket = user;

    zone->sh->counts.status[NGX_HTTP_PRESENCE_OFFLINE]++;

    return user;
}


ngx_int_t
ngx_http_presence_roster_evict_locked(ngx_http_presence_zone_t *zone)
{
    ngx_queue_t                *q;
    ngx_http_presence_timer_t  *timer;

    if (ngx_queue_empty(&zone->sh->offline)) {
        return NGX_DECLINED;
    }

    q = ngx_queue_head(&zone->sh->offline);
    timer = ngx_queue_data(q, ngx_http_presence_timer_t, queue);

    ngx_http_presence_roster_remove_user_locked(zone,
                      ngx_queue_data(timer, ngx_http_presence_user_t, timer));

    return NGX_OK;
}


ngx_http_presence_session_t *
ngx_http_presence_roster_add_session_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id)
{
    ngx_http_presence_session_t  *session;

    /* an offline user in search of room must not evict itself */

    if (user->status == NGX_HTTP_PRESENCE_OFFLINE) {
        ngx_http_presence_timer_clear(&user->timer);
    }

    session = ngx_http_presence_zone_alloc_locked(zone,
                                    offsetof(ngx_http_presence_session_t, id)
                                    + id->len);
    if (session == NULL) {
        return NULL;
    }

    ngx_memzero(session, offsetof(ngx_http_presence_session_t, id));

    session->user = user;
    session->len = (uint8_t) id->len;

    ngx_memcpy(session->id, id->data, id->len);

    if (user->nsessions >= zone->limits.max_sessions) {
        ngx_http_presence_roster_end_session_locked(zone,
                                       ngx_http_presence_roster_stalest(user),
                                       NGX_HTTP_PRESENCE_UNSEEN);
    }

    session->next = user->sessions;

    ngx_memory_barrier();

    user->sessions = session;
    user->nsessions++;
    zone->sh->nsessions++;

    return session;
}


void
ngx_http_presence_roster_retire_session_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session)
{
    ngx_http_presence_worst_remove_locked(zone, session);
    ngx_http_presence_zone_ending_locked(zone, session->user->hash);

    session->ended = 1;
    session->user->nsessions--;
    zone->sh->nsessions--;
}


void
ngx_http_presence_roster_revive_session_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session)
{
    session->ended = 0;
    session->user->nsessions++;
    zone->sh->nsessions++;
}


void
ngx_http_presence_roster_end_session_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session, ngx_http_presence_reason_e reason)
{
    ngx_str_t                      id;
    ngx_http_presence_user_t      *user;
    ngx_http_presence_session_t  **p;

    user = session->user;

    for (p = &user->sessions; *p != session; p = &(*p)->next) { /* void */ }

    *p = session->next;

    ngx_http_presence_worst_remove_locked(zone, session);

    if (!session->ended) {
        ngx_http_presence_roster_retire_session_locked(zone, session);
    }

    ngx_http_presence_timer_clear(&session->timer);

    /* should it beat again, then it was there all the time */

    if (reason == NGX_HTTP_PRESENCE_MISSED && session->len) {
        id.len = session->len;
        id.data = session->id;
        user->lost = ngx_http_presence_roster_hash(&id);
    }

    ngx_http_presence_zone_free_locked(zone, session);
}


ngx_int_t
ngx_http_presence_roster_set_note_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *text,
    const ngx_str_t *meta, ngx_uint_t *changed)
{
    u_char                    *p;
    ngx_str_t                  was_text, was_meta;
    ngx_http_presence_note_t  *note, *old;

    if (text->data == NULL && meta->data == NULL) {
        return NGX_OK;
    }

    old = user->note;

    ngx_str_set(&was_text, "");
    ngx_str_set(&was_meta, "");

    if (old) {
        was_text.len = old->text_len;
        was_text.data = old->data;
        was_meta.len = old->meta_len;
        was_meta.data = old->data + old->text_len;
    }

    if (text->data == NULL) {
        text = &was_text;
    }

    if (meta->data == NULL) {
        meta = &was_meta;
    }

    if (text->len == was_text.len
        && meta->len == was_meta.len
        && ngx_memcmp(text->data, was_text.data, text->len) == 0
        && ngx_memcmp(meta->data, was_meta.data, meta->len) == 0)
    {
        return NGX_OK;
    }

    note = NULL;

    if (text->len || meta->len) {
        note = ngx_http_presence_zone_alloc_locked(zone,
                                       offsetof(ngx_http_presence_note_t, data)
                                       + text->len + meta->len);
        if (note == NULL) {
            return NGX_BUSY;
        }

        note->text_len = (uint16_t) text->len;
        note->meta_len = (uint16_t) meta->len;

        p = ngx_cpymem(note->data, text->data, text->len);
        ngx_memcpy(p, meta->data, meta->len);
    }

    user->note = note;

    if (old) {
        ngx_http_presence_zone_free_locked(zone, old);
    }

    *changed = 1;

    return NGX_OK;
}


ngx_int_t
ngx_http_presence_roster_walk_locked(ngx_http_presence_zone_t *zone,
    uint32_t *from, ngx_uint_t limit, ngx_http_presence_visit_pt visit,
    void *data)
{
    uint64_t                     i, n;
    ngx_uint_t                   visited;
    ngx_http_presence_user_t    *user;
    ngx_http_presence_shared_t  *sh;

    sh = zone->sh;
    n = ngx_http_presence_zone_nbuckets(sh);
    visited = 0;

    for (i = *from >> sh->shift; i < n; i++) {

        if (visited >= limit) {
            *from = (uint32_t) (i << sh->shift);
            return NGX_AGAIN;
        }

        for (user = sh->buckets[i]; user; user = user->next) {

            if (visit(data, zone, user) != NGX_OK) {
                return NGX_ERROR;
            }

            visited++;
        }
    }

    return NGX_OK;
}


static void
ngx_http_presence_roster_remove_user_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user)
{
    ngx_http_presence_user_t  **p;

    p = ngx_http_presence_zone_bucket(zone->sh, user->hash);

    while (*p != user) {
        p = &(*p)->next;
    }

    *p = user->next;

    while (user->sessions) {
        ngx_http_presence_roster_end_session_locked(zone, user->sessions,
                                                    NGX_HTTP_PRESENCE_UNSEEN);
    }

    ngx_http_presence_groups_drop_locked(zone, user,
                                                user->memberships);

    zone->sh->counts.status[ngx_http_presence_rules_shown(user->status)]--;

    ngx_http_presence_timer_clear(&user->timer);

    if (user->note) {
        ngx_http_presence_zone_free_locked(zone, user->note);
    }

    ngx_http_presence_trace_free_locked(zone, user);

    ngx_http_presence_zone_free_locked(zone, user);
}


static ngx_http_presence_session_t *
ngx_http_presence_roster_stalest(ngx_http_presence_user_t *user)
{
    ngx_http_presence_session_t  *session, *stalest;

    stalest = user->sessions;

    for (session = stalest->next; session; session = session->next) {

        if (session->life.leaving != stalest->life.leaving) {

            if (session->life.leaving) {
                stalest = session;
            }

            continue;
        }

        if (session->life.last_sign < stalest->life.last_sign) {
            stalest = session;
        }
    }

    return stalest;
}
