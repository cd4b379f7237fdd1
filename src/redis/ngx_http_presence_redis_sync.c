#include <ngx_sha1.h>

#include "ngx_http_presence_redis_sync.h"
#include "ngx_http_presence_arrival.h"
#include "ngx_http_presence_groups.h"
#include "ngx_http_presence_redis_arbiter.h"
#include "ngx_http_presence_redis_doubts.h"
#include "ngx_http_presence_redis_scripts.h"


/* arguments before those of sessions: EVALSHA, script, 3, keys, and 13 */
#define NGX_HTTP_PRESENCE_REDIS_FIXED     19

/* all of a session but the ids */
#define NGX_HTTP_PRESENCE_REDIS_NUMBERS   (12 * (NGX_INT64_LEN + 1))


static void ngx_http_presence_redis_sync_write_user_locked(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_args_t *args,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now);
static void ngx_http_presence_redis_sync_write_dead(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_args_t *args,
    ngx_http_presence_user_t *user);
static void ngx_http_presence_redis_sync_write_session(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_args_t *args,
    ngx_http_presence_session_t *session, ngx_uint_t fresh,
    ngx_http_presence_ms_t now);
static u_char *ngx_http_presence_redis_sync_arg(
    ngx_http_presence_redis_args_t *args, const char *format, ...);
static void ngx_http_presence_redis_sync_add(
    ngx_http_presence_redis_args_t *args, u_char *end);
static void ngx_http_presence_redis_sync_sha1(const char *script, char *hex);


ngx_int_t
ngx_http_presence_redis_sync_init_worker(ngx_http_presence_redis_t *redis,
    ngx_cycle_t *cycle)
{
    size_t  sessions;

    /* a reload may have lowered max_sessions: those that are there stay */

    sessions = NGX_HTTP_PRESENCE_MAX_SESSIONS + 1;

    redis->size = 2 * ngx_http_presence_redis_max_key(redis) + 1024
                  + NGX_HTTP_PRESENCE_MAX_USER
                  + NGX_HTTP_PRESENCE_MAX_GROUPS
                    * (NGX_HTTP_PRESENCE_MAX_GROUP + 1)
                  + NGX_HTTP_PRESENCE_MAX_TEXT + NGX_HTTP_PRESENCE_MAX_META
                  + NGX_HTTP_PRESENCE_REDIS_NODES
                    * (NGX_HTTP_PRESENCE_REDIS_MAX_NODE + 1)
                  + sessions * (NGX_HTTP_PRESENCE_MAX_SESSION
                                + NGX_HTTP_PRESENCE_REDIS_NUMBERS);

    redis->buffer = ngx_palloc(cycle->pool, redis->size);
    if (redis->buffer == NULL) {
        return NGX_ERROR;
    }

    ngx_http_presence_redis_sync_sha1(ngx_http_presence_redis_sync_script,
                                      redis->sha);
    redis->eval = 0;

    return NGX_OK;
}


