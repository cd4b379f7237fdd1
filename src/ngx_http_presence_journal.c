#include <stdarg.h>

#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_changes.h"
#include "ngx_http_presence_problem.h"
#include "ngx_http_presence_record.h"


/* what is noted in one hold of the lock; a sweep looks at 256 deadlines */
#define NGX_HTTP_PRESENCE_JOURNAL_SIZE   (64 * 1024)

/* version, id of the trace, id of the parent, flags: W3C Trace Context, 3.2 */
#define NGX_HTTP_PRESENCE_JOURNAL_TRACE  (2 + 1 + 32 + 1 + 16 + 1 + 2)


struct ngx_http_presence_journal_s {
    ngx_http_request_t          *request;   /* NULL: a timer's doing */
    size_t                       len;
    ngx_uint_t                   dropped;   /* what found no room */
    u_char                       data[NGX_HTTP_PRESENCE_JOURNAL_SIZE];
};


/* followed by the user's id */
typedef struct {
    uint64_t                     epoch;
    uint64_t                     seq;       /* of the change, 0: not told */
    ngx_http_presence_ms_t       silent;    /* since the last sign of life */
    uint16_t                     len;
    uint8_t                      from;
    uint8_t                      to;
    uint8_t                      reason;
    uint8_t                      cause;
    uint8_t                      missed;
    uint8_t                      raised;
} ngx_http_presence_journal_entry_t;


static void ngx_http_presence_journal_tell_one(ngx_log_t *log,
    ngx_http_request_t *r, ngx_http_presence_zone_t *zone,
    const ngx_http_presence_journal_entry_t *entry, const u_char *user);
static u_char *ngx_http_presence_journal_quote(u_char *p, u_char *last,
    const u_char *data, size_t len);
static u_char *ngx_http_presence_journal_request(u_char *p, u_char *last,
    ngx_http_request_t *r);
static ngx_uint_t ngx_http_presence_journal_is_trace(const ngx_str_t *value);
static ngx_uint_t ngx_http_presence_journal_is_hex(const u_char *p, size_t n,
    ngx_uint_t any);


static ngx_int_t  ngx_http_presence_journal_id;     /* index of $request_id */


ngx_http_presence_journal_t *
ngx_http_presence_journal_create(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_presence_journal_t));
}


ngx_int_t
ngx_http_presence_journal_init(ngx_conf_t *cf)
{
    ngx_str_t  name = ngx_string("request_id");

    ngx_http_presence_journal_id = ngx_http_get_variable_index(cf, &name);

    return (ngx_http_presence_journal_id == NGX_ERROR) ? NGX_ERROR : NGX_OK;
}


void
ngx_http_presence_journal_of(ngx_http_presence_zone_t *zone,
    ngx_http_request_t *r)
{
    zone->journal->request = r;
}


void
ngx_http_presence_journal_change_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_user_t *user,
    const ngx_http_presence_note_of_change_t *change,
    ngx_http_presence_ms_t now)
{
    u_char                             *p;
    ngx_log_t                          *log;
    ngx_http_presence_journal_t        *journal;
    ngx_http_presence_journal_entry_t   entry;

    journal = zone->journal;
    log = journal->request ? journal->request->connection->log
                           : ngx_cycle->log;

    if (log->log_level < NGX_LOG_INFO && !user->raised) {
        return;
    }

    if (journal->len + sizeof(entry) + user->len
        > NGX_HTTP_PRESENCE_JOURNAL_SIZE)
    {
        journal->dropped++;
        return;
    }

    entry.epoch = zone->sh->epoch;
    entry.seq = change->told ? ngx_http_presence_changes_last(zone->sh) : 0;
    entry.silent = now - user->last_sign;
    entry.len = user->len;
    entry.from = (uint8_t) change->from;
    entry.to = user->status;
    entry.reason = (uint8_t) change->reason;
    entry.cause = (uint8_t) change->cause;
    entry.missed = user->missed;
    entry.raised = user->raised;

    p = journal->data + journal->len;
    p = ngx_cpymem(p, &entry, sizeof(entry));
    p = ngx_cpymem(p, user->id, user->len);

    journal->len = p - journal->data;
}


