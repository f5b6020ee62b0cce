#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The image that "make image" writes: the engine in a container of ours and of a rootful Docker, as UID
# 1000, and containers inside it: their ids, their network, their published ports, what a restart keeps.
# test: together
. "$(dirname "$0")/lib.sh"
. "$top/tests/lib/debian.sh"

archive=$TEST_TMP/bin/image.tar
cp "$top/build/image.sh" "$TEST_TMP/bin/" && chmod 755 "$TEST_TMP/bin/image.sh"
check "an image is made" as_user env TMPDIR="$test_home" "$TEST_TMP/bin/image.sh" "$coracle" 1.2.3 "$test_home/user.tar"
check "... by root, with another umask" sh -c 'umask 077; exec sh "$@"' _ "$top/build/image.sh" "$coracle" 1.2.3 "$archive"
check "... it is the same to the byte" cmp "$test_home/user.tar" "$archive"
check_has "skopeo reads it" '"org.opencontainers.image.version": "1.2.3"' skopeo inspect "oci-archive:$archive"
layer=$(tar -xOf "$archive" manifest.json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["Layers"][0])')
check_out "the set-user-ID bit is on newuidmap and newgidmap alone" "bin/newgidmap bin/newuidmap" \
	bash -c "tar -xOf '$archive' '$layer' | tar -tv | awk '\$1 ~ /s/ { print \$6 }' | xargs"
chmod 644 "$archive"
busybox=$(image_busybox)

# engine_in WHERE: docker is the client of the engine around it
engine_in() {
	local ip hello
	inner() { docker exec -i dind docker "$@"; }
	check_has "$1 loads it" "Loaded image: coracle:dind-rootless" docker load -i "$archive"
	check "$1 runs it" docker run -d --privileged --name dind coracle:dind-rootless
	check "... its engine answers" until_true inner version
	hello=$(inner run --rm coracle 2>&1)
	check_has "... a container runs inside" "Hello from Coracle!" echo "$hello"
	check_has "... its root is UID 1000, its ids are all there are" \
		"0-0 are 1000-1000 outside, 1-999 are 1-999 outside, 1000-65534 are 1001-65535 outside" echo "$hello"
	check_out "... on overlay2" overlay2 inner info -f '{{.Driver}}'
	inner import - bb <"$busybox" >/dev/null
	docker import - bb <"$busybox" >/dev/null
	check "... a port is published" inner run -d --name web --restart always -p 8080:80 bb \
		sh -c 'mkdir -p /w; echo "from inside" >/w/index.html; exec httpd -f -h /w'
	check_out "... and used by a container inside" "from inside" inner run --rm --link web bb wget -q -O - http://web/
	ip=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' dind)
	check_out "... and by one outside" "from inside" docker run --rm bb wget -q -O - "http://$ip:8080/"
	check "$1 stops it" docker stop -t 20 dind
	check_out "... in order" 0 docker inspect -f '{{.State.ExitCode}}' dind
	check "$1 starts it again" docker start dind
	ip=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' dind)
	check "... the container inside is back" until_true docker run --rm bb wget -q -O - "http://$ip:8080/"
	check "$1 removes it" docker rm -f -v dind
	check_out "... and its volume" "" docker volume ls -q
}

engine_start || exit 1
engine_in "our engine"
engine_stop

# --- a rootful Docker, in namespaces of its own -------------------------------------------------------

[ "$(id -u)" = 0 ] || { skip "a rootful Docker" "machine: needs root"; exit 0; }
debian=$(debian_unpack bookworm docker.io containerd runc 2>/dev/null | tail -1)
if ! "$debian/usr/sbin/dockerd" --version >/dev/null 2>&1; then
	skip "a rootful Docker" "Debian's package does not run here"
	exit 0
fi
real=$TEST_TMP/real cgroup=dind-$$
mkdir "$real"
# All it mounts, configures and writes goes with its namespaces.
unshare --mount --net --pid --fork --kill-child --mount-proc bash -c '
	set -e
	real=$1 debian=$2 cgroup=$3
	mkdir -p "$real/data" && mount -t tmpfs tmpfs "$real/data"
	mkdir -p /etc/docker
	mount -t tmpfs tmpfs /etc/docker
	mount -t tmpfs tmpfs /run
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	ip link set lo up
	export PATH=$debian/usr/sbin:$debian/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin
	exec dockerd --data-root "$real/data/root" --exec-root "$real/data/exec" \
		--pidfile "$real/data/pid" --cgroup-parent "/$cgroup" -H "unix://$real/docker.sock"
	' _ "$real" "$debian" "$cgroup" >"$real/log" 2>&1 </dev/null &
dockerd=$!
real_end() {
	kill -KILL $dockerd 2>/dev/null
	wait $dockerd 2>/dev/null
	python3 - "$cgroup" <<'END'
import os, sys
for line in open("/proc/mounts"):
    where, kind = line.split()[1:3]
    if kind == "cgroup2" and os.path.isdir(f"{where}/{sys.argv[1]}"):
        for d, _, _ in os.walk(f"{where}/{sys.argv[1]}", topdown=False):
            os.rmdir(d)
END
}
at_exit real_end
docker() { timeout 60 "$docker_cli" -H "unix://$real/docker.sock" "$@"; }
if ! until_true docker version; then
	not_ok "a rootful Docker starts" "$(tail -n 5 "$real/log")"
	exit 1
fi
engine_in "a rootful Docker"
