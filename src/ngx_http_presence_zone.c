#include "ngx_http_presence_zone.h"
#include "ngx_http_presence_changes.h"
#include "ngx_http_presence_hub.h"
#include "ngx_http_presence_image.h"
#include "ngx_http_presence_journal.h"
#include "ngx_http_presence_redis.h"
#include "ngx_http_presence_roster.h"
#include "ngx_http_presence_state.h"
#include "ngx_http_presence_wake.h"


/* offline users that make room for one allocation, at most */
#define NGX_HTTP_PRESENCE_EVICTIONS  256

/* seconds between two messages about a full zone */
#define NGX_HTTP_PRESENCE_FULL_LOG   60


static void ngx_http_presence_zone_adopt(ngx_http_presence_zone_t *zone);
static void ngx_http_presence_zone_repair_locked(
    ngx_http_presence_zone_t *zone);
static void ngx_http_presence_zone_count_locked(
    ngx_http_presence_zone_t *zone);
static ngx_http_presence_ms_t ngx_http_presence_zone_deaf_limit(
    ngx_http_presence_zone_t *zone);
static ngx_http_presence_ms_t ngx_http_presence_zone_wall_now(void);


ngx_int_t
ngx_http_presence_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    size_t                     len;
    ngx_int_t                  rc;
    ngx_slab_pool_t           *shpool;
    ngx_http_presence_zone_t  *zone;

    zone = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    zone->shpool = shpool;

    if (ngx_http_presence_state_open(zone) != NGX_OK) {
        return NGX_ERROR;
    }

    if (data || shm_zone->shm.exists) {
        ngx_http_presence_zone_lock(zone);
        rc = ngx_http_presence_redis_init_locked(zone);
        ngx_http_presence_zone_unlock(zone);

        if (rc != NGX_OK) {
            ngx_log_error(NGX_LOG_EMERG, zone->cycle->log, 0,
                          "presence_zone \"%V\" has no room for \"redis\"",
                          &zone->name);
        }

        return rc;
    }

    if (ngx_http_presence_zone_reset(zone, 0) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, zone->cycle->log, 0,
                      "presence_zone \"%V\" is too small", &zone->name);
        return NGX_ERROR;
    }

    len = sizeof(" in presence_zone \"\"") + zone->name.len;

    shpool->log_ctx = ngx_slab_alloc(shpool, len);
    if (shpool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(shpool->log_ctx, " in presence_zone \"%V\"%Z", &zone->name);

    ngx_http_presence_zone_adopt(zone);

    return NGX_OK;
}


