#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""await.py - wait for a thing that has no descriptor to wait on

  await.py SECONDS URL TEXT           until what URL gives contains TEXT
  await.py --empty SECONDS DIR UID    until DIR (looked at with UID's subordinate ids) is empty

Looks ten times a second; status 1 when the time is over.
"""
import subprocess, sys, time, urllib.request


def seen(url, text):
    try:
        return text in urllib.request.urlopen(url, timeout=5).read().decode()
    except OSError:
        return False


def empty(folder, uid):
    ls = ["unshare", "--user", "--map-root-user", "--map-auto", "ls", "-A", folder]
    become = {"user": int(uid), "group": int(uid)} if __import__("os").getuid() == 0 else {}
    r = subprocess.run(ls, capture_output=True, cwd="/", **become)
    return r.returncode == 0 and not r.stdout.strip()


test, args = (empty, sys.argv[2:]) if sys.argv[1] == "--empty" else (seen, sys.argv[1:])
end = time.monotonic() + float(args[0])
while not test(*args[1:]):
    if time.monotonic() > end:
        sys.exit(1)
    time.sleep(0.1)
