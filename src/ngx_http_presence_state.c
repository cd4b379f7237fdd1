#include <sys/file.h>

#include "ngx_http_presence_state.h"
#include "ngx_http_presence_image.h"


#define NGX_HTTP_PRESENCE_STATE_MAGIC    0x3145434e45534552  /* RESENCE1 */

/* buckets in one hold of the lock, and holds in one tick */
#define NGX_HTTP_PRESENCE_STATE_BUCKETS  128
#define NGX_HTTP_PRESENCE_STATE_ROUNDS   8

/* how long a new server waits for the old one's fresh file, milliseconds */
#define NGX_HTTP_PRESENCE_STATE_WAIT     3000


/* before the records; one written by another version or machine differs */
typedef struct {
    uint64_t                     magic;
    uint32_t                     version;
    uint32_t                     size;      /* of this struct */
    ngx_http_presence_ms_t       wall;
    uint64_t                     users;
    uint64_t                     len;       /* of the records */
    uint32_t                     crc;       /* of the records */
    uint32_t                     header_crc;
} ngx_http_presence_state_header_t;


struct ngx_http_presence_state_s {
    ngx_fd_t                     lock;
    u_char                      *lock_name;
    u_char                      *request_name;
    u_char                      *temp_name;

    unsigned                     owner:1;   /* of the lock */
    unsigned                     failed:1;  /* told so in the log */

    /* a file being written */
    ngx_fd_t                     fd;
    uint64_t                     bucket;
    ngx_http_presence_ms_t       next;      /* when to write again */
    ngx_http_presence_image_t    image;
    ngx_http_presence_state_header_t  header;
};


static ngx_http_presence_state_t *ngx_http_presence_state_former(
    ngx_http_presence_zone_t *zone);
static void ngx_http_presence_state_close(void *data);
static ngx_int_t ngx_http_presence_state_is_writable(
    ngx_http_presence_zone_t *zone);
static void ngx_http_presence_state_try_lock(ngx_http_presence_zone_t *zone);
static void ngx_http_presence_state_ask(ngx_http_presence_zone_t *zone);
static ngx_uint_t ngx_http_presence_state_is_asked(
    ngx_http_presence_state_t *state);
static void ngx_http_presence_state_read(ngx_http_presence_zone_t *zone,
    ngx_http_presence_image_mode_e mode);
static ngx_int_t ngx_http_presence_state_read_image(
    ngx_http_presence_zone_t *zone, ngx_fd_t fd,
    ngx_http_presence_image_t *image);
static ngx_int_t ngx_http_presence_state_start(ngx_http_presence_zone_t *zone);
static ngx_int_t ngx_http_presence_state_step(ngx_http_presence_zone_t *zone);
static ngx_int_t ngx_http_presence_state_finish(
    ngx_http_presence_zone_t *zone);
static void ngx_http_presence_state_abort(ngx_http_presence_zone_t *zone,
    ngx_err_t err, const char *what);


