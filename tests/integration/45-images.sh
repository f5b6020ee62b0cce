#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Images under the stock client, without a registry: the built-in one, import, load, save, names,
# history, removal, prune; what is there after a restart; a client that goes away.
# test: together
. "$(dirname "$0")/lib.sh"

data=$test_home/.local/share/docker
layers() { as_user sh -c "ls $data/overlay2/layers 2>/dev/null || ls $data/vfs/layers" | wc -l; }
no_layers() { [ "$(layers)" = 0 ]; }
tmp_is_empty() { [ -z "$(as_user ls -A "$data/tmp")" ]; }

engine_start || exit 1

# --- the built-in image -----------------------------------------------------------------------------
check_out "no image at first" "" docker images -q
check_has "the built-in image greets" "Hello from Coracle!" docker run --rm --network none coracle
check_has "and tells who root is outside" "outside     uid $test_uid," docker run --rm --network none coracle
first=$(docker images -q --no-trunc coracle)
docker rmi coracle >/dev/null
docker run --rm --network none coracle hello --help >/dev/null
check_out "it is the same image each time" "$first" docker images -q --no-trunc coracle
check_has "its commands are links" "docker-init" docker run --rm --network none coracle docker-init --help
docker rmi coracle >/dev/null
check "all of it can be removed" until_true no_layers

# --- import -------------------------------------------------------------------------------------------
rootfs=$(image_busybox)
check "import" docker import -m "a word" -c 'CMD ["echo", "hi"]' -c 'ENV A=b' -c 'LABEL k=v' "$rootfs" bb:1
check_out "import -c" "hi" docker run --rm --network none bb:1
check_out "its config" '[A=b] map[k:v] a word' docker inspect -f '{{.Config.Env}} {{.Config.Labels}} {{.Comment}}' bb:1
check_has "a bad change is refused" "FROB is not a valid change command" docker import -c 'FROB x' "$rootfs"
check_has "so is an archive that is none" "archive/tar: invalid tar header" docker import "$coracle"
check_has "history" "a word" docker history bb:1

# --- names --------------------------------------------------------------------------------------------
check "tag" docker tag bb:1 localhost:5000/team/bb
check_out "both names" "bb:1 localhost:5000/team/bb:latest" \
	sh -c "DOCKER_HOST=unix://$xdg/docker.sock '$docker_cli' images --format '{{.Repository}}:{{.Tag}}' | sort | tr '\n' ' ' | sed 's/ \$//'"
check_out "one by its filter" "bb" docker images -f reference='b*:1' --format '{{.Repository}}'
check_has "an upper-case name is refused" "must be lowercase" docker tag bb:1 UPPER
check_has "of two repositories, not by id" "image is referenced in multiple repositories" docker rmi "$(docker images -q bb)"
check_out "untag" "Untagged: localhost:5000/team/bb:latest" docker rmi localhost:5000/team/bb
check_has "no such image" "No such image: nope:latest" docker rmi nope

# --- save and load ------------------------------------------------------------------------------------
id=$(docker images -q --no-trunc bb)
saved=$test_home/saved.tar
check "save" docker save -o "$saved" bb:1
as_user tar tf "$saved" | sort >"$TEST_TMP/members"
check "it is an OCI layout, and what docker load reads" \
	sh -c "for f in oci-layout index.json manifest.json repositories; do grep -qx \$f '$TEST_TMP/members' || exit 1; done"
docker rmi bb:1 >/dev/null
check_out "its layers went with it" 0 layers
check_out "load" "Loaded image: bb:1" docker load -q -i "$saved"
check_out "it is the same image" "$id" docker images -q --no-trunc bb
as_user python3 - "$saved" "$test_home/oci.tar" <<'EOF'
import sys, tarfile
src, dst = tarfile.open(sys.argv[1]), tarfile.open(sys.argv[2], "w:gz")
for m in src:
    if m.name not in ("manifest.json", "repositories"):
        dst.addfile(m, src.extractfile(m) if m.isfile() else None)
