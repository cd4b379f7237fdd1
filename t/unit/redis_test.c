/*
 * The plain parts of what goes to Redis and comes from it: URL, queue, the
 * share of each node, records, and how long a node waits without it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/ngx_http_presence_redis_patience.h"
#include "redis/ngx_http_presence_redis_queue.h"
#include "redis/ngx_http_presence_redis_record.h"
#include "redis/ngx_http_presence_redis_share.h"
#include "redis/ngx_http_presence_redis_url.h"


#define TEXT(s)  { s, sizeof(s) - 1 }


static const char *
parse(const char *s, ngx_http_presence_redis_url_t *url)
{
    return ngx_http_presence_redis_url_parse(s, strlen(s), url);
}


static void
test_url(void **state)
{
    size_t                         i;
    ngx_http_presence_redis_url_t  url;

    static const struct {
        const char  *s, *host, *path, *user, *password;
        unsigned     port, db;
    } good[] = {
        { "rediss://u:p@h:1/2", "h", "", "u", "p", 1, 2 },
        { "redis://h", "h", "", "", "", 6379, 0 },
        { "redis://h/", "h", "", "", "", 6379, 0 },
        { "redis://h:1/2", "h", "", "", "", 1, 2 },
        { "redis://:p@h", "h", "", "", "p", 6379, 0 },
        { "redis://u:p@h:7/0", "h", "", "u", "p", 7, 0 },
        { "redis://u%40:p%2Fq%3a@h", "h", "", "u@", "p/q:", 6379, 0 },
        { "redis://u:p@q@h", "h", "", "u", "p@q", 6379, 0 },
        { "redis://[::1]:99/3", "[::1]", "", "", "", 99, 3 },
        { "redis://[::1]", "[::1]", "", "", "", 6379, 0 },
        { "redis://10.0.0.1:65535/65535", "10.0.0.1", "", "", "", 65535,
          65535 },
        { "unix:/run/redis.sock", "", "/run/redis.sock", "", "", 6379, 0 },
        { "unix:///run/redis.sock", "", "/run/redis.sock", "", "", 6379, 0 },
        { "unix://u:p@/r.sock?db=4", "", "/r.sock", "u", "p", 6379, 4 },
        { NULL, NULL, NULL, NULL, NULL, 0, 0 }
    };

    for (i = 0; good[i].s; i++) {
        assert_null(parse(good[i].s, &url));
        assert_string_equal(url.host, good[i].host);
        assert_string_equal(url.path, good[i].path);
        assert_string_equal(url.user, good[i].user);
        assert_string_equal(url.password, good[i].password);
        assert_int_equal(url.port, good[i].port);
        assert_int_equal(url.tls, strncmp(good[i].s, "rediss", 6) == 0);
        assert_int_equal(url.db, good[i].db);
    }
}


static void
test_sentinel_url(void **state)
{
    size_t                         i, len;
    const char                    *list, *s;
    ngx_http_presence_redis_url_t  url;

    static const struct {
        const char  *s, *sentinels, *master, *user, *password;
        unsigned     db;
    } good[] = {
        { "sentinel://h/m", "h:26379", "m", "", "", 0 },
        { "sentinel://h:1,[::1]:2,i/m-1/", "h:1,[::1]:2,i:26379", "m-1", "",
          "", 0 },
        { "sentinel://u:p%2C@h:1,i:2/m/7", "h:1,i:2", "m", "u", "p,", 7 },
        { "sentinel://:p@h/m", "h:26379", "m", "", "p", 0 },
        { "sentinels://h:1/m/2", "h:1", "m", "", "", 2 },
        { NULL, NULL, NULL, NULL, NULL, 0 }
    };

    for (i = 0; good[i].s; i++) {
        assert_null(parse(good[i].s, &url));
        assert_string_equal(url.servers, good[i].sentinels);
        assert_string_equal(url.master, good[i].master);
        assert_string_equal(url.user, good[i].user);
        assert_string_equal(url.password, good[i].password);
        assert_string_equal(url.host, "");
        assert_int_equal(url.db, good[i].db);
        assert_int_equal(url.tls, strncmp(good[i].s, "sentinels", 9) == 0);
    }

    assert_null(parse("cluster://u:p@h,[::1]:2", &url));
    assert_string_equal(url.servers, "h:6379,[::1]:2");
    assert_string_equal(url.user, "u");
    assert_string_equal(url.password, "p");
    assert_string_equal(url.host, "");
    assert_string_equal(url.master, "");
    assert_true(url.cluster);
    assert_false(url.tls);

    assert_null(parse("clusters://h:1", &url));
    assert_string_equal(url.servers, "h:1");
    assert_true(url.cluster);
    assert_true(url.tls);

    assert_null(parse("sentinel://h:1,[::1]:2/m", &url));
    assert_false(url.cluster);

    list = url.servers;

    assert_true(ngx_http_presence_redis_url_next(&list, &s, &len));
    assert_memory_equal(s, "h:1", len);
    assert_true(ngx_http_presence_redis_url_next(&list, &s, &len));
    assert_memory_equal(s, "[::1]:2", len);
    assert_int_equal(len, 7);
    assert_false(ngx_http_presence_redis_url_next(&list, &s, &len));
}


static void
test_bad_url(void **state)
{
    size_t                         i;
    char                           s[2048];
    ngx_http_presence_redis_url_t  url;

    static const char *const  bad[] = {
        "", "redis", "redis:", "redis:/h", "http://h", "h:6379", "redis://",
        "redis:///1", "redis://:6379", "redis://h:", "redis://h:0",
        "redis://h:65536", "redis://h:6x", "redis://h/x", "redis://h/-1",
        "redis://h/65536", "redis://h/1/2", "redis://u@h", "redis://u:@h",
        "redis://u:%4@h", "redis://u:%zz@h", "redis://u:%00@h", "unix:",
        "unix:r.sock", "unix://r.sock", "unix:///r.sock?x=1",
        "unix:///r.sock?db=", "unix://u@/r.sock", "sentinel://",
        "sentinel:///m", "sentinel://h", "sentinel://h/", "sentinel://h//1",
        "sentinel://h/m/x", "sentinel://h/m/1/2", "sentinel://h,/m",
        "sentinel://,h/m", "sentinel://h,,i/m", "sentinel://h:0/m",
        "sentinel://u@h/m", "cluster://", "cluster://h/0", "cluster://h,",
        "cluster://,h", "cluster://h,,i", "cluster://h:0", "cluster://h,i:x",
        "cluster://u@h", NULL
    };

    for (i = 0; bad[i]; i++) {
        assert_non_null(parse(bad[i], &url));
    }


    /* what is too long is refused, and what just fits is not */

    for (i = 100; i < 600; i++) {
        snprintf(s, sizeof(s), "unix:/%0*d", (int) i, 0);
        assert_int_equal(parse(s, &url) == NULL, i + 1 < sizeof(url.path));

        snprintf(s, sizeof(s), "redis://h%0*d", (int) i, 0);
        assert_int_equal(parse(s, &url) == NULL, i + 1 < sizeof(url.host));

        snprintf(s, sizeof(s), "sentinel://h/%0*d", (int) i, 0);
        assert_int_equal(parse(s, &url) == NULL, i < sizeof(url.master));

        snprintf(s, sizeof(s), "redis://:%0*d@h", (int) i, 0);
        assert_int_equal(parse(s, &url) == NULL, i < sizeof(url.password));
    }
}


