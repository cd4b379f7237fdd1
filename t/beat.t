# POST beat: what its body may have, what it is answered, and what comes of it.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

run_tests();

__DATA__

=== the reply
--- steps
POST /presence/beat?as=agent-7 {"session":"Zk3","seq":17}
200 {"user":"agent-7","session":"Zk3","status":"online","manual":null,"until":null,"interval_ms":25000,"max_interval_ms":70000,"idle_ms":300000,"deadline_ms":80000,"server_time":<ms>,"seq":17,"recovered":null}
Content-Type: application/json
Content-Length: <n>
Cache-Control: no-store
!Preference-Applied
!Retry-After

POST /presence/beat?as=agent-7 {"session":"Zk3"}
200 {"user":"agent-7","session":"Zk3",<any>"seq":null,"recovered":null}


=== all members at once
--- steps
POST /presence/beat?as=anna&in=agents {"session":"tab","doc":"d1","seq":1,"visible":true,"active_ms_ago":0,"next_ms":25000,"status":"busy","until":4102444800000,"text":"in a call","meta":{"phone":42},"leave":false,"logout":false,"diag":{"drift_ms":3}}
200 {"user":"anna","session":"tab","status":"busy","manual":"busy","until":4102444800000,"interval_ms":25000,"max_interval_ms":70000,"idle_ms":300000,"deadline_ms":80000,"server_time":<ms>,"seq":1,"recovered":null}

GET /presence/users?as=boss&see=agents
200 {"members":[{"user":"anna","status":"busy","since":<ms>,"last_active":<ms>,"last_seen":<ms>,"sessions":1,"missed":0,"reason":"beat","groups":["agents"],"text":"in a call","meta":{"phone":42}}],"next":null,"id":"<id>","server_time":<ms>}


=== unknown members are ignored, blanks too
--- steps
POST /presence/beat?as=anna  { "more" : [ 1, {"session":7} ] , "session" : "tab" , "Seq" : "x" } 
200 {"user":"anna","session":"tab",<any>"seq":null,<any>}


=== a body that is not one JSON object
--- steps
POST /presence/beat?as=anna
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna []
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna [{"session":"tab"}]
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna "session"
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna null
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna {"session":"tab"
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna {"session":"tab"}}
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna {"session":"tab"}{"session":"tab"}
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna {'session':'tab'}
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna session=tab
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna {"session":"tab"}<0x00>
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna {"session":"tab","meta":<[*1100><]*1100>}
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna {"session":"tab","text":"\ud800"}
400 invalid-json: the body is not one JSON object

POST /presence/beat?as=anna {"session":"tab","text":"<0xff>"}
400 invalid-json: the body is not UTF-8, or has \u0000 in it

POST /presence/beat?as=anna {"session":"tab","text":"<0xed><0xa0><0x80>"}
400 invalid-json: the body is not UTF-8, or has \u0000 in it

POST /presence/beat?as=anna {"session":"tab","text":"<0xc3>"}
400 invalid-json: the body is not UTF-8, or has \u0000 in it

POST /presence/beat?as=anna {"session":"tab","text":"a\u0000b"}
400 invalid-json: the body is not UTF-8, or has \u0000 in it

GET /presence/users?as=anna&users=anna
200 {"members":[{"user":"anna","status":"offline","since":null,<any>}],<any>}


=== session is needed
--- steps
POST /presence/beat?as=anna {}
400 invalid-field: "session" is missing

POST /presence/beat?as=anna {"seq":1}
400 invalid-field: "session" is missing


=== session: 1 to 64 letters, digits and some signs
--- steps
POST /presence/beat?as=anna {"session":"a"}
200 {"user":"anna","session":"a",<any>}

POST /presence/beat?as=anna {"session":"azAZ09._~:-"}
200 {"user":"anna","session":"azAZ09._~:-",<any>}

POST /presence/beat?as=anna {"session":"<s*64>"}
200 {"user":"anna","session":"<s*64>",<any>}

POST /presence/beat?as=anna {"session":"<s*65>"}
400 invalid-field: "session" must be a string of letters, digits and "._~:-", not empty and not longer than "max_session_length"

POST /presence/beat?as=anna {"session":""}
400 invalid-field: "session" must be a string of letters, digits and "._~:-", not empty and not longer than "max_session_length"

POST /presence/beat?as=anna {"session":"a b"}
400 invalid-field: "session" must be a string of letters, digits and "._~:-", not empty and not longer than "max_session_length"

POST /presence/beat?as=anna {"session":"a/b"}
400 invalid-field: "session" must be a string of letters, digits and "._~:-", not empty and not longer than "max_session_length"

