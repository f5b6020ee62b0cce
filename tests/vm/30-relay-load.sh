#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/integration/31-relay-load, where descriptors are not limited: ten thousand connections at once, to the last one.
# test: time=1800
. "$(dirname "$0")/lib.sh"
mkdir -p "$vm_payload/tree/tests" "$vm_payload/tree/build/out"
cp -r "$top/tests/lib" "$top/tests/integration" "$vm_payload/tree/tests/"
vm_start || exit 0
inside root "the relay under load" <<-'END'
	mkdir /tmp/load
	# So many sockets that are closed at once: by default this small machine forgets some of them without a word to their
	# peer, and drops packets on its way to itself.
	sysctl -qw net.ipv4.tcp_max_orphans=65536 net.core.netdev_max_backlog=20000
	CORACLE=/payload/coracle TEST_TMP=/tmp/load LOAD_FLOWS=10000 LOAD_SECONDS=0 bash /payload/tree/tests/integration/31-relay-load.sh
END
