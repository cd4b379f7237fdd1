#include "ngx_http_presence_block.h"
#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_redis_conf.h"


#define NGX_HTTP_PRESENCE_SECOND  1000
#define NGX_HTTP_PRESENCE_MINUTE  (60 * NGX_HTTP_PRESENCE_SECOND)
#define NGX_HTTP_PRESENCE_HOUR    (60 * NGX_HTTP_PRESENCE_MINUTE)
#define NGX_HTTP_PRESENCE_DAY     ((int64_t) 24 * NGX_HTTP_PRESENCE_HOUR)


/* a line with one number or one time, which is somewhere in a struct */
typedef struct {
    ngx_str_t                      name;
    unsigned                       time:1;
    size_t                         offset;
    size_t                         size;        /* of an integer */
    int64_t                        value;       /* default */
    int64_t                        min;
    int64_t                        max;
    const char                    *form;
} ngx_http_presence_param_t;


/* the block while it is read */
typedef struct {
    ngx_http_presence_zone_t      *zone;
    int64_t                        redis_timeout;
    int64_t                        redis_connect_timeout;
    int64_t                        redis_stream_length;
} ngx_http_presence_block_t;


static char *ngx_http_presence_block_line(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_presence_block_value(ngx_conf_t *cf,
    ngx_http_presence_zone_t *zone, const ngx_http_presence_param_t *param,
    void *base);
static char *ngx_http_presence_block_state(ngx_conf_t *cf,
    ngx_http_presence_zone_t *zone);
static char *ngx_http_presence_block_end(ngx_conf_t *cf,
    ngx_http_presence_block_t *block);

static void ngx_http_presence_block_unset(void *base,
    const ngx_http_presence_param_t *param);
static void ngx_http_presence_block_complete(void *base,
    const ngx_http_presence_param_t *param);
static const ngx_http_presence_param_t *ngx_http_presence_block_find(
    const ngx_http_presence_param_t *param, const ngx_str_t *name);
static int64_t ngx_http_presence_block_get(const void *base,
    const ngx_http_presence_param_t *param);
static void ngx_http_presence_block_set(void *base,
    const ngx_http_presence_param_t *param, int64_t value);


#define ngx_http_presence_time_form  "a time such as \"25s\" or \"200ms\""

#define ngx_http_presence_of(type, field)                                     \
    offsetof(type, field), sizeof(((type *) 0)->field)

#define ngx_http_presence_of_zone(field)                                      \
    ngx_http_presence_of(ngx_http_presence_zone_t, field)

#define ngx_http_presence_of_block(field)                                     \
    ngx_http_presence_of(ngx_http_presence_block_t, field)


static const ngx_http_presence_param_t  ngx_http_presence_zone_params[] = {

    { ngx_string("interval"), 1,
      ngx_http_presence_of_zone(policy.interval),
      25 * NGX_HTTP_PRESENCE_SECOND, 50, NGX_HTTP_PRESENCE_HOUR,
      ngx_http_presence_time_form " from 50ms to 1h" },

    { ngx_string("misses"), 0,
      ngx_http_presence_of_zone(policy.misses),
      3, 1, 100, "a number from 1 to 100" },

    { ngx_string("slack"), 1,
      ngx_http_presence_of_zone(policy.slack),
      5 * NGX_HTTP_PRESENCE_SECOND, 0, NGX_HTTP_PRESENCE_HOUR,
      ngx_http_presence_time_form " up to 1h" },

    { ngx_string("idle"), 1,
      ngx_http_presence_of_zone(policy.idle),
      5 * NGX_HTTP_PRESENCE_MINUTE, 50, 30 * NGX_HTTP_PRESENCE_DAY,
      ngx_http_presence_time_form " from 50ms to 30d" },

    { ngx_string("leave_grace"), 1,
      ngx_http_presence_of_zone(policy.leave_grace),
      10 * NGX_HTTP_PRESENCE_SECOND, 0, NGX_HTTP_PRESENCE_HOUR,
      ngx_http_presence_time_form " up to 1h" },

    { ngx_string("max_interval"), 1,
      ngx_http_presence_of_zone(policy.max_interval),
      70 * NGX_HTTP_PRESENCE_SECOND, 50, NGX_HTTP_PRESENCE_HOUR,
      ngx_http_presence_time_form " from 50ms to 1h" },

    { ngx_string("stream_life"), 1,
      ngx_http_presence_of_zone(policy.stream_life),
      10 * NGX_HTTP_PRESENCE_MINUTE, 0, 30 * NGX_HTTP_PRESENCE_DAY,
      ngx_http_presence_time_form " up to 30d" },

    { ngx_string("retention"), 1,
      ngx_http_presence_of_zone(retention),
      24 * NGX_HTTP_PRESENCE_HOUR, 0, 3650 * NGX_HTTP_PRESENCE_DAY,
      ngx_http_presence_time_form " up to 3650d" },

    { ngx_string("state_interval"), 1,
      ngx_http_presence_of_zone(state_interval),
      10 * NGX_HTTP_PRESENCE_SECOND, 50, NGX_HTTP_PRESENCE_HOUR,
      ngx_http_presence_time_form " from 50ms to 1h" },

    { ngx_string("max_sessions"), 0,
      ngx_http_presence_of_zone(limits.max_sessions),
      16, 1, NGX_HTTP_PRESENCE_MAX_SESSIONS, "a number from 1 to 1000" },

    { ngx_string("max_groups"), 0,
      ngx_http_presence_of_zone(limits.max_groups),
      16, 1, NGX_HTTP_PRESENCE_MAX_GROUPS, "a number from 1 to 64" },

    { ngx_string("max_user_length"), 0,
      ngx_http_presence_of_zone(limits.max_user),
      128, 1, NGX_HTTP_PRESENCE_MAX_USER, "a number from 1 to 512" },

    { ngx_string("max_session_length"), 0,
      ngx_http_presence_of_zone(limits.max_session),
      64, 8, NGX_HTTP_PRESENCE_MAX_SESSION, "a number from 8 to 128" },

    { ngx_string("max_group_length"), 0,
      ngx_http_presence_of_zone(limits.max_group),
      64, 1, NGX_HTTP_PRESENCE_MAX_GROUP, "a number from 1 to 128" },

    { ngx_string("max_text_length"), 0,
      ngx_http_presence_of_zone(limits.max_text),
      256, 0, NGX_HTTP_PRESENCE_MAX_TEXT, "a number from 0 to 512" },

    { ngx_string("max_meta_length"), 0,
      ngx_http_presence_of_zone(limits.max_meta),
      1024, 0, NGX_HTTP_PRESENCE_MAX_META, "a number from 0 to 1024" },

    { ngx_string("trace"), 0,
      ngx_http_presence_of_zone(trace),
      16, 0, NGX_HTTP_PRESENCE_MAX_TRACE, "a number from 0 to 64" },

    { ngx_null_string, 0, 0, 0, 0, 0, 0, NULL }
};


/* what Redis' part is told at the end of the block */

static const ngx_http_presence_param_t  ngx_http_presence_redis_params[] = {

    { ngx_string("redis_timeout"), 1,
      ngx_http_presence_of_block(redis_timeout),
      2 * NGX_HTTP_PRESENCE_SECOND, 50, NGX_HTTP_PRESENCE_MINUTE,
      ngx_http_presence_time_form " from 50ms to 1m" },

    { ngx_string("redis_connect_timeout"), 1,
      ngx_http_presence_of_block(redis_connect_timeout),
      2 * NGX_HTTP_PRESENCE_SECOND, 50, NGX_HTTP_PRESENCE_MINUTE,
      ngx_http_presence_time_form " from 50ms to 1m" },

    { ngx_string("redis_stream_length"), 0,
      ngx_http_presence_of_block(redis_stream_length),
      1000, 10, 1000000, "a number from 10 to 1000000" },

    { ngx_null_string, 0, 0, 0, 0, 0, 0, NULL }
};


char *
ngx_http_presence_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_presence_main_conf_t *pmcf = conf;

    char                       *rv;
    ssize_t                     size;
    ngx_str_t                  *value;
    ngx_conf_t                  save;
    ngx_http_presence_zone_t   *zone, **zones;
    ngx_http_presence_block_t   block;

    value = cf->args->elts;

    if (ngx_http_presence_find_zone(pmcf, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate presence_zone \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    size = ngx_parse_size(&value[2]);

    if (size == NGX_ERROR || size < NGX_HTTP_PRESENCE_MIN_ZONE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\" of presence_zone \"%V\": use "
                           "a size such as \"32m\", at least 256k",
                           &value[2], &value[1]);
        return NGX_CONF_ERROR;
    }

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_presence_zone_t));
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->name = value[1];
    zone->size = size;
    zone->cycle = cf->cycle;

    zone->journal = ngx_http_presence_journal_create(cf);
    if (zone->journal == NULL) {
        return NGX_CONF_ERROR;
    }

    block.zone = zone;

    ngx_http_presence_block_unset(zone, ngx_http_presence_zone_params);
    ngx_http_presence_block_unset(&block, ngx_http_presence_redis_params);

    save = *cf;
    cf->handler = ngx_http_presence_block_line;
    cf->handler_conf = (void *) &block;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_presence_block_end(cf, &block);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    zone->shm_zone = ngx_shared_memory_add(cf, &zone->name, size,
                                           &ngx_http_presence_module);
    if (zone->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->shm_zone->init = ngx_http_presence_zone_init;
    zone->shm_zone->data = zone;

    zones = ngx_array_push(&pmcf->zones);
    if (zones == NULL) {
        return NGX_CONF_ERROR;
    }

    *zones = zone;

    return NGX_CONF_OK;
}