POST /presence/beat?as=anna {"session":"é"}
400 invalid-field: "session" must be a string of letters, digits and "._~:-", not empty and not longer than "max_session_length"

POST /presence/beat?as=anna {"session":1}
400 invalid-field: "session" must be a string of letters, digits and "._~:-", not empty and not longer than "max_session_length"

POST /presence/beat?as=anna {"session":null}
400 invalid-field: "session" must be a string of letters, digits and "._~:-", not empty and not longer than "max_session_length"


=== doc: at most 64 bytes
--- steps
POST /presence/beat?as=anna {"session":"tab","doc":"<d*64>"}
200

POST /presence/beat?as=anna {"session":"tab","doc":""}
200

POST /presence/beat?as=anna {"session":"tab","doc":"<d*65>"}
400 invalid-field: "doc" must be a string of at most 64 bytes

POST /presence/beat?as=anna {"session":"tab","doc":"<é*33>"}
400 invalid-field: "doc" must be a string of at most 64 bytes

POST /presence/beat?as=anna {"session":"tab","doc":7}
400 invalid-field: "doc" must be a string of at most 64 bytes

POST /presence/beat?as=anna {"session":"tab","doc":null}
400 invalid-field: "doc" must be a string of at most 64 bytes


=== seq: an integer up to 2^53 - 1
--- steps
POST /presence/beat?as=anna {"session":"tab","seq":0}
200 {<any>"seq":0,"recovered":null}

POST /presence/beat?as=anna {"session":"tab","seq":1e3}
200 {<any>"seq":1000,"recovered":null}

POST /presence/beat?as=anna {"session":"tab","seq":9007199254740991}
200 {<any>"seq":9007199254740991,"recovered":null}

POST /presence/beat?as=anna {"session":"tab","seq":9007199254740992}
400 invalid-field: "seq" must be an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","seq":1e400}
400 invalid-field: "seq" must be an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","seq":-1}
400 invalid-field: "seq" must be an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","seq":1.5}
400 invalid-field: "seq" must be an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","seq":"1"}
400 invalid-field: "seq" must be an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","seq":null}
400 invalid-field: "seq" must be an integer from 0 to 9007199254740991


=== active_ms_ago and next_ms: integers not below 0
--- steps
POST /presence/beat?as=anna {"session":"tab","active_ms_ago":0,"next_ms":0}
200

POST /presence/beat?as=anna {"session":"tab","active_ms_ago":9007199254740991,"next_ms":9007199254740991}
200

POST /presence/beat?as=anna {"session":"tab","active_ms_ago":-1}
400 invalid-field: "active_ms_ago" must be an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","active_ms_ago":0.5}
400 invalid-field: "active_ms_ago" must be an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","active_ms_ago":"0"}
400 invalid-field: "active_ms_ago" must be an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","active_ms_ago":9007199254740992}
400 invalid-field: "active_ms_ago" must be an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","next_ms":-1}
400 invalid-field: "next_ms" must be an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","next_ms":true}
400 invalid-field: "next_ms" must be an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","next_ms":9007199254740992}
400 invalid-field: "next_ms" must be an integer from 0 to 9007199254740991


=== visible, leave and logout: true or false
--- steps
POST /presence/beat?as=anna {"session":"tab","visible":"true"}
400 invalid-field: "visible" must be true or false

POST /presence/beat?as=anna {"session":"tab","visible":1}
400 invalid-field: "visible" must be true or false

POST /presence/beat?as=anna {"session":"tab","visible":null}
400 invalid-field: "visible" must be true or false

POST /presence/beat?as=anna {"session":"tab","leave":0}
400 invalid-field: "leave" must be true or false

POST /presence/beat?as=anna {"session":"tab","leave":null}
400 invalid-field: "leave" must be true or false

POST /presence/beat?as=anna {"session":"tab","logout":"yes"}
400 invalid-field: "logout" must be true or false

POST /presence/beat?as=anna {"session":"tab","logout":[]}
400 invalid-field: "logout" must be true or false


=== status: one of five words
--- steps
POST /presence/beat?as=anna {"session":"tab","status":"offline"}
400 invalid-field: "status" must be online, busy, dnd, away or invisible

POST /presence/beat?as=anna {"session":"tab","status":"Busy"}
400 invalid-field: "status" must be online, busy, dnd, away or invisible

POST /presence/beat?as=anna {"session":"tab","status":""}
400 invalid-field: "status" must be online, busy, dnd, away or invisible

POST /presence/beat?as=anna {"session":"tab","status":null}
400 invalid-field: "status" must be online, busy, dnd, away or invisible

POST /presence/beat?as=anna {"session":"tab","status":3}
400 invalid-field: "status" must be online, busy, dnd, away or invisible


