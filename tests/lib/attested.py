#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""attested.py SAVED OUT KIND - an archive of `docker save` as Buildx writes it, with an attestation

KIND: nested     index.json names an index of the image and its attestation, the latter first
      flat       index.json names both
      absent     nested, but the attestation itself is not in the archive
      unmarked   nested, and only its platform, unknown/unknown, tells what it is
      alone      the attestation is all there is
      both       nested, beside the manifest.json of docker save"""
import hashlib
import io
import json
import sys
import tarfile

saved, out, kind = sys.argv[1:]
with tarfile.open(saved) as t:
    files = {m.name: t.extractfile(m).read() for m in t if m.isfile()}
image = json.loads(files["index.json"])["manifests"][0]
name = json.loads(files["manifest.json"])[0]["RepoTags"][0]
OCI = "application/vnd.oci.image."


def blob(data, media, **more):
    digest = hashlib.sha256(data).hexdigest()
    files["blobs/sha256/" + digest] = data
    return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data), **more}


statement = blob(json.dumps({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2",
    "subject": [{"name": "pkg:docker/bb@1", "digest": {"sha256": image["digest"][7:]}}], "predicate": {}}).encode(),
    "application/vnd.in-toto+json", annotations={"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"})
config = blob(json.dumps({"architecture": "unknown", "os": "unknown", "config": {},
    "rootfs": {"type": "layers", "diff_ids": [statement["digest"]]}}).encode(), OCI + "config.v1+json")
attestation = blob(json.dumps({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config,
    "layers": [statement]}).encode(), OCI + "manifest.v1+json", platform={"architecture": "unknown", "os": "unknown"})
if kind != "unmarked":
    attestation["annotations"] = {"vnd.docker.reference.digest": image["digest"], "vnd.docker.reference.type": "attestation-manifest"}
if kind == "absent":
    del files["blobs/sha256/" + attestation["digest"][7:]]
image = {"mediaType": image["mediaType"], "digest": image["digest"], "size": image["size"],
    "platform": {"architecture": "amd64", "os": "linux"}}
named = {"io.containerd.image.name": "docker.io/library/" + name, "org.opencontainers.image.ref.name": name.split(":")[1]}
if kind == "flat":
    top = [attestation, {**image, "annotations": named}]
elif kind == "alone":
    top = [attestation]
else:
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [attestation, image]}).encode()
    top = [blob(index, OCI + "index.v1+json", annotations=named)]
files["index.json"] = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": top}).encode()
if kind != "both":
    del files["manifest.json"], files["repositories"]
with tarfile.open(out, "w") as t:
    for path in sorted(files):
        m = tarfile.TarInfo(path)
        m.size = len(files[path])
        t.addfile(m, io.BytesIO(files[path]))
