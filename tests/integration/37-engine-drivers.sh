#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The engine with other network drivers than its own relay, by DOCKERD_ROOTLESS_ROOTLESSKIT_NET: out, published ports,
# networks kept apart, a driver that dies; what is refused; and what stands in where the kernel lacks something.
. "$(dirname "$0")/lib.sh"
own_mounts
. "$top/tests/lib/debian.sh"
. "$top/tests/lib/peer_net.sh"
. "$top/tests/lib/lxc_net.sh"

if [ "$(id -u)" != 0 ]; then
	skip "the engine's network drivers" "machine: needs root to prepare peers"
	exit 0
fi
peer_net drv
serve $peer 198.51.100.2 80 peer 2>/dev/null
tar=$(image_busybox)
gvproxy=$(debian_unpack sid gvproxy 2>/dev/null | tail -1)/usr/bin/gvproxy
mkdir "$TEST_TMP/path"
[ ! -x "$gvproxy" ] || { cp "$gvproxy" "$TEST_TMP/path/gvproxy"; chmod -R a+rX "$TEST_TMP/path"; }

# The engine reads its environment: one more layer of as_user.
settings=() kernel=() # kernel: what makes it another one
as_user() {
	"${user_network[@]}" "${kernel[@]}" setpriv --reuid "$test_uid" --regid "$test_gid" --clear-groups env -i HOME="$test_home" USER="$test_user" \
		LOGNAME="$test_user" LC_ALL=C TERM=dumb XDG_RUNTIME_DIR="$xdg" DOCKER_HOST="unix://$xdg/docker.sock" \
		PATH="$TEST_TMP/path:/usr/sbin:/usr/bin:/sbin:/bin" "${settings[@]}" "$@"
}
set_net() { # VARIABLE=VALUE...
	settings=()
	for v; do settings+=("DOCKERD_ROOTLESS_ROOTLESSKIT_$v"); done
}

# --- refused ----------------------------------------------------------------------------------------------------

while IFS='|' read -r want vars; do
	IFS=' ' read -ra words <<<"$vars"
	set_net "${words[@]//+/ }"
	check_has "refused: $vars" "$want" as_user timeout 60 "$coracle" dockerd-rootless
done <<'END'
Unsupported RootlessKit network driver: host|NET=host
unknown network mode: foo|NET=foo
exec: "vpnkit": executable file not found in $PATH|NET=vpnkit
hint: as root: |NET=vpnkit
unknown port driver: foo|PORT_DRIVER=foo
port driver requires slirp4netns network|PORT_DRIVER=slirp4netns
network "pasta" requires port driver "none" or "implicit"|NET=pasta PORT_DRIVER=builtin
invalid value "many" for flag -mtu|NET=slirp4netns MTU=many
mtu must be <= 65521, got 70000|MTU=70000
unsupported slirp4netns-sandbox mode: "foo"|NET=slirp4netns SLIRP4NETNS_SANDBOX=foo
unsupported slirp4netns-seccomp mode: "foo"|SLIRP4NETNS_SECCOMP=foo
DISABLE_HOST_LOOPBACK: "maybe" is neither true nor false|DISABLE_HOST_LOOPBACK=maybe
DETACH_NETNS: "maybe" is neither true nor false|DETACH_NETNS=maybe
FLAGS: flag provided but not defined: -frob|FLAGS=--ipv6+--frob
FLAGS: "frob" is no flag|FLAGS=--debug+frob
FLAGS: flag needs an argument: -cidr|FLAGS=--cidr
FLAGS: --subid-source=ldap: not auto, dynamic or static|FLAGS=--subid-source+ldap
invalid CIDR address: 1.2.3|NET=slirp4netns FLAGS=--cidr=1.2.3
exec: "nosuch": executable file not found in $PATH|NET=slirp4netns FLAGS=--slirp4netns-binary=nosuch
END
printf '#!/bin/sh\necho "Usage: slirp4netns [OPTION]... PID TAPNAME"\n' >"$TEST_TMP/path/slirp4netns"
chmod 755 "$TEST_TMP/path/slirp4netns"
set_net NET=slirp4netns
check_has "refused: an old slirp4netns" "slirp4netns found but seems older than v0.4.0" as_user timeout 60 "$coracle" dockerd-rootless
rm "$TEST_TMP/path/slirp4netns"

