#include "ngx_http_presence_roster.h"
#include "ngx_http_presence_changes.h"


/* one change of a user, from what everybody saw before to what is new */
typedef struct {
    ngx_http_presence_was_t          was;
    ngx_http_presence_reason_e       reason;
    ngx_uint_t                       changed;
} ngx_http_presence_turn_t;


static void ngx_http_presence_roster_logout_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    ngx_http_presence_turn_t *turn);
static ngx_int_t ngx_http_presence_roster_hear_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_report_t *report, ngx_http_presence_turn_t *turn,
    ngx_http_presence_ms_t now, ngx_http_presence_answer_t *answer);
static void ngx_http_presence_roster_recover(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *session,
    ngx_http_presence_turn_t *turn, ngx_http_presence_answer_t *answer);
static ngx_int_t ngx_http_presence_roster_apply_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_report_t *report, ngx_http_presence_turn_t *turn);

static ngx_http_presence_user_t *ngx_http_presence_roster_add_user_locked(
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity, uint32_t hash);
static void ngx_http_presence_roster_remove_user_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);
static ngx_http_presence_session_t *ngx_http_presence_roster_add_session_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_str_t *id);
static void ngx_http_presence_roster_end_session_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    ngx_http_presence_reason_e reason);
static ngx_http_presence_session_t *ngx_http_presence_roster_stalest(
    ngx_http_presence_user_t *user);
static void ngx_http_presence_roster_watch_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    ngx_http_presence_ms_t now);
static void ngx_http_presence_roster_expire_session_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    ngx_http_presence_ms_t now);

static ngx_uint_t ngx_http_presence_roster_same_groups(
    ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity);
static ngx_int_t ngx_http_presence_roster_set_groups_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity);
static void ngx_http_presence_roster_drop_groups_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    ngx_http_presence_membership_t *list);
static ngx_http_presence_group_t *ngx_http_presence_roster_add_group_locked(
    ngx_http_presence_zone_t *zone, const ngx_str_t *name);

static ngx_int_t ngx_http_presence_roster_set_note_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_str_t *text, const ngx_str_t *meta, ngx_uint_t *changed);
static void ngx_http_presence_roster_set_manual(
    ngx_http_presence_user_t *user, const ngx_http_presence_report_t *report);

static void ngx_http_presence_roster_begin(ngx_http_presence_user_t *user,
    ngx_http_presence_turn_t *turn, ngx_http_presence_reason_e reason);
static void ngx_http_presence_roster_was_in_groups(
    ngx_http_presence_user_t *user, ngx_http_presence_was_t *was);
static void ngx_http_presence_roster_settle_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    ngx_http_presence_turn_t *turn, ngx_http_presence_ms_t now);
static void ngx_http_presence_roster_set_status_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    ngx_http_presence_status_e status, ngx_http_presence_ms_t now);
static void ngx_http_presence_roster_set_timer_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_http_presence_sum_t *sum, ngx_http_presence_ms_t now);
static void ngx_http_presence_roster_sum(ngx_http_presence_user_t *user,
    ngx_http_presence_sum_t *sum);
static ngx_int_t ngx_http_presence_roster_walk_group_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_group_t *group,
    uint32_t *from, ngx_uint_t limit, ngx_http_presence_visit_pt visit,
    void *data);


/* names of the groups that a user loses must outlive them: a worker has one */
static ngx_str_t  ngx_http_presence_roster_names[NGX_HTTP_PRESENCE_MAX_GROUPS];
static u_char     ngx_http_presence_roster_bytes[NGX_HTTP_PRESENCE_MAX_GROUPS]
                                                [NGX_HTTP_PRESENCE_MAX_GROUP];


