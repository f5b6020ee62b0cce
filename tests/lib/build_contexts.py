#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""build_contexts.py OURS STOCK: what two clients send for `docker build` of the same directory

An engine that records stands for the real one.  Each case is a .dockerignore and options; of each request
the query and the archive's entries (name, type, mode, size, owner, content) are compared.  The cases are
those below, and patterns put together at random (the seed is printed).  Prints "ok - ..." lines.
"""
import hashlib, io, json, os, random, re, subprocess, sys, tarfile, tempfile, threading
import urllib.parse

import stub_engine

ours, stock = sys.argv[1:3]
requests = []


class Handler(stub_engine.Handler):
    def do_POST(self):
        body = b""
        while size := int(self.rfile.readline() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        requests.append((self.path, self.headers.get("X-Registry-Config"), body))
        self.answer(200, b'{"stream":"Step 1/1 : FROM x\\n"}\r\n{"aux":{"ID":"sha256:abc"}}\r\n')


def plain(text):
    """Without what is new each time: the name of a Dockerfile from elsewhere."""
    return re.sub(r"\.dockerfile\.[0-9a-f]{20}", ".dockerfile.RANDOM", text)


def entries(body):
    found = {}
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        try:
            for m in tar:
                content = tar.extractfile(m).read() if m.isreg() else b""
                found[plain(m.name)] = (m.type, oct(m.mode), m.uid, m.gid, m.linkname,
                                        hashlib.sha256(plain(content.decode("latin-1")).encode()).hexdigest()[:8])
        except tarfile.ReadError:
            found["(whole)"] = False
    return found


# What says the same: ours names rm=1, which is the default; the stock client leaves defaults out.
def query(path):
    pairs = {}
    for key, value in urllib.parse.parse_qsl(path.split("?", 1)[1]):
        if (key, value) not in (("rm", "1"), ("networkmode", "default")):
            pairs.setdefault(key, []).append(json.loads(value) if value[:1] in "[{" else plain(value))
    return pairs


def play(client, cwd, args, stdin):
    requests.clear()
    env = {"PATH": os.environ["PATH"], "HOME": home, "DOCKER_HOST": "unix://" + sock, "DOCKER_BUILDKIT": "0", "PASSED": "on"}
    done = subprocess.run([client, "build", *args], cwd=cwd, env=env, input=stdin, capture_output=True, timeout=60)
    said = re.sub(rb"(?s)^DEPRECATED:.*?\n\n", b"", done.stderr).decode().removeprefix("error ")  # until 28.2
    result = {"status": done.returncode, "stderr": plain(said),
              "stdout": re.sub(r"daemon +[0-9.]+k?B", "daemon SIZE", done.stdout.decode())}
    if requests:
        path, auths, body = requests[0]
        result |= {"query": query(path), "auths": auths, "entries": entries(body)}
    return result


# The stock client leaves out the end of an archive to which it added a Dockerfile.
def differences(a, b):
    b.get("entries", {}).pop("(whole)", None)
    for key in sorted(set(a) | set(b)):
        x, y = a.get(key), b.get(key)
        if key == "entries" and x is not None and y is not None:
            for name in sorted(set(x) | set(y)):
                if x.get(name) != y.get(name):
                    yield f"{name}: ours {x.get(name)}, stock {y.get(name)}"
        elif x != y:
            yield f"{key}: ours {x!r}, stock {y!r}"


def compare(name, cwd, args=(".",), stdin=b""):
    a, b = play(ours, cwd, args, stdin), play(stock, cwd, args, stdin)
    found = list(differences(a, b))
    print(f"not ok - {name}: " + "; ".join(found)[:1500] if found else f"ok - {name}")
    return not found


def make_tree(root):
    for path in ("Dockerfile", "a.md", "b.txt", "foo", "xfoo", "sub/a.md", "sub/foo", "sub/deep/foo", "sub/deep/b.txt",
                 "sub/node_modules/x/y.js", "docs/README.md", "docs/img/[x].png", "other/Dockerfile.test", "é/ü.txt", "a-b/c d",
                 "sub.d/z"):
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write("FROM scratch\n" if "Dockerfile" in path else path)
    os.symlink("foo", root + "/link")
    os.symlink("../..", root + "/sub/up")
    os.symlink("sub", root + "/dirlink")
    os.link(root + "/foo", root + "/hard")
    os.chmod(root + "/xfoo", 0o4755)
    os.mkdir(root + "/empty")
    os.mkfifo(root + "/fifo")
    for at, dirs, files in os.walk(root, topdown=False):
        for n in files + dirs:
            os.utime(os.path.join(at, n), (1700000000, 1700000000), follow_symlinks=False)


cases = ["", "# comment\n\n  *.md  \n", "*", "*\n!sub\n", "*\n!sub/deep\n", "*\n!**/foo\n", "**/foo", "**foo", "**/*.md\n!a.md\n",
         "**/*.md\n!docs\n", "sub/**\n!sub/deep/foo\n", "sub/**/foo", "**", "**/", "sub/", "/sub", "./sub", "sub/../foo", "../foo",
         "fo?", "[fx]*", "[^f]*", "[a-b].*", "docs/img/\\[x\\].png", "Dockerfile\n.dockerignore\n", "*\n!foo\nfoo\n", "!foo", "?/*", "é",
         "sub*", "*/*", "*/deep", "**/deep/*\n!**/b.txt", "\ufefffoo\n", "foo\r\n*.md\r\n", "a-b/c d", ".", "/", "sub\n!sub/de*/foo",
         "[", "a[", "!", "a\\", "[]", "[z-a]", "[^", "[a-]", "[!f]*", "***", "a**b", "**/sub/**/foo", "sub/**"]

with tempfile.TemporaryDirectory(prefix="build-contexts") as tmp:
    home, sock, root = tmp + "/home", tmp + "/s", tmp + "/ctx"
    os.makedirs(home + "/.docker")
    make_tree(root)
    server = stub_engine.Server(sock, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wrong = 0
    for text in cases:
        with open(root + "/.dockerignore", "w") as f:
            f.write(text)
        wrong += not compare(f"context with .dockerignore {text!r}", root)
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    pick = random.Random(seed)
    parts = ["*", "**", "?", "foo", "sub", "deep", "a.md", "*.md", "[a-x]*", "docs", "f*o", "**foo", "node_modules", "Dockerfile", "\\*", "b.txt"]
    for n in range(int(os.environ.get("ROUNDS", 40))):
        lines = ["!" * pick.choice((0, 0, 1)) + "/".join(pick.choice(parts) for _ in range(pick.choice((1, 1, 2, 3)))) for _ in range(pick.randrange(1, 6))]
        with open(root + "/.dockerignore", "w") as f:
            f.write("\n".join(lines) + "\n")
        if not compare(f"seed {seed}, random .dockerignore {lines!r}", root):
            wrong += 1
    with open(root + "/.dockerignore", "w") as f:
        f.write("*.md\nother\n")
    outside = tmp + "/Outside"
    with open(outside, "w") as f:
        f.write("FROM scratch\n")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(root, ".")
    with open(home + "/.docker/config.json", "w") as f:
        json.dump({"auths": {"example.org:5000": {"auth": "dTpw"}}, "proxies": {"default": {"httpsProxy": "http://p:1"}}}, f)
    for name, args, stdin in (
        ("options", ["-t", "a/b:c", "-t", "d", "--build-arg", "A=b=c", "--build-arg", "PASSED", "--build-arg", "UNSET", "--label", "l=m",
                     "--label", "n", "--target", "x", "--network", "none", "--no-cache", "--pull", "--force-rm", "--cache-from", "i,j",
                     "--add-host", "h:1.2.3.4", "-m", "64m", "--memory-swap", "-1", "--shm-size", "1m", "--ulimit", "nofile=1:2",
                     "--cpu-quota", "5", "--cpuset-cpus", "0", "--platform", "linux/amd64", "."], b""),
        ("--rm=false", ["--rm=false", "."], b""),
        ("-q", ["-q", "."], b""),
        ("-f, a file that is left out", ["-f", "other/Dockerfile.test", "."], b""),
        ("-f, a file outside", ["-f", outside, "."], b""),
        ("-f -", ["-f", "-", "."], b"FROM scratch\nRUN x\n"),
        ("a Dockerfile on standard input", ["-"], b"FROM scratch\n"),
        ("an archive on standard input", ["-f", "other/x", "-"], archive.getvalue()),
        ("nothing on standard input", ["-"], b""),
        ("standard input twice", ["-f", "-", "-"], b""),
        ("a directory that is not there", ["nope"], b""),
        ("a Dockerfile that is not there", ["-f", "nope/x", "."], b""),
        ("a file as the context", ["foo"], b""),
        ("a bad tag", ["-t", "BAD", "."], b""),
        ("a bad build-arg", ["--build-arg", "=x", "."], b""),
        ("a context elsewhere, with a link on the way", ["dirlink/up/ctx"], b""),
    ):
        wrong += not compare("docker build: " + name, root, args, stdin)
    sys.exit(1 if wrong else 0)
