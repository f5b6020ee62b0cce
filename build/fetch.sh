#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build/fetch.sh - bring the dependency sources that a manifest names into one directory
#
# usage: fetch.sh MANIFEST CACHE
#
# The manifest (written by build/deps.mk from config.mk) has one line for each file wanted:
#   source NAME SHA256 URL DEB DEB_FILE DEB_SHA256
#   patch  NAME SHA256 URL DEB -        -
# A source ends up as CACHE/NAME, a patch as CACHE/patches/NAME.  Nothing is put there before
# its digest was found right, so that what is there needs no second look at the network.
#
# Places tried, each for all files still missing: CACHE itself, DEPS_MIRROR (also with the
# names that upstream or Debian gives the file), the Debian source packages of DEBIAN_SUITE,
# and the upstream URL.  The Debian step runs apt-get with state, lists and sources of its
# own, below a temporary directory: it needs no root and changes nothing on the machine.
set -eu

manifest=$1
cache=$2
: "${DEPS_MIRROR:=}" "${DEBIAN_SUITE:=trixie}"

die() { echo "fetch: $*" >&2; exit 1; }
# shellcheck source=build/apt.sh
. "$(dirname "$0")/apt.sh"

mkdir -p "$cache/patches"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

digest_ok() { # FILE SHA256...
	[ -f "$1" ] || return 1
	got=$(sha256sum <"$1")
	got=${got%% *}
	shift
	for want; do
		[ "$got" = "$want" ] && return 0
	done
	return 1
}

place_of() { # KIND NAME
	case $1 in
	patch) echo "$cache/patches/$2" ;;
	*) echo "$cache/$2" ;;
	esac
}

# take KIND NAME SHA256 DEB_SHA256 FILE: adopt FILE if it is what the manifest wants.
take() {
	digest_ok "$5" "$3" "$4" || return 1
	to=$(place_of "$1" "$2")
	cp "$5" "$to.$$" && mv "$to.$$" "$to"
}

# missing FUNCTION: call it with each manifest line whose file is not there yet.
missing() {
	while read -r kind name sha url deb deb_file deb_sha; do
		digest_ok "$(place_of "$kind" "$name")" "$sha" "$deb_sha" && continue
		"$1" "$kind" "$name" "$sha" "$url" "$deb" "$deb_file" "$deb_sha" </dev/null
	done <"$manifest"
}

from_mirror() {
	for f in "$DEPS_MIRROR/$2" "$DEPS_MIRROR/patches/$2" "$DEPS_MIRROR/$6" \
		"$DEPS_MIRROR/${4##*/}"; do
		if take "$1" "$2" "$3" "$7" "$f"; then
			echo "fetch: $2 from $DEPS_MIRROR"
			return 0
		fi
	done
}

debian_setup() {
	mkdir -p "$tmp/deb"
	apt_setup "$tmp/apt" deb-src "$DEBIAN_SUITE" && return 0
	sed 's/^/fetch: apt: /' "$tmp/apt/log" >&2
	return 1
}

# One package may fail in part (a mirror in the middle of an update): what did arrive counts.
debian_download() { # SOURCE
	[ -d "$tmp/deb/$1" ] && return 0
	mkdir "$tmp/deb/$1"
	(cd "$tmp/deb/$1" && APT_CONFIG=$tmp/apt/apt.conf \
		apt-get -qq source --download-only "$1" >"$tmp/apt.log" 2>&1) || :
	for t in "$tmp/deb/$1"/*.debian.tar.*; do
		[ -f "$t" ] && tar -xf "$t" -C "$tmp/deb/$1" debian/patches 2>/dev/null || :
	done
}

from_debian() {
	debian_download "$5"
	case $1 in
	patch) f=$tmp/deb/$5/debian/patches/$2 ;;
	*) f=$tmp/deb/$5/$6 ;;
	esac
	if take "$1" "$2" "$3" "$7" "$f"; then
		echo "fetch: $2 from Debian $DEBIAN_SUITE"
	fi
}

from_url() {
	if command -v curl >/dev/null; then
		curl -fsSL --retry 2 --connect-timeout 20 --max-time 600 -o "$tmp/file" "$4" || :
	elif command -v wget >/dev/null; then
		wget -q -T 20 -t 2 -O "$tmp/file" "$4" || :
	elif [ -x /usr/lib/apt/apt-helper ]; then
		/usr/lib/apt/apt-helper -qq download-file "$4" "$tmp/file" || :
	else
		die "fetching $4 needs curl or wget"
	fi
	if take "$1" "$2" "$3" "$7" "$tmp/file"; then
		echo "fetch: $2 from $4"
	fi
	rm -f "$tmp/file"
}

complain() {
	echo "fetch: no $1 '$2' with the digest $3" >&2
	echo "$2" >>"$tmp/failed"
}

count() { echo . >>"$tmp/wanted"; }
any_missing() { rm -f "$tmp/wanted"; missing count; [ -s "$tmp/wanted" ]; }

any_missing || exit 0
[ -z "$DEPS_MIRROR" ] || missing from_mirror
any_missing || exit 0
if debian_setup; then missing from_debian; fi
missing from_url
missing complain
[ ! -s "$tmp/failed" ] || die "put the files into $cache, or into a directory named by DEPS_MIRROR=, \
and run make again (config.mk says where they come from)"
