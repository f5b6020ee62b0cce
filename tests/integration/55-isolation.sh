#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A container tries to break out: every probe of tests/probes/isolation.c under several options,
# against what the real engine allows (tests/data/isolation.txt), and the known ways: leaked
# descriptors, our own program file, symlinks where mounts go, files that lie about users.
#
# Which covers what ("table" are the probes compared with the real engine, in each of its columns):
#	/proc/sys, /sys written		table: write_*, create_in_sys, cgroup_*, remount_proc_sys, unmount_*
#	mknod				table: mknod_*, open_mem, open_kmsg, open_disk, open_console
#	mount				table: mount_*, fsopen_tmpfs, open_tree_clone, pivot, escape_by_chroot
#	ptrace				table: ptrace_child, read_child_memory; outside: "processes of outside"
#	keyctl				table: keyring, key_add, read_keys
#	unshare, clone			table: unshare_*, clone_user, clone3_user
#	setns to the host		table: setns_*; outside: "processes of outside"
#	CVE-2019-5736 /proc/self/exe	"our own program file"; table: overwrite_init, memfd_exec
#	CVE-2024-21626 leaked fds	"what a process is born with"
#	CVE-2021-30465 swapped targets	"symlinks where mounts go": a swapped directory; 86-races
#	CVE-2025-31133 masks by /dev/null	the same: a /dev of traps masks no less
#	CVE-2025-52565 /dev/console	the same: a terminal, devpts
#	CVE-2025-52881 writes to /proc	the same: over, into and through /proc; an image whose /proc is a
#					link, and a sysctl in one
#	docker cp races			54-archive: a container that exchanges its files
#	exec with a hostile passwd	"hostile passwd"
. "$(dirname "$0")/lib.sh"

probe=$top/build/out/obj/probe_isolation
built obj/probe_isolation
engine_start || exit 1
root=$TEST_TMP/probe
mkdir "$root"
tar -xf "$(image_busybox)" -C "$root" && cp "$probe" "$root/bin/isolation"
image() { tar -C "$root" --owner=0 --group=0 --numeric-owner -cf "$TEST_TMP/probe.tar" . && chmod 644 "$TEST_TMP/probe.tar" && docker import "$TEST_TMP/probe.tar" "$1" >/dev/null; }
image probe || exit 1

# --- the table ------------------------------------------------------------------------------------------
# column NAME, answers on stdin: "probe: got, want" for each that differs
differences() {
	awk -v column="$1" '
		/^#/ || !NF { next }
		FNR == NR && !at { for (i = 1; i <= NF; i++) if ($i == column) at = i; next }
		FNR == NR { want[$1] = $at; next }
		{ got = $2; for (i = 3; i <= NF; i++) got = got "_" $i; seen[$1] = 1 }
		!($1 in want) { print $1 ": not in the table"; next }
		want[$1] != "-" && want[$1] != "absent" && got != "absent" && got != want[$1] { print $1 ": " got ", want " want[$1] }
		END { for (name in want) if (!(name in seen)) print name ": did not answer" }' "$top/tests/data/isolation.txt" -
}
compare() { # COLUMN CMD...
	local column=$1 found
	shift
	found=$("$@" 2>&1 | differences "$column")
	if [ -z "$found" ]; then ok "probes: $column"; else not_ok "probes: $column" "$found"; fi
}
compare default docker run --rm probe isolation
compare user docker run --rm --user 1000:1000 probe isolation
compare sys_admin docker run --rm --cap-add SYS_ADMIN probe isolation
compare all_caps docker run --rm --cap-add ALL probe isolation
compare no_caps docker run --rm --cap-drop ALL probe isolation
compare read_only docker run --rm --read-only --security-opt no-new-privileges probe isolation
compare unconfined docker run --rm --security-opt seccomp=unconfined probe isolation
compare privileged docker run --rm --privileged probe isolation
for with in "exec" "exec_user -u 1000" "exec_priv --privileged"; do
	# One each: what a probe changes stays.
	docker run -d --name box probe sleep 1000 >/dev/null
	compare "${with%% *}" docker exec $(cut -s -d' ' -f2- <<<"$with") box isolation
	docker rm -f box >/dev/null
done

