#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Manual pages and completion: they have every command and every option that --help has, and make install
# puts them in place.
# test: quick together
. "$(dirname "$0")/lib.sh"

check "make install" make -C "$top" -s install DESTDIR="$TEST_TMP/root" PREFIX=/usr INSTALL_FLAGS=-s
share=$TEST_TMP/root/usr/share
pages=$(cd "$share/man" && find . -name '*.[18]' | sed 's|.*/||; s|\.[18]$||' | sort)
check_out "a page for every command" "$(printf '%s\n' coracle $("$coracle" --list) | sort)" echo "$pages"

options() { grep -oE '(^|[ ,])--?[a-zA-Z0-9][a-z0-9-]*' | tr -d ' ,' | sort -u; }
for name in $("$coracle" --list); do
	page=$(find "$share/man" -name "$name.[18]")
	while IFS= read -r line; do
		case $line in .so*) page=$share/man/${line#.so } ;; esac
	done <"$page"
	missing=$(comm -23 <("$coracle" "$name" --help 2>&1 | grep -E '^ +-' | options) <(sed 's/\\-/-/g; s/\\&//g' "$page" | options))
	check_out "$name: the page has its options" "" echo "$missing"
done
if command -v groff >/dev/null; then
	check_out "the pages are good roff" "" bash -c "cat $share/man/man*/*.[18] | grep -v '^\.so' | groff -man -Tutf8 -ww -rLL=100n 2>&1 >/dev/null | grep -v 'break\|adjust' | head"
fi

# What bash offers for a line of words.
offers() {
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _coracle; printf "%s\n" "${COMPREPLY[@]}"' - \
		"$share/bash-completion/completions/coracle" "$@"
}
check_has "bash: subcommands" network offers docker net
check_has "bash: their options" --network-alias offers docker run --netw
check_has "bash: of a subcommand's command" --subnet offers docker network create --sub
check_has "bash: through the program's own name" --data-root offers coracle dockerd-rootless --data
check_has "bash: of build" --iidfile offers docker build --ii
check_out "bash: an option of another command is not offered" "" offers docker ps --entryp
check "bash: completion is found by a command's name" test -e "$share/bash-completion/completions/dockerd-rootless"
check_has "zsh has them, too" "network create" grep '"docker network create")' "$share/zsh/site-functions/_coracle"
check_has "and fish" "-l network-alias" grep -h network-alias "$share/fish/vendor_completions.d/docker.fish"
