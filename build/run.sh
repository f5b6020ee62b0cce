#!/bin/bash
# SPDX-License-Identifier: MIT
#
# build/run.sh - "make run": from the sources to a container that ran, and nothing left behind
#
# usage: run.sh MAKE
#
# Installs what is missing (as root), builds, starts the engine in directories of its own as an
# unprivileged user, runs the built-in image, shows what it printed and how long each step took,
# stops the engine and removes what was made: directories, processes, and, when root started
# this, the user "coracle" with its subordinate ids, unless it was there before.
#
# The engine is ready when it logs "API listen on": that line is waited for, not a time.
set -u
make=${1:-make}
ready_max=60 # seconds the engine may take to start; hundreds of times what it needs
stop_max=30  # and to stop

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'; else bold='' dim='' red='' plain=''; fi

dir= engine= user= user_made= ids_made=
steps=()

die() {
	printf '%smake run: %s%s\n' "$red" "$1" "$plain" >&2
	exit 1
}

# --- steps and their times ----------------------------------------------------------------------

now_us() { echo "${EPOCHREALTIME/[.,]/}"; }

# done_step NAME START STATUS: note the time; stop everything if it failed
done_step() {
	local us=$(($(now_us) - $2))
	steps+=("$(printf '%9d.%01d ms  %s' $((us / 1000)) $((us / 100 % 10)) "$1")")
	[ "$3" = 0 ] && return 0
	if [ -s "$dir/engine.log" ]; then
		echo "    the engine's log:"
		tail -n 20 "$dir/engine.log" | sed 's/^/    | /'
	fi >&2
	die "$1 failed (status $3)"
}

# step NAME COMMAND...: run it, its output shown as it comes
step() {
	local name=$1 start
	shift
	printf '%s==> %s%s\n' "$bold" "$name" "$plain"
	start=$(now_us)
	"$@" 2>&1 | sed -u 's/^/    /'
	done_step "$name" "$start" "${PIPESTATUS[0]}"
}

# step_here NAME FUNCTION: the same for what must run in this very shell
step_here() {
	local start status
	printf '%s==> %s%s\n' "$bold" "$1" "$plain"
	start=$(now_us)
	"$2" >"$dir/step.out" 2>&1
	status=$?
	sed 's/^/    /' "$dir/step.out"
	done_step "$1" "$start" "$status"
}

# --- cleaning up, whatever happened ---------------------------------------------------------------

alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

stop_engine() {
	alive "$engine" || { engine=; return 0; }
	kill -TERM "$engine" 2>/dev/null
	# tail watches the process; nothing here sleeps for a guessed time
	timeout "$stop_max" tail --pid="$engine" -s 0.01 -f /dev/null
	if alive "$engine"; then
		kill -KILL "$engine"
		echo "the engine did not stop within $stop_max s and was killed" >&2
		return 1
	fi
	wait "$engine" 2>/dev/null
	local status=$?
	engine=
	return $status
}

# Processes that still run the copy in our directory: there must be none.
strays() {
	local p
	for p in /proc/[0-9]*; do
		case $(readlink "$p/exe" 2>/dev/null) in
		"$dir"/bin/coracle*) echo "${p#/proc/}" ;;
		esac
	done
}

remove_dir() {
	[ -n "$dir" ] && [ -d "$dir" ] || return 0
	rm -rf --one-file-system "$dir" 2>/dev/null && return 0
	# what containers wrote may belong to subordinate ids: remove it as their root
	as_user unshare --user --map-root-user --map-auto rm -rf "$dir/home" 2>/dev/null
	rm -rf --one-file-system "$dir"
}

remove_user() {
	if [ -n "$user_made" ]; then
		userdel "$user" >/dev/null 2>&1 || echo "userdel $user failed" >&2
		[ -e /etc/subuid ] && sed -i "/^$user:/d" /etc/subuid
		[ -e /etc/subgid ] && sed -i "/^$user:/d" /etc/subgid
	elif [ -n "$ids_made" ]; then
		usermod --del-subuids "$ids_made" --del-subgids "$ids_made" "$user"
	fi
	user_made='' ids_made=''
}