# --- processes of outside ------------------------------------------------------------------------------------
# With the machine's processes in view: the engine's have more capabilities, the user's other ones are in
# another user namespace.  With SYS_PTRACE the former can be had, as those of the real engine.
check_out "--pid host: no process of outside" "many in view" docker run --rm --pid host probe isolation outside
check_out "--pid host, as a user: no process of outside" "many in view" docker run --rm --pid host -u 1000 probe isolation outside
check_has "--pid host with SYS_PTRACE: the engine's" "victim_trace" docker run --rm --pid host --cap-add SYS_PTRACE probe isolation outside
check_out "--pid host --privileged: no others" "" bash -c "$docker_cli -H unix://$xdg/docker.sock run --rm --pid host --privileged probe isolation outside | grep -v -e ' in view' -e ' coracle :'"

# --- what a process is born with ----------------------------------------------------------------------------
docker run -d --name box probe sleep 1000 >/dev/null
born="fd 0 device
fd 1 pipe or socket
fd 2 pipe or socket
cwd /"
check_out "run: three descriptors" "$born" docker run --rm probe isolation fds
check_out "run --init: three descriptors" "$born" docker run --rm --init probe isolation fds
check_out "exec: three descriptors" "$born" docker exec box isolation fds
leaks=
for fd in 3 4 5 6 7 8 9 10 11 12; do
	docker run --rm -w "/proc/self/fd/$fd" probe true 2>/dev/null && leaks="$leaks run:$fd"
	docker exec -w "/proc/self/fd/$fd" box true 2>/dev/null && leaks="$leaks exec:$fd"
done
[ -z "$leaks" ] && ok "no descriptor of ours is a working directory" || not_ok "no descriptor of ours is a working directory" "$leaks"
check_out "nothing of the old root is mounted" "" docker exec box sh -c "awk '{print \$5}' /proc/self/mountinfo | grep -vE '^/(\$|proc|dev|sys|etc/(hosts|hostname|resolv.conf)\$)'"
check_out "the first mount is the root" "/" docker exec box sh -c "head -1 /proc/self/mountinfo | awk '{print \$5}'"

# --- our own program file ------------------------------------------------------------------------------------
# Whoever execs must not be caught with our file as its /proc/PID/exe.
docker exec box isolation watch 3 >"$TEST_TMP/watch" 2>&1 &
watcher=$!
until grep -q watching "$TEST_TMP/watch"; do kill -0 $watcher || break; done
while kill -0 $watcher 2>/dev/null; do
	docker exec box true
	docker exec box /nope >/dev/null 2>&1
	docker exec -w /nope box true >/dev/null 2>&1
done
wait $watcher
check_out "no executable of outside is seen in /proc while execs start" "watching
nothing" cat "$TEST_TMP/watch"
check_has "--init: our program cannot be written to" "refused" docker run --rm --init --privileged probe sh -c 'mount -o remount,rw /sbin/docker-init 2>/dev/null; (echo x >/sbin/docker-init) 2>/dev/null || echo refused'

# --- hostile passwd --------------------------------------------------------------------------------------------
docker exec box sh -c 'head -c 6000000 /dev/zero | tr "\0" "\n" >/etc/passwd; echo late:x:5:5::/: >>/etc/passwd'
check_out "a huge passwd: by number" "7" docker exec -u 7 box id -u
check_has "a huge passwd: a name beyond what is read" "unable to find user late" docker exec -u late box true
docker exec box sh -c 'head -c 200000 /dev/zero | tr "\0" a >/etc/passwd; echo ":x:0:0" >>/etc/passwd; echo "u:x:5:5::/:" >>/etc/passwd'
check_out "a long line" "5" docker exec -u u box sh -c 'echo $(cut -d" " -f1 /proc/self/stat >/dev/null; awk "/^Uid/ {print \$2}" /proc/self/status)'
docker exec box sh -c 'head -c 200000 /bin/busybox >/etc/passwd'
check_out "a binary" "9" docker exec -u 9 box sh -c 'awk "/^Uid/ {print \$2}" /proc/self/status'
for trap in "mkfifo /etc/passwd" "mkdir /etc/passwd" "ln -s /dev/zero /etc/passwd" "ln -s /proc/self/mem /etc/passwd" "ln -s passwd /etc/passwd" "ln -s ../../../../../../etc/passwd /etc/passwd"; do
	docker exec -u 0 box sh -c "rm -rf /etc/passwd; $trap"
	check_has "passwd: $trap" "unable to find user $test_user" timeout 60 "$docker_cli" -H "unix://$xdg/docker.sock" exec -u "$test_user" box true
done
docker rm -f box >/dev/null

