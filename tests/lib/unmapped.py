#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""unmapped.py CMD... - run CMD beside a process in a new user namespace that has no map yet.

@ in an argument becomes that process's pid.  What CMD printed comes first, then its status and
what it left of the maps, one line each: "status N", "uid_map 0 1000 1,...", "gid_map ...",
"setgroups allow".
"""
import ctypes
import os
import subprocess
import sys

CLONE_NEWUSER = 0x10000000
ready, go = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    os.close(go[1])
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
        os._exit(1)
    os.write(ready[1], b"x")
    os.close(ready[1])
    os.read(go[0], 1)
    os._exit(0)
os.close(ready[1])
if not os.read(ready[0], 1):
    sys.exit("no user namespaces here")
where = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY)
os.set_inheritable(where, True)
args = [a.replace("@", str(pid)).replace("FD", str(where)) for a in sys.argv[1:]]
done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, close_fds=False)
print(done.stdout, end="")
print("status", done.returncode)
for name in ("uid_map", "gid_map", "setgroups"):
    with open(f"/proc/{pid}/{name}") as f:
        print(name, ",".join(" ".join(line.split()) for line in f))
os.close(go[1])
os.waitpid(pid, 0)
