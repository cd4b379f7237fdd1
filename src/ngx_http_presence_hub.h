/*
 * The readers of one zone in this worker.  Each change is rendered once for
 * each filter; what is sent is shared by all subscribers of the filter.
 */

#ifndef _NGX_HTTP_PRESENCE_HUB_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_HUB_H_INCLUDED_


#include "ngx_http_presence_sse.h"


#define NGX_HTTP_PRESENCE_PING_SLOTS  32


typedef struct ngx_http_presence_subscriber_s  ngx_http_presence_subscriber_t;


/* all subscribers with the same filter */
typedef struct {
    ngx_queue_t                    queue;
    ngx_queue_t                    subscribers;
    ngx_str_t                      key;
    ngx_http_presence_filter_t    *filter;
    ngx_pool_t                    *pool;
} ngx_http_presence_audience_t;


struct ngx_http_presence_hub_s {
    ngx_http_presence_zone_t      *zone;
    ngx_http_presence_cursor_t     cursor;      /* delivered up to here */
    ngx_queue_t                    audiences;
    ngx_uint_t                     nsubscribers;

    u_char                        *batch;       /* changes for everybody */
    u_char                        *single;      /* changes for one */
    size_t                         size;        /* of each */

    ngx_connection_t               owner;       /* data of the events */

    ngx_msec_t                     delivered;
    ngx_event_t                    gather;

    ngx_event_t                    follow;      /* looks for beats */

    ngx_event_t                    ping;
    ngx_uint_t                     slot;
    ngx_uint_t                     nslots;
    ngx_queue_t                    slots[NGX_HTTP_PRESENCE_PING_SLOTS];
};


/* in a worker */
ngx_int_t ngx_http_presence_hub_init_worker(ngx_http_presence_zone_t *zone,
    ngx_cycle_t *cycle);

/* puts the subscriber among those with the same filter; NGX_ERROR: no memory */
ngx_int_t ngx_http_presence_hub_subscribe(ngx_http_presence_subscriber_t *sub,
    const ngx_http_presence_filter_t *filter);

/* takes it out again; may be called twice */
void ngx_http_presence_hub_detach(void *subscriber);

/* delivers the changes that there are since the last time */
void ngx_http_presence_hub_deliver(ngx_http_presence_zone_t *zone);

/*
 * Ends a stream cleanly: its reader comes back in a random time, to a worker
 * that stays.  The request is to be finalized with what is returned.
 */
ngx_int_t ngx_http_presence_hub_end(ngx_http_presence_subscriber_t *sub);

/* ends all of them: the worker quits */
void ngx_http_presence_hub_end_all(ngx_http_presence_zone_t *zone);


#endif /* _NGX_HTTP_PRESENCE_HUB_H_INCLUDED_ */
