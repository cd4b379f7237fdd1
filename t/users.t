# GET users: who is there, page by page.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

# --- pages: who is on the block's pages in all, each of them once

my @paged;

add_response_body_check(sub {
    my ($block, $body, $n) = @_;

    defined $block->pages or return;

    @paged = () if $n == 0;
    push @paged, $body =~ /"user":"([^"]*)","status"/g;

    if ($n == @{ $block->request } - 1) {
        is(CORE::join(' ', sort @paged), $block->pages,
           $block->name . ' - each user is on one page');
    }
});

run_tests();

__DATA__

=== a member
--- steps
POST /presence/beat?as=agent-7&in=agents {"session":"tab","text":"hi","meta":{"a":1}}
200

GET /presence/users?as=boss&see=*
200 {"members":[{"user":"agent-7","status":"online","since":<ms:at>,"last_active":<at>,"last_seen":<at>,"sessions":1,"missed":0,"reason":"beat","groups":["agents"],"text":"hi","meta":{"a":1}}],"next":null,"id":"<id>","server_time":<ms>}
Content-Type: application/json
Content-Length: <n>
Cache-Control: no-store

HEAD /presence/users?as=boss&see=*
200 <empty>
Content-Type: application/json
Content-Length: <n>
Cache-Control: no-store


=== nobody
--- steps
GET /presence/users?as=boss&see=*
200 {"members":[],"next":null,"id":"<id>","server_time":<ms>}

GET /presence/users?as=boss
200 {"members":[],"next":null,"id":"<id>","server_time":<ms>}


=== other methods
--- steps
POST /presence/users?as=boss&see=* {}
405 method-not-allowed: see the header "Allow"
Allow: GET, HEAD

DELETE /presence/users?as=boss&see=*
405 method-not-allowed: see the header "Allow"
Allow: GET, HEAD


=== a body is thrown away
--- pipelined_requests eval
["GET /presence/users?as=boss\r\n" . 'x' x 3000,
 "GET /presence/users?as=boss"]
--- response_body_like eval
['"members":\[\]', '"members":\[\]']


=== groups
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

POST /presence/beat?as=ben&in=red,blue {"session":"tab"}
200

POST /presence/beat?as=carl&in=blue {"session":"tab"}
200

POST /presence/beat?as=dora {"session":"tab"}
200

