#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Debian's dockerd and containerd in our rootlesskit, started by their own dockerd-rootless.sh unchanged: the release's
# and the newest, each with a container that runs, reaches out, is reached and is limited to what it was given.
. "$(dirname "$0")/lib.sh"
own_mounts
. "$top/tests/lib/debian.sh"
. "$top/tests/lib/peer_net.sh"
. "$top/tests/lib/debian_tree.sh"

if [ "$(id -u)" != 0 ]; then
	skip "the real dockerd" "machine: needs root to prepare peers"
	exit 0
fi
peer_net dkd
serve $peer 198.51.100.2 80 peer 2>/dev/null
for a in rootlesskit rootlessctl; do ln -s coracle "$TEST_TMP/bin/$a"; done
# Each container of runc's has a session keyring, of which the kernel gives a user 200 by default: not enough for one
# whose hundreds of other containers end at the same time.
quota=/proc/sys/kernel/keys/maxkeys
if [ "$(cat $quota)" -lt 4000 ]; then
	at_exit "echo $(cat $quota) >$quota"
	echo 4000 >$quota
fi
tar=$(image_busybox)
chmod 644 "$tar"
docker() { as_user timeout 60 "$docker_cli" "$@"; }

played() { # NAME TREE-OR-EMPTY PATH SETTING...: a session with the engine that PATH has
	local who=$1 tree=$2 path=$3 starter log=$test_home/$1.log all p run
	shift 3
	starter=$TEST_TMP/real/dockerd-rootless.sh run=(as_user)
	[ -z "$tree" ] || { starter=/usr/share/docker.io/contrib/dockerd-rootless.sh; run=(in_tree "$tree"); }
	"${run[@]}" env -i HOME="$test_home" USER="$test_user" XDG_RUNTIME_DIR="$xdg" PATH="$TEST_TMP/bin:$path" "$@" \
		"$starter" >"$log" 2>&1 </dev/null &
	p=$!
	at_exit "kill $p 2>/dev/null; wait $p 2>/dev/null"
	until_true engine_answers
	check_has "$who: dockerd runs in our rootlesskit" "Server Version: " docker info -f 'Server Version: {{.ServerVersion}}'
	case $out in *"Server Version: "*) ;; *) tail -n 15 "$log" ;; esac
	check_has "... and knows that it is rootless" rootless docker info -f '{{.SecurityOptions}}'
	[ -z "$tree" ] || # as old as 20.10 it does not ask
		check_has "... and which rootlesskit it has" 2.0.2 docker version -f '{{range .Server.Components}}{{if eq .Name "rootlesskit"}}{{.Version}}{{end}}{{end}}'
	docker import - bb <"$tar" >/dev/null 2>&1
	check_out "... a container runs" "0 hello" docker run --rm bb sh -c 'echo $(id -u) hello'
	check_status "... and its status is told" 7 docker run --rm bb sh -c 'exit 7'
	check_out "... ids are the subordinate ones" 65536 docker run --rm bb awk '$1 > 0 { n += $3 } END { print n }' /proc/self/uid_map
	check_out "... it reaches the peer" "peer 198.51.100.1" docker run --rm bb wget -q -O - http://198.51.100.2/
	check "... a published port" docker run -d --name web -p 8086:80 bb sh -c 'mkdir /w && echo from a real container >/w/index.html && exec busybox httpd -f -p 80 -h /w'
	check_out "... is reached" "from a real container" from_peer http://198.51.100.1:8086/
	check_out "... exec" "from a real container" docker exec web cat /w/index.html
	docker rm -f web >/dev/null 2>&1
	check_fails "... and closed with it" nsenter "--net=/run/netns/$peer" curl -s -m 5 http://198.51.100.1:8086/
	all=$(our_pids)
	for p in $all; do [ "$(cat "/proc/$p/comm")" != rootlesskit ] || kill "$p"; done
	# shellcheck disable=SC2086 # pids
	check "... it ends in order, and nothing is left of it" wait_gone $all
	as_user "$TEST_TMP/bin/rootlesskit" rm -rf "$test_home/.local" 2>/dev/null
}

system=/usr/sbin:/usr/bin:/sbin:/bin
docker=$(debian_unpack bookworm docker.io containerd runc rootlesskit 2>/dev/null | tail -1)
if [ ! -x "$docker/usr/sbin/dockerd" ] || ! "$docker/usr/sbin/dockerd" --version >/dev/null 2>&1; then
	skip "the real dockerd of the release" "Debian's package does not run here"
else
	mkdir "$TEST_TMP/real"
	cp "$docker"/usr/sbin/{dockerd,docker-proxy,runc} "$docker"/usr/bin/{containerd,containerd-shim-runc-v2,rootlesskit-docker-proxy} "$TEST_TMP/real/"
	cp "$docker/usr/share/docker.io/contrib/dockerd-rootless.sh" "$TEST_TMP/real/"
	chmod -R a+rX "$TEST_TMP/real"
	played "the release's" "" "$TEST_TMP/real:$system" DOCKERD_ROOTLESS_ROOTLESSKIT_NET=relay DOCKERD_ROOTLESS_ROOTLESSKIT_MTU=1500
fi

tree=$(debian_docker 2>"$TEST_TMP/debian.log" | tail -1)
if [ ! -x "$tree/usr/sbin/dockerd" ]; then
	skip "the newest dockerd" "Debian's packages cannot be had: $(tail -n 2 "$TEST_TMP/debian.log")"
	exit 0
fi
played "the newest" "$tree" "$system" DOCKERD_ROOTLESS_ROOTLESSKIT_NET=relay DOCKERD_ROOTLESS_ROOTLESSKIT_MTU=1500
played "the newest, with slirp4netns" "$tree" "$system"
