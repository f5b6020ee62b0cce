#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Limits without a cgroup: memory and CPU held by the monitor, docker update, cpulimit.
# How well a limit is held on a busy machine says little, so only that it is: a program that would
# use all of a CPU gets clearly less, one that fills memory is killed.
# test: together
. "$(dirname "$0")/lib.sh"

engine_start || exit 1
docker import "$(image_busybox)" bb >/dev/null || exit 1
inspect() { docker inspect -f "$2" "$1"; }

# --- memory ---------------------------------------------------------------------------------------------
# Row by row, until somebody objects: each doubling of the variable is copied to fresh memory.
fill='x=0123456789abcdef; while :; do x=$x$x; echo ${#x}; done'
since=$(date +%s.%N)
run docker run --name fill --network none -m 32m bb sh -c "$fill"
if [ "$status" = 137 ]; then ok "memory: who fills it is killed"; else not_ok "memory: who fills it is killed" "status $status: $out"; fi
check_has "memory: the limit is said to be soft" "The memory limit is soft" echo "$out"
check_has "memory: inspect says so, too" "The memory limit is soft" docker inspect fill
check_out "memory: OOMKilled" true inspect fill '{{.State.OOMKilled}}'
check_out "memory: exit code" 137 inspect fill '{{.State.ExitCode}}'
check_has "memory: an event" "container oom" docker events --since "$since" --until "$(date +%s.%N)" --filter container=fill --format '{{.Type}} {{.Action}}'
check_status "memory: within its limit" 0 docker run --rm --network none -m 64m bb sh -c 'x=$(head -c 1000000 /dev/zero | tr "\0" x); echo ${#x}'
check_has "memory: too small a limit" "Minimum memory limit allowed is 6MB" docker run --rm -m 1m bb true

# The well-known demonstration: the rows end at the limit, not at the machine's memory.
built obj/probe_hog
hog=$top/build/out/obj/probe_hog
cp "$hog" "$TEST_TMP/bin/hog"
run docker run --name rows --network none -m 32m -v "$TEST_TMP/bin/hog:/bin/hog:ro" bb hog rows
rows=$(grep -c '^row' <<<"$out")
if [ "$rows" -gt 8 ] && [ "$rows" -le 64 ]; then ok "memory: filled row by row up to the limit"; else not_ok "memory: filled row by row up to the limit" "$rows rows of 1 MiB"; fi
check_out "memory: rows, OOMKilled" true inspect rows '{{.State.OOMKilled}}'
check_out "memory: rows, exit code" 137 inspect rows '{{.State.ExitCode}}'
docker rm rows >/dev/null

# --- processes ------------------------------------------------------------------------------------------
# By a user namespace of the container's own: the kernel counts, so never more.
members() { # CONTAINER: the most tasks that it was seen with in 2 s
	python3 - "$(inspect "$1" '{{.State.Pid}}')" <<-'END'
		import glob, os, sys, time
		ns = os.readlink("/proc/%s/ns/pid" % sys.argv[1])
		most, end = 0, time.time() + 2
		while time.time() < end:
		    n = 0
		    for p in glob.glob("/proc/[0-9]*"):
		        try:
		            n += os.readlink(p + "/ns/pid") == ns
		        except OSError:
		            pass
		    most = max(most, n)
		print(most)
	END
}
check "pids: a fork bomb" docker run -d --name bomb --network none --pids-limit 100 -v "$TEST_TMP/bin/hog:/bin/hog:ro" bb hog bomb
most=$(members bomb)
if [ "$most" -ge 90 ] && [ "$most" -le 100 ]; then ok "pids: it has 100 processes and never more"; else not_ok "pids: it has 100 processes and never more" "$most"; fi
check_fails "pids: exec does not go around it" docker exec bomb sh -c 'true | true | true'
check_out "pids: another container is not in its way" hello docker run --rm --network none --pids-limit 5 bb echo hello
check "pids: kill" docker kill bomb
check "pids: rm" docker rm bomb
check_out "pids: ids are as they are without" "0 1 65536" docker run --rm --network none --pids-limit 50 bb sh -c 'set -- $(cat /proc/self/uid_map); echo $1 $4 $6'
check_has "pids: root of the container rules its network" "1 packets received" docker run --rm --pids-limit 50 bb ping -c 1 127.0.0.1
check_has "pids: with the network of another" "LOOPBACK" docker run --rm --pids-limit 50 --network host bb ip link
docker run -d --name joined bb sleep 1000 >/dev/null
check_out "pids: the devices of the network it joins" "eth0 lo" docker run --rm --pids-limit 50 --network container:joined bb sh -c 'cd /sys/class/net && echo *'
check_fails "pids: ... which are not its own to change" docker run --rm --pids-limit 50 --network container:joined --privileged bb ip link set lo down
docker rm -f joined >/dev/null
check_has "pids: privileged, it may mount" "tmpfs on /tmp" docker run --rm --privileged --network none --pids-limit 50 bb sh -c 'mkdir -p /tmp; mount -t tmpfs tmpfs /tmp && mount'
check_becomes "pids: nothing is left of it" "" find "$xdg/docker" -name userns

