# The lines of the log: what they say, and the whole flow of one user.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

our $trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

our $raised = <<'_EOC_';
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_log_user somebody $arg_watch;
}
_EOC_

run_tests();

__DATA__

=== a change: one line at info
--- request
POST /presence/beat?as=anna
{"session":"tab"}
--- error_log eval
[qr/\[info\] .* presence change zone="zone\d+" user="anna" from=offline to=online reason=beat cause=- missed=0 silent=\d+ id=[0-9a-f]{16}-1 request=[0-9a-f]{32}/]


=== an id with a quote
--- config
location /presence/ {
    presence ZONE;
    presence_user 'an"na\x';
}
--- request
POST /presence/beat
{"session":"tab"}
--- error_log eval
[qr/\[info\] .* presence change zone="zone\d+" user="an\\"na\\\\x" from=offline/]


=== the whole flow at debug, with one key
--- request
POST /presence/beat?as=anna
{"session":"tab","seq":7}
--- error_log eval
[qr/\[debug\] .* presence flow zone="zone\d+" stage=received user="anna" length=\d+ request=[0-9a-f]{32}/,
 qr/\[debug\] .* stage=identified user="anna" groups=0 request=[0-9a-f]{32}/,
 qr/\[debug\] .* stage=parsed user="anna" session="tab" seq=7 visible=1 leave=0 logout=0 next=-1 request=[0-9a-f]{32}/,
 qr/\[debug\] .* stage=announced user="anna" from=offline to=online/,
 qr/\[debug\] .* stage=applied user="anna" session="tab" seq=7 rc=0 gap=-1 missed=0 request=[0-9a-f]{32}/,
 qr/\[debug\] .* stage=answered user="anna" session="tab" seq=7 status=online deadline=80000 request=[0-9a-f]{32}/]


=== of one user at notice, by name
--- config eval: $::raised
--- request
POST /presence/beat?as=somebody
{"session":"tab","seq":7}
--- error_log eval
[qr/\[notice\] .* presence flow zone="zone\d+" stage=received user="somebody"/,
 qr/\[notice\] .* stage=identified user="somebody"/,
 qr/\[notice\] .* stage=parsed user="somebody"/,
 qr/\[notice\] .* presence change zone="zone\d+" user="somebody"/,
 qr/\[notice\] .* stage=announced user="somebody"/,
 qr/\[notice\] .* stage=applied user="somebody"/,
 qr/\[notice\] .* stage=answered user="somebody"/]


=== of one user, by a variable; and nobody else
--- config eval: $::raised
--- request eval
["POST /presence/beat?as=anna&watch=anna\n{\"session\":\"tab\"}"]
--- error_log eval
[qr/\[notice\] .* presence flow zone="zone\d+" stage=received user="anna"/]


=== another user stays at debug
--- config eval: $::raised
--- request
POST /presence/beat?as=berta&watch=anna
{"session":"tab"}
--- error_log eval
[qr/\[debug\] .* presence flow zone="zone\d+" stage=received user="berta"/,
 qr/\[info\] .* presence change zone="zone\d+" user="berta"/]


=== traceparent is taken over
--- more_headers eval: "Traceparent: $::trace"
--- request
POST /presence/beat?as=anna
{"session":"tab"}
--- error_log eval
[qr/presence change .* request=[0-9a-f]{32} traceparent=$::trace/]


=== traceparent of a later version, which says more
--- more_headers eval: 'Traceparent: 01' . substr($::trace, 2) . '-more'
--- request
POST /presence/beat?as=anna
{"session":"tab"}
--- error_log eval
[qr/presence change .* request=[0-9a-f]{32} traceparent=01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01(?!-)/]


=== traceparent that is none: not all zeroes
--- more_headers
Traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01
--- request
POST /presence/beat?as=anna
{"session":"tab"}
--- error_log eval
[qr/presence change .* request=[0-9a-f]{32},/]


=== traceparent that is none: uppercase
--- more_headers eval: 'Traceparent: ' . uc $::trace
--- request
POST /presence/beat?as=anna
{"session":"tab"}
--- error_log eval
[qr/presence change .* request=[0-9a-f]{32},/]


=== traceparent that is none: version 00 has an end
--- more_headers eval: "Traceparent: $::trace-more"
--- request
POST /presence/beat?as=anna
{"session":"tab"}
--- error_log eval
[qr/presence change .* request=[0-9a-f]{32},/]


=== traceparent that is none: version ff
--- more_headers eval: 'Traceparent: ff' . substr($::trace, 2)
--- request
POST /presence/beat?as=anna
{"session":"tab"}
--- error_log eval
[qr/presence change .* request=[0-9a-f]{32},/]


=== the flow goes on to Redis
--- redis
--- zone
redis redis://REDIS;
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
}

