#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Limits where systemd and cgroup v2 are: first as many a distribution has it (users are given only "memory" and
# "pids"), then with all controllers delegated, then without D-Bus.  Every knob is set by the stock client
# and read back from the container's own cgroup.
# test: time=1800
. "$(dirname "$0")/lib.sh"
# What somebody does who starts the engine from a shell.
cat >"$vm_payload/login.sh" <<-'END'
	export DOCKER_HOST=unix://$XDG_RUNTIME_DIR/docker.sock
	setsid /payload/coracle dockerd-rootless >engine.log 2>&1 &
	until /payload/docker version >/dev/null 2>&1; do sleep 0.3; done
	grep ^0 /proc/$!/cgroup
	/payload/docker run -d --name login --network none -m 64m bb sleep 1000
	/payload/docker exec login sh -c 'cat /sys/fs/cgroup/memory.max; grep -c . /sys/fs/cgroup/cgroup.procs'
	/payload/docker rm -f login
	kill $!
	wait
END
vm_start || exit 0

socket=/run/user/1000/docker.sock
d() { root_vm "DOCKER_HOST=unix://$socket /payload/docker $*"; }
inspect() { d "inspect -f '$2' $1"; }
as_manager() { root_vm "setpriv --reuid 1000 --regid 1000 --init-groups env XDG_RUNTIME_DIR=/run/user/1000 HOME=/home/sailor PATH=/usr/bin:/usr/sbin $*"; }
engine_up() { # FLAG...: as a service of the user's systemd, until it answers
	as_manager "systemd-run --user -q --unit docker-test -p Type=notify -p NotifyAccess=all -p Delegate=yes -p KillMode=mixed /payload/coracle dockerd-rootless $*"
}
engine_down() { as_manager "systemctl --user stop docker-test"; }
cat_in() { d "exec $1 cat /sys/fs/cgroup/$2"; }
within() { # NAME GOT WANT PERCENT
	if awk -v g="$2" -v w="$3" -v p="$4" 'BEGIN { exit !(g >= w * (1 - p / 100) && g <= w * (1 + p / 100)) }'; then ok "$1"; else not_ok "$1" "$2, not $3 within $4 %"; fi
}
# CPU time that a container has used in 6 seconds, in milliseconds, by its own cgroup.
used_in() { # CONTAINER
	local path
	path=$(root_vm "sed -n s/^0:://p /proc/\$(DOCKER_HOST=unix://$socket /payload/docker inspect -f '{{.State.Pid}}' $1)/cgroup")
	root_vm "cd /sys/fs/cgroup$path; u() { sed -n 's/usage_usec //p' cpu.stat; }; t() { date +%s%N; }
		a=\$(u) s=\$(t); sleep 6; b=\$(u) e=\$(t); echo \$(((b - a) * 6000 / ((e - s) / 1000)))"
}
hog='-v /payload/probes/probe_hog:/bin/hog:ro'

# --- only memory and pids ------------------------------------------------------------------------
delegate() { # CONTROLLER...: to users' managers; that of the user begins anew
	root_vm "mkdir -p /etc/systemd/system/user@.service.d
		printf '[Service]\nDelegate=\nDelegate=$*\n' >/etc/systemd/system/user@.service.d/delegate.conf
		systemctl daemon-reload; systemctl restart user@1000"
}
delegate memory pids
root_vm 'loginctl enable-linger sailor; until [ -S /run/user/1000/systemd/private ]; do read -r -t 0.1 <> <(:); done'
check "the engine, as a service of the user" engine_up
check "an image" d import /payload/busybox.tar bb
check_out "driver" systemd d "info -f '{{.CgroupDriver}}'"
check_out "memory and pids are the kernel's, the CPU is not" "true true true false false false" \
	d "info -f '{{.MemoryLimit}} {{.SwapLimit}} {{.PidsLimit}} {{.CPUCfsQuota}} {{.CPUShares}} {{.CPUSet}}'"
run d info
check_has "info: what lacks is named" "WARNING: No cpu cfs quota support" echo "$out"
check_has "info: and how to get it" "delegate.conf" echo "$out"
check_has "info: --cpus is soft" "Limits are soft: --cpus is held by each container's monitor" echo "$out"

