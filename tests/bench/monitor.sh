#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a container costs the runtime alone: monitor_start() to the exit of "true", without an
# engine, and the memory of the monitor beside it.
. "$(dirname "$0")/../integration/lib.sh"

bench=$top/build/out/obj/bench_monitor
root=$(mktemp -d /tmp/coracle-bench.XXXXXX) || exit 1
at_exit 'rm -rf "$root"'
tar -xf "$(image_busybox)" -C "$root" --no-same-owner && chmod 755 "$root" || exit 1

echo "runtime: monitor_start() of busybox true (no engine)"
"$bench" -n 100 "$root" /bin/true | sed 's/^/  cold:     /'
"$bench" -w -n 100 "$root" /bin/true | sed 's/^/  prepared: /'
"$bench" -m "$root" /bin/sleep 60 |
	awk '/^Rss|^Pss:|^Private/ { printf "  monitor %-16s %5d KB\n", $1, $2; if (/^Private/) p += $2 }
		END { printf "  monitor private total   %5d KB   goal <= 200 KB\n\nmonitor.private %d kB - - - <=200\n", p, p }'
