# GET stream: what comes first, what comes then, and how one goes on.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

run_tests();

__DATA__

=== headers, and the state first
--- steps
POST /presence/beat?as=anna&in=agents {"session":"tab","text":"hi","meta":{"a":1}}
200

STREAM /presence/stream?as=boss&see=*
200
Content-Type: text/event-stream
Cache-Control: no-store, no-transform
X-Accel-Buffering: no
!Content-Length
!Content-Encoding
| event: presence_state
| data: {"members":[{"user":"anna","status":"online","since":<ms:at>,"last_active":<at>,"last_seen":<at>,"sessions":1,"missed":0,"reason":"beat","groups":["agents"],"text":"hi","meta":{"a":1}}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|


=== nobody to see
--- steps
POST /presence/beat?as=anna&in=agents {"session":"tab"}
200

STREAM /presence/stream?as=boss
200
| event: presence_state
| data: {"members":[],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|


=== HEAD
--- steps
HEAD /presence/stream?as=boss&see=*
200 <empty>
Content-Type: text/event-stream
Cache-Control: no-store, no-transform
X-Accel-Buffering: no
!Content-Length


=== other methods
--- steps
POST /presence/stream?as=boss&see=* {}
405 method-not-allowed: see the header "Allow"
Allow: GET, HEAD

OPTIONS /presence/stream?as=boss&see=*
405 method-not-allowed: see the header "Allow"
Allow: GET, HEAD


=== what would hold events back is off
--- config
gzip on;
gzip_types text/event-stream;
gzip_min_length 1;
gzip_proxied any;
gzip_http_version 1.0;
presence_user $arg_as;
presence_view *;

location = /stream { limit_rate 1; presence_stream ZONE; }
location = /zipped { default_type text/event-stream; return 200 "zipped"; }
location /presence/ { presence ZONE; }
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

STREAM /zipped
Accept-Encoding: gzip
200
Content-Encoding: gzip

STREAM /stream?as=boss
Accept-Encoding: gzip
200
!Content-Encoding
| event: presence_state
| data: {"members":[{"user":"anna",<any>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|


=== pings, each interval, with the last id
--- zone
interval 300ms;
slack    1h;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

STREAM /presence/stream?as=boss&see=*
200
| event: presence_state
| data: {"members":[{<any>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id:last>
|
| event: ping
| data: {"server_time":<ms>}
| id: <last>
|
| event: ping
| data: {"server_time":<ms>}
| id: <last>
|
| event: ping
| data: {"server_time":<ms>}
| id: <last>
|


=== no ping before its time
--- zone
interval 1h;
--- request
GET /presence/stream?as=boss&see=* HTTP/1.0
--- timeout: 1s
--- abort
--- response_body_like chomp
\Aevent: presence_state\ndata: \{[^\n]*\}\nid: [0-9a-f]{16}-0\n\n\z


=== misses one by one, and the end
--- zone
interval 1s;
misses   3;
slack    0;
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

STREAM /presence/stream?as=boss&see=red
200
| event: presence_state
| data: {"members":[{"user":"anna","status":"online","since":<ms:came>,"last_active":<came>,"last_seen":<came>,"sessions":1,"missed":<~[01]>,<any>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| <any>event: presence_diff
| data: {"changes":[{"type":"update","member":{"user":"anna","status":"online","since":<came>,"last_active":<came>,"last_seen":<came>,"sessions":1,"missed":2,"reason":"missed","groups":["red"],"text":null,"meta":null}}],"server_time":<ms>}
| <any>event: presence_diff
| data: {"changes":[{"type":"leave","member":{"user":"anna","status":"offline","since":<ms>,"last_active":<came>,"last_seen":<came>,"sessions":0,"missed":3,"reason":"missed","groups":["red"],"text":null,"meta":null}}],"server_time":<ms>}
| id: <id>
|


=== idle, and the end of a leave
--- zone
idle        1500ms;
leave_grace 3s;
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

POST /presence/beat?as=anna&in=red {"session":"tab","leave":true}
200

STREAM /presence/stream?as=boss&see=red
200
| event: presence_state
| data: {"members":[{"user":"anna","status":"online",<any>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|
| event: presence_diff
| data: {"changes":[{"type":"update","member":{"user":"anna","status":"away",<any>"sessions":1,"missed":0,"reason":"idle",<any>}}],"server_time":<ms>}
| id: <id>
|
| event: presence_diff
| data: {"changes":[{"type":"leave","member":{"user":"anna","status":"offline",<any>"sessions":0,"missed":0,"reason":"leave",<any>}}],"server_time":<ms>}
| id: <id>
|


=== groups and users
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

POST /presence/beat?as=ben&in=blue {"session":"tab"}
200

STREAM /presence/stream?as=boss&see=*&groups=red
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|

STREAM /presence/stream?as=boss&see=*&groups=red&users=ben,nora
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>},{"user":"ben","status":"online",<~[^{}]*>},{"user":"nora","status":"offline","since":null,"last_active":null,"last_seen":null,"sessions":0,"missed":0,"reason":null,"groups":[],"text":null,"meta":null}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|

STREAM /presence/stream?as=boss&see=red&users=ben
200
| event: presence_state
| data: {"members":[{"user":"ben","status":"offline","since":null,<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|

STREAM /presence/stream?as=ben&see=red&users=ben
200
| event: presence_state
| data: {"members":[{"user":"ben","status":"online",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|


=== the offline
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

POST /presence/beat?as=anna&in=red {"session":"tab","logout":true}
200

STREAM /presence/stream?as=boss&see=red
200
| event: presence_state
| data: {"members":[],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|

STREAM /presence/stream?as=boss&see=red&include=offline
200
| event: presence_state
| data: {"members":[{"user":"anna","status":"offline","since":<ms>,"last_active":<ms>,"last_seen":<ms>,"sessions":0,"missed":0,"reason":"logout",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|

STREAM /presence/stream?as=boss&see=red&users=anna
200
| event: presence_state
| data: {"members":[{"user":"anna","status":"offline",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|


=== mode=full is the default, mode=count only counts
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

POST /presence/beat?as=ben&in=red {"session":"tab","status":"dnd"}
200

STREAM /presence/stream?as=boss&see=red&mode=full
200
| event: presence_state
| data: {"members":[{<~[^{}]*>},{<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|

STREAM /presence/stream?as=boss&see=red&mode=count
200
| event: presence_count
| data: {"online":1,"away":0,"busy":0,"dnd":1,"offline":0,"server_time":<ms>}
| id: <id>
|

STREAM /presence/stream?as=boss&see=*&mode=count&users=ben,nora
200
| event: presence_count
| data: {"online":0,"away":0,"busy":0,"dnd":1,"offline":1,"server_time":<ms>}
| id: <id>
|


=== mode=count tells each change of a count, and no miss
--- zone
interval 500ms;
misses   3;
slack    100ms;
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

STREAM /presence/stream?as=boss&see=red&mode=count
200
| event: presence_count
| data: {"online":1,"away":0,"busy":0,"dnd":0,"offline":0,"server_time":<ms>}
| id: <id><~(?:\n\nevent. ping\ndata[^\n]*\nid[^\n]*)+>
|
| event: presence_count
| data: {"online":0,"away":0,"busy":0,"dnd":0,"offline":1,"server_time":<ms>}
| id: <id>
|


=== to go on from the last id
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

STREAM /presence/stream?as=boss&see=red
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id:first>
|

POST /presence/beat?as=anna&in=red {"session":"other"}
200

POST /presence/beat?as=anna&in=red {"session":"tab","text":"one"}
200

POST /presence/beat?as=ben&in=blue {"session":"tab"}
200

POST /presence/beat?as=carl&in=red {"session":"tab"}
200

POST /presence/beat?as=anna&in=blue {"session":"tab"}
200

POST /presence/beat?as=ben&in=red {"session":"tab","status":"busy"}
200

POST /presence/beat?as=carl&in=red {"session":"tab","logout":true}
200

STREAM /presence/stream?as=boss&see=red
Last-Event-ID: <first>
200
| event: presence_diff
| data: {"changes":[{"type":"update","member":{"user":"anna",<~[^{}]*>"text":"one","meta":null}},{"type":"enter","member":{"user":"carl","status":"online",<~[^{}]*>}},{"type":"leave","member":{"user":"anna","status":"online",<~[^{}]*>"groups":["blue"],<~[^{}]*>}},{"type":"enter","member":{"user":"ben","status":"busy",<~[^{}]*>}},{"type":"leave","member":{"user":"carl","status":"offline",<~[^{}]*>"reason":"logout",<~[^{}]*>}}],"server_time":<ms>}
| id: <id:last>
|

STREAM /presence/stream?as=boss&see=red&last_event_id=<first>
200
| event: presence_diff
| data: {"changes":[{"type":"update","member":{"user":"anna",<any>}}],"server_time":<ms>}
| id: <last>
|

STREAM /presence/stream?as=boss&see=blue&last_event_id=<first>
200
| event: presence_diff
| data: {"changes":[{"type":"enter","member":{"user":"ben",<~[^{}]*>}},{"type":"enter","member":{"user":"anna",<~[^{}]*>}},{"type":"leave","member":{"user":"ben","status":"busy",<~[^{}]*>}}],"server_time":<ms>}
| id: <last>
|

STREAM /presence/stream?as=boss&see=red&last_event_id=0000000000000000-0
Last-Event-ID: <first>
200
| event: presence_diff
| data: {"changes":[{"type":"update","member":{"user":"anna",<any>}}],"server_time":<ms>}
| id: <last>
|

STREAM /presence/stream?as=boss&see=red&last_event_id=<first>&mode=count
200
| event: presence_count
| data: {"online":0,"away":0,"busy":1,"dnd":0,"offline":1,"server_time":<ms>}
| id: <last>
|


=== nothing has happened since the last id
--- zone
interval 300ms;
slack    1h;
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

GET /presence/users?as=boss&see=red
200 {<any>"id":"<id:last>",<any>}

STREAM /presence/stream?as=boss&see=red&last_event_id=<last>
200
| event: ping
| data: {"server_time":<ms>}
| id: <last>
|


=== ids that cannot be gone on from
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

GET /presence/users?as=boss&see=red
200 {<any>"id":"<~[0-9a-f]{16}:epoch>-<n:seq>",<any>}

STREAM /presence/stream?as=boss&see=red
Last-Event-ID: nonsense
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <epoch>-<seq>
|

STREAM /presence/stream?as=boss&see=red&last_event_id=
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <epoch>-<seq>
|

STREAM /presence/stream?as=boss&see=red&last_event_id=0123456789abcdef-<seq>
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <epoch>-<seq>
|

STREAM /presence/stream?as=boss&see=red&last_event_id=<epoch>-<seq>000
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <epoch>-<seq>
|

STREAM /presence/stream?as=boss&see=red&last_event_id=<epoch>-99999999999999999999
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <epoch>-<seq>
|

STREAM /presence/stream?as=boss&see=red&last_event_id=<epoch>-x&mode=count
200
| event: presence_count
| data: {"online":1,"away":0,"busy":0,"dnd":0,"offline":0,"server_time":<ms>}
| id: <epoch>-<seq>
|


=== an id of before what the ring still has, and a large state
--- http_config
presence_zone ZONE 512k { interval 1h; }
--- config
presence_view *;

location /many {
    presence_beat ZONE;
    presence_user $request_id;
}

location /presence/ { presence ZONE; presence_user $arg_as; }
--- steps
GET /presence/users?as=boss
200 {<any>"id":"<~[0-9a-f]{16}:epoch>-0",<any>}

AWAIT POST /many {"session":"tab","text":"<t*256>","meta":{"m":"<m*500>"}}
503 zone-full: there is no room in the zone for this session or what it brings

STREAM /presence/stream?as=boss&last_event_id=<epoch>-0
200
| event: presence_state
| data: {"members":[{<any>}],"more":true,"interval_ms":<n>,"server_time":<ms>}
|
| event: presence_state
| data: {"members":[<any>],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <epoch>-<n>
|


=== a bound session lives while its stream is acknowledged
--- zone
interval    300ms;
misses      4;
slack       0;
stream_life 1h;
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab","next_ms":0}
200

STREAM /presence/stream?as=anna&see=red&session=tab
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| <~(?:(?!"type":"leave").)*?(?:event. ping\ndata[^\n]*\nid[^\n]*\n\n(?:(?!"type":"leave").)*?){9}>

GET /presence/users?as=anna&see=red
200 {"members":[{"user":"anna","status":"online",<any>"sessions":1,<any>}],<any>}


=== a stream that is bound to no session keeps none alive
--- zone
interval    300ms;
misses      4;
slack       0;
stream_life 1h;
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

STREAM /presence/stream?as=anna&see=red
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| <any>{"type":"leave","member":{"user":"anna","status":"offline",<~[^{}]*>"reason":"missed",<~[^{}]*>}}],"server_time":<ms>}
| id: <id>
|


=== stream_life: for so long after the last beat a stream keeps the session
--- zone
interval    300ms;
misses      4;
slack       0;
stream_life 1500ms;
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

STREAM /presence/stream?as=anna&see=red&session=tab
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| <~(?:(?!"type":"leave").)*?(?:event. ping\n(?:(?!"type":"leave").)*?){6}>{"type":"leave","member":{"user":"anna","status":"offline",<~[^{}]*>"reason":"missed",<~[^{}]*>}}],"server_time":<ms>}
| id: <id>
|


=== stream_life 0: no stream keeps a session alive
--- zone
interval    300ms;
misses      4;
slack       0;
stream_life 0;
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

STREAM /presence/stream?as=anna&see=red&session=tab
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| <any>{"type":"leave","member":{"user":"anna","status":"offline",<~[^{}]*>"reason":"missed",<~[^{}]*>}}],"server_time":<ms>}
| id: <id>
|


=== a session of somebody else, or of nobody, can be bound and changes nothing
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

STREAM /presence/stream?as=boss&see=red&session=tab
200
| event: presence_state
| data: {"members":[{"user":"anna",<~[^{}]*>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|

GET /presence/users?as=boss&see=*&users=boss
200 {"members":[{"user":"boss","status":"offline","since":null,<~[^{}]*>}],<any>}


=== wrong arguments
--- steps
GET /presence/stream?as=boss&see=*&groups=
400 invalid-argument: "groups" or "users" names nothing

GET /presence/stream?as=boss&see=*&users=,
400 invalid-argument: "groups" or "users" names nothing

GET /presence/stream?as=boss&see=*&groups=<g*65>
400 invalid-argument: "groups" and "users" take at most 100 names, separated by commas, none longer than the zone's limit

GET /presence/stream?as=boss&see=*&mode=counts
400 invalid-argument: "mode" is "full" or "count", and "include" is "offline"

GET /presence/stream?as=boss&see=*&mode=
400 invalid-argument: "mode" is "full" or "count", and "include" is "offline"

GET /presence/stream?as=boss&see=*&include=all
400 invalid-argument: "mode" is "full" or "count", and "include" is "offline"

GET /presence/stream?as=boss&see=*&session=
400 invalid-argument: "session" is empty, or longer than "max_session_length"

GET /presence/stream?as=boss&see=*&session=<s*65>
400 invalid-argument: "session" is empty, or longer than "max_session_length"

GET /presence/stream?as=boss&see=red&groups=blue
403 forbidden-view: a group in "groups" is not in the reader's view: see the directive "presence_view"


=== a stream that its reader leaves at once
--- steps
GET /presence/count?as=boss&see=*
200

STREAM /presence/stream?as=boss&see=*
200
| event: presence_state
| <any>

STREAM /presence/stream?as=boss&see=*
200
| event: presence_state
| <any>

POST /presence/beat?as=anna {"session":"tab"}
200

GET /presence/count?as=boss&see=*
200 {"online":1,<any>}
