/*
 * Beats of many sessions, as the browser client sends them, over keep-alive
 * connections; prints what came of it as one line of JSON.
 *
 * Without --rate the loop is closed: each connection sends as soon as it has
 * its answer.  With --rate beats are due at fixed times, and their latency
 * counts from then on, also when no connection was free.
 */

#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common.h"


#define BEATS_CONNECTIONS  1024
#define BEATS_USER         16           /* digits and letters of the ids */
#define BEATS_SESSION      16
#define BEATS_SEQ          13


typedef struct {
    int                  fd;
    int                  busy;
    uint64_t             session;
    uint64_t             due;           /* of its beat */
    bench_reply_t        reply;
} beats_connection_t;


typedef struct {
    char                 data[2048];
    size_t               len;
    char                *user;          /* its digits, and so on */
    char                *session;
    char                *seq;
} beats_request_t;


static void beats_options(int argc, char **argv);
static void beats_make_request(void);
static void beats_open(beats_connection_t *c);
static void beats_reopen(beats_connection_t *c);
static void beats_send(beats_connection_t *c);
static void beats_answered(beats_connection_t *c, uint64_t now);
static int beats_is_over(uint64_t now);
static uint64_t beats_due(void);
static void beats_send_due(uint64_t now);
static void beats_read(void);
static uint64_t beats_stride(uint64_t n);
static void beats_print(uint64_t elapsed);


static int                  beats_port;
static char                *beats_path = "/presence/beat";
static char                *beats_header = "";
static unsigned             beats_connections = 64;
static uint64_t             beats_sessions = 10000;
static uint64_t             beats_count = UINT64_MAX;
static uint64_t             beats_end = UINT64_MAX;
static double               beats_rate;
static int                  beats_until_refused;

static int                  beats_epoll;
static beats_request_t      beats_request;
static beats_connection_t   beats_pool[BEATS_CONNECTIONS];
static beats_connection_t  *beats_idle[BEATS_CONNECTIONS];
static unsigned             beats_nidle;

static uint64_t             beats_start;
static uint64_t             beats_next;         /* session */
static uint64_t             beats_step;
static uint64_t             beats_sent;
static uint64_t             beats_accepted;
static uint64_t             beats_refused;
static uint64_t             beats_reopened;
static bench_histogram_t    beats_latency;


int
main(int argc, char **argv)
{
    unsigned  i;
    uint64_t  now;

    beats_options(argc, argv);
    beats_make_request();

    beats_epoll = epoll_create1(EPOLL_CLOEXEC);

    beats_step = beats_stride(beats_sessions);
    beats_next = bench_now() % beats_sessions;

    for (i = 0; i < beats_connections; i++) {
        beats_open(&beats_pool[i]);
        beats_idle[beats_nidle++] = &beats_pool[i];
    }

    beats_start = bench_now();

    if (beats_end != UINT64_MAX) {
        beats_end += beats_start;
    }

    for ( ;; ) {
        now = bench_now();

        beats_send_due(now);

        if (beats_is_over(now) && beats_nidle == beats_connections) {
            break;
        }

        beats_read();
    }

    beats_print(bench_now() - beats_start);

    return 0;
}


static void
beats_options(int argc, char **argv)
{
    int  c;

    static const struct option  options[] = {
        { "port", required_argument, NULL, 'p' },
        { "path", required_argument, NULL, 'u' },
        { "header", required_argument, NULL, 'H' },
        { "connections", required_argument, NULL, 'c' },
        { "sessions", required_argument, NULL, 'n' },
        { "count", required_argument, NULL, 'N' },
        { "seconds", required_argument, NULL, 's' },
        { "rate", required_argument, NULL, 'r' },
        { "until-refused", no_argument, &beats_until_refused, 1 },
        { NULL, 0, NULL, 0 }
    };

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {

        switch (c) {
        case 'p': beats_port = atoi(optarg); break;
        case 'u': beats_path = optarg; break;
        case 'H': beats_header = optarg; break;
        case 'c': beats_connections = atoi(optarg); break;
        case 'n': beats_sessions = strtoull(optarg, NULL, 10); break;
        case 'N': beats_count = strtoull(optarg, NULL, 10); break;
        case 's': beats_end = atof(optarg) * BENCH_SECOND; break;
        case 'r': beats_rate = atof(optarg); break;
        case 0: break;
        default: exit(2);
        }
    }

    if (beats_port == 0
        || beats_sessions == 0
        || beats_connections == 0 || beats_connections > BEATS_CONNECTIONS
        || (beats_end == UINT64_MAX && beats_count == UINT64_MAX
            && !beats_until_refused))
    {
        bench_die("usage: beats --port N (--seconds S | --count N | "
                  "--until-refused) [--path P] [--header \"Name: value\"] "
                  "[--connections N] [--sessions N] [--rate N]");
    }
}


/* only the numbers change from one to the next */

