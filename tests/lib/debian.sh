# SPDX-License-Identifier: MIT
#
# tests/lib/debian.sh - programs from another suite of Debian than the machine's own
#
# Sourced.  apt-get runs with lists, cache and sources of its own below build/debian: nothing
# changes on the machine.  The mirror is the one that the machine's own apt uses.
#
#   debian_unpack SUITE PACKAGE...   unpack the packages, without what they depend on, into a
#                                    directory below build/debian that names them; prints it
#   debian_root SUITE PACKAGE...     the same with all they depend on: a root file system for programs that the
#                                    machine's own libraries are too old for; nothing is configured

. "$top/build/apt.sh"

debian_uri() { apt_uris | head -n 1; }

debian_apt() { # SUITE COMMAND...: apt-get for that suite ("A B": for both)
	local suite=$1 dir=$top/build/debian/apt-${1// /+}
	shift
	if [ ! -e "$dir/updated" ]; then
		mkdir -p "$dir"
		apt_setup "$dir" deb "$suite" || { cat "$dir/log" >&2; return 1; }
		: >"$dir/updated"
	fi
	APT_CONFIG=$dir/apt.conf apt-get "$@"
}

debian_unpack() {
	local suite=$1 dir
	shift
	dir=$top/build/debian/$suite-$(printf '%s-' "$@")root
	mkdir -p "$top/build/debian"
	(
		flock 9
		[ ! -e "$dir" ] || exit 0
		rm -rf "$dir.new" && mkdir -p "$dir.new/debs" && cd "$dir.new/debs" || exit 1
		debian_apt "$suite" -qq download "$@" >&2 || exit 1
		for deb in *.deb; do dpkg-deb -x "$deb" .. || exit 1; done
		cd .. && rm -rf debs && mv "$dir.new" "$dir"
	) 9>>"$top/build/debian/lock" || return 1
	echo "$dir"
}

debian_root() {
	local suite=$1 dir archives=$top/build/debian/apt-$1/cache/archives
	shift
	dir=$top/build/debian/$suite-tree-$(printf '%s ' "$@" | sha256sum | cut -c1-12)
	mkdir -p "$top/build/debian"
	(
		flock 9
		[ ! -e "$dir" ] || exit 0
		rm -rf "$dir.new" "$archives"/*.deb && mkdir -p "$dir.new" || exit 1
		debian_apt "$suite" -qq -y -o Dir::State::status=/dev/null -o APT::Get::AllowUnauthenticated=false \
			--no-install-recommends --download-only install "$@" >&2 || exit 1
		# First what makes /bin, /lib and /sbin links into /usr.
		for deb in "$archives"/base-files_*.deb "$archives"/*.deb; do dpkg-deb -x "$deb" "$dir.new" || exit 1; done
		rm -f "$archives"/*.deb
		mv "$dir.new" "$dir"
	) 9>>"$top/build/debian/lock" || return 1
	echo "$dir"
}
