/*
 * The least that a fan-out can cost: a server that does nothing but write the
 * event to each of its streams, one send() for each.  It answers what readers
 * asks, and understands nothing else.
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"


#define CEILING_STREAMS  65536
#define CEILING_REQUEST  4096


static int ceiling_listen(int port);
static void ceiling_accept(void);
static void ceiling_read(int fd);
static void ceiling_tell(const char *text, int len);


static int   ceiling_epoll;
static int   ceiling_listener;
static int   ceiling_streams[CEILING_STREAMS];
static int   ceiling_nstreams;


int
main(int argc, char **argv)
{
    int                 i, n;
    struct epoll_event  ev, events[512];

    if (argc != 2) {
        bench_die("usage: ceiling PORT");
    }

    bench_raise_limit();

    ceiling_epoll = epoll_create1(EPOLL_CLOEXEC);
    ceiling_listener = ceiling_listen(atoi(argv[1]));

    ev.events = EPOLLIN;
    ev.data.fd = ceiling_listener;
    epoll_ctl(ceiling_epoll, EPOLL_CTL_ADD, ceiling_listener, &ev);

    for ( ;; ) {
        n = epoll_wait(ceiling_epoll, events, 512, -1);

        for (i = 0; i < n; i++) {

            if (events[i].data.fd == ceiling_listener) {
                ceiling_accept();

            } else {
                ceiling_read(events[i].data.fd);
            }
        }
    }
}


static int
ceiling_listen(int port)
{
    int                 fd, on;
    struct sockaddr_in  address;

    memset(&address, 0, sizeof(address));

    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0);

    on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));

    if (bind(fd, (struct sockaddr *) &address, sizeof(address)) == -1
        || listen(fd, 4096) == -1)
    {
        bench_die("cannot listen on port %d: %s", port, strerror(errno));
    }

    return fd;
}


static void
ceiling_accept(void)
{
    int                 fd;
    struct epoll_event  ev;

    fd = accept4(ceiling_listener, NULL, NULL, SOCK_CLOEXEC|SOCK_NONBLOCK);

    if (fd == -1) {
        return;
    }

    ev.events = EPOLLIN;
    ev.data.fd = fd;
    epoll_ctl(ceiling_epoll, EPOLL_CTL_ADD, fd, &ev);
}


/* a request comes in one piece, as its sender is on the same machine */

static void
ceiling_read(int fd)
{
    char     request[CEILING_REQUEST], *text;
    ssize_t  n;

    static const char  stream[] =
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: text/event-stream\r\n\r\n"
        "event: presence_state\n"
        "data: {\"members\":[],\"more\":false}\n\n";

    static const char  answer[] =
        "HTTP/1.1 200 OK\r\n"
        "Content-Length: 2\r\n\r\n{}";

    n = recv(fd, request, sizeof(request) - 1, 0);

    if (n <= 0) {
        close(fd);
        return;
    }

    request[n] = '\0';

    if (request[0] == 'G') {

        if (ceiling_nstreams == CEILING_STREAMS) {
            bench_die("too many streams");
        }

        ceiling_streams[ceiling_nstreams++] = fd;
        (void) bench_send(fd, stream, sizeof(stream) - 1);

        return;
    }

    text = strstr(request, "\"text\":");

    if (text) {
        ceiling_tell(text, strcspn(text, "}"));
    }

    (void) bench_send(fd, answer, sizeof(answer) - 1);
}


/* the event is as long as the module's */

static void
ceiling_tell(const char *text, int len)
{
    int   i;
    char  event[CEILING_REQUEST];

    len = snprintf(event, sizeof(event),
                   "event: presence_diff\n"
                   "data: {\"changes\":[{\"type\":\"update\",\"member\":"
                   "{\"user\":\"agent-0000000000\",\"status\":\"online\","
                   "\"since\":1790000000000,\"last_active\":1790000000000,"
                   "\"last_seen\":1790000000000,\"sessions\":1,\"missed\":0,"
                   "\"reason\":\"beat\",\"groups\":[\"agents\"],%.*s,"
                   "\"meta\":null}}],\"server_time\":1790000000000}\n"
                   "id: 0123456789abcdef-1000\n\n", len, text);

    for (i = 0; i < ceiling_nstreams; i++) {
        (void) bench_send(ceiling_streams[i], event, len);
    }
}
