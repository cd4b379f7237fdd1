#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_redis_cluster.h"
#include "ngx_http_presence_redis_doubts.h"
#include "ngx_http_presence_redis_feed.h"
#include "ngx_http_presence_redis_mirror.h"
#include "ngx_http_presence_redis_sentinel.h"
#include "ngx_http_presence_redis_tls.h"


static void ngx_http_presence_redis_set_up_locked(
    ngx_http_presence_zone_t *zone, ngx_uint_t state,
    ngx_http_presence_ms_t now);
static ngx_http_presence_ms_t ngx_http_presence_redis_turn_locked(
    ngx_http_presence_zone_t *zone, ngx_http_presence_ms_t now);
static void ngx_http_presence_redis_set_why(
    ngx_http_presence_redis_shared_t *shared, const char *why);
static char *ngx_http_presence_redis_string(ngx_conf_t *cf,
    ngx_http_presence_zone_t *zone, ngx_str_t *slot, ngx_uint_t *valid);
static char *ngx_http_presence_redis_url(ngx_conf_t *cf,
    ngx_http_presence_zone_t *zone);
static char *ngx_http_presence_redis_servers(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_resolve(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *name);
static char *ngx_http_presence_redis_password_file(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *file, char *password);
static char *ngx_http_presence_redis_file(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *file);
static char *ngx_http_presence_redis_verify(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static char *ngx_http_presence_redis_tls(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis);
static ngx_http_presence_redis_t *ngx_http_presence_redis_of(ngx_conf_t *cf,
    ngx_http_presence_zone_t *zone);
static ngx_uint_t ngx_http_presence_redis_is_name(const ngx_str_t *name,
    const char *others, size_t max);


#define ngx_http_presence_redis_is(name, word)                                \
    ((name)->len == sizeof(word) - 1                                          \
     && ngx_strncmp((name)->data, word, sizeof(word) - 1) == 0)


char *
ngx_http_presence_redis_line(ngx_conf_t *cf, ngx_http_presence_zone_t *zone,
    ngx_uint_t *done)
{
    char                       *rv;
    ngx_str_t                  *value;
    ngx_uint_t                  valid;
    ngx_http_presence_redis_t  *redis;

    value = cf->args->elts;
    *done = 1;

    if (ngx_http_presence_redis_is(&value[0], "redis")) {
        return ngx_http_presence_redis_url(cf, zone);
    }

    if (!ngx_http_presence_redis_is(&value[0], "node")
        && !ngx_http_presence_redis_is(&value[0], "redis_prefix")
        && !ngx_http_presence_redis_is(&value[0], "redis_password_file")
        && !ngx_http_presence_redis_is(&value[0], "redis_ca")
        && !ngx_http_presence_redis_is(&value[0], "redis_verify")
        && !ngx_http_presence_redis_is(&value[0], "redis_certificate")
        && !ngx_http_presence_redis_is(&value[0], "redis_certificate_key")
        && !ngx_http_presence_redis_is(&value[0], "redis_sentinel_user")
        && !ngx_http_presence_redis_is(&value[0],
                                       "redis_sentinel_password_file"))
    {
        *done = 0;
        return NGX_CONF_OK;
    }

    redis = ngx_http_presence_redis_of(cf, zone);
    if (redis == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_presence_redis_is(&value[0], "node")) {

        rv = ngx_http_presence_redis_string(cf, zone, &redis->node, &valid);

        if (rv != NGX_CONF_OK
            || (valid && ngx_http_presence_redis_is_name(&redis->node, "._-",
                                          NGX_HTTP_PRESENCE_REDIS_MAX_NAME)))
        {
            return rv;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"node\" in presence_zone \"%V\": use "
                           "\"node NAME;\" with up to 32 letters, digits and "
                           "\"._-\"", &zone->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_presence_redis_is(&value[0], "redis_prefix")) {

        rv = ngx_http_presence_redis_string(cf, zone, &redis->prefix, &valid);

        if (rv != NGX_CONF_OK
            || (valid && ngx_http_presence_redis_is_name(&redis->prefix,
                                                         "._:-", 64)))
        {
            return rv;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"redis_prefix\" in presence_zone "
                           "\"%V\": use \"redis_prefix PREFIX;\" with up to "
                           "64 letters, digits and \"._:-\"", &zone->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_presence_redis_is(&value[0], "redis_ca")) {
        return ngx_http_presence_redis_file(cf, redis, &redis->ca);
    }

    if (ngx_http_presence_redis_is(&value[0], "redis_certificate")) {
        return ngx_http_presence_redis_file(cf, redis, &redis->certificate);
    }

    if (ngx_http_presence_redis_is(&value[0], "redis_certificate_key")) {
        return ngx_http_presence_redis_file(cf, redis,
                                            &redis->certificate_key);
    }

    if (ngx_http_presence_redis_is(&value[0], "redis_verify")) {
        return ngx_http_presence_redis_verify(cf, redis);
    }

    if (ngx_http_presence_redis_is(&value[0], "redis_sentinel_user")) {

        rv = ngx_http_presence_redis_string(cf, zone, &redis->sentinel_user,
                                            &valid);

        if (rv != NGX_CONF_OK
            || (valid && redis->sentinel_user.len
                         < sizeof(redis->sentinel_login.user)))
        {
            return rv;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"redis_sentinel_user\" in presence_zone "
                           "\"%V\": use \"redis_sentinel_user NAME;\" with up "
                           "to 128 bytes", &zone->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_presence_redis_is(&value[0], "redis_sentinel_password_file"))
    {
        return ngx_http_presence_redis_password_file(cf, redis,
                                            &redis->sentinel_password_file,
                                            redis->sentinel_login.password);
    }

    return ngx_http_presence_redis_password_file(cf, redis,
                                                 &redis->password_file,
                                                 redis->url.password);
}


char *
ngx_http_presence_redis_apply(ngx_conf_t *cf, ngx_http_presence_zone_t *zone,
    ngx_msec_t timeout, ngx_msec_t connect_timeout, ngx_uint_t stream_length)
{
    size_t                      i;
    u_char                      c;
    ngx_http_presence_redis_t  *redis;

    redis = zone->redis;

    if (redis == NULL) {
        return NGX_CONF_OK;
    }

    if (redis->name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "presence_zone \"%V\" has \"node\", "
                           "\"redis_prefix\" or \"redis_password_file\" and "
                           "no \"redis\"", &zone->name);
        return NGX_CONF_ERROR;
    }

    if (redis->url.master[0] == '\0'
        && (redis->sentinel_user.len || redis->sentinel_password_file.len))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "presence_zone \"%V\" has \"redis_sentinel_user\" "
                           "or \"redis_sentinel_password_file\" and no "
                           "\"redis sentinel://...\"", &zone->name);
        return NGX_CONF_ERROR;
    }

    if (redis->sentinel_user.len && redis->sentinel_password_file.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "presence_zone \"%V\" has \"redis_sentinel_user\" "
                           "and no \"redis_sentinel_password_file\"",
                           &zone->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_presence_redis_tls(cf, redis) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    redis->sentinel_login.tls = redis->url.tls;

    ngx_memcpy(redis->sentinel_login.user, redis->sentinel_user.data,
               redis->sentinel_user.len);

    if (zone->state_file.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"state\" and \"redis\" in presence_zone \"%V\": "
                           "use one of them, since Redis keeps the zone over "
                           "a restart", &zone->name);
        return NGX_CONF_ERROR;
    }

    redis->timeout = timeout;
    redis->connect_timeout = connect_timeout;
    redis->stream_length = stream_length;

    if (redis->prefix.len == 0) {
        ngx_str_set(&redis->prefix, "presence:");
    }

    if (redis->node.len == 0) {
        redis->node.len = ngx_min(cf->cycle->hostname.len,
                                  NGX_HTTP_PRESENCE_REDIS_MAX_NAME);
        redis->node.data = ngx_pstrdup(cf->pool, &cf->cycle->hostname);
        if (redis->node.data == NULL) {
            return NGX_CONF_ERROR;
        }

        for (i = 0; i < redis->node.len; i++) {
            c = redis->node.data[i];

            if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                  || (c >= '0' && c <= '9') || c == '.' || c == '-'))
            {
                redis->node.data[i] = '_';
            }
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_presence_redis_init_locked(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_redis_node_t    *self;
    ngx_http_presence_redis_shared_t  *shared;

    if (zone->redis == NULL || zone->sh->redis) {
        return NGX_OK;
    }

    shared = ngx_http_presence_zone_alloc_locked(zone,
                                     sizeof(ngx_http_presence_redis_shared_t));
    if (shared == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(shared, sizeof(ngx_http_presence_redis_shared_t));

    /* a life of the zone is a node of its own: the one before may still run */

    self = &shared->self;

    self->len = (uint8_t) (ngx_snprintf(self->id, sizeof(self->id),
                                        "%V.%08xD", &zone->redis->node,
                                        (uint32_t) (ngx_random()
                                                    ^ ngx_random() << 16
                                                    ^ ngx_pid << 8
                                                    ^ ngx_time()))
                           - self->id);
    self->alive = 1;

    zone->sh->redis = shared;

    return NGX_OK;
}


ngx_http_presence_redis_shared_t *
ngx_http_presence_redis_copy_locked(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_redis_shared_t  *copy;

    if (zone->redis == NULL
        || !ngx_http_presence_zone_holds(zone, zone->sh->redis,
                                     sizeof(ngx_http_presence_redis_shared_t)))
    {
        return NULL;
    }

    copy = ngx_alloc(sizeof(ngx_http_presence_redis_shared_t), ngx_cycle->log);

    if (copy) {
        *copy = *zone->sh->redis;
    }

    return copy;
}


void
ngx_http_presence_redis_keep_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_redis_shared_t *kept)
{
    if (zone->sh->redis && kept) {
        *zone->sh->redis = *kept;

        /* who owns which session is not known any more */

        ngx_memset(zone->sh->redis->resync, 1,
                   sizeof(zone->sh->redis->resync));
    }
}


ngx_int_t
ngx_http_presence_redis_init_worker(ngx_http_presence_zone_t *zone,
    ngx_cycle_t *cycle)
{
    if (zone->redis == NULL) {
        return NGX_OK;
    }

    ngx_http_presence_zone_lock(zone);
    zone->sh->redis->made = ngx_max(zone->sh->redis->made, zone->redis->made);
    ngx_http_presence_zone_unlock(zone);

    ngx_memset(zone->redis->has, 1, sizeof(zone->redis->has));

    if (ngx_http_presence_redis_doubts_init_worker(zone->redis, cycle)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (zone->redis->url.cluster) {
        return ngx_http_presence_redis_cluster_init_worker(zone->redis, cycle);
    }

    if (ngx_http_presence_redis_sentinel_init_worker(zone->redis, cycle)
        != NGX_OK
        || ngx_http_presence_redis_mirror_init_worker(zone->redis, cycle)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_presence_redis_feed_init_worker(zone->redis, cycle);
}


void
ngx_http_presence_redis_tell(ngx_http_presence_redis_t *redis, ngx_uint_t up,
    const char *why)
{
    ngx_uint_t                         n, told, state;
    ngx_http_presence_ms_t             now;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_redis_shared_t  *shared;

    zone = redis->zone;

    state = up ? NGX_HTTP_PRESENCE_REDIS_SERVES
               : NGX_HTTP_PRESENCE_REDIS_FAILS;

    now = ngx_http_presence_zone_lock(zone);

    shared = zone->sh->redis;

    if (redis->made < shared->made) {

        /* a worker of a past configuration: what it has to say is past too */

        told = 1;

    } else if (redis->cluster) {
        told = ngx_http_presence_redis_tell_shards_locked(redis, redis->has,
                                                          state, now);

    } else {
        told = (shared->up == state);
        ngx_http_presence_redis_set_up_locked(zone, state, now);

        for (n = 0; !told && n < NGX_HTTP_PRESENCE_REDIS_SHARDS; n++) {
            shared->turned[n] = ngx_http_presence_redis_turn_locked(zone, now);
        }
    }

    if (!told && why) {
        ngx_http_presence_redis_set_why(shared, why);
    }

    ngx_http_presence_zone_unlock(zone);

    if (told) {
        return;
    }

    if (up) {
        ngx_log_error(NGX_LOG_NOTICE, zone->cycle->log, 0,
                      "presence_zone \"%V\": redis \"%V\" serves",
                      &zone->name, &redis->name);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, zone->cycle->log, 0,
                  "presence_zone \"%V\": redis \"%V\" does not serve: %s; "
                  "this node decides alone until it does",
                  &zone->name, &redis->name, why);
}


ngx_uint_t
ngx_http_presence_redis_tell_shards_locked(ngx_http_presence_redis_t *redis,
    const uint8_t *shards, ngx_uint_t state, ngx_http_presence_ms_t now)
{
    ngx_uint_t                         i, told, fails, serves;
    ngx_http_presence_redis_shared_t  *shared;

    shared = redis->zone->sh->redis;
    told = 1;
    fails = 0;
    serves = 0;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {

        if (shards[i] && shared->ups[i] != state) {
            shared->ups[i] = (uint8_t) state;
            shared->turned[i] = ngx_http_presence_redis_turn_locked(
                                                            redis->zone, now);
            told = 0;
        }

        fails += (shared->ups[i] == NGX_HTTP_PRESENCE_REDIS_FAILS);
        serves += (shared->ups[i] == NGX_HTTP_PRESENCE_REDIS_SERVES);
    }

    /* a cluster serves when all of its masters do */

    if (fails) {
        ngx_http_presence_redis_set_up_locked(redis->zone,
                                          NGX_HTTP_PRESENCE_REDIS_FAILS, now);

    } else if (serves == NGX_HTTP_PRESENCE_REDIS_SHARDS) {
        ngx_http_presence_redis_set_up_locked(redis->zone,
                                         NGX_HTTP_PRESENCE_REDIS_SERVES, now);
    }

    return told;
}


static void
ngx_http_presence_redis_set_up_locked(ngx_http_presence_zone_t *zone,
    ngx_uint_t state, ngx_http_presence_ms_t now)
{
    ngx_http_presence_redis_shared_t  *shared;

    shared = zone->sh->redis;

    if (shared->up != state) {
        shared->up = state;
        shared->changed = ngx_http_presence_zone_wall(zone, now);
    }
}


static ngx_http_presence_ms_t
ngx_http_presence_redis_turn_locked(ngx_http_presence_zone_t *zone,
    ngx_http_presence_ms_t now)
{
    return ngx_http_presence_redis_has_others_locked(zone) ? now : 0;
}


ngx_uint_t
ngx_http_presence_redis_has_others_locked(ngx_http_presence_zone_t *zone)
{
    ngx_uint_t  n;

    for (n = 0; n < NGX_HTTP_PRESENCE_REDIS_NODES; n++) {
        if (zone->sh->redis->nodes[n].alive) {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_presence_redis_resync_locked(ngx_http_presence_redis_t *redis)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_SHARDS; i++) {
        redis->zone->sh->redis->resync[i] |= redis->has[i];
    }
}


void
ngx_http_presence_redis_count_locked(ngx_http_presence_redis_t *redis)
{
    size_t                             i;
    uint64_t                          *own, *all;
    ngx_http_presence_redis_shared_t  *shared;

    shared = redis->zone->sh->redis;

    own = (uint64_t *) &redis->counters;
    all = (uint64_t *) &shared->counters;

    for (i = 0;
         i < sizeof(ngx_http_presence_redis_counters_t) / sizeof(uint64_t);
         i++)
    {
        all[i] += own[i];
        own[i] = 0;
    }

    if (redis->overflow) {
        redis->overflow = 0;
        ngx_http_presence_redis_resync_locked(redis);
    }

    if (redis->zone->place < NGX_HTTP_PRESENCE_MAX_WORKERS) {
        ngx_http_presence_redis_cluster_load(redis,
                                       &shared->load[redis->zone->place]);
    }
}


void
ngx_http_presence_redis_adopt_locked(ngx_http_presence_zone_t *zone,
    const ngx_http_presence_redis_shared_t *former)
{
    if (zone->redis && former) {
        zone->sh->redis->counters = former->counters;
    }
}


u_char *
ngx_http_presence_redis_key(u_char *p, ngx_http_presence_redis_t *redis,
    ngx_int_t shard, const char *what, const u_char *id, size_t len)
{
    p = ngx_sprintf(p, "%V%V:", &redis->prefix, &redis->zone->name);

    if (shard >= 0) {
        p = ngx_sprintf(p, "{%02i}:", shard);
    }

    p = ngx_cpymem(p, what, ngx_strlen(what));

    if (id) {
        *p++ = ':';
        p = ngx_cpymem(p, id, len);
    }

    return p;
}


ngx_msec_t
ngx_http_presence_redis_life(ngx_http_presence_zone_t *zone)
{
    return (ngx_msec_t) ngx_min(ngx_max(zone->policy.interval, 600), 5000);
}


/* it is shown on pages and in JSON: whatever it is, it has to be text */

static void
ngx_http_presence_redis_set_why(ngx_http_presence_redis_shared_t *shared,
    const char *why)
{
    size_t  i;

    for (i = 0; i < NGX_HTTP_PRESENCE_REDIS_MAX_WHY && why[i]; i++) {
        shared->why[i] = (why[i] < ' ' || why[i] > '~') ? '?' : why[i];
    }

    shared->why_len = (uint8_t) i;
}


static char *
ngx_http_presence_redis_string(ngx_conf_t *cf, ngx_http_presence_zone_t *zone,
    ngx_str_t *slot, ngx_uint_t *valid)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (slot->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"%V\" in presence_zone \"%V\"",
                           &value[0], &zone->name);
        return NGX_CONF_ERROR;
    }

    *valid = (cf->args->nelts == 2 && value[1].len);

    if (*valid) {
        *slot = value[1];
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_redis_url(ngx_conf_t *cf, ngx_http_presence_zone_t *zone)
{
    size_t                      len;
    u_char                     *p;
    ngx_str_t                  *value;
    const char                 *error;
    ngx_http_presence_redis_t  *redis;

    value = cf->args->elts;

    redis = ngx_http_presence_redis_of(cf, zone);
    if (redis == NULL) {
        return NGX_CONF_ERROR;
    }

    if (redis->name.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"redis\" in presence_zone \"%V\"",
                           &zone->name);
        return NGX_CONF_ERROR;
    }

    /* a file may have given it already, and the URL is zeroed */

    error = "it has one value";

    if (cf->args->nelts == 2) {
        ngx_http_presence_redis_url_t  url;

        error = ngx_http_presence_redis_url_parse((char *) value[1].data,
                                                  value[1].len, &url);
        if (url.password[0] && redis->password_file.len) {
            error = "there is a \"redis_password_file\" as well";
        }

        if (redis->password_file.len) {
            ngx_memcpy(url.password, redis->url.password,
                       sizeof(url.password));
        }

        redis->url = url;
    }

    if (error) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"redis\" in presence_zone \"%V\": %s; "
                           "use \"redis redis://HOST:PORT/DB;\", or "
                           "\"rediss://\" for TLS, \"redis "
                           "sentinel://HOST:PORT,HOST:PORT/MASTER/DB;\", "
                           "\"redis cluster://HOST:PORT,HOST:PORT;\" or "
                           "\"redis unix:/PATH;\"", &zone->name, error);
        return NGX_CONF_ERROR;
    }

    if (redis->url.servers[0]) {
        return ngx_http_presence_redis_servers(cf, redis);
    }

    len = sizeof("unix:") + ngx_max(sizeof(redis->url.host) + 2 * NGX_INT_T_LEN,
                                    sizeof(redis->url.path));

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    redis->name.data = p;

    if (redis->url.path[0]) {
        p = ngx_sprintf(p, "unix:%s", redis->url.path);
        redis->name.len = p - redis->name.data;
        return NGX_CONF_OK;
    }

    p = ngx_sprintf(p, "%s:%ud", redis->url.host, redis->url.port);
    redis->name.len = p - redis->name.data;

    return ngx_http_presence_redis_resolve(cf, redis, &redis->name);
}


static char *
ngx_http_presence_redis_servers(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    u_char      *p;
    ngx_str_t    name;
    const char  *list, *s;

    p = ngx_pnalloc(cf->pool, sizeof(redis->url.master) + sizeof(" at ")
                              + sizeof(redis->url.servers));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    redis->name.data = p;

    if (redis->url.master[0]) {
        p = ngx_sprintf(p, "%s at ", redis->url.master);
    }

    p = ngx_sprintf(p, "%s", redis->url.servers);
    redis->name.len = p - redis->name.data;

    list = redis->url.servers;

    while (ngx_http_presence_redis_url_next(&list, &s, &name.len)) {
        name.data = (u_char *) s;

        if (ngx_http_presence_redis_resolve(cf, redis, &name) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/*
 * Names are resolved here, once: a worker would have to wait.  Their addresses
 * come after those that are there.
 */

static char *
ngx_http_presence_redis_resolve(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *name)
{
    ngx_url_t    u;
    ngx_addr_t  *addrs;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *name;
    u.default_port = NGX_HTTP_PRESENCE_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in \"redis\" of presence_zone \"%V\": \"%V\"",
                           u.err ? u.err : "no address",
                           &redis->zone->name, name);
        return NGX_CONF_ERROR;
    }

    addrs = ngx_palloc(cf->pool,
                       (redis->naddrs + u.naddrs) * sizeof(ngx_addr_t));
    if (addrs == NULL) {
        return NGX_CONF_ERROR;
    }

    if (redis->naddrs) {
        ngx_memcpy(addrs, redis->addrs, redis->naddrs * sizeof(ngx_addr_t));
    }

    ngx_memcpy(addrs + redis->naddrs, u.addrs, u.naddrs * sizeof(ngx_addr_t));

    redis->addrs = addrs;
    redis->naddrs += u.naddrs;

    return NGX_CONF_OK;
}


/* here, for the workers may not be allowed to read it */

static char *
ngx_http_presence_redis_password_file(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis, ngx_str_t *file, char *password)
{
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_http_presence_redis_file(cf, redis, file) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (password[0]) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "presence_zone \"%V\" has a password in \"redis\" "
                           "and a \"redis_password_file\"",
                           &redis->zone->name);
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\" of presence_zone \"%V\" cannot be opened: "
                           "\"%V\"", &value[0], &redis->zone->name, file);
        return NGX_CONF_ERROR;
    }

    n = ngx_read_fd(fd, password, sizeof(redis->url.password));

    (void) ngx_close_file(fd);

    while (n > 0 && (password[n - 1] == '\n' || password[n - 1] == '\r')) {
        n--;
    }

    if (n <= 0 || n == sizeof(redis->url.password)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of presence_zone \"%V\" is to have one "
                           "password of up to 512 bytes: \"%V\"", &value[0],
                           &redis->zone->name, file);
        return NGX_CONF_ERROR;
    }

    password[n] = '\0';

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_redis_file(ngx_conf_t *cf, ngx_http_presence_redis_t *redis,
    ngx_str_t *file)
{
    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   valid;

    value = cf->args->elts;

    rv = ngx_http_presence_redis_string(cf, redis->zone, file, &valid);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (!valid) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\" in presence_zone \"%V\": use "
                           "\"%V FILE;\" with the name of a file", &value[0],
                           &redis->zone->name, &value[0]);
        return NGX_CONF_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_presence_redis_verify(ngx_conf_t *cf,
    ngx_http_presence_redis_t *redis)
{
    char        *rv;
    ngx_uint_t   valid;

    rv = ngx_http_presence_redis_string(cf, redis->zone, &redis->verify_line,
                                        &valid);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (valid && ngx_http_presence_redis_is(&redis->verify_line, "on")) {
        return NGX_CONF_OK;
    }

    if (valid && ngx_http_presence_redis_is(&redis->verify_line, "off")) {
        redis->verify = 0;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"redis_verify\" in presence_zone \"%V\": use "
                       "\"redis_verify on;\" or \"redis_verify off;\"",
                       &redis->zone->name);
    return NGX_CONF_ERROR;
}


static char *
ngx_http_presence_redis_tls(ngx_conf_t *cf, ngx_http_presence_redis_t *redis)
{
    if (!redis->url.tls
        && (redis->ca.len || redis->certificate.len
            || redis->certificate_key.len || redis->verify_line.len))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "presence_zone \"%V\" has \"redis_ca\", "
                           "\"redis_verify\", \"redis_certificate\" or "
                           "\"redis_certificate_key\" and no \"redis "
                           "rediss://...\"", &redis->zone->name);
        return NGX_CONF_ERROR;
    }

    if (!redis->url.tls) {
        return NGX_CONF_OK;
    }

    if ((redis->certificate.len == 0) != (redis->certificate_key.len == 0)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "presence_zone \"%V\" has one of "
                           "\"redis_certificate\" and "
                           "\"redis_certificate_key\": use both",
                           &redis->zone->name);
        return NGX_CONF_ERROR;
    }

    return ngx_http_presence_redis_tls_init(cf, redis) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_http_presence_redis_t *
ngx_http_presence_redis_of(ngx_conf_t *cf, ngx_http_presence_zone_t *zone)
{
    if (zone->redis == NULL) {
        zone->redis = ngx_pcalloc(cf->pool, sizeof(ngx_http_presence_redis_t));

        if (zone->redis) {
            zone->redis->zone = zone;
            zone->redis->verify = 1;
            zone->redis->made = ngx_current_msec;
        }
    }

    return zone->redis;
}


static ngx_uint_t
ngx_http_presence_redis_is_name(const ngx_str_t *name, const char *others,
    size_t max)
{
    size_t  i;
    u_char  c;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || ngx_strchr(others, c)))
        {
            return 0;
        }
    }

    return name->len <= max;
}
