#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Archives of attackers through `docker import` and `docker load`: taken and kept inside, or refused
# with a reason; the engine lives, nothing half-made is visible, nothing lands outside.
# test: together
. "$(dirname "$0")/lib.sh"

data=$test_home/.local/share/docker
mkdir -p "$TEST_TMP/tars" && chmod 755 "$TEST_TMP/tars"
python3 "$top/tests/lib/hostile_tars.py" "$TEST_TMP/tars" >"$TEST_TMP/names" || exit 1
engine_start || exit 1
pid=$(cat "$xdg/docker.pid")
passwd=$(sort /etc/passwd)
# The host's file has all it had, and no other name; a user may be added by another test.
passwd_ok() { [ "$(stat -c %h /etc/passwd)" = 1 ] && [ -z "$(comm -23 <(echo "$passwd") <(sort /etc/passwd))" ]; }

# No lasting image, no draft, the same engine, nothing outside.
clean() { # NAME
	local left
	left=$(as_user ls "$data/tmp")
	[ -z "$left" ] || { not_ok "$1" "left in tmp: $left"; return 1; }
	[ "$pid" = "$(cat "$xdg/docker.pid")" ] || { not_ok "$1" "the engine died"; return 1; }
	[ -z "$(find /tmp -maxdepth 1 -name 'escaped-*' 2>/dev/null)" ] && passwd_ok ||
		{ not_ok "$1" "it got out"; rm -f /tmp/escaped-*; return 1; }
}
while read -r name; do
	before=$(docker images -q | wc -l)
	run docker import "$TEST_TMP/tars/$name" "hostile:${name%%.*}"
	case $name in
	bad-*) [ "$status" != 0 ] || { not_ok "import $name" "it was taken"; continue; } ;;
	ok-*) [ "$status" = 0 ] || { not_ok "import $name" "$out"; continue; } ;;
	esac
	if [ "$status" != 0 ] && [ "$(docker images -q | wc -l)" != "$before" ]; then
		not_ok "import $name" "refused, but an image is there"
		continue
	fi
	docker rmi -f "hostile:${name%%.*}" >/dev/null 2>&1
	clean "import $name" && ok "import $name: ${out:0:100}"
done <"$TEST_TMP/names"

# docker-archives whose parts do not fit together.
python3 - "$TEST_TMP/tars" <<'EOF2'
import io, json, os, sys, tarfile
def save(name, **files):
    with tarfile.open(os.path.join(sys.argv[1], name), "w") as t:
        for path, data in files.items():
            info = tarfile.TarInfo(path.replace("__", "/"))
            if isinstance(data, tuple):
                info.type, info.linkname, data = tarfile.SYMTYPE, data[0], b""
            elif not isinstance(data, bytes):
                data = json.dumps(data).encode()
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
cfg = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}}
m = lambda **k: [dict({"Config": "c.json", "RepoTags": ["h:1"], "Layers": ["l.tar"]}, **k)]
save("load-no-manifest.tar", **{"x": b"y"})
save("load-manifest-no-json.tar", **{"manifest.json": b"[{"})
save("load-manifest-wrong-types.tar", **{"manifest.json": {"Config": 5}})
save("load-missing-layer.tar", **{"manifest.json": m(), "c.json": cfg})
save("load-wrong-diff-id.tar", **{"manifest.json": m(), "c.json": cfg, "l.tar": bytes(1024)})
save("load-layer-is-a-link-out.tar", **{"manifest.json": m(), "c.json": cfg, "l.tar": ("/etc/passwd",)})
save("load-path-out.tar", **{"manifest.json": m(Layers=["../../../../etc/passwd"]), "c.json": cfg})
save("load-config-out.tar", **{"manifest.json": m(Config="/etc/passwd")})
save("load-deep-json.tar", **{"manifest.json": b"[" * 100000})
save("load-many-layers.tar", **{"manifest.json": m(Layers=["l.tar"] * 100000), "c.json": cfg, "l.tar": bytes(1024)})
# Layers that are unpacked while the archive comes in: what they are is known only when its lists have come.
import gzip, hashlib
def tar(*names):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for n in names:
            info = tarfile.TarInfo(n)
            info.size = 5000
            t.addfile(info, io.BytesIO(os.urandom(5000)))
    return out.getvalue()
def digest(b): return "sha256:" + hashlib.sha256(b).hexdigest()
def config(*layers): return {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest(l) for l in layers]}}
good = tar("a", "b")
blob = "blobs__sha256__" + digest(good)[7:]
def image(layer, c=None, name="l.tar", more={}):
    save(names.pop(0), **{name: layer, **more, "c.json": c or config(layer), "manifest.json": m(Layers=[name.replace("__", "/")])})
names = ["load-ahead-%s.tar" % n for n in ("wrong-diff-id", "cut-gzip", "broken-gzip", "bad-member", "cut-tar", "wrong-name")]
image(good, cfg)
image(gzip.compress(good)[:-2000], config(good))
image(gzip.compress(good)[:100] + bytes(5000), config(good))
image(good[:512 + 5120] + b"\377" * 512 + good[6144:])
image(good[:3000])
image(tar("c"), config(tar("c")), blob)
# The config, or the list itself, is an archive; a layer is there by one of 1100 names; the last of one name counts.
save("load-ahead-config.tar", **{"c.json": good, "l.tar": good, "manifest.json": m()})
save("load-ahead-list.tar", **{"l.tar": good, "c.json": config(good), "manifest.json": good})
save("load-ahead-many.tar", **{"l%d.tar" % i: good for i in range(1100)}, **{"c.json": cfg, "manifest.json": m(Layers=["l1099.tar"])})
save("load-ahead-nobody-asks.tar", **{blob: good, "l.tar": ("l.tar",), "c.json": config(good), "manifest.json": m()})
whole = os.path.join(sys.argv[1], "load-ahead-cut.tar")
save("load-ahead-cut.tar", **{"big.tar": tar(*map(str, range(100))), "c.json": cfg, "manifest.json": m(Layers=["big.tar"])})
os.truncate(whole, 300000)
EOF2
for f in "$TEST_TMP"/tars/load-*.tar; do
	name=$(basename "$f" .tar)
	run docker load -i "$f"
	if [ "$status" = 0 ]; then
		not_ok "$name" "it was taken: $out"
	else
		clean "$name" && ok "$name: ${out:0:100}"
	fi
done
check_out "no image is left" "" docker images -qa
if grep -qE 'bug at|Sanitizer' "$engine_log"; then not_ok "nothing in the log" "$(grep -E 'bug at|Sanitizer' "$engine_log" | head -3)"; else ok "nothing in the log"; fi
