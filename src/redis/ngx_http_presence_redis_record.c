#include <string.h>

#include "ngx_http_presence_redis_record.h"


typedef struct {
    const char  *name;
    size_t       offset;
    int          number;
} ngx_http_presence_redis_field_t;


#define ngx_http_presence_redis_text_field(name)                              \
    { #name, offsetof(ngx_http_presence_redis_record_t, name), 0 }
#define ngx_http_presence_redis_number_field(name)                            \
    { #name, offsetof(ngx_http_presence_redis_record_t, name), 1 }


static const ngx_http_presence_redis_field_t
ngx_http_presence_redis_fields[] = {
    ngx_http_presence_redis_text_field(user),
    ngx_http_presence_redis_text_field(node),
    ngx_http_presence_redis_text_field(status),
    ngx_http_presence_redis_text_field(type),
    ngx_http_presence_redis_text_field(reason),
    ngx_http_presence_redis_text_field(cause),
    ngx_http_presence_redis_text_field(manual),
    ngx_http_presence_redis_text_field(groups),
    ngx_http_presence_redis_text_field(text),
    ngx_http_presence_redis_text_field(meta),
    ngx_http_presence_redis_text_field(sessions),
    ngx_http_presence_redis_text_field(ended),
    ngx_http_presence_redis_text_field(lost),
    ngx_http_presence_redis_text_field(out),
    ngx_http_presence_redis_number_field(rev),
    ngx_http_presence_redis_number_field(since),
    ngx_http_presence_redis_number_field(active),
    ngx_http_presence_redis_number_field(seen),
    ngx_http_presence_redis_number_field(until),
    { "v", offsetof(ngx_http_presence_redis_record_t, version), 1 },
    { NULL, 0, 0 }
};


void
ngx_http_presence_redis_record_set(ngx_http_presence_redis_record_t *record,
    const char *name, size_t name_len, const char *value, size_t len)
{
    char                                   *p;
    ngx_http_presence_redis_text_t          text;
    const ngx_http_presence_redis_field_t  *field;

    for (field = ngx_http_presence_redis_fields; field->name; field++) {

        if (strlen(field->name) != name_len
            || memcmp(field->name, name, name_len) != 0)
        {
            continue;
        }

        p = (char *) record + field->offset;

        if (field->number) {
            *(int64_t *) p = ngx_http_presence_redis_record_number(value, len,
                                                                   0);
        } else {
            text.data = value;
            text.len = len;
            *(ngx_http_presence_redis_text_t *) p = text;
        }

        return;
    }
}


int
ngx_http_presence_redis_record_session(ngx_http_presence_redis_text_t *lines,
    ngx_http_presence_redis_session_t *session)
{
    int64_t                        *number, *last;
    ngx_http_presence_redis_text_t   line, part;

    if (!ngx_http_presence_redis_record_part(lines, '\n', &line)
        || !ngx_http_presence_redis_record_part(&line, ' ', &session->id)
        || !ngx_http_presence_redis_record_part(&line, ' ', &session->node))
    {
        return 0;
    }

    last = &session->seq;

    for (number = &session->deadline; number <= last; number++) {

        if (!ngx_http_presence_redis_record_part(&line, ' ', &part)) {
            return 0;
        }

        *number = ngx_http_presence_redis_record_number(part.data, part.len,
                                                        -2);
        if (*number == -2) {
            return 0;
        }
    }

    /* which is named when it is not the session's own */

    if (!ngx_http_presence_redis_record_part(&line, ' ', &session->by)) {
        session->by = session->node;
    }

    return session->step > 0;
}


int
ngx_http_presence_redis_record_logout(ngx_http_presence_redis_text_t out,
    ngx_http_presence_redis_logout_t *logout)
{
    ngx_http_presence_redis_text_t  node, time, doc, seq;

    if (!ngx_http_presence_redis_record_part(&out, ' ', &node)
        || !ngx_http_presence_redis_record_part(&out, ' ', &time)
        || !ngx_http_presence_redis_record_part(&out, ' ', &logout->session)
        || !ngx_http_presence_redis_record_part(&out, ' ', &doc)
        || !ngx_http_presence_redis_record_part(&out, ' ', &seq))
    {
        return 0;
    }

    logout->doc = ngx_http_presence_redis_record_number(doc.data, doc.len, -1);
    logout->seq = ngx_http_presence_redis_record_number(seq.data, seq.len, -1);

    return 1;
}


int
ngx_http_presence_redis_record_part(ngx_http_presence_redis_text_t *list,
    char separator, ngx_http_presence_redis_text_t *part)
{
    const char  *p;

    if (list->len == 0) {
        return 0;
    }

    part->data = list->data;

    p = memchr(list->data, separator, list->len);

    if (p == NULL) {
        part->len = list->len;
        list->data += list->len;
        list->len = 0;
        return 1;
    }

    part->len = p - list->data;
    list->len -= part->len + 1;
    list->data = p + 1;

    return 1;
}


int64_t
ngx_http_presence_redis_record_number(const char *s, size_t len,
    int64_t otherwise)
{
    int         negative;
    int64_t     n;
    const char  *end;

    end = s + len;
    negative = (len && *s == '-');

    s += negative;

    /* 18 digits are no overflow, and more than any time has */

    if (s == end || end - s > 18) {
        return otherwise;
    }

    for (n = 0; s < end; s++) {

        if (*s < '0' || *s > '9') {
            return otherwise;
        }

        n = n * 10 + (*s - '0');
    }

    return negative ? -n : n;
}
