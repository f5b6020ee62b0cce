#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/vm/vm.py - start a virtual machine, and ask it for things

usage: vm.py serve DIR COMMAND...               start qemu, and pass on what is asked at DIR/ask
       vm.py run DIR [-u USER] [-t SECONDS] [-e NAME=VALUE] -- COMMAND...
       vm.py reboot DIR [-t SECONDS]            status 0 once its next boot is ready

What is asked before the machine is up waits for it; what was not answered when it ends gets
status 255 and the end of its console.  run prints what the command printed, and has its status
(124: not in time).
"""
import argparse
import base64
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Machine:
    def __init__(self, where, argv):
        self.where, self.lock, self.ready = where, threading.Lock(), threading.Condition()
        self.boots, self.next, self.waiting, self.port = 0, 1, {}, None
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{where}/channel")
        listener.listen(1)
        self.ask = socket.socket(socket.AF_UNIX)
        self.ask.bind(f"{where}/ask.new")
        self.ask.listen(16)
        os.rename(f"{where}/ask.new", f"{where}/ask")  # whoever sees it can connect
        end_with_parent()
        self.qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, preexec_fn=end_with_parent)
        threading.Thread(target=self.end, daemon=True).start()
        threading.Thread(target=self.clients, daemon=True).start()
        self.port, _ = listener.accept()
        for line in self.port.makefile("rb"):
            self.heard(line)
        self.qemu.wait()
        os._exit(self.finish())

    def end(self):
        self.qemu.wait()
        os._exit(self.finish())

    def finish(self):
        try:
            with open(f"{self.where}/console", errors="replace") as f:
                tail = "".join(f.readlines()[-30:])
        except OSError:
            tail = ""
        with self.lock:
            for client in self.waiting.values():
                self.answer(client, fd=2, data=base64.b64encode(f"the machine ended:\n{tail}".encode()).decode())
                self.answer(client, status=255)
        return 0

    @staticmethod
    def answer(client, **what):
        try:
            client.sendall(json.dumps(what).encode() + b"\n")
        except OSError:
            pass

    def heard(self, line):
        try:
            what = json.loads(line)
        except ValueError:
            return  # half a line from before a reboot
        if "hello" in what:
            with self.ready:
                self.boots += 1
                self.ready.notify_all()
            return
        with self.lock:
            client = self.waiting.get(what["id"])
            if client is None:
                return
            self.answer(client, **what)
            if "status" in what:
                del self.waiting[what["id"]]

    def clients(self):
        while True:
            client, _ = self.ask.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        line = client.makefile("rb").readline()
        if not line:
            return
        what = json.loads(line)
        with self.lock:
            what["id"] = self.next
            self.next += 1
            self.waiting[what["id"]] = client
        with self.ready:
            self.ready.wait_for(lambda: self.boots)
            before = self.boots
        if what.get("reboot"):
            what["argv"] = ["systemctl", "reboot"]
            with self.lock:
                del self.waiting[what["id"]]
        with self.lock:
            self.port.sendall(json.dumps(what).encode() + b"\n")
        if what.get("reboot"):
            with self.ready:
                self.ready.wait_for(lambda: self.boots > before)
            self.answer(client, status=0)


def request(where, timeout, **what):
    """Ask, print what comes, return the status."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        try:
            s.connect(f"{where}/ask")
            s.sendall(json.dumps(what).encode() + b"\n")
            for line in s.makefile("rb"):
                got = json.loads(line)
                if "status" in got:
                    return got["status"]
                os.write(got["fd"], base64.b64decode(got["data"]))
        except TimeoutError:
            print(f"not answered in {timeout} s", file=sys.stderr)
            return 124
        except OSError as e:
            print(f"the machine does not run: {e}", file=sys.stderr)
    return 255


def main():
    if len(sys.argv) > 3 and sys.argv[1] == "serve":
        Machine(sys.argv[2], sys.argv[3:])
    p = argparse.ArgumentParser(prog="vm.py")
    p.add_argument("verb", choices=["run", "reboot"])
    p.add_argument("dir")
    p.add_argument("-u", "--user")
    p.add_argument("-t", "--timeout", type=int, default=600)
    p.add_argument("-e", "--env", action="append", default=[])
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    a = p.parse_args(sys.argv[1:cut])
    if a.verb == "reboot":
        sys.exit(request(a.dir, a.timeout, reboot=True))
    env = dict(e.split("=", 1) for e in a.env)
    sys.exit(request(a.dir, a.timeout, argv=sys.argv[cut + 1:], user=a.user, env=env))


main()
