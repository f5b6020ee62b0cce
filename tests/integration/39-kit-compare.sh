#!/bin/bash
# SPDX-License-Identifier: MIT
#
# rootlesskit and rootlessctl beside RootlessKit 2 as Debian has it: the same command lines to both, in the same tree;
# what they print and their statuses are the same.  (Left out: wrong values that RootlessKit finds in its child, whose
# parent then waits for ever.)  RootlessKit lists ports as a map of Go gives them, each time in another order: lists are
# sorted.
# test: quick
. "$(dirname "$0")/lib.sh"
own_mounts
. "$top/tests/lib/debian.sh"
. "$top/tests/lib/debian_tree.sh"

if [ "$(id -u)" != 0 ]; then
	skip "comparison with RootlessKit" "machine: needs root to prepare it"
	exit 0
fi
tree=$(debian_docker 2>"$TEST_TMP/debian.log" | tail -1)
if [ ! -x "$tree/usr/bin/rootlesskit" ]; then
	skip "comparison with RootlessKit" "Debian's packages cannot be had: $(tail -n 2 "$TEST_TMP/debian.log")"
	exit 0
fi
open_device /dev/net/tun
for a in rootlesskit rootlessctl; do ln -s coracle "$TEST_TMP/bin/$a"; done

# All of them in one visit to the tree: "$1" has lines of arguments, KIT and CTL name the programs.
cat >"$TEST_TMP/bin/play.sh" <<'END'
system=/usr/sbin:/usr/bin:/sbin:/bin
case $KIT in ours) PATH=$1:$system ;; *) PATH=$system ;; esac
export PATH STATE=$HOME/state
# RootlessKit makes api.sock while the command runs already.
UP='until rootlessctl info >/dev/null 2>&1; do :; done'
while IFS= read -r line; do
	eval "set -- $line"
	for _ in {1..20}; do
		timeout 60 "$@" >"$HOME/out" 2>"$HOME/err" </dev/null
		status=$?
		# RootlessKit's builtin port driver talks to its child before that listens, now and then, or as it ends.
		[ "$KIT" = theirs ] && grep -q '/\.bp\.sock: ' "$HOME/err" || break
	done
	echo "status $status"
	# A usage in full after a wrong flag is not what we print; what is wrong comes behind it.
	sed '/^Incorrect Usage/,$d' "$HOME/out"
	# Warnings, our hints and what is a chance name are no part of it.
	sed -E '/^time=/d; /^\[rootlesskit:[a-z ]*\] hint:/d; s|/tmp/rootlesskit[A-Za-z0-9]+|STATE|g' "$HOME/err"
	echo "end of a command"
