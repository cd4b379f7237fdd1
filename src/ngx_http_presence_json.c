#include <cjson/cJSON.h>

#include "ngx_http_presence_json.h"
#include "ngx_http_presence_access.h"


#define NGX_HTTP_PRESENCE_JSON_MAX_INTEGER  9007199254740991.0  /* 2^53 - 1 */
#define NGX_HTTP_PRESENCE_JSON_MAX_DOC      64

/* an age or an interval of more is as good as this one */
#define NGX_HTTP_PRESENCE_JSON_MAX_MS       31536000000.0       /* a year */


typedef struct {
    ngx_pool_t                        *pool;
    const ngx_http_presence_limits_t  *limits;
    ngx_http_presence_report_t        *report;
} ngx_http_presence_json_ctx_t;


typedef struct {
    const char   *name;
    ngx_int_t   (*read)(ngx_http_presence_json_ctx_t *ctx, const cJSON *item);
    const char   *detail;
} ngx_http_presence_json_member_t;


static ngx_int_t ngx_http_presence_json_session(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item);
static ngx_int_t ngx_http_presence_json_doc(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item);
static ngx_int_t ngx_http_presence_json_seq(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item);
static ngx_int_t ngx_http_presence_json_visible(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item);
static ngx_int_t ngx_http_presence_json_active(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item);
static ngx_int_t ngx_http_presence_json_next(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item);
static ngx_int_t ngx_http_presence_json_status(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item);
static ngx_int_t ngx_http_presence_json_until(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item);
static ngx_int_t ngx_http_presence_json_text(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item);
static ngx_int_t ngx_http_presence_json_meta(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item);
static ngx_int_t ngx_http_presence_json_leave(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item);
static ngx_int_t ngx_http_presence_json_logout(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item);
static ngx_int_t ngx_http_presence_json_diag(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item);
static void ngx_http_presence_json_error(ngx_http_presence_diag_t *diag,
    const cJSON *item);
static void ngx_http_presence_json_ms(const cJSON *diag, const char *name,
    ngx_http_presence_ms_t *value);
static ngx_int_t ngx_http_presence_json_number(const cJSON *item, double max,
    int64_t *value);
static ngx_int_t ngx_http_presence_json_string(
    ngx_http_presence_json_ctx_t *ctx, const char *data, size_t len,
    ngx_str_t *value);
static ngx_uint_t ngx_http_presence_json_is_sound(u_char *p, size_t len);


#define ngx_http_presence_json_integer                                        \
    "an integer from 0 to 9007199254740991"

static const ngx_http_presence_json_member_t
ngx_http_presence_json_members[] = {

    { "session", ngx_http_presence_json_session,
      "\"session\" must be a string of letters, digits and \"._~:-\", not "
      "empty and not longer than \"max_session_length\"" },
    { "doc", ngx_http_presence_json_doc,
      "\"doc\" must be a string of at most 64 bytes" },
    { "seq", ngx_http_presence_json_seq,
      "\"seq\" must be " ngx_http_presence_json_integer },
    { "visible", ngx_http_presence_json_visible,
      "\"visible\" must be true or false" },
    { "active_ms_ago", ngx_http_presence_json_active,
      "\"active_ms_ago\" must be " ngx_http_presence_json_integer },
    { "next_ms", ngx_http_presence_json_next,
      "\"next_ms\" must be " ngx_http_presence_json_integer },
    { "status", ngx_http_presence_json_status,
      "\"status\" must be online, busy, dnd, away or invisible" },
    { "until", ngx_http_presence_json_until,
      "\"until\" must be null or " ngx_http_presence_json_integer },
    { "text", ngx_http_presence_json_text,
      "\"text\" must be null or a string of at most \"max_text_length\" "
      "bytes" },
    { "meta", ngx_http_presence_json_meta,
      "\"meta\" must be null or an object of at most \"max_meta_length\" "
      "bytes" },
    { "leave", ngx_http_presence_json_leave,
      "\"leave\" must be true or false" },
    { "logout", ngx_http_presence_json_logout,
      "\"logout\" must be true or false" },
    { "diag", ngx_http_presence_json_diag,
      "\"diag\" must be an object" },

    { NULL, NULL, NULL }
};


