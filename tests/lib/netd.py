#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""netd.py CORACLE EXEC_ROOT - start netd without an engine, and pass requests on to it

Run as root of a user namespace (unshare -Urm).  Prints the pids of netd and of itself when it is up, then for each line of
JSON on stdin one line with the answer; at the end of stdin netd is told to stop."""
import json
import os
import socket
import subprocess
import sys

coracle, root = sys.argv[1:]
ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY)


def descriptors():
    a, b = os.dup2(its.fileno(), 50), os.dup2(directory, 51)
    os.dup2(a, 3)
    os.dup2(b, 4)


subprocess.Popen([coracle, ":netd", "strict"], preexec_fn=descriptors, close_fds=False)
its.close()
hello, fds, _, _ = socket.recv_fds(ours, 65536, 4)
hello = json.loads(hello)
if "pid" not in hello:
    sys.exit("netd: " + hello.get("error", "?"))
print(hello["pid"], os.getpid(), flush=True)
for line in sys.stdin:
    ours.send(line.encode())
    print(ours.recv(65536).decode(), flush=True)
ours.send(b'{"op": "stop"}')
ours.recv(65536)
