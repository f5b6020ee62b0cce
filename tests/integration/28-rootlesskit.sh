#!/bin/bash
# SPDX-License-Identifier: MIT
#
# rootlesskit and rootlessctl: statuses and words as RootlessKit's, namespaces, copy-up, state directory,
# REST API, published ports.  With slirp4netns or pasta where they are installed.
# test: quick
. "$(dirname "$0")/lib.sh"
own_mounts

for a in rootlesskit rootlessctl; do ln -s coracle "$TEST_TMP/bin/$a"; done
user() { as_user env PATH="$TEST_TMP/bin:/usr/sbin:/usr/bin:/sbin:/bin" timeout 60 "$@"; }
kit() { user rootlesskit "$@"; }
state=$xdg/state

# --- the command and its end --------------------------------------------------------------------

check_status "a command" 0 kit true
check_status "its status" 7 kit sh -c 'exit 7'
check_out "what is said of a failure" $'[rootlesskit:child ] error: command [sh -c exit 7] exited: exit status 7\n[rootlesskit:parent] error: child exited: exit status 7' \
	kit sh -c 'exit 7'
check_status "a signal" 255 kit sh -c 'kill -9 $$'
check_has "a signal is named" "exited: signal: killed" kit sh -c 'kill -9 $$'
check_has "a program that is not there" '[rootlesskit:child ] error: command [nosuch] exited: exec: "nosuch": executable file not found in $PATH' kit nosuch
check_out "no command" "[rootlesskit:parent] error: no command specified" kit
check_out "an unknown flag" "[rootlesskit:parent] error: flag provided but not defined: -foo" kit --foo true
check_out "TERM goes to the command" got kit sh -c \
	'trap "echo got; kill \$!; exit 0" TERM; sleep 20 >/dev/null 2>&1 & kill -TERM "$(cut -d" " -f4 /proc/$PPID/stat)"; wait'
check_out "root inside" "0 0" kit sh -c 'echo "$(id -u) $(id -g)"'
check_out "the subordinate ids" "$(awk -F: -v u="$test_user" '$1 == u { n += $3 } END { print n }' /etc/subuid)" \
	kit awk '$1 > 0 { n += $3 } END { print n }' /proc/self/uid_map
check_out "the environment" "$test_uid $test_gid" kit sh -c 'echo "$ROOTLESSKIT_PARENT_EUID $ROOTLESSKIT_PARENT_EGID"'
check "files of subordinate ids are removed" kit sh -c 'mkdir -m 700 "$0" && touch "$0/f" && chown -R 5:5 "$0"' "$test_home/other"
check_fails "... which the user cannot" as_user rm -rf "$test_home/other"
check "... but rootlesskit can" kit rm -rf "$test_home/other"

# --- refused by name ------------------------------------------------------------------------------

while IFS='|' read -r want args; do
	# shellcheck disable=SC2086 # words
	check_out "refused: $args" "[rootlesskit:parent] error: $want" kit $args true
done <<'END'
unknown network mode: foo|--net=foo
unknown port driver: foo|--net=none --port-driver=foo
port driver requires non-host network|--port-driver=builtin
port driver requires pasta network|--net=none --port-driver=implicit
port driver "none" does not support publishing ports|-p 127.0.0.1:1:1/tcp
missing proto in PortSpec string: "foo"|--net=none --port-driver=builtin -p foo
unexpected ParentIP in PortSpec string: "80:80/tcp"|--net=none --port-driver=builtin -p 80:80/tcp
unknown copy-up mode: foo|--copy-up=/etc --copy-up-mode=foo
reaper requires --pidns|--reaper=true
unknown reaper mode: foo|--pidns --reaper=foo
evacuate-cgroup2 requires --cgroupns|--evacuate-cgroup2=foo
evacuate-cgroup2 requires --pidns|--cgroupns --evacuate-cgroup2=foo
unexpected evacuation group name "a/b": must not contain "/"|--pidns --cgroupns --evacuate-cgroup2=a/b
unexpected evacuation group name "..": must not contain "/"|--pidns --cgroupns --evacuate-cgroup2=..
unknown propagation: foo|--propagation=foo
invalid CIDR address: 1.2.3|--net=none --cidr=1.2.3
mtu must be <= 65521, got 70000|--net=none --mtu=70000
failed to setup UID/GID map: failed to compute uid/gid map: unknown subid source "foo"|--subid-source=foo
END
check_has "refused: --print-semver foo" 'got "foo"' kit --print-semver foo
check_out "--print-semver" 2 kit --print-semver major
check_has "a directory that is not there" "[rootlesskit:child ] error: failed to create bind mount on /nosuch" kit --copy-up=/nosuch true

# --- namespaces and mounts --------------------------------------------------------------------------

