/*
 * What Redis Cluster says of where its keys are, from the bytes as a server
 * sends them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/ngx_http_presence_redis_slots.h"


#define N  8


static const unsigned  slots[N] = { 0, 1, 100, 5460, 5461, 9000, 16382,
                                    16383 };


static int
read_slots(const char *bytes, ngx_http_presence_redis_place_t *places, int *of)
{
    int           n;
    void         *reply;
    redisReader  *reader;

    reader = redisReaderCreate();

    assert_int_equal(redisReaderFeed(reader, bytes, strlen(bytes)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);

    n = ngx_http_presence_redis_slots_read(reply, "192.0.2.1", slots, N,
                                           places, of);

    freeReplyObject(reply);
    redisReaderFree(reader);

    return n;
}


/* the same as CLUSTER KEYSLOT; braces around nothing are none */

static void
test_slot(void **state)
{
    size_t  i;

    static const struct {
        const char  *key;
        unsigned     slot;
    } keys[] = {
        { "", 0 },
        { "foo", 12182 },
        { "123456789", 12739 },
        { "presence:agents:{00}:user:ann", 13254 },
        { "presence:agents:{00}:changes", 13254 },
        { "presence:agents:{99}:online", 6263 },
        { "{foo}bar", 12182 },
        { "bar{foo}{zap}", 12182 },
        { "{}foo", 9500 },
        { "foo{bar", 15278 },
        { "foo{{bar}}zap", 4015 },
        { "a}b{foo}", 12182 },
        { NULL, 0 }
    };

    for (i = 0; keys[i].key; i++) {
        assert_int_equal(ngx_http_presence_redis_slots_of(keys[i].key,
                                                      strlen(keys[i].key)),
                         keys[i].slot);
    }
}


static void
test_three_masters(void **state)
{
    int                              of[N];
    ngx_http_presence_redis_place_t  places[N];

    assert_int_equal(read_slots("*3\r\n"
        "*4\r\n:5461\r\n:10922\r\n"
        "*4\r\n$9\r\n127.0.0.1\r\n:7002\r\n$1\r\nb\r\n*0\r\n"
        "*4\r\n$9\r\n127.0.0.1\r\n:7005\r\n$1\r\ne\r\n*0\r\n"
        "*4\r\n:0\r\n:5460\r\n"
        "*3\r\n$9\r\n127.0.0.1\r\n:7001\r\n$1\r\na\r\n"
        "*3\r\n$9\r\n127.0.0.1\r\n:7004\r\n$1\r\nd\r\n"
        "*3\r\n:10923\r\n:16383\r\n"
        "*2\r\n$3\r\n::1\r\n:7003\r\n", places, of), 3);

    assert_string_equal(places[of[0]].host, "127.0.0.1");
    assert_int_equal(places[of[0]].port, 7001);
    assert_int_equal(of[1], of[0]);
    assert_int_equal(of[2], of[0]);
    assert_int_equal(of[3], of[0]);
    assert_int_equal(places[of[4]].port, 7002);
    assert_int_equal(of[5], of[4]);
    assert_string_equal(places[of[6]].host, "::1");
    assert_int_equal(places[of[6]].port, 7003);
    assert_int_equal(of[7], of[6]);
}


/* slots without a master, masters without one of ours, several ranges */

static void
test_gaps(void **state)
{
    int                              of[N];
    ngx_http_presence_redis_place_t  places[N];

    assert_int_equal(read_slots("*4\r\n"
        "*3\r\n:1\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n"
        "*3\r\n:2\r\n:99\r\n*2\r\n$1\r\ni\r\n:1\r\n"
        "*3\r\n:5461\r\n:5461\r\n*2\r\n$1\r\nh\r\n:1\r\n"
        "*3\r\n:16383\r\n:16383\r\n*2\r\n$1\r\nh\r\n:2\r\n", places, of), 2);

    assert_int_equal(of[0], NGX_HTTP_PRESENCE_REDIS_NO_PLACE);
    assert_int_equal(of[1], 0);
    assert_int_equal(of[2], NGX_HTTP_PRESENCE_REDIS_NO_PLACE);
    assert_int_equal(of[4], 0);
    assert_int_equal(of[7], 1);
    assert_int_equal(places[1].port, 2);

    assert_int_equal(read_slots("*0\r\n", places, of), 0);
    assert_int_equal(of[7], NGX_HTTP_PRESENCE_REDIS_NO_PLACE);
}


/* all have the same port; of two masters of a slot the first is taken */

static void
test_hosts(void **state)
{
    int                              of[N];
    ngx_http_presence_redis_place_t  places[N];

    assert_int_equal(read_slots("*3\r\n"
        "*3\r\n:0\r\n:99\r\n*2\r\n$1\r\nh\r\n:6379\r\n"
        "*3\r\n:100\r\n:5460\r\n*2\r\n$1\r\ni\r\n:6379\r\n"
        "*3\r\n:5460\r\n:5460\r\n*2\r\n$1\r\nj\r\n:6379\r\n", places, of),
                     2);

    assert_string_equal(places[of[1]].host, "h");
    assert_string_equal(places[of[2]].host, "i");
    assert_int_equal(of[3], of[2]);
}


/* a server that does not know its own address */

static void
test_no_host(void **state)
{
    int                              of[N];
    ngx_http_presence_redis_place_t  places[N];

    assert_int_equal(read_slots("*3\r\n"
        "*3\r\n:0\r\n:0\r\n*2\r\n$0\r\n\r\n:1\r\n"
        "*3\r\n:1\r\n:1\r\n*2\r\n$-1\r\n:1\r\n"
        "*3\r\n:100\r\n:100\r\n*2\r\n$1\r\n?\r\n:1\r\n", places, of), 1);

    assert_string_equal(places[0].host, "192.0.2.1");
    assert_int_equal(of[0], 0);
    assert_int_equal(of[1], 0);
    assert_int_equal(of[2], 0);
}


