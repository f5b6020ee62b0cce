#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the way out costs: iperf3 with 1 and 8 streams both ways, UDP, connections a second and the time of
# a small request, from a container through the relay, beside the host itself on the plain veth pair, and
# beside slirp4netns and pasta where they are installed.  SECONDS_EACH=N measures longer.
. "$(dirname "$0")/../integration/lib.sh"
[ "$(id -u)" = 0 ] || { echo "relay: network namespaces for host and peer need root" >&2; exit 0; }
. "$top/tests/lib/relay_net.sh"
at_exit relay_down
: "${SECONDS_EACH:=3}"
cp "$top/tests/bench/relay.py" "$TEST_TMP/bin/" && chmod 755 "$TEST_TMP/bin/relay.py"
relay_up || { echo "relay: netd does not start" >&2; exit 1; }

in_peer iperf3 -s >/dev/null 2>&1 &
peer_up || exit 1
until in_peer sh -c 'ss -ltn | grep -q :5201'; do read -rt 0.05 <><(:); done

# What programs of others need: a user and network namespace, its pid in $other_pid.
other() { # NAME
	in_host unshare -Urn sh -c 'ip link set lo up; echo up >"$1"; exec sleep 1000' sh "$exec_root/$1" &
	other_pid=$!
	until [ -s "$exec_root/$1" ]; do read -rt 0.05 <><(:); done
}
in_other() { in_host nsenter --preserve-credentials -U -n -t "$other_pid" "$@"; }

gbits() { # RUNNER FLAGS...
	local runner=$1
	shift
	"$runner" iperf3 -J -t "$SECONDS_EACH" -c 198.51.100.2 "$@" 2>/dev/null | python3 -c 'import json, sys
end = json.load(sys.stdin)["end"]
got = end.get("sum_received") or end["sum"]
print("%.2f" % (got["bits_per_second"] * (1 - got.get("lost_percent", 0) / 100) / 1e9))' 2>/dev/null || echo 0
}
cpu_of() { awk '{ print ($14 + $15) / '"$(getconf CLK_TCK)"' }' "/proc/$1/stat"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else printf "-" }'; }

declare -A veth
measure() { # NAME RUNNER PID
	local name=$1 runner=$2 pid=$3 key value before after
	printf '%-12s' "$name"
	for key in "" "-R" "-P 8" "-P 8 -R"; do
		before=$([ -z "$pid" ] || cpu_of "$pid")
		value=$(gbits "$runner" $key)
		after=$([ -z "$pid" ] || cpu_of "$pid")
		[ "$name" != veth ] || veth[${key:-out}]=$value
		printf ' | %-7s %6s Gb/s x%s' "${key:-out}" "$value" "$(ratio "$value" "${veth[${key:-out}]}")"
		[ -z "$pid" ] || awk -v a="$before" -v b="$after" -v g="$value" -v t="$SECONDS_EACH" \
			'BEGIN { if (g > 0) printf " %.2f s/GB", (b - a) / (g * t / 8) }'
	done
	value=$(gbits "$runner" -u -b 0 -l 1400)
	[ "$name" != veth ] || veth[udp]=$value
	printf '\n%-12s | udp %s Gb/s x%s' "" "$value" "$(ratio "$value" "${veth[udp]}")"
	value=$("$runner" python3 "$TEST_TMP/bin/relay.py" connections 198.51.100.2 "$SECONDS_EACH")
	[ "$name" != veth ] || veth[connections]=$value
	printf ' | connections %s/s x%s' "$value" "$(ratio "$value" "${veth[connections]}")"
	value=$("$runner" python3 "$TEST_TMP/bin/relay.py" latency 198.51.100.2 5000)
	[ "$name" != veth ] || veth[latency]=${value% *}
	printf ' | request %s us median, %s us 99 %%: +%s us\n' "${value% *}" "${value#* }" \
		"$((${value% *} - veth[latency]))"
}

echo "the way out (goals: x0.65 of veth both ways, connections x0.50, requests +60 us)"
measure veth in_host ""
measure relay in_box "$netd_pid"
if command -v slirp4netns >/dev/null; then
	other slirp
	in_host slirp4netns --configure --mtu=65520 --disable-host-loopback "$other_pid" tap0 >/dev/null 2>&1 &
	slirp_pid=$!
	until in_other ip link show tap0 2>/dev/null | grep -q UP; do read -rt 0.05 <><(:); done
	measure slirp4netns in_other "$slirp_pid"
fi
if command -v pasta >/dev/null; then
	other pasta
	in_host pasta --config-net --foreground --quiet --runas "$test_uid:$test_gid" "$other_pid" >"$TEST_TMP/pasta.log" 2>&1 &
	pasta_pid=$!
	for _ in $(seq 100); do
		in_other ip -4 addr show 2>/dev/null | grep -q 198.51 && break
		read -rt 0.05 <><(:)
	done
	measure pasta in_other "$pasta_pid"
fi
