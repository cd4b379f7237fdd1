package FakeRedis;

# A Redis that says what a test wants it to.  It speaks for one block, in a
# process of its own, on as many connections as come.
#
# It is told in lines, "WHAT REPLY".  WHAT is "node" or "sync", the module's two
# scripts, or a command of Redis'.  What no line names is answered as by an
# empty Redis.  REPLY is as it goes over the wire, with "\r\n" written so, and
# one more at its end; in the last place there can be
#
#   ... once    the first time, then as ever
#   ... close   and then the connection is closed
#   ... part    without "\r\n" at its end: more would have to come

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw( time );

# how long a reader of changes waits when there is none
my $block = 0.2;

my $pid;


sub start {
    my ($lines) = @_;

    stop();

    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                         Listen => 16, ReuseAddr => 1)
        or die "no port for a fake Redis: $!";

    my %replies;

    for (split /\n/, $lines) {
        my ($what, $reply) = split / /, $_, 2;
        my %reply = (end => "\r\n");

        while ($reply =~ s/ (once|close|part)$//) {
            $reply{$1} = 1;
        }

        $reply{end} = '' if $reply{part};
        $reply =~ s/\\r/\r/g;
        $reply =~ s/\\n/\n/g;
        $reply{text} = $reply . $reply{end};

        push @{ $replies{$what} }, \%reply;
    }

    $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        $SIG{PIPE} = 'IGNORE';
        serve($listener, \%replies);
        POSIX::_exit(0);
    }

    return $listener->sockport;
}


sub stop {
    defined $pid or return;

    local $?;           # this is no matter of the tests'
    kill KILL => $pid;
    waitpid $pid, 0;
    undef $pid;
}


END { stop() }


sub serve {
    my ($listener, $replies) = @_;

    my $all = IO::Select->new($listener);
    my %text;           # what came and was not answered, by connection
    my @later;          # [time, connection, reply]
    my $parent = getppid();

    while (getppid() == $parent) {

        for my $socket ($all->can_read(0.05)) {

            if ($socket == $listener) {
                my $client = $listener->accept or next;

                $all->add($client);
                $text{$client} = '';
                next;
            }

            if (!sysread $socket, $text{$socket}, 65536,
                          length $text{$socket})
            {
                $all->remove($socket);
                @later = grep { $_->[1] != $socket } @later;
                close $socket;
                next;
            }

            while (my @command = command(\$text{$socket})) {
                my $reply = reply($replies, @command);

                if ($command[0] eq 'XREAD' && !$reply->{said}) {
                    push @later, [time() + $block, $socket, $reply->{text}];
                    next;
                }

                syswrite $socket, $reply->{text};

                if ($reply->{close}) {
                    $all->remove($socket);
                    shutdown $socket, 2;
                    close $socket;
                    last;
                }
            }
        }

        for my $item (grep { $_->[0] <= time() } @later) {
            syswrite $item->[1], $item->[2];
        }

        @later = grep { $_->[0] > time() } @later;
    }
}


# a whole one, taken from the text, or nothing

sub command {
    my ($text) = @_;

    $$text =~ /\A\*(\d+)\r\n/ or return;

    my ($n, $at, @words) = ($1, $+[0]);

    for (1 .. $n) {
        pos($$text) = $at;
        $$text =~ /\G\$(\d+)\r\n/g or return;

        my ($len, $from) = ($1, pos $$text);

        length $$text >= $from + $len + 2 or return;

        push @words, substr $$text, $from, $len;
        $at = $from + $len + 2;
    }

    substr($$text, 0, $at) = '';

    return @words;
}


sub reply {
    my ($replies, @command) = @_;

    my $name = $command[0];

    if ($name =~ /^EVAL/) {
        $name = $command[2] == 2 ? 'node' : 'sync';
    }

    my $list = $replies->{$command[0]} || $replies->{$name};

    if ($list && @$list) {
        my $reply = $list->[0];

        shift @$list if $reply->{once};

        return { %$reply, said => 1 };
    }

    my $now = int(time() * 1000);

    my %usual = (
        PING => "+PONG\r\n",
        AUTH => "+OK\r\n",
        SELECT => "+OK\r\n",
        XREVRANGE => "*0\r\n",
        XRANGE => "*0\r\n",
        XREAD => "*-1\r\n",
        ZSCAN => "*2\r\n\$1\r\n0\r\n*0\r\n",
        node => "*2\r\n" . bulk($now) . "*1\r\n" . bulk($command[5] // ''),
        sync => "*4\r\n" . bulk($now) . bulk(0) . bulk(1) . bulk(''),
    );

    return { text => $usual{$name} // "-ERR unknown command '$name'\r\n" };
}


sub bulk {
    my ($text) = @_;

    return '$' . length($text) . "\r\n$text\r\n";
}

1;
