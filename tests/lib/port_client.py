#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""port_client.py WHAT ADDRESS PORT - a client of port_box.py

 tcp, udp   print whom the container sees     half   send, half-close, and print how much came back
 big        the size of a datagram's echo     reset  print "reset" if that is how a connection ends
 many       2000 connections, some at once; print how many saw their echo
 hold       say "held", then echo a line with each line of stdin"""
import socket
import sys

what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
kind = socket.SOCK_DGRAM if what in ("udp", "big") else socket.SOCK_STREAM
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
s.settimeout(60)
if what not in ("reset", "many"):
    s.connect((address, port))
lines = s.makefile("rb")
if what == "tcp":
    print(lines.readline().decode().strip())
elif what == "udp":
    s.send(b"who\n")
    print(s.recv(100).decode().strip())
elif what == "big":
    s.send(bytes(60000))
    print(len(s.recv(1 << 16)))
elif what == "half":
    lines.readline()
    s.sendall(bytes(1 << 20))
    s.shutdown(socket.SHUT_WR)
    print(len(lines.read()))
elif what == "reset":
    try:
        s.connect((address, port))
        s.send(b"x")
        print("an end" if not s.recv(1) else "data")
    except ConnectionResetError:
        print("reset")
elif what == "many":
    done = 0
    while done < 2000:
        some = [socket.create_connection((address, port), 60) for _ in range(50)]
        for one in some:
            one.sendall(b"echo\n")
        for one in some:
            text = one.makefile("rb")
            text.readline()
            done += text.readline() == b"echo\n"
            one.close()
    print(done)
elif what == "hold":
    lines.readline()
    print("held", flush=True)
    for line in sys.stdin.buffer:
        s.sendall(line)
        print(lines.readline().decode().strip(), flush=True)
