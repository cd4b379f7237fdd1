#include <string.h>

#include "ngx_http_presence_redis_slots.h"


static int ngx_http_presence_redis_slots_master(const redisReply *range,
    const char *host, ngx_http_presence_redis_place_t *place);
static int ngx_http_presence_redis_slots_name(const char *s, size_t len,
    const char *host, ngx_http_presence_redis_place_t *place);


unsigned
ngx_http_presence_redis_slots_of(const char *key, size_t len)
{
    int          k;
    unsigned     crc;
    const char  *open, *close, *end;

    end = key + len;
    open = memchr(key, '{', len);

    if (open) {
        open++;
        close = memchr(open, '}', end - open);

        if (close && close > open) {
            key = open;
            end = close;
        }
    }

    /* CRC-16 of XMODEM: polynomial 0x1021, from 0, highest bit first */

    for (crc = 0; key < end; key++) {
        crc ^= (unsigned) (unsigned char) *key << 8;

        for (k = 0; k < 8; k++) {
            crc = (crc & 0x8000) ? crc << 1 ^ 0x1021 : crc << 1;
        }
    }

    return crc % NGX_HTTP_PRESENCE_REDIS_SLOTS;
}


int
ngx_http_presence_redis_slots_read(const redisReply *reply, const char *host,
    const unsigned *slots, int n, ngx_http_presence_redis_place_t *places,
    int *of)
{
    int                               k, p, nplaces;
    size_t                            i;
    const redisReply                 *range;
    ngx_http_presence_redis_place_t   place;

    if (reply->type != REDIS_REPLY_ARRAY) {
        return -1;
    }

    nplaces = 0;

    for (k = 0; k < n; k++) {
        of[k] = NGX_HTTP_PRESENCE_REDIS_NO_PLACE;
    }

    for (i = 0; i < reply->elements; i++) {
        range = reply->element[i];

        if (range->type != REDIS_REPLY_ARRAY || range->elements < 3
            || range->element[0]->type != REDIS_REPLY_INTEGER
            || range->element[1]->type != REDIS_REPLY_INTEGER)
        {
            return -1;
        }

        if (!ngx_http_presence_redis_slots_master(range, host, &place)) {
            continue;
        }

        for (p = 0; p < nplaces; p++) {
            if (places[p].port == place.port
                && strcmp(places[p].host, place.host) == 0)
            {
                break;
            }
        }

        for (k = 0; k < n; k++) {

            if ((long long) slots[k] < range->element[0]->integer
                || (long long) slots[k] > range->element[1]->integer
                || of[k] != NGX_HTTP_PRESENCE_REDIS_NO_PLACE)
            {
                continue;
            }

            /* a master is of interest when it has one of the slots */

            if (p == nplaces) {
                places[nplaces++] = place;
            }

            of[k] = p;
        }
    }

    return nplaces;
}


ngx_http_presence_redis_redirect_e
ngx_http_presence_redis_slots_redirect(const char *s, size_t len,
    const char *host, ngx_http_presence_redis_place_t *place)
{
    unsigned                             port;
    const char                          *end, *space, *colon, *p;
    ngx_http_presence_redis_redirect_e   redirect;

    end = s + len;

    /* such as "MOVED 3999 127.0.0.1:6381" */

    if (len > 6 && memcmp(s, "MOVED ", 6) == 0) {
        redirect = NGX_HTTP_PRESENCE_REDIS_MOVED;
        s += 6;

    } else if (len > 4 && memcmp(s, "ASK ", 4) == 0) {
        redirect = NGX_HTTP_PRESENCE_REDIS_ASK;
        s += 4;

    } else {
        return NGX_HTTP_PRESENCE_REDIS_STAYS;
    }

    space = memchr(s, ' ', end - s);

    if (space == NULL) {
        return NGX_HTTP_PRESENCE_REDIS_STAYS;
    }

    /* an IPv6 address has colons of its own */

    for (colon = end; colon > space && *(colon - 1) != ':'; colon--) {
        /* void */
    }

    if (colon == space) {
        return NGX_HTTP_PRESENCE_REDIS_STAYS;
    }

    port = 0;

    for (p = colon; p < end; p++) {

        if (*p < '0' || *p > '9') {
            return NGX_HTTP_PRESENCE_REDIS_STAYS;
        }

        port = port * 10 + (unsigned) (*p - '0');

        if (port > 65535) {
            return NGX_HTTP_PRESENCE_REDIS_STAYS;
        }
    }

    place->port = port;

    if (port == 0
        || !ngx_http_presence_redis_slots_name(space + 1,
                                               colon - 1 - (space + 1), host,
                                               place))
    {
        return NGX_HTTP_PRESENCE_REDIS_STAYS;
    }

    return redirect;
}


static int
ngx_http_presence_redis_slots_master(const redisReply *range,
    const char *host, ngx_http_presence_redis_place_t *place)
{
    const redisReply  *master, *name;

    master = range->element[2];

    if (master->type != REDIS_REPLY_ARRAY || master->elements < 2
        || master->element[1]->type != REDIS_REPLY_INTEGER
        || master->element[1]->integer < 1
        || master->element[1]->integer > 65535)
    {
        return 0;
    }

    place->port = (unsigned) master->element[1]->integer;

    name = master->element[0];

    if (name->type == REDIS_REPLY_NIL) {
        return ngx_http_presence_redis_slots_name("", 0, host, place);
    }

    return name->type == REDIS_REPLY_STRING
           && ngx_http_presence_redis_slots_name(name->str, name->len, host,
                                                 place);
}


/* without a name, or with "?", it is where the answer comes from */

static int
ngx_http_presence_redis_slots_name(const char *s, size_t len,
    const char *host, ngx_http_presence_redis_place_t *place)
{
    if (len == 0 || (len == 1 && *s == '?')) {
        s = host;
        len = strlen(host);
    }

    if (len == 0 || len >= sizeof(place->host)) {
        return 0;
    }

    memcpy(place->host, s, len);
    place->host[len] = '\0';

    return 1;
}
