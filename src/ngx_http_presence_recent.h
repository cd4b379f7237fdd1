/*
 * Of one worker: the users whose requests came lately.  The zone has been told
 * of one of them, and of those that follow it is told in a while, all at once.
 * Plain C on plain values.
 *
 * Times are milliseconds of one clock, whichever the caller has.
 */

#ifndef _NGX_HTTP_PRESENCE_RECENT_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_RECENT_H_INCLUDED_


#include <stddef.h>

#include "ngx_http_presence_clock.h"


/* a user takes 64 bytes, a line of the cache; longer ids are not kept */
#define NGX_HTTP_PRESENCE_RECENT_ID  38


typedef struct {
    ngx_http_presence_ms_t            told;     /* the zone knows as much */
    ngx_http_presence_ms_t            last;     /* request */
    uint32_t                          hash;
    uint32_t                          mark;     /* of the caller, when told */
    uint8_t                           waits;    /* to be told of "last" */
    uint8_t                           len;      /* 0: the place is free */
    unsigned char                     id[NGX_HTTP_PRESENCE_RECENT_ID];
} ngx_http_presence_recent_user_t;


typedef struct {
    ngx_http_presence_ms_t            window;
    ngx_http_presence_ms_t            due;      /* while some wait */
    uint32_t                          mask;     /* number of places - 1 */
    uint32_t                          nwaiting;
    uint32_t                         *waiting;  /* their places */
    ngx_http_presence_recent_user_t  *users;
} ngx_http_presence_recent_t;


/*
 * With "n" places, a power of two.  A request waits less than "window" until
 * the zone should be told.  NULL: no memory.
 */
ngx_http_presence_recent_t *ngx_http_presence_recent_create(uint32_t n,
    ngx_http_presence_ms_t window);
void ngx_http_presence_recent_free(ngx_http_presence_recent_t *recent);

/*
 * A request that began "at": 1 if it has been noted; 0 if the zone has to be
 * told now, since it knows of none of this user within the window, or "mark"
 * is another than it was then.
 */
int ngx_http_presence_recent_wait(ngx_http_presence_recent_t *recent,
    const unsigned char *id, size_t len, uint32_t hash, uint32_t mark,
    ngx_http_presence_ms_t at, ngx_http_presence_ms_t now);

/* the zone has been told of a request that began "at" */
void ngx_http_presence_recent_told(ngx_http_presence_recent_t *recent,
    const unsigned char *id, size_t len, uint32_t hash, uint32_t mark,
    ngx_http_presence_ms_t at);

/* should the zone be told of those that wait? */
int ngx_http_presence_recent_is_due(const ngx_http_presence_recent_t *recent,
    ngx_http_presence_ms_t now);

/* takes one that waits: the zone is told of "last" now; NULL: none does */
ngx_http_presence_recent_user_t *ngx_http_presence_recent_next(
    ngx_http_presence_recent_t *recent);

/* the zone does not know this user: it is told of the next request at once */
void ngx_http_presence_recent_forget(ngx_http_presence_recent_user_t *user);


#endif /* _NGX_HTTP_PRESENCE_RECENT_H_INCLUDED_ */
