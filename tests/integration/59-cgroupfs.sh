#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A delegated cgroup, without systemd: containers have cgroups of their own, are frozen and killed by
# them, and nothing is left behind.  The hierarchy may lack controllers (a machine with cgroup v1 keeps
# them): then --cpus is held by freezer and cpu.stat.
if [ -z "${IN_OWN_MOUNTS:-}" ]; then
	IN_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"

top_cgroup=/sys/fs/cgroup
mount -t cgroup2 cgroup2 $top_cgroup || { skip "cgroupfs" "machine: no cgroup v2"; exit 0; }
base=/coracle-cgroupfs-$$
mkdir $top_cgroup$base || exit 1
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
leave() {
	echo $$ >"$top_cgroup$own/cgroup.procs"
	find $top_cgroup$base -depth -type d -exec rmdir {} + 2>/dev/null
}
at_exit leave
chown "$test_uid:$test_gid" $top_cgroup$base $top_cgroup$base/cgroup.{procs,subtree_control,threads}
echo $$ >$top_cgroup$base/cgroup.procs

inspect() { docker inspect -f "$2" "$1"; }
monitor_of() { sed 's/.*"pid":\([0-9]*\).*/\1/; s/,.*//; s/[^0-9]//g' "$xdg/docker/$(id_of "$1")/monitor.json"; }
unified() { grep ^0:: "$@"; }
cgroup_of() { sed -n 's/^0:://p' "/proc/$(inspect "$1" '{{.State.Pid}}')/cgroup"; }
id_of() { inspect "$1" '{{.Id}}'; }
cgroups() { (cd $top_cgroup$base && find . -type d -name '????????????????*' | sort); }

# In a cgroup that it may not change there is none to be had, and who asks for one is told.
echo $$ >"$top_cgroup$own/cgroup.procs"
if [ "$own" != "$base" ]; then
	check_has "not delegated: it says so" "is not delegated to this user" as_user "$coracle" dockerd-rootless --exec-opt native.cgroupdriver=cgroupfs
fi
check_has "a driver that there is not" "native.cgroupdriver" as_user "$coracle" dockerd-rootless --exec-opt native.cgroupdriver=nosuch
echo $$ >$top_cgroup$base/cgroup.procs

engine_start || exit 1
docker import "$(image_busybox)" bb >/dev/null || exit 1
check_out "the driver is found" cgroupfs docker info -f '{{.CgroupDriver}}'
check_out "its version" 2 docker info -f '{{.CgroupVersion}}'
check_out "the engine moved out of the way" "0::$base/coracle" unified "/proc/$engine_pid/cgroup"

check "run" docker run -d --name one --network none bb sleep 1000
one=$(id_of one)
check_out "a container's cgroup" "$base/docker/$one" cgroup_of one
check_out "what it sees is its own" "0::/" docker exec one grep ^0:: /proc/self/cgroup
check_out "exec: the same" "$base/docker/$one" bash -c "$(declare -f); $docker_cli -H unix://$xdg/docker.sock exec -d one sleep 77$$; until pid=\$(pgrep -fx 'sleep 77$$'); do :; done; sed -n 's/^0:://p' /proc/\$pid/cgroup"
check "pause" docker pause one
check_out "pause: frozen by the kernel" "frozen 1" grep frozen "$top_cgroup$base/docker/$one/cgroup.events"
check_out "pause: nobody has been sent a signal" S awk '{ print $3 }' "/proc/$(inspect one '{{.State.Pid}}')/stat"
check "unpause" docker unpause one
check_out "unpause: not frozen" "frozen 0" grep frozen "$top_cgroup$base/docker/$one/cgroup.events"
check_has "stats" '"usage_in_usermode"' curl -s --unix-socket "$xdg/docker.sock" "http://x/containers/one/stats?stream=false&one-shot=true"
check_has "top" "sleep 1000" docker top one

# The monitor is killed: its engine removes the container's cgroup, and nobody in it stays.
monitor=$(monitor_of one)
docker pause one >/dev/null
kill -9 "$monitor"
check_out "monitor killed while paused: the container ends" 137 docker wait one
check_out "monitor killed: no cgroup is left" "" cgroups

# The engine is killed, then a monitor: the next engine tidies up.
docker start one >/dev/null
pid=$(inspect one '{{.State.Pid}}')
monitor=$(monitor_of one)
engine_kill "$engine_pid"
kill -9 "$monitor"
mkdir "$top_cgroup$base/docker/$(printf '%064d' 1)" # of a container that is gone
engine_start || exit 1
check_out "engine and monitor killed: the container has ended" exited inspect one '{{.State.Status}}'
check_fails "engine and monitor killed: so has its process" grep -q . "/proc/$pid/cmdline"
check_out "engine and monitor killed: no cgroup is left" "" cgroups
check_out "the next engine finds its place" "0::$base/coracle" unified "/proc/$engine_pid/cgroup"

# With a pid namespace shared, what outlives the first process ends with the cgroup.
check "a shared pid namespace" docker run -d --name host --pid host --network none bb sh -c "setsid sleep 4321$$ & until grep -q ^sleep /proc/\$!/cmdline; do :; done; exit 3"
check_out "its exit status" 3 docker wait host
check_fails "nobody outlives it" pgrep -fx "sleep 4321$$"
check_out "no cgroup is left" "" cgroups

check "--cgroup-parent" docker run -d --name below --cgroup-parent /team/a --network none bb sleep 1000
check_out "--cgroup-parent: there it is" "$base/team/a/$(id_of below)" cgroup_of below
check_has "--cgroup-parent: not out of the engine's own" "leads out" docker run --rm --cgroup-parent ../../x bb true
check "rm -f" docker rm -f below
check_out "rm -f: no cgroup is left" "" cgroups

# --- --cpus by the freezer ----------------------------------------------------------------------------
if grep -qw cpu $top_cgroup$base/cgroup.controllers; then
	check_out "--cpus: cpu.max" "20000 100000" docker run --rm --network none --cpus 0.2 bb cat /sys/fs/cgroup/cpu.max
else
	check_has "--cpus: said to be soft, and why" 'The CPU limit is soft: the cgroup controller "cpu" is not delegated' docker run -d --name spin --network none --cpus 0.2 bb sh -c 'while :; do :; done'
	frozen() {
		local end=$((SECONDS + 60))
		while [ $SECONDS -lt $end ]; do grep -q "frozen $1" "$top_cgroup$base/docker/$(id_of spin)/cgroup.events" && return; done
		return 1
	}
	check "--cpus: held by the freezer" frozen 1
	check "--cpus: and let go on" frozen 0
	check "pause on top of it" docker pause spin
	check "pause: frozen" frozen 1
	check "unpause" docker unpause spin
	check "update: no limit" docker update --cpus 2 spin
	check "update: it runs" frozen 0
	check "stop" docker stop -t 1 spin
fi
engine_stop
check_out "no cgroup is left at the end" "" cgroups