# --- each driver ------------------------------------------------------------------------------------------------

drivers=(slirp4netns pasta)
[ ! -x "$TEST_TMP/path/gvproxy" ] || drivers+=(gvisor-tap-vsock)
# fetch ADDRESS [SECONDS], in a container.  busybox's wget, linked statically, asks glibc for names and falls over it;
# nc ends what it sends where its input ends, which some programs take for the end of it all: so that stays open.
fetch='q=/tmp/q$$ && mkfifo $q && exec 3<>$q && printf "GET / HTTP/1.0\r\n\r\n" >&3 && {
	timeout ${1:-20} nc "$0" 80 <&3 | grep -m 1 -E "^(peer|bridge|at home)"; } 2>/dev/null'
cp "$top"/tests/lib/port_{box,client}.py "$TEST_TMP/bin/" && chmod 755 "$TEST_TMP"/bin/*
client() { nsenter "--net=/run/netns/$peer" python3 "$TEST_TMP/bin/port_client.py" "$@"; }
is_up() { our_docker logs "$1" | grep -q up; }
inside() { as_user nsenter -U --preserve-credentials -m -n -t "$(cat "$xdg/docker.pid")" "$@"; }
for net in "${drivers[@]}"; do
	set_net NET=$net MTU=1400
	engine_start || continue
	our_docker image inspect bb >/dev/null 2>&1 || our_docker import - bb <"$tar" >/dev/null
	check_out "$net: a container reaches the peer" "peer 198.51.100.1" our_docker run --rm bb sh -c "$fetch" 198.51.100.2
	check_has "$net: MTU" "mtu 1400" inside ip link show dev tap0
	our_docker network create other >/dev/null && our_docker network create --internal closed >/dev/null
	check_out "$net: a second network does, too" "peer 198.51.100.1" our_docker run --rm --network other bb sh -c "$fetch" 198.51.100.2
	our_docker run -d --name web -p 8086:80 bb sh -c 'mkdir /w && echo at home >/w/index.html && exec busybox httpd -f -p 80 -h /w' >/dev/null
	check_out "$net: a published port" "at home" from_peer http://198.51.100.1:8086/
	address=$(our_docker inspect -f '{{.NetworkSettings.IPAddress}}' web)
	check_out "$net: on its own network it is reached" "at home" our_docker run --rm bb sh -c "$fetch" "$address"
	check_fails "$net: from another network it is not" our_docker run --rm --network other bb sh -c "$fetch" "$address" 4
	check_fails "$net: an internal network has no way out" our_docker run --rm --network closed --cap-add NET_ADMIN bb sh -c \
		'ip route add default via $(ip route | sed -n "s/^\([0-9]*\.[0-9]*\.[0-9]*\)\.0.*/\1.1/p") && '"$fetch" 198.51.100.2 4
	our_docker run -d --name box -p 8083:80 -p 8083:80/udp -v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro \
		-v "$TEST_TMP/bin:/test:ro" bb python3 /test/port_box.py >/dev/null
	check "$net: a container with services" until_true is_up box
	check_out "$net: TCP: the client's own address" 198.51.100.2 client tcp 198.51.100.1 8083
	check_out "$net: UDP: the same" 198.51.100.2 client udp 198.51.100.1 8083
	check_out "$net: a large datagram comes back" 60000 client big 198.51.100.1 8083
	our_docker rm -f box >/dev/null
	case $net in gvisor-tap-vsock) program=gvproxy ;; pasta) program=passt ;; *) program=$net ;; esac
	# shellcheck disable=SC2046 # pids
	engine_kill $(our_programs "^$program")
	check_out "$net: killed, the next one takes its place" "peer 198.51.100.1" our_docker run --rm bb sh -c \
		'for i in $(seq 20); do ('"$fetch"') && exit; rm -f /tmp/q*; done' 198.51.100.2 4
	engine_kill "$(cat "$xdg/docker.pid")"
	until_true engine_answers
	check_out "$net: the next engine keeps it" "peer 198.51.100.1" our_docker run --rm bb sh -c "$fetch" 198.51.100.2
	check_out "$net: a container of before is reached" "at home" nsenter "--net=/run/netns/$peer" curl -s -m 20 http://198.51.100.1:8086/
	our_docker rm -f web >/dev/null
	our_docker network rm other closed >/dev/null
	engine_stop
	check_out "$net: it ends with the engine" "" our_programs "^$program"
