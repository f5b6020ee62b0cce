#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Images of others here, and ours there: five images (a debootstrapped Debian, hard links and attributes, deletions,
# a commit, zstd layers) go through a registry, from skopeo to our engine and back, and each tree is compared
# with what umoci unpacks, file by file.  With PEER_SOCKET, a real engine's socket, images
# are also saved there and loaded here and the other way round, and what both export is compared.  Also: the registry as a caching mirror.
# test: together time=280
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/registry.sh"

[ "$(id -u)" = 0 ] || { skip "interchange" "machine: unpacking with owners needs root"; exit 0; }
compare=$top/tests/lib/compare_tree.py
port=5643
registry_up $port || exit 1
origin_pid=$registry_pid
reg=127.0.0.1:$port
copy() { skopeo copy -q --insecure-policy --src-tls-verify=false --dest-tls-verify=false "$@"; }

# --- five images -----------------------------------------------------------------------------------------
work=$TEST_TMP/work
mkdir -p "$work/one/d" "$work/two/d" "$work/three"
cd "$work/one" || exit 1
echo data >d/file
ln d/file d/hard
ln d/file other-hard
ln -s d/file soft
ln -s /nowhere "$(printf 'n%.0s' $(seq 180))"
mkfifo -m 622 fifo
mkdir -m 1777 sticky
mkdir -p deep/{1..9} "opaque/old"
truncate -s 3M sparse && printf x | dd of=sparse bs=1 seek=1048576 conv=notrunc status=none
cp /bin/true program && chmod 6755 program && setcap cap_net_bind_service=ep program
chmod 6755 d/file
setfattr -n user.note -v "some text" d 2>/dev/null || python3 -c 'import os; os.setxattr("d", "user.note", b"some text")'
chown -hR 12:34 d soft && chown 65000:65000 sticky
touch -d '2001-02-03 04:05:06' d/file sticky d
touch -hd '2002-02-03 04:05:06' soft
cd "$work/two" || exit 1
mkdir deep opaque
: >deep/.wh.5
: >opaque/.wh..wh..opq
echo new >opaque/new
: >.wh.other-hard
echo replaced >soft
chmod 4711 soft
cd "$top" || exit 1
for l in one two; do tar -C "$work/$l" --numeric-owner --xattrs --xattrs-include='*' --format=posix -cf "$TEST_TMP/$l.tar" .; done
make_image() { # NAME TAR...: pushed by skopeo
	local name=$1
	shift
	python3 "$top/tests/lib/mkimage.py" "$TEST_TMP/image.tar" "$name:1" "$@" && copy ${format:+--format "$format"} ${zip:+--dest-compress-format "$zip"} \
		"docker-archive:$TEST_TMP/image.tar" "docker://$reg/$name:1" || not_ok "image $name" "skopeo"
}
debian=$(image_debian) || exit 1
format=v2s2
make_image links "$TEST_TMP/one.tar"
make_image deletions "$TEST_TMP/one.tar" "$TEST_TMP/two.tar"
format=oci make_image debian "$debian"
format=oci zip=zstd make_image zstd "$(image_busybox)" "$TEST_TMP/one.tar"

as_user mkdir -p "$test_home/.config/docker"
engine_start || exit 1
unpacked() { # IMAGE: its tree by umoci, as root
	rm -rf "$TEST_TMP/oci" "$TEST_TMP/tree" "$TEST_TMP/plain"
	# umoci unpacks no zstd.
	copy --dest-decompress "docker://$reg/$1" "dir:$TEST_TMP/plain" && copy --format oci "dir:$TEST_TMP/plain" "oci:$TEST_TMP/oci:1" && umoci raw unpack --image "$TEST_TMP/oci:1" "$TEST_TMP/tree" >/dev/null 2>"$TEST_TMP/umoci.log"
}
same_tree() { # NAME IMAGE
	docker pull -q "$reg/$2" >/dev/null || return
	docker create --name tree "$reg/$2" x >/dev/null
	as_user sh -c "'$docker_cli' export tree >'$test_home/tree.tar'"
	docker rm tree >/dev/null
	unpacked "$2" || { not_ok "$1" "umoci: $(tail -1 "$TEST_TMP/umoci.log")"; return; }
	check "$1" python3 "$compare" "$TEST_TMP/tree" "$test_home/tree.tar"
}
for i in links deletions debian zstd; do same_tree "from skopeo: $i is the tree that umoci makes" "$i:1"; done

