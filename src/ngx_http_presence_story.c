#include <stdarg.h>

#include "ngx_http_presence_story.h"
#include "ngx_http_presence_problem.h"
#include "ngx_http_presence_stream.h"
#include "ngx_http_presence_trace.h"


/* room for one line, or one object, beside the strings in it */
#define NGX_HTTP_PRESENCE_STORY_ITEM  1024

/* what happened longer ago is told with its date */
#define NGX_HTTP_PRESENCE_STORY_DAY   (20 * 3600 * 1000)


/* a text that grows; "failed" stays when there was no memory for a part */
typedef struct {
    ngx_http_presence_payload_t        *payload;
    const ngx_http_presence_trace_t    *trace;
    const ngx_http_presence_policy_t   *policy;
    const ngx_str_t                    *user;
    ngx_uint_t                          known;
    ngx_uint_t                          traced;     /* beats, 0: it is off */
    ngx_uint_t                          failed;
    size_t                              verdict;    /* where JSON has it */
    size_t                              rest;       /* and what follows */
} ngx_http_presence_story_t;


static ngx_int_t ngx_http_presence_story_user(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_str_t *user, ngx_int_t *rc);
static ngx_int_t ngx_http_presence_story_wants_text(ngx_http_request_t *r,
    ngx_uint_t *text, ngx_int_t *rc);
static ngx_int_t ngx_http_presence_story_follow(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_str_t *user);
static void ngx_http_presence_story_release(void *data);
static void ngx_http_presence_story_begin(ngx_http_presence_story_t *story,
    ngx_http_presence_zone_t *zone, const ngx_str_t *user);

static void ngx_http_presence_story_json(ngx_http_presence_story_t *story);
static void ngx_http_presence_story_json_changes(
    ngx_http_presence_story_t *story);
static void ngx_http_presence_story_json_session(
    ngx_http_presence_story_t *story,
    const ngx_http_presence_trace_session_t *session);
static void ngx_http_presence_story_json_beat(
    ngx_http_presence_story_t *story,
    const ngx_http_presence_trace_beat_t *beat);
static void ngx_http_presence_story_json_time(
    ngx_http_presence_story_t *story, const char *name,
    ngx_http_presence_ms_t at);
static void ngx_http_presence_story_json_word(
    ngx_http_presence_story_t *story, const char *name, const char *word);

static void ngx_http_presence_story_text(ngx_http_presence_story_t *story);
static void ngx_http_presence_story_text_session(
    ngx_http_presence_story_t *story,
    const ngx_http_presence_trace_session_t *session);
static void ngx_http_presence_story_text_beat(
    ngx_http_presence_story_t *story,
    const ngx_http_presence_trace_beat_t *beat);

static void ngx_http_presence_story_verdict(ngx_http_presence_story_t *story);
static void ngx_http_presence_story_verdict_offline(
    ngx_http_presence_story_t *story);
static void ngx_http_presence_story_verdict_missed(
    ngx_http_presence_story_t *story);
static void ngx_http_presence_story_verdict_there(
    ngx_http_presence_story_t *story);
static void ngx_http_presence_story_verdict_late(
    ngx_http_presence_story_t *story);
static void ngx_http_presence_story_verdict_server(
    ngx_http_presence_story_t *story, ngx_http_presence_ms_t since);

static const ngx_http_presence_trace_session_t *
    ngx_http_presence_story_last_session(ngx_http_presence_story_t *story);
static const char *ngx_http_presence_story_cause(ngx_uint_t cause);
static void ngx_http_presence_story_add(ngx_http_presence_story_t *story,
    const char *format, ...);
static void ngx_http_presence_story_string(ngx_http_presence_story_t *story,
    const u_char *data, size_t len);
static void ngx_http_presence_story_time(ngx_http_presence_story_t *story,
    ngx_http_presence_ms_t at);
static void ngx_http_presence_story_span(ngx_http_presence_story_t *story,
    ngx_http_presence_ms_t ms);


static const char *const  ngx_http_presence_story_kinds[] = {
    NULL, "beat", "overtaken", "leave"
};


/* what a cause means, to go on from "because" */