ngx_int_t
ngx_http_presence_roster_beat_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_report_t *report, ngx_http_presence_ms_t now,
    ngx_http_presence_answer_t *answer)
{
    uint32_t                   hash;
    ngx_int_t                  rc;
    ngx_http_presence_turn_t   turn;
    ngx_http_presence_user_t  *user;

    ngx_memzero(answer, sizeof(ngx_http_presence_answer_t));

    hash = ngx_http_presence_roster_hash(&identity->user);
    user = ngx_http_presence_roster_find_locked(zone, &identity->user, hash);

    if (user == NULL) {

        if (report->leave || report->logout) {
            return NGX_OK;
        }

        user = ngx_http_presence_roster_add_user_locked(zone, identity, hash);

        if (user == NULL) {
            return NGX_BUSY;
        }
    }

    ngx_http_presence_roster_begin(user, &turn, NGX_HTTP_PRESENCE_BEAT);

    if (report->logout) {
        ngx_http_presence_roster_logout_locked(zone, user, &turn);
        rc = NGX_OK;

    } else {
        rc = ngx_http_presence_roster_hear_locked(zone, user, identity, report,
                                                  &turn, now, answer);
    }

    ngx_http_presence_roster_settle_locked(zone, user, &turn, now);

    answer->status = user->status;
    answer->manual = user->manual;
    answer->until = user->until;

    return rc;
}


ngx_int_t
ngx_http_presence_roster_touch_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity, ngx_http_presence_ms_t ago,
    ngx_http_presence_ms_t now)
{
    uint32_t                      hash;
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_user_t     *user;
    ngx_http_presence_session_t  *session;

    static ngx_str_t  nameless = ngx_null_string;

    static const ngx_http_presence_beat_t  silent = { 0, -1, -1, -1, 0 };

    /* what came before the window says nothing of now */

    if (ago >= zone->policy.interval * zone->policy.misses) {
        return NGX_OK;
    }

    hash = ngx_http_presence_roster_hash(&identity->user);
    user = ngx_http_presence_roster_find_locked(zone, &identity->user, hash);

    if (user == NULL) {
        user = ngx_http_presence_roster_add_user_locked(zone, identity, hash);

        if (user == NULL) {
            return NGX_BUSY;
        }
    }

    ngx_http_presence_roster_begin(user, &turn, NGX_HTTP_PRESENCE_TOUCH);

    session = ngx_http_presence_roster_find_session(user, &nameless);

    if (session) {
        session->restored = 0;

        ngx_http_presence_rules_touch(&session->life, now - ago);

    } else {
        session = ngx_http_presence_roster_add_session_locked(zone, user,
                                                              &nameless);
        if (session) {
            ngx_http_presence_rules_begin(&zone->policy, &session->life,
                                          &silent, now - ago);
        }
    }

    if (session) {
        ngx_http_presence_roster_watch_locked(zone, session, now);
    }

    ngx_http_presence_roster_settle_locked(zone, user, &turn, now);

    return session ? NGX_OK : NGX_BUSY;
}


void
ngx_http_presence_roster_acknowledge_locked(ngx_http_presence_zone_t *zone,
    ngx_str_t *user_id, ngx_str_t *session_id, ngx_http_presence_ms_t ago,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_user_t     *user;
    ngx_http_presence_session_t  *session;

    user = ngx_http_presence_roster_find_locked(zone, user_id,
                                       ngx_http_presence_roster_hash(user_id));
    if (user == NULL) {
        return;
    }

    session = ngx_http_presence_roster_find_session(user, session_id);

    if (session == NULL) {
        return;
    }

    ngx_http_presence_roster_begin(user, &turn, NGX_HTTP_PRESENCE_STREAM);

    ngx_http_presence_rules_acknowledge(&zone->policy, &session->life,
                                        now - ago);

    ngx_http_presence_roster_watch_locked(zone, session, now);

    ngx_http_presence_roster_settle_locked(zone, user, &turn, now);
}


