#!/bin/bash
# SPDX-License-Identifier: MIT
# test: together time=900
#
# A source archive builds with no network at all, into the very binary it was made from.
set -u
archive=$TEST_TMP/coracle.tar.gz
log=$TEST_TMP/log

if ! git rev-parse -q --verify HEAD >/dev/null 2>&1; then
	echo "skip - archive: machine: not a git checkout"
	exit 0
fi
version=$(sed -n 's/^VERSION = //p' config.mk)
if ! make dist >"$log" 2>&1; then
	echo "not ok - make dist: $(tail -n 1 "$log")"
	exit 1
fi
echo "ok - make dist packs the commit and the sources"
cp "build/out/coracle-$version.tar.gz" "$archive"
make dist >"$log" 2>&1
if cmp -s "$archive" "build/out/coracle-$version.tar.gz"; then
	echo "ok - the archive is the same when made again"
else
	echo "not ok - the archive is the same when made again: it differs"
fi

tar -xf "$archive" -C "$TEST_TMP"
cd "$TEST_TMP/coracle-$version" || exit 1
offline=(unshare -n)
[ "$(id -u)" = 0 ] || offline=(unshare -rn)
if ! "${offline[@]}" true 2>/dev/null; then
	echo "skip - offline build: machine: no network namespaces here"
	exit 0
fi
offline+=(env -u DEPS -u CACHE -u DEPS_MIRROR -u MAKEFLAGS -u MAKELEVEL -u WERROR -u CI make)
start=$SECONDS
if "${offline[@]}" >"$log" 2>&1; then
	echo "ok - make works from the archive without a network ($((SECONDS - start)) s)"
else
	echo "not ok - make works from the archive without a network: $(tail -n 3 "$log" | tr '\n' ' ')"
	cat "$log"
	exit 1
fi
if ./build/out/coracle --version | grep -q "^coracle $version ($(cut -d' ' -f1 .version))"; then
	echo "ok - the binary knows the commit it was made from"
else
	echo "not ok - the binary knows the commit it was made from: $(./build/out/coracle --version)"
fi
touch applets/main.c
"${offline[@]}" >"$log" 2>&1 || { echo "not ok - rebuild: $(tail -n 1 "$log")"; exit 1; }
lines=$(grep -c '^  CC' "$log")
if [ "$lines" = 1 ]; then
	echo "ok - a touched file is all that is compiled again"
else
	echo "not ok - a touched file is all that is compiled again: $lines files were"
fi
