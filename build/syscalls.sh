#!/bin/sh
# SPDX-License-Identifier: MIT
#
# syscalls.sh NAME FILE... - the system calls that "#syscalls" comments in the files list, as a C macro
# NAME of their numbers; those that an architecture does not have are left out.
name=$1
shift
echo "/* Made by build/syscalls.sh from #syscalls comments. */"
echo "#include <sys/syscall.h>"
list=$(cat "$@" | sed -n 's|^[ /]*\*.*#syscalls \([a-z0-9_ ]*\).*|\1|p' | tr ' ' '\n' | sed '/^$/d' | sort -u)
for call in $list; do
	printf '#ifdef SYS_%s\n#define ALLOW_%s SYS_%s,\n#else\n#define ALLOW_%s\n#endif\n' \
		"$call" "$call" "$call" "$call"
done
printf '#define %s' "$name"
for call in $list; do printf ' ALLOW_%s' "$call"; done
echo