cleanup() {
	local status=$? left
	trap '' INT TERM HUP
	trap - EXIT
	stop_engine
	if [ -n "$dir" ]; then
		left=$(strays)
		if [ -n "$left" ]; then
			echo "make run: these processes had to be killed: "$left >&2
			kill -KILL $left 2>/dev/null
			[ "$status" != 0 ] || status=1
		fi
		remove_dir || status=1
	fi
	remove_user
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- the user -------------------------------------------------------------------------------------

# A range of 65536 subordinate ids that overlaps nobody's.
free_range() {
	awk -F: '$2 + $3 > top { top = $2 + $3 } END { if (top < 100000) top = 100000; print top "-" top + 65535 }' \
		/etc/subuid /etc/subgid 2>/dev/null || echo 100000-165535
}

make_user() {
	user=coracle
	if ! id "$user" >/dev/null 2>&1; then
		useradd --system --no-create-home --home-dir "$dir/home" --shell /bin/sh "$user" || return 1
		user_made=y
	fi
	if ! grep -q "^$user:" /etc/subuid 2>/dev/null; then
		ids_made=$(free_range)
		usermod --add-subuids "$ids_made" --add-subgids "$ids_made" "$user" || return 1
	fi
	echo "user $user, uid $(id -u "$user"), subordinate ids $(sed -n "s/^$user:\([0-9]*\):\([0-9]*\)$/\1+\2/p" /etc/subuid | tr '\n' ' ')"
	chown "$user:" "$dir/home" "$dir/run"
}

# Replaces this shell (a subshell, that is): what starts it in the background knows its pid.
exec_as_user() {
	local env=(env -i "HOME=$dir/home" "USER=$user" "LOGNAME=$user" "XDG_RUNTIME_DIR=$dir/run"
		"DOCKER_HOST=unix://$dir/run/docker.sock" "TERM=${TERM:-dumb}" "TMPDIR=/tmp"
		"PATH=$dir/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	cd / || exit 1
	[ "$(id -u)" != 0 ] || exec setpriv --reuid "$(id -u "$user")" --regid "$(id -g "$user")" \
		--init-groups "${env[@]}" "$@"
	exec "${env[@]}" "$@"
}
as_user() { (exec_as_user "$@"); }

# --- what is shown --------------------------------------------------------------------------------

build() { "$make" --no-print-directory all; }

place() {
	# the tree may lie where only its owner can read; the user runs a copy
	cp build/out/coracle "$dir/bin/coracle" && chmod 755 "$dir/bin/coracle" &&
		"$dir/bin/coracle" --install -s "$dir/bin" >/dev/null &&
		"$dir/bin/coracle" --version
}

start_engine() {
	local line deadline=$((SECONDS + ready_max))
	mkfifo "$dir/engine.fifo" || return 1
	exec_as_user dockerd-rootless >"$dir/engine.fifo" 2>&1 </dev/null &
	engine=$!
	exec {log}<"$dir/engine.fifo"
	while :; do
		if IFS= read -r -t 1 -u "$log" line; then
			printf '%s\n' "$line" >>"$dir/engine.log"
			case $line in *'API listen on'*) break ;; esac
		elif ! alive "$engine"; then
			wait "$engine"
			return 1
		elif [ $SECONDS -ge $deadline ]; then
			echo "no 'API listen on' within $ready_max s"
			return 1
		fi
	done
	# from here on the log is only kept
	cat <&"$log" >>"$dir/engine.log" &
	exec {log}<&-
	sed -n 's/.*level=warn[a-z]* msg="\(.*\)"/warning: \1/p' "$dir/engine.log"
	sed -n 's/.*msg="\(API listen on.*\)"/\1/p' "$dir/engine.log"
}

if [ "$(id -u)" = 0 ]; then as=root; else as=$(id -un); fi
echo "${dim}run by $as on $(uname -sr) $(uname -m)${plain}"

dir=$(mktemp -d "${TMPDIR:-/tmp}/coracle-run.XXXXXX") || exit 1
chmod 755 "$dir"
mkdir "$dir/bin" "$dir/home" "$dir/run"
chmod 700 "$dir/home" "$dir/run"
user=$(id -un)

step "tools" sh build/tools.sh build
if [ "$(id -u)" = 0 ]; then
	step "id map helpers" sh build/tools.sh run
elif ! command -v newuidmap >/dev/null; then
	echo "    without newuidmap (Debian: uidmap) one id is mapped: images with several users will not work fully"
fi
step "build" build
[ "$(id -u)" != 0 ] || step_here "unprivileged user" make_user
step "copy" place
step_here "engine start" start_engine
step "docker version" as_user docker version
step "docker run --rm coracle" as_user docker run --rm coracle
step "the same once more" as_user docker run --rm coracle
step_here "engine stop" stop_engine

printf '\n%show long it took%s\n' "$bold" "$plain"
printf '%s\n' "${steps[@]}"