ngx_int_t
ngx_http_presence_state_open(ngx_http_presence_zone_t *zone)
{
    size_t                      len;
    u_char                     *p;
    ngx_cycle_t                *cycle;
    ngx_pool_cleanup_t         *cln;
    ngx_http_presence_state_t  *state, *former;

    if (zone->state_file.len == 0 || zone->state) {
        return NGX_OK;
    }

    if (ngx_http_presence_state_is_writable(zone) != NGX_OK) {
        return NGX_ERROR;
    }

    cycle = zone->cycle;

    state = ngx_pcalloc(cycle->pool, sizeof(ngx_http_presence_state_t));
    if (state == NULL) {
        return NGX_ERROR;
    }

    len = zone->state_file.len;

    p = ngx_pnalloc(cycle->pool, 3 * len + sizeof(".lock") + sizeof(".request")
                                 + sizeof(".temp"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    state->lock_name = p;
    p = ngx_sprintf(p, "%V.lock%Z", &zone->state_file);
    state->request_name = p;
    p = ngx_sprintf(p, "%V.request%Z", &zone->state_file);
    state->temp_name = p;
    ngx_sprintf(p, "%V.temp%Z", &zone->state_file);

    state->lock = NGX_INVALID_FILE;
    state->fd = NGX_INVALID_FILE;

    zone->state = state;

    if (ngx_test_config) {
        return NGX_OK;
    }

    /* all processes of this server share one open lock, over reloads too */

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_presence_state_close;
    cln->data = state;

    former = ngx_http_presence_state_former(zone);

    if (former) {
        state->lock = fcntl(former->lock, F_DUPFD_CLOEXEC, 0);

    } else {
        state->lock = open((const char *) state->lock_name,
                           O_RDWR|O_CREAT|O_CLOEXEC,
                           NGX_FILE_OWNER_ACCESS);
    }

    if (state->lock == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "presence_zone \"%V\": \"%s\" cannot be opened",
                      &zone->name, state->lock_name);
        return NGX_ERROR;
    }

    state->owner = (flock(state->lock, LOCK_EX|LOCK_NB) == 0);

    return NGX_OK;
}


void
ngx_http_presence_state_load(ngx_http_presence_zone_t *zone)
{
    if (zone->state == NULL || ngx_test_config) {
        return;
    }

    if (!zone->state->owner) {
        zone->sh->upgraded = 1;
        ngx_http_presence_state_ask(zone);
    }

    ngx_http_presence_state_read(zone, NGX_HTTP_PRESENCE_IMAGE_RESTART);
}


void
ngx_http_presence_state_tick(ngx_http_presence_zone_t *zone)
{
    ngx_int_t                   rc;
    ngx_uint_t                  asked, round;
    ngx_http_presence_state_t  *state;

    state = zone->state;

    if (state == NULL) {
        return;
    }

    if (!state->owner) {
        ngx_http_presence_state_try_lock(zone);
        return;
    }

    asked = ngx_http_presence_state_is_asked(state);

    if (state->fd == NGX_INVALID_FILE || asked) {

        if (!asked
            && (ngx_http_presence_ms_t) ngx_current_msec < state->next)
        {
            return;
        }

        if (ngx_http_presence_state_start(zone) != NGX_OK) {
            return;
        }
    }

    rc = NGX_AGAIN;

    for (round = 0;
         rc == NGX_AGAIN && (asked || round < NGX_HTTP_PRESENCE_STATE_ROUNDS);
         round++)
    {
        rc = ngx_http_presence_state_step(zone);
    }

    if (rc != NGX_OK) {
        return;
    }

    (void) ngx_http_presence_state_finish(zone);

    if (asked) {
        (void) ngx_delete_file(state->request_name);
    }
}


void
ngx_http_presence_state_save(ngx_http_presence_zone_t *zone)
{
    ngx_int_t                   rc;
    ngx_http_presence_state_t  *state;

    state = zone->state;

    if (state == NULL || flock(state->lock, LOCK_EX|LOCK_NB) != 0) {
        return;
    }

    if (ngx_http_presence_state_start(zone) != NGX_OK) {
        return;
    }

    do {
        rc = ngx_http_presence_state_step(zone);
    } while (rc == NGX_AGAIN);

    if (rc == NGX_OK) {
        (void) ngx_http_presence_state_finish(zone);
    }
}


/* the running configuration's, for the same file */

static ngx_http_presence_state_t *
ngx_http_presence_state_former(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_zone_t  *former;

    former = ngx_http_presence_zone_former(zone);

    if (former && former->state
        && former->state_file.len == zone->state_file.len
        && ngx_memcmp(former->state_file.data, zone->state_file.data,
                      zone->state_file.len)
           == 0)
    {
        return former->state;
    }

    return NULL;
}


static void
ngx_http_presence_state_close(void *data)
{
    ngx_http_presence_state_t *state = data;

    if (state->lock != NGX_INVALID_FILE) {
        (void) ngx_close_file(state->lock);
    }
}


/* better at start than never: the workers' user must be able to replace it */

static ngx_int_t
ngx_http_presence_state_is_writable(ngx_http_presence_zone_t *zone)
{
    u_char            *p;
    mode_t             mode;
    ngx_str_t          dir;
    ngx_cycle_t       *cycle;
    ngx_core_conf_t   *ccf;
    ngx_file_info_t    fi;

    cycle = zone->cycle;
    dir = zone->state_file;

    for (p = dir.data + dir.len; p > dir.data && p[-1] != '/'; p--) {
        /* void */
    }

    dir.len = p - dir.data;

    p = ngx_pnalloc(cycle->pool, dir.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(p, dir.data, dir.len + 1);

    if (ngx_file_info(p, &fi) == NGX_FILE_ERROR || !ngx_is_dir(&fi)) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "presence_zone \"%V\": the directory \"%s\" of its "
                      "state file is not there", &zone->name, p);
        return NGX_ERROR;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (geteuid() != 0 || ccf->user == 0
        || ccf->user == (ngx_uid_t) NGX_CONF_UNSET_UINT)
    {
        return NGX_OK;
    }

    mode = (fi.st_uid == ccf->user) ? S_IWUSR
           : (fi.st_gid == ccf->group) ? S_IWGRP : S_IWOTH;

    if (!(fi.st_mode & mode)) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "presence_zone \"%V\": the directory \"%s\" of its "
                      "state file is not writable by user \"%s\"",
                      &zone->name, p, ccf->username);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the server before this one has gone: its last file is complete */

static void
ngx_http_presence_state_try_lock(ngx_http_presence_zone_t *zone)
{
    ngx_uint_t  upgraded;

    if (flock(zone->state->lock, LOCK_EX|LOCK_NB) != 0) {
        return;
    }

    zone->state->owner = 1;

    /* all workers come to own the lock, but one merges */

    ngx_http_presence_zone_lock(zone);
    upgraded = zone->sh->upgraded;
    zone->sh->upgraded = 0;
    ngx_http_presence_zone_unlock(zone);

    if (!upgraded) {
        return;
    }

    ngx_http_presence_state_read(zone, NGX_HTTP_PRESENCE_IMAGE_MERGE);
}


static void
ngx_http_presence_state_ask(ngx_http_presence_zone_t *zone)
{
    ngx_fd_t                    fd;
    ngx_msec_t                  waited;
    ngx_http_presence_state_t  *state;

    state = zone->state;

    fd = ngx_open_file(state->request_name, NGX_FILE_WRONLY, NGX_FILE_TRUNCATE,
                       NGX_FILE_OWNER_ACCESS);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ERR, zone->cycle->log, ngx_errno,
                      ngx_open_file_n " \"%s\" failed", state->request_name);
        return;
    }

    (void) ngx_close_file(fd);

    for (waited = 0; waited < NGX_HTTP_PRESENCE_STATE_WAIT; waited += 10) {

        if (!ngx_http_presence_state_is_asked(state)) {
            return;
        }

        /* it may as well leave just now */

        if (flock(state->lock, LOCK_EX|LOCK_NB) == 0) {
            state->owner = 1;
            break;
        }

        ngx_msleep(10);
    }

    (void) ngx_delete_file(state->request_name);

    if (!state->owner) {
        ngx_log_error(NGX_LOG_WARN, zone->cycle->log, 0,
                      "presence_zone \"%V\": the running server did not renew "
                      "\"%V\", starting from an older one",
                      &zone->name, &zone->state_file);
    }
}