# --- symlinks where mounts go ------------------------------------------------------------------------------------
docker volume create trap >/dev/null
docker run --rm -v trap:/v probe sh -c 'cd /v && ln -s /proc/sys/kernel/core_pattern null && ln -s /proc/sysrq-trigger console && ln -s /proc pts && ln -s / up && ln -s ../../../../../../../.. far'
check_out "a /dev of traps masks no less" "0" docker run --rm -v trap:/dev probe sh -c 'cat /proc/keys /proc/timer_list /proc/interrupts | wc -c'
check_fails "a terminal is none of the container's making" docker run --rm -t -v trap:/dev probe true
check_fails "nor is devpts" docker run --rm -t -v trap:/dev/pts probe true
check_has "nothing goes over /proc" "it is not of type proc" docker run --rm --tmpfs /proc probe true
check_has "nor into it" "it is inside /proc" docker run --rm -v trap:/proc/self/attr probe true
check_has "nor through a link" "it is inside /proc" docker run --rm -v trap:/v -v trap:/v/pts/self/attr probe true
check_out "a link to / leads to the container's" "passwd" docker run --rm -v trap:/v -v "$test_home:/v/up/mnt/x" probe sh -c 'ls /mnt/x >/dev/null && ls /etc/passwd | cut -d/ -f3'
check_out "up and up is no further" "" docker run --rm -v trap:/v -v trap:/v/far/mnt/y probe sh -c 'ls -d /mnt/y >/dev/null'
[ ! -e /mnt/x ] && [ ! -e /mnt/y ] && ok "nothing was made outside" || not_ok "nothing was made outside" "$(ls -d /mnt/x /mnt/y 2>&1)"
# Swapped while containers start (CVE-2021-30465): the mount goes beneath the root, or fails.
docker run -d --name swap -v trap:/v probe sh -c 'mkdir /v/d; ln -s / /v/l; while :; do mv -T /v/d /v/x; mv -T /v/l /v/d; mv -T /v/d /v/l; mv -T /v/x /v/d; done' >/dev/null
strange=
for i in 1 2 3 4 5 6 7 8; do
	got=$(docker run --rm -v trap:/v -v "$test_home:/v/d/s" probe sh -c "awk '{print \$5}' /proc/self/mountinfo | grep -E '/s\$'" 2>&1)
	case $got in /v/d/s | /v/x/s | /s | *"Error response"*) ;; *) strange="$strange $got" ;; esac
done
[ -z "$strange" ] && ok "a swapped directory leads nowhere else" || not_ok "a swapped directory leads nowhere else" "$strange"
docker rm -f swap >/dev/null
check "the engine is well" docker run --rm probe true

# An image whose own directories are links.
for dir in proc sys dev; do
	rm -rf "${root:?}/$dir" && ln -s /../../../../../tmp "$root/$dir"
	image "link-$dir"
	rm "$root/$dir" && mkdir "$root/$dir"
	docker run --rm "link-$dir" sh -c 'grep " /tmp/[a-z]*/" /proc/mounts; (echo x >/proc/sys/kernel/core_pattern) 2>/dev/null && echo written' >"$TEST_TMP/link" 2>&1
	if grep -q written "$TEST_TMP/link"; then not_ok "an image whose /$dir is a link" "$(cat "$TEST_TMP/link")"; else ok "an image whose /$dir is a link"; fi
done

# A sysctl in one is set in a real /proc, or the container does not start: never in a file of the image.
rm -rf "${root:?}/proc" && mkdir -p "$root/false/sys/kernel" && echo untouched >"$root/false/sys/kernel/msgmax" && ln -s false "$root/proc"
image false-proc
rm -rf "$root/proc" "$root/false" && mkdir "$root/proc"
docker run --name false --sysctl kernel.msgmax=4321 false-proc true >/dev/null 2>&1
docker cp false:/false/sys/kernel/msgmax - 2>/dev/null | tar -xO >"$TEST_TMP/msgmax"
check_out "a sysctl in an image whose /proc is a link" untouched cat "$TEST_TMP/msgmax"
docker rm -f false >/dev/null

# --- a filter that forbids everything ------------------------------------------------------------------------------
echo '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[]}' >"$TEST_TMP/none.json"
chmod 644 "$TEST_TMP/none.json"
check_fails "a filter that forbids everything ends the process" timeout 60 "$docker_cli" -H "unix://$xdg/docker.sock" run --rm --security-opt "seccomp=$TEST_TMP/none.json" probe true
