#include "ngx_http_presence_image.h"
#include "ngx_http_presence_groups.h"
#include "ngx_http_presence_tracker.h"


#define NGX_HTTP_PRESENCE_IMAGE_BLOCK    (64 * 1024)


/* followed by the id, groups {length, name}, text, meta, and sessions */
typedef struct {
    uint32_t                  size;         /* of all of it */
    uint32_t                  lost;
    ngx_http_presence_ms_t    since;        /* wall times, as they are shown */
    ngx_http_presence_ms_t    last_active;
    ngx_http_presence_ms_t    last_sign;
    ngx_http_presence_ms_t    until;
    uint16_t                  user_len;
    uint16_t                  text_len;
    uint16_t                  meta_len;
    uint16_t                  nsessions;
    uint8_t                   ngroups;
    uint8_t                   manual;
    uint8_t                   reason;
    uint8_t                   missed;
} ngx_http_presence_image_user_t;


/* followed by the id */
typedef struct {
    ngx_http_presence_ms_t    last_active;  /* age, as the rules count it */
    int64_t                   seq;
    uint32_t                  doc;
    uint32_t                  step;
    uint8_t                   leaving;
    uint8_t                   len;
} ngx_http_presence_image_session_t;


/* an offline user in an image, to be put back in the order of going */
typedef struct {
    ngx_http_presence_ms_t    since;
    size_t                    offset;
} ngx_http_presence_image_offline_t;


/* a record, taken apart; strings point into the image */
typedef struct {
    ngx_http_presence_image_user_t  user;
    ngx_http_presence_identity_t    identity;
    ngx_str_t                       text;
    ngx_str_t                       meta;
    u_char                         *sessions;
    u_char                         *end;
} ngx_http_presence_image_record_t;


static ngx_int_t ngx_http_presence_image_add_user(
    ngx_http_presence_image_t *image, ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user);
static size_t ngx_http_presence_image_readable(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_image_user_t *record);
static ngx_int_t ngx_http_presence_image_reserve(
    ngx_http_presence_image_t *image, size_t size);
static ngx_int_t ngx_http_presence_image_parse(
    ngx_http_presence_image_t *image, size_t offset,
    ngx_http_presence_image_record_t *record);
static ngx_int_t ngx_http_presence_image_next_session(u_char **p, u_char *end,
    ngx_http_presence_image_session_t *session, ngx_str_t *id);
static ngx_int_t ngx_http_presence_image_restore(
    ngx_http_presence_image_record_t *record, ngx_http_presence_zone_t *zone,
    ngx_http_presence_ms_t base, ngx_http_presence_ms_t now, ngx_uint_t tell);
static ngx_int_t ngx_http_presence_image_restore_session(
    ngx_http_presence_image_session_t *s, ngx_str_t *id,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    ngx_http_presence_ms_t base, ngx_http_presence_ms_t now);
static void ngx_http_presence_image_merge(
    ngx_http_presence_image_record_t *record, ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t base,
    ngx_http_presence_ms_t now);
static int ngx_libc_cdecl ngx_http_presence_image_older(const void *one,
    const void *two);


/* 0 is the time of what never was */

#define ngx_http_presence_image_wall(zone, at)                                \
    ((at) ? ngx_http_presence_zone_wall(zone, at) : 0)

#define ngx_http_presence_image_at(zone, wall)                                \
    ((wall) ? ngx_http_presence_clock_at(&(zone)->sh->clock, wall) : 0)


static ngx_str_t  ngx_http_presence_image_names[NGX_HTTP_PRESENCE_MAX_GROUPS];


void
ngx_http_presence_image_start_locked(ngx_http_presence_image_t *image,
    ngx_http_presence_zone_t *zone)
{
    ngx_memzero(image, sizeof(ngx_http_presence_image_t));

    image->at = zone->sh->clock.now;
    image->wall = ngx_http_presence_zone_wall(zone, image->at);
}


