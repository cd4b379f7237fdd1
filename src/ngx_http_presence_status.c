#include "ngx_http_presence_status.h"
#include "ngx_http_presence_block.h"
#include "ngx_http_presence_changes.h"
#include "ngx_http_presence_filter.h"
#include "ngx_http_presence_page.h"
#include "ngx_http_presence_problem.h"
#include "ngx_http_presence_roster.h"


/* a deaf episode so long ago is no news */
#define NGX_HTTP_PRESENCE_STATUS_NEWS  (5 * 60 * 1000)

/* the same of what happens one by one, seconds */
#define NGX_HTTP_PRESENCE_STATUS_HOUR  (60 * 60)

#define ngx_http_presence_status_is_news(at)                                  \
    (ngx_time() - (time_t) (at) < NGX_HTTP_PRESENCE_STATUS_HOUR)

/* a lease that lapsed so long ago is nobody's, and not just late */
#define NGX_HTTP_PRESENCE_STATUS_LEASE  1000

/* others see a change within a second, also those on other nodes */
#define NGX_HTTP_PRESENCE_STATUS_LAG    500


typedef enum {
    NGX_HTTP_PRESENCE_STATUS_HTML = 0,
    NGX_HTTP_PRESENCE_STATUS_JSON
} ngx_http_presence_status_format_e;


static ngx_int_t ngx_http_presence_status_format(ngx_http_request_t *r,
    ngx_http_presence_status_format_e *format, ngx_int_t *rc);
static void ngx_http_presence_status_take(ngx_http_presence_status_t *status,
    ngx_http_presence_zone_t *zone);
static void ngx_http_presence_status_take_worst_locked(
    ngx_http_presence_status_t *status, ngx_http_presence_zone_t *zone);
static void ngx_http_presence_status_take_rates(
    ngx_http_presence_status_t *status);
static void ngx_http_presence_status_find(ngx_http_presence_status_t *status);
static void ngx_http_presence_status_add(ngx_http_presence_status_t *status,
    const char *format, ...);
static int ngx_libc_cdecl ngx_http_presence_status_worse(const void *one,
    const void *two);
static void ngx_http_presence_status_json(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status);
static void ngx_http_presence_status_json_workers(
    ngx_http_presence_writer_t *w, ngx_http_presence_status_t *status);
static void ngx_http_presence_status_json_worst(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status);
static void ngx_http_presence_status_json_named(ngx_http_presence_writer_t *w,
    const char *name, const char *const *names, const uint64_t *values,
    ngx_uint_t n);
static void ngx_http_presence_status_json_redis(ngx_http_presence_writer_t *w,
    const ngx_http_presence_redis_reading_t *redis);
static void ngx_http_presence_status_json_config(ngx_http_presence_writer_t *w,
    ngx_http_presence_zone_t *zone);


