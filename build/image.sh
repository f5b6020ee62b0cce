#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build/image.sh - an image of the engine: the binary, and whom it runs as
#
# usage: image.sh BINARY VERSION ARCHIVE
#
# The archive is an OCI layout that "docker load" and skopeo (oci-archive:) both take.  It needs no
# engine, root or network, and the same binary gives the same bytes.
#
# The user has all ids of a container but root's and his own, in two ranges: the ids of his containers
# are then 0 to 65534, and files of "nobody" can be unpacked.  newuidmap is a copy, as the
# set-user-ID bit would else be on every link to the binary.
set -eu
binary=$1 version=$2 archive=$3
created=2026-01-01T00:00:00Z
arch=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')

umask 022
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
root=$tmp/root oci=$tmp/oci
pack() { LC_ALL=C tar -c --sort=name --format=ustar --mtime="$created" --numeric-owner "$@"; }

mkdir -p "$root/bin" "$root/dev" "$root/etc" "$root/home" "$root/proc" "$root/root" "$root/sys" "$root/run/user" "$root/tmp" \
	"$root/var/tmp" "$tmp/own/home/rootless/.local/share/docker" "$tmp/own/run/user/1000"
cp "$binary" "$root/bin/coracle"
cp "$binary" "$root/bin/newuidmap"
chmod 755 "$root/bin/coracle"
chmod 4755 "$root/bin/newuidmap"
ln "$root/bin/newuidmap" "$root/bin/newgidmap"
for name in $("$binary" --list); do
	[ -e "$root/bin/$name" ] || ln -s coracle "$root/bin/$name"
done
cat >"$root/etc/passwd" <<END
root:x:0:0:root:/root:/bin/false
rootless:x:1000:1000:rootless:/home/rootless:/bin/false
nobody:x:65534:65534:nobody:/:/bin/false
END
printf 'root:x:0:\ntty:x:5:\nrootless:x:1000:\nnogroup:x:65534:\n' >"$root/etc/group"
printf 'rootless:1:999\nrootless:1001:64535\n' >"$root/etc/subuid"
cp "$root/etc/subuid" "$root/etc/subgid"
chmod 1777 "$root/tmp" "$root/var/tmp"
chmod 700 "$root/root" "$tmp/own/run/user/1000"

# One layer, not compressed: its digest is its diff id.
pack --owner=0 --group=0 -C "$root" -f "$tmp/layer" bin dev etc home proc root run sys tmp var
pack --owner=1000 --group=1000 -C "$tmp/own" -f "$tmp/owned" home/rootless run/user/1000
tar -A -f "$tmp/layer" "$tmp/owned"

mkdir -p "$oci/blobs/sha256"
blob() { # FILE: put among the blobs; sets digest and size
	digest=$(sha256sum <"$1" | cut -c1-64) size=$(stat -c %s "$1")
	mv "$1" "$oci/blobs/sha256/$digest"
}
blob "$tmp/layer"
layer=$digest layer_size=$size
cat >"$tmp/config" <<END
{"architecture":"$arch","os":"linux","created":"$created","config":{"User":"rootless","WorkingDir":"/home/rootless",
"Env":["PATH=/bin","HOME=/home/rootless","XDG_RUNTIME_DIR=/run/user/1000","DOCKER_HOST=unix:///run/user/1000/docker.sock"],
"Entrypoint":["dockerd-rootless"],"Volumes":{"/home/rootless/.local/share/docker":{}},
"Labels":{"org.opencontainers.image.title":"coracle","org.opencontainers.image.version":"$version"}},
"history":[{"created":"$created","created_by":"build/image.sh"}],"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]}}
END
blob "$tmp/config"
config=$digest config_size=$size
cat >"$tmp/manifest" <<END
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$config","size":$config_size},
"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:$layer","size":$layer_size}]}
END
blob "$tmp/manifest"
cat >"$oci/index.json" <<END
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$digest","size":$size,
"annotations":{"io.containerd.image.name":"docker.io/library/coracle:dind-rootless","org.opencontainers.image.ref.name":"dind-rootless"}}]}
END
echo '{"imageLayoutVersion":"1.0.0"}' >"$oci/oci-layout"
cat >"$oci/manifest.json" <<END
[{"Config":"blobs/sha256/$config","RepoTags":["coracle:dind-rootless"],"Layers":["blobs/sha256/$layer"]}]
END
pack --owner=0 --group=0 -C "$oci" -f "$archive.new" blobs index.json manifest.json oci-layout
mv "$archive.new" "$archive"
echo "$archive: $(($(stat -c %s "$archive") / 1024)) KB, coracle:dind-rootless sha256:$config"
