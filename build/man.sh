#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build/man.sh - a manual page for each command, from what its --help says
#
# usage: man.sh PROGRAM VERSION DIRECTORY
#
# The help text is the one source: its usage becomes SYNOPSIS, its options a list, its examples stand as
# they are.  What a page has beyond that (files, environment, exit status) is applets/man/NAME.roff.
set -eu
program=$1 version=$2 dir=$3
mkdir -p "$dir"

# page NAME SECTION ONE-LINE: roff of the help text on standard input
page() {
	awk -v name="$1" -v section="$2" -v line="$3" -v version="$version" '
	function esc(s) {
		gsub(/\\/, "\\e", s)
		gsub(/-/, "\\-", s)
		sub(/^[.'"'"']/, "\\\\\\&&", s)
		return s
	}
	function block(on) {
		if (on != verbatim)
			print on ? ".PP\n.nf" : ".fi"
		verbatim = on
	}
	function option(s,    at) {
		sub(/^ +/, "", s)
		at = match(s, /  +/)
		print ".TP\n.B " esc(at ? substr(s, 1, at - 1) : s)
		if (at)
			print esc(substr(s, at + RLENGTH))
	}
	BEGIN {
		printf ".TH %s %s \"\" \"coracle %s\" \"Coracle\"\n", toupper(name), section, version
		print ".SH NAME\n" esc(name) " \\- " esc(line)
		print ".SH SYNOPSIS\n.nf"
		verbatim = 1
		synopsis = 1
	}
	{ gsub(/\t/, "        ") }
	NR == 1 && /^Coracle / { next }
	verbatim && !synopsis && continued { print esc($0); continued = /\\$/; next }
	{ continued = /\\$/ }
	synopsis && /^(Usage|USAGE):/ { sub(/^[^:]*: */, ""); if ($0 != "") print esc($0); seen = 1; next }
	synopsis && /^NAME:/ { getline; next }
	synopsis && /^ *$/ { if (seen) { block(0); synopsis = 0; print ".SH DESCRIPTION" } ; next }
	synopsis { sub(/^ +/, ""); print esc($0); seen = 1; next }
	/^[A-Z][A-Za-z ]*:$/ { block(0); sub(/:$/, ""); print ".SH " toupper($0); next }
	/^ *$/ { block(0); blank = 1; inoption = 0; next }
	/^ +-/ { block(0); option($0); blank = 0; inoption = 1; next }
	/^ / && inoption && /^            / { sub(/^ +/, ""); print esc($0); next }
	/^ / { block(1); inoption = 0; print esc($0); blank = 0; next }
	{ block(0); if (blank) print ".PP"; blank = 0; inoption = 0; print esc($0) }
	END { block(0) }'
	[ ! -f "applets/man/$1.roff" ] || cat "applets/man/$1.roff"
	printf '.SH SEE ALSO\n.BR coracle (1)\n'
}

section() { case $1 in dockerd* | newuidmap | newgidmap) echo 8 ;; *) echo 1 ;; esac; }

summary() { # the first sentence behind the usage
	"$program" "$1" --help 2>/dev/null | awk '
		/^NAME:/ { getline; sub(/^[^-]*- /, ""); print; exit }
		/^$/ { past = 1; next }
		past && /^[A-Z]/ && !/:$/ { sub(/\.$/, ""); print; exit }
		{ next }'
}

for name in $("$program" --list); do
	case $name in
	dockerd | dockerd-rootless.sh | nsenter | dockerd-rootless-setuptool.sh) continue ;; # other names of another one
	esac
	line=$(summary "$name")
	"$program" "$name" --help 2>&1 | page "$name" "$(section "$name")" "${line:-a command of coracle}" \
		>"$dir/$name.$(section "$name")"
done
for pair in dockerd:dockerd-rootless.8 dockerd-rootless.sh:dockerd-rootless.8 nsenter:nsenter-debug.1 \
	dockerd-rootless-setuptool.sh:setuptool.1; do
	target=${pair#*:}
	echo ".so man${target##*.}/$target" >"$dir/${pair%%:*}.${target##*.}"
done
"$program" --help | page coracle 1 "rootless Docker in one static binary" >"$dir/coracle.1"
