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

# --- health checks --------------------------------------------------------------------------------------
health() { field "$1" '{{.State.Health.Status}}'; }
await_health() { until [ "$(health "$1")" = "$2" ]; do :; done; }
docker run -d --name well --health-cmd 'echo out; echo err >&2; test -e /ok' --health-interval 100ms --health-retries 2 bb sleep 1000 >/dev/null
check_has "health: starting at first" "starting" docker ps -a --filter name=well --format '{{.Status}}'
check "health: failures make it unhealthy" await_health well unhealthy
check_has "health: docker ps says so" "(unhealthy)" docker ps --filter health=unhealthy --format '{{.Status}}'
check_out "health: the last result" '1 "out\nerr\n"' field well '{{with index .State.Health.Log 0}}{{.ExitCode}} {{json .Output}}{{end}}'
check "health: a success makes it healthy" bash -c "$docker_cli -H unix://$xdg/docker.sock exec well touch /ok" && await_health well healthy
until [ "$(field well '{{len .State.Health.Log}}')" = 5 ]; do :; done
check_out "health: no failure is counted any more" "0" field well '{{.State.Health.FailingStreak}}'
check_has "health: its events" "container health_status: healthy" docker events --since 1h --until 0s --filter event=health_status
check_has "health: an exec as any other" "exec_start: /bin/sh -c echo out" docker events --since 1h --until 0s --filter event=exec_start
engine_crash
check_out "health outlives a kill -9 of the engine" "healthy 5" field well '{{.State.Health.Status}} {{len .State.Health.Log}}'
docker exec well rm /ok
check "health: is probed by the next engine" await_health well unhealthy
docker stop -t 0 well >/dev/null
check_out "health: one that ended is unhealthy" "unhealthy" health well
docker run -d --name slow --health-cmd 'echo partly; sleep 1000' --health-timeout 200ms --health-interval 100ms --health-retries 1 --health-start-period 10m --health-start-interval 100ms bb sleep 1000 >/dev/null
until [ "$(field slow '{{len .State.Health.Log}}')" != 0 ]; do :; done
check_out "health: a timeout" 'Health check exceeded timeout (200ms): partly' field slow '{{(index .State.Health.Log 0).Output}}'
check_out "health: failures in the start period do not count" "starting 0" field slow '{{.State.Health.Status}} {{.State.Health.FailingStreak}}'
check_out "--no-healthcheck" "<nil>" bash -c "id=\$($docker_cli -H unix://$xdg/docker.sock run -d --no-healthcheck bb sleep 1000); $docker_cli -H unix://$xdg/docker.sock inspect -f '{{.State.Health}}' \$id; $docker_cli -H unix://$xdg/docker.sock rm -f \$id >/dev/null"
docker rm -f well slow >/dev/null