static const char *const
ngx_http_presence_story_causes[NGX_HTTP_PRESENCE_NCAUSES] = {
    "nothing says why",
    "the browser held its timers back",
    "the page stood still",
    "the machine slept",
    "the network did not let it through, or late",
    "beats were sent and did not arrive",
    "the server could not hear, or refused it",
    "the server refused it as too many requests"
};


/* a copy of the trace that is being told: it is large, and a worker has one */
static ngx_http_presence_trace_t  ngx_http_presence_story_trace;


ngx_int_t
ngx_http_presence_story_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone)
{
    ngx_int_t                  rc;
    ngx_str_t                  user, follow;
    ngx_uint_t                 text;
    ngx_pool_cleanup_t        *cln;
    ngx_http_presence_story_t  story;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_presence_problem_method(r, "GET, HEAD");
    }

    if (ngx_http_presence_story_user(r, zone, &user, &rc) != NGX_OK
        || ngx_http_presence_story_wants_text(r, &text, &rc) != NGX_OK
        || ngx_http_presence_filter_argument(r, "follow", &follow, &rc)
           != NGX_OK)
    {
        return rc;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (follow.len == 1 && follow.data[0] == '1') {
        return ngx_http_presence_story_follow(r, zone, &user);
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_presence_story_begin(&story, zone, &user);

    if (story.payload == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_presence_story_release;
    cln->data = story.payload;

    if (text) {
        ngx_http_presence_story_text(&story);

    } else {
        ngx_http_presence_story_json(&story);
    }

    if (story.failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_presence_send(r, NGX_HTTP_OK,
                              text ? "text/plain; charset=utf-8"
                                   : "application/json",
                              story.payload->start,
                              ngx_http_presence_payload_len(story.payload));
}


ngx_http_presence_payload_t *
ngx_http_presence_story_next(ngx_http_presence_subscriber_t *sub)
{
    size_t                     start;
    uint32_t                   crc;
    ngx_http_presence_story_t  story;

    sub->state = 0;
    sub->behind = 0;

    ngx_http_presence_story_begin(&story, sub->hub->zone,
                                  &sub->audience->filter->users[0]);

    if (story.payload == NULL) {
        return NULL;
    }

    story.payload->event = NGX_HTTP_PRESENCE_EVENT_TRACE;

    ngx_http_presence_story_add(&story, "event: presence_trace\ndata: ");

    start = ngx_http_presence_payload_len(story.payload);

    ngx_http_presence_story_json(&story);

    if (story.failed) {
        ngx_http_presence_payload_release(story.payload);
        return NULL;
    }

    /* but for the time of now, in the verdict and at the end, is it new? */

    ngx_crc32_init(crc);
    ngx_crc32_update(&crc, story.payload->start + start,
                     story.verdict - start);
    ngx_crc32_update(&crc, story.payload->start + story.rest,
                     ngx_http_presence_payload_len(story.payload) - story.rest
                     - (sizeof("1790000000000}") - 1));
    ngx_crc32_final(crc);

    if (sub->walk == ((uint64_t) 1 << 32 | crc)) {
        story.payload->last = story.payload->start;
        return story.payload;
    }

    sub->walk = (uint64_t) 1 << 32 | crc;

    ngx_http_presence_story_add(&story, "\n\n");

    return story.payload;
}


static ngx_int_t
ngx_http_presence_story_user(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_str_t *user, ngx_int_t *rc)
{
    if (ngx_http_presence_filter_argument(r, "user", user, rc) != NGX_OK) {
        return NGX_ERROR;
    }

    if (user->len == 0 || user->len > zone->limits.max_user
        || !ngx_http_presence_access_is_text(user->data, user->len))
    {
        *rc = ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_INVALID_ARGUMENT,
                          "\"user\" is the id of one user");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_story_wants_text(ngx_http_request_t *r, ngx_uint_t *text,
    ngx_int_t *rc)
{
    ngx_str_t  format, *accept;

    if (ngx_http_presence_filter_argument(r, "format", &format, rc)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (format.data == NULL) {
        accept = ngx_http_presence_find_header(r, "accept");

        *text = accept != NULL
                && accept->len >= sizeof("text/plain") - 1
                && ngx_strncasecmp(accept->data, (u_char *) "text/plain",
                                   sizeof("text/plain") - 1)
                   == 0;
        return NGX_OK;
    }

    *text = (format.len == 4 && ngx_memcmp(format.data, "text", 4) == 0);

    if (*text || (format.len == 4 && ngx_memcmp(format.data, "json", 4) == 0))
    {
        return NGX_OK;
    }

    *rc = ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_INVALID_ARGUMENT,
                                    "\"format\" is json or text");
    return NGX_DECLINED;
}


/* an ordinary stream of this one user, that is told another thing */

static ngx_int_t
ngx_http_presence_story_follow(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_str_t *user)
{
    ngx_http_presence_filter_t       filter;
    ngx_http_presence_subscriber_t  *sub;

    if (r != r->main) {
        return NGX_HTTP_NOT_FOUND;
    }

    ngx_memzero(&filter, sizeof(ngx_http_presence_filter_t));

    filter.trace = 1;
    ngx_str_set(&filter.self, "");
    filter.users = user;
    filter.nusers = 1;

    sub = ngx_pcalloc(r->pool, sizeof(ngx_http_presence_subscriber_t));
    if (sub == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    sub->request = r;
    sub->hub = zone->hub;
    sub->state = 1;

    return ngx_http_presence_stream_open(r, sub, &filter);
}


static void
ngx_http_presence_story_release(void *data)
{
    ngx_http_presence_payload_release(data);
}


static void
ngx_http_presence_story_begin(ngx_http_presence_story_t *story,
    ngx_http_presence_zone_t *zone, const ngx_str_t *user)
{
    ngx_memzero(story, sizeof(ngx_http_presence_story_t));

    story->known = (ngx_http_presence_trace_read(zone, user,
                                              &ngx_http_presence_story_trace)
                    == NGX_OK);

    story->trace = &ngx_http_presence_story_trace;
    story->policy = &zone->policy;
    story->traced = zone->trace;
    story->user = user;
    story->payload = ngx_http_presence_payload_create(ngx_pagesize);
}


static void
ngx_http_presence_story_json(ngx_http_presence_story_t *story)
{
    ngx_uint_t                         i;
    const ngx_http_presence_trace_t   *trace;
    const ngx_http_presence_policy_t  *policy;

    trace = story->trace;
    policy = story->policy;

    ngx_http_presence_story_add(story, "{\"user\":");
    ngx_http_presence_story_string(story, story->user->data, story->user->len);

    ngx_http_presence_story_add(story, ",\"known\":%s,\"status\":\"%s\"",
                        story->known ? "true" : "false",
                        ngx_http_presence_status_names[trace->status]);

    ngx_http_presence_story_json_time(story, "since", trace->since);
    ngx_http_presence_story_json_word(story, "reason",
                              ngx_http_presence_reason_names[trace->reason]);
    ngx_http_presence_story_json_word(story, "cause",
                              ngx_http_presence_story_cause(trace->cause));
    ngx_http_presence_story_add(story, ",\"missed\":%d", trace->missed);
    ngx_http_presence_story_json_time(story, "last_active",
                                      trace->last_active);
    ngx_http_presence_story_json_time(story, "last_seen", trace->last_sign);
    ngx_http_presence_story_json_time(story, "last_request", trace->request);

    /* the verdict has no character that JSON would want escaped */

    ngx_http_presence_story_add(story, ",\"verdict\":\"");

    story->verdict = ngx_http_presence_payload_len(story->payload);

    ngx_http_presence_story_verdict(story);

    story->rest = ngx_http_presence_payload_len(story->payload);

    ngx_http_presence_story_add(story, "\",\"policy\":{\"interval_ms\":%L,"
                     "\"misses\":%uD,\"slack_ms\":%L,\"idle_ms\":%L,"
                     "\"leave_grace_ms\":%L,\"max_interval_ms\":%L,"
                     "\"trace\":%ui},\"deaf\":[",
                     policy->interval, policy->misses, policy->slack,
                     policy->idle, policy->leave_grace, policy->max_interval,
                     story->traced);

    for (i = 0; i < trace->ndeaf; i++) {
        ngx_http_presence_story_add(story, "%s{\"at\":%L,\"ms\":%L}",
                                    i ? "," : "", trace->deaf[i].at,
                                    trace->deaf[i].length);
    }

    ngx_http_presence_story_add(story, "]");

    ngx_http_presence_story_json_changes(story);

    ngx_http_presence_story_add(story, ",\"sessions\":[");

    for (i = 0; i < trace->nsessions; i++) {
        ngx_http_presence_story_add(story, i ? "," : "");
        ngx_http_presence_story_json_session(story, &trace->sessions[i]);
    }

    ngx_http_presence_story_add(story, "],\"server_time\":%L}", trace->now);
}


static void
ngx_http_presence_story_json_changes(ngx_http_presence_story_t *story)
{
    ngx_uint_t                               i;
    const ngx_http_presence_trace_change_t  *change;

    ngx_http_presence_story_add(story, ",\"changes\":[");

    for (i = 0; i < story->trace->nchanges; i++) {
        change = &story->trace->changes[i];

        ngx_http_presence_story_add(story, "%s{\"at\":%L,\"status\":\"%s\"",
                     i ? "," : "", change->at,
                     ngx_http_presence_status_names[change->change.status]);

        ngx_http_presence_story_json_word(story, "reason",
                     ngx_http_presence_reason_names[change->change.reason]);
        ngx_http_presence_story_json_word(story, "cause",
                     ngx_http_presence_story_cause(change->change.cause));

        ngx_http_presence_story_add(story, "}");
    }

    ngx_http_presence_story_add(story, "]");
}


static void
ngx_http_presence_story_json_session(ngx_http_presence_story_t *story,
    const ngx_http_presence_trace_session_t *session)
{
    ngx_uint_t  i;

    ngx_http_presence_story_add(story, "{\"key\":\"%08xD\",\"session\":",
                                session->key);

    if (session->len) {
        ngx_http_presence_story_string(story, session->id, session->len);
        ngx_http_presence_story_json_time(story, "last_seen", session->sign);
        ngx_http_presence_story_json_time(story, "deadline",
                                          session->deadline);
        ngx_http_presence_story_add(story, ",\"leaving\":%s,\"missed\":%uD,"
                                    "\"step_ms\":%uD",
                                    session->leaving ? "true" : "false",
                                    session->missed, session->step);
    } else {
        ngx_http_presence_story_add(story, "null");
    }

    ngx_http_presence_story_add(story, ",\"beats\":[");

    for (i = 0; i < session->nbeats; i++) {
        ngx_http_presence_story_add(story, i ? "," : "");
        ngx_http_presence_story_json_beat(story, &session->beats[i]);
    }

    ngx_http_presence_story_add(story, "]}");
}


static void
ngx_http_presence_story_json_beat(ngx_http_presence_story_t *story,
    const ngx_http_presence_trace_beat_t *told)
{
    const ngx_http_presence_beat_record_t  *beat;

    beat = &told->beat;

    ngx_http_presence_story_add(story, "{\"at\":%L,\"gap_ms\":%L,"
                                "\"kind\":\"%s\",\"visible\":%s,"
                                "\"due_ms\":%L,\"rtt_ms\":",
                                told->at, beat->gap,
                                ngx_http_presence_story_kinds[beat->kind],
                                beat->hidden ? "false" : "true", beat->due);

    ngx_http_presence_story_add(story, beat->rtt < 0 ? "null" : "%L",
                                beat->rtt);

    ngx_http_presence_story_add(story, ",\"hole\":%d,\"failed\":%d",
                                beat->hole, beat->failed);

    ngx_http_presence_story_json_word(story, "error",
               beat->error < NGX_HTTP_PRESENCE_NERRORS
               ? ngx_http_presence_error_names[beat->error] : NULL);
    ngx_http_presence_story_json_word(story, "fired",
               beat->fired < NGX_HTTP_PRESENCE_NFIRED
               ? ngx_http_presence_fired_names[beat->fired] : NULL);
    ngx_http_presence_story_json_word(story, "cause",
               ngx_http_presence_story_cause(beat->cause));

    ngx_http_presence_story_add(story, "}");
}


static void
ngx_http_presence_story_json_time(ngx_http_presence_story_t *story,
    const char *name, ngx_http_presence_ms_t at)
{
    if (at) {
        ngx_http_presence_story_add(story, ",\"%s\":%L", name, at);

    } else {
        ngx_http_presence_story_add(story, ",\"%s\":null", name);
    }
}


static void
ngx_http_presence_story_json_word(ngx_http_presence_story_t *story,
    const char *name, const char *word)
{
    if (word) {
        ngx_http_presence_story_add(story, ",\"%s\":\"%s\"", name, word);

    } else {
        ngx_http_presence_story_add(story, ",\"%s\":null", name);
    }
}


static void
ngx_http_presence_story_text(ngx_http_presence_story_t *story)
{
    ngx_uint_t                               i;
    const char                              *reason, *cause;
    const ngx_http_presence_trace_t         *trace;
    const ngx_http_presence_trace_change_t  *change;

    trace = story->trace;

    ngx_http_presence_story_string(story, story->user->data, story->user->len);
    ngx_http_presence_story_add(story, " ");
    ngx_http_presence_story_verdict(story);
    ngx_http_presence_story_add(story, "\n");

    if (trace->nchanges) {
        ngx_http_presence_story_add(story, "\nchanges, the newest first\n");
    }

    for (i = 0; i < trace->nchanges; i++) {
        change = &trace->changes[i];

        reason = ngx_http_presence_reason_names[change->change.reason];
        cause = ngx_http_presence_story_cause(change->change.cause);

        ngx_http_presence_story_add(story, "  ");
        ngx_http_presence_story_time(story, change->at);
        ngx_http_presence_story_add(story, "  %s (%s)%s%s\n",
                      ngx_http_presence_status_names[change->change.status],
                      reason ? reason : "-", cause ? ", cause: " : "",
                      cause ? cause : "");
    }

    for (i = 0; i < trace->nsessions; i++) {
        ngx_http_presence_story_text_session(story, &trace->sessions[i]);
    }

    for (i = 0; i < trace->ndeaf; i++) {

        if (i == 0) {
            ngx_http_presence_story_add(story,
                                        "\nthe server could not hear\n");
        }

        ngx_http_presence_story_add(story, "  ");
        ngx_http_presence_story_time(story, trace->deaf[i].at);
        ngx_http_presence_story_add(story, "  for ");
        ngx_http_presence_story_span(story, trace->deaf[i].length);
        ngx_http_presence_story_add(story, "\n");
    }
}


static void
ngx_http_presence_story_text_session(ngx_http_presence_story_t *story,
    const ngx_http_presence_trace_session_t *session)
{
    ngx_uint_t  i;

    if (session->len) {
        ngx_http_presence_story_add(story, "\nsession ");
        ngx_http_presence_story_string(story, session->id, session->len);
        ngx_http_presence_story_add(story, "%s, %uD missed, silence ends it "
                                    "at ", session->leaving ? ", leaving" : "",
                                    session->missed);
        ngx_http_presence_story_time(story, session->deadline);

    } else {
        ngx_http_presence_story_add(story, "\nsession #%08xD, ended",
                                    session->key);
    }

    ngx_http_presence_story_add(story, "\n");

    for (i = 0; i < session->nbeats; i++) {
        ngx_http_presence_story_text_beat(story, &session->beats[i]);
    }
}


static void
ngx_http_presence_story_text_beat(ngx_http_presence_story_t *story,
    const ngx_http_presence_trace_beat_t *told)
{
    const char                             *cause;
    const ngx_http_presence_beat_record_t  *beat;

    beat = &told->beat;

    ngx_http_presence_story_add(story, "  ");
    ngx_http_presence_story_time(story, told->at);
    ngx_http_presence_story_add(story, "  %s",
                                ngx_http_presence_story_kinds[beat->kind]);

    if (beat->gap) {
        ngx_http_presence_story_add(story, " after ");
        ngx_http_presence_story_span(story, beat->gap);
    }

    cause = ngx_http_presence_story_cause(beat->cause);

    if (cause) {
        ngx_http_presence_story_add(story, ", LATE: %s", cause);
    }

    if (beat->fired && beat->fired < NGX_HTTP_PRESENCE_NFIRED) {
        ngx_http_presence_story_add(story, ", by %s",
                                   ngx_http_presence_fired_names[beat->fired]);
    }

    ngx_http_presence_story_add(story, beat->hidden ? ", hidden, next in "
                                                    : ", next in ");
    ngx_http_presence_story_span(story, beat->due);

    if (beat->hole) {
        ngx_http_presence_story_add(story, ", %d before it did not come",
                                    beat->hole);
    }

    if (beat->failed) {
        ngx_http_presence_story_add(story, ", %d failed", beat->failed);

        if (beat->error && beat->error < NGX_HTTP_PRESENCE_NERRORS) {
            ngx_http_presence_story_add(story, " (%s)",
                                   ngx_http_presence_error_names[beat->error]);
        }
    }

    if (beat->rtt >= 0) {
        ngx_http_presence_story_add(story, ", round trip ");
        ngx_http_presence_story_span(story, beat->rtt);
    }

    ngx_http_presence_story_add(story, "\n");
}


static void
ngx_http_presence_story_verdict(ngx_http_presence_story_t *story)
{
    const ngx_http_presence_trace_t  *trace;

    trace = story->trace;

    if (!story->known) {
        ngx_http_presence_story_add(story, "is not known here: no beat and no "
                     "request of this user came to this zone, or longer ago "
                     "than its retention");
        return;
    }

    ngx_http_presence_story_add(story, "%s",
                               ngx_http_presence_status_names[trace->status]);

    if (trace->since) {
        ngx_http_presence_story_add(story, " since ");
        ngx_http_presence_story_time(story, trace->since);
    }

    ngx_http_presence_story_add(story, ": ");

    if (trace->status == NGX_HTTP_PRESENCE_OFFLINE) {
        ngx_http_presence_story_verdict_offline(story);

    } else {
        ngx_http_presence_story_verdict_there(story);
    }
}


static void
ngx_http_presence_story_verdict_offline(ngx_http_presence_story_t *story)
{
    switch (story->trace->reason) {

    case NGX_HTTP_PRESENCE_MISSED:
        ngx_http_presence_story_verdict_missed(story);
        break;

    case NGX_HTTP_PRESENCE_LEAVE:
        ngx_http_presence_story_add(story, "the last page said that it goes "
                                    "(closed, or left for another site), and "
                                    "no beat came within ");
        ngx_http_presence_story_span(story, story->policy->leave_grace);
        break;

    case NGX_HTTP_PRESENCE_LOGOUT:
        ngx_http_presence_story_add(story, "a page said logout");
        break;

    case NGX_HTTP_PRESENCE_EXPIRED:
        ngx_http_presence_story_add(story, "the token has expired");
        break;

    case NGX_HTTP_PRESENCE_KICKED:
        ngx_http_presence_story_add(story, "an administrator ended it");
        break;

    default:
        ngx_http_presence_story_add(story, "no session of this user is known");
    }
}


static void
ngx_http_presence_story_verdict_missed(ngx_http_presence_story_t *story)
{
    ngx_http_presence_ms_t                    last;
    const ngx_http_presence_trace_t          *trace;
    const ngx_http_presence_beat_record_t    *beat;
    const ngx_http_presence_trace_session_t  *session;

    trace = story->trace;
    last = trace->last_sign;

    ngx_http_presence_story_add(story, "%uD beat%s missed after ",
                                story->policy->misses,
                                story->policy->misses == 1 ? "" : "s");
    ngx_http_presence_story_time(story, last);

    session = ngx_http_presence_story_last_session(story);

    if (session) {
        beat = &session->beats[0].beat;

        ngx_http_presence_story_add(story, "; the last beat said %s and next "
                                    "in ", beat->hidden ? "hidden" : "visible");
        ngx_http_presence_story_span(story, beat->due);

        if (beat->failed) {
            ngx_http_presence_story_add(story, "; %d attempt%s before it "
                               "failed%s%s%s", beat->failed,
                               beat->failed == 1 ? "" : "s",
                               beat->error ? " (" : "",
                               beat->error
                               ? ngx_http_presence_error_names[beat->error]
                               : "",
                               beat->error ? ")" : "");
        }

        last = session->beats[0].at;

        if (trace->last_sign > last + 1000) {
            ngx_http_presence_story_add(story, "; its stream was alive for ");
            ngx_http_presence_story_span(story, trace->last_sign - last);
            ngx_http_presence_story_add(story, " longer");
        }
    }

    if (trace->cause < NGX_HTTP_PRESENCE_NCAUSES) {
        ngx_http_presence_story_add(story, "; cause: %s, for %s",
                                 ngx_http_presence_cause_names[trace->cause],
                                 ngx_http_presence_story_causes[trace->cause]);
    }

    if (trace->cause == NGX_HTTP_PRESENCE_CAUSE_UNKNOWN) {
        ngx_http_presence_story_add(story, " until a later beat tells");
    }

    ngx_http_presence_story_verdict_server(story, last);
}


static void
ngx_http_presence_story_verdict_there(ngx_http_presence_story_t *story)
{
    const ngx_http_presence_trace_t          *trace;
    const ngx_http_presence_trace_session_t  *session;

    trace = story->trace;

    if (trace->status == NGX_HTTP_PRESENCE_INVISIBLE) {
        ngx_http_presence_story_add(story, "set by hand, so everybody else "
                                    "sees offline; ");

    } else if (trace->status == NGX_HTTP_PRESENCE_AWAY
               && trace->reason != NGX_HTTP_PRESENCE_MANUAL)
    {
        ngx_http_presence_story_add(story, "no activity since ");
        ngx_http_presence_story_time(story, trace->last_active);
        ngx_http_presence_story_add(story, "; ");
    }

    session = ngx_http_presence_story_last_session(story);

    if (session) {
        ngx_http_presence_story_add(story, "last beat ");
        ngx_http_presence_story_span(story, trace->now - session->beats[0].at);
        ngx_http_presence_story_add(story, " ago");

    } else {
        ngx_http_presence_story_add(story, "last sign of life ");
        ngx_http_presence_story_span(story, trace->now - trace->last_sign);
        ngx_http_presence_story_add(story, " ago");
    }

    if (trace->missed) {
        ngx_http_presence_story_add(story, ", %d of %uD missed, ",
                                    trace->missed, story->policy->misses);

    } else {
        ngx_http_presence_story_add(story, ", none missed");
    }

    if (trace->missed && session) {
        ngx_http_presence_story_add(story, "offline at ");
        ngx_http_presence_story_time(story, session->deadline);
        ngx_http_presence_story_add(story, " if none comes");
    }

    ngx_http_presence_story_verdict_late(story);
}


/* the last time that something was wrong */

static void
ngx_http_presence_story_verdict_late(ngx_http_presence_story_t *story)
{
    ngx_uint_t                               i, k, cause;
    const ngx_http_presence_trace_t         *trace;
    const ngx_http_presence_trace_beat_t    *beat, *late;
    const ngx_http_presence_trace_change_t  *change;

    trace = story->trace;

    for (i = 0; i < trace->nchanges; i++) {
        change = &trace->changes[i];

        if (change->change.reason == NGX_HTTP_PRESENCE_RECOVERED) {
            cause = change->change.cause;

            ngx_http_presence_story_add(story, "; was called gone by mistake "
                                        "until ");
            ngx_http_presence_story_time(story, change->at);

            if (cause < NGX_HTTP_PRESENCE_NCAUSES) {
                ngx_http_presence_story_add(story, ": %s, for %s",
                                       ngx_http_presence_cause_names[cause],
                                       ngx_http_presence_story_causes[cause]);
            }

            ngx_http_presence_story_verdict_server(story,
                                        i + 1 < trace->nchanges
                                        ? trace->changes[i + 1].at
                                          - story->policy->max_interval
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

    cause = late->beat.cause;

    ngx_http_presence_story_add(story, "; the last late beat came at ");
    ngx_http_presence_story_time(story, late->at);
    ngx_http_presence_story_add(story, " after ");
    ngx_http_presence_story_span(story, late->beat.gap);
    ngx_http_presence_story_add(story, ": %s, for %s",
                                ngx_http_presence_cause_names[cause],
                                ngx_http_presence_story_causes[cause]);
}


static void
ngx_http_presence_story_verdict_server(ngx_http_presence_story_t *story,
    ngx_http_presence_ms_t since)
{
    ngx_uint_t                        i;
    ngx_http_presence_ms_t            deaf;
    const ngx_http_presence_trace_t  *trace;

    trace = story->trace;
    deaf = 0;

    for (i = 0; i < trace->ndeaf; i++) {
        if (trace->deaf[i].at + trace->deaf[i].length >= since) {
            deaf += trace->deaf[i].length;
        }
    }

    if (deaf == 0) {
        ngx_http_presence_story_add(story, "; the server heard all the time");
        return;
    }

    ngx_http_presence_story_add(story, "; the server could not hear for ");
    ngx_http_presence_story_span(story, deaf);
    ngx_http_presence_story_add(story, ", which did not count");
}


/* the one whose beat came last, of those that there are, or of all */

static const ngx_http_presence_trace_session_t *
ngx_http_presence_story_last_session(ngx_http_presence_story_t *story)
{
    ngx_uint_t                                i, there;
    const ngx_http_presence_trace_session_t  *session, *last;

    last = NULL;
    there = (story->trace->status != NGX_HTTP_PRESENCE_OFFLINE);

    for (i = 0; i < story->trace->nsessions; i++) {
        session = &story->trace->sessions[i];

        if (session->nbeats == 0 || (there && session->len == 0)) {
            continue;
        }

        if (last == NULL || session->beats[0].at > last->beats[0].at) {
            last = session;
        }
    }

    return last;
}


static const char *
ngx_http_presence_story_cause(ngx_uint_t cause)
{
    return (cause < NGX_HTTP_PRESENCE_NCAUSES)
           ? ngx_http_presence_cause_names[cause] : NULL;
}


static void
ngx_http_presence_story_add(ngx_http_presence_story_t *story,
    const char *format, ...)
{
    va_list                       args;
    ngx_http_presence_payload_t  *payload;

    payload = story->payload;

    if (ngx_http_presence_payload_reserve(payload,
                                          NGX_HTTP_PRESENCE_STORY_ITEM)
        != NGX_OK)
    {
        story->failed = 1;
        return;
    }

    va_start(args, format);
    payload->last = ngx_vslprintf(payload->last, payload->end, format, args);
    va_end(args);
}


static void
ngx_http_presence_story_string(ngx_http_presence_story_t *story,
    const u_char *data, size_t len)
{
    ngx_http_presence_payload_t  *payload;

    payload = story->payload;

    if (ngx_http_presence_payload_reserve(payload,
                                      ngx_http_presence_member_string_max(len))
        != NGX_OK)
    {
        story->failed = 1;
        return;
    }

    payload->last = ngx_http_presence_member_write_string(payload->last, data,
                                                          len);
}


/* local time, as in nginx' own log */

static void
ngx_http_presence_story_time(ngx_http_presence_story_t *story,
    ngx_http_presence_ms_t at)
{
    ngx_tm_t  tm;

    ngx_localtime((time_t) (at / 1000), &tm);

    if (story->trace->now - at > NGX_HTTP_PRESENCE_STORY_DAY) {
        ngx_http_presence_story_add(story, "%4d-%02d-%02d ", tm.ngx_tm_year,
                                    tm.ngx_tm_mon, tm.ngx_tm_mday);
    }

    ngx_http_presence_story_add(story, "%02d:%02d:%02d", tm.ngx_tm_hour,
                                tm.ngx_tm_min, tm.ngx_tm_sec);
}


static void
ngx_http_presence_story_span(ngx_http_presence_story_t *story,
    ngx_http_presence_ms_t ms)
{
    if (ms < 1000) {
        ngx_http_presence_story_add(story, "%L ms", ngx_max(ms, 0));

    } else if (ms < 10000) {
        ngx_http_presence_story_add(story, "%L.%L s", ms / 1000,
                                    ms % 1000 / 100);

    } else if (ms < 600000) {
        ngx_http_presence_story_add(story, "%L s", (ms + 500) / 1000);

    } else if (ms < 36000000) {
        ngx_http_presence_story_add(story, "%L min", (ms + 30000) / 60000);

    } else {
        ngx_http_presence_story_add(story, "%L h", (ms + 1800000) / 3600000);
    }
}
