# presence_trace: what it keeps of beats and changes, and how it tells that.

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

location = /trace {
    presence_trace ZONE;
}
_EOC_

run_tests();

__DATA__

=== somebody unknown
--- config eval: $::locations
--- steps
GET /trace?user=nobody
200 {"user":"nobody","known":false,"status":"offline","since":null,"reason":null,"cause":null,"missed":0,"last_active":null,"last_seen":null,"last_request":null,"verdict":"is not known here<any>","policy":{"interval_ms":25000,"misses":3,"slack_ms":5000,"idle_ms":300000,"leave_grace_ms":10000,"max_interval_ms":70000,"trace":16},"deaf":[],"redis":null,"changes":[],"sessions":[],"server_time":<ms>}
Content-Type: application/json
Cache-Control: no-store


=== beats and changes
--- config eval: $::locations
--- steps
POST /presence/beat?as=anna {"session":"tab-a","doc":"d","seq":1,"visible":true,"diag":{"fired":"start"}}
200

POST /presence/beat?as=anna {"session":"tab-a","doc":"d","seq":4,"visible":false,"next_ms":60000,"diag":{"fired":"hidden","rtt_ms":40,"failed":2,"error":"network","since_ms":10,"wall_ms":10}}
200

POST /presence/beat?as=anna {"session":"tab-a","doc":"d","seq":3}
200

POST /presence/beat?as=anna {"session":"tab-a","doc":"d","seq":5,"status":"busy","leave":true}
200

GET /trace?user=anna
200 {"user":"anna","known":true,"status":"busy",<any>"changes":[{"at":<ms>,"status":"busy","reason":"manual","cause":null},{"at":<ms>,"status":"online","reason":"beat","cause":null}],"sessions":[{"key":"<~[0-9a-f]{8}>","session":"tab-a","last_seen":<ms>,"deadline":<ms>,"node":null,"leaving":true,"missed":0,"step_ms":60000,"beats":[{"at":<ms>,"gap_ms":<n>,"kind":"leave",<any>},{"at":<ms>,"gap_ms":<n>,"kind":"overtaken",<any>},{"at":<ms>,"gap_ms":<n>,"kind":"beat","visible":false,"due_ms":60416,"rtt_ms":32,"hole":2,"failed":2,"error":"network","fired":"hidden","cause":null},{"at":<ms>,"gap_ms":0,"kind":"beat","visible":true,"due_ms":25088,"rtt_ms":null,"hole":0,"failed":0,"error":null,"fired":"start","cause":null}]}],"server_time":<ms>}


=== what diag says is evidence, and never a reason to refuse a beat
--- config eval: $::locations
--- steps
POST /presence/beat?as=anna {"session":"tab-a","diag":{"fired":7,"failed":"x","error":{},"rtt_ms":-1,"wall_ms":-50,"since_ms":1.5,"drift_ms":null,"discarded":"yes","more":[]}}
200

POST /presence/beat?as=anna {"session":"tab-a","diag":{"fired":"a-word-of-tomorrow","failed":1e300,"error":"9999"}}
200

POST /presence/beat?as=anna {"session":"tab-a","diag":{"fired":"timer","failed":1,"error":"503"}}
200

POST /presence/beat?as=anna {"session":"tab-a","diag":[]}
400 invalid-field: "diag" must be an object

GET /trace?user=anna
200 <any>"beats":[{<any>"failed":1,"error":"5xx","fired":"timer",<any>},{<any>"failed":0,"error":null,"fired":"other",<any>},{<any>"rtt_ms":null,"hole":0,"failed":0,"error":null,"fired":null,<any>}]<any>


=== offline, and why: a person reads it
--- config eval: $::locations
--- zone
interval 50ms;
max_interval 50ms;
misses 3;
slack 1s;
--- steps
POST /presence/beat?as=anna {"session":"tab-a","visible":false,"diag":{"fired":"timer","failed":9,"error":"network"}}
200

AWAIT GET /presence/users?users=anna&as=admin&see=*
200 <any>"status":"offline",<any>

GET /trace?user=anna&format=text
200
| "anna" offline since <~\d\d:\d\d:\d\d>: 3 beats missed after <~\d\d:\d\d:\d\d>; the last beat said hidden and next in 50 ms; 7 or more attempts before it failed (network); cause: network, for the network did not let it through, or late; the server <~[^\n]*>
| 
| changes, the newest first
|   <~\d\d:\d\d:\d\d>  offline (missed), cause: network
|   <~\d\d:\d\d:\d\d>  online (beat)
| 
| session #<~[0-9a-f]{8}>, ended
|   <~\d\d:\d\d:\d\d>  beat, by timer, hidden, next in 50 ms, 7 or more failed (network)
Content-Type: text/plain; charset=utf-8


