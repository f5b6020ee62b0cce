#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the way out costs: iperf3 with 1 and 8 streams both ways, UDP, connections a second and the time of
# a small request, from a container through the relay; beside the host itself on the plain veth pair, beside
# slirp4netns and pasta where they are installed, and beside a real rootless Docker if PEER_SOCKET names its socket
# (TCP and UDP; that one is in the machine's own network, which gets a veth pair to 198.51.100.2 meanwhile).
# Then what netd holds: 10 000 connections, or as many as it says that its descriptors allow; how many a second it
# takes at most; and what is left of 1000 a second for RATE_SECONDS (60).
# ROUNDS and SECONDS_EACH: see network.py.  BENCH_PARTS (speed capacity), METRICS (of speed), OTHERS (slirp4netns pasta):
# what to measure.
. "$(dirname "$0")/../integration/lib.sh"
[ "$(id -u)" = 0 ] || { echo "relay: network namespaces for host and peer need root" >&2; exit 0; }
command -v iperf3 >/dev/null || { echo "relay: iperf3 is not installed" >&2; exit 0; }
. "$top/tests/lib/relay_net.sh"
at_exit relay_down
OTHERS=${OTHERS-slirp4netns pasta}
: "${RATE_SECONDS:=60}" "${BENCH_PARTS:=speed capacity}" "${METRICS:=out in out8 in8 udp connections request}"
ulimit -n "$(ulimit -Hn)"
cp "$top/tests/bench/relay.py" "$top/tests/lib/relay_load.py" "$TEST_TMP/bin/" && chmod 755 "$TEST_TMP"/bin/*.py
relay_up || { echo "relay: netd does not start" >&2; exit 1; }

# Each connection's port rests for a minute at the side that closed first, and connect(2) looks long for one of the last.
for where in in_box "ip netns exec $relay_host"; do $where sh -c 'echo "1024 65535" >/proc/sys/net/ipv4/ip_local_port_range'; done

# --- speed ------------------------------------------------------------------------------------------

host="ip netns exec $relay_host setpriv --reuid $test_uid --regid $test_gid --clear-groups env -i PATH=$PATH"
network() { echo "$1 $2 198.51.100.2 5201 $3" >>"$TEST_TMP/networks"; } # NAME PID COMMAND

# What programs of others need: a user and network namespace, its pid in $other_pid.
other() { # NAME
	in_host unshare -Urn sh -c 'ip link set lo up; echo $$ >"$1"; exec sleep 1000' sh "$exec_root/$1" >/dev/null 2>&1 &
	until_true test -s "$exec_root/$1" && other_pid=$(cat "$exec_root/$1") && at_exit "kill $other_pid"
}
in_other() { in_host nsenter --preserve-credentials -U -n -t "$other_pid" "$@"; }
slirp4netns_up() {
	other slirp || return 1
	in_host slirp4netns --configure --mtu=65520 --disable-host-loopback "$other_pid" tap0 >"$TEST_TMP/slirp4netns.log" 2>&1 &
	until_true in_other sh -c 'ip link show tap0 | grep -q UP' || return 1
	network slirp4netns "$(pgrep -nf "slirp4netns.* $other_pid tap0")" "$host nsenter --preserve-credentials -U -n -t $other_pid"
}
pasta_up() {
	other pasta || return 1
	in_host pasta --config-net --no-map-gw --foreground --quiet --runas "$test_uid:$test_gid" "$other_pid" >"$TEST_TMP/pasta.log" 2>&1 &
	until_true in_other sh -c 'ip -4 addr show | grep -q 198.51' || return 1
	network pasta "$(pgrep -nf "past[a].* $other_pid\$")" "$host nsenter --preserve-credentials -U -n -t $other_pid"
}

# An image with iperf3 and what it is linked with, and a way from the machine's own network to the peer.
theirs() { DOCKER_HOST=unix://$PEER_SOCKET "$docker_cli" "$@"; }
docker_up() {
	local root=$TEST_TMP/iperf iperf
	iperf=$(command -v iperf3)
	mkdir -p "$root/tmp" && chmod 1777 "$root/tmp"
	{ echo "$iperf"; ldd "$iperf" | grep -o '/[^ )]*'; } | while read -r file; do cp --parents -L "$file" "$root"; done
	at_exit 'ip link del coracle-m0 2>/dev/null'
	ip link add coracle-m0 type veth peer name m0 netns "$relay_peer" &&
		ip addr add 198.51.101.1/24 dev coracle-m0 && ip link set coracle-m0 up &&
		ip -n "$relay_peer" addr add 198.51.101.2/24 dev m0 && ip -n "$relay_peer" link set m0 up &&
		ip -n "$relay_peer" route change 198.51.101.0/24 dev m0 src 198.51.100.2 && # datagrams come from where they went
		ip route add 198.51.100.2 via 198.51.101.2 || return 1
	at_exit 'theirs rm -f coracle-out >/dev/null 2>&1'
	tar -C "$root" -c . | theirs import - iperf >/dev/null &&
		theirs run -d --name coracle-out iperf "$iperf" -s >/dev/null &&
		network docker - "env DOCKER_HOST=unix://$PEER_SOCKET $docker_cli exec coracle-out"
}

speed() {
	in_peer iperf3 -s >/dev/null 2>&1 &
	peer_up && until_true in_peer sh -c 'ss -ltn | grep -q :5201' || return 1
	network veth - "$host"
	network relay "$netd_pid" "$host nsenter --preserve-credentials -U -m -n -t $box_pid"
	# They use the tun device, which may be for root alone; pasta looks for a default route (whose gateway would
	# be the host's loopback).
	tun=$(stat -c %a /dev/net/tun 2>/dev/null) && at_exit 'chmod $tun /dev/net/tun' && chmod 666 /dev/net/tun
	ip -n "$relay_host" route add default via 198.51.100.2
	for other in $OTHERS; do
		command -v "$other" >/dev/null || continue
		"${other}_up" || { echo "relay: $other does not start:"; cat "$TEST_TMP/$other.log"; } >&2
	done
	[ -z "${PEER_SOCKET:-}" ] || docker_up || echo "relay: no container in the real engine" >&2

	echo "the way out, beside the plain veth pair and other programs"
	# shellcheck disable=SC2086 # words
	RELAY_PY=$TEST_TMP/bin/relay.py SUBJECT=relay python3 "$top/tests/bench/network.py" "$TEST_TMP/networks" $METRICS - \
		out:relay:veth:x0.65 in:relay:veth:x0.65 out8:relay:veth:x0.65 in8:relay:veth:x0.65 \
		udp:relay:slirp4netns:x3 connections:relay:veth:x0.5 request:relay:veth:60
}

# --- capacity -------------------------------------------------------------------------------------

kb() { awk -v f="$1:" '$1 == f { print $2 }' "/proc/$netd_pid/status"; }
info() { netd_ask '{"op": "info"}' | python3 -c "import json, sys; print(json.load(sys.stdin)['relay']['$1'])"; }
held() { # what netd holds: descriptors, flows, sockets of the inside and of the host
	in_host sh -c "ls /proc/$netd_pid/fd | wc -l"
	echo flows "$(info tcp_flows)"
	in_inside ss -Htan state established state close-wait state fin-wait-1 state fin-wait-2 | wc -l
	in_host ss -Htan state established state close-wait state fin-wait-1 state fin-wait-2 | wc -l
}
sets() { in_inside nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'; }
ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$netd_pid/stat"; }
load() { in_box python3 "$TEST_TMP/bin/relay_load.py" "$@"; }
nothing_held() {
	after=$(held | xargs)
	[ "${after#* }" = "${before#* }" ]
}

capacity() {
	local up flows_out flows_in line rss rate n max paced cpu rules
	exec {up}< <(in_peer python3 "$TEST_TMP/bin/relay_load.py" peer 7000)
	read -rt 20 -u "$up" line || return 1
	before=$(held | xargs)
	max=$(info tcp_flows_max) n=10000
	[ "$n" -le "$max" ] || { n=$max; echo "relay: $max connections, as descriptors are limited to $(ulimit -Hn) here" >&2; }
	coproc FLOWS { load flows 7000 "$n" 2>&1; }
	flows_out=${FLOWS[0]} flows_in=${FLOWS[1]}
	read -rt 120 -u "$flows_out" line
	[ "$line" = "$n connections" ] || { echo "relay: $n connections: ${line:-nothing in two minutes}" >&2; return 1; }
	rss=$(kb VmRSS)
	echo "netd with $line: $rss kB resident (goal: at most 65536)"
	echo >&"$flows_in"; read -rt 120 -u "$flows_out" line; echo "$line"
	echo >&"$flows_in"; read -rt 120 -u "$flows_out" line
	rate=$(load rate 7000 20000 2>&1 | sed -n 's/ a second//p')
	rules=$(sets)
	cpu=$(ticks)
	paced=$(load paced 7000 $((RATE_SECONDS * 1000)) 2>&1 | xargs)
	cpu=$((($(ticks) - cpu) * 100 / $(getconf CLK_TCK) / RATE_SECONDS))
	# Up to 32 pipes (64 descriptors) for each thread stay open for the next ones.
	until_true nothing_held
	echo "connections, 20000 of them as quickly as they come: $rate a second (goal: 1000)"
	echo "1000 a second for $RATE_SECONDS s: $paced, netd takes $cpu % of a CPU; descriptors, flows, sockets before: $before, after: $after"
	[ "$(sets)" = "$rules" ] && echo "nft's rules and sets are as before"
	echo
	echo "relay.memory-of-$n-connections $rss kB - - - <=65536"
	echo "relay.connections-at-once $rate /s - - - >=1000"
}

for part in $BENCH_PARTS; do $part || exit 1; done