ngx_int_t
ngx_http_presence_zone_reset(ngx_http_presence_zone_t *zone, ngx_uint_t keep)
{
    size_t                         size;
    ngx_uint_t                     bits;
    ngx_http_presence_clock_t      clock;
    ngx_http_presence_shared_t    *sh;
    ngx_http_presence_counters_t   counters;

    if (keep) {
        clock = zone->sh->clock;
        counters = zone->sh->counters;
        counters.rebuilt++;
        counters.rebuilt_at = (uint64_t) ngx_time();

        ngx_slab_init(zone->shpool);

    } else {
        ngx_memzero(&counters, sizeof(ngx_http_presence_counters_t));
        ngx_http_presence_clock_start(&clock, ngx_current_msec,
                                      ngx_http_presence_zone_wall_now());
    }

    /* a full zone has an answer, and a log line of its own */

    zone->shpool->log_nomem = 0;

    sh = ngx_slab_alloc_locked(zone->shpool,
                               sizeof(ngx_http_presence_shared_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(sh, sizeof(ngx_http_presence_shared_t));

    sh->writing = keep ? ngx_pid : 0;

    sh->clock = clock;
    sh->counters = counters;

    zone->shpool->data = sh;
    zone->sh = sh;

    /* about one bucket for a user with one session and one group */

    for (bits = 6; ((size_t) 512 << bits) < zone->size && bits < 30; bits++) {
        /* void */
    }

    size = sizeof(ngx_http_presence_user_t *) << bits;

    sh->shift = 32 - bits;
    sh->buckets = ngx_slab_alloc_locked(zone->shpool, size);
    if (sh->buckets == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(sh->buckets, size);

    ngx_rbtree_init(&sh->groups, &sh->sentinel, ngx_str_rbtree_insert_value);
    ngx_queue_init(&sh->offline);

    ngx_http_presence_wheel_init(&sh->sessions, sh->clock.now);
    ngx_http_presence_wheel_init(&sh->users, sh->clock.now);

    if (ngx_http_presence_changes_init_locked(zone) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_presence_redis_init_locked(zone);
}


void
ngx_http_presence_zone_init_worker(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_zone_lock(zone);
    zone->place = ngx_http_presence_counters_enlist(&zone->sh->counters);
    ngx_http_presence_zone_unlock(zone);

    if (zone->place == NGX_HTTP_PRESENCE_MAX_WORKERS) {
        ngx_log_error(NGX_LOG_WARN, zone->cycle->log, 0,
                      "presence_zone \"%V\" has too many workers: "
                      "streams of this one are not counted", &zone->name);
    }
}


void
ngx_http_presence_zone_exit_worker(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_worker_t  *worker;

    ngx_http_presence_zone_lock(zone);

    if (zone->redis) {
        ngx_http_presence_redis_count_locked(zone->redis);
    }

    if (zone->place < NGX_HTTP_PRESENCE_MAX_WORKERS) {
        worker = &zone->sh->counters.workers[zone->place];
        ngx_memzero(worker, sizeof(ngx_http_presence_worker_t));
    }

    ngx_http_presence_zone_unlock(zone);
}


ngx_msec_t
ngx_http_presence_zone_tick(ngx_http_presence_zone_t *zone)
{
    return ngx_min(ngx_max(zone->policy.interval / 50, 10), 100);
}


ngx_http_presence_ms_t
ngx_http_presence_zone_lock(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_shared_t  *sh;

    ngx_shmtx_lock(&zone->shpool->mutex);

    sh = zone->shpool->data;
    zone->sh = sh;

    if (sh->writing) {
        ngx_http_presence_zone_repair_locked(zone);
        sh = zone->sh;
    }

    sh->writing = ngx_pid;
    zone->locked_at = sh->ring.next;

    ngx_memory_barrier();

    zone->forgiven += ngx_http_presence_clock_advance(&sh->clock,
                                      ngx_current_msec,
                                      ngx_http_presence_zone_wall_now(),
                                      ngx_http_presence_zone_deaf_limit(zone));

    if (zone->counted) {
        ngx_http_presence_zone_count_locked(zone);
    }

    return sh->clock.now;
}


void
ngx_http_presence_zone_unlock(ngx_http_presence_zone_t *zone)
{
    ngx_uint_t  full, changed;

    full = 0;
    changed = (zone->sh->ring.next != zone->locked_at);

    if (zone->full) {
        zone->full = 0;

        if (ngx_time() - zone->sh->full_logged >= NGX_HTTP_PRESENCE_FULL_LOG) {
            zone->sh->full_logged = ngx_time();
            full = 1;
        }
    }

    ngx_memory_barrier();

    zone->sh->writing = 0;

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (changed) {
        ngx_http_presence_wake();
    }

    ngx_http_presence_journal_tell(zone);

    if (full) {
        ngx_log_error(NGX_LOG_ERR, zone->cycle->log, 0,
                      "presence_zone \"%V\" is full: new sessions get 503",
                      &zone->name);
    }

    if (zone->repaired) {
        zone->repaired = 0;
        ngx_log_error(NGX_LOG_CRIT, zone->cycle->log, 0,
                      "presence_zone \"%V\" was rebuilt: "
                      "a worker died while it changed the zone", &zone->name);
    }

    if (zone->forgiven) {
        ngx_log_error(NGX_LOG_NOTICE, zone->cycle->log, 0,
                      "presence_zone \"%V\": nobody could be heard for %L ms, "
                      "which is not counted as missed",
                      &zone->name, zone->forgiven);
        zone->forgiven = 0;
    }
}


void *
ngx_http_presence_zone_alloc_locked(ngx_http_presence_zone_t *zone,
    size_t size)
{
    void        *p;
    ngx_uint_t   n;

    for (n = 0; n <= NGX_HTTP_PRESENCE_EVICTIONS; n++) {

        p = ngx_slab_alloc_locked(zone->shpool, size);

        if (p) {
            return p;
        }

        if (ngx_http_presence_roster_evict_locked(zone) != NGX_OK) {
            break;
        }

        zone->sh->counters.evicted++;
    }

    zone->sh->counters.full++;
    zone->sh->counters.full_at = (uint64_t) ngx_time();
    zone->full = 1;

    return NULL;
}


void
ngx_http_presence_zone_free_locked(ngx_http_presence_zone_t *zone, void *p)
{
    ngx_slab_free_locked(zone->shpool, p);
}


uint32_t
ngx_http_presence_zone_endings(ngx_http_presence_zone_t *zone, uint32_t hash)
{
    ngx_http_presence_shared_t  *sh;

    sh = zone->shpool->data;

    return (uint32_t) sh->endings[hash % NGX_HTTP_PRESENCE_NENDINGS];
}


ngx_uint_t
ngx_http_presence_zone_holds(ngx_http_presence_zone_t *zone, const void *p,
    size_t size)
{
    const u_char  *c = p;

    return c >= zone->shpool->start
           && c < zone->shpool->end
           && size <= (size_t) (zone->shpool->end - c)
           && (uintptr_t) p % sizeof(void *) == 0;
}


/* fills a new zone from the one that it replaces, or from the state file */

static void
ngx_http_presence_zone_adopt(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_zone_t   *former;
    ngx_http_presence_image_t   image;

    former = ngx_http_presence_zone_former(zone);

    if (former == NULL) {
        ngx_http_presence_state_load(zone);
        return;
    }

    ngx_memzero(&image, sizeof(ngx_http_presence_image_t));

    ngx_http_presence_zone_lock(former);
    ngx_http_presence_image_pack_locked(&image, former);
    zone->sh->counters = former->sh->counters;
    ngx_http_presence_redis_adopt_locked(zone, former->sh->redis);
    ngx_http_presence_zone_unlock(former);

    ngx_memzero(zone->sh->counters.workers,
                sizeof(zone->sh->counters.workers));

    ngx_http_presence_zone_lock(zone);
    ngx_http_presence_image_unpack_locked(&image, zone,
                                          NGX_HTTP_PRESENCE_IMAGE_MOVE);
    ngx_http_presence_zone_unlock(zone);

    ngx_http_presence_image_free(&image);

    ngx_log_error(NGX_LOG_NOTICE, zone->cycle->log, 0,
                  "presence_zone \"%V\" has a new size: "
                  "its users were copied, its streams start anew",
                  &zone->name);
}


ngx_http_presence_zone_t *
ngx_http_presence_zone_former(ngx_http_presence_zone_t *zone)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_shm_zone_t   *shm_zone;

    if (ngx_is_init_cycle(ngx_cycle)) {
        return NULL;
    }

    /* ngx_cycle is still the running one while the new one is set up */

    part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;

    for ( /* void */ ; part; part = part->next) {
        shm_zone = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (shm_zone[i].tag == zone->shm_zone->tag
                && shm_zone[i].shm.addr
                && shm_zone[i].shm.name.len == zone->name.len
                && ngx_strncmp(shm_zone[i].shm.name.data, zone->name.data,
                               zone->name.len)
                   == 0)
            {
                return shm_zone[i].data;
            }
        }
    }

    return NULL;
}


static void
ngx_http_presence_zone_repair_locked(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_image_t          image;
    ngx_http_presence_redis_shared_t  *redis;

    ngx_memzero(&image, sizeof(ngx_http_presence_image_t));

    ngx_http_presence_image_pack_locked(&image, zone);

    redis = ngx_http_presence_redis_copy_locked(zone);

    if (ngx_http_presence_zone_reset(zone, 1) == NGX_OK) {
        ngx_http_presence_redis_keep_locked(zone, redis);
        ngx_http_presence_image_unpack_locked(&image, zone,
                                          NGX_HTTP_PRESENCE_IMAGE_MOVE);
    }

    if (redis) {
        ngx_free(redis);
    }

    ngx_http_presence_image_free(&image);

    zone->repaired = 1;
}


/* what this worker counted outside of the lock goes over */

static void
ngx_http_presence_zone_count_locked(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_counters_t  *counters;

    counters = &zone->sh->counters;

    ngx_http_presence_counters_add(counters, &zone->traffic);

    if (zone->place < NGX_HTTP_PRESENCE_MAX_WORKERS) {
        counters->workers[zone->place].streams =
                                           (uint32_t) zone->hub->nsubscribers;
    }

    zone->counted = 0;
}


/*
 * Some worker looks at the clock at each tick.  Half of the slack, which late
 * beats have anyway, is no deafness yet.
 */

static ngx_http_presence_ms_t
ngx_http_presence_zone_deaf_limit(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_ms_t  tick;

    tick = ngx_http_presence_zone_tick(zone);

    return ngx_max(3 * tick, zone->policy.slack / 2);
}


static ngx_http_presence_ms_t
ngx_http_presence_zone_wall_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (ngx_http_presence_ms_t) tp->sec * 1000 + tp->msec;
}