done
# Without detaching, what --network host shows is the namespace of the bridges.
for detach in auto false; do
	set_net DETACH_NETNS=$detach
	engine_start
	run our_docker run --rm --network host bb cat /proc/net/dev
	case $detach,$out in
	false,*docker0*) case $out in *"drv$$h"*) not_ok "DETACH_NETNS=false: the host's devices are not seen" "$out" ;; *) ok "DETACH_NETNS=false: --network host is the bridges' namespace" ;; esac ;;
	auto,*"drv$$h"*) ok "DETACH_NETNS=auto: --network host is the host's" ;;
	*) not_ok "DETACH_NETNS=$detach" "$out" ;;
	esac
	check_out "DETACH_NETNS=$detach: it reaches the peer" "peer 198.51.100.1" our_docker run --rm --network host bb sh -c "$fetch" 198.51.100.2
	engine_stop
done
set_net DETACH_NETNS=false
engine_start
check_has "DETACH_NETNS=false: with a limit of processes, too" docker0: our_docker run --rm --network host --pids-limit 20 bb cat /proc/net/dev
check_has "... /sys shows the same" "docker0" our_docker run --rm --network host --pids-limit 20 bb ls /sys/class/net
our_docker run -d --name inner --network host bb busybox httpd -f -p 127.0.0.1:8089 -h /etc >/dev/null
check_fails "DETACH_NETNS=false: its loopback is not the host's" nsenter "--net=/run/netns/$host" curl -s -m 5 http://127.0.0.1:8089/passwd
check_has "... and that of others in there" root:x:0 our_docker run --rm --network container:inner bb sh -c \
	'printf "GET /passwd HTTP/1.0\r\n\r\n" | timeout 60 nc 127.0.0.1 8089'
check_has "... as of those who enter by docker.pid" root:x:0 as_user nsenter -U --preserve-credentials -n -m -t "$(cat "$xdg/docker.pid")" curl -s http://127.0.0.1:8089/passwd
our_docker rm -f inner >/dev/null
engine_stop
set_net NET=slirp4netns "FLAGS=--cidr=10.77.0.0/24 --ifname=out0 --pidns"
engine_start
check_has "FLAGS: --cidr and --ifname hold" "inet 10.77.0.100/24" inside ip -4 addr show dev out0
check_has "FLAGS: what has no effect is told" "DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS: --pidns has no effect on this engine" cat "$engine_log"
engine_stop

# --- lxc-user-nic: root allows a bridge, whose name is fixed -------------------------------------------------------

