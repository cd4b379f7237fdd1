# presence_metrics: where it may stand, what it says, and that it counts.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

our $locations = <<'_EOC_';
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_groups $arg_in;
    presence_view $arg_see;
}

location = /api {
    presence_touch ZONE;
    presence_user $arg_as;
    return 200;
}

location = /metrics {
    presence_metrics ZONE;
}
_EOC_

run_tests();

__DATA__

=== of a zone that does not exist
--- config
location = /metrics {
    presence_metrics other;
}
--- fails
unknown presence_zone "other" in "presence_metrics" in server.conf:2


=== with too much
--- config
location = /metrics {
    presence_metrics ZONE other;
}
--- fails
invalid number of arguments in "presence_metrics" directive in server.conf:2


=== in a server
--- config
presence_metrics ZONE;
--- fails
"presence_metrics" directive is not allowed here in server.conf:1


=== beside another
--- config
location /p/ {
    presence_user $arg_as;
    presence ZONE;
    presence_metrics ZONE;
}
--- fails
"presence" and "presence_metrics" in one location in server.conf:4


=== not below "presence"
--- config eval: $::locations
--- steps
GET /presence/metrics?as=anna
404 not-found: below this prefix there are beat, stream, users and count


=== nobody yet
--- config eval: $::locations
--- steps
GET /metrics
200 # HELP presence_users <any>
| # TYPE presence_users gauge
| presence_users{zone="<~zone\d+>",status="offline"} 0
| presence_users{zone="<~zone\d+>",status="online"} 0
| presence_users{zone="<~zone\d+>",status="away"} 0
| presence_users{zone="<~zone\d+>",status="busy"} 0
| presence_users{zone="<~zone\d+>",status="dnd"} 0
| # HELP presence_sessions <any>
| # TYPE presence_sessions gauge
| presence_sessions{zone="<~zone\d+>"} 0
| <any>
| presence_transitions_total{<any>from="online",to="offline",reason="missed"} 0
| <any>
Content-Type: text/plain; version=0.0.4; charset=utf-8
Content-Length: <n>
Cache-Control: no-store

HEAD /metrics
200 <empty>

POST /metrics {}
405 method-not-allowed: see the header "Allow"
Allow: GET, HEAD


=== all zones, in the order of the configuration
--- http_config
presence_zone ZONE 1m { interval 1500ms; }
presence_zone "with \"quotes\" \\ and all" 1m { }
--- config
location = /metrics {
    presence_metrics;
}
--- steps
GET /metrics
200 # HELP<any>
| presence_sessions{zone="<~zone\d+>"} 0
| presence_sessions{zone="with \"quotes\" \\ and all"} 0
| <any>
| # TYPE presence_interval_seconds gauge
| presence_interval_seconds{zone="<~zone\d+>"} 1.500
| presence_interval_seconds{zone="with \"quotes\" \\ and all"} 25.000
| <any>


=== no zone at all
--- http_config
--- config
location = /metrics {
    presence_metrics;
}
--- steps
GET /metrics
200 # HELP presence_users <any>
| # TYPE presence_users gauge
| # HELP presence_sessions <any>


=== beats by what became of them
--- config eval: $::locations
--- zone
leave_grace 0;
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab","doc":"d","seq":1}
200

POST /presence/beat?as=anna&in=red {"session":"tab","doc":"d","seq":3}
200

POST /presence/beat?as=anna&in=red {"session":"tab","doc":"d","seq":2}
200

POST /presence/beat?as=ben {"session":"tab","leave":true}
200

POST /presence/beat?as=anna&in=red {"session":"other"}
200

POST /presence/beat?as=anna&in=red {"session":"other","leave":true}
200

POST /presence/beat?as=anna&in=red {"session":"tab","logout":true}
200