static ngx_http_presence_redis_queue_t *
new_queue(uint32_t size, uint32_t width)
{
    ngx_http_presence_redis_queue_t  *queue;

    queue = malloc(sizeof(ngx_http_presence_redis_queue_t));

    ngx_http_presence_redis_queue_init(queue, size, width,
                 malloc(ngx_http_presence_redis_queue_bytes(size, width)));

    return queue;
}


static void
free_queue(ngx_http_presence_redis_queue_t *queue)
{
    free(queue->slots);
    free(queue);
}


static uint32_t  moment;


static int
put(ngx_http_presence_redis_queue_t *queue, uint32_t hash, const char *id,
    unsigned flags)
{
    return ngx_http_presence_redis_queue_put(queue, hash,
                                             (const unsigned char *) id,
                                             strlen(id), flags, moment++);
}


static void
test_queue(void **state)
{
    size_t                            len;
    uint32_t                          hash;
    unsigned                          flags;
    const unsigned char              *id;
    ngx_http_presence_redis_queue_t  *queue;

    queue = new_queue(4, 8);
    moment = 10;

    assert_null(ngx_http_presence_redis_queue_take(queue, &hash, &len,
                                                   &flags));

    /* all in one chain, and two with the same hash */

    assert_true(put(queue, 4, "ann", 1));
    assert_true(put(queue, 8, "bob", 0));
    assert_true(put(queue, 4, "ann", 2));
    assert_true(put(queue, 4, "eve", 4));
    assert_int_equal(ngx_http_presence_redis_queue_length(queue), 3);
    assert_int_equal(ngx_http_presence_redis_queue_since(queue), 10);

    assert_false(put(queue, 1, "longer-by", 0));
    assert_true(put(queue, 1, "as-long-", 0));
    assert_false(put(queue, 2, "zoe", 0));
    assert_true(put(queue, 8, "bob", 16));

    id = ngx_http_presence_redis_queue_take(queue, &hash, &len, &flags);
    assert_int_equal(len, 3);
    assert_memory_equal(id, "ann", 3);
    assert_int_equal(hash, 4);
    assert_int_equal(flags, 3);
    assert_int_equal(ngx_http_presence_redis_queue_since(queue), 11);

    /* who was taken is put anew, at the end */

    assert_true(put(queue, 4, "ann", 8));
    assert_int_equal(ngx_http_presence_redis_queue_room(queue), 0);

    id = ngx_http_presence_redis_queue_take(queue, &hash, &len, &flags);
    assert_memory_equal(id, "bob", 3);
    assert_int_equal(flags, 16);

    free_queue(queue);
}


