#include "ngx_http_presence_verdict.h"


static void ngx_http_presence_verdict_offline(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_policy_t *policy);
static void ngx_http_presence_verdict_missed(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_policy_t *policy);
static void ngx_http_presence_verdict_there(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_policy_t *policy);
static void ngx_http_presence_verdict_late(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_policy_t *policy);
static void ngx_http_presence_verdict_node(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_beat_record_t *beat);
static void ngx_http_presence_verdict_cause(ngx_http_presence_writer_t *w,
    ngx_uint_t cause);
static void ngx_http_presence_verdict_server(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace, ngx_http_presence_ms_t since);
static const ngx_http_presence_trace_session_t *
    ngx_http_presence_verdict_last_session(
    const ngx_http_presence_trace_t *trace);
static const ngx_http_presence_trace_session_t *
    ngx_http_presence_verdict_elsewhere(
    const ngx_http_presence_trace_t *trace);


/* what a cause means, to go on from "because" */

static const char *const
ngx_http_presence_verdict_causes[NGX_HTTP_PRESENCE_NCAUSES] = {
    "nothing says why",
    "the browser held its timers back",
    "the page stood still",
    "the machine slept",
    "the network did not let it through, or late",
    "beats were sent and did not arrive",
    "the server could not hear, or refused it",
    "the server refused it as too many requests"
};


void
ngx_http_presence_verdict_write(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_policy_t *policy)
{
    if (!trace->known) {
        ngx_http_presence_writer_print(w, "is not known here: no beat and no "
                     "request of this user came to this zone, or longer ago "
                     "than its retention");
        return;
    }

    ngx_http_presence_writer_print(w, "%s",
                               ngx_http_presence_status_names[trace->status]);

    if (trace->since) {
        ngx_http_presence_writer_print(w, " since ");
        ngx_http_presence_writer_time(w, trace->since, trace->now);
    }

    ngx_http_presence_writer_print(w, ": ");

    if (trace->status == NGX_HTTP_PRESENCE_OFFLINE) {
        ngx_http_presence_verdict_offline(w, trace, policy);

    } else {
        ngx_http_presence_verdict_there(w, trace, policy);
    }

    if (trace->redis.configured && !trace->redis.up) {
        ngx_http_presence_writer_print(w, "; Redis does not serve");

        if (trace->redis.since) {
            ngx_http_presence_writer_print(w, " since ");
            ngx_http_presence_writer_time(w, trace->redis.since, trace->now);
        }

        ngx_http_presence_writer_print(w, ", and this node decides alone");
    }
}


static void
ngx_http_presence_verdict_offline(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_policy_t *policy)
{
    switch (trace->reason) {

    case NGX_HTTP_PRESENCE_MISSED:
        ngx_http_presence_verdict_missed(w, trace, policy);
        break;

    case NGX_HTTP_PRESENCE_LEAVE:
        ngx_http_presence_writer_print(w, "the last page said that it goes "
                                     "(closed, or left for another site), and "
                                     "no beat came within ");
        ngx_http_presence_writer_span(w, policy->leave_grace);
        break;

    case NGX_HTTP_PRESENCE_LOGOUT:
        ngx_http_presence_writer_print(w, "a page said logout");
        break;

    case NGX_HTTP_PRESENCE_EXPIRED:
        ngx_http_presence_writer_print(w, "the token has expired");
        break;

    case NGX_HTTP_PRESENCE_KICKED:
        ngx_http_presence_writer_print(w, "an administrator ended it");
        break;

    default:
        ngx_http_presence_writer_print(w, "no session of this user is known");
    }
}


