# SPDX-License-Identifier: MIT
#
# tests/integration/lib.sh - what the scripts share: a user, an engine, images, and saying what
# was found.  Sourced by each script, with CORACLE and TEST_TMP set by tests/run (made here when
# a script is run by hand).
#
#   check, check_has, ...       what was found, see tests/lib/check.sh
#
#   as_user CMD...              run as the unprivileged user the engine belongs to
#   engine_start [FLAG...]      start the engine as that user; sets DOCKER_HOST, engine_pid
#   engine_stop                 SIGTERM, and wait for its end
#   engine_kill PID...          kill -9 and wait for the end
#   our_pids [ROLE]             the engine's processes, or those of one role (:monitor, :worker, ...)
#   our_programs PATTERN        other programs that the engine or rootlesskit runs, by pgrep
#   engine_answers              whether it does: until_true engine_answers
#   docker ARG...               the stock CLI, as that user
#   our_docker ARG...           our client, as that user
#   own_mounts                  as root, right after this file: begin again in a mount namespace of the script's own
#   open_device DEVICE          any user may open it, as on most hosts, after own_mounts and in this script alone
#   image_busybox               a rootfs tar of busybox, from the distribution's package; prints its path
#   image_debian                the same of a small Debian with redis-server (cached in build/images)
#   image_services              the same with redis-server, nginx and postgresql
#
# Nothing outlives a script: the engine, its containers and the user's processes are ended.
set -u -o pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${CORACLE:=$top/build/out/coracle}"
. "$top/tests/lib/check.sh"

# --- the user ---------------------------------------------------------------------------------

test_user=coracle-test
if [ "$(id -u)" = 0 ]; then
	(
		flock 9 # scripts may run side by side
		id "$test_user" >/dev/null 2>&1 ||
			useradd --system --no-create-home --home-dir /nonexistent --shell /bin/sh "$test_user"
		for f in /etc/subuid /etc/subgid; do
			grep -q "^$test_user:" "$f" 2>/dev/null || echo "$test_user:1000000:65536" >>"$f"
		done
	) 9>>"$top/build/out/tests.lock"
	test_uid=$(id -u "$test_user") test_gid=$(id -g "$test_user")
else
	test_user=$(id -un) test_uid=$(id -u) test_gid=$(id -g)
fi
test_home=$TEST_TMP/home xdg=$TEST_TMP/run
mkdir -p "$test_home" "$xdg" "$TEST_TMP/bin"
chmod 700 "$test_home" "$xdg"
[ "$(id -u)" != 0 ] || chown "$test_uid:$test_gid" "$test_home" "$xdg"
# The tree may lie where only root can read: the user runs a copy.
cp "$CORACLE" "$TEST_TMP/bin/coracle" || { echo "not ok - $CORACLE: build it first"; exit 1; }
chmod 755 "$TEST_TMP/bin" "$TEST_TMP/bin/coracle"
coracle=$TEST_TMP/bin/coracle

user_env=()	# NAME=VALUE...: what the user has in the environment besides
user_network=() # how to get to the network the user is in, where it is not the machine's (nsenter --net=…)
as_user() {
	local env=(env -i HOME="$test_home" USER="$test_user" LOGNAME="$test_user" LC_ALL=C TERM="${TERM:-dumb}"
		XDG_RUNTIME_DIR="$xdg" DOCKER_HOST="unix://$xdg/docker.sock"
		ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=0:abort_on_error=1}" TSAN_OPTIONS="${TSAN_OPTIONS:-}" UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${user_env[@]+"${user_env[@]}"}")
	if [ "$(id -u)" = 0 ]; then
		"${user_network[@]+"${user_network[@]}"}" setpriv --reuid "$test_uid" --regid "$test_gid" --clear-groups "${env[@]}" "$@"
	else
		"${env[@]}" "$@"
	fi
}

# --- devices -------------------------------------------------------------------------------------

# A mode of the machine's own device would be the next script's, too, or taken back under its feet.
own_mounts() {
	[ "$(id -u)" = 0 ] && [ -z "${in_own_mounts:-}" ] || return 0
	in_own_mounts=y TEST_TMP=$TEST_TMP own_tmp=${own_tmp:-} exec unshare --mount --propagation slave "$0"
}
devices=$TEST_TMP/devices
open_device() {
	[ -c "$1" ] || return 1
	if [ ! -d "$devices" ]; then
		mkdir "$devices" && mount -t tmpfs -o mode=755 devices "$devices" || return 1
		at_exit "umount -l $devices"
	fi
	cp -a "$1" "$devices/${1##*/}" && chmod 666 "$devices/${1##*/}" && mount --bind "$devices/${1##*/}" "$1"
}

# --- the engine ---------------------------------------------------------------------------------