/* against a plain list, with ids that come again and again */

static void
test_queue_like_a_list(void **state)
{
    char                              name[8], list[64][8];
    size_t                            len, n;
    unsigned                          flags, want[64], i, k, r;
    uint32_t                          hash;
    const unsigned char              *id;
    ngx_http_presence_redis_queue_t  *queue;

    queue = new_queue(64, 8);
    n = 0;
    r = 1;

    for (i = 0; i < 200000; i++) {
        r = r * 1103515245 + 12345;

        if ((r >> 16) % 5 < 3) {
            snprintf(name, sizeof(name), "u%u", (r >> 20) % 100);
            flags = 1u << (r >> 28) % 6;

            for (k = 0; k < n && strcmp(list[k], name) != 0; k++) {
                /* void */
            }

            assert_int_equal(put(queue, (r >> 20) % 100 % 7, name, flags),
                             k < 64);

            if (k == 64) {
                continue;
            }

            if (k == n) {
                strcpy(list[n], name);
                want[n++] = 0;
            }

            want[k] |= flags;

        } else {
            id = ngx_http_presence_redis_queue_take(queue, &hash, &len,
                                                    &flags);
            if (n == 0) {
                assert_null(id);
                continue;
            }

            assert_non_null(id);
            assert_int_equal(len, strlen(list[0]));
            assert_memory_equal(id, list[0], len);
            assert_int_equal(flags, want[0]);

            n--;
            memmove(list, list + 1, n * sizeof(list[0]));
            memmove(want, want + 1, n * sizeof(want[0]));
        }

        assert_int_equal(ngx_http_presence_redis_queue_length(queue), n);
    }

    free_queue(queue);
}


static unsigned
winner(char names[][8], unsigned n, uint32_t user, int without)
{
    int       best;
    unsigned  i;
    uint32_t  weight, most;

    best = -1;
    most = 0;

    for (i = 0; i < n; i++) {

        weight = ngx_http_presence_redis_share_weight(
                     (const unsigned char *) names[i], strlen(names[i]), user);

        if ((int) i != without && (best < 0 || weight > most)) {
            best = (int) i;
            most = weight;
        }
    }

    return (unsigned) best;
}