ngx_int_t
ngx_http_presence_status_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone)
{
    ngx_int_t                           rc;
    const char                         *type;
    ngx_http_presence_writer_t          w;
    ngx_http_presence_status_t         *status;
    ngx_http_presence_status_format_e   format;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_presence_problem_method(r, "GET, HEAD");
    }

    if (ngx_http_presence_status_format(r, &format, &rc) != NGX_OK) {
        return rc;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    status = ngx_pcalloc(r->pool, sizeof(ngx_http_presence_status_t));

    if (status == NULL
        || ngx_http_presence_writer_begin(&w, r, 4 * ngx_pagesize) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_presence_status_take(status, zone);

    if (format == NGX_HTTP_PRESENCE_STATUS_JSON) {
        type = "application/json";
        ngx_http_presence_status_json(&w, status);

    } else {
        type = "text/html; charset=utf-8";
        ngx_http_presence_page_write(&w, status);
    }

    if (ngx_http_presence_add_header(r, "Content-Security-Policy",
                              "default-src 'none'; style-src 'unsafe-inline'; "
                              "frame-ancestors 'self'")
           != NGX_OK
        || ngx_http_presence_add_header(r, "X-Content-Type-Options", "nosniff")
           != NGX_OK
        || ngx_http_presence_add_header(r, "Vary", "Accept") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_presence_writer_send(&w, r, type);
}


const char *
ngx_http_presence_status_redis(
    const ngx_http_presence_redis_counters_t *counters, ngx_uint_t n,
    uint64_t *value)
{
    static const char *const  names[] = {
        "synced", "refused", "dropped", "changes", "claimed", "connects",
        "failures", "loads", "resyncs"
    };

    if (n == sizeof(names) / sizeof(names[0])) {
        return NULL;
    }

    *value = ((const uint64_t *) counters)[n];

    return names[n];
}


static ngx_int_t
ngx_http_presence_status_format(ngx_http_request_t *r,
    ngx_http_presence_status_format_e *format, ngx_int_t *rc)
{
    ngx_str_t  value, *accept;

    if (ngx_http_presence_filter_argument(r, "format", &value, rc) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (value.data) {

        if (value.len == 4 && ngx_strncmp(value.data, "json", 4) == 0) {
            *format = NGX_HTTP_PRESENCE_STATUS_JSON;
            return NGX_OK;
        }

        if (value.len == 4 && ngx_strncmp(value.data, "html", 4) == 0) {
            *format = NGX_HTTP_PRESENCE_STATUS_HTML;
            return NGX_OK;
        }

        *rc = ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_INVALID_ARGUMENT,
                                        "\"format\" is json or html");
        return NGX_DECLINED;
    }

    /* a browser names HTML first, and a program JSON or just anything */

    *format = NGX_HTTP_PRESENCE_STATUS_HTML;

    accept = ngx_http_presence_find_header(r, "accept");

    if (accept
        && ngx_strlcasestrn(accept->data, accept->data + accept->len,
                            (u_char *) "application/json",
                            sizeof("application/json") - 2)
        && ngx_strlcasestrn(accept->data, accept->data + accept->len,
                            (u_char *) "text/html", sizeof("text/html") - 2)
           == NULL)
    {
        *format = NGX_HTTP_PRESENCE_STATUS_JSON;
    }

    return NGX_OK;
}


static void
ngx_http_presence_status_take(ngx_http_presence_status_t *status,
    ngx_http_presence_zone_t *zone)
{
    ngx_uint_t                   i;
    ngx_http_presence_shared_t  *sh;

    ngx_http_presence_reading_take(&status->reading, zone);

    (void) ngx_http_presence_zone_lock(zone);

    sh = zone->sh;

    if ((ngx_http_presence_ms_t) ngx_current_msec
        < sh->lease.until + NGX_HTTP_PRESENCE_STATUS_LEASE)
    {
        status->leader = sh->lease.holder;
    }

    status->epoch = sh->epoch;
    status->first = sh->ring.first;
    status->ring_used = sh->ring.head - sh->ring.tail;
    status->ring_size = sh->ring.size;

    status->nepisodes = sh->clock.nepisodes;

    for (i = 0; i < sh->clock.nepisodes; i++) {
        status->episodes[i].at = ngx_http_presence_zone_wall(zone,
                                                    sh->clock.episodes[i].at);
        status->episodes[i].length = sh->clock.episodes[i].length;
    }

    ngx_http_presence_status_take_worst_locked(status, zone);

    ngx_http_presence_zone_unlock(zone);

    qsort(status->worst, status->nworst, sizeof(ngx_http_presence_worst_t),
          ngx_http_presence_status_worse);

    ngx_http_presence_status_take_rates(status);
    ngx_http_presence_status_find(status);
}


static void
ngx_http_presence_status_take_worst_locked(ngx_http_presence_status_t *status,
    ngx_http_presence_zone_t *zone)
{
    ngx_uint_t                    i;
    ngx_http_presence_worst_t    *worst;
    ngx_http_presence_session_t  *session;

    for (i = 0; i < NGX_HTTP_PRESENCE_NWORST; i++) {
        session = zone->sh->worst[i];

        if (session == NULL) {
            continue;
        }

        worst = &status->worst[status->nworst++];

        worst->user_len = session->user->len;
        worst->session_len = session->len;
        ngx_memcpy(worst->user, session->user->id, session->user->len);
        ngx_memcpy(worst->session, session->id, session->len);

        worst->missed = session->life.missed;
        worst->last_seen = ngx_http_presence_zone_wall(zone,
                                                     session->life.last_sign);
        worst->deadline = ngx_http_presence_zone_wall(zone,
                              ngx_http_presence_rules_deadline(&zone->policy,
                                                             &session->life));
    }
}


static void
ngx_http_presence_status_take_rates(ngx_http_presence_status_t *status)
{
    uint32_t                         age, now;
    ngx_uint_t                       i;
    const ngx_http_presence_rate_t  *rate;

    now = (uint32_t) ngx_time();

    for (i = 0; i < NGX_HTTP_PRESENCE_RATE_SECONDS; i++) {
        rate = &status->reading.counters.rate[i];
        age = now - rate->second;

        if (age >= 1 && age <= NGX_HTTP_PRESENCE_STATUS_SECONDS) {
            status->beats[NGX_HTTP_PRESENCE_STATUS_SECONDS - age] =
                                                                  rate->beats;
            status->minute += rate->beats;
        }
    }
}


static void
ngx_http_presence_status_find(ngx_http_presence_status_t *status)
{
    uint64_t                       recovered;
    ngx_uint_t                     i;
    ngx_http_presence_ms_t         deaf;
    ngx_http_presence_reading_t   *reading;
    ngx_http_presence_counters_t  *counters;

    reading = &status->reading;
    counters = &reading->counters;

    if (status->leader == 0) {
        ngx_http_presence_status_add(status,
                                     "No worker looks at deadlines now");
    }

    if (reading->redis.configured && !reading->redis.up) {
        ngx_http_presence_status_add(status,
                                     "Redis does not serve: this node decides "
                                     "alone");

    } else if (reading->redis.lag > NGX_HTTP_PRESENCE_STATUS_LAG) {
        ngx_http_presence_status_add(status,
                                     "Redis is behind by %uL ms",
                                     reading->redis.lag);
    }

    if (reading->sessions && status->minute == 0
        && reading->max_interval <= 60 * 1000)
    {
        ngx_http_presence_status_add(status, "No beat in the last minute");
    }

    if (status->nworst) {
        ngx_http_presence_status_add(status, "%ui%s session%s miss%s beats",
                                     status->nworst,
                                     status->nworst == NGX_HTTP_PRESENCE_NWORST
                                     ? " or more" : "",
                                     status->nworst == 1 ? "" : "s",
                                     status->nworst == 1 ? "es" : "");
    }

    for (i = 0, recovered = 0; i < NGX_HTTP_PRESENCE_NCAUSES; i++) {
        recovered += counters->recovered[i];
    }

    if (ngx_http_presence_status_is_news(counters->recovered_at)) {
        ngx_http_presence_status_add(status,
                           "A session was called gone and beat again in the "
                           "last hour, %uL since nginx started", recovered);
    }

    for (i = 0, deaf = 0; i < status->nepisodes; i++) {
        if (reading->wall - status->episodes[i].at
            < NGX_HTTP_PRESENCE_STATUS_NEWS)
        {
            deaf += status->episodes[i].length;
        }
    }

    if (deaf) {
        ngx_http_presence_status_add(status,
                                     "The server could not hear for %L ms in "
                                     "the last 5 minutes", deaf);
    }

    if (ngx_http_presence_status_is_news(counters->full_at)) {
        ngx_http_presence_status_add(status,
                                     "The zone was full in the last hour, %uL "
                                     "time%s since nginx started",
                                     counters->full,
                                     counters->full == 1 ? "" : "s");

    } else if (reading->bytes[1] < reading->zone->size / 10) {
        ngx_http_presence_status_add(status,
                                     "Less than 10 %% of the zone is free");
    }

    if (ngx_http_presence_status_is_news(counters->rebuilt_at)) {
        ngx_http_presence_status_add(status,
                                     "The zone was rebuilt after a worker "
                                     "died, in the last hour");
    }
}


static void
ngx_http_presence_status_add(ngx_http_presence_status_t *status,
    const char *format, ...)
{
    va_list                       args;
    ngx_http_presence_finding_t  *finding;

    finding = &status->findings[status->nfindings++];

    va_start(args, format);
    finding->len = ngx_vslprintf(finding->text,
                                 finding->text + sizeof(finding->text), format,
                                 args)
                   - finding->text;
    va_end(args);
}


static int ngx_libc_cdecl
ngx_http_presence_status_worse(const void *one, const void *two)
{
    const ngx_http_presence_worst_t  *a = one, *b = two;

    if (a->missed != b->missed) {
        return (a->missed < b->missed) - (a->missed > b->missed);
    }

    return (a->last_seen > b->last_seen) - (a->last_seen < b->last_seen);
}


static void
ngx_http_presence_status_json(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    ngx_uint_t                     i;
    const ngx_str_t               *self;
    ngx_http_presence_zone_t      *zone;
    ngx_http_presence_reading_t   *reading;
    ngx_http_presence_counters_t  *counters;

    reading = &status->reading;
    counters = &reading->counters;
    zone = reading->zone;
    self = ngx_http_presence_redis_reading_self(zone);

    ngx_http_presence_writer_print(w, "{\"zone\":");
    ngx_http_presence_writer_string(w, zone->name.data, zone->name.len);
    ngx_http_presence_writer_print(w, ",\"node\":");
    ngx_http_presence_writer_string(w, self->data, self->len);
    ngx_http_presence_writer_print(w, ",\"server_time\":%L,\"findings\":[",
                                   reading->wall);

    for (i = 0; i < status->nfindings; i++) {
        ngx_http_presence_writer_print(w, "%s", i ? "," : "");
        ngx_http_presence_writer_string(w, status->findings[i].text,
                                        status->findings[i].len);
    }

    ngx_http_presence_writer_print(w, "],");

    ngx_http_presence_status_json_named(w, "users",
                                        ngx_http_presence_status_names,
                                        reading->users,
                                        NGX_HTTP_PRESENCE_NSHOWN);

    ngx_http_presence_writer_print(w, ",\"sessions\":%uL,\"streams\":%uL,",
                                   reading->sessions, reading->streams);

    ngx_http_presence_status_json_workers(w, status);

    ngx_http_presence_writer_print(w, ",\"beats\":{\"last_minute\":%uL,"
                                   "\"per_second\":[", status->minute);

    for (i = 0; i < NGX_HTTP_PRESENCE_STATUS_SECONDS; i++) {
        ngx_http_presence_writer_print(w, "%s%uD", i ? "," : "",
                                       status->beats[i]);
    }

    ngx_http_presence_writer_print(w, "],\"missed\":%uL,", counters->missed);

    ngx_http_presence_status_json_named(w, "late",
                                        ngx_http_presence_cause_names,
                                        counters->late,
                                        NGX_HTTP_PRESENCE_NCAUSES);
    ngx_http_presence_writer_print(w, ",");
    ngx_http_presence_status_json_named(w, "recovered",
                                        ngx_http_presence_cause_names,
                                        counters->recovered,
                                        NGX_HTTP_PRESENCE_NCAUSES);

    ngx_http_presence_status_json_worst(w, status);

    ngx_http_presence_writer_print(w,
                            ",\"memory\":{\"size\":%uz,\"used\":%uL,"
                            "\"free\":%uL,\"evictions\":%uL,\"refusals\":%uL,"
                            "\"rebuilds\":%uL},\"ring\":{\"epoch\":\"%016xL\","
                            "\"first\":%uL,\"last\":%uL,\"used\":%uL,"
                            "\"size\":%uL},\"clock\":{\"deaf_ms\":%uL,"
                            "\"episodes\":[",
                            zone->size, reading->bytes[0], reading->bytes[1],
                            counters->evicted, counters->full,
                            counters->rebuilt, status->epoch, status->first,
                            reading->changes, status->ring_used,
                            status->ring_size, reading->deaf);

    for (i = 0; i < status->nepisodes; i++) {
        ngx_http_presence_writer_print(w, "%s{\"at\":%L,\"length_ms\":%L}",
                                       i ? "," : "", status->episodes[i].at,
                                       status->episodes[i].length);
    }

    ngx_http_presence_writer_print(w, "]},\"redis\":");
    ngx_http_presence_status_json_redis(w, &reading->redis);
    ngx_http_presence_writer_print(w, ",");
    ngx_http_presence_status_json_config(w, zone);
    ngx_http_presence_writer_print(w, "}");
}


static void
ngx_http_presence_status_json_workers(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    ngx_uint_t                   i, n;
    ngx_http_presence_worker_t  *worker;

    ngx_http_presence_writer_print(w, "\"workers\":[");

    for (i = 0, n = 0; i < NGX_HTTP_PRESENCE_MAX_WORKERS; i++) {
        worker = &status->reading.counters.workers[i];

        if (ngx_http_presence_counters_is_alive(worker)) {
            ngx_http_presence_writer_print(w, "%s{\"pid\":%P,\"streams\":%uD,"
                                           "\"leads\":%s}", n++ ? "," : "",
                                           worker->pid, worker->streams,
                                           worker->pid == status->leader
                                           ? "true" : "false");
        }
    }

    ngx_http_presence_writer_print(w, "]");
}


static void
ngx_http_presence_status_json_worst(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    ngx_uint_t                  i;
    ngx_http_presence_worst_t  *worst;

    ngx_http_presence_writer_print(w, "},\"worst\":[");

    for (i = 0; i < status->nworst; i++) {
        worst = &status->worst[i];

        ngx_http_presence_writer_print(w, "%s{\"user\":", i ? "," : "");
        ngx_http_presence_writer_string(w, worst->user, worst->user_len);
        ngx_http_presence_writer_print(w, ",\"session\":");
        ngx_http_presence_writer_string(w, worst->session,
                                        worst->session_len);
        ngx_http_presence_writer_print(w, ",\"missed\":%ui,\"last_seen\":%L,"
                                       "\"deadline\":%L}", worst->missed,
                                       worst->last_seen, worst->deadline);
    }

    ngx_http_presence_writer_print(w, "]");
}


static void
ngx_http_presence_status_json_named(ngx_http_presence_writer_t *w,
    const char *name, const char *const *names, const uint64_t *values,
    ngx_uint_t n)
{
    ngx_uint_t  i;

    ngx_http_presence_writer_print(w, "\"%s\":{", name);

    for (i = 0; i < n; i++) {
        ngx_http_presence_writer_print(w, "%s\"%s\":%uL", i ? "," : "",
                                       names[i], values[i]);
    }

    ngx_http_presence_writer_print(w, "}");
}


static void
ngx_http_presence_status_json_redis(ngx_http_presence_writer_t *w,
    const ngx_http_presence_redis_reading_t *redis)
{
    uint64_t     value;
    ngx_uint_t   i;
    const char  *name;

    if (!redis->configured) {
        ngx_http_presence_writer_print(w, "null");
        return;
    }

    ngx_http_presence_writer_print(w, "{\"node\":");
    ngx_http_presence_writer_string(w, redis->self, redis->self_len);
    ngx_http_presence_writer_print(w, ",\"up\":%s,\"since\":",
                                   redis->up ? "true" : "false");

    if (redis->changed) {
        ngx_http_presence_writer_print(w, "%uL", redis->changed);

    } else {
        ngx_http_presence_writer_print(w, "null");
    }

    ngx_http_presence_writer_print(w, ",\"last_error\":");

    if (redis->why_len) {
        ngx_http_presence_writer_string(w, redis->why, redis->why_len);

    } else {
        ngx_http_presence_writer_print(w, "null");
    }

    ngx_http_presence_writer_print(w, ",\"nodes\":%uL,\"queued\":%uL,"
                                   "\"unanswered\":%uL,\"lag_ms\":%uL",
                                   redis->nodes, redis->queued, redis->sent,
                                   redis->lag);

    for (i = 0;
         (name = ngx_http_presence_status_redis(&redis->counters, i, &value));
         i++)
    {
        ngx_http_presence_writer_print(w, ",\"%s\":%uL", name, value);
    }

    ngx_http_presence_writer_print(w, "}");
}


static void
ngx_http_presence_status_json_config(ngx_http_presence_writer_t *w,
    ngx_http_presence_zone_t *zone)
{
    int64_t      value;
    ngx_uint_t   i;
    const char  *name;

    ngx_http_presence_writer_print(w, "\"config\":{\"size\":%uz", zone->size);

    for (i = 0; (name = ngx_http_presence_block_nth(zone, 1, i, &value)); i++)
    {
        ngx_http_presence_writer_print(w, ",\"%s_ms\":%L", name, value);
    }

    for (i = 0; (name = ngx_http_presence_block_nth(zone, 0, i, &value)); i++)
    {
        ngx_http_presence_writer_print(w, ",\"%s\":%L", name, value);
    }

    ngx_http_presence_writer_print(w, ",\"state\":");

    if (zone->state_file.len) {
        ngx_http_presence_writer_string(w, zone->state_file.data,
                                        zone->state_file.len);
    } else {
        ngx_http_presence_writer_print(w, "null");
    }

    ngx_http_presence_writer_print(w, "}");
}
