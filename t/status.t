# presence_status: where it may stand, its forms, and what it tells.

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

location = /status {
    presence_status ZONE;
}
_EOC_

run_tests();

__DATA__

=== of a zone that does not exist
--- config
location = /status {
    presence_status other;
}
--- fails
unknown presence_zone "other" in "presence_status" in server.conf:2


=== without a zone
--- config
location = /status {
    presence_status;
}
--- fails
invalid number of arguments in "presence_status" directive in server.conf:2


=== not below "presence"
--- config eval: $::locations
--- steps
GET /presence/status?as=anna
404


=== a page, or JSON
--- config eval: $::locations
--- steps
GET /status
200 <!doctype html><any><html lang="en"><any><h1>zone<n></h1><any></main><any>
Content-Type: text/html; charset=utf-8
Content-Length: <n>
Cache-Control: no-store
Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'
X-Content-Type-Options: nosniff
Vary: Accept

GET /status?format=json
200 {"zone":"zone<n>","node":"<any>","server_time":<ms>,"findings":[<any>],"users":{"offline":0,"online":0,"away":0,"busy":0,"dnd":0},"sessions":0,"streams":0,"workers":[{"pid":<n>,"streams":0,"leads":<any>}],"beats":{"last_minute":0,"per_second":[0<~(,0){59}>],"missed":0,"late":{"unknown":0,<any>},"recovered":{"unknown":0,<any>}},"worst":[],"memory":{"size":1048576,"used":<n>,"free":<n>,"evictions":0,"refusals":0,"rebuilds":0},"ring":{"epoch":"<~[0-9a-f]{16}>","first":1,"last":0,"used":0,"size":<n>},"clock":{"deaf_ms":<n>,"episodes":[<any>]},"redis":null,"config":{"size":1048576,"interval_ms":25000,"slack_ms":5000,"idle_ms":300000,"leave_grace_ms":10000,"max_interval_ms":70000,"stream_life_ms":600000,"retention_ms":86400000,"state_interval_ms":10000,"misses":3,"max_sessions":16,"max_groups":16,"max_user_length":128,"max_session_length":64,"max_group_length":64,"max_text_length":256,"max_meta_length":1024,"trace":16,"state":null}}
Content-Type: application/json

GET /status
Accept: application/json
200 {"zone":<any>
Content-Type: application/json

GET /status
Accept: text/html,application/xhtml+xml,application/json;q=0.9
200 <!doctype html><any>
Content-Type: text/html; charset=utf-8

GET /status?format=html
Accept: application/json
200 <!doctype html><any>

GET /status?format=xml
400 invalid-argument: "format" is json or html

HEAD /status
200 <empty>
Content-Type: text/html; charset=utf-8

POST /status {}
405 method-not-allowed: see the header "Allow"
Allow: GET, HEAD


=== names are escaped
--- http_config
presence_zone "<i>\"&'" 1m {
    interval 200ms;
    max_interval 200ms;
    slack 0;
    misses 100;
}
--- config
location = /status {
    presence_status "<i>\"&'";
}

location /presence/ {
    presence "<i>\"&'";
    presence_user "<u>\"&'$arg_as";
}
--- steps
POST /presence/beat?as=a {"session":"tab"}
200

AWAIT GET /status?format=json
200 {"zone":"<i>\"&'",<any>"worst":[{"user":"<u>\"&'a","session":"tab","missed":<~[1-9]\d*>,"last_seen":<ms>,"deadline":1<n>}],<any>

GET /status
200 <any><title>&lt;i&gt;&quot;&amp;'<any><td class="id">&lt;u&gt;&quot;&amp;'a<td class="id">tab<td class="n bad"><any>


=== who misses most beats, until a beat comes
--- config eval: $::locations
--- zone
interval 200ms;
max_interval 3s;
slack 0;
misses 100;
leave_grace 0;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

POST /presence/beat?as=ben {"session":"tab","next_ms":3000}
200

POST /presence/beat?as=carl {"session":"tab"}
200

POST /presence/beat?as=carl {"session":"tab","leave":true}
200

AWAIT GET /status?format=json
200 <any>"findings":[<any>"1 session misses beats"<any>"worst":[{"user":"anna","session":"tab","missed":<~[1-9]\d*>,<any>}],"memory"<any>

POST /presence/beat?as=anna {"session":"tab","next_ms":3000}
200

GET /status?format=json
200 <any>"beats":{"last_minute":<n>,<any>"worst":[],"memory"<any>

POST /presence/beat?as=anna {"session":"tab"}
200

AWAIT GET /status?format=json
200 <any>"worst":[{"user":"anna",<any>

POST /presence/beat?as=anna {"session":"tab","logout":true}
200

GET /status?format=json
200 <any>"worst":[],"memory"<any>


=== Redis that is not there
--- zone
redis redis://127.0.0.1:1;
node "edge-1";
--- config eval: $::locations
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

AWAIT GET /status?format=json
200 <any>"node":"edge-1",<any>"findings":["Redis does not serve: this node decides alone"],<any>,"redis":{"node":"edge-1.<~[0-9a-f]{8}>","up":false,"since":<ms>,"last_error":"Connection refused","nodes":1,"queued":0,"unanswered":0,"lag_ms":0,"synced":0,"refused":0,"dropped":<n>,"changes":0,"claimed":0,"connects":0,"failures":<~[1-9]\d*>,"loads":0,"resyncs":0},"config"<any>

GET /status
200 <any><p>on edge-1, <any><li>Redis does not serve: this node decides alone<any><h2>Redis: does not serve since <any><td class="n id">edge-1.<any><tr><td>Users not sent, or not answered<any><tr><td>Last error<td class="n id bad">Connection refused</table><any>
