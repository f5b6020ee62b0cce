#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A kernel without what the relay needs: containers have their networks, names and published ports, and no
# way out; docker info says so, and why.
# test: together
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { skip "a kernel without nftables" "machine: refusing calls to the engine alone needs root"; exit 77; }

cp "$top"/tests/lib/{deny,port_box,port_client}.py "$TEST_TMP/bin/" && chmod 755 "$TEST_TMP"/bin/*
up() { docker logs web 2>&1 | grep -q up; }
without() { # WHAT SYSCALL ERRNO WHY
	local any
	# Nor is there a program that could stand in for the relay (37-engine-drivers has those).
	user_network=(unshare -m --propagation private sh -c 'for p in slirp4netns pasta; do
			[ ! -e "/usr/bin/$p" ] || mount --bind /dev/null "/usr/bin/$p"
		done; exec "$@"' sh python3 "$TEST_TMP/bin/deny.py" "$2" "$3")
	engine_start || return
	user_network=()
	docker import "$(image_busybox)" bb >/dev/null
	check_has "without $1: info warns" "WARNING: Containers have no way out of their networks: starting the relay, which needs" docker info
	check_has "and says what is missing" "$4" echo "$out"
	check "networks are made" docker network create one
	check "internal ones, too" docker network create --internal inner
	docker run -d --name web --network one -p 80 -v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro \
		-v "$TEST_TMP/bin:/test:ro" bb python3 /test/port_box.py >/dev/null
	check "a container starts on one" until_true up
	check "others find it by name, and reach it" docker run --rm --network one bb ping -c 1 -W 5 web
	any=$(docker inspect -f '{{(index .NetworkSettings.Ports "80/tcp" 0).HostPort}}' web)
	check "its published port is reached" as_user python3 "$TEST_TMP/bin/port_client.py" tcp 127.0.0.1 "$any"
	check_has "there is no way out, which is told at once" "Network is unreachable" docker run --rm --network one bb nc -w 20 192.0.2.1 80
	docker rm -f web >/dev/null
	docker network rm one inner >/dev/null
	engine_stop
}
without nftables socket:16:*:12 EPROTONOSUPPORT "nftables: opening a netlink socket: Protocol not supported"
without "transparent sockets" setsockopt:*:0:19 ENOPROTOOPT "transparent: Protocol not available"

engine_start || exit 1
check_fails "where nothing is missing there is no such warning" bash -c "$docker_cli -H unix://$xdg/docker.sock info 2>&1 | grep 'no way out'"