static void
test_share(void **state)
{
    char      names[5][8];
    unsigned  i, user, of, part[5] = { 0 };

    for (i = 0; i < 5; i++) {
        snprintf(names[i], sizeof(names[i]), "n%u.ab", i);
    }

    for (user = 0; user < 50000; user++) {
        of = winner(names, 5, user * 2654435761u, -1);
        part[of]++;

        /* when another one dies it stays where it is */

        i = (of + 1 + user % 4) % 5;
        assert_int_equal(winner(names, 5, user * 2654435761u, (int) i), of);
    }

    for (i = 0; i < 5; i++) {
        assert_in_range(part[i], 9000, 11000);
    }
}


static void
test_record(void **state)
{
    ngx_http_presence_redis_record_t  record;

    memset(&record, 0, sizeof(record));

    ngx_http_presence_redis_record_set(&record, "v", 1, "1", 1);
    ngx_http_presence_redis_record_set(&record, "user", 4, "ann", 3);
    ngx_http_presence_redis_record_set(&record, "rev", 3, "4294967295", 10);
    ngx_http_presence_redis_record_set(&record, "since", 5, "-5", 2);
    ngx_http_presence_redis_record_set(&record, "until", 5, "12x", 3);
    ngx_http_presence_redis_record_set(&record, "use", 3, "bob", 3);
    ngx_http_presence_redis_record_set(&record, "users", 5, "bob", 3);

    assert_int_equal(record.version, 1);
    assert_int_equal(record.user.len, 3);
    assert_memory_equal(record.user.data, "ann", 3);
    assert_int_equal(record.rev, 4294967295);
    assert_int_equal(record.since, -5);
    assert_int_equal(record.until, 0);

    assert_true(ngx_http_presence_redis_record_later(2, 1));
    assert_false(ngx_http_presence_redis_record_later(1, 1));
    assert_false(ngx_http_presence_redis_record_later(1, 2));
    assert_true(ngx_http_presence_redis_record_later(1, 4294967295u));
    assert_false(ngx_http_presence_redis_record_later(4294967295u, 1));
}


static void
test_sessions(void **state)
{
    size_t                              i;
    ngx_http_presence_redis_session_t   s;
    ngx_http_presence_redis_text_t      lines
        = TEXT("tab1 n0.ab 1000 900 800 700 25000 1 0 77 -1\n"
               " n1.cd 1 2 3 4 5 0 1 0 6\n"
               "tab3 n0.ab 1 2 3 4 5 0 2 0 6 n1.cd");

    static const ngx_http_presence_redis_text_t  bad[] = {
        TEXT(""), TEXT("tab1"), TEXT("tab1 n"), TEXT("tab1 n 1 2 3 4 5 6 7 8"),
        TEXT("tab1 n x 2 3 4 5 6 7 8 9"), TEXT("tab1 n 1 2 3 4 0 6 7 8 9"),
        TEXT("tab1 n 1 2 3 4 5 6 7 8 1234567890123456789")
    };

    assert_true(ngx_http_presence_redis_record_session(&lines, &s));
    assert_int_equal(s.id.len, 4);
    assert_memory_equal(s.node.data, "n0.ab", 5);
    assert_int_equal(s.deadline, 1000);
    assert_int_equal(s.sign, 900);
    assert_int_equal(s.active, 800);
    assert_int_equal(s.beat, 700);
    assert_int_equal(s.step, 25000);
    assert_int_equal(s.missed, 1);
    assert_int_equal(s.leaving, 0);
    assert_int_equal(s.doc, 77);
    assert_int_equal(s.seq, -1);
    assert_memory_equal(s.by.data, "n0.ab", 5);

    assert_true(ngx_http_presence_redis_record_session(&lines, &s));
    assert_int_equal(s.id.len, 0);
    assert_int_equal(s.seq, 6);

    assert_true(ngx_http_presence_redis_record_session(&lines, &s));
    assert_int_equal(s.leaving, NGX_HTTP_PRESENCE_REDIS_LOST);
    assert_int_equal(s.by.len, 5);
    assert_memory_equal(s.by.data, "n1.cd", 5);
    assert_false(ngx_http_presence_redis_record_session(&lines, &s));

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        lines = bad[i];
        assert_false(ngx_http_presence_redis_record_session(&lines, &s));
    }
}


