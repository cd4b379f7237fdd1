#include "ngx_http_presence_variables.h"
#include "ngx_http_presence_access.h"
#include "ngx_http_presence_groups.h"
#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_record.h"


typedef struct {
    ngx_http_presence_zone_ref_t   of;
    ngx_http_complex_value_t       key;
    ngx_uint_t                     group;       /* or a user */
} ngx_http_presence_lookup_t;


/* of what a beat was answered with */
enum {
    NGX_HTTP_PRESENCE_VARIABLE_STATUS = 0,
    NGX_HTTP_PRESENCE_VARIABLE_REASON,
    NGX_HTTP_PRESENCE_VARIABLE_GAP,
    NGX_HTTP_PRESENCE_VARIABLE_MISSED,
    NGX_HTTP_PRESENCE_VARIABLE_CAUSE,
    NGX_HTTP_PRESENCE_VARIABLE_REDIS
};


static ngx_int_t ngx_http_presence_variable_user(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_presence_variable_session(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_presence_variable_answer(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_presence_variable_gap(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_http_presence_ms_t gap);
static ngx_int_t ngx_http_presence_variable_set(ngx_http_variable_value_t *v,
    const ngx_str_t *value);
static ngx_int_t ngx_http_presence_variable_word(ngx_http_variable_value_t *v,
    const char *word);
static ngx_int_t ngx_http_presence_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, int64_t number);
static ngx_int_t ngx_http_presence_lookup_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_http_presence_variables[] = {

    { ngx_string("presence_user"), NULL,
      ngx_http_presence_variable_user, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("presence_session"), NULL,
      ngx_http_presence_variable_session, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("presence_status"), NULL,
      ngx_http_presence_variable_answer, NGX_HTTP_PRESENCE_VARIABLE_STATUS,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("presence_reason"), NULL,
      ngx_http_presence_variable_answer, NGX_HTTP_PRESENCE_VARIABLE_REASON,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("presence_gap"), NULL,
      ngx_http_presence_variable_answer, NGX_HTTP_PRESENCE_VARIABLE_GAP,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("presence_missed"), NULL,
      ngx_http_presence_variable_answer, NGX_HTTP_PRESENCE_VARIABLE_MISSED,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("presence_cause"), NULL,
      ngx_http_presence_variable_answer, NGX_HTTP_PRESENCE_VARIABLE_CAUSE,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("presence_redis"), NULL,
      ngx_http_presence_variable_answer, NGX_HTTP_PRESENCE_VARIABLE_REDIS,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_presence_variables_add(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_presence_variables; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


char *
ngx_http_presence_lookup(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_presence_main_conf_t *pmcf = conf;

    size_t                              prefix;
    ngx_str_t                          *value, name, key;
    ngx_http_variable_t                *var;
    ngx_http_presence_lookup_t         *lookup, **p;
    ngx_http_compile_complex_value_t    ccv;

    value = cf->args->elts;

    if (value[1].len < 2 || value[1].data[0] != '$') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid variable \"%V\" of presence_lookup: its "
                           "name begins with \"$\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    lookup = ngx_pcalloc(cf->pool, sizeof(ngx_http_presence_lookup_t));
    if (lookup == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_strncmp(value[3].data, "user=", 5) == 0) {
        prefix = 5;

    } else if (ngx_strncmp(value[3].data, "group=", 6) == 0) {
        prefix = 6;
        lookup->group = 1;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid key \"%V\" of presence_lookup: use "
                           "\"user=VALUE\" or \"group=VALUE\"", &value[3]);
        return NGX_CONF_ERROR;
    }

    key.len = value[3].len - prefix;
    key.data = value[3].data + prefix;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &key;
    ccv.complex_value = &lookup->key;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_http_presence_refer(cf, &lookup->of);

    lookup->of.name = value[2];
    lookup->of.anonymous = 1;

    name.len = value[1].len - 1;
    name.data = value[1].data + 1;

    var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_CONF_ERROR;
    }

    var->get_handler = ngx_http_presence_lookup_variable;
    var->data = (uintptr_t) lookup;

    p = ngx_array_push(&pmcf->lookups);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = lookup;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_presence_lookup_init(ngx_conf_t *cf)
{
    ngx_uint_t                       i;
    ngx_http_presence_lookup_t     **lookups;
    ngx_http_presence_main_conf_t   *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_presence_module);

    lookups = pmcf->lookups.elts;

    for (i = 0; i < pmcf->lookups.nelts; i++) {

        if (ngx_http_presence_resolve(cf, &lookups[i]->of, NULL) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_variable_user(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                      user;
    ngx_http_presence_context_t   *ctx;
    ngx_http_presence_loc_conf_t  *plcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_presence_module);

    if (ctx) {
        return ngx_http_presence_variable_set(v, &ctx->identity.user);
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_presence_module);

    if (plcf->user == NULL
        || ngx_http_complex_value(r, plcf->user, &user) != NGX_OK)
    {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_presence_variable_set(v, &user);
}


static ngx_int_t
ngx_http_presence_variable_session(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_presence_context_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_presence_module);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_presence_variable_set(v, &ctx->session);
}


/* of a request that is no beat, or was refused, there is none */

static ngx_int_t
ngx_http_presence_variable_answer(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char                    *word;
    ngx_http_presence_answer_t    *answer;
    ngx_http_presence_arrival_t   *arrival;
    ngx_http_presence_context_t   *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_presence_module);

    if (ctx == NULL || !ctx->applied) {
        v->not_found = 1;
        return NGX_OK;
    }

    answer = &ctx->answer;
    arrival = &answer->arrival;

    switch (data) {

    case NGX_HTTP_PRESENCE_VARIABLE_STATUS:
        word = ngx_http_presence_status_names[answer->status];
        break;

    case NGX_HTTP_PRESENCE_VARIABLE_REASON:
        word = ngx_http_presence_reason_names[answer->reason];
        break;

    case NGX_HTTP_PRESENCE_VARIABLE_GAP:
        return ngx_http_presence_variable_gap(r, v, arrival->gap);

    case NGX_HTTP_PRESENCE_VARIABLE_MISSED:

        if (arrival->asked) {
            v->not_found = 1;
            return NGX_OK;
        }

        return ngx_http_presence_variable_number(r, v, arrival->missed);

    case NGX_HTTP_PRESENCE_VARIABLE_CAUSE:
        word = arrival->diagnosis.late
               ? ngx_http_presence_cause_names[arrival->diagnosis.cause]
               : NULL;
        break;

    default: /* NGX_HTTP_PRESENCE_VARIABLE_REDIS */
        word = answer->redis;
    }

    return ngx_http_presence_variable_word(v, word);
}


/* seconds, as $request_time has them */

static ngx_int_t
ngx_http_presence_variable_gap(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_http_presence_ms_t gap)
{
    ngx_str_t  value;

    if (gap < 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    value.data = ngx_pnalloc(r->pool, NGX_INT64_LEN + 4);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%L.%03L", gap / 1000, gap % 1000)
                - value.data;

    return ngx_http_presence_variable_set(v, &value);
}


static ngx_int_t
ngx_http_presence_variable_set(ngx_http_variable_value_t *v,
    const ngx_str_t *value)
{
    if (value->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = value->data;
    v->len = value->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_variable_word(ngx_http_variable_value_t *v,
    const char *word)
{
    ngx_str_t  value;

    ngx_str_null(&value);

    if (word) {
        value.data = (u_char *) word;
        value.len = ngx_strlen(word);
    }

    return ngx_http_presence_variable_set(v, &value);
}


static ngx_int_t
ngx_http_presence_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, int64_t number)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%L", number) - value.data;

    return ngx_http_presence_variable_set(v, &value);
}


/* as everybody else sees it: who is not known is offline */

static ngx_int_t
ngx_http_presence_lookup_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_presence_lookup_t *lookup = (ngx_http_presence_lookup_t *) data;

    ngx_str_t                   key;
    ngx_uint_t                  online;
    ngx_http_presence_user_t   *user;
    ngx_http_presence_group_t  *group;
    ngx_http_presence_status_e  status;

    if (ngx_http_complex_value(r, &lookup->key, &key) != NGX_OK) {
        return NGX_ERROR;
    }

    online = 0;
    status = NGX_HTTP_PRESENCE_OFFLINE;

    ngx_http_presence_zone_lock(lookup->of.zone);

    if (lookup->group) {
        group = ngx_http_presence_groups_find_locked(lookup->of.zone, &key);

        if (group) {
            online = group->counts.status[NGX_HTTP_PRESENCE_ONLINE];
        }

    } else {
        user = ngx_http_presence_roster_find_locked(lookup->of.zone, &key,
                                          ngx_http_presence_roster_hash(&key));
        if (user) {
            status = ngx_http_presence_rules_shown(user->status);
        }
    }

    ngx_http_presence_zone_unlock(lookup->of.zone);

    return lookup->group
           ? ngx_http_presence_variable_number(r, v, (int64_t) online)
           : ngx_http_presence_variable_word(v,
                                      ngx_http_presence_status_names[status]);
}