static void
beats_make_request(void)
{
    int          len;
    const char  *break_line;

    static const char  body[] =
        "{\"session\":\"tab-000000000000\",\"doc\":\"nJ8yYqk0QmW3v1dOZ7xTbA\","
        "\"seq\":0000000000000,\"visible\":true,\"active_ms_ago\":1834,"
        "\"next_ms\":25731,\"diag\":{\"fired\":\"timer\",\"since_ms\":25003,"
        "\"wall_ms\":25004,\"drift_ms\":2,\"rtt_ms\":12,"
        "\"ticker\":\"worker\"}}";

    break_line = beats_header[0] ? "\r\n" : "";

    len = snprintf(beats_request.data, sizeof(beats_request.data),
                   "POST %s HTTP/1.1\r\n"
                   "Host: localhost\r\n"
                   "Cookie: uid=agent-0000000000\r\n"
                   "Content-Type: application/json\r\n"
                   "Content-Length: %zu\r\n"
                   "%s%s\r\n%s",
                   beats_path, sizeof(body) - 1, beats_header, break_line,
                   body);

    if (len >= (int) sizeof(beats_request.data)) {
        bench_die("the request is too long");
    }

    beats_request.len = len;

    beats_request.user = strstr(beats_request.data, "uid=agent-")
                         + sizeof("uid=agent-") - 1;
    beats_request.session = strstr(beats_request.data, "\"tab-")
                            + sizeof("\"tab-") - 1;
    beats_request.seq = strstr(beats_request.data, "\"seq\":")
                        + sizeof("\"seq\":") - 1;
}


static void
beats_open(beats_connection_t *c)
{
    struct epoll_event  ev;

    c->fd = bench_connect(beats_port);

    ev.events = EPOLLIN;
    ev.data.ptr = c;
    epoll_ctl(beats_epoll, EPOLL_CTL_ADD, c->fd, &ev);
}


/* a worker that leaves closes what is idle; a beat under way goes again */

static void
beats_reopen(beats_connection_t *c)
{
    close(c->fd);
    beats_open(c);

    bench_next_reply(&c->reply);
    beats_reopened++;

    if (c->busy) {
        beats_send(c);
    }
}


static void
beats_send(beats_connection_t *c)
{
    beats_request_t  *request;

    request = &beats_request;

    bench_put_number(request->user, BEATS_USER - 6, c->session);
    bench_put_number(request->session, BEATS_SESSION - 4, c->session);

    /* never less than in an earlier run against the same server */

    bench_put_number(request->seq, BEATS_SEQ, c->due / 1000000);

    /* should it be closed already, that is read next */

    (void) bench_send(c->fd, request->data, request->len);
}


static void
beats_answered(beats_connection_t *c, uint64_t now)
{
    switch (c->reply.status) {

    case 200:
    case 204:
        beats_accepted++;
        break;

    case 503:
        beats_refused++;
        break;

    default:
        bench_die("a beat was answered with %d: %s", c->reply.status,
                  c->reply.data);
    }

    bench_record(&beats_latency, now - c->due);
    bench_next_reply(&c->reply);

    c->busy = 0;
    beats_idle[beats_nidle++] = c;
}


static int
beats_is_over(uint64_t now)
{
    return now >= beats_end
           || beats_sent >= beats_count
           || (beats_until_refused && beats_refused);
}


static uint64_t
beats_due(void)
{
    return beats_start + beats_sent / beats_rate * BENCH_SECOND;
}


static void
beats_send_due(uint64_t now)
{
    uint64_t             due;
    beats_connection_t  *c;

    due = now;

    while (beats_nidle && !beats_is_over(now)) {

        if (beats_rate) {
            due = beats_due();

            if (due > now) {
                return;
            }
        }

        c = beats_idle[--beats_nidle];

        c->busy = 1;
        c->due = due;
        c->session = beats_next;

        beats_next += beats_step;

        if (beats_next >= beats_sessions) {
            beats_next -= beats_sessions;
        }

        beats_send(c);
        beats_sent++;
    }
}


/*
 * Never sleeps: the server would have to wake it, which costs more than a beat
 * does, and the more the slower the server is.
 */

static void
beats_read(void)
{
    int                  i, n, rc;
    struct epoll_event   events[BEATS_CONNECTIONS];
    beats_connection_t  *c;

    n = epoll_wait(beats_epoll, events, BEATS_CONNECTIONS, 0);

    if (n == 0) {
        sched_yield();
    }

    for (i = 0; i < n; i++) {
        c = events[i].data.ptr;

        rc = bench_read_reply(c->fd, &c->reply);

        if (rc == -1) {
            beats_reopen(c);

        } else if (rc == 1) {
            beats_answered(c, bench_now());

            /* at once, so that the server has work while others are read */

            beats_send_due(bench_now());
        }
    }
}


/*
 * Steps through all sessions, each once, but not in the order in which they
 * were made: neighbours in memory would be found in the cache.
 */

static uint64_t
beats_stride(uint64_t n)
{
    uint64_t  a, b, rest, stride;

    for (stride = n * 0.618 + 1; /* void */ ; stride++) {

        for (a = n, b = stride; b; a = b, b = rest) {
            rest = a % b;
        }

        if (a == 1) {
            return stride % n;
        }
    }
}


static void
beats_print(uint64_t elapsed)
{
    printf("{\"accepted\":%llu,\"refused\":%llu,\"reopened\":%llu,"
           "\"seconds\":%.3f,\"load_cpu\":%.3f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
           (unsigned long long) beats_accepted,
           (unsigned long long) beats_refused,
           (unsigned long long) beats_reopened,
           (double) elapsed / BENCH_SECOND, bench_own_cpu(),
           bench_percentile_us(&beats_latency, 50),
           bench_percentile_us(&beats_latency, 99),
           bench_percentile_us(&beats_latency, 100));
}
