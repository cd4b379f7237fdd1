#include <string.h>

#include "ngx_http_presence_redis_queue.h"


/* the end of a chain */
#define NGX_HTTP_PRESENCE_REDIS_NO_SLOT  UINT32_MAX


size_t
ngx_http_presence_redis_queue_bytes(uint32_t size, uint32_t width)
{
    return size * (sizeof(ngx_http_presence_redis_slot_t) + sizeof(uint32_t)
                   + (size_t) width);
}


void
ngx_http_presence_redis_queue_init(ngx_http_presence_redis_queue_t *queue,
    uint32_t size, uint32_t width, void *memory)
{
    queue->size = size;
    queue->width = width;
    queue->first = 0;
    queue->end = 0;

    queue->slots = memory;
    queue->chains = (uint32_t *) (queue->slots + size);
    queue->ids = (unsigned char *) (queue->chains + size);

    memset(queue->chains, 0xff, size * sizeof(uint32_t));
}


int
ngx_http_presence_redis_queue_put(ngx_http_presence_redis_queue_t *queue,
    uint32_t hash, const unsigned char *id, size_t len, unsigned flags,
    uint32_t now)
{
    uint32_t                         i, *chain;
    ngx_http_presence_redis_slot_t  *slot;

    if (len > queue->width) {
        return 0;
    }

    chain = &queue->chains[hash & (queue->size - 1)];

    for (i = *chain; i != NGX_HTTP_PRESENCE_REDIS_NO_SLOT; i = slot->next) {
        slot = &queue->slots[i];

        if (slot->hash == hash
            && slot->len == len
            && memcmp(queue->ids + (size_t) i * queue->width, id, len) == 0)
        {
            slot->flags |= (uint16_t) flags;
            return 1;
        }
    }

    if (queue->end - queue->first == queue->size) {
        return 0;
    }

    i = queue->end++ & (queue->size - 1);
    slot = &queue->slots[i];

    slot->hash = hash;
    slot->len = (uint16_t) len;
    slot->flags = (uint16_t) flags;
    slot->since = now;
    slot->next = *chain;
    *chain = i;

    memcpy(queue->ids + (size_t) i * queue->width, id, len);

    return 1;
}


const unsigned char *
ngx_http_presence_redis_queue_take(ngx_http_presence_redis_queue_t *queue,
    uint32_t *hash, size_t *len, unsigned *flags)
{
    uint32_t                         i, *p;
    ngx_http_presence_redis_slot_t  *slot;

    if (queue->first == queue->end) {
        return NULL;
    }

    i = queue->first++ & (queue->size - 1);
    slot = &queue->slots[i];

    for (p = &queue->chains[slot->hash & (queue->size - 1)];
         *p != i;
         p = &queue->slots[*p].next)
    {
        /* void */
    }

    *p = slot->next;

    *hash = slot->hash;
    *len = slot->len;
    *flags = slot->flags;

    return queue->ids + (size_t) i * queue->width;
}