differs() { # FLAG NAMESPACE
	local out
	out=$(kit "$1" readlink "/proc/self/ns/$2")
	if [ -n "$out" ] && [ "$out" != "$(readlink "/proc/self/ns/$2")" ]; then ok "$1"; else not_ok "$1" "$out"; fi
}
differs --utsns uts
differs --ipcns ipc
differs --cgroupns cgroup
differs --net=none net
check_out "--pidns has two processes" "1 2" kit --pidns sh -c 'cd /proc && ls -d [0-9]* | head -2 | xargs'
check_out "--pidns: its status" 3 kit --pidns sh -c 'sh -c "exit 3"; echo $?'
check_out "--copy-up: links into the host's" "passwd" kit --copy-up=/etc sh -c 'basename "$(readlink /etc/passwd)"'
check_out "--copy-up: of one's own" "mine $(head -c 5 /etc/passwd)" \
	kit --copy-up=/etc sh -c 'rm /etc/passwd && head -c 5 /etc/.ro*/passwd >/etc/copy && echo mine >/etc/passwd && echo $(cat /etc/passwd /etc/copy)'
if [ "$(id -u)" = 0 ]; then
	shared() { # a host with shared mounts, as systemd has it
		unshare --mount --propagation shared setpriv --reuid "$test_uid" --regid "$test_gid" --clear-groups \
			env -i USER="$test_user" PATH="$PATH" "$TEST_TMP/bin/rootlesskit" "$@" cat /proc/self/mountinfo
	}
	check_has "--propagation=rslave: the host's mounts are seen" " master:" shared --propagation=rslave
	out=$(shared)
	case $out in *master:*|'') not_ok "the default: they are not" "$out" ;; *) ok "the default: they are not" ;; esac
fi

check_out "--net=none: /sys shows the devices inside" lo kit --net=none ls /sys/class/net
check_has "... and the host's cgroups" "$(ls /sys/fs/cgroup | head -1)" kit --net=none ls /sys/fs/cgroup
check_out "--net=none: the host's name is ourselves" "127.0.0.1 $(hostname)"$'\n'"::1 $(hostname)" kit --net=none tail -n 2 /etc/hosts
check_out "... with --copy-up=/etc, too" "127.0.0.1 $(hostname)"$'\n'"::1 $(hostname)" kit --net=none --copy-up=/etc tail -n 2 /etc/hosts
check_out "--detach-netns: /sys and /etc/hosts are the host's" "$(tail -n 1 /etc/hosts)" kit --net=none --detach-netns tail -n 1 /etc/hosts

# --- cgroups: in one that is given to the user ------------------------------------------------------

cgroup2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
if [ "$(id -u)" != 0 ] || [ -z "$cgroup2" ] || ! mkdir "$cgroup2/kit-$$" 2>/dev/null; then
	skip "--evacuate-cgroup2" "machine: no cgroup v2 that root can give away"
else
	group=$cgroup2/kit-$$
	# The groups below have what all have here, which one is enough to see.
	controller=$(awk '{ print $1 }' "$cgroup2/cgroup.controllers")
	if [ "$controller" ] && ! grep -qw "$controller" "$cgroup2/cgroup.subtree_control"; then
		echo "+$controller" >"$cgroup2/cgroup.subtree_control"
		at_exit 'echo "-$controller" >"$cgroup2/cgroup.subtree_control"'
	fi
	[ -z "$controller" ] || echo "+$controller" >"$group/cgroup.subtree_control"
	at_exit 'find "$group" -depth -type d -exec rmdir {} +'
	given() { # CMD...: by the user, in a new group that is his
		local new
		new=$(mktemp -d "$group/XXXXXX") && chown -R "$test_uid:$test_gid" "$new" && echo "$new" >"$TEST_TMP/group"
		sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$new" setpriv --reuid "$test_uid" --regid "$test_gid" --clear-groups \
			env -i HOME="$test_home" USER="$test_user" PATH="$TEST_TMP/bin:/usr/sbin:/usr/bin:/sbin:/bin" timeout 60 "$@"
	}
	evac() { given rootlesskit --pidns --cgroupns --evacuate-cgroup2=evac "$@"; }
	check_out "--evacuate-cgroup2: the group is seen from its parent" "0::/evac" evac grep ^0:: /proc/self/cgroup
	check_out "... which has handed its controllers down" "$controller" cat "$(cat "$TEST_TMP/group")/cgroup.subtree_control"
	check_out "... is the root of what is mounted, and empty" evac evac sh -c 'cd /sys/fs/cgroup && cat cgroup.procs && ls -d */ | tr -d /'
	check "... a group beside it can be made, filled and removed" evac sh -c 'cd /sys/fs/cgroup && mkdir b && echo $$ >b/cgroup.procs &&
		grep -qx 0::/b /proc/self/cgroup && echo $$ >evac/cgroup.procs && rmdir b'
	check_out "... with a network of its own, too" "lo evac" evac --net=none sh -c 'cd /sys/fs/cgroup && echo $(ls /sys/class/net) $(ls -d */ | tr -d /)'
	check_has "... whoever is in the group goes along" "/evac" given sh -c 'rootlesskit --pidns --cgroupns --evacuate-cgroup2=evac true && cat /proc/self/cgroup'
	check_has "a cgroup that is not ours" "[rootlesskit:parent] error: mkdir $cgroup2/evac: permission denied" kit --pidns --cgroupns --evacuate-cgroup2=evac true
