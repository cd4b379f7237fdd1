/*
 * One presence space: its configuration, and its shared memory.
 *
 * Shared memory holds values and links within the zone, and nothing else.  It
 * has one lock.  Under it: bounded work, no output, no pool allocation.
 */

#ifndef _NGX_HTTP_PRESENCE_ZONE_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_presence_counters.h"
#include "ngx_http_presence_recent.h"
#include "ngx_http_presence_rules.h"
#include "ngx_http_presence_wheel.h"


#define NGX_HTTP_PRESENCE_MIN_ZONE        (256 * 1024)

/* upper bounds of what "presence_zone" lets an operator configure */
#define NGX_HTTP_PRESENCE_MAX_USER        512
#define NGX_HTTP_PRESENCE_MAX_SESSION     128
#define NGX_HTTP_PRESENCE_MAX_GROUP       128
#define NGX_HTTP_PRESENCE_MAX_TEXT        512
#define NGX_HTTP_PRESENCE_MAX_META        1024
#define NGX_HTTP_PRESENCE_MAX_GROUPS      64
#define NGX_HTTP_PRESENCE_MAX_SESSIONS    1000
#define NGX_HTTP_PRESENCE_MAX_TRACE       64

/* places of the list of sessions that miss most beats (..._worst) */
#define NGX_HTTP_PRESENCE_NWORST          16

/* users share so many counts of their endings */
#define NGX_HTTP_PRESENCE_NENDINGS        256


typedef struct ngx_http_presence_user_s     ngx_http_presence_user_t;
typedef struct ngx_http_presence_session_s  ngx_http_presence_session_t;
typedef struct ngx_http_presence_hub_s      ngx_http_presence_hub_t;
typedef struct ngx_http_presence_state_s    ngx_http_presence_state_t;
typedef struct ngx_http_presence_journal_s  ngx_http_presence_journal_t;
typedef struct ngx_http_presence_redis_s    ngx_http_presence_redis_t;

typedef struct ngx_http_presence_redis_shared_s
                                          ngx_http_presence_redis_shared_t;


typedef struct {
    ngx_uint_t                   max_sessions;
    ngx_uint_t                   max_groups;
    ngx_uint_t                   max_user;      /* these in bytes */
    ngx_uint_t                   max_session;
    ngx_uint_t                   max_group;
    ngx_uint_t                   max_text;
    ngx_uint_t                   max_meta;
} ngx_http_presence_limits_t;


/* how many users have which status, as everybody else sees it */
typedef struct {
    ngx_uint_t                   status[NGX_HTTP_PRESENCE_NSTATUSES];
} ngx_http_presence_counts_t;


/* the recent changes: records in a ring of bytes (..._changes) */
typedef struct {
    u_char                      *start;
    size_t                       size;
    uint64_t                     head;      /* positions only grow; they are */
    uint64_t                     tail;      /* in the ring modulo its size */
    uint64_t                     first;     /* sequence number at the tail */
    uint64_t                     next;      /* of the change to come */
    uint64_t                    *marks;     /* positions of some of them */
    ngx_uint_t                   nmarks;
} ngx_http_presence_ring_t;


/* which worker sweeps; any other may after "until" (monotonic time) */
typedef struct {
    ngx_pid_t                    holder;
    ngx_http_presence_ms_t       until;
} ngx_http_presence_lease_t;


typedef struct {
    ngx_http_presence_clock_t    clock;
    uint64_t                     epoch;     /* of the sequence numbers */
    ngx_pid_t                    writing;   /* who is inside the lock, or 0 */

    ngx_http_presence_user_t   **buckets;   /* by the upper bits of the hash */
    ngx_uint_t                   shift;

    ngx_rbtree_t                 groups;    /* ngx_str_node_t */
    ngx_rbtree_node_t            sentinel;

    ngx_queue_t                  offline;   /* users, the oldest first */
    ngx_http_presence_wheel_t    sessions;
    ngx_http_presence_wheel_t    users;     /* those who are not offline */

    ngx_http_presence_ring_t     ring;
    ngx_http_presence_counts_t   counts;
    ngx_uint_t                   nsessions;

    ngx_http_presence_counters_t  counters;
    ngx_http_presence_session_t *worst[NGX_HTTP_PRESENCE_NWORST];
    ngx_atomic_t                 endings[NGX_HTTP_PRESENCE_NENDINGS];

    ngx_http_presence_lease_t    lease;
    time_t                       full_logged;
    ngx_uint_t                   upgraded;  /* the server before still runs */
    ngx_http_presence_redis_shared_t  *redis;   /* NULL: none */
} ngx_http_presence_shared_t;


