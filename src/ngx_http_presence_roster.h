/*
 * The records of who is there, in shared memory: users and their sessions.
 * What happens to them is in ..._tracker.  The caller of a "_locked" function
 * holds the zone's lock.
 */

#ifndef _NGX_HTTP_PRESENCE_ROSTER_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_ROSTER_H_INCLUDED_


#include "ngx_http_presence_zone.h"


typedef struct ngx_http_presence_membership_s  ngx_http_presence_membership_t;


struct ngx_http_presence_session_s {
    ngx_http_presence_session_t     *next;      /* of the same user */
    ngx_http_presence_user_t        *user;
    ngx_http_presence_timer_t        timer;
    ngx_http_presence_life_t         life;
    unsigned                         restored:1;  /* has not beaten since */
    unsigned                         ended:1;   /* logged out: just a memory */
    unsigned                         listed:1;  /* among the worst */
    unsigned                         owner:5;   /* 0: this node (..._redis) */
    uint8_t                          len;       /* 0: made by requests alone */
    u_char                           id[1];
};


/* what the application says of a user; each part may be empty */
typedef struct {
    uint16_t                         text_len;
    uint16_t                         meta_len;  /* JSON */
    u_char                           data[1];
} ngx_http_presence_note_t;


struct ngx_http_presence_user_s {
    ngx_http_presence_user_t        *next;      /* in the same bucket */
    ngx_http_presence_session_t     *sessions;
    ngx_http_presence_membership_t  *memberships;
    ngx_http_presence_note_t        *note;
    ngx_http_presence_timer_t        timer;     /* idle, manual, retention */
    ngx_http_presence_ms_t           since;     /* of the shown status */
    ngx_http_presence_ms_t           last_active;
    ngx_http_presence_ms_t           last_sign;
    ngx_http_presence_ms_t           until;     /* of "manual", wall time */
    uint32_t                         hash;
    uint32_t                         lost;      /* session ended as missed */
    uint32_t                         rev;       /* of Redis' record, 0: none */
    unsigned                         nsessions:10;
    unsigned                         len:10;
    unsigned                         ngroups:7;
    unsigned                         pending:4; /* flags, of what Redis lacks */
    unsigned                         raised:1;  /* by presence_log_user */
    uint8_t                          status;    /* the user's own view */
    uint8_t                          manual;
    uint8_t                          reason;
    uint8_t                          missed;
    uint32_t                         trace;     /* place of it, 0: none */
    u_char                           id[1];
};


/* who a request is of, as the site says */
typedef struct {
    ngx_str_t                        user;
    ngx_str_t                       *groups;
    ngx_uint_t                       ngroups;
} ngx_http_presence_identity_t;


typedef ngx_int_t (*ngx_http_presence_visit_pt)(void *data,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);


#define ngx_http_presence_roster_hash(id)                                     \
    ngx_murmur_hash2((id)->data, (id)->len)


ngx_http_presence_user_t *ngx_http_presence_roster_find_locked(
    ngx_http_presence_zone_t *zone, const ngx_str_t *id, uint32_t hash);
ngx_http_presence_session_t *ngx_http_presence_roster_find_session(
    ngx_http_presence_user_t *user, const ngx_str_t *id);

/*
 * Adds a user who is not there yet: offline, with all groups of the identity.
 * NULL: the zone is full, and nothing has changed.
 */
ngx_http_presence_user_t *ngx_http_presence_roster_add_user_locked(
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity, uint32_t hash);

/* forgets the user who has been offline longest; NGX_DECLINED: nobody is */
ngx_int_t ngx_http_presence_roster_evict_locked(
    ngx_http_presence_zone_t *zone);

/*
 * Adds a session, whose life the caller begins; at "max_sessions" it replaces
 * the one that has been silent longest.  NULL: the zone is full.
 */
ngx_http_presence_session_t *ngx_http_presence_roster_add_session_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_str_t *id);

/*
 * Keeps a session just to know its late beats by: it counts no more, and the
 * caller has to see to it that it is removed.
 */
void ngx_http_presence_roster_retire_session_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session);
void ngx_http_presence_roster_revive_session_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session);

void ngx_http_presence_roster_end_session_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    ngx_http_presence_reason_e reason);

/*
 * NULL data: that part stays.  NGX_OK, with *changed set if it differs from
 * before; or NGX_BUSY: the zone is full, and both parts stay.
 */
ngx_int_t ngx_http_presence_roster_set_note_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_str_t *text, const ngx_str_t *meta, ngx_uint_t *changed);

/*
 * Visits all users from the hash *from on, in the order of their hashes, until
 * "visit" says other than NGX_OK, or "limit" users were visited; but it does
 * not stop between users of one bucket.  Returns NGX_OK at the end; NGX_AGAIN
 * with the hash to go on from in *from; NGX_ERROR when "visit" stopped it.
 */
ngx_int_t ngx_http_presence_roster_walk_locked(ngx_http_presence_zone_t *zone,
    uint32_t *from, ngx_uint_t limit, ngx_http_presence_visit_pt visit,
    void *data);


#endif /* _NGX_HTTP_PRESENCE_ROSTER_H_INCLUDED_ */
