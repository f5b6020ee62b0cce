#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The same as 30-relay, 31-relay-load and 36-dns-ports, with everything built with ThreadSanitizer: the threads that hand
# connections to each other, splice data both ways, half-close and reset them, and no report.
# test: together
cd "$(dirname "$0")" || exit 1
[ "$(id -u)" = 0 ] || { echo "skip - the relay under ThreadSanitizer: machine: network namespaces for host and peer need root"; exit 77; }
: "${TEST_TMP:=$(mktemp -d)}"
export TSAN_OPTIONS="suppressions=$TEST_TMP/suppressions"
# As in 86-races-tsan.sh.
printf '%s\n' race_top:json_incref race_top:json_decref >"$TEST_TMP/suppressions"
export CORACLE=$PWD/../../build/out/tsan/coracle LOAD_FLOWS=2000 LOAD_SECONDS=1
# netd has no way to a symbolizer, nor to a file of its own for reports: they are in its log, as addresses.
named() { sed 's/.*(coracle+\(0x[0-9a-f]*\)).*/\1/' | while read -r line; do
	case $line in 0x*) addr2line -spfe "$CORACLE" "$line" ;; *) echo "$line" ;; esac
done; }
for script in ${TSAN_SCRIPTS:-30-relay 31-relay-load 36-dns-ports}; do
	mkdir "$TEST_TMP/$script" && chmod 755 "$TEST_TMP" "$TEST_TMP/$script"
	# Its shadow memory has no room for every place that the kernel may choose.
	TEST_TMP=$TEST_TMP/$script setarch -R bash "./$script.sh"
	found=$(find "$TEST_TMP/$script" -name '*.log' -type f -exec sed -n '/WARNING: ThreadSanitizer/,/^SUMMARY/p' {} +)
	if [ -z "$found" ]; then
		echo "ok - $script: ThreadSanitizer reports nothing"
	else
		echo "not ok - $script: ThreadSanitizer reports nothing: $(grep -m 1 WARNING <<<"$found")"
		head -n 100 <<<"$found" | named | sed 's/^/    | /'
	fi
done
