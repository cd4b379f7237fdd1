package Presence;

# What the tests t/*.t have in common.  Beside Test::Nginx's own sections, a
# block can have
#
#   --- zone
#       The lines of the block's presence_zone.  Its name is written ZONE; each
#       block has one of its own, so that none sees another's users, nor its
#       own of a run before.
#
#   --- redis
#       Lines of a fake Redis (FakeRedis.pm), whose port is written REDIS.  What
#       such a block lacks, %Presence::with_redis may have.
#
#   --- steps
#       Requests, one after the other, with what is expected; a blank line
#       between two.
#
#           POST /presence/beat?as=anna {"session":"tab"}
#           Header-Of-The-Request: value
#           200 {"user":"anna",<any>"server_time":<ms>,<any>}
#           Header-Of-The-Response: value
#           !Header-That-Must-Not-Be-There
#
#       A body of several lines is written after it, each line with "| " before
#       it.  "400 invalid-json: detail" is a whole problem document with its
#       headers.  In what is expected,
#
#           <ms>            is a time of day,
#           <n>, <id>       a number, a stream's id,
#           <any>, <empty>  anything, nothing at all,
#           <~...>          a pattern of Perl's,
#           <id:name>       is kept as "name": <name> is it from then on
#                           (<~...:name> is, too),
#
#       and in a request
#
#           <name>          is what was kept,
#           <now+0000500>   the time in 500 ms,
#           <0xff>          a byte.
#
#       <x*64> is 64 times x in both.
#
#       STREAM instead of GET reads until what is expected has come: a stream
#       has no end.  AWAIT before a method asks again until it gets what is
#       expected, for as long as that may take on a slow machine.
#
#   --- log
#       Patterns, a line each, that lines of nginx' log must match by the end of
#       the steps, or a little later.
#
#   --- fails: message in http.conf:2
#       nginx refuses to start, with this message.  http.conf is the block's
#       http_config, server.conf its config.
#
# A block without http_config has just its zone, and one without config has
# $drop_in.  In any block [alert], [emerg] and [crit] in the log are failures.

use strict;
use warnings;

use Cwd qw( abs_path );
use File::Basename qw( basename dirname );
use File::Path qw( make_path );
use File::Temp qw( tempdir );
use IO::Socket::INET;
use Time::HiRes qw( sleep time );

# Below the ports that the kernel gives to clients; streams take the next one.

sub free_port {
    for (1 .. 1000) {
        my $port = 2000 + 2 * int rand 7000;

        return $port if 2 == grep {
            IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
                                  LocalPort => $_)
        } $port, $port + 1;
    }

    die "no free port\n";
}


# Perl and nginx find what "make" built, unless the environment says otherwise.
# Each file has a place and a port of its own, so that several can run at a time.

BEGIN {
    my $build = abs_path(dirname(__FILE__) . '/../..') . '/build';
    my $nginx = "$build/debian/usr/sbin/nginx";

    push @INC, "$build/perl/usr/share/perl5";

    $ENV{PATH} .= ':/usr/sbin';
    $ENV{TEST_NGINX_BINARY} ||= -x $nginx ? $nginx : 'nginx';
    $ENV{TEST_NGINX_LOAD_MODULES} //= "$build/ngx_http_presence_module.so";
    $ENV{TEST_NGINX_SERVROOT} ||= "$build/t/" . basename($0, '.t');
    $ENV{TEST_NGINX_PORT} ||= free_port();

    $ENV{TEST_NGINX_STATE_DIR} = tempdir(CLEANUP => 1);

    make_path(dirname($ENV{TEST_NGINX_SERVROOT}));
}

use FakeRedis;
use Test::Nginx::Socket;

# how long an expected event may take to come, in seconds
my $patience = $ENV{TEST_NGINX_USE_VALGRIND} ? 60 : 20;

my $drop_in = <<'_EOC_';
location /presence/ {
    presence ZONE;
    presence_user $arg_as;
    presence_groups $arg_in;
    presence_view $arg_see;
}
_EOC_

my %known = map { $_ => 1 } qw(
    abort config error_code error_log fails http_config must_die more_headers
    log pages pipelined_requests redis request response_body
    response_body_like response_headers steps suppress_stderr timeout
    user_files zone ONLY SKIP
);

my $alarms = qr/\[(?:alert|emerg|crit)\]/;

my %classes = (
    ms => '1\d{12}',
    n => '\d+',
    id => '[0-9a-f]{16}-\d+',
    any => '.*?',
    empty => '',
);

our %with_redis;    # sections, by name

my %kept;           # by <id:name>
my @steps;          # of the block that runs
my @log;            # patterns that are to be found
my $current;        # index of its current step
my $zones = 0;

add_block_preprocessor { prepare(@_) };
add_response_body_check(\&end_step);