void
ngx_http_presence_roster_expire_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_ms_t now, ngx_uint_t *budget)
{
    ngx_queue_t                  *q;
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_user_t     *user;
    ngx_http_presence_timer_t    *timer;
    ngx_http_presence_session_t  *session;

    for ( ;; ) {
        timer = ngx_http_presence_wheel_expire(&zone->sh->sessions, now,
                                               budget);
        if (timer == NULL) {
            break;
        }

        session = ngx_queue_data(timer, ngx_http_presence_session_t, timer);

        ngx_http_presence_roster_expire_session_locked(zone, session, now);
    }

    for ( ;; ) {
        timer = ngx_http_presence_wheel_expire(&zone->sh->users, now, budget);

        if (timer == NULL) {
            break;
        }

        user = ngx_queue_data(timer, ngx_http_presence_user_t, timer);

        ngx_http_presence_roster_begin(user, &turn, NGX_HTTP_PRESENCE_IDLE);
        ngx_http_presence_roster_settle_locked(zone, user, &turn, now);
    }

    while (*budget && !ngx_queue_empty(&zone->sh->offline)) {

        q = ngx_queue_head(&zone->sh->offline);
        timer = ngx_queue_data(q, ngx_http_presence_timer_t, queue);

        if (timer->due > now) {
            break;
        }

        (*budget)--;

        (void) ngx_http_presence_roster_evict_locked(zone);
    }
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


ngx_http_presence_group_t *
ngx_http_presence_roster_group_locked(ngx_http_presence_zone_t *zone,
    const ngx_str_t *name)
{
    return (ngx_http_presence_group_t *)
               ngx_str_rbtree_lookup(&zone->sh->groups, (ngx_str_t *) name,
                                     ngx_http_presence_roster_hash(name));
}


ngx_uint_t
ngx_http_presence_roster_is_member(const ngx_http_presence_user_t *user,
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


ngx_int_t
ngx_http_presence_roster_walk_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_group_t *group, uint32_t *from, ngx_uint_t limit,
    ngx_http_presence_visit_pt visit, void *data)
{
    uint64_t                     i, n;
    ngx_uint_t                   visited;
    ngx_http_presence_user_t    *user;
    ngx_http_presence_shared_t  *sh;

    if (group) {
        return ngx_http_presence_roster_walk_group_locked(zone, group, from,
                                                          limit, visit, data);
    }

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


static ngx_int_t
ngx_http_presence_roster_walk_group_locked(ngx_http_presence_zone_t *zone,
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


ngx_http_presence_user_t *
ngx_http_presence_roster_restore_user_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity, const ngx_str_t *text,
    const ngx_str_t *meta)
{
    ngx_uint_t                 changed;
    ngx_http_presence_user_t  *user;

    user = ngx_http_presence_roster_add_user_locked(zone, identity,
                               ngx_http_presence_roster_hash(&identity->user));

    if (user) {
        (void) ngx_http_presence_roster_set_note_locked(zone, user, text, meta,
                                                        &changed);
    }

    return user;
}


ngx_http_presence_session_t *
ngx_http_presence_roster_restore_session_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *id)
{
    ngx_http_presence_session_t  *session;

    session = ngx_http_presence_roster_add_session_locked(zone, user, id);

    if (session) {
        session->restored = 1;
    }

    return session;
}


void
ngx_http_presence_roster_restored_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now,
    ngx_uint_t tell)
{
    ngx_http_presence_ms_t        since;
    ngx_http_presence_sum_t       sum;
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_session_t  *session;

    for (session = user->sessions; session; session = session->next) {
        ngx_http_presence_roster_watch_locked(zone, session, now);
    }

    ngx_http_presence_roster_begin(user, &turn, user->reason);
    ngx_http_presence_roster_sum(user, &sum);

    since = user->since;

    ngx_http_presence_roster_set_status_locked(zone, user,
                    ngx_http_presence_rules_status(&zone->policy, &sum,
                                                   user->manual, now), now);

    if (since) {
        user->since = since;
    }

    ngx_http_presence_roster_set_timer_locked(zone, user, &sum, now);

    if (tell
        && turn.was.status != ngx_http_presence_rules_shown(user->status))
    {
        ngx_http_presence_changes_append_locked(zone, user, &turn.was);
    }
}