run d "run -d --name one --network none -m 64m --memory-swap 96m --memory-reservation 32m --pids-limit 77 bb sleep 1000"
[ "$status" = 0 ] && ok "run, with limits that the kernel holds" || not_ok "run, with limits that the kernel holds" "$out"
case $out in *soft* | *"not held"*) not_ok "and no warning" "$out" ;; *) ok "and no warning" ;; esac
id=$(inspect one '{{.Id}}')
check_out "memory.max" 67108864 cat_in one memory.max
check_out "memory.swap.max" 33554432 cat_in one memory.swap.max
check_out "memory.low" 33554432 cat_in one memory.low
check_out "pids.max" 77 cat_in one pids.max
check_out "its cgroup" "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-$id.scope" \
	root_vm "cat /proc/\$(DOCKER_HOST=unix://$socket /payload/docker inspect -f '{{.State.Pid}}' one)/cgroup"
check_out "what it sees is its own" "0::/" d "exec one cat /proc/self/cgroup"
run as_manager "systemctl --user show docker-$id.scope -p Slice,Delegate,MemoryMax,TasksMax,CollectMode"
check_has "systemd knows the limits, too" "MemoryMax=67108864" echo "$out"
check_has "delegated" "Delegate=yes" echo "$out"
check "reloading the manager" as_manager systemctl --user daemon-reload
check_out "changes none of them" 67108864 cat_in one memory.max
check "update" d update --memory 80m --memory-swap 160m --pids-limit 55 one
check_out "update: memory.max" 83886080 cat_in one memory.max
check_out "update: pids.max" 55 cat_in one pids.max
check_has "stats: the limit" "/ 80MiB" d stats --no-stream one
check "pause" d pause one
check_out "pause: by the freezer" "frozen 1" root_vm "grep frozen /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice/docker-$id.scope/cgroup.events"
check "unpause" d unpause one
check "restart" d restart -t 0 one
check_out "restart: its limits" 83886080 cat_in one memory.max

run d "run --name rows --network none -m 32m --memory-swap 32m $hog bb hog rows"
check_out "memory: OOMKilled" "true 137" inspect rows '{{.State.OOMKilled}} {{.State.ExitCode}}'
check "pids: a fork bomb" d "run -d --name bomb --network none --pids-limit 100 $hog bb hog bomb"
check_out "pids: no more than its limit" 100 root_vm "cd /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice/docker-\$(DOCKER_HOST=unix://$socket /payload/docker inspect -f '{{.Id}}' bomb).scope
	until grep -q '^max [1-9]' pids.events && [ \$(wc -l <cgroup.procs) -ge 100 ]; do :; done; wc -l <cgroup.procs"
check "rm -f" d rm -f bomb rows

check_has "--cpus is soft, and why" 'The CPU limit is soft: the cgroup controller "cpu" is not delegated' \
	d "run -d --name spin --network none --cpus 0.5 $hog bb hog spin 4 1000"
within "--cpus 0.5, soft: held" "$(used_in spin)" 3000 10
check "rm -f" d rm -f spin

# --- killed ------------------------------------------------------------------------------------------------
scopes() { as_manager "systemctl --user list-units --all --no-legend --plain 'docker-*.scope' | wc -l"; }
monitor='$(sed "s/^.\"pid\":\([0-9]*\).*/\1/" /run/user/1000/docker/'$id'/monitor.json)'
root_vm "kill -9 $monitor"
check_out "its monitor is killed: the container ends" 137 d wait one
check_out "and its scope" 0 root_vm "for i in \$(seq 300); do n=\$(XDG_RUNTIME_DIR=/run/user/1000 setpriv --reuid 1000 --regid 1000 --init-groups systemctl --user list-units --all --no-legend --plain 'docker-*.scope' | wc -l); [ \$n = 0 ] && break; sleep 0.2; done; echo \$n"
check "start" d start one
root_vm "kill -9 \$(cat /run/user/1000/docker.pid)"
check_out "the engine is killed: the container runs on" running inspect one '{{.State.Status}}'
check_out "with its limits" 83886080 cat_in one memory.max
check "rm -f" d rm -f one
check "the engine stops" engine_down

# --- an engine outside of what is delegated: started from a login ------------------------------------------------
run user_vm "bash /payload/login.sh"
check_has "from a login session: the engine is elsewhere" "session-" echo "$out"
check_has "from a login session: the container has its limit" 67108864 echo "$out"
check_has "from a login session: an exec is in its cgroup, and nobody else" $'67108864\n2' echo "$out"

# --- all controllers --------------------------------------------------------------------------------------------
delegate cpu cpuset io memory pids
check "delegate.conf: the engine starts" engine_up
check_out "delegate.conf: all are the kernel's" "true true true true true true" \
	d "info -f '{{.MemoryLimit}} {{.SwapLimit}} {{.PidsLimit}} {{.CPUCfsQuota}} {{.CPUShares}} {{.CPUSet}}'"
