/*
 * The cause of a beat that came late, or is missing: from the times at which
 * beats arrived, the server's own deafness, and what the client says of itself
 * in "diag".  Plain C on plain values, no nginx call.
 *
 * Which evidence gives which cause is told in docs/root-causes.md.  All times
 * are milliseconds.
 */

#ifndef _NGX_HTTP_PRESENCE_DIAGNOSE_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_DIAGNOSE_H_INCLUDED_


#include "ngx_http_presence_rules.h"


typedef enum {
    NGX_HTTP_PRESENCE_CAUSE_UNKNOWN = 0,
    NGX_HTTP_PRESENCE_CAUSE_THROTTLED,      /* timers were held back */
    NGX_HTTP_PRESENCE_CAUSE_FROZEN,         /* the page stood still */
    NGX_HTTP_PRESENCE_CAUSE_SLEPT,          /* the machine was */
    NGX_HTTP_PRESENCE_CAUSE_NETWORK,        /* attempts found no way, or late */
    NGX_HTTP_PRESENCE_CAUSE_LOST,           /* sent, but not arrived */
    NGX_HTTP_PRESENCE_CAUSE_SERVER,         /* deaf, or refused it */
    NGX_HTTP_PRESENCE_CAUSE_FLOOD,          /* refused as too many */
    NGX_HTTP_PRESENCE_NCAUSES
} ngx_http_presence_cause_e;


/* what made the client send a beat; "other" is what this version knows not */
typedef enum {
    NGX_HTTP_PRESENCE_FIRED_UNSAID = 0,
    NGX_HTTP_PRESENCE_FIRED_START,
    NGX_HTTP_PRESENCE_FIRED_TIMER,
    NGX_HTTP_PRESENCE_FIRED_WORKER,
    NGX_HTTP_PRESENCE_FIRED_PING,
    NGX_HTTP_PRESENCE_FIRED_VISIBLE,
    NGX_HTTP_PRESENCE_FIRED_HIDDEN,
    NGX_HTTP_PRESENCE_FIRED_FOCUS,
    NGX_HTTP_PRESENCE_FIRED_PAGESHOW,
    NGX_HTTP_PRESENCE_FIRED_RESUME,
    NGX_HTTP_PRESENCE_FIRED_ONLINE,
    NGX_HTTP_PRESENCE_FIRED_SLEEP,
    NGX_HTTP_PRESENCE_FIRED_ACTIVITY,
    NGX_HTTP_PRESENCE_FIRED_ROUTE,
    NGX_HTTP_PRESENCE_FIRED_AJAX,
    NGX_HTTP_PRESENCE_FIRED_MEDIA,
    NGX_HTTP_PRESENCE_FIRED_TOUCH,
    NGX_HTTP_PRESENCE_FIRED_STATUS,
    NGX_HTTP_PRESENCE_FIRED_STORAGE,
    NGX_HTTP_PRESENCE_FIRED_TOKEN,
    NGX_HTTP_PRESENCE_FIRED_SESSION,
    NGX_HTTP_PRESENCE_FIRED_STREAM,
    NGX_HTTP_PRESENCE_FIRED_RETRY,
    NGX_HTTP_PRESENCE_FIRED_STAGED,
    NGX_HTTP_PRESENCE_FIRED_OTHER,
    NGX_HTTP_PRESENCE_NFIRED
} ngx_http_presence_fired_e;


/* how the client's last failed attempt failed */
typedef enum {
    NGX_HTTP_PRESENCE_ERROR_NONE = 0,
    NGX_HTTP_PRESENCE_ERROR_NETWORK,
    NGX_HTTP_PRESENCE_ERROR_TIMEOUT,
    NGX_HTTP_PRESENCE_ERROR_REPLY,          /* was not the protocol's */
    NGX_HTTP_PRESENCE_ERROR_REFUSED,        /* status 4xx but 429 */
    NGX_HTTP_PRESENCE_ERROR_TOO_MANY,       /* status 429 */
    NGX_HTTP_PRESENCE_ERROR_FAILED,         /* status 5xx */
    NGX_HTTP_PRESENCE_NERRORS
} ngx_http_presence_error_e;


/* "diag" of a beat; what it does not say is 0, and "since" and "rtt" are -1 */
typedef struct {
    ngx_http_presence_ms_t  since;          /* monotonic, the last attempt */
    ngx_http_presence_ms_t  wall;           /* the same by the wall clock */
    ngx_http_presence_ms_t  rtt;            /* of the last answered beat */

    /* since the last answered beat */
    ngx_http_presence_ms_t  drift;          /* timers, the greatest */
    ngx_http_presence_ms_t  hidden;
    ngx_http_presence_ms_t  frozen;
    ngx_http_presence_ms_t  slept;
    uint32_t                failed;         /* attempts */

    uint16_t                status;         /* of the last failed, 0: none */
    uint8_t                 error;          /* ngx_http_presence_error_e */
    uint8_t                 fired;          /* ngx_http_presence_fired_e */
    uint8_t                 discarded;      /* the browser had unloaded it */
} ngx_http_presence_diag_t;


/* what is known of a beat that has come */
typedef struct {
    ngx_http_presence_ms_t  gap;            /* since the one before */
    ngx_http_presence_ms_t  deaf;           /* of it, the server was deaf */
    ngx_http_presence_ms_t  step;           /* after it this one was due, > 0 */
    ngx_http_presence_ms_t  slack;          /* >= 0 */
    int64_t                 hole;           /* numbers between that are not */
                                            /* there; -1: cannot be told */
} ngx_http_presence_evidence_t;


typedef struct {
    uint8_t                 late;
    uint8_t                 cause;          /* when late */
} ngx_http_presence_diagnosis_t;


/* what is known of a session that does not beat any more */
typedef struct {
    ngx_http_presence_ms_t  alive;          /* its stream was, after the beat */
    ngx_http_presence_ms_t  step;           /* after which one was due */
    ngx_http_presence_ms_t  slack;
    uint8_t                 failed;         /* attempts before that beat */
    uint8_t                 error;          /* ngx_http_presence_error_e */
} ngx_http_presence_silence_t;


/*
 * A beat is late when it comes more than "slack" after it was due, whether or
 * not something else was a sign of life meanwhile.
 */
ngx_http_presence_diagnosis_t ngx_http_presence_diagnose_beat(
    const ngx_http_presence_evidence_t *evidence,
    const ngx_http_presence_diag_t *diag);

/* beats are missing, and no later one says why */
ngx_http_presence_cause_e ngx_http_presence_diagnose_silence(
    const ngx_http_presence_silence_t *silence);

/* the error that a status stands for; a word of the wire has its own */
ngx_http_presence_error_e ngx_http_presence_diagnose_status(unsigned status);


/* the words of the wire, NULL-terminated strings; "unsaid" and "none": NULL */
extern const char *const
    ngx_http_presence_cause_names[NGX_HTTP_PRESENCE_NCAUSES];
extern const char *const
    ngx_http_presence_fired_names[NGX_HTTP_PRESENCE_NFIRED];
extern const char *const
    ngx_http_presence_error_names[NGX_HTTP_PRESENCE_NERRORS];


#endif /* _NGX_HTTP_PRESENCE_DIAGNOSE_H_INCLUDED_ */
