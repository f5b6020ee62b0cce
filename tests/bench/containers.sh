#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What containers cost once there are many, and how fast bytes come out of them; beside a real rootless
# Docker if PEER_SOCKET names its socket (an image "busybox" is imported there).
. "$(dirname "$0")/../integration/lib.sh"

export DOCKER_CLI=$docker_cli
engine_start || exit 1
docker import "$(image_busybox)" busybox >/dev/null || exit 1
if [ -n "${PEER_SOCKET:-}" ]; then
	DOCKER_HOST=unix://$PEER_SOCKET "$docker_cli" import "$(image_busybox)" busybox >/dev/null || exit 1
fi
python3 "$top/tests/bench/containers.py" "$coracle" "$xdg/docker.sock" "$engine_pid" "${PEER_SOCKET:-}"
