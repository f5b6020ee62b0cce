#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""relay.py connections ADDRESS SECONDS - connections a second to an echo on port 7, each with one byte
relay.py latency ADDRESS COUNT        - microseconds of a one-byte request and its answer: median, 99 %"""
import socket
import sys
import time

what, address, amount = sys.argv[1], sys.argv[2], float(sys.argv[3])


def ask(s):
    s.sendall(b"x")
    s.recv(1)


if what == "connections":
    began, n = time.monotonic(), 0
    while time.monotonic() - began < amount:
        with socket.create_connection((address, 7)) as s:
            ask(s)
        n += 1
    print("%.0f" % (n / (time.monotonic() - began)))
else:
    times = []
    with socket.create_connection((address, 7)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(int(amount)):
            began = time.perf_counter()
            ask(s)
            times.append(time.perf_counter() - began)
    times.sort()
    print("%.0f %.0f" % (times[len(times) // 2] * 1e6, times[len(times) * 99 // 100] * 1e6))
