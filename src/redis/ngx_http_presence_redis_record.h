/*
 * A user as Redis has it: what the script answers with, and what an entry of a
 * changes stream has.  docs/redis.md describes the fields.  Plain C; strings
 * point into what was read.
 */

#ifndef _NGX_HTTP_PRESENCE_REDIS_RECORD_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_REDIS_RECORD_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* of the layout of keys and fields; a record of another one is passed over */
#define NGX_HTTP_PRESENCE_REDIS_VERSION  1


typedef struct {
    const char  *data;
    size_t       len;
} ngx_http_presence_redis_text_t;


/* times are those of Redis' clock, in milliseconds since 1970 */
typedef struct {
    ngx_http_presence_redis_text_t  user;
    ngx_http_presence_redis_text_t  node;       /* that made the change */
    ngx_http_presence_redis_text_t  status;
    ngx_http_presence_redis_text_t  type;
    ngx_http_presence_redis_text_t  reason;
    ngx_http_presence_redis_text_t  cause;      /* of beats that are missing */
    ngx_http_presence_redis_text_t  manual;
    ngx_http_presence_redis_text_t  groups;     /* separated by commas */
    ngx_http_presence_redis_text_t  text;
    ngx_http_presence_redis_text_t  meta;
    ngx_http_presence_redis_text_t  sessions;   /* a line each */
    ngx_http_presence_redis_text_t  ended;      /* ids, a line each */
    ngx_http_presence_redis_text_t  lost;       /* of them, those missed, as */
                                                /* they were; a line each */
    ngx_http_presence_redis_text_t  out;        /* the last logout */
    int64_t                         version;
    int64_t                         rev;
    int64_t                         since;
    int64_t                         active;
    int64_t                         seen;
    int64_t                         until;
} ngx_http_presence_redis_record_t;


typedef struct {
    ngx_http_presence_redis_text_t  id;         /* may be empty */
    ngx_http_presence_redis_text_t  node;       /* that owns it */
    int64_t                         deadline;
    int64_t                         sign;
    int64_t                         active;
    int64_t                         beat;
    int64_t                         step;
    int64_t                         missed;
    int64_t                         leaving;
    int64_t                         doc;
    int64_t                         seq;
    ngx_http_presence_redis_text_t  by;         /* the node of the beat */
} ngx_http_presence_redis_session_t;


/* "leaving" of a session that was called gone */
#define NGX_HTTP_PRESENCE_REDIS_LOST     2


/* who said "logout"; -1 for a number that is not known */
typedef struct {
    ngx_http_presence_redis_text_t  session;
    int64_t                         doc;
    int64_t                         seq;
} ngx_http_presence_redis_logout_t;


/* puts one field into the record; a field that is not known is no matter */
void ngx_http_presence_redis_record_set(
    ngx_http_presence_redis_record_t *record, const char *name,
    size_t name_len, const char *value, size_t len);

/* takes the next session off "lines"; 0: none is left, or it is damaged */
int ngx_http_presence_redis_record_session(
    ngx_http_presence_redis_text_t *lines,
    ngx_http_presence_redis_session_t *session);

/* what "out" of a record says; 0: nothing, or it is damaged */
int ngx_http_presence_redis_record_logout(ngx_http_presence_redis_text_t out,
    ngx_http_presence_redis_logout_t *logout);

/* takes the next part off "list"; 0: none is left */
int ngx_http_presence_redis_record_part(ngx_http_presence_redis_text_t *list,
    char separator, ngx_http_presence_redis_text_t *part);

/* a decimal number, with a sign or none; "otherwise" when it is none */
int64_t ngx_http_presence_redis_record_number(const char *s, size_t len,
    int64_t otherwise);

/* is a revision later than another?  They wrap around. */
#define ngx_http_presence_redis_record_later(one, two)                        \
    ((int32_t) ((uint32_t) (one) - (uint32_t) (two)) > 0)


#endif /* _NGX_HTTP_PRESENCE_REDIS_RECORD_H_INCLUDED_ */
