#include "ngx_http_presence_metrics.h"
#include "ngx_http_presence_problem.h"
#include "ngx_http_presence_reading.h"
#include "ngx_http_presence_writer.h"


typedef struct ngx_http_presence_family_s  ngx_http_presence_family_t;

typedef struct {
    ngx_http_presence_writer_t          w;
    ngx_http_presence_reading_t        *readings;
    ngx_str_t                          *zones;      /* as values of a label */
    ngx_uint_t                          n;
} ngx_http_presence_exposition_t;

typedef void (*ngx_http_presence_family_pt)(ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone);


/*
 * Samples with the same name.  "at" is where a reading has the first of the
 * values, one for each name of the label.
 */
struct ngx_http_presence_family_s {
    const char                         *name;
    const char                         *type;
    const char                         *help;
    ngx_http_presence_family_pt         write;
    size_t                              at;
    const char                         *label;
    const char *const                  *names;
    ngx_uint_t                          n;
    const ngx_http_presence_scale_t    *scale;
};


typedef struct {
    ngx_http_presence_status_e          from;
    ngx_http_presence_status_e          to;
    ngx_http_presence_reason_e          reason;
} ngx_http_presence_transition_t;


static ngx_int_t ngx_http_presence_metrics_zones(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_exposition_t *e);
static ngx_int_t ngx_http_presence_metrics_label(ngx_pool_t *pool,
    const ngx_str_t *name, ngx_str_t *label);
static void ngx_http_presence_metrics_write(ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t redis);
static void ngx_http_presence_metrics_write_one(
    ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone);
static void ngx_http_presence_metrics_write_labelled(
    ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone);
static void ngx_http_presence_metrics_write_milliseconds(
    ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone);
static void ngx_http_presence_metrics_write_histogram(
    ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone);
static void ngx_http_presence_metrics_write_problems(
    ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone);
static void ngx_http_presence_metrics_write_transitions(
    ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone);
static ngx_uint_t ngx_http_presence_metrics_is_usual(
    const ngx_http_presence_transition_t *transition);


static const char *const  ngx_http_presence_beat_names[] = {
    "ignored", "began", "renewed", "overtaken", "left", "logged-out", "full",
    "rejected"
};

static const char *const  ngx_http_presence_event_names[] = {
    "presence_state", "presence_diff", "presence_count", "ping", "retry",
    "presence_trace"
};

static const char *const  ngx_http_presence_resume_names[] = {
    "continued", "too-old", "other-epoch", "invalid"
};

static const char *const  ngx_http_presence_bytes_names[] = { "used", "free" };


/* these are told from the start, so that their first increase is seen */

static const ngx_http_presence_transition_t
ngx_http_presence_metrics_usual[] = {
    { NGX_HTTP_PRESENCE_OFFLINE, NGX_HTTP_PRESENCE_ONLINE,
      NGX_HTTP_PRESENCE_BEAT },
    { NGX_HTTP_PRESENCE_OFFLINE, NGX_HTTP_PRESENCE_ONLINE,
      NGX_HTTP_PRESENCE_TOUCH },
    { NGX_HTTP_PRESENCE_OFFLINE, NGX_HTTP_PRESENCE_ONLINE,
      NGX_HTTP_PRESENCE_RECOVERED },
    { NGX_HTTP_PRESENCE_ONLINE, NGX_HTTP_PRESENCE_OFFLINE,
      NGX_HTTP_PRESENCE_MISSED },
    { NGX_HTTP_PRESENCE_ONLINE, NGX_HTTP_PRESENCE_OFFLINE,
      NGX_HTTP_PRESENCE_LEAVE },
    { NGX_HTTP_PRESENCE_ONLINE, NGX_HTTP_PRESENCE_OFFLINE,
      NGX_HTTP_PRESENCE_LOGOUT },
    { NGX_HTTP_PRESENCE_AWAY, NGX_HTTP_PRESENCE_OFFLINE,
      NGX_HTTP_PRESENCE_MISSED },
    { NGX_HTTP_PRESENCE_AWAY, NGX_HTTP_PRESENCE_OFFLINE,
      NGX_HTTP_PRESENCE_LEAVE },
    { NGX_HTTP_PRESENCE_AWAY, NGX_HTTP_PRESENCE_OFFLINE,
      NGX_HTTP_PRESENCE_LOGOUT },
    { NGX_HTTP_PRESENCE_ONLINE, NGX_HTTP_PRESENCE_AWAY,
      NGX_HTTP_PRESENCE_IDLE },
    { NGX_HTTP_PRESENCE_AWAY, NGX_HTTP_PRESENCE_ONLINE,
      NGX_HTTP_PRESENCE_ACTIVITY }
};


