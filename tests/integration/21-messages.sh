#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The message is the manual (R60 to R66): each cause is brought about in namespaces that are thrown away, and the engine,
# rootlesskit and the setup tool are started in it: each says what people search for, and the way out.
# test: quick together
#
# Settings of the kernel are files that are mounted over those of /proc/sys, and the refusal that would follow
# from them is a seccomp filter's (tests/lib/deny.py); user.max_user_namespaces is the real one, of a namespace
# around it.  Real kernels with each of them: tests/vm/10-toolbox.sh.
. "$(dirname "$0")/lib.sh"
if [ "$(id -u)" != 0 ]; then
	skip "messages" "machine: needs root to change what the host allows"
	exit 0
fi
export name T=$TEST_TMP bin=$TEST_TMP/installed test_uid test_gid test_home xdg
name=$(id -un "$test_uid")
"$coracle" --install "$bin" >/dev/null || exit 1
cp "$top/tests/lib/deny.py" "$TEST_TMP/bin/"
deny="python3 $TEST_TMP/bin/deny.py"
user_paths=$bin:/usr/sbin:/usr/bin:/sbin:/bin
as() { # CMD...: the user, with no privileges
	setpriv --reuid "$test_uid" --regid "$test_gid" --clear-groups env -i HOME="$test_home" USER="$name" \
		XDG_RUNTIME_DIR="$xdg" PATH="${paths:-$user_paths}" DOCKER_HOST="unix://$xdg/docker.sock" ${settings:-} timeout 60 "$@"
}
export -f as
export user_paths
: >"$T/empty" && mkdir "$T/kernel" "$T/bare"
printf '%s:1000000:10\n' "$name" >"$T/few"
cp /usr/bin/newuidmap "$T/bare/newuidmap" && cp /usr/bin/newgidmap "$T/bare/newgidmap" && chmod 755 "$T"/bare/*

# host "COMMANDS": what is done to the host, by root in a mount namespace, before each command of says.
# through: what the user runs the command by; around: what root runs all that by.
cause='' through='' around=''
in_cause() {
	# shellcheck disable=SC2086 # words
	unshare --mount --propagation private bash -c "$cause"'
		exec "$@"' _ $around bash -c "as $through \"\$@\"" _ "$@"
}
host() { cause="$1" through="${2:-}" around="${3:-}"; }
says() { # NAME COMMAND PART...: each is said, and the start fails
	local what=$1 command=$2 part
	shift 2
	# shellcheck disable=SC2086 # words
	run in_cause $command
	for part; do
		case $out in *"$part"*) ok "$what: ${part%%$'\n'*}" ;; *) not_ok "$what: ${part%%$'\n'*}" "$out" ;; esac
	done
	case $status in 0 | 124) not_ok "$what: it fails" "status $status: $out" ;; esac
}
started() { # [FLAG...]: docker info and the log of an engine that starts
	in_cause bash -c 'python3 "$0" "$HOME/e.pid" "$HOME/e.log" dockerd-rootless.sh "$@" && docker info
		kill "$(cat "$HOME/e.pid")" && tail --pid="$(cat "$HOME/e.pid")" -f /dev/null
		cat "$HOME/e.log"' "$TEST_TMP/bin/ready.py" "$@"
}
cp "$top/tests/lib/ready.py" "$TEST_TMP/bin/" && chmod 755 "$TEST_TMP/bin/ready.py"
engine=dockerd-rootless.sh kit="rootlesskit true" tool="dockerd-rootless-setuptool.sh check"
child="[rootlesskit:parent] error: failed to start the child: fork/exec /proc/self/exe:"
ids="[rootlesskit:parent] error: failed to setup UID/GID map:"

# --- R60: user namespaces are forbidden ---------------------------------------------------------------

host 'mount --bind "$T/kernel" /proc/sys/kernel; echo 0 >"$T/kernel/unprivileged_userns_clone"' "$deny unshare:\&0x10000000 EPERM"
says "R60, engine" $engine "$child operation not permitted" "sysctl -w kernel.unprivileged_userns_clone=1" "for the next boot"
says "R60, rootlesskit" "$kit" "$child operation not permitted" "sysctl -w kernel.unprivileged_userns_clone=1"
says "R60, setuptool" "$tool" "[ERROR] Missing system requirements." "kernel.unprivileged_userns_clone = 1
EOT
sysctl --system"
nested="unshare --user --map-current-user --keep-caps --mount"
mkdir "$T/root"
host '' "$nested sh -c 'mount --rbind / $T/root && exec chroot $T/root \"\$@\"' _" # where the kernel itself refuses
says "in a plain chroot, engine" $engine "$child operation not permitted" "in a chroot they are never possible"
says "in a plain chroot, rootlesskit" "$kit" "$child operation not permitted" "in a chroot they are never possible"
host '' "$deny unshare:\&0x10000000 EPERM"
says "forbidden by no setting, engine" $engine "$child operation not permitted" "user namespaces are forbidden here: in a container it must be run with --privileged"
says "forbidden by no setting, rootlesskit" "$kit" "$child operation not permitted" "--privileged"
says "forbidden by no setting, setuptool" "$tool" "# Allow user namespaces"
host '' "$deny unshare:\&0x10000000 EINVAL"
says "a kernel without them, engine" $engine "$child invalid argument" "built without CONFIG_USER_NS"
says "a kernel without them, rootlesskit" "$kit" "$child invalid argument" "built without CONFIG_USER_NS"

# AppArmor on Ubuntu: the namespace is made, and is worth nothing
host 'mount --bind "$T/kernel" /proc/sys/kernel; rm -f "$T"/kernel/*; echo 1 >"$T/kernel/apparmor_restrict_unprivileged_userns"' \
	'' "$deny mount EACCES"
says "AppArmor, engine" $engine "AppArmor forbids it" "/etc/apparmor.d/coracle" "flags=(unconfined) { userns, }" "apparmor_parser -r"
says "AppArmor, rootlesskit" "$kit" "AppArmor forbids it" "flags=(unconfined) { userns, }" "apparmor_parser -r"
says "AppArmor, setuptool" "$tool" "# Add an AppArmor profile that allows user namespaces" "userns," "systemctl restart apparmor.service"

# --- R61: no namespace is left ---------------------------------------------------------------------------

host '' "$nested sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec \"\$@\"' _"
says "R61, engine" $engine "$child no space left on device" "sysctl -w user.max_user_namespaces=28633"
says "R61, rootlesskit" "$kit" "$child no space left on device" "sysctl -w user.max_user_namespaces=28633"
says "R61, setuptool" "$tool" "user.max_user_namespaces = 28633"

# --- R62: subordinate ids ----------------------------------------------------------------------------------

none="failed to compute uid/gid map: No subuid ranges found for user $test_uid (\"$name\")"
host 'mount --bind "$T/empty" /etc/subuid; mount --bind "$T/empty" /etc/subgid'
says "R62, engine" "$engine --require-subids" "$ids $none" "as root add the line $name:100000:65536 to /etc/subuid and to /etc/subgid" \
	"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $name"
says "R62, rootlesskit" "$kit" "$ids $none" "$name:100000:65536"
says "R62, setuptool" "$tool" "echo \"$name:100000:65536\" >> /etc/subuid" "echo \"$name:100000:65536\" >> /etc/subgid"
host 'mount --bind "$T/empty" /etc/subgid'
says "R62 for groups, rootlesskit" "$kit" "$ids failed to compute uid/gid map: No subgid ranges found for user $test_uid (\"$name\")"
# too few: everything starts, and is told of
host 'mount --bind "$T/few" /etc/subuid; mount --bind "$T/few" /etc/subgid'
run in_cause $tool
for part in "Requirements are satisfied" "10 ids are fewer than images count on" "echo \"$name:1000010:65536\" >> /etc/subuid" \
	"echo \"$name:1000010:65536\" >> /etc/subgid"; do
	case $out in *"$part"*) ok "few ids, setuptool: $part" ;; *) not_ok "few ids, setuptool: $part" "$out" ;; esac
done
check_out "few ids, rootlesskit has them all" "10" in_cause rootlesskit awk '$1 > 0 { n += $3 } END { print n }' /proc/self/uid_map
check_has "few ids, engine" "11 uids and 11 gids are mapped, fewer than the 65537 that images count on" started

# newuidmap and newgidmap: gone, without their privilege, at odds with the files
host 'for n in newuidmap newgidmap; do mount --bind /dev/null /usr/bin/$n; done'
says "no newuidmap, engine" "$engine --require-subids" "$ids executing newuidmap: executable file not found in \$PATH" "as root: apt-get install -y uidmap"
says "no newuidmap, rootlesskit" "$kit" "$ids executing newuidmap: executable file not found in \$PATH" "as root: apt-get install -y uidmap"
says "no newuidmap, setuptool" "$tool" "# Install newuidmap & newgidmap binaries
apt-get install -y uidmap"
host 'for n in newuidmap newgidmap; do mount --bind "$T/bare/$n" /usr/bin/$n; done'
says "newuidmap without privilege, engine" $engine "$ids newuidmap " "newuidmap lacks its privilege; as root: chmod u+s /usr/bin/newuidmap"
says "newuidmap without privilege, rootlesskit" "$kit" "$ids newuidmap " "chmod u+s /usr/bin/newuidmap"
says "newuidmap without privilege, setuptool" "$tool" "chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap"
host 'export settings=DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS=--subid-source=ldap'
says "a wrong source, engine" $engine "--subid-source=ldap: not auto, dynamic or static"
host ''
says "a wrong source, rootlesskit" "rootlesskit --subid-source=ldap true" "unknown subid source \"ldap\""
host 'mkdir -p "$T/nobody"; printf "#!/bin/sh\nexit 1\n" >"$T/nobody/getsubids"; chmod -R 755 "$T/nobody"; export paths=$T/nobody:$user_paths'
says "a directory that does not know the user, rootlesskit" "rootlesskit --subid-source=dynamic true" "$ids $none"

# --- R63, R12: how one has logged in -----------------------------------------------------------------------

host 'export settings=XDG_RUNTIME_DIR='
says "R63, engine" $engine "XDG_RUNTIME_DIR needs to be set and writable" 'export XDG_RUNTIME_DIR=$HOME/.docker/xrd
  rm -rf $XDG_RUNTIME_DIR
  mkdir -p $XDG_RUNTIME_DIR'
host 'mount -t tmpfs -o mode=755 tmpfs /run; mkdir -p /run/systemd/system "$T/systemd"; chmod 755 "$T/systemd"
	printf "#!/bin/sh\n" >"$T/systemd/systemctl"; chmod 755 "$T/systemd/systemctl"; export paths=$T/systemd:$user_paths; export settings=XDG_RUNTIME_DIR='
says "R63, setuptool beside systemd" "$tool" 'systemd was detected but XDG_RUNTIME_DIR ("") is not set' "loginctl enable-linger <user>" \
	"ssh works for remote machines, machinectl shell works for local machines"

# --- R64, R65, R66: systemd of users ----------------------------------------------------------------------

host 'mount -t tmpfs -o mode=755 tmpfs /run; mkdir -p /run/systemd/system'
run in_cause $tool
for part in '`systemctl --user` fails ("Failed to connect to bus")' "after 'su' or 'sudo'" "log in by ssh or \`machinectl shell <user>@\`" \
	"sudo loginctl enable-linger <user>"; do
	case $out in *"$part"*) ok "R64, setuptool: $part" ;; *) not_ok "R64, setuptool: $part" "$out" ;; esac
done
systemd='mount -t tmpfs -o mode=755 tmpfs /run; mkdir -p /run/systemd/system "$T/systemd"; chmod 755 "$T/systemd"
	printf "#!/bin/sh\n" >"$T/systemd/systemctl"; chmod 755 "$T/systemd/systemctl"; export paths=$T/systemd:$user_paths'
host "$systemd; mount -t cgroup2 cgroup2 /sys/fs/cgroup"
if in_cause true 2>/dev/null; then
	run in_cause $tool
	for part in "# Install the D-Bus of user sessions, and start it as this user: systemctl --user enable --now dbus
apt-get install -y dbus-user-session" "# Let services of this user run without a login (at boot, after logout)
loginctl enable-linger $name" "/etc/systemd/system/user@.service.d/delegate.conf"; do
		case $out in *"$part"*) ok "R65, R66, setuptool: ${part##*$'\n'}" ;; *) not_ok "R65, R66, setuptool: ${part##*$'\n'}" "$out" ;; esac
	done
	run started --exec-opt native.cgroupdriver=systemd
	for part in "failed to connect to the user's systemd" "install dbus-user-session (Debian, Ubuntu) or dbus-daemon (Fedora), log in again, and run: systemctl --user enable --now dbus"; do
		case $out in *"$part"*) ok "R66, engine: $part" ;; *) not_ok "R66, engine: $part" "$out" ;; esac
	done
else
	skip "R66" "machine: no cgroup v2 can be mounted"
fi
# no cgroup v2 at all
host "$systemd; mount -t tmpfs tmpfs /sys/fs/cgroup"
check_has "no cgroup v2, engine" "cgroup v2 is not mounted at /sys/fs/cgroup" started
check_has "no cgroup v2, engine: the way out" "systemd.unified_cgroup_hierarchy=1" started
run in_cause $tool
for part in "# Boot with cgroup v2, so that the kernel enforces limits of containers" "systemd.unified_cgroup_hierarchy=1"; do
	case $out in *"$part"*) ok "no cgroup v2, setuptool: $part" ;; *) not_ok "no cgroup v2, setuptool: $part" "$out" ;; esac
done

host '' '' "$deny openat2 ENOSYS"
says "a kernel before 5.6, engine" $engine "resolving paths beneath a directory with openat2 (Linux 5.6 or later; this is $(uname -r)): Function not implemented" "boot a newer kernel"
host '' '' "$deny openat2 EPERM"
says "an old seccomp profile around us, engine" $engine "with openat2" "--security-opt seccomp=unconfined"

# clone3 is no more than a convenience: without it, containers run all the same.
for call in "clone3 ENOSYS" "clone3 EPERM"; do
	host '' '' "$deny $call"
	check_has "$call: containers run" "exec too" in_cause bash -c 'python3 "$0" "$HOME/e.pid" "$HOME/e.log" dockerd-rootless.sh || exit
		docker run -d --name c3 --pids-limit 30 coracle hello --serve 80 && docker exec c3 hello && echo exec too; docker rm -f c3
		kill "$(cat "$HOME/e.pid")" && tail --pid="$(cat "$HOME/e.pid")" -f /dev/null' "$TEST_TMP/bin/ready.py"
done

# --- R15: what the host has is told at the start, and the best of it is taken --------------------------------

host 'printf "" >"$T/closed"; chmod 600 "$T/closed"; for f in /dev/fuse /dev/net/tun; do [ ! -e $f ] || mount --bind "$T/closed" $f; done
	mount -t tmpfs tmpfs /sys/fs; mkdir /sys/fs/selinux; echo 1 >/sys/fs/selinux/enforce; chmod -R a+rX /sys/fs
	rm -f "$T"/kernel/*; mount --bind "$T/kernel" /proc/sys/kernel; echo 1 >"$T/kernel/apparmor_restrict_unprivileged_userns"' '' 'setarch --uname-2.6'
run started --debug
for part in "is older than 5.11: overlay2 may not be possible, and slower storage drivers are tried" \
	"SELinux is enforcing: containers get no label of their own; volumes may need 'chcon -t container_file_t'" \
	"AppArmor restricts user namespaces: this program needs a profile with 'userns,'" \
	"no /dev/fuse: the storage driver fuse-overlayfs is not possible" \
	"no /dev/net/tun: network drivers that use a tap device are not possible" "Server Version:"; do
	case $out in *"$part"*) ok "R15, engine: $part" ;; *) not_ok "R15, engine: $part" "$out" ;; esac
done

left=$(our_pids)
if [ -z "$left" ]; then ok "no process is left"; else not_ok "no process is left" "$left"; fi