void
ngx_http_presence_journal_tell(ngx_http_presence_zone_t *zone)
{
    size_t                              at, len;
    ngx_log_t                          *log;
    ngx_uint_t                          dropped;
    ngx_http_request_t                 *r;
    ngx_http_presence_journal_t        *journal;
    ngx_http_presence_journal_entry_t   entry;

    journal = zone->journal;

    r = journal->request;
    len = journal->len;
    dropped = journal->dropped;

    journal->request = NULL;
    journal->len = 0;
    journal->dropped = 0;

    if (len == 0) {
        return;
    }

    log = r ? r->connection->log : ngx_cycle->log;

    for (at = 0; at < len; at += sizeof(entry) + entry.len) {
        ngx_memcpy(&entry, journal->data + at, sizeof(entry));

        ngx_http_presence_journal_tell_one(log, r, zone, &entry,
                                        journal->data + at + sizeof(entry));
    }

    if (dropped) {
        ngx_log_error(NGX_LOG_INFO, log, 0,
                      "presence changes: %ui more at once, in zone \"%V\"",
                      dropped, &zone->name);
    }
}


void
ngx_http_presence_journal_late(ngx_log_t *log, ngx_http_presence_zone_t *zone,
    const ngx_str_t *user, const ngx_http_presence_report_t *report,
    const ngx_http_presence_arrival_t *arrival, const ngx_str_t *request)
{
    u_char                          *p, *last;
    ngx_uint_t                       level;
    const char                      *error, *fired;
    const ngx_http_presence_diag_t  *diag;
    u_char                           line[NGX_MAX_ERROR_STR];

    if (log->log_level < NGX_LOG_INFO && !report->raised) {
        return;
    }

    diag = &report->diag;

    error = diag->failed ? ngx_http_presence_error_names[diag->error] : NULL;
    fired = ngx_http_presence_fired_names[diag->fired];

    p = line;
    last = line + sizeof(line);

    p = ngx_http_presence_journal_quote(p, last, user->data, user->len);
    p = ngx_slprintf(p, last, " session=\"%V\" seq=%L", &report->session,
                     report->beat.seq);
    p = ngx_slprintf(p, last, " gap=%L due=%L deaf=%L missed=%uD cause=%s",
                  arrival->gap, arrival->step, arrival->deaf, arrival->missed,
                  ngx_http_presence_cause_names[arrival->diagnosis.cause]);
    p = ngx_slprintf(p, last, " hole=%L failed=%uD error=%s drift=%L "
                     "hidden=%L frozen=%L slept=%L fired=%s visible=%d",
                     arrival->hole, diag->failed, error ? error : "-",
                     diag->drift, diag->hidden, diag->frozen, diag->slept,
                     fired ? fired : "-", !report->beat.hidden);
    p = ngx_slprintf(p, last, "%V", request);

    level = report->raised ? NGX_LOG_NOTICE : NGX_LOG_INFO;

    ngx_log_error(level, log, 0, "presence late zone=\"%V\" user=%*s",
                  &zone->name, (size_t) (p - line), line);
}


void
ngx_http_presence_journal_name(ngx_http_request_t *r, ngx_uint_t raised,
    ngx_str_t *name)
{
    u_char  *p;

    static u_char  text[NGX_MAX_ERROR_STR];

    p = text;

    if (r->connection->log->log_level >= NGX_LOG_INFO || raised) {
        p = ngx_http_presence_journal_request(p, text + sizeof(text), r);
    }

    name->data = text;
    name->len = p - text;
}


