#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nsenter-debug and nsenter: the engine, netd and containers entered by name, a shell or a listing, the
# documented line with docker.pid, and util-linux' program beside ours.
# test: quick together
. "$(dirname "$0")/lib.sh"

for a in nsenter nsenter-debug setuptool dockerd-rootless.sh; do ln -s coracle "$TEST_TMP/bin/$a"; done
user() { as_user env PATH="$TEST_TMP/bin:/usr/sbin:/usr/bin:/sbin:/bin" timeout 60 "$@"; }
debug() { user nsenter-debug "$@"; }

check_has "without an engine" "no engine runs: $xdg/docker.pid names none" debug engine true
check_has "without a netd" "no netd runs for $xdg/docker" debug netd true
check_has "without an engine, a container" "Is the docker daemon running?" debug web true
engine_start
tar=$(image_busybox)
our_docker import - bb <"$tar" >/dev/null
web=$(our_docker run -d --name web --memory 64m bb sh -c 'echo at home >/tmp/where; exec sleep 1000')
check "a container without a shell" our_docker run -d --name bare coracle hello --serve 80
pid=$(cat "$xdg/docker.pid")
ip_of() { our_docker inspect -f '{{.NetworkSettings.IPAddress}}' "$1"; }
netns_of() { as_user readlink "/proc/$1/ns/$2"; }

# --- the documented line ------------------------------------------------------------------------------

inside=(-U --preserve-credentials -n -m -t "$pid")
for program in /usr/bin/nsenter "$TEST_TMP/bin/nsenter"; do
	name=util-linux
	[ "$program" = /usr/bin/nsenter ] || name=ours
	check_has "docker.pid, $name: the containers' network" "docker0" user "$program" "${inside[@]}" cat /proc/net/dev
	check_out "docker.pid, $name: root" 0 user "$program" "${inside[@]}" id -u
	check_has "docker.pid, $name: a container answers" "Hello from Coracle" \
		user "$program" "${inside[@]}" bash -c "exec 3<>/dev/tcp/$(ip_of bare)/80; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3"
	check_status "docker.pid, $name: the command's status" 7 user "$program" "${inside[@]}" sh -c 'exit 7'
	check_status "docker.pid, $name: no such command" 127 user "$program" "${inside[@]}" /nosuch
	check_status "docker.pid, $name: no such process" 1 user "$program" -n -t 999999999 true
done
check_out "the engine itself is in the host's network" "$(readlink /proc/self/ns/net)" \
	bash -c "for t in /proc/$pid/task/*; do [ \$(readlink \$t/ns/net) = \$(readlink /proc/$pid/ns/net) ] || readlink \$t/ns/net; done | sort -u"

# --- by name --------------------------------------------------------------------------------------------

check_out "engine: all namespaces of it" "$(for n in user mnt net; do netns_of "$pid" $n; done)" debug engine readlink /proc/self/ns/user /proc/self/ns/mnt /proc/self/ns/net
check_has "netd: the containers' network" docker0 debug netd cat /proc/net/dev
check_has "setuptool nsenter" docker0 user setuptool nsenter cat /proc/net/dev
check_out "setuptool nsenter -- with options of the command" 0 user setuptool nsenter -- id -u
check_has "-n alone: the host's programs in the containers' network" "$(ip_of web)" \
	debug -n engine bash -c "exec 3<>/dev/tcp/$(ip_of bare)/80 && echo reached from there to $(ip_of web)"