fi

# --- state directory ----------------------------------------------------------------------------------

check_out "the state directory" "api.sock child_pid lock" kit --state-dir "$state" sh -c 'ls "$ROOTLESSKIT_STATE_DIR" | xargs'
check_fails "it goes with the end" test -e "$state"
check_out "child_pid is our parent" same kit sh -c '[ "$(cat "$ROOTLESSKIT_STATE_DIR/child_pid")" = $PPID ] && echo same'
check_has "it is locked" "another RootlessKit is running with the same state directory?" \
	kit --state-dir "$state" rootlesskit --state-dir "$state" true
check_out "child_pid can be entered, with --pidns too" "1" kit --pidns --state-dir "$state" \
	sh -c 'ls /proc/1/exe >/dev/null && cat /proc/1/stat | cut -d" " -f1'
check_out "--detach-netns: the host's network stays" "$(readlink /proc/self/ns/net)" kit --net=none --detach-netns readlink /proc/self/ns/net
check_out "--detach-netns: the other is a file" "lo" kit --net=none --detach-netns \
	sh -c 'nsenter --net="$ROOTLESSKIT_STATE_DIR/netns" sed -n "s/^ *\([a-z0-9]*\):.*/\1/p" /proc/net/dev'

# --- API and ports --------------------------------------------------------------------------------------

read -r p1 p2 p3 < <(free_ports 3)
cat >"$TEST_TMP/bin/inside.py" <<'END'
# A server inside; clients outside are asked for through the FIFO of the test.
import http.client, json, os, socket, subprocess, sys

p1, p2, p3 = sys.argv[1:]
api = os.environ["ROOTLESSKIT_STATE_DIR"] + "/api.sock"

def ask(method, path, body=None):
    c = http.client.HTTPConnection("kit")
    c.sock = socket.socket(socket.AF_UNIX)
    c.sock.connect(api)
    c.request(method, path, body)
    r = c.getresponse()
    return f"{r.status} {r.read().decode().strip()}"

def ctl(*args):
    r = subprocess.run(["rootlessctl", *args], capture_output=True, text=True)
    return (r.stdout + r.stderr).strip()

def outside(code):
    print("do", code, flush=True)
    return sys.stdin.readline().strip()

def say(name, got, want):
    print("ok -" if got == want else "not ok -", name, "" if got == want else f": got {got!r}, want {want!r}", flush=True)

info = json.loads(ask("GET", "/v1/info")[4:])
say("GET /v1/info", [info["apiVersion"], info["portDriver"]["driver"], str(info["childPID"])],
    ["1.1.1", "builtin", open(os.environ["ROOTLESSKIT_STATE_DIR"] + "/child_pid").read()])
say("GET /v1/ports", ask("GET", "/v1/ports"),
    '200 [{"id":1,"spec":{"proto":"tcp","parentIP":"127.0.0.1","parentPort":%s,"childPort":80}}]' % p1)
say("an unknown path", ask("GET", "/v1/foo"), "404 404 page not found")
say("another method", ask("PUT", "/v1/info"), "405 ")
say("DELETE of what is not there", ask("DELETE", "/v1/ports/77"), '400 {"message":"unknown id: 77"}')
say("DELETE of nonsense", ask("DELETE", "/v1/ports/x"), r'400 {"message":"bad id x: strconv.Atoi: parsing \"x\": invalid syntax"}')
say("POST of nothing", ask("POST", "/v1/ports", "{}"), r'400 {"message":"unknown proto: \"\""}')
say("POST without a child's port", ask("POST", "/v1/ports", '{"proto":"tcp","parentIP":"127.0.0.1","parentPort":%s}' % p2),
    r'400 {"message":"invalid ChildPort: ' + r"'\\x00'" + '"}')