ngx_uint_t
ngx_http_presence_journal_raises(ngx_http_request_t *r, const ngx_str_t *user)
{
    ngx_str_t                      name;
    ngx_uint_t                     i;
    ngx_http_complex_value_t      *values;
    ngx_http_presence_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_presence_module);

    if (plcf->log_users == NULL) {
        return 0;
    }

    values = plcf->log_users->elts;

    for (i = 0; i < plcf->log_users->nelts; i++) {

        if (ngx_http_complex_value(r, &values[i], &name) == NGX_OK
            && name.len == user->len
            && ngx_memcmp(name.data, user->data, name.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_presence_journal_stage(ngx_http_request_t *r,
    const ngx_http_presence_context_t *ctx, const char *stage,
    const char *format, ...)
{
    u_char      *p, *last;
    va_list      args;
    ngx_log_t   *log;
    u_char       line[NGX_MAX_ERROR_STR];

    log = r->connection->log;

    if (!ctx->raised && !(log->log_level & NGX_LOG_DEBUG_HTTP)) {
        return;
    }

    p = line;
    last = line + sizeof(line);

    p = ngx_http_presence_journal_quote(p, last, ctx->identity.user.data,
                                        ctx->identity.user.len);

    if (ctx->session.len) {
        p = ngx_slprintf(p, last, " session=\"%V\" seq=%L", &ctx->session,
                         ctx->seq);
    }

    va_start(args, format);
    p = ngx_vslprintf(p, last, format, args);
    va_end(args);

    p = ngx_http_presence_journal_request(p, last, r);

    ngx_log_error_core(ctx->raised ? NGX_LOG_NOTICE : NGX_LOG_DEBUG, log, 0,
                       "presence flow zone=\"%V\" stage=%s user=%*s",
                       &ctx->zone->name, stage, (size_t) (p - line), line);
}


void
ngx_http_presence_journal_delivered(ngx_http_presence_zone_t *zone,
    const u_char *changes, size_t len, uint64_t epoch, ngx_uint_t streams)
{
    size_t                       at;
    u_char                      *p;
    ngx_uint_t                   all;
    ngx_http_presence_change_t  *change;
    u_char                       line[NGX_MAX_ERROR_STR];

    all = (ngx_cycle->log->log_level & NGX_LOG_DEBUG_HTTP) ? 1 : 0;

    for (at = 0; at < len; at += change->size) {
        change = (ngx_http_presence_change_t *) (changes + at);

        if (!all && !change->raised) {
            continue;
        }

        p = ngx_http_presence_journal_quote(line, line + sizeof(line),
                                            change->data, change->user_len);

        ngx_log_error_core(change->raised ? NGX_LOG_NOTICE : NGX_LOG_DEBUG,
                           ngx_cycle->log, 0,
                           "presence flow zone=\"%V\" stage=delivered "
                           "user=%*s id=%016xL-%uL streams=%ui", &zone->name,
                           (size_t) (p - line), line, epoch, change->seq,
                           streams);
    }
}


void
ngx_http_presence_journal_flow_locked(ngx_http_presence_flow_t *flow,
    const ngx_http_presence_user_t *user)
{
    ngx_http_presence_ms_t              at, last;
    const ngx_http_presence_session_t  *session;

    flow->told = (user && (user->raised
                           || (ngx_cycle->log->log_level
                               & NGX_LOG_DEBUG_HTTP)));
    if (!flow->told) {
        return;
    }

    flow->raised = user->raised;
    flow->len = 0;
    flow->seq = -1;
    last = -1;

    for (session = user->sessions; session; session = session->next) {

        at = session->life.leaving ? session->life.leave_at
                                   : session->life.last_sign;

        if (session->owner == 0 && at > last) {
            last = at;
            flow->seq = session->life.seq;
            flow->len = session->len;
            ngx_memcpy(flow->session, session->id, session->len);
        }
    }
}


void
ngx_http_presence_journal_mirrored(ngx_http_presence_zone_t *zone,
    const ngx_str_t *user, const ngx_http_presence_flow_t *flow,
    const char *format, ...)
{
    u_char   *p, *last;
    va_list   args;
    u_char    line[NGX_MAX_ERROR_STR];

    p = line;
    last = line + sizeof(line);

    p = ngx_http_presence_journal_quote(p, last, user->data, user->len);

    if (flow->len) {
        p = ngx_slprintf(p, last, " session=\"%*s\" seq=%L", flow->len,
                         flow->session, flow->seq);
    }

    va_start(args, format);
    p = ngx_vslprintf(p, last, format, args);
    va_end(args);

    p = ngx_http_presence_journal_request(p, last, NULL);

    ngx_log_error_core(flow->raised ? NGX_LOG_NOTICE : NGX_LOG_DEBUG,
                       ngx_cycle->log, 0,
                       "presence flow zone=\"%V\" stage=mirrored user=%*s",
                       &zone->name, (size_t) (p - line), line);
}


static void
ngx_http_presence_journal_tell_one(ngx_log_t *log, ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone,
    const ngx_http_presence_journal_entry_t *entry, const u_char *user)
{
    u_char      *p, *last;
    ngx_uint_t   level;
    const char  *reason, *cause;
    u_char       line[NGX_MAX_ERROR_STR];

    reason = ngx_http_presence_reason_names[entry->reason];
    cause = (entry->cause < NGX_HTTP_PRESENCE_NCAUSES)
            ? ngx_http_presence_cause_names[entry->cause] : "-";

    p = line;
    last = line + sizeof(line);

    p = ngx_http_presence_journal_quote(p, last, user, entry->len);
    p = ngx_slprintf(p, last, " from=%s to=%s reason=%s cause=%s missed=%d "
                     "silent=%L",
                     ngx_http_presence_status_names[entry->from],
                     ngx_http_presence_status_names[entry->to],
                     reason ? reason : "-", cause, entry->missed,
                     ngx_max(entry->silent, 0));

    p = entry->seq ? ngx_slprintf(p, last, " id=%016xL-%uL", entry->epoch,
                                  entry->seq)
                   : ngx_slprintf(p, last, " id=-");

    p = ngx_http_presence_journal_request(p, last, r);

    level = entry->raised ? NGX_LOG_NOTICE : NGX_LOG_INFO;

    ngx_log_error(level, log, 0, "presence change zone=\"%V\" user=%*s",
                  &zone->name, (size_t) (p - line), line);

    if (entry->seq
        && (entry->raised || (log->log_level & NGX_LOG_DEBUG_HTTP)))
    {
        ngx_log_error_core(entry->raised ? NGX_LOG_NOTICE : NGX_LOG_DEBUG,
                           log, 0,
                           "presence flow zone=\"%V\" stage=announced user=%*s",
                           &zone->name, (size_t) (p - line), line);
    }
}


/* ids are text: a quote or a backslash is all that could end one early */

static u_char *
ngx_http_presence_journal_quote(u_char *p, u_char *last, const u_char *data,
    size_t len)
{
    if ((size_t) (last - p) < 2 * len + 2) {
        return p;
    }

    *p++ = '"';

    for ( /* void */ ; len; data++, len--) {

        if (*data == '"' || *data == '\\') {
            *p++ = '\\';
        }

        *p++ = *data;
    }

    *p++ = '"';

    return p;
}


/* what the request is called here, and by whoever sent it */

static u_char *
ngx_http_presence_journal_request(u_char *p, u_char *last,
    ngx_http_request_t *r)
{
    ngx_str_t                  *trace;
    ngx_http_variable_value_t  *id;

    if (r == NULL) {
        return ngx_slprintf(p, last, " request=-");
    }

    id = ngx_http_get_indexed_variable(r, ngx_http_presence_journal_id);

    p = (id && !id->not_found) ? ngx_slprintf(p, last, " request=%v", id)
                               : ngx_slprintf(p, last, " request=-");

    trace = ngx_http_presence_find_header(r, "traceparent");

    if (trace && ngx_http_presence_journal_is_trace(trace)) {
        p = ngx_slprintf(p, last, " traceparent=%*s",
                         (size_t) NGX_HTTP_PRESENCE_JOURNAL_TRACE,
                         trace->data);
    }

    return p;
}


/*
 * W3C Trace Context, 3.2.2: lowercase; no id is all zeroes; version ff is none;
 * a later version may add to the end what an earlier one passes over.
 */

static ngx_uint_t
ngx_http_presence_journal_is_trace(const ngx_str_t *value)
{
    u_char  *p;

    p = value->data;

    if (value->len < NGX_HTTP_PRESENCE_JOURNAL_TRACE
        || p[2] != '-' || p[35] != '-' || p[52] != '-'
        || !ngx_http_presence_journal_is_hex(p, 2, 1)
        || !ngx_http_presence_journal_is_hex(p + 3, 32, 0)
        || !ngx_http_presence_journal_is_hex(p + 36, 16, 0)
        || !ngx_http_presence_journal_is_hex(p + 53, 2, 1)
        || ngx_memcmp(p, "ff", 2) == 0)
    {
        return 0;
    }

    if (value->len == NGX_HTTP_PRESENCE_JOURNAL_TRACE) {
        return 1;
    }

    return ngx_memcmp(p, "00", 2) != 0
           && p[NGX_HTTP_PRESENCE_JOURNAL_TRACE] == '-';
}


static ngx_uint_t
ngx_http_presence_journal_is_hex(const u_char *p, size_t n, ngx_uint_t any)
{
    for ( /* void */ ; n; p++, n--) {

        if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f'))) {
            return 0;
        }

        any |= (*p != '0');
    }

    return any;
}
