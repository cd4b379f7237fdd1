# GET count: how many have which status.

use FindBin;
use lib "$FindBin::Bin/lib";
use Presence;
use Test::Nginx::Socket 'no_plan';

run_tests();

__DATA__

=== nobody
--- steps
GET /presence/count?as=boss&see=*
200 {"online":0,"away":0,"busy":0,"dnd":0,"offline":0,"server_time":<ms>}
Content-Type: application/json
Content-Length: <n>
Cache-Control: no-store

GET /presence/count?as=boss
200 {"online":0,"away":0,"busy":0,"dnd":0,"offline":0,"server_time":<ms>}

HEAD /presence/count?as=boss&see=*
200 <empty>
Content-Type: application/json


=== each status
--- steps
POST /presence/beat?as=anna&in=red,blue {"session":"tab"}
200

POST /presence/beat?as=anna&in=red,blue {"session":"other"}
200

POST /presence/beat?as=ben&in=red {"session":"tab","status":"busy"}
200

POST /presence/beat?as=carl&in=blue {"session":"tab","status":"dnd"}
200

POST /presence/beat?as=dora&in=red {"session":"tab","active_ms_ago":300000}
200

POST /presence/beat?as=emil&in=red {"session":"tab","status":"away"}
200

POST /presence/beat?as=fred&in=blue {"session":"tab","status":"invisible"}
200

POST /presence/beat?as=gina&in=red {"session":"tab"}
200

POST /presence/beat?as=gina&in=red {"session":"tab","logout":true}
200

GET /presence/count?as=boss&see=*
200 {"online":1,"away":2,"busy":1,"dnd":1,"offline":2,"server_time":<ms>}

GET /presence/count?as=boss&see=*&groups=red
200 {"online":1,"away":2,"busy":1,"dnd":0,"offline":1,"server_time":<ms>}

GET /presence/count?as=boss&see=red
200 {"online":1,"away":2,"busy":1,"dnd":0,"offline":1,"server_time":<ms>}

GET /presence/count?as=boss&see=*&groups=blue
200 {"online":1,"away":0,"busy":0,"dnd":1,"offline":1,"server_time":<ms>}

GET /presence/count?as=boss&see=red,blue
200 {"online":1,"away":2,"busy":1,"dnd":1,"offline":2,"server_time":<ms>}

GET /presence/count?as=boss&see=*&groups=blue,red,nobody
200 {"online":1,"away":2,"busy":1,"dnd":1,"offline":2,"server_time":<ms>}

GET /presence/count?as=boss&see=*&users=anna,fred,nora
200 {"online":1,"away":0,"busy":0,"dnd":0,"offline":2,"server_time":<ms>}

GET /presence/count?as=boss&see=*&groups=blue&users=ben,nora,carl
200 {"online":1,"away":0,"busy":1,"dnd":1,"offline":2,"server_time":<ms>}


=== a change of status moves one from one to the other
--- steps
POST /presence/beat?as=anna&in=red {"session":"tab"}
200

GET /presence/count?as=boss&see=red
200 {"online":1,"away":0,"busy":0,"dnd":0,"offline":0,<any>}

POST /presence/beat?as=anna&in=red {"session":"tab","status":"busy"}
200

GET /presence/count?as=boss&see=red
200 {"online":0,"away":0,"busy":1,"dnd":0,"offline":0,<any>}

POST /presence/beat?as=anna&in=red {"session":"tab","logout":true}
200

GET /presence/count?as=boss&see=red
200 {"online":0,"away":0,"busy":0,"dnd":0,"offline":1,<any>}

POST /presence/beat?as=anna&in=red {"session":"tab","status":"online"}
200

GET /presence/count?as=boss&see=red
200 {"online":1,"away":0,"busy":0,"dnd":0,"offline":0,<any>}


=== other methods
--- steps
POST /presence/count?as=boss&see=* {}
405 method-not-allowed: see the header "Allow"
Allow: GET, HEAD

PUT /presence/count?as=boss&see=* {}
405 method-not-allowed: see the header "Allow"
Allow: GET, HEAD


=== wrong arguments
--- steps
GET /presence/count?as=boss&see=*&groups=
400 invalid-argument: "groups" or "users" names nothing

GET /presence/count?as=boss&see=*&groups=<g*65>
400 invalid-argument: "groups" and "users" take at most 100 names, separated by commas, none longer than the zone's limit

GET /presence/count?as=boss&see=red&groups=red,blue
403 forbidden-view: a group in "groups" is not in the reader's view: see the directive "presence_view"
