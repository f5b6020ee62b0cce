#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The relay without an engine: netd, a container beside it, and a peer elsewhere.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { skip "the relay" "network namespaces for host and peer need root"; exit 77; }
. "$top/tests/lib/relay_net.sh"
at_exit relay_down
ulimit -n "$(ulimit -Hn)"
if ! relay_up; then
	not_ok "netd, host, peer and container are up" "$(cat "$exec_root/netd.log" 2>&1)"
	exit 1
fi
peer_up || not_ok "the peer is up" "it says nothing"
# Nobody has this address, and the host believes in a machine that does.
ip -n "$relay_host" neigh add 198.51.100.9 lladdr 02:00:00:00:00:99 dev h0 nud permanent

flows() { netd_ask '{"op": "info"}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["relay"]["tcp_flows"])'; }
descriptors() { in_host sh -c "ls /proc/$netd_pid/fd | wc -l"; }
ticks() { cut -d' ' -f14,15 "/proc/$netd_pid/stat" | tr ' ' + | xargs echo | { read -r sum; echo $((sum)); }; }

plays "from a container" in_box python3 "$TEST_TMP/bin/relay_client.py" container
plays "from netd's namespace" in_inside python3 "$TEST_TMP/bin/relay_client.py" "netd's namespace"

# A connection that may not be: the host's loopback, by any of its names.
refuses() {
	in_box python3 -c 'import socket, sys
try: socket.create_connection((sys.argv[1], 7), 60)
except ConnectionRefusedError: sys.exit(0)
sys.exit(1)' "$1"
}
for a in ::ffff:127.0.0.1 ::127.0.0.1; do check "the host's loopback is not $a" refuses "$a"; done

# It is where somebody asks for it.
exec {loop_out}< <(in_host python3 -c 'import socket
s = socket.create_server(("127.0.0.1", 4242)); print("up", flush=True)
while True: s.accept()[0].send(b"loopback")')
read -rt 60 -u "$loop_out" line
loopback() {
	in_box python3 -c 'import socket; print(socket.create_connection(("10.0.2.2", 4242), 60).recv(64).decode())' 2>&1 | tail -1
}
check_has "10.0.2.2 is an address like others" "unreachable" loopback
check_out "the host's loopback can be asked for" "{}" netd_ask '{"op": "relay.loopback", "ip4": "10.0.2.2"}'
check_out "and is then reached" "loopback" loopback
check_has "with an address" "bad address 'x'" netd_ask '{"op": "relay.loopback", "ip4": "x"}'

# Back-pressure: with everything full, a second goes by in which netd does nothing.
mkfifo "$TEST_TMP/go"
exec {slow_out}< <(in_box python3 "$TEST_TMP/bin/relay_client.py" container slow <"$TEST_TMP/go")
exec {slow_in}>"$TEST_TMP/go"
read -rt 60 -u "$slow_out" line
before=$(ticks)
echo wait >&"$slow_in"
read -rt 60 -u "$slow_out" _ # a second has gone by
after=$(ticks)
if [ "$line" = blocked ] && [ $((after - before)) -le 2 ]; then
	ok "a blocked connection costs nothing"
else
	not_ok "a blocked connection costs nothing" "'$line', $((after - before)) ticks in a second"
fi
echo go >&"$slow_in"
cat <&"$slow_out"

# Nothing is left over.  (UDP flows end by time.)  A filtered connection may still be waiting.
few_flows() { [ "$(flows)" -le 2 ]; }
check "no connection is left in netd" until_true few_flows

# What netd may still do.
check_out "netd's capabilities are NET_ADMIN and NET_RAW" "0000000000003000" \
	awk '/^CapPrm/ { print $2 }' "/proc/$netd_pid/status"
# ThreadSanitizer makes calls of its own.
[ -n "${TSAN_OPTIONS:-}" ] || check_out "netd is filtered" "2" awk '/^Seccomp:/ { print $2 }' "/proc/$netd_pid/status"
