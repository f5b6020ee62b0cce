#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The relay under load, without an engine: ten thousand connections at once, thousands one after the
# other, a thousand UDP flows; and nothing of it is left in netd.
#   LOAD_FLOWS=N     connections at once (10 000; what the machine's limit of descriptors allows, if that is less)
#   LOAD_SECONDS=N   a thousand connections for each of so many seconds (5); 0: nor datagrams, whose flows expire
# test: together
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { skip "the relay under load" "machine: network namespaces for host and peer need root"; exit 77; }
. "$top/tests/lib/relay_net.sh"
: "${LOAD_FLOWS:=10000}" "${LOAD_SECONDS:=5}"
memory_kb=65536
at_exit relay_down
# Two descriptors for a connection, and a reserve.
ulimit -n $((2 * LOAD_FLOWS + 256)) 2>/dev/null || ulimit -n "$(ulimit -Hn)"
if ! relay_up; then
	not_ok "netd, host, peer and container are up" "$(cat "$exec_root/netd.log" 2>&1)"
	exit 1
fi
cp "$top/tests/lib/relay_load.py" "$TEST_TMP/bin/" && chmod 755 "$TEST_TMP/bin/relay_load.py"
load() { in_box python3 "$TEST_TMP/bin/relay_load.py" "$@"; }
exec {up}< <(in_peer python3 "$TEST_TMP/bin/relay_load.py" peer 7000)
read -rt 60 -u "$up" line

# Each connection leaves a port in TIME-WAIT for a minute, in the container and on the host, as without us.
for where in in_box "ip netns exec $relay_host"; do $where sh -c 'echo "1024 65535" >/proc/sys/net/ipv4/ip_local_port_range'; done

info() { netd_ask '{"op": "info"}' | python3 -c "import json, sys; print(json.load(sys.stdin)['relay']['$1'])"; }
descriptors() { ls "/proc/$netd_pid/fd" | wc -l; }
memory() { awk '/^Pss:/ { print $2 }' "/proc/$netd_pid/smaps_rollup"; }
# What the kernel has for netd on both sides, but for TIME-WAIT: nobody's.
sockets() { { ip netns exec "$relay_host" ss -Htanu; in_inside ss -Htanu; } | grep -vc TIME-WAIT; }
rules() { in_inside nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'; }
is() { [ "$($1)" = "$2" ]; }
settled() { # CMD WANT: soon (UDP flows live for half a minute)
	until_true is "$@" || until_true is "$@" || { echo "$1: $($1), want $2"; return 1; }
}
tcp_flows() { info tcp_flows; }
udp_flows() { info udp_flows; }

load rate 7000 100 >/dev/null 2>&1 # so that the workers have what they keep
settled tcp_flows 0
fds=$(descriptors) socks=$(sockets) nft=$(rules)

flows=$(info tcp_flows_max)
case $flows in
"$LOAD_FLOWS") ok "descriptors are enough for $flows connections" ;;
*) echo "descriptors are limited to $(ulimit -Hn) here: $flows connections instead of $LOAD_FLOWS (tests/vm/30-relay-load.sh has them all)" ;;
esac

# --- many at once ---------------------------------------------------------------------------------------
coproc HOLD { load flows 7000 "$flows" 2>&1; }
hold_out=${HOLD[0]} hold_in=${HOLD[1]}
read -rt 240 -u "$hold_out" line
check_out "$flows connections at once" "$flows connections" echo "$line"
check_out "are as many flows" "$flows" tcp_flows
established() { "$@" ss -Htn state established dst 198.51.100.2 | wc -l; }
check_out "are as many established connections of the container" "$flows" established in_box
check_out "and of the host" "$flows" established ip netns exec "$relay_host"
now=$(memory)
if [ "$now" -le $memory_kb ]; then ok "within 64 MB"; else not_ok "within 64 MB" "$now kB"; fi
echo "netd has $now kB and $(descriptors) descriptors"
echo >&"$hold_in"
read -rt 240 -u "$hold_out" line
check_out "all of them are alive" "$flows echoes" echo "$line"
now=$(memory)
if [ "$now" -le $memory_kb ]; then ok "within 64 MB, still"; else not_ok "within 64 MB, still" "$now kB"; fi
# One more waits until others end; what is no connection of a container's still works.
exec {late_out}< <(load flows 7000 1 </dev/null 2>&1)
check "one more does not get in, which is told" until_true grep -q "$flows connections, and no more descriptors" "$exec_root/netd.log"
check_out "datagrams do" "1 flows" load datagrams 7000 1
echo >&"$hold_in"
read -rt 240 -u "$hold_out" line
read -rt 60 -u "$late_out" line
check_out "then it is let in" "1 connections" echo "$line"
check "closed, they are gone" settled tcp_flows 0

one_after_the_other() {
	check_out "1000 UDP flows at once, each of the largest datagrams" "1000 flows" load datagrams 7000 1000
	check "are 1000 flows" many # they are to expire while the rest runs
	run load rate 7000 $((1000 * LOAD_SECONDS))
	echo "$out"
	check_has "$((1000 * LOAD_SECONDS)) connections one after the other" "$((1000 * LOAD_SECONDS)) connections" echo "$out"
}
many() { [ "$(udp_flows)" -ge 1000 ]; }
[ "$LOAD_SECONDS" = 0 ] || one_after_the_other

# --- nothing is left ----------------------------------------------------------------------------------------
check "no connection is left" settled tcp_flows 0
check "UDP flows that are idle expire" settled udp_flows 0
check "no descriptor is left" settled descriptors "$fds"
check "no socket is left" settled sockets "$socks"
check_out "rules and sets are as before" "$nft" rules
echo "netd has $(memory) kB"