ngx_int_t
ngx_http_presence_json_read_beat(ngx_pool_t *pool, u_char *body, size_t len,
    const ngx_http_presence_limits_t *limits,
    ngx_http_presence_report_t *report, const char **detail,
    ngx_uint_t *field)
{
    cJSON                                  *root, *item;
    const char                             *end;
    ngx_int_t                               rc;
    ngx_http_presence_json_ctx_t            ctx;
    const ngx_http_presence_json_member_t  *member;

    ngx_memzero(report, sizeof(ngx_http_presence_report_t));

    report->beat.seq = -1;
    report->beat.active_ago = -1;
    report->beat.next = -1;
    report->diag.since = -1;
    report->diag.rtt = -1;
    report->status = NGX_HTTP_PRESENCE_NSTATUSES;

    *field = 0;

    if (!ngx_http_presence_json_is_sound(body, len)) {
        *detail = "the body is not UTF-8, or has \\u0000 in it";
        return NGX_ERROR;
    }

    root = cJSON_ParseWithLengthOpts((const char *) body, len, &end, 0);

    while (root && (size_t) ((u_char *) end - body) < len
           && (*end == ' ' || *end == '\t' || *end == CR || *end == LF))
    {
        end++;
    }

    if (!cJSON_IsObject(root) || (size_t) ((u_char *) end - body) != len) {
        cJSON_Delete(root);
        *detail = "the body is not one JSON object";
        return NGX_ERROR;
    }

    ctx.pool = pool;
    ctx.limits = limits;
    ctx.report = report;

    rc = NGX_OK;
    *field = 1;

    cJSON_ArrayForEach(item, root) {

        for (member = ngx_http_presence_json_members; member->name; member++) {

            if (ngx_strcmp(item->string, member->name) != 0) {
                continue;
            }

            if (member->read(&ctx, item) != NGX_OK) {
                *detail = member->detail;
                rc = NGX_ERROR;
                goto done;
            }

            break;
        }
    }

    if (report->session.len == 0) {
        *detail = "\"session\" is missing";
        rc = NGX_ERROR;
    }

done:

    cJSON_Delete(root);

    return rc;
}


static ngx_int_t
ngx_http_presence_json_session(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    size_t       len;
    const char  *p;

    if (!cJSON_IsString(item)) {
        return NGX_ERROR;
    }

    for (p = item->valuestring; *p; p++) {

        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
            || (*p >= '0' && *p <= '9') || *p == '.' || *p == '_'
            || *p == '~' || *p == ':' || *p == '-')
        {
            continue;
        }

        return NGX_ERROR;
    }

    len = p - item->valuestring;

    if (len == 0 || len > ctx->limits->max_session) {
        return NGX_ERROR;
    }

    return ngx_http_presence_json_string(ctx, item->valuestring, len,
                                         &ctx->report->session);
}


