#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""attach.py SOCKET [PEER_SOCKET]: what a network costs a container, in ms

Both engines have an image "busybox".  Requests go over one connection, and what a ping takes on it is taken off; they
alternate between the engines, and the median of BENCH_RUNS (30) counts.  "start" is what starting with a network
takes more than without one."""
import http.client, json, os, socket, statistics, sys, time

N = int(os.environ.get("BENCH_RUNS", "30"))
NETWORK = "coracle-bench-%d" % os.getpid()


class Engine:
    def __init__(self, path):
        self.http = http.client.HTTPConnection("d")
        self.http.sock = socket.socket(socket.AF_UNIX)
        self.http.sock.connect(path)
        self.times = {}

    def ask(self, method, path, body=None, name=None):
        began = time.perf_counter()
        self.http.request(method, path, json.dumps(body or {}), {"Content-Type": "application/json"})
        answer = self.http.getresponse()
        text = answer.read()
        if name:
            self.times.setdefault(name, []).append((time.perf_counter() - began) * 1000)
        if answer.status >= 400:
            sys.exit("%s %s: %s" % (method, path, text.decode()))
        return json.loads(text) if text.startswith(b"{") else None

    def create(self, network):
        return self.ask("POST", "/containers/create", {"Image": "busybox", "Cmd": ["sleep", "1000"],
                                                      "HostConfig": {"NetworkMode": network}})["Id"]

    def start(self, network, name=None):
        c = self.create(network)
        self.ask("POST", "/containers/%s/start" % c, name=name)
        return c

    def remove(self, c):
        self.ask("DELETE", "/containers/%s?force=1" % c)

    def setup(self):
        self.ask("POST", "/networks/create", {"Name": NETWORK})
        self.held = self.start("bridge")

    def once(self):
        self.ask("GET", "/_ping", name="ping")
        self.ask("POST", "/networks/%s/connect" % NETWORK, {"Container": self.held}, "connect")
        self.ask("POST", "/networks/%s/disconnect" % NETWORK, {"Container": self.held}, "disconnect")
        for network in "none", "bridge":
            self.remove(self.start(network, network))

    def cleanup(self):
        self.remove(self.held)
        self.ask("DELETE", "/networks/" + NETWORK)

    def result(self):
        m = {k: statistics.median(v) for k, v in self.times.items()}
        return {"connect": m["connect"] - m["ping"], "disconnect": m["disconnect"] - m["ping"], "start": m["bridge"] - m["none"]}


engines = [Engine(path) for path in sys.argv[1:]]
for e in engines:
    e.setup()
for _ in range(N):
    for e in engines:
        e.once()
for e in engines:
    e.cleanup()
results = [e.result() for e in engines]
print("a network for a container, ms more than a ping (start: than without a network)")
for name, goal in ("connect", "<=3"), ("disconnect", "-"), ("start", "<=3"):
    ours, theirs = results[0][name], results[1][name] if len(results) > 1 else None
    print("%-12s %8.2f   goal %-5s%s" % (name, ours, goal, "   the real engine %.1f, %.1fx" % (theirs, theirs / ours) if theirs else ""))
print()
for name, goal in ("connect", "<=3"), ("disconnect", "-"), ("start", "<=3"):
    ours, theirs = results[0][name], results[1][name] if len(results) > 1 else None
    print("attach.%s %.2f ms" % (name, ours), *("docker %.2f %.1fx" % (theirs, theirs / ours) if theirs else "- - -").split(), goal)
