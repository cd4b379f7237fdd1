/* Frames of Server-Sent Events, as docs/protocol.md has them. */

#ifndef _NGX_HTTP_PRESENCE_SSE_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_SSE_H_INCLUDED_


#include "ngx_http_presence_filter.h"
#include "ngx_http_presence_payload.h"


/* the place in the sequence of changes that an event's id names */
typedef struct {
    uint64_t   epoch;
    uint64_t   seq;
} ngx_http_presence_cursor_t;


#define NGX_HTTP_PRESENCE_CURSOR_LEN  (16 + 1 + NGX_INT64_LEN)


/* all of these return NULL when there is no memory */

ngx_http_presence_payload_t *ngx_http_presence_sse_ping(
    ngx_http_presence_cursor_t cursor, ngx_http_presence_ms_t wall);

/*
 * The changes in "buf" that the filter lets through, or the counts after them;
 * empty: there is none.
 */
ngx_http_presence_payload_t *ngx_http_presence_sse_changes(
    ngx_http_presence_zone_t *zone, const ngx_http_presence_filter_t *filter,
    const u_char *buf, size_t len, ngx_http_presence_cursor_t cursor,
    ngx_http_presence_ms_t wall);

/*
 * A part of the state: about "limit" members from *walk on, which is 0 at
 * first.  *more says whether there are further ones.
 */
ngx_http_presence_payload_t *ngx_http_presence_sse_state_locked(
    const ngx_http_presence_filter_t *filter, ngx_http_presence_zone_t *zone,
    uint64_t *walk, ngx_uint_t limit, ngx_http_presence_cursor_t cursor,
    ngx_http_presence_ms_t wall, ngx_uint_t *more);

ngx_http_presence_payload_t *ngx_http_presence_sse_count(
    const ngx_http_presence_counts_t *counts,
    ngx_http_presence_cursor_t cursor, ngx_http_presence_ms_t wall);

/* has the client come again after a random time of at most "ms" */
ngx_http_presence_payload_t *ngx_http_presence_sse_retry(ngx_msec_t ms);


/* {"online":…,"server_time":…}, of at most _COUNTS_LEN bytes */
#define NGX_HTTP_PRESENCE_COUNTS_LEN  (96 + 6 * NGX_INT64_LEN)

u_char *ngx_http_presence_sse_write_counts(u_char *p,
    const ngx_http_presence_counts_t *counts, ngx_http_presence_ms_t wall);

/* "<epoch>-<seq>", of at most _CURSOR_LEN bytes */
u_char *ngx_http_presence_sse_write_cursor(u_char *p,
    ngx_http_presence_cursor_t cursor);
ngx_int_t ngx_http_presence_sse_read_cursor(const ngx_str_t *id,
    ngx_http_presence_cursor_t *cursor);


#endif /* _NGX_HTTP_PRESENCE_SSE_H_INCLUDED_ */
