/*
 * A beat in 7 bytes and a change in 4, as the trace keeps them.  Times are
 * rounded as little as that allows, and counts end at a bound.  Plain C on
 * plain values.
 */

#ifndef _NGX_HTTP_PRESENCE_RECORD_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_RECORD_H_INCLUDED_


#include "ngx_http_presence_diagnose.h"


#define NGX_HTTP_PRESENCE_RECORD_BEAT    7      /* bytes */

/* stands for no cause: nothing was late */
#define NGX_HTTP_PRESENCE_NO_CAUSE       NGX_HTTP_PRESENCE_NCAUSES

/* counts of a beat's record: this one means so many or more */
#define NGX_HTTP_PRESENCE_RECORD_MANY    7


typedef enum {
    NGX_HTTP_PRESENCE_RECORD_NONE = 0,
    NGX_HTTP_PRESENCE_RECORD_CURRENT,       /* an ordinary one */
    NGX_HTTP_PRESENCE_RECORD_OVERTAKEN,     /* by a later one */
    NGX_HTTP_PRESENCE_RECORD_LEAVE,
    NGX_HTTP_PRESENCE_RECORD_ELSEWHERE      /* another node heard it: nothing */
                                            /* but times and "node" */
} ngx_http_presence_record_e;


/* times in milliseconds */
typedef struct {
    ngx_http_presence_ms_t  gap;        /* since the one before it: exact up */
                                        /* to 65 s, then to 1 in 65,000; at */
                                        /* most 24 days */
    ngx_http_presence_ms_t  due;        /* next one, to 1 in 128; <= 34 min */
    ngx_http_presence_ms_t  rtt;        /* to a half; -1: not known */
    uint8_t                 kind;       /* ngx_http_presence_record_e */
    uint8_t                 hidden;
    uint8_t                 cause;      /* or _NO_CAUSE */
    uint8_t                 fired;
    uint8_t                 error;
    uint8_t                 hole;       /* up to _MANY */
    uint8_t                 failed;     /* up to _MANY */
    uint8_t                 node;       /* place of another one, up to 31 */
} ngx_http_presence_beat_record_t;


typedef struct {
    ngx_http_presence_ms_t  gap;        /* exact up to 65 s, then as above */
    uint8_t                 status;     /* the user's own view */
    uint8_t                 reason;
    uint8_t                 cause;      /* or _NO_CAUSE */
} ngx_http_presence_change_record_t;


void ngx_http_presence_record_pack_beat(uint8_t *p,
    const ngx_http_presence_beat_record_t *beat);
void ngx_http_presence_record_unpack_beat(const uint8_t *p,
    ngx_http_presence_beat_record_t *beat);

/* never 0 of what happened: 0 stands for no record */
uint32_t ngx_http_presence_record_pack_change(
    const ngx_http_presence_change_record_t *change);
void ngx_http_presence_record_unpack_change(uint32_t packed,
    ngx_http_presence_change_record_t *change);


#endif /* _NGX_HTTP_PRESENCE_RECORD_H_INCLUDED_ */