sub prepare {
    my ($block) = @_;

    for my $section (@{ $block->_section_order }) {
        $known{$section}
            or bail_out($block->name . ": unknown section \"$section\"");
    }

    if (defined $block->redis) {
        defined $block->$_ or $block->set_value($_ => $with_redis{$_})
            for keys %with_redis;
    }

    my $zone = 'zone' . ++$zones;
    my $lines = $block->zone // '';
    my $http = $block->http_config // "presence_zone ZONE 1m {\n$lines}\n";
    my $server = $block->config // $drop_in;
    my $fails = $block->fails;

    s/\bZONE\b/$zone/g for grep { defined } $http, $server, $fails;

    if (defined $block->redis) {
        my $redis = '127.0.0.1:' . FakeRedis::start($block->redis);

        $http =~ s/\bREDIS\b/$redis/g;
    }

    %kept = ();
    @steps = ();
    @log = split /\n/, $block->log // '';
    $current = 0;

    if (defined $fails) {
        set_failure($block, $fails, $http, $server);
        return;
    }

    $block->set_value(http_config => $http);
    $block->set_value(config => $server);
    $block->set_value(timeout => $patience) if !defined $block->timeout;

    if (defined $block->steps) {
        set_steps($block);
    }

    $block->set_value(no_error_log => [ $alarms ]) if !$block->must_die;
    $block->set_value(no_shutdown_error_log => [ $alarms ]);
}


# nginx names the file and the line: each configuration has a file of its own

sub set_failure {
    my ($block, $message, $http, $server) = @_;

    $message =~ s/\s+/ /g;
    $message =~ s/^ | $//g;
    $message =~ s/ in (http|server)\.conf:(\d+)$//
        or bail_out($block->name . ": where is it to fail?");

    my ($file, $line) = ($1, $2);
    my $dir = '$TEST_NGINX_SERVER_ROOT/html';

    $block->set_value(user_files => [ [ 'http.conf', $http ],
                                      [ 'server.conf', $server ] ]);
    $block->set_value(http_config => "include $dir/http.conf;\n");
    $block->set_value(config => "include $dir/server.conf;\n");

    $block->set_value(must_die => 1);
    $block->set_value(suppress_stderr => 1);
    $block->set_value(error_log =>
        [ qr/\[emerg\] \S+ \Q$message\E in \S+\/\Q$file\E\.conf:$line$/ ]);
    $block->set_value(no_error_log => [ qr/\[(?:alert|crit)\]/ ]);
}


sub set_steps {
    my ($block) = @_;

    @steps = map { read_step($block, $_) } split /\n\s*\n/, $block->steps;

    $block->set_value(request => [ map { [ $_->{packet} ] } @steps ]);
    $block->set_value(more_headers => [ map { $_->{headers} } @steps ]);

    expect($block);

    if (grep { $_->{stream} } @steps) {
        $block->set_value(abort => '');
    }

    if ($steps[0]{await}) {
        bail_out($block->name . ": nothing to await at first");
    }

    fill_in($steps[0]);
}


