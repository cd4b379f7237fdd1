/*
 * What a user's trace comes to, in a sentence for a person: why is the user
 * called what the user is called?
 */

#ifndef _NGX_HTTP_PRESENCE_VERDICT_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_VERDICT_H_INCLUDED_


#include "ngx_http_presence_trace.h"
#include "ngx_http_presence_writer.h"


/* nothing in it is what JSON would want escaped */
void ngx_http_presence_verdict_write(ngx_http_presence_writer_t *w,
    const ngx_http_presence_trace_t *trace,
    const ngx_http_presence_policy_t *policy);

/* a count of a record ends at a bound: then it is so many, or more */
#define ngx_http_presence_verdict_more(count)                                 \
    ((count) == NGX_HTTP_PRESENCE_RECORD_MANY ? " or more" : "")


#endif /* _NGX_HTTP_PRESENCE_VERDICT_H_INCLUDED_ */