static ngx_uint_t
ngx_http_presence_state_is_asked(ngx_http_presence_state_t *state)
{
    ngx_file_info_t  fi;

    return ngx_file_info(state->request_name, &fi) != NGX_FILE_ERROR;
}


static void
ngx_http_presence_state_read(ngx_http_presence_zone_t *zone,
    ngx_http_presence_image_mode_e mode)
{
    ngx_fd_t                    fd;
    ngx_int_t                   rc;
    ngx_log_t                  *log;
    ngx_http_presence_image_t   image;

    log = zone->cycle->log;

    fd = ngx_open_file(zone->state_file.data, NGX_FILE_RDONLY, NGX_FILE_OPEN,
                       0);

    if (fd == NGX_INVALID_FILE) {

        if (ngx_errno != NGX_ENOENT) {
            ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                          ngx_open_file_n " \"%V\" failed",
                          &zone->state_file);
        }

        return;
    }

    ngx_memzero(&image, sizeof(ngx_http_presence_image_t));

    rc = ngx_http_presence_state_read_image(zone, fd, &image);

    (void) ngx_close_file(fd);

    if (rc == NGX_OK) {
        ngx_http_presence_zone_lock(zone);
        rc = ngx_http_presence_image_unpack_locked(&image, zone, mode);
        ngx_http_presence_zone_unlock(zone);
    }

    ngx_http_presence_image_free(&image);

    switch (rc) {

    case NGX_OK:
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "presence_zone \"%V\": %ui users from \"%V\"",
                      &zone->name, image.users, &zone->state_file);
        break;

    case NGX_BUSY:
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "presence_zone \"%V\" is too small for all users of "
                      "\"%V\"", &zone->name, &zone->state_file);
        break;

    default:
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "presence_zone \"%V\": state file \"%V\" is damaged or "
                      "of another version, and is passed over",
                      &zone->name, &zone->state_file);
    }
}