void
ngx_http_presence_roster_reconcile_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_str_t *sessions, ngx_uint_t n,
    ngx_http_presence_reason_e reason, ngx_http_presence_ms_t now)
{
    ngx_uint_t                    i;
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_session_t  *session, *next;

    ngx_http_presence_roster_begin(user, &turn, reason);

    for (session = user->sessions; session; session = next) {
        next = session->next;

        for (i = 0; i < n; i++) {
            if (sessions[i].len == session->len
                && ngx_memcmp(sessions[i].data, session->id, session->len)
                   == 0)
            {
                break;
            }
        }

        if (i == n && session->restored) {
            ngx_http_presence_roster_end_session_locked(zone, session, reason);

        } else {
            ngx_http_presence_roster_watch_locked(zone, session, now);
        }
    }

    ngx_http_presence_roster_settle_locked(zone, user, &turn, now);
}


/* the user's own word ends all sessions, with no grace */

static void
ngx_http_presence_roster_logout_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_turn_t *turn)
{
    turn->reason = NGX_HTTP_PRESENCE_LOGOUT;

    while (user->sessions) {
        ngx_http_presence_roster_end_session_locked(zone, user->sessions,
                                                    turn->reason);
    }
}


static ngx_int_t
ngx_http_presence_roster_hear_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_report_t *report, ngx_http_presence_turn_t *turn,
    ngx_http_presence_ms_t now, ngx_http_presence_answer_t *answer)
{
    ngx_int_t                     rc;
    ngx_uint_t                    news;
    ngx_http_presence_session_t  *session;

    session = ngx_http_presence_roster_find_session(user, &report->session);

    if (session) {
        session->restored = 0;

        news = report->leave
               ? ngx_http_presence_rules_leave(&session->life, &report->beat,
                                               now)
               : ngx_http_presence_rules_beat(&zone->policy, &session->life,
                                              &report->beat, now);

        if (report->status < NGX_HTTP_PRESENCE_NSTATUSES) {
            turn->reason = NGX_HTTP_PRESENCE_MANUAL;
        }

    } else if (report->leave) {
        return NGX_OK;

    } else {
        session = ngx_http_presence_roster_add_session_locked(zone, user,
                                                            &report->session);
        if (session == NULL) {
            return NGX_BUSY;
        }

        ngx_http_presence_rules_begin(&zone->policy, &session->life,
                                      &report->beat, now);

        ngx_http_presence_roster_recover(zone, user, &report->session, turn,
                                         answer);
        news = 1;
    }

    rc = news ? ngx_http_presence_roster_apply_locked(zone, user, identity,
                                                      report, turn)
              : NGX_OK;

    ngx_http_presence_roster_watch_locked(zone, session, now);

    answer->deadline = ngx_http_presence_rules_deadline(&zone->policy,
                                                        &session->life)
                       - now;
    return rc;
}


/* was this new session there before, and thought to be gone? */

static void
ngx_http_presence_roster_recover(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_str_t *session,
    ngx_http_presence_turn_t *turn, ngx_http_presence_answer_t *answer)
{
    if (user->lost == 0
        || user->lost != ngx_http_presence_roster_hash(session))
    {
        return;
    }

    user->lost = 0;

    turn->reason = NGX_HTTP_PRESENCE_RECOVERED;

    answer->recovered = NGX_HTTP_PRESENCE_MISSED;

    if (user->status == NGX_HTTP_PRESENCE_OFFLINE) {
        answer->recovered_at = ngx_http_presence_zone_wall(zone, user->since);
    }
}


/* what a beat says of its user; NGX_BUSY: not all of it found room */

