#include <time.h>

#include "ngx_http_presence_counters.h"


/* a beat comes after its interval of 25 s, or 70 s in a hidden tab */

const ngx_http_presence_scale_t  ngx_http_presence_gap_scale = {
    15, 1000,
    {
        { 250, "0.25" },
        { 1000, "1" },
        { 5000, "5" },
        { 10000, "10" },
        { 15000, "15" },
        { 20000, "20" },
        { 25000, "25" },
        { 30000, "30" },
        { 45000, "45" },
        { 60000, "60" },
        { 75000, "75" },
        { 90000, "90" },
        { 120000, "120" },
        { 180000, "180" },
        { 300000, "300" }
    }
};


/* the timer ticks each 100 ms, and the promise is a second */

const ngx_http_presence_scale_t  ngx_http_presence_detection_scale = {
    10, 1000,
    {
        { 10, "0.01" },
        { 25, "0.025" },
        { 50, "0.05" },
        { 100, "0.1" },
        { 150, "0.15" },
        { 250, "0.25" },
        { 500, "0.5" },
        { 1000, "1" },
        { 2500, "2.5" },
        { 10000, "10" }
    }
};


const ngx_http_presence_scale_t  ngx_http_presence_delivery_scale = {
    14, 1000000,
    {
        { 100, "0.0001" },
        { 250, "0.00025" },
        { 500, "0.0005" },
        { 1000, "0.001" },
        { 2500, "0.0025" },
        { 5000, "0.005" },
        { 10000, "0.01" },
        { 25000, "0.025" },
        { 50000, "0.05" },
        { 100000, "0.1" },
        { 250000, "0.25" },
        { 500000, "0.5" },
        { 1000000, "1" },
        { 10000000, "10" }
    }
};


void
ngx_http_presence_counters_observe(ngx_http_presence_histogram_t *h,
    const ngx_http_presence_scale_t *scale, int64_t value)
{
    ngx_uint_t  i;

    if (value < 0) {
        value = 0;
    }

    for (i = 0; i < scale->n; i++) {
        if ((uint64_t) value <= scale->bounds[i].most) {
            break;
        }
    }

    h->buckets[i]++;
    h->sum += value;
}


void
ngx_http_presence_counters_beat(ngx_http_presence_counters_t *counters,
    ngx_http_presence_beat_e result)
{
    uint32_t                   second;
    ngx_http_presence_rate_t  *rate;

    counters->beats[result]++;

    second = (uint32_t) ngx_time();
    rate = &counters->rate[second % NGX_HTTP_PRESENCE_RATE_SECONDS];

    if (rate->second != second) {
        rate->second = second;
        rate->beats = 0;
    }

    rate->beats++;
}


void
ngx_http_presence_counters_add(ngx_http_presence_counters_t *counters,
    ngx_http_presence_traffic_t *traffic)
{
    uint64_t    *to, *from;
    ngx_uint_t   i;

    to = (uint64_t *) &counters->traffic;
    from = (uint64_t *) traffic;

    for (i = 0;
         i < sizeof(ngx_http_presence_traffic_t) / sizeof(uint64_t);
         i++)
    {
        to[i] += from[i];
        from[i] = 0;
    }
}


ngx_uint_t
ngx_http_presence_counters_enlist(ngx_http_presence_counters_t *counters)
{
    ngx_uint_t                   i, place;
    ngx_http_presence_worker_t  *worker;

    place = NGX_HTTP_PRESENCE_MAX_WORKERS;

    for (i = 0; i < NGX_HTTP_PRESENCE_MAX_WORKERS; i++) {
        worker = &counters->workers[i];

        if (!ngx_http_presence_counters_is_alive(worker)) {
            worker->pid = 0;
            worker->streams = 0;
        }

        if (worker->pid == 0 && place == NGX_HTTP_PRESENCE_MAX_WORKERS) {
            place = i;
        }
    }

    if (place < NGX_HTTP_PRESENCE_MAX_WORKERS) {
        counters->workers[place].pid = ngx_pid;
    }

    return place;
}


uint64_t
ngx_http_presence_counters_streams(
    const ngx_http_presence_counters_t *counters)
{
    uint64_t    streams;
    ngx_uint_t  i;

    streams = 0;

    for (i = 0; i < NGX_HTTP_PRESENCE_MAX_WORKERS; i++) {

        if (counters->workers[i].streams
            && ngx_http_presence_counters_is_alive(&counters->workers[i]))
        {
            streams += counters->workers[i].streams;
        }
    }

    return streams;
}


ngx_uint_t
ngx_http_presence_counters_is_alive(const ngx_http_presence_worker_t *worker)
{
    return worker->pid
           && (kill(worker->pid, 0) == 0 || ngx_errno == NGX_EPERM);
}


uint64_t
ngx_http_presence_counters_time(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
