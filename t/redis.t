# presence_zone: the lines of Redis. What several nodes do is in t/live.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

our $locations = <<'_EOC_';
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_view $arg_see;
}

location = /metrics {
    presence_metrics;
}
_EOC_

# whatever Redis answers, beats go on, and so does Redis when it is well again

our $trouble = <<'_EOC_';
POST /presence/beat?as=anna {"session":"tab"}
200

AWAIT GET /metrics
200 <any>presence_redis_up{zone="<~zone\d+>"} 1
| <any>presence_redis_synced_total{zone="<~zone\d+>"} <~[1-9]\d*>
| <any>

POST /presence/beat?as=anna {"session":"tab"}
200 <any>"recovered":null}

GET /presence/users?as=anna&see=*&users=anna
200 <any>"status":"online"<any>
_EOC_

# the same where changes are read on a connection of its own, which may be lost
# after others have been served
our $trouble_reading = $trouble
    =~ s/(synced_total.*\n)/$1| <any>presence_redis_failures_total{zone="<~zone\\d+>"} <~[1-9]\\d*>\n/r;

%Presence::with_redis = (
    zone => "redis redis://REDIS;\nredis_timeout 300ms;\ninterval 900ms;\n",
    config => $locations,
    steps => $trouble,
);

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
--- fails: invalid "redis" in presence_zone "ZONE": it has one value; use "redis redis://HOST:PORT/DB;", or "rediss://" for TLS, "redis sentinel://HOST:PORT,HOST:PORT/MASTER/DB;", "redis cluster://HOST:PORT,HOST:PORT;" or "redis unix:/PATH;" in http.conf:2


=== another URL
--- http_config
presence_zone ZONE 1m {
    redis http://127.0.0.1;
}
--- fails: invalid "redis" in presence_zone "ZONE": it begins with "redis://", "rediss://", "sentinel://", "cluster://" or "unix:"; use "redis redis://HOST:PORT/DB;", or "rediss://" for TLS, "redis sentinel://HOST:PORT,HOST:PORT/MASTER/DB;", "redis cluster://HOST:PORT,HOST:PORT;" or "redis unix:/PATH;" in http.conf:2


=== lines of TLS without it
--- http_config
presence_zone ZONE 1m {
    redis redis://127.0.0.1;
    redis_ca ca.crt;
}
--- fails: presence_zone "ZONE" has "redis_ca", "redis_verify", "redis_certificate" or "redis_certificate_key" and no "redis rediss://..." in http.conf:4


=== half of a certificate
--- http_config
presence_zone ZONE 1m {
    redis rediss://127.0.0.1;
    redis_certificate node.crt;
}
--- fails: presence_zone "ZONE" has one of "redis_certificate" and "redis_certificate_key": use both in http.conf:4


=== verification that is neither on nor off
--- http_config
presence_zone ZONE 1m {
    redis_verify maybe;
}
--- fails: invalid "redis_verify" in presence_zone "ZONE": use "redis_verify on;" or "redis_verify off;" in http.conf:2


=== a CA without a file
--- http_config
presence_zone ZONE 1m {
    redis_ca;
}
--- fails: invalid "redis_ca" in presence_zone "ZONE": use "redis_ca FILE;" with the name of a file in http.conf:2


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
--- fails: invalid "redis" in presence_zone "ZONE": after the Sentinels there is "/" and the name of the master; use "redis redis://HOST:PORT/DB;", or "rediss://" for TLS, "redis sentinel://HOST:PORT,HOST:PORT/MASTER/DB;", "redis cluster://HOST:PORT,HOST:PORT;" or "redis unix:/PATH;" in http.conf:2


