#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Malformed and oversized requests: 4xx or a closed connection, never a crash; the same engine
# process answers afterwards.
# test: together
. "$(dirname "$0")/lib.sh"

engine_start || exit 1
before=$(cat "$xdg/docker.pid")
plays "hostile requests" as_user python3 - "$xdg/docker.sock" <"$top/tests/lib/http_hostile.py"
check_out "http: it is the same engine process" "$before" cat "$xdg/docker.pid"
if grep -qE 'level=error|bug at|Sanitizer' "$engine_log"; then
	not_ok "http: nothing in the log" "$(grep -E 'level=error|bug at|Sanitizer' "$engine_log" | head -3)"
else
	ok "http: nothing in the log"
fi
