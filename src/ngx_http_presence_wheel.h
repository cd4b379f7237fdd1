/*
 * A timing wheel of deadlines in shared memory.
 *
 * Adding and removing are O(1).  A deadline that moves later need not be
 * moved here: the timer fires early, and its owner adds it again.  Deadlines
 * beyond the wheel's span fire early as well.
 */

#ifndef _NGX_HTTP_PRESENCE_WHEEL_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_WHEEL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_presence_clock.h"


#define NGX_HTTP_PRESENCE_WHEEL_SLOTS  2048
#define NGX_HTTP_PRESENCE_WHEEL_TICK   16       /* milliseconds a slot */


typedef struct {
    ngx_queue_t              queue;     /* next is NULL: not in any queue */
    ngx_http_presence_ms_t   due;
} ngx_http_presence_timer_t;


typedef struct {
    ngx_http_presence_ms_t   cursor;    /* slots before it were handled */
    ngx_queue_t              fired;     /* taken from a slot, to be looked at */
    ngx_queue_t              slots[NGX_HTTP_PRESENCE_WHEEL_SLOTS];
} ngx_http_presence_wheel_t;


#define ngx_http_presence_timer_is_set(timer)                                 \
    ((timer)->queue.next != NULL)


void ngx_http_presence_wheel_init(ngx_http_presence_wheel_t *wheel,
    ngx_http_presence_ms_t now);
void ngx_http_presence_wheel_add(ngx_http_presence_wheel_t *wheel,
    ngx_http_presence_timer_t *timer, ngx_http_presence_ms_t due);
void ngx_http_presence_timer_clear(ngx_http_presence_timer_t *timer);

/*
 * Takes one timer that is due out of the wheel; NULL when none is left or
 * *budget, which counts down with each timer looked at, is used up.
 */
ngx_http_presence_timer_t *ngx_http_presence_wheel_expire(
    ngx_http_presence_wheel_t *wheel, ngx_http_presence_ms_t now,
    ngx_uint_t *budget);


#endif /* _NGX_HTTP_PRESENCE_WHEEL_H_INCLUDED_ */
