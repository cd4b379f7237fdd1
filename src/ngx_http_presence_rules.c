#include <stddef.h>

#include "ngx_http_presence_rules.h"


static int ngx_http_presence_rules_is_old(const ngx_http_presence_life_t *life,
    const ngx_http_presence_beat_t *beat);
static uint8_t ngx_http_presence_rules_alone(
    const ngx_http_presence_life_t *life,
    const ngx_http_presence_beat_t *beat);
static ngx_http_presence_ms_t ngx_http_presence_rules_silence(
    const ngx_http_presence_policy_t *policy,
    const ngx_http_presence_life_t *life);
static void ngx_http_presence_rules_sign(ngx_http_presence_life_t *life,
    ngx_http_presence_ms_t at);
static void ngx_http_presence_rules_active(ngx_http_presence_life_t *life,
    const ngx_http_presence_beat_t *beat, ngx_http_presence_ms_t now);
static uint32_t ngx_http_presence_rules_step(
    const ngx_http_presence_policy_t *policy,
    const ngx_http_presence_beat_t *beat);


const char *const
ngx_http_presence_status_names[NGX_HTTP_PRESENCE_NSTATUSES] = {
    "offline", "online", "away", "busy", "dnd", "invisible"
};


const char *const
ngx_http_presence_reason_names[NGX_HTTP_PRESENCE_NREASONS] = {
    NULL, "beat", "activity", "idle", "missed", "leave", "logout", "expired",
    "kicked", "manual", "touch", "stream", "recovered"
};


void
ngx_http_presence_rules_begin(const ngx_http_presence_policy_t *policy,
    ngx_http_presence_life_t *life, const ngx_http_presence_beat_t *beat,
    ngx_http_presence_ms_t now)
{
    life->last_beat = now;
    life->last_sign = now;
    life->last_active = 0;
    life->leave_at = 0;
    life->seq = beat->seq;
    life->doc = beat->doc;
    life->step = ngx_http_presence_rules_step(policy, beat);
    life->missed = 0;
    life->leaving = 0;
    life->alone = 0;

    ngx_http_presence_rules_active(life, beat, now);
}


int
ngx_http_presence_rules_beat(const ngx_http_presence_policy_t *policy,
    ngx_http_presence_life_t *life, const ngx_http_presence_beat_t *beat,
    ngx_http_presence_ms_t now)
{
    life->last_beat = now;
    ngx_http_presence_rules_sign(life, now);

    if (ngx_http_presence_rules_is_old(life, beat)) {
        return 0;
    }

    life->alone = ngx_http_presence_rules_alone(life, beat);

    /* a beat without seq makes no older one of its document new again */

    if (beat->seq >= 0 || beat->doc != life->doc) {
        life->seq = beat->seq;
    }

    life->doc = beat->doc;
    life->step = ngx_http_presence_rules_step(policy, beat);
    life->leaving = 0;

    ngx_http_presence_rules_active(life, beat, now);

    return 1;
}


int
ngx_http_presence_rules_is_next(const ngx_http_presence_life_t *life,
    const ngx_http_presence_beat_t *beat)
{
    return beat->doc == life->doc
           && life->seq >= 0
           && beat->seq == life->seq + 1;
}


int
ngx_http_presence_rules_leave(ngx_http_presence_life_t *life,
    const ngx_http_presence_beat_t *beat, ngx_http_presence_ms_t now)
{
    if (life->leaving) {
        return 0;
    }

    if (beat->doc && life->doc && beat->doc != life->doc) {
        return 0;
    }

    /* where no document contradicts, the number alone decides */

    if (beat->seq >= 0 && beat->seq < life->seq) {
        return 0;
    }

    life->alone = ngx_http_presence_rules_alone(life, beat);

    /* the document is known from now on: its late beats do not cancel */

    if (beat->doc && beat->doc != life->doc) {
        life->doc = beat->doc;
        life->seq = beat->seq;

    } else if (beat->seq >= 0) {
        life->seq = beat->seq;
    }

    life->last_beat = now;
    ngx_http_presence_rules_sign(life, now);

    /* a page is hidden before it goes: saying so is no activity */

    if (beat->active_ago >= 0) {
        ngx_http_presence_rules_active(life, beat, now);
    }

    life->leaving = 1;
    life->leave_at = now;

    return 1;
}


void
ngx_http_presence_rules_touch(ngx_http_presence_life_t *life,
    ngx_http_presence_ms_t now)
{
    ngx_http_presence_rules_sign(life, now);

    if (life->last_active < now) {
        life->last_active = now;
    }
}


void
ngx_http_presence_rules_acknowledge(const ngx_http_presence_policy_t *policy,
    ngx_http_presence_life_t *life, ngx_http_presence_ms_t at)
{
    if (at > life->last_beat + policy->stream_life) {
        at = life->last_beat + policy->stream_life;
    }

    ngx_http_presence_rules_sign(life, at);
}


ngx_http_presence_verdict_t
ngx_http_presence_rules_look(const ngx_http_presence_policy_t *policy,
    ngx_http_presence_life_t *life, ngx_http_presence_ms_t now)
{
    ngx_http_presence_ms_t       late, missed, deadline, leave;
    ngx_http_presence_verdict_t  verdict;

    late = now - life->last_sign - policy->slack;
    missed = (late < 0) ? 0 : late / life->step;

    if (missed > policy->misses) {
        missed = policy->misses;
    }

    life->missed = (uint8_t) missed;

    deadline = ngx_http_presence_rules_silence(policy, life);
    leave = life->leave_at + policy->leave_grace;

    verdict.gone = 0;
    verdict.reason = NGX_HTTP_PRESENCE_UNSEEN;
    verdict.due = life->last_sign + (missed + 1) * life->step + policy->slack;

    /* a look may come late: what happened first is the reason */

    if (life->leaving && leave <= deadline) {
        verdict.reason = NGX_HTTP_PRESENCE_LEAVE;
        verdict.gone = (now >= leave);

        if (leave < verdict.due) {
            verdict.due = leave;
        }

        return verdict;
    }

    verdict.reason = NGX_HTTP_PRESENCE_MISSED;
    verdict.gone = (now >= deadline);

    return verdict;
}


