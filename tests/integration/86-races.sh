#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Many clients at once, requests that contradict each other, and SIGKILL in the middle: every client
# gets an answer, and nothing stays behind. RACES_SECONDS=n makes the random parts that long.
. "$(dirname "$0")/lib.sh"

data=$test_home/.local/share/docker
races() { # PART SECONDS
	plays "$1" python3 "$top/tests/lib/races.py" "$1" "$xdg/docker.sock" "$data" "$coracle" bb "$2"
}
seconds=${RACES_SECONDS:-5}

engine_start || exit 1
docker import "$(image_busybox)" bb >/dev/null || exit 1
races storm 0
races pairs "$seconds"
races kills "$seconds"

# A clean stop while containers are being made: each client is told, and what is there is whole.
for i in 1 2 3 4 5 6 7 8; do
	(while docker create bb true; do :; done) >"$TEST_TMP/made.$i" 2>/dev/null &
done
until [ "$(cat "$TEST_TMP"/made.* | wc -l)" -ge 10 ]; do :; done
engine_stop
wait
check_out "stop during create: nothing runs" "" our_pids
engine_start || exit 1
check_out "stop during create: what clients were told of is there" "" bash -c "comm -23 <(sort $TEST_TMP/made.*) <(ls $data/containers)"
check_out "stop during create: nothing else is" "$(ls "$data/containers")" ls "$data/overlay2/rootfs"
docker ps -aq | xargs -r "$docker_cli" -H "unix://$xdg/docker.sock" rm -f >/dev/null
engine_stop
check_out "after it all: no container, no mark in tmp" "" as_user bash -c "ls $data/containers $data/tmp $data/overlay2/rootfs $data/volumes | grep -v :\$ | grep ."
check_out "nothing runs" "" our_pids
