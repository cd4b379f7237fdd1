/*
 * What the load programs share: time, a histogram of latencies, and the client
 * side of HTTP/1.1 with keep-alive, one request at a time on a connection.
 */

#ifndef _BENCH_COMMON_H_INCLUDED_
#define _BENCH_COMMON_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


#define BENCH_SECOND   1000000000ULL    /* nanoseconds */

/* each octave of nanoseconds is split into so many steps: 3 % */
#define BENCH_STEPS    32
#define BENCH_OCTAVES  40


typedef struct {
    uint64_t   counts[BENCH_OCTAVES * BENCH_STEPS];
    uint64_t   total;
} bench_histogram_t;


/* a reply that comes in; its body may be cut off, its length is right */
typedef struct {
    char       data[4096];
    size_t     len;
    int        status;      /* 0: the header is not complete */
    size_t     left;        /* of the body, from then on */
} bench_reply_t;


uint64_t bench_now(void);
void bench_die(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* as many open files as the system grants */
void bench_raise_limit(void);

/* seconds of CPU that this process has used */
double bench_own_cpu(void);

void bench_record(bench_histogram_t *histogram, uint64_t ns);
double bench_percentile_us(const bench_histogram_t *histogram, double percent);

/* to the loopback address; non-blocking once connected */
int bench_connect(int port);

/* 0, or -1 when it is closed; a request fits into any socket */
int bench_send(int fd, const char *data, size_t len);

/* 1: it is complete; 0: there is more to come; -1: closed without a reply */
int bench_read_reply(int fd, bench_reply_t *reply);
void bench_next_reply(bench_reply_t *reply);

/* the value of a reply's header, as a number; -1: it has none */
long bench_reply_number(const bench_reply_t *reply, const char *name);

/* "n" in exactly "width" digits, for requests whose length stays */
void bench_put_number(char *p, int width, uint64_t n);


#endif /* _BENCH_COMMON_H_INCLUDED_ */
