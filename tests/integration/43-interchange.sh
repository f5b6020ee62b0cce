#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Images of others here, and ours there: five images (a debootstrapped Debian, hard links and attributes, deletions,
# a commit, zstd layers) go through a registry, from skopeo to our engine and back, and each tree is compared
# with what umoci unpacks, file by file.  With PEER_SOCKET, a real engine's socket, images
# are also saved there and loaded here and the other way round, and what both export is compared; with
# PEER_REGISTRY, a plain registry that it and we reach, pushed and pulled too.  Also: ids that are not
# mapped, a full disk, a quota, the registry as a caching mirror.
# test: together
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/registry.sh"

[ "$(id -u)" = 0 ] || { skip "interchange" "machine: unpacking with owners needs root"; exit 0; }
compare=$top/tests/lib/compare_tree.py
read -r port cache < <(free_ports 2)
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
mkdir -p deep/{1..9} "opaque/old" etc
echo of-the-image >etc/hostname
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

# --- a registry that both reach ----------------------------------------------------------------------------
# PEER_REGISTRY=HOST:PORT: what the real engine pushed is pulled here, and the other way round.
if [ -n "${PEER_SOCKET:-}" ] && [ -n "${PEER_REGISTRY:-}" ]; then
	echo "{\"insecure-registries\": [\"$PEER_REGISTRY\"]}" | as_user sh -c "cat >'$test_home/.config/docker/daemon.json'"
	engine_start || exit 1
	unique=interchange-$(date +%s)-$$ # its layers may be there from other runs, its names not
	same_exports() { # NAME REF
		peer create --name coracle-tree "$2" x >/dev/null
		peer export coracle-tree >"$TEST_TMP/peer.tar"
		peer rm coracle-tree >/dev/null
		docker create --name tree "$2" x >/dev/null
		as_user sh -c "'$docker_cli' export tree >'$test_home/tree.tar'"
		docker rm tree >/dev/null
		check "$1" python3 "$compare" "$TEST_TMP/peer.tar" "$test_home/tree.tar"
	}
	for i in links deletions debian zstd; do
		shared=$PEER_REGISTRY/$unique/$i
		copy --all "docker://$reg/$i:1" "docker://$shared:1" || not_ok "shared: $i" "skopeo"
		for from in peer docker; do
			to=docker
			[ "$from" = docker ] && to=peer
			said="$from pushed, $to pulls: $i"
			"$from" pull -q "$shared:1" >/dev/null
			"$from" tag "$shared:1" "$shared:$from"
			check "$said: push" "$from" push -q "$shared:$from"
			id=$("$from" image inspect -f '{{.Id}}' "$shared:$from")
			"$from" rmi -f "$id" >/dev/null 2>&1
			check "$said: pull" "$to" pull -q "$shared:$from"
			check_out "$said: the same image" "$id" "$to" image inspect -f '{{.Id}}' "$shared:$from"
			"$from" pull -q "$shared:$from" >/dev/null
			same_exports "$said: the same tree" "$shared:$from"
			for e in peer docker; do "$e" rmi -f "$id" >/dev/null 2>&1; done
		done
	done
	# A commit made there and one made here.
	for from in peer docker; do
		to=docker
		[ "$from" = docker ] && to=peer
		shared=$PEER_REGISTRY/$unique/commit-$from:1
		"$from" pull -q "$PEER_REGISTRY/$unique/links:1" >/dev/null
		"$from" run --name cc --network none "$PEER_REGISTRY/$unique/links:1" x >/dev/null 2>&1
		"$from" cp "$top/README.md" cc:/deep/readme
		"$from" commit cc "$shared" >/dev/null
		"$from" rm cc >/dev/null
		check "$from commits and pushes" "$from" push -q "$shared"
		check "$to pulls the commit" "$to" pull -q "$shared"
		same_exports "the commit of $from: the same tree" "$shared"
		for e in peer docker; do "$e" rmi -f "$shared" "$PEER_REGISTRY/$unique/links:1" >/dev/null 2>&1; done
	done
	engine_stop
	as_user rm "$test_home/.config/docker/daemon.json"
fi

# --- ids that are not mapped ------------------------------------------------------------------------------------
mkdir -p "$work/ids/srv"
echo x >"$work/ids/srv/far"
chown 70001:70002 "$work/ids/srv/far"
tar -C "$work/ids" --numeric-owner -cf "$TEST_TMP/ids.tar" .
make_image ids "$TEST_TMP/ids.tar"
engine_start || exit 1
said=$(docker pull "$reg/ids:1" 2>&1)
check_has "an id that is not mapped: named" 'failed to Lchown "/srv/far" for UID 70001, GID 70002' echo "$said"
check_has "an id that is not mapped: what is needed and what there is" "the image needs uid 70001, only 0 to 65536 are mapped here" echo "$said"
check "an id that is not mapped: the line to add" grep -qE "add the line '$test_user:[0-9]+:65536' to /etc/subuid" <(echo "$said")
check_fails "an id that is not mapped: the registry is not at fault" grep -q "(registry" <(echo "$said")
check_fails "an id that is not mapped: no image" docker image inspect "$reg/ids:1"
engine_stop

# --- a full disk ---------------------------------------------------------------------------------------------------
full() { # WHAT DATA-ROOT ERROR FLAG...
	local data=$2 said
	engine_start --data-root "$2" "${@:4}" || return
	said=$(docker pull "$reg/debian:1" 2>&1)
	check_has "$1: a pull says so" "$3" echo "$said"
	check_fails "$1: the registry is not at fault" grep -q "(registry" <(echo "$said")
	check_out "$1: no image" "" docker images -q
	check_out "$1: nothing half-made" "0 0 0" half_made
	check_has "$1: a load says so" "$3" docker load -q -i "$test_home/debian.tar"
	check_out "$1: nothing half-made of that" "0 0 0" half_made
	check "$1: what fits can be pulled" docker pull -q "$reg/links:1"
	engine_stop
}
half_made() { echo $(ls "$data/tmp" | wc -l) $(ls "$data/overlay2/layers" | wc -l) $(ls "$data/partial" 2>/dev/null | wc -l); }
copy "docker://$reg/debian:1" "docker-archive:$TEST_TMP/debian-save.tar:debian:1"
cat "$TEST_TMP/debian-save.tar" >"$test_home/debian.tar"
chmod 644 "$test_home/debian.tar"
small=$TEST_TMP/small
mkdir "$small"
truncate -s 80M "$small.img"
if mkfs.ext4 -q "$small.img" 2>/dev/null && mount -o loop "$small.img" "$small" 2>/dev/null; then
	at_exit "umount -l '$small' 2>/dev/null"
	chmod 1777 "$small"
	full "full disk" "$small/data" "No space left on device"
	umount "$small"
else
	skip "full disk" "machine: no ext4 on a loop device"
fi
# A quota of a subvolume: what a project quota is elsewhere.
truncate -s 400M "$small.btrfs"
if mkfs.btrfs -q "$small.btrfs" >/dev/null 2>&1 && mount -o loop,user_subvol_rm_allowed "$small.btrfs" "$small" 2>/dev/null &&
	btrfs quota enable "$small" && btrfs -q subvolume create "$small/limited" && btrfs qgroup limit 60M "$small/limited"; then
	at_exit "umount -l '$small' 2>/dev/null"
	chmod 1777 "$small/limited"
	full "quota" "$small/limited/data" "uota exceeded" --storage-driver overlay2
	umount "$small"
else
	skip "quota" "machine: no btrfs with quotas on a loop device"
fi

# --- a caching mirror ------------------------------------------------------------------------------------------
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
