/*
 * How hiredis reads answers: one that nobody asked for is an error.  hiredis
 * itself takes it for a fault of the program's, and ends the worker.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_READER_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_READER_H_INCLUDED_


#include "ngx_http_presence_redis_link.h"


/* the one channel that there is, for Sentinel's messages */
#define NGX_HTTP_PRESENCE_REDIS_CHANNEL  "+switch-master"


/* for a new context, whose data is its link */
void ngx_http_presence_redis_reader_guard(redisAsyncContext *ac);


#endif /* _NGX_HTTP_PRESENCE_REDIS_READER_H_INCLUDED_ */
