#!/bin/bash
# SPDX-License-Identifier: MIT
# test: quick
#
# One binary, many names: dispatch, links, help, and privilege that a command does not need.
. "$(dirname "$0")/lib.sh"

# --- dispatch -----------------------------------------------------------------------------------

check_has "without arguments it says what it is" "rootless Docker" "$coracle"
check "--help" "$coracle" --help
check_has "--version names the libraries" "musl " "$coracle" --version
check_status "an unknown command is a usage error" 2 "$coracle" no-such-command
check_status "an unknown option is a usage error" 2 "$coracle" --no-such-option
check_status "an unknown role is a usage error" 2 "$coracle" :no-such-role
check_has "the usage error says what to try" "try 'coracle --help'" "$coracle" no-such-command
check_status "a full device is noticed" 1 bash -c "'$coracle' --list >/dev/full"

links=$TEST_TMP/links
check "--install" "$coracle" --install -a "$links"
listed=$("$coracle" --list | sort)
check_out "--install links each name of --list" "$(printf '%s\n' coracle $listed | sort)" ls "$links"
for name in $listed; do
	check_has "$name --help" "$name" bash -c "'$links/$name' --help 2>/dev/null"
	check_status "$name --help succeeds" 0 "$links/$name" --help
	check_status "$name --version succeeds" 0 "$links/$name" --version
	check_out "coracle $name is $name" "$("$links/$name" --help 2>&1)" "$coracle" "$name" --help
done

# --- installing ---------------------------------------------------------------------------------

inodes() { stat -c %i "$links"/* | sort -u | wc -l; }
check_out "they are one file" 1 inodes
state() { ls -li "$links"; }
before=$(state)
check "--install again" "$coracle" --install "$links"
check_out "... changes nothing" "$before" state
check "--install -s" "$coracle" --install -s "$TEST_TMP/soft"
check_out "symbolic links are relative" coracle readlink "$TEST_TMP/soft/docker-init"
check "they work" "$TEST_TMP/soft/docker-init" true
mv "$TEST_TMP/soft" "$TEST_TMP/moved"
check "... also after a move" "$TEST_TMP/moved/docker-init" true

# names of the host's programs are not taken
mkdir "$TEST_TMP/host"
printf '#!/bin/sh\n' >"$TEST_TMP/host/newuidmap"
chmod 755 "$TEST_TMP/host/newuidmap"
check_has "--install does not hide the host's programs" "Not linked, as this host has its own: " \
	env PATH="$TEST_TMP/host:$PATH" "$coracle" --install "$TEST_TMP/polite"
check_fails "... there is no such link" test -e "$TEST_TMP/polite/newuidmap"
check "... and the others are there" test -e "$TEST_TMP/polite/docker"

# an upgrade: another binary takes the place, its links with it
cp "$coracle" "$TEST_TMP/newer"
check "an upgrade replaces our own links" "$TEST_TMP/newer" --install "$links"
check_out "... all of them" 1 inodes
rm "$links/docker-init"
echo precious >"$links/docker-init"
check_fails "a stranger's file is not replaced" "$TEST_TMP/newer" --install "$links"
check_out "... and not touched" precious cat "$links/docker-init"
check "-f replaces it" "$TEST_TMP/newer" --install -f "$links"
check "... by the link" "$links/docker-init" true
check_status "--install without a directory is a usage error" 2 "$coracle" --install
check_has "no right to write" "Permission denied" as_user "$coracle" --install /usr/coracle-test

# from another file system, as from a USB stick: copied, not linked
if [ -w /dev/shm ] && [ "$(stat -c %d /dev/shm)" != "$(stat -c %d "$TEST_TMP")" ]; then
	cp "$coracle" /dev/shm/coracle-test.$$
	at_exit "rm -f /dev/shm/coracle-test.$$"
	check "--install across file systems" /dev/shm/coracle-test.$$ --install "$TEST_TMP/stick"
	rm -f /dev/shm/coracle-test.$$
	check "... makes a copy" "$TEST_TMP/stick/docker-init" true
else
	skip "--install across file systems" "machine: no second file system"
fi

# --- privilege ------------------------------------------------------------------------------------

caps() { # COMMAND...: the permitted and effective sets a command sees, run as the user
	as_user "$@" sed -n 's/^Cap\(Prm\|Eff\|Amb\|Inh\):\t*//p' /proc/self/status | sort -u
}
if [ "$(id -u)" = 0 ] && command -v setcap >/dev/null; then
	cp "$coracle" "$TEST_TMP/bin/capable"
	chmod 755 "$TEST_TMP/bin/capable"
	check "setcap" setcap cap_net_bind_service,cap_setuid=ep "$TEST_TMP/bin/capable"
	check_out "docker-init keeps no file capability" 0000000000000000 caps "$TEST_TMP/bin/capable" docker-init
	cp "$coracle" "$TEST_TMP/bin/setuid"
	chmod 6755 "$TEST_TMP/bin/setuid"
	check_out "set-user-ID root ends with the first line" "$test_uid" as_user "$TEST_TMP/bin/setuid" docker-init id -u
	check_out "... set-group-ID too" "$test_gid" as_user "$TEST_TMP/bin/setuid" docker-init id -g
	check_out "... and its capabilities" 0000000000000000 caps "$TEST_TMP/bin/setuid" docker-init
else
	skip "file capabilities" "machine: needs root and setcap"
fi

# --- docker-init ----------------------------------------------------------------------------------

init=("$links/docker-init" --)
check_status "the command's status" 3 "${init[@]}" sh -c 'exit 3'
check_status "a signal's status" 143 "${init[@]}" sh -c 'kill -TERM $$'
check_status "no such command" 127 "${init[@]}" /no/such/command
check_status "not executable" 126 "${init[@]}" /etc/passwd
check_status "no command" 2 "${init[@]}"
check_status "-e makes a status a success" 0 "$links/docker-init" -e 143 -- sh -c 'kill -TERM $$'
check_status "options end at the command" 5 "$links/docker-init" sh -c 'exit 5' --version

# A signal to init reaches the command; what it answers is init's status.  The command says when
# it listens: nothing is timed.
signalled() { # SIGNAL
	local fifo=$TEST_TMP/fifo pid
	rm -f "$fifo"
	mkfifo "$fifo"
	env --default-signal=INT "${init[@]}" sh -c "trap 'exit 42' $1; echo ready >'$fifo'; while :; do sleep 0.05; done" &
	pid=$!
	read -r _ <"$fifo"
	kill "-$1" "$pid"
	wait "$pid"
}
for s in TERM INT HUP USR1 WINCH; do check_status "SIG$s is passed on" 42 signalled "$s"; done

# PID 1 of a namespace: an orphan is adopted, reaped, and does not end init.
if unshare -Urpf true 2>/dev/null; then
	# shellcheck disable=SC2016
	orphan='pid=$(sh -c "sleep 0.05 >/dev/null & echo \$!")
		while [ -e /proc/$pid ]; do sleep 0.01; done; exit 7'
	check_status "orphans are reaped by PID 1" 7 timeout 60 unshare -Urpf --mount-proc "${init[@]}" sh -c "$orphan"
	check_status "PID 1 dies of what its command died of" 137 \
		unshare -Urpf --mount-proc "${init[@]}" sh -c 'kill -KILL $$'
else
	skip "PID 1" "machine: no user namespaces here"
fi
