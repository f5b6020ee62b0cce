#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Seeds for the fuzz targets of images, made by the programs whose output we read.

usage: real.py DIR      writes DIR/NAME/..., e.g. build/out/fuzz/corpus before a long `make fuzz`

GNU tar and Python write archives in all their formats, skopeo images in all of its, and what
docker-registry answers is taken down as it comes over the wire.  All inputs are small: a fuzzer
gets further with those.
"""
import hashlib, io, json, os, shutil, socket, subprocess, sys, tarfile, tempfile, time, urllib.parse

out = sys.argv[1]
tmp = tempfile.mkdtemp()
serial = 0


def seed(target, data):
    os.makedirs(f"{out}/{target}", exist_ok=True)
    with open(f"{out}/{target}/real-{hashlib.sha1(data).hexdigest()[:12]}", "wb") as f:
        f.write(data)


def run(*argv, **kw):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, **kw).stdout


def make_tree(path):
    os.makedirs(f"{path}/d/" + "long" * 30)
    open(f"{path}/d/file", "w").write("text\n" * 20)
    os.link(f"{path}/d/file", f"{path}/d/hard")
    os.symlink("d/file", f"{path}/soft")
    os.symlink("x" * 200, f"{path}/soft-long")
    os.mkfifo(f"{path}/fifo", 0o600)
    open(f"{path}/d/{'long' * 30}/{'name' * 20}", "w").write("deep")
    open(f"{path}/d/.wh.gone", "w").close()
    open(f"{path}/umlaut-\u00fc", "w").write("x")
    with open(f"{path}/sparse", "wb") as f:
        for at in (8192, 65536, 131072):
            f.seek(at)
            f.write(b"data")
        f.truncate(1 << 20)
    os.chmod(f"{path}/d/file", 0o4755)
    try:
        os.setxattr(f"{path}/d/file", "user.name", b"value\n=\0")
    except OSError:
        pass


def archives(tree):
    for form in ("v7", "oldgnu", "gnu", "ustar", "posix"):
        flags = ["--sparse"] if form in ("gnu", "oldgnu", "posix") else []
        flags += ["--xattrs", "--acls"] if form == "posix" else []
        seed("tar", subprocess.run(["tar", "-C", tree, f"--format={form}", "-b1", "-c", *flags, "."],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
    for version in ("0.0", "0.1", "1.0"):
        data = run("tar", "-C", tree, "--format=posix", "-b1", f"--sparse-version={version}", "-Sc", "sparse")
        seed("tar", data)
        seed("inflate", run("gzip", "-9", input=data))
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path = f"{tmp}/py.tar"
        with tarfile.open(path, "w", format=form) as t:
            t.add(f"{tree}/d", "d")
            info = tarfile.TarInfo("odd")
            info.uid, info.gid, info.mtime = (5, 7, 1.25) if form == tarfile.PAX_FORMAT else (2000, 7, 1)
            info.uname = "user"
            t.addfile(info)
        seed("tar", open(path, "rb").read().rstrip(b"\0") + b"\0" * 1024)


def image_tar(tree, name):
    """A docker-archive of one small layer."""
    layer = run("tar", "-C", tree, "-b1", "--exclude=sparse", "-c", ".")
    diff = "sha256:" + hashlib.sha256(layer).hexdigest()
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05.6Z",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"], "ExposedPorts": {"80/tcp": {}}, "Labels": {"a": "b"},
                   "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1000000000}},
        "rootfs": {"type": "layers", "diff_ids": [diff]},
        "history": [{"created": "2024-01-02T03:04:05Z", "created_by": "COPY / /"},
                    {"created_by": "CMD", "empty_layer": True}]}).encode()
    path = f"{tmp}/{name}.tar"
    with tarfile.open(path, "w") as t:
        def add(n, data):
            info = tarfile.TarInfo(n)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
        add("layer.tar", layer)
        add("config.json", config)
        add("manifest.json", json.dumps([{"Config": "config.json", "RepoTags": [f"{name}:1"],
                                          "Layers": ["layer.tar"]}]).encode())
    return path


def images(tree):
    path = image_tar(tree, "small")
    seed("image_archive", open(path, "rb").read())
    for kind in ("docker-archive", "oci-archive", "oci", "dir"):
        to = f"{tmp}/out-{kind}"
        name = {"dir": "", "oci": ":1"}.get(kind, ":small:1")
        run("skopeo", "copy", "--insecure-policy", "-q", f"docker-archive:{path}", f"{kind}:{to}{name}")
        if os.path.isfile(to):
            seed("image_archive", open(to, "rb").read())
            continue
        for where, _, files in os.walk(to):
            for f in files:
                data = open(f"{where}/{f}", "rb").read()
                if data[:1] == b"{":
                    seed("manifest", data)
                    seed("json", data)
                elif data[:2] == b"\x1f\x8b":
                    seed("inflate", data)
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(port, method, path, *headers, body=b""):
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close", *headers]
        if body or method in ("POST", "PUT"):
            head.append(f"Content-Length: {len(body)}")
        s.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        data = b""
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            data += piece
    head = data.partition(b"\r\n\r\n")[0].decode("latin1")
    for line in head.split("\r\n"):
        if line.lower().startswith("www-authenticate:"):
            seed("challenge", line.partition(":")[2].strip().encode())
        if line.lower().startswith("location:"):
            seed("url", line.partition(":")[2].strip().encode())
    seed("response", data[:8192])
    return data


class registry:
    def __init__(self, auth=""):
        self.port = free_port()
        conf = f"{tmp}/registry-{self.port}.yml"
        open(conf, "w").write(f"""version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {tmp}/registry-{self.port}}}, delete: {{enabled: true}}}}