const char *
ngx_http_presence_block_nth(ngx_http_presence_zone_t *zone, ngx_uint_t time,
    ngx_uint_t n, int64_t *value)
{
    const ngx_http_presence_param_t  *param;

    for (param = ngx_http_presence_zone_params; param->name.len; param++) {

        if (param->time == time && n-- == 0) {
            *value = ngx_http_presence_block_get(zone, param);
            return (const char *) param->name.data;
        }
    }

    return NULL;
}


static char *
ngx_http_presence_block_line(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_presence_block_t *block = conf;

    char                             *rv;
    ngx_str_t                        *value;
    ngx_uint_t                        done;
    const ngx_http_presence_param_t  *param;

    value = cf->args->elts;

    rv = ngx_http_presence_redis_conf_line(cf, block->zone, &done);

    if (done) {
        return rv;
    }

    if (value[0].len == sizeof("state") - 1
        && ngx_strncmp(value[0].data, "state", value[0].len) == 0)
    {
        return ngx_http_presence_block_state(cf, block->zone);
    }

    param = ngx_http_presence_block_find(ngx_http_presence_zone_params,
                                         &value[0]);
    if (param) {
        return ngx_http_presence_block_value(cf, block->zone, param,
                                             block->zone);
    }

    param = ngx_http_presence_block_find(ngx_http_presence_redis_params,
                                         &value[0]);
    if (param) {
        return ngx_http_presence_block_value(cf, block->zone, param, block);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown line \"%V\" in presence_zone \"%V\": it has "
                       "interval, misses, slack, idle, leave_grace, "
                       "max_interval, stream_life, retention, state, "
                       "state_interval, trace, max_sessions, max_groups, "
                       "max_user_length, max_session_length, "
                       "max_group_length, max_text_length, "
                       "max_meta_length, redis, node, redis_password_file, "
                       "redis_ca, redis_verify, redis_certificate, "
                       "redis_certificate_key, "
                       "redis_sentinel_user, redis_sentinel_password_file, "
                       "redis_prefix, redis_timeout, redis_connect_timeout "
                       "and redis_stream_length",
                       &value[0], &block->zone->name);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_presence_block_value(ngx_conf_t *cf, ngx_http_presence_zone_t *zone,
    const ngx_http_presence_param_t *param, void *base)
{
    int64_t     n;
    ngx_str_t  *value;

    static ngx_str_t  none = ngx_string("");

    value = cf->args->elts;

    if (ngx_http_presence_block_get(base, param) != NGX_CONF_UNSET) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"%V\" in presence_zone \"%V\"",
                           &param->name, &zone->name);
        return NGX_CONF_ERROR;
    }

    n = NGX_ERROR;

    if (cf->args->nelts == 2) {
        n = param->time ? ngx_parse_time(&value[1], 0)
                        : ngx_atoi(value[1].data, value[1].len);
    }

    if (n == NGX_ERROR || n < param->min || n > param->max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value %s%V%sof \"%V\" in presence_zone "
                           "\"%V\": use \"%V VALUE;\" with %s",
                           cf->args->nelts == 2 ? "\"" : "",
                           cf->args->nelts == 2 ? &value[1] : &none,
                           cf->args->nelts == 2 ? "\" " : "",
                           &param->name, &zone->name, &param->name,
                           param->form);
        return NGX_CONF_ERROR;
    }

    ngx_http_presence_block_set(base, param, n);

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_block_state(ngx_conf_t *cf, ngx_http_presence_zone_t *zone)
{
    ngx_str_t                       *value;
    ngx_uint_t                       i;
    ngx_http_presence_zone_t       **zones;
    ngx_http_presence_main_conf_t   *pmcf;

    value = cf->args->elts;

    if (zone->state_file.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"state\" in presence_zone \"%V\"",
                           &zone->name);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts != 2 || value[1].len == 0
        || value[1].data[value[1].len - 1] == '/')
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"state\" in presence_zone \"%V\": use "
                           "\"state FILE;\" with the name of a file",
                           &zone->name);
        return NGX_CONF_ERROR;
    }

    zone->state_file = value[1];

    if (ngx_conf_full_name(cf->cycle, &zone->state_file, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_presence_module);

    zones = pmcf->zones.elts;

    for (i = 0; i < pmcf->zones.nelts; i++) {

        if (zones[i]->state_file.len == zone->state_file.len
            && ngx_memcmp(zones[i]->state_file.data, zone->state_file.data,
                          zone->state_file.len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"state\" of presence_zone \"%V\" is that of "
                               "presence_zone \"%V\": \"%V\"", &zone->name,
                               &zones[i]->name, &zone->state_file);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_block_end(ngx_conf_t *cf, ngx_http_presence_block_t *block)
{
    ngx_uint_t                   given;
    ngx_http_presence_zone_t    *zone;
    ngx_http_presence_policy_t  *policy;

    zone = block->zone;
    policy = &zone->policy;

    given = (policy->max_interval != NGX_CONF_UNSET);

    ngx_http_presence_block_complete(zone, ngx_http_presence_zone_params);
    ngx_http_presence_block_complete(block, ngx_http_presence_redis_params);

    if (policy->max_interval < policy->interval) {

        if (given) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"max_interval\" is shorter than "
                               "\"interval\" in presence_zone \"%V\"",
                               &zone->name);
            return NGX_CONF_ERROR;
        }

        policy->max_interval = policy->interval;
    }

    return ngx_http_presence_redis_conf_apply(cf, zone, block->redis_timeout,
                                              block->redis_connect_timeout,
                                              block->redis_stream_length);
}


static void
ngx_http_presence_block_unset(void *base,
    const ngx_http_presence_param_t *param)
{
    for ( /* void */ ; param->name.len; param++) {
        ngx_http_presence_block_set(base, param, NGX_CONF_UNSET);
    }
}


/* with the defaults of what was not given */

static void
ngx_http_presence_block_complete(void *base,
    const ngx_http_presence_param_t *param)
{
    for ( /* void */ ; param->name.len; param++) {
        if (ngx_http_presence_block_get(base, param) == NGX_CONF_UNSET) {
            ngx_http_presence_block_set(base, param, param->value);
        }
    }
}


static const ngx_http_presence_param_t *
ngx_http_presence_block_find(const ngx_http_presence_param_t *param,
    const ngx_str_t *name)
{
    for ( /* void */ ; param->name.len; param++) {

        if (param->name.len == name->len
            && ngx_memcmp(param->name.data, name->data, name->len) == 0)
        {
            return param;
        }
    }

    return NULL;
}


static int64_t
ngx_http_presence_block_get(const void *base,
    const ngx_http_presence_param_t *param)
{
    const u_char  *p;

    p = (const u_char *) base + param->offset;

    return (param->size == sizeof(int32_t)) ? *(const int32_t *) p
                                            : *(const int64_t *) p;
}


static void
ngx_http_presence_block_set(void *base,
    const ngx_http_presence_param_t *param, int64_t value)
{
    u_char  *p;

    p = (u_char *) base + param->offset;

    if (param->size == sizeof(int32_t)) {
        *(int32_t *) p = (int32_t) value;

    } else {
        *(int64_t *) p = value;
    }
}
