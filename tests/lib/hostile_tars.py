#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""hostile_tars.py DIR: archives nobody should send, one file each; prints their names

NAME.tar (or .tar.gz) is a root filesystem for `docker import`. "ok-" ones must be taken and stay
inside; "bad-" ones must be refused; "any-" ones may be either, but harm nothing.
"""
import gzip, io, os, sys, tarfile

where = sys.argv[1]


def archive(name, *entries, cut=None, tail=b""):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for e in entries:
            info = tarfile.TarInfo(e["name"])
            data = e.get("data", b"")
            info.size = len(data)
            for k, v in e.items():
                if k not in ("name", "data"):
                    setattr(info, k, v)
            t.addfile(info, io.BytesIO(data) if data else None)
    raw = out.getvalue()
    put(name + ".tar", (raw[:cut] if cut else raw) + tail)


def put(name, data):
    with open(os.path.join(where, name), "wb") as f:
        f.write(data)
    print(name)


def file(name, data=b"x", **kw):
    return dict(name=name, data=data, **kw)


def link(name, to):
    return dict(name=name, type=tarfile.SYMTYPE, linkname=to)


def hard(name, to):
    return dict(name=name, type=tarfile.LNKTYPE, linkname=to)


def directory(name, mode=0o755):
    return dict(name=name, type=tarfile.DIRTYPE, mode=mode)


sh = file("bin/marker")
archive("any-dotdot", sh, file("../escaped-dotdot"), file("a/../../../escaped-dotdot2"))
archive("any-absolute", sh, file("/tmp/escaped-absolute"))
archive("any-through-symlink", sh, link("out", "/tmp"), file("out/escaped-symlink"))
archive("any-through-relative-symlink", sh, link("d/out", "../../../../../../tmp"), file("d/out/escaped-relative"))
archive("any-hard-link-out", sh, hard("passwd", "/etc/passwd"), hard("passwd2", "../../../../etc/passwd"))
archive("any-hard-link-through-symlink", sh, link("e", "/etc"), hard("passwd", "e/passwd"))
archive("any-write-through-hard-link", sh, link("e", "/tmp/escaped-hard"), hard("f", "e"), file("f", b"owned"))
archive("ok-symlink-then-directory", sh, link("d", "/tmp"), directory("d"), file("d/inside"))
archive("ok-cyclic-links", sh, link("a", "b"), link("b", "a"), link("c", "c"))
archive("any-file-through-cycle", sh, link("a", "b"), link("b", "a"), file("a/f"))
archive("any-devices", sh, dict(name="null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        dict(name="disk", type=tarfile.BLKTYPE, devmajor=254, devminor=0, mode=0o666),
        dict(name="pipe", type=tarfile.FIFOTYPE))
archive("any-whiteout-of-dotdot", sh, file(".wh..."), file("a/.wh...", b""), file(".wh.", b""))
archive("any-overlay-xattrs", dict(name="d", type=tarfile.DIRTYPE, mode=0o755, pax_headers={
    "SCHILY.xattr.user.overlay.redirect": "/../../../etc", "SCHILY.xattr.user.overlay.opaque": "y",
    "SCHILY.xattr.trusted.overlay.redirect": "/etc"}), sh)
archive("any-mode-0-directory", directory("locked", 0), file("locked/f"), sh)
archive("any-name-of-5000", file("n" * 5000), sh)
archive("any-component-of-300", file("d/" + "n" * 300), sh)
archive("any-3000-deep", file("d/" * 1500 + "f"), sh)
archive("any-ids-beyond-the-map", dict(file("f"), uid=3000000, gid=3000000), sh)
archive("any-huge-pax-record", dict(file("f"), pax_headers={"comment": "x" * 3_000_000}), sh)
archive("bad-truncated", file("f", b"x" * 100000), cut=50000)
archive("bad-truncated-in-header", file("f", b"x" * 1000), cut=100)
archive("any-garbage-behind", sh, tail=os.urandom(100000))
put("bad-noise.tar", os.urandom(100000))
put("any-empty.tar", b"")
put("any-zeros.tar", bytes(10240))

raw = io.BytesIO()
with tarfile.open(fileobj=raw, mode="w") as t:
    t.addfile(tarfile.TarInfo("f"))
raw = bytearray(raw.getvalue())
raw[124:136] = b"77777777777\0"  # 8 GiB announced, nothing there
raw[148:156] = b"        "
raw[148:156] = b"%06o\0 " % sum(raw[:512])
put("bad-size-beyond-the-end.tar", bytes(raw))
raw[124:136] = b"\xff" * 12  # a negative size in base 256
raw[148:156] = b"        "
raw[148:156] = b"%06o\0 " % sum(raw[:512])
put("bad-negative-size.tar", bytes(raw))
raw[148:156] = b"000000\0 "
put("bad-checksum.tar", bytes(raw))

good = io.BytesIO()
with tarfile.open(fileobj=good, mode="w:gz") as t:
    for i in range(20):
        info = tarfile.TarInfo(f"f{i}")
        info.size = 10000
        t.addfile(info, io.BytesIO(os.urandom(10000)))
good = good.getvalue()
put("bad-gzip-truncated.tar.gz", good[:len(good) // 2])
flipped = bytearray(good)
flipped[len(flipped) // 2] ^= 0x55
put("bad-gzip-flipped.tar.gz", bytes(flipped))


def bomb(name, gigabytes):
    """One file of zeros, a thousandth of its size when compressed: the same gzip member again and again."""
    info = tarfile.TarInfo("zeros")
    info.size = gigabytes << 30
    member = io.BytesIO()
    with gzip.open(member, "wb", compresslevel=9) as z:
        block = bytes(1 << 20)
        for _ in range(1024):
            z.write(block)
    with open(os.path.join(where, name), "wb") as f:
        f.write(gzip.compress(info.tobuf()))
        for _ in range(gigabytes):
            f.write(member.getvalue())
        f.write(gzip.compress(bytes(1024)))
    print(name)


bomb("any-zeros-of-10-gb.tar.gz", 10)

with gzip.open(os.path.join(where, "ok-100000-files.tar.gz"), "wb", compresslevel=1) as z:
    for i in range(100_000):
        z.write(tarfile.TarInfo(f"d{i % 100}/f{i}").tobuf(format=tarfile.USTAR_FORMAT))
    z.write(bytes(1024))
print("ok-100000-files.tar.gz")
