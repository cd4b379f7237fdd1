#include "ngx_http_presence_arrival.h"
#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_trace.h"


#define ngx_http_presence_arrival_hole(arrival)                               \
    (uint8_t) ((arrival)->hole < 0                                            \
               ? 0 : ngx_min((arrival)->hole, NGX_HTTP_PRESENCE_RECORD_MANY))

#define ngx_http_presence_arrival_cause(arrival)                              \
    (uint8_t) ((arrival)->diagnosis.late ? (arrival)->diagnosis.cause         \
                                         : NGX_HTTP_PRESENCE_NO_CAUSE)


static void ngx_http_presence_arrival_of_told(ngx_http_presence_zone_t *zone,
    ngx_http_presence_doubt_t *doubt,
    const ngx_http_presence_before_t *before);
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

        if (report->beat.seq >= 0 && report->diag.since >= 0 && hole < 0x8000
            && last.beat.kind != NGX_HTTP_PRESENCE_RECORD_ELSEWHERE)
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
ngx_http_presence_arrival_settle_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_doubt_t *doubt, const ngx_http_presence_before_t *before,
    ngx_uint_t sure)
{
    ngx_uint_t                     told;
    ngx_http_presence_user_t      *user;
    ngx_http_presence_arrival_t   *arrival;
    ngx_http_presence_counters_t  *counters;

    arrival = &doubt->arrival;
    counters = &zone->sh->counters;
    told = 0;

    if (before
        && (arrival->gap < 0 || before->lost
            || before->gap + NGX_HTTP_PRESENCE_REDIS_SLIGHT < arrival->gap))
    {
        ngx_http_presence_arrival_of_told(zone, doubt, before);
        told = 1;

    } else if (!sure && !doubt->recovered) {
        ngx_http_presence_arrival_clear(arrival);
    }

    if (before) {
        doubt->recovered = before->lost;
    }

    if (arrival->gap < 0) {
        return;
    }

    if (doubt->recovered) {
        counters->late[arrival->diagnosis.cause]++;
        counters->recovered[arrival->diagnosis.cause]++;
        counters->recovered_at = (uint64_t) ngx_time();

    } else if (!doubt->report.leave) {
        ngx_http_presence_arrival_count_locked(zone, arrival);

        if (arrival->missed > arrival->counted) {
            counters->missed += arrival->missed - arrival->counted;
        }
    }

    user = ngx_http_presence_roster_find_locked(zone, &doubt->user,
                                  ngx_http_presence_roster_hash(&doubt->user));
    if (user == NULL) {
        return;
    }

    ngx_http_presence_trace_amend_locked(zone, user, &doubt->report.session,
                                     doubt->wall,
                                     ngx_http_presence_arrival_cause(arrival),
                                     ngx_http_presence_arrival_hole(arrival));

    if (told && before->node) {
        ngx_http_presence_trace_elsewhere_locked(zone, user,
                                                 &doubt->report.session,
                                                 doubt->wall - arrival->gap,
                                                 before->step, before->node);
    }
}


void
ngx_http_presence_arrival_clear(ngx_http_presence_arrival_t *arrival)
{
    arrival->gap = -1;
    arrival->hole = -1;
    arrival->missed = 0;
    arrival->diagnosis.late = 0;
}


void
ngx_http_presence_arrival_count_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_arrival_t *arrival)
{
    ngx_http_presence_counters_t  *counters;

    counters = &zone->sh->counters;

    ngx_http_presence_counters_observe(&counters->gap,
                                       &ngx_http_presence_gap_scale,
                                       arrival->gap - arrival->deaf);

    if (arrival->diagnosis.late) {
        counters->late[arrival->diagnosis.cause]++;
    }
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
    beat.hole = 0;
    beat.cause = NGX_HTTP_PRESENCE_NO_CAUSE;

    if (!arrival->asked) {
        beat.hole = ngx_http_presence_arrival_hole(arrival);
        beat.cause = ngx_http_presence_arrival_cause(arrival);
    }

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


/* as of a beat that is known here, by what the node knows that heard it */

static void
ngx_http_presence_arrival_of_told(ngx_http_presence_zone_t *zone,
    ngx_http_presence_doubt_t *doubt,
    const ngx_http_presence_before_t *before)
{
    ngx_http_presence_ms_t        at;
    ngx_http_presence_life_t      life;
    ngx_http_presence_clock_t    *clock;
    ngx_http_presence_beat_t     *beat;
    ngx_http_presence_arrival_t  *arrival;

    clock = &zone->sh->clock;
    beat = &doubt->report.beat;
    arrival = &doubt->arrival;

    ngx_http_presence_arrival_clear(arrival);

    /* it said that it goes; or a later beat of it was heard before this one */

    if (before->leaving || before->gap < -NGX_HTTP_PRESENCE_REDIS_SLIGHT) {
        return;
    }

    at = ngx_http_presence_clock_at(clock, doubt->wall);

    arrival->gap = ngx_max(before->gap, 0);
    arrival->deaf = arrival->gap
                    - (at - ngx_http_presence_clock_at(clock,
                                                doubt->wall - arrival->gap));
    arrival->step = ngx_max(before->step, 1);

    if (beat->doc == before->doc && beat->seq > before->seq
        && before->seq >= 0)
    {
        arrival->hole = beat->seq - before->seq - 1;
    }

    ngx_memzero(&life, sizeof(ngx_http_presence_life_t));

    life.last_sign = ngx_http_presence_clock_at(clock,
                                            doubt->wall - before->silence);
    life.step = (uint32_t) arrival->step;

    (void) ngx_http_presence_rules_look(&zone->policy, &life, at);

    arrival->missed = before->lost ? zone->policy.misses : life.missed;
    arrival->counted = before->missed;

    ngx_http_presence_arrival_diagnose(zone, &doubt->report, arrival);

    if (before->lost) {
        arrival->diagnosis.late = 1;
    }
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
