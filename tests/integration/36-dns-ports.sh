#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Published ports and the name server of containers, with a host and a peer in network namespaces of
# their own:	peer 198.51.100.2, 2001:db8::2		host 198.51.100.1, 2001:db8::1
# test: together
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { skip "published ports" "network namespaces for host and peer need root"; exit 77; }

. "$top/tests/lib/port_net.sh"
port_net_up || exit 1
cp "$top"/tests/lib/port_{box,client,dns}.py "$TEST_TMP/bin/" && chmod 755 "$TEST_TMP"/bin/*

client() { in_peer python3 "$TEST_TMP/bin/port_client.py" "$@"; }
local_client() { as_user python3 "$TEST_TMP/bin/port_client.py" "$@"; }
inspect() { docker inspect -f "$2" "$1"; }
# A container that has the machine's programs, and the services of port_box.py.
box() { # NAME FLAG...
	local name=$1
	shift
	docker run -d --name "$name" -v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro -v "$TEST_TMP/bin:/test:ro" \
		"$@" bb python3 /test/port_box.py
}
is_up() { docker logs "$1" | grep -q up; }
dig() { docker exec "$1" dig +time=3 +tries=1 "${@:2}"; }
status_of() { dig "$@" | sed -n 's/.*status: \([A-Z]*\).*/\1/p'; }

