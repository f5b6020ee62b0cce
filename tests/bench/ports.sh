#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Published ports: iperf3 from a machine elsewhere to one in a container, both ways, with 1 and 8 streams; beside
# the plain veth pair, and beside a real rootless Docker if PEER_SOCKET names its socket.  That one is in the
# machine's own network, and so is all of this: a veth pair with 198.51.100.1 is added to it meanwhile.
# "out" is into the container, as the client is who sends.  ROUNDS and SECONDS_EACH: see network.py.
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

listens() { ip netns exec $client iperf3 -n 1K -c 198.51.100.1 -p "$1" >/dev/null 2>&1; }
network() { # NAME PORT
	until_true listens "$2" || { echo "ports: $1 does not answer" >&2; return 1; }
	echo "$1 - 198.51.100.1 $2 ip netns exec $client" >>"$TEST_TMP/networks"
}

"$iperf" -s -p 15201 >/dev/null 2>&1 &
at_exit "kill $!"
network veth 15201
if [ -n "${PEER_SOCKET:-}" ]; then
	theirs() { DOCKER_HOST=unix://$PEER_SOCKET "$docker_cli" "$@"; }
	theirs import "$TEST_TMP/iperf.tar" iperf >/dev/null && theirs run -d --name coracle-bench -p 15202:5201 iperf "$iperf" -s >/dev/null || exit 1
	at_exit 'theirs rm -f coracle-bench >/dev/null'
	network docker 15202
	saw_docker="$(theirs logs coracle-bench | sed -n 's/^Accepted connection from \([^,]*\),.*/\1/p' | sort -u)"
fi
engine_start || exit 1
chmod 644 "$TEST_TMP/iperf.tar"
docker import "$TEST_TMP/iperf.tar" iperf >/dev/null && docker run -d --name web -p 15203:5201 iperf "$iperf" -s >/dev/null || exit 1
network coracle 15203
saw_coracle="$(docker logs web | sed -n 's/^Accepted connection from \([^,]*\),.*/\1/p' | sort -u)"

goals=()
for metric in out in out8 in8; do goals+=("$metric:coracle:docker:x1.2"); done
echo "published ports: the client's address is 198.51.100.2; the container sees $saw_coracle${saw_docker:+, that of the real engine $saw_docker}"
SUBJECT=coracle python3 "$top/tests/bench/network.py" "$TEST_TMP/networks" out in out8 in8 - "${goals[@]}" | sed 's/^coracle\./ports./'
