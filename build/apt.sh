# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# build/apt.sh - apt-get for another suite of Debian, with lists, cache and sources of its own
#
# Sourced, POSIX sh.  It needs no root and changes nothing on the machine; the mirror is one that the machine's own apt
# is set up for, whether it has ever read its lists or not.
#
#   apt_uris                       these mirrors, one a line, two at most
#   apt_setup DIR TYPE SUITES      make DIR/apt.conf (for APT_CONFIG), and read the lists of SUITES ("A B": both) from
#                                  the first mirror that has them; TYPE is deb or deb-src.  What apt said is in DIR/log

apt_uris() {
	apt-get --print-uris update 2>/dev/null | sed -n "s|^'\(http[^']*/debian/\)dists/.*|\1|p" |
		awk '!seen[$0]++' | head -n 2
}

apt_setup() {
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	command -v apt-get >/dev/null && [ -f $keyring ] || { echo "this is no Debian" >&2; return 1; }
	mkdir -p "$1/lists/partial" "$1/cache/archives/partial" "$1/parts"
	cat >"$1/apt.conf" <<-EOF
		Dir::Etc::sourcelist "/dev/null";
		Dir::Etc::sourceparts "$1/parts";
		Dir::State::lists "$1/lists";
		Dir::Cache "$1/cache";
		APT::Sandbox::User "";
		Debug::NoLocking "true";
		Acquire::Languages "none";
		Acquire::Retries "2";
	EOF
	echo "apt has no Debian mirror" >"$1/log"
	for uri in $(apt_uris); do
		printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
			"$2" "$uri" "$3" "$keyring" >"$1/parts/debian.sources"
		! APT_CONFIG=$1/apt.conf apt-get -qq update >"$1/log" 2>&1 || return 0
	done
	return 1
}