mkfifo "$TEST_TMP/server" "$TEST_TMP/stub" "$TEST_TMP/taken"
in_peer python3 "$TEST_TMP/bin/port_dns.py" 198.51.100.2 >"$TEST_TMP/server" &
at_exit "pkill -P $!" # the function's shell has it as a child
read -rt 60 line <"$TEST_TMP/server" || not_ok "the name server elsewhere is up" "it says nothing"
# A resolver of the host's own, on its loopback, as systemd's; and a resolv.conf that the engine takes for the host's.
in_host python3 "$TEST_TMP/bin/port_dns.py" 127.0.0.53 192.0.2.53 >"$TEST_TMP/stub" &
at_exit "pkill -P $!" # the function's shell has it as a child
read -rt 60 line <"$TEST_TMP/stub" || not_ok "the host's own name server is up" "it says nothing"
mkdir "$TEST_TMP/etc" && chmod 755 "$TEST_TMP/etc"
resolv() { # SERVER: by a rename, as everybody does it
	echo "nameserver $1" >"$TEST_TMP/etc/new" && mv "$TEST_TMP/etc/new" "$TEST_TMP/etc/resolv.conf"
}
resolv 127.0.0.53
user_network+=(unshare -m sh -c 'mount -t tmpfs etc /mnt && mkdir /mnt/lower /mnt/upper /mnt/work && mount --bind /etc /mnt/lower &&
	ln -s "$0/resolv.conf" /mnt/upper/resolv.conf && mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work etc /etc &&
	exec "$@"' "$TEST_TMP/etc")
user_env=(CORACLE_NETD_STRICT=1) # any other system call ends netd
engine_start || exit 1
user_network=(nsenter "--net=/run/netns/$host")
docker import "$(image_busybox)" bb >/dev/null || exit 1
first_netd=$(our_pids :netd)
check "netd would die of a call it should not make" grep -qzx strict "/proc/$first_netd/cmdline"

# --- published ports ----------------------------------------------------------------------------------------
docker network create --ipv6 front >/dev/null
run box web --network front -p 8080:80 -p 8080:80/udp -p 127.0.0.1:8081:81 -p 8090-8092:90-92 -p 82 --expose 99
[ "$status" = 0 ] || not_ok "a container with ports starts" "$out"
check "its services are up" until_true is_up web
check_out "TCP: the client's own address" "198.51.100.2" client tcp 198.51.100.1 8080
check_out "TCP, IPv6: the same" "2001:db8::2" client tcp 2001:db8::1 8080
check_out "UDP: the same" "198.51.100.2" client udp 198.51.100.1 8080
check_out "UDP, IPv6: the same" "2001:db8::2" client udp 2001:db8::1 8080
check_out "a large datagram comes back" 60000 client big 198.51.100.1 8080
check_out "half-closed connections go on" $((1 << 20)) client half 198.51.100.1 8080
gateway=$(inspect web '{{.NetworkSettings.Networks.front.Gateway}}')
check_out "from the host's loopback: the gateway's address" "$gateway" local_client tcp 127.0.0.1 8080
check_out "from the host's address: that" "198.51.100.1" local_client tcp 198.51.100.1 8080
check_out "a reset is carried over" "reset" local_client reset 127.0.0.1 8081
check_has "bound to loopback, it is nowhere else" "refused" client reset 198.51.100.1 8081
check_out "nobody listens in the container: reset" "reset" client reset 198.51.100.1 8090
check_out "a container reaches it at its gateway" "$gateway" docker exec web python3 /test/port_client.py tcp "$gateway" 8080
check_out "and at the host's address" "198.51.100.1" docker exec web python3 /test/port_client.py tcp 198.51.100.1 8080

descriptors() { ls "/proc/$first_netd/fd" | wc -l; }
few() { [ "$(descriptors)" -le $((before + 64)) ]; } # empty pipes are kept for the next connection
before=$(descriptors)
check_out "2000 connections" 2000 client many 198.51.100.1 8080
check "leave no descriptor in netd" until_true few
any=$(inspect web '{{(index .NetworkSettings.Ports "82/tcp" 0).HostPort}}')
check_out "docker port" "80/tcp -> 0.0.0.0:8080
80/tcp -> [::]:8080
80/udp -> 0.0.0.0:8080
80/udp -> [::]:8080
81/tcp -> 127.0.0.1:8081
82/tcp -> 0.0.0.0:$any
82/tcp -> [::]:$any
90/tcp -> 0.0.0.0:8090
90/tcp -> [::]:8090
91/tcp -> 0.0.0.0:8091
91/tcp -> [::]:8091
92/tcp -> 0.0.0.0:8092
92/tcp -> [::]:8092" docker port web
check_out "our client's is the same" "$out" our_docker port web
want=$(docker ps --format '{{.Ports}}')
check_has "ps" "99/tcp" echo "$want"
check_out "our client's is the same" "$want" our_docker ps --format '{{.Ports}}'
check_out "ps --filter publish" web docker ps --filter publish=8079-8080/udp --format '{{.Names}}'
check_out "is about the host's port" "" docker ps --filter publish=80 -q
check_out "or expose" web docker ps --filter publish=80 --filter expose=99 --format '{{.Names}}'
check_out "exposed, not published" null inspect web '{{json (index .NetworkSettings.Ports "99/tcp")}}'

failed="driver failed programming external connectivity on endpoint"
check_has "a port that a container has" "Bind for 0.0.0.0:8080 failed: port is already allocated" docker run --rm -p 8080:80 bb true
check_has "says of which endpoint" "failed to set up container networking: $failed wanting (" docker run --rm --name wanting -p 8080:80 bb true
as_user python3 -c 'import socket
s = socket.create_server(("0.0.0.0", 8099)); print("up", flush=True); s.accept()' >"$TEST_TMP/taken" &
taken=$!
read -rt 60 line <"$TEST_TMP/taken"
check_has "a port that another program has" "error while calling RootlessKit PortManager.AddPort(): listen tcp4 0.0.0.0:8099: bind: address already in use" \
	docker run --rm -p 8099:80 bb true
as_user bash -c 'exec 3<>/dev/tcp/127.0.0.1/8099' # that is its end
wait $taken
check_has "an address the host has not" "listen tcp4 192.0.2.9:8093: bind: cannot assign requested address" docker run --rm -p 192.0.2.9:8093:80 bb true
check_has "a privileged port" "cannot expose privileged port 81, you can add 'net.ipv4.ip_unprivileged_port_start=81' to /etc/sysctl.conf (currently 1024), or set CAP_NET_BIND_SERVICE on rootlesskit binary, or choose a larger port number (>= 1024): listen tcp4 0.0.0.0:81: bind: permission denied" \
	docker run --rm -p 81:80 bb true
docker run -d --name ranged -p 8090-8094:80 -P --expose 70/udp bb sleep 1000 >/dev/null
check_out "of a range, the first that is free" "0.0.0.0:8093 [::]:8093" echo $(docker port ranged 80)
check_has "-P publishes what is exposed" "70/udp -> 0.0.0.0:" docker port ranged
check_has "a range without a free one" "all ports are allocated" docker run --rm -p 8090-8093:80 bb true
check_out "what failed has left nothing" 0 bash -c "nsenter --net=/run/netns/$host ss -Hltn 'sport = :8099' | wc -l"
docker rm -f ranged >/dev/null
check_has "a container that has ended has no port" "refused" client tcp 198.51.100.1 8093

# --- RootlessKit's API: the same ports, and others ------------------------------------------------------------
api=$xdg/dockerd-rootless/api.sock
ctl() { as_user "$coracle" rootlessctl --socket "$api" "$@"; }
rows() { ctl list-ports | awk 'NR > 1 {print $2, $3, $4, $5, $6}' | sort; }
id_of() { ctl list-ports | awk -v port="$1" '$4 == port {print $1; exit}'; }
web4=$(inspect web '{{.NetworkSettings.Networks.front.IPAddress}}')
web6=$(inspect web '{{.NetworkSettings.Networks.front.GlobalIPv6Address}}')
check_has "info: of whom" "State Directory: $xdg/dockerd-rootless
- Child PID: $(our_pids :engine)
- Network Driver: relay" ctl info
check_has "... and what ports may be" "Supported protocols: [tcp tcp4 tcp6 udp udp4 udp6]" ctl info
check_has "a container's port is listed" "tcp4 0.0.0.0 8080 $web4 80
tcp4 0.0.0.0 8090 $web4 90" rows
check_has "... to its address of the same family" "tcp6 :: 8080 $web6 80" rows
check_has "... datagrams too" "udp4 0.0.0.0 8080 $web4 80" rows
inside='d=$XDG_RUNTIME_DIR/dockerd-rootless; exec nsenter -U --preserve-credentials -m -t "$(cat $d/child_pid)" nsenter --net=$d/netns "$@"'
as_user sh -c "$inside" sh python3 -c 'import socket, threading
def serve(family, at):
    s = socket.create_server(at, family=family)
    def run():
        while True:
            c, peer = s.accept()
            c.sendall((peer[0] + "\n").encode())
            c.close()
    threading.Thread(target=run).start()
serve(socket.AF_INET, ("127.0.0.1", 7000))
serve(socket.AF_INET6, ("::1", 7000))
print("up", flush=True)' >"$TEST_TMP/taken" &
at_exit "pkill -P $!" # the function's shell has it as a child
read -rt 60 line <"$TEST_TMP/taken"
added=$(ctl add-ports 0.0.0.0:7000:7000/tcp)
check_out "one that is added leads to the inside's loopback" "127.0.0.1" client tcp 198.51.100.1 7000
check_has "... and is listed as it was asked for" "\"id\":$added,\"spec\":{\"proto\":\"tcp\",\"parentIP\":\"0.0.0.0\",\"parentPort\":7000,\"childPort\":7000}" \
	ctl list-ports --json
check_has "twice" "error: conflict with ID $added" ctl add-ports 0.0.0.0:7000:7000/tcp
check_status "with the status" 1 ctl add-ports 0.0.0.0:7000:7000/tcp
added6=$(ctl add-ports '[::]:7000:7000/tcp6')
check_out "tcp6: the loopback of IPv6" "::1" client tcp 2001:db8::1 7000
direct=$(ctl add-ports "198.51.100.1:7001:$web4:80/tcp")
check_out "to a container: the client's own address" "198.51.100.2" client tcp 198.51.100.1 7001
check_has "a port that a container has" "error: listen tcp 0.0.0.0:8080: bind: address already in use" ctl add-ports 0.0.0.0:8080:80/tcp
check_has "a privileged port" "error: cannot expose privileged port 80, you can add 'net.ipv4.ip_unprivileged_port_start=80' to /etc/sysctl.conf (currently 1024), or set CAP_NET_BIND_SERVICE on rootlesskit binary, or choose a larger port number (>= 1024): listen tcp 0.0.0.0:80: bind: permission denied" \
	ctl add-ports 0.0.0.0:80:80/tcp
check_has "no such number" "error: unknown id: 4000000" ctl remove-ports 4000000
check_out "removed" "$direct" ctl remove-ports "$direct"
check_has "... it is closed" "refused" client tcp 198.51.100.1 7001
low=$(id_of 8092)
check_out "a container's can be, too" "$low" ctl remove-ports "$low"
check_has "... and is closed" "refused" client tcp 198.51.100.1 8092
check_out "while docker has not heard of it, as with the real one" 0.0.0.0:8092 bash -c "$docker_cli -H unix://$xdg/docker.sock port web 92 | head -1"
run docker run -d --name many -p 20000-20299:20000-20299 bb sleep 1000
check_out "more than one message of netd's holds" 600 bash -c "'$coracle' rootlessctl --socket '$api' list-ports | grep -c ' 20[012][0-9][0-9] '"
docker rm -f many >/dev/null
check_out "... and none of them is left" "" bash -c "'$coracle' rootlessctl --socket '$api' list-ports | grep ' 20[012][0-9][0-9] '"

# --- names ---------------------------------------------------------------------------------------------------
docker network create back >/dev/null
box db --network back --network-alias store --hostname keeper >/dev/null
docker run -d --name db2 --network back --network-alias store bb sleep 1000 >/dev/null
docker network connect back web
db=$(inspect db '{{.NetworkSettings.Networks.back.IPAddress}}')
db2=$(inspect db2 '{{.NetworkSettings.Networks.back.IPAddress}}')
check_out "a name" "$db" dig web +short db
check_out "with its network" "$db" dig web +short db.back
check_out "a short id" "$db" dig web +short "$(inspect db '{{slice .Id 0 12}}')"
check_out "over TCP" "$db" dig web +tcp +short db
check_out "an alias of two" "$(printf '%s\n' "$db" "$db2" | sort)" bash -c "$docker_cli -H unix://$xdg/docker.sock exec web dig +short store | sort"
# The order is drawn each time: sooner or later the other one comes first.
both_first() {
	local n first=
	for n in $(seq 40); do
		first=$(printf '%s\n' $first "$(dig web +short store | head -1)" | sort -u)
		[ "$(wc -l <<<"$first")" != 2 ] || return 0
	done
	return 1
}
check "turn about" both_first
check_out "AAAA" "$(inspect web '{{.NetworkSettings.Networks.front.GlobalIPv6Address}}')" dig web +short AAAA web.front
check_out "AAAA of one that has none: no error" "NOERROR" status_of web AAAA db
check_out "PTR" "db.back." dig web +short -x "$db"
check_out "names of other networks are not known" "" dig db +short web.front
check_out "nor are their addresses" "" dig db +short -x "$(inspect web '{{.NetworkSettings.Networks.front.IPAddress}}')"
docker rm -f db2 >/dev/null
check_out "who has ended has no name" "$db" dig web +short store

box out --network back --dns 198.51.100.2 >/dev/null
check_out "--dns: other names are asked for there" "192.0.2.1" dig out +short any.example
check_out "and internal ones are not" "$db" dig out +short db
check_out "an answer that is too long: TCP" 20 bash -c "$docker_cli -H unix://$xdg/docker.sock exec out dig +short TXT any.example | wc -l"
check_has "says so over UDP" "tc" dig out +ignore TXT any.example
box asks --network back >/dev/null
check_out "without: at the host's, on its loopback" "192.0.2.53" dig asks +short any.example
check_out "over TCP" 20 bash -c "$docker_cli -H unix://$xdg/docker.sock exec asks dig +short TXT any.example | wc -l"
check_out "on the default bridge, too" "192.0.2.53" docker run --rm -v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro bb dig +short any.example
answers() { [ "$(dig asks +short any.example)" = "$1" ]; }
resolv 198.51.100.2
check "the host's servers change: others are asked" until_true answers 192.0.2.1
resolv 127.0.0.53
check "and back" until_true answers 192.0.2.53
# A name of the network's that has no address of that kind, or is not known any more, is nobody else's.
check_out "what is known here is not asked for elsewhere" "" dig asks +short AAAA db
docker network create --internal closed >/dev/null
box shut --network closed --dns 198.51.100.2 >/dev/null
check_out "an internal network's containers ask nobody" "SERVFAIL" status_of shut any.example

# --- the way out: the peer refuses, so it was reached ------------------------------------------------------------
out_to() { docker exec "$1" python3 /test/port_client.py tcp "$2" 9; }
for a in 198.51.100.2 2001:db8::2; do check_has "out to the peer: $a" "refused" out_to web $a; done
check_has "a network without IPv6 has none" "unreachable" out_to asks 2001:db8::2
check_has "an internal network has no way out" "unreachable" out_to shut 198.51.100.2
check_has "nor where a route is made up" "timed out" docker run --rm --cap-add NET_ADMIN --network closed bb sh -c \
	'ip route add default via $(ip route | sed -n "s/\.0\/16.*/.1/p") && nc -w 1 198.51.100.2 9'

# --- ends ------------------------------------------------------------------------------------------------------
coproc HOLD { client hold 198.51.100.1 8080; }
read -rt 60 -u "${HOLD[0]}" line
ports=$(docker port web)
engine_kill $(our_pids :engine)
echo meanwhile >&"${HOLD[1]}"
read -rt 60 -u "${HOLD[0]}" line
check_out "without an engine a connection goes on" "meanwhile" echo "$line"
check_out "and others are made" "198.51.100.2" client tcp 198.51.100.1 8080
check "the next engine answers" until_true docker version
check_out "it knows the ports" "$ports" docker port web
echo after >&"${HOLD[1]}"
read -rt 60 -u "${HOLD[0]}" line
check_out "the connection stands" "after" echo "$line"
netd=$(our_pids :netd)
check_out "netd has made none" "$first_netd" echo "$netd"
check_out "and those of rootlessctl's" "127.0.0.1" client tcp 198.51.100.1 7000
check_has "under their numbers" "error: conflict with ID $added6" ctl add-ports '[::]:7000:7000/tcp6'
engine_kill $netd
check "netd killed: the port is there again" until_true client tcp 198.51.100.1 8080
check_out "with the client's address" "198.51.100.2" client tcp 198.51.100.1 8080
check_out "datagrams too" "198.51.100.2" client udp 198.51.100.1 8080
check "and names" until_true dig web +short db
check "those of others" until_true answers 192.0.2.53
check_out "of the same" "$db" dig web +short db
check_out "and rootlessctl's ports" "127.0.0.1" client tcp 198.51.100.1 7000
check_out "... under their numbers" "$added
$added6" ctl remove-ports "$added" "$added6"
check_has "... until they are removed" "refused" client tcp 198.51.100.1 7000
kept=$(ctl add-ports 0.0.0.0:7000:7000/tcp)
docker network disconnect front web
check_out "disconnected from one network: the port leads to the other" "198.51.100.2" client tcp 198.51.100.1 8080
docker network disconnect back web
check_has "from all: it is closed" "refused" client tcp 198.51.100.1 8080
check_out "and not shown" "" docker port web
docker network connect front web
check_out "connected again: it is there" "198.51.100.2" client tcp 198.51.100.1 8080
docker stop -t 0 web >/dev/null
check_has "stopped: the port is closed" "refused" client tcp 198.51.100.1 8080
check_out "and not shown" "{}" inspect web '{{json .NetworkSettings.Ports}}'
docker start web >/dev/null
check "started again: it is there" until_true client tcp 198.51.100.1 8080

# --- the host's loopback, where that is asked for -----------------------------------------------------------
engine_stop
check_has "no port outlives a clean stop" "refused" client tcp 198.51.100.1 8080
check_has "... nor one of rootlessctl's" "refused" client tcp 198.51.100.1 7000
check_fails "... nor the socket" test -e "$api"
as_user python3 -c 'import socket
s = socket.create_server(("127.0.0.1", 4242)); print("up", flush=True)
while True: s.accept()[0].send(b"loopback\n")' >"$TEST_TMP/taken" &
at_exit "pkill -P $!" # the function's shell has it as a child
read -rt 60 line <"$TEST_TMP/taken"
user_env+=(DOCKERD_ROOTLESS_ROOTLESSKIT_DISABLE_HOST_LOOPBACK=false)
engine_start --host-gateway-ip 10.0.2.2 || exit 1
ask=(docker run --rm --add-host host.docker.internal:host-gateway bb nc -w 5 host.docker.internal 4242)
check_out "the host's loopback, as host-gateway" "loopback" "${ask[@]}"
netd=$(our_pids :netd)
engine_kill $netd
loopback() { [ "$("${ask[@]}" 2>/dev/null)" = loopback ]; }
check "the next netd knows it too" until_true loopback
engine_stop
user_env=(CORACLE_NETD_STRICT=1)
engine_start --host-gateway-ip 10.0.2.2 || exit 1
check_fails "not asked for, it is out of reach" "${ask[@]}"
check_out "the next supervisor has no port of rootlessctl's" "" bash -c "'$coracle' rootlessctl --socket '$api' list-ports | sed 1d"

# --- a program that may bind privileged ports -----------------------------------------------------------------
engine_stop
if setcap cap_net_bind_service=ep "$coracle"; then
	engine_start || exit 1
	run box low -p 81:80 -p 81:80/udp
	check "its services are up" until_true is_up low
	check_out "a privileged port" "198.51.100.2" client tcp 198.51.100.1 81
	check_out "with datagrams" "198.51.100.2" client udp 198.51.100.1 81
else
	skip "privileged ports" "machine: setcap does not work here"
fi
