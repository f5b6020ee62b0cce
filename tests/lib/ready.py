#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ready.py PIDFILE LOG COMMAND...: start a daemon and return when it says it is ready

Waits for READY=1 on a notification socket (sd_notify(3)) or the daemon's end, whichever comes
first; nothing is polled. Status 0: it runs and its pid is in PIDFILE. Else its status, and the
end of its log on stderr.
"""
import os, select, socket, subprocess, sys

pidfile, log, *command = sys.argv[1:]
where = log + ".notify"
if os.path.exists(where):
    os.unlink(where)
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(where)
with open(log, "ab") as out:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                             env=dict(os.environ, NOTIFY_SOCKET=where), start_new_session=True)
pidfd = os.pidfd_open(child.pid)
while True:
    ready, _, _ = select.select([sock, pidfd], [], [], 60)
    if sock in ready and b"READY=1" in sock.recv(4096):
        with open(pidfile, "w") as f:
            f.write(str(child.pid))
        os.unlink(where)
        sys.exit(0)
    if pidfd in ready or not ready:
        if not ready:
            child.kill()
        status = child.wait()
        sys.stderr.write(open(log, errors="replace").read()[-4000:])
        sys.exit(status if 0 < status < 126 else 1)
