#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Each storage driver under the stock client: overlay2, fuse-overlayfs (with a /dev/fuse that is open to
# users), btrfs (on an image file, mounted with and without user_subvol_rm_allowed), vfs.  The
# order of choice, what switching does, and NFS-like file systems.
# test: together
. "$(dirname "$0")/lib.sh"
own_mounts

rootfs=$(image_busybox)

# The same for each driver: what a container does to its files is told, kept, committed, and goes.
exercise() { # DRIVER ENGINE-FLAG...
	local driver=$1 c
	shift
	engine_start "$@" || return
	check_out "$driver: is used" "$driver" docker info -f '{{.Driver}}'
	check "$driver: import" docker import "$rootfs" bb:1
	docker run --name aa --network none bb:1 sh -c 'rm /bin/vi; rm -r /var; mkdir /var /new; echo x >/new/file; echo y >>/etc/passwd; mv /etc/group /etc/g2; chown 1000:1000 /new/file; chmod 4755 /bin/busybox' >/dev/null
	check_out "$driver: diff" "A /etc/g2,A /new,A /new/file,C /bin,C /bin/busybox,C /etc,C /etc/passwd,D /bin/vi,D /etc/group" \
		sh -c "DOCKER_HOST=unix://$xdg/docker.sock '$docker_cli' diff aa | grep -v ' /var' | sort | tr '\n' ',' | sed 's/,\$//'"
	check "$driver: commit" docker commit aa bb:2
	check_out "$driver: what was committed" "x 1000 /etc/g2 no-vi" docker run --rm --network none bb:2 \
		sh -c 'echo $(cat /new/file) $(stat -c %u /new/file) $(ls /etc/g2) $(test -e /bin/vi || echo no-vi)'
	check_out "$driver: the image did not change" "vi no-new" docker run --rm --network none bb:1 \
		sh -c 'echo $(basename /bin/vi) $(test -e /new || echo no-new)'
	docker start -a aa >/dev/null 2>&1
	c=$(docker run -d --network none bb:1 sleep 1000)
	check_out "$driver: exec" "10" docker exec "$c" sh -c 'for i in 0 1 2 3 4 5 6 7 8 9; do echo $i >/f$i; done; ls /f? | wc -l'
	check_out "$driver: nothing but its own processes in a container" "sleep 1000" \
		docker exec "$c" sh -c 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline; echo; done | grep -v "^sh -c\|^tr\|^$" | sed "s/ *$//" | grep -v "^grep\|^sed"'
	check_out "$driver: cp" "x" sh -c "DOCKER_HOST=unix://$xdg/docker.sock '$docker_cli' cp aa:/new/file - | tar xO"
	check_out "$driver: with a limit of tasks" "x" docker run --rm --pids-limit 50 --network none bb:2 cat /new/file
	engine_kill "$engine_pid" $(our_pids :engine)
	engine_start "$@" || return
	check_out "$driver: the container outlives the engine" "9" docker exec "$c" cat /f9
	docker rm -f "$c" aa >/dev/null
	check "$driver: rmi" docker rmi bb:2 bb:1
	check_becomes "$driver: nothing stays" "layers 0 rootfs 0 tmp 0" left "$driver"
	engine_stop
}
left() { # DRIVER
	local d
	for d in "$1/layers" "$1/rootfs" tmp; do printf '%s %s ' "${d##*/}" "$(as_user ls "$root/$d" | wc -l)"; done | sed 's/ $//'
}
root=$test_home/.local/share/docker
unit() { # WHAT NAME=VALUE...
	local what=$1 t
	shift
	built obj/test_layers obj/test_drivers
	for t in layers drivers; do
		run env "$@" "$top/build/out/obj/test_$t"
		if [ "$status" = 0 ]; then ok "unit tests, $what: $t"; else not_ok "unit tests, $what: $t" "$(grep -v ^ok <<<"$out")"; fi
	done
}

exercise overlay2
[ -d "$root/overlay2" ] && ok "overlay2 is the first choice" || not_ok "overlay2 is the first choice" "$(ls "$root")"
exercise vfs --storage-driver vfs

