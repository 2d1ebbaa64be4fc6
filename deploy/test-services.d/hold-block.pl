#!/usr/bin/perl
# hold-block FIRST LAST SIZE: finds the first block of SIZE free ports on loopback, prints its first
# port and listens there until it is stopped. Ends with a message when there is none up to LAST.
use strict;
use warnings;
use Socket;

sub listener {
    my ($port) = @_;
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
    setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
    return bind($socket, pack_sockaddr_in($port, INADDR_LOOPBACK)) && listen($socket, 5) ? $socket : undef;
}

my ($first, $last, $size) = @ARGV;
my $taken;
for (my $block = $first; $block <= $last; $block += $size) {
    # The guard first: of two that look at once, one fails here.
    my $guard = listener($block);
    $taken = $guard ? undef : $block;
    for my $port ($block + 1 .. $block + $size - 1) {
        last if defined $taken;
        $taken = $port unless listener($port);
    }
    next if defined $taken;
    $| = 1;
    print "$block\n";
    sleep 3600 while 1;
}
print "port $taken is taken\n";
exit 1;