# --- CPU ------------------------------------------------------------------------------------------------
# The last line of "times" is the CPU time of a shell's children: "0m0.520s 0m0.110s".
turn='t=$(($(date +%s) + 2)); (while [ $(date +%s) -lt $t ]; do :; done); times'
hundredths() { tail -1 <<<"$1" | awk '{ gsub(/0m|s/, ""); print int(($1 + $2) * 100) }'; }
run docker run --rm --network none --cpus 0.2 bb sh -c "$turn"
used=$(hundredths "$out")
if [ "${used:-999}" -ge 1 ] && [ "${used:-999}" -le 90 ]; then ok "cpu: 0.2 of a CPU for 2 to 3 seconds"; else not_ok "cpu: 0.2 of a CPU for 2 to 3 seconds" "$used hundredths: $out"; fi
check_has "cpu: the limit is said to be soft" "The CPU limit is soft" echo "$out"
check_has "cpu: docker info says so" "Limits are soft: --cpus and --memory are held by each container's monitor" docker info
check_has "... and what is not" "--pids-limit by the kernel" docker info
check_has "cpuset: it starts there" "Cpus_allowed_list:	0" docker run --rm --network none --cpuset-cpus 0 bb grep Cpus_allowed_list /proc/self/status
check_has "cpuset: said to be soft" "--cpuset-cpus is soft" docker run --rm --network none --cpuset-cpus 0 bb true
check_has "what is not held is named" "--cpu-shares is not held" docker run --rm --network none --cpu-shares 100 bb true
check_has "what is not held is named: pids without a namespace of their own" "--pids-limit is not held" docker run --rm --network none --pid host --pids-limit 100 bb true

# Nobody is left stopped: not by the end of a limit, nor of the engine.
check "update: a container without limits" docker run -d --name spin --network none bb sh -c 'while :; do :; done'
state_of() { awk '{ print $3 }' "/proc/$(inspect spin '{{.State.Pid}}')/stat"; }
until_state() { # LETTER, which may be there for some ten milliseconds at a time
	local end=$((SECONDS + 60))
	while [ $SECONDS -lt $end ]; do [ "$(state_of)" = "$1" ] && return; done
	return 1
}
check "update: a CPU limit is taken while it runs" docker update --cpus 0.05 spin
check "update: and held" until_state T
check "pause: on top of a limit" docker pause spin
check "pause: it is stopped" until_state T
check "unpause" docker unpause spin
check "unpause: it runs" until_state R
check "update: no limit" docker update --cpus 2 spin
check "update: it runs again" until_state R
check "update: memory while it runs" docker update --memory 64m --memory-swap 128m spin
check_has "update: pids, from the next start on" "next start" docker update --pids-limit 30 spin
check "stop ends one that is stopped half of the time" docker stop -t 1 spin
check "rm" docker rm spin fill

# The monitor is killed while all are stopped: they end, too.
check "monitor killed: a container that is stopped most of the time" docker run -d --name spin --network none --cpus 0.05 bb sh -c 'while :; do :; done'
check "monitor killed: it is stopped" until_state T
pid=$(inspect spin '{{.State.Pid}}')
kill -9 "$(sed 's/^{"pid":\([0-9]*\).*/\1/' "$xdg/docker/$(inspect spin '{{.Id}}')/monitor.json")"
check_out "monitor killed: it ends" 137 docker wait spin
check_fails "monitor killed: nobody stays" grep -q . "/proc/$pid/cmdline"
docker rm spin >/dev/null

# --- cpulimit ---------------------------------------------------------------------------------------------
cpulimit() { as_user "$coracle" cpulimit "$@"; }
check_has "cpulimit: help" "--include-children" cpulimit --help
check_status "cpulimit: no target" 2 cpulimit -l 50
check_status "cpulimit: no limit" 2 cpulimit true
check_has "cpulimit: a limit beyond all CPUs" "limit must be in the range" cpulimit -l 1000000 true
check_status "cpulimit: the command's exit status" 42 cpulimit -l 50 sh -c 'exit 42'
check_status "cpulimit: no such command" 127 cpulimit -l 50 /no/such/command
check_status "cpulimit: nobody has that pid" 1 cpulimit -l 50 -p 2147483647
run cpulimit -l 20 -i -- bash -c 't=$((SECONDS + 3)); while [ $SECONDS -lt $t ]; do /bin/true; done; times'
used=$(hundredths "$out")
if [ "${used:-999}" -ge 1 ] && [ "${used:-999}" -le 120 ]; then ok "cpulimit: children too short-lived to be stopped"; else not_ok "cpulimit: children too short-lived to be stopped" "$out"; fi
check_has "cpulimit: in a container, by a bind mount" "done" docker run --rm --network none \
	-v "$coracle:/bin/cpulimit:ro" bb cpulimit --limit=50 --include-children sh -c 'echo done'
check_has "cpulimit: in the built-in image" "coracle" docker run --rm --network none coracle cpulimit --limit=50 --include-children coracle --version
