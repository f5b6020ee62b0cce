#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Debian 11's kernel, 5.10: users cannot mount overlayfs, mounts have no attributes before they are
# attached (5.12), descriptors cannot be marked in one call (5.11), a cgroup cannot be killed (5.14).
# test: time=1800
. "$(dirname "$0")/lib.sh"
vm_start old || exit 0

inside sailor "containers on 5.10" <<'END'
check_has "the kernel" 5.10. uname -r
check_has "the installer" "[INFO] Installed docker.service successfully." sh /payload/install.sh /payload/coracle
export PATH=$HOME/bin:$PATH
check_has "what overlay2 wants is said" "older than 5.11: overlay2 may not be possible" journalctl --user -u docker
check_out "overlay2 is fallen back from" vfs docker info -f '{{.Driver}}'
run setuptool check
case $out in *"modprobe overlay"*) not_ok "no module is asked for that would not help" "$out" ;; *) ok "no module is asked for that would not help" ;; esac
case $out in *"apt-get install -y fuse-overlayfs"*) ok "fuse-overlayfs is recommended" ;; *) not_ok "fuse-overlayfs is recommended" "$out" ;; esac
docker import /payload/busybox.tar busybox >/dev/null
# @open: 0-2, and the directory that ls reads
check_out "no descriptor of ours is open inside" "0 1 2 3" docker run --rm busybox sh -c 'echo $(ls /proc/self/fd)'
check_has "--read-only" "Read-only file system" docker run --rm --read-only busybox touch /a
mkdir -p v/below
check_has "a volume that is read-only" "Read-only file system" docker run --rm -v "$PWD/v:/v:ro" busybox touch /v/a
check "a volume" docker run --rm -v "$PWD/v:/v" busybox touch /v/a
check_has "what is mounted below a read-only volume is, too" "Read-only file system" \
	docker run --rm -v "/dev:/v:ro" busybox touch /v/shm/a
check_has "a tmpfs has its options" "nosuid,nodev,noexec" docker run --rm --tmpfs /t busybox grep ' /t ' /proc/mounts
check_has "/proc/sys is read-only" "Read-only file system" docker run --rm busybox sh -c 'echo 1 >/proc/sys/kernel/panic'
check_out "/proc/kcore is masked" 0 docker run --rm busybox sh -c 'wc -c </proc/kcore'
check "a service of two containers" sh -c 'docker network create blue && docker run -d --name web --network blue -p 127.0.0.1:8080:80 busybox httpd -f -h /etc -p 80'
check_has "its published port" root:x:0 curl -fsS http://127.0.0.1:8080/passwd
check_has "its name" root:x:0 docker run --rm --network blue busybox wget -qO- http://web/passwd
check_has "exec" "uid=0(root)" docker exec web id
check_out "exec leaves no descriptor open, either" "0 1 2 3" docker exec web sh -c 'echo $(ls /proc/self/fd)'
check "kill" docker kill web
check_out "it has ended" 137 docker wait web
check "cp from what has ended" docker cp web:/etc/passwd p
check "rm" docker rm -f web
check "commit and diff" sh -c 'docker run --name made busybox touch /new && docker diff made | grep "A /new" && docker commit made new && docker run --rm new ls /new'
END
