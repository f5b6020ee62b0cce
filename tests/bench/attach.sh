#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a network costs a container: to be attached to one while it runs, to leave it, and to start on one; beside a
# real rootless Docker if PEER_SOCKET names its socket.  See attach.py.
. "$(dirname "$0")/../integration/lib.sh"

engine_start || exit 1
sockets=("$xdg/docker.sock" ${PEER_SOCKET:+"$PEER_SOCKET"})
for socket in "${sockets[@]}"; do
	DOCKER_HOST=unix://$socket "$docker_cli" import "$(image_busybox)" busybox >/dev/null || exit 1
done
python3 "$top/tests/bench/attach.py" "${sockets[@]}"
