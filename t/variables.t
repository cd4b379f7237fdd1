# Variables of a beat, and presence_lookup.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

our $http = <<'_EOC_';
presence_lookup $their_status ZONE user=$arg_user;
presence_lookup $online ZONE group=$arg_group;
presence_lookup $agents ZONE group=agents;

presence_zone ZONE 1m { interval 50ms; max_interval 50ms; slack 0; misses 100; }
_EOC_

our $server = <<'_EOC_';
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_groups $arg_in;
    presence_view $arg_see;

    add_header X-User $presence_user always;
    add_header X-Session $presence_session always;
    add_header X-Status $presence_status always;
    add_header X-Reason $presence_reason always;
    add_header X-Gap $presence_gap always;
    add_header X-Missed $presence_missed always;
    add_header X-Cause $presence_cause always;
    add_header X-Redis $presence_redis always;
}

location = /status {
    return 200 "$their_status";
}

location = /online {
    return 200 "$online";
}

location = /chat {
    if ($agents = 0) {
        return 200 "form";
    }

    return 200 "chat";
}

location = /who {
    presence_touch ZONE;
    presence_user $arg_as;

    return 200 "$presence_user,$presence_session,$presence_status";
}
_EOC_

run_tests();

__DATA__

=== of a beat
--- http_config eval: $::http
--- config eval: $::server
--- steps
POST /presence/beat?as=anna {"session":"tab","status":"busy"}
200
X-User: anna
X-Session: tab
X-Status: busy
X-Reason: beat
X-Missed: 0
!X-Gap
!X-Cause
!X-Redis

AWAIT GET /presence/users?as=anna&see=*
200 <any>"missed":<~[2-9]|\d\d>,<any>

POST /presence/beat?as=anna {"session":"tab","diag":{"frozen_ms":60000}}
200
X-Gap: <~\d+\.\d\d\d>
X-Missed: <~[1-9]\d*>
X-Cause: frozen


=== of a beat: Redis, as its worker saw it
--- redis
sync -OOM command not allowed when used memory > 'maxmemory'. once
--- http_config
presence_zone ZONE 1m { redis redis://REDIS; }
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    add_header X-Redis $presence_redis always;
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
X-Redis: up

AWAIT GET /metrics
200 <any>presence_redis_up{<any>} 0
| <any>

POST /presence/beat?as=anna {"session":"tab"}
200
X-Redis: down

AWAIT GET /metrics
200 <any>presence_redis_up{<any>} 1
| <any>

POST /presence/beat?as=anna {"session":"tab"}
200
X-Redis: up

POST /presence/beat?as= {"session":"tab"}
401
!X-Redis


=== of a beat: Redis that is not there
--- zone
redis redis://127.0.0.1:1;
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    add_header X-Redis $presence_redis always;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200
X-Redis: down


=== of a beat that was refused
--- http_config eval: $::http
--- config eval: $::server
--- steps
POST /presence/beat {"session":"tab"}
401
!X-User
!X-Status

POST /presence/beat?as=anna {"session":""}
400
X-User: anna
!X-Session
!X-Status


=== elsewhere
--- http_config eval: $::http
--- config eval: $::server
--- steps
GET /who?as=anna
200 anna,,


=== the status of a user
--- http_config eval: $::http
--- config eval: $::server
--- steps
GET /status?user=anna
200 offline

POST /presence/beat?as=anna {"session":"tab","status":"dnd"}
200

GET /status?user=anna
200 dnd

POST /presence/beat?as=anna {"session":"tab","status":"invisible"}
200

GET /status?user=anna
200 offline

GET /status
200 offline


=== how many of a group are online
--- http_config eval: $::http
--- config eval: $::server
--- steps
GET /online?group=agents
200 0

GET /chat
200 form

POST /presence/beat?as=anna&in=agents {"session":"tab"}
200

POST /presence/beat?as=berta&in=agents,admins {"session":"tab"}
200

POST /presence/beat?as=carla&in=agents {"session":"tab","status":"busy"}
200

GET /online?group=agents
200 2

GET /online?group=admins
200 1

GET /chat
200 chat


=== a zone that is not there
--- http_config
presence_lookup $x nowhere user=anna;
--- config
--- fails: unknown presence_zone "nowhere" in "presence_lookup" in http.conf:1


=== a key that is none
--- http_config
presence_zone ZONE 1m { }
presence_lookup $x ZONE anna;
--- config
--- fails: invalid key "anna" of presence_lookup: use "user=VALUE" or "group=VALUE" in http.conf:2


=== a variable that is none
--- http_config
presence_lookup x ZONE user=anna;
--- config
--- fails: invalid variable "x" of presence_lookup: its name begins with "$" in http.conf:1
