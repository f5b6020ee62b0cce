#!/bin/bash
# SPDX-License-Identifier: MIT
#
# rootlesskit's networks: our relay, the drivers of other projects against the real programs, the port drivers.
. "$(dirname "$0")/lib.sh"
own_mounts
. "$top/tests/lib/debian.sh"
. "$top/tests/lib/peer_net.sh"
. "$top/tests/lib/lxc_net.sh"

if [ "$(id -u)" != 0 ]; then
	skip "networks of rootlesskit" "machine: needs root to prepare peers"
	exit 0
fi
for a in rootlesskit rootlessctl; do ln -s coracle "$TEST_TMP/bin/$a"; done
user() { as_user env PATH="${kit_path:-}$TEST_TMP/bin:/usr/sbin:/usr/bin:/sbin:/bin" timeout 60 "$@"; }
kit() { user rootlesskit "$@" 2> >(grep -v level=warning >&2); }
gvproxy=$(debian_unpack sid gvproxy 2>/dev/null | tail -1)/usr/bin/gvproxy
[ ! -x "$gvproxy" ] || { cp "$gvproxy" "$TEST_TMP/bin/gvproxy"; chmod 755 "$TEST_TMP/bin/gvproxy"; }

# --- a host of our own, with a peer behind it ----------------------------------------------------------

peer_net kit
serve $peer 198.51.100.2 80 peer 2>/dev/null
serve $host 127.0.0.1 8090 loopback 2>/dev/null
get() { echo "curl -s -m ${2:-20} http://$1/"; }

# --- each network ----------------------------------------------------------------------------------------

networks=(relay slirp4netns pasta)
[ ! -x "$TEST_TMP/bin/gvproxy" ] || networks+=(gvisor-tap-vsock)
for net in "${networks[@]}"; do
	gateway=10.0.2.2 dns=10.0.2.3
	[ $net != gvisor-tap-vsock ] || gateway=192.168.127.254 dns=192.168.127.1
	check_out "$net: the peer answers" "peer 198.51.100.1" kit --net=$net --copy-up=/etc --disable-host-loopback sh -c "$(get 198.51.100.2)"
	check_out "$net: the name server" "nameserver $dns" kit --net=$net --copy-up=/etc --disable-host-loopback cat /etc/resolv.conf
	check_out "$net: the host's loopback" "loopback 127.0.0.1" kit --net=$net --copy-up=/etc sh -c "$(get $gateway:8090)"
	check_fails "$net: ... not with --disable-host-loopback" kit --net=$net --copy-up=/etc --disable-host-loopback sh -c "$(get $gateway:8090 5)"
	check_fails "$net: nobody listens" kit --net=$net --copy-up=/etc --disable-host-loopback sh -c "$(get 198.51.100.2:81)"
	check_out "$net: --detach-netns" "peer 198.51.100.1" kit --net=$net --detach-netns --disable-host-loopback \
		sh -c "nsenter --net=\$ROOTLESSKIT_STATE_DIR/netns $(get 198.51.100.2)"
	check_out "$net: --pidns" "peer 198.51.100.1" kit --net=$net --pidns --disable-host-loopback sh -c "$(get 198.51.100.2)"
	check_has "$net: info names it" "Network Driver: $net" kit --net=$net --disable-host-loopback rootlessctl info
done
check_fails "gvproxy's API is not reached from inside" kit --net=gvisor-tap-vsock sh -c "$(get 192.168.127.1/services/forwarder/all)"
check_out "relay: ping" "reply from 198.51.100.2" kit --net=relay python3 -c 'import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(60)
s.sendto(struct.pack("!BBHHH", 8, 0, 0xf7fe, 0, 1), ("198.51.100.2", 0))
print("reply from", s.recvfrom(1500)[1][0])'
check_has "relay: --mtu" "mtu 1400" kit --net=relay --mtu=1400 ip route get 198.51.100.2
# shellcheck disable=SC2046 # pids
check "relay: its processes end with it" wait_gone $(our_pids)
mkfifo "$TEST_TMP/up" && chmod 666 "$TEST_TMP/up"
# Killed, it cannot take its state directory away.
as_user "$TEST_TMP/bin/rootlesskit" --state-dir="$xdg/killed" --net=relay sh -c "echo \$PPID >$TEST_TMP/up; exec sleep 1000" >/dev/null 2>&1 &
read -r child <"$TEST_TMP/up"
all=$(our_pids)
command=$(ps -o pid= --ppid "$child" | head -1)
kill -9 "$(ps -o ppid= -p "$child" | tr -d ' ')"
# shellcheck disable=SC2086 # pids
check "relay: killed, it takes all of them along" wait_gone $all $command

# --- lxc-user-nic: root allows a bridge ---------------------------------------------------------------------

