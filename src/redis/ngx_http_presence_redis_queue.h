/*
 * Users whose state has to go to Redis: first in, first out, each once however
 * often it is put.  It holds names only, for what is sent is the state that a
 * user has by then.  Plain C; of fixed size.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_QUEUE_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_QUEUE_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


typedef struct {
    uint32_t                         hash;
    uint32_t                         next;      /* in its chain */
    uint32_t                         since;     /* when it was put first */
    uint16_t                         len;
    uint16_t                         flags;
} ngx_http_presence_redis_slot_t;


typedef struct {
    uint32_t                         size;      /* a power of two */
    uint32_t                         width;     /* of the longest id */
    uint32_t                         first;     /* these two only grow */
    uint32_t                         end;
    uint32_t                        *chains;
    ngx_http_presence_redis_slot_t  *slots;
    unsigned char                   *ids;
} ngx_http_presence_redis_queue_t;


/* bytes that a queue of that many users needs */
size_t ngx_http_presence_redis_queue_bytes(uint32_t size, uint32_t width);

/* starts an empty queue in such memory, aligned for a pointer */
void ngx_http_presence_redis_queue_init(ngx_http_presence_redis_queue_t *queue,
    uint32_t size, uint32_t width, void *memory);

/*
 * Adds a user, or adds the flags to those of the user that is there.  "now" is
 * any clock's.  Returns 0 when the queue is full or the id too long: nothing
 * has changed.
 */
int ngx_http_presence_redis_queue_put(ngx_http_presence_redis_queue_t *queue,
    uint32_t hash, const unsigned char *id, size_t len, unsigned flags,
    uint32_t now);

/*
 * Takes the first user; NULL: there is none.  The id is good until the next
 * call.
 */
const unsigned char *ngx_http_presence_redis_queue_take(
    ngx_http_presence_redis_queue_t *queue, uint32_t *hash, size_t *len,
    unsigned *flags);

#define ngx_http_presence_redis_queue_length(queue)                           \
    ((queue)->end - (queue)->first)
#define ngx_http_presence_redis_queue_room(queue)                             \
    ((queue)->size - ngx_http_presence_redis_queue_length(queue))

/* when the first one was put; there has to be one */
#define ngx_http_presence_redis_queue_since(queue)                            \
    ((queue)->slots[(queue)->first & ((queue)->size - 1)].since)


#endif /* _NGX_HTTP_PRESENCE_REDIS_QUEUE_H_INCLUDED_ */
