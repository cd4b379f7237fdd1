/*
 * The front door: directives, configuration and phases.  What they mean is in
 * docs/directives.md; the work is done in src/.
 */

#include "ngx_http_presence_module.h"
#include "ngx_http_presence_beat.h"
#include "ngx_http_presence_block.h"
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


/* what a directive serves: one endpoint, or several below a prefix */
typedef struct {
    ngx_str_t                      name;
    ngx_http_presence_handler_pt   handler;
} ngx_http_presence_endpoint_t;


static ngx_int_t ngx_http_presence_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_presence_drop_in_handler(ngx_http_request_t *r,
    ngx_http_presence_zone_t *zone);

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


static ngx_command_t  ngx_http_presence_commands[] = {

    { ngx_string("presence_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE2,
      ngx_http_presence_block,
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
    ngx_http_presence_main_conf_t  *pmcf;

    if (ref->name.data == NULL || ref->zone || ref->all) {
        return NGX_OK;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_presence_module);

    ref->zone = ngx_http_presence_find_zone(pmcf, &ref->name);

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


ngx_http_presence_zone_t *
ngx_http_presence_find_zone(ngx_http_presence_main_conf_t *pmcf,
    const ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_http_presence_zone_t  **zones;

    zones = pmcf->zones.elts;

    for (i = 0; i < pmcf->zones.nelts; i++) {

        if (zones[i]->name.len == name->len
            && ngx_memcmp(zones[i]->name.data, name->data, name->len) == 0)
        {
            return zones[i];
        }
    }

    return NULL;
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