bridge=kitb$$
if lxc_net_up $bridge; then
	user_network=()
	serve "" 10.77.1.1 8091 bridge 2>/dev/null
	check_has "lxc-user-nic: the bridge answers" "bridge 10.77.1.1" kit --net=lxc-user-nic --lxc-user-nic-bridge=$bridge --copy-up=/etc sh -c "$(get 10.77.1.1:8091)"
	check_has "lxc-user-nic: --detach-netns" "bridge 10.77.1.1" kit --net=lxc-user-nic --lxc-user-nic-bridge=$bridge --detach-netns \
		sh -c "nsenter --net=\$ROOTLESSKIT_STATE_DIR/netns $(get 10.77.1.1:8091)"
	check_has "lxc-user-nic: a bridge nobody allowed" "/etc/lxc/lxc-usernet" kit --net=lxc-user-nic --lxc-user-nic-bridge=nosuch true
	user_network=(nsenter "--net=/run/netns/$host")
else
	skip "lxc-user-nic" "not installed set-user-ID"
fi

# --- port drivers ---------------------------------------------------------------------------------------------

cat >"$TEST_TMP/bin/ports.py" <<'END'
"""Inside: serves one client, who is asked for on stdout, and says what address he has."""
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"inside, from {self.client_address[0]}\n".encode())
    def log_message(self, *a):
        pass
s = http.server.HTTPServer(("0.0.0.0", int(sys.argv[1])), Answer)
print("ready", flush=True)
s.handle_request()
END
published() { # NAME WANT PORT KIT-ARGS...
	local name=$1 want=$2 port=$3 out
	shift 3
	coproc { kit --copy-up=/etc --disable-host-loopback "$@" python3 "$TEST_TMP/bin/ports.py" 80; }
	read -t 60 -r _ <&"${COPROC[0]}"
	out=$(from_peer "http://198.51.100.1:$port/" 2>&1)
	wait "$COPROC_PID" 2>/dev/null
	if [ "$out" = "$want" ]; then ok "$name"; else not_ok "$name" "got '$out', want '$want'"; fi
}
published "builtin, with the relay" "inside, from 127.0.0.1" 8081 --net=relay --port-driver=builtin -p 0.0.0.0:8081:80/tcp
published "builtin, with slirp4netns" "inside, from 127.0.0.1" 8082 --net=slirp4netns --port-driver=builtin -p 0.0.0.0:8082:80/tcp
published "slirp4netns" "inside, from 198.51.100.2" 8083 --net=slirp4netns --port-driver=slirp4netns -p 0.0.0.0:8083:80/tcp
check_out "slirp4netns: ports are listed and removed" "1 [] null" user bash -c 'rootlesskit --net=slirp4netns --port-driver=slirp4netns --disable-host-loopback sh -c "
	a=\$(rootlessctl add-ports 127.0.0.1:8084:80/tcp); rootlessctl remove-ports \$a >/dev/null; echo \$a [\$(ss -Hltn sport = :8084)] \$(curl -s --unix-socket \$ROOTLESSKIT_STATE_DIR/api.sock http://kit/v1/ports)" 2>/dev/null'
check_has "slirp4netns: a port twice" "slirp4netns: add_hostfwd: " user bash -c 'rootlesskit --net=slirp4netns --port-driver=slirp4netns --disable-host-loopback \
	sh -c "rootlessctl add-ports 127.0.0.1:8085:80/tcp; rootlessctl add-ports 0.0.0.0:8085:80/tcp" 2>&1'
while IFS='|' read -r want args; do
	# shellcheck disable=SC2086 # words
	check_has "refused: $args" "[rootlesskit:parent] error: $want" kit $args true
done <<'END'
port driver requires slirp4netns network|--port-driver=slirp4netns
port driver requires slirp4netns network|--net=relay --port-driver=slirp4netns
port driver requires pasta network|--net=slirp4netns --port-driver=implicit
network "pasta" requires port driver "none" or "implicit"|--net=pasta --port-driver=builtin
unsupported slirp4netns-sandbox mode: "foo"|--net=slirp4netns --slirp4netns-sandbox=foo
unsupported slirp4netns-seccomp mode: "foo"|--net=slirp4netns --slirp4netns-seccomp=foo
exec: "/nosuch": stat /nosuch: no such file or directory|--net=slirp4netns --slirp4netns-binary=/nosuch
exec: "nosuch": executable file not found in $PATH|--net=pasta --pasta-binary=nosuch
exec: "vpnkit": executable file not found in $PATH|--net=vpnkit
custom cidr is not supported for --net=host|--cidr=10.1.0.0/24
END
check_has "a missing program is named with its package" "hint: as root: apt-get install -y passt" kit --net=pasta --pasta-binary=nosuch true
printf '#!/bin/sh\necho "Usage: slirp4netns [OPTION]... PID TAPNAME"\n' >"$TEST_TMP/bin/old-slirp"
chmod 755 "$TEST_TMP/bin/old-slirp"
check_has "an old slirp4netns" "slirp4netns found but seems older than v0.4.0" kit --net=slirp4netns --slirp4netns-binary="$TEST_TMP/bin/old-slirp" true
