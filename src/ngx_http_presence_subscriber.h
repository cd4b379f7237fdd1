/*
 * One open stream.  It has at most one payload under way: a reader that does
 * not keep up is marked, and gets what it missed when it reads again.
 */

#ifndef _NGX_HTTP_PRESENCE_SUBSCRIBER_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_SUBSCRIBER_H_INCLUDED_


#include "ngx_http_presence_hub.h"


struct ngx_http_presence_subscriber_s {
    ngx_queue_t                    queue;       /* in the audience */
    ngx_queue_t                    ping;        /* in a slot of the hub */
    ngx_http_request_t            *request;
    ngx_http_presence_hub_t       *hub;
    ngx_http_presence_audience_t  *audience;    /* NULL: it is in none */
    ngx_http_presence_cursor_t     cursor;      /* told up to here */

    ngx_http_presence_payload_t   *payload;     /* under way */
    ngx_buf_t                      buf;
    off_t                          sent;        /* when last looked at */

    uint64_t                       walk;        /* next part of the state; or
                                                   mark of the trace told */
    ngx_str_t                      user;
    ngx_str_t                      session;     /* bound to it, or empty */
    ngx_msec_int_t                 ago;         /* peer acknowledged; < 0: no */

    unsigned                       state:1;     /* is to be told the state */
    unsigned                       behind:1;    /* is to be told changes */
    unsigned                       resumes:1;   /* ... and named an event */
};


/*
 * Sends what the subscriber is to be told, as far as it takes it.  NGX_ERROR:
 * the caller has to finalize the request.
 */
ngx_int_t ngx_http_presence_subscriber_pump(
    ngx_http_presence_subscriber_t *sub);

/*
 * Sends the header of the response if nothing has gone out with it: to a
 * reader that has missed nothing, the open connection is the news.  NGX_ERROR:
 * the caller has to finalize the request.
 */
ngx_int_t ngx_http_presence_subscriber_flush(
    ngx_http_presence_subscriber_t *sub);

/* is there something that has not gone out yet? */
ngx_uint_t ngx_http_presence_subscriber_is_busy(
    ngx_http_presence_subscriber_t *sub);

/*
 * Sends to a subscriber that is not busy, and takes over the reference to the
 * payload; "last" ends the response.  NGX_ERROR: the caller has to finalize.
 */
ngx_int_t ngx_http_presence_subscriber_send(
    ngx_http_presence_subscriber_t *sub,
    ngx_http_presence_payload_t *payload, ngx_uint_t last);

/* lets go of the payload under way: a cleanup handler of the request's pool */
void ngx_http_presence_subscriber_release(void *subscriber);

/* the request's write event handler */
void ngx_http_presence_subscriber_write_handler(ngx_http_request_t *r);

/*
 * Finalizes the request from outside of its own handlers; it may be gone
 * afterwards, and others of the same connection with it.
 */
void ngx_http_presence_subscriber_finalize(
    ngx_http_presence_subscriber_t *sub, ngx_int_t rc);


#endif /* _NGX_HTTP_PRESENCE_SUBSCRIBER_H_INCLUDED_ */
