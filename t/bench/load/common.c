#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common.h"


static int bench_parse_header(bench_reply_t *reply);


uint64_t
bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * BENCH_SECOND + ts.tv_nsec;
}


void
bench_die(const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);

    fputc('\n', stderr);
    exit(1);
}


void
bench_record(bench_histogram_t *histogram, uint64_t ns)
{
    int  octave, step;

    if (ns < BENCH_STEPS) {
        ns = BENCH_STEPS;
    }

    octave = 63 - __builtin_clzll(ns);
    step = (ns >> (octave - 5)) - BENCH_STEPS;

    if (octave >= BENCH_OCTAVES) {
        octave = BENCH_OCTAVES - 1;
        step = BENCH_STEPS - 1;
    }

    histogram->counts[octave * BENCH_STEPS + step]++;
    histogram->total++;
}


double
bench_percentile_us(const bench_histogram_t *histogram, double percent)
{
    int       i;
    uint64_t  seen, wanted;

    if (histogram->total == 0) {
        return 0;
    }

    seen = 0;
    wanted = histogram->total * percent / 100;

    for (i = 0; i < BENCH_OCTAVES * BENCH_STEPS; i++) {
        seen += histogram->counts[i];

        if (seen && seen >= wanted) {
            break;
        }
    }

    return (double) ((BENCH_STEPS + i % BENCH_STEPS) + 0.5)
           * (1ULL << (i / BENCH_STEPS)) / BENCH_STEPS / 1000;
}


void
bench_raise_limit(void)
{
    struct rlimit  limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}


double
bench_own_cpu(void)
{
    struct rusage  usage;

    getrusage(RUSAGE_SELF, &usage);

    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
           + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}


int
bench_connect(int port)
{
    int                 fd, on;
    struct sockaddr_in  address;

    memset(&address, 0, sizeof(address));

    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0);

    if (fd == -1
        || connect(fd, (struct sockaddr *) &address, sizeof(address)) == -1)
    {
        bench_die("cannot connect to port %d: %s", port, strerror(errno));
    }

    on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, O_NONBLOCK);

    return fd;
}


int
bench_send(int fd, const char *data, size_t len)
{
    ssize_t  n;

    n = send(fd, data, len, MSG_NOSIGNAL);

    if (n == -1 && (errno == EPIPE || errno == ECONNRESET)) {
        return -1;
    }

    if (n != (ssize_t) len) {
        bench_die("cannot send a request: %s", strerror(errno));
    }

    return 0;
}


int
bench_read_reply(int fd, bench_reply_t *reply)
{
    char     waste[16384];
    ssize_t  n;

    for ( ;; ) {

        if (reply->status == 0) {
            n = recv(fd, reply->data + reply->len,
                     sizeof(reply->data) - 1 - reply->len, 0);
        } else {
            n = recv(fd, waste, sizeof(waste), 0);
        }

        if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
            return 0;
        }

        if (n <= 0 && reply->len == 0) {
            return -1;
        }

        if (n <= 0) {
            bench_die("the server broke off a reply: %s",
                      n ? strerror(errno) : "in good order");
        }

        if (reply->status == 0) {
            reply->len += n;

            if (!bench_parse_header(reply)) {
                continue;
            }

        } else if ((size_t) n > reply->left) {
            bench_die("more came than the reply");

        } else {
            reply->left -= n;
        }

        if (reply->left == 0) {
            return 1;
        }
    }
}


void
bench_next_reply(bench_reply_t *reply)
{
    reply->len = 0;
    reply->status = 0;
    reply->left = 0;
}


static int
bench_parse_header(bench_reply_t *reply)
{
    long    length;
    char   *end;
    size_t  came;

    reply->data[reply->len] = '\0';

    end = strstr(reply->data, "\r\n\r\n");

    if (end == NULL) {

        if (reply->len == sizeof(reply->data) - 1) {
            bench_die("the header of a reply is too long");
        }

        return 0;
    }

    reply->status = atoi(reply->data + sizeof("HTTP/1.1 ") - 1);

    length = (reply->status == 204)
             ? 0 : bench_reply_number(reply, "\r\nContent-Length: ");

    came = reply->len - (end + 4 - reply->data);

    if (reply->status == 0 || length < 0 || came > (size_t) length) {
        bench_die("not a reply that this program knows: %.200s", reply->data);
    }

    reply->left = length - came;

    return 1;
}


long
bench_reply_number(const bench_reply_t *reply, const char *name)
{
    const char  *p;

    p = strstr(reply->data, name);

    return p ? atol(p + strlen(name)) : -1;
}


void
bench_put_number(char *p, int width, uint64_t n)
{
    while (width--) {
        p[width] = '0' + n % 10;
        n /= 10;
    }
}