#define ngx_http_presence_metric(write, member)                               \
    ngx_http_presence_metrics_write_##write,                                  \
    offsetof(ngx_http_presence_reading_t, member)

#define ngx_http_presence_metric_one(member)                                  \
    ngx_http_presence_metric(one, member), NULL, NULL, 0, NULL

#define ngx_http_presence_metric_milliseconds(member)                         \
    ngx_http_presence_metric(milliseconds, member), NULL, NULL, 0, NULL

#define ngx_http_presence_metric_histogram(member, scale)                     \
    ngx_http_presence_metric(histogram, member), NULL, NULL, 0, &scale

#define ngx_http_presence_metric_labelled(member, label, names, n)            \
    ngx_http_presence_metric(labelled, member), label, names, n, NULL

static const ngx_http_presence_family_t  ngx_http_presence_families[] = {

    { "presence_users", "gauge",
      "Users by the status that others see, offline ones that are remembered "
      "included.",
      ngx_http_presence_metric_labelled(users, "status",
                                        ngx_http_presence_status_names,
                                        NGX_HTTP_PRESENCE_NSHOWN) },

    { "presence_sessions", "gauge",
      "Sessions: tabs and devices that are there.",
      ngx_http_presence_metric_one(sessions) },

    { "presence_beats_total", "counter",
      "Beats by what became of them.",
      ngx_http_presence_metric_labelled(counters.beats, "result",
                                        ngx_http_presence_beat_names,
                                        NGX_HTTP_PRESENCE_NBEATS) },

    { "presence_beat_gap_seconds", "histogram",
      "Time between two beats of a session, without time in which the server "
      "could not hear.",
      ngx_http_presence_metric_histogram(counters.gap,
                                         ngx_http_presence_gap_scale) },

    { "presence_touches_total", "counter",
      "Requests of presence_touch that counted.",
      ngx_http_presence_metric_one(counters.traffic.touches) },

    { "presence_stream_acknowledgements_total", "counter",
      "Acknowledgements of bound streams that counted as a sign of life.",
      ngx_http_presence_metric_one(counters.acknowledgements) },

    { "presence_late_beats_total", "counter",
      "Beats that came more than \"slack\" after they were due, by cause.",
      ngx_http_presence_metric_labelled(counters.late, "cause",
                                        ngx_http_presence_cause_names,
                                        NGX_HTTP_PRESENCE_NCAUSES) },

    { "presence_missed_beats_total", "counter",
      "Beats that were due and did not come in time.",
      ngx_http_presence_metric_one(counters.missed) },

    { "presence_transitions_total", "counter",
      "Changes of the status that others see.",
      ngx_http_presence_metrics_write_transitions, 0, NULL, NULL, 0, NULL },

    { "presence_recovered_total", "counter",
      "Sessions that beat again after they were called gone, by cause: each "
      "may have been a false offline.",
      ngx_http_presence_metric_labelled(counters.recovered, "cause",
                                        ngx_http_presence_cause_names,
                                        NGX_HTTP_PRESENCE_NCAUSES) },

    { "presence_detection_delay_seconds", "histogram",
      "Time from the deadline of a session to its end.",
      ngx_http_presence_metric_histogram(counters.detection,
                                         ngx_http_presence_detection_scale) },

    { "presence_changes_total", "counter",
      "Changes that went into the ring, since it was made.",
      ngx_http_presence_metric_one(changes) },

    { "presence_delivery_latency_seconds", "histogram",
      "Time from a change to the write of the event with it, for each stream.",
      ngx_http_presence_metric_histogram(counters.traffic.delivery,
                                         ngx_http_presence_delivery_scale) },

    { "presence_streams", "gauge",
      "Open streams.",
      ngx_http_presence_metric_one(streams) },

    { "presence_streams_opened_total", "counter",
      "Streams that were opened.",
      ngx_http_presence_metric_one(counters.traffic.opened) },

    { "presence_stream_events_total", "counter",
      "Events that were written to streams.",
      ngx_http_presence_metric_labelled(counters.traffic.events, "event",
                                        ngx_http_presence_event_names,
                                        NGX_HTTP_PRESENCE_NEVENTS) },

    { "presence_stream_resumes_total", "counter",
      "Streams that named their last event, by what they got.",
      ngx_http_presence_metric_labelled(counters.traffic.resumes, "result",
                                        ngx_http_presence_resume_names,
                                        NGX_HTTP_PRESENCE_NRESUMES) },

    { "presence_problems_total", "counter",
      "Requests that were answered with a problem, by its type.",
      ngx_http_presence_metrics_write_problems, 0, NULL, NULL, 0, NULL },

    { "presence_zone_bytes", "gauge",
      "Memory of the zone, in whole pages.",
      ngx_http_presence_metric_labelled(bytes, "state",
                                        ngx_http_presence_bytes_names, 2) },

    { "presence_zone_evictions_total", "counter",
      "Offline users who were forgotten early to make room.",
      ngx_http_presence_metric_one(counters.evicted) },

    { "presence_zone_refusals_total", "counter",
      "Times that something found no room in the zone.",
      ngx_http_presence_metric_one(counters.full) },

    { "presence_zone_rebuilds_total", "counter",
      "Times that the zone was rebuilt after a worker died within it.",
      ngx_http_presence_metric_one(counters.rebuilt) },

    { "presence_deaf_seconds_total", "counter",
      "Time in which the server could not hear, which is not counted as "
      "missed.",
      ngx_http_presence_metric_milliseconds(deaf) },

    { "presence_interval_seconds", "gauge",
      "The configured time between two beats.",
      ngx_http_presence_metric_milliseconds(interval) },

    { "presence_max_interval_seconds", "gauge",
      "The configured bound of the time between two beats.",
      ngx_http_presence_metric_milliseconds(max_interval) },

    { NULL, NULL, NULL, NULL, 0, NULL, NULL, 0, NULL }
};


