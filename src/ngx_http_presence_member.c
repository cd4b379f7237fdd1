#include "ngx_http_presence_member.h"
#include "ngx_http_presence_groups.h"


static u_char *ngx_http_presence_member_write_unknown(u_char *p,
    const ngx_str_t *id);
static u_char *ngx_http_presence_member_write_time(u_char *p,
    const char *name, ngx_http_presence_zone_t *zone,
    ngx_http_presence_ms_t at);


size_t
ngx_http_presence_member_size(ngx_http_presence_user_t *user)
{
    size_t                           size;
    ngx_http_presence_membership_t  *m;

    size = NGX_HTTP_PRESENCE_MEMBER_FIXED
           + ngx_http_presence_member_string_max(user->len);

    if (user->note) {
        size += ngx_http_presence_member_string_max(user->note->text_len)
                + user->note->meta_len;
    }

    for (m = user->memberships; m; m = m->next) {
        size += ngx_http_presence_member_string_max(m->group->sn.str.len) + 1;
    }

    return size;
}


u_char *
ngx_http_presence_member_write(u_char *p, ngx_http_presence_zone_t *zone,
    ngx_http_presence_user_t *user)
{
    const char                      *reason;
    ngx_uint_t                       sessions, missed;
    ngx_http_presence_ms_t           active, seen;
    ngx_http_presence_note_t        *note;
    ngx_http_presence_status_e       status;
    ngx_http_presence_membership_t  *m;

    status = ngx_http_presence_rules_shown(user->status);
    sessions = user->nsessions;
    missed = user->missed;
    active = user->last_active;
    seen = user->last_sign;

    /* somebody invisible must not be given away by signs of life */

    if (user->status == NGX_HTTP_PRESENCE_INVISIBLE) {
        sessions = 0;
        missed = 0;
        active = ngx_min(active, user->since);
        seen = ngx_min(seen, user->since);
    }

    p = ngx_cpymem(p, "{\"user\":", sizeof("{\"user\":") - 1);
    p = ngx_http_presence_member_write_string(p, user->id, user->len);

    p = ngx_sprintf(p, ",\"status\":\"%s\"",
                    ngx_http_presence_status_names[status]);

    p = ngx_http_presence_member_write_time(p, "since", zone, user->since);
    p = ngx_http_presence_member_write_time(p, "last_active", zone, active);
    p = ngx_http_presence_member_write_time(p, "last_seen", zone, seen);

    p = ngx_sprintf(p, ",\"sessions\":%ui,\"missed\":%ui", sessions, missed);

    reason = ngx_http_presence_reason_names[user->reason];

    p = reason ? ngx_sprintf(p, ",\"reason\":\"%s\"", reason)
               : ngx_sprintf(p, ",\"reason\":null");

    p = ngx_cpymem(p, ",\"groups\":[", sizeof(",\"groups\":[") - 1);

    for (m = user->memberships; m; m = m->next) {
        p = ngx_http_presence_member_write_string(p, m->group->sn.str.data,
                                                  m->group->sn.str.len);
        if (m->next) {
            *p++ = ',';
        }
    }

    p = ngx_cpymem(p, "],\"text\":", sizeof("],\"text\":") - 1);

    /* who is away has no text: somebody invisible may change it */

    note = (status == NGX_HTTP_PRESENCE_OFFLINE) ? NULL : user->note;

    if (note && note->text_len) {
        p = ngx_http_presence_member_write_string(p, note->data,
                                                  note->text_len);
    } else {
        p = ngx_cpymem(p, "null", 4);
    }

    p = ngx_cpymem(p, ",\"meta\":", sizeof(",\"meta\":") - 1);

    if (note && note->meta_len) {
        p = ngx_cpymem(p, note->data + note->text_len, note->meta_len);
    } else {
        p = ngx_cpymem(p, "null", 4);
    }

    *p++ = '}';

    return p;
}


ngx_int_t
ngx_http_presence_member_add(ngx_http_presence_payload_t *payload,
    ngx_http_presence_zone_t *zone, ngx_http_presence_user_t *user,
    const ngx_str_t *id)
{
    u_char  *p;
    size_t   size;

    size = user ? ngx_http_presence_member_size(user)
                : NGX_HTTP_PRESENCE_MEMBER_FIXED
                  + ngx_http_presence_member_string_max(id->len);

    if (ngx_http_presence_payload_reserve(payload, size + 1) != NGX_OK) {
        return NGX_ERROR;
    }

    p = payload->last;

    p = user ? ngx_http_presence_member_write(p, zone, user)
             : ngx_http_presence_member_write_unknown(p, id);
    *p++ = ',';

    payload->last = p;

    return NGX_OK;
}


u_char *
ngx_http_presence_member_write_string(u_char *p, const u_char *data,
    size_t len)
{
    *p++ = '"';
    p = (u_char *) ngx_escape_json(p, (u_char *) data, len);
    *p++ = '"';

    return p;
}


static u_char *
ngx_http_presence_member_write_unknown(u_char *p, const ngx_str_t *id)
{
    p = ngx_cpymem(p, "{\"user\":", sizeof("{\"user\":") - 1);
    p = ngx_http_presence_member_write_string(p, id->data, id->len);

    return ngx_sprintf(p, ",\"status\":\"offline\",\"since\":null,"
                       "\"last_active\":null,\"last_seen\":null,"
                       "\"sessions\":0,\"missed\":0,\"reason\":null,"
                       "\"groups\":[],\"text\":null,\"meta\":null}");
}


static u_char *
ngx_http_presence_member_write_time(u_char *p, const char *name,
    ngx_http_presence_zone_t *zone, ngx_http_presence_ms_t at)
{
    if (at == 0) {
        return ngx_sprintf(p, ",\"%s\":null", name);
    }

    return ngx_sprintf(p, ",\"%s\":%L", name,
                       ngx_http_presence_zone_wall(zone, at));
}