static ngx_int_t
ngx_http_presence_roster_apply_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_report_t *report, ngx_http_presence_turn_t *turn)
{
    ngx_int_t  rc;

    rc = NGX_OK;

    if (!ngx_http_presence_roster_same_groups(user, identity)) {
        ngx_http_presence_roster_was_in_groups(user, &turn->was);

        rc = ngx_http_presence_roster_set_groups_locked(zone, user, identity);

        turn->changed = (rc == NGX_OK);
    }

    if (report->status < NGX_HTTP_PRESENCE_NSTATUSES) {
        ngx_http_presence_roster_set_manual(user, report);
    }

    if (ngx_http_presence_roster_set_note_locked(zone, user, &report->text,
                                                 &report->meta, &turn->changed)
        != NGX_OK)
    {
        rc = NGX_BUSY;
    }

    return rc;
}


/* a user is put in with all of its groups or not at all */

static ngx_http_presence_user_t *
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
    user->len = (uint16_t) identity->user.len;
    user->status = NGX_HTTP_PRESENCE_OFFLINE;

    ngx_memcpy(user->id, identity->user.data, identity->user.len);

    if (ngx_http_presence_roster_set_groups_locked(zone, user, identity)
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

    ngx_http_presence_roster_drop_groups_locked(zone, user,
                                                user->memberships);

    zone->sh->counts.status[ngx_http_presence_rules_shown(user->status)]--;

    ngx_http_presence_timer_clear(&user->timer);

    if (user->note) {
        ngx_http_presence_zone_free_locked(zone, user->note);
    }

    ngx_http_presence_zone_free_locked(zone, user);
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


static ngx_http_presence_session_t *
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


static void
ngx_http_presence_roster_end_session_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session, ngx_http_presence_reason_e reason)
{
    ngx_str_t                      id;
    ngx_http_presence_user_t      *user;
    ngx_http_presence_session_t  **p;

    user = session->user;

    for (p = &user->sessions; *p != session; p = &(*p)->next) { /* void */ }

    *p = session->next;

    user->nsessions--;
    zone->sh->nsessions--;

    ngx_http_presence_timer_clear(&session->timer);

    /* should it beat again, then it was there all the time */

    if (reason == NGX_HTTP_PRESENCE_MISSED && session->len) {
        id.len = session->len;
        id.data = session->id;
        user->lost = ngx_http_presence_roster_hash(&id);
    }

    ngx_http_presence_zone_free_locked(zone, session);
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


/*
 * Counts the session's missed beats, and sees to it that the wheel looks at it
 * in time: a later deadline is found when the timer fires.
 */

static void
ngx_http_presence_roster_watch_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session, ngx_http_presence_ms_t now)
{
    ngx_http_presence_ms_t       due;
    ngx_http_presence_verdict_t  verdict;

    verdict = ngx_http_presence_rules_look(&zone->policy, &session->life, now);

    due = verdict.gone ? now : verdict.due;

    if (!ngx_http_presence_timer_is_set(&session->timer)
        || due < session->timer.due)
    {
        ngx_http_presence_wheel_add(&zone->sh->sessions, &session->timer, due);
    }
}


static void
ngx_http_presence_roster_expire_session_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session, ngx_http_presence_ms_t now)
{
    ngx_uint_t                    missed;
    ngx_http_presence_ms_t        leave;
    ngx_http_presence_turn_t      turn;
    ngx_http_presence_user_t     *user;
    ngx_http_presence_verdict_t   verdict;

    missed = session->life.missed;

    verdict = ngx_http_presence_rules_look(&zone->policy, &session->life, now);

    if (!verdict.gone) {
        ngx_http_presence_wheel_add(&zone->sh->sessions, &session->timer,
                                    verdict.due);

        if (session->life.missed == missed) {
            return;
        }
    }

    user = session->user;

    ngx_http_presence_roster_begin(user, &turn, verdict.reason);

    if (verdict.gone) {
        leave = (verdict.reason == NGX_HTTP_PRESENCE_LEAVE)
                ? session->life.leave_at : 0;

        ngx_http_presence_roster_end_session_locked(zone, session,
                                                    verdict.reason);

        /* requests before the leave were those of the page that has gone */

        session = user->sessions;

        if (session && session->next == NULL && session->len == 0
            && session->life.last_sign <= leave)
        {
            ngx_http_presence_roster_end_session_locked(zone, session,
                                                        verdict.reason);
        }
    }

    ngx_http_presence_roster_settle_locked(zone, user, &turn, now);
}


