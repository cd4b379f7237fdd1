#include <stdlib.h>
#include <string.h>

#include "ngx_http_presence_recent.h"


/* a user is in one of so many places that follow each other */
#define NGX_HTTP_PRESENCE_RECENT_PLACES  4


static ngx_http_presence_recent_user_t *ngx_http_presence_recent_find(
    ngx_http_presence_recent_t *recent, const unsigned char *id, size_t len,
    uint32_t hash);
static ngx_http_presence_recent_user_t *ngx_http_presence_recent_place(
    ngx_http_presence_recent_t *recent, uint32_t hash);


ngx_http_presence_recent_t *
ngx_http_presence_recent_create(uint32_t n, ngx_http_presence_ms_t window)
{
    ngx_http_presence_recent_t  *recent;

    recent = calloc(1, sizeof(ngx_http_presence_recent_t));
    if (recent == NULL) {
        return NULL;
    }

    recent->window = window;
    recent->mask = n - 1;

    /* zeroed pages are taken only when a user comes into them */

    recent->waiting = calloc(n, sizeof(uint32_t));
    recent->users = calloc(n, sizeof(ngx_http_presence_recent_user_t));

    if (recent->waiting == NULL || recent->users == NULL) {
        ngx_http_presence_recent_free(recent);
        return NULL;
    }

    return recent;
}


void
ngx_http_presence_recent_free(ngx_http_presence_recent_t *recent)
{
    free(recent->waiting);
    free(recent->users);
    free(recent);
}


int
ngx_http_presence_recent_wait(ngx_http_presence_recent_t *recent,
    const unsigned char *id, size_t len, uint32_t hash, uint32_t mark,
    ngx_http_presence_ms_t at, ngx_http_presence_ms_t now)
{
    ngx_http_presence_recent_user_t  *user;

    user = ngx_http_presence_recent_find(recent, id, len, hash);

    if (user == NULL || user->mark != mark) {
        return 0;
    }

    if (at <= user->last) {
        return 1;
    }

    if (!user->waits) {

        if (at - user->told >= recent->window) {
            return 0;
        }

        if (recent->nwaiting == 0) {
            recent->due = now + recent->window;
        }

        recent->waiting[recent->nwaiting++] = (uint32_t)
                                              (user - recent->users);
        user->waits = 1;
    }

    user->last = at;

    return 1;
}


void
ngx_http_presence_recent_told(ngx_http_presence_recent_t *recent,
    const unsigned char *id, size_t len, uint32_t hash, uint32_t mark,
    ngx_http_presence_ms_t at)
{
    ngx_http_presence_recent_user_t  *user;

    user = ngx_http_presence_recent_find(recent, id, len, hash);

    if (user == NULL) {

        if (len > NGX_HTTP_PRESENCE_RECENT_ID) {
            return;
        }

        user = ngx_http_presence_recent_place(recent, hash);

        if (user == NULL) {
            return;
        }

        user->told = at;
        user->last = at;
        user->hash = hash;
        user->len = (uint8_t) len;
        memcpy(user->id, id, len);
    }

    user->mark = mark;

    if (at > user->told) {
        user->told = at;
    }

    if (at > user->last) {
        user->last = at;
    }
}


int
ngx_http_presence_recent_is_due(const ngx_http_presence_recent_t *recent,
    ngx_http_presence_ms_t now)
{
    return recent->nwaiting && now >= recent->due;
}


ngx_http_presence_recent_user_t *
ngx_http_presence_recent_next(ngx_http_presence_recent_t *recent)
{
    ngx_http_presence_recent_user_t  *user;

    while (recent->nwaiting) {
        user = &recent->users[recent->waiting[--recent->nwaiting]];

        user->waits = 0;

        if (user->last > user->told) {
            user->told = user->last;
            return user;
        }
    }

    return NULL;
}


void
ngx_http_presence_recent_forget(ngx_http_presence_recent_user_t *user)
{
    user->len = 0;
}


static ngx_http_presence_recent_user_t *
ngx_http_presence_recent_find(ngx_http_presence_recent_t *recent,
    const unsigned char *id, size_t len, uint32_t hash)
{
    uint32_t                          i;
    ngx_http_presence_recent_user_t  *user;

    for (i = 0; i < NGX_HTTP_PRESENCE_RECENT_PLACES; i++) {
        user = &recent->users[(hash + i) & recent->mask];

        if (user->hash == hash
            && user->len == len
            && memcmp(user->id, id, len) == 0)
        {
            return user;
        }
    }

    return NULL;
}


/* a free place, or that of the one who was silent longest; NULL: all wait */

static ngx_http_presence_recent_user_t *
ngx_http_presence_recent_place(ngx_http_presence_recent_t *recent,
    uint32_t hash)
{
    uint32_t                          i;
    ngx_http_presence_recent_user_t  *user, *place;

    place = NULL;

    for (i = 0; i < NGX_HTTP_PRESENCE_RECENT_PLACES; i++) {
        user = &recent->users[(hash + i) & recent->mask];

        if (user->waits) {
            continue;
        }

        if (user->len == 0) {
            return user;
        }

        if (place == NULL || user->last < place->last) {
            place = user;
        }
    }

    return place;
}
