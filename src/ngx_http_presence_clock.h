/*
 * The presence clock: milliseconds in which the server was able to hear.
 *
 * It follows the monotonic clock, but stands still while the server is deaf
 * (event loop stalled, process stopped, nginx down).  A deadline on this clock
 * therefore never counts time in which a beat could not have been heard: the
 * amnesty for all sessions is one addition.  Deaf episodes are remembered, so
 * that a past time still converts to the right wall time.
 *
 * Plain C on plain values; the caller serializes access.
 */

#ifndef _NGX_HTTP_PRESENCE_CLOCK_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_CLOCK_H_INCLUDED_


#include <stdint.h>


/* milliseconds; signed, so that differences and ages are plain */
typedef int64_t  ngx_http_presence_ms_t;


/* where the clock starts: any age that a state file brings stays positive */
#define NGX_HTTP_PRESENCE_CLOCK_START   ((ngx_http_presence_ms_t) 1 << 42)

#define NGX_HTTP_PRESENCE_CLOCK_EPISODES  8

/* a wall clock further off than this was stepped */
#define NGX_HTTP_PRESENCE_CLOCK_STEP    500


typedef struct {
    ngx_http_presence_ms_t        at;         /* last instant before it */
    ngx_http_presence_ms_t        length;
} ngx_http_presence_deaf_t;


typedef struct {
    ngx_http_presence_ms_t        now;
    ngx_http_presence_ms_t        mono;       /* monotonic time of "now" */
    ngx_http_presence_ms_t        offset;     /* wall time of "now" less it */
    ngx_http_presence_ms_t        forgiven;   /* total of all episodes */
    unsigned                      nepisodes;  /* the oldest first */
    ngx_http_presence_deaf_t      episodes[NGX_HTTP_PRESENCE_CLOCK_EPISODES];
} ngx_http_presence_clock_t;


void ngx_http_presence_clock_start(ngx_http_presence_clock_t *clock,
    ngx_http_presence_ms_t mono, ngx_http_presence_ms_t wall);

/*
 * Moves the clock to the given monotonic and wall time.  A gap over "limit"
 * since the last call means that nobody was listening: it is forgiven.
 * Returns the time forgiven by this call, or 0.
 */
ngx_http_presence_ms_t ngx_http_presence_clock_advance(
    ngx_http_presence_clock_t *clock, ngx_http_presence_ms_t mono,
    ngx_http_presence_ms_t wall, ngx_http_presence_ms_t limit);

/* accounts "length", > 0, of deafness up to now: the time nginx was down */
void ngx_http_presence_clock_forgive(ngx_http_presence_clock_t *clock,
    ngx_http_presence_ms_t length);

/*
 * The wall time, since 1970, of a time on this clock.  When there have been
 * more deaf episodes than are kept, the oldest two become one: times between
 * those two are off by what the first one stood for.
 */
ngx_http_presence_ms_t ngx_http_presence_clock_wall(
    const ngx_http_presence_clock_t *clock, ngx_http_presence_ms_t at);

/* the other way round; a wall time within a deaf episode becomes its start */
ngx_http_presence_ms_t ngx_http_presence_clock_at(
    const ngx_http_presence_clock_t *clock, ngx_http_presence_ms_t wall);


#endif /* _NGX_HTTP_PRESENCE_CLOCK_H_INCLUDED_ */