location = /metrics {
    presence_metrics;
}
--- steps
GET /metrics
200

AWAIT GET /metrics
200 <any>presence_redis_connects_total{<any>} 2
| <any>

POST /presence/beat?as=anna {"session":"tab","seq":7}
200

AWAIT GET /metrics
200 <any>presence_redis_synced_total{<any>} <~[1-9]\d*>
| <any>
--- log
\[debug\] .* presence flow zone="zone\d+" stage=queued user="anna" session="tab" seq=7 redis=up request=[0-9a-f]{32}
\[debug\] .* presence flow zone="zone\d+" stage=mirrored user="anna" session="tab" seq=7 result=ok took=\d+ request=-


=== the same of one user at notice; Redis refuses
--- redis
sync -OOM command not allowed when used memory > 'maxmemory'. once
--- zone
redis redis://REDIS;
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_log_user anna;
}

location = /metrics {
    presence_metrics;
}
--- steps
GET /metrics
200

AWAIT GET /metrics
200 <any>presence_redis_connects_total{<any>} 2
| <any>

POST /presence/beat?as=anna {"session":"tab"}
200

AWAIT GET /metrics
200 <any>presence_redis_refused_total{<any>} 1
| <any>

AWAIT GET /metrics
200 <any>presence_redis_up{<any>} 1
| <any>

POST /presence/beat?as=anna {"session":"tab","seq":1,"logout":true}
200

AWAIT GET /metrics
200 <any>presence_redis_synced_total{<any>} <~[1-9]\d*>
| <any>
--- log
\[notice\] .* presence flow zone="zone\d+" stage=queued user="anna" session="tab" seq=-1 redis=up request=[0-9a-f]{32}
\[notice\] .* presence flow zone="zone\d+" stage=mirrored user="anna" session="tab" seq=-1 result=OOM took=\d+ request=-
\[notice\] .* presence flow zone="zone\d+" stage=mirrored user="anna" session="tab" seq=1 result=ok took=\d+ request=-


=== a late beat: one line at info, with its evidence
--- zone
interval 50ms;
max_interval 50ms;
misses 100;
slack 0;
--- steps
POST /presence/beat?as=anna {"session":"tab","doc":"d","seq":1}
200

AWAIT GET /presence/users?users=anna&as=admin&see=*
200 <any>"missed":<~[3-9]|\d\d>,<any>

POST /presence/beat?as=anna {"session":"tab","doc":"d","seq":4,"visible":false,"diag":{"fired":"retry","failed":2,"error":"timeout","drift_ms":3,"hidden_ms":4,"frozen_ms":5,"slept_ms":6,"since_ms":7,"wall_ms":8}}
200
--- log
\[info\] .* presence late zone="zone\d+" user="anna" session="tab" seq=4 gap=\d+ due=50 deaf=\d+ missed=\d+ cause=network hole=2 failed=2 error=timeout drift=3 hidden=4 frozen=5 slept=6 fired=retry visible=0 request=[0-9a-f]{32},


=== a late beat of a raised user: at notice
--- zone
interval 50ms;
max_interval 50ms;
misses 2;
slack 0;
--- config eval: $::raised
--- steps
POST /presence/beat?as=somebody {"session":"tab"}
200

AWAIT GET /presence/users?users=somebody&as=somebody
200 <any>"status":"offline",<any>

POST /presence/beat?as=somebody {"session":"tab"}
200 <any>"recovered":{<any>
--- log
\[notice\] .* presence late zone="zone\d+" user="somebody" session="tab" seq=-1 gap=\d+ due=50 deaf=\d+ missed=2 cause=unknown hole=-1 failed=0 error=- drift=0 hidden=0 frozen=0 slept=0 fired=- visible=1 request=