=== until: an integer or null
--- steps
POST /presence/beat?as=anna {"session":"tab","status":"dnd","until":-1}
400 invalid-field: "until" must be null or an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","status":"dnd","until":"tomorrow"}
400 invalid-field: "until" must be null or an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","status":"dnd","until":9007199254740992}
400 invalid-field: "until" must be null or an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","until":false}
400 invalid-field: "until" must be null or an integer from 0 to 9007199254740991

POST /presence/beat?as=anna {"session":"tab","status":"dnd","until":9007199254740991}
200 {<any>"status":"dnd","manual":"dnd","until":9007199254740991,<any>}


=== text: at most 256 bytes
--- steps
POST /presence/beat?as=anna {"session":"tab","text":"<t*256>"}
200

GET /presence/users?as=anna&users=anna
200 {<any>"text":"<t*256>","meta":null}],<any>}

POST /presence/beat?as=anna {"session":"tab","text":"<é*128>"}
200

GET /presence/users?as=anna&users=anna
200 {<any>"text":"<é*128>","meta":null}],<any>}

POST /presence/beat?as=anna {"session":"tab","text":"<t*257>"}
400 invalid-field: "text" must be null or a string of at most "max_text_length" bytes

POST /presence/beat?as=anna {"session":"tab","text":"<é*128>t"}
400 invalid-field: "text" must be null or a string of at most "max_text_length" bytes

POST /presence/beat?as=anna {"session":"tab","text":5}
400 invalid-field: "text" must be null or a string of at most "max_text_length" bytes

POST /presence/beat?as=anna {"session":"tab","text":{}}
400 invalid-field: "text" must be null or a string of at most "max_text_length" bytes

GET /presence/users?as=anna&users=anna
200 {<any>"text":"<é*128>","meta":null}],<any>}


=== meta: an object of at most 1024 bytes
--- steps
POST /presence/beat?as=anna {"session":"tab","meta":{"m":"<m*1016>"}}
200

GET /presence/users?as=anna&users=anna
200 {<any>"text":null,"meta":{"m":"<m*1016>"}}],<any>}

POST /presence/beat?as=anna {"session":"tab","meta":{"m":"<m*1017>"}}
400 invalid-field: "meta" must be null or an object of at most "max_meta_length" bytes

POST /presence/beat?as=anna {"session":"tab","meta":[1]}
400 invalid-field: "meta" must be null or an object of at most "max_meta_length" bytes

POST /presence/beat?as=anna {"session":"tab","meta":"m"}
400 invalid-field: "meta" must be null or an object of at most "max_meta_length" bytes

POST /presence/beat?as=anna {"session":"tab","meta":{}}
200

GET /presence/users?as=anna&users=anna
200 {<any>"text":null,"meta":{}}],<any>}


=== diag: an object, and no more is made of it
--- steps
POST /presence/beat?as=anna {"session":"tab","diag":{"late":[1,2,3]}}
200

POST /presence/beat?as=anna {"session":"tab","diag":[]}
400 invalid-field: "diag" must be an object

POST /presence/beat?as=anna {"session":"tab","diag":null}
400 invalid-field: "diag" must be an object


=== text and meta stay until they are changed, and null clears them
--- steps
POST /presence/beat?as=anna {"session":"tab","text":"a \"b\" \\ \/ \n \u00e9 \ud83d\ude00","meta":{ "a" : [ 1, true , null ], "é":"\t" }}
200

POST /presence/beat?as=anna {"session":"tab"}
200

GET /presence/users?as=anna&users=anna
200 {<any>"text":"a \"b\" \\ / \n é 😀","meta":{"a":[1,true,null],"é":"\t"}}],<any>}

POST /presence/beat?as=anna {"session":"tab","text":null}
200

GET /presence/users?as=anna&users=anna
200 {<any>"text":null,"meta":{"a":[1,true,null],"é":"\t"}}],<any>}

POST /presence/beat?as=anna {"session":"other","text":"back","meta":null}
200

GET /presence/users?as=anna&users=anna
200 {<any>"text":"back","meta":null}],<any>}

POST /presence/beat?as=anna {"session":"tab","text":""}
200

GET /presence/users?as=anna&users=anna
200 {<any>"text":null,"meta":null}],<any>}


=== status, text and meta are kept, unseen, while the user is offline
--- steps
POST /presence/beat?as=anna {"session":"tab","status":"dnd","text":"t","meta":{"m":1}}
200

POST /presence/beat?as=anna {"session":"tab","logout":true}
200

GET /presence/users?as=anna&users=anna
200 {"members":[{"user":"anna","status":"offline",<any>"sessions":0,"missed":0,"reason":"logout","groups":[],"text":null,"meta":null}],<any>}

