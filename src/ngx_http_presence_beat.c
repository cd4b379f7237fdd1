#include "ngx_http_presence_beat.h"
#include "ngx_http_presence_access.h"
#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_json.h"
#include "ngx_http_presence_member.h"
#include "ngx_http_presence_problem.h"
#include "ngx_http_presence_redis_doubts.h"
#include "ngx_http_presence_tracker.h"


static ngx_int_t ngx_http_presence_beat_reject(ngx_http_presence_zone_t *zone,
    ngx_int_t rc);
static ngx_uint_t ngx_http_presence_beat_is_sendable(ngx_http_request_t *r);
static void ngx_http_presence_beat_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_presence_beat_apply(ngx_http_request_t *r,
    ngx_http_presence_context_t *ctx);
static ngx_int_t ngx_http_presence_beat_body(ngx_http_request_t *r,
    ngx_str_t *body);
static ngx_int_t ngx_http_presence_beat_reply(ngx_http_request_t *r,
    ngx_http_presence_context_t *ctx,
    const ngx_http_presence_report_t *report,
    const ngx_http_presence_answer_t *answer, ngx_http_presence_ms_t wall);
static u_char *ngx_http_presence_beat_status(u_char *p,
    ngx_http_presence_status_e status);
static ngx_int_t ngx_http_presence_beat_reply_minimal(ngx_http_request_t *r);


/* ngx_sprintf() takes its format letter by letter: too slow for each beat */
#define ngx_http_presence_beat_copy(p, text)                                  \
    ngx_cpymem(p, text, sizeof(text) - 1)


/* what navigator.sendBeacon() and fetch() can send without a preflight, and
 * what a client should send */

static ngx_str_t  ngx_http_presence_beat_types[] = {
    ngx_string("application/json"),
    ngx_string("text/plain"),
    ngx_string("application/x-www-form-urlencoded"),
    ngx_string("multipart/form-data"),
    ngx_null_string
};


