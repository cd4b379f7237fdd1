#include "ngx_http_presence_redis_peer.h"
#include "ngx_http_presence_groups.h"
#include "ngx_http_presence_record.h"
#include "ngx_http_presence_redis_mirror.h"
#include "ngx_http_presence_trace.h"
#include "ngx_http_presence_tracker.h"


static ngx_http_presence_user_t *ngx_http_presence_redis_peer_user_locked(
    ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record);
static void ngx_http_presence_redis_peer_content_locked(
    ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record,
    ngx_http_presence_user_t *user, ngx_http_presence_turn_t *turn);
static ngx_uint_t ngx_http_presence_redis_peer_groups(
    const ngx_http_presence_redis_record_t *record,
    ngx_http_presence_identity_t *identity);
static void ngx_http_presence_redis_peer_sessions_locked(
    ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now);
static void ngx_http_presence_redis_peer_session_locked(
    ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_session_t *s, ngx_uint_t owner,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now);
static void ngx_http_presence_redis_peer_trace_locked(
    ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_session_t *s,
    ngx_http_presence_user_t *user);
static ngx_uint_t ngx_http_presence_redis_peer_is_before_logout(
    const ngx_http_presence_redis_session_t *s,
    const ngx_http_presence_user_t *user, ngx_http_presence_ms_t sign);
static void ngx_http_presence_redis_peer_end_locked(
    ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record,
    ngx_http_presence_user_t *user, ngx_http_presence_reason_e reason,
    ngx_http_presence_ms_t at, ngx_http_presence_ms_t now, ngx_uint_t asked);
static ngx_uint_t ngx_http_presence_redis_peer_is_ended(
    ngx_http_presence_shared_t *sh,
    const ngx_http_presence_session_t *session,
    const ngx_http_presence_redis_logout_t *logout,
    ngx_http_presence_reason_e reason, int64_t sign,
    ngx_http_presence_ms_t at);
static void ngx_http_presence_redis_peer_remember_locked(
    ngx_http_presence_redis_t *redis, ngx_http_presence_session_t *session,
    const ngx_http_presence_redis_logout_t *logout,
    ngx_http_presence_ms_t at, ngx_http_presence_ms_t now);
static void ngx_http_presence_redis_peer_observe(
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_session_t *session, ngx_http_presence_ms_t now);
static ngx_uint_t ngx_http_presence_redis_peer_has(
    ngx_http_presence_redis_text_t list,
    const ngx_http_presence_session_t *session, int64_t *number);
static ngx_uint_t ngx_http_presence_redis_peer_word(const char *const *words,
    ngx_uint_t n, const ngx_http_presence_redis_text_t *text,
    ngx_uint_t otherwise);


#define ngx_http_presence_redis_peer_is(text, s, n)                           \
    ((text)->len == (n) && ngx_memcmp((text)->data, s, n) == 0)


static ngx_str_t  ngx_http_presence_redis_groups[NGX_HTTP_PRESENCE_MAX_GROUPS];


