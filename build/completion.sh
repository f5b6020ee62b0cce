#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build/completion.sh - completion for bash, zsh and fish, from what --help says
#
# usage: completion.sh PROGRAM DIRECTORY
#
# Writes DIRECTORY/bash, zsh and fish.  Every command's options and subcommands are asked of the program
# itself; names of containers, images, networks and volumes are asked of the engine when they are needed.
set -eu
program=$1 dir=$2
mkdir -p "$dir"
table=$(mktemp)
trap 'rm -f "$table"' EXIT

# One line a command: "KEY|WORDS"; KEY is "docker run", WORDS its options and subcommands.
words() { # HELP-COMMAND...
	"$program" "$@" --help 2>/dev/null | awk '
		/^[A-Za-z ]*(Commands|COMMANDS):$/ { commands = 1; next }
		/^[^ ]/ || /^$/ { commands = 0 }
		commands && match($0, /^ +[a-z][a-z0-9-]*/) { w = $1; print w; next }
		/^ +-/ {
			sub(/^ +/, "")
			split($0, part, /  +/)
			n = split(part[1], option, /[ ,=\[]+/)
			for (i = 1; i <= n; i++) {
				sub(/[^A-Za-z0-9-].*/, "", option[i])
				if (option[i] ~ /^--?[A-Za-z0-9]/)
					print option[i]
			}
		}' | sort -u | tr '\n' ' '
}

subcommands() { tr ' ' '\n' | grep '^[a-z]' || :; }

for name in $("$program" --list); do
	list=$(words "$name")
	echo "$name|$list" >>"$table"
	case $name in
	docker)
		for sub in $(echo "$list" | subcommands); do
			inner=$(words docker "$sub")
			echo "docker $sub|$inner" >>"$table"
			for leaf in $(echo "$inner" | subcommands); do
				echo "docker $sub $leaf|$(words docker "$sub" "$leaf")" >>"$table"
			done
		done
		;;
	esac
done
echo "coracle|--help --install --list --version $("$program" --list | tr '\n' ' ')" >>"$table"

# What the last word of some commands names.
containers='attach commit cp diff exec export inspect kill logs pause port rename restart rm start stats stop top unpause update wait'
images='create history push rmi run save tag'
names() { # VARIABLE-OF-SHELL: a case that asks the engine
	cat <<-'END'
		_coracle_names() {
			case $1 in
			"docker network"*) docker network ls --format '{{.Name}}' ;;
			"docker volume"*) docker volume ls -q ;;
			"docker image"*) docker images --format '{{.Repository}}:{{.Tag}}' ;;
	END
	for c in $containers; do
		printf '\t"docker %s" | "docker container %s") docker ps -a --format "{{.Names}}" ;;\n' "$c" "$c"
	done
	for c in $images; do
		printf '\t"docker %s" | "docker container %s") docker images --format "{{.Repository}}:{{.Tag}}" ;;\n' "$c" "$c"
	done
	printf '\tnsenter-debug | nsenter) echo engine netd; docker ps --format "{{.Names}}" ;;\n\tesac 2>/dev/null\n}\n'
}

lookup() {
	echo '_coracle_words() {'
	printf '\tcase $1 in\n'
	sed "s/^\([^|]*\)|\(.*\)\$/	\"\1\") echo '\2' ;;/" "$table"
	printf '\tesac\n}\n'
}

{
	echo '# bash completion of coracle'"'"'s commands, made by build/completion.sh'
	lookup
	names
	cat <<-'END'
		_coracle() {
			local key=${COMP_WORDS[0]##*/} cur=${COMP_WORDS[COMP_CWORD]} i word
			for ((i = 1; i < COMP_CWORD; i++)); do
				word=${COMP_WORDS[i]}
				if [ "$key" = coracle ] && [ -n "$(_coracle_words "$word")" ]; then key=$word
				elif [ -n "$(_coracle_words "$key $word")" ]; then key="$key $word"; fi
			done
			COMPREPLY=($(compgen -W "$(_coracle_words "$key")$(case $cur in -*) ;; *) _coracle_names "$key" ;; esac)" -- "$cur"))
			case $cur in -*) ;; *) COMPREPLY+=($(compgen -f -- "$cur")) ;; esac
		}
	END
	printf 'complete -o filenames -F _coracle coracle %s\n' "$("$program" --list | tr '\n' ' ')"
} >"$dir/bash"

{
	printf '#compdef coracle %s\n' "$("$program" --list | tr '\n' ' ')"
	echo '# made by build/completion.sh'
	lookup
	names
	cat <<-'END'
		local key=${words[1]:t} word
		for word in ${words[2,CURRENT-1]}; do
			if [[ $key == coracle && -n $(_coracle_words $word) ]]; then key=$word
			elif [[ -n $(_coracle_words "$key $word") ]]; then key="$key $word"; fi
		done
		compadd -- $(_coracle_words "$key")
		[[ $PREFIX == -* ]] || { compadd -- $(_coracle_names "$key"); _files }
	END
} >"$dir/zsh"

{
	echo '# fish completion of coracle'"'"'s commands, made by build/completion.sh'
	while IFS='|' read -r key list; do
		# shellcheck disable=SC2086 # words are meant
		set -- $key
		when=
		[ $# = 1 ] || when="-n '__fish_seen_subcommand_from $2$([ $# -lt 3 ] || echo "; and __fish_seen_subcommand_from $3")'"
		for w in $list; do
			case $w in
			--*) echo "complete -c $1 $when -l ${w#--}" ;;
			-?) echo "complete -c $1 $when -s ${w#-}" ;;
			-*) echo "complete -c $1 $when -o ${w#-}" ;;
			*) [ $# = 1 ] && echo "complete -c $1 -n __fish_use_subcommand -a $w" || echo "complete -c $1 $when -a $w" ;;
			esac
		done
	done <"$table"
	for c in $containers; do
		echo "complete -c docker -n '__fish_seen_subcommand_from $c' -a '(docker ps -a --format \"{{.Names}}\" 2>/dev/null)'"
	done
	for c in $images; do
		echo "complete -c docker -n '__fish_seen_subcommand_from $c' -a '(docker images --format \"{{.Repository}}:{{.Tag}}\" 2>/dev/null)'"
	done
	for c in network volume; do
		echo "complete -c docker -n '__fish_seen_subcommand_from $c' -a '(docker $c ls --format \"{{.Name}}\" 2>/dev/null)'"
	done
	echo "complete -c nsenter-debug -a 'engine netd (docker ps --format \"{{.Names}}\" 2>/dev/null)'"
} >"$dir/fish"
