#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Rootless Podman beside our client: the same few commands.  PODMAN is the command that runs it, with the
# options that it needs on this machine, and an image "busybox" that it has:
#   PODMAN="podman --runtime runc --cgroup-manager cgroupfs" tests/bench/podman.sh
. "$(dirname "$0")/../integration/lib.sh"
[ -n "${PODMAN:-}" ] || { echo "podman: PODMAN names none"; exit 0; }
engine_start || exit 1
docker import "$(image_busybox)" busybox >/dev/null || exit 1

# median of 15, ms
median() {
	local i start
	for i in {1..15}; do
		start=${EPOCHREALTIME/./}
		"$@" >/dev/null 2>&1 || { echo "fails: $*" >&2; return 1; }
		echo $((${EPOCHREALTIME/./} - start))
	done | sort -n | awk 'NR == 8 { printf "%.1f", $1 / 1000 }'
}
compare() { # NAME ARGUMENTS...: the same for both
	local name=$1 ours theirs
	shift
	ours=$(median as_user "$coracle" docker "$@") || return
	theirs=$(median $PODMAN "$@") || return
	printf '%s %s ms podman %s %sx -\n' "$name" "$ours" "$theirs" "$(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.1f", b / a }')"
}
compare podman_version version
compare podman_run run --rm --network none busybox true
our_docker run -d --name bench --network none busybox sleep 1000 >/dev/null
$PODMAN run -d --name bench --network none busybox sleep 1000 >/dev/null 2>&1
compare podman_exec exec bench true
compare podman_ps ps -a
$PODMAN rm -f -t 0 bench >/dev/null 2>&1
