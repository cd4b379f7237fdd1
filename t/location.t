# In which locations the directives may stand, and what is wrong there.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

my $spec = '';

for my $name ('presence', 'presence_beat', 'presence_stream', 'presence_users',
              'presence_count', 'presence_touch')
{
    $spec .= <<"_EOC_";

=== $name of a zone that does not exist
--- config
location /p/ {
    presence_user \$arg_as;

    $name other;
}
--- fails
unknown presence_zone "other" in "$name" in server.conf:4

=== $name without a user
--- config
location /p/ {
    presence_groups \$arg_in;
    $name ZONE;
}
--- fails
"$name" cannot know its user: add "presence_user", such as
"presence_user \$remote_user;", in server.conf:3

=== $name without a zone
--- config
location /p/ {
    $name;
}
--- fails
invalid number of arguments in "$name" directive in server.conf:2

=== $name in a server
--- config
$name ZONE;
--- fails
"$name" directive is not allowed here in server.conf:1
_EOC_
}

for my $location ('= /p/', '~ ^/p/', '~* ^/P/', '@p', '/p') {
    $spec .= <<"_EOC_";

=== presence in location $location
--- config
presence_user \$arg_as;

location $location {
    presence ZONE;
}
--- fails
"presence" serves what is below a prefix: use it in a location such as
"location /presence/ { }" in server.conf:4
_EOC_
}

spec_string($spec . do { local $/; <DATA> });
run_tests();

__DATA__

=== presence in limit_except
--- config
presence_user $arg_as;

location /p/ {
    limit_except POST {
        presence ZONE;
    }
}
--- fails
"presence" directive is not allowed here in server.conf:5


=== presence in if
--- config
presence_user $arg_as;

location /p/ {
    if ($arg_as) {
        presence ZONE;
    }
}
--- fails
"presence" directive is not allowed here in server.conf:5


=== two directives that serve in one location
--- config
location /p/ {
    presence_user $arg_as;
    presence_beat ZONE;
    presence_stream ZONE;
}
--- fails
"presence_beat" and "presence_stream" in one location in server.conf:4


=== the drop-in and one of its parts in one location
--- config
location /p/ {
    presence_user $arg_as;
    presence ZONE;
    presence_count ZONE;
}
--- fails
"presence" and "presence_count" in one location in server.conf:4


=== the same directive twice
--- config
location /p/ {
    presence_user $arg_as;
    presence_users ZONE;
    presence_users ZONE;
}
--- fails
"presence_users" and "presence_users" in one location in server.conf:4


=== presence_touch twice
--- config
location /p/ {
    presence_user $arg_as;
    presence_touch ZONE;
    presence_touch ZONE;
}
--- fails
"presence_touch" directive is duplicate in server.conf:4


=== presence_user twice
--- config
presence_user $arg_as;
presence_user $arg_is;
--- fails
"presence_user" directive is duplicate in server.conf:2


=== presence_groups twice
--- config
presence_groups $arg_in;
presence_groups $arg_of;
--- fails
"presence_groups" directive is duplicate in server.conf:2


=== presence_view twice
--- config
presence_view $arg_in;
presence_view *;
--- fails
"presence_view" directive is duplicate in server.conf:2


=== presence_origin twice
--- config
presence_origin any;
presence_origin same-origin;
--- fails
"presence_origin" directive is duplicate in server.conf:2


=== presence_origin without a scheme
--- config
presence_origin www.example.com;
--- fails
invalid origin "www.example.com": use "same-origin", "any", or origins such as
"https://www.example.com" in server.conf:1


=== presence_origin with a path
--- config
presence_origin https://example.com https://www.example.com/;
--- fails
invalid origin "https://www.example.com/": use "same-origin", "any", or origins
such as "https://www.example.com" in server.conf:1


=== presence_origin with a longer path
--- config
presence_origin https://www.example.com/app;
--- fails
invalid origin "https://www.example.com/app": use "same-origin", "any", or
origins such as "https://www.example.com" in server.conf:1