=== it was there all the time: the beat after says why
--- config eval: $::locations
--- zone
interval 50ms;
max_interval 50ms;
misses 3;
slack 100ms;
--- steps
POST /presence/beat?as=anna {"session":"tab-a","doc":"d","seq":1}
200

AWAIT GET /presence/users?users=anna&as=admin&see=*
200 <any>"status":"offline",<any>

POST /presence/beat?as=anna {"session":"tab-a","doc":"d","seq":2,"diag":{"fired":"resume","frozen_ms":100000,"since_ms":100000,"wall_ms":100000}}
200 <any>"recovered":{"reason":"missed",<any>

GET /trace?user=anna
Accept: text/plain, */*;q=0.1
200 "anna" <~[^\n]*>was called gone by mistake until <~\d\d:\d\d:\d\d>: frozen, for the page stood still<any>  online (recovered), cause: frozen<any>  offline (missed), cause: unknown<any>LATE: frozen, by resume<any>


=== a late beat that nobody was told gone for
--- config eval: $::locations
--- zone
interval 50ms;
max_interval 50ms;
misses 100;
slack 0;
--- steps
POST /presence/beat?as=anna {"session":"tab-a","doc":"d","seq":1}
200

AWAIT GET /presence/users?users=anna&as=admin&see=*
200 <any>"missed":<~[3-9]|\d\d>,<any>

POST /presence/beat?as=anna {"session":"tab-a","doc":"d","seq":2,"diag":{"drift_ms":60000,"hidden_ms":60000}}
200

GET /trace?user=anna
200 <any>"verdict":"online <any>the last late beat came at <any>: throttled, for the browser held its timers back"<any>"cause":"throttled"<any>


=== logout, leave
--- config eval: $::locations
--- zone
leave_grace 0;
--- steps
POST /presence/beat?as=anna {"session":"tab-a"}
200

POST /presence/beat?as=anna {"session":"tab-a","logout":true}
200

GET /trace?user=anna
200 <any>"verdict":"offline since <any>: a page said logout",<any>"changes":[{<any>"status":"offline","reason":"logout","cause":null},<any>


=== as many beats as are asked for, the newest first
--- config eval: $::locations
--- zone
trace 2;
--- steps
POST /presence/beat?as=anna {"session":"tab-a","diag":{"fired":"start"}}
200

POST /presence/beat?as=anna {"session":"tab-a","diag":{"fired":"timer"}}
200

POST /presence/beat?as=anna {"session":"tab-a","diag":{"fired":"ping"}}
200

GET /trace?user=anna
200 <any>"beats":[{<any>"fired":"ping",<~[^{]*>},{<~[^{]*>"fired":"timer",<~[^{]*>}]}],<any>


=== none
--- config eval: $::locations
--- zone
trace 0;
--- steps
POST /presence/beat?as=anna {"session":"tab-a"}
200

GET /trace?user=anna
200 {"user":"anna","known":true,"status":"online",<any>"trace":0},"deaf":[],"redis":null,"changes":[],"sessions":[{<any>"session":"tab-a",<any>"beats":[]}],<any>


=== live
--- config eval: $::locations
--- steps
POST /presence/beat?as=anna {"session":"tab-a","diag":{"fired":"start"}}
200

STREAM /trace?user=anna&follow=1
200 <~(?s)event: presence_trace\ndata: \{"user":"anna","known":true,.*"fired":"start",.*\}\n\n>
Content-Type: text/event-stream
Cache-Control: no-store, no-transform


=== what it takes
--- config eval: $::locations
--- steps
GET /trace
400 invalid-argument: "user" is the id of one user

GET /trace?user=<0xff>
400 invalid-argument: "user" is the id of one user

GET /trace?user=anna&format=xml
400 invalid-argument: "format" is json or text

POST /trace?user=anna {}
405 method-not-allowed: see the header "Allow"
Allow: GET, HEAD

GET /presence/trace?user=anna&as=anna
404 not-found: below this prefix there are beat, stream, users and count


=== too large a ring
--- zone
trace 65;
--- fails: invalid value "65" of "trace" in presence_zone "ZONE": use "trace VALUE;" with a number from 0 to 64 in http.conf:2
