#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""copy_interrupted.py SOCKET IMAGE: copies that overlap with starts, removals and clients that go

A start waits for who has the container's files open; a removal and everything else do not.
"""
import http.client, io, json, os, select, signal, socket, sys, tarfile, threading

path, image = sys.argv[1], sys.argv[2]


class Engine(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("engine", timeout=60)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(path)


def call(method, where, body=None):
    e = Engine()
    e.request(method, where, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"} if body is not None else {})
    answer = e.getresponse()
    data = answer.read()
    return answer.status, json.loads(data) if data.strip() else None


def create():
    status, j = call("POST", "/containers/create", {"Image": image, "Cmd": ["sleep", "1000"]})
    assert status == 201, (status, j)
    return j["Id"]


def archive(size):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        info = tarfile.TarInfo("copied")
        info.size = size
        t.addfile(info, io.BytesIO(b"c" * size))
    return out.getvalue()


def half_put(container, data, half):
    """Send a PUT's first half; the connection, when the engine has begun to unpack."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    s.sendall(b"PUT /containers/%s/archive?path=/tmp HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
              % (container.encode(), len(data)))
    assert s.recv(100).startswith(b"HTTP/1.1 100"), "no 100 Continue"
    s.sendall(data[:half])
    return s


def state(container):
    return call("GET", "/containers/%s/json" % container)[1]["State"]["Status"]


# A start waits for the end of the copy, and then sees what was copied.
c, data = create(), archive(200000)
put = half_put(c, data, 100000)
started = []
starter = threading.Thread(target=lambda: started.append(call("POST", "/containers/%s/start" % c)[0]))
starter.start()
starter.join(0.3)
assert not started and state(c) == "created", "it was started while its files were open elsewhere: %r" % started
put.sendall(data[100000:])
assert put.recv(100).startswith(b"HTTP/1.1 200"), "the copy failed"
starter.join(30)
assert started == [204] and state(c) == "running", (started, state(c))
status, _ = call("HEAD", "/containers/%s/archive?path=/tmp/copied" % c)
assert status == 200, status

# A running one can be stopped and removed under a copy that does not go on.
put = half_put(c, data, 100000)
status, j = call("POST", "/containers/%s/kill" % c)
assert status == 204, (status, j)
status, j = call("DELETE", "/containers/%s?force=1" % c)
assert status in (204, 409), (status, j)
put.close()

# A client that goes in the middle leaves a container that starts.
c = create()
half_put(c, data, 100000).close()
assert call("POST", "/containers/%s/start" % c)[0] == 204

# A reader that stops reading, and goes.
assert call("POST", "/containers/%s/exec" % c, {"Cmd": ["true"]})[0] == 201
s = socket.socket(socket.AF_UNIX)
s.connect(path)
s.sendall(b"GET /containers/%s/archive?path=/ HTTP/1.1\r\nHost: d\r\n\r\n" % c.encode())
assert s.recv(4096).startswith(b"HTTP/1.1 200")


def workers():
    out = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                if b"\0:archive" in f.read():
                    out.append(int(pid))
        except OSError:
            pass
    return out


# The process that packs dies: the body must not look whole.
pids = workers()
assert len(pids) == 1, pids
os.kill(pids[0], signal.SIGKILL)
body = b""
while True:
    got = s.recv(1 << 20)
    if not got:
        break
    body = (body + got)[-64:]
assert not body.endswith(b"0\r\n\r\n"), "half an archive looked whole"
s.close()
s = socket.socket(socket.AF_UNIX)
s.connect(path)
s.sendall(b"GET /containers/%s/archive?path=/ HTTP/1.1\r\nHost: d\r\n\r\n" % c.encode())
s.recv(4096)
pidfds = [os.pidfd_open(p) for p in workers()]
s.close()
for fd in pidfds:
    assert select.select([fd], [], [], 30)[0], "a process outlives its client"
assert call("DELETE", "/containers/%s?force=1" % c)[0] == 204
