#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the stock client printed beside the real engine, recorded, against what it prints beside ours: some
# 330 commands, each with its output, errors and exit status.  Needs a directory with such records.
#   GOLDEN=DIR          it: DIR/cli_capture.py, DIR/cli/NAME.txt; its two registries must answer
#   GOLDEN_DOCKER=FILE  the client of the records' version; the installed one without it
#   GOLDEN_ROOTFS=TAR   as for 57-golden
# Differences that have a reason are lines of tests/golden-exceptions-cli.
. "$(dirname "$0")/lib.sh"
. "$top/tests/lib/golden.sh"

golden_needed "what the stock client prints" cli_capture.py || exit 0
golden_registries || { skip "what the stock client prints" "machine: no registry on $registry:5000 and 5001"; exit 0; }
cli=${GOLDEN_DOCKER:-$docker_cli}
"$cli" --version >/dev/null 2>&1 || { skip "what the stock client prints" "machine: it is not installed"; exit 0; }
rootfs=${GOLDEN_ROOTFS:-$(rootfs_recorded)} || { skip "what the stock client prints" "Debian sid's busybox cannot be had"; exit 0; }
golden_engine || exit 1
if ! python3 "$GOLDEN/cli_capture.py" --docker "$cli" --host "unix://$xdg/docker.sock" --clean --rootfs "$rootfs" \
	--out "$TEST_TMP/mine" >"$TEST_TMP/capture.log" 2>&1; then
	not_ok "what the stock client prints: capture" "$(tail -3 "$TEST_TMP/capture.log")"
	exit 1
fi
[ -z "${GOLDEN_KEEP:-}" ] || cp -r "$TEST_TMP/mine" "$GOLDEN_KEEP"
python3 "$top/tests/oracle/explained_cli.py" "$GOLDEN" "$TEST_TMP/mine" "$top/tests/golden-exceptions-cli" "$("$cli" --version)"
