#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the way out costs: iperf3 with 1 and 8 streams both ways, UDP, connections a second and the time of
# a small request, from a container through the relay; beside the host itself on the plain veth pair, beside
# slirp4netns and pasta where they are installed, and beside a real rootless Docker if PEER_SOCKET names its socket
# (TCP and UDP; that one is in the machine's own network, which gets a veth pair to 198.51.100.2 meanwhile).
# Then what netd holds: 10 000 connections, and what is left of 1 000 a second for RATE_SECONDS (60).
# ROUNDS and SECONDS_EACH: see network.py.
. "$(dirname "$0")/../integration/lib.sh"
[ "$(id -u)" = 0 ] || { echo "relay: network namespaces for host and peer need root" >&2; exit 0; }
command -v iperf3 >/dev/null || { echo "relay: iperf3 is not installed" >&2; exit 0; }
. "$top/tests/lib/relay_net.sh"
at_exit relay_down
: "${RATE_SECONDS:=60}"
ulimit -n "$(ulimit -Hn)"
cp "$top/tests/bench/relay.py" "$top/tests/lib/relay_load.py" "$TEST_TMP/bin/" && chmod 755 "$TEST_TMP"/bin/*.py
relay_up || { echo "relay: netd does not start" >&2; exit 1; }

in_peer iperf3 -s >/dev/null 2>&1 &
peer_up || exit 1
await() { # CMD...
	local n=200
	until "$@" >/dev/null 2>&1; do
		n=$((n - 1))
		[ $n != 0 ] || return 1
		read -rt 0.05 <><(:)
	done
	return 0
}
await in_peer sh -c 'ss -ltn | grep -q :5201' || exit 1

host="ip netns exec $relay_host setpriv --reuid $test_uid --regid $test_gid --clear-groups env -i PATH=$PATH"
network() { echo "$1 $2 198.51.100.2 5201 $3" >>"$TEST_TMP/networks"; } # NAME PID COMMAND
network veth - "$host"
network relay "$netd_pid" "$host nsenter --preserve-credentials -U -m -n -t $box_pid"

# What programs of others need: a user and network namespace, its pid in $other_pid.
other() { # NAME
	in_host unshare -Urn sh -c 'ip link set lo up; echo $$ >"$1"; exec sleep 1000' sh "$exec_root/$1" &
	await test -s "$exec_root/$1" && other_pid=$(cat "$exec_root/$1")
}
in_other() { in_host nsenter --preserve-credentials -U -n -t "$other_pid" "$@"; }
# They use the tun device, which may be for root alone.
tun=$(stat -c %a /dev/net/tun 2>/dev/null) && at_exit 'chmod $tun /dev/net/tun' && chmod 666 /dev/net/tun
if command -v slirp4netns >/dev/null && other slirp; then
	in_host slirp4netns --configure --mtu=65520 --disable-host-loopback "$other_pid" tap0 >/dev/null 2>&1 &
	if await in_other sh -c 'ip link show tap0 | grep -q UP'; then
		network slirp4netns "$(pgrep -nf "slirp4netns.* $other_pid tap0")" "$host nsenter --preserve-credentials -U -n -t $other_pid"
	fi
fi
if command -v pasta >/dev/null && other pasta; then
	in_host pasta --config-net --foreground --quiet --runas "$test_uid:$test_gid" "$other_pid" >"$TEST_TMP/pasta.log" 2>&1 &
	if await in_other sh -c 'ip -4 addr show | grep -q 198.51'; then
		network pasta "$(pgrep -nf "past[a].* $other_pid\$")" "$host nsenter --preserve-credentials -U -n -t $other_pid"
	fi
fi

# An image with iperf3 and what it is linked with, and a way from the machine's own network to the peer.
theirs() { DOCKER_HOST=unix://$PEER_SOCKET "$docker_cli" "$@"; }
if [ -n "${PEER_SOCKET:-}" ]; then
	root=$TEST_TMP/iperf iperf=$(command -v iperf3)
	mkdir -p "$root/tmp" && chmod 1777 "$root/tmp"
	{ echo "$iperf"; ldd "$iperf" | grep -o '/[^ )]*'; } | while read -r file; do cp --parents -L "$file" "$root"; done
	at_exit 'ip link del coracle-m0 2>/dev/null'
	ip link add coracle-m0 type veth peer name m0 netns "$relay_peer" &&
		ip addr add 198.51.101.1/24 dev coracle-m0 && ip link set coracle-m0 up &&
		ip -n "$relay_peer" addr add 198.51.101.2/24 dev m0 && ip -n "$relay_peer" link set m0 up &&
		ip route add 198.51.100.2 via 198.51.101.2 || exit 1
	at_exit 'theirs rm -f coracle-out >/dev/null 2>&1'
	tar -C "$root" -c . | theirs import - iperf >/dev/null &&
		theirs run -d --name coracle-out iperf "$iperf" -s >/dev/null &&
		network docker - "env DOCKER_HOST=unix://$PEER_SOCKET $docker_cli exec coracle-out"
fi

echo "the way out, beside the plain veth pair and other programs"
RELAY_PY=$TEST_TMP/bin/relay.py SUBJECT=relay python3 "$top/tests/bench/network.py" "$TEST_TMP/networks" \
	out in out8 in8 udp connections request - \
	out:relay:veth:x0.65 in:relay:veth:x0.65 out8:relay:veth:x0.65 in8:relay:veth:x0.65 \
	udp:relay:slirp4netns:x3 connections:relay:veth:x0.5 request:relay:veth:60

# --- capacity -------------------------------------------------------------------------------------

kb() { awk -v f="$1:" '$1 == f { print $2 }' "/proc/$netd_pid/status"; }
held() { # what netd holds: descriptors, flows, sockets of the inside and of the host
	in_host sh -c "ls /proc/$netd_pid/fd | wc -l"
	echo flows "$(netd_ask '{"op": "info"}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["relay"]["tcp_flows"])')"
	in_inside ss -Htan state established state close-wait state fin-wait-1 state fin-wait-2 | wc -l
	in_host ss -Htan state established state close-wait state fin-wait-1 state fin-wait-2 | wc -l
}
exec {up}< <(in_peer python3 "$TEST_TMP/bin/relay_load.py" peer 7000)
read -rt 20 -u "$up" line
load() { in_box python3 "$TEST_TMP/bin/relay_load.py" "$@"; }
before=$(held | xargs)
mkfifo "$TEST_TMP/flows-go"
exec {flows_out}< <(load flows 7000 10000 <"$TEST_TMP/flows-go" 2>&1)
exec {flows_in}>"$TEST_TMP/flows-go"
read -rt 120 -u "$flows_out" line
[ "$line" = "10000 connections" ] || { echo "relay: 10 000 connections: ${line:-nothing in two minutes}" >&2; exit 1; }
echo "netd with $line: $(kb VmRSS) kB resident (goal: at most 65536)"
rss=$(kb VmRSS)
echo >&"$flows_in"; read -rt 120 -u "$flows_out" line; echo >&"$flows_in"; read -rt 120 -u "$flows_out" line
rate=$(load rate 7000 $((RATE_SECONDS * 1000)) 2>&1 | sed -n 's/ a second//p')
# Up to 32 pipes (64 descriptors) for each thread stay open for the next ones.
for _ in $(seq 100); do
	after=$(held | xargs)
	[ "${after#* }" != "${before#* }" ] || break
	read -rt 0.1 <><(:)
done
echo "connections: $rate a second, $((RATE_SECONDS * 1000)) of them (goal: 1000); descriptors, flows, sockets before: $before, after: $after"
echo
echo "relay.memory-of-10000-connections $rss kB - - - <=65536"
echo "relay.connections-at-once $rate /s - - - >=1000"
