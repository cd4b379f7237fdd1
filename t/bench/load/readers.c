/*
 * Many streams and one who makes changes: how long does a change take to each
 * reader, and does it come exactly once?  A change is a beat whose text is its
 * number and the time at which it was due, so that an event tells its own age.
 *
 * Prints "ready" when each stream has its state, and waits for a line on
 * standard input, so that the server's work until then can be left out; at the
 * end prints what came of it as one line of JSON.
 *
 * With --rate changes are due at fixed times, each of another user.  Without,
 * each is made --pause milliseconds after the last reader had the one before.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"


#define READERS_MARK       "\"text\":\"@"
#define READERS_NUMBER     7
#define READERS_TIME       16           /* nanoseconds */
#define READERS_LEN        (sizeof(READERS_MARK) - 1 + READERS_NUMBER         \
                            + READERS_TIME)
#define READERS_TAIL       64           /* longer than a mark, or than MORE */

/* the end of the last event of a state */
#define READERS_STATE      "\"more\":false"

#define READERS_PUBLISHERS 16

/* what is late by so much has been lost */
#define READERS_LOST       (10 * BENCH_SECOND)


typedef struct {
    int                 fd;
    int                 ready;          /* has had its state */
    size_t              tail;           /* bytes kept for the next read */
    char                kept[READERS_TAIL];
    uint8_t            *seen;           /* a bit for each change */
} readers_stream_t;


typedef struct {
    int                 fd;
    int                 busy;
    bench_reply_t       reply;
} readers_publisher_t;


static void readers_options(int argc, char **argv);
static void readers_open_publishers(void);
static void readers_open_streams(void);
static void readers_open_stream(readers_stream_t *stream);
static void readers_await_go(void);
static uint64_t readers_due(void);
static void readers_publish(readers_publisher_t *p, uint64_t due);
static void readers_publish_due(uint64_t now);
static void readers_wait(uint64_t until);
static void readers_read(readers_stream_t *stream);
static void readers_scan(readers_stream_t *stream, const char *p, size_t len);
static uint64_t readers_number(const char *p, int len);
static void readers_heard(readers_stream_t *stream, const char *digits);
static void readers_print(uint64_t elapsed);


static int                   readers_port;
static int                   readers_across;
static unsigned              readers_nstreams = 1;
static unsigned              readers_users = 1000;
static uint64_t              readers_changes = 100;
static double                readers_rate;
static uint64_t              readers_pause = 100;

static int                   readers_epoll;
static readers_stream_t     *readers_streams;
static readers_publisher_t   readers_publishers[READERS_PUBLISHERS];
static unsigned              readers_npublishers;
static long                  readers_worker;        /* of the publisher */
static unsigned              readers_nready;

static uint64_t              readers_start;
static uint64_t              readers_published;
static uint64_t              readers_deliveries;
static uint64_t              readers_complete;      /* time of the last one */
static uint64_t              readers_bytes;
static uint64_t              readers_reads;
static bench_histogram_t     readers_latency;
static bench_histogram_t     readers_slowest;       /* of each change */

static char                  readers_buffer[READERS_TAIL + 256 * 1024];


int
main(int argc, char **argv)
{
    uint64_t  now, wanted, until;

    readers_options(argc, argv);
    bench_raise_limit();

    readers_epoll = epoll_create1(EPOLL_CLOEXEC);

    readers_open_publishers();
    readers_open_streams();
    readers_await_go();

    readers_start = bench_now();
    readers_complete = readers_start;
    readers_reads = 0;
    readers_bytes = 0;

    for ( ;; ) {
        now = bench_now();
        wanted = readers_published * readers_nstreams;

        if (readers_deliveries >= wanted
            && readers_published == readers_changes)
        {
            break;
        }

        if (now > readers_complete + READERS_LOST) {
            bench_die("%llu of %llu deliveries never came",
                      (unsigned long long) (wanted - readers_deliveries),
                      (unsigned long long) wanted);
        }

        if (readers_rate) {
            readers_publish_due(now);
            until = readers_due();

        } else {
            until = readers_complete + readers_pause * (BENCH_SECOND / 1000);

            if (readers_deliveries == wanted && now >= until
                && !readers_publishers[0].busy)
            {
                readers_publish(&readers_publishers[0], now);
                until = now + READERS_LOST;
            }
        }

        readers_wait(until);
    }

    readers_print(bench_now() - readers_start);

    return 0;
}