/* of zones with Redis, and of no other */

static const ngx_http_presence_family_t  ngx_http_presence_redis_families[] = {

    { "presence_redis_up", "gauge",
      "Does Redis serve?  If not, this node decides alone.",
      ngx_http_presence_metric_one(redis.up) },

    { "presence_redis_changed_timestamp_seconds", "gauge",
      "Since when presence_redis_up is what it is; 0: not known yet.",
      ngx_http_presence_metric_milliseconds(redis.changed) },

    { "presence_redis_nodes", "gauge",
      "Nodes that are alive, as this one knows it, itself included.",
      ngx_http_presence_metric_one(redis.nodes) },

    { "presence_redis_queue_length", "gauge",
      "Users that wait to be sent.",
      ngx_http_presence_metric_one(redis.queued) },

    { "presence_redis_unanswered", "gauge",
      "Users that were sent and are not answered.",
      ngx_http_presence_metric_one(redis.sent) },

    { "presence_redis_lag_seconds", "gauge",
      "How long the user has waited who has waited longest for an answer.",
      ngx_http_presence_metric_milliseconds(redis.lag) },

    { "presence_redis_synced_total", "counter",
      "Users that were sent and answered.",
      ngx_http_presence_metric_one(redis.counters.synced) },

    { "presence_redis_refused_total", "counter",
      "Users that were sent and answered with an error.",
      ngx_http_presence_metric_one(redis.counters.refused) },

    { "presence_redis_dropped_total", "counter",
      "Users that were not sent, or not answered: all are looked at later.",
      ngx_http_presence_metric_one(redis.counters.dropped) },

    { "presence_redis_changes_total", "counter",
      "Sessions of other nodes that were taken over as they are there.",
      ngx_http_presence_metric_one(redis.counters.changes) },

    { "presence_redis_claimed_total", "counter",
      "Sessions that this node looks after now, since their node is dead.",
      ngx_http_presence_metric_one(redis.counters.claimed) },

    { "presence_redis_connects_total", "counter",
      "Connections to Redis that were made.",
      ngx_http_presence_metric_one(redis.counters.connects) },

    { "presence_redis_failures_total", "counter",
      "Connections to Redis that were lost, or could not be made.",
      ngx_http_presence_metric_one(redis.counters.failures) },

    { "presence_redis_loads_total", "counter",
      "Times that Redis did not know the script and got it in full.",
      ngx_http_presence_metric_one(redis.counters.loads) },

    { "presence_redis_resyncs_total", "counter",
      "Times that all users were sent, after something was lost.",
      ngx_http_presence_metric_one(redis.counters.resyncs) },

    { NULL, NULL, NULL, NULL, 0, NULL, NULL, 0, NULL }
};


