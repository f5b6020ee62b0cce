#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install.sh - put coracle into ~/bin, without root; usage() says how.  "curl … | CORACLE_URL=… sh" works, too
#
# FILE.sha256 beside the file, or below the URL, is checked: it must be there for a download.
# Run it again with a newer file to upgrade: files are replaced by rename, so what runs goes on running; "systemctl
# --user restart docker" starts the new engine, containers stay.
set -eu

usage() {
	cat <<-'END'
		usage: sh install.sh [OPTION...] FILE           from a file
		       CORACLE_URL=https://... sh install.sh    from a download; URL.sha256 must be there, too
		       sh install.sh --uninstall                take away exactly what was put there

		Puts coracle and links to its commands into BIN_DIR (~/bin). A newer file upgrades; containers run on.

		  --no-setup  do not go on with "setuptool install"
		  --all       link names of programs that the host has itself (newuidmap, nsenter, runc), too
	END
}

fail() {
	echo "install.sh: $1" >&2
	[ -z "${2:-}" ] || echo "install.sh: hint: $2" >&2
	exit 1
}

# The inode tells links of ours from strangers' files of the same name.
# shellcheck disable=SC2012 # ls -i is POSIX, what stat and find print is not; only the number is read
inode() { ls -diL "$1" 2>/dev/null | { read -r number _ && echo "$number"; }; }

check_machine() {
	[ "$(uname -s)" = Linux ] || fail "this is for Linux, not $(uname -s)"
	release=$(uname -r)
	major=${release%%.*}
	rest=${release#*.}
	minor=${rest%%[!0-9]*}
	if [ "$major" -lt 5 ] || { [ "$major" = 5 ] && [ "$minor" -lt 6 ]; }; then
		fail "Linux $release is too old: 5.6 or later is needed"
	fi
	[ "$(id -u)" != 0 ] || fail "rootless Docker is installed as an ordinary user, not as root"
}

check_sum() { # FILE SUM-FILE
	read -r want _ <"$2" || [ -n "$want" ] || fail "reading $2: it is empty"
	have=$(sha256sum <"$1")
	[ "${have%% *}" = "$want" ] || fail "$1 is damaged: its SHA-256 is ${have%% *}, not $want" "download it again"
}

fetch() { # URL FILE
	if command -v curl >/dev/null; then
		curl -fsSL -o "$2" "$1"
	elif command -v wget >/dev/null; then
		wget -qO "$2" "$1"
	else
		fail "neither curl nor wget is here" "download $1 elsewhere, and run: sh install.sh FILE"
	fi || fail "downloading $1 failed"
}

download() {
	[ -n "${CORACLE_URL:-}" ] || fail "no file was named" "sh install.sh ./coracle, or set CORACLE_URL"
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	file=$scratch/coracle
	fetch "$CORACLE_URL" "$file"
	fetch "$CORACLE_URL.sha256" "$file.sha256"
}

install_file() {
	[ -f "$file" ] || fail "$file is not a file"
	[ ! -f "$file.sha256" ] || check_sum "$file" "$file.sha256"
	# A USB stick may be mounted noexec, a download lacks the bit: what is run is a copy.
	[ -d "$bin" ] || { mkdir -p "$bin" && : >"$bin/$made"; }
	new=$bin/.coracle.$$
	trap 'rm -rf "${scratch:-}" "$new"' EXIT
	cp "$file" "$new"
	chmod 755 "$new"
	"$new" --version >/dev/null 2>&1 || fail "$file does not run on this machine ($(uname -m))" \
		"is it coracle, built for this architecture?"
	# shellcheck disable=SC2086 # one word or none
	"$new" --install $all "$bin"
	rm -f "$new"
}

uninstall() {
	ours=$(inode "$bin/coracle") || fail "$bin/coracle is not there: nothing to remove"
	if [ -n "$setup" ] && [ -n "${XDG_RUNTIME_DIR:-}" ]; then
		"$bin/coracle" setuptool uninstall || echo "install.sh: setuptool uninstall failed; going on" >&2
	fi
	for name in $("$bin/coracle" --list); do
		[ "$(inode "$bin/$name")" != "$ours" ] || rm -f "$bin/$name"
	done
	rm -f "$bin/coracle"
	[ ! -e "$bin/$made" ] || { rm -f "$bin/$made" && rmdir "$bin" 2>/dev/null; } || : # others have put something there
	echo "Removed from $bin. Images and containers are left in ~/.local/share/docker."
}

made=.made-by-coracle # in a directory that was not there before

main() {
	bin=${BIN_DIR:-$HOME/bin} setup=yes all='' file='' action=install
	for arg; do
		case $arg in
		--uninstall) action=uninstall ;;
		--no-setup) setup='' ;;
		--all) all=-a ;;
		-h | --help) usage && return ;;
		-*) fail "unknown option $arg" "sh install.sh --help lists them" ;;
		*) file=$arg ;;
		esac
	done
	check_machine
	if [ "$action" = uninstall ]; then
		uninstall
		return
	fi
	[ -n "$file" ] || download
	install_file
	[ -z "$setup" ] || PATH=$bin:$PATH "$bin/coracle" setuptool install
}

main "$@" # at the end: a download that was cut off does nothing
