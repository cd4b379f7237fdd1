#include "ngx_http_presence_story.h"
#include "ngx_http_presence_problem.h"
#include "ngx_http_presence_stream.h"
#include "ngx_http_presence_verdict.h"


typedef struct {
    ngx_http_presence_writer_t          w;
    ngx_http_presence_zone_t           *zone;
    const ngx_str_t                    *user;
    const ngx_http_presence_trace_t    *trace;
    size_t                              verdict;    /* where JSON has it */
    size_t                              rest;       /* and what follows */
} ngx_http_presence_story_t;


static ngx_int_t ngx_http_presence_story_user(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_str_t *user, ngx_int_t *rc);
static ngx_int_t ngx_http_presence_story_wants_text(ngx_http_request_t *r,
    ngx_uint_t *text, ngx_int_t *rc);
static ngx_int_t ngx_http_presence_story_follow(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_str_t *user);
static void ngx_http_presence_story_read(ngx_http_presence_story_t *story,
    ngx_http_presence_zone_t *zone, const ngx_str_t *user);

static void ngx_http_presence_story_json(ngx_http_presence_story_t *story);
static void ngx_http_presence_story_json_changes(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace);
static void ngx_http_presence_story_json_session(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_trace_session_t *session);
static void ngx_http_presence_story_json_beat(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_trace_beat_t *told);
static void ngx_http_presence_story_json_time(ngx_http_presence_writer_t *w,
    const char *name, ngx_http_presence_ms_t at);
static void ngx_http_presence_story_json_word(ngx_http_presence_writer_t *w,
    const char *name, const char *word);

static void ngx_http_presence_story_text(ngx_http_presence_story_t *story);
static void ngx_http_presence_story_text_session(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_trace_session_t *session);
static void ngx_http_presence_story_text_beat(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_trace_beat_t *told);

static const char *ngx_http_presence_story_cause(ngx_uint_t cause);


