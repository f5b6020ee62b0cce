#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""images.py - time load, save, push and pull of one image, and the memory they take

usage: images.py SOCKET NAME ARCHIVE REGISTRY [EXE]    (of an engine; EXE: its binary, whose processes' memory counts)

Prints one line of JSON: {"load": seconds, "save": …, "push": …, "pull": …, "rss": bytes or null}.
Each is the best of RUNS (3); the first push goes to an empty repository, the others too.
"""
import http.client, json, os, socket, sys, threading, time

path, name, archive, registry = sys.argv[1:5]
exe = sys.argv[5] if len(sys.argv) > 5 else None
runs = int(os.environ.get("RUNS", 3))
base = registry + "/bench/pull:1"


class Engine(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("engine", timeout=600)

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


def sample(peak, stop):
    """Resident memory of all processes of the binary together, as often as can be."""
    while not stop.wait(0.02):
        total = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink("/proc/%s/exe" % pid) == exe:
                    with open("/proc/%s/statm" % pid) as f:
                        total += int(f.read().split()[1]) * 4096
            except OSError:
                pass
        peak[0] = max(peak[0], total)


def gone():
    for ref in (base, name):
        e = Engine()
        e.request("DELETE", "/v1.43/images/%s?force=1" % ref)
        e.getresponse().read()
        e.close()


def timed(what, before, run):
    best = None
    for i in range(runs):
        before()
        start = time.perf_counter()
        run(i)
        took = time.perf_counter() - start
        best = took if best is None else min(best, took)
    result[what] = round(best, 3)


def load(_):
    with open(archive, "rb") as f:
        call("POST", "/images/load?quiet=1", f)


def push(i):
    repo = "%s/bench/push-%d-%d" % (registry, os.getpid(), i)
    call("POST", "/images/%s/tag?repo=%s&tag=1" % (name, repo))
    call("POST", "/images/%s/push?tag=1" % repo)
    call("DELETE", "/images/%s:1" % repo)


result, peak, stop = {}, [0], threading.Event()
if exe:
    threading.Thread(target=sample, args=(peak, stop), daemon=True).start()
timed("load", gone, load)
timed("save", lambda: None, lambda _: call("GET", "/images/%s/get" % name))
# What was pushed once is known by name: an image loaded anew is not.
timed("push", lambda: (gone(), load(0)), push)
timed("pull", gone, lambda _: call("POST", "/images/create?fromImage=" + base))
stop.set()
result["rss"] = peak[0] if exe else None
print(json.dumps(result))