ngx_int_t
ngx_http_presence_beat_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone)
{
    ngx_int_t                     rc;
    ngx_http_presence_context_t  *ctx;

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_presence_beat_reject(zone,
                                 ngx_http_presence_problem_method(r, "POST"));
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_presence_context_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->zone = zone;
    ctx->seq = -1;

    if (ngx_http_presence_access_identify(r, zone, &ctx->identity, &rc)
        != NGX_OK)
    {
        return ngx_http_presence_beat_reject(zone, rc);
    }

    ctx->raised = ngx_http_presence_journal_raises(r, &ctx->identity.user);

    ngx_http_presence_journal_stage(r, ctx, "received", " length=%O",
                                    r->headers_in.content_length_n);
    ngx_http_presence_journal_stage(r, ctx, "identified", " groups=%ui",
                                    ctx->identity.ngroups);

    if (!ngx_http_presence_beat_is_sendable(r)) {
        return ngx_http_presence_beat_reject(zone,
                   ngx_http_presence_problem(r,
                                    NGX_HTTP_PRESENCE_UNSUPPORTED_MEDIA_TYPE,
                                    "send the body as application/json"));
    }

    if (r->headers_in.content_length_n > NGX_HTTP_PRESENCE_BEAT_MAX_BODY) {
        return ngx_http_presence_beat_reject(zone,
                   ngx_http_presence_problem(r,
                                    NGX_HTTP_PRESENCE_BODY_TOO_LARGE,
                                    "a beat has at most 4096 bytes"));
    }

    ngx_http_set_ctx(r, ctx, ngx_http_presence_module);

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r,
                                          ngx_http_presence_beat_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


/* counts it, and passes on what its problem was answered with */

static ngx_int_t
ngx_http_presence_beat_reject(ngx_http_presence_zone_t *zone, ngx_int_t rc)
{
    zone->traffic.rejected++;
    zone->counted = 1;

    return rc;
}


static ngx_uint_t
ngx_http_presence_beat_is_sendable(ngx_http_request_t *r)
{
    u_char     *p, *end;
    ngx_str_t  *type, value;

    if (r->headers_in.content_type == NULL) {
        return 1;
    }

    value = r->headers_in.content_type->value;

    p = value.data;
    end = p + value.len;

    while (p < end && *p != ';' && *p != ' ') {
        p++;
    }

    value.len = p - value.data;

    if (value.len == 0) {
        return 1;
    }

    for (type = ngx_http_presence_beat_types; type->len; type++) {

        if (type->len == value.len
            && ngx_strncasecmp(type->data, value.data, value.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_presence_beat_body_handler(ngx_http_request_t *r)
{
    ngx_http_presence_context_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_presence_module);

    ngx_http_finalize_request(r, ngx_http_presence_beat_apply(r, ctx));
}


static ngx_int_t
ngx_http_presence_beat_apply(ngx_http_request_t *r,
    ngx_http_presence_context_t *ctx)
{
    ngx_int_t                    rc;
    ngx_str_t                    body, name;
    ngx_uint_t                   field;
    const char                  *detail;
    ngx_http_presence_ms_t       now, wall;
    ngx_http_presence_zone_t    *zone;
    ngx_http_presence_answer_t  *answer;
    ngx_http_presence_report_t   report;

    zone = ctx->zone;
    answer = &ctx->answer;

    rc = ngx_http_presence_beat_body(r, &body);

    if (rc == NGX_DECLINED) {
        return ngx_http_presence_beat_reject(zone,
                   ngx_http_presence_problem(r,
                                    NGX_HTTP_PRESENCE_BODY_TOO_LARGE,
                                    "a beat has at most 4096 bytes"));
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_presence_json_read_beat(r->pool, body.data, body.len,
                                         &zone->limits, &report, &detail,
                                         &field)
        != NGX_OK)
    {
        return ngx_http_presence_beat_reject(zone,
                   ngx_http_presence_problem(r,
                                    field ? NGX_HTTP_PRESENCE_INVALID_FIELD
                                          : NGX_HTTP_PRESENCE_INVALID_JSON,
                                    detail));
    }

    ctx->session = report.session;
    ctx->seq = report.beat.seq;
    report.raised = ctx->raised;

    ngx_http_presence_journal_stage(r, ctx, "parsed", " visible=%d leave=%d "
                                    "logout=%d next=%L", !report.beat.hidden,
                                    report.leave, report.logout,
                                    report.beat.next);

    ngx_http_presence_journal_of(zone, r);

    now = ngx_http_presence_zone_lock(zone);
    wall = ngx_http_presence_zone_wall(zone, now);

    rc = ngx_http_presence_tracker_beat_locked(zone, &ctx->identity, &report,
                                              now, answer);

    ngx_http_presence_counters_beat(&zone->sh->counters,
                                    (rc == NGX_BUSY)
                                    ? NGX_HTTP_PRESENCE_BEAT_FULL
                                    : answer->result);

    ngx_http_presence_zone_unlock(zone);

    ctx->applied = 1;

    if (answer->arrival.asked) {
        ngx_http_presence_redis_doubts_put(r, ctx, &report, wall);
        ngx_http_presence_arrival_clear(&answer->arrival);
    }

    ngx_http_presence_journal_stage(r, ctx, "applied", " rc=%i gap=%L "
                                    "missed=%uD", rc, answer->arrival.gap,
                                    answer->arrival.missed);

    if (answer->redis) {
        ngx_http_presence_journal_stage(r, ctx, "queued", " redis=%s",
                                        answer->redis);
    }

    if (answer->arrival.diagnosis.late) {
        ngx_http_presence_journal_name(r, ctx->raised, &name);
        ngx_http_presence_journal_late(r->connection->log, zone,
                                       &ctx->identity.user, &report,
                                       &answer->arrival, &name);
    }

    if (rc == NGX_BUSY) {
        return ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_ZONE_FULL,
                                         "there is no room in the zone for "
                                         "this session or what it brings");
    }

    rc = ngx_http_presence_beat_reply(r, ctx, &report, answer, wall);

    ngx_http_presence_journal_stage(r, ctx, "answered", " status=%s "
                        "deadline=%L",
                        ngx_http_presence_status_names[answer->status],
                        answer->deadline);

    return rc;
}


/* NGX_DECLINED: it is too large */

static ngx_int_t
ngx_http_presence_beat_body(ngx_http_request_t *r, ngx_str_t *body)
{
    u_char                   *p;
    size_t                    len;
    ngx_chain_t              *cl;
    ngx_http_request_body_t  *rb;

    rb = r->request_body;

    ngx_str_null(body);

    if (rb == NULL || rb->bufs == NULL) {
        return NGX_OK;
    }

    if (rb->temp_file) {
        return NGX_DECLINED;
    }

    len = 0;

    for (cl = rb->bufs; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    if (len > NGX_HTTP_PRESENCE_BEAT_MAX_BODY) {
        return NGX_DECLINED;
    }

    body->len = len;
    body->data = rb->bufs->buf->pos;

    if (rb->bufs->next == NULL) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;

    for (cl = rb->bufs; cl; cl = cl->next) {
        p = ngx_cpymem(p, cl->buf->pos, ngx_buf_size(cl->buf));
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_beat_reply(ngx_http_request_t *r,
    ngx_http_presence_context_t *ctx,
    const ngx_http_presence_report_t *report,
    const ngx_http_presence_answer_t *answer, ngx_http_presence_ms_t wall)
{
    u_char                      *p, *json;
    size_t                       size;
    ngx_str_t                   *prefer;
    ngx_http_presence_policy_t  *policy;

    prefer = ngx_http_presence_find_header(r, "prefer");

    if (prefer
        && ngx_strlcasestrn(prefer->data, prefer->data + prefer->len,
                            (u_char *) "return=minimal",
                            sizeof("return=minimal") - 2))
    {
        return ngx_http_presence_beat_reply_minimal(r);
    }

    policy = &ctx->zone->policy;

    size = sizeof("{\"user\":,\"session\":\"\",\"status\":\"invisible\","
                  "\"manual\":\"invisible\",\"until\":,\"interval_ms\":,"
                  "\"max_interval_ms\":,\"idle_ms\":,\"deadline_ms\":,"
                  "\"server_time\":,\"seq\":,\"recovered\":"
                  "{\"reason\":\"recovered\",\"at\":}}")
           + 8 * NGX_INT64_LEN
           + ngx_http_presence_member_string_max(ctx->identity.user.len)
           + report->session.len;

    json = ngx_pnalloc(r->pool, size);
    if (json == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_http_presence_beat_copy(json, "{\"user\":");
    p = ngx_http_presence_member_write_string(p, ctx->identity.user.data,
                                              ctx->identity.user.len);

    /* of the limited alphabet that the body's reader lets through */

    p = ngx_http_presence_beat_copy(p, ",\"session\":\"");
    p = ngx_cpymem(p, report->session.data, report->session.len);

    p = ngx_http_presence_beat_copy(p, "\",\"status\":");
    p = ngx_http_presence_beat_status(p, answer->status);

    p = ngx_http_presence_beat_copy(p, ",\"manual\":");
    p = (answer->manual == NGX_HTTP_PRESENCE_OFFLINE)
        ? ngx_http_presence_beat_copy(p, "null")
        : ngx_http_presence_beat_status(p, answer->manual);

    p = ngx_http_presence_beat_copy(p, ",\"until\":");
    p = (answer->until == 0)
        ? ngx_http_presence_beat_copy(p, "null")
        : ngx_sprintf(p, "%L", answer->until);

    p = ngx_http_presence_beat_copy(p, ",\"interval_ms\":");
    p = ngx_sprintf(p, "%L", policy->interval);

    p = ngx_http_presence_beat_copy(p, ",\"max_interval_ms\":");
    p = ngx_sprintf(p, "%L", policy->max_interval);

    p = ngx_http_presence_beat_copy(p, ",\"idle_ms\":");
    p = ngx_sprintf(p, "%L", policy->idle);

    p = ngx_http_presence_beat_copy(p, ",\"deadline_ms\":");
    p = ngx_sprintf(p, "%L", answer->deadline);

    p = ngx_http_presence_beat_copy(p, ",\"server_time\":");
    p = ngx_sprintf(p, "%L", wall);

    p = ngx_http_presence_beat_copy(p, ",\"seq\":");
    p = (report->beat.seq < 0)
        ? ngx_http_presence_beat_copy(p, "null")
        : ngx_sprintf(p, "%L", report->beat.seq);

    p = ngx_http_presence_beat_copy(p, ",\"recovered\":");

    if (answer->recovered == NGX_HTTP_PRESENCE_UNSEEN) {
        p = ngx_http_presence_beat_copy(p, "null}");

    } else {
        p = ngx_sprintf(p, "{\"reason\":\"%s\",\"at\":",
                        ngx_http_presence_reason_names[answer->recovered]);

        p = (answer->recovered_at == 0)
            ? ngx_http_presence_beat_copy(p, "null}}")
            : ngx_sprintf(p, "%L}}", answer->recovered_at);
    }

    return ngx_http_presence_send_json(r, json, p - json);
}


static u_char *
ngx_http_presence_beat_status(u_char *p, ngx_http_presence_status_e status)
{
    const char  *name;

    name = ngx_http_presence_status_names[status];

    *p++ = '"';
    p = ngx_cpymem(p, name, ngx_strlen(name));
    *p++ = '"';

    return p;
}


static ngx_int_t
ngx_http_presence_beat_reply_minimal(ngx_http_request_t *r)
{
    r->headers_out.status = NGX_HTTP_NO_CONTENT;

    if (ngx_http_presence_add_header(r, "Preference-Applied",
                                     "return=minimal")
        != NGX_OK
        || ngx_http_presence_add_header(r, "Cache-Control", "no-store")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_send_header(r);
}
