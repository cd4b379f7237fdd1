#include "ngx_http_presence_worst.h"


void
ngx_http_presence_worst_update_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session)
{
    ngx_uint_t                     i;
    ngx_http_presence_session_t  **place, **least;

    if (session->life.missed == 0 && !session->listed) {
        return;
    }

    if (session->life.missed == 0 || session->ended || session->life.leaving) {
        ngx_http_presence_worst_remove_locked(zone, session);
        return;
    }

    if (session->listed) {
        return;
    }

    least = &zone->sh->worst[0];

    for (i = 0; i < NGX_HTTP_PRESENCE_NWORST; i++) {
        place = &zone->sh->worst[i];

        if (*place == NULL) {
            least = place;
            break;
        }

        if ((*place)->life.missed < (*least)->life.missed) {
            least = place;
        }
    }

    if (*least) {

        if ((*least)->life.missed >= session->life.missed) {
            return;
        }

        (*least)->listed = 0;
    }

    *least = session;
    session->listed = 1;
}


void
ngx_http_presence_worst_remove_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_session_t *session)
{
    ngx_uint_t  i;

    if (!session->listed) {
        return;
    }

    session->listed = 0;

    for (i = 0; i < NGX_HTTP_PRESENCE_NWORST; i++) {

        if (zone->sh->worst[i] == session) {
            zone->sh->worst[i] = NULL;
            return;
        }
    }
}