POST /presence/beat?as=anna {"session":"tab"}
200 {<any>"status":"dnd","manual":"dnd",<any>}

GET /presence/users?as=anna&users=anna
200 {"members":[{"user":"anna","status":"dnd",<any>"text":"t","meta":{"m":1}}],<any>}


=== a wrong member changes nothing at all
--- steps
POST /presence/beat?as=anna {"session":"tab","text":"new","status":"busy","seq":-1}
400 invalid-field: "seq" must be an integer from 0 to 9007199254740991

GET /presence/users?as=anna&users=anna
200 {"members":[{"user":"anna","status":"offline","since":null,<any>}],<any>}


=== the user's id as it is
--- config
location /presence/ {
    presence ZONE;
    presence_user $http_user;
}
--- steps
POST /presence/beat {"session":"tab"}
User: a"b\c <ü> 😀
200 {"user":"a\"b\\c <ü> 😀","session":"tab",<any>}

GET /presence/users?users=a%22b%5Cc%20%3C%C3%BC%3E%20%F0%9F%98%80
User: a"b\c <ü> 😀
200 {"members":[{"user":"a\"b\\c <ü> 😀","status":"online",<any>}],<any>}


=== nobody's beat
--- steps
POST /presence/beat {"session":"tab"}
401 unauthorized: the request is of nobody: "presence_user" is empty
WWW-Authenticate: Session realm="presence"

POST /presence/beat?as= {"session":"tab"}
401 unauthorized: the request is of nobody: "presence_user" is empty


=== a user's id that cannot be
--- config
location /presence/ {
    presence ZONE;
    presence_user $http_user;
}
--- steps
POST /presence/beat {"session":"tab"}
User: <u*128>
200 {"user":"<u*128>",<any>}

POST /presence/beat {"session":"tab"}
User: <u*129>
400 invalid-user: the user's id is too long, or not text in UTF-8
!WWW-Authenticate

POST /presence/beat {"session":"tab"}
User: anna<0xff>
400 invalid-user: the user's id is too long, or not text in UTF-8

POST /presence/beat {"session":"tab"}
User: an<0x09>na
400 invalid-user: the user's id is too long, or not text in UTF-8

POST /presence/beat {"session":"tab"}
User: an<0x7f>na
400 invalid-user: the user's id is too long, or not text in UTF-8


=== other methods
--- steps
GET /presence/beat?as=anna
405 method-not-allowed: see the header "Allow"
Allow: POST

HEAD /presence/beat?as=anna
405 <empty>
Allow: POST
Content-Type: application/problem+json

PUT /presence/beat?as=anna {"session":"tab"}
405 method-not-allowed: see the header "Allow"
Allow: POST

PATCH /presence/beat?as=anna {"session":"tab"}
405 method-not-allowed: see the header "Allow"
Allow: POST

DELETE /presence/beat?as=anna
405 method-not-allowed: see the header "Allow"
Allow: POST

OPTIONS /presence/beat?as=anna
405 method-not-allowed: see the header "Allow"
Allow: POST


=== content types that a beacon can send
--- steps
POST /presence/beat?as=anna {"session":"tab"}
Content-Type: application/json
200

POST /presence/beat?as=anna {"session":"tab"}
Content-Type: application/json; charset=utf-8
200

POST /presence/beat?as=anna {"session":"tab"}
Content-Type: Application/JSON;charset=UTF-8
200

POST /presence/beat?as=anna {"session":"tab"}
Content-Type: text/plain;charset=UTF-8
200

POST /presence/beat?as=anna {"session":"tab"}
Content-Type: application/x-www-form-urlencoded
200

POST /presence/beat?as=anna {"session":"tab"}
Content-Type: multipart/form-data; boundary=x
200

POST /presence/beat?as=anna {"session":"tab"}
Content-Type:
200


=== content types that no beacon sends
--- steps
POST /presence/beat?as=anna {"session":"tab"}
Content-Type: text/html
415 unsupported-media-type: send the body as application/json

POST /presence/beat?as=anna {"session":"tab"}
Content-Type: application/jsonp
415 unsupported-media-type: send the body as application/json

POST /presence/beat?as=anna {"session":"tab"}
Content-Type: application/merge-patch+json
415 unsupported-media-type: send the body as application/json

POST /presence/beat?as=anna {"session":"tab"}
Content-Type: application
415 unsupported-media-type: send the body as application/json


=== Prefer: return=minimal
--- steps
POST /presence/beat?as=anna {"session":"tab"}
Prefer: return=minimal
204 <empty>
Preference-Applied: return=minimal
Cache-Control: no-store
!Content-Type

POST /presence/beat?as=anna {"session":"tab"}
Prefer: respond-async, return=minimal; foo="bar"
204 <empty>
Preference-Applied: return=minimal