run d info
case $out in *soft* | *"No cpu"*) not_ok "delegate.conf: info warns of nothing" "$out" ;; *) ok "delegate.conf: info warns of nothing" ;; esac
disk=$(root_vm "cat /sys/block/vda/dev")
run d "run -d --name all --network none --cpus 0.5 --cpu-shares 512 --cpuset-cpus 1 --cpuset-mems 0 --device-read-bps /dev/vda:1mb --device-write-iops /dev/vda:50 --blkio-weight 300 $hog bb hog spin 2 1000"
case $out in *soft* | *"not held"*) not_ok "every knob: no warning" "$out" ;; *) ok "every knob: no warning" ;; esac
check_out "cpu.max" "50000 100000" cat_in all cpu.max
check_out "cpu.weight" 59 cat_in all cpu.weight
check_out "cpuset.cpus" 1 cat_in all cpuset.cpus
check_out "cpuset.mems" 0 cat_in all cpuset.mems
check_out "io.max" "$disk rbps=1048576 wbps=max riops=max wiops=50" cat_in all io.max
if root_vm "ls /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice/docker-*/io.bfq.weight" >/dev/null; then
	check_has "io.bfq.weight" 300 cat_in all io.bfq.weight
elif root_vm "ls /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice/docker-*/io.weight" >/dev/null; then
	check_has "io.weight" 2930 cat_in all io.weight
fi
within "--cpus 0.5 by the kernel" "$(used_in all)" 3000 5
check "update --cpus" d update --cpus 0.25 all
check_out "update: cpu.max" "25000 100000" cat_in all cpu.max
check "a period and a quota" d "run -d --name quota --network none --cpu-period 50000 --cpu-quota 20000 --cgroup-parent team.slice bb sleep 1000"
check_out "cpu.max of these" "20000 50000" cat_in quota cpu.max
check_has "--cgroup-parent" "/user@1000.service/team.slice/docker-" root_vm "cat /proc/\$(DOCKER_HOST=unix://$socket /payload/docker inspect -f '{{.State.Pid}}' quota)/cgroup"
check_has "--cgroup-parent: not a slice" 'should be a valid slice named as "xxx.slice"' d "run --rm --cgroup-parent /x bb true"
check "--oom-score-adj" d "run --rm --network none --oom-score-adj 500 bb sh -c '[ \$(cat /proc/self/oom_score_adj) = 500 ]'"
check "rm -f" d rm -f all quota
check_out "no scope is left" 0 scopes
check "the engine stops" engine_down

check "cgroupfs in a unit that is delegated" engine_up --exec-opt native.cgroupdriver=cgroupfs
check_out "cgroupfs" cgroupfs d "info -f '{{.CgroupDriver}}'"
check "cgroupfs: run" d "run -d --name fs --network none --cpus 0.5 -m 64m --pids-limit 33 --cpuset-cpus 0 bb sleep 1000"
check_out "cgroupfs: the knobs" $'50000 100000\n67108864\n33\n0' d "exec fs sh -c 'cd /sys/fs/cgroup; cat cpu.max memory.max pids.max cpuset.cpus'"
check_has "cgroupfs: below the engine's own" "/docker-test.service/docker/" root_vm "cat /proc/\$(DOCKER_HOST=unix://$socket /payload/docker inspect -f '{{.State.Pid}}' fs)/cgroup"
check "rm -f" d rm -f fs
engine_down

# --- no D-Bus ------------------------------------------------------------------------------------------------------
run as_manager "systemctl --user stop dbus.socket dbus.service; rm -f /run/user/1000/bus
	systemd-run --user -q --wait --pipe /payload/coracle dockerd-rootless --exec-opt native.cgroupdriver=nothing" # the manager itself still answers
check "no bus: the manager itself serves" engine_up --exec-opt native.cgroupdriver=systemd
engine_down
run root_vm "mv /run/user/1000/systemd/private /run/user/1000/systemd/hidden
	setpriv --reuid 1000 --regid 1000 --init-groups env XDG_RUNTIME_DIR=/run/user/1000 HOME=/home/sailor PATH=/usr/bin:/usr/sbin timeout 60 /payload/coracle dockerd-rootless --exec-opt native.cgroupdriver=systemd
	mv /run/user/1000/systemd/hidden /run/user/1000/systemd/private"
check_has "no manager: what failed" "failed to connect to the user's systemd" echo "$out"
check_has "no manager: what to do" "systemctl --user enable --now dbus" echo "$out"
