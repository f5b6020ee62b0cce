#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare_tree.py - is an image's tree the same, file by file?

usage: compare_tree.py A B      each a directory or a tar archive (docker export)

Compared: type, owner, mode, size, content, time (seconds), target of a symlink, extended attributes
(user.*, security.capability; of two archives only the latter, as the real engine exports no others), and which names are one file.  Left out: device nodes, which no user
namespace may make, and what an engine adds so that a container can be mounted into.
Prints a line for each difference; status 1 if there is one.
"""
import hashlib, os, stat, sys, tarfile

ADDED = {".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc", "etc/hostname", "etc/hosts", "etc/resolv.conf",
         "etc/mtab", "proc", "sys"}

# Of these an engine exports its own empty ones, whatever the image has.
EMPTIED = {".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"}


def wanted(name):
    return name.startswith("user.") and not name.startswith(("user.overlay.", "user.coracle.", "user.rootlesscontainers",
                                                             "user.umoci")) or name == "security.capability"


def of_directory(top):
    found, inodes = {}, {}
    for where, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(where, name)
            st = os.lstat(path)
            rel = os.path.relpath(path, top)
            kind = stat.S_IFMT(st.st_mode)
            if kind in (stat.S_IFCHR, stat.S_IFBLK):
                continue
            link = os.readlink(path) if stat.S_ISLNK(st.st_mode) else ""
            data = hashlib.sha1(open(path, "rb").read()).hexdigest() if stat.S_ISREG(st.st_mode) else ""
            xattrs = {} if link else {x: os.getxattr(path, x) for x in os.listxattr(path, follow_symlinks=False) if wanted(x)}
            found[rel] = [kind, st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode) if not link else 0o777,
                          int(st.st_mtime // 1), link, data, xattrs]
            if st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode):
                inodes.setdefault((st.st_dev, st.st_ino), []).append(rel)
    for names in inodes.values():
        for n in names:
            found[n].append(sorted(names))
    return found


KINDS = {tarfile.REGTYPE: stat.S_IFREG, tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK,
         tarfile.FIFOTYPE: stat.S_IFIFO, tarfile.GNUTYPE_SPARSE: stat.S_IFREG}


def of_archive(path):
    found, groups = {}, {}
    with tarfile.open(path) as t:
        for m in t:
            rel = os.path.normpath(m.name).lstrip("/")
            if rel == "." or m.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
                continue
            if m.type == tarfile.LNKTYPE:
                first = os.path.normpath(m.linkname).lstrip("/")
                groups.setdefault(first, [first]).append(rel)
                found[rel] = list(found[first])
                continue
            data = hashlib.sha1(t.extractfile(m).read()).hexdigest() if KINDS[m.type] == stat.S_IFREG else ""
            xattrs = {k[13:]: v.encode("utf-8", "surrogateescape") for k, v in m.pax_headers.items()
                      if k.startswith("SCHILY.xattr.") and wanted(k[13:])}
            link = m.linkname if m.issym() else ""
            found[rel] = [KINDS[m.type], m.uid, m.gid, m.mode & 0o7777 if not link else 0o777, int(m.mtime // 1), link,
                          data, xattrs]
    for names in groups.values():
        for n in names:
            found[n].append(sorted(names))
    return found


def load(path):
    return of_directory(path) if os.path.isdir(path) else of_archive(path)


a, b = load(sys.argv[1]), load(sys.argv[2])
if not os.path.isdir(sys.argv[1]):
    for entry in [*a.values(), *b.values()]:
        entry[7] = {k: v for k, v in entry[7].items() if k == "security.capability"}
bad = 0
for name in sorted(a.keys() | b.keys()):
    if a.get(name) == b.get(name):
        continue
    if name in EMPTIED and os.path.isdir(sys.argv[1]):
        continue
    if name in ADDED and (name not in a or name not in b or
                          a[name][:4] + a[name][5:7] == b[name][:4] + b[name][5:7]):  # all but the time
        continue
    bad += 1
    print(f"{name}: {a.get(name)} / {b.get(name)}")
print(f"{len(a)} and {len(b)} files, {bad} differ")
sys.exit(bad > 0 or not a)