http: {{addr: 127.0.0.1:{self.port}}}
{auth}""")
        self.p = subprocess.Popen(["docker-registry", "serve", conf], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env={**os.environ, "OTEL_TRACES_EXPORTER": "none"})
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.p.poll() is not None:
                    sys.exit("docker-registry does not start")
                time.sleep(0.05)

    def __enter__(self):
        return self.port

    def __exit__(self, *a):
        self.p.kill()
        self.p.wait()


def responses(archive):
    with registry() as port:
        for fmt in ("v2s2", "oci"):
            run("skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", "-q", "--format", fmt,
                f"docker-archive:{archive}", f"docker://127.0.0.1:{port}/team/app:{fmt}")
        accept = "Accept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
        manifest = None
        for tag in ("v2s2", "oci", "missing"):
            for method in ("GET", "HEAD"):
                data = ask(port, method, f"/v2/team/app/manifests/{tag}", accept)
                if method == "GET" and b" 200 " in data[:20]:
                    manifest = json.loads(data.partition(b"\r\n\r\n")[2])
        layer = manifest["layers"][0]["digest"]
        for h in ((), ("Range: bytes=10-19",), ("Range: bytes=999999999-",)):
            ask(port, "GET", f"/v2/team/app/blobs/{layer}", *h)
        ask(port, "GET", "/v2/")
        ask(port, "GET", "/v2/team/app/tags/list?n=1")
        ask(port, "GET", "/v2/_catalog")
        ask(port, "GET", "/v2/BAD/manifests/x")
        ask(port, "POST", f"/v2/other/blobs/uploads/?mount={layer}&from=team/app")
        data = ask(port, "POST", "/v2/other/blobs/uploads/").decode("latin1")
        for line in data.split("\r\n"):
            if line.lower().startswith("location:"):
                u = urllib.parse.urlsplit(line.partition(":")[2].strip())
                ask(port, "PATCH", f"{u.path}?{u.query}", "Content-Range: 0-3", body=b"text")
                ask(port, "GET", f"{u.path}?{u.query}")
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=t", "-keyout", f"{tmp}/key",
        "-out", f"{tmp}/crt", stderr=subprocess.DEVNULL)
    with registry(f"auth: {{token: {{realm: 'https://auth.test/token', service: registry, issuer: me, "
                  f"rootcertbundle: {tmp}/crt}}}}\n") as port:
        ask(port, "GET", "/v2/team/app/manifests/latest")
        ask(port, "GET", "/v2/", "Authorization: Bearer a.b.c")
    open(f"{tmp}/htpasswd", "w").close()
    with registry(f"auth: {{htpasswd: {{realm: 'The Registry', path: {tmp}/htpasswd}}}}\n") as port:
        ask(port, "GET", "/v2/")


def texts():
    digest = "sha256:" + "ab" * 32
    for r in ("busybox", "busybox:1.36", "library/busybox", "docker.io/library/busybox:latest", "localhost:5000/a/b",
              "[::1]:5000/a:b", "[fe80::1%25eth0]/a", "10.0.0.1/a@" + digest, "ghcr.io/Org/App", "a/b/c/d:tag@" + digest,
              "registry.test:443/x__y/z--w:V1.2-3_4", digest, "ab" * 32, "a.b", "host/", ":", "@", "a:" + "t" * 129):
        seed("reference", r.encode())
    for t in ('Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/busybox:pull"',
              'Basic realm="Registry Realm"', 'Bearer realm="https://a/t",error="invalid_token"', 'Negotiate, Basic realm=x',
              'Bearer realm="a\\"b", service=c , scope="x y"'):
        seed("challenge", t.encode())
    for t in ({"token": "a.b.c", "access_token": "a.b.c", "expires_in": 300, "issued_at": "2024-01-02T03:04:05Z",
               "refresh_token": "r"}, {"access_token": "x", "expires_in": 60.5}, {"errors": [{"code": "DENIED"}]}):
        seed("token", json.dumps(t).encode())
        seed("json", json.dumps(t).encode())


tree = f"{tmp}/tree"
try:
    make_tree(tree)
    archives(tree)
    responses(images(tree))
    texts()
finally:
    shutil.rmtree(tmp, ignore_errors=True)
