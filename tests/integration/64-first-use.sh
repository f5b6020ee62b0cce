#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Somebody who has the README and nothing else: installs, starts, runs, and breaks things on purpose.
# The commands are those of the README's text, and what its table of troubles says is what is printed:
# where the two part, this fails.
# test: quick together
#
# As root it runs in a mount namespace of its own, where /etc/subuid and /etc/subgid are copies.
if [ "$(id -u)" = 0 ] && [ -z "${FIRST_USE_NS:-}" ]; then
	export FIRST_USE_NS=1
	exec unshare --mount --propagation private bash "$0" "$@"
fi
if [ -n "${FIRST_USE_NS:-}" ]; then
	copies=$(mktemp -d) || exit 1
	chmod 755 "$copies"
	for f in subuid subgid; do
		touch "/etc/$f"
		cp "/etc/$f" "$copies/$f"
		mount --bind "$copies/$f" "/etc/$f" || exit 1
	done
fi
. "$(dirname "$0")/lib.sh"
[ -z "${copies:-}" ] || at_exit 'rm -rf "$copies"'
readme=$top/README.md
name=$(id -un "$test_uid")

# --- the commands ------------------------------------------------------------------------------------
# block HEADING: the indented lines that follow a line of the README
block() { awk -v after="$1" '$0 == after { on = 1; next } on && /^    / { sub(/^ +/, ""); print; seen = 1; next } seen { exit }' "$readme"; }
mapfile -t commands < <(block "To use it:")
[ "${#commands[@]}" = 3 ] || { not_ok "README: three commands" "${commands[*]}"; exit 1; }
case ${commands[0]} in
"make && "*) ok "README: built by make" ;;
*) not_ok "README: built by make" "${commands[0]}" ;;
esac
# What make leaves, where the user can read it. (That make leaves it is what all tests stand on.)
src=$test_home/coracle
as_user mkdir -p "$src/build/out"
as_user sh -c 'cat >"$0"' "$src/install.sh" <"$top/install.sh"
as_user sh -c 'cat >"$0"' "$src/build/out/coracle" <"$CORACLE"

# The user's shell: what install.sh said to add is in the profile.
as_user touch "$test_home/.profile"
user() { as_user env -u DOCKER_HOST "${away[@]+"${away[@]}"}" bash -c "cd '$src' && . ~/.profile || exit"$'\n'"$1"; }
away=()
installed=$(user "${commands[0]#make && }" 2>&1) || { not_ok "README: ${commands[0]}" "$installed"; exit 1; }
case $installed in *"export PATH="*) ok "README: ${commands[0]}" ;; *) not_ok "README: ${commands[0]}" "$installed" ;; esac
sed -n 's/^ *\(export .*\)/\1/p' <<<"$installed" | as_user sh -c 'cat >>"$0"' "$test_home/.profile"
coracle=$test_home/bin/coracle # whose processes end with this script

check_has "before the engine runs: how to start it" "dockerd-rootless" user "docker ps"
start() { # COMMAND: as typed, with & at its end
	user "${1%&*} >>'$engine_log' 2>&1 </dev/null & echo \$! >~/pid"
	engine_pid=$(cat "$test_home/pid")
	until_true user "docker version"
}
check "README: ${commands[1]}" start "${commands[1]}"
engine_pid=$(cat "$test_home/pid")
check_has "README: ${commands[2]}" "Hello from Coracle!" user "${commands[2]}"
mapfile -t first < <("$coracle" docker --help | sed -n '/^First steps:/,/^$/s/^  \(docker run --rm coracle\) .*/\1/p')
check_out "docker --help begins with the same" "${commands[2]}" echo "${first[0]:-}"

# --- what goes wrong ---------------------------------------------------------------------------------
# The messages of the README's table, one a line; several may be in a row.
mapfile -t rows < <(sed -n '/^## When it goes wrong/,/^## /s/^| `\([^`]*\)`.*/\1/p' "$readme")
spoken=()
# told MESSAGE WHAT-TO-DO COMMAND...: the message is in the README's table and in what COMMAND prints, and
# so is what to do.
told() {
	local message=$1 hint=$2 row part
	shift 2
	run "$@"
	for row in "${rows[@]}"; do [ "$row" != "$message" ] || spoken+=("$row"); done
	[[ " ${spoken[*]} " = *" $message "* ]] || { not_ok "README tells of: $message" "its table has no such row"; return; }
	for part in "${message%% …*}" "${message##*…}" "$hint"; do
		case $out in *"$part"*) ;; *) not_ok "$message" "'$part' is not in '$out'"; return ;; esac
	done
	[ "$status" != 0 ] && ok "$message: told, and what to do" || not_ok "$message" "it did not fail: $out"
}