static void
test_logout(void **state)
{
    ngx_http_presence_redis_text_t    out;
    ngx_http_presence_redis_logout_t  logout;

    out.data = "n1.0a0b 1700000000000 tab-1 4294967295 17";
    out.len = strlen(out.data);

    assert_true(ngx_http_presence_redis_record_logout(out, &logout));
    assert_int_equal(logout.session.len, 5);
    assert_memory_equal(logout.session.data, "tab-1", 5);
    assert_int_equal(logout.doc, 4294967295);
    assert_int_equal(logout.seq, 17);

    out.len -= sizeof(" 17") - 1;
    assert_false(ngx_http_presence_redis_record_logout(out, &logout));

    out.len = 0;
    assert_false(ngx_http_presence_redis_record_logout(out, &logout));
}


static void
test_patience(void **state)
{
    ngx_http_presence_life_t          life;
    ngx_http_presence_policy_t        policy;
    ngx_http_presence_redis_outage_t  outage;

    memset(&policy, 0, sizeof(ngx_http_presence_policy_t));
    memset(&life, 0, sizeof(ngx_http_presence_life_t));

    policy.misses = 3;
    policy.slack = 5000;
    life.step = 25000;
    life.last_sign = 1000000;

    /* nobody else ever was there, whether Redis is or not */

    outage.turned = 0;
    outage.others = 0;
    outage.away = 0;

    assert_int_equal(ngx_http_presence_redis_patience(&policy, &life, &outage),
                     0);

    outage.away = 1;

    assert_int_equal(ngx_http_presence_redis_patience(&policy, &life, &outage),
                     0);

    /* Redis went before the last beat here, and after it */

    outage.others = 2;
    outage.turned = 900000;

    assert_int_equal(ngx_http_presence_redis_patience(&policy, &life, &outage),
                     1000000 + 30 * 25000 + 5000);

    outage.turned = 1010000;

    assert_int_equal(ngx_http_presence_redis_patience(&policy, &life, &outage),
                     1010000 + 30 * 25000 + 5000);

    /* more nodes hear less of it each; slower beats take longer */

    outage.others = 4;
    life.step = 70000;

    assert_int_equal(ngx_http_presence_redis_patience(&policy, &life, &outage),
                     1010000 + 50 * 70000 + 5000);

    life.step = 25000;
    policy.misses = 100;

    assert_int_equal(ngx_http_presence_redis_patience(&policy, &life, &outage),
                     1010000 + 100 * 25000 + 5000);

    policy.misses = 3;

    /* it is back: a window */

    outage.away = 0;
    outage.turned = 2000000;

    assert_int_equal(ngx_http_presence_redis_patience(&policy, &life, &outage),
                     2000000 + 3 * 25000 + 5000);

    /* a page that goes may come back elsewhere, but if all were heard here */

    life.leaving = 1;
    life.alone = NGX_HTTP_PRESENCE_REDIS_ALONE - 1;

    assert_int_equal(ngx_http_presence_redis_patience(&policy, &life, &outage),
                     2000000 + 3 * 25000 + 5000);

    life.alone = NGX_HTTP_PRESENCE_REDIS_ALONE;

    assert_int_equal(ngx_http_presence_redis_patience(&policy, &life, &outage),
                     0);

    life.leaving = 0;

    assert_int_equal(ngx_http_presence_redis_patience(&policy, &life, &outage),
                     2000000 + 3 * 25000 + 5000);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_sentinel_url),
        cmocka_unit_test(test_bad_url),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_queue_like_a_list),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_logout),
        cmocka_unit_test(test_patience)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
