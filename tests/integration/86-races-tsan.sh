#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The same as 86-races, with the engine built with ThreadSanitizer: no report.
# test: together
cd "$(dirname "$0")" || exit 1
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
chmod 777 "$reports" # processes with other ids write there
# Atomic counters are read plainly where jansson asks if an object is a constant, which never changes.
printf '%s\n' race_top:json_incref race_top:json_decref >"$reports/suppressions"
export TSAN_OPTIONS="log_path=$reports/race suppressions=$reports/suppressions"
# Its shadow memory has no room for every place that the kernel may choose.
CORACLE=$PWD/../../build/out/tsan/coracle RACES_SECONDS=2 setarch -R bash ./86-races.sh
found=$(cat "$reports"/race* 2>/dev/null)
if [ -z "$found" ]; then
	echo "ok - ThreadSanitizer reports nothing"
else
	echo "not ok - ThreadSanitizer reports nothing: $(grep -m 1 WARNING <<<"$found")"
	head -n 100 <<<"$found" | sed 's/^/    | /'
fi