static void
test_long_host(void **state)
{
    int                              of[N];
    char                             bytes[512];
    ngx_http_presence_redis_place_t  places[N];

    snprintf(bytes, sizeof(bytes), "*1\r\n*3\r\n:0\r\n:0\r\n*2\r\n$255\r\n"
             "%0255d\r\n:1\r\n", 0);
    assert_int_equal(read_slots(bytes, places, of), 1);
    assert_int_equal(strlen(places[0].host), 255);

    snprintf(bytes, sizeof(bytes), "*1\r\n*3\r\n:0\r\n:0\r\n*2\r\n$256\r\n"
             "%0256d\r\n:1\r\n", 0);
    assert_int_equal(read_slots(bytes, places, of), 0);
}


static void
test_bad_answers(void **state)
{
    int                              of[N];
    size_t                           i;
    ngx_http_presence_redis_place_t  places[N];

    static const char *const  none[] = {
        "-ERR This instance has cluster support disabled\r\n", "+OK\r\n",
        "$-1\r\n", ":1\r\n", "*1\r\n:1\r\n", "*1\r\n*2\r\n:0\r\n:9\r\n",
        "*1\r\n*3\r\n$1\r\n0\r\n:9\r\n*2\r\n$1\r\nh\r\n:1\r\n", NULL
    };

    static const char *const  nobody[] = {
        "*1\r\n*3\r\n:0\r\n:9\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:9\r\n*1\r\n$1\r\nh\r\n",
        "*1\r\n*3\r\n:0\r\n:9\r\n*2\r\n$1\r\nh\r\n:0\r\n",
        "*1\r\n*3\r\n:0\r\n:9\r\n*2\r\n$1\r\nh\r\n:65536\r\n",
        "*1\r\n*3\r\n:0\r\n:9\r\n*2\r\n:1\r\n:1\r\n", NULL
    };

    for (i = 0; none[i]; i++) {
        assert_int_equal(read_slots(none[i], places, of), -1);
    }

    for (i = 0; nobody[i]; i++) {
        assert_int_equal(read_slots(nobody[i], places, of), 0);
        assert_int_equal(of[0], NGX_HTTP_PRESENCE_REDIS_NO_PLACE);
    }
}


static void
test_redirects(void **state)
{
    size_t                              i;
    ngx_http_presence_redis_place_t     place;
    ngx_http_presence_redis_redirect_e  redirect;

    static const struct {
        const char                          *s;
        ngx_http_presence_redis_redirect_e   redirect;
        const char                          *host;
        unsigned                             port;
    } errors[] = {
        { "MOVED 3999 127.0.0.1:6381", NGX_HTTP_PRESENCE_REDIS_MOVED,
          "127.0.0.1", 6381 },
        { "ASK 3999 127.0.0.1:6381", NGX_HTTP_PRESENCE_REDIS_ASK,
          "127.0.0.1", 6381 },
        { "MOVED 1 2001:db8::1:6381", NGX_HTTP_PRESENCE_REDIS_MOVED,
          "2001:db8::1", 6381 },
        { "MOVED 1 redis-1.example:1", NGX_HTTP_PRESENCE_REDIS_MOVED,
          "redis-1.example", 1 },
        { "ASK 1 :6381", NGX_HTTP_PRESENCE_REDIS_ASK, "192.0.2.1", 6381 },
        { "ASK 1 ?:6381", NGX_HTTP_PRESENCE_REDIS_ASK, "192.0.2.1", 6381 },
        { "MOVED 1 h:0", NGX_HTTP_PRESENCE_REDIS_STAYS, NULL, 0 },
        { "MOVED 1 h:65536", NGX_HTTP_PRESENCE_REDIS_STAYS, NULL, 0 },
        { "MOVED 1 h:", NGX_HTTP_PRESENCE_REDIS_STAYS, NULL, 0 },
        { "MOVED 1 h:1x", NGX_HTTP_PRESENCE_REDIS_STAYS, NULL, 0 },
        { "MOVED 1 6381", NGX_HTTP_PRESENCE_REDIS_STAYS, NULL, 0 },
        { "MOVED 1", NGX_HTTP_PRESENCE_REDIS_STAYS, NULL, 0 },
        { "MOVED ", NGX_HTTP_PRESENCE_REDIS_STAYS, NULL, 0 },
        { "MOVED", NGX_HTTP_PRESENCE_REDIS_STAYS, NULL, 0 },
        { "ASKING 1 h:1", NGX_HTTP_PRESENCE_REDIS_STAYS, NULL, 0 },
        { "TRYAGAIN Multiple keys", NGX_HTTP_PRESENCE_REDIS_STAYS, NULL, 0 },
        { "", NGX_HTTP_PRESENCE_REDIS_STAYS, NULL, 0 },
        { NULL, NGX_HTTP_PRESENCE_REDIS_STAYS, NULL, 0 }
    };

    for (i = 0; errors[i].s; i++) {
        redirect = ngx_http_presence_redis_slots_redirect(errors[i].s,
                                       strlen(errors[i].s), "192.0.2.1",
                                       &place);

        assert_int_equal(redirect, errors[i].redirect);

        if (redirect) {
            assert_string_equal(place.host, errors[i].host);
            assert_int_equal(place.port, errors[i].port);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_slot),
        cmocka_unit_test(test_three_masters),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_no_host),
        cmocka_unit_test(test_long_host),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_redirects)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
