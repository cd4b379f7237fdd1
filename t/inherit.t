# What a location gets from the levels above it.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

run_tests();

__DATA__

=== everything from http
--- http_config
presence_zone ZONE 1m { }
presence_user $arg_as;
presence_groups $arg_in;
presence_view $arg_see;
presence_origin any;
--- config
location /presence/ { presence ZONE; }
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
Sec-Fetch-Site: cross-site
200 {"user":"anna",<any>}

GET /presence/users?as=boss&see=red
200 {"members":[{"user":"anna",<any>"groups":["red"],<any>}],<any>}

GET /presence/users?as=boss&see=blue&groups=red
403 forbidden-view: a group in "groups" is not in the reader's view: see the directive "presence_view"


=== everything from server, instead of http's
--- http_config
presence_zone ZONE 1m { }
presence_user nobody;
presence_groups none;
presence_view none;
presence_origin any;
--- config
presence_user $arg_as;
presence_groups $arg_in;
presence_view $arg_see;
presence_origin https://app.example.com;

location /presence/ { presence ZONE; }
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
Sec-Fetch-Site: cross-site
Origin: https://app.example.com
200 {"user":"anna",<any>}

GET /presence/users?as=boss&see=red
200 {"members":[{"user":"anna",<any>"groups":["red"],<any>}],<any>}

GET /presence/users?as=boss&see=red
Sec-Fetch-Site: cross-site
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"


=== everything from location, instead of server's
--- config
presence_user nobody;
presence_groups none;
presence_view none;
presence_origin https://app.example.com;

location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_groups $arg_in;
    presence_view $arg_see;
    presence_origin same-origin;
}
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200 {"user":"anna",<any>}

GET /presence/users?as=boss&see=red
200 {"members":[{"user":"anna",<any>"groups":["red"],<any>}],<any>}

GET /presence/users?as=boss&see=red
Sec-Fetch-Site: cross-site
Origin: https://app.example.com
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"


=== from a location to those within it
--- config
location /team/ {
    presence_user $arg_as;
    presence_groups $arg_in;
    presence_view *;
    presence_origin any;

    location /team/a/ { presence ZONE; }

    location /team/b/ {
        presence ZONE;
        presence_view $arg_see;
        presence_origin https://app.example.com;
    }
}
--- steps
POST /team/a/beat?as=anna&in=red {"session":"tab"}
Sec-Fetch-Site: cross-site
200 {"user":"anna",<any>}

GET /team/a/count?as=boss
200 {"online":1,<any>}

GET /team/b/count?as=boss
200 {"online":0,<any>}

GET /team/b/count?as=boss&see=red
200 {"online":1,<any>}

GET /team/b/count?as=boss&see=red
Sec-Fetch-Site: cross-site
403 forbidden-origin: pages of another site may not use this: see the directive "presence_origin"


=== each of two servers has its own
--- http_config
presence_zone ZONE 1m { }
presence_view *;

server {
    listen $TEST_NGINX_SERVER_PORT;
    server_name two;

    presence_user two-$arg_as;
    location /presence/ { presence ZONE; }
}
--- config
presence_user one-$arg_as;
location /presence/ { presence ZONE; }
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {"user":"one-anna",<any>}

POST /presence/beat?as=anna {"session":"tab"}
Host: two
200 {"user":"two-anna",<any>}

GET /presence/count?as=boss
200 {"online":2,<any>}


=== the user is needed where the location is, not elsewhere
--- config
location /a/ {
    presence_user $arg_as;
}

location /b/ {
    presence ZONE;
}
--- fails
"presence" cannot know its user: add "presence_user", such as
"presence_user $remote_user;", in server.conf:6


=== presence_touch in a location is also for those within it
--- config
presence_user $arg_as;
presence_view *;

location /app/ {
    presence_touch ZONE;
    return 200 "outer";

    location /app/inner/ {
        return 200 "inner";
    }
}

location /presence/ { presence ZONE; }
--- steps
GET /app/inner/?as=anna
200 inner

AWAIT GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"online",<any>"reason":"touch",<any>}],<any>}

GET /app/?as=ben
200 outer

AWAIT GET /presence/users?as=boss&users=ben
200 {"members":[{"user":"ben","status":"online",<any>"reason":"touch",<any>}],<any>}


=== presence_touch of another zone within a location
--- http_config
presence_zone ZONE 1m { }
presence_zone ZONE-b 1m { }
--- config
presence_user $arg_as;
presence_view *;

location /app/ {
    presence_touch ZONE;

    location /app/inner/ {
        presence_touch ZONE-b;
        return 200 "inner";
    }
}

location /a/ { presence ZONE; }
location /b/ { presence ZONE-b; }
--- steps
GET /app/inner/?as=anna
200 inner

AWAIT GET /b/count?as=boss
200 {"online":1,<any>}

GET /a/count?as=boss
200 {"online":0,"away":0,"busy":0,"dnd":0,"offline":0,<any>}
