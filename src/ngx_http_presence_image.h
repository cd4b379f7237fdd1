/*
 * An image of a zone: its users and sessions as bytes.  It carries a zone over
 * a restart (..._state), a change of size, and the death of a worker in the
 * middle of a change.
 *
 * Records are in the byte order and for the version of the module that wrote
 * them; whoever keeps an image elsewhere must see to that.
 */

#ifndef _NGX_HTTP_PRESENCE_IMAGE_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_IMAGE_H_INCLUDED_


#include "ngx_http_presence_zone.h"


/* changes whenever a record does */
#define NGX_HTTP_PRESENCE_IMAGE_VERSION  2


typedef struct {
    u_char                  *data;      /* ngx_alloc()ed */
    size_t                   len;
    size_t                   size;
    ngx_uint_t               users;

    /* the presence and the wall clock at which ages in the records are 0 */
    ngx_http_presence_ms_t   at;
    ngx_http_presence_ms_t   wall;
} ngx_http_presence_image_t;


/* starts an empty image; the clocks are now */
void ngx_http_presence_image_start_locked(ngx_http_presence_image_t *image,
    ngx_http_presence_zone_t *zone);

/*
 * Adds the users of up to "n" buckets from *bucket on, which it moves on.
 * NGX_OK: that was the last; NGX_AGAIN; NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_presence_image_add_locked(ngx_http_presence_image_t *image,
    ngx_http_presence_zone_t *zone, uint64_t *bucket, ngx_uint_t n);

/* the whole zone at once; what a crash left unreadable is passed over */
void ngx_http_presence_image_pack_locked(ngx_http_presence_image_t *image,
    ngx_http_presence_zone_t *zone);

typedef enum {
    /* the zone is empty, and the server was away since the image was made */
    NGX_HTTP_PRESENCE_IMAGE_RESTART = 0,
    /* the zone is empty, and the image was made just now */
    NGX_HTTP_PRESENCE_IMAGE_MOVE,
    /* the zone was in use beside the server that made the image */
    NGX_HTTP_PRESENCE_IMAGE_MERGE
} ngx_http_presence_image_mode_e;


/*
 * Puts an image into a zone.  Each session gets a full window from now on.
 * NGX_DECLINED: a record is damaged, those before it are in; NGX_BUSY: the
 * zone is too full for all of it.
 */
ngx_int_t ngx_http_presence_image_unpack_locked(
    ngx_http_presence_image_t *image, ngx_http_presence_zone_t *zone,
    ngx_http_presence_image_mode_e mode);

void ngx_http_presence_image_free(ngx_http_presence_image_t *image);


#endif /* _NGX_HTTP_PRESENCE_IMAGE_H_INCLUDED_ */
