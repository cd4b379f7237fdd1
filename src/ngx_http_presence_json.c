#include <cjson/cJSON.h>

#include "ngx_http_presence_json.h"
#include "ngx_http_presence_access.h"


#define NGX_HTTP_PRESENCE_JSON_MAX_INTEGER  9007199254740991.0  /* 2^53 - 1 */
#define NGX_HTTP_PRESENCE_JSON_MAX_DOC      64

/* an age or an interval of more is as good as this one */
#define NGX_HTTP_PRESENCE_JSON_MAX_MS       31536000000.0       /* a year */

/* memory that is enough for what the browser client sends, by far */
#define NGX_HTTP_PRESENCE_JSON_MEMORY       16384


typedef struct {
    ngx_pool_t                        *pool;
    const ngx_http_presence_limits_t  *limits;
    ngx_http_presence_report_t        *report;
    const char                        *detail;  /* of what is refused */
} ngx_http_presence_json_ctx_t;


/* how to read a member: some are a number for "offset" of the report */
typedef struct {
    const char   *name;
    ngx_int_t   (*read)(ngx_http_presence_json_ctx_t *ctx, const cJSON *item,
                        size_t offset);
    size_t        offset;
    const char   *detail;
} ngx_http_presence_json_member_t;


static ngx_int_t ngx_http_presence_json_read(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *object,
    const ngx_http_presence_json_member_t *members);
static const ngx_http_presence_json_member_t *ngx_http_presence_json_find(
    const ngx_http_presence_json_member_t *members,
    const ngx_http_presence_json_member_t *from, const char *name);