say("add-ports", ctl("add-ports", f"127.0.0.1:{p2}:81/tcp"), "2")
say("add-ports of UDP", ctl("add-ports", f"127.0.0.1:{p3}:82/udp"), "3")
say("a port twice", ctl("add-ports", f"127.0.0.1:{p2}:80/tcp"), "error: conflict with ID 2")
say("a port in use", ctl("add-ports", f"0.0.0.0:{p2}:80/tcp"), f"error: listen tcp 0.0.0.0:{p2}: bind: address already in use")
if int(open("/proc/sys/net/ipv4/ip_unprivileged_port_start").read()) > 80:
    say("a privileged port", ctl("add-ports", "127.0.0.1:80:80/tcp").split(":")[1][1:34], "cannot expose privileged port 80,")
say("list-ports --json", ctl("list-ports", "--json").count('"id"'), 3)

tcp = socket.create_server(("127.0.0.1", 80))
print("do", f"tcp {p1}", flush=True)
c, _ = tcp.accept()
data = b""
while (piece := c.recv(65536)):
    data += piece
c.sendall(b"%d" % len(data))
c.close()
say("TCP: all of it, to its end, and the answer", sys.stdin.readline().strip(), "1000000")
say("TCP: nobody listens", outside(f"tcp {p2}"), "reset")
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 82))
print("do", f"udp {p3}", flush=True)
d, a = udp.recvfrom(100)
udp.sendto(d.upper(), a)
say("UDP: there and back", sys.stdin.readline().strip(), "HELLO")
say("remove-ports", ctl("remove-ports", "1"), "1")
say("a removed port is closed", outside(f"tcp {p1}"), "refused")
say("remove-ports twice", ctl("remove-ports", "1"), "error: unknown id: 1")
wrong = []
for i in range(50):
    answer = ask("POST", "/v1/ports", '{"proto":"tcp","parentIP":"127.0.0.1","parentPort":%s,"childPort":80}' % p1)
    if not answer.startswith("201 ") or ask("DELETE", "/v1/ports/%d" % json.loads(answer[4:])["id"]) != "200 ":
        wrong.append(answer)
say("a removed port can be had again at once", wrong, [])
END
cat >"$TEST_TMP/bin/outside.py" <<'END'
# Runs rootlesskit with inside.py, and is its client on the host's side.
import socket, subprocess, sys

def tcp(port):
    try:
        s = socket.create_connection(("127.0.0.1", port), 60)
        s.sendall(b"x" * 1000000)
        s.shutdown(socket.SHUT_WR)
        return s.recv(100).decode() or "end"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "reset"

def udp(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(60)
    s.sendto(b"hello", ("127.0.0.1", port))
    return s.recv(100).decode()

p = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
for line in p.stdout:
    words = line.split()
    if words[0] != "do":
        print(line, end="", flush=True)
        continue
    p.stdin.write({"tcp": tcp, "udp": udp}[words[1]](int(words[2])) + "\n")
    p.stdin.flush()
sys.exit(p.wait())
END
user python3 "$TEST_TMP/bin/outside.py" rootlesskit --net=none --port-driver=builtin -p "127.0.0.1:$p1:80/tcp" \
	python3 "$TEST_TMP/bin/inside.py" "$p1" "$p2" "$p3" || not_ok "the session with ports" "status $?"
check_has "a port that cannot be had is told" "failed to expose port {tcp 192.0.2.1 $p1 80 }: listen tcp 192.0.2.1:$p1: bind: cannot assign requested address" \
	kit --net=none --port-driver=builtin -p "192.0.2.1:$p1:80/tcp" true
check_has "rootlessctl without a driver" "error: no PortDriver is available" kit rootlessctl list-ports
check_has "rootlessctl info" "- REST API version: 1.1.1" kit rootlessctl info
check_has "rootlessctl without a socket" "error: stat /nonexistent/api.sock: no such file or directory" \
	user env ROOTLESSKIT_STATE_DIR=/nonexistent rootlessctl info

# --- programs of the host ---------------------------------------------------------------------------------

# Any user may open it on most hosts.
if [ "$(id -u)" = 0 ] && [ -e /dev/net/tun ]; then
	open_device /dev/net/tun
fi
for net in slirp4netns pasta; do
	if ! command -v "$net" >/dev/null; then
		skip "--net=$net" "not installed"
		continue
	elif [ ! -w /dev/net/tun ]; then
		skip "--net=$net" "machine: no /dev/net/tun for this user"
		continue
	fi
	check_has "$net: name server and device" "nameserver 10.0.2.3 tap0:" kit --net="$net" --copy-up=/etc --disable-host-loopback \
		sh -c 'echo $(cat /etc/resolv.conf) $(grep -o "tap0:" /proc/net/dev)'
	check_has "$net: --detach-netns" "tap0:" kit --net="$net" --detach-netns --disable-host-loopback \
		sh -c 'nsenter --net="$ROOTLESSKIT_STATE_DIR/netns" cat /proc/net/dev'
done
left=$(our_pids)
if [ -z "$left" ]; then ok "no process is left"; else not_ok "no process is left" "$left"; fi
