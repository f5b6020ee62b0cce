#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""port_dns.py ADDRESS [ANSWER] - a name server that knows "*.example"; says "up" when it listens

A is ANSWER, 192.0.2.1, TXT too much for a datagram; everything else has no data, and no other name is known."""
import socket
import struct
import sys
import threading


def answer(query, limit):
    end = query.index(0, 12) + 5
    kind = struct.unpack("!H", query[end - 4:end - 2])[0]
    ours = query[:end - 4].lower().endswith(b"\x07example\0")
    data = {1: [socket.inet_aton(known)], 16: [b"\x7f" + b"t" * 127] * 20}.get(kind, []) if ours else []
    body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(d)) + d for d in data)
    cut = 12 + end + len(body) > limit
    flags = 0x8180 | (0x0200 if cut else 0) | (0 if ours else 3)
    head = query[:2] + struct.pack("!HHHHH", flags, 1, 0 if cut else len(data), 0, 0)
    return head + query[12:end] + (b"" if cut else body)


def stream(s):
    while True:
        c = s.accept()[0]
        with c:
            f = c.makefile("rb")
            out = answer(f.read(struct.unpack("!H", f.read(2))[0]), 65535)
            c.sendall(struct.pack("!H", len(out)) + out)


known = sys.argv[2] if len(sys.argv) > 2 else "192.0.2.1"
tcp = socket.create_server((sys.argv[1], 53))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((sys.argv[1], 53))
threading.Thread(target=stream, args=(tcp,), daemon=True).start()
print("up", flush=True)
while True:
    question, who = udp.recvfrom(4096)
    udp.sendto(answer(question, 1232), who)
