# presence_touch: requests that are no beats, and yet signs of life.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

# a request that takes two seconds, but the first one

our $slow = <<'_EOC_';
presence_user $arg_as;
presence_view *;

location = /slow.txt {
    presence_touch ZONE;
    root $TEST_NGINX_SERVER_ROOT/html;
    mirror /wait;
}

location = /wait {
    internal;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/delayed.txt;
    proxy_ignore_client_abort on;
}

location = /delayed.txt {
    limit_req zone=ZONE-wait burst=5;
    root $TEST_NGINX_SERVER_ROOT/html;
}

location = /log { alias $TEST_NGINX_SERVER_ROOT/logs/access.log; }
location /presence/ { presence ZONE; }
_EOC_

our $files = <<'_EOC_';
>>> slow.txt
slow
>>> delayed.txt
delayed
_EOC_

run_tests();

__DATA__

=== a file
--- config
presence_user $arg_as;
presence_groups $arg_in;
presence_view *;

location /files/ {
    alias $TEST_NGINX_SERVER_ROOT/html/;
    presence_touch ZONE;
}

location /plain/ {
    alias $TEST_NGINX_SERVER_ROOT/html/;
}

location /presence/ { presence ZONE; }
--- user_files
>>> page.txt
The page.
--- steps
GET /plain/page.txt?as=ben
200 The page.<~\n>
Content-Type: text/plain
Last-Modified: <any:modified>
ETag: <any:etag>

GET /files/page.txt?as=anna&in=agents
200 The page.<~\n>
Content-Type: text/plain
Content-Length: 10
Accept-Ranges: bytes
!Cache-Control
!Set-Cookie
!X-Accel-Buffering

AWAIT GET /presence/users?as=boss
200 {"members":[{"user":"anna","status":"online","since":<ms:at>,"last_active":<at>,"last_seen":<at>,"sessions":1,"missed":0,"reason":"touch","groups":["agents"],"text":null,"meta":null}],"next":null,<any>}


=== what nginx itself answers
--- config
presence_user $arg_as;
presence_view *;

location /return { presence_touch ZONE; return 200 "here\n"; }
location /moved { presence_touch ZONE; return 302 /elsewhere; }
location /none { presence_touch ZONE; return 204; }
location /missing { presence_touch ZONE; return 404; }
location /broken { presence_touch ZONE; return 500; }

location /presence/ { presence ZONE; }
--- steps
GET /return?as=a
200 here<~\n>

HEAD /return?as=b
200 <empty>

POST /return?as=c body
200 here<~\n>

GET /moved?as=d
302
Location: http://localhost:<n>/elsewhere

GET /none?as=e
204 <empty>

GET /missing?as=f
404 <any><h1>404 Not Found</h1><any>

GET /broken?as=g
500 <any><h1>500 Internal Server Error</h1><any>

AWAIT GET /presence/count?as=boss
200 {"online":7,"away":0,"busy":0,"dnd":0,"offline":0,<any>}


=== a proxied location
--- http_config
presence_zone ZONE 1m { }

server {
    listen $TEST_NGINX_SERVER_PORT;
    server_name backend;

    location / {
        add_header X-Backend yes;
        return 200 "from the backend, $request_method $request_uri\n";
    }
}
--- config
presence_user $arg_as;
presence_view *;

location /app/ {
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/;
    proxy_set_header Host backend;
    presence_touch ZONE;
}

location /gone/ {
    proxy_pass http://127.0.0.1:1/;
    presence_touch ZONE;
}

location /presence/ { presence ZONE; }
--- steps
GET /app/orders?as=anna
200 from the backend, GET /orders?as=anna<~\n>
X-Backend: yes

POST /app/orders?as=ben some body
200 from the backend, POST /orders?as=ben<~\n>

GET /gone/?as=carl
502 <any><h1>502 Bad Gateway</h1><any>

AWAIT GET /presence/count?as=boss
200 {"online":3,<any>}


=== what the site refuses does not count
--- config
presence_user $arg_as;
presence_view *;

location /login { presence_touch ZONE; return 401; }
location /secret { presence_touch ZONE; return 403; }
location /denied { presence_touch ZONE; deny all; }

location /basic {
    presence_touch ZONE;
    auth_basic "team";
    auth_basic_user_file $TEST_NGINX_SERVER_ROOT/html/passwords;
}

location /asked { presence_touch ZONE; auth_request /check; }
location = /check { internal; return 403; }

location /named { presence_touch ZONE; error_page 403 @sorry; deny all; }
location @sorry { return 403 "sorry"; }