ngx_http_presence_ms_t
ngx_http_presence_rules_deadline(const ngx_http_presence_policy_t *policy,
    const ngx_http_presence_life_t *life)
{
    ngx_http_presence_ms_t  deadline, leave;

    deadline = ngx_http_presence_rules_silence(policy, life);
    leave = life->leave_at + policy->leave_grace;

    return (life->leaving && leave < deadline) ? leave : deadline;
}


void
ngx_http_presence_rules_add(ngx_http_presence_sum_t *sum,
    const ngx_http_presence_life_t *life)
{
    /* one that stays counts for more than any that leaves */

    if (sum->sessions == 0
        || (sum->staying == 0 && !life->leaving)
        || ((sum->staying == 0 || !life->leaving)
            && life->missed < sum->missed))
    {
        sum->missed = life->missed;
    }

    if (sum->sessions == 0 || life->last_active > sum->last_active) {
        sum->last_active = life->last_active;
    }

    if (sum->sessions == 0 || life->last_sign > sum->last_sign) {
        sum->last_sign = life->last_sign;
    }

    sum->sessions++;
    sum->staying += !life->leaving;
}


ngx_http_presence_status_e
ngx_http_presence_rules_manual(ngx_http_presence_status_e manual,
    ngx_http_presence_ms_t until, ngx_http_presence_ms_t wall)
{
    if (until && wall >= until) {
        return NGX_HTTP_PRESENCE_OFFLINE;
    }

    return manual;
}


ngx_http_presence_status_e
ngx_http_presence_rules_status(const ngx_http_presence_policy_t *policy,
    const ngx_http_presence_sum_t *sum, ngx_http_presence_status_e manual,
    ngx_http_presence_ms_t now)
{
    if (sum->sessions == 0) {
        return NGX_HTTP_PRESENCE_OFFLINE;
    }

    if (manual != NGX_HTTP_PRESENCE_OFFLINE) {
        return manual;
    }

    if (now - sum->last_active >= policy->idle) {
        return NGX_HTTP_PRESENCE_AWAY;
    }

    return NGX_HTTP_PRESENCE_ONLINE;
}


ngx_http_presence_status_e
ngx_http_presence_rules_shown(ngx_http_presence_status_e status)
{
    return (status == NGX_HTTP_PRESENCE_INVISIBLE) ? NGX_HTTP_PRESENCE_OFFLINE
                                                   : status;
}


ngx_http_presence_change_e
ngx_http_presence_rules_change(int before, int after)
{
    if (before) {
        return after ? NGX_HTTP_PRESENCE_CHANGE_UPDATE
                     : NGX_HTTP_PRESENCE_CHANGE_LEAVE;
    }

    return after ? NGX_HTTP_PRESENCE_CHANGE_ENTER
                 : NGX_HTTP_PRESENCE_NO_CHANGE;
}


static int
ngx_http_presence_rules_is_old(const ngx_http_presence_life_t *life,
    const ngx_http_presence_beat_t *beat)
{
    return beat->doc == life->doc
           && beat->seq >= 0
           && life->seq >= 0
           && beat->seq < life->seq;
}


/*
 * Beats in a row that came here, with this one: where a number is left out
 * another server may have heard it.  A document's first number is 1.
 */

static uint8_t
ngx_http_presence_rules_alone(const ngx_http_presence_life_t *life,
    const ngx_http_presence_beat_t *beat)
{
    int64_t  last;

    last = (beat->doc == life->doc) ? life->seq : 0;

    if (beat->seq < 0 || last < 0 || beat->seq > last + 1) {
        return 0;
    }

    return life->alone + (beat->seq > last && life->alone < UINT8_MAX);
}


/* when the last beat that may be missing is missed */

static ngx_http_presence_ms_t
ngx_http_presence_rules_silence(const ngx_http_presence_policy_t *policy,
    const ngx_http_presence_life_t *life)
{
    return life->last_sign
           + (ngx_http_presence_ms_t) policy->misses * life->step
           + policy->slack;
}


static void
ngx_http_presence_rules_sign(ngx_http_presence_life_t *life,
    ngx_http_presence_ms_t at)
{
    if (at > life->last_sign) {
        life->last_sign = at;
        life->missed = 0;       /* the next look counts from here */
    }
}


static void
ngx_http_presence_rules_active(ngx_http_presence_life_t *life,
    const ngx_http_presence_beat_t *beat, ngx_http_presence_ms_t now)
{
    ngx_http_presence_ms_t  at;

    at = now;

    if (beat->active_ago >= 0) {
        at = (beat->active_ago < now) ? now - beat->active_ago : 1;
    }

    if (at > life->last_active) {
        life->last_active = at;
    }
}


static uint32_t
ngx_http_presence_rules_step(const ngx_http_presence_policy_t *policy,
    const ngx_http_presence_beat_t *beat)
{
    ngx_http_presence_ms_t  step;

    step = beat->next;

    /* browsers wake hidden pages late: one that does not say when gets time */

    if (step < 0 && beat->hidden) {
        step = policy->max_interval;
    }

    if (step < policy->interval) {
        step = policy->interval;
    }

    if (step > policy->max_interval) {
        step = policy->max_interval;
    }

    return (uint32_t) step;
}
