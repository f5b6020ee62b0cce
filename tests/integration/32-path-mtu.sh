#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A path whose MTU is smaller than the container's, and that says so only when it is asked to carry more:
#	box ── netd ── host ── peer, a router ──(MTU 1280)── far 192.0.2.2, 2001:db8:2::2
# test: together
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { skip "path MTU" "machine: network namespaces for host and peer need root"; exit 77; }
. "$top/tests/lib/relay_net.sh"
far=coracle-f$$
at_exit 'relay_down; kill $server 2>/dev/null; ip netns del $far'
server=
if ! relay_up; then
	not_ok "netd, host, peer and container are up" "$(cat "$exec_root/netd.log" 2>&1)"
	exit 1
fi
ip netns add $far && ip link add q0 netns "$relay_peer" mtu 1280 type veth peer name f0 netns $far || exit 1
relay_netns "$relay_peer" q0 192.0.2.1 2001:db8:2::1
relay_netns $far f0 192.0.2.2 2001:db8:2::2
in_peer sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
# It claims to take full packets, so that the host has to find out.
ip -n $far route add default via 192.0.2.1 mtu 1280 advmss 1460
ip -n $far -6 route add default via 2001:db8:2::1 mtu 1280 advmss 1440
ip -n "$relay_host" route add 192.0.2.0/24 via 198.51.100.2
ip -n "$relay_host" -6 route add 2001:db8:2::/64 via 2001:db8::2

cat >"$TEST_TMP/bin/mtu.py" <<'END'
import hashlib, os, socket, sys, threading
def family(a): return socket.AF_INET6 if ":" in a else socket.AF_INET
def serve(a):
    tcp = socket.create_server((a, 7000), family=family(a))
    udp = socket.socket(family(a), socket.SOCK_DGRAM); udp.bind((a, 7000))
    def stream():
        while True:
            with tcp.accept()[0] as c:
                h = hashlib.sha256()
                while data := c.recv(1 << 16): h.update(data)
                c.sendall(h.hexdigest().encode() + os.urandom(1 << 20))
    def datagrams():
        while True:
            data, who = udp.recvfrom(1 << 16)
            udp.sendto(b"%d" % len(data), who)
    for f in stream, datagrams: threading.Thread(target=f, daemon=True).start()
if sys.argv[1] == "serve":
    for a in sys.argv[2:]: serve(a)
    print("up", flush=True); threading.Event().wait()
a = sys.argv[2]
if sys.argv[1] == "tcp":
    data = os.urandom(4 << 20)
    with socket.create_connection((a, 7000), 20) as s:
        s.sendall(data); s.shutdown(socket.SHUT_WR)
        back = b"".join(iter(lambda: s.recv(1 << 16), b""))
    assert back[:64].decode() == hashlib.sha256(data).hexdigest()
    print(len(back) - 64)
else: # the first ones may be lost: that is how the path tells its MTU
    with socket.socket(family(a), socket.SOCK_DGRAM) as s:
        s.connect((a, 7000)); s.settimeout(5)
        for _ in range(10):
            s.send(bytes(int(sys.argv[3])))
            try: print(s.recv(64).decode()); break
            except TimeoutError: pass
END
chmod 644 "$TEST_TMP/bin/mtu.py"
exec {up}< <(exec ip netns exec $far python3 "$TEST_TMP/bin/mtu.py" serve 192.0.2.2 2001:db8:2::2)
server=$!
read -rt 60 -u "$up" line
client() { in_box timeout 60 python3 "$TEST_TMP/bin/mtu.py" "$@"; }

for a in 192.0.2.2 2001:db8:2::2; do
	check_out "a connection, both ways: $a" $((1 << 20)) client tcp $a
	check_has "the host has learnt the path's MTU" "mtu 1280" ip netns exec "$relay_host" ip route get $a
	check_out "a datagram of the container's MTU: $a" 1400 client udp $a 1400
	check_out "a large one: $a" 20000 client udp $a 20000
done

# The MTU of the way out, as a process inside sees it: asked for, and taken back.
mtu_of() { in_inside python3 -c 'import socket
for family, address in (socket.AF_INET, "192.0.2.2"), (socket.AF_INET6, "2001:db8:2::2"):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.connect((address, 7))
        print(s.getsockopt(*((41, 24) if family == socket.AF_INET6 else (0, 14))))' | xargs; }
check_out "an MTU for the way out" "{}" netd_ask '{"op": "relay.mtu", "mtu": 1400}'
check_out "... is that of both families" "1400 1400" mtu_of
check_out "one too small for IPv6" "{}" netd_ask '{"op": "relay.mtu", "mtu": 576}'
check_out "... is IPv4's alone" "576 1280" mtu_of
check_has "one too small for any" "bad MTU 60, not 68 to 65535" netd_ask '{"op": "relay.mtu", "mtu": 60}'
check_out "none" "{}" netd_ask '{"op": "relay.mtu"}'
check_out "... is as large as can be" "65535 65536" mtu_of
