#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mkimage.py OUT.tar NAME [--cmd JSON] [--env K=V]... [--user U] [--expose P] LAYER.tar...

Write a docker-archive (what `docker save` writes) whose layers are the given tars.
"""
import argparse, hashlib, io, json, tarfile

p = argparse.ArgumentParser()
p.add_argument("out")
p.add_argument("name")
p.add_argument("layers", nargs="+")
p.add_argument("--cmd", default='["sh"]')
p.add_argument("--entrypoint", default="null")
p.add_argument("--env", action="append", default=[])
p.add_argument("--user", default="")
p.add_argument("--workdir", default="")
p.add_argument("--expose", action="append", default=[])
a = p.parse_args()


def digest_file(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


diffs = [digest_file(l) for l in a.layers]
config = json.dumps({
    "architecture": "amd64", "os": "linux", "created": "2026-01-02T03:04:05Z",
    "config": {
        "Cmd": json.loads(a.cmd), "Entrypoint": json.loads(a.entrypoint), "User": a.user,
        "WorkingDir": a.workdir, "ExposedPorts": {e: {} for e in a.expose} or None,
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] + a.env,
    },
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + d for d in diffs]},
    "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "mkimage " + d[:12]} for d in diffs],
}).encode()
config_name = hashlib.sha256(config).hexdigest() + ".json"
manifest = json.dumps([{
    "Config": config_name, "RepoTags": [a.name], "Layers": [d + "/layer.tar" for d in diffs],
}]).encode()
with tarfile.open(a.out, "w") as t:
    def add(name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
    for d, path in dict(zip(diffs, a.layers)).items():
        t.add(path, d + "/layer.tar", filter=lambda i: setattr(i, "mode", 0o644) or i)
    add(config_name, config)
    add("manifest.json", manifest)
