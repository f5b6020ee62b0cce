#!/bin/sh
# SPDX-License-Identifier: MIT
# What testcontainers calls Ryuk, as far as the engine has to do with it: a container that has the engine's
# socket and a published port, is told labels over a connection, and when that connection ends, for whatever
# reason, removes what has them.  Its image cannot be made from Debian's packages; this stands in for it.
if [ $# = 0 ]; then
	echo Started
	exec nc -ll -p 8080 -e "$0" session
fi
filters=
while IFS= read -r line; do
	filters="$filters --filter $(echo "$line" | tr -d '\r' | sed 's/&/ --filter /g')"
	echo ACK
done
[ -n "$filters" ] || exit 0
# shellcheck disable=SC2086 # words
for id in $(docker ps -aq --no-trunc $filters); do
	case $id in "$(hostname)"*) ;; *) docker rm -fv "$id" ;; esac
done >&2
# shellcheck disable=SC2086 # words
docker network ls -q $filters | xargs -r docker network rm >&2
echo "Removed by$filters" >&2
