#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build/tools.sh - see that the packages of a list are there
#
# usage: tools.sh build|test
#
# Reads build/LIST-packages.  What is missing is installed when this runs as root on a machine
# with apt; otherwise the one command that does it is printed and the status is 1.
set -eu
list=build/$1-packages

have() { # PACKAGE PROGRAM
	if [ "$2" != - ]; then
		command -v "$2" >/dev/null 2>&1 && return 0
	fi
	command -v dpkg-query >/dev/null 2>&1 || { [ "$2" = - ]; return; }
	dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -q 'ok installed'
}

missing=
while read -r package program rest; do
	case $package in '' | '#'*) continue ;; esac
	have "$package" "$program" || missing="$missing $package"
done <"$list"
[ -n "$missing" ] || exit 0

command="apt-get install -y --no-install-recommends$missing"
if ! command -v apt-get >/dev/null 2>&1; then
	echo "make: missing here:$missing (names of Debian's packages; install what your system calls them)" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	printf 'make: something is missing to %s; install it with\n    sudo %s\n' "$1" "$command" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() { $command -o DPkg::Lock::Timeout=300 </dev/null >"$log" 2>&1; }
install || { apt-get update >/dev/null 2>&1 && install; } || { cat "$log" >&2; exit 1; }
