/*
 * What is counted, in shared memory: values that only grow, and go on over a
 * reload and a repair of the zone.  How they are told is in ..._metrics and
 * ..._status.
 *
 * What happens under the zone's lock is counted where it happens, by adding to
 * zone->sh->counters.  What happens outside of it a worker adds to its own
 * zone->traffic, which goes over at its next hold of the lock: within a tick.
 */

#ifndef _NGX_HTTP_PRESENCE_COUNTERS_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_COUNTERS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_presence_diagnose.h"
#include "ngx_http_presence_problem.h"
#include "ngx_http_presence_rules.h"


/* statuses that others see: all but "invisible" */
#define NGX_HTTP_PRESENCE_NSHOWN        NGX_HTTP_PRESENCE_INVISIBLE

/* workers whose streams are counted, old ones of a reload among them */
#define NGX_HTTP_PRESENCE_MAX_WORKERS   256

/* seconds for which the beats of each are kept; a power of two */
#define NGX_HTTP_PRESENCE_RATE_SECONDS  64

#define NGX_HTTP_PRESENCE_MAX_BUCKETS   15


/* what became of a beat */
typedef enum {
    NGX_HTTP_PRESENCE_BEAT_IGNORED = 0, /* nothing that it could end */
    NGX_HTTP_PRESENCE_BEAT_BEGAN,       /* a session */
    NGX_HTTP_PRESENCE_BEAT_RENEWED,
    NGX_HTTP_PRESENCE_BEAT_OVERTAKEN,   /* by a later one: a sign of life */
    NGX_HTTP_PRESENCE_BEAT_LEFT,
    NGX_HTTP_PRESENCE_BEAT_LOGGED_OUT,
    NGX_HTTP_PRESENCE_BEAT_FULL,        /* the zone was */
    NGX_HTTP_PRESENCE_BEAT_REJECTED,    /* for the request, see problems */
    NGX_HTTP_PRESENCE_NBEATS
} ngx_http_presence_beat_e;


/* what was written to a stream */
typedef enum {
    NGX_HTTP_PRESENCE_EVENT_STATE = 0,
    NGX_HTTP_PRESENCE_EVENT_DIFF,
    NGX_HTTP_PRESENCE_EVENT_COUNT,
    NGX_HTTP_PRESENCE_EVENT_PING,
    NGX_HTTP_PRESENCE_EVENT_RETRY,
    NGX_HTTP_PRESENCE_EVENT_TRACE,
    NGX_HTTP_PRESENCE_NEVENTS
} ngx_http_presence_event_e;


/* what a stream that named its last event got */
typedef enum {
    NGX_HTTP_PRESENCE_RESUME_CONTINUED = 0,
    NGX_HTTP_PRESENCE_RESUME_TOO_OLD,   /* a state: the ring has gone on */
    NGX_HTTP_PRESENCE_RESUME_EPOCH,     /* a state: of another life */
    NGX_HTTP_PRESENCE_RESUME_INVALID,   /* a state: it is no id */
    NGX_HTTP_PRESENCE_NRESUMES
} ngx_http_presence_resume_e;


/* values up to each bound, but not to the one before; the last: all above */
typedef struct {
    uint64_t                     buckets[NGX_HTTP_PRESENCE_MAX_BUCKETS + 1];
    uint64_t                     sum;
} ngx_http_presence_histogram_t;


/* the bounds of a histogram, in its unit, and as text in seconds */
typedef struct {
    ngx_uint_t                   n;
    ngx_uint_t                   per_second;    /* of the unit */
    struct {
        uint64_t                 most;
        const char              *text;
    }                            bounds[NGX_HTTP_PRESENCE_MAX_BUCKETS];
} ngx_http_presence_scale_t;


/* of one worker, outside of the lock; nothing but uint64_t */
typedef struct {
    uint64_t                     rejected;      /* beats */
    uint64_t                     touches;
    uint64_t                     problems[NGX_HTTP_PRESENCE_NPROBLEMS];
    uint64_t                     opened;        /* streams */
    uint64_t                     resumes[NGX_HTTP_PRESENCE_NRESUMES];
    uint64_t                     events[NGX_HTTP_PRESENCE_NEVENTS];
    ngx_http_presence_histogram_t  delivery;    /* microseconds */
} ngx_http_presence_traffic_t;


/* open streams; not derived by adding, but said by each worker: no drift */
typedef struct {
    ngx_pid_t                    pid;           /* 0: the place is free */
    uint32_t                     streams;
} ngx_http_presence_worker_t;


typedef struct {
    uint32_t                     second;        /* of the wall clock */
    uint32_t                     beats;
} ngx_http_presence_rate_t;


typedef struct {
    uint64_t                     beats[NGX_HTTP_PRESENCE_NBEATS];
    uint64_t                     acknowledgements;
    uint64_t                     late[NGX_HTTP_PRESENCE_NCAUSES];
    uint64_t                     recovered[NGX_HTTP_PRESENCE_NCAUSES];
    uint64_t                     missed;
    uint64_t                     transitions[NGX_HTTP_PRESENCE_NSHOWN]
                                            [NGX_HTTP_PRESENCE_NSHOWN]
                                            [NGX_HTTP_PRESENCE_NREASONS];
    uint64_t                     evicted;       /* offline, to make room */
    uint64_t                     full;          /* nothing made room */
    uint64_t                     rebuilt;
    uint64_t                     recovered_at;  /* last time, in seconds */
    uint64_t                     full_at;
    uint64_t                     rebuilt_at;
    ngx_http_presence_histogram_t  gap;         /* milliseconds */
    ngx_http_presence_histogram_t  detection;   /* milliseconds */
    ngx_http_presence_traffic_t  traffic;       /* of all workers */
    ngx_http_presence_rate_t     rate[NGX_HTTP_PRESENCE_RATE_SECONDS];
    ngx_http_presence_worker_t   workers[NGX_HTTP_PRESENCE_MAX_WORKERS];
} ngx_http_presence_counters_t;


extern const ngx_http_presence_scale_t  ngx_http_presence_gap_scale;
extern const ngx_http_presence_scale_t  ngx_http_presence_detection_scale;
extern const ngx_http_presence_scale_t  ngx_http_presence_delivery_scale;


/* adds a value, in the unit of the scale; less than 0 counts as 0 */
void ngx_http_presence_counters_observe(ngx_http_presence_histogram_t *h,
    const ngx_http_presence_scale_t *scale, int64_t value);

/* a beat that reached the zone; not for _BEAT_REJECTED */
void ngx_http_presence_counters_beat(ngx_http_presence_counters_t *counters,
    ngx_http_presence_beat_e result);

/* adds what a worker has counted by itself, and starts that anew */
void ngx_http_presence_counters_add(ngx_http_presence_counters_t *counters,
    ngx_http_presence_traffic_t *traffic);

/*
 * A place for this worker, which frees those of workers that are dead; or
 * _MAX_WORKERS: there is none, and its streams are not counted.
 */
ngx_uint_t ngx_http_presence_counters_enlist(
    ngx_http_presence_counters_t *counters);

/* open streams of all workers that are alive */
uint64_t ngx_http_presence_counters_streams(
    const ngx_http_presence_counters_t *counters);

ngx_uint_t ngx_http_presence_counters_is_alive(
    const ngx_http_presence_worker_t *worker);

/* microseconds of the monotonic clock, the same in all processes */
uint64_t ngx_http_presence_counters_time(void);


#endif /* _NGX_HTTP_PRESENCE_COUNTERS_H_INCLUDED_ */
