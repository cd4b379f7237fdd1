# presence_zone: each line with right and wrong values, and what it does.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

# line, what is asked for, wrong values, the least and the most
my @lines = (
    [ 'interval', 'time from 50ms to 1h', '49ms 3601s soon', '50ms', '1h' ],
    [ 'misses', 'number from 1 to 100', '0 101 3s', 1, 100 ],
    [ 'slack', 'time up to 1h', '3600001ms -1s', 0, '1h' ],
    [ 'idle', 'time from 50ms to 30d', '49ms 31d 1.5h', '50ms', '30d' ],
    [ 'leave_grace', 'time up to 1h', '61m never', 0, '1h' ],
    [ 'max_interval', 'time from 50ms to 1h', '49ms 2h x', '50ms', '1h' ],
    [ 'stream_life', 'time up to 30d', '31d ""', 0, '30d' ],
    [ 'retention', 'time up to 3650d', '3651d 1dd', 0, '3650d' ],
    [ 'state_interval', 'time from 50ms to 1h', '49ms 2h x', '50ms', '1h' ],
    [ 'max_sessions', 'number from 1 to 1000', '0 1001 1k', 1, 1000 ],
    [ 'max_groups', 'number from 1 to 64', '0 65 -1', 1, 64 ],
    [ 'max_user_length', 'number from 1 to 512', '0 513 1.5', 1, 512 ],
    [ 'max_session_length', 'number from 8 to 128', '7 129 x', 8, 128 ],
    [ 'max_group_length', 'number from 1 to 128', '0 129 x', 1, 128 ],
    [ 'max_text_length', 'number from 0 to 512', '513 -1', 0, 512 ],
    [ 'max_meta_length', 'number from 0 to 1024', '1025 x', 0, 1024 ],
);

my $spec = '';

for (@lines) {
    my ($name, $form, $wrong) = @$_;

    $form =~ s/^time/a time such as "25s" or "200ms"/;
    $form =~ s/^number/a number/;

    my $use = "in presence_zone \"ZONE\": use \"$name VALUE;\" with $form";

    for my $value (split / /, $wrong) {
        my $shown = $value =~ s/"//gr;

        $spec .= <<"_EOC_";

=== $name cannot be $value
--- zone
$name $value;
--- fails
invalid value "$shown" of "$name" $use in http.conf:2
_EOC_
    }

    $spec .= <<"_EOC_";

=== $name has one value, not none
--- zone
$name;
--- fails
invalid value of "$name" $use in http.conf:2

=== $name is there once only
--- zone
$name $_->[3];

$name $_->[4];
--- fails
duplicate "$name" in presence_zone "ZONE" in http.conf:4
_EOC_
}

for my $bound (3, 4) {
    my $zone = join '', map { "$_->[0] $_->[$bound];\n" } @lines;
    my $which = $bound == 3 ? 'least' : 'most';

    $spec .= <<"_EOC_";

=== all lines with the $which that they take
--- zone
$zone
--- steps
POST /presence/beat?as=a {"session":"tab"}
200
_EOC_
}

spec_string($spec . do { local $/; <DATA> });
run_tests();

__DATA__

=== an empty block has the defaults
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {<any>"interval_ms":25000,"max_interval_ms":70000,"idle_ms":300000,"deadline_ms":80000,<any>}


=== times are nginx's, and ms
--- zone
interval     250ms;
misses       4;
slack        50ms;
idle         "1m 30s";
leave_grace  150ms;
max_interval 1s;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {<any>"interval_ms":250,"max_interval_ms":1000,"idle_ms":90000,"deadline_ms":1050,<any>}

POST /presence/beat?as=anna {"session":"tab","leave":true}
200 {<any>"deadline_ms":150,<any>}


=== a number without a unit is seconds
--- zone
interval     2;
max_interval 3;
slack        1;
idle         60;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {<any>"interval_ms":2000,"max_interval_ms":3000,"idle_ms":60000,"deadline_ms":7000,<any>}


=== max_interval follows an interval that is longer than its default
--- zone
interval 2m;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {<any>"interval_ms":120000,"max_interval_ms":120000,<any>}


=== max_interval can be the interval
--- zone
interval     30s;
max_interval 30s;
--- steps
POST /presence/beat?as=anna {"session":"tab","next_ms":60000}
200 {<any>"interval_ms":30000,"max_interval_ms":30000,<any>"deadline_ms":95000,<any>}


=== max_interval cannot be shorter than the interval
--- zone
interval     30s;
max_interval 29999ms;
--- fails
"max_interval" is shorter than "interval" in presence_zone "ZONE" in http.conf:4


=== max_interval cannot be shorter than the default interval
--- zone
max_interval 24s;
--- fails
"max_interval" is shorter than "interval" in presence_zone "ZONE" in http.conf:3


=== a line that does not exist
--- zone
interval 25s;
intervall 25s;
--- fails
unknown line "intervall" in presence_zone "ZONE": it has interval, misses, slack,
idle, leave_grace, max_interval, stream_life, retention, state, state_interval,
trace, max_sessions, max_groups, max_user_length, max_session_length, max_group_length,
max_text_length, max_meta_length, redis, node, redis_password_file,
redis_ca, redis_verify, redis_certificate, redis_certificate_key, redis_sentinel_user, redis_sentinel_password_file, redis_prefix, redis_timeout, redis_connect_timeout and redis_stream_length in
http.conf:3


=== a line has no second value
--- zone
misses 3 4;
--- fails
invalid value of "misses" in presence_zone "ZONE": use "misses VALUE;"
with a number from 1 to 100 in http.conf:2


=== state needs a file
--- zone
state;
--- fails
invalid "state" in presence_zone "ZONE": use "state FILE;" with the name of a file in http.conf:2


