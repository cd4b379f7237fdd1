/*
 * The figures of a zone, read in one hold of its lock, and those of Redis' in
 * another, that are as short for many users as for few.
 */

#ifndef _NGX_HTTP_PRESENCE_READING_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_READING_H_INCLUDED_


#include "ngx_http_presence_redis_reading.h"
#include "ngx_http_presence_zone.h"


/* nothing but uint64_t from "users" to "max_interval" */
typedef struct {
    ngx_http_presence_zone_t      *zone;
    ngx_http_presence_ms_t         wall;        /* of the reading */
    ngx_http_presence_counters_t   counters;
    uint64_t                       users[NGX_HTTP_PRESENCE_NSHOWN];
    uint64_t                       sessions;
    uint64_t                       streams;     /* of all workers */
    uint64_t                       bytes[2];    /* used, free */
    uint64_t                       changes;     /* since the epoch began */
    uint64_t                       deaf;        /* milliseconds, in all */
    uint64_t                       interval;    /* milliseconds */
    uint64_t                       max_interval;
    ngx_http_presence_redis_reading_t  redis;
} ngx_http_presence_reading_t;


void ngx_http_presence_reading_take(ngx_http_presence_reading_t *reading,
    ngx_http_presence_zone_t *zone);


#endif /* _NGX_HTTP_PRESENCE_READING_H_INCLUDED_ */