POST /presence/beat?as=anna {
400

POST /presence/beat?as=anna {"session":1}
400

POST /presence/beat {"session":"tab"}
401

GET /presence/beat?as=anna
405

POST /presence/beat?as=anna {"session":"tab"}
Sec-Fetch-Site: cross-site
403

GET /presence/users?as=anna&see=*&limit=0
400

GET /metrics
200 # HELP<any>
| presence_beats_total{<any>result="ignored"} 1
| presence_beats_total{<any>result="began"} 2
| presence_beats_total{<any>result="renewed"} 1
| presence_beats_total{<any>result="overtaken"} 1
| presence_beats_total{<any>result="left"} 1
| presence_beats_total{<any>result="logged-out"} 1
| presence_beats_total{<any>result="full"} 0
| presence_beats_total{<any>result="rejected"} 5
| <any>
| presence_beat_gap_seconds_count{<any>} 2
| <any>
| presence_problems_total{<any>type="invalid-json"} 1
| presence_problems_total{<any>type="invalid-field"} 1
| presence_problems_total{<any>type="invalid-argument"} 1
| presence_problems_total{<any>type="invalid-user"} 0
| presence_problems_total{<any>type="unauthorized"} 1
| presence_problems_total{<any>type="forbidden-origin"} 1
| presence_problems_total{<any>type="forbidden-view"} 0
| <any>
| presence_problems_total{<any>type="method-not-allowed"} 1
| <any>


=== transitions, users and sessions
--- config eval: $::locations
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

POST /presence/beat?as=anna&in=red {"session":"other"}
200

POST /presence/beat?as=ben {"session":"tab","status":"busy"}
200

POST /presence/beat?as=ben {"session":"tab","status":"invisible"}
200

POST /presence/beat?as=anna {"session":"tab","status":"dnd"}
200

POST /presence/beat?as=carl {"session":"tab"}
200

POST /presence/beat?as=carl {"session":"tab","logout":true}
200

GET /api?as=dora
200

GET /api?as=dora
200

GET /metrics
200 # HELP<any>
| presence_users{<any>status="offline"} 2
| presence_users{<any>status="online"} 1
| presence_users{<any>status="away"} 0
| presence_users{<any>status="busy"} 0
| presence_users{<any>status="dnd"} 1
| <any>
| presence_sessions{<any>} 4
| <any>
| presence_touches_total{<any>} 2
| <any>
| presence_transitions_total{<any>from="offline",to="online",reason="beat"} 2
| <any>
| presence_transitions_total{<any>from="offline",to="busy",reason="beat"} 1
| <any>
| presence_transitions_total{<any>from="online",to="offline",reason="logout"} 1
| presence_transitions_total{<any>from="online",to="dnd",reason="manual"} 1
| <any>
| presence_transitions_total{<any>from="busy",to="offline",reason="manual"} 1
| <any>


=== missed, gone, recovered
--- config eval: $::locations
--- zone
interval 200ms;
slack 0;
max_interval 200ms;
misses 2;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

AWAIT GET /metrics
200 # HELP<any>
| presence_missed_beats_total{<any>} 2
| <any>
| presence_transitions_total{<any>from="online",to="offline",reason="missed"} 1
| <any>
| presence_recovered_total{<any>cause="unknown"} 0
| <any>
| presence_detection_delay_seconds_count{<any>} 1
| <any>

POST /presence/beat?as=anna {"session":"tab"}
200 <any>"recovered":{"reason":"missed",<any>

GET /metrics
200 # HELP<any>
| presence_beats_total{<any>result="began"} 2
| <any>
| presence_late_beats_total{<any>cause="unknown"} 1
| <any>
| presence_transitions_total{<any>from="offline",to="online",reason="recovered"} 1
| <any>
| presence_recovered_total{<any>cause="unknown"} 1
| <any>


=== a late beat
--- config eval: $::locations
--- zone
interval 300ms;
slack 0;
max_interval 300ms;
misses 100;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

AWAIT GET /presence/users?as=anna&see=*
200 <any>"missed":<~[1-9]\d*>,<any>

POST /presence/beat?as=anna {"session":"tab"}
200 <any>"recovered":null}

GET /metrics
200 # HELP<any>
| presence_beats_total{<any>result="renewed"} 1
| <any>
| presence_beat_gap_seconds_count{<any>} 1
| <any>
| presence_late_beats_total{<any>cause="unknown"} 1
| <any>
| presence_missed_beats_total{<any>} <~[1-9]\d*>
| <any>


=== streams
--- config eval: $::locations
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

STREAM /presence/stream?as=boss&see=*
200 <any>id: <id:id>
|
|

AWAIT GET /metrics
200 # HELP<any>
| presence_streams{<any>} 0
| <any>
| presence_streams_opened_total{<any>} 1
| <any>
| presence_stream_events_total{<any>event="presence_state"} 1
| <any>
| presence_stream_resumes_total{<any>result="continued"} 0
| presence_stream_resumes_total{<any>result="too-old"} 0
| presence_stream_resumes_total{<any>result="other-epoch"} 0
| presence_stream_resumes_total{<any>result="invalid"} 0
| <any>

POST /presence/beat?as=ben&in=red {"session":"tab"}
200

STREAM /presence/stream?as=boss&see=*&last_event_id=<id>
200 <any>presence_diff<any>
|
|

STREAM /presence/stream?as=boss&see=*&last_event_id=0000000000000000-1
200 <any>presence_state<any>
|
|

STREAM /presence/stream?as=boss&see=*&last_event_id=x
200 <any>presence_state<any>
|
|

STREAM /presence/stream?as=boss&see=*&mode=count
200 <any>presence_count<any>
|
|

AWAIT GET /metrics
200 # HELP<any>
| presence_streams{<any>} 0
| <any>
| presence_streams_opened_total{<any>} 5
| <any>
| presence_stream_events_total{<any>event="presence_state"} 3
| presence_stream_events_total{<any>event="presence_diff"} 1
| presence_stream_events_total{<any>event="presence_count"} 1
| presence_stream_events_total{<any>event="ping"} 0
| <any>
| presence_stream_resumes_total{<any>result="continued"} 1
| presence_stream_resumes_total{<any>result="too-old"} 0
| presence_stream_resumes_total{<any>result="other-epoch"} 1
| presence_stream_resumes_total{<any>result="invalid"} 1
| <any>


=== Redis, of the one zone that has it
--- http_config
presence_zone ZONE 1m { }
presence_zone ZONE-with 1m { redis redis://127.0.0.1:1; }
--- config
location = /metrics {
    presence_metrics;
}

location = /without {
    presence_metrics ZONE;
}
--- steps
GET /without
200 # HELP<any>
| presence_max_interval_seconds{zone="<~zone\d+>"} 70.000

AWAIT GET /metrics
200 # HELP<any>
| presence_max_interval_seconds{zone="<~zone\d+-with>"} 70.000
| # HELP presence_redis_up <any>
| # TYPE presence_redis_up gauge
| presence_redis_up{zone="<~zone\d+-with>"} 0
| # HELP presence_redis_changed_timestamp_seconds <any>
| # TYPE presence_redis_changed_timestamp_seconds gauge
| presence_redis_changed_timestamp_seconds{zone="<~zone\d+-with>"} <~1\d{9}\.\d{3}>
| # HELP presence_redis_nodes <any>
| # TYPE presence_redis_nodes gauge
| presence_redis_nodes{zone="<~zone\d+-with>"} 1
| <any>
| presence_redis_failures_total{zone="<~zone\d+-with>"} <~[1-9]\d*>
| <any>