sub read_step {
    my ($block, $text) = @_;

    my %step = ( headers => '', expected => '', body => '' );
    my ($verb, $url, $content, $status);

    for my $line (split /\n/, $text) {

        if (!defined $verb) {
            $step{await} = $line =~ s/^AWAIT //;
            ($verb, $url, $content) = split / /, $line, 3;

        } elsif (!defined $status) {

            if ($line =~ /^(\d{3})(?: (.*))?$/) {
                ($status, $step{body}) = ($1, $2 // '<any>');

            } else {
                $step{headers} .= widen($line) . "\n";
            }

        } elsif ($line =~ /^\|(?: (.*))?$/) {
            $step{body} = '' if $step{body} eq '<any>';
            $step{body} .= ($1 // '') . "\n";

        } else {
            $step{expected} .= "$line\n";
        }
    }

    defined $status
        or bail_out($block->name . ": no status is expected of \"$text\"");

    if ($step{body} =~ /^([a-z-]+): (.*)$/) {
        set_problem(\%step, $status, $1, $2);
    }

    $step{stream} = $verb eq 'STREAM';

    my ($method, $version)
        = $step{stream} ? ('GET', 'HTTP/1.0') : ($verb, 'HTTP/1.1');

    # a packet in a hash is sent as it is by then: see end_step()

    $step{status} = $status;
    $step{packet}
        = { value => widen("$method $url $version\n" . ($content // '')) };

    return \%step;
}


sub set_problem {
    my ($step, $status, $type, $detail) = @_;

    my $title = ucfirst $type;

    $title =~ tr/-/ /;
    $title =~ s/json/JSON/;
    $detail =~ s/(["\\])/\\$1/g;

    $step->{body} = '{"type":"urn:ngx-presence:problem:' . $type . '",'
                    . '"title":"' . $title . '","status":' . $status . ','
                    . '"detail":"' . $detail . '"}';
    $step->{expected} .= "Content-Type: application/problem+json\n"
                         . "Cache-Control: no-store\n";
}


sub widen {
    my ($text) = @_;

    $text =~ s/<([^<>]+)\*(\d+)>/$1 x $2/ge;
    $text =~ s/<0x(..)>/chr hex $1/ge;

    return $text;
}


# what is expected, as far as it is known yet, as patterns

sub expect {
    my ($block) = @_;

    for my $step (@steps) {
        my $headers = '';

        for my $line (split /\n/, $step->{expected}) {
            my $absent = $line =~ s/^!//;
            my ($name, $value) = split /: /, $line, 2;

            $headers .= $absent ? "(?!.*^(?i:\Q$name\E):)"
                                : "(?=.*^(?i:\Q$name\E): "
                                  . pattern($value) . "\\r\$)";
        }

        $step->{header_pattern} = "(?m)\\A$headers";
        $step->{body_pattern} = '\A' . pattern($step->{body}) . '\z';
    }

    $block->set_value(error_code => [ map { $_->{status} } @steps ]);
    $block->set_value(response_body_like =>
                      [ map { $_->{body_pattern} } @steps ]);
    $block->set_value(raw_response_headers_like =>
                      [ map { $_->{header_pattern} } @steps ]);
}


sub pattern {
    my ($text) = @_;

    my $pattern = '';
    my %here;

    for my $part (split /(<~.*?>|<[^<>]+>)/, widen($text)) {

        if ($part =~ /^<~(.*?)(?::([a-z]+))?>$/) {
            $pattern .= defined $2 ? "(?<$2>$1)" : "(?:$1)";
            next;
        }

        if ($part !~ /^<(\w+)(?::(\w+))?>$/) {
            $pattern .= quotemeta $part;
            next;
        }

        my ($class, $name) = ($1, $2);

        if (defined $name) {
            $pattern .= "(?<$name>$classes{$class})";
            $here{$name} = 1;

        } elsif ($here{$class}) {
            $pattern .= "\\k<$class>";

        } else {
            $pattern .= $classes{$class} // quotemeta($kept{$class} // $part);
        }
    }

    return $pattern;
}


# Test::Nginx calls this when it has checked a response: what is kept of it goes
# into the steps that follow

sub end_step {
    my ($block, $body) = @_;

    @steps or return;

    my $step = $steps[$current++];

    if (defined $body && $body =~ /$step->{body_pattern}/s) {
        %kept = (%kept, %+);
    }

    expect($block);

    my $next = $steps[$current];

    if (!$next) {
        end_log($block->name);
        return;
    }

    fill_in($next);

    if ($next->{await}) {
        await($next);
    }
}


sub end_log {
    my ($name) = @_;

    my $file = "$ENV{TEST_NGINX_SERVROOT}/logs/error.log";
    my @missing = @log;

    for (my $until = time() + $patience; @missing; sleep 0.02) {
        open my $in, '<', $file or die "$file: $!";

        my $text = do { local $/; <$in> };

        @missing = grep { $text !~ /$_/ } @log;

        last if time() > $until;
    }

    Test::More::is(join("\n", @missing), '', "$name - log") if @log;
}


sub fill_in {
    my ($step) = @_;

    # Content-Length is there by now: what comes in a body is as long as before

    for ($step->{packet}{value}) {
        s/<(\w+)>/$kept{$1}/g;
        s/<now\+(\d{7})>/int(time() * 1000) + $1/ge;
    }
}


sub await {
    my ($step) = @_;

    my $request = $step->{packet}{value} =~ s/HTTP\/1\.1/HTTP\/1.0/r;

    for (my $until = time() + $patience; time() < $until; sleep 0.005) {

        my $socket = IO::Socket::INET->new(PeerAddr => server_addr(),
                                           PeerPort => server_port_for_client())
            or next;

        print {$socket} $request;

        my $response = do { local $/; <$socket> } // '';

        return if $response =~ /\r\n\r\n(.*)/s
                  && $1 =~ /$step->{body_pattern}/s;
    }
}


# Test::Nginx stops to read at the end of the connection, or after a silence.
# A stream has the one never, and pings break the other.

{
    my $read = \&Test::Nginx::Socket::read_event_handler;

    no warnings 'redefine';

    *Test::Nginx::Socket::read_event_handler = sub ($) {
        my ($ctx) = @_;

        my $going = $read->($ctx);
        my $step = $steps[$current];

        if (!$going || !$step || !$step->{stream}) {
            return $going;
        }

        $step->{until} //= time() + $patience;

        if (time() > $step->{until}
            || $ctx->{resp} =~ /\r\n\r\n(.*)/s
               && $1 =~ /$step->{body_pattern}/s)
        {
            return undef;
        }

        return $going;
    };
}

1;
