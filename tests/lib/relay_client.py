#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""relay_client.py WHERE - in a container: everything that the relay must carry; "ok - …" lines"""
import errno
import hashlib
import os
import select
import socket
import struct
import sys
import time

WHERE = sys.argv[1]
PEERS = {"v4": "198.51.100.2", "v6": "2001:db8::2"}
FLOWS = 1000
LONG = 20  # s; nothing here takes as long


def connect(address, port, timeout=LONG):
    return socket.create_connection((address, port), timeout=timeout)


def read_all(s):
    parts = []
    while data := s.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def fails_with(code, address, port, timeout=LONG):
    began = time.monotonic()
    try:
        connect(address, port, timeout)
    except OSError as e:
        if code == errno.ETIMEDOUT and isinstance(e, TimeoutError):
            return
        assert e.errno == code, e
        assert time.monotonic() - began < LONG / 2, "it took too long"
    else:
        raise AssertionError("connected")


def refused(address):
    fails_with(errno.ECONNREFUSED, address, 1)


def upload(address):
    data = os.urandom(1 << 20) * 16
    with connect(address, 10) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        assert read_all(s).decode() == hashlib.sha256(data).hexdigest()


def download(address):
    """The peer half-closes first, and goes on reading."""
    with connect(address, 11) as s:
        data = read_all(s)
        assert len(data) == (16 << 20) + 64, len(data)
        assert hashlib.sha256(data[:-64]).hexdigest().encode() == data[-64:]
        s.sendall(b"x" * 100000)
        s.shutdown(socket.SHUT_WR)


def reset(address):
    with connect(address, 12) as s:
        s.sendall(b"xx")
        try:
            assert s.recv(1) == b"x", "an end instead of a reset"
        except ConnectionResetError:
            return
    raise AssertionError("no reset")


def urgent(address):
    with connect(address, 7) as s:
        s.sendall(b"a")
        s.send(b"b", socket.MSG_OOB)
        s.sendall(b"c")
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b"abc"


def ping_pong(address):
    with connect(address, 7) as s:
        for i in range(200):
            s.sendall(b"%03d" % i)
            assert s.recv(3) == b"%03d" % i


def many(address):
    socks = [connect(address, 7) for _ in range(FLOWS)]
    for i, s in enumerate(socks):
        s.sendall(b"%06d" % i)
    for i, s in enumerate(socks):
        assert s.recv(6) == b"%06d" % i
    for s in socks:
        s.close()


def udp(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(LONG)
        s.connect((address, 7))
        for size in (0, 1, 1400, 9000, 60000, 65507 if family == socket.AF_INET else 65487):
            s.send(b"u" * size)
            assert len(s.recv(1 << 16)) == size, size


def udp_refused(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(LONG)
        s.connect((address, 1))
        s.send(b"x")
        try:
            s.recv(1)
        except ConnectionRefusedError:
            return
    raise AssertionError("an answer")


def udp_many(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    socks = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(FLOWS)]
    for i, s in enumerate(socks):
        s.settimeout(LONG)
        s.connect((address, 7))
        s.send(b"%06d" % i)
        assert s.recv(64) == b"%06d" % i
        s.close()


def echo_request(v6, ident, seq, data):
    head = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, ident, seq)
    if v6:
        return head + data  # the kernel makes the sum
    total = sum(struct.unpack("!%dH" % ((len(head) + len(data)) // 2), head + data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBHHH", 8, 0, ~total & 0xFFFF, ident, seq) + data


def ping(address):
    v6 = ":" in address
    family = socket.AF_INET6 if v6 else socket.AF_INET
    s = socket.socket(family, socket.SOCK_RAW, socket.getprotobyname("ipv6-icmp" if v6 else "icmp"))
    s.settimeout(LONG)
    for seq, size in enumerate((8, 56, 4000)):
        s.sendto(echo_request(v6, 4711, seq, b"p" * size), (address, 0))
        while True:
            answer, peer = s.recvfrom(1 << 16)
            answer = answer if v6 else answer[20:]
            if answer[0] == (129 if v6 else 0):
                break
        assert peer[0] == address, peer
        assert struct.unpack("!HH", answer[4:8]) == (4711, seq)
        assert answer[8:] == b"p" * size


def slow_reader(address):
    """Nobody takes what is sent: the sender must block, and nothing may spin."""
    s = connect(address, 9)
    s.setblocking(False)
    block, sent, digest = os.urandom(1 << 16), 0, hashlib.sha256()
    while select.select([], [s], [], 0.5)[1]:
        n = s.send(block)
        digest.update(block[:n])
        sent += n
    assert sent < 64 << 20, "%d bytes are somewhere" % sent
    print("blocked", flush=True)
    sys.stdin.readline()
    assert not select.select([], [s], [], 1)[1], "it went on by itself"
    print("a second later, too", flush=True)
    sys.stdin.readline()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as u:
        u.settimeout(LONG)
        u.connect((address, 9))
        u.send(b"go")
        u.recv(64)
    s.setblocking(True)
    s.settimeout(LONG)
    s.shutdown(socket.SHUT_WR)
    assert read_all(s).decode() == "%d %s" % (sent, digest.hexdigest())


def case(name, function, *args):
    try:
        function(*args)
        print("ok - %s: %s" % (WHERE, name), flush=True)
    except (AssertionError, OSError) as e:
        print("not ok - %s: %s: %r" % (WHERE, name, e), flush=True)


CASES = ((refused, "a closed port is refused"), (ping_pong, "small messages"),
         (upload, "16 MiB out, half-closed by the container"), (download, "16 MiB in, half-closed by the peer"),
         (reset, "a reset"), (urgent, "urgent data stays in its place"), (many, "%d connections" % FLOWS),
         (udp, "datagrams of all sizes"), (udp_refused, "a closed UDP port"), (udp_many, "%d UDP flows" % FLOWS),
         (ping, "ping"))
if len(sys.argv) > 2 and sys.argv[2] == "slow":
    case("a peer that does not read", slow_reader, PEERS["v4"])
    sys.exit()
for version, peer in PEERS.items():
    for function, name in CASES:
        case("%s, %s" % (name, version), function, peer)
case("a filtered port times out", fails_with, errno.ETIMEDOUT, "198.51.100.9", 7, 1)
case("an unreachable network", fails_with, errno.ENETUNREACH, "203.0.113.5", 7)
case("an unreachable network, v6", fails_with, errno.ENETUNREACH, "2001:db8:9::5", 7)
