#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the real engine answered, recorded, against what ours answers: needs a directory with such
# records and the tools that made them.
#   GOLDEN=DIR          it: DIR/capture.py, DIR/compare.py, DIR/api/GROUP/CASE.json
#   GOLDEN_ROOTFS=TAR   the root directory they were made with; made of Debian sid's busybox without it
#   GOLDEN_GROUPS=...   what to play (all; registry only where its two registries answer)
# Differences that have a reason are lines of tests/golden-exceptions.
# test: time=900
. "$(dirname "$0")/lib.sh"

all_groups=images,create,lifecycle,streams,execs,archive,volumes,networks,events,inside,build,swarm,system,http
: "${GOLDEN:=}" "${GOLDEN_GROUPS:=$all_groups}"
registry=10.99.0.2 # where the records have them: an open one, and one with accounts
registry_answers() { [ "$(curl -s -o /dev/null -m 5 -w '%{http_code}' "http://$registry:$1/v2/")" != 000 ]; }
[ -n "$GOLDEN" ] || { skip "golden answers" "machine: GOLDEN names no directory of records"; exit 0; }
if [ "$GOLDEN_GROUPS" = "$all_groups" ]; then
	if registry_answers 5000 && registry_answers 5001; then GOLDEN_GROUPS=${GOLDEN_GROUPS/images,/images,registry,}; else
		skip "golden answers: registry" "machine: no registry on $registry:5000 and 5001"; fi
fi
as_user mkdir -p "$test_home/.config/docker"
echo "{\"insecure-registries\": [\"$registry:5000\", \"$registry:5001\"]}" | as_user sh -c "cat >'$test_home/.config/docker/daemon.json'"
. "$top/tests/lib/debian.sh"
rootfs_recorded() {
	local root=$TEST_TMP/recorded tar=$TEST_TMP/recorded.tar sid bb a
	sid=$(debian_unpack sid busybox-static) || return 1
	bb=$sid/usr/bin/busybox
	mkdir -p "$root"/{bin,dev,etc,proc,root,sys,tmp}
	chmod 755 "$root"
	chmod 1777 "$root/tmp"
	cp "$bb" "$root/bin/busybox"
	for a in $("$bb" --list); do [ "$a" = busybox ] || ln -sf busybox "$root/bin/$a"; done
	echo root:x:0:0:root:/root:/bin/sh >"$root/etc/passwd"
	echo root:x:0: >"$root/etc/group"
	tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@1700000000 -cf "$tar" . && echo "$tar"
}
rootfs=${GOLDEN_ROOTFS:-$(rootfs_recorded)} || { skip "golden answers" "Debian sid's busybox cannot be had"; exit 0; }
# shellcheck disable=SC2086 # several flags
engine_start ${GOLDEN_FLAGS:-} || exit 1
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
