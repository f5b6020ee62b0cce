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

# The README: what it links to, and the files it names, are there.
anchors=$(sed -n 's/^## //p' "$top/README.md" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9\n-' | sort)
check_out "the README's contents are its headings" "$anchors" sh -c "grep -o '](#[^)]*)' '$top/README.md' | sed 's/](#//; s/)//' | sort"
gone=$(cd "$top" && { grep -o '](\([a-z]*/\)*[a-z.]*)' README.md | tr -d '()]'; grep -oE '`(tests|build|applets|core)/[a-z0-9/_.-]+(\.[a-z]+)`' README.md | tr -d '`'; } |
	grep -v '^build/out/' | while read -r f; do [ -e "$f" ] || echo "$f"; done)
check_out "... and the files it names are there" "" echo "$gone"

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
# The same of the other shells, where they are installed.
if command -v zsh >/dev/null; then
	zsh_offers() { # as its completion calls us, with what it gives and takes
		zsh -f -c 'compadd() { shift; print -l -- $@ }; _files() { }; f() { source $1 }
			file=$1; shift; words=("$@"); CURRENT=$#; PREFIX=$words[CURRENT]; f $file' - "$share/zsh/site-functions/_coracle" "$@" 2>&1
	}
	check_has "zsh: subcommands" network zsh_offers docker n
	check_has "zsh: options of a subcommand's command" --subnet zsh_offers docker network create --sub
	check_has "zsh: through the program's own name" --data-root zsh_offers coracle dockerd-rootless --data
	check_out "zsh: an option of another command is not offered" "--all" bash -c 'grep -x -e --all -e --entrypoint <<<"$1"' - "$(zsh_offers docker ps --)"
else
	skip "zsh completes" "machine: zsh is not installed"
fi
if command -v fish >/dev/null; then
	fish_offers() { PATH="$share/../bin:$PATH" HOME="$TEST_TMP" fish -N -c 'set -p fish_complete_path $argv[1]; complete -C "$argv[2]"' \
		"$share/fish/vendor_completions.d" "$1" 2>&1; }
	check_out "fish: subcommands" network fish_offers "docker netw"
	check_out "fish: options of a subcommand's command" --subnet fish_offers "docker network create --sub"
	check_out "fish: of another program" list-ports fish_offers "rootlessctl list-p"
	check_out "fish: an option of another command is not offered" "" fish_offers "docker ps --entryp"
else
	skip "fish completes" "machine: fish is not installed"
fi
