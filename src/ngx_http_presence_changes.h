/*
 * The change ring: the recent changes in shared memory, each with a sequence
 * number, the groups it concerns, and the member as JSON.  Workers follow it;
 * a stream that was away resumes from it.
 */

#ifndef _NGX_HTTP_PRESENCE_CHANGES_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_CHANGES_H_INCLUDED_


#include "ngx_http_presence_member.h"


/* a group of a change had the user in it before, or has it after, the change */
#define NGX_HTTP_PRESENCE_GROUP_BEFORE  1
#define NGX_HTTP_PRESENCE_GROUP_AFTER   2


/*
 * A record, in the ring and in a copy of a part of it.  "data" is the user's
 * id, then ngroups times {flags, length, name}, then the member as JSON.
 */
typedef struct {
    uint64_t                     seq;       /* 0: filler up to the ring's end */
    uint64_t                     at;        /* ..._counters_time() */
    uint32_t                     size;      /* of the whole, aligned */
    uint16_t                     user_len;
    uint16_t                     json_len;
    uint8_t                      ngroups;
    uint8_t                      before;    /* status as everybody saw it */
    uint8_t                      after;
    uint8_t                      reason;
    uint8_t                      raised;    /* by presence_log_user */
    u_char                       data[1];
} ngx_http_presence_change_t;


/* what everybody saw before a change; groups are NULL when they stay */
typedef struct {
    ngx_http_presence_status_e   status;
    ngx_uint_t                   ngroups;
    ngx_str_t                   *groups;
} ngx_http_presence_was_t;


/* allocates the ring in a new zone; starts the sequence at 1 */
ngx_int_t ngx_http_presence_changes_init_locked(
    ngx_http_presence_zone_t *zone);

void ngx_http_presence_changes_append_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_http_presence_was_t *was);

/*
 * Copies the changes after "seq", as many as fit, to "buf", and their size to
 * *len.  NGX_OK: all that there are; NGX_AGAIN: there are more; NGX_DECLINED:
 * the change after "seq" is no longer, or not yet, known.
 */
ngx_int_t ngx_http_presence_changes_read_locked(ngx_http_presence_zone_t *zone,
    uint64_t seq, u_char *buf, size_t size, size_t *len);

/* bytes that a record has at most, within the bounds of "presence_zone" */
#define NGX_HTTP_PRESENCE_MAX_RECORD                                          \
    (sizeof(ngx_http_presence_change_t) + NGX_HTTP_PRESENCE_MAX_USER          \
     + 2 * NGX_HTTP_PRESENCE_MAX_GROUPS * (2 + NGX_HTTP_PRESENCE_MAX_GROUP)   \
     + NGX_HTTP_PRESENCE_MAX_MEMBER)


#define ngx_http_presence_changes_last(sh)  ((sh)->ring.next - 1)

#define ngx_http_presence_change_next(change)                                 \
    (ngx_http_presence_change_t *) ((u_char *) (change) + (change)->size)

/* steps from one group of a change to the next, starting at its first */
#define ngx_http_presence_change_groups(change)                               \
    ((change)->data + (change)->user_len)
#define ngx_http_presence_change_group_next(p)  ((p) + 2 + (p)[1])


#endif /* _NGX_HTTP_PRESENCE_CHANGES_H_INCLUDED_ */