POST /presence/beat?as=anna {"session":"tab"}
Prefer: return=representation
200 {"user":"anna",<any>}
!Preference-Applied

POST /presence/beat?as=anna {"session":""}
Prefer: return=minimal
400 invalid-field: "session" must be a string of letters, digits and "._~:-", not empty and not longer than "max_session_length"

GET /presence/users?as=anna&users=anna
200 {"members":[{"user":"anna","status":"online",<any>}],<any>}


=== a body of 4096 bytes, and of one more
--- steps
POST /presence/beat?as=anna {"session":"tab","more":"<m*4069>"}
200 {"user":"anna",<any>}

POST /presence/beat?as=anna {"session":"tab","more":"<m*4070>"}
413 body-too-large: a beat has at most 4096 bytes

POST /presence/beat?as=anna {"session":"tab","more":"<m*100000>"}
413 body-too-large: a beat has at most 4096 bytes


=== a body of very many values, and a small one after it
--- steps
POST /presence/beat?as=anna {"session":"tab","more":[<1,*1500>1],"text":"all","meta":{"list":[<2,*400>2]}}
200 {"user":"anna","session":"tab",<any>}

GET /presence/users?as=anna&users=anna
200 {<any>"text":"all","meta":{"list":[<2,*400>2]}}],<any>}

POST /presence/beat?as=anna {"session":"tab","text":"few"}
200

GET /presence/users?as=anna&users=anna
200 {<any>"text":"few","meta":{"list":[<2,*400>2]}}],<any>}