static void
ngx_http_presence_verdict_missed(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_policy_t *policy)
{
    ngx_http_presence_ms_t                    last;
    const ngx_http_presence_beat_record_t    *beat;
    const ngx_http_presence_trace_session_t  *session;

    last = trace->last_sign;

    ngx_http_presence_writer_print(w, "%uD beat%s missed after ",
                                   policy->misses,
                                   policy->misses == 1 ? "" : "s");
    ngx_http_presence_writer_time(w, last, trace->now);

    session = ngx_http_presence_verdict_last_session(trace);

    if (session) {
        beat = &session->beats[0].beat;

        if (beat->kind == NGX_HTTP_PRESENCE_RECORD_ELSEWHERE) {
            ngx_http_presence_writer_print(w, "; the last beat came to ");
            ngx_http_presence_verdict_node(w, trace, beat);
            ngx_http_presence_writer_print(w, ", which knows more of it, and "
                                           "said next in ");
        } else {
            ngx_http_presence_writer_print(w, "; the last beat said %s and "
                                           "next in ", beat->hidden
                                           ? "hidden" : "visible");
        }

        ngx_http_presence_writer_span(w, beat->due);

        if (beat->failed) {
            ngx_http_presence_writer_print(w, "; %d%s attempt%s before it "
                               "failed%s%s%s", beat->failed,
                               ngx_http_presence_verdict_more(beat->failed),
                               beat->failed == 1 ? "" : "s",
                               beat->error ? " (" : "",
                               beat->error
                               ? ngx_http_presence_error_names[beat->error]
                               : "",
                               beat->error ? ")" : "");
        }

        last = session->beats[0].at;

        if (trace->last_sign > last + 1000) {
            ngx_http_presence_writer_print(w, "; its stream was alive longer, "
                                           "by ");
            ngx_http_presence_writer_span(w, trace->last_sign - last);
        }

    } else if (trace->redis.configured) {
        ngx_http_presence_writer_print(w, "; no beat came to this node, and "
                                       "another one knows more");
    }

    if (trace->cause < NGX_HTTP_PRESENCE_NCAUSES) {
        ngx_http_presence_writer_print(w, "; cause");
        ngx_http_presence_verdict_cause(w, trace->cause);
    }

    if (trace->cause == NGX_HTTP_PRESENCE_CAUSE_UNKNOWN) {
        ngx_http_presence_writer_print(w, " until a later beat tells");
    }

    ngx_http_presence_verdict_server(w, trace, last);
}


static void
ngx_http_presence_verdict_there(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_policy_t *policy)
{
    const ngx_http_presence_beat_record_t    *beat;
    const ngx_http_presence_trace_session_t  *session, *other;

    if (trace->status == NGX_HTTP_PRESENCE_INVISIBLE) {
        ngx_http_presence_writer_print(w, "set by hand, so everybody else "
                                       "sees offline; ");

    } else if (trace->status == NGX_HTTP_PRESENCE_AWAY
               && trace->reason != NGX_HTTP_PRESENCE_MANUAL)
    {
        ngx_http_presence_writer_print(w, "no activity since ");
        ngx_http_presence_writer_time(w, trace->last_active, trace->now);
        ngx_http_presence_writer_print(w, "; ");
    }

    session = ngx_http_presence_verdict_last_session(trace);
    other = ngx_http_presence_verdict_elsewhere(trace);

    if (other && (session == NULL || session->elsewhere)) {

        /* when that was it knows: of mere beats the others are not told */

        ngx_http_presence_writer_print(w, "%s%*s hears it and knows of its "
                                       "beats",
                                       other->node_len ? "node "
                                                       : "another node",
                                       other->node_len, other->node);
        if (session) {
            ngx_http_presence_writer_print(w, ", the last one known here "
                                           "came ");
            ngx_http_presence_writer_span(w, trace->now
                                             - session->beats[0].at);
            ngx_http_presence_writer_print(w, " ago");
        }

        session = other;

    } else if (session) {
        beat = &session->beats[0].beat;

        ngx_http_presence_writer_print(w, "last beat ");
        ngx_http_presence_writer_span(w, trace->now - session->beats[0].at);
        ngx_http_presence_writer_print(w, " ago");

        if (beat->kind == NGX_HTTP_PRESENCE_RECORD_ELSEWHERE) {
            ngx_http_presence_writer_print(w, " at ");
            ngx_http_presence_verdict_node(w, trace, beat);
        }

    } else {
        ngx_http_presence_writer_print(w, "last sign of life ");
        ngx_http_presence_writer_span(w, trace->now - trace->last_sign);
        ngx_http_presence_writer_print(w, " ago");
    }

    if (trace->missed) {
        ngx_http_presence_writer_print(w, ", %d of %uD missed",
                                       trace->missed, policy->misses);

    } else {
        ngx_http_presence_writer_print(w, ", none missed");
    }

    if (trace->missed && session) {
        ngx_http_presence_writer_print(w, ", offline at ");
        ngx_http_presence_writer_time(w, session->deadline, trace->now);
        ngx_http_presence_writer_print(w, " if none comes");
    }

    ngx_http_presence_verdict_late(w, trace, policy);
}


/* the last time that something was wrong */