static ngx_uint_t
ngx_http_presence_roster_same_groups(ngx_http_presence_user_t *user,
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


/* NGX_BUSY: the zone is full, and the groups are as they were */

static ngx_int_t
ngx_http_presence_roster_set_groups_locked(ngx_http_presence_zone_t *zone,
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

        group = ngx_http_presence_roster_add_group_locked(zone,
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

    ngx_http_presence_roster_drop_groups_locked(zone, user,
                                                user->memberships);

    user->memberships = list;
    user->ngroups = (uint16_t) identity->ngroups;

    return NGX_OK;

full:

    ngx_http_presence_roster_drop_groups_locked(zone, user, list);

    return NGX_BUSY;
}


static void
ngx_http_presence_roster_drop_groups_locked(ngx_http_presence_zone_t *zone,
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


static ngx_http_presence_group_t *
ngx_http_presence_roster_add_group_locked(ngx_http_presence_zone_t *zone,
    const ngx_str_t *name)
{
    ngx_http_presence_group_t  *group;

    group = ngx_http_presence_roster_group_locked(zone, name);

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


/* NULL data: that part stays; NGX_BUSY: the zone is full, and both stay */

static ngx_int_t
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


static void
ngx_http_presence_roster_set_manual(ngx_http_presence_user_t *user,
    const ngx_http_presence_report_t *report)
{
    if (report->status == NGX_HTTP_PRESENCE_ONLINE) {
        user->manual = NGX_HTTP_PRESENCE_OFFLINE;
        user->until = 0;
        return;
    }

    user->manual = report->status;
    user->until = report->until;
}


/* keeps what everybody sees of the user before it is changed */

static void
ngx_http_presence_roster_begin(ngx_http_presence_user_t *user,
    ngx_http_presence_turn_t *turn, ngx_http_presence_reason_e reason)
{
    turn->was.status = ngx_http_presence_rules_shown(user->status);
    turn->was.ngroups = 0;
    turn->was.groups = NULL;
    turn->reason = reason;
    turn->changed = 0;
}


static void
ngx_http_presence_roster_was_in_groups(ngx_http_presence_user_t *user,
    ngx_http_presence_was_t *was)
{
    ngx_str_t                       *name, *copy;
    ngx_http_presence_membership_t  *m;

    was->groups = ngx_http_presence_roster_names;

    for (m = user->memberships; m; m = m->next) {
        name = &m->group->sn.str;
        copy = &ngx_http_presence_roster_names[was->ngroups];

        copy->len = name->len;
        copy->data = ngx_http_presence_roster_bytes[was->ngroups];
        ngx_memcpy(copy->data, name->data, name->len);

        was->ngroups++;
    }
}


/*
 * The end of each change: works out the user's status, and tells everybody
 * when something that they see is different.
 */

static void
ngx_http_presence_roster_settle_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_turn_t *turn,
    ngx_http_presence_ms_t now)
{
    ngx_uint_t                  missed;
    ngx_http_presence_sum_t     sum;
    ngx_http_presence_status_e  status, shown;

    ngx_http_presence_roster_sum(user, &sum);

    if (user->manual
        && ngx_http_presence_rules_manual(user->manual, user->until,
                                       ngx_http_presence_zone_wall(zone, now))
           == NGX_HTTP_PRESENCE_OFFLINE)
    {
        user->manual = NGX_HTTP_PRESENCE_OFFLINE;
        user->until = 0;
        turn->reason = NGX_HTTP_PRESENCE_MANUAL;
    }

    status = ngx_http_presence_rules_status(&zone->policy, &sum, user->manual,
                                            now);
    shown = ngx_http_presence_rules_shown(status);

    if (sum.sessions) {
        user->last_active = ngx_max(user->last_active, sum.last_active);
        user->last_sign = ngx_max(user->last_sign, sum.last_sign);
        missed = sum.missed;

    } else if (user->status != NGX_HTTP_PRESENCE_OFFLINE) {
        missed = (turn->reason == NGX_HTTP_PRESENCE_MISSED)
                 ? zone->policy.misses : 0;
    } else {
        missed = user->missed;
    }

    if (missed != user->missed) {
        user->missed = (uint8_t) missed;

        if (shown != NGX_HTTP_PRESENCE_OFFLINE) {
            turn->changed = 1;
        }
    }

    if (turn->reason == NGX_HTTP_PRESENCE_BEAT
        && user->status == NGX_HTTP_PRESENCE_AWAY
        && status == NGX_HTTP_PRESENCE_ONLINE)
    {
        turn->reason = NGX_HTTP_PRESENCE_ACTIVITY;
    }

    if (status != user->status) {
        ngx_http_presence_roster_set_status_locked(zone, user, status, now);
    }

    ngx_http_presence_roster_set_timer_locked(zone, user, &sum, now);

    if (shown != turn->was.status) {
        turn->changed = 1;
    }

    if (turn->changed) {
        user->reason = turn->reason;
        ngx_http_presence_changes_append_locked(zone, user, &turn->was);
    }
}


static void
ngx_http_presence_roster_set_status_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_status_e status,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_status_e       before, after;
    ngx_http_presence_membership_t  *m;

    before = ngx_http_presence_rules_shown(user->status);
    after = ngx_http_presence_rules_shown(status);

    /* the wheel holds those who are there, the queue those who are not */

    if (user->status == NGX_HTTP_PRESENCE_OFFLINE
        || status == NGX_HTTP_PRESENCE_OFFLINE)
    {
        ngx_http_presence_timer_clear(&user->timer);
    }

    user->status = status;

    if (before == after) {
        return;
    }

    user->since = now;

    zone->sh->counts.status[before]--;
    zone->sh->counts.status[after]++;

    for (m = user->memberships; m; m = m->next) {
        m->group->counts.status[before]--;
        m->group->counts.status[after]++;
    }
}


/*
 * When something happens to the user by itself: idle, the end of a status set
 * by hand; an offline user waits to be forgotten.
 */

static void
ngx_http_presence_roster_set_timer_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_http_presence_sum_t *sum,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_ms_t  due;

    if (user->status == NGX_HTTP_PRESENCE_OFFLINE) {

        if (!ngx_http_presence_timer_is_set(&user->timer)) {
            user->timer.due = user->since + zone->retention;
            ngx_queue_insert_tail(&zone->sh->offline, &user->timer.queue);
        }

        return;
    }

    if (user->manual) {

        if (user->until == 0) {
            return;
        }

        due = now + user->until - ngx_http_presence_zone_wall(zone, now);

    } else if (user->status == NGX_HTTP_PRESENCE_ONLINE) {
        due = sum->last_active + zone->policy.idle;

    } else {
        return;
    }

    if (!ngx_http_presence_timer_is_set(&user->timer)
        || due < user->timer.due)
    {
        ngx_http_presence_wheel_add(&zone->sh->users, &user->timer, due);
    }
}


static void
ngx_http_presence_roster_sum(ngx_http_presence_user_t *user,
    ngx_http_presence_sum_t *sum)
{
    ngx_http_presence_session_t  *session;

    ngx_memzero(sum, sizeof(ngx_http_presence_sum_t));

    for (session = user->sessions; session; session = session->next) {
        ngx_http_presence_rules_add(sum, &session->life);
    }
}