#define ngx_http_presence_metrics_values(e, zone, offset)                     \
    ((const uint64_t *) ((u_char *) &(e)->readings[zone] + (offset)))


ngx_int_t
ngx_http_presence_metrics_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone)
{
    ngx_int_t                        rc;
    ngx_http_presence_exposition_t   e;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_presence_problem_method(r, "GET, HEAD");
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_presence_writer_begin(&e.w, r, 8 * ngx_pagesize) != NGX_OK
        || ngx_http_presence_metrics_zones(r, zone, &e) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_presence_metrics_write(&e, ngx_http_presence_families, 0);
    ngx_http_presence_metrics_write(&e, ngx_http_presence_redis_families, 1);

    return ngx_http_presence_writer_send(&e.w, r,
                                  "text/plain; version=0.0.4; charset=utf-8");
}


static ngx_int_t
ngx_http_presence_metrics_zones(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone, ngx_http_presence_exposition_t *e)
{
    ngx_uint_t                       i;
    ngx_http_presence_zone_t       **zones;
    ngx_http_presence_reading_t     *reading;
    ngx_http_presence_main_conf_t   *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_presence_module);

    e->n = zone ? 1 : pmcf->zones.nelts;
    zones = zone ? &zone : pmcf->zones.elts;

    e->zones = ngx_palloc(r->pool, e->n * sizeof(ngx_str_t) + 1);
    e->readings = ngx_palloc(r->pool,
                             e->n * sizeof(ngx_http_presence_reading_t) + 1);

    if (e->zones == NULL || e->readings == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < e->n; i++) {
        reading = &e->readings[i];

        ngx_http_presence_reading_take(reading, zones[i]);

        /* a beat that was rejected did not get as far as the lock */

        reading->counters.beats[NGX_HTTP_PRESENCE_BEAT_REJECTED] =
                                          reading->counters.traffic.rejected;

        if (ngx_http_presence_metrics_label(r->pool, &zones[i]->name,
                                            &e->zones[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_metrics_label(ngx_pool_t *pool, const ngx_str_t *name,
    ngx_str_t *label)
{
    u_char      *p;
    ngx_uint_t   i;

    p = ngx_pnalloc(pool, 2 * name->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    label->data = p;

    for (i = 0; i < name->len; i++) {

        switch (name->data[i]) {

        case '\\':
        case '"':
            *p++ = '\\';
            *p++ = name->data[i];
            break;

        case LF:
            *p++ = '\\';
            *p++ = 'n';
            break;

        default:
            *p++ = name->data[i];
        }
    }

    label->len = p - label->data;

    return NGX_OK;
}


static void
ngx_http_presence_metrics_write(ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t redis)
{
    ngx_uint_t  i, n;

    for (i = 0, n = 0; i < e->n; i++) {
        n += e->readings[i].redis.configured;
    }

    if (redis && n == 0) {
        return;
    }

    for ( /* void */ ; family->name; family++) {

        ngx_http_presence_writer_print(&e->w, "# HELP %s %s\n# TYPE %s %s\n",
                                       family->name, family->help,
                                       family->name, family->type);

        for (i = 0; i < e->n; i++) {

            if (!redis || e->readings[i].redis.configured) {
                family->write(e, family, i);
            }
        }
    }
}


static void
ngx_http_presence_metrics_write_one(ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone)
{
    ngx_http_presence_writer_print(&e->w, "%s{zone=\"%V\"} %uL\n",
                      family->name, &e->zones[zone],
                      *ngx_http_presence_metrics_values(e, zone, family->at));
}


static void
ngx_http_presence_metrics_write_labelled(ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone)
{
    ngx_uint_t       i;
    const uint64_t  *values;

    values = ngx_http_presence_metrics_values(e, zone, family->at);

    for (i = 0; i < family->n; i++) {
        ngx_http_presence_writer_print(&e->w,
                                       "%s{zone=\"%V\",%s=\"%s\"} %uL\n",
                                       family->name, &e->zones[zone],
                                       family->label, family->names[i],
                                       values[i]);
    }
}


static void
ngx_http_presence_metrics_write_milliseconds(
    ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone)
{
    uint64_t  ms;

    ms = *ngx_http_presence_metrics_values(e, zone, family->at);

    ngx_http_presence_writer_print(&e->w, "%s{zone=\"%V\"} %uL.%03uL\n",
                                   family->name, &e->zones[zone],
                                   ms / 1000, ms % 1000);
}


static void
ngx_http_presence_metrics_write_histogram(ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone)
{
    uint64_t                              n;
    ngx_str_t                            *label;
    ngx_uint_t                            i;
    const ngx_http_presence_scale_t      *scale;
    const ngx_http_presence_histogram_t  *h;

    h = (const ngx_http_presence_histogram_t *)
            ngx_http_presence_metrics_values(e, zone, family->at);

    scale = family->scale;
    label = &e->zones[zone];
    n = 0;

    for (i = 0; i < scale->n; i++) {
        n += h->buckets[i];

        ngx_http_presence_writer_print(&e->w,
                                 "%s_bucket{zone=\"%V\",le=\"%s\"} %uL\n",
                                 family->name, label, scale->bounds[i].text,
                                 n);
    }

    n += h->buckets[i];

    ngx_http_presence_writer_print(&e->w,
                                   "%s_bucket{zone=\"%V\",le=\"+Inf\"} %uL\n"
                                   "%s_sum{zone=\"%V\"} %uL.",
                                   family->name, label, n, family->name, label,
                                   h->sum / scale->per_second);

    /* the unit is a thousandth or a millionth of a second */

    ngx_http_presence_writer_print(&e->w,
                                   scale->per_second == 1000 ? "%03uL"
                                                             : "%06uL",
                                   h->sum % scale->per_second);

    ngx_http_presence_writer_print(&e->w, "\n%s_count{zone=\"%V\"} %uL\n",
                                   family->name, label, n);
}


static void
ngx_http_presence_metrics_write_problems(ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone)
{
    ngx_uint_t       i;
    const uint64_t  *values;

    values = e->readings[zone].counters.traffic.problems;

    for (i = 0; i < NGX_HTTP_PRESENCE_NPROBLEMS; i++) {
        ngx_http_presence_writer_print(&e->w,
                                       "%s{zone=\"%V\",type=\"%s\"} %uL\n",
                                       family->name, &e->zones[zone],
                                       ngx_http_presence_problem_name(i),
                                       values[i]);
    }
}


/* those that happened, of all that there might be, and the usual ones */

static void
ngx_http_presence_metrics_write_transitions(
    ngx_http_presence_exposition_t *e,
    const ngx_http_presence_family_t *family, ngx_uint_t zone)
{
    uint64_t                              n;
    ngx_http_presence_transition_t        t;
    const ngx_http_presence_counters_t   *counters;

    counters = &e->readings[zone].counters;

    for (t.from = 0; t.from < NGX_HTTP_PRESENCE_NSHOWN; t.from++) {
        for (t.to = 0; t.to < NGX_HTTP_PRESENCE_NSHOWN; t.to++) {
            for (t.reason = NGX_HTTP_PRESENCE_BEAT;
                 t.reason < NGX_HTTP_PRESENCE_NREASONS;
                 t.reason++)
            {
                n = counters->transitions[t.from][t.to][t.reason];

                if (n == 0 && !ngx_http_presence_metrics_is_usual(&t)) {
                    continue;
                }

                ngx_http_presence_writer_print(&e->w,
                                    "%s{zone=\"%V\",from=\"%s\",to=\"%s\","
                                    "reason=\"%s\"} %uL\n",
                                    family->name, &e->zones[zone],
                                    ngx_http_presence_status_names[t.from],
                                    ngx_http_presence_status_names[t.to],
                                    ngx_http_presence_reason_names[t.reason],
                                    n);
            }
        }
    }
}


static ngx_uint_t
ngx_http_presence_metrics_is_usual(
    const ngx_http_presence_transition_t *transition)
{
    ngx_uint_t                             i, n;
    const ngx_http_presence_transition_t  *usual;

    n = sizeof(ngx_http_presence_metrics_usual)
        / sizeof(ngx_http_presence_transition_t);

    for (i = 0; i < n; i++) {
        usual = &ngx_http_presence_metrics_usual[i];

        if (usual->from == transition->from
            && usual->to == transition->to
            && usual->reason == transition->reason)
        {
            return 1;
        }
    }

    return 0;
}