=== presence_origin with a word among origins
--- config
presence_origin https://www.example.com any;
--- fails
invalid origin "any": use "same-origin", "any", or origins such as
"https://www.example.com" in server.conf:1


=== presence_origin without an origin
--- config
presence_origin;
--- fails
invalid number of arguments in "presence_origin" directive in server.conf:1


=== the zone can come after its use
--- http_config
server {
    listen $TEST_NGINX_SERVER_PORT;
    server_name early;

    location /presence/ {
        presence ZONE;
        presence_user $arg_as;
    }
}

presence_zone ZONE 1m { }
--- config
--- steps
POST /presence/beat?as=anna {"session":"tab"}
Host: early
200 {"user":"anna",<any>}


=== the drop-in serves what is below its prefix, and nothing else
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {"user":"anna",<any>}

STREAM /presence/stream?as=anna&see=*
200
| event: presence_state
| data: {"members":[{"user":"anna",<any>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|

GET /presence/users?as=anna&see=*
200 {"members":[{"user":"anna",<any>}],"next":null,<any>}

GET /presence/count?as=anna&see=*
200 {"online":1,<any>}

GET /presence/?as=anna
404 not-found: below this prefix there are beat, stream, users and count

POST /presence/bea?as=anna {"session":"tab"}
404 not-found: below this prefix there are beat, stream, users and count

POST /presence/beat/?as=anna {"session":"tab"}
404 not-found: below this prefix there are beat, stream, users and count

POST /presence/Beat?as=anna {"session":"tab"}
404 not-found: below this prefix there are beat, stream, users and count

GET /presence/users/anna?as=anna
404 not-found: below this prefix there are beat, stream, users and count

HEAD /presence/other?as=anna
404 <empty>
Content-Type: application/problem+json

GET /presence//users?as=anna&see=*
200 {"members":[{"user":"anna",<any>}],<any>}

GET /presence/%75sers?as=anna&see=*
200 {"members":[{"user":"anna",<any>}],<any>}

GET /presence/x/../users?as=anna&see=*
200 {"members":[{"user":"anna",<any>}],<any>}


=== the drop-in below longer and nested prefixes
--- config
presence_user $arg_as;
presence_view *;

location ^~ /api/v1/presence/ {
    presence ZONE;
}

location /a/ {
    location /a/b/ {
        presence ZONE;
    }
}
--- steps
POST /api/v1/presence/beat?as=anna {"session":"tab"}
200 {"user":"anna",<any>}

GET /a/b/count?as=anna
200 {"online":1,<any>}

GET /a/count?as=anna
404 <any><h1>404 Not Found</h1><any>


=== the drop-in of a whole host
--- http_config
presence_zone ZONE 1m { }

server {
    listen $TEST_NGINX_SERVER_PORT;
    server_name presence.test;

    location / {
        presence ZONE;
        presence_user $arg_as;
    }
}
--- config
--- steps
POST /beat?as=anna {"session":"tab"}
Host: presence.test
200 {"user":"anna",<any>}

GET /?as=anna
Host: presence.test
404 not-found: below this prefix there are beat, stream, users and count


=== locations of any kind for one part each
--- config
presence_user $arg_as;
presence_view *;

location = /here { presence_beat ZONE; }
location ~ ^/live/.*\.events$ { presence_stream ZONE; }
location /who { presence_users ZONE; }
location /number { try_files /none @number; }
location @number { presence_count ZONE; }
--- steps
POST /here?as=anna {"session":"tab"}
200 {"user":"anna",<any>}

STREAM /live/team.events?as=anna
200
| event: presence_state
| data: {"members":[{"user":"anna",<any>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|

GET /who/is/there?as=anna
200 {"members":[{"user":"anna",<any>}],<any>}

GET /number?as=anna
200 {"online":1,<any>}


=== a location within one that serves does not serve
--- config
presence_user $arg_as;

location /presence/ {
    presence ZONE;

    location /presence/static/ {
        return 200 "static";
    }

    location /presence/users {
    }
}
--- steps
GET /presence/static/users?as=anna
200 static

GET /presence/users?as=anna
404 <any><h1>404 Not Found</h1><any>
