#!/bin/bash
# SPDX-License-Identifier: MIT
#
# dockerd-rootless before, beside and after its engine: id maps, locks, sockets, signals, and what is left
# behind.  (What it says when the host lacks something: 21-messages.sh.)
# test: quick
#
# As root it runs in a mount namespace of its own, where /etc/subuid and /etc/subgid are copies.
if [ "$(id -u)" = 0 ] && [ -z "${SUPERVISOR_TEST_NS:-}" ]; then
	export SUPERVISOR_TEST_NS=1
	exec unshare --mount --propagation private bash "$0" "$@"
fi
if [ -n "${SUPERVISOR_TEST_NS:-}" ]; then
	copies=$(mktemp -d) || exit 1
	for f in subuid subgid; do
		touch "/etc/$f"
		cp "/etc/$f" "$copies/$f"
		mount --bind "$copies/$f" "/etc/$f" || exit 1
	done
	chmod 755 "$copies"
fi
. "$(dirname "$0")/lib.sh"
[ -z "${copies:-}" ] || at_exit 'rm -rf "$copies"'

name=$(id -un "$test_uid")
sock=$xdg/docker.sock
data=$test_home/.local/share/docker
daemon_json=$test_home/.config/docker/daemon.json
engine() { cat "$xdg/docker.pid"; }
dockerd() { as_user timeout 60 "$coracle" dockerd-rootless "$@"; }
ping() { as_user curl -s --max-time 20 --unix-socket "${1:-$sock}" http://d/_ping; }
info() { as_user curl -s --max-time 20 --unix-socket "$sock" http://d/info; }
map() { sed -E 's/ +/ /g; s/^ //' "/proc/$(engine)/$1"; }
subids() { # UIDS GIDS: what the two files hold
	printf '%b' "$1" >/etc/subuid
	printf '%b' "$2" >/etc/subgid
}
config() { as_user sh -c 'mkdir -p "$(dirname "$0")" && cat >"$0"' "$daemon_json" <<<"$1"; }
no_config() { as_user rm -f "$daemon_json"; }
gone() { # NAME: nothing of an engine is left
	local left p
	left=$(ls -l /proc/[0-9]*/exe 2>/dev/null | grep -F -- "-> $coracle" | sed 's/.*\/proc\/\([0-9]*\).*/ \1/')
	for p in "$sock" "$xdg/docker.pid"; do [ ! -e "$p" ] || left+=" $p"; done
	if [ -z "$left" ]; then ok "$1"; else not_ok "$1" "left:$left"; fi
}
# The supervisor starts the next engine; a client only waits for it.
next_engine() { # OLD
	local pid=$1
	while [ "$pid" = "$1" ] && kill -0 "$engine_pid" 2>/dev/null; do
		ping >/dev/null
		pid=$(engine 2>/dev/null || echo "$1")
	done
}

# --- asked before anything is there -------------------------------------------------------------

check_has "--help" "--data-root" "$coracle" dockerd-rootless --help
check_has "--version" "Docker version 28" "$coracle" dockerd --version
check_has "the link's name counts" "--config-file" bash -c "exec -a dockerd-rootless.sh '$coracle' --help"
check_has "install is the setup tool's" "Did you mean 'dockerd-rootless-setuptool.sh install' ?" dockerd install
check_status "an unknown flag" 1 dockerd --foo
check_has "an unknown flag is named" "unknown flag: --foo" dockerd --foo
[ "$(id -u)" != 0 ] || check_has "root is refused" "This script must be executed as a non-privileged user" \
	"$coracle" dockerd-rootless
[ "$(id -u)" != 0 ] || check_status "root is refused with a status" 1 "$coracle" dockerd-rootless

check_has "XDG_RUNTIME_DIR that cannot be written" "XDG_RUNTIME_DIR needs to be set and writable" \
	as_user env XDG_RUNTIME_DIR=/proc/1 "$coracle" dockerd-rootless
check_has "no HOME" "HOME needs to be set and exist." as_user env -u HOME "$coracle" dockerd-rootless
check_has "HOME that is not there" "HOME needs to be set and exist." \
	as_user env HOME=/nonexistent/home "$coracle" dockerd-rootless

# --- daemon.json --------------------------------------------------------------------------------

config '{"foo": 1}'
check_has "an unknown key of daemon.json" \
	"unable to configure the Docker daemon with file $daemon_json: the following directives don't match any configuration option: foo" \
	dockerd
check_status "and that ends the start" 1 dockerd
config '{"debug": "x"}'
check_has "a wrong type" "cannot unmarshal string into Go struct field Config.debug of type bool" dockerd
config '{"debug": true}'
check_has "given twice" "specified both as a flag and in the configuration file: debug: (from flag: true, from file: true)" \
	dockerd -D
check_out "--validate" "configuration OK" dockerd --validate
no_config
check_has "a file that was asked for" "unable to configure the Docker daemon with file /nonexistent/d.json: " \
	dockerd --config-file /nonexistent/d.json

# --- id maps ------------------------------------------------------------------------------------

started() { # NAME FLAG...
	local what=$1
	shift
	as_user sh -c ': >"$0"' "$engine_log"
	engine_start "$@" || return 1
	check_out "$what: it answers" "OK" ping
}
if [ -n "${copies:-}" ]; then
	# R62
	subids "" ""
	text="[rootlesskit:parent] error: failed to setup UID/GID map: failed to compute uid/gid map: No subuid ranges found for user $test_uid (\"$name\")"
	check_status "no subuids, required: status" 1 dockerd --require-subids
	check_has "no subuids, --subid-source" "$text" as_user env DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS=--subid-source=static \
		timeout 60 "$coracle" dockerd-rootless
	subids "$name:700000:65536\n" "other:800000:65536\n"
	check_has "no subgids, required: the text" "No subgid ranges found for user $test_uid (\"$name\")" dockerd --require-subids
	check_has "no subgids, required: a free range" "$name:865536:65536" dockerd --require-subids
	gone "a start that was refused leaves nothing"

	subids "" ""
	started "one id" && {
		check_out "one id: uid_map" "0 $test_uid 1" map uid_map
		check_out "one id: gid_map" "0 $test_gid 1" map gid_map
		check_out "one id: setgroups" "deny" cat "/proc/$(engine)/setgroups"
		check_has "one id: the warning" "one id is mapped (failed to compute uid/gid map: No subuid ranges found" cat "$engine_log"
		engine_stop
	}
	subids "$name:700000:65536\n" "$name:800000:65536\n"
	started "--single-id" --single-id && {
		check_out "--single-id: uid_map" "0 $test_uid 1" map uid_map
		engine_stop
	}
	subids "$name:700000:65536\nother:1:1\n$test_uid:900000:10\n$name:700000:20\n" "$test_gid:1:1\n$test_uid:800000:5\n$name:850000:65536\n"
	started "ranges by name and number" && {
		check_out "ranges by name and number: uid_map" "$(printf '0 %s 1\n1 700000 65536\n65537 900000 10' "$test_uid")" map uid_map
		want=$(printf '0 %s 1\n1 800000 5\n6 850000 65536' "$test_gid")
		[ "$test_uid" != "$test_gid" ] || want=$(printf '0 %s 1\n1 1 1\n2 800000 5\n7 850000 65536' "$test_gid")
		check_out "ranges by name and number: gid_map" "$want" map gid_map
		check_out "ranges: setgroups is allowed" "allow" cat "/proc/$(engine)/setgroups"
		engine_stop
	}

	# No newuidmap: not required, it is gone without.
	real=$(command -v newuidmap)
	mount --bind /dev/null "$real"
	started "no newuidmap" && {
		check_out "no newuidmap: one id" "0 $test_uid 1" map uid_map
		check_has "no newuidmap: the warning says how to get it" "apt-get install -y uidmap" cat "$engine_log"
		engine_stop
	}
	umount "$real"
	subids "$name:1000000:65536\n" "$name:1000000:65536\n"
else
	skip "id maps" "machine: only root can change /etc/subuid"
fi

# --- beside another -----------------------------------------------------------------------------

started "engine" || exit 1
check_out "docker.pid names the engine" "coracle:engine1$xdg/dockerd-rootless" bash -c "tr -d '\0' </proc/$(engine)/cmdline"
check_out "socket's mode" "660 socket" stat -c '%a %F' "$sock"
ns() { readlink "/proc/$1/ns/$2"; }
check_out "the engine has the host's network, but for the thread its pid names" "$(ns "$engine_pid" net)" \
	bash -c "for t in /proc/$(engine)/task/*; do [ \$t = /proc/$(engine)/task/$(engine) ] || readlink \$t/ns/net; done | sort -u"
check_out "and pids" "$(ns "$engine_pid" pid)" ns "$(engine)" pid
[ "$(ns "$engine_pid" user)" != "$(ns "$(engine)" user)" ] && ok "but users of its own" || not_ok "but users of its own" same
pss=$(cat "/proc/$engine_pid/smaps_rollup" "/proc/$(engine)/smaps_rollup" | awk '/^Pss:/ {s += $2} END {print s}')
[ "$pss" -le 6144 ] && ok "supervisor and engine take at most 6 MB" || not_ok "supervisor and engine take at most 6 MB" "$pss KB"

check_has "a second start" "$data is in use: process with PID $engine_pid is still running" dockerd
check_status "a second start: status" 1 dockerd
check_has "the same exec-root" "$xdg/docker is in use: process with PID $engine_pid is still running" \
	dockerd --data-root "$test_home/second"
check_has "the same socket" "listening on $sock: another process answers there" \
	dockerd --data-root "$test_home/second" --exec-root "$test_home/exec2"
check_out "the first is unharmed" "OK" ping

# --- the state directory --------------------------------------------------------------------------

check_out "the state directory names the engine" "$(engine)" cat "$xdg/dockerd-rootless/child_pid"
check_has "... and the network of the bridges" docker0 as_user sh -c 'd=$XDG_RUNTIME_DIR/dockerd-rootless; nsenter -U --preserve-credentials -m -t "$(cat $d/child_pid)" \
	nsenter --net=$d/netns cat /proc/net/dev'
stated() { as_user env DOCKERD_ROOTLESS_ROOTLESSKIT_STATE_DIR="$1" timeout 60 "$coracle" dockerd-rootless --data-root "$test_home/second" \
	--exec-root "$test_home/exec2" --pidfile "$test_home/pid2" -H "unix://$test_home/second.sock"; }
check_has "one that is in use, asked for by name" "failed to lock $xdg/dockerd-rootless/lock, another RootlessKit is running with the same state directory?" stated "$xdg/dockerd-rootless"
check_out "... by which the first is unharmed" "$(engine)" cat "$xdg/dockerd-rootless/child_pid"
check_has "rootlesskit is refused there, too" "another RootlessKit is running with the same state directory?" as_user "$coracle" rootlesskit --state-dir "$xdg/dockerd-rootless" true
check_has "one that is no absolute path" 'DOCKERD_ROOTLESS_ROOTLESSKIT_STATE_DIR: "state" is not an absolute path' stated state
check_has "one that cannot be made" "making the state directory" stated /proc/state

# --- sockets ------------------------------------------------------------------------------------

second() { dockerd --data-root "$test_home/second" --exec-root "$test_home/exec2" --pidfile "$test_home/pid2" "$@"; }
as_user sh -c 'echo precious >"$0/file"' "$test_home"
check_has "a file is no socket" "there is something that is not a socket" second -H "unix://$test_home/file"
check_out "and is kept" "precious" cat "$test_home/file"
check_has "tcp beyond loopback" "listening on tcp://0.0.0.0:9 without TLS" second -H tcp://0.0.0.0:9
check_has "TLS" "invalid TLS configuration" second -H "tcp://127.0.0.1:$(free_ports 1)" --tlsverify
check_has "fd://" "no sockets found via socket activation" second -H fd://
check_has "an address that is not ours" "listening on tcp://192.0.2.1:9" second -H tcp://192.0.2.1:9 --tls=false

# --- signals ------------------------------------------------------------------------------------

labels() { info | python3 -c 'import json, sys; print(json.load(sys.stdin)["Labels"])'; }
# The answer to HUP is an event, so nothing has to be waited for by time.
reload() { # WHAT is logged
	local before
	before=$(grep -c "$1" "$engine_log")
	kill -HUP "$engine_pid"
	timeout 60 tail -n +1 -f "$engine_log" | grep -m "$((before + 1))" "$1" >/dev/null
}
config '{"labels": ["a=1"]}'
reload "configuration reloaded"
check_out "HUP reloads" "['a=1']" labels
config '{"labels": ["b=1"], "foo": 1}'
reload "reloading the configuration"
check_out "a bad file changes nothing" "['a=1']" labels
check_has "and is named" "don't match any configuration option: foo" cat "$engine_log"
config '{"labels": ["c=1"]}'

for round in 1 2 3 4 5; do
	old=$(engine)
	engine_kill "$old"
	next_engine "$old"
done
check_out "kill -9 of the engine: the next one answers" "OK" ping
check_out "and reads daemon.json as it is now" "['c=1']" labels
[ "$(engine)" != "$old" ] && ok "docker.pid follows" || not_ok "docker.pid follows" "$old"
check_has "engines that die quickly are followed after a pause" "after a pause" cat "$engine_log"
no_config

engine_stop
gone "TERM leaves nothing"
check_fails "... and no state directory" test -e "$xdg/dockerd-rootless"
user_env=(DOCKERD_ROOTLESS_ROOTLESSKIT_STATE_DIR="$test_home/of my own/state")
started "STATE_DIR" && {
	check_out "STATE_DIR has it" "$(engine)" cat "$test_home/of my own/state/child_pid"
	engine_stop
	check_out "... as long as it runs" "" ls "$test_home/of my own"
}
user_env=()

started "engine" || exit 1
kill -TERM "$(engine)"
wait_gone "$engine_pid" && ok "TERM to the engine ends both" || not_ok "TERM to the engine ends both" "still there"
gone "TERM to the engine leaves nothing"

started "engine" || exit 1
old=$(engine)
engine_kill "$engine_pid"
wait_gone "$old" && ok "kill -9 of the supervisor: the engine ends" || not_ok "kill -9 of the supervisor: the engine ends" "still there"
[ -S "$sock" ] && ok "a dead socket is left" || not_ok "a dead socket is left" "none"
started "engine over what a kill left" || exit 1
engine_stop
gone "and then nothing is"

# A signal at any moment of the start: it ends, with nothing left.
check "INT while it starts" as_user python3 - "$coracle" "$xdg" <<'PY'
import os, signal, subprocess, sys
coracle, xdg = sys.argv[1:]
for turn in range(20):
    p = subprocess.Popen([coracle, "dockerd-rootless"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    first = p.stdout.readline() if turn % 2 else b""
    if not first:
        # Nothing was said yet: the handlers may not be there, and the signal may just kill it.
        os.sched_yield()
    p.send_signal(signal.SIGINT)
    out = p.stdout.read()
    if p.wait(60) not in (0, 1, -signal.SIGINT):
        sys.exit("turn %d: status %d: %s" % (turn, p.returncode, out.decode()))
PY
wait_sock() { [ ! -e "$sock" ] || as_user rm -f "$sock"; }
wait_sock
gone "INT while it starts leaves no process"

# --- telling systemd ------------------------------------------------------------------------------

cat >"$TEST_TMP/bin/notify.py" <<'PY'
import os, select, socket, subprocess, sys
name, *command = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\0" + name[1:] if name[0] == "@" else name)
s.settimeout(60)
p = subprocess.Popen(command, env=dict(os.environ, NOTIFY_SOCKET=name), stderr=subprocess.DEVNULL)
print(s.recv(4096).decode().strip())
with open("/proc/%s/environ" % open(os.environ["XDG_RUNTIME_DIR"] + "/docker.pid").read(), "rb") as f:
    print("told on" if b"NOTIFY_SOCKET" in f.read() else "kept")
p.terminate()
print(s.recv(4096).decode().strip(), p.wait(60))
PY
chmod 644 "$TEST_TMP/bin/notify.py"
want=$(printf 'READY=1\nkept\nSTOPPING=1 0')
check_out "sd_notify by name" "$want" as_user python3 "$TEST_TMP/bin/notify.py" "$test_home/n" "$coracle" dockerd-rootless
check_out "sd_notify, abstract" "$want" as_user python3 "$TEST_TMP/bin/notify.py" "@coracle-test-$$" "$coracle" dockerd-rootless

# --- other sockets, other places ------------------------------------------------------------------

port=$(free_ports 1)
started "several sockets" -H "unix://$sock" -H "unix://$test_home/deep/er/$(printf 'long%.0s' {1..30})/x.sock" -H "tcp://127.0.0.1:$port" \
	--data-root "$test_home/elsewhere" --pidfile "$test_home/p" && {
	check_out "a path beyond 108 bytes" "OK" as_user sh -c 'cd "$0" && curl -s --unix-socket x.sock http://d/_ping' \
		"$test_home/deep/er/$(printf 'long%.0s' {1..30})"
	check_out "tcp on loopback" "OK" curl -s "http://127.0.0.1:$port/_ping"
	check_has "tcp on loopback: the warning" "takes any client: every user of this machine" cat "$engine_log"
	check_has "the data is elsewhere" "VERSION" ls "$test_home/elsewhere"
	[ -e "$test_home/p" ] && ok "the pid file is elsewhere" || not_ok "the pid file is elsewhere" "none"
	engine_stop
	[ ! -e "$test_home/p" ] && [ ! -e "$test_home/deep/er/$(printf 'long%.0s' {1..30})/x.sock" ] &&
		ok "all are removed" || not_ok "all are removed" "something is left"
}
as_user mkdir -p "$test_home/foreign"
as_user touch "$test_home/foreign/theirs"
check_fails "a foreign data-root" dockerd --data-root "$test_home/foreign"
check_out "is not touched" "theirs" ls -A "$test_home/foreign"
gone "nothing is left at the end"