engine_log=$test_home/engine.log
engine_pid=
docker_cli=${DOCKER_CLI:-$(command -v docker || echo docker)}
docker() { as_user "$docker_cli" "$@"; }
our_docker() { as_user "$coracle" docker "$@"; }

engine_start() {
	cp "$top/tests/lib/ready.py" "$TEST_TMP/bin/ready.py"
	chmod 755 "$TEST_TMP/bin/ready.py"
	if ! as_user python3 "$TEST_TMP/bin/ready.py" "$test_home/engine.pid" "$engine_log" \
		"$coracle" dockerd-rootless "$@"; then
		not_ok "engine starts" "$(tail -n 5 "$engine_log" 2>&1)"
		return 1
	fi
	engine_pid=$(cat "$test_home/engine.pid")
}
# Wait for the end of a process that need not be a child.
wait_gone() {
	local pid
	for pid; do
		python3 -c 'import os, select, sys
try: fd = os.pidfd_open(int(sys.argv[1]))
except ProcessLookupError: sys.exit(0)
sys.exit(0 if select.select([fd], [], [], 60)[0] else 1)' "$pid" || return 1
	done
}
engine_stop() {
	[ -n "$engine_pid" ] || return 0
	kill -TERM "$engine_pid" 2>/dev/null
	wait_gone "$engine_pid"
	engine_pid=
}
engine_kill() {
	kill -KILL "$@" 2>/dev/null
	wait_gone "$@"
}
# Processes of this script's engine, found by the copy they run: the user may have other engines.
our_pids() { # [ROLE]: of that role, such as :monitor
	local p
	for p in /proc/[0-9]*; do
		case $(readlink "$p/exe" 2>/dev/null) in
		"$coracle"*) [ -z "${1:-}" ] || grep -qzx -- "$1" "$p/cmdline" 2>/dev/null || continue ;;
		*) continue ;;
		esac
		echo "${p#/proc/}"
	done
}
our_programs() {
	local p
	for p in $(pgrep -u "$test_uid" -- "$1"); do
		! grep -qzFx "XDG_RUNTIME_DIR=$xdg" "/proc/$p/environ" 2>/dev/null || echo "$p"
	done
}
engine_answers() { as_user curl -sf -m 20 --unix-socket "$xdg/docker.sock" http://d/_ping; }
# Whatever of them is still there ends with the script.
end_all() {
	engine_stop
	local p
	for p in $(our_pids); do kill -KILL "$p" 2>/dev/null; done
	# What containers wrote belongs to subordinate ids.
	[ "$(id -u)" = 0 ] || as_user unshare --user --map-root-user --map-auto rm -rf "$test_home/.local" 2>/dev/null
}
at_exit end_all

# --- images -------------------------------------------------------------------------------------

images=$top/build/images
mkdir -p "$images"
image_busybox() {
	local root=$TEST_TMP/busybox tar=$TEST_TMP/busybox.tar bb
	[ ! -e "$tar" ] || { echo "$tar"; return; }
	bb=$(command -v busybox) || { echo "busybox is not installed" >&2; return 1; }
	mkdir -p "$root"/{bin,dev,etc,proc,sys,root,var,usr/bin} "$root/tmp"
	chmod 1777 "$root/tmp"
	cp "$bb" "$root/bin/busybox"
	chroot_list=$("$bb" --list)
	for a in $chroot_list; do [ "$a" = busybox ] || ln -s busybox "$root/bin/$a"; done
	printf 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/false\nuser:x:1000:1000::/home:/bin/sh\n' >"$root/etc/passwd"
	printf 'root:x:0:\ndaemon:x:1:\nuser:x:1000:\nextra:x:2000:user\n' >"$root/etc/group"
	tar -C "$root" --owner=0 --group=0 --numeric-owner -cf "$tar" . && chmod 644 "$tar" && echo "$tar"
}
# image_root NAME PACKAGES: a small Debian with these packages (separated by commas), made once.
image_root() {
	local tar=$images/debian-$1.tar root=$TEST_TMP/debian-$1
	(
		flock 9
		[ ! -e "$tar" ] || exit 0
		[ "$(id -u)" = 0 ] || { echo "debootstrap needs root" >&2; exit 1; }
		debootstrap --variant=minbase --include="$2" "$(. /etc/os-release && echo "$VERSION_CODENAME")" \
			"$root" >"$images/debootstrap-$1.log" 2>&1 || { tail -5 "$images/debootstrap-$1.log" >&2; exit 1; }
		rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
		tar -C "$root" --numeric-owner --xattrs --one-file-system -cf "$tar.tmp" . && mv "$tar.tmp" "$tar" || exit 1
		rm -rf "$root"
		chmod 644 "$tar"
	) 9>>"$images/.lock" || return 1
	echo "$tar"
}
image_debian() { image_root redis redis-server; }
image_services() { image_root services redis-server,nginx-light,postgresql; }
