#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pg_ask.py ADDRESS PORT QUERY - the first value that PostgreSQL answers, spoken to directly

For a host without its client: protocol 3.0, user postgres, a server that trusts us."""
import socket
import struct
import sys

s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20)
stream = s.makefile("rb")
start = struct.pack("!I", 3 << 16) + b"user\0postgres\0database\0postgres\0\0"
s.sendall(struct.pack("!I", len(start) + 4) + start)
query = sys.argv[3].encode() + b"\0"
while True:
    head = stream.read(5)
    if len(head) < 5:
        sys.exit("the server has closed the connection")
    kind, body = head[:1], stream.read(struct.unpack("!I", head[1:])[0] - 4)
    if kind == b"Z":
        if not query:
            sys.exit("no row")
        s.sendall(b"Q" + struct.pack("!I", len(query) + 4) + query)
        query = b""
    elif kind == b"D":
        size = struct.unpack("!i", body[2:6])[0]
        print(body[6:6 + size].decode() if size >= 0 else "null")
        break
    elif kind == b"E":
        sys.exit(body.replace(b"\0", b" ").decode())
