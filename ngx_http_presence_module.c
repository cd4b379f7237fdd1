/*
 * The front door: directives, configuration and phases.  What they mean is in
 * docs/directives.md; the work is done in src/.
 */

#include "ngx_http_presence_module.h"
#include "ngx_http_presence_beat.h"
#include "ngx_http_presence_hub.h"
#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_metrics.h"
#include "ngx_http_presence_query.h"
#include "ngx_http_presence_state.h"
#include "ngx_http_presence_status.h"
#include "ngx_http_presence_story.h"
#include "ngx_http_presence_stream.h"
#include "ngx_http_presence_problem.h"
#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_sweep.h"
#include "ngx_http_presence_touch.h"
#include "ngx_http_presence_variables.h"
#include "ngx_http_presence_wake.h"


#define NGX_HTTP_PRESENCE_SECOND  1000
#define NGX_HTTP_PRESENCE_MINUTE  (60 * NGX_HTTP_PRESENCE_SECOND)
#define NGX_HTTP_PRESENCE_HOUR    (60 * NGX_HTTP_PRESENCE_MINUTE)
#define NGX_HTTP_PRESENCE_DAY     ((int64_t) 24 * NGX_HTTP_PRESENCE_HOUR)


/* what a directive serves: one endpoint, or several below a prefix */
typedef struct {
    ngx_str_t                      name;
    ngx_http_presence_handler_pt   handler;
} ngx_http_presence_endpoint_t;


/* the lines of "presence_zone" with one number or one time */
enum {
    NGX_HTTP_PRESENCE_INTERVAL = 0,
    NGX_HTTP_PRESENCE_MISSES,
    NGX_HTTP_PRESENCE_SLACK,
    NGX_HTTP_PRESENCE_IDLE_AFTER,
    NGX_HTTP_PRESENCE_LEAVE_GRACE,
    NGX_HTTP_PRESENCE_MAX_INTERVAL,
    NGX_HTTP_PRESENCE_STREAM_LIFE,
    NGX_HTTP_PRESENCE_RETENTION,
    NGX_HTTP_PRESENCE_STATE_INTERVAL,
    NGX_HTTP_PRESENCE_TRACE,
    NGX_HTTP_PRESENCE_SESSIONS,
    NGX_HTTP_PRESENCE_GROUPS,
    NGX_HTTP_PRESENCE_USER_LENGTH,
    NGX_HTTP_PRESENCE_SESSION_LENGTH,
    NGX_HTTP_PRESENCE_GROUP_LENGTH,
    NGX_HTTP_PRESENCE_TEXT_LENGTH,
    NGX_HTTP_PRESENCE_META_LENGTH,
    NGX_HTTP_PRESENCE_REDIS_TIMEOUT,
    NGX_HTTP_PRESENCE_REDIS_CONNECT_TIMEOUT,
    NGX_HTTP_PRESENCE_REDIS_STREAM_LENGTH,
    NGX_HTTP_PRESENCE_NPARAMS
};


typedef struct {
    ngx_str_t                      name;
    unsigned                       time:1;
    int64_t                        value;       /* default */
    int64_t                        min;
    int64_t                        max;
    const char                    *form;
} ngx_http_presence_param_t;


/* a "presence_zone" block while it is read */
typedef struct {
    ngx_http_presence_zone_t      *zone;
    int64_t                        values[NGX_HTTP_PRESENCE_NPARAMS];
    uint8_t                        set[NGX_HTTP_PRESENCE_NPARAMS];
} ngx_http_presence_block_t;


static ngx_int_t ngx_http_presence_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_presence_drop_in_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);