ngx_int_t
ngx_http_presence_image_add_locked(ngx_http_presence_image_t *image,
    ngx_http_presence_zone_t *zone, uint64_t *bucket, ngx_uint_t n)
{
    size_t                     most;
    uint64_t                   end;
    ngx_http_presence_user_t  *user;

    end = ngx_http_presence_zone_nbuckets(zone->sh);

    /* no chain of sound users can be longer, whatever a crash left */

    most = zone->size / sizeof(ngx_http_presence_user_t);

    for ( /* void */ ; n && *bucket < end; n--, (*bucket)++) {

        for (user = zone->sh->buckets[*bucket];
             user && most;
             user = user->next, most--)
        {
            if (!ngx_http_presence_zone_holds(zone, user,
                                              sizeof(ngx_http_presence_user_t)))
            {
                break;
            }

            if (ngx_http_presence_image_add_user(image, zone, user)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return (*bucket < end) ? NGX_AGAIN : NGX_OK;
}


void
ngx_http_presence_image_pack_locked(ngx_http_presence_image_t *image,
    ngx_http_presence_zone_t *zone)
{
    uint64_t                     bucket, n;
    ngx_http_presence_shared_t  *sh;

    ngx_http_presence_image_start_locked(image, zone);

    sh = zone->sh;
    n = ngx_http_presence_zone_nbuckets(sh);

    if (sh->shift == 0 || sh->shift > 32
        || !ngx_http_presence_zone_holds(zone, sh->buckets,
                                      n * sizeof(ngx_http_presence_user_t *)))
    {
        return;
    }

    for (bucket = 0; bucket < n; /* void */ ) {
        if (ngx_http_presence_image_add_locked(image, zone, &bucket, 1)
            == NGX_ERROR)
        {
            return;
        }
    }
}


ngx_int_t
ngx_http_presence_image_unpack_locked(ngx_http_presence_image_t *image,
    ngx_http_presence_zone_t *zone, ngx_http_presence_image_mode_e mode)
{
    size_t                              offset;
    ngx_int_t                           rc;
    ngx_uint_t                          i, noffline;
    ngx_http_presence_ms_t              now, base, away;
    ngx_http_presence_user_t           *user;
    ngx_http_presence_image_record_t    record;
    ngx_http_presence_image_offline_t  *offline;

    away = ngx_http_presence_zone_wall(zone, zone->sh->clock.now)
           - image->wall;

    if (away < 0) {
        away = 0;
    }

    base = zone->sh->clock.now;

    if (mode == NGX_HTTP_PRESENCE_IMAGE_RESTART) {

        /* the clock goes on from where it was, and was deaf since */

        ngx_http_presence_clock_start(&zone->sh->clock, zone->sh->clock.mono,
                                      image->wall);
        base = zone->sh->clock.now;

        if (away) {
            ngx_http_presence_clock_forgive(&zone->sh->clock, away);
        }

    } else {
        base -= away;
    }

    now = zone->sh->clock.now;

    offline = ngx_alloc((image->users + 1)
                        * sizeof(ngx_http_presence_image_offline_t),
                        ngx_cycle->log);
    if (offline == NULL) {
        return NGX_BUSY;
    }

    rc = NGX_OK;
    noffline = 0;

    for (offset = 0; offset < image->len; offset += record.user.size) {

        if (ngx_http_presence_image_parse(image, offset, &record) != NGX_OK) {
            rc = NGX_DECLINED;
            break;
        }

        if (mode == NGX_HTTP_PRESENCE_IMAGE_MERGE) {
            user = ngx_http_presence_roster_find_locked(zone,
                       &record.identity.user,
                       ngx_http_presence_roster_hash(&record.identity.user));
            if (user) {
                ngx_http_presence_image_merge(&record, zone, user, base, now);
                continue;
            }
        }

        if (record.user.nsessions == 0) {

            if (noffline < image->users) {
                offline[noffline].since = record.user.since;
                offline[noffline++].offset = offset;
            }

            continue;
        }

        if (ngx_http_presence_image_restore(&record, zone, base, now,
                                        mode == NGX_HTTP_PRESENCE_IMAGE_MERGE)
            != NGX_OK)
        {
            rc = NGX_BUSY;
        }
    }

    qsort(offline, noffline, sizeof(ngx_http_presence_image_offline_t),
          ngx_http_presence_image_older);

    for (i = 0; i < noffline; i++) {
        (void) ngx_http_presence_image_parse(image, offline[i].offset,
                                             &record);

        if (ngx_http_presence_image_restore(&record, zone, base, now,
                                        mode == NGX_HTTP_PRESENCE_IMAGE_MERGE)
            != NGX_OK)
        {
            rc = NGX_BUSY;
        }
    }

    ngx_free(offline);

    return rc;
}


void
ngx_http_presence_image_free(ngx_http_presence_image_t *image)
{
    if (image->data) {
        ngx_free(image->data);
        image->data = NULL;
        image->size = 0;
    }
}


static ngx_int_t
ngx_http_presence_image_add_user(ngx_http_presence_image_t *image,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user)
{
    u_char                             *p;
    size_t                              size;
    ngx_http_presence_session_t        *session;
    ngx_http_presence_membership_t     *m;
    ngx_http_presence_image_user_t      record;
    ngx_http_presence_image_session_t   s;

    size = ngx_http_presence_image_readable(zone, user, &record);

    if (size == 0) {
        return NGX_OK;
    }

    if (ngx_http_presence_image_reserve(image, size) != NGX_OK) {
        return NGX_ERROR;
    }

    record.size = (uint32_t) size;
    record.lost = user->lost;
    record.since = ngx_http_presence_image_wall(zone, user->since);
    record.last_active = ngx_http_presence_image_wall(zone, user->last_active);
    record.last_sign = ngx_http_presence_image_wall(zone, user->last_sign);
    record.until = user->until;
    record.user_len = user->len;
    record.manual = user->manual;
    record.reason = user->reason;
    record.missed = user->missed;

    p = image->data + image->len;

    p = ngx_cpymem(p, &record, sizeof(ngx_http_presence_image_user_t));
    p = ngx_cpymem(p, user->id, user->len);

    for (m = user->memberships; m; m = m->next) {
        *p++ = (u_char) m->group->sn.str.len;
        p = ngx_cpymem(p, m->group->name, m->group->sn.str.len);
    }

    if (record.text_len || record.meta_len) {
        p = ngx_cpymem(p, user->note->data, record.text_len + record.meta_len);
    }

    for (session = user->sessions; session; session = session->next) {

        if (session->ended) {
            continue;
        }

        ngx_memzero(&s, sizeof(ngx_http_presence_image_session_t));

        s.last_active = image->at - session->life.last_active;
        s.seq = session->life.seq;
        s.doc = session->life.doc;
        s.step = session->life.step;
        s.leaving = session->life.leaving;
        s.len = session->len;

        p = ngx_cpymem(p, &s, sizeof(ngx_http_presence_image_session_t));
        p = ngx_cpymem(p, session->id, session->len);
    }

    image->len += size;
    image->users++;

    return NGX_OK;
}


/*
 * The size of the user's record, with what the record says of its parts; 0
 * when a crash left the user in a state that cannot be trusted.
 */

static size_t
ngx_http_presence_image_readable(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_image_user_t *record)
{
    size_t                           size;
    ngx_http_presence_note_t        *note;
    ngx_http_presence_session_t     *session;
    ngx_http_presence_membership_t  *m;

    ngx_memzero(record, sizeof(ngx_http_presence_image_user_t));

    if (user->len == 0 || user->len > NGX_HTTP_PRESENCE_MAX_USER
        || user->status >= NGX_HTTP_PRESENCE_NSTATUSES
        || user->manual >= NGX_HTTP_PRESENCE_NSTATUSES
        || user->reason >= NGX_HTTP_PRESENCE_NREASONS)
    {
        return 0;
    }

    size = sizeof(ngx_http_presence_image_user_t) + user->len;

    for (m = user->memberships; m; m = m->next) {

        if (!ngx_http_presence_zone_holds(zone, m,
                                       sizeof(ngx_http_presence_membership_t))
            || !ngx_http_presence_zone_holds(zone, m->group,
                                            sizeof(ngx_http_presence_group_t)
                                            + NGX_HTTP_PRESENCE_MAX_GROUP)
            || m->group->sn.str.len > NGX_HTTP_PRESENCE_MAX_GROUP
            || record->ngroups == NGX_HTTP_PRESENCE_MAX_GROUPS)
        {
            return 0;
        }

        record->ngroups++;
        size += 1 + m->group->sn.str.len;
    }

    note = user->note;

    if (note) {
        if (!ngx_http_presence_zone_holds(zone, note,
                                          sizeof(ngx_http_presence_note_t))
            || note->text_len > NGX_HTTP_PRESENCE_MAX_TEXT
            || note->meta_len > NGX_HTTP_PRESENCE_MAX_META)
        {
            return 0;
        }

        record->text_len = note->text_len;
        record->meta_len = note->meta_len;
        size += note->text_len + note->meta_len;
    }

    for (session = user->sessions; session; session = session->next) {

        if (!ngx_http_presence_zone_holds(zone, session,
                                          sizeof(ngx_http_presence_session_t))
            || session->user != user
            || record->nsessions == NGX_HTTP_PRESENCE_MAX_SESSIONS)
        {
            return 0;
        }

        if (session->ended) {
            continue;
        }

        record->nsessions++;
        size += sizeof(ngx_http_presence_image_session_t) + session->len;
    }

    return size;
}


static ngx_int_t
ngx_http_presence_image_reserve(ngx_http_presence_image_t *image, size_t size)
{
    u_char  *p;
    size_t   new;

    if (size <= image->size - image->len) {
        return NGX_OK;
    }

    new = ngx_max(2 * image->size, image->len + size);
    new = ngx_max(new, NGX_HTTP_PRESENCE_IMAGE_BLOCK);

    p = ngx_alloc(new, ngx_cycle->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (image->data) {
        ngx_memcpy(p, image->data, image->len);
        ngx_free(image->data);
    }

    image->data = p;
    image->size = new;

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_image_parse(ngx_http_presence_image_t *image, size_t offset,
    ngx_http_presence_image_record_t *record)
{
    u_char                             *p, *end;
    size_t                              left;
    ngx_str_t                           id, *name;
    ngx_uint_t                          i;
    ngx_http_presence_image_user_t     *user;
    ngx_http_presence_image_session_t   session;

    user = &record->user;

    left = image->len - offset;
    p = image->data + offset;

    if (left < sizeof(ngx_http_presence_image_user_t)) {
        return NGX_ERROR;
    }

    ngx_memcpy(user, p, sizeof(ngx_http_presence_image_user_t));

    if (user->size < sizeof(ngx_http_presence_image_user_t)
        || user->size > left
        || user->user_len == 0
        || user->user_len > NGX_HTTP_PRESENCE_MAX_USER
        || user->ngroups > NGX_HTTP_PRESENCE_MAX_GROUPS
        || user->text_len > NGX_HTTP_PRESENCE_MAX_TEXT
        || user->meta_len > NGX_HTTP_PRESENCE_MAX_META
        || user->nsessions > NGX_HTTP_PRESENCE_MAX_SESSIONS
        || user->manual >= NGX_HTTP_PRESENCE_NSTATUSES
        || user->reason >= NGX_HTTP_PRESENCE_NREASONS)
    {
        return NGX_ERROR;
    }

    end = p + user->size;
    p += sizeof(ngx_http_presence_image_user_t);

    if ((size_t) (end - p) < user->user_len) {
        return NGX_ERROR;
    }

    record->identity.user.len = user->user_len;
    record->identity.user.data = p;
    record->identity.groups = ngx_http_presence_image_names;
    record->identity.ngroups = user->ngroups;

    p += user->user_len;

    for (i = 0; i < user->ngroups; i++) {
        name = &ngx_http_presence_image_names[i];

        if (p == end || end - p < 1 + *p
            || *p > NGX_HTTP_PRESENCE_MAX_GROUP)
        {
            return NGX_ERROR;
        }

        name->len = *p++;
        name->data = p;
        p += name->len;
    }

    if (end - p < user->text_len + user->meta_len) {
        return NGX_ERROR;
    }

    record->text.len = user->text_len;
    record->text.data = p;
    record->meta.len = user->meta_len;
    record->meta.data = p + user->text_len;

    p += user->text_len + user->meta_len;

    record->sessions = p;
    record->end = end;

    for (i = 0; i < user->nsessions; i++) {
        if (ngx_http_presence_image_next_session(&p, end, &session, &id)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return (p == end) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_presence_image_next_session(u_char **p, u_char *end,
    ngx_http_presence_image_session_t *session, ngx_str_t *id)
{
    if ((size_t) (end - *p) < sizeof(ngx_http_presence_image_session_t)) {
        return NGX_ERROR;
    }

    ngx_memcpy(session, *p, sizeof(ngx_http_presence_image_session_t));
    *p += sizeof(ngx_http_presence_image_session_t);

    if (end - *p < session->len || session->len > NGX_HTTP_PRESENCE_MAX_SESSION
        || session->step == 0)
    {
        return NGX_ERROR;
    }

    id->len = session->len;
    id->data = *p;
    *p += session->len;

    return NGX_OK;
}


/* "base" is the time at which the ages of the image are 0 */

static ngx_int_t
ngx_http_presence_image_restore(ngx_http_presence_image_record_t *record,
    ngx_http_presence_zone_t *zone, ngx_http_presence_ms_t base,
    ngx_http_presence_ms_t now, ngx_uint_t tell)
{
    u_char                             *p;
    ngx_str_t                           id;
    ngx_int_t                           rc;
    ngx_uint_t                          i, changed;
    ngx_http_presence_user_t           *user;
    ngx_http_presence_image_session_t   s;

    user = ngx_http_presence_roster_add_user_locked(zone, &record->identity,
                       ngx_http_presence_roster_hash(&record->identity.user));
    if (user == NULL) {
        return NGX_BUSY;
    }

    (void) ngx_http_presence_roster_set_note_locked(zone, user, &record->text,
                                                    &record->meta, &changed);

    user->lost = record->user.lost;
    user->since = ngx_http_presence_image_at(zone, record->user.since);
    user->last_active = ngx_http_presence_image_at(zone,
                                                   record->user.last_active);
    user->last_sign = ngx_http_presence_image_at(zone, record->user.last_sign);
    user->until = record->user.until;
    user->manual = record->user.manual;
    user->reason = record->user.reason;
    user->missed = record->user.missed;

    rc = NGX_OK;
    p = record->sessions;

    for (i = 0; i < record->user.nsessions; i++) {
        if (ngx_http_presence_image_next_session(&p, record->end, &s, &id)
            != NGX_OK)
        {
            break;
        }

        rc = ngx_http_presence_image_restore_session(&s, &id, zone, user, base,
                                                     now);
        if (rc != NGX_OK) {
            break;
        }
    }

    if (user->nsessions) {
        user->missed = 0;
    }

    ngx_http_presence_tracker_restored_locked(zone, user, now, tell);

    return rc;
}


static ngx_int_t
ngx_http_presence_image_restore_session(ngx_http_presence_image_session_t *s,
    ngx_str_t *id, ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t base,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_session_t  *session;

    session = ngx_http_presence_roster_add_session_locked(zone, user, id);

    if (session == NULL) {
        return NGX_BUSY;
    }

    session->restored = 1;

    session->life.last_beat = now;
    session->life.last_sign = now;
    session->life.last_active = base - s->last_active;
    session->life.leave_at = now;
    session->life.leaving = s->leaving;
    session->life.seq = s->seq;
    session->life.doc = s->doc;
    session->life.step = s->step;

    return NGX_OK;
}


/*
 * Both servers heard beats.  What this one heard itself stands; of what it
 * took over at its start, that which has ended over there ends here too; and
 * what the other heard later is taken over now.
 */

static void
ngx_http_presence_image_merge(ngx_http_presence_image_record_t *record,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    ngx_http_presence_ms_t base, ngx_http_presence_ms_t now)
{
    u_char                             *p;
    ngx_uint_t                          i, later;
    ngx_http_presence_image_session_t   s;

    static ngx_str_t  ids[NGX_HTTP_PRESENCE_MAX_SESSIONS];

    later = ngx_http_presence_image_at(zone, record->user.last_sign)
            > user->last_sign;

    p = record->sessions;

    for (i = 0; i < record->user.nsessions; i++) {
        if (ngx_http_presence_image_next_session(&p, record->end, &s, &ids[i])
            != NGX_OK)
        {
            break;
        }

        if (later
            && ngx_http_presence_roster_find_session(user, &ids[i]) == NULL)
        {
            (void) ngx_http_presence_image_restore_session(&s, &ids[i], zone,
                                                           user, base, now);
        }
    }

    ngx_http_presence_tracker_reconcile_locked(zone, user, ids, i,
                        record->user.nsessions ? NGX_HTTP_PRESENCE_BEAT
                                               : record->user.reason, now);
}


static int ngx_libc_cdecl
ngx_http_presence_image_older(const void *one, const void *two)
{
    const ngx_http_presence_image_offline_t  *a = one, *b = two;

    return (a->since > b->since) - (a->since < b->since);
}
