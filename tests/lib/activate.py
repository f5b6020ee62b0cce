#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""activate.py SOCKET CMD... - run CMD with a listening unix socket, passed as systemd passes it."""
import os
import socket
import sys

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)  # dup2 of 3 to itself changes nothing
os.environ["LISTEN_FDS"] = "1"
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(sys.argv[2], sys.argv[2:])
