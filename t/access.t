# Who it is, whom one may see, and which sites' pages may ask: presence_user,
# presence_groups, presence_view and presence_origin.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

run_tests();

__DATA__

=== presence_user of nginx' own passwords
--- config
location /presence/ {
    auth_basic "team";
    auth_basic_user_file $TEST_NGINX_SERVER_ROOT/html/passwords;

    presence ZONE;
    presence_user $remote_user;
}
--- user_files
>>> passwords
anna:{PLAIN}secret
--- steps
POST /presence/beat {"session":"tab"}
Authorization: Basic YW5uYTpzZWNyZXQ=
200 {"user":"anna",<any>}

POST /presence/beat {"session":"tab"}
Authorization: Basic YW5uYTpndWVzc2Vk
401 <any><h1>401 Authorization Required</h1><any>
WWW-Authenticate: Basic realm="team"

POST /presence/beat {"session":"tab"}
401 <any><h1>401 Authorization Required</h1><any>
!Cache-Control


=== presence_user of a name that nobody has checked
--- config
location /presence/ {
    presence ZONE;
    presence_user $cookie_uid;
}
--- steps
POST /presence/beat {"session":"tab"}
Cookie: lang=de; uid=u-77; theme=dark
200 {"user":"u-77",<any>}

POST /presence/beat {"session":"tab"}
Cookie: lang=de
401 unauthorized: the request is of nobody: "presence_user" is empty
WWW-Authenticate: Session realm="presence"


=== presence_user of several variables
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_tenant:$arg_as;
}
--- steps
POST /presence/beat?tenant=acme&as=anna {"session":"tab"}
200 {"user":"acme:anna",<any>}


=== presence_user and presence_groups that the site's own service answers
--- http_config
presence_zone ZONE 1m { }

server {
    listen $TEST_NGINX_SERVER_PORT;
    server_name service;

    location / {
        if ($http_cookie != "ticket=t1") {
            return 401;
        }

        add_header X-User anna;
        add_header X-Groups "sales, agents";
        return 204;
    }
}
--- config
location = /check {
    internal;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/;
    proxy_set_header Host service;
    proxy_pass_request_body off;
    proxy_set_header Content-Length "";
}

location /presence/ {
    auth_request /check;
    auth_request_set $user $upstream_http_x_user;
    auth_request_set $groups $upstream_http_x_groups;

    presence ZONE;
    presence_user $user;
    presence_groups $groups;
}
--- steps
POST /presence/beat {"session":"tab"}
Cookie: ticket=t1
200 {"user":"anna",<any>}

GET /presence/users
Cookie: ticket=t1
200 {"members":[{"user":"anna",<any>"groups":["sales","agents"],<any>}],<any>}