dst.close()
EOF
docker rmi bb:1 >/dev/null
check_out "load the OCI layout alone, compressed" "Loaded image: bb:1" docker load -q -i "$test_home/oci.tar"
check_out "that is the same image, too" "$id" docker images -q --no-trunc bb
# As Buildx writes it: the image beside an attestation, which is no image.
for kind in nested flat absent unmarked both; do
	python3 "$top/tests/lib/attested.py" "$saved" "$TEST_TMP/attested.tar" $kind
	docker rmi bb:1 >/dev/null
	check_out "load with an attestation, $kind" "Loaded image: bb:1" sh -c "'$docker_cli' -H unix://$xdg/docker.sock load -q <'$TEST_TMP/attested.tar'"
	check_out "... is that image alone" "$id" docker images -aq --no-trunc
done
docker rmi bb:1 >/dev/null
check_out "... saved, loaded: the same" "Loaded image: bb:1 $id" sh -c "d='$docker_cli -H unix://$xdg/docker.sock'
	\$d load -q <'$TEST_TMP/attested.tar' >/dev/null && \$d save bb:1 >'$TEST_TMP/again.tar' && \$d rmi bb:1 >/dev/null &&
	echo \$(\$d load -q <'$TEST_TMP/again.tar') \$(\$d images -aq --no-trunc)"
python3 "$top/tests/lib/attested.py" "$saved" "$TEST_TMP/attested.tar" alone
check_has "an attestation alone" "no matching manifest for linux/amd64" sh -c "'$docker_cli' -H unix://$xdg/docker.sock load -q <'$TEST_TMP/attested.tar'"
check_has "load of something else says what to do" "neither manifest.json nor index.json" docker load -i "$rootfs"
check_out "load tells progress when asked" "Loading layer" sh -c "
	DOCKER_HOST=unix://$xdg/docker.sock '$docker_cli' rmi bb:1 >/dev/null
	curl -s --unix-socket '$xdg/docker.sock' -T '$saved' -X POST 'http://d/images/load?quiet=0' | grep -o 'Loading layer' | head -1"
# One layer twice in an image, with whiteouts, an opaque directory and a hard link; and above another one in a
# second image of the archive: its bytes come once.
python3 - "$test_home" "$rootfs" <<'EOF'
import hashlib, io, json, sys, tarfile
home, rootfs = sys.argv[1:]

def layer(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, data, link in entries:
            m = tarfile.TarInfo(name)
            m.size = len(data or b"")
            m.mode = 0o750
            m.type = tarfile.DIRTYPE if data is None and not link else tarfile.LNKTYPE if link else tarfile.REGTYPE
            m.linkname = link or ""
            t.addfile(m, io.BytesIO(data or b""))
    return out.getvalue()

base = open(rootfs, "rb").read()
under = layer(("d", None, ""), ("d/old", b"old", ""), ("gone", b"gone", ""))
twice = layer((".wh.gone", b"", ""), ("d", None, ""), ("d/.wh..wh..opq", b"", ""), ("d/new", b"n" * 100000, ""),
    ("d/same", None, "d/new"))
files, manifest = {}, []
for name, layers in (("twice:1", [base, under, twice, under, twice]), ("twice:2", [base, twice])):
    digests = [hashlib.sha256(l).hexdigest() for l in layers]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + d for d in digests]}}).encode()
    key = hashlib.sha256(config).hexdigest()
    files.update({"blobs/sha256/" + d: l for d, l in zip(digests, layers)})
    files["blobs/sha256/" + key] = config
    manifest.append({"Config": "blobs/sha256/" + key, "RepoTags": [name], "Layers": ["blobs/sha256/" + d for d in digests]})
with tarfile.open(home + "/twice.tar", "w") as t:
    for name, data in [*files.items(), ("manifest.json", json.dumps(manifest).encode())]:
        m = tarfile.TarInfo(name)
        m.size = len(data)
        t.addfile(m, io.BytesIO(data))