static ngx_int_t ngx_http_presence_json_session(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_doc(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_integer(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_ms(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_visible(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_status(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_until(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_text(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_meta(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_leave(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_logout(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_diag(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_fired(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_failed(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_error(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_discarded(
    ngx_http_presence_json_ctx_t *ctx, const cJSON *item, size_t offset);
static ngx_int_t ngx_http_presence_json_number(const cJSON *item, double max,
    int64_t *value);
static ngx_int_t ngx_http_presence_json_string(
    ngx_http_presence_json_ctx_t *ctx, const char *data, size_t len,
    ngx_str_t *value);
static ngx_uint_t ngx_http_presence_json_is_sound(u_char *p, size_t len);
static cJSON *ngx_http_presence_json_parse(const u_char *body, size_t len,
    const char **end);
static void ngx_http_presence_json_release(cJSON *root);
static void *ngx_http_presence_json_alloc(size_t size);
static void ngx_http_presence_json_free(void *p);


/* of the body that is being read; what does not fit is malloc()ed */
static uint64_t    ngx_http_presence_json_memory[NGX_HTTP_PRESENCE_JSON_MEMORY
                                                 / sizeof(uint64_t)];
static size_t      ngx_http_presence_json_used;
static ngx_uint_t  ngx_http_presence_json_spilled;


#define ngx_http_presence_json_an_integer                                     \
    "an integer from 0 to 9007199254740991"

#define ngx_http_presence_json_in_beat(field)                                 \
    offsetof(ngx_http_presence_report_t, beat)                                \
    + offsetof(ngx_http_presence_beat_t, field)

#define ngx_http_presence_json_in_diag(field)                                 \
    offsetof(ngx_http_presence_report_t, diag)                                \
    + offsetof(ngx_http_presence_diag_t, field)


/* in the order in which the browser client mostly has them */

static const ngx_http_presence_json_member_t
ngx_http_presence_json_members[] = {

    { "session", ngx_http_presence_json_session, 0,
      "\"session\" must be a string of letters, digits and \"._~:-\", not "
      "empty and not longer than \"max_session_length\"" },
    { "doc", ngx_http_presence_json_doc, 0,
      "\"doc\" must be a string of at most 64 bytes" },
    { "seq", ngx_http_presence_json_integer,
      ngx_http_presence_json_in_beat(seq),
      "\"seq\" must be " ngx_http_presence_json_an_integer },
    { "visible", ngx_http_presence_json_visible, 0,
      "\"visible\" must be true or false" },
    { "active_ms_ago", ngx_http_presence_json_ms,
      ngx_http_presence_json_in_beat(active_ago),
      "\"active_ms_ago\" must be " ngx_http_presence_json_an_integer },
    { "next_ms", ngx_http_presence_json_ms,
      ngx_http_presence_json_in_beat(next),
      "\"next_ms\" must be " ngx_http_presence_json_an_integer },
    { "diag", ngx_http_presence_json_diag, 0,
      "\"diag\" must be an object" },
    { "status", ngx_http_presence_json_status, 0,
      "\"status\" must be online, busy, dnd, away or invisible" },
    { "until", ngx_http_presence_json_until, 0,
      "\"until\" must be null or " ngx_http_presence_json_an_integer },
    { "text", ngx_http_presence_json_text, 0,
      "\"text\" must be null or a string of at most \"max_text_length\" "
      "bytes" },
    { "meta", ngx_http_presence_json_meta, 0,
      "\"meta\" must be null or an object of at most \"max_meta_length\" "
      "bytes" },
    { "leave", ngx_http_presence_json_leave, 0,
      "\"leave\" must be true or false" },
    { "logout", ngx_http_presence_json_logout, 0,
      "\"logout\" must be true or false" },

    { NULL, NULL, 0, NULL }
};


/*
 * Evidence, and never a reason to refuse a beat: a wrong member is taken for
 * one that is not there.
 */

static const ngx_http_presence_json_member_t
ngx_http_presence_json_evidence[] = {

    { "fired", ngx_http_presence_json_fired, 0, NULL },
    { "since_ms", ngx_http_presence_json_ms,
      ngx_http_presence_json_in_diag(since), NULL },
    { "wall_ms", ngx_http_presence_json_ms,
      ngx_http_presence_json_in_diag(wall), NULL },
    { "drift_ms", ngx_http_presence_json_ms,
      ngx_http_presence_json_in_diag(drift), NULL },
    { "failed", ngx_http_presence_json_failed, 0, NULL },
    { "error", ngx_http_presence_json_error, 0, NULL },
    { "rtt_ms", ngx_http_presence_json_ms,
      ngx_http_presence_json_in_diag(rtt), NULL },
    { "hidden_ms", ngx_http_presence_json_ms,
      ngx_http_presence_json_in_diag(hidden), NULL },
    { "frozen_ms", ngx_http_presence_json_ms,
      ngx_http_presence_json_in_diag(frozen), NULL },
    { "slept_ms", ngx_http_presence_json_ms,
      ngx_http_presence_json_in_diag(slept), NULL },
    { "discarded", ngx_http_presence_json_discarded, 0, NULL },

    { NULL, NULL, 0, NULL }
};


ngx_int_t
ngx_http_presence_json_read_beat(ngx_pool_t *pool, u_char *body, size_t len,
    const ngx_http_presence_limits_t *limits,
    ngx_http_presence_report_t *report, const char **detail,
    ngx_uint_t *field)
{
    cJSON                         *root;
    ngx_int_t                      rc;
    const char                    *end;
    ngx_http_presence_json_ctx_t   ctx;

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

    root = ngx_http_presence_json_parse(body, len, &end);

    while (root && (size_t) ((u_char *) end - body) < len
           && (*end == ' ' || *end == '\t' || *end == CR || *end == LF))
    {
        end++;
    }

    if (!cJSON_IsObject(root) || (size_t) ((u_char *) end - body) != len) {
        ngx_http_presence_json_release(root);
        *detail = "the body is not one JSON object";
        return NGX_ERROR;
    }

    ctx.pool = pool;
    ctx.limits = limits;
    ctx.report = report;
    ctx.detail = NULL;

    *field = 1;

    rc = ngx_http_presence_json_read(&ctx, root,
                                     ngx_http_presence_json_members);

    if (rc == NGX_OK && report->session.len == 0) {
        ctx.detail = "\"session\" is missing";
        rc = NGX_ERROR;
    }

    *detail = ctx.detail;

    ngx_http_presence_json_release(root);

    return rc;
}


/* reads the members that the table has, and passes over others */

static ngx_int_t
ngx_http_presence_json_read(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *object, const ngx_http_presence_json_member_t *members)
{
    const cJSON                            *item;
    const ngx_http_presence_json_member_t  *member, *from;

    from = members;

    cJSON_ArrayForEach(item, object) {

        member = ngx_http_presence_json_find(members, from, item->string);

        if (member == NULL) {
            continue;
        }

        if (member->read(ctx, item, member->offset) != NGX_OK
            && member->detail)
        {
            ctx->detail = member->detail;
            return NGX_ERROR;
        }

        from = member + 1;
    }

    return NGX_OK;
}


/* "from" is where it is most likely to be, for they come mostly in order */

static const ngx_http_presence_json_member_t *
ngx_http_presence_json_find(const ngx_http_presence_json_member_t *members,
    const ngx_http_presence_json_member_t *from, const char *name)
{
    const ngx_http_presence_json_member_t  *member;

    for (member = from; member->name; member++) {
        if (ngx_strcmp(member->name, name) == 0) {
            return member;
        }
    }

    for (member = members; member < from; member++) {
        if (ngx_strcmp(member->name, name) == 0) {
            return member;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_presence_json_session(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset)
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
    const cJSON *item, size_t offset)
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
ngx_http_presence_json_integer(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset)
{
    return ngx_http_presence_json_number(item,
                              NGX_HTTP_PRESENCE_JSON_MAX_INTEGER,
                              (int64_t *) ((u_char *) ctx->report + offset));
}


/* in "diag", one below 0 is of a wall clock that was set back */

static ngx_int_t
ngx_http_presence_json_ms(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset)
{
    return ngx_http_presence_json_number(item, NGX_HTTP_PRESENCE_JSON_MAX_MS,
                              (int64_t *) ((u_char *) ctx->report + offset));
}


static ngx_int_t
ngx_http_presence_json_visible(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset)
{
    ctx->report->beat.hidden = cJSON_IsFalse(item);

    return cJSON_IsBool(item) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_presence_json_status(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset)
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
    const cJSON *item, size_t offset)
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
    const cJSON *item, size_t offset)
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
    const cJSON *item, size_t offset)
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
    const cJSON *item, size_t offset)
{
    ctx->report->leave = cJSON_IsTrue(item);

    return cJSON_IsBool(item) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_presence_json_logout(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset)
{
    ctx->report->logout = cJSON_IsTrue(item);

    return cJSON_IsBool(item) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_presence_json_diag(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset)
{
    if (!cJSON_IsObject(item)) {
        return NGX_ERROR;
    }

    return ngx_http_presence_json_read(ctx, item,
                                       ngx_http_presence_json_evidence);
}


static ngx_int_t
ngx_http_presence_json_fired(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset)
{
    ngx_uint_t  i;

    if (!cJSON_IsString(item)) {
        return NGX_ERROR;
    }

    for (i = NGX_HTTP_PRESENCE_FIRED_START;
         i < NGX_HTTP_PRESENCE_FIRED_OTHER
         && ngx_strcmp(item->valuestring, ngx_http_presence_fired_names[i])
            != 0;
         i++)
    {
        /* void */
    }

    ctx->report->diag.fired = (uint8_t) i;

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_json_failed(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset)
{
    int64_t  failed;

    if (ngx_http_presence_json_number(item, NGX_MAX_INT32_VALUE, &failed)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->report->diag.failed = (uint32_t) failed;

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_json_error(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset)
{
    ngx_int_t                  status;
    ngx_uint_t                 i;
    ngx_http_presence_diag_t  *diag;

    if (!cJSON_IsString(item)) {
        return NGX_ERROR;
    }

    diag = &ctx->report->diag;

    for (i = NGX_HTTP_PRESENCE_ERROR_NETWORK;
         i <= NGX_HTTP_PRESENCE_ERROR_REPLY;
         i++)
    {
        if (ngx_strcmp(item->valuestring, ngx_http_presence_error_names[i])
            == 0)
        {
            diag->error = (uint8_t) i;
            return NGX_OK;
        }
    }

    status = ngx_atoi((u_char *) item->valuestring,
                      ngx_strlen(item->valuestring));

    if (status >= 100 && status <= 999) {
        diag->status = (uint16_t) status;
        diag->error = (uint8_t) ngx_http_presence_diagnose_status(status);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_json_discarded(ngx_http_presence_json_ctx_t *ctx,
    const cJSON *item, size_t offset)
{
    ctx->report->diag.discarded = cJSON_IsTrue(item);

    return NGX_OK;
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
    u_char    *end;
    uint64_t   bytes;

    end = p + len;

    /* mostly it is ASCII without a backslash: eight bytes at a time */

    if (memchr(p, '\\', len) == NULL) {

        for ( /* void */ ; (size_t) (end - p) >= sizeof(bytes);
             p += sizeof(bytes))
        {
            ngx_memcpy(&bytes, p, sizeof(bytes));

            if (bytes & 0x8080808080808080) {
                break;
            }
        }
    }

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


/*
 * cJSON allocates each name and each value.  All of a body's are taken from one
 * piece of memory, one after the other, and end together.  The hooks are of the
 * whole process: they are ours for as long as there is a tree.
 */

static cJSON *
ngx_http_presence_json_parse(const u_char *body, size_t len, const char **end)
{
    static cJSON_Hooks  hooks = {
        ngx_http_presence_json_alloc, ngx_http_presence_json_free
    };

    ngx_http_presence_json_used = 0;
    ngx_http_presence_json_spilled = 0;

    cJSON_InitHooks(&hooks);

    return cJSON_ParseWithLengthOpts((const char *) body, len, end, 0);
}


static void
ngx_http_presence_json_release(cJSON *root)
{
    if (ngx_http_presence_json_spilled) {
        cJSON_Delete(root);
    }

    cJSON_InitHooks(NULL);
}


static void *
ngx_http_presence_json_alloc(size_t size)
{
    u_char  *p;

    size = ngx_align(size, sizeof(uint64_t));

    if (size > NGX_HTTP_PRESENCE_JSON_MEMORY - ngx_http_presence_json_used) {
        ngx_http_presence_json_spilled = 1;
        return malloc(size);
    }

    p = (u_char *) ngx_http_presence_json_memory + ngx_http_presence_json_used;

    ngx_http_presence_json_used += size;

    return p;
}


static void
ngx_http_presence_json_free(void *p)
{
    u_char  *memory;

    memory = (u_char *) ngx_http_presence_json_memory;

    if ((u_char *) p >= memory
        && (u_char *) p < memory + NGX_HTTP_PRESENCE_JSON_MEMORY)
    {
        return;
    }

    free(p);
}
