# SPDX-License-Identifier: MIT
#
# tests/lib/peer_net.sh - a host of our own, with a peer behind it, and servers that say who asks
#
# Sourced after integration/lib.sh and own_mounts; needs root.
#
#   peer_net NAME             make both: network namespaces $host (198.51.100.1, the user's from then on) and $peer
#                             (198.51.100.2); and let any user open /dev/net/tun, as most hosts do
#   serve NETNS ADDRESS PORT WORD   answer HTTP there with "WORD, and the client's address"; "" is the machine's own network
#   from_peer URL             what the peer gets there, once somebody listens

peer_net() {
	local n
	host=$1-h$$ peer=$1-p$$
	at_exit "ip netns del $host 2>/dev/null; ip netns del $peer 2>/dev/null"
	ip netns add "$host" && ip netns add "$peer"
	ip link add "$1$$h" netns "$host" type veth peer name "$1$$p" netns "$peer"
	ip -n "$host" addr add 198.51.100.1/24 dev "$1$$h" && ip -n "$peer" addr add 198.51.100.2/24 dev "$1$$p"
	for n in $host $peer; do ip -n "$n" link set lo up; done
	ip -n "$host" link set "$1$$h" up && ip -n "$peer" link set "$1$$p" up
	ip -n "$host" route add default via 198.51.100.2
	ip netns exec "$host" sysctl -qw net.ipv4.ping_group_range="0 2147483647"
	user_network=(nsenter "--net=/run/netns/$host")
	open_device /dev/net/tun
}

serve() {
	[ -e "$TEST_TMP/serve.py" ] || cat >"$TEST_TMP/serve.py" <<-'END'
		import http.server, socketserver, sys
		class Answer(http.server.BaseHTTPRequestHandler):
		    def do_GET(self):
		        self.send_response(200)
		        self.end_headers()
		        self.wfile.write(f"{sys.argv[3]} {self.client_address[0]}\n".encode())
		    def log_message(self, *a):
		        pass
		socketserver.ThreadingTCPServer.allow_reuse_address = True
		s = socketserver.ThreadingTCPServer((sys.argv[1], int(sys.argv[2])), Answer)
		print("ready", flush=True)
		s.serve_forever()
	END
	coproc { exec nsenter "--net=${1:+/run/netns/}${1:-/proc/self/ns/net}" python3 "$TEST_TMP/serve.py" "$2" "$3" "$4"; }
	at_exit "kill $COPROC_PID 2>/dev/null"
	read -r _ <&"${COPROC[0]}"
}

from_peer() {
	nsenter "--net=/run/netns/$peer" curl -s -m 20 --retry 10 --retry-all-errors --retry-delay 1 "$1"
}