void
ngx_http_presence_redis_sync_write_locked(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_sync_t *sync, ngx_http_presence_redis_args_t *args)
{
    u_char                            *p;
    ngx_str_t                          id;
    ngx_int_t                          shard;
    ngx_uint_t                         fresh;
    ngx_http_presence_ms_t             now, wait;
    ngx_http_presence_user_t          *user;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_policy_t        *policy;
    ngx_http_presence_session_t       *session;

    static const char  *argv[NGX_HTTP_PRESENCE_REDIS_FIXED
                             + 2 * (NGX_HTTP_PRESENCE_MAX_SESSIONS + 1)];
    static size_t       lens[sizeof(argv) / sizeof(argv[0])];

    zone = redis->zone;
    policy = &zone->policy;
    now = zone->sh->clock.now;

    args->p = redis->buffer;
    args->argc = 0;
    args->argv = argv;
    args->len = lens;

    sync->at = now;
    sync->wall = ngx_http_presence_zone_wall(zone, now);

    id.len = sync->len;
    id.data = sync->id;

    user = ngx_http_presence_roster_find_locked(zone, &id, sync->hash);

    if (user) {
        sync->flags |= user->pending;
        user->pending = 0;
    }

    ngx_http_presence_journal_flow_locked(&sync->flow,
                                          sync->flags
                                          & NGX_HTTP_PRESENCE_REDIS_FRESH
                                          ? user : NULL);

    if (redis->eval) {
        ngx_http_presence_redis_sync_arg(args, "EVAL");
        args->argv[args->argc] = ngx_http_presence_redis_sync_script;
        args->len[args->argc++] =
                               sizeof(ngx_http_presence_redis_sync_script) - 1;
    } else {
        ngx_http_presence_redis_sync_arg(args, "EVALSHA");
        ngx_http_presence_redis_sync_arg(args, "%s", redis->sha);
    }

    ngx_http_presence_redis_sync_arg(args, "3");

    shard = ngx_http_presence_redis_shard(id.data, id.len);

    p = ngx_http_presence_redis_key(args->p, redis, shard, "user", id.data,
                                    id.len);
    ngx_http_presence_redis_sync_add(args, p);

    p = ngx_http_presence_redis_key(args->p, redis, shard, "online", NULL, 0);
    ngx_http_presence_redis_sync_add(args, p);

    p = ngx_http_presence_redis_key(args->p, redis, shard, "changes", NULL, 0);
    ngx_http_presence_redis_sync_add(args, p);

    ngx_http_presence_redis_sync_arg(args, "%*s",
                                     (size_t) zone->sh->redis->self.len,
                                     zone->sh->redis->self.id);
    ngx_http_presence_redis_sync_arg(args, "%uD", user ? user->rev : 0);

    /* others may not be back yet */

    wait = ngx_http_presence_redis_arbiter_back_locked(zone, shard, now)
           + policy->misses * policy->max_interval + policy->slack - now;
    wait = ngx_max(wait, 0);

    ngx_http_presence_redis_sync_arg(args, "%ud",
                                     sync->flags
                                     & ~NGX_HTTP_PRESENCE_REDIS_FRESH);
    ngx_http_presence_redis_sync_arg(args, "%L %L %L %ui %uD %L %L",
                                     policy->idle, zone->retention,
                                     policy->interval * policy->misses
                                     + policy->slack,
                                     redis->stream_length, policy->misses,
                                     policy->slack, wait);

    ngx_http_presence_redis_sync_write_user_locked(redis, args, user, now);

    ngx_http_presence_redis_sync_write_dead(redis, args, user);
    ngx_http_presence_redis_sync_arg(args, "%V", &id);

    if (user == NULL) {
        return;
    }

    for (session = user->sessions; session; session = session->next) {

        if (session->owner == 0 && !session->ended) {
            fresh = (sync->flags & NGX_HTTP_PRESENCE_REDIS_FRESH) ? 1 : 0;

            if (fresh
                && ngx_http_presence_redis_doubts_ask(&sync->doubts, session))
            {
                fresh = 4;
            }

            ngx_http_presence_redis_sync_write_session(redis, args, session,
                                                         fresh, now);

        } else if (session->ended
                   && sync->flags & NGX_HTTP_PRESENCE_REDIS_ALL)
        {
            ngx_http_presence_redis_sync_write_session(redis, args, session,
                                                         2, now);

        } else if (!session->ended) {

            /* it may be this node's, and news of that be on their way */

            p = ngx_cpymem(args->p, session->id, session->len);
            ngx_http_presence_redis_sync_add(args, p);
            ngx_http_presence_redis_sync_arg(args, "0 0 0 0 0 0 0 0 0 - 3");
        }
    }
}


static void
ngx_http_presence_redis_sync_write_user_locked(
    ngx_http_presence_redis_t *redis, ngx_http_presence_redis_args_t *args,
    ngx_http_presence_user_t *user, ngx_http_presence_ms_t now)
{
    u_char                          *p;
    const char                      *reason;
    ngx_http_presence_ms_t           left;
    ngx_http_presence_note_t        *note;
    ngx_http_presence_membership_t  *m;

    reason = user ? ngx_http_presence_reason_names[user->reason] : NULL;

    ngx_http_presence_redis_sync_arg(args, "%s", reason ? reason : "beat");

    ngx_http_presence_redis_sync_arg(args, "%L", user && user->since
                                                 ? now - user->since : 0);

    ngx_http_presence_redis_sync_arg(args, "%s",
      ngx_http_presence_status_names[user ? user->manual
                                          : NGX_HTTP_PRESENCE_OFFLINE]);

    left = 0;

    if (user && user->manual && user->until) {
        left = user->until - ngx_http_presence_zone_wall(redis->zone, now);
        left = ngx_max(left, 1);
    }

    ngx_http_presence_redis_sync_arg(args, "%L", left);

    p = args->p;

    for (m = user ? user->memberships : NULL; m; m = m->next) {
        p = ngx_cpymem(p, m->group->name, m->group->sn.str.len);

        if (m->next) {
            *p++ = ',';
        }
    }

    ngx_http_presence_redis_sync_add(args, p);

    note = user ? user->note : NULL;

    p = note ? ngx_cpymem(args->p, note->data, note->text_len) : args->p;
    ngx_http_presence_redis_sync_add(args, p);

    p = note ? ngx_cpymem(args->p, note->data + note->text_len, note->meta_len)
             : args->p;
    ngx_http_presence_redis_sync_add(args, p);
}


