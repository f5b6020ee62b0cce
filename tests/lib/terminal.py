#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""terminal.py IMAGE CLIENT...: what a person at a terminal does with `CLIENT run -ti`

CLIENT is the words that start a docker client. Prints "ok - tty: …" lines.
"""
import fcntl, os, pty, select, signal, struct, sys, termios, time

image, client = sys.argv[1], sys.argv[2:]


class Terminal:
    def __init__(self, *args, rows=24, cols=80):
        self.out = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(client[0], client + list(args))
        self.size(rows, cols)

    def size(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def type(self, text):
        os.write(self.fd, text)

    def wait_for(self, text, timeout=30):
        """Read until the output holds text; everything up to it is used up."""
        end = time.monotonic() + timeout
        while text not in self.out:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                return False
            try:
                got = os.read(self.fd, 65536)
            except OSError:
                got = b""
            if not got:
                return False
            self.out += got
        self.out = self.out.split(text, 1)[1]
        return True

    def ended(self, timeout=30):
        """Exit status as a shell counts it, or None."""
        pidfd = os.pidfd_open(self.pid)
        end = time.monotonic() + timeout
        while True:  # keep reading: a full terminal would hold the client up
            left = end - time.monotonic()
            if left <= 0:
                os.kill(self.pid, signal.SIGKILL)
            ready, _, _ = select.select([pidfd, self.fd], [], [], max(left, 1))
            if self.fd in ready:
                try:
                    self.out += os.read(self.fd, 65536)
                    continue
                except OSError:
                    select.select([pidfd], [], [], max(left, 1))
            if pidfd in ready or left <= 0:
                status = os.waitpid(self.pid, 0)[1]
                os.close(self.fd)
                return None if left <= 0 else os.waitstatus_to_exitcode(status)


def say(name, good, why=""):
    print(f"ok - tty: {name}" if good else f"not ok - tty: {name}: {why}", flush=True)


t = Terminal("run", "--rm", "-ti", "--network", "none", image, "sh", rows=31, cols=97)
say("a prompt", t.wait_for(b"# "), repr(t.out))
t.type(b"stty size\r")
say("the terminal's size at the start", t.wait_for(b"31 97"), repr(t.out))
t.wait_for(b"# ")
t.size(41, 121)
os.kill(t.pid, signal.SIGWINCH)
# The shell inside is told by a signal; ask until it is so.
good = False
for _ in range(50):
    t.type(b"stty size\r")
    if t.wait_for(b"41 121", 0.3):
        good = True
        break
say("and after a resize", good, repr(t.out))
t.type(b"test -t 0 && echo is-a-$((40+2))-tty\r")
say("it is a tty", t.wait_for(b"is-a-42-tty"), repr(t.out))
# What runs says when it is ready to be interrupted, and a status nobody else would give.
t.type(b"sh -c 'trap \"exit 7\" INT; echo go-$((40+2)); while :; do sleep 9; done'; echo status=$?\r")
t.wait_for(b"go-42")
t.type(b"\x03")
say("Ctrl-C interrupts what runs, not the shell", t.wait_for(b"status=7"), repr(t.out))
t.type(b"exit 42\r")
got = t.ended()
say("the exit code", got == 42, f"{got} after {t.out!r}")

t = Terminal("run", "--rm", "-ti", "--network", "none", image, "sh", "-c", "exit 3")
say("a short command", t.ended() == 3)

t = Terminal("run", "--name", "tty-detach", "-ti", "--network", "none", image, "sh")
t.wait_for(b"# ")
t.type(b"\x10\x11")
got = t.ended()
say("Ctrl-P Ctrl-Q detaches", got == 0, got)
t = Terminal("attach", "tty-detach")
t.type(b"echo again-$((40+2))\r")
say("attach goes on with the same shell", t.wait_for(b"again-42"), repr(t.out))
t.type(b"exit 5\r")
got = t.ended()
say("and ends with its exit code", got == 5, got)
t = Terminal("exec", "-ti", "tty-detach", "sh")
say("exec into one that has ended fails", t.ended() == 1)
t = Terminal("rm", "tty-detach")
say("rm", t.ended() == 0)
