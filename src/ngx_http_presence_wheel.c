#include "ngx_http_presence_wheel.h"


void
ngx_http_presence_wheel_init(ngx_http_presence_wheel_t *wheel,
    ngx_http_presence_ms_t now)
{
    ngx_uint_t  i;

    wheel->cursor = now / NGX_HTTP_PRESENCE_WHEEL_TICK;

    ngx_queue_init(&wheel->fired);

    for (i = 0; i < NGX_HTTP_PRESENCE_WHEEL_SLOTS; i++) {
        ngx_queue_init(&wheel->slots[i]);
    }
}


void
ngx_http_presence_wheel_add(ngx_http_presence_wheel_t *wheel,
    ngx_http_presence_timer_t *timer, ngx_http_presence_ms_t due)
{
    ngx_http_presence_ms_t  slot, last;

    ngx_http_presence_timer_clear(timer);

    timer->due = due;

    slot = due / NGX_HTTP_PRESENCE_WHEEL_TICK;
    last = wheel->cursor + NGX_HTTP_PRESENCE_WHEEL_SLOTS - 1;

    slot = ngx_min(ngx_max(slot, wheel->cursor), last);

    ngx_queue_insert_tail(&wheel->slots[slot % NGX_HTTP_PRESENCE_WHEEL_SLOTS],
                          &timer->queue);
}


void
ngx_http_presence_timer_clear(ngx_http_presence_timer_t *timer)
{
    if (ngx_http_presence_timer_is_set(timer)) {
        ngx_queue_remove(&timer->queue);
        timer->queue.next = NULL;
    }
}


ngx_http_presence_timer_t *
ngx_http_presence_wheel_expire(ngx_http_presence_wheel_t *wheel,
    ngx_http_presence_ms_t now, ngx_uint_t *budget)
{
    ngx_queue_t                *q, *slot;
    ngx_http_presence_ms_t      end;
    ngx_http_presence_timer_t  *timer;

    /* a slot is handled when all of it is past */

    end = now / NGX_HTTP_PRESENCE_WHEEL_TICK;

    /* after a long pause each slot still needs just one visit */

    if (wheel->cursor < end - NGX_HTTP_PRESENCE_WHEEL_SLOTS) {
        wheel->cursor = end - NGX_HTTP_PRESENCE_WHEEL_SLOTS;
    }

    for ( ;; ) {

        while (!ngx_queue_empty(&wheel->fired)) {

            if (*budget == 0) {
                return NULL;
            }

            (*budget)--;

            q = ngx_queue_head(&wheel->fired);
            timer = ngx_queue_data(q, ngx_http_presence_timer_t, queue);

            if (timer->due > now) {
                ngx_http_presence_wheel_add(wheel, timer, timer->due);
                continue;
            }

            ngx_http_presence_timer_clear(timer);

            return timer;
        }

        if (wheel->cursor >= end) {
            return NULL;
        }

        slot = &wheel->slots[wheel->cursor++ % NGX_HTTP_PRESENCE_WHEEL_SLOTS];

        if (!ngx_queue_empty(slot)) {
            ngx_queue_add(&wheel->fired, slot);
            ngx_queue_init(slot);
        }
    }
}
