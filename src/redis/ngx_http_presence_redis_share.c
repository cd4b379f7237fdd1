#include "ngx_http_presence_redis_share.h"


uint32_t
ngx_http_presence_redis_share_weight(const unsigned char *node, size_t len,
    uint32_t user_hash)
{
    size_t    i;
    uint32_t  h;

    /* FNV-1a, which is the same on every machine */

    h = 2166136261u;

    for (i = 0; i < len; i++) {
        h = (h ^ node[i]) * 16777619u;
    }

    for (i = 0; i < 4; i++) {
        h = (h ^ (user_hash >> (8 * i) & 0xff)) * 16777619u;
    }

    /* FNV leaves the upper bits alike for alike ends: mix (MurmurHash3) */

    h ^= h >> 16;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    h *= 0xc2b2ae35u;

    return h ^ h >> 16;
}