static ngx_int_t
ngx_http_presence_state_read_image(ngx_http_presence_zone_t *zone, ngx_fd_t fd,
    ngx_http_presence_image_t *image)
{
    off_t                             size;
    uint32_t                          crc;
    ngx_file_info_t                   fi;
    ngx_http_presence_state_header_t  header;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        return NGX_DECLINED;
    }

    size = ngx_file_size(&fi) - (off_t) sizeof(header);

    if (read(fd, &header, sizeof(header)) != (ssize_t) sizeof(header)) {
        return NGX_DECLINED;
    }

    crc = ngx_crc32_long((u_char *) &header,
                         offsetof(ngx_http_presence_state_header_t,
                                  header_crc));

    if (header.magic != NGX_HTTP_PRESENCE_STATE_MAGIC
        || header.version != NGX_HTTP_PRESENCE_IMAGE_VERSION
        || header.size != sizeof(header)
        || header.header_crc != crc
        || size < 0 || header.len != (uint64_t) size)
    {
        return NGX_DECLINED;
    }

    image->users = header.users;
    image->wall = header.wall;
    image->len = size;

    if (size == 0) {
        return NGX_OK;
    }

    image->data = ngx_alloc(size, zone->cycle->log);
    if (image->data == NULL) {
        return NGX_DECLINED;
    }

    if (read(fd, image->data, size) != size
        || ngx_crc32_long(image->data, size) != header.crc)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_presence_state_start(ngx_http_presence_zone_t *zone)
{
    ngx_core_conf_t            *ccf;
    ngx_http_presence_state_t  *state;

    state = zone->state;

    if (state->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(state->fd);
        ngx_http_presence_image_free(&state->image);
    }

    state->next = ngx_current_msec + zone->state_interval;
    state->bucket = 0;

    /* one that is left there may be of another user */

    (void) ngx_delete_file(state->temp_name);

    state->fd = ngx_open_file(state->temp_name, NGX_FILE_WRONLY,
                              NGX_FILE_TRUNCATE, NGX_FILE_OWNER_ACCESS);

    if (state->fd == NGX_INVALID_FILE) {
        ngx_http_presence_state_abort(zone, ngx_errno, ngx_open_file_n);
        return NGX_ERROR;
    }

    /* what the master writes the workers must be able to read */

    ccf = (ngx_core_conf_t *) ngx_get_conf(zone->cycle->conf_ctx,
                                           ngx_core_module);

    if (geteuid() == 0 && ccf->user != (ngx_uid_t) NGX_CONF_UNSET_UINT
        && fchown(state->fd, ccf->user, ccf->group) == -1)
    {
        ngx_http_presence_state_abort(zone, ngx_errno, "fchown()");
        return NGX_ERROR;
    }

    ngx_memzero(&state->header, sizeof(ngx_http_presence_state_header_t));

    ngx_crc32_init(state->header.crc);

    ngx_http_presence_zone_lock(zone);
    ngx_http_presence_image_start_locked(&state->image, zone);
    ngx_http_presence_zone_unlock(zone);

    state->header.wall = state->image.wall;

    /* its place; it is written when all is known */

    if (write(state->fd, &state->header, sizeof(state->header))
        != (ssize_t) sizeof(state->header))
    {
        ngx_http_presence_state_abort(zone, ngx_errno, "write()");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* NGX_AGAIN: there is more; NGX_OK: that was all */

static ngx_int_t
ngx_http_presence_state_step(ngx_http_presence_zone_t *zone)
{
    ngx_int_t                   rc;
    ngx_http_presence_image_t  *image;
    ngx_http_presence_state_t  *state;

    state = zone->state;
    image = &state->image;

    ngx_http_presence_zone_lock(zone);
    rc = ngx_http_presence_image_add_locked(image, zone, &state->bucket,
                                            NGX_HTTP_PRESENCE_STATE_BUCKETS);
    ngx_http_presence_zone_unlock(zone);

    if (rc == NGX_ERROR) {
        ngx_http_presence_state_abort(zone, 0, "allocation");
        return NGX_ERROR;
    }

    if (image->len == 0) {
        return rc;
    }

    if (write(state->fd, image->data, image->len) != (ssize_t) image->len) {
        ngx_http_presence_state_abort(zone, ngx_errno, "write()");
        return NGX_ERROR;
    }

    ngx_crc32_update(&state->header.crc, image->data, image->len);

    state->header.len += image->len;
    image->len = 0;

    return rc;
}


static ngx_int_t
ngx_http_presence_state_finish(ngx_http_presence_zone_t *zone)
{
    ngx_http_presence_state_t         *state;
    ngx_http_presence_state_header_t  *header;

    state = zone->state;
    header = &state->header;

    ngx_crc32_final(header->crc);

    header->magic = NGX_HTTP_PRESENCE_STATE_MAGIC;
    header->version = NGX_HTTP_PRESENCE_IMAGE_VERSION;
    header->size = sizeof(ngx_http_presence_state_header_t);
    header->users = state->image.users;
    header->header_crc = ngx_crc32_long((u_char *) header,
                                   offsetof(ngx_http_presence_state_header_t,
                                            header_crc));

    if (pwrite(state->fd, header, sizeof(ngx_http_presence_state_header_t), 0)
        != (ssize_t) sizeof(ngx_http_presence_state_header_t))
    {
        ngx_http_presence_state_abort(zone, ngx_errno, "pwrite()");
        return NGX_ERROR;
    }

    if (ngx_rename_file(state->temp_name, zone->state_file.data)
        == NGX_FILE_ERROR)
    {
        ngx_http_presence_state_abort(zone, ngx_errno, ngx_rename_file_n);
        return NGX_ERROR;
    }

    (void) ngx_close_file(state->fd);
    state->fd = NGX_INVALID_FILE;

    ngx_http_presence_image_free(&state->image);

    state->failed = 0;

    return NGX_OK;
}


/* told once until it works again */

static void
ngx_http_presence_state_abort(ngx_http_presence_zone_t *zone, ngx_err_t err,
    const char *what)
{
    ngx_http_presence_state_t  *state;

    state = zone->state;

    if (!state->failed) {
        state->failed = 1;
        ngx_log_error(NGX_LOG_ERR, zone->cycle->log, err,
                      "presence_zone \"%V\": state file \"%V\" cannot be "
                      "written: %s failed",
                      &zone->name, &zone->state_file, what);
    }

    if (state->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(state->fd);
        state->fd = NGX_INVALID_FILE;
    }

    ngx_http_presence_image_free(&state->image);
}