ngx_int_t
ngx_http_presence_redis_peer_read(const redisReply *list,
    ngx_http_presence_redis_record_t *record)
{
    size_t             i;
    const redisReply  *name, *value;

    ngx_memzero(record, sizeof(ngx_http_presence_redis_record_t));

    if (list->type != REDIS_REPLY_ARRAY) {
        return NGX_DECLINED;
    }

    for (i = 0; i + 1 < list->elements; i += 2) {
        name = list->element[i];
        value = list->element[i + 1];

        if (name->type != REDIS_REPLY_STRING
            || value->type != REDIS_REPLY_STRING)
        {
            return NGX_DECLINED;
        }

        ngx_http_presence_redis_record_set(record, name->str, name->len,
                                           value->str, value->len);
    }

    if (record->version != NGX_HTTP_PRESENCE_REDIS_VERSION
        || record->user.len == 0
        || record->user.len > NGX_HTTP_PRESENCE_MAX_USER
        || record->text.len > NGX_HTTP_PRESENCE_MAX_TEXT
        || record->meta.len > NGX_HTTP_PRESENCE_MAX_META)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


void
ngx_http_presence_redis_peer_apply_locked(ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record, ngx_http_presence_ms_t at,
    ngx_http_presence_ms_t now, ngx_uint_t asked)
{
    ngx_uint_t                         known;
    ngx_http_presence_ms_t             since;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_turn_t           turn;
    ngx_http_presence_user_t          *user;
    ngx_http_presence_reason_e         reason;
    ngx_http_presence_status_e         before;
    ngx_http_presence_redis_text_t     lost;
    ngx_http_presence_redis_session_t  s;

    zone = redis->zone;

    user = ngx_http_presence_redis_peer_user_locked(redis, record);

    if (user == NULL) {
        return;
    }

    known = (user->rev != 0);

    if (known
        && (asked ? ngx_http_presence_redis_record_later(user->rev, record->rev)
                  : !ngx_http_presence_redis_record_later(record->rev,
                                                          user->rev)))
    {
        return;
    }

    reason = ngx_http_presence_redis_peer_word(ngx_http_presence_reason_names,
                                               NGX_HTTP_PRESENCE_NREASONS,
                                               &record->reason,
                                               NGX_HTTP_PRESENCE_BEAT);
    before = user->status;

    ngx_http_presence_tracker_begin(user, &turn, reason);

    if (reason == NGX_HTTP_PRESENCE_MISSED) {
        turn.cause = ngx_http_presence_redis_peer_word(
                                                ngx_http_presence_cause_names,
                                                NGX_HTTP_PRESENCE_NCAUSES,
                                                &record->cause,
                                                NGX_HTTP_PRESENCE_NO_CAUSE);
    }

    turn.judged = 1;
    turn.away = ngx_http_presence_redis_peer_is(&record->status, "away", 4);

    if (!known
        || ngx_http_presence_redis_record_later(record->rev, user->rev))
    {
        user->rev = (uint32_t) record->rev;
        ngx_http_presence_redis_peer_content_locked(redis, record, user,
                                                    &turn);
    }

    lost = record->lost;

    while (ngx_http_presence_redis_record_session(&lost, &s)) {
        ngx_http_presence_redis_peer_trace_locked(redis, &s, user);
    }

    ngx_http_presence_redis_peer_sessions_locked(redis, record, user, now);
    ngx_http_presence_redis_peer_end_locked(redis, record, user, reason, at,
                                            now, asked);

    ngx_http_presence_tracker_settle_locked(zone, user, &turn, now);

    /* as long as that has been so */

    since = ngx_http_presence_redis_at(zone->sh, record->since);

    if (user->status != before && record->since && since < user->since
        && since > 0)
    {
        user->since = since;
    }
}


void
ngx_http_presence_redis_peer_unknown_locked(ngx_http_presence_redis_t *redis,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now)
{
    ngx_http_presence_ms_t        window;
    ngx_http_presence_zone_t     *zone;
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_session_t  *session, *next;

    zone = redis->zone;

    ngx_http_presence_tracker_begin(user, &turn, NGX_HTTP_PRESENCE_MISSED);

    turn.cause = NGX_HTTP_PRESENCE_CAUSE_UNKNOWN;

    for (session = user->sessions; session; session = next) {
        next = session->next;

        if (session->owner == 0) {
            continue;
        }

        window = (ngx_http_presence_ms_t) zone->policy.misses
                 * session->life.step + zone->policy.slack;

        if (!session->restored) {

            /* since when it is doubted */

            session->restored = 1;
            session->life.last_beat = now;
        }

        if (now - session->life.last_beat >= window) {
            ngx_http_presence_roster_end_session_locked(zone, session,
                                                    NGX_HTTP_PRESENCE_MISSED);
            continue;
        }

        ngx_http_presence_wheel_add(&zone->sh->sessions, &session->timer,
                                    session->life.last_beat + window);
    }

    ngx_http_presence_tracker_settle_locked(zone, user, &turn, now);
}


void
ngx_http_presence_redis_peer_nodes_locked(ngx_http_presence_redis_t *redis,
    const redisReply *list, ngx_uint_t sure)
{
    size_t                             i;
    ngx_uint_t                         n;
    ngx_http_presence_ms_t             mono, life;
    ngx_http_presence_redis_text_t     id;
    ngx_http_presence_redis_node_t    *node;
    ngx_http_presence_redis_shared_t  *shared;

    shared = redis->zone->sh->redis;
    mono = redis->zone->sh->clock.mono;

    /* of a cluster the word of one master is enough to be alive */

    life = -1;

    if (redis->cluster) {
        life = (ngx_http_presence_ms_t)
               ngx_http_presence_redis_life(redis->zone);
    }

    for (i = 0; i < list->elements; i++) {
        id.data = list->element[i]->str;
        id.len = list->element[i]->len;

        (void) ngx_http_presence_redis_peer_owner_locked(redis, &id);
    }

    for (n = 0; n < NGX_HTTP_PRESENCE_REDIS_NODES; n++) {
        node = &shared->nodes[n];

        for (i = 0; i < list->elements; i++) {
            if (list->element[i]->len == node->len
                && ngx_memcmp(list->element[i]->str, node->id, node->len) == 0)
            {
                break;
            }
        }

        if (i < list->elements) {
            node->alive = 1;
            node->heard = mono;

        } else if (sure && node->alive && mono - node->heard > life) {
            node->alive = 0;
            node->died = mono;
        }
    }
}


/* one who is not here is added when there is something to know */

static ngx_http_presence_user_t *
ngx_http_presence_redis_peer_user_locked(ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record)
{
    uint32_t                       hash;
    ngx_http_presence_user_t      *user;
    ngx_http_presence_identity_t   identity;

    identity.user.data = (u_char *) record->user.data;
    identity.user.len = record->user.len;

    hash = ngx_http_presence_roster_hash(&identity.user);

    user = ngx_http_presence_roster_find_locked(redis->zone, &identity.user,
                                                hash);
    if (user || record->sessions.len == 0) {
        return user;
    }

    if (!ngx_http_presence_redis_peer_groups(record, &identity)) {
        return NULL;
    }

    return ngx_http_presence_roster_add_user_locked(redis->zone, &identity,
                                                    hash);
}


/* what is said of the user, but for what was said here and not sent yet */

static void
ngx_http_presence_redis_peer_content_locked(ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record,
    ngx_http_presence_user_t *user, ngx_http_presence_turn_t *turn)
{
    ngx_str_t                      text, meta;
    ngx_http_presence_zone_t      *zone;
    ngx_http_presence_identity_t   identity;

    zone = redis->zone;

    if ((user->pending & NGX_HTTP_PRESENCE_REDIS_GROUPS) == 0
        && ngx_http_presence_redis_peer_groups(record, &identity)
        && !ngx_http_presence_groups_are(user, &identity))
    {
        ngx_http_presence_tracker_was_in_groups(user, &turn->was);

        if (ngx_http_presence_groups_set_locked(zone, user, &identity)
            == NGX_OK)
        {
            turn->changed = 1;
        }
    }

    if ((user->pending & NGX_HTTP_PRESENCE_REDIS_NOTE) == 0) {
        text.data = (u_char *) record->text.data;
        text.len = record->text.len;
        meta.data = (u_char *) record->meta.data;
        meta.len = record->meta.len;

        (void) ngx_http_presence_roster_set_note_locked(zone, user, &text,
                                                        &meta, &turn->changed);
    }

    if ((user->pending & NGX_HTTP_PRESENCE_REDIS_MANUAL) == 0) {

        user->manual = (uint8_t) ngx_http_presence_redis_peer_word(
                                                ngx_http_presence_status_names,
                                                NGX_HTTP_PRESENCE_NSTATUSES,
                                                &record->manual,
                                                NGX_HTTP_PRESENCE_OFFLINE);
        user->until = 0;

        if (record->until) {
            user->until = record->until - zone->sh->redis->offset;
        }
    }
}


static ngx_uint_t
ngx_http_presence_redis_peer_groups(
    const ngx_http_presence_redis_record_t *record,
    ngx_http_presence_identity_t *identity)
{
    ngx_str_t                       *group;
    ngx_http_presence_redis_text_t   list, name;

    list = record->groups;

    identity->groups = ngx_http_presence_redis_groups;
    identity->ngroups = 0;

    while (ngx_http_presence_redis_record_part(&list, ',', &name)) {

        if (name.len == 0 || name.len > NGX_HTTP_PRESENCE_MAX_GROUP
            || identity->ngroups == NGX_HTTP_PRESENCE_MAX_GROUPS)
        {
            return 0;
        }

        group = &ngx_http_presence_redis_groups[identity->ngroups++];
        group->data = (u_char *) name.data;
        group->len = name.len;
    }

    return 1;
}


static void
ngx_http_presence_redis_peer_sessions_locked(ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now)
{
    ngx_uint_t                          owner;
    ngx_http_presence_redis_text_t      lines;
    ngx_http_presence_redis_session_t   s;

    lines = record->sessions;

    while (ngx_http_presence_redis_record_session(&lines, &s)) {

        if (s.id.len > NGX_HTTP_PRESENCE_MAX_SESSION) {
            continue;
        }

        owner = ngx_http_presence_redis_peer_owner_locked(redis, &s.node);

        ngx_http_presence_redis_peer_session_locked(redis, &s, owner, user,
                                                    now);
    }
}


static void
ngx_http_presence_redis_peer_session_locked(ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_session_t *s, ngx_uint_t owner,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now)
{
    ngx_str_t                     id;
    ngx_http_presence_ms_t        sign, beat;
    ngx_http_presence_zone_t     *zone;
    ngx_http_presence_life_t     *life;
    ngx_http_presence_session_t  *session;

    zone = redis->zone;

    id.data = (u_char *) s->id.data;
    id.len = s->id.len;

    sign = ngx_http_presence_redis_at(zone->sh, s->sign);
    sign = ngx_min(sign, now);

    session = ngx_http_presence_roster_find_session(user, &id);

    if (session == NULL || session->ended) {

        /* this node has ended it, and says so in what is under way */

        if (owner == 0
            || ngx_http_presence_redis_peer_is_before_logout(s, user, sign))
        {
            return;
        }
    }

    if (session == NULL) {
        session = ngx_http_presence_roster_add_session_locked(zone, user, &id);

        if (session == NULL) {
            return;
        }

        session->life.last_sign = 0;

        /* wherever it came back, that was told there */

        if (user->lost == ngx_http_presence_roster_hash(&id)) {
            user->lost = 0;
        }

    } else if (session->ended) {
        ngx_http_presence_roster_revive_session_locked(zone, session);
        session->life.last_sign = 0;
    }

    if (session->owner) {
        session->restored = 0;
    }

    life = &session->life;

    life->last_active = ngx_max(life->last_active,
                                ngx_min(ngx_http_presence_redis_at(zone->sh,
                                                                  s->active),
                                        now));

    if (owner == 0 && session->owner == 0) {

        /* another sign of life came here, and its latest beat elsewhere */

        beat = ngx_http_presence_redis_at(zone->sh, s->beat);

        if (beat > life->last_beat + NGX_HTTP_PRESENCE_REDIS_SLIGHT) {
            life->last_beat = ngx_min(beat, now);
            life->step = (uint32_t) s->step;
            life->doc = (uint32_t) s->doc;
            life->seq = s->seq;

            ngx_http_presence_redis_peer_trace_locked(redis, s, user);
        }

        /* what is missed counts now that Redis has agreed */

        if (life->last_sign <= sign + NGX_HTTP_PRESENCE_REDIS_SLIGHT) {
            ngx_http_presence_tracker_watch_locked(zone, session, now);
        }

        return;
    }

    /* two that take it for theirs do no harm, and that nobody does would */

    if (session->owner == 0 && life->last_sign >= sign) {
        return;
    }

    if (owner == 0) {
        redis->counters.claimed++;

    } else {
        redis->counters.changes++;
    }

    session->owner = owner;
    session->restored = 0;

    life->last_sign = sign;
    life->last_beat = ngx_min(ngx_http_presence_redis_at(zone->sh, s->beat),
                              now);
    life->step = (uint32_t) s->step;
    life->missed = (uint8_t) s->missed;
    life->leaving = (s->leaving != 0);
    life->leave_at = ngx_http_presence_redis_at(zone->sh, s->deadline)
                     - zone->policy.leave_grace;
    life->doc = (uint32_t) s->doc;
    life->seq = s->seq;
    life->alone = 0;

    ngx_http_presence_redis_peer_trace_locked(redis, s, user);

    ngx_http_presence_tracker_watch_locked(zone, session, now);
}


/* the latest beat of a session, if another node heard it */

static void
ngx_http_presence_redis_peer_trace_locked(ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_session_t *s, ngx_http_presence_user_t *user)
{
    ngx_str_t                  id;
    ngx_uint_t                 node;
    ngx_http_presence_ms_t     at;
    ngx_http_presence_zone_t  *zone;

    zone = redis->zone;
    node = ngx_http_presence_redis_peer_owner_locked(redis, &s->by);

    if (node && s->id.len) {
        id.data = (u_char *) s->id.data;
        id.len = s->id.len;

        at = ngx_http_presence_redis_at(zone->sh, s->beat);
        at = ngx_min(at, zone->sh->clock.now);

        ngx_http_presence_trace_elsewhere_locked(zone, user, &id,
                                         ngx_http_presence_zone_wall(zone, at),
                                         s->step, node);
    }
}


/*
 * Of a session that another node has: was it heard before the user's logout
 * here, of which Redis did not know yet?  As the script does, the session that
 * said so goes by its numbers, and others by the time.
 */

static ngx_uint_t
ngx_http_presence_redis_peer_is_before_logout(
    const ngx_http_presence_redis_session_t *s,
    const ngx_http_presence_user_t *user, ngx_http_presence_ms_t sign)
{
    const ngx_http_presence_life_t     *life;
    const ngx_http_presence_session_t  *session;

    for (session = user->sessions; session; session = session->next) {

        if (!session->ended) {
            continue;
        }

        life = &session->life;

        if (s->id.len != session->len
            || ngx_memcmp(s->id.data, session->id, session->len) != 0)
        {
            if (sign <= life->leave_at + NGX_HTTP_PRESENCE_REDIS_SLIGHT) {
                return 1;
            }

            continue;
        }

        if ((uint32_t) s->doc != life->doc) {
            return sign + NGX_HTTP_PRESENCE_REDIS_SLIGHT <= life->leave_at;
        }

        return (s->seq >= 0 && life->seq >= 0) ? s->seq <= life->seq
                                               : sign <= life->leave_at;
    }

    return 0;
}


/*
 * Ends what is not there any more.  A session of this node's own is ended only
 * by name, and not when it was heard since: then the others are told of it.
 * The last of its missed beats counts on the node that had it ended.
 */

static void
ngx_http_presence_redis_peer_end_locked(ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_record_t *record,
    ngx_http_presence_user_t *user, ngx_http_presence_reason_e reason,
    ngx_http_presence_ms_t at, ngx_http_presence_ms_t now, ngx_uint_t asked)
{
    int64_t                            sign;
    ngx_uint_t                         gone, lives, named;
    ngx_http_presence_ms_t             leave;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_session_t       *session, *next;
    ngx_http_presence_redis_logout_t   out, *logout;

    zone = redis->zone;
    leave = 0;
    lives = 0;
    logout = NULL;

    /* where nothing has changed, another node had it ended before */

    if (ngx_http_presence_redis_peer_is(&record->type, "none", 4)) {
        asked = 0;
    }

    if (reason == NGX_HTTP_PRESENCE_LOGOUT
        && ngx_http_presence_redis_record_logout(record->out, &out))
    {
        logout = &out;
    }

    for (session = user->sessions; session; session = next) {
        next = session->next;

        if (session->ended
            || ngx_http_presence_redis_peer_has(record->sessions, session,
                                                NULL))
        {
            continue;
        }

        named = ngx_http_presence_redis_peer_has(record->ended, session,
                                                 &sign);
        if (session->owner) {
            gone = 1;

        } else if (!named) {
            gone = 0;

        } else {
            gone = ngx_http_presence_redis_peer_is_ended(zone->sh,
                                                         session, logout,
                                                         reason, sign, at);
            lives |= !gone;
        }

        if (gone) {
            if (session->owner == 0 && session->life.leaving) {
                leave = session->life.leave_at;
            }

            ngx_http_presence_redis_peer_observe(zone, session, now);

            if (asked && named && reason == NGX_HTTP_PRESENCE_MISSED
                && session->len && !session->life.leaving
                && zone->policy.misses > session->life.missed)
            {
                zone->sh->counters.missed += zone->policy.misses
                                             - session->life.missed;
            }

            if (logout
                && logout->session.len == session->len
                && ngx_memcmp(logout->session.data, session->id, session->len)
                   == 0)
            {
                ngx_http_presence_redis_peer_remember_locked(redis, session,
                                                             logout, at, now);
                continue;
            }

            ngx_http_presence_roster_end_session_locked(zone, session, reason);
        }
    }

    /* requests before the leave were those of the page that has gone */

    session = user->sessions;

    if (session && session->next == NULL && session->len == 0
        && session->life.last_sign <= leave)
    {
        ngx_http_presence_roster_end_session_locked(zone, session, reason);

        (void) ngx_http_presence_redis_heard_locked(zone, user,
                                                 NGX_HTTP_PRESENCE_REDIS_ALL);

    } else if (lives) {
        (void) ngx_http_presence_redis_heard_locked(zone, user, 0);
    }
}


/* others miss what only this node has heard */

static ngx_uint_t
ngx_http_presence_redis_peer_is_ended(ngx_http_presence_shared_t *sh,
    const ngx_http_presence_session_t *session,
    const ngx_http_presence_redis_logout_t *logout,
    ngx_http_presence_reason_e reason, int64_t sign, ngx_http_presence_ms_t at)
{
    const ngx_http_presence_life_t  *life;

    life = &session->life;

    if (reason == NGX_HTTP_PRESENCE_MISSED) {
        return ngx_http_presence_redis_time(sh, life->last_sign)
               <= sign + NGX_HTTP_PRESENCE_REDIS_SLIGHT;
    }

    if (logout
        && logout->session.len == session->len
        && ngx_memcmp(logout->session.data, session->id, session->len) == 0)
    {
        /* the page after it is no part of it */

        if (logout->doc != (int64_t) life->doc) {
            return life->last_sign + NGX_HTTP_PRESENCE_REDIS_SLIGHT <= at;
        }

        if (logout->seq >= 0 && life->seq >= 0) {
            return life->seq <= logout->seq;
        }
    }

    return life->last_sign <= at;
}


/* as the node that heard the logout: a beat sent before it may come here */

static void
ngx_http_presence_redis_peer_remember_locked(ngx_http_presence_redis_t *redis,
    ngx_http_presence_session_t *session,
    const ngx_http_presence_redis_logout_t *logout,
    ngx_http_presence_ms_t at, ngx_http_presence_ms_t now)
{
    ngx_http_presence_life_t  *life;

    ngx_http_presence_roster_retire_session_locked(redis->zone, session);

    session->owner = 0;
    session->restored = 0;

    life = &session->life;

    life->doc = (uint32_t) logout->doc;
    life->seq = logout->seq;
    life->leaving = 1;
    life->leave_at = ngx_min(at, now);

    ngx_http_presence_tracker_watch_locked(redis->zone, session, now);
}


/* how late is the end of one whose time was over? */

static void
ngx_http_presence_redis_peer_observe(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_session_t *session, ngx_http_presence_ms_t now)
{
    ngx_http_presence_ms_t  deadline;

    deadline = ngx_http_presence_rules_deadline(&zone->policy, &session->life);

    if (session->owner == 0 && deadline <= now) {
        ngx_http_presence_counters_observe(&zone->sh->counters.detection,
                                           &ngx_http_presence_detection_scale,
                                           now - deadline);
    }
}


/* is the session in a list of lines?  What follows its id may be a number. */

static ngx_uint_t
ngx_http_presence_redis_peer_has(ngx_http_presence_redis_text_t list,
    const ngx_http_presence_session_t *session, int64_t *number)
{
    ngx_http_presence_redis_text_t  line, id;

    while (ngx_http_presence_redis_record_part(&list, '\n', &line)) {

        if (!ngx_http_presence_redis_record_part(&line, ' ', &id)
            || id.len != session->len
            || ngx_memcmp(id.data, session->id, id.len) != 0)
        {
            continue;
        }

        if (number) {
            *number = ngx_http_presence_redis_record_number(line.data,
                                                            line.len, 0);
        }

        return 1;
    }

    return 0;
}


ngx_uint_t
ngx_http_presence_redis_peer_owner_locked(ngx_http_presence_redis_t *redis,
    const ngx_http_presence_redis_text_t *id)
{
    ngx_uint_t                         n, oldest;
    ngx_http_presence_ms_t             window;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_redis_node_t    *node;
    ngx_http_presence_redis_shared_t  *shared;

    zone = redis->zone;
    shared = zone->sh->redis;

    if (ngx_http_presence_redis_peer_is(id, shared->self.id,
                                        shared->self.len))
    {
        return 0;
    }

    if (id->len == 0 || id->len > NGX_HTTP_PRESENCE_REDIS_MAX_NODE) {
        return NGX_HTTP_PRESENCE_REDIS_NOBODY;
    }

    oldest = NGX_HTTP_PRESENCE_REDIS_NODES;

    for (n = 0; n < NGX_HTTP_PRESENCE_REDIS_NODES; n++) {
        node = &shared->nodes[n];

        if (ngx_http_presence_redis_peer_is(id, node->id, node->len)) {
            return n + 1;
        }

        if (!node->alive
            && (oldest == NGX_HTTP_PRESENCE_REDIS_NODES
                || node->died < shared->nodes[oldest].died))
        {
            oldest = n;
        }
    }

    /* a place is free when all sessions of its node must have been settled */

    window = zone->policy.max_interval * zone->policy.misses
             + zone->policy.slack;

    if (oldest == NGX_HTTP_PRESENCE_REDIS_NODES
        || (shared->nodes[oldest].len
            && zone->sh->clock.mono - shared->nodes[oldest].died < 4 * window))
    {
        return NGX_HTTP_PRESENCE_REDIS_NOBODY;
    }

    node = &shared->nodes[oldest];

    ngx_memcpy(node->id, id->data, id->len);
    node->len = (uint8_t) id->len;
    node->alive = 1;
    node->died = zone->sh->clock.mono;
    node->heard = zone->sh->clock.mono;

    return oldest + 1;
}


static ngx_uint_t
ngx_http_presence_redis_peer_word(const char *const *words, ngx_uint_t n,
    const ngx_http_presence_redis_text_t *text, ngx_uint_t otherwise)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (words[i]
            && ngx_strlen(words[i]) == text->len
            && ngx_memcmp(words[i], text->data, text->len) == 0)
        {
            return i;
        }
    }

    return otherwise;
}
