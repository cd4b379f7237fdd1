#include "ngx_http_presence_arrival.h"
#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_trace.h"


static void ngx_http_presence_arrival_diagnose(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_report_t *report,
    ngx_http_presence_arrival_t *arrival);


void
ngx_http_presence_arrival_of_known(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session,
    const ngx_http_presence_report_t *report, ngx_http_presence_ms_t now,
    ngx_http_presence_arrival_t *arrival)
{
    ngx_http_presence_life_t  *life;

    life = &session->life;

    /* the wall clock's difference has the time in which nobody listened */

    arrival->gap = ngx_http_presence_zone_wall(zone, now)
                   - ngx_http_presence_zone_wall(zone, life->last_beat);
    arrival->deaf = arrival->gap - (now - life->last_beat);
    arrival->step = life->step;
    arrival->missed = life->missed;

    if (report->beat.doc == life->doc
        && report->beat.seq > life->seq && life->seq >= 0)
    {
        arrival->hole = report->beat.seq - life->seq - 1;
    }

    ngx_http_presence_arrival_diagnose(zone, report, arrival);
}


void
ngx_http_presence_arrival_of_lost_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user, const ngx_http_presence_report_t *report,
    ngx_http_presence_ms_t now, ngx_http_presence_arrival_t *arrival)
{
    uint16_t                        hole;
    ngx_http_presence_ms_t          wall, last_at;
    ngx_http_presence_trace_last_t  last;

    wall = ngx_http_presence_zone_wall(zone, now);

    arrival->missed = zone->policy.misses;

    if (ngx_http_presence_trace_last_locked(zone, user, &report->session, wall,
                                            &last)
        == NGX_OK)
    {
        last_at = ngx_http_presence_clock_at(&zone->sh->clock, last.wall);

        arrival->gap = wall - last.wall;
        arrival->step = ngx_max(last.beat.due, 1);

        /* "since" is said by a document that has beaten before */

        hole = (uint16_t) (report->beat.seq - last.seq - 1);

        if (report->beat.seq >= 0 && report->diag.since >= 0 && hole < 0x8000)
        {
            arrival->hole = hole;
        }

    } else {
        last_at = user->last_sign;

        arrival->gap = wall - ngx_http_presence_zone_wall(zone, last_at);
        arrival->step = zone->policy.interval;
    }

    arrival->deaf = arrival->gap - (now - last_at);

    ngx_http_presence_arrival_diagnose(zone, report, arrival);

    arrival->diagnosis.late = 1;
}


void
ngx_http_presence_arrival_trace_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session,
    const ngx_http_presence_report_t *report,
    const ngx_http_presence_arrival_t *arrival, ngx_uint_t news,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_beat_record_t  beat;

    beat.due = session->life.step;
    beat.rtt = report->diag.rtt;
    beat.hidden = report->beat.hidden;
    beat.fired = report->diag.fired;
    beat.error = report->diag.failed ? report->diag.error
                                     : NGX_HTTP_PRESENCE_ERROR_NONE;
    beat.failed = (uint8_t) ngx_min(report->diag.failed,
                                    NGX_HTTP_PRESENCE_RECORD_MANY);
    beat.hole = (arrival->hole < 0)
                ? 0 : (uint8_t) ngx_min(arrival->hole,
                                        NGX_HTTP_PRESENCE_RECORD_MANY);

    beat.cause = arrival->diagnosis.late ? arrival->diagnosis.cause
                                         : NGX_HTTP_PRESENCE_NO_CAUSE;

    beat.kind = !news ? NGX_HTTP_PRESENCE_RECORD_OVERTAKEN
                      : report->leave ? NGX_HTTP_PRESENCE_RECORD_LEAVE
                                      : NGX_HTTP_PRESENCE_RECORD_CURRENT;

    ngx_http_presence_trace_beat_locked(zone, session->user, &report->session,
                                     &beat, report->beat.seq,
                                     ngx_http_presence_zone_wall(zone, now));
}


ngx_uint_t
ngx_http_presence_arrival_silence_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session, ngx_http_presence_ms_t now)
{
    ngx_str_t                       id;
    ngx_http_presence_ms_t          beat;
    ngx_http_presence_silence_t     silence;
    ngx_http_presence_trace_last_t  last;

    ngx_memzero(&silence, sizeof(ngx_http_presence_silence_t));

    silence.alive = session->life.last_sign - session->life.last_beat;
    silence.step = session->life.step;
    silence.slack = zone->policy.slack;

    id.len = session->len;
    id.data = session->id;

    beat = ngx_http_presence_zone_wall(zone, session->life.last_beat);

    /* what another node was told with a later beat is not known here */

    if (ngx_http_presence_trace_last_locked(zone, session->user, &id,
                                       ngx_http_presence_zone_wall(zone, now),
                                       &last)
        == NGX_OK
        && (zone->redis == NULL
            || last.wall + NGX_HTTP_PRESENCE_REDIS_SLIGHT >= beat))
    {
        silence.failed = last.beat.failed;
        silence.error = last.beat.error;
    }

    return ngx_http_presence_diagnose_silence(&silence);
}


static void
ngx_http_presence_arrival_diagnose(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_report_t *report,
    ngx_http_presence_arrival_t *arrival)
{
    ngx_http_presence_evidence_t  evidence;

    evidence.gap = arrival->gap;
    evidence.deaf = arrival->deaf;
    evidence.step = arrival->step;
    evidence.slack = zone->policy.slack;
    evidence.hole = arrival->hole;

    arrival->diagnosis = ngx_http_presence_diagnose_beat(&evidence,
                                                         &report->diag);
}
