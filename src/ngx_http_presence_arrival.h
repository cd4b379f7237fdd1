/*
 * How beats come: a beat's body, whether it is late and why, and what the
 * trace keeps of it; and why beats do not come.  The caller holds the zone's
 * lock.
 */

#ifndef _NGX_HTTP_PRESENCE_ARRIVAL_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_ARRIVAL_H_INCLUDED_


#include "ngx_http_presence_diagnose.h"
#include "ngx_http_presence_roster.h"


/* a beat's body; NULL data: the member was absent */
typedef struct {
    ngx_http_presence_beat_t         beat;
    ngx_http_presence_diag_t         diag;
    ngx_str_t                        session;
    ngx_uint_t                       raised;    /* by presence_log_user */
    ngx_str_t                        text;
    ngx_str_t                        meta;
    ngx_http_presence_ms_t           until;     /* wall time, 0: none */
    uint8_t                          status;    /* _NSTATUSES: absent */
    unsigned                         leave:1;
    unsigned                         logout:1;
} ngx_http_presence_report_t;


/* how a beat came, for those who ask why */
typedef struct {
    ngx_http_presence_ms_t           gap;       /* since the last; -1: first */
    ngx_http_presence_ms_t           deaf;      /* of it, of the server */
    ngx_http_presence_ms_t           step;      /* after it this was due */
    int64_t                          hole;      /* as in the evidence */
    uint32_t                         missed;    /* beats, when it came */
    uint32_t                         counted;   /* of them, in the metrics */
    ngx_http_presence_diagnosis_t    diagnosis;
    unsigned                         asked:1;   /* Redis has the last word */
} ngx_http_presence_arrival_t;


/* a beat of which other nodes may know more; its request need not be there */
typedef struct {
    ngx_str_t                        user;
    ngx_http_presence_ms_t           wall;
    ngx_http_presence_report_t       report;
    ngx_http_presence_arrival_t      arrival;   /* by what is known here */
    ngx_uint_t                       recovered; /* by the same */
} ngx_http_presence_doubt_t;


/* the beat before it, wherever that came; times are from there to it */
typedef struct {
    ngx_http_presence_ms_t           gap;
    ngx_http_presence_ms_t           silence;   /* since any sign of life */
    uint32_t                         step;
    uint32_t                         missed;    /* that its node has counted */
    uint32_t                         doc;
    int64_t                          seq;
    ngx_uint_t                       node;      /* place of another one, or 0 */
    unsigned                         leaving:1;
    unsigned                         lost:1;    /* it was called gone */
} ngx_http_presence_before_t;


/* a beat of a session that is there, before the rules take it in */
void ngx_http_presence_arrival_of_known(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session,
    const ngx_http_presence_report_t *report, ngx_http_presence_ms_t now,
    ngx_http_presence_arrival_t *arrival);

/* a beat of a session that was thought to be gone: it is late in any case */
void ngx_http_presence_arrival_of_lost_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_http_presence_report_t *report,
    ngx_http_presence_ms_t now, ngx_http_presence_arrival_t *arrival);

/*
 * What has come of a doubt: NULL is no beat before it that is known elsewhere,
 * and not "sure" that nobody can be asked.  Counts, and tells the trace; the
 * arrival is what there is to tell of it.
 */
void ngx_http_presence_arrival_settle_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_doubt_t *doubt, const ngx_http_presence_before_t *before,
    ngx_uint_t sure);

/* nothing is known of it */
void ngx_http_presence_arrival_clear(ngx_http_presence_arrival_t *arrival);

/* a beat of a session that is there is counted, with its lateness */
void ngx_http_presence_arrival_count_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_arrival_t *arrival);

/* puts it into the trace, with what the rules made of it; "news": they did */
void ngx_http_presence_arrival_trace_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session,
    const ngx_http_presence_report_t *report,
    const ngx_http_presence_arrival_t *arrival, ngx_uint_t news,
    ngx_http_presence_ms_t now);

/*
 * Why a session misses beats, as far as it can be told before it returns: an
 * ngx_http_presence_cause_e.
 */
ngx_uint_t ngx_http_presence_arrival_silence_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_session_t *session,
    ngx_http_presence_ms_t now);


#endif /* _NGX_HTTP_PRESENCE_ARRIVAL_H_INCLUDED_ */