STREAM /presence/stream?groups=sales
Cookie: ticket=t1
200
| event: presence_state
| data: {"members":[{"user":"anna",<any>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|

POST /presence/beat {"session":"tab"}
Cookie: ticket=forged
401 <any><h1>401 Authorization Required</h1><any>


=== satisfy any: an address is enough, and then it is nobody
--- config
location /presence/ {
    satisfy any;
    allow 127.0.0.1;
    deny all;
    auth_basic "team";
    auth_basic_user_file $TEST_NGINX_SERVER_ROOT/html/passwords;

    presence ZONE;
    presence_user $remote_user;
}
--- user_files
>>> passwords
anna:{PLAIN}secret
--- steps
POST /presence/beat {"session":"tab"}
Authorization: Basic YW5uYTpzZWNyZXQ=
200 {"user":"anna",<any>}

POST /presence/beat {"session":"tab"}
401 unauthorized: the request is of nobody: "presence_user" is empty
WWW-Authenticate: Session realm="presence"


=== satisfy all: an address that is denied
--- config
location /presence/ {
    deny 127.0.0.1;

    presence ZONE;
    presence_user $arg_as;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
403 <any><h1>403 Forbidden</h1><any>


=== all endpoints want to know who it is
--- steps
GET /presence/stream?see=*
401 unauthorized: the request is of nobody: "presence_user" is empty
WWW-Authenticate: Session realm="presence"

GET /presence/users?see=*
401 unauthorized: the request is of nobody: "presence_user" is empty
WWW-Authenticate: Session realm="presence"

GET /presence/count?see=*
401 unauthorized: the request is of nobody: "presence_user" is empty
WWW-Authenticate: Session realm="presence"

GET /presence/count?see=*&as=<u*129>
400 invalid-user: the user's id is too long, or not text in UTF-8

GET /presence/users?see=*&as=<u*129>
400 invalid-user: the user's id is too long, or not text in UTF-8

GET /presence/stream?see=*&as=<u*129>
400 invalid-user: the user's id is too long, or not text in UTF-8


=== presence_groups: commas, blanks, and each once
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_groups $http_groups;
    presence_view *;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
Groups: sales,agents  night, ,<0x09>on-call,sales,
200

GET /presence/users?as=anna
200 {"members":[{<any>"groups":["sales","agents","night","on-call"],<any>}],<any>}

POST /presence/beat?as=anna {"session":"tab"}
Groups: "q"\,ü
200

GET /presence/users?as=anna
200 {"members":[{<any>"groups":["\"q\"\\","ü"],<any>}],<any>}

POST /presence/beat?as=anna {"session":"tab"}
200

GET /presence/users?as=anna
200 {"members":[{<any>"groups":[],<any>}],<any>}


=== presence_groups: more than max_groups
--- zone
max_groups 3;
--- steps
POST /presence/beat?as=anna&in=a,b,c {"session":"tab"}
200

GET /presence/users?as=anna&see=*
200 {"members":[{<any>"groups":["a","b","c"],<any>}],<any>}

POST /presence/beat?as=anna&in=d,e,f,g {"session":"tab"}
200

GET /presence/users?as=anna&see=*
200 {"members":[{<any>"groups":["d","e","f"],<any>}],<any>}


=== presence_groups: one of them longer than max_group_length
--- zone
max_group_length 5;
--- steps
POST /presence/beat?as=anna&in=12345,123456,54321 {"session":"tab"}
200

GET /presence/users?as=anna&see=*
200 {"members":[{<any>"groups":["12345","54321"],<any>}],<any>}


=== presence_groups: what does not fit is logged
--- zone
max_groups 1;
max_group_length 5;
--- request
POST /presence/beat?as=anna&in=12345,1234567
{"session":"tab"}
--- error_log eval
[qr/\[warn\] .* presence: of the groups "12345,1234567" only 1 fit the limits of zone "zone\d+"/]


=== presence_groups: no text
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_groups $http_groups;
    presence_view *;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
Groups: good,b<0xff>d,b<0x7f>d
200

GET /presence/users?as=anna
200 {"members":[{<any>"groups":["good"],<any>}],<any>}


=== a change of the groups moves the user
--- steps
POST /presence/beat?as=anna&in=a,b {"session":"tab"}
200

POST /presence/beat?as=anna&in=b,c {"session":"tab"}
200

GET /presence/users?as=boss&see=a
200 {"members":[],<any>}

GET /presence/users?as=boss&see=b
200 {"members":[{"user":"anna",<any>"groups":["b","c"],<any>}],<any>}

GET /presence/count?as=boss&see=c
200 {"online":1,<any>}

GET /presence/count?as=boss&see=a
200 {"online":0,"away":0,"busy":0,"dnd":0,"offline":0,<any>}


=== without presence_view: one's own groups
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_groups $arg_in;
}
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

POST /presence/beat?as=ben&in=blue {"session":"tab"}
200

GET /presence/users?as=carl&in=red
200 {"members":[{"user":"anna",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=carl&in=red&groups=blue
403 forbidden-view: a group in "groups" is not in the reader's view: see the directive "presence_view"

GET /presence/users?as=carl
200 {"members":[],"next":null,<any>}

GET /presence/users?as=carl&in=*
200 {"members":[],"next":null,<any>}

GET /presence/count?as=carl&in=blue
200 {"online":1,<any>}

GET /presence/count?as=carl
200 {"online":0,<any>}


=== without presence_view and presence_groups: oneself alone
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

POST /presence/beat?as=ben {"session":"tab"}
200

GET /presence/users?as=anna
200 {"members":[],"next":null,<any>}

GET /presence/users?as=anna&users=anna
200 {"members":[{"user":"anna","status":"online",<any>}],<any>}

GET /presence/users?as=anna&users=ben
200 {"members":[{"user":"ben","status":"offline","since":null,"last_active":null,"last_seen":null,"sessions":0,"missed":0,"reason":null,"groups":[],"text":null,"meta":null}],<any>}

GET /presence/users?as=anna&groups=x
403 forbidden-view: a group in "groups" is not in the reader's view: see the directive "presence_view"


=== presence_view: a list of groups
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

POST /presence/beat?as=ben&in=blue,green {"session":"tab"}
200

POST /presence/beat?as=carl&in=yellow {"session":"tab"}
200

GET /presence/count?as=boss&see=red,blue
200 {"online":2,<any>}

GET /presence/users?as=boss&see=red,blue&groups=blue
200 {"members":[{"user":"ben",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=red,blue&groups=green
403 forbidden-view: a group in "groups" is not in the reader's view: see the directive "presence_view"

GET /presence/users?as=boss&see=red,blue&users=ben
200 {"members":[{"user":"ben","status":"online",<any>}],<any>}

GET /presence/users?as=boss&see=red,blue&users=carl
200 {"members":[{"user":"carl","status":"offline","since":null,<any>}],<any>}

GET /presence/stream?as=boss&see=red,blue&groups=red,yellow
403 forbidden-view: a group in "groups" is not in the reader's view: see the directive "presence_view"

GET /presence/count?as=boss&see=red,blue&groups=yellow
403 forbidden-view: a group in "groups" is not in the reader's view: see the directive "presence_view"


=== presence_view: * is everybody, those of no group too
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

POST /presence/beat?as=ben {"session":"tab"}
200

GET /presence/count?as=boss&see=*
200 {"online":2,<any>}

GET /presence/users?as=boss&see=*&groups=red
200 {"members":[{"user":"anna",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=*&groups=nothing
200 {"members":[],"next":null,<any>}

GET /presence/count?as=boss&see=red,*
200 {"online":2,<any>}

GET /presence/count?as=boss&see=**
200 {"online":0,<any>}


=== presence_origin same-origin, which is the default
--- steps
POST /presence/beat?as=anna {"session":"tab"}
Sec-Fetch-Site: same-origin
Origin: http://localhost
200

POST /presence/beat?as=anna {"session":"tab"}
Sec-Fetch-Site: none
200

POST /presence/beat?as=anna {"session":"tab"}
Sec-Fetch-Site: same-site
Origin: http://app.localhost
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

POST /presence/beat?as=anna {"session":"tab"}
Sec-Fetch-Site: cross-site
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

POST /presence/beat?as=anna {"session":"tab"}
Sec-Fetch-Site: cross-site
Origin: http://localhost
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

POST /presence/beat?as=anna {"session":"tab"}
Origin: http://localhost
200

POST /presence/beat?as=anna {"session":"tab"}
Host: example.com:8443
Origin: https://EXAMPLE.com:8443
200

POST /presence/beat?as=anna {"session":"tab"}
Host: example.com:8443
Origin: https://example.com
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

POST /presence/beat?as=anna {"session":"tab"}
Origin: http://evil.example
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

POST /presence/beat?as=anna {"session":"tab"}
Origin: http://localhost.evil.example
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

POST /presence/beat?as=anna {"session":"tab"}
Origin: null
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

POST /presence/beat?as=anna {"session":"tab"}
Origin: localhost
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

GET /presence/stream?as=anna
Sec-Fetch-Site: cross-site
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

GET /presence/users?as=anna
Sec-Fetch-Site: cross-site
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

GET /presence/count?as=anna
Sec-Fetch-Site: cross-site
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

GET /presence/count?as=anna
Sec-Fetch-Site: same-origin
200


=== presence_origin same-origin, said
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_origin same-origin;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
Origin: http://localhost
200

POST /presence/beat?as=anna {"session":"tab"}
Origin: http://evil.example
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"


=== presence_origin any
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_origin any;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
Sec-Fetch-Site: cross-site
Origin: http://evil.example
200

POST /presence/beat?as=anna {"session":"tab"}
Origin: null
200

POST /presence/beat?as=anna {"session":"tab"}
200


=== presence_origin with origins
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_origin https://app.example.com http://localhost:3000;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
Sec-Fetch-Site: cross-site
Origin: https://app.example.com
200

POST /presence/beat?as=anna {"session":"tab"}
Origin: http://localhost:3000
200

POST /presence/beat?as=anna {"session":"tab"}
Sec-Fetch-Site: same-origin
Origin: http://localhost
200

POST /presence/beat?as=anna {"session":"tab"}
Origin: http://localhost
200

POST /presence/beat?as=anna {"session":"tab"}
200

POST /presence/beat?as=anna {"session":"tab"}
Sec-Fetch-Site: cross-site
Origin: https://app.example.com.evil.example
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

POST /presence/beat?as=anna {"session":"tab"}
Sec-Fetch-Site: same-site
Origin: http://app.example.com
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

POST /presence/beat?as=anna {"session":"tab"}
Origin: http://localhost:3001
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"

POST /presence/beat?as=anna {"session":"tab"}
Sec-Fetch-Site: cross-site
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"


=== another site's pages, with the headers that browsers ask for
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_origin https://www.example.com;

    add_header Access-Control-Allow-Origin https://www.example.com always;
    add_header Access-Control-Allow-Credentials true always;
    add_header Vary Origin always;

    if ($request_method = OPTIONS) {
        add_header Access-Control-Allow-Origin https://www.example.com;
        add_header Access-Control-Allow-Credentials true;
        add_header Access-Control-Allow-Headers "Content-Type, Prefer";
        return 204;
    }
}
--- steps
OPTIONS /presence/beat
Origin: https://www.example.com
204 <empty>
Access-Control-Allow-Origin: https://www.example.com
Access-Control-Allow-Headers: Content-Type, Prefer

POST /presence/beat?as=anna {"session":"tab"}
Origin: https://www.example.com
Sec-Fetch-Site: cross-site
200
Access-Control-Allow-Origin: https://www.example.com
Access-Control-Allow-Credentials: true
Vary: Origin
Cache-Control: no-store

POST /presence/beat?as=anna {}
Origin: https://www.example.com
Sec-Fetch-Site: cross-site
400
Access-Control-Allow-Origin: https://www.example.com

STREAM /presence/stream?as=anna
Origin: https://www.example.com
Sec-Fetch-Site: cross-site
200
Access-Control-Allow-Origin: https://www.example.com
Content-Type: text/event-stream
| event: presence_state
| <any>


=== a view that comes from the groups
--- http_config
presence_zone ZONE 1m { }

map $arg_in $view {
    default                    agents;
    "~(^|[, ])admins($|[, ])"  *;
}
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_groups $arg_in;
    presence_view $view;
}
--- steps
POST /presence/beat?as=anna&in=agents {"session":"tab"}
200

POST /presence/beat?as=boss&in=admins,agents {"session":"tab"}
200

POST /presence/beat?as=guest&in=guests {"session":"tab"}
200

GET /presence/count?as=boss&in=admins,agents
200 {"online":3,<any>}

GET /presence/count?as=anna&in=agents
200 {"online":2,<any>}
