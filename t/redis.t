# presence_zone: the lines of Redis. What several nodes do is in t/live.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== all lines of Redis', and one that cannot be reached: beats go on
--- zone
    redis redis://user:pass@127.0.0.1:1/15;
    redis_timeout 100ms;
    redis_connect_timeout 100ms;
    redis_prefix site:presence:;
    redis_stream_length 100;
    node edge-1.example_a;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {"user":"anna",<any>

GET /presence/users?as=anna&see=*&users=anna
200 <any>"status":"online"<any>


=== a socket that is not there
--- zone
    redis unix:/nowhere/redis.sock;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {"user":"anna",<any>


=== no URL
--- http_config
presence_zone ZONE 1m {
    redis;
}
--- fails: invalid "redis" in presence_zone "ZONE": it has one value; use "redis redis://HOST:PORT/DB;", "redis sentinel://HOST:PORT,HOST:PORT/MASTER/DB;" or "redis unix:/PATH;" in http.conf:2


=== another URL
--- http_config
presence_zone ZONE 1m {
    redis http://127.0.0.1;
}
--- fails: invalid "redis" in presence_zone "ZONE": it begins with "redis://", "sentinel://" or "unix:"; use "redis redis://HOST:PORT/DB;", "redis sentinel://HOST:PORT,HOST:PORT/MASTER/DB;" or "redis unix:/PATH;" in http.conf:2


=== TLS, which this hiredis has not
--- http_config
presence_zone ZONE 1m {
    redis rediss://127.0.0.1;
}
--- fails: invalid "redis" in presence_zone "ZONE": "rediss://" needs a hiredis with TLS, which this module is not built with: have a local proxy speak TLS, such as stunnel; use "redis redis://HOST:PORT/DB;", "redis sentinel://HOST:PORT,HOST:PORT/MASTER/DB;" or "redis unix:/PATH;" in http.conf:2


=== Sentinels that cannot be reached: beats go on
--- zone
    redis sentinel://user:pass@127.0.0.1:1,127.0.0.1:2/mymaster/15;
    redis_timeout 100ms;
    redis_connect_timeout 100ms;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {"user":"anna",<any>

GET /presence/users?as=anna&see=*&users=anna
200 <any>"status":"online"<any>


=== Sentinel, and no master
--- http_config
presence_zone ZONE 1m {
    redis sentinel://127.0.0.1;
}
--- fails: invalid "redis" in presence_zone "ZONE": after the Sentinels there is "/" and the name of the master; use "redis redis://HOST:PORT/DB;", "redis sentinel://HOST:PORT,HOST:PORT/MASTER/DB;" or "redis unix:/PATH;" in http.conf:2


=== one Sentinel's name that nobody knows
--- http_config
presence_zone ZONE 1m {
    redis sentinel://127.0.0.1,no.invalid/mymaster;
}
--- fails: host not found in "redis" of presence_zone "ZONE": "no.invalid:26379" in http.conf:2


=== a user for Sentinel, and none
--- http_config
presence_zone ZONE 1m {
    redis redis://127.0.0.1;
    redis_sentinel_user anna;
}
--- fails: presence_zone "ZONE" has "redis_sentinel_user" or "redis_sentinel_password_file" and no "redis sentinel://..." in http.conf:4


=== a user for Sentinel without a password
--- http_config
presence_zone ZONE 1m {
    redis sentinel://127.0.0.1/mymaster;
    redis_sentinel_user anna;
}
--- fails: presence_zone "ZONE" has "redis_sentinel_user" and no "redis_sentinel_password_file" in http.conf:4


=== a file of Sentinel's password without a name
--- http_config
presence_zone ZONE 1m {
    redis sentinel://127.0.0.1/mymaster;
    redis_sentinel_password_file;
}
--- fails: invalid "redis_sentinel_password_file" in presence_zone "ZONE": use "redis_sentinel_password_file FILE;" with the name of a file in http.conf:3


=== twice
--- http_config
presence_zone ZONE 1m {
    redis redis://127.0.0.1;
    redis redis://127.0.0.1;
}
--- fails: duplicate "redis" in presence_zone "ZONE" in http.conf:3


=== with a state file
--- http_config
presence_zone ZONE 1m {
    state ZONE.state;
    redis redis://127.0.0.1;
}
--- fails: "state" and "redis" in presence_zone "ZONE": use one of them, since Redis keeps the zone over a restart in http.conf:4


=== a node without Redis
--- http_config
presence_zone ZONE 1m {
    node a;
}
--- fails: presence_zone "ZONE" has "node", "redis_prefix" or "redis_password_file" and no "redis" in http.conf:3


=== a node's name with a blank
--- http_config
presence_zone ZONE 1m {
    node "a b";
}
--- fails: invalid "node" in presence_zone "ZONE": use "node NAME;" with up to 32 letters, digits and "._-" in http.conf:2


=== a prefix with a brace
--- http_config
presence_zone ZONE 1m {
    redis_prefix "{x}";
}
--- fails: invalid "redis_prefix" in presence_zone "ZONE": use "redis_prefix PREFIX;" with up to 64 letters, digits and "._:-" in http.conf:2


=== a time-out that is none
--- http_config
presence_zone ZONE 1m {
    redis_timeout soon;
}
--- fails: invalid value "soon" of "redis_timeout" in presence_zone "ZONE": use "redis_timeout VALUE;" with a time such as "25s" or "200ms" from 50ms to 1m in http.conf:2


=== two passwords
--- http_config
presence_zone ZONE 1m {
    redis redis://:pass@127.0.0.1;
    redis_password_file secret;
}
--- fails: presence_zone "ZONE" has a password in "redis" and a "redis_password_file" in http.conf:3
