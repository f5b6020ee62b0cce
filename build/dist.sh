#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build/dist.sh - pack the current commit and the dependency sources into one archive
#
# usage: dist.sh NAME CACHE ARCHIVE FILE...      (FILEs are below CACHE)
#
# "make" works in the unpacked directory without any network: the sources lie in build/cache,
# where build/fetch.sh looks first.  The same commit gives the same bytes.
set -eu
name=$1 cache=$2 archive=$3
shift 3

commit=$(git rev-parse --short=12 HEAD) || { echo "dist: works in a git checkout only" >&2; exit 1; }
when=$(git log -1 --format=%ct)
[ -z "$(git status --porcelain -uno)" ] || echo "dist: uncommitted changes are left out" >&2

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$tmp/$name/build/cache/patches" "$(dirname "$archive")"
git archive HEAD | tar -x -C "$tmp/$name"
echo "$commit $when" >"$tmp/$name/.version"
for f; do cp "$cache/$f" "$tmp/$name/build/cache/$f"; done
tar -c -C "$tmp" --sort=name --mtime="@$when" --owner=0 --group=0 --numeric-owner --mode=go-w "$name" |
	gzip -9n >"$archive.new"
mv "$archive.new" "$archive"
echo "$archive: $(($(stat -c %s "$archive") / 1024)) KB, sha256 $(sha256sum <"$archive" | cut -c1-64)"
