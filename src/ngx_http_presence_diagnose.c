#include <stddef.h>

#include "ngx_http_presence_diagnose.h"


/* clocks of a client that are further apart than this: the machine slept */
#define NGX_HTTP_PRESENCE_DIAGNOSE_SLEEP     2000

/* browsers wake a hidden page once a minute: timers later than that stood */
#define NGX_HTTP_PRESENCE_DIAGNOSE_THROTTLE  65000


/* a cause, and how much of the lateness it accounts for */
typedef struct {
    ngx_http_presence_cause_e  cause;
    ngx_http_presence_ms_t     share;
} ngx_http_presence_suspect_t;


static ngx_http_presence_ms_t ngx_http_presence_diagnose_slept(
    const ngx_http_presence_diag_t *diag);
static ngx_http_presence_ms_t ngx_http_presence_diagnose_throttled(
    const ngx_http_presence_diag_t *diag, ngx_http_presence_ms_t held);
static ngx_http_presence_ms_t ngx_http_presence_diagnose_lost(
    const ngx_http_presence_evidence_t *evidence,
    const ngx_http_presence_diag_t *diag);
static ngx_http_presence_ms_t ngx_http_presence_diagnose_transit(
    const ngx_http_presence_evidence_t *evidence,
    const ngx_http_presence_diag_t *diag);
static ngx_http_presence_cause_e ngx_http_presence_diagnose_error(
    unsigned error);
static ngx_http_presence_cause_e ngx_http_presence_diagnose_choose(
    const ngx_http_presence_suspect_t *suspects, unsigned n,
    ngx_http_presence_ms_t overdue);


const char *const
ngx_http_presence_cause_names[NGX_HTTP_PRESENCE_NCAUSES] = {
    "unknown", "throttled", "frozen", "slept", "network", "lost", "server",
    "flood"
};


const char *const
ngx_http_presence_fired_names[NGX_HTTP_PRESENCE_NFIRED] = {
    NULL, "start", "timer", "worker", "ping", "visible", "hidden", "focus",
    "pageshow", "resume", "online", "sleep", "activity", "route", "ajax",
    "media", "touch", "status", "storage", "token", "session", "stream",
    "retry", "staged", "other"
};


const char *const
ngx_http_presence_error_names[NGX_HTTP_PRESENCE_NERRORS] = {
    NULL, "network", "timeout", "reply", "4xx", "429", "5xx"
};


ngx_http_presence_diagnosis_t
ngx_http_presence_diagnose_beat(const ngx_http_presence_evidence_t *evidence,
    const ngx_http_presence_diag_t *diag)
{
    ngx_http_presence_ms_t         overdue, slept, frozen, held, throttled;
    ngx_http_presence_ms_t         failing;
    ngx_http_presence_suspect_t    suspects[7];
    ngx_http_presence_diagnosis_t  diagnosis;

    overdue = evidence->gap - evidence->step;

    diagnosis.late = (overdue > evidence->slack);
    diagnosis.cause = NGX_HTTP_PRESENCE_CAUSE_UNKNOWN;

    if (!diagnosis.late) {
        return diagnosis;
    }

    slept = ngx_http_presence_diagnose_slept(diag);
    frozen = diag->discarded ? overdue - slept : diag->frozen;

    /* what stopped the page or the machine held its timers back as well */

    held = diag->drift - slept - frozen;
    throttled = ngx_http_presence_diagnose_throttled(diag, held);

    if (held > throttled) {
        frozen += held - throttled;
    }

    /*
     * Attempts that failed account for what is left: how long they did is not
     * said.  One that fails when a machine wakes up is left with little.  Where
     * no number is missing, what failed was just the answer.
     */

    failing = (diag->failed && evidence->hole != 0)
              ? overdue - evidence->deaf - slept - frozen : 0;

    /* of equal shares the first one counts */

    suspects[0].cause = NGX_HTTP_PRESENCE_CAUSE_SERVER;
    suspects[0].share = evidence->deaf;

    suspects[1].cause = NGX_HTTP_PRESENCE_CAUSE_SLEPT;
    suspects[1].share = slept;

    suspects[2].cause = NGX_HTTP_PRESENCE_CAUSE_FROZEN;
    suspects[2].share = frozen;

    suspects[3].cause = ngx_http_presence_diagnose_error(diag->error);
    suspects[3].share = failing;

    suspects[4].cause = NGX_HTTP_PRESENCE_CAUSE_LOST;
    suspects[4].share = ngx_http_presence_diagnose_lost(evidence, diag);

    suspects[5].cause = NGX_HTTP_PRESENCE_CAUSE_THROTTLED;
    suspects[5].share = throttled;

    suspects[6].cause = NGX_HTTP_PRESENCE_CAUSE_NETWORK;
    suspects[6].share = ngx_http_presence_diagnose_transit(evidence, diag);

    diagnosis.cause = ngx_http_presence_diagnose_choose(suspects, 7, overdue);

    return diagnosis;
}