location /last { presence_touch ZONE; return 200 "last"; }
location /presence/ { presence ZONE; }
--- user_files
>>> passwords
anna:{PLAIN}secret
--- steps
GET /login?as=a
401

GET /secret?as=b
403

GET /denied?as=c
403

GET /basic?as=d
401

GET /asked?as=e
403

GET /named?as=f
403 sorry

GET /last?as=z
200 last

AWAIT GET /presence/users?as=boss&include=offline
200 {"members":[{"user":"z",<~[^{}]*>}],"next":null,<any>}

GET /presence/count?as=boss
200 {"online":1,"away":0,"busy":0,"dnd":0,"offline":0,<any>}


=== nobody's requests, and those of a user who cannot be, pass untouched
--- config
presence_user $arg_as;
presence_view *;

location /app { presence_touch ZONE; return 200 "app"; }
location /presence/ { presence ZONE; }
--- steps
GET /app
200 app

GET /app?as=<u*129>
200 app

GET /app?as=z
200 app

AWAIT GET /presence/users?as=boss&include=offline
200 {"members":[{"user":"z",<~[^{}]*>}],"next":null,<any>}

GET /presence/count?as=boss
200 {"online":1,"away":0,"busy":0,"dnd":0,"offline":0,<any>}


=== another site's pages do not matter: nothing is told
--- config
presence_user $arg_as;
presence_view *;

location /app { presence_touch ZONE; return 200 "app"; }
location /presence/ { presence ZONE; }
--- steps
GET /app?as=anna
Sec-Fetch-Site: cross-site
200 app


=== a request is activity, a further one is no change
--- zone
idle 2s;
--- config
presence_user $arg_as;
presence_view *;

location /app { presence_touch ZONE; return 200 "app"; }
location /presence/ { presence ZONE; }
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

AWAIT GET /presence/users?as=boss
200 {"members":[{"user":"anna","status":"away",<any>"sessions":1,<any>"reason":"idle",<any>}],<any>}

GET /app?as=anna
200 app

AWAIT GET /presence/users?as=boss
200 {"members":[{"user":"anna","status":"online",<any>"sessions":2,"missed":0,"reason":"touch",<any>}],<any>}

AWAIT GET /presence/users?as=boss
200 {"members":[{"user":"anna","status":"away",<any>"reason":"idle",<any>}],"next":null,"id":"<id:before>",<any>}

POST /presence/beat?as=anna {"session":"tab","active_ms_ago":100000}
200 {<any>"status":"away",<any>}

GET /presence/users?as=boss
200 {"members":[{"user":"anna","status":"away",<any>}],"next":null,"id":"<before>",<any>}


=== requests alone keep somebody there, and end by silence
--- zone
interval 100ms;
misses   2;
slack    0;
--- config
presence_user $arg_as;
presence_view *;

location /app { presence_touch ZONE; return 200 "app"; }
location /presence/ { presence ZONE; }
--- steps
GET /app?as=anna
200 app

AWAIT GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"offline","since":<ms>,"last_active":<ms>,"last_seen":<ms>,"sessions":0,"missed":2,"reason":"missed",<any>}],<any>}

GET /app?as=anna
200 app

AWAIT GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"offline",<any>"reason":"missed",<any>}],<any>}


=== of requests that follow each other the last one counts, soon
--- config
presence_user $arg_as;
presence_view *;

location /app { presence_touch ZONE; return 200 "app"; }
location /metrics { presence_metrics ZONE; }
location /presence/ { presence ZONE; }
--- steps
GET /app?as=anna
200 app

AWAIT GET /presence/users?as=boss
200 {"members":[{"user":"anna",<any>"since":<ms:at>,"last_active":<at>,<any>}],<any>"server_time":<~(?!\g{at})\d+>}

GET /app?as=anna
200 app

GET /metrics
200 # HELP<any>
| presence_touches_total{<any>} 2
| <any>

AWAIT GET /presence/users?as=boss
200 {"members":[{"user":"anna",<any>"since":<ms:at>,"last_active":<~(?!\g{at})\d+>,<any>}],<any>}


=== a request after the logout brings its user back at once
--- config
presence_user $arg_as;
presence_view *;

location /app { presence_touch ZONE; return 200 "app"; }
location /presence/ { presence ZONE; }
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

GET /app?as=anna
200 app

POST /presence/beat?as=anna {"session":"tab","logout":true}
200

AWAIT GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"offline","since":<ms:at>,<any>}],<any>"server_time":<~(?!\g{at})\d+>}

GET /app?as=anna
200 app

GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"online",<any>"sessions":1,<any>"reason":"touch",<any>}],<any>}


