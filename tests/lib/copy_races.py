#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""copy_races.py SOCKET CONTAINER ROUNDS: copy out of and into paths that change meanwhile

/x/secret is "in", or nothing; never "host".  /a/b is a directory of the container, or nothing.
"""
import http.client, io, socket, sys, tarfile


class Engine(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def archive(name, data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
    return out.getvalue()


path, container, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
engine = Engine(path)
seen = {}
for i in range(rounds):
    for method, where, body in (("GET", "/x/secret", None), ("GET", "/a", None), ("PUT", "/a", archive("b/evil", b"evil")),
                                ("PUT", "/x", archive("secret", b"in\n")), ("HEAD", "/x", None)):
        engine.request(method, "/containers/%s/archive?path=%s" % (container, where), body)
        answer = engine.getresponse()
        data = answer.read()
        if b"host" in data:
            sys.exit("the host's file came out: %r" % data[:1500])
        if answer.status not in (200, 404, 400, 500):
            sys.exit("%s %s: %d %r" % (method, where, answer.status, data[:300]))
        seen[method, where, answer.status] = seen.get((method, where, answer.status), 0) + 1
print(seen)
if not any(status == 200 for _, _, status in seen):
    sys.exit("nothing worked")
