#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""http_hostile.py SOCKET: send what no client should send; the server answers 4xx or closes, and lives

Prints a line a case: "ok - NAME" or "not ok - NAME: WHY".
"""
import json, os, socket, sys

path = sys.argv[1]


def connect(timeout=20):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    s.connect(path)
    return s


def exchange(data, half_close=False):
    """Send bytes (or an iterable of them), return what came back; b'' when closed without a word."""
    s = connect()
    try:
        for part in [data] if isinstance(data, bytes) else data:
            s.sendall(part)
    except (BrokenPipeError, ConnectionResetError):
        pass
    if half_close:
        s.shutdown(socket.SHUT_WR)
    out = b""
    try:
        while True:
            got = s.recv(65536)
            if not got:
                break
            out += got
            head, _, rest = out.partition(b"\r\n\r\n")
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:") and len(rest) >= int(line.split(b":")[1]):
                    return out
    except ConnectionResetError:
        pass
    finally:
        s.close()
    return out


def alive():
    return exchange(b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").endswith(b"OK")


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def case(name, data, want=range(400, 500), half_close=False):
    try:
        got = status(exchange(data, half_close))
        if got and got not in want:
            print(f"not ok - http: {name}: answered {got}")
        elif not alive():
            print(f"not ok - http: {name}: the engine does not answer any more")
        else:
            print(f"ok - http: {name} ({got or 'closed'})")
    except (socket.timeout, ConnectionRefusedError) as e:
        print(f"not ok - http: {name}: {e!r}")
    sys.stdout.flush()


create = b"POST /v1.51/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"


def with_body(body, head=create):
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(*chunks):
    return create + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks)


case("a header of 2 MB", b"GET /_ping HTTP/1.1\r\nHost: d\r\nX: " + b"x" * 2_000_000 + b"\r\n\r\n")
case("100 000 headers", b"GET /_ping HTTP/1.1\r\nHost: d\r\n" + b"X: y\r\n" * 100_000 + b"\r\n")
case("a path of 200 KB", b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: d\r\n\r\n")
case("100 000 query parameters", b"GET /_ping?" + b"a=b&" * 50_000 + b" HTTP/1.1\r\nHost: d\r\n\r\n")
case("binary noise", os.urandom(100_000) + b"\r\n\r\n")
case("a NUL in the path", b"GET /_ping%00x HTTP/1.1\r\nHost: d\r\n\r\n")
case("no request, half closed", b"", half_close=True)
case("half a head, half closed", b"GET /_ping HT", half_close=True)
case("a chunk size that is no number", chunked(b"zz\r\n{}\r\n0\r\n\r\n"))
case("a chunk size of 2^64", chunked(b"ffffffffffffffff\r\n{}"))
case("a chunk without its end", chunked(b"2\r\n{}xx0\r\n\r\n"))
case("a chunk size line of 1 MB", chunked(b"1;" + b"x" * 1_000_000 + b"\r\n"))
case("a chunked body cut off", chunked(b"100\r\n{"), half_close=True)
case("a body shorter than promised", create + b"Content-Length: 100\r\n\r\n{", half_close=True)
case("a body of 10 EB promised", create + b"Content-Length: 10000000000000000000\r\n\r\n{", half_close=True)
case("JSON nested 10 000 deep", with_body(b"[" * 10_000 + b"]" * 10_000))
case("JSON objects nested 10 000 deep", with_body(b'{"a":' * 10_000 + b"1" + b"}" * 10_000))
deep = (b"[" * 10_000 + b"]" * 10_000 + b",") * 3300
case("64 MB of JSON nested 10 000 deep", with_body(b"[" + deep + b"0]"))
case("64 MB of one string", with_body(b'{"Image":"' + b"x" * 64_000_000 + b'"}'))
case("64 MB of chunks of a byte", (create + b"Transfer-Encoding: chunked\r\n\r\n",
                                   *[b"1\r\n \r\n" * 10_000] * 1000, b"0\r\n\r\n"))
case("an image name of 1 MB", with_body(json.dumps({"Image": "x" * 1_000_000}).encode()))
case("Cmd of 100 000 words for an absent image",
     with_body(json.dumps({"Image": "absent", "Cmd": ["x"] * 100_000}).encode()))
case("wrong types everywhere", with_body(json.dumps({
    "Image": {"a": 1}, "Cmd": {"x": []}, "Env": 5, "HostConfig": ["x"], "Labels": "no"}).encode()))
case("filters that are no JSON", b"GET /v1.51/containers/json?filters=%7B%7B HTTP/1.1\r\nHost: d\r\n\r\n")
case("a name with a slash and dots", with_body(b"{}", b"POST /v1.51/containers/create?name=..%2F..%2Fx "
     b"HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"))
case("request smuggling by two framings", create +
     b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n")

# Slow clients: many that say half a word hold nobody else up.
slow = []
for _ in range(200):
    s = connect()
    s.sendall(b"GET /_ping HTTP/1.1\r\nHos")
    slow.append(s)
print("ok - http: 200 slow clients" if alive() else "not ok - http: 200 slow clients: nobody else is served")
for s in slow:
    s.sendall(b"t: d\r\nConnection: close\r\n\r\n")
late = sum(s.recv(4096).startswith(b"HTTP/1.1 200") for s in slow)
print("ok - http: and are served when they finish" if late == 200 else
      f"not ok - http: and are served when they finish: {late} of 200")
for s in slow:
    s.close()

# A client that never reads its answer, and one that leaves in the middle of it.
s = connect()
for _ in range(200):
    try:
        s.setblocking(False)
        s.send(b"GET /v1.51/info HTTP/1.1\r\nHost: d\r\n\r\n" * 20)
    except BlockingIOError:
        break
print("ok - http: a client that never reads" if alive() else "not ok - http: a client that never reads: stuck")
s.close()
print("ok - http: and leaves" if alive() else "not ok - http: and leaves: dead")