typedef struct {
    ngx_str_t                    name;
    size_t                       size;
    ngx_http_presence_policy_t   policy;
    ngx_http_presence_limits_t   limits;
    ngx_http_presence_ms_t       retention;
    ngx_uint_t                   trace;         /* beats of a session, 0: off */

    ngx_str_t                    state_file;    /* empty: none */
    ngx_http_presence_ms_t       state_interval;
    ngx_http_presence_redis_t   *redis;         /* NULL: none */

    ngx_cycle_t                 *cycle;         /* of the configuration */
    ngx_shm_zone_t              *shm_zone;
    ngx_slab_pool_t             *shpool;
    ngx_http_presence_shared_t  *sh;

    /* of this worker */
    uint64_t                     locked_at;     /* ring.next when locked */
    ngx_uint_t                   place;         /* in counters.workers */
    ngx_http_presence_traffic_t  traffic;       /* not in counters yet */
    ngx_event_t                  sweep;
    ngx_connection_t             sweeper;       /* data of "sweep" */
    ngx_http_presence_hub_t     *hub;
    ngx_http_presence_state_t   *state;
    ngx_http_presence_journal_t *journal;
    ngx_http_presence_recent_t  *recent;        /* NULL: none (..._touch) */
    ngx_http_presence_ms_t       forgiven;      /* not logged yet */
    unsigned                     counted:1;     /* "traffic", or streams */
    unsigned                     repaired:1;
    unsigned                     full:1;
} ngx_http_presence_zone_t;


/* nginx calls it in the master for each zone of a new configuration */
ngx_int_t ngx_http_presence_zone_init(ngx_shm_zone_t *shm_zone, void *data);

/* an empty zone in fresh or reset memory; keeps the clock when "keep" */
ngx_int_t ngx_http_presence_zone_reset(ngx_http_presence_zone_t *zone,
    ngx_uint_t keep);

/* in a worker: its place among those that count, taken and left */
void ngx_http_presence_zone_init_worker(ngx_http_presence_zone_t *zone);
void ngx_http_presence_zone_exit_worker(ngx_http_presence_zone_t *zone);

/* in the master: the zone of that name in the configuration that runs still */
ngx_http_presence_zone_t *ngx_http_presence_zone_former(
    ngx_http_presence_zone_t *zone);

/* how often a worker looks at the zone's deadlines, milliseconds */
ngx_msec_t ngx_http_presence_zone_tick(ngx_http_presence_zone_t *zone);

/*
 * Locks the zone, and returns the time of the presence clock.  If a worker
 * died inside, the zone is rebuilt from what can still be read.
 */
ngx_http_presence_ms_t ngx_http_presence_zone_lock(
    ngx_http_presence_zone_t *zone);

/*
 * Unlocks; has the changes made meanwhile delivered, and tells the log what
 * could not be told under the lock.
 */
void ngx_http_presence_zone_unlock(ngx_http_presence_zone_t *zone);

/*
 * Memory of the zone; NULL when it is full even without the offline users,
 * the oldest of whom make room.  Someone who is online is never evicted.
 */
void *ngx_http_presence_zone_alloc_locked(ngx_http_presence_zone_t *zone,
    size_t size);
void ngx_http_presence_zone_free_locked(ngx_http_presence_zone_t *zone,
    void *p);

/*
 * A number that is another one after each of the user's sessions that leaves
 * or ends, and each new status of it.  Asked for without the lock, too: then
 * of a zone that is just being rebuilt it is any number.
 */
uint32_t ngx_http_presence_zone_endings(ngx_http_presence_zone_t *zone,
    uint32_t hash);

#define ngx_http_presence_zone_ending_locked(zone, hash)                      \
    (zone)->sh->endings[(hash) % NGX_HTTP_PRESENCE_NENDINGS]++

/* is it memory of this zone, aligned: to be trusted after a crash? */
ngx_uint_t ngx_http_presence_zone_holds(ngx_http_presence_zone_t *zone,
    const void *p, size_t size);

#define ngx_http_presence_zone_bucket(sh, hash)                               \
    (&(sh)->buckets[(hash) >> (sh)->shift])

#define ngx_http_presence_zone_nbuckets(sh)                                   \
    ((uint64_t) 1 << (32 - (sh)->shift))

#define ngx_http_presence_zone_wall(zone, at)                                 \
    ngx_http_presence_clock_wall(&(zone)->sh->clock, at)


#endif /* _NGX_HTTP_PRESENCE_ZONE_H_INCLUDED_ */