static ngx_int_t
ngx_http_presence_json_doc(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    size_t    len;
    uint32_t  hash;

    if (!cJSON_IsString(item)) {
        return NGX_ERROR;
    }

    len = ngx_strlen(item->valuestring);

    if (len > NGX_HTTP_PRESENCE_JSON_MAX_DOC) {
        return NGX_ERROR;
    }

    /* 0 stands for none */

    hash = len ? ngx_murmur_hash2((u_char *) item->valuestring, len) : 0;
    ctx->report->beat.doc = (len && hash == 0) ? 1 : hash;

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_json_seq(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    return ngx_http_presence_json_number(item,
                                         NGX_HTTP_PRESENCE_JSON_MAX_INTEGER,
                                         &ctx->report->beat.seq);
}


static ngx_int_t
ngx_http_presence_json_visible(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    ctx->report->beat.hidden = cJSON_IsFalse(item);

    return cJSON_IsBool(item) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_presence_json_active(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    return ngx_http_presence_json_number(item, NGX_HTTP_PRESENCE_JSON_MAX_MS,
                                         &ctx->report->beat.active_ago);
}


static ngx_int_t
ngx_http_presence_json_next(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    return ngx_http_presence_json_number(item, NGX_HTTP_PRESENCE_JSON_MAX_MS,
                                         &ctx->report->beat.next);
}


static ngx_int_t
ngx_http_presence_json_status(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    ngx_uint_t  i;

    if (!cJSON_IsString(item)) {
        return NGX_ERROR;
    }

    for (i = NGX_HTTP_PRESENCE_ONLINE; i < NGX_HTTP_PRESENCE_NSTATUSES; i++) {

        if (ngx_strcmp(item->valuestring, ngx_http_presence_status_names[i])
            == 0)
        {
            ctx->report->status = (uint8_t) i;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_presence_json_until(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    if (cJSON_IsNull(item)) {
        return NGX_OK;
    }

    if (ngx_http_presence_json_number(item, NGX_HTTP_PRESENCE_JSON_MAX_INTEGER,
                                      &ctx->report->until)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* 0 stands for no end: it is as long past as 1 is */

    ctx->report->until = ngx_max(ctx->report->until, 1);

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_json_text(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    size_t  len;

    if (cJSON_IsNull(item)) {
        return ngx_http_presence_json_string(ctx, "", 0, &ctx->report->text);
    }

    if (!cJSON_IsString(item)) {
        return NGX_ERROR;
    }

    len = ngx_strlen(item->valuestring);

    if (len > ctx->limits->max_text) {
        return NGX_ERROR;
    }

    return ngx_http_presence_json_string(ctx, item->valuestring, len,
                                         &ctx->report->text);
}


static ngx_int_t
ngx_http_presence_json_meta(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    char       *text;
    size_t      len;
    ngx_int_t   rc;

    if (cJSON_IsNull(item)) {
        return ngx_http_presence_json_string(ctx, "", 0, &ctx->report->meta);
    }

    if (!cJSON_IsObject(item)) {
        return NGX_ERROR;
    }

    text = cJSON_PrintUnformatted(item);
    if (text == NULL) {
        return NGX_ERROR;
    }

    len = ngx_strlen(text);

    rc = (len > ctx->limits->max_meta)
         ? NGX_ERROR
         : ngx_http_presence_json_string(ctx, text, len, &ctx->report->meta);

    cJSON_free(text);

    return rc;
}


static ngx_int_t
ngx_http_presence_json_leave(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    ctx->report->leave = cJSON_IsTrue(item);

    return cJSON_IsBool(item) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_presence_json_logout(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    ctx->report->logout = cJSON_IsTrue(item);

    return cJSON_IsBool(item) ? NGX_OK : NGX_ERROR;
}


/*
 * Evidence, and never a reason to refuse a beat: of its members a wrong one is
 * taken for one that is not there.
 */

static ngx_int_t
ngx_http_presence_json_diag(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item)
{
    ngx_uint_t                 i;
    const cJSON               *fired;
    ngx_http_presence_ms_t     failed;
    ngx_http_presence_diag_t  *diag;

    if (!cJSON_IsObject(item)) {
        return NGX_ERROR;
    }

    diag = &ctx->report->diag;
    failed = 0;

    ngx_http_presence_json_ms(item, "since_ms", &diag->since);
    ngx_http_presence_json_ms(item, "wall_ms", &diag->wall);
    ngx_http_presence_json_ms(item, "rtt_ms", &diag->rtt);
    ngx_http_presence_json_ms(item, "drift_ms", &diag->drift);
    ngx_http_presence_json_ms(item, "hidden_ms", &diag->hidden);
    ngx_http_presence_json_ms(item, "frozen_ms", &diag->frozen);
    ngx_http_presence_json_ms(item, "slept_ms", &diag->slept);
    ngx_http_presence_json_ms(item, "failed", &failed);

    diag->failed = (uint32_t) ngx_min(failed, NGX_MAX_INT32_VALUE);

    diag->discarded = cJSON_IsTrue(
                         cJSON_GetObjectItemCaseSensitive(item, "discarded"));

    ngx_http_presence_json_error(diag,
                         cJSON_GetObjectItemCaseSensitive(item, "error"));

    fired = cJSON_GetObjectItemCaseSensitive(item, "fired");

    if (!cJSON_IsString(fired)) {
        return NGX_OK;
    }

    for (i = NGX_HTTP_PRESENCE_FIRED_START;
         i < NGX_HTTP_PRESENCE_FIRED_OTHER
         && ngx_strcmp(fired->valuestring, ngx_http_presence_fired_names[i])
            != 0;
         i++)
    {
        /* void */
    }

    diag->fired = (uint8_t) i;

    return NGX_OK;
}


static void
ngx_http_presence_json_error(ngx_http_presence_diag_t *diag,
    const cJSON *item)
{
    ngx_int_t   status;
    ngx_uint_t  i;

    if (!cJSON_IsString(item)) {
        return;
    }

    for (i = NGX_HTTP_PRESENCE_ERROR_NETWORK;
         i <= NGX_HTTP_PRESENCE_ERROR_REPLY;
         i++)
    {
        if (ngx_strcmp(item->valuestring, ngx_http_presence_error_names[i])
            == 0)
        {
            diag->error = (uint8_t) i;
            return;
        }
    }

    status = ngx_atoi((u_char *) item->valuestring,
                      ngx_strlen(item->valuestring));

    if (status >= 100 && status <= 999) {
        diag->status = (uint16_t) status;
        diag->error = (uint8_t) ngx_http_presence_diagnose_status(status);
    }
}


/* a time of diag: one below 0 is of a wall clock that was set back */

static void
ngx_http_presence_json_ms(const cJSON *diag, const char *name,
    ngx_http_presence_ms_t *value)
{
    const cJSON  *item;

    item = cJSON_GetObjectItemCaseSensitive(diag, name);

    (void) ngx_http_presence_json_number(item, NGX_HTTP_PRESENCE_JSON_MAX_MS,
                                         value);
}


/* a larger number than "max" is taken as "max" */

static ngx_int_t
ngx_http_presence_json_number(const cJSON *item, double max, int64_t *value)
{
    double  number;

    if (!cJSON_IsNumber(item)) {
        return NGX_ERROR;
    }

    number = item->valuedouble;

    if (!(number >= 0 && number <= NGX_HTTP_PRESENCE_JSON_MAX_INTEGER)
        || number != (double) (int64_t) number)
    {
        return NGX_ERROR;
    }

    *value = (int64_t) ngx_min(number, max);

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_json_string(ngx_http_presence_json_ctx_t *ctx,
    const char *data, size_t len, ngx_str_t *value)
{
    /* not NULL even when it is empty: the member was there */

    value->data = ngx_pnalloc(ctx->pool, len + 1);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(value->data, data, len);
    value->len = len;

    return NGX_OK;
}


/* UTF-8, and no \u0000: cJSON would end the string there */

static ngx_uint_t
ngx_http_presence_json_is_sound(u_char *p, size_t len)
{
    u_char  *end;

    end = p + len;

    while (p < end) {

        if (*p < 0x80 && *p != '\\') {
            p++;

        } else if (*p == '\\') {

            if (end - p >= 6 && ngx_strncmp(p + 1, "u0000", 5) == 0) {
                return 0;
            }

            p += 2;

        } else if (ngx_http_presence_access_decode(&p, end) == 0) {
            return 0;
        }
    }

    return 1;
}
