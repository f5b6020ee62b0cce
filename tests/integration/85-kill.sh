#!/bin/bash
# SPDX-License-Identifier: MIT
#
# kill -9 of engine, monitor, worker and supervisor at any moment: what was there is there, what
# runs runs on with its log whole, what was half done is gone.
# test: together
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/registry.sh"

data=$test_home/.local/share/docker
engine() { cat "$xdg/docker.pid"; }
# The supervisor starts the next engine; a client only waits for it.
next_engine() { # OLD
	local pid=$1
	while [ "$pid" = "$1" ] && kill -0 "$engine_pid"; do
		curl -s -o /dev/null --max-time 10 --unix-socket "$xdg/docker.sock" http://d/_ping
		pid=$(engine 2>/dev/null || echo "$1")
	done
}

engine_start || exit 1
docker import "$(image_busybox)" bb >/dev/null || exit 1
count='i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; usleep 2000; done; exit 23'
docker run -d --name counts --network none bb sh -c "$count" >/dev/null
docker run -d --name sleeps --network none bb sleep 1000 >/dev/null
docker create --name waits bb true >/dev/null
docker run --name ended --network none bb sh -c 'exit 4' >/dev/null
inside=$(docker inspect -f '{{.State.Pid}}' sleeps)
ids=$(docker ps -aq --no-trunc | sort)

for round in 1 2 3 4 5; do
	old=$(engine)
	engine_kill "$old"
	next_engine "$old"
	[ "$ids" = "$(docker ps -aq --no-trunc | sort)" ] || break
done
check_out "kill engine 5 times: docker ps -a" "$ids" bash -c "sort <<<'$(docker ps -aq --no-trunc)'"
check_has "kill engine: docker images" "bb" docker images
check_out "kill engine: the running one is the same process" "$inside running" docker inspect -f '{{.State.Pid}} {{.State.Status}}' sleeps
check_out "kill engine: exec works" "hi" docker exec sleeps echo hi
check_out "kill engine: the created one" "created" docker inspect -f '{{.State.Status}}' waits
check_out "kill engine: the ended one keeps its code" "exited 4" docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' ended
check_out "kill engine: wait sees the end" "23" docker wait counts
want=$(seq 2000 | sed 's/^/line /' | md5sum)
got=$(docker logs counts | md5sum)
[ "$got" = "$want" ] && ok "kill engine: the log is whole" || not_ok "kill engine: the log is whole" "$(docker logs counts | wc -l) lines"

# It ends while no engine is there: supervisor and engine are killed.
docker run -d --name ends --network none bb sh -c 'read x </tmp/f 2>/dev/null; sleep 2; exit 6' >/dev/null
monitor=$(awk '/^PPid/ {print $2}' "/proc/$(docker inspect -f '{{.State.Pid}}' ends)/status")
old=$(engine)
engine_kill "$engine_pid"
wait_gone "$old" && ok "kill supervisor: the engine ends with it" || not_ok "kill supervisor: the engine ends with it" "still there"
kill -0 "$inside" && ok "kill supervisor: containers run on" || not_ok "kill supervisor: containers run on" "gone"
wait_gone "$monitor"
engine_start || exit 1
check_out "ended without an engine: exit code" "exited 6" docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' ends
check_out "a new engine finds the running one" "$inside running" docker inspect -f '{{.State.Pid}} {{.State.Status}}' sleeps
check_out "and can exec in it" "hi" docker exec sleeps echo hi

# The monitor is killed: its container ends with it, and is reported so.
monitor=$(awk '/^PPid/ {print $2}' "/proc/$inside/status")
engine_kill "$monitor"
check_out "kill monitor: exit code" "137" docker wait sleeps
wait_gone "$inside" && ok "kill monitor: its container is gone" || not_ok "kill monitor: its container is gone" "$inside lives"
check "kill monitor: it starts again" docker start sleeps
docker rm -f sleeps counts ended ends waits >/dev/null

# Killed in the middle of a load: nothing of it is visible, nothing stays in tmp/.
big=$TEST_TMP/big
mkdir -p "$big/d" && for i in $(seq 300); do head -c 300000 /dev/urandom >"$big/d/$i"; done
tar -C "$big" -cf "$TEST_TMP/big-layer.tar" .
python3 "$top/tests/lib/mkimage.py" "$TEST_TMP/big.tar" big:1 "$TEST_TMP/big-layer.tar"
chmod 644 "$TEST_TMP/big.tar"
mkfifo "$TEST_TMP/slow"
half_a_load() { # starts a load that has sent half of the archive and waits; sets load_pid
	docker load <"$TEST_TMP/slow" >/dev/null 2>&1 &
	load_pid=$!
	exec 7>"$TEST_TMP/slow"
	head -c 60000000 "$TEST_TMP/big.tar" >&7
}
after_kill() { # NAME
	exec 7>&-
	wait "$load_pid" && not_ok "$1: the client is told" "it succeeded" || ok "$1: the client is told"
	check_out "$1: no image" "" docker images -q big
	check_out "$1: nothing in tmp" "" as_user ls "$data/tmp"
}
half_a_load
old=$(engine)
engine_kill "$old"
next_engine "$old"
after_kill "kill engine while loading"
half_a_load
worker=$(our_pids :worker | head -1)
if [ -n "$worker" ]; then engine_kill "$worker"; fi
after_kill "kill worker while loading"
check "and then it loads" docker load -i "$TEST_TMP/big.tar"
check "and runs nothing wrong" docker image inspect big:1

# Random moments: containers made, run and removed while the engine is killed again and again.
churn() {
	local i
	for i in $(seq 60); do docker run --rm --network none bb true >/dev/null 2>&1; done
}
churn & churn_pid=$!
for round in 1 2 3 4 5 6 7 8; do
	old=$(engine)
	curl -s -o /dev/null --max-time 1 --unix-socket "$xdg/docker.sock" "http://d/events?since=$(date +%s)" || :
	engine_kill "$old"
	next_engine "$old"
done
wait "$churn_pid"
check "churn: the engine works" docker run --rm --network none bb true
docker ps -aq --filter status=created --filter status=exited | xargs -r "$docker_cli" -H "unix://$xdg/docker.sock" rm -f >/dev/null 2>&1
check_out "churn: no container directory without a container" "$(docker ps -aq --no-trunc | sort)" bash -c "ls '$data/containers' | sort"
check_out "churn: no monitor without a container" "$(docker ps -q | wc -l)" eval 'our_pids :monitor | wc -l'
engine_stop
# Who removes a container is told before all its files are deleted; a clean stop waits for that.
check_out "after a clean stop nothing is in tmp" "" as_user ls "$data/tmp"
check_out "after a clean stop nothing runs" "" our_pids