# --- fuse-overlayfs -----------------------------------------------------------------------------------
if [ "$(id -u)" = 0 ] && [ -c /dev/fuse ]; then
	open_device /dev/fuse
	exercise fuse-overlayfs --storage-driver fuse-overlayfs
	fuse_of_ours() { ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c "$root/fuse-overlayfs" || :; }
	check_becomes "its programs end with their containers" 0 fuse_of_ours
	chmod 600 /dev/fuse
	check_fails "without /dev/fuse it is refused" as_user timeout 60 "$coracle" dockerd-rootless --storage-driver fuse-overlayfs
	check_has "with the reason" "opening /dev/fuse: Permission denied" as_user timeout 60 "$coracle" dockerd-rootless --storage-driver fuse-overlayfs
	check_has "and what to do" "chmod 666 /dev/fuse" as_user timeout 60 "$coracle" dockerd-rootless --storage-driver fuse-overlayfs
	chmod 666 /dev/fuse
	unit "with FUSE" STORAGE_DRIVER=fuse-overlayfs TMPDIR="$TEST_TMP"
else
	skip fuse-overlayfs "machine: no /dev/fuse, or not root"
fi

# --- btrfs ----------------------------------------------------------------------------------------------
mount_btrfs() { # OPTIONS: a new file system on $TEST_TMP/btrfs (the old one's options would last as long as some
	# other namespace has it mounted)
	umount "$TEST_TMP/btrfs" 2>/dev/null
	rm -f "$TEST_TMP/btrfs.img"
	truncate -s 512M "$TEST_TMP/btrfs.img" && mkfs.btrfs -q "$TEST_TMP/btrfs.img" >/dev/null 2>&1 &&
		mount -o "loop,$1" "$TEST_TMP/btrfs.img" "$TEST_TMP/btrfs" 2>/dev/null && chmod 1777 "$TEST_TMP/btrfs"
}
mkdir -p "$TEST_TMP/btrfs"
if [ "$(id -u)" = 0 ] && mount_btrfs user_subvol_rm_allowed; then
	at_exit "umount -l '$TEST_TMP/btrfs' 2>/dev/null"
	root=$TEST_TMP/btrfs/data
	exercise btrfs --storage-driver btrfs --data-root "$root"
	check_out "no subvolume stays" "" btrfs subvolume list "$TEST_TMP/btrfs"
	unit "on btrfs" STORAGE_DRIVER=btrfs TMPDIR="$TEST_TMP/btrfs"
	mount_btrfs noatime
	engine_start --data-root "$root" --storage-driver btrfs
	check_has "without user_subvol_rm_allowed the log says what it is for" "mount the file system with user_subvol_rm_allowed" cat "$engine_log"
	docker import "$rootfs" bb:1 >/dev/null
	docker create --name aa bb:1 sh >/dev/null
	check_has "a container is a snapshot" "/tree" btrfs subvolume list "$TEST_TMP/btrfs"
	check "it can be removed" docker rm aa
	check "and its image" docker rmi bb:1
	check_becomes "nothing stays then either" "layers 0 rootfs 0 tmp 0" left btrfs
	engine_stop
	check_out "and no subvolume" "" btrfs subvolume list "$TEST_TMP/btrfs"
	root=$test_home/.local/share/docker
else
	skip btrfs "machine: no btrfs, or not root"
fi
check_has "btrfs needs btrfs" "is not on a btrfs file system" as_user timeout 60 "$coracle" dockerd-rootless --storage-driver btrfs --data-root "$test_home/other"

# --- switching ------------------------------------------------------------------------------------------
engine_start --storage-driver vfs
docker import "$rootfs" of-vfs:1 >/dev/null
docker create --name in-vfs of-vfs:1 sh >/dev/null
engine_stop
engine_start --storage-driver overlay2
check_out "another driver has other images" "" docker images -q
check_out "and other containers" "" docker ps -aq
docker import "$rootfs" of-overlay:1 >/dev/null
engine_stop
engine_start --storage-driver vfs
check_out "back again, all is there" "of-vfs in-vfs" sh -c "export DOCKER_HOST=unix://$xdg/docker.sock; echo \$('$docker_cli' images --format '{{.Repository}}') \$('$docker_cli' ps -a --format '{{.Names}}')"
check "and works" docker start -a in-vfs
engine_stop