done
END
cat >"$TEST_TMP/lines" <<'END'
rootlesskit true
rootlesskit sh -c 'exit 7'
rootlesskit sh -c 'kill -9 $$'
rootlesskit sh -c 'kill -TERM $$'
rootlesskit sh -c 'kill -SEGV $$'
rootlesskit nosuch
rootlesskit /nosuch
rootlesskit /etc/passwd
rootlesskit
rootlesskit -- sh -c 'exit 3'
rootlesskit -version
rootlesskit --version
rootlesskit --print-semver=major
rootlesskit --print-semver=minor
rootlesskit --print-semver=patch
rootlesskit --frob true
rootlesskit --net=foo true
rootlesskit --net=slirp4netns --port-driver=foo true
rootlesskit --port-driver=builtin true
rootlesskit --port-driver=slirp4netns true
rootlesskit -p 127.0.0.1:8080:80/tcp true
rootlesskit --net=slirp4netns --port-driver=builtin -p foo true
rootlesskit --net=slirp4netns --port-driver=builtin -p 80:80/tcp true
rootlesskit --net=slirp4netns --port-driver=builtin -p 127.0.0.1:80:80/foo true
rootlesskit --net=slirp4netns --mtu=70000 true
rootlesskit --net=slirp4netns --cidr=1.2.3 true
rootlesskit --cidr=10.0.3.0/24 true
rootlesskit --ifname=x true
rootlesskit --copy-up=/nosuch true
rootlesskit --evacuate-cgroup2=foo true
rootlesskit --cgroupns --evacuate-cgroup2=foo true
rootlesskit --subid-source=foo true
rootlesskit --net=slirp4netns --slirp4netns-binary=nosuch true
rootlesskit --net=slirp4netns --slirp4netns-binary=/nosuch true
rootlesskit --net=slirp4netns --slirp4netns-sandbox=foo true
rootlesskit sh -c 'id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups'
rootlesskit sh -c 'echo $ROOTLESSKIT_PARENT_EUID $ROOTLESSKIT_PARENT_EGID; ls -d "$ROOTLESSKIT_STATE_DIR" | wc -l'
rootlesskit --state-dir="$STATE" sh -c "$UP"'; cd "$ROOTLESSKIT_STATE_DIR" && ls && stat -c "%n %a %F" child_pid lock; pwd'
rootlesskit --state-dir="$STATE" rootlesskit --state-dir="$STATE" true
rootlesskit sh -c 'ls "$STATE" 2>&1'
rootlesskit --pidns sh -c 'exit 3'
rootlesskit --pidns sh -c 'set -- /proc/[0-9]*; echo $#; cat /proc/1/comm'
rootlesskit --pidns sh -c 'orphan=$(sh -c "sleep 0.01 >/dev/null & echo \$!"); until ! [ -e /proc/$orphan ]; do :; done; echo reaped'
rootlesskit --pidns --reaper=true sh -c 'kill -9 $$'
rootlesskit --utsns sh -c 'hostname -b other 2>/dev/null || echo other >/proc/sys/kernel/hostname; cat /proc/sys/kernel/hostname'
rootlesskit --ipcns sh -c 'test "$(readlink /proc/self/ns/ipc)" != "$(readlink /proc/$PPID/ns/ipc)"; echo $?'
rootlesskit --copy-up=/etc sh -c 'stat -f -c %T /etc; readlink /etc/passwd | sed "s/.*[/]//"; echo x >/etc/new && cat /etc/new'
rootlesskit --copy-up=/etc --copy-up=/run sh -c 'rm -f /etc/passwd && ls /etc/passwd 2>&1; stat -f -c %T /run'
rootlesskit --net=slirp4netns --disable-host-loopback --copy-up=/etc sh -c 'cat /etc/resolv.conf /etc/hosts; ls /sys/class/net'
rootlesskit --net=slirp4netns --disable-host-loopback --copy-up=/etc --cidr=10.9.0.0/24 --ifname=out0 --mtu=1400 sh -c 'cat /etc/resolv.conf; ip -4 -o addr show | tr -s " " | cut -d" " -f2-4; cat /sys/class/net/out0/mtu; ip route'
rootlesskit --net=slirp4netns --disable-host-loopback --detach-netns sh -c "$UP"'; cd "$ROOTLESSKIT_STATE_DIR" && ls; nsenter --net=netns cat /proc/net/dev | grep -c tap0; cat resolv.conf'
rootlesskit --net=slirp4netns --disable-host-loopback --port-driver=builtin -p 127.0.0.1:$P1:80/tcp sh -c "$UP"'; for c in list-ports "list-ports --json" "add-ports 127.0.0.1:$P2:81/tcp" "add-ports 127.0.0.1:$P3:82/udp" list-ports "add-ports 127.0.0.1:$P2:81/tcp" "add-ports foo" "remove-ports 2" "remove-ports 2" "remove-ports x" "list-ports --json" frob; do { rootlessctl $c 2>&1; echo "status $?"; } | sort; done'
rootlesskit --net=slirp4netns --disable-host-loopback --port-driver=builtin -p 192.0.2.1:$P1:80/tcp true
rootlesskit --net=slirp4netns --disable-host-loopback sh -c "$UP"'; rootlessctl list-ports 2>&1; echo $?; rootlessctl info 2>&1 | grep -v -e State -e PID'
rootlesskit sh -c "$UP"'; rootlessctl info 2>&1 | grep -v -e State -e PID; rootlessctl --socket=/nosuch info'
END
read -r p1 p2 p3 < <(free_ports 3)
play() { # KIT
	in_tree "$tree" env -i HOME="$test_home" USER="$test_user" XDG_RUNTIME_DIR="$xdg" KIT="$1" P1="$p1" P2="$p2" P3="$p3" bash "$TEST_TMP/bin/play.sh" "$TEST_TMP/bin" <"$TEST_TMP/lines"
}
play ours >"$TEST_TMP/ours" 2>&1
play theirs >"$TEST_TMP/theirs" 2>&1
python3 - "$TEST_TMP" <<'END'
import difflib, sys
def answers(name):
    with open(f"{sys.argv[1]}/{name}") as f:
        return f.read().split("end of a command\n")
lines = open(f"{sys.argv[1]}/lines").read().splitlines()
ours, theirs = answers("ours"), answers("theirs")
for i, line in enumerate(lines):
    a = ours[i] if i < len(ours) else "nothing"
    b = theirs[i] if i < len(theirs) else "nothing"
    line = line[:100]
    differ = [d for d in difflib.ndiff(a.splitlines(), b.splitlines()) if d[:1] in "-+"]
    print(f"ok - {line}" if a == b else f"not ok - {line}: ours -, theirs +: {differ}")
END
left=$(our_pids)
if [ -z "$left" ]; then ok "no process is left"; else not_ok "no process is left" "$left"; fi
