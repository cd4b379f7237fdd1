#include "ngx_http_presence_record.h"


/* bits of the parts, from the lowest on */

#define NGX_HTTP_PRESENCE_RECORD_MANTISSA  16   /* of a gap */
#define NGX_HTTP_PRESENCE_RECORD_DUE       6    /* mantissa of a due time */
#define NGX_HTTP_PRESENCE_RECORD_RTTS      32

/* an ordinary beat with this error, which is none: another node heard it, and
 * its place is where otherwise what fired the beat is */
#define NGX_HTTP_PRESENCE_RECORD_NOT_HERE  7


static uint64_t ngx_http_presence_record_round(ngx_http_presence_ms_t value,
    unsigned mantissa, unsigned exponent);
static ngx_http_presence_ms_t ngx_http_presence_record_value(uint64_t packed,
    unsigned mantissa);
static ngx_http_presence_ms_t ngx_http_presence_record_rtt(unsigned step);
static uint64_t ngx_http_presence_record_many(uint8_t count);


void
ngx_http_presence_record_pack_beat(uint8_t *p,
    const ngx_http_presence_beat_record_t *beat)
{
    unsigned  i, rtt, kind, fired, error;
    uint64_t  packed;

    kind = beat->kind;
    fired = beat->fired;
    error = beat->error;

    if (kind == NGX_HTTP_PRESENCE_RECORD_ELSEWHERE) {
        kind = NGX_HTTP_PRESENCE_RECORD_CURRENT;
        fired = beat->node;
        error = NGX_HTTP_PRESENCE_RECORD_NOT_HERE;
    }

    /* 0: not known; step 1 is the shortest one */

    rtt = 0;

    if (beat->rtt >= 0) {
        for (rtt = 1;
             rtt + 1 < NGX_HTTP_PRESENCE_RECORD_RTTS
             && ngx_http_presence_record_rtt(rtt + 1) <= beat->rtt;
             rtt++)
        {
            /* void */
        }
    }

    packed = ngx_http_presence_record_round(beat->gap,
                                        NGX_HTTP_PRESENCE_RECORD_MANTISSA, 4);

    packed |= (uint64_t) (kind & 3) << 20;
    packed |= (uint64_t) (beat->hidden ? 1 : 0) << 22;
    packed |= (uint64_t) (beat->cause & 15) << 23;
    packed |= (uint64_t) (fired & 31) << 27;
    packed |= ngx_http_presence_record_many(beat->hole) << 32;
    packed |= ngx_http_presence_record_many(beat->failed) << 35;
    packed |= (uint64_t) (error & 7) << 38;
    packed |= (uint64_t) rtt << 41;
    packed |= ngx_http_presence_record_round(beat->due,
                                      NGX_HTTP_PRESENCE_RECORD_DUE, 4) << 46;

    for (i = 0; i < NGX_HTTP_PRESENCE_RECORD_BEAT; i++) {
        p[i] = (uint8_t) (packed >> 8 * i);
    }
}


void
ngx_http_presence_record_unpack_beat(const uint8_t *p,
    ngx_http_presence_beat_record_t *beat)
{
    unsigned  i, rtt;
    uint64_t  packed;

    packed = 0;

    for (i = 0; i < NGX_HTTP_PRESENCE_RECORD_BEAT; i++) {
        packed |= (uint64_t) p[i] << 8 * i;
    }

    beat->gap = ngx_http_presence_record_value(packed & 0xfffff,
                                           NGX_HTTP_PRESENCE_RECORD_MANTISSA);
    beat->kind = (packed >> 20) & 3;
    beat->hidden = (packed >> 22) & 1;
    beat->cause = (packed >> 23) & 15;
    beat->fired = (packed >> 27) & 31;
    beat->hole = (packed >> 32) & 7;
    beat->failed = (packed >> 35) & 7;
    beat->error = (packed >> 38) & 7;
    beat->node = 0;

    if (beat->error == NGX_HTTP_PRESENCE_RECORD_NOT_HERE) {
        beat->kind = NGX_HTTP_PRESENCE_RECORD_ELSEWHERE;
        beat->node = beat->fired;
        beat->fired = 0;
        beat->error = 0;
    }

    rtt = (packed >> 41) & 31;

    beat->rtt = rtt ? ngx_http_presence_record_rtt(rtt) : -1;
    beat->due = ngx_http_presence_record_value((packed >> 46) & 0x3ff,
                                               NGX_HTTP_PRESENCE_RECORD_DUE);
}


uint32_t
ngx_http_presence_record_pack_change(
    const ngx_http_presence_change_record_t *change)
{
    return (uint32_t) ngx_http_presence_record_round(change->gap,
                                         NGX_HTTP_PRESENCE_RECORD_MANTISSA, 5)
           | (uint32_t) (change->status & 7) << 21
           | (uint32_t) (change->reason & 15) << 24
           | (uint32_t) (change->cause & 15) << 28;
}


void
ngx_http_presence_record_unpack_change(uint32_t packed,
    ngx_http_presence_change_record_t *change)
{
    change->gap = ngx_http_presence_record_value(packed & 0x1fffff,
                                           NGX_HTTP_PRESENCE_RECORD_MANTISSA);
    change->status = (packed >> 21) & 7;
    change->reason = (packed >> 24) & 15;
    change->cause = (packed >> 28) & 15;
}


/* a mantissa, and above it by how many bits it was shortened */

static uint64_t
ngx_http_presence_record_round(ngx_http_presence_ms_t value,
    unsigned mantissa, unsigned exponent)
{
    unsigned  shift, most;
    uint64_t  v, full, half;

    v = (value > 0) ? (uint64_t) value : 0;
    full = ((uint64_t) 1 << mantissa) - 1;
    most = (1u << exponent) - 1;

    half = 0;

    for (shift = 0; shift < most && (v + half) >> shift > full; shift++) {
        half = (uint64_t) 1 << shift;
    }

    v = (v + half) >> shift;

    return ((uint64_t) shift << mantissa) | (v > full ? full : v);
}


static ngx_http_presence_ms_t
ngx_http_presence_record_value(uint64_t packed, unsigned mantissa)
{
    uint64_t  v;

    v = packed & (((uint64_t) 1 << mantissa) - 1);

    return (ngx_http_presence_ms_t) (v << (packed >> mantissa));
}


/* 1, 1.4, 2, 2.8, 4 ms and so on, to 32 s */

static ngx_http_presence_ms_t
ngx_http_presence_record_rtt(unsigned step)
{
    ngx_http_presence_ms_t  whole;

    whole = (ngx_http_presence_ms_t) 1 << (step - 1) / 2;

    return (step & 1) ? whole : whole * 181 / 128;
}


static uint64_t
ngx_http_presence_record_many(uint8_t count)
{
    return (count < NGX_HTTP_PRESENCE_RECORD_MANY)
           ? count : NGX_HTTP_PRESENCE_RECORD_MANY;
}