check_out "a container: its files" "at home" debug web cat /tmp/where
check_out "a container: its processes" "sleep 1000" debug web sh -c 'tr "\0" " " </proc/1/cmdline | sed "s/ $//"'
check_out "a container by the start of its id" "${web:0:12}" debug "${web:0:8}" hostname
until digits=$(docker create bb sleep 1000) && [[ ${digits:0:7} =~ ^[0-9]*$ ]]; do docker rm "$digits" >/dev/null; done
docker start "$digits" >/dev/null
check_out "the same where that could be a pid" "${digits:0:12}" debug "${digits:0:7}" hostname
out=$(echo 'cat /tmp/where' | as_user "$TEST_TMP/bin/nsenter-debug" web 2>&1)
if [ "$out" = "at home" ]; then ok "a shell, where there is one"; else not_ok "a shell, where there is one" "$out"; fi
check_out "-t takes names in nsenter as well" "at home" user nsenter -t web -U -m cat /tmp/where
check_has "a container that is not there" "No such container: nosuch" debug nosuch true
check_has "what can be no name" "'a/b' is no pid, no name of a container" debug a/b true
our_docker stop -t 0 web >/dev/null
check_has "a container that does not run" "container web does not run: it is exited" debug web true

# --- the listing ----------------------------------------------------------------------------------------

debug bare >"$TEST_TMP/bare.txt" 2>&1 </dev/null
debug --report engine >"$TEST_TMP/engine.txt" 2>&1 </dev/null
listed() { check_has "$1" "$2" cat "$TEST_TMP/$3.txt"; }
listed "no shell: a listing instead" "container bare has no shell" bare
listed "mounts" "/  overlay  overlay" bare
listed "the address" "inet $(ip_of bare)/16" bare
listed "the route" "default via 172.17.0.1 dev eth0" bare
listed "limits" "Max open files" bare
listed "id maps" "uid 0-0 are $test_uid-$test_uid here" bare
listed "capabilities" "CapEff:" bare
listed "engine: bridges" "docker0: <UP" engine
listed "engine: policy rules" "lookup main" engine
listed "engine: nft rules" "chain ip coracle-relay" engine
listed "engine: nft rules in words" "iifname @closed drop" engine
if command -v nft >/dev/null; then
	ours=$(grep -c '^ip6\? coracle-relay ' "$TEST_TMP/engine.txt")
	theirs=$(user nsenter "${inside[@]}" nft list ruleset | grep -cE '^		[^ts]|^		tcp|^		socket')
	check_out "as many rules as nft(8) lists" "$theirs" echo "$ours"
fi
check_out "nothing in it drives a terminal" 0 grep -c $'\033' "$TEST_TMP/bare.txt"

# --- util-linux' options --------------------------------------------------------------------------------

if [ "$(id -u)" = 0 ]; then
	both() { # NAME ARGS: the same from both
		local name=$1 a b
		shift
		a=$(/usr/bin/nsenter "$@" 2>&1 </dev/null; echo "status $?")
		b=$("$TEST_TMP/bin/nsenter" "$@" 2>&1 </dev/null; echo "status $?")
		if [ "$a" = "$b" ]; then ok "as util-linux: $name"; else not_ok "as util-linux: $name" "'$b', want '$a'"; fi
	}
	bare=$(our_docker inspect -f '{{.State.Pid}}' bare)
	show='readlink /proc/self/ns/net /proc/self/ns/uts /proc/self/ns/ipc; pwd; id -u; id -g'
	both "-a -m of a file" -t "$bare" -m/proc/self/ns/mnt -n -u -i sh -c "$show"
	both "--net=FILE" "--net=/proc/$bare/ns/net" sh -c "$show"
	both "-S and -G" -t "$bare" -u -S 12 -G 34 sh -c "$show"
	both "-w" -t "$pid" -n -w/usr sh -c "$show"
	both "-W" -t "$pid" -m -W /usr/bin sh -c "$show"
	both "-r" "-r/" -w/usr sh -c "$show"
	both "-p forks" -t "$bare" -p sh -c 'test "$$" -lt 20'
	both "the status of a child" -t "$bare" -p sh -c 'exit 9'
	both "no target" -n true
	both "no target for a root" -r true
fi
engine_stop
check "the end is orderly" grep -q 'msg=stopping\|msg="stopping"' "$engine_log"