check_has "a wrong name: which registry was asked" "registry-1.docker.io" user "docker run --rm no-such-image-here:1"
check_has "a name that is none: why" "must be lowercase" user "docker run --rm No-Such-Image"
check_has "a wrong command: that it is not in the image" "executable file not found" user "docker run --rm --entrypoint nope coracle"
check_has "a wrong option: where to look" "docker run --help" user "docker run --frob coracle"

python3 - "$test_home/taken" <<-'END' &
	import socket, sys, select
	s = socket.socket(); s.bind(("0.0.0.0", 0)); s.listen()
	open(sys.argv[1] + ".new", "w").write(str(s.getsockname()[1]))
	import os; os.rename(sys.argv[1] + ".new", sys.argv[1])
	select.select([s], [], [], 100)
END
taken=$!
at_exit "kill $taken 2>/dev/null"
until_true test -e "$test_home/taken"
port=$(cat "$test_home/taken")
told "bind: address already in use" "ss -ltnp" user "docker run -d --name web -p $port:80 coracle hello --serve 80"
check_out "the container is there, and not started" created user "docker inspect -f '{{.State.Status}}' web"
kill "$taken"
until_true user "docker start web"
check "when the port is free it starts" user "docker start web"
user "docker rm -f web" >/dev/null 2>&1
if [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -gt 80 ]; then
	told "cannot expose privileged port 80" "net.ipv4.ip_unprivileged_port_start=80" user "docker run -d -p 80:80 coracle hello --serve 80"
else
	skip "cannot expose privileged port 80" "machine: users may have it here"
fi

small=$TEST_TMP/small
mkdir -p "$small"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o "size=6m,mode=755,uid=$test_uid,gid=$test_gid" small "$small"; then
	engine_stop
	at_exit "umount -l '$small'"
	image_busybox >/dev/null
	head -c 12000000 /dev/urandom >"$TEST_TMP/busybox/large"
	tar -C "$TEST_TMP/busybox" -cf "$TEST_TMP/large.tar" large bin
	cat >"$test_home/Dockerfile" <<<"FROM coracle"
	start "dockerd-rootless --data-root $small &"
	told "No space left on device" "docker image prune" user "docker import '$TEST_TMP/large.tar' large"
	check_out "nothing half-made is left of it" "" user "docker images -q large"
	check_has "and the rest goes on" "Hello from Coracle!" user "docker run --rm coracle"
	engine_stop
else
	skip "a full disk" "machine: root alone can mount a small file system"
	engine_stop
fi

# --- before it runs ----------------------------------------------------------------------------------
away=(-u XDG_RUNTIME_DIR)
told "XDG_RUNTIME_DIR" "export XDG_RUNTIME_DIR=" user "timeout 60 dockerd-rootless"
away=()
if [ -n "${copies:-}" ]; then
	: >/etc/subuid
	: >/etc/subgid
	told "No subuid ranges found for user" "$name:100000:65536 to /etc/subuid" user "timeout 60 dockerd-rootless --require-subids"
	as_user sh -c ': >"$0"' "$engine_log"
	start "${commands[1]}"
	check_has "until then one id is mapped, and it says what to do" "$name:100000:65536" cat "$engine_log"
	check_has "and containers run" "Hello from Coracle!" user "docker run --rm coracle"
	engine_stop
	# The line that it printed, added.
	line=$(grep -o "$name:[0-9]*:65536" "$engine_log" | head -n 1)
	echo "$line" | tee /etc/subuid >/etc/subgid
	start "${commands[1]}"
	check_out "with the line that it printed, many are" 65537 awk '{ n += $3 } END { print n }' "/proc/$(cat "$xdg/docker.pid")/uid_map"
	engine_stop
else
	skip "no subordinate ids" "machine: root alone can take them away"
fi

# Each row of the table is played here or in the script that is named.
for row in "${rows[@]}"; do
	[[ " ${spoken[*]} " = *" $row "* ]] && continue
	case $row in
	"fork/exec /proc/self/exe: operation not permitted") where=tests/vm/10-toolbox.sh ;;
	"no space left on device") where=tests/vm/10-toolbox.sh ;;
	"lchown …: invalid argument") where=tests/integration/43-interchange.sh ;;
	"cannot expose privileged port 80" | "No space left on device" | "No subuid ranges found for user") continue ;; # skipped above
	*) where=nowhere ;;
	esac
	check "README: '$row' is played in $where" grep -qiF "${row%% …*}" "$top/$where"
done