=== state takes one file
--- zone
state one two;
--- fails
invalid "state" in presence_zone "ZONE": use "state FILE;" with the name of a file in http.conf:2


=== state takes no directory
--- zone
state logs/;
--- fails
invalid "state" in presence_zone "ZONE": use "state FILE;" with the name of a file in http.conf:2


=== state is there once only
--- zone
state logs/one;
state logs/two;
--- fails
duplicate "state" in presence_zone "ZONE" in http.conf:3


=== a zone's name is taken
--- http_config
presence_zone ZONE 1m { }
presence_zone other 1m { }
presence_zone ZONE 2m { }
--- fails
duplicate presence_zone "ZONE" in http.conf:3


=== a zone's name is taken by another module
--- http_config
limit_req_zone $binary_remote_addr zone=ZONE:1m rate=1r/s;
presence_zone ZONE 1m { }
--- fails
the shared memory zone "ZONE" is already declared for a different use in http.conf:2


=== a zone that is too small
--- http_config
presence_zone ZONE 255k { }
--- fails
invalid size "255k" of presence_zone "ZONE": use a size such as "32m", at least 256k in http.conf:1


=== a size that is none
--- http_config
presence_zone ZONE 1x { }
--- fails
invalid size "1x" of presence_zone "ZONE": use a size such as "32m", at least 256k in http.conf:1


=== a zone without a size
--- http_config
presence_zone ZONE { }
--- fails
invalid number of arguments in "presence_zone" directive in http.conf:1


=== a zone without a block
--- http_config
presence_zone ZONE 1m;
--- fails
directive "presence_zone" has no opening "{" in http.conf:1


=== a zone in a server
--- config
presence_zone ZONE 1m { }
--- fails
"presence_zone" directive is not allowed here in server.conf:1


=== the smallest zone works
--- http_config
presence_zone ZONE 256k { }
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {"user":"anna",<any>}


=== two zones know nothing of each other
--- http_config
presence_zone ZONE 1m { interval 1s; }
presence_zone ZONE-b 1m { interval 2s; }
--- config
presence_user $arg_as;
presence_view *;
location /a/ { presence ZONE; }
location /b/ { presence ZONE-b; }
--- steps
POST /a/beat?as=anna {"session":"tab"}
200 {<any>"interval_ms":1000,<any>}

POST /b/beat?as=ben {"session":"tab"}
200 {<any>"interval_ms":2000,<any>}

GET /a/users?as=boss
200 {"members":[{"user":"anna",<~[^{}]*>}],"next":null,<any>}

GET /b/users?as=boss
200 {"members":[{"user":"ben",<~[^{}]*>}],"next":null,<any>}


=== max_sessions: a further session replaces the one silent longest
--- zone
max_sessions 2;
--- steps
POST /presence/beat?as=anna {"session":"one"}
200

POST /presence/beat?as=anna {"session":"two"}
200

POST /presence/beat?as=anna {"session":"one"}
200

POST /presence/beat?as=anna {"session":"three"}
200

GET /presence/users?as=anna&users=anna
200 {"members":[{<any>"sessions":2,<any>}],<any>}

POST /presence/beat?as=anna {"session":"two","leave":true}
200 {<any>"deadline_ms":0,<any>}

POST /presence/beat?as=anna {"session":"one","leave":true}
200 {<any>"deadline_ms":10000,<any>}


=== max_user_length
--- zone
max_user_length 5;
--- steps
POST /presence/beat?as=12345 {"session":"tab"}
200

POST /presence/beat?as=123456 {"session":"tab"}
400 invalid-user: the user's id is too long, or not text in UTF-8


=== max_session_length
--- zone
max_session_length 8;
--- steps
POST /presence/beat?as=anna {"session":"12345678"}
200

POST /presence/beat?as=anna {"session":"123456789"}
400 invalid-field: "session" must be a string of letters, digits and "._~:-", not empty and not longer than "max_session_length"


=== max_text_length
--- zone
max_text_length 5;
--- steps
POST /presence/beat?as=anna {"session":"tab","text":"12345"}
200

POST /presence/beat?as=anna {"session":"tab","text":"123456"}
400 invalid-field: "text" must be null or a string of at most "max_text_length" bytes


=== max_text_length 0 leaves nothing but none
--- zone
max_text_length 0;
--- steps
POST /presence/beat?as=anna {"session":"tab","text":"a"}
400 invalid-field: "text" must be null or a string of at most "max_text_length" bytes

POST /presence/beat?as=anna {"session":"tab","text":""}
200

POST /presence/beat?as=anna {"session":"tab","text":null}
200


=== max_meta_length: as JSON without blanks
--- zone
max_meta_length 7;
--- steps
POST /presence/beat?as=anna {"session":"tab","meta":{ "a" : 1 }}
200

POST /presence/beat?as=anna {"session":"tab","meta":{"a":12}}
400 invalid-field: "meta" must be null or an object of at most "max_meta_length" bytes


=== retention: an offline user is forgotten after it
--- zone
retention 200ms;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

POST /presence/beat?as=anna {"session":"tab","logout":true}
200

AWAIT GET /presence/users?as=anna&users=anna
200 {"members":[{"user":"anna","status":"offline","since":null,"last_active":null,"last_seen":null,"sessions":0,"missed":0,"reason":null,"groups":[],"text":null,"meta":null}],<any>}

GET /presence/count?as=anna&see=*
200 {"online":0,"away":0,"busy":0,"dnd":0,"offline":0,<any>}


=== without retention only those who are there are known
--- zone
retention 0;
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200

POST /presence/beat?as=anna {"session":"tab","logout":true}
200

AWAIT GET /presence/users?as=anna&users=anna
200 {"members":[{"user":"anna","status":"offline","since":null,<any>}],<any>}
