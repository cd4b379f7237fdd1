/*
 * Who is there: users, their sessions and groups, in shared memory.
 *
 * Each function that changes a user ends in one place, which works out the
 * user's status, keeps the counts, and puts the change into the change ring.
 * The caller of a "_locked" function holds the zone's lock.
 */

#ifndef _NGX_HTTP_PRESENCE_ROSTER_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_ROSTER_H_INCLUDED_


#include "ngx_http_presence_zone.h"


typedef struct ngx_http_presence_session_s     ngx_http_presence_session_t;
typedef struct ngx_http_presence_membership_s  ngx_http_presence_membership_t;


struct ngx_http_presence_session_s {
    ngx_http_presence_session_t     *next;      /* of the same user */
    ngx_http_presence_user_t        *user;
    ngx_http_presence_timer_t        timer;
    ngx_http_presence_life_t         life;
    uint8_t                          restored;  /* and has not beaten since */
    uint8_t                          len;       /* 0: made by requests alone */
    u_char                           id[1];
};


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
    uint16_t                         nsessions;
    uint16_t                         ngroups;
    uint8_t                          status;    /* the user's own view */
    uint8_t                          manual;
    uint8_t                          reason;
    uint8_t                          missed;
    uint16_t                         len;
    u_char                           id[1];
};


/* who a request is of, as the site says */
typedef struct {
    ngx_str_t                        user;
    ngx_str_t                       *groups;
    ngx_uint_t                       ngroups;
} ngx_http_presence_identity_t;


/* a beat's body; NULL data: the member was absent */
typedef struct {
    ngx_http_presence_beat_t         beat;
    ngx_str_t                        session;
    ngx_str_t                        text;
    ngx_str_t                        meta;
    ngx_http_presence_ms_t           until;     /* wall time, 0: none */
    uint8_t                          status;    /* _NSTATUSES: absent */
    unsigned                         leave:1;
    unsigned                         logout:1;
} ngx_http_presence_report_t;


/* what a beat is answered with */
typedef struct {
    ngx_http_presence_status_e       status;
    ngx_http_presence_status_e       manual;    /* _OFFLINE: none */
    ngx_http_presence_ms_t           until;     /* wall time */
    ngx_http_presence_ms_t           deadline;  /* from now, 0: not there */
    ngx_http_presence_reason_e       recovered; /* _UNSEEN: it was not gone */
    ngx_http_presence_ms_t           recovered_at;  /* wall time */
} ngx_http_presence_answer_t;


/* walks users of a group, or of the zone, in the order of their hashes */
typedef ngx_int_t (*ngx_http_presence_visit_pt)(void *data,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user);


#define ngx_http_presence_roster_hash(id)                                     \
    ngx_murmur_hash2((id)->data, (id)->len)


/* NGX_OK, or NGX_BUSY: the zone is full, and nothing has changed */
ngx_int_t ngx_http_presence_roster_beat_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity,
    const ngx_http_presence_report_t *report, ngx_http_presence_ms_t now,
    ngx_http_presence_answer_t *answer);

/* a request that came "ago" milliseconds ago; NGX_OK, or NGX_BUSY as above */
ngx_int_t ngx_http_presence_roster_touch_locked(
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity, ngx_http_presence_ms_t ago,
    ngx_http_presence_ms_t now);

/* the peer of the session's stream acknowledged data "ago" milliseconds ago */
void ngx_http_presence_roster_acknowledge_locked(
    ngx_http_presence_zone_t *zone, ngx_str_t *user, ngx_str_t *session,
    ngx_http_presence_ms_t ago, ngx_http_presence_ms_t now);

/*
 * Looks at up to *budget deadlines, which it counts down: misses, idle users,
 * leavers, forgotten users.  More may be due when *budget comes back as 0.
 */
void ngx_http_presence_roster_expire_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_ms_t now, ngx_uint_t *budget);

/* forgets the user who has been offline longest; NGX_DECLINED: nobody is */
ngx_int_t ngx_http_presence_roster_evict_locked(
    ngx_http_presence_zone_t *zone);

ngx_http_presence_user_t *ngx_http_presence_roster_find_locked(
    ngx_http_presence_zone_t *zone, const ngx_str_t *id, uint32_t hash);
ngx_http_presence_session_t *ngx_http_presence_roster_find_session(
    ngx_http_presence_user_t *user, const ngx_str_t *id);
ngx_http_presence_group_t *ngx_http_presence_roster_group_locked(
    ngx_http_presence_zone_t *zone, const ngx_str_t *name);
ngx_uint_t ngx_http_presence_roster_is_member(
    const ngx_http_presence_user_t *user, const ngx_str_t *group);

/*
 * Visits the users from the hash *from on: those of the group, or everybody
 * when it is NULL.  Stops after "visit" says NGX_DONE, or after "limit" users,
 * but not between users of one hash (or of one bucket, for everybody).
 * Returns NGX_OK at the end; NGX_AGAIN with the hash to go on from in *from.
 */
ngx_int_t ngx_http_presence_roster_walk_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_group_t *group, uint32_t *from, ngx_uint_t limit,
    ngx_http_presence_visit_pt visit, void *data);

/*
 * What an image brings (..._image) is put back in three steps: the user, who
 * must be new; its sessions, whose lives the caller fills in; and at last the
 * status, of which everybody is told if "tell".  NULL: the zone is full.
 */
ngx_http_presence_user_t *ngx_http_presence_roster_restore_user_locked(
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_identity_t *identity, const ngx_str_t *text,
    const ngx_str_t *meta);
ngx_http_presence_session_t *ngx_http_presence_roster_restore_session_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_str_t *id);
void ngx_http_presence_roster_restored_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now,
    ngx_uint_t tell);

/*
 * Ends those restored sessions of the user that have not beaten since, and are
 * not among the "n" that a newer image still has.
 */
void ngx_http_presence_roster_reconcile_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, ngx_str_t *sessions, ngx_uint_t n,
    ngx_http_presence_reason_e reason, ngx_http_presence_ms_t now);


#endif /* _NGX_HTTP_PRESENCE_ROSTER_H_INCLUDED_ */
