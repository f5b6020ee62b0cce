#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a container goes through while it runs: paused, watched over, logged, updated; also across a
# kill -9 of the engine.
# test: time=120
. "$(dirname "$0")/lib.sh"

field() { docker inspect -f "$2" "$1"; }
await_up() { until docker logs "$1" 2>&1 | grep -q up; do :; done; }
# kill -9 of the engine; the supervisor starts the next one.
engine_crash() {
	local old
	old=$(cat "$xdg/docker.pid")
	engine_kill "$old"
	until docker version >/dev/null 2>&1 && [ "$(cat "$xdg/docker.pid")" != "$old" ]; do :; done
}

engine_start || exit 1
docker import -c 'CMD ["sh"]' "$(image_busybox)" bb >/dev/null || exit 1

# --- pause ------------------------------------------------------------------------------------------------
# States of its processes, each once: T is stopped.  A signal takes a moment to arrive.
states() { docker top "$1" -o pid,stat | awk 'NR > 1 {print substr($2, 1, 1)}' | sort -u | tr -d '\n'; }
await_states() { until [ "$(states "$1")" = "$2" ]; do :; done; }
paused=$(docker run -d --name paused bb sh -c 'sleep 1000 & sh -c "kill -STOP \$\$" & sh -c "sh -c \"sleep 1000\"; :" & echo up; wait')
await_up paused
await_states paused ST
check_out "pause" "paused" docker pause paused
check "pause stops every process" await_states paused T
check_out "pause: the state" "paused true true" field paused '{{.State.Status}} {{.State.Paused}} {{.State.Running}}'
check_has "pause: docker ps says so" "(Paused)" docker ps --filter status=paused --format '{{.Status}}'
check_has "pause: twice" "Container $paused is already paused" docker pause paused
check_has "pause: no exec" "Container $paused is paused, unpause the container before exec" docker exec paused true
check_has "pause: no start" "cannot start a paused container, try unpause instead" docker start paused
check_out "pause: info counts it" "1 0" docker info -f '{{.ContainersPaused}} {{.ContainersRunning}}'
engine_crash
check_out "pause outlives a kill -9 of the engine" "paused T" bash -c "echo \"\$1\" \"\$2\"" - "$(field paused '{{.State.Status}}')" "$(states paused)"
check_out "unpause" "paused" docker unpause paused
check "unpause: all go on but who was stopped before" await_states paused ST
check_has "unpause: twice" "Container $paused is not paused" docker unpause paused
docker pause paused >/dev/null
check_out "kill of a paused container ends it" "paused" docker kill paused
check_out "kill of a paused container: the exit code" "exited false 137" field paused '{{.State.Status}} {{.State.Paused}} {{.State.ExitCode}}'
docker run -d --name shared --pid host bb sh -c 'trap exit TERM; sleep 1001 & echo up; wait' >/dev/null
await_up shared
docker pause shared >/dev/null
check "pause in the host's pid namespace" await_states shared T
sleeper=$(pgrep -xf 'sleep 1001')
engine_kill "$(awk '/^PPid:/ {print $2}' "/proc/$(field shared '{{.State.Pid}}')/status")"
check "a monitor's death leaves nobody stopped" bash -c 'while grep -qs "^State:.T" /proc/$0/status; do :; done' "$sleeper"
kill "$sleeper" 2>/dev/null
docker rm -f paused shared >/dev/null