static void
ngx_http_presence_verdict_late(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_policy_t *policy)
{
    ngx_uint_t                               i, k;
    const ngx_http_presence_trace_beat_t    *beat, *late;
    const ngx_http_presence_trace_change_t  *change;

    for (i = 0; i < trace->nchanges; i++) {
        change = &trace->changes[i];

        if (change->change.reason == NGX_HTTP_PRESENCE_RECOVERED) {
            ngx_http_presence_writer_print(w, "; was called gone by mistake "
                                           "until ");
            ngx_http_presence_writer_time(w, change->at, trace->now);

            ngx_http_presence_verdict_cause(w, change->change.cause);
            ngx_http_presence_verdict_server(w, trace,
                                        i + 1 < trace->nchanges
                                        ? trace->changes[i + 1].at
                                          - policy->max_interval
                                        : change->at);
            return;
        }
    }

    late = NULL;

    for (i = 0; i < trace->nsessions; i++) {
        for (k = 0; k < trace->sessions[i].nbeats; k++) {
            beat = &trace->sessions[i].beats[k];

            if (beat->beat.cause < NGX_HTTP_PRESENCE_NCAUSES
                && (late == NULL || beat->at > late->at))
            {
                late = beat;
            }
        }
    }

    if (late == NULL) {
        return;
    }

    ngx_http_presence_writer_print(w, "; the last late beat came at ");
    ngx_http_presence_writer_time(w, late->at, trace->now);
    ngx_http_presence_writer_print(w, " after ");
    ngx_http_presence_writer_span(w, late->beat.gap);
    ngx_http_presence_verdict_cause(w, late->beat.cause);
}


/* that heard the beat */

static void
ngx_http_presence_verdict_node(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_beat_record_t *beat)
{
    ngx_http_presence_writer_print(w, trace->names_len[beat->node]
                                      ? "node %*s" : "another node",
                                   trace->names_len[beat->node],
                                   trace->names[beat->node]);
}


static void
ngx_http_presence_verdict_cause(ngx_http_presence_writer_t *w,
    ngx_uint_t cause)
{
    if (cause < NGX_HTTP_PRESENCE_NCAUSES) {
        ngx_http_presence_writer_print(w, ": %s, for %s",
                                       ngx_http_presence_cause_names[cause],
                                       ngx_http_presence_verdict_causes[cause]);
    }
}


static void
ngx_http_presence_verdict_server(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace, ngx_http_presence_ms_t since)
{
    ngx_uint_t              i;
    ngx_http_presence_ms_t  deaf;

    deaf = 0;

    for (i = 0; i < trace->ndeaf; i++) {
        if (trace->deaf[i].at + trace->deaf[i].length >= since) {
            deaf += trace->deaf[i].length;
        }
    }

    if (deaf == 0) {
        ngx_http_presence_writer_print(w, "; the server heard all the time");

    } else {
        ngx_http_presence_writer_print(w, "; the server could not hear for ");
        ngx_http_presence_writer_span(w, deaf);
        ngx_http_presence_writer_print(w, ", which did not count");
    }

    if (!trace->redis.configured || !trace->redis.up) {
        return;
    }

    if (trace->redis.since && trace->redis.since < since) {
        ngx_http_presence_writer_print(w, ", and Redis served");
        return;
    }

    ngx_http_presence_writer_print(w, "; Redis serves since ");
    ngx_http_presence_writer_time(w, trace->redis.since, trace->now);
}


/* the one whose beat came last, of those that there are, or of all */

static const ngx_http_presence_trace_session_t *
ngx_http_presence_verdict_last_session(const ngx_http_presence_trace_t *trace)
{
    ngx_uint_t                                i, there;
    const ngx_http_presence_trace_session_t  *session, *last;

    last = NULL;
    there = (trace->status != NGX_HTTP_PRESENCE_OFFLINE);

    for (i = 0; i < trace->nsessions; i++) {
        session = &trace->sessions[i];

        if (session->nbeats == 0 || (there && session->len == 0)) {
            continue;
        }

        if (last == NULL || session->beats[0].at > last->beats[0].at) {
            last = session;
        }
    }

    return last;
}


/* of those that other nodes heard last, the one with the newest sign */

static const ngx_http_presence_trace_session_t *
ngx_http_presence_verdict_elsewhere(const ngx_http_presence_trace_t *trace)
{
    ngx_uint_t                                i;
    const ngx_http_presence_trace_session_t  *session, *last;

    last = NULL;

    for (i = 0; i < trace->nsessions; i++) {
        session = &trace->sessions[i];

        if (session->elsewhere
            && (last == NULL || session->sign > last->sign))
        {
            last = session;
        }
    }

    return last;
}
