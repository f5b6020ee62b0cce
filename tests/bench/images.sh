#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Pull, load, save and push of 280 MB in five layers, from and to a registry on this machine: beside a
# real rootless Docker if PEER_SOCKET names its socket, and beside what the machine can do at all.
# The peer must reach the registry too: BENCH_REGISTRY=HOST:PORT names one it accepts over plain HTTP.
# RUNS=N (3) is how often each is done; the best counts.  Behind the table come lines for programs:
#   images.NAME VALUE UNIT PEER PEER_VALUE RATIO GOAL
. "$(dirname "$0")/../integration/lib.sh"
. "$top/tests/integration/registry.sh"

# Programs, libraries and text of this machine, 56 MB a layer.
archive=$top/build/images/bench-image.tar
if [ ! -e "$archive" ]; then
	mkdir -p "$top/build/images"
	layers=()
	(cd /usr && find lib/x86_64-linux-gnu lib/python3 share -xdev -type f 2>/dev/null | sort | head -40000 |
		tar -cf - --no-recursion --null -T <(tr '\n' '\0') 2>/dev/null) | split -b 56000000 - "$TEST_TMP/part-"
	i=0
	for part in "$TEST_TMP"/part-*; do
		i=$((i + 1))
		[ $i -le 5 ] || break
		# A piece of a tar is no tar: each becomes files of 100 kB in one.
		mkdir "$TEST_TMP/files-$i"
		split -b 100000 "$part" "$TEST_TMP/files-$i/f"
		tar -C "$TEST_TMP/files-$i" -cf "$TEST_TMP/layer-$i.tar" .
		layers+=("$TEST_TMP/layer-$i.tar")
	done
	python3 "$top/tests/lib/mkimage.py" "$archive.new" bench:1 "${layers[@]}" && mv "$archive.new" "$archive"
fi
[ -n "${BENCH_REGISTRY:-}" ] || { registry_up 5749 && BENCH_REGISTRY=127.0.0.1:5749; }
# What is there from an earlier run need not be compressed again.
skopeo inspect --tls-verify=false "docker://$BENCH_REGISTRY/bench/pull:1" >/dev/null 2>&1 ||
	skopeo copy --insecure-policy --dest-tls-verify=false -q "docker-archive:$archive" "docker://$BENCH_REGISTRY/bench/pull:1" || exit 1
engine_start --insecure-registry "$BENCH_REGISTRY" || exit 1

ours=$(python3 "$top/tests/bench/images.py" "$xdg/docker.sock" bench:1 "$archive" "$BENCH_REGISTRY" "$coracle") || exit 1
peer=null
[ -z "${PEER_SOCKET:-}" ] || peer=$(python3 "$top/tests/bench/images.py" "$PEER_SOCKET" bench:1 "$archive" "$BENCH_REGISTRY") || exit 1
mkdir "$TEST_TMP/blobs"
skopeo copy --insecure-policy --src-tls-verify=false -q "docker://$BENCH_REGISTRY/bench/pull:1" "dir:$TEST_TMP/blobs"
limit=$("$top/build/out/obj/bench_unpack" "$test_home/limit" $(find "$TEST_TMP/blobs" -size +100k)) || limit=null
python3 - "$ours" "$peer" "$limit" <<'PY'
import json, sys
ours, peer, limit = map(json.loads, sys.argv[1:])


def record(name, value, unit, peer_value, goal):
    """name value unit peer peer_value ratio goal; "-" for what there is not."""
    ratio = "%.2fx" % (peer_value / value) if peer_value else "-"
    print("images.%s %s %s %s %s %s %s" % (name, value, unit, "docker" if peer_value else "-",
        peer_value or "-", ratio, goal))


# What each must do at least: pull inflates; load and pull hash and write; save and push read what is cached.
needs = {"pull": ("inflate", "hash", "write"), "load": ("hash_plain", "write"), "save": ("hash_plain",),
    "push": ("deflate", "hash")}
for what, goal in (("pull", 4), ("load", 4), ("save", 3), ("push", 2)):
    line = "%-46s %7.2f s" % ("%s of 280 MB in five layers" % what, ours[what])
    if peer:
        line += "   peer %6.2f s: %4.1f times faster, goal %d" % (peer[what], peer[what] / ours[what], goal)
    if limit:
        slowest = max(needs[what], key=limit.get)
        line += "   %.1f times the limit (%s %.2f s)" % (ours[what] / limit[slowest], slowest, limit[slowest])
    print(line)
print("%-46s %7.1f MB  goal <= 64 MB" % ("engine and workers together, at most", ours["rss"] / 1e6))
for what, goal in (("pull", 4), ("load", 4), ("save", 3), ("push", 2)):
    record(what, ours[what], "s", peer and peer[what], ">=%dx" % goal)
    if limit:
        record(what + "_limit", max(map(limit.get, needs[what])), "s", None, "-")
record("rss", round(ours["rss"] / 1e6, 1), "MB", None, "<=64MB")
PY
