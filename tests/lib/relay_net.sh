# SPDX-License-Identifier: MIT
#
# tests/lib/relay_net.sh - a host, a peer, netd and a container, all in network namespaces of their own
#
#   peer  198.51.100.2, 2001:db8::2      a machine elsewhere
#   host  198.51.100.1, 2001:db8::1      where netd's outside is, and the user
#   box   172.17.0.2,   fd00:17::2       a container: a bridge and a veth pair in netd's inside
#
# Sourced after lib.sh, by root.  relay_up makes them; in_peer, in_host (as the user), in_inside and
# in_box run a command there; netd_ask JSON asks netd, and prints its answer; peer_up starts the peer's
# services (relay_peer.py); relay_down ends all of it.  Nothing of the machine's
# own network is touched.

relay_host=coracle-h$$ relay_peer=coracle-p$$
exec_root=$TEST_TMP/netd

relay_down() {
	# Whatever runs there is ours.  (The box has a namespace of its own.)
	kill -KILL ${box_pid:-} $(ip netns pids "$relay_host" 2>/dev/null) \
		$(ip netns pids "$relay_peer" 2>/dev/null) 2>/dev/null
	ip netns del "$relay_host" 2>/dev/null
	ip netns del "$relay_peer" 2>/dev/null
}

relay_netns() { # NAME DEVICE IPV4 IPV6
	ip -n "$1" addr add "$3/24" dev "$2"
	ip -n "$1" addr add "$4/64" dev "$2" nodad
	ip -n "$1" link set lo up
	ip -n "$1" link set "$2" up
}

in_peer() { ip netns exec "$relay_peer" "$@"; }
in_host() {
	ip netns exec "$relay_host" setpriv --reuid "$test_uid" --regid "$test_gid" --clear-groups \
		env -i TSAN_OPTIONS="${TSAN_OPTIONS:-}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
# netd's own process is not to be looked into; the one that started it shares its namespaces.
in_inside() { in_host nsenter --preserve-credentials -U -m -t "$starter" nsenter --net="$exec_root/netns" "$@"; }
in_box() { in_host nsenter --preserve-credentials -U -m -n -t "$box_pid" "$@"; }

box_make() { # prints the pid of a process in the new container
	ip link add br0 type bridge
	ip link set br0 address 02:42:00:00:00:01 up
	ip addr add 172.17.0.1/16 dev br0
	ip -6 addr add fd00:17::1/64 dev br0 nodad
	unshare -n sh -c 'echo; exec sleep 1000' >"$1" 2>&1 &
	local pid=$!
	until [ -s "$1" ]; do read -rt 0.01 <><(:); done
	ip link add v0 type veth peer name eth0 netns $pid
	ip link set v0 master br0 up
	nsenter -t $pid -n sh -ec 'ip link set lo up
		echo reno >/proc/sys/net/ipv4/tcp_congestion_control # as the engine does
		ip addr add 172.17.0.2/16 dev eth0; ip -6 addr add fd00:17::2/64 dev eth0 nodad
		ip link set eth0 up; ip route add default via 172.17.0.1; ip -6 route add default via fd00:17::1'
	echo $pid
}

netd_ask() {
	echo "$1" >&"$netd_in"
	local answer
	IFS= read -rt 60 answer <&"$netd_out" && echo "$answer"
}

relay_up() {
	ip netns add "$relay_host" && ip netns add "$relay_peer" || return 1
	ip link add h0 netns "$relay_host" type veth peer name p0 netns "$relay_peer" || return 1
	relay_netns "$relay_host" h0 198.51.100.1 2001:db8::1
	relay_netns "$relay_peer" p0 198.51.100.2 2001:db8::2
	ip netns exec "$relay_host" sh -c 'echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range'
	mkdir -m 700 "$exec_root" && chown "$test_uid:$test_gid" "$exec_root"
	cp "$top"/tests/lib/{netd,relay_peer,relay_client}.py "$TEST_TMP/bin/" && chmod 755 "$TEST_TMP"/bin/*
	mkfifo "$TEST_TMP/ask" "$TEST_TMP/answers"
	in_host unshare -Urm python3 "$TEST_TMP/bin/netd.py" "$coracle" "$exec_root" \
		<"$TEST_TMP/ask" >"$TEST_TMP/answers" &
	disown # relay_down kills it
	exec {netd_in}>"$TEST_TMP/ask" {netd_out}<"$TEST_TMP/answers"
	IFS=' ' read -rt 60 netd_pid starter <&"$netd_out" || return 1
	box_pid=$(in_inside bash -c "$(declare -f box_make); box_make $exec_root/box") || return 1
}

peer_up() {
	exec {peer_out}< <(in_peer python3 "$TEST_TMP/bin/relay_peer.py")
	IFS= read -rt 60 -u "$peer_out" line
}
