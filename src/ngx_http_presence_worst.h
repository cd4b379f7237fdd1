/*
 * The sessions that miss most beats now: a short list in shared memory, kept
 * as beats are missed and heard, so that nobody has to look for them.
 *
 * When more sessions miss beats than the list has places, those that miss most
 * stay in it; one that found no place is looked at again with its next missed
 * beat.  The caller holds the zone's lock.
 */

#ifndef _NGX_HTTP_PRESENCE_WORST_H_INCLUDED_
#define _NGX_HTTP_PRESENCE_WORST_H_INCLUDED_


#include "ngx_http_presence_roster.h"


/* after session->life.missed may have changed */
void ngx_http_presence_worst_update_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session);

/* the session is about to be freed, or to count no more */
void ngx_http_presence_worst_remove_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session);


#endif /* _NGX_HTTP_PRESENCE_WORST_H_INCLUDED_ */
