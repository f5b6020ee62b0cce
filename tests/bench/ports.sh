#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Published ports: iperf3 from a machine elsewhere to one in a container, both ways, with 1 and 8 streams; beside
# the plain veth pair, and beside a real rootless Docker if PEER_SOCKET names its socket.  That one is in the
# machine's own network, and so is all of this: a veth pair with 198.51.100.1 is added to it meanwhile.
# SECONDS_EACH=N measures longer.
. "$(dirname "$0")/../integration/lib.sh"
[ "$(id -u)" = 0 ] || { echo "ports: a network namespace for the client needs root" >&2; exit 0; }
: "${SECONDS_EACH:=3}"
iperf=$(command -v iperf3) || { echo "ports: iperf3 is not installed" >&2; exit 0; }
client=coracle-c$$
at_exit 'ip netns del $client'
ip netns add $client && ip link add coracle-b0 type veth peer name p0 netns $client || exit 1
ip addr add 198.51.100.1/24 dev coracle-b0 && ip link set coracle-b0 up
ip -n $client addr add 198.51.100.2/24 dev p0 && ip -n $client link set p0 up

# An image with iperf3 and what it is linked with.
root=$TEST_TMP/iperf
mkdir -p "$root/tmp"
chmod 1777 "$root/tmp"
{ echo "$iperf"; ldd "$iperf" | grep -o '/[^ )]*'; } | while read -r file; do cp --parents -L "$file" "$root"; done
tar -C "$root" -cf "$TEST_TMP/iperf.tar" .

gbits() { # PORT FLAGS...
	ip netns exec $client iperf3 -J -t "$SECONDS_EACH" -c 198.51.100.1 -p "$@" 2>/dev/null | python3 -c 'import json, sys
end = json.load(sys.stdin)["end"]
print("%.2f" % (end["sum_received"]["bits_per_second"] / 1e9))' 2>/dev/null || echo 0
}
listens() { ip netns exec $client iperf3 -n 1K -c 198.51.100.1 -p "$1" >/dev/null 2>&1; }
await() {
	local n=100
	until "$@"; do
		n=$((n - 1))
		[ $n != 0 ] || return 1
		read -rt 0.1 <><(:)
	done
}
declare -A peer
measure() { # NAME PORT
	local name=$1 port=$2 key value
	await listens "$port" || { echo "ports: $name does not answer" >&2; return 1; }
	printf '%-8s' "$name"
	for key in "" "-R" "-P 8" "-P 8 -R"; do
		value=$(gbits "$port" $key)
		printf ' | %-7s %6s Gb/s' "${key:-in}" "$value"
		[ "$name" != peer ] || peer[${key:-in}]=$value
		[ "$name" != ours ] || [ -z "${peer[${key:-in}]:-}" ] ||
			awk -v a="$value" -v b="${peer[${key:-in}]}" 'BEGIN { if (b > 0) printf " x%.2f", a / b }'
	done
	echo
}

echo "published ports (goal: x1.2 of the real engine's, with the client's own address)"
"$iperf" -s -p 15201 >/dev/null 2>&1 &
at_exit "kill $!"
measure veth 15201
if [ -n "${PEER_SOCKET:-}" ]; then
	theirs() { DOCKER_HOST=unix://$PEER_SOCKET "$docker_cli" "$@"; }
	theirs import "$TEST_TMP/iperf.tar" iperf >/dev/null && theirs run -d --name coracle-bench -p 15202:5201 iperf "$iperf" -s >/dev/null || exit 1
	at_exit 'theirs rm -f coracle-bench >/dev/null'
	measure peer 15202
	echo "         it sees $(theirs logs coracle-bench | sed -n 's/^Accepted connection from \([^,]*\),.*/\1/p' | sort -u)"
fi
engine_start || exit 1
chmod 644 "$TEST_TMP/iperf.tar"
docker import "$TEST_TMP/iperf.tar" iperf >/dev/null && docker run -d --name web -p 15203:5201 iperf "$iperf" -s >/dev/null || exit 1
measure ours 15203
echo "         it sees $(docker logs web | sed -n 's/^Accepted connection from \([^,]*\),.*/\1/p' | sort -u)"
