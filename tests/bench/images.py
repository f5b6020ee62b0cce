#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""images.py - time load, save, push and pull of one image, and the memory they take

usage: images.py SOCKET NAME ARCHIVE REGISTRY [EXE]    (of an engine; EXE: its binary, whose processes' memory counts)

Prints one line of JSON: {"load": seconds, "save": …, "push": …, "pull": …, "rss": bytes or null}.
Each is the best of RUNS (3); what is pushed no registry has seen before.
"""
import hashlib, http.client, io, json, os, signal, socket, sys, tarfile, tempfile, time

path, name, archive, registry = sys.argv[1:5]
exe = sys.argv[5] if len(sys.argv) > 5 else None
runs = int(os.environ.get("RUNS", 3))
base = registry + "/bench/pull:1"


class Engine(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("engine", timeout=600, blocksize=32768)  # what the stock client sends at a time

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)


def call(method, target, body=None):
    e = Engine()
    e.request(method, "/v1.43" + target, body, {"X-Registry-Auth": "e30="})
    answer = e.getresponse()
    last = b""
    while chunk := answer.read(1 << 18):
        last = (last + chunk)[-4096:]
    e.close()
    if answer.status >= 400 or b'"errorDetail"' in last:
        sys.exit("%s %s: %s" % (method, target, last.decode()))


def sample(out):
    """Resident memory of all processes of the binary together, as often as can be; the peak to @out at the end.
    In a process of its own: a thread would hold up the one that sends."""
    peak = [0]
    done = []
    signal.signal(signal.SIGTERM, lambda *_: done.append(True))
    while not done:
        time.sleep(0.02)
        total = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink("/proc/%s/exe" % pid) == exe:
                    with open("/proc/%s/statm" % pid) as f:
                        total += int(f.read().split()[1]) * 4096
            except OSError:
                pass
        peak[0] = max(peak[0], total)
    os.write(out, b"%d" % peak[0])
    os._exit(0)


def gone():
    for ref in (base, name):
        e = Engine()
        e.request("DELETE", "/v1.43/images/%s?force=1" % ref)
        e.getresponse().read()
        e.close()


def timed(what, before, run):
    best = None
    for i in range(runs):
        before(i)
        start = time.perf_counter()
        run(i)
        took = time.perf_counter() - start
        best = took if best is None else min(best, took)
    result[what] = round(best, 3)


def load(_):
    with open(archive, "rb") as f:
        call("POST", "/images/load?quiet=1", f)


def fresh(i):
    """Load an image no registry has seen a layer of: one byte in each is another."""
    gone()
    nonce = b"%016d" % (os.getpid() * 1000 + i)
    with tarfile.open(archive) as t:
        files = {m.name: t.extractfile(m).read() for m in t}
    image = json.loads(files["manifest.json"])[0]
    config = json.loads(files[image["Config"]])
    # The first file begins behind the headers of "./" and itself.
    layers = [files[l][:4096] + nonce + files[l][4096 + len(nonce):] for l in image["Layers"]]
    config["rootfs"]["diff_ids"] = ["sha256:" + hashlib.sha256(l).hexdigest() for l in layers]
    text = json.dumps(config).encode()
    image["Config"] = hashlib.sha256(text).hexdigest() + ".json"
    out = tempfile.TemporaryFile()
    with tarfile.open(fileobj=out, mode="w") as t:
        for n, data in [(image["Config"], text), ("manifest.json", json.dumps([image]).encode()),
                        *zip(image["Layers"], layers)]:
            info = tarfile.TarInfo(n)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    out.seek(0)
    call("POST", "/images/load?quiet=1", out)


def push(i):
    repo = "%s/bench/push-%d-%d" % (registry, os.getpid(), i)
    call("POST", "/images/%s/tag?repo=%s&tag=1" % (name, repo))
    call("POST", "/images/%s/push?tag=1" % repo)
    call("DELETE", "/images/%s:1" % repo)


result, rss = {}, None
if exe:
    rss, out = os.pipe()
    sampler = os.fork()
    if not sampler:
        sample(out)
    os.close(out)
timed("load", lambda _: gone(), load)
timed("save", lambda _: None, lambda _: call("GET", "/images/%s/get" % name))
timed("push", fresh, push)
timed("pull", lambda _: gone(), lambda _: call("POST", "/images/create?fromImage=" + base))
if exe:
    os.kill(sampler, signal.SIGTERM)
    os.waitpid(sampler, 0)
result["rss"] = int(os.read(rss, 32)) if exe else None
print(json.dumps(result))