=== a cluster that cannot be reached: beats go on
--- zone
    redis cluster://user:pass@127.0.0.1:1,127.0.0.1:2;
    redis_timeout 100ms;
    redis_connect_timeout 100ms;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {"user":"anna",<any>

GET /presence/users?as=anna&see=*&users=anna
200 <any>"status":"online"<any>


=== a database of a cluster, which has none
--- http_config
presence_zone ZONE 1m {
    redis cluster://127.0.0.1:1/2;
}
--- fails: invalid "redis" in presence_zone "ZONE": a cluster has no databases, and nothing comes after its servers; use "redis redis://HOST:PORT/DB;", or "rediss://" for TLS, "redis sentinel://HOST:PORT,HOST:PORT/MASTER/DB;", "redis cluster://HOST:PORT,HOST:PORT;" or "redis unix:/PATH;" in http.conf:2


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


=== an answer: WRONGPASS when it greets
--- redis
AUTH -WRONGPASS invalid username-password pair or user is disabled. once
--- zone
redis redis://user:pass@REDIS;
redis_timeout 300ms;
interval 900ms;
--- log
does not serve: WRONGPASS invalid username-password pair


=== an answer: NOAUTH when it greets
--- redis
PING -NOAUTH Authentication required. once
--- log
does not serve: NOAUTH Authentication required


=== an answer: a database that is none
--- redis
SELECT -ERR DB index is out of range once
--- zone
redis redis://REDIS/99;
redis_timeout 300ms;
interval 900ms;
--- log
does not serve: ERR DB index is out of range


=== an answer: LOADING when it greets
--- redis
PING -LOADING Redis is loading the dataset in memory once
--- log
does not serve: LOADING


=== an answer: too many clients, and the end
--- redis
PING -ERR max number of clients reached close once
--- log
does not serve: ERR max number of clients reached


=== an answer: it hangs up when it greets
--- redis
PING +P part close once
--- log
does not serve: \S


=== an answer: it speaks another protocol
--- redis
PING HTTP/1.1 400 Bad Request once
--- log
does not serve: Protocol error


=== an answer: it says more than it was asked
--- redis
PING +PONG\r\n+PONG\r\n+PONG once
--- log
does not serve: an answer that was not asked for


=== an answer: NOSCRIPT: the script is sent in full
--- redis
EVALSHA -NOSCRIPT No matching script. Please use EVAL. once
--- log
redis "127\.0\.0\.1:\d+" serves


=== an answer: OOM
--- redis
sync -OOM command not allowed when used memory > 'maxmemory'. once
--- log
does not serve: OOM command not allowed


=== an answer: BUSY
--- redis
sync -BUSY Redis is busy running a script. once
--- log
does not serve: BUSY


=== an answer: READONLY, which a script tells in its own words
--- redis
sync -ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -READONLY You can't write against a read only replica. once
--- log
does not serve: .*READONLY


=== an answer: LOADING in the middle
--- redis
sync -LOADING Redis is loading the dataset in memory once
--- log
does not serve: LOADING


=== an answer: MASTERDOWN
--- redis
sync -MASTERDOWN Link with MASTER is down once
--- log
does not serve: MASTERDOWN


=== an answer: MOVED
--- redis
sync -MOVED 1234 127.0.0.1:1 once
--- log
does not serve: MOVED 1234


=== an answer: CROSSSLOT
--- redis
sync -CROSSSLOT Keys in request don't hash to the same slot once
--- log
does not serve: CROSSSLOT


=== an answer: NOAUTH in the middle
--- redis
sync -NOAUTH Authentication required. once
--- log
does not serve: NOAUTH


=== an answer: NOPERM
--- redis
sync -NOPERM this user has no permissions to run the 'evalsha' command once
--- log
does not serve: NOPERM


=== an answer: nil
--- redis
sync $-1 once
--- log
does not serve: an answer of another kind


=== an answer: a number
--- redis
sync :17 once
--- log
does not serve: an answer of another kind


=== an answer: a list of numbers
--- redis
sync *4\r\n:1\r\n:2\r\n:3\r\n:4 once
--- log
does not serve: an answer of another kind


=== an answer: a list of nothing
--- redis
sync *0 once
--- log
does not serve: an answer of another kind


=== an answer: a record that is none
--- redis
sync *5\r\n$13\r\n1700000000000\r\n$1\r\n0\r\n$1\r\n1\r\n$0\r\n\r\n:1 once
--- log
redis "127\.0\.0\.1:\d+" serves


=== an answer: a list within a list, and so on
--- redis
sync *1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*0 once
--- log
does not serve: No support for nested


=== an answer: half an answer, and the end
--- redis
sync *4\r\n$13\r\n17000 part close once
--- log
does not serve: \S


=== an answer: half an answer, and silence
--- redis
sync *4\r\n$13\r\n17000 part once
--- log
does not serve: \S


=== an answer: a length beyond all bounds
--- redis
sync $99999999999999999999 part once
--- log
does not serve: \S


=== an answer: the end in place of an answer
--- redis
sync +x part close once
--- log
does not serve: \S


=== an answer: a node is answered with nonsense
--- redis
node :1 once
--- log
redis "127\.0\.0\.1:\d+" serves


=== an answer: a node is answered with an error
--- redis
node -OOM command not allowed when used memory > 'maxmemory'. once
--- log
does not serve: OOM


=== an answer: where streams end: nonsense
--- redis
XREVRANGE +OK once
--- log
redis "127\.0\.0\.1:\d+" serves


=== an answer: who is there: an error
--- redis
ZSCAN -WRONGTYPE Operation against a key holding the wrong kind of value once
--- log
redis "127\.0\.0\.1:\d+" serves


=== an answer: what is left of a stream: nonsense
--- redis
XRANGE :1 once
--- steps eval: $::trouble_reading
--- log
redis "127\.0\.0\.1:\d+" serves


=== an answer: no more changes: UNBLOCKED
--- redis
XREAD -UNBLOCKED force unblock from blocking operation, instance state changed once
--- steps eval: $::trouble_reading
--- log
does not serve: UNBLOCKED


=== an answer: changes are answered with a number
--- redis
XREAD :1 once
--- steps eval: $::trouble_reading
--- log
does not serve: an answer of another kind


=== an answer: changes that are none
--- redis
XREAD *2\r\n:1\r\n*2\r\n$3\r\nabc\r\n*1\r\n$1\r\nx once
--- log
redis "127\.0\.0\.1:\d+" serves