=== a request right after the last page's leave keeps its user there
--- zone
leave_grace 500ms;
--- config
presence_user $arg_as;
presence_view *;

location /app { presence_touch ZONE; return 200 "app"; }
location /presence/ { presence ZONE; }
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

GET /app?as=anna
200 app

POST /presence/beat?as=anna {"session":"tab","leave":true}
200

AWAIT GET /presence/users?as=boss
200 {"members":[{"user":"anna",<any>"last_seen":<ms:at>,<any>}],<any>"server_time":<~(?!\g{at})\d+>}

GET /app?as=anna
200 app

AWAIT GET /presence/users?as=boss
200 {"members":[{"user":"anna","status":"online",<any>"sessions":1,<any>}],<any>}


=== a request says the groups only of somebody unknown
--- config
presence_user $arg_as;
presence_groups $arg_in;
presence_view *;

location /app { presence_touch ZONE; return 200 "app"; }
location /presence/ { presence ZONE; }
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

GET /app?as=anna&in=blue
200 app

AWAIT GET /presence/users?as=boss
200 {"members":[{"user":"anna",<any>"sessions":2,<any>"groups":["red"],<any>}],<any>}


=== a request that began before the user went offline
--- http_config
presence_zone ZONE 1m { }
limit_req_zone $server_name zone=ZONE-wait:1m rate=30r/m;
--- config eval: $::slow
--- user_files eval: $::files
--- steps
STREAM /slow.txt
200 slow<~\n>

POST /presence/beat?as=anna {"session":"tab"}
200

STREAM /slow.txt?as=anna
200 slow<~\n>

POST /presence/beat?as=anna {"session":"tab","logout":true}
200

AWAIT GET /log
200 <any>"GET /slow.txt?as=anna <any>

GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"offline",<any>"sessions":0,"missed":0,"reason":"logout",<any>}],<any>}


=== a slow request counts at its end, for the time of its start
--- http_config
presence_zone ZONE 1m { }
limit_req_zone $server_name zone=ZONE-wait:1m rate=30r/m;
--- config eval: $::slow
--- user_files eval: $::files
--- steps
STREAM /slow.txt
200 slow<~\n>

STREAM /slow.txt?as=anna
200 slow<~\n>

GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"offline","since":null,<any>}],<any>}

AWAIT GET /log
200 <any>"GET /slow.txt?as=anna <any>

GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"online",<any>"reason":"touch",<any>}],<any>}


=== a request that took longer than interval x misses
--- http_config
presence_zone ZONE 1m {
    interval 200ms;
    misses   2;
    slack    1h;
}

limit_req_zone $server_name zone=ZONE-wait:1m rate=30r/m;
--- config eval: $::slow
--- user_files eval: $::files
--- steps
STREAM /slow.txt
200 slow<~\n>

STREAM /slow.txt?as=anna
200 slow<~\n>

AWAIT GET /log
200 <any>"GET /slow.txt?as=anna <any>

GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"offline","since":null,<any>}],<any>}


=== a beat brings its own session, and no recovery of the requests'
--- config
presence_user $arg_as;
presence_view *;

location /app { presence_touch ZONE; return 200 "app"; }
location /presence/ { presence ZONE; }
--- steps
GET /app?as=anna
200 app

AWAIT GET /presence/users?as=boss
200 {"members":[{"user":"anna",<any>"sessions":1,<any>}],<any>}

POST /presence/beat?as=anna {"session":"tab"}
200 {<any>"recovered":null}

GET /presence/users?as=boss
200 {"members":[{"user":"anna",<any>"sessions":2,<any>}],<any>}


=== touch in a location that serves presence
--- config
presence_user $arg_as;
presence_view *;

location /presence/ { presence ZONE; presence_touch ZONE; }
--- steps
GET /presence/count?as=anna
200 {"online":0,<any>}

AWAIT GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"online",<any>"reason":"touch",<any>}],<any>}


=== a zone that is full harms no request
--- http_config
presence_zone ZONE 256k { }
--- config
presence_view *;

location /many { presence_beat ZONE; presence_user $request_id; }
location /app { presence_touch ZONE; presence_user $arg_as; return 200 "app"; }
location /presence/ { presence ZONE; presence_user $arg_as; }
--- steps
GET /app?as=anna
200 app

AWAIT POST /many {"session":"tab","text":"<t*256>","meta":{"m":"<m*1000>"}}
503 zone-full: there is no room in the zone for this session or what it brings

GET /app?as=<b*128>
200 app

GET /app?as=<c*128>
200 app

GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"online",<any>}],<any>}