# --- ours --------------------------------------------------------------------------------------------------
docker run --name cc --network none "$reg/zstd:1" sh -c 'rm -r /deep; mkdir /deep; echo x >/deep/x; ln /deep/x /deep/y; chown 5:6 /deep/x; chmod 2750 /deep; rm /d/hard' >/dev/null
docker commit cc "$reg/ours/commit:1" >/dev/null
check "push a commit" docker push -q "$reg/ours/commit:1"
copy "docker://$reg/ours/commit:1" "dir:$TEST_TMP/dir" && ok "skopeo takes it" || not_ok "skopeo takes it" ""
same_tree "a commit is the tree that umoci makes" ours/commit:1
for i in links deletions debian; do
	docker tag "$reg/$i:1" "$reg/ours/$i:1"
	docker push -q "$reg/ours/$i:1" >/dev/null
	check_out "pushed again it is the same: $i" "$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$reg/$i:1")" \
		skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$reg/ours/$i:1"
done
# --- a real engine -------------------------------------------------------------------------------------------
if [ -n "${PEER_SOCKET:-}" ]; then
	peer() { "$docker_cli" -H "unix://$PEER_SOCKET" "$@"; }
	for i in links deletions debian; do
		as_user "$docker_cli" save "$reg/$i:1" | peer load -q >/dev/null && ok "the real engine loads what we saved: $i" || not_ok "the real engine loads what we saved: $i" ""
		peer create --name coracle-tree "$reg/$i:1" x >/dev/null
		peer export coracle-tree >"$TEST_TMP/peer.tar"
		peer rm coracle-tree >/dev/null
		docker create --name tree "$reg/$i:1" x >/dev/null
		as_user sh -c "'$docker_cli' export tree >'$test_home/tree.tar'"
		docker rm tree >/dev/null
		check "its tree is ours: $i" python3 "$compare" "$TEST_TMP/peer.tar" "$test_home/tree.tar"
		id=$(docker image inspect -f '{{.Id}}' "$reg/$i:1")
		docker rmi -f "$id" >/dev/null
		peer save "$reg/$i:1" | as_user "$docker_cli" load -q >/dev/null
		check_out "and we load what it saved: $i" "$id" docker image inspect -f '{{.Id}}' "$reg/$i:1"
		peer rmi -f "$reg/$i:1" >/dev/null
	done
fi
engine_stop

# --- a full disk ---------------------------------------------------------------------------------------------------
small=$TEST_TMP/small
mkdir "$small"
truncate -s 80M "$small.img"
if mkfs.ext4 -q "$small.img" 2>/dev/null && mount -o loop "$small.img" "$small" 2>/dev/null; then
	at_exit "umount -l '$small' 2>/dev/null"
	chmod 1777 "$small"
	full() { # WHAT ERROR
		check_has "$1: a pull says so" "$2" docker pull "$reg/debian:1"
		check_out "$1: no image" "" docker images -q
		check_out "$1: nothing half-made" "0 0" sh -c "echo \$(ls '$small/data/tmp' | wc -l) \$(ls '$small/data/overlay2/layers' | wc -l)"
		check_has "$1: a load says so" "$2" docker load -q -i "$test_home/debian.tar"
		check_out "$1: nothing half-made of that" "0 0" sh -c "echo \$(ls '$small/data/tmp' | wc -l) \$(ls '$small/data/overlay2/layers' | wc -l)"
		check "$1: what fits can be pulled" docker pull -q "$reg/links:1"
		docker rmi "$reg/links:1" >/dev/null
	}
	copy "docker://$reg/debian:1" "docker-archive:$TEST_TMP/debian-save.tar:debian:1"
	cat "$TEST_TMP/debian-save.tar" >"$test_home/debian.tar"
	chmod 644 "$test_home/debian.tar"
	engine_start --data-root "$small/data" || exit 1
	full "full disk" "No space left on device"
	engine_stop
	umount "$small"
else
	skip "full disk" "machine: no ext4 on a loop device"
fi

# --- a caching mirror ------------------------------------------------------------------------------------------
cache=5644
registry_conf $cache | sed "\$a proxy: {remoteurl: http://$reg}" >"$TEST_TMP/cache.yml"
registry_start $cache "$TEST_TMP/cache.yml" || exit 1
copy "docker://$reg/links:1" "docker://$reg/library/mirrored:1"
echo "{\"registry-mirrors\": [\"http://127.0.0.1:1\", \"http://127.0.0.1:$cache\"]}" | as_user sh -c "cat >$test_home/.config/docker/daemon.json"
engine_start || exit 1
check_has "the first mirror is down, the second gets it from the origin" "Downloaded newer image for mirrored:1" docker pull mirrored:1
id=$(docker images -q --no-trunc mirrored:1)
docker rmi -f mirrored:1 >/dev/null
kill "$origin_pid"
wait "$origin_pid" 2>/dev/null
check_has "now the origin is down, and the mirror has it" "Downloaded newer image for mirrored:1" docker pull mirrored:1
check_out "it is the same image" "$id" docker images -q --no-trunc mirrored:1
check_fails "what the mirror has not, nobody has" docker pull other-image:1
engine_stop