/* nodes of this user's sessions that are no more */

static void
ngx_http_presence_redis_sync_write_dead(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_args_t *args, ngx_http_presence_user_t *user)
{
    u_char                          *p;
    ngx_http_presence_session_t     *session;
    ngx_http_presence_redis_node_t  *node;

    p = args->p;

    for (session = user ? user->sessions : NULL;
         session;
         session = session->next)
    {
        if (session->owner == 0
            || session->owner > NGX_HTTP_PRESENCE_REDIS_NODES)
        {
            continue;
        }

        node = &redis->zone->sh->redis->nodes[session->owner - 1];

        if (!node->alive
            && (size_t) (p - args->p) < NGX_HTTP_PRESENCE_REDIS_NODES
                                        * NGX_HTTP_PRESENCE_REDIS_MAX_NODE)
        {
            p = ngx_cpymem(p, node->id, node->len);
            *p++ = ',';
        }
    }

    ngx_http_presence_redis_sync_add(args, p);
}


static void
ngx_http_presence_redis_sync_write_session(ngx_http_presence_redis_t *redis,
    ngx_http_presence_redis_args_t *args, ngx_http_presence_session_t *session,
    ngx_uint_t fresh, ngx_http_presence_ms_t now)
{
    u_char                            *p;
    const char                        *cause;
    ngx_http_presence_ms_t             left, wall;
    ngx_http_presence_life_t           life;
    ngx_http_presence_zone_t          *zone;
    ngx_http_presence_verdict_t        verdict;
    ngx_http_presence_redis_outage_t   outage;

    zone = redis->zone;

    /* a copy: what is missed counts when Redis has agreed */

    life = session->life;
    verdict = ngx_http_presence_rules_look(&zone->policy, &life, now);

    left = ngx_http_presence_rules_deadline(&zone->policy, &life) - now;

    if (verdict.gone) {
        left = 0;
    }

    ngx_http_presence_redis_arbiter_outage_locked(zone, session->user->id,
                                                  session->user->len, &outage);
    if (outage.away) {
        outage.away = 0;
        outage.turned = outage.others ? now : 0;
    }

    left = ngx_max(left, ngx_http_presence_redis_patience(&zone->policy, &life,
                                                          &outage)
                         - now);

    cause = "-";

    if (life.missed && !life.leaving && session->len) {
        cause = ngx_http_presence_cause_names[
                     ngx_http_presence_arrival_silence_locked(zone, session,
                                                              now)];
    }

    p = ngx_cpymem(args->p, session->id, session->len);
    ngx_http_presence_redis_sync_add(args, p);

    /* ages are true ones: this node's deafness is no matter of others */

    wall = ngx_http_presence_zone_wall(zone, now);

    ngx_http_presence_redis_sync_arg(args,
                                     "%L %L %L %L %uD %ud %ud %uD %L %s %ui",
                                     wall - ngx_http_presence_zone_wall(zone,
                                                           life.last_sign),
                                     left,
                                     wall - ngx_http_presence_zone_wall(zone,
                                                           life.last_active),
                                     wall - ngx_http_presence_zone_wall(zone,
                                                           life.last_beat),
                                     life.step,
                                     session->len ? life.missed : 0,
                                     life.leaving, life.doc, life.seq,
                                     cause, fresh);
}


static u_char *
ngx_http_presence_redis_sync_arg(ngx_http_presence_redis_args_t *args,
    const char *format, ...)
{
    u_char   *p;
    va_list   list;

    va_start(list, format);
    p = ngx_vslprintf(args->p, (u_char *) -1, format, list);
    va_end(list);

    ngx_http_presence_redis_sync_add(args, p);

    return p;
}


static void
ngx_http_presence_redis_sync_add(ngx_http_presence_redis_args_t *args,
    u_char *end)
{
    args->argv[args->argc] = (char *) args->p;
    args->len[args->argc++] = end - args->p;
    args->p = end;
}


static void
ngx_http_presence_redis_sync_sha1(const char *script, char *hex)
{
    u_char      *p, digest[20];
    ngx_sha1_t   sha1;

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, script, ngx_strlen(script));
    ngx_sha1_final(digest, &sha1);

    p = ngx_hex_dump((u_char *) hex, digest, sizeof(digest));
    *p = '\0';
}
