#include <string.h>

#include "ngx_http_presence_clock.h"


void
ngx_http_presence_clock_start(ngx_http_presence_clock_t *clock,
    ngx_http_presence_ms_t mono, ngx_http_presence_ms_t wall)
{
    clock->now = NGX_HTTP_PRESENCE_CLOCK_START;
    clock->mono = mono;
    clock->offset = wall - clock->now;
    clock->forgiven = 0;
    clock->nepisodes = 0;
}


ngx_http_presence_ms_t
ngx_http_presence_clock_advance(ngx_http_presence_clock_t *clock,
    ngx_http_presence_ms_t mono, ngx_http_presence_ms_t wall,
    ngx_http_presence_ms_t limit)
{
    ngx_http_presence_ms_t  gap, off, forgiven;

    /* each worker caches the time: one may come with an older one */

    gap = mono - clock->mono;

    if (gap <= 0) {
        return 0;
    }

    clock->mono = mono;

    if (gap <= limit) {
        clock->now += gap;
        forgiven = 0;

    } else {
        forgiven = gap - 1;
        ngx_http_presence_clock_forgive(clock, gap);
    }

    /* small differences are the caches', and would make past times jitter */

    off = wall - clock->now - clock->offset;

    if (off > NGX_HTTP_PRESENCE_CLOCK_STEP
        || off < -NGX_HTTP_PRESENCE_CLOCK_STEP)
    {
        clock->offset += off;
    }

    return forgiven;
}


void
ngx_http_presence_clock_forgive(ngx_http_presence_clock_t *clock,
    ngx_http_presence_ms_t length)
{
    ngx_http_presence_deaf_t  *episode;

    episode = clock->episodes;

    if (clock->nepisodes == NGX_HTTP_PRESENCE_CLOCK_EPISODES) {
        episode[1].length += episode[0].length;

        clock->nepisodes--;
        memmove(episode, episode + 1,
                clock->nepisodes * sizeof(ngx_http_presence_deaf_t));
    }

    episode += clock->nepisodes++;

    /* one step on, so that what is heard now is not taken for before it */

    length--;

    episode->at = clock->now;
    episode->length = length;

    clock->now++;
    clock->offset += length;
    clock->forgiven += length;
}


ngx_http_presence_ms_t
ngx_http_presence_clock_wall(const ngx_http_presence_clock_t *clock,
    ngx_http_presence_ms_t at)
{
    unsigned                i;
    ngx_http_presence_ms_t  wall;

    wall = at + clock->offset;

    for (i = clock->nepisodes; i-- > 0 && at <= clock->episodes[i].at; ) {
        wall -= clock->episodes[i].length;
    }

    return wall;
}


ngx_http_presence_ms_t
ngx_http_presence_clock_at(const ngx_http_presence_clock_t *clock,
    ngx_http_presence_ms_t wall)
{
    unsigned                         i;
    ngx_http_presence_ms_t           at;
    const ngx_http_presence_deaf_t  *episode;

    at = wall - clock->offset;

    for (i = clock->nepisodes; i-- > 0; ) {
        episode = &clock->episodes[i];

        if (at > episode->at) {
            break;
        }

        at += episode->length;

        if (at > episode->at) {
            return episode->at;
        }
    }

    return at;
}
