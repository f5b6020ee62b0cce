# SPDX-License-Identifier: MIT
#
# tests/lib/port_net.sh - a host and a peer in network namespaces of their own
#
#	peer 198.51.100.2, 2001:db8::2		host 198.51.100.1, 2001:db8::1
#
# Sourced after lib.sh, by root.  port_net_up makes them; from then on the user's engine and clients
# (as_user, docker) are on the host, and in_peer runs a command on the peer.  They go with the script.

host=coracle-ph$$ peer=coracle-pp$$

port_netns() { # NAME DEVICE NUMBER
	ip -n "$1" addr add "198.51.100.$3/24" dev "$2"
	ip -n "$1" addr add "2001:db8::$3/64" dev "$2" nodad
	ip -n "$1" link set lo up
	ip -n "$1" link set "$2" up
}

port_net_up() {
	at_exit 'ip netns del $host; ip netns del $peer'
	ip netns add $host && ip netns add $peer || return 1
	ip link add h0 netns $host type veth peer name p0 netns $peer || return 1
	port_netns $host h0 1
	port_netns $peer p0 2
	user_network=(nsenter "--net=/run/netns/$host")
}

in_peer() { nsenter "--net=/run/netns/$peer" "$@"; }
in_host() { nsenter "--net=/run/netns/$host" "$@"; }
# For "&", so that $! is the command: in the background a function is a shell of its own.
exec_in_peer() { exec nsenter "--net=/run/netns/$peer" "$@"; }
