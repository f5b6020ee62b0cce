# SPDX-License-Identifier: MIT
"""tests/vm/agent.py - inside the virtual machine: runs what the tests ask for

A line of JSON on the virtio port asks: {"id", "argv", "user", "env"}.  Lines answer: {"id", "fd",
"data"} for what it printed (base64; fd 1 or 2), and {"id", "status"} at its end.  {"hello": BOOT}
is sent first, and again when the host says {"hi"}.  With a user it runs as `machinectl shell` would
have it: a transient unit with PAM's login, so that logind has a session for it.
"""
import base64
import glob
import json
import os
import subprocess
import threading

LOGIN = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--service-type=exec", "-p", "PAMName=login"]


def port_open():
    for name in glob.glob("/sys/class/virtio-ports/*/name"):
        with open(name) as f:
            if f.read().strip() == "coracle":
                return open("/dev/" + name.split("/")[-2], "r+b", buffering=0)
    raise SystemExit("no virtio port is named coracle")


port = port_open()
lock = threading.Lock()


def tell(**what):
    data = memoryview(json.dumps(what).encode() + b"\n")
    with lock:
        while data:
            data = data[port.write(data):]


def relay(number, fd, stream):
    while data := stream.read1(32768):
        tell(id=number, fd=fd, data=base64.b64encode(data).decode())


def run(ask):
    argv = ask["argv"]
    env = [f"--setenv={k}={v}" for k, v in ask.get("env", {}).items()]
    if ask.get("user"):
        argv = LOGIN + ["--uid", ask["user"]] + env + ["--"] + [a.replace("$", "$$") for a in argv]  # systemd expands ${...}
    try:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             cwd="/root", env={**os.environ, "HOME": "/root", "LC_ALL": "C"})
    except OSError as e:
        tell(id=ask["id"], fd=2, data=base64.b64encode(f"{e}\n".encode()).decode())
        return tell(id=ask["id"], status=127)
    relays = [threading.Thread(target=relay, args=(ask["id"], fd, s)) for fd, s in ((1, p.stdout), (2, p.stderr))]
    for r in relays:
        r.start()
    status = p.wait()
    for r in relays:
        r.join()
    tell(id=ask["id"], status=status if status >= 0 else 128 - status)


with open("/proc/sys/kernel/random/boot_id") as f:
    tell(hello=f.read().strip())
while line := port.readline():
    threading.Thread(target=run, args=(json.loads(line),), daemon=True).start()