if lxc_net_up lxcbr0; then
	user_network=()
	serve "" 10.77.1.1 80 bridge 2>/dev/null
	set_net NET=lxc-user-nic
	engine_start
	our_docker image inspect bb >/dev/null 2>&1 || our_docker import - bb <"$tar" >/dev/null
	check_has "lxc-user-nic: a container reaches the bridge, with the engine's address" "bridge 10.77.1.1" \
		our_docker run --rm bb sh -c "$fetch" 10.77.1.1
	our_docker run -d --name web -p 8086:80 bb sh -c 'mkdir /w && echo at home >/w/index.html && exec busybox httpd -f -p 80 -h /w' >/dev/null
	check_out "lxc-user-nic: a published port" "at home" curl -s -m 20 --retry 10 --retry-all-errors --retry-delay 1 http://127.0.0.1:8086/
	engine_kill "$(cat "$xdg/docker.pid")"
	until_true engine_answers
	check_has "lxc-user-nic: the next engine keeps it" "bridge 10.77.1.1" our_docker run --rm bb sh -c "$fetch" 10.77.1.1
	our_docker rm -f web >/dev/null
	engine_stop
	sed -i '/lxcbr0/d' /etc/lxc/lxc-usernet
	check_has "lxc-user-nic: a bridge nobody allowed" "/etc/lxc/lxc-usernet" as_user timeout 60 "$coracle" dockerd-rootless
	user_network=(nsenter "--net=/run/netns/$host")
else
	skip "lxc-user-nic" "not installed set-user-ID, or the machine has a bridge lxcbr0"
fi
set_net NET=slirp4netns PORT_DRIVER=none
engine_start
check_has "PORT_DRIVER=none" "no PortDriver is available" our_docker run --rm -p 8087:80 bb true
engine_stop
set_net MTU=1400
engine_start
check_has "the relay: MTU" "mtu 1400" inside ip route get 198.51.100.2
check_out "the relay again, in the namespace that drivers used" "peer 198.51.100.1" our_docker run --rm bb sh -c "$fetch" 198.51.100.2
engine_stop

# --- a kernel that lacks something ----------------------------------------------------------------------------------

set_net
cp "$top/tests/lib/deny.py" "$TEST_TMP/bin/"
start_without() { # SYSCALL ERRNO
	kernel=(python3 "$TEST_TMP/bin/deny.py" "$@")
	engine_start
	kernel=()
}
no_nftables=(socket:16:*:12 EPROTONOSUPPORT)
start_without "${no_nftables[@]}"
check_out "no nftables: slirp4netns is the way out" "peer 198.51.100.1" our_docker run --rm bb sh -c "$fetch" 198.51.100.2
check_has "no nftables: docker info says so" "WARNING: Containers' way out is slirp4netns, slower than the relay, which cannot work here:" our_docker info
our_docker run -d --name web -p 8088:80 bb sh -c 'mkdir /w && echo at home >/w/index.html && exec busybox httpd -f -p 80 -h /w' >/dev/null
check_out "no nftables: a published port" "at home" from_peer http://198.51.100.1:8088/
our_docker rm -f web >/dev/null
engine_stop
printf '#!/bin/sh\nexit 1\n' >"$TEST_TMP/path/slirp4netns"
chmod 755 "$TEST_TMP/path/slirp4netns"
start_without setsockopt:*:0:19 ENOPROTOOPT
check_out "no transparent sockets, no slirp4netns: pasta is the way out" "peer 198.51.100.1" our_docker run --rm bb sh -c "$fetch" 198.51.100.2
check_has "... and docker info says so" "WARNING: Containers' way out is pasta, slower than the relay, which cannot work here:" our_docker info
engine_stop
start_without "${no_nftables[@]}"
check_has "no nftables, no slirp4netns: docker info says so" "WARNING: Containers have no way out of their networks:" our_docker info
check_has "... and what was tried: pasta, too, which would need nftables" "No other network driver can be used instead: slirp4netns" echo "$out"
check_has "... each by its name" "leading containers to pasta" echo "$out"
check_fails "... and it is so" our_docker run --rm bb sh -c "$fetch" 198.51.100.2 4
check "... while containers run" our_docker run --rm bb true
engine_stop
left=$(our_pids)
if [ -z "$left" ]; then ok "no process is left"; else not_ok "no process is left" "$left"; fi
