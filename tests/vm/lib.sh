# SPDX-License-Identifier: MIT
#
# tests/vm/lib.sh - a booted Debian for a test: systemd, cgroup v2, logind, D-Bus, users that log in
#
# A test of this kind is one executable file tests/vm/NN-NAME.sh:
#
#	#!/bin/bash
#	# SPDX-License-Identifier: MIT
#	# ... what it shows ...
#	# test: time=240
#	. "$(dirname "$0")/lib.sh"
#	vm_start || exit 0                     # boots; has said why, if it cannot
#	check_has "cgroup v2" cgroup2fs root_vm 'stat -fc %T /sys/fs/cgroup'
#	check "a shell of the user" user_vm 'systemctl --user is-system-running --wait'
#
# and is run by `tests/run vm/NN-NAME` or, with all the others, by `tests/run vm`.  check, check_has,
# ... are those of tests/lib/check.sh.
#
#   vm_start [KERNEL]       boot; KERNEL is "current" (the release's cloud kernel) or "old" (5.10)
#   root_vm SCRIPT          bash -c SCRIPT inside, as root: its output, both streams, its status
#   user_vm SCRIPT          the same with bash -l in a new login session of the user "sailor", as
#                           `machinectl shell` makes one: logind has a session, there is a user's
#                           systemd and D-Bus, XDG_RUNTIME_DIR is set.  PATH has ~/bin first.
#   as_vm USER SCRIPT       ... of that user: "idle" has no subordinate ids
#   inside USER NAME <<END  a script of many checks, in one session of USER ("root" has none): check,
#                           check_has, ... are there, what they say counts; NAME fails if its last
#                           command does.  For what shall be seen by one login, and to save logins
#   vm_reboot               reboot it (disk kept), back when it is up again
#   vm_stop                 end it; also done when the script ends
#   vm_log                  the end of its console and journal, for a failure
#   vm_payload=DIR          before vm_start: what is put here is in /payload inside: coracle, install.sh,
#                           docker (the stock client), busybox.tar (for docker import), probes/
#   VM_ACCEL=kvm            for people with a KVM that works; tests emulate, which is the same everywhere
#   VM_KEEP_CONSOLE=FILE    keep the console; VM_IMAGES=DIR  instead of build/vm
#
# How it works: qemu boots the kernel directly; the disk is vm_image's (image.sh), what is written
# goes to a file that is gone with the machine; the second disk is a tar of the payload.
# agent.py inside runs what is asked over a virtio port and answers there (vm.py): there is nothing
# to poll or to sleep for.  Each user_vm is a login of its own: what shall be one session is one SCRIPT.
# A boot takes half a minute, a login some seconds; ask much of one boot.
set -u -o pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${CORACLE:=$top/build/out/coracle}"
. "$top/tests/lib/check.sh"
. "$top/tests/lib/debian.sh"
. "$top/tests/vm/image.sh"

vm_name=$(basename "$0" .sh)
vm_dir=$TEST_TMP/vm
vm_payload=$TEST_TMP/payload
vm_serve=
mkdir -p "$vm_dir" "$vm_payload/probes"
cp "$CORACLE" "$top/install.sh" "$top/tests/vm/agent.py" "$top/tests/lib/check.sh" "$vm_payload/"
for f in "$top"/tests/probes/*.c; do f=probe_$(basename "$f" .c); built "obj/$f" && cp "$top/build/out/obj/$f" "$vm_payload/probes/"; done
cp "$(command -v docker)" "$vm_payload/docker"
vm_busybox() {
	local root=$TEST_TMP/busybox a
	mkdir -p "$root"/{bin,dev,etc,proc,sys,root,var,tmp,usr/bin}
	cp "$(command -v busybox)" "$root/bin/busybox"
	for a in $("$root/bin/busybox" --list); do [ "$a" = busybox ] || ln -s busybox "$root/bin/$a"; done
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n' >"$root/etc/passwd"
	tar -C "$root" --owner=0 --group=0 --numeric-owner -cf "$vm_payload/busybox.tar" .
	rm -rf "$root"
}

vm_start() { # [KERNEL]
	local kernel=${1:-current} image accel cpu=max
	case $(uname -m) in x86_64) ;; *) skip "$vm_name" "machine: the virtual machine is x86-64"; return 1 ;; esac
	image=$(vm_emulator && vm_image) || { skip "$vm_name" "no virtual machine: $image"; return 1; }
	[ -e "$image/vmlinuz-$kernel" ] || { skip "$vm_name" "no $kernel kernel could be had"; return 1; }
	accel=${VM_ACCEL:-tcg}
	[ "$accel" = kvm ] && cpu=host || accel=tcg,thread=multi
	[ -e "$vm_payload/busybox.tar" ] || vm_busybox
	chmod -R a+rX "$vm_payload"
	tar -C "$vm_payload" --owner=0 --group=0 -cf "$vm_dir/payload.tar" .
	rm -f "$vm_dir"/{ask,channel,console}
	TMPDIR=$vm_dir python3 "$top/tests/vm/vm.py" serve "$vm_dir" "$vm_qemu" -accel "$accel" -cpu "$cpu" -smp 2 -m 1536 \
		-machine q35 -nodefaults -no-user-config -display none -serial "file:$vm_dir/console" \
		-kernel "$image/vmlinuz-$kernel" -initrd "$image/initrd-$kernel" \
		-append "console=ttyS0 quiet panic=-1 root=/dev/vda rw systemd.show_status=0 mitigations=off audit=0 ${vm_cmdline:-}" \
		-drive "file=$image/disk.ext4,format=raw,if=virtio,snapshot=on,cache=unsafe" \
		-drive "file=$vm_dir/payload.tar,format=raw,if=virtio,readonly=on" \
		-device virtio-rng-pci -device virtio-serial-pci -chardev "socket,id=port,path=$vm_dir/channel" \
		-device virtserialport,chardev=port,name=coracle >"$vm_dir/qemu.log" 2>&1 &
	vm_serve=$!
	while [ ! -S "$vm_dir/ask" ] && kill -0 "$vm_serve" 2>/dev/null; do read -r -t 0.05 <> <(:) || :; done
	run root_vm true
	[ "$status" = 0 ] || { not_ok "$vm_name: the machine boots" "$out $(tail -n 5 "$vm_dir/qemu.log" "$vm_dir/console")"; return 1; }
}
vm_stop() {
	[ -n "$vm_serve" ] || return 0
	[ -z "${VM_KEEP_CONSOLE:-}" ] || cp "$vm_dir/console" "$VM_KEEP_CONSOLE"
	kill -KILL "$vm_serve" 2>/dev/null # qemu ends with it
	wait "$vm_serve" 2>/dev/null
	vm_serve=
}
at_exit vm_stop

root_vm() { python3 "$top/tests/vm/vm.py" run "$vm_dir" -- bash -c "$1" 2>&1; }
as_vm() { python3 "$top/tests/vm/vm.py" run "$vm_dir" -u "$1" -- bash -lc "cd; $2" 2>&1; }
user_vm() { as_vm sailor "$1"; }
inside() { # USER NAME <SCRIPT
	local script
	script=$(cat)
	if [ "$1" = root ]; then run root_vm ". /payload/check.sh; $script"; else run as_vm "$1" ". /payload/check.sh; $script"; fi
	echo "$out"
	if [ "$status" = 0 ]; then ok "$2"; else not_ok "$2" "ended with status $status"; fi
}
vm_reboot() { python3 "$top/tests/vm/vm.py" reboot "$vm_dir"; }
vm_log() { tail -n 20 "$vm_dir/console"; root_vm 'journalctl -n 40 --no-pager'; }