ngx_http_presence_cause_e
ngx_http_presence_diagnose_silence(const ngx_http_presence_silence_t *silence)
{
    /* its system answers for a page that does not beat: it is stopped */

    if (silence->alive > silence->step + silence->slack) {
        return NGX_HTTP_PRESENCE_CAUSE_FROZEN;
    }

    /* it had trouble to get through before it fell silent */

    if (silence->failed) {
        return ngx_http_presence_diagnose_error(silence->error);
    }

    return NGX_HTTP_PRESENCE_CAUSE_UNKNOWN;
}


ngx_http_presence_error_e
ngx_http_presence_diagnose_status(unsigned status)
{
    if (status == 429) {
        return NGX_HTTP_PRESENCE_ERROR_TOO_MANY;
    }

    return (status >= 400 && status < 500) ? NGX_HTTP_PRESENCE_ERROR_REFUSED
                                           : NGX_HTTP_PRESENCE_ERROR_FAILED;
}


/* monotonic clocks of browsers stand still while the machine sleeps */

static ngx_http_presence_ms_t
ngx_http_presence_diagnose_slept(const ngx_http_presence_diag_t *diag)
{
    ngx_http_presence_ms_t  apart;

    apart = (diag->since < 0) ? 0 : diag->wall - diag->since;

    if (apart <= NGX_HTTP_PRESENCE_DIAGNOSE_SLEEP) {
        apart = 0;
    }

    return (diag->slept > apart) ? diag->slept : apart;
}


/* only a hidden page's timers are held back while the page itself may run */

static ngx_http_presence_ms_t
ngx_http_presence_diagnose_throttled(const ngx_http_presence_diag_t *diag,
    ngx_http_presence_ms_t held)
{
    if (held <= 0 || held > NGX_HTTP_PRESENCE_DIAGNOSE_THROTTLE) {
        return 0;
    }

    return (diag->hidden < held) ? diag->hidden : held;
}


/* each attempt takes a number: those that failed are not lost ones */

static ngx_http_presence_ms_t
ngx_http_presence_diagnose_lost(const ngx_http_presence_evidence_t *evidence,
    const ngx_http_presence_diag_t *diag)
{
    int64_t  lost;

    lost = evidence->hole - (int64_t) diag->failed;

    if (lost <= 0) {
        return 0;
    }

    /* more than fit into the gap prove no more than that */

    return (lost > evidence->gap / evidence->step) ? evidence->gap
                                                   : lost * evidence->step;
}


/* sent in time, and long on its way */

static ngx_http_presence_ms_t
ngx_http_presence_diagnose_transit(
    const ngx_http_presence_evidence_t *evidence,
    const ngx_http_presence_diag_t *diag)
{
    ngx_http_presence_ms_t  since;

    /* "since" is of another attempt than the last that came */

    if (diag->since < 0 || evidence->hole != 0) {
        return 0;
    }

    since = (diag->wall > diag->since) ? diag->wall : diag->since;

    return evidence->gap - evidence->deaf - since;
}


static ngx_http_presence_cause_e
ngx_http_presence_diagnose_error(unsigned error)
{
    switch (error) {

    case NGX_HTTP_PRESENCE_ERROR_NETWORK:
    case NGX_HTTP_PRESENCE_ERROR_TIMEOUT:
        return NGX_HTTP_PRESENCE_CAUSE_NETWORK;

    case NGX_HTTP_PRESENCE_ERROR_TOO_MANY:
        return NGX_HTTP_PRESENCE_CAUSE_FLOOD;

    case NGX_HTTP_PRESENCE_ERROR_REPLY:
    case NGX_HTTP_PRESENCE_ERROR_REFUSED:
    case NGX_HTTP_PRESENCE_ERROR_FAILED:
        return NGX_HTTP_PRESENCE_CAUSE_SERVER;

    default:
        return NGX_HTTP_PRESENCE_CAUSE_UNKNOWN;
    }
}


/* the largest share, if it is at least half of the lateness */

static ngx_http_presence_cause_e
ngx_http_presence_diagnose_choose(const ngx_http_presence_suspect_t *suspects,
    unsigned n, ngx_http_presence_ms_t overdue)
{
    unsigned                            i;
    ngx_http_presence_ms_t              share;
    const ngx_http_presence_suspect_t  *worst;

    worst = suspects;

    for (i = 1; i < n; i++) {

        /* more than all of it is no better than all of it */

        share = (worst->share < overdue) ? worst->share : overdue;

        if (suspects[i].share > share && share < overdue) {
            worst = &suspects[i];
        }
    }

    return (2 * worst->share >= overdue) ? worst->cause
                                         : NGX_HTTP_PRESENCE_CAUSE_UNKNOWN;
}