static char *ngx_http_presence_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_presence_zone_line(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_presence_zone_value(ngx_conf_t *cf,
    ngx_http_presence_block_t *block, ngx_uint_t i);
static char *ngx_http_presence_zone_state(ngx_conf_t *cf,
    ngx_http_presence_zone_t *zone);
static char *ngx_http_presence_zone_apply(ngx_conf_t *cf,
    ngx_http_presence_block_t *block);

static char *ngx_http_presence_serve(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_presence_inspect(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_presence_touch(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_presence_log_user(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_presence_origin(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static void *ngx_http_presence_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_presence_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_presence_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_presence_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_presence_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_presence_init_process(ngx_cycle_t *cycle);
static void ngx_http_presence_exit_process(ngx_cycle_t *cycle);
static void ngx_http_presence_exit_master(ngx_cycle_t *cycle);


static ngx_http_presence_endpoint_t  ngx_http_presence_endpoints[] = {
    { ngx_string("beat"), ngx_http_presence_beat_handler },
    { ngx_string("stream"), ngx_http_presence_stream_handler },
    { ngx_string("users"), ngx_http_presence_users_handler },
    { ngx_string("count"), ngx_http_presence_count_handler },
    { ngx_null_string, NULL }
};


#define ngx_http_presence_time_form  "a time such as \"25s\" or \"200ms\""

static const ngx_http_presence_param_t
ngx_http_presence_params[NGX_HTTP_PRESENCE_NPARAMS] = {

    { ngx_string("interval"), 1,
      25 * NGX_HTTP_PRESENCE_SECOND, 50, NGX_HTTP_PRESENCE_HOUR,
      ngx_http_presence_time_form " from 50ms to 1h" },

    { ngx_string("misses"), 0, 3, 1, 100, "a number from 1 to 100" },

    { ngx_string("slack"), 1,
      5 * NGX_HTTP_PRESENCE_SECOND, 0, NGX_HTTP_PRESENCE_HOUR,
      ngx_http_presence_time_form " up to 1h" },

    { ngx_string("idle"), 1,
      5 * NGX_HTTP_PRESENCE_MINUTE, 50, 30 * NGX_HTTP_PRESENCE_DAY,
      ngx_http_presence_time_form " from 50ms to 30d" },

    { ngx_string("leave_grace"), 1,
      10 * NGX_HTTP_PRESENCE_SECOND, 0, NGX_HTTP_PRESENCE_HOUR,
      ngx_http_presence_time_form " up to 1h" },

    { ngx_string("max_interval"), 1,
      70 * NGX_HTTP_PRESENCE_SECOND, 50, NGX_HTTP_PRESENCE_HOUR,
      ngx_http_presence_time_form " from 50ms to 1h" },

    { ngx_string("stream_life"), 1,
      10 * NGX_HTTP_PRESENCE_MINUTE, 0, 30 * NGX_HTTP_PRESENCE_DAY,
      ngx_http_presence_time_form " up to 30d" },

    { ngx_string("retention"), 1,
      24 * NGX_HTTP_PRESENCE_HOUR, 0, 3650 * NGX_HTTP_PRESENCE_DAY,
      ngx_http_presence_time_form " up to 3650d" },

    { ngx_string("state_interval"), 1,
      10 * NGX_HTTP_PRESENCE_SECOND, 50, NGX_HTTP_PRESENCE_HOUR,
      ngx_http_presence_time_form " from 50ms to 1h" },

    { ngx_string("trace"), 0,
      16, 0, NGX_HTTP_PRESENCE_MAX_TRACE, "a number from 0 to 64" },

    { ngx_string("max_sessions"), 0,
      16, 1, NGX_HTTP_PRESENCE_MAX_SESSIONS, "a number from 1 to 1000" },

    { ngx_string("max_groups"), 0,
      16, 1, NGX_HTTP_PRESENCE_MAX_GROUPS, "a number from 1 to 64" },

    { ngx_string("max_user_length"), 0,
      128, 1, NGX_HTTP_PRESENCE_MAX_USER, "a number from 1 to 512" },

    { ngx_string("max_session_length"), 0,
      64, 8, NGX_HTTP_PRESENCE_MAX_SESSION, "a number from 8 to 128" },

    { ngx_string("max_group_length"), 0,
      64, 1, NGX_HTTP_PRESENCE_MAX_GROUP, "a number from 1 to 128" },

    { ngx_string("max_text_length"), 0,
      256, 0, NGX_HTTP_PRESENCE_MAX_TEXT, "a number from 0 to 512" },

    { ngx_string("max_meta_length"), 0,
      1024, 0, NGX_HTTP_PRESENCE_MAX_META, "a number from 0 to 1024" },

    { ngx_string("redis_timeout"), 1,
      2 * NGX_HTTP_PRESENCE_SECOND, 50, NGX_HTTP_PRESENCE_MINUTE,
      ngx_http_presence_time_form " from 50ms to 1m" },

    { ngx_string("redis_connect_timeout"), 1,
      2 * NGX_HTTP_PRESENCE_SECOND, 50, NGX_HTTP_PRESENCE_MINUTE,
      ngx_http_presence_time_form " from 50ms to 1m" },

    { ngx_string("redis_stream_length"), 0,
      1000, 10, 1000000, "a number from 10 to 1000000" }
};


static ngx_command_t  ngx_http_presence_commands[] = {

    { ngx_string("presence_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE2,
      ngx_http_presence_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("presence"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_presence_serve,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_presence_drop_in_handler },

    { ngx_string("presence_beat"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_presence_serve,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_presence_beat_handler },

    { ngx_string("presence_stream"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_presence_serve,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_presence_stream_handler },

    { ngx_string("presence_users"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_presence_serve,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_presence_users_handler },

    { ngx_string("presence_count"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_presence_serve,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_presence_count_handler },

    { ngx_string("presence_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_presence_inspect,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_presence_metrics_handler },

    { ngx_string("presence_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_presence_inspect,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_presence_status_handler },

    { ngx_string("presence_trace"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_presence_inspect,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_presence_story_handler },

    { ngx_string("presence_touch"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_presence_touch,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("presence_lookup"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE3,
      ngx_http_presence_lookup,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("presence_log_user"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_presence_log_user,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("presence_user"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_presence_loc_conf_t, user),
      NULL },

    { ngx_string("presence_groups"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_presence_loc_conf_t, groups),
      NULL },

    { ngx_string("presence_view"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_presence_loc_conf_t, view),
      NULL },

    { ngx_string("presence_origin"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_presence_origin,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_presence_module_ctx = {
    ngx_http_presence_variables_add,       /* preconfiguration */
    ngx_http_presence_init,                /* postconfiguration */

    ngx_http_presence_create_main_conf,    /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_presence_create_loc_conf,     /* create location configuration */
    ngx_http_presence_merge_loc_conf       /* merge location configuration */
};


ngx_module_t  ngx_http_presence_module = {
    NGX_MODULE_V1,
    &ngx_http_presence_module_ctx,         /* module context */
    ngx_http_presence_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_presence_init_module,         /* init module */
    ngx_http_presence_init_process,        /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_presence_exit_process,        /* exit process */
    ngx_http_presence_exit_master,         /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_presence_handler(ngx_http_request_t *r)
{
    ngx_http_presence_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_presence_module);

    return plcf->handler(r, plcf->serves.zone);
}


static ngx_int_t
ngx_http_presence_drop_in_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone)
{
    ngx_str_t                      name;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_presence_endpoint_t  *endpoint;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    name.len = r->uri.len - ngx_min(clcf->name.len, r->uri.len);
    name.data = r->uri.data + r->uri.len - name.len;

    for (endpoint = ngx_http_presence_endpoints;
         endpoint->name.len;
         endpoint++)
    {
        if (endpoint->name.len == name.len
            && ngx_memcmp(endpoint->name.data, name.data, name.len) == 0)
        {
            return endpoint->handler(r, zone);
        }
    }

    return ngx_http_presence_problem(r, NGX_HTTP_PRESENCE_NOT_FOUND,
                        "below this prefix there are beat, stream, users and "
                        "count");
}


static char *
ngx_http_presence_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_presence_main_conf_t *pmcf = conf;

    char                       *rv;
    ssize_t                     size;
    ngx_str_t                  *value;
    ngx_uint_t                  i;
    ngx_conf_t                  save;
    ngx_http_presence_zone_t   *zone, **zones;
    ngx_http_presence_block_t   block;

    value = cf->args->elts;

    zones = pmcf->zones.elts;

    for (i = 0; i < pmcf->zones.nelts; i++) {

        if (zones[i]->name.len == value[1].len
            && ngx_memcmp(zones[i]->name.data, value[1].data, value[1].len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate presence_zone \"%V\"", &value[1]);
            return NGX_CONF_ERROR;
        }
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

    ngx_memzero(&block, sizeof(ngx_http_presence_block_t));

    block.zone = zone;

    for (i = 0; i < NGX_HTTP_PRESENCE_NPARAMS; i++) {
        block.values[i] = ngx_http_presence_params[i].value;
    }

    save = *cf;
    cf->handler = ngx_http_presence_zone_line;
    cf->handler_conf = (void *) &block;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_presence_zone_apply(cf, &block);

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


static char *
ngx_http_presence_zone_line(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_presence_block_t *block = conf;

    char                             *rv;
    ngx_str_t                        *value;
    ngx_uint_t                        i, done;
    const ngx_http_presence_param_t  *param;

    value = cf->args->elts;

    rv = ngx_http_presence_redis_line(cf, block->zone, &done);

    if (done) {
        return rv;
    }

    if (value[0].len == sizeof("state") - 1
        && ngx_strncmp(value[0].data, "state", value[0].len) == 0)
    {
        return ngx_http_presence_zone_state(cf, block->zone);
    }

    for (i = 0; i < NGX_HTTP_PRESENCE_NPARAMS; i++) {
        param = &ngx_http_presence_params[i];

        if (value[0].len == param->name.len
            && ngx_memcmp(value[0].data, param->name.data, value[0].len) == 0)
        {
            return ngx_http_presence_zone_value(cf, block, i);
        }
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
ngx_http_presence_zone_value(ngx_conf_t *cf, ngx_http_presence_block_t *block,
    ngx_uint_t i)
{
    int64_t                           n;
    ngx_str_t                        *value;
    const ngx_http_presence_param_t  *param;

    static ngx_str_t  none = ngx_string("");

    value = cf->args->elts;
    param = &ngx_http_presence_params[i];

    if (block->set[i]) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"%V\" in presence_zone \"%V\"",
                           &param->name, &block->zone->name);
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
                           &param->name, &block->zone->name, &param->name,
                           param->form);
        return NGX_CONF_ERROR;
    }

    block->values[i] = n;
    block->set[i] = 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_zone_state(ngx_conf_t *cf, ngx_http_presence_zone_t *zone)
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
ngx_http_presence_zone_apply(ngx_conf_t *cf, ngx_http_presence_block_t *block)
{
    int64_t                     *values;
    ngx_http_presence_zone_t    *zone;
    ngx_http_presence_limits_t  *limits;
    ngx_http_presence_policy_t  *policy;

    zone = block->zone;
    values = block->values;
    policy = &zone->policy;
    limits = &zone->limits;

    if (values[NGX_HTTP_PRESENCE_MAX_INTERVAL]
        < values[NGX_HTTP_PRESENCE_INTERVAL])
    {
        if (block->set[NGX_HTTP_PRESENCE_MAX_INTERVAL]) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"max_interval\" is shorter than "
                               "\"interval\" in presence_zone \"%V\"",
                               &zone->name);
            return NGX_CONF_ERROR;
        }

        values[NGX_HTTP_PRESENCE_MAX_INTERVAL] =
                                          values[NGX_HTTP_PRESENCE_INTERVAL];
    }

    policy->interval = values[NGX_HTTP_PRESENCE_INTERVAL];
    policy->misses = (uint32_t) values[NGX_HTTP_PRESENCE_MISSES];
    policy->slack = values[NGX_HTTP_PRESENCE_SLACK];
    policy->idle = values[NGX_HTTP_PRESENCE_IDLE_AFTER];
    policy->leave_grace = values[NGX_HTTP_PRESENCE_LEAVE_GRACE];
    policy->max_interval = values[NGX_HTTP_PRESENCE_MAX_INTERVAL];
    policy->stream_life = values[NGX_HTTP_PRESENCE_STREAM_LIFE];

    zone->retention = values[NGX_HTTP_PRESENCE_RETENTION];
    zone->trace = values[NGX_HTTP_PRESENCE_TRACE];
    zone->state_interval = values[NGX_HTTP_PRESENCE_STATE_INTERVAL];

    limits->max_sessions = values[NGX_HTTP_PRESENCE_SESSIONS];
    limits->max_groups = values[NGX_HTTP_PRESENCE_GROUPS];
    limits->max_user = values[NGX_HTTP_PRESENCE_USER_LENGTH];
    limits->max_session = values[NGX_HTTP_PRESENCE_SESSION_LENGTH];
    limits->max_group = values[NGX_HTTP_PRESENCE_GROUP_LENGTH];
    limits->max_text = values[NGX_HTTP_PRESENCE_TEXT_LENGTH];
    limits->max_meta = values[NGX_HTTP_PRESENCE_META_LENGTH];

    return ngx_http_presence_redis_apply(cf, zone,
                             values[NGX_HTTP_PRESENCE_REDIS_TIMEOUT],
                             values[NGX_HTTP_PRESENCE_REDIS_CONNECT_TIMEOUT],
                             values[NGX_HTTP_PRESENCE_REDIS_STREAM_LENGTH]);
}


static char *
ngx_http_presence_serve(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_presence_loc_conf_t *plcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (plcf->serves.name.data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" and \"%V\" in one location",
                           &plcf->serves.directive, &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (cmd->post == (void *) ngx_http_presence_drop_in_handler
        && (clcf->exact_match || clcf->named || clcf->noname
#if (NGX_PCRE)
            || clcf->regex
#endif
            || clcf->name.data[clcf->name.len - 1] != '/'))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"presence\" serves what is below a prefix: use "
                           "it in a location such as \"location "
                           "/presence/ { }\"");
        return NGX_CONF_ERROR;
    }

    ngx_http_presence_refer(cf, &plcf->serves);

    plcf->handler = (ngx_http_presence_handler_pt) cmd->post;
    clcf->handler = ngx_http_presence_handler;

    return NGX_CONF_OK;
}


/* what tells of zones, not to a user */

static char *
ngx_http_presence_inspect(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *rv;

    ngx_http_presence_loc_conf_t *plcf = conf;

    rv = ngx_http_presence_serve(cf, cmd, conf);

    plcf->serves.anonymous = 1;
    plcf->serves.all = (cf->args->nelts == 1);

    return rv;
}


static char *
ngx_http_presence_touch(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_presence_loc_conf_t *plcf = conf;

    if (plcf->touches.name.data) {
        return "is duplicate";
    }

    ngx_http_presence_refer(cf, &plcf->touches);

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_log_user(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_presence_loc_conf_t *plcf = conf;

    ngx_str_t                         *value;
    ngx_uint_t                         i;
    ngx_http_complex_value_t          *user;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    if (plcf->log_users == NGX_CONF_UNSET_PTR) {
        plcf->log_users = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                           sizeof(ngx_http_complex_value_t));
        if (plcf->log_users == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    for (i = 1; i < cf->args->nelts; i++) {

        user = ngx_array_push(plcf->log_users);
        if (user == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[i];
        ccv.complex_value = user;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_origin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_presence_loc_conf_t *plcf = conf;

    u_char      *p;
    ngx_str_t   *value, *origin;
    ngx_uint_t   i;

    if (plcf->origin != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    plcf->origin = NGX_HTTP_PRESENCE_ORIGIN_LISTED;

    if (cf->args->nelts == 2) {

        if (ngx_strcmp(value[1].data, "same-origin") == 0) {
            plcf->origin = NGX_HTTP_PRESENCE_ORIGIN_SAME;
            return NGX_CONF_OK;
        }

        if (ngx_strcmp(value[1].data, "any") == 0) {
            plcf->origin = NGX_HTTP_PRESENCE_ORIGIN_ANY;
            return NGX_CONF_OK;
        }
    }

    plcf->origins = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                     sizeof(ngx_str_t));
    if (plcf->origins == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        p = (u_char *) ngx_strstr(value[i].data, "://");

        if (p == NULL || p[3] == '\0' || ngx_strchr(p + 3, '/')) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid origin \"%V\": use \"same-origin\", "
                               "\"any\", or origins such as "
                               "\"https://www.example.com\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        origin = ngx_array_push(plcf->origins);
        if (origin == NULL) {
            return NGX_CONF_ERROR;
        }

        *origin = value[i];
    }

    return NGX_CONF_OK;
}


void
ngx_http_presence_refer(ngx_conf_t *cf, ngx_http_presence_zone_ref_t *ref)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ref->directive = value[0];

    if (cf->args->nelts > 1) {
        ref->name = value[1];

    } else {
        ngx_str_set(&ref->name, "");
    }

    ref->file = cf->conf_file->file.name.data;
    ref->line = cf->conf_file->line;
}


ngx_int_t
ngx_http_presence_resolve(ngx_conf_t *cf, ngx_http_presence_zone_ref_t *ref,
    ngx_http_complex_value_t *user)
{
    ngx_uint_t                       i;
    ngx_http_presence_zone_t       **zones;
    ngx_http_presence_main_conf_t   *pmcf;

    if (ref->name.data == NULL || ref->zone || ref->all) {
        return NGX_OK;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_presence_module);

    zones = pmcf->zones.elts;

    for (i = 0; i < pmcf->zones.nelts; i++) {

        if (zones[i]->name.len == ref->name.len
            && ngx_memcmp(zones[i]->name.data, ref->name.data, ref->name.len)
               == 0)
        {
            ref->zone = zones[i];
            break;
        }
    }

    if (ref->zone == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown presence_zone \"%V\" in \"%V\" in %s:%ui",
                      &ref->name, &ref->directive, ref->file, ref->line);
        return NGX_ERROR;
    }

    if (user == NULL && !ref->anonymous) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%V\" cannot know its user: add \"presence_user\", "
                      "such as \"presence_user $remote_user;\", in %s:%ui",
                      &ref->directive, ref->file, ref->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void *
ngx_http_presence_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_presence_main_conf_t  *pmcf;

    pmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_presence_main_conf_t));
    if (pmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&pmcf->zones, cf->pool, 1,
                       sizeof(ngx_http_presence_zone_t *))
        != NGX_OK
        || ngx_array_init(&pmcf->lookups, cf->pool, 1, sizeof(void *))
           != NGX_OK)
    {
        return NULL;
    }

    return pmcf;
}


static void *
ngx_http_presence_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_presence_loc_conf_t  *plcf;

    plcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_presence_loc_conf_t));
    if (plcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     plcf->serves = { NULL };
     *     plcf->touches = { NULL };
     *     plcf->origins = NULL;
     */

    plcf->log_users = NGX_CONF_UNSET_PTR;
    plcf->user = NGX_CONF_UNSET_PTR;
    plcf->groups = NGX_CONF_UNSET_PTR;
    plcf->view = NGX_CONF_UNSET_PTR;
    plcf->origin = NGX_CONF_UNSET_UINT;

    return plcf;
}


static char *
ngx_http_presence_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_presence_loc_conf_t *prev = parent;
    ngx_http_presence_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_ptr_value(conf->log_users, prev->log_users, NULL);
    ngx_conf_merge_ptr_value(conf->user, prev->user, NULL);
    ngx_conf_merge_ptr_value(conf->groups, prev->groups, NULL);
    ngx_conf_merge_ptr_value(conf->view, prev->view, NULL);

    if (conf->origin == NGX_CONF_UNSET_UINT) {
        conf->origins = prev->origins;
    }

    ngx_conf_merge_uint_value(conf->origin, prev->origin,
                              NGX_HTTP_PRESENCE_ORIGIN_SAME);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* "if" and "limit_except" are locations too, and serve what theirs does */

    if (clcf->noname && conf->serves.name.data == NULL) {
        conf->serves = prev->serves;
        conf->handler = prev->handler;

        if (clcf->lmt_excpt && clcf->handler == NULL && conf->handler) {
            clcf->handler = ngx_http_presence_handler;
        }
    }

    /* what is touched in a location is also touched in those within it */

    if (conf->touches.name.data == NULL) {
        conf->touches = prev->touches;
    }

    if (ngx_http_presence_resolve(cf, &conf->serves, conf->user) != NGX_OK
        || ngx_http_presence_resolve(cf, &conf->touches, conf->user) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->serves.zone) {

        /* a beat is read from memory, however small the site's buffers are */

        clcf->client_body_buffer_size = ngx_max(clcf->client_body_buffer_size,
                                             NGX_HTTP_PRESENCE_BEAT_MAX_BODY);
        clcf->client_body_in_file_only = 0;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_presence_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_presence_touch_handler;

    if (ngx_http_presence_journal_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_presence_lookup_init(cf);
}


static ngx_int_t
ngx_http_presence_init_module(ngx_cycle_t *cycle)
{
    ngx_http_presence_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_presence_module);

    if (pmcf == NULL || pmcf->zones.nelts == 0) {
        return NGX_OK;
    }

    return ngx_http_presence_wake_init(cycle, &pmcf->wake);
}


static ngx_int_t
ngx_http_presence_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                       i;
    ngx_http_presence_zone_t       **zones;
    ngx_http_presence_main_conf_t   *pmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_presence_module);

    if (pmcf == NULL || pmcf->zones.nelts == 0) {
        return NGX_OK;
    }

    zones = pmcf->zones.elts;

    for (i = 0; i < pmcf->zones.nelts; i++) {

        if (ngx_http_presence_hub_init_worker(zones[i], cycle) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_presence_zone_init_worker(zones[i]);

        if (ngx_http_presence_redis_init_worker(zones[i], cycle) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_presence_sweep_init_worker(zones[i], cycle);
    }

    return ngx_http_presence_wake_init_worker(cycle);
}


static void
ngx_http_presence_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                       i;
    ngx_http_presence_zone_t       **zones;
    ngx_http_presence_main_conf_t   *pmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return;
    }

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_presence_module);

    if (pmcf == NULL) {
        return;
    }

    zones = pmcf->zones.elts;

    for (i = 0; i < pmcf->zones.nelts; i++) {
        ngx_http_presence_touch_exit_worker(zones[i]);
        ngx_http_presence_zone_exit_worker(zones[i]);
    }
}


static void
ngx_http_presence_exit_master(ngx_cycle_t *cycle)
{
    ngx_uint_t                       i;
    ngx_http_presence_zone_t       **zones;
    ngx_http_presence_main_conf_t   *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_presence_module);

    if (pmcf == NULL) {
        return;
    }

    zones = pmcf->zones.elts;

    for (i = 0; i < pmcf->zones.nelts; i++) {
        ngx_http_presence_state_save(zones[i]);
    }
}
