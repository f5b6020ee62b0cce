#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""port_box.py - services of a container, TCP and UDP, on both families; says "up" when all listen

 80  says who is asking, then echoes       81  a reset after the first byte"""
import socket
import struct
import threading


def who(address):
    return address[0].removeprefix("::ffff:").encode() + b"\n"


def serve(c, address, port):
    try:
        if port == 81:
            c.recv(1)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            c.sendall(who(address))
            while data := c.recv(1 << 16):
                c.sendall(data)
    except OSError:
        pass
    c.close()


def tcp(s, port):
    while True:
        threading.Thread(target=serve, args=(*s.accept(), port), daemon=True).start()


def udp(s):
    while True:
        data, address = s.recvfrom(1 << 16)
        s.sendto(who(address) if data == b"who\n" else data, address)


datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
datagrams.bind(("::", 80))
listeners = [(socket.create_server(("::", p), family=socket.AF_INET6, dualstack_ipv6=True), p) for p in (80, 81)]
for one in listeners:
    threading.Thread(target=tcp, args=one, daemon=True).start()
print("up", flush=True)
udp(datagrams)