static void
readers_options(int argc, char **argv)
{
    int  c;

    static const struct option  options[] = {
        { "port", required_argument, NULL, 'p' },
        { "across", no_argument, &readers_across, 1 },
        { "streams", required_argument, NULL, 's' },
        { "users", required_argument, NULL, 'u' },
        { "changes", required_argument, NULL, 'n' },
        { "rate", required_argument, NULL, 'r' },
        { "pause", required_argument, NULL, 'w' },
        { NULL, 0, NULL, 0 }
    };

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {

        switch (c) {
        case 'p': readers_port = atoi(optarg); break;
        case 's': readers_nstreams = atoi(optarg); break;
        case 'u': readers_users = atoi(optarg); break;
        case 'n': readers_changes = strtoull(optarg, NULL, 10); break;
        case 'r': readers_rate = atof(optarg); break;
        case 'w': readers_pause = strtoull(optarg, NULL, 10); break;
        case 0: break;
        default: exit(2);
        }
    }

    if (readers_port == 0 || readers_nstreams == 0 || readers_users == 0) {
        bench_die("usage: readers --port N [--streams N] [--changes N] "
                  "[--rate N | --pause MS] [--users N] [--across]");
    }
}


/* each with a beat, so that all users are there before the streams are */

static void
readers_open_publishers(void)
{
    unsigned              i;
    readers_publisher_t  *p;
    struct epoll_event    ev;

    readers_npublishers = readers_rate ? READERS_PUBLISHERS : 1;

    for (i = 0; i < readers_npublishers; i++) {
        p = &readers_publishers[i];
        p->fd = bench_connect(readers_port);

        ev.events = EPOLLIN;
        ev.data.u64 = UINT64_MAX - i;
        epoll_ctl(readers_epoll, EPOLL_CTL_ADD, p->fd, &ev);
    }

    while (readers_published < readers_users) {
        readers_publish_due(0);
        readers_wait(UINT64_MAX);
    }

    while (readers_publishers[0].busy) {
        readers_wait(UINT64_MAX);
    }

    readers_worker = bench_reply_number(&readers_publishers[0].reply,
                                        "\r\nX-Worker: ");
    readers_published = 0;
}


static void
readers_open_streams(void)
{
    unsigned  i;

    readers_streams = calloc(readers_nstreams, sizeof(readers_stream_t));
    if (readers_streams == NULL) {
        bench_die("no memory");
    }

    for (i = 0; i < readers_nstreams; i++) {
        readers_streams[i].seen = calloc(1, readers_changes / 8 + 1);
        if (readers_streams[i].seen == NULL) {
            bench_die("no memory");
        }

        readers_open_stream(&readers_streams[i]);

        /* some at a time: the queue of those not accepted is short */

        while (readers_nready + 64 < i + 1) {
            readers_wait(UINT64_MAX);
        }
    }

    while (readers_nready < readers_nstreams) {
        readers_wait(UINT64_MAX);
    }
}


static void
readers_open_stream(readers_stream_t *stream)
{
    ssize_t             n;
    bench_reply_t       head;
    struct epoll_event  ev;

    static const char  request[] =
        "GET /presence/stream?groups=agents HTTP/1.1\r\n"
        "Host: localhost\r\n"
        "Cookie: uid=reader\r\n\r\n";

    for ( ;; ) {
        stream->fd = bench_connect(readers_port);
        (void) bench_send(stream->fd, request, sizeof(request) - 1);

        if (!readers_across) {
            break;
        }

        /* its header tells which worker it got */

        head.len = 0;

        do {
            n = recv(stream->fd, head.data, sizeof(head.data) - 1, MSG_PEEK);

            if (n == 0 || (n == -1 && errno != EAGAIN)) {
                bench_die("a stream was not opened");
            }

            head.data[n > 0 ? n : 0] = '\0';
        } while (strstr(head.data, "\r\n\r\n") == NULL);

        if (bench_reply_number(&head, "\r\nX-Worker: ") != readers_worker) {
            break;
        }

        close(stream->fd);
    }

    ev.events = EPOLLIN;
    ev.data.ptr = stream;
    epoll_ctl(readers_epoll, EPOLL_CTL_ADD, stream->fd, &ev);
}


static void
readers_await_go(void)
{
    puts("ready");
    fflush(stdout);

    if (getchar() == EOF) {
        exit(1);
    }
}


static uint64_t
readers_due(void)
{
    return readers_start + readers_published / readers_rate * BENCH_SECOND;
}


static void
readers_publish(readers_publisher_t *p, uint64_t due)
{
    int   len;
    char  body[256], request[512];

    len = snprintf(body, sizeof(body),
                   "{\"session\":\"tab-000000000001\","
                   "\"text\":\"@%0*llu%0*llu\"}",
                   READERS_NUMBER, (unsigned long long) readers_published,
                   READERS_TIME, (unsigned long long) due);

    len = snprintf(request, sizeof(request),
                   "POST /presence/beat HTTP/1.1\r\n"
                   "Host: localhost\r\n"
                   "Cookie: uid=agent-%010llu\r\n"
                   "Content-Length: %d\r\n\r\n%s",
                   (unsigned long long) (readers_published % readers_users),
                   len, body);

    (void) bench_send(p->fd, request, len);

    p->busy = 1;
    readers_published++;
}


/* in the preparation, which has no start yet, as fast as it goes */

