# The line "state": users are there again after a restart.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

# in a folder that stays while nginx comes and goes: the blocks need their order
no_shuffle();
run_tests();

__DATA__

=== before the restart
--- http_config
presence_zone kept 1m { state $TEST_NGINX_STATE_DIR/kept; }
--- config
location /presence/ {
    presence kept;
    presence_user $arg_as;
    presence_groups $arg_in;
    presence_view *;
}
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab","status":"busy","until":4102444800000,"text":"ü","meta":{"a":[1]}}
200

POST /presence/beat?as=ben&in=red {"session":"tab"}
200

POST /presence/beat?as=ben&in=red {"session":"tab","logout":true}
200


=== after the restart
--- http_config
presence_zone kept 1m { state $TEST_NGINX_STATE_DIR/kept; }
--- config
location /presence/ {
    presence kept;
    presence_user $arg_as;
    presence_groups $arg_in;
    presence_view *;
}
--- steps
GET /presence/users?as=boss&users=anna
200 {"members":[{"user":"anna","status":"busy","since":<ms>,"last_active":<ms>,"last_seen":<ms>,"sessions":1,"missed":0,"reason":"beat","groups":["red"],"text":"ü","meta":{"a":[1]}}],<any>}

GET /presence/users?as=boss&users=ben
200 {"members":[{"user":"ben","status":"offline","since":<ms>,"last_active":<ms>,"last_seen":<ms>,"sessions":0,"missed":0,"reason":"logout","groups":["red"],"text":null,"meta":null}],<any>}

GET /presence/count?as=boss&groups=red
200 {"online":0,"away":0,"busy":1,"dnd":0,"offline":1,<any>}

POST /presence/beat?as=anna&in=red {"session":"tab"}
200 {<any>"status":"busy","manual":"busy","until":4102444800000,<any>"recovered":null}


=== it is written now and then, and not torn
--- http_config
presence_zone ZONE 1m { state $TEST_NGINX_STATE_DIR/written; state_interval 50ms; }
--- config
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
}

location = /written { alias $TEST_NGINX_STATE_DIR/written; }
--- steps
POST /presence/beat?as=anna-of-the-file {"session":"tab"}
200

AWAIT GET /written
200 <any>anna-of-the-file<any>


=== a file that is none
--- http_config
presence_zone ZONE 1m { state $TEST_NGINX_STATE_DIR/damaged; }
--- user_files eval
[["$ENV{TEST_NGINX_STATE_DIR}/damaged", 'no state' x 1000]]
--- config
location = /beat {
    presence_beat ZONE;
    presence_user $arg_as;
}
--- request
POST /beat?as=anna
{"session":"tab"}
--- response_body_like: ^\{"user":"anna",
--- suppress_stderr
--- error_log eval
[qr/\[error\] .* presence_zone "zone\d+": state file "\S+\/damaged" is damaged or of another version, and is passed over/]


=== an empty file
--- http_config
presence_zone ZONE 1m { state $TEST_NGINX_STATE_DIR/empty; }
--- user_files eval
[["$ENV{TEST_NGINX_STATE_DIR}/empty", '']]
--- config
location = /beat {
    presence_beat ZONE;
    presence_user $arg_as;
}
--- request
POST /beat?as=anna
{"session":"tab"}
--- response_body_like: ^\{"user":"anna",
--- suppress_stderr
--- error_log eval
[qr/\[error\] .* presence_zone "zone\d+": state file "\S+\/empty" is damaged or of another version, and is passed over/]


=== a folder that is not there
--- http_config
presence_zone ZONE 1m { state $TEST_NGINX_STATE_DIR/missing/state; }
--- config
--- must_die: 1
--- suppress_stderr
--- error_log eval
[qr/\[emerg\] .* presence_zone "zone\d+": the directory "\S+\/missing\/" of its state file is not there/]


=== a file of two zones
--- http_config
presence_zone ZONE 1m { state $TEST_NGINX_STATE_DIR/shared; }
presence_zone ZONE-b 1m { state $TEST_NGINX_STATE_DIR/shared; }
--- config
--- must_die: 1
--- suppress_stderr
--- error_log eval
[qr/\[emerg\] .* "\S+\/shared"/]