GET /presence/users?as=boss&see=*&groups=red
200 {"members":[{"user":"<~anna|ben>",<~[^{}]*>},{"user":"<~anna|ben>",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=*&groups=blue,red&limit=3
200 {"members":[{<~[^{}]*>},{<~[^{}]*>},{<~[^{}]*>}],"next":<any>}

GET /presence/users?as=boss&see=*&groups=nobody
200 {"members":[],"next":null,<any>}

GET /presence/users?as=boss&see=*&groups=nobody,,red
200 {"members":[{<~[^{}]*>},{<~[^{}]*>}],"next":null,<any>}


=== groups and users together, each member once
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

POST /presence/beat?as=ben&in=red,blue {"session":"tab"}
200

POST /presence/beat?as=carl&in=green {"session":"tab"}
200

GET /presence/users?as=boss&see=*&groups=red,blue&users=ben,carl,nora
200
--- pages: anna ben carl nora


=== names are percent-encoded, and a plus is a plus
--- config
location /presence/ {
    presence ZONE;
    presence_user $http_user;
    presence_groups $http_groups;
    presence_view *;
}
--- steps
POST /presence/beat {"session":"tab"}
User: a+b c
Groups: R&D/1
200

GET /presence/users?groups=R%26D%2f1
User: boss
200 {"members":[{"user":"a+b c",<any>"groups":["R&D/1"],<any>}],<any>}

GET /presence/users?users=a+b%20c
User: boss
200 {"members":[{"user":"a+b c","status":"online",<any>}],<any>}

GET /presence/users?users=a%2Bb%20c
User: boss
200 {"members":[{"user":"a+b c","status":"online",<any>}],<any>}

GET /presence/users?users=a+b+c
User: boss
200 {"members":[{"user":"a+b+c","status":"offline","since":null,<any>}],<any>}

GET /presence/users?users=a%2Cb
User: boss
200 {"members":[{"user":"a",<~[^{}]*>},{"user":"b",<~[^{}]*>}],<any>}


=== the offline
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

POST /presence/beat?as=ben&in=red {"session":"tab"}
200

POST /presence/beat?as=ben&in=red {"session":"tab","logout":true}
200

GET /presence/users?as=boss&see=red
200 {"members":[{"user":"anna",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=red&include=
200 {"members":[{"user":"anna",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=red&include=offline&status=offline
200 {"members":[{"user":"ben","status":"offline","since":<ms>,"last_active":<ms>,"last_seen":<ms>,"sessions":0,"missed":0,"reason":"logout","groups":["red"],"text":null,"meta":null}],"next":null,<any>}

GET /presence/users?as=boss&see=red&include=offline
200 {"members":[{<~[^{}]*>},{<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=red&users=ben
200 {"members":[{"user":"ben","status":"offline","since":<ms>,<any>}],"next":null,<any>}

GET /presence/users?as=boss&see=red&users=nora
200 {"members":[{"user":"nora","status":"offline","since":null,"last_active":null,"last_seen":null,"sessions":0,"missed":0,"reason":null,"groups":[],"text":null,"meta":null}],"next":null,<any>}

GET /presence/users?as=boss&see=red&include=online
400 invalid-argument: "mode" is "full" or "count", and "include" is "offline"


=== status keeps just these
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

POST /presence/beat?as=ben {"session":"tab","status":"busy"}
200

POST /presence/beat?as=carl {"session":"tab","status":"dnd"}
200

POST /presence/beat?as=dora {"session":"tab","active_ms_ago":300000}
200

POST /presence/beat?as=emil {"session":"tab","status":"invisible"}
200

GET /presence/users?as=boss&see=*&status=online
200 {"members":[{"user":"anna","status":"online",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=*&status=busy
200 {"members":[{"user":"ben","status":"busy",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=*&status=dnd
200 {"members":[{"user":"carl","status":"dnd",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=*&status=away
200 {"members":[{"user":"dora","status":"away",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=*&status=offline
200 {"members":[],"next":null,<any>}

GET /presence/users?as=boss&see=*&status=offline&include=offline
200 {"members":[{"user":"emil","status":"offline",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=*&status=offline&users=emil,anna,nora
200 {"members":[{"user":"emil",<~[^{}]*>},{"user":"nora",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=*&status=online,away,busy,dnd,offline
200 {"members":[{<~[^{}]*>},{<~[^{}]*>},{<~[^{}]*>},{<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=*&status=invisible
400 invalid-argument: "status" takes online, away, busy, dnd and offline, separated by commas

GET /presence/users?as=boss&see=*&status=Online
400 invalid-argument: "status" takes online, away, busy, dnd and offline, separated by commas

GET /presence/users?as=boss&see=*&status=online,
200 {"members":[{"user":"anna",<~[^{}]*>}],"next":null,<any>}

GET /presence/users?as=boss&see=*&status=
400 invalid-argument: "status" takes online, away, busy, dnd and offline, separated by commas


=== limit: 1 to 1000
--- steps
GET /presence/users?as=boss&see=*&limit=1
200 {"members":[],"next":null,<any>}

GET /presence/users?as=boss&see=*&limit=1000
200 {"members":[],"next":null,<any>}

GET /presence/users?as=boss&see=*&limit=0
400 invalid-argument: "limit" is from 1 to 1000

GET /presence/users?as=boss&see=*&limit=1001
400 invalid-argument: "limit" is from 1 to 1000

GET /presence/users?as=boss&see=*&limit=-1
400 invalid-argument: "limit" is from 1 to 1000

GET /presence/users?as=boss&see=*&limit=ten
400 invalid-argument: "limit" is from 1 to 1000

GET /presence/users?as=boss&see=*&limit=
400 invalid-argument: "limit" is from 1 to 1000

GET /presence/users?as=boss&see=*&limit=99999999999999999999
400 invalid-argument: "limit" is from 1 to 1000


=== cursor: of a page before, and nothing else
--- steps
GET /presence/users?as=boss&see=*&cursor=
400 invalid-argument: "cursor" is not the "next" of a page before

GET /presence/users?as=boss&see=*&cursor=2
400 invalid-argument: "cursor" is not the "next" of a page before

GET /presence/users?as=boss&see=*&cursor=0123456789abcdef
400 invalid-argument: "cursor" is not the "next" of a page before

GET /presence/users?as=boss&see=*&cursor=0123456789abcdefg123456789abcdef-1
400 invalid-argument: "cursor" is not the "next" of a page before

GET /presence/users?as=boss&see=*&cursor=x123456789abcdef0123456789abcdef-1
400 invalid-argument: "cursor" is not the "next" of a page before

GET /presence/users?as=boss&see=*&cursor=0123456789abcdef0123456789abcdef-
400 invalid-argument: "cursor" is not the "next" of a page before

GET /presence/users?as=boss&see=*&cursor=0123456789abcdef0123456789abcdef-x
400 invalid-argument: "cursor" is not the "next" of a page before

GET /presence/users?as=boss&see=*&cursor=00000000000000000000000000000000-1
400 invalid-argument: "cursor" is not the "next" of a page before


=== pages of everybody
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

POST /presence/beat?as=ben {"session":"tab"}
200

POST /presence/beat?as=carl {"session":"tab"}
200

POST /presence/beat?as=dora {"session":"tab"}
200

POST /presence/beat?as=emil {"session":"tab"}
200

GET /presence/users?as=boss&see=*&limit=2
200 {"members":[{<~[^{}]*>},{<~[^{}]*>}],"next":"<~\w{16}[\w-]+:two>","id":"<id:same>","server_time":<ms>}

GET /presence/users?as=boss&see=*&limit=2&cursor=<two>
200 {"members":[{<~[^{}]*>},{<~[^{}]*>}],"next":"<~\w{16}[\w-]+:three>","id":"<same>","server_time":<ms>}

GET /presence/users?as=boss&see=*&limit=2&cursor=<three>
200 {"members":[{<~[^{}]*>}],"next":null,"id":"<same>","server_time":<ms>}
--- pages: anna ben carl dora emil


=== pages of groups that overlap, and of names
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

POST /presence/beat?as=ben&in=red,blue {"session":"tab"}
200

POST /presence/beat?as=carl&in=blue,red {"session":"tab"}
200

POST /presence/beat?as=dora&in=blue {"session":"tab"}
200

POST /presence/beat?as=emil {"session":"tab"}
200

GET /presence/users?as=boss&see=*&groups=red,blue&users=emil,nora,ben&limit=1
200 {"members":[{<~[^{}]*>}],"next":"<~\w{16}[\w-]+:a>",<any>}

GET /presence/users?as=boss&see=*&groups=red,blue&users=emil,nora,ben&limit=1&cursor=<a>
200 {"members":[{<~[^{}]*>}],"next":"<~\w{16}[\w-]+:b>",<any>}

GET /presence/users?as=boss&see=*&groups=red,blue&users=emil,nora,ben&limit=1&cursor=<b>
200 {"members":[{<~[^{}]*>}],"next":"<~\w{16}[\w-]+:c>",<any>}

GET /presence/users?as=boss&see=*&groups=red,blue&users=emil,nora,ben&limit=1&cursor=<c>
200 {"members":[{<~[^{}]*>},{<~[^{}]*>},{<~[^{}]*>}],"next":null,<any>}
--- pages: anna ben carl dora emil nora


=== a page of 100 where no limit is given
--- config
location /many {
    presence_beat ZONE;
    presence_user $request_id;
}

location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_view *;
}
--- steps
POST /many {"session":"tab"}
200

AWAIT POST /many {"session":"tab","text":"<t*256>","meta":{"m":"<m*1000>"}}
503 zone-full: there is no room in the zone for this session or what it brings

GET /presence/users?as=boss
200 {"members":[<~(?:\{[^{}]*(?:\{[^{}]*\})?[^{}]*\},?){100,102}>],"next":"<any>",<any>}


=== the id is a stream's to go on from
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

GET /presence/users?as=boss&see=red
200 {"members":[{"user":"anna",<~[^{}]*>}],"next":null,"id":"<id:read>",<any>}

POST /presence/beat?as=ben&in=red {"session":"tab"}
200

STREAM /presence/stream?as=boss&see=red&last_event_id=<read>
200
| event: presence_diff
| data: {"changes":[{"type":"enter","member":{"user":"ben",<~[^{}]*>}}],"server_time":<ms>}
| id: <id>
|


=== wrong names
--- steps
GET /presence/users?as=boss&see=*&groups=
400 invalid-argument: "groups" or "users" names nothing

GET /presence/users?as=boss&see=*&users=,,
400 invalid-argument: "groups" or "users" names nothing

GET /presence/users?as=boss&see=*&groups=<g*64>&users=<u*128>
200 {"members":[{"user":"<u*128>",<any>}],<any>}

GET /presence/users?as=boss&see=*&groups=<g*65>
400 invalid-argument: "groups" and "users" take at most 100 names, separated by commas, none longer than the zone's limit

GET /presence/users?as=boss&see=*&users=<u*129>
400 invalid-argument: "groups" and "users" take at most 100 names, separated by commas, none longer than the zone's limit

GET /presence/users?as=boss&see=*&users=a%FF
400 invalid-argument: "groups" and "users" take at most 100 names, separated by commas, none longer than the zone's limit

GET /presence/users?as=boss&see=*&users=a%00
400 invalid-argument: "groups" and "users" take at most 100 names, separated by commas, none longer than the zone's limit


=== 100 names, and one more
--- request eval
['GET /presence/users?as=boss&see=*&users=' . CORE::join(',', 1 .. 100),
 'GET /presence/users?as=boss&see=*&users=' . CORE::join(',', 1 .. 101),
 'GET /presence/users?as=boss&see=*&groups=' . CORE::join(',', 1 .. 101)]
--- error_code eval
[200, 400, 400]
--- response_body_like eval
['^\{"members":\[(?:\{"user":"\d+",[^{}]*\},?){100}\],"next":null,',
 '"type":"urn:ngx-presence:problem:invalid-argument"',
 '"type":"urn:ngx-presence:problem:invalid-argument"']
