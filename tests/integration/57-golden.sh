#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the real engine answered, recorded, against what ours answers: needs a directory with such
# records and the tools that made them.
#   GOLDEN=DIR          it: DIR/capture.py, DIR/compare.py, DIR/api/GROUP/CASE.json
#   GOLDEN_ROOTFS=TAR   the root directory they were made with; made of Debian sid's busybox without it
#   GOLDEN_GROUPS=...   what to play (all; registry only where its two registries answer)
# Differences that have a reason are lines of tests/golden-exceptions.
# test: together time=900
. "$(dirname "$0")/lib.sh"

all_groups=images,create,lifecycle,streams,execs,archive,volumes,networks,events,inside,build,swarm,system,http
. "$top/tests/lib/golden.sh"
: "${GOLDEN_GROUPS:=$all_groups}"
golden_needed "golden answers" capture.py || exit 0
if [ "$GOLDEN_GROUPS" = "$all_groups" ]; then
	if golden_registries; then GOLDEN_GROUPS=${GOLDEN_GROUPS/images,/images,registry,}; else
		skip "golden answers: registry" "machine: no registry on $registry:5000 and 5001"; fi
fi
rootfs=${GOLDEN_ROOTFS:-$(rootfs_recorded)} || { skip "golden answers" "Debian sid's busybox cannot be had"; exit 0; }
golden_engine || exit 1
if ! python3 "$GOLDEN/capture.py" --host "unix://$xdg/docker.sock" --clean --only "$GOLDEN_GROUPS" --out "$TEST_TMP/mine" \
	--rootfs "$rootfs" >"$TEST_TMP/capture.log" 2>&1; then
	not_ok "golden answers: capture" "$(tail -3 "$TEST_TMP/capture.log")"
	exit 1
fi
[ ! -d "$TEST_TMP/mine/events" ] || python3 "$top/tests/oracle/drop_events.py" "$TEST_TMP/mine/events" top
for group in ${GOLDEN_GROUPS//,/ }; do
	python3 "$GOLDEN/compare.py" "$GOLDEN/api" "$TEST_TMP/mine" --max 1000 --only "$group/*" >"$TEST_TMP/compare" 2>&1
	left=$(python3 "$top/tests/oracle/explained.py" "$top/tests/golden-exceptions" <"$TEST_TMP/compare" 2>&1)
	[ -z "$left" ] && ok "golden answers: $group" || not_ok "golden answers: $group" "$left"
done
