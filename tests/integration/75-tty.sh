#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A person at a terminal: run -ti, resize, Ctrl-C, detach, attach; with the stock client and ours.
# test: together
. "$(dirname "$0")/lib.sh"

engine_start || exit 1
docker import "$(image_busybox)" bb >/dev/null || exit 1
cp "$top/tests/lib/terminal.py" "$TEST_TMP/bin/terminal.py" && chmod 755 "$TEST_TMP/bin/terminal.py"
export TERM=xterm
plays "the stock client" as_user python3 "$TEST_TMP/bin/terminal.py" bb "$docker_cli"
plays "our client" as_user python3 "$TEST_TMP/bin/terminal.py" bb "$coracle" docker | sed 's/ tty: / tty, our client: /'