=== a chunked body of 4096 bytes
--- request eval
"POST /presence/beat?as=anna\r\n"
. "10\r\n{\"session\":\"tab\"\r\nff0\r\n" . ' ' x 4079 . "}\r\n0\r\n\r\n"
--- more_headers
Transfer-Encoding: chunked
--- response_body_like: ^\{"user":"anna",


=== a chunked body of 4097 bytes
--- request eval
"POST /presence/beat?as=anna\r\n"
. "10\r\n{\"session\":\"tab\"\r\nff1\r\n" . ' ' x 4080 . "}\r\n0\r\n\r\n"
--- more_headers
Transfer-Encoding: chunked
--- error_code: 413
--- response_headers
Content-Type: application/problem+json
Cache-Control: no-store
--- response_body chomp
{"type":"urn:ngx-presence:problem:body-too-large","title":"Body too large","status":413,"detail":"a beat has at most 4096 bytes"}


=== a chunked body that nginx puts into a file
--- request eval
"POST /presence/beat?as=anna\r\n"
. "186a0\r\n{\"session\":\"tab\"}" . ' ' x 99983 . "\r\n0\r\n\r\n"
--- more_headers
Transfer-Encoding: chunked
--- error_code: 413
--- response_body chomp
{"type":"urn:ngx-presence:problem:body-too-large","title":"Body too large","status":413,"detail":"a beat has at most 4096 bytes"}


=== a body that comes in pieces
--- request eval
[["POST /presence/beat?as=anna\r\n{\"sess",
  { value => 'ion":"t', delay_before => 0.05 },
  { value => 'ab","seq":', delay_before => 0.05 },
  { value => '12}', delay_before => 0.05 }]]
--- response_body_like: ^\{"user":"anna","session":"tab",.*"seq":12,


=== a chunked body that comes in pieces
--- request eval
[["POST /presence/beat?as=anna\r\n7\r\n{\"sess",
  { value => "i\r\n", delay_before => 0.05 },
  { value => "8\r\non\":\"tab", delay_before => 0.05 },
  { value => "\r\n2\r\n\"}\r\n0\r\n\r\n", delay_before => 0.05 }]]
--- more_headers
Transfer-Encoding: chunked
--- response_body_like: ^\{"user":"anna","session":"tab",


=== a body that is larger than nginx' buffer for it
--- config
client_body_buffer_size 1k;

location /presence/ {
    presence ZONE;
    presence_user $arg_as;
}
--- steps
POST /presence/beat?as=anna {"session":"tab","more":"<m*3000>"}
200 {"user":"anna",<any>}


=== a body that nginx would put into a file
--- config
client_body_in_file_only clean;

location /presence/ {
    presence ZONE;
    presence_user $arg_as;
}
--- steps
POST /presence/beat?as=anna {"session":"tab"}
200 {"user":"anna",<any>}


=== beats on one connection, wrong ones among them
--- pipelined_requests eval
['POST /presence/beat?as=anna' . "\r\n" . '{"session":"one"}',
 'POST /presence/beat?as=anna' . "\r\n" . '{"session":""}',
 'POST /presence/beat' . "\r\n" . '{"session":"two"}',
 'POST /presence/beat?as=anna' . "\r\n" . '{"more":"' . 'm' x 5000 . '"}',
 'PUT /presence/beat?as=anna' . "\r\n" . '{"session":"three"}',
 'POST /presence/beat?as=anna' . "\r\n" . '{"session":"four"}']
--- error_code eval
[200, 400, 401, 413, 405, 200]
--- response_body_like eval
['"session":"one"', 'invalid-field', 'unauthorized', 'body-too-large',
 'method-not-allowed', '"session":"four"']


=== a status set by hand, and taken back
--- steps
POST /presence/beat?as=anna&in=g {"session":"tab","status":"busy"}
200 {<any>"status":"busy","manual":"busy","until":null,<any>}

GET /presence/users?as=boss&see=g
200 {"members":[{"user":"anna","status":"busy",<any>"reason":"beat",<any>}],<any>}

POST /presence/beat?as=anna&in=g {"session":"tab"}
200 {<any>"status":"busy","manual":"busy",<any>}

POST /presence/beat?as=anna&in=g {"session":"tab","status":"dnd"}
200 {<any>"status":"dnd","manual":"dnd",<any>}

GET /presence/users?as=boss&see=g
200 {"members":[{"user":"anna","status":"dnd",<any>"reason":"manual",<any>}],<any>}

POST /presence/beat?as=anna&in=g {"session":"tab","status":"away"}
200 {<any>"status":"away","manual":"away",<any>}

POST /presence/beat?as=anna&in=g {"session":"tab","active_ms_ago":0}
200 {<any>"status":"away","manual":"away",<any>}

POST /presence/beat?as=anna&in=g {"session":"tab","status":"online"}
200 {<any>"status":"online","manual":null,"until":null,<any>}

GET /presence/users?as=boss&see=g
200 {"members":[{"user":"anna","status":"online",<any>"reason":"manual",<any>}],<any>}


=== invisible: online to oneself, offline to everybody else
--- steps
POST /presence/beat?as=anna&in=g {"session":"tab","status":"invisible","text":"t","meta":{}}
200 {<any>"status":"invisible","manual":"invisible",<any>}

GET /presence/users?as=boss&see=g
200 {"members":[],"next":null,<any>}

GET /presence/users?as=boss&see=g&include=offline
200 {"members":[{"user":"anna","status":"offline",<any>"sessions":0,"missed":0,<any>"groups":["g"],"text":null,"meta":null}],<any>}

GET /presence/count?as=boss&see=g
200 {"online":0,"away":0,"busy":0,"dnd":0,"offline":1,<any>}

POST /presence/beat?as=anna&in=g {"session":"tab","status":"online"}
200 {<any>"status":"online","manual":null,<any>}

GET /presence/users?as=boss&see=g
200 {"members":[{"user":"anna","status":"online",<any>"sessions":1,<any>}],<any>}


=== a status until a time
--- steps
POST /presence/beat?as=anna {"session":"tab","status":"busy","until":4102444800000}
200 {<any>"status":"busy","manual":"busy","until":4102444800000,<any>}

POST /presence/beat?as=anna {"session":"tab","until":1}
200 {<any>"status":"busy","manual":"busy","until":4102444800000,<any>}

POST /presence/beat?as=anna {"session":"tab","status":"dnd"}
200 {<any>"status":"dnd","manual":"dnd","until":null,<any>}

POST /presence/beat?as=anna {"session":"tab","status":"dnd","until":null}
200 {<any>"status":"dnd","manual":"dnd","until":null,<any>}

POST /presence/beat?as=anna {"session":"tab","status":"dnd","until":1790000000000}
200 {<any>"status":"online","manual":null,"until":null,<any>}

POST /presence/beat?as=anna {"session":"tab","status":"dnd","until":0}
200 {<any>"status":"online","manual":null,"until":null,<any>}


=== the end of a status comes by itself
--- steps
POST /presence/beat?as=anna&in=g {"session":"tab"}
200

POST /presence/beat?as=anna&in=g {"session":"tab","status":"dnd","until":<now+0002500>}
200 {<any>"status":"dnd","manual":"dnd",<any>}

STREAM /presence/stream?as=boss&see=g
200
| event: presence_state
| data: {"members":[{"user":"anna","status":"dnd",<any>}],"more":false,"interval_ms":<n>,"server_time":<ms>}
| id: <id>
|
| event: presence_diff
| data: {"changes":[{"type":"update","member":{"user":"anna","status":"online",<any>"reason":"manual",<any>}}],"server_time":<ms>}
| id: <id>
|


=== next_ms and visible move the deadline
--- steps
POST /presence/beat?as=anna {"session":"tab","next_ms":30000}
200 {<any>"deadline_ms":95000,<any>}

POST /presence/beat?as=anna {"session":"tab","next_ms":25000}
200 {<any>"deadline_ms":80000,<any>}

POST /presence/beat?as=anna {"session":"tab","next_ms":1}
200 {<any>"deadline_ms":80000,<any>}

POST /presence/beat?as=anna {"session":"tab","next_ms":70000}
200 {<any>"deadline_ms":215000,<any>}

POST /presence/beat?as=anna {"session":"tab","next_ms":70001}
200 {<any>"deadline_ms":215000,<any>}

POST /presence/beat?as=anna {"session":"tab","visible":false}
200 {<any>"deadline_ms":215000,<any>}

POST /presence/beat?as=anna {"session":"tab","visible":false,"next_ms":60000}
200 {<any>"deadline_ms":185000,<any>}

POST /presence/beat?as=anna {"session":"tab","visible":true}
200 {<any>"deadline_ms":80000,<any>}


=== away after idle, and back
--- steps
POST /presence/beat?as=anna&in=g {"session":"tab","active_ms_ago":299000}
200 {<any>"status":"online","manual":null,<any>}

POST /presence/beat?as=ben&in=g {"session":"tab","active_ms_ago":300000}
200 {<any>"status":"away","manual":null,<any>}

POST /presence/beat?as=ben&in=g {"session":"other","active_ms_ago":1000}
200 {<any>"status":"online","manual":null,<any>}

GET /presence/users?as=boss&see=g&users=ben
200 {"members":[{"user":"ben","status":"online",<any>"sessions":2,"missed":0,"reason":"activity",<any>}],<any>}

POST /presence/beat?as=ben&in=g {"session":"tab","active_ms_ago":400000}
200 {<any>"status":"online","manual":null,<any>}


=== idle comes by itself
--- zone
idle 500ms;
--- steps
POST /presence/beat?as=anna&in=g {"session":"tab"}
200 {<any>"status":"online",<any>"idle_ms":500,<any>}

AWAIT GET /presence/users?as=boss&see=g
200 {"members":[{"user":"anna","status":"away",<any>"reason":"idle",<any>}],<any>}

POST /presence/beat?as=anna&in=g {"session":"tab","active_ms_ago":400000}
200 {<any>"status":"away",<any>}

POST /presence/beat?as=anna&in=g {"session":"tab"}
200 {<any>"status":"online",<any>}


=== a leave shortens the deadline, a beat takes it back
--- steps
POST /presence/beat?as=anna {"session":"tab","doc":"a","seq":1}
200 {<any>"status":"online",<any>"deadline_ms":80000,<any>}

POST /presence/beat?as=anna {"session":"tab","doc":"a","seq":2,"leave":true}
200 {<any>"status":"online",<any>"deadline_ms":10000,<any>}

POST /presence/beat?as=anna {"session":"tab","doc":"a","seq":3}
200 {<any>"deadline_ms":80000,<any>}


=== a beat that is older than the leave does not take it back
--- steps
POST /presence/beat?as=anna {"session":"tab","doc":"a","seq":1}
200 {<any>"deadline_ms":80000,<any>}

POST /presence/beat?as=anna {"session":"tab","doc":"a","seq":3,"leave":true}
200 {<any>"deadline_ms":10000,<any>}

POST /presence/beat?as=anna {"session":"tab","doc":"a","seq":2,"text":"old"}
200 {<any>"deadline_ms":<~[1-9]\d{3}|10000>,<any>}

GET /presence/users?as=anna&users=anna
200 {<any>"text":null,"meta":null}],<any>}

POST /presence/beat?as=anna {"session":"tab","doc":"b","seq":0}
200 {<any>"deadline_ms":80000,<any>}


=== a leave of another document, or an older one, changes nothing
--- steps
POST /presence/beat?as=anna {"session":"tab","doc":"b","seq":5}
200 {<any>"deadline_ms":80000,<any>}

POST /presence/beat?as=anna {"session":"tab","doc":"a","seq":9,"leave":true}
200 {<any>"status":"online",<any>"deadline_ms":<~80000|[67]\d{4}>,<any>}

POST /presence/beat?as=anna {"session":"tab","doc":"b","seq":4,"leave":true}
200 {<any>"status":"online",<any>"deadline_ms":<~80000|[67]\d{4}>,<any>}

POST /presence/beat?as=anna {"session":"other","leave":true}
200 {<any>"status":"online",<any>"deadline_ms":0,<any>}

POST /presence/beat?as=anna {"session":"tab","doc":"b","seq":5,"leave":true}
200 {<any>"status":"online",<any>"deadline_ms":10000,<any>}


=== a leave or a logout of nobody known makes nobody known
--- steps
POST /presence/beat?as=anna {"session":"tab","leave":true}
200 {"user":"anna","session":"tab","status":"offline","manual":null,"until":null,<any>"deadline_ms":0,<any>"recovered":null}

POST /presence/beat?as=anna {"session":"tab","logout":true}
200 {<any>"status":"offline",<any>"deadline_ms":0,<any>}

GET /presence/users?as=anna&users=anna
200 {"members":[{"user":"anna","status":"offline","since":null,<any>}],<any>}


=== a leave ends the session after leave_grace
--- zone
leave_grace 100ms;
--- steps
POST /presence/beat?as=anna&in=g {"session":"tab"}
200

POST /presence/beat?as=anna&in=g {"session":"tab","leave":true}
200 {<any>"status":"online",<any>"deadline_ms":100,<any>}

AWAIT GET /presence/users?as=boss&see=g&include=offline
200 {"members":[{"user":"anna","status":"offline",<any>"sessions":0,"missed":0,"reason":"leave","groups":["g"],<any>}],<any>}

POST /presence/beat?as=anna&in=g {"session":"tab"}
200 {<any>"recovered":null}


=== a logout ends all sessions at once
--- steps
POST /presence/beat?as=anna&in=g {"session":"one"}
200

POST /presence/beat?as=anna&in=g {"session":"two"}
200

POST /presence/beat?as=anna&in=g {"session":"three","logout":true}
200 {<any>"status":"offline",<any>"deadline_ms":0,<any>}

GET /presence/users?as=boss&see=g&include=offline
200 {"members":[{"user":"anna","status":"offline",<any>"sessions":0,"missed":0,"reason":"logout",<any>}],<any>}


=== a beat that was on its way does not undo a logout
--- steps
POST /presence/beat?as=anna {"session":"tab","doc":"a","seq":1}
200

POST /presence/beat?as=anna {"session":"tab","doc":"a","seq":3,"logout":true}
200 {<any>"status":"offline",<any>"deadline_ms":0,<any>}

POST /presence/beat?as=anna {"session":"tab","doc":"a","seq":2}
200 {<any>"status":"offline",<any>"deadline_ms":0,<any>"seq":2,"recovered":null}

GET /presence/users?as=anna&users=anna
200 {"members":[{"user":"anna","status":"offline",<any>"sessions":0,"missed":0,"reason":"logout",<any>}],<any>}

POST /presence/beat?as=anna {"session":"tab","doc":"b","seq":0}
200 {<any>"status":"online",<any>"deadline_ms":80000,<any>}


=== a session that was thought gone
--- zone
interval 50ms;
misses   1;
slack    0;
--- steps
POST /presence/beat?as=anna&in=g {"session":"tab"}
200 {<any>"deadline_ms":50,<any>"recovered":null}

AWAIT GET /presence/users?as=boss&see=g&include=offline
200 {"members":[{"user":"anna","status":"offline","since":<ms:gone>,<any>"sessions":0,"missed":1,"reason":"missed",<any>}],<any>}

POST /presence/beat?as=anna&in=g {"session":"other","next_ms":60000}
200 {<any>"recovered":null}

POST /presence/beat?as=anna&in=g {"session":"tab","next_ms":60000}
200 {<any>"recovered":{"reason":"missed","at":null}}

POST /presence/beat?as=anna&in=g {"session":"tab","next_ms":60000}
200 {<any>"recovered":null}


=== a session that was thought gone, and with it its user
--- zone
interval 50ms;
misses   2;
slack    0;
--- steps
POST /presence/beat?as=anna&in=g {"session":"tab"}
200 {<any>"deadline_ms":100,<any>"recovered":null}

AWAIT GET /presence/users?as=boss&see=g&include=offline
200 {"members":[{"user":"anna","status":"offline","since":<ms:gone>,<any>"missed":2,"reason":"missed",<any>}],<any>}

POST /presence/beat?as=anna&in=g {"session":"tab","next_ms":60000}
200 {<any>"recovered":{"reason":"missed","at":<gone>}}

GET /presence/users?as=boss&see=g
200 {"members":[{"user":"anna","status":"online",<any>"missed":0,"reason":"recovered",<any>}],<any>}


=== a zone that is full
--- http_config
presence_zone ZONE 256k { }
--- config
location /one {
    presence_beat ZONE;
    presence_user anna;
}

location /many {
    presence_beat ZONE;
    presence_user $request_id;
}
--- steps
POST /one {"session":"tab"}
200

AWAIT POST /many {"session":"tab","text":"<t*256>","meta":{"m":"<m*1000>"}}
503 zone-full: there is no room in the zone for this session or what it brings
Retry-After: 5

POST /one {"session":"tab"}
200 {"user":"anna",<any>"recovered":null}