static const char *const  ngx_http_presence_story_kinds[] = {
    NULL, "beat", "overtaken", "leave", "elsewhere"
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

    if (ngx_http_presence_writer_begin(&story.w, r, ngx_pagesize) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_presence_story_read(&story, zone, &user);

    if (text) {
        ngx_http_presence_story_text(&story);

    } else {
        ngx_http_presence_story_json(&story);
    }

    return ngx_http_presence_writer_send(&story.w, r,
                                         text ? "text/plain; charset=utf-8"
                                              : "application/json");
}


ngx_http_presence_payload_t *
ngx_http_presence_story_next(ngx_http_presence_subscriber_t *sub)
{
    size_t                        start;
    uint32_t                      crc;
    ngx_http_presence_story_t     story;
    ngx_http_presence_payload_t  *payload;

    sub->state = 0;
    sub->behind = 0;

    payload = ngx_http_presence_payload_create(ngx_pagesize);
    if (payload == NULL) {
        return NULL;
    }

    payload->event = NGX_HTTP_PRESENCE_EVENT_TRACE;

    story.w.failed = 0;
    story.w.payload = payload;

    ngx_http_presence_story_read(&story, sub->hub->zone,
                                 &sub->audience->filter->users[0]);

    ngx_http_presence_writer_print(&story.w, "event: presence_trace\ndata: ");

    start = ngx_http_presence_payload_len(payload);

    ngx_http_presence_story_json(&story);
    ngx_http_presence_writer_print(&story.w, "\n\n");

    if (story.w.failed) {
        ngx_http_presence_payload_release(payload);
        return NULL;
    }

    /* but for the time of now, in the verdict and at the end, is it new? */

    ngx_crc32_init(crc);
    ngx_crc32_update(&crc, payload->start + start, story.verdict - start);
    ngx_crc32_update(&crc, payload->start + story.rest,
                     ngx_http_presence_payload_len(payload) - story.rest
                     - (sizeof("1790000000000}\n\n") - 1));
    ngx_crc32_final(crc);

    if (sub->walk == ((uint64_t) 1 << 32 | crc)) {
        payload->last = payload->start;
    }

    sub->walk = (uint64_t) 1 << 32 | crc;

    return payload;
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
ngx_http_presence_story_read(ngx_http_presence_story_t *story,
    ngx_http_presence_zone_t *zone, const ngx_str_t *user)
{
    ngx_http_presence_trace_read(zone, user, &ngx_http_presence_story_trace);

    story->trace = &ngx_http_presence_story_trace;
    story->zone = zone;
    story->user = user;
}


static void
ngx_http_presence_story_json(ngx_http_presence_story_t *story)
{
    ngx_uint_t                         i;
    ngx_http_presence_writer_t        *w;
    const ngx_http_presence_trace_t   *trace;
    const ngx_http_presence_policy_t  *policy;

    w = &story->w;
    trace = story->trace;
    policy = &story->zone->policy;

    ngx_http_presence_writer_print(w, "{\"user\":");
    ngx_http_presence_writer_string(w, story->user->data, story->user->len);

    ngx_http_presence_writer_print(w, ",\"known\":%s,\"status\":\"%s\"",
                        trace->known ? "true" : "false",
                        ngx_http_presence_status_names[trace->status]);

    ngx_http_presence_story_json_time(w, "since", trace->since);
    ngx_http_presence_story_json_word(w, "reason",
                              ngx_http_presence_reason_names[trace->reason]);
    ngx_http_presence_story_json_word(w, "cause",
                              ngx_http_presence_story_cause(trace->cause));
    ngx_http_presence_writer_print(w, ",\"missed\":%d", trace->missed);
    ngx_http_presence_story_json_time(w, "last_active",
                                      trace->last_active);
    ngx_http_presence_story_json_time(w, "last_seen", trace->last_sign);
    ngx_http_presence_story_json_time(w, "last_request", trace->request);

    ngx_http_presence_writer_print(w, ",\"verdict\":\"");

    story->verdict = ngx_http_presence_writer_len(w);

    ngx_http_presence_verdict_write(w, trace, policy);

    story->rest = ngx_http_presence_writer_len(w);

    ngx_http_presence_writer_print(w, "\",\"policy\":{\"interval_ms\":%L,"
                     "\"misses\":%uD,\"slack_ms\":%L,\"idle_ms\":%L,"
                     "\"leave_grace_ms\":%L,\"max_interval_ms\":%L,"
                     "\"trace\":%ui},\"deaf\":[",
                     policy->interval, policy->misses, policy->slack,
                     policy->idle, policy->leave_grace, policy->max_interval,
                     story->zone->trace);

    for (i = 0; i < trace->ndeaf; i++) {
        ngx_http_presence_writer_print(w, "%s{\"at\":%L,\"ms\":%L}",
                                       i ? "," : "", trace->deaf[i].at,
                                       trace->deaf[i].length);
    }

    ngx_http_presence_writer_print(w, "],\"redis\":");

    if (trace->redis.configured) {
        ngx_http_presence_writer_print(w, "{\"node\":\"%*s\",\"up\":%s,"
                                       "\"nodes\":%ui",
                                       trace->redis.self_len,
                                       trace->redis.self,
                                       trace->redis.up ? "true" : "false",
                                       trace->redis.nodes);
        ngx_http_presence_story_json_time(w, "since", trace->redis.since);
        ngx_http_presence_writer_print(w, "}");

    } else {
        ngx_http_presence_writer_print(w, "null");
    }

    ngx_http_presence_story_json_changes(w, trace);

    ngx_http_presence_writer_print(w, ",\"sessions\":[");

    for (i = 0; i < trace->nsessions; i++) {
        ngx_http_presence_writer_print(w, i ? "," : "");
        ngx_http_presence_story_json_session(w, trace, &trace->sessions[i]);
    }

    ngx_http_presence_writer_print(w, "],\"server_time\":%L}", trace->now);
}


static void
ngx_http_presence_story_json_changes(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace)
{
    ngx_uint_t                               i;
    const ngx_http_presence_trace_change_t  *change;

    ngx_http_presence_writer_print(w, ",\"changes\":[");

    for (i = 0; i < trace->nchanges; i++) {
        change = &trace->changes[i];

        ngx_http_presence_writer_print(w, "%s{\"at\":%L,\"status\":\"%s\"",
                     i ? "," : "", change->at,
                     ngx_http_presence_status_names[change->change.status]);

        ngx_http_presence_story_json_word(w, "reason",
                     ngx_http_presence_reason_names[change->change.reason]);
        ngx_http_presence_story_json_word(w, "cause",
                     ngx_http_presence_story_cause(change->change.cause));

        ngx_http_presence_writer_print(w, "}");
    }

    ngx_http_presence_writer_print(w, "]");
}


static void
ngx_http_presence_story_json_session(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_trace_session_t *session)
{
    ngx_uint_t  i;

    ngx_http_presence_writer_print(w, "{\"key\":\"%08xD\",\"session\":",
                                   session->key);

    if (session->len) {
        ngx_http_presence_writer_string(w, session->id, session->len);
        ngx_http_presence_story_json_time(w, "last_seen", session->sign);
        ngx_http_presence_story_json_time(w, "deadline",
                                          session->deadline);

        if (session->node_len) {
            ngx_http_presence_writer_print(w, ",\"node\":\"%*s\"",
                                           session->node_len, session->node);
        } else {
            ngx_http_presence_story_json_word(w, "node", session->elsewhere
                                                         ? "" : NULL);
        }

        ngx_http_presence_writer_print(w, ",\"leaving\":%s,\"missed\":%uD,"
                                       "\"step_ms\":%uD",
                                       session->leaving ? "true" : "false",
                                       session->missed, session->step);
    } else {
        ngx_http_presence_writer_print(w, "null");
    }

    ngx_http_presence_writer_print(w, ",\"beats\":[");

    for (i = 0; i < session->nbeats; i++) {
        ngx_http_presence_writer_print(w, i ? "," : "");
        ngx_http_presence_story_json_beat(w, trace, &session->beats[i]);
    }

    ngx_http_presence_writer_print(w, "]}");
}


static void
ngx_http_presence_story_json_beat(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_trace_beat_t *told)
{
    const ngx_http_presence_beat_record_t  *beat;

    beat = &told->beat;

    ngx_http_presence_writer_print(w, "{\"at\":%L,\"gap_ms\":%L,"
                                   "\"kind\":\"%s\",", told->at, beat->gap,
                                   ngx_http_presence_story_kinds[beat->kind]);

    if (beat->kind == NGX_HTTP_PRESENCE_RECORD_ELSEWHERE) {
        ngx_http_presence_writer_print(w, "\"node\":\"%*s\",\"due_ms\":%L}",
                                       trace->names_len[beat->node],
                                       trace->names[beat->node], beat->due);
        return;
    }

    ngx_http_presence_writer_print(w, "\"visible\":%s,\"due_ms\":%L,"
                                   "\"rtt_ms\":",
                                   beat->hidden ? "false" : "true", beat->due);

    ngx_http_presence_writer_print(w, beat->rtt < 0 ? "null" : "%L",
                                   beat->rtt);

    ngx_http_presence_writer_print(w, ",\"hole\":%d,\"failed\":%d",
                                   beat->hole, beat->failed);

    ngx_http_presence_story_json_word(w, "error",
               beat->error < NGX_HTTP_PRESENCE_NERRORS
               ? ngx_http_presence_error_names[beat->error] : NULL);
    ngx_http_presence_story_json_word(w, "fired",
               beat->fired < NGX_HTTP_PRESENCE_NFIRED
               ? ngx_http_presence_fired_names[beat->fired] : NULL);
    ngx_http_presence_story_json_word(w, "cause",
               ngx_http_presence_story_cause(beat->cause));

    ngx_http_presence_writer_print(w, "}");
}


static void
ngx_http_presence_story_json_time(ngx_http_presence_writer_t *w,
    const char *name, ngx_http_presence_ms_t at)
{
    if (at) {
        ngx_http_presence_writer_print(w, ",\"%s\":%L", name, at);

    } else {
        ngx_http_presence_writer_print(w, ",\"%s\":null", name);
    }
}


static void
ngx_http_presence_story_json_word(ngx_http_presence_writer_t *w,
    const char *name, const char *word)
{
    if (word) {
        ngx_http_presence_writer_print(w, ",\"%s\":\"%s\"", name, word);

    } else {
        ngx_http_presence_writer_print(w, ",\"%s\":null", name);
    }
}


static void
ngx_http_presence_story_text(ngx_http_presence_story_t *story)
{
    ngx_uint_t                               i;
    const char                              *reason, *cause;
    ngx_http_presence_writer_t              *w;
    const ngx_http_presence_trace_t         *trace;
    const ngx_http_presence_trace_change_t  *change;

    w = &story->w;
    trace = story->trace;

    ngx_http_presence_writer_string(w, story->user->data, story->user->len);
    ngx_http_presence_writer_print(w, " ");
    ngx_http_presence_verdict_write(w, trace, &story->zone->policy);
    ngx_http_presence_writer_print(w, "\n");

    if (trace->redis.nodes > 1) {
        ngx_http_presence_writer_print(w, "\nbeats are those that came to "
                                       "node %*s, one of %ui, and of others "
                                       "what it was told of\n",
                                       trace->redis.self_len,
                                       trace->redis.self, trace->redis.nodes);
    }

    if (trace->nchanges) {
        ngx_http_presence_writer_print(w, "\nchanges, the newest first\n");
    }

    for (i = 0; i < trace->nchanges; i++) {
        change = &trace->changes[i];

        reason = ngx_http_presence_reason_names[change->change.reason];
        cause = ngx_http_presence_story_cause(change->change.cause);

        ngx_http_presence_writer_print(w, "  ");
        ngx_http_presence_writer_time(w, change->at, trace->now);
        ngx_http_presence_writer_print(w, "  %s (%s)%s%s\n",
                      ngx_http_presence_status_names[change->change.status],
                      reason ? reason : "-", cause ? ", cause: " : "",
                      cause ? cause : "");
    }

    for (i = 0; i < trace->nsessions; i++) {
        ngx_http_presence_story_text_session(w, trace, &trace->sessions[i]);
    }

    for (i = 0; i < trace->ndeaf; i++) {

        if (i == 0) {
            ngx_http_presence_writer_print(w,
                                           "\nthe server could not hear\n");
        }

        ngx_http_presence_writer_print(w, "  ");
        ngx_http_presence_writer_time(w, trace->deaf[i].at, trace->now);
        ngx_http_presence_writer_print(w, "  for ");
        ngx_http_presence_writer_span(w, trace->deaf[i].length);
        ngx_http_presence_writer_print(w, "\n");
    }
}


static void
ngx_http_presence_story_text_session(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_trace_session_t *session)
{
    ngx_uint_t  i;

    if (session->len) {
        ngx_http_presence_writer_print(w, "\nsession ");
        ngx_http_presence_writer_string(w, session->id, session->len);
        ngx_http_presence_writer_print(w, "%s, %uD missed, ",
                                    session->leaving ? ", leaving" : "",
                                    session->missed);

        if (session->elsewhere) {
            ngx_http_presence_writer_print(w, "heard by %s%*s now",
                                           session->node_len ? "node "
                                                             : "another node",
                                           session->node_len, session->node);
        } else {
            ngx_http_presence_writer_print(w, "silence ends it at ");
            ngx_http_presence_writer_time(w, session->deadline, trace->now);
        }

    } else {
        ngx_http_presence_writer_print(w, "\nsession #%08xD, ended",
                                       session->key);
    }

    ngx_http_presence_writer_print(w, "\n");

    for (i = 0; i < session->nbeats; i++) {
        ngx_http_presence_story_text_beat(w, trace, &session->beats[i]);
    }
}


static void
ngx_http_presence_story_text_beat(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_trace_beat_t *told)
{
    const char                             *cause;
    const ngx_http_presence_beat_record_t  *beat;

    beat = &told->beat;

    ngx_http_presence_writer_print(w, "  ");
    ngx_http_presence_writer_time(w, told->at, trace->now);
    ngx_http_presence_writer_print(w, "  %s",
                                   ngx_http_presence_story_kinds[beat->kind]);

    if (beat->kind == NGX_HTTP_PRESENCE_RECORD_ELSEWHERE) {
        ngx_http_presence_writer_print(w, ", at %s%*s",
                                       trace->names_len[beat->node]
                                       ? "node " : "another node",
                                       trace->names_len[beat->node],
                                       trace->names[beat->node]);
    }

    if (beat->gap) {
        ngx_http_presence_writer_print(w, " after ");
        ngx_http_presence_writer_span(w, beat->gap);
    }

    cause = ngx_http_presence_story_cause(beat->cause);

    if (cause) {
        ngx_http_presence_writer_print(w, ", LATE: %s", cause);
    }

    if (beat->fired && beat->fired < NGX_HTTP_PRESENCE_NFIRED) {
        ngx_http_presence_writer_print(w, ", by %s",
                                   ngx_http_presence_fired_names[beat->fired]);
    }

    ngx_http_presence_writer_print(w, beat->hidden ? ", hidden, next in "
                                                    : ", next in ");
    ngx_http_presence_writer_span(w, beat->due);

    if (beat->hole) {
        ngx_http_presence_writer_print(w, ", %d%s before it did not come",
                                       beat->hole,
                                       ngx_http_presence_verdict_more(
                                                                beat->hole));
    }

    if (beat->failed) {
        ngx_http_presence_writer_print(w, ", %d%s failed", beat->failed,
                                       ngx_http_presence_verdict_more(
                                                              beat->failed));

        if (beat->error && beat->error < NGX_HTTP_PRESENCE_NERRORS) {
            ngx_http_presence_writer_print(w, " (%s)",
                                   ngx_http_presence_error_names[beat->error]);
        }
    }

    if (beat->rtt >= 0) {
        ngx_http_presence_writer_print(w, ", round trip ");
        ngx_http_presence_writer_span(w, beat->rtt);
    }

    ngx_http_presence_writer_print(w, "\n");
}


static const char *
ngx_http_presence_story_cause(ngx_uint_t cause)
{
    return (cause < NGX_HTTP_PRESENCE_NCAUSES)
           ? ngx_http_presence_cause_names[cause] : NULL;
}