static void
readers_publish_due(uint64_t now)
{
    unsigned  i;
    uint64_t  due, last;

    last = readers_start ? readers_changes : readers_users;

    for (i = 0; i < readers_npublishers && readers_published < last; i++) {

        if (readers_publishers[i].busy) {
            continue;
        }

        due = readers_start ? readers_due() : 0;

        if (due > now) {
            return;
        }

        readers_publish(&readers_publishers[i], due);
    }
}


static void
readers_wait(uint64_t until)
{
    int                   i, n;
    uint64_t              now, wait;
    struct timespec       ts;
    struct epoll_event    events[512];
    readers_publisher_t  *p;

    now = bench_now();
    wait = (until > now) ? until - now : 0;

    if (wait > BENCH_SECOND) {
        wait = BENCH_SECOND;
    }

    ts.tv_sec = wait / BENCH_SECOND;
    ts.tv_nsec = wait % BENCH_SECOND;

    n = epoll_pwait2(readers_epoll, events, 512, &ts, NULL);

    for (i = 0; i < n; i++) {

        if (events[i].data.u64 <= UINT64_MAX - READERS_PUBLISHERS) {
            readers_read(events[i].data.ptr);
            continue;
        }

        p = &readers_publishers[UINT64_MAX - events[i].data.u64];

        bench_next_reply(&p->reply);

        while (bench_read_reply(p->fd, &p->reply) == 0) { /* void */ }

        if (p->reply.status != 200) {
            bench_die("a beat was answered with %d: %s", p->reply.status,
                      p->reply.data);
        }

        p->busy = 0;
    }
}


static void
readers_read(readers_stream_t *stream)
{
    size_t   len;
    ssize_t  n;

    memcpy(readers_buffer, stream->kept, stream->tail);

    n = recv(stream->fd, readers_buffer + stream->tail,
             sizeof(readers_buffer) - READERS_TAIL, 0);

    if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }

    if (n <= 0) {
        bench_die("the server closed a stream: %s",
                  n ? strerror(errno) : "in good order");
    }

    readers_bytes += n;
    readers_reads++;

    len = stream->tail + n;

    readers_scan(stream, readers_buffer, len);
}


/* counts the marks, and keeps an end that may be the beginning of one */

static void
readers_scan(readers_stream_t *stream, const char *p, size_t len)
{
    size_t       rest;
    const char  *end, *mark;

    end = p + len;

    if (!stream->ready) {
        mark = memmem(p, len, READERS_STATE, sizeof(READERS_STATE) - 1);

        if (mark) {
            stream->ready = 1;
            readers_nready++;
            p = mark;
        }
    }

    while (stream->ready) {
        mark = memmem(p, end - p, READERS_MARK, sizeof(READERS_MARK) - 1);

        if (mark == NULL || (size_t) (end - mark) < READERS_LEN) {
            break;
        }

        readers_heard(stream, mark + sizeof(READERS_MARK) - 1);
        p = mark + READERS_LEN;
    }

    rest = end - p;

    if (rest >= READERS_LEN) {
        rest = READERS_LEN - 1;
    }

    stream->tail = rest;
    memcpy(stream->kept, end - rest, rest);
}


static uint64_t
readers_number(const char *p, int len)
{
    uint64_t  n;

    for (n = 0; len; len--) {
        n = n * 10 + *p++ - '0';
    }

    return n;
}


static void
readers_heard(readers_stream_t *stream, const char *digits)
{
    uint8_t   bit;
    uint64_t  number, due, now;

    number = readers_number(digits, READERS_NUMBER);
    due = readers_number(digits + READERS_NUMBER, READERS_TIME);

    /* of the preparation */

    if (due == 0) {
        return;
    }

    bit = 1 << (number % 8);

    if (stream->seen[number / 8] & bit) {
        bench_die("change %llu came twice", (unsigned long long) number);
    }

    stream->seen[number / 8] |= bit;

    now = bench_now();

    bench_record(&readers_latency, now - due);

    readers_deliveries++;
    readers_complete = now;

    if (readers_rate == 0
        && readers_deliveries % readers_nstreams == 0)
    {
        bench_record(&readers_slowest, now - due);
    }
}


static void
readers_print(uint64_t elapsed)
{
    printf("{\"changes\":%llu,\"deliveries\":%llu,\"reads\":%llu,"
           "\"bytes\":%llu,\"seconds\":%.3f,\"load_cpu\":%.3f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,"
           "\"last_p50_us\":%.1f,\"last_p99_us\":%.1f}\n",
           (unsigned long long) readers_published,
           (unsigned long long) readers_deliveries,
           (unsigned long long) readers_reads,
           (unsigned long long) readers_bytes,
           (double) elapsed / BENCH_SECOND, bench_own_cpu(),
           bench_percentile_us(&readers_latency, 50),
           bench_percentile_us(&readers_latency, 99),
           bench_percentile_us(&readers_slowest, 50),
           bench_percentile_us(&readers_slowest, 99));
}
