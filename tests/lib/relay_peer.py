#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""relay_peer.py - services of a machine elsewhere, on both families; says "up" when all listen

 7  echo, TCP and UDP             9  reads nothing until told to by a datagram to port 9
10  SHA-256 of what was sent     11  sends SIZE bytes, then their SHA-256, and half-closes; then echoes
12  a reset after the first byte 13  says who is asking"""
import hashlib
import os
import socket
import struct
import threading

SIZE = 16 << 20
ADDRESSES = ((socket.AF_INET, "198.51.100.2"), (socket.AF_INET6, "2001:db8::2"))
go_on = threading.Event()


def read_all(c):
    digest, total = hashlib.sha256(), 0
    while data := c.recv(1 << 16):
        digest.update(data)
        total += len(data)
    return digest.hexdigest().encode(), total


def echo(c):
    while data := c.recv(1 << 16):
        c.sendall(data)


def hash_it(c):
    c.sendall(read_all(c)[0])


def send(c):
    block = os.urandom(1 << 20)
    digest = hashlib.sha256()
    for _ in range(SIZE >> 20):
        c.sendall(block)
        digest.update(block)
    c.sendall(digest.hexdigest().encode())
    c.shutdown(socket.SHUT_WR)
    read_all(c)


def slow(c):
    go_on.wait()
    digest, total = read_all(c)
    c.sendall(b"%d %s" % (total, digest))


def reset(c):
    c.recv(1)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def who(c):
    c.sendall(c.getpeername()[0].encode())


def serve(listener, service):
    def one(c):
        with c:
            try:
                service(c)
            except OSError:
                pass

    while True:
        threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


def serve_udp(s):
    while True:
        data, peer = s.recvfrom(1 << 16)
        s.sendto(data, peer)


def serve_go(s):
    while True:
        data, peer = s.recvfrom(64)
        go_on.set()
        s.sendto(data, peer)


threading.stack_size(65536)
for family, address in ADDRESSES:
    for port, service in ((7, echo), (9, slow), (10, hash_it), (11, send), (12, reset), (13, who)):
        listener = socket.create_server((address, port), family=family, backlog=4096)
        threading.Thread(target=serve, args=(listener, service), daemon=True).start()
    for port, service in ((7, serve_udp), (9, serve_go)):
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.bind((address, port))
        threading.Thread(target=service, args=(s,), daemon=True).start()
print("up", flush=True)
threading.Event().wait()