EOF
check_has "a layer twice in one image" "twice:1" docker load -q -i "$test_home/twice.tar"
check_out "the second one hides what the first did" "new same" docker run --rm --network none twice:1 sh -c 'echo $(ls /d /gone 2>/dev/null | grep -v :)'
check_out "with its links and modes" "2 750" docker run --rm --network none twice:1 stat -c '%h %a' /d/new
check_out "above another layer, in another image" "new same" docker run --rm --network none twice:2 sh -c 'echo $(ls /d)'
both=$(docker images -q --no-trunc twice | sort)
check "they are saved again" docker save -o "$test_home/again.tar" twice:1 twice:2
docker rmi twice:1 twice:2 >/dev/null
check_has "and loaded, what is there being passed over" "twice:2" docker load -q -i "$test_home/again.tar"
check_out "they are the same images" "$both" sh -c "DOCKER_HOST=unix://$xdg/docker.sock '$docker_cli' images -q --no-trunc twice | sort"
docker rmi twice:1 >/dev/null
check_has "one of them is loaded beside the other" "twice:1" docker load -q -i "$test_home/again.tar"
check_out "and is whole" "new same" docker run --rm --network none twice:1 sh -c 'echo $(ls /d /gone 2>/dev/null | grep -v :)'
docker rmi twice:1 twice:2 >/dev/null
check "nothing is left in tmp" until_true tmp_is_empty

# --- removal --------------------------------------------------------------------------------------------
docker create --name user bb:1 >/dev/null
check_has "in use: not by name" "container $(docker ps -aqf name=user) is using its referenced image" docker rmi bb:1
check_has "in use: by id with force" "Deleted: $id" docker rmi -f "$id"
check_out "the container still starts" "hi" docker start -a user
docker rm user >/dev/null
check "its layers go with the last container" until_true no_layers
docker load -q -i "$saved" >/dev/null
docker import "$rootfs" bb:1 >/dev/null
check_has "prune removes what lost its name" "deleted: $id" docker image prune -f
check_out "and nothing else" "bb" docker images --format '{{.Repository}}'
# Two that have no name, one of them labelled, and one that nobody uses.
left() { docker images -q --no-trunc --filter dangling=true | sort | tr '\n' ' '; }
docker import -c 'LABEL keep=yes' "$rootfs" >/dev/null
kept=$(left)
docker import -c 'LABEL keep=no' "$rootfs" >/dev/null
check_out "dangling ones are those without a name" 2 sh -c "set -- $(left); echo \$#"
check_out "prune --filter until: none is that old" "Total reclaimed space: 0B" docker image prune -f --filter until=24h
check_has "prune --filter label!" "deleted: sha256:" docker image prune -f --filter label!=keep=yes
check_out "that one is kept" "$kept" left
check_out "prune -a --filter label" "$kept" sh -c "DOCKER_HOST=unix://$xdg/docker.sock '$docker_cli' image prune -af --filter label=keep=yes | sed -n 's/^deleted: \(.*\)/\1/p' | head -1 | tr '\n' ' '"
check_out "an unused one with a name is not dangling" "bb" docker images --format '{{.Repository}}'
check_has "prune refuses what it does not know" "invalid filter 'nonsense'" docker image prune -f --filter nonsense=1

# --- ends ------------------------------------------------------------------------------------------------
all() { docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}'; }
# Workers of this engine, a line each.
workers() {
	local p
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p/exe" 2>/dev/null)" = "$coracle" ] && grep -qz '^:worker$' "$p/cmdline" 2>/dev/null && echo "${p#/proc/}"
	done
}
before=$(all)
engine_kill "$(cat "$xdg/docker.pid")"
engine_stop 2>/dev/null
engine_start || exit 1
check_out "after kill -9 all images are there" "$before" all
mkfifo "$TEST_TMP/half"
curl -s --unix-socket "$xdg/docker.sock" -T "$TEST_TMP/half" -H 'Transfer-Encoding: chunked' -X POST \
	http://d/images/load >/dev/null &
client=$!
exec 9>"$TEST_TMP/half"
head -c 1000000 "$saved" >&9
until [ -n "$(workers)" ]; do :; done
kill "$client"
check "a client that goes away takes its worker along" timeout 60 bash -c "
	$(declare -f workers); coracle=$coracle; while [ -n \"\$(workers)\" ]; do :; done"
exec 9>&-
check "and nothing is left in tmp" until_true tmp_is_empty
check_out "the engine is well" "$before" all
engine_stop
