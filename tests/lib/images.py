#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""images.py - small images, right and wrong, in the layout fake_registry.py serves

usage: images.py ROOT REPO TAG [OPTION...]
       images.py ROOT < LINES                 one "REPO TAG [OPTION...]" a line

  --layer NAME=TEXT[,NAME=TEXT…]  a layer with these files; may be repeated
  --big MIB           a layer with one incompressible file of that size
  --binary FILE=NAME  add a file of this machine, executable, to the first layer
  --oci | --docker    the media types (docker is the default)
  --plain             layers are not compressed
  --index             also an index of linux/amd64, linux/arm64 and an attestation, as REPO:TAG
  --break WHAT        diffid, layercount, configdigest, mediatype, configtype, schema1, foreign,
                      os, bigconfig, notjson, artifact, size, nested
  --cmd JSON          Cmd of the config

Prints the digest of what REPO:TAG is.
"""
import argparse, gzip, hashlib, io, json, os, random, shlex, sys, tarfile

DOCKER = {"manifest": "application/vnd.docker.distribution.manifest.v2+json",
          "index": "application/vnd.docker.distribution.manifest.list.v2+json",
          "config": "application/vnd.docker.container.image.v1+json",
          "gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
          "plain": "application/vnd.docker.image.rootfs.diff.tar"}
OCI = {"manifest": "application/vnd.oci.image.manifest.v1+json",
       "index": "application/vnd.oci.image.index.v1+json",
       "config": "application/vnd.oci.image.config.v1+json",
       "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
       "plain": "application/vnd.oci.image.layer.v1.tar"}


def digest(b):
    return "sha256:" + hashlib.sha256(b).hexdigest()


def blob(root, b):
    os.makedirs(root + "/blobs", exist_ok=True)
    with open(root + "/blobs/" + digest(b)[7:], "wb") as f:
        f.write(b)
    return digest(b)


def manifest(root, repo, names, media_type, b):
    folder = root + "/manifests/" + repo
    os.makedirs(folder, exist_ok=True)
    for name in names:
        with open(folder + "/" + name, "wb") as f:
            f.write(b)
        with open(folder + "/" + name + ".type", "w") as f:
            f.write(media_type)


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(content), 0o755, 1700000000
            t.addfile(info, io.BytesIO(content))
    return out.getvalue()


def layers_of(a):
    layers = []
    for spec in a.layer or ["hello=hello"]:
        layers.append([(n, t.encode()) for n, _, t in (f.partition("=") for f in spec.split(","))])
    for spec in a.binary or []:
        path, _, name = spec.partition("=")
        layers[0].append((name, open(path, "rb").read()))
    if a.big:
        r = random.Random(1)
        layers.append([("big", b"".join(r.randbytes(1 << 20) for _ in range(a.big)))])
    return [tar(files) for files in layers]


def build(a, arch="amd64"):
    types = OCI if a.oci else DOCKER
    tars = layers_of(a)
    if arch != "amd64":
        tars.append(tar([("arch", arch.encode())]))
    config = {"architecture": arch, "os": "windows" if a.broken == "os" else "linux",
              "created": "2024-01-02T03:04:05Z",
              "config": {"Cmd": json.loads(a.cmd), "Env": ["PATH=/bin"]},
              "rootfs": {"type": "layers", "diff_ids": [digest(t) for t in tars]},
              "history": [{"created_by": "layer %d" % i} for i in range(len(tars))]}
    if a.broken == "diffid":
        config["rootfs"]["diff_ids"][-1] = digest(b"something else")
    if a.broken == "layercount":
        config["rootfs"]["diff_ids"].append(digest(b"one more"))
    if a.broken == "bigconfig":
        config["filler"] = "x" * (9 << 20)
    text = json.dumps(config).encode()
    if a.broken == "notjson":
        text = b"{not json"
    descriptors = []
    for t in tars:
        b = t if a.plain else gzip.compress(t, 6, mtime=0)
        kind = types["plain" if a.plain else "gzip"]
        if a.broken == "foreign":
            kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
        if a.broken == "mediatype":
            kind = "application/x-strange"
        size = len(b) + (7 if a.broken == "size" else 0)
        descriptors.append({"mediaType": kind, "size": size, "digest": blob(a.root, b)})
    config_digest = blob(a.root, text)
    if a.broken == "configdigest":
        with open(a.root + "/blobs/" + config_digest[7:], "wb") as f:
            f.write(text.replace(b"layer 0", b"layer X"))
    m = {"schemaVersion": 2, "mediaType": types["manifest"],
         "config": {"mediaType": types["config"], "size": len(text), "digest": config_digest},
         "layers": descriptors}
    if a.broken == "configtype":
        m["config"]["mediaType"] = "application/vnd.docker.plugin.v1+json"
    if a.broken == "artifact":
        m["config"]["mediaType"] = "application/vnd.example+json"
    if a.broken == "schema1":
        m = {"schemaVersion": 1, "name": a.repo, "tag": a.tag, "architecture": "amd64", "fsLayers": [], "history": []}
        return json.dumps(m).encode(), "application/vnd.docker.distribution.manifest.v1+prettyjws"
    return json.dumps(m).encode(), types["manifest"]


def make(argv):
    p = argparse.ArgumentParser()
    p.add_argument("root"), p.add_argument("repo"), p.add_argument("tag")
    p.add_argument("--layer", action="append"), p.add_argument("--binary", action="append")
    p.add_argument("--big", type=int), p.add_argument("--oci", action="store_true")
    p.add_argument("--docker", action="store_true"), p.add_argument("--plain", action="store_true")
    p.add_argument("--index", action="store_true"), p.add_argument("--break", dest="broken")
    p.add_argument("--cmd", default='["/hello"]')
    a = p.parse_args(argv)
    types = OCI if a.oci else DOCKER
    b, kind = build(a)
    if a.index:
        entries = []
        for arch in ("arm64", "amd64"):
            m, mtype = build(a, arch)
            manifest(a.root, a.repo, [digest(m)], mtype, m)
            entries.append({"mediaType": mtype, "size": len(m), "digest": digest(m),
                            "platform": {"architecture": arch, "os": "linux"}})
        entries.insert(0, {"mediaType": types["manifest"], "size": 2, "digest": digest(b"attestation"),
                           "platform": {"architecture": "unknown", "os": "unknown"},
                           "annotations": {"vnd.docker.reference.type": "attestation-manifest"}})
        b, kind = json.dumps({"schemaVersion": 2, "mediaType": types["index"], "manifests": entries}).encode(), types["index"]
        if a.broken == "nested":  # an index that is its own child cannot be made; a chain of them can
            for _ in range(10):
                manifest(a.root, a.repo, [digest(b)], kind, b)
                b = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [
                    {"mediaType": kind, "size": len(b), "digest": digest(b),
                     "platform": {"architecture": "amd64", "os": "linux"}}]}).encode()
    manifest(a.root, a.repo, [a.tag, digest(b)], kind, b)
    print(digest(b))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        make(sys.argv[1:])
    else:
        for line in sys.stdin:
            make(sys.argv[1:2] + shlex.split(line))
