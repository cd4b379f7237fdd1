# What nginx refuses never gets to the module: it works in the content phase.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

run_tests();

__DATA__

=== limit_req
--- http_config
presence_zone ZONE 1m { }
limit_req_zone $arg_as zone=ZONE-req:1m rate=1r/m;
--- config
presence_user $arg_as;
presence_view *;

location = /beat {
    limit_req zone=ZONE-req;
    limit_req_status 429;
    presence_beat ZONE;
}

location /presence/ { presence ZONE; }
--- steps
POST /beat?as=anna {"session":"tab"}
200 {"user":"anna",<any>"status":"online",<any>}

POST /beat?as=anna {"session":"tab","status":"busy"}
429 <any><h1>429 Too Many Requests</h1><any>

POST /beat?as=ben {"session":"tab"}
200

GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"online",<any>}],<any>}


=== limit_req that delays
--- http_config
presence_zone ZONE 1m { }
limit_req_zone $arg_as zone=ZONE-req:1m rate=20r/s;
--- config
location = /beat {
    limit_req zone=ZONE-req burst=5;
    presence_beat ZONE;
    presence_user $arg_as;
}
--- pipelined_requests eval
[map { "POST /beat?as=anna\r\n{\"session\":\"tab\",\"seq\":$_}" } 1 .. 3]
--- error_code eval
[200, 200, 200]
--- response_body_like eval
['"seq":1,', '"seq":2,', '"seq":3,']


=== auth_request
--- config
presence_view *;

location = /check {
    internal;

    if ($http_ticket = good) {
        return 204;
    }

    if ($http_ticket = stolen) {
        return 403;
    }

    return 401;
}

location /presence/ {
    auth_request /check;
    presence ZONE;
    presence_user $arg_as;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
Ticket: good
200 {"user":"anna",<any>}

POST /presence/beat?as=ben {"session":"tab"}
Ticket: stolen
403 <any><h1>403 Forbidden</h1><any>

POST /presence/beat?as=carl {"session":"tab"}
401 <any><h1>401 Authorization Required</h1><any>

GET /presence/stream?as=carl
401 <any><h1>401 Authorization Required</h1><any>

GET /presence/users?as=boss&include=offline
Ticket: good
200 {"members":[{"user":"anna",<~[^{}]*>}],"next":null,<any>}


=== auth_request, and a large body that comes in pieces
--- config
location = /check { internal; return 204; }

location /presence/ {
    auth_request /check;
    presence ZONE;
    presence_user $arg_as;
}
--- request eval
[["POST /presence/beat?as=anna\r\n{\"session\":\"tab\",\"more\":\"",
  { value => 'm' x 2000, delay_before => 0.05 },
  { value => 'm' x 2000, delay_before => 0.05 },
  { value => '"}', delay_before => 0.05 }]]
--- response_body_like: ^\{"user":"anna","session":"tab",


=== deny
--- config
presence_view *;

location = /denied {
    deny all;
    presence_beat ZONE;
    presence_user $arg_as;
}

location = /read-only {
    limit_except GET { deny all; }
    presence_beat ZONE;
    presence_user $arg_as;
}

location /presence/ { presence ZONE; presence_user $arg_as; }
--- steps
POST /denied?as=anna {"session":"tab"}
403 <any><h1>403 Forbidden</h1><any>

POST /read-only?as=ben {"session":"tab"}
403 <any><h1>403 Forbidden</h1><any>

GET /presence/users?as=boss&include=offline
200 {"members":[],"next":null,<any>}


=== limit_except that lets in
--- config
location /presence/ {
    limit_except GET { allow 127.0.0.0/8; deny all; }
    presence ZONE;
    presence_user $arg_as;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {"user":"anna",<any>}


=== client_max_body_size
--- config
location /presence/ {
    client_max_body_size 20;
    presence ZONE;
    presence_user $arg_as;
}
--- steps
POST /presence/beat?as=anna {"session":"tab","more":1}
413 <any><h1>413 Request Entity Too Large</h1><any>

POST /presence/beat?as=anna {"session":"tab"}
200


=== return and rewrite
--- config
presence_view *;

location /presence/ {
    if ($http_maintenance) {
        return 503;
    }

    presence ZONE;
    presence_user $arg_as;
}

location /old/ {
    rewrite ^/old/(.*)$ /presence/$1 last;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
Maintenance: yes
503 <any><h1>503 Service Temporarily Unavailable</h1><any>

POST /old/beat?as=ben {"session":"tab"}
200 {"user":"ben",<any>}

GET /presence/users?as=boss&include=offline
200 {"members":[{"user":"ben",<~[^{}]*>}],"next":null,<any>}


=== if, which makes a location within the location
--- config
presence_view *;

location /presence/ {
    presence ZONE;
    presence_user $user;

    set $user $arg_as;

    if ($arg_alias = boss) {
        set $user anna;
    }
}

location = /count {
    presence_count ZONE;
    presence_user $arg_as;
    presence_touch ZONE;

    if ($arg_alias) {
        add_header X-Alias $arg_alias;
    }
}
--- steps
POST /presence/beat?as=ben {"session":"tab"}
200 {"user":"ben",<any>}

POST /presence/beat?as=ben&alias=boss {"session":"tab"}
200 {"user":"anna",<any>}

GET /presence/other?as=ben&alias=boss
404 not-found: below this prefix there are beat, stream, users and count

GET /count?as=carl
200 {"online":2,<any>}
!X-Alias

AWAIT GET /count?as=carl
200 {"online":3,<any>}

GET /count?as=dora&alias=boss
200 {"online":3,<any>}
X-Alias: boss

AWAIT GET /count?as=carl
200 {"online":4,<any>}


=== a mirror that has read the body before
--- config
presence_view *;

location = /beat {
    mirror /copy;
    presence_beat ZONE;
    presence_user $arg_as;
}

location = /copy { internal; return 204; }
--- steps
POST /beat?as=anna {"session":"tab","seq":4}
200 {"user":"anna",<any>"seq":4,<any>}


=== nginx' headers are added to ours
--- config
location /presence/ {
    add_header X-Site one always;
    presence ZONE;
    presence_user $arg_as;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200
X-Site: one
Cache-Control: no-store

POST /presence/beat {"session":"tab"}
401
X-Site: one
WWW-Authenticate: Session realm="presence"


=== error_page leaves a problem as it is
--- config
error_page 401 403 404 405 /error.html;

location /presence/ {
    presence ZONE;
    presence_user $arg_as;
}
--- steps
POST /presence/beat {"session":"tab"}
401 unauthorized: the request is of nobody: "presence_user" is empty

GET /presence/beat?as=anna
405 method-not-allowed: see the header "Allow"

GET /presence/other?as=anna
404 not-found: below this prefix there are beat, stream, users and count


=== a stream is no subrequest
--- config
presence_user $arg_as;

location = /page {
    auth_request /presence/stream;
    root $TEST_NGINX_SERVER_ROOT/html;
    try_files /index.html =404;
}

location /presence/ { presence ZONE; presence_user anna; }
--- steps
GET /page
500 <any><h1>500 Internal Server Error</h1><any>


=== users and count may be one
--- config
location = /page {
    auth_request /presence/count;
    root $TEST_NGINX_SERVER_ROOT/html;
    try_files /index.html =404;
}

location /presence/ { presence ZONE; presence_user anna; }
--- steps
GET /page
200 <any>It works!<any>
