#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""relay_load.py peer PORT          - echo for any number of connections; says "up"
relay_load.py flows PORT N        - hold N connections to the peer; a line after each step, the next with a line of stdin
relay_load.py rate PORT N         - N connections one after the other, some at a time: connect, one echo, close
relay_load.py paced PORT N        - the same, PER_SECOND of them in each second
relay_load.py datagrams PORT N    - N UDP flows at once, the largest datagram through each

Prints what was seen, and is silent about nothing: each connection must be made, and get its own echo."""
import errno
import select
import socket
import sys
import time

PEER = "198.51.100.2"
PORTS = 8  # of the peer: one alone has too few pairs of ports, as each rests for a minute
AT_ONCE = 200  # connections under way
PER_SECOND, BURST = 1000, 10
WAIT = 60  # s; for anything
LARGEST = 65507


def peer(port):
    listeners = {}
    for i in range(PORTS):
        s = socket.create_server((PEER, port + i), backlog=4096)
        s.setblocking(False)
        listeners[s.fileno()] = s
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    udp.bind((PEER, port))
    poll, socks = select.epoll(), {}
    for fd in listeners:
        poll.register(fd, select.EPOLLIN)
    poll.register(udp, select.EPOLLIN)
    print("up", flush=True)
    while True:
        for fd, _ in poll.poll():
            if fd in listeners:
                try:
                    while True:
                        s = listeners[fd].accept()[0]
                        s.setblocking(False)
                        socks[s.fileno()] = s
                        poll.register(s, select.EPOLLIN)
                except BlockingIOError:
                    continue
            if fd == udp.fileno():
                data, who = udp.recvfrom(1 << 16)
                udp.sendto(data, who)
                continue
            try:
                data = socks[fd].recv(4096)
                if data:
                    socks[fd].send(data)
            except OSError:
                data = b""
            if not data:
                poll.unregister(fd)
                socks.pop(fd).close()


def begin(port, i):
    s = socket.socket()
    s.setblocking(False)
    code = s.connect_ex((PEER, port + i % PORTS))
    assert code in (0, errno.EINPROGRESS), errno.errorcode[code]
    return s


def number(i):
    return b"%08d" % i


def echo_all(socks):
    """Each of a dict {number: socket} is sent its number and must send it back; yields (number, socket)."""
    poll, wanted = select.epoll(), {}
    for i, s in socks.items():
        wanted[s.fileno()] = (i, s)
        poll.register(s, select.EPOLLOUT)
    while wanted:
        ready = poll.poll(WAIT)
        assert ready, "%d of %d are not answered" % (len(wanted), len(socks))
        for fd, events in ready:
            i, s = wanted[fd]
            code = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            assert not code, "connection %d: %s" % (i, errno.errorcode[code])
            if events & select.EPOLLOUT:
                s.send(number(i))
                poll.modify(fd, select.EPOLLIN)
                continue
            got = s.recv(64)
            assert got == number(i), "connection %d got %r" % (i, got)
            poll.unregister(fd)
            del wanted[fd]
            yield i, s


def flows(port, n):
    held = {}
    for first in range(0, n, AT_ONCE):
        held.update(echo_all({i: begin(port, i) for i in range(first, min(n, first + AT_ONCE))}))
    print("%d connections" % len(held), flush=True)
    sys.stdin.readline()
    print("%d echoes" % sum(1 for _ in echo_all(held)), flush=True)
    sys.stdin.readline()
    for s in held.values():
        s.close()
    print("closed", flush=True)


def rate(port, n, at_once=AT_ONCE, per_second=None):
    began, done, late = time.monotonic(), 0, 0
    while done < n:
        if per_second:
            ahead = began + done / per_second - time.monotonic()
            late = max(late, -ahead)
            time.sleep(max(0, ahead))
        for _, s in echo_all({i: begin(port, i) for i in range(done, min(n, done + at_once))}):
            s.close()
            done += 1
    print("%d connections" % done)
    if per_second:
        print("%.0f ms behind at most" % (late * 1000), file=sys.stderr)
    print("%.0f a second" % (done / (time.monotonic() - began)), file=sys.stderr)


def paced(port, n):
    rate(port, n, BURST, PER_SECOND)


def datagrams(port, n):
    socks = []
    for i in range(n):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(WAIT)
        s.connect((PEER, port))
        data = number(i) + bytes(LARGEST - 8)
        s.send(data)
        assert s.recv(1 << 16) == data, i
        socks.append(s)
    print("%d flows" % len(socks))


try:
    {"peer": peer, "flows": flows, "rate": rate, "paced": paced, "datagrams": datagrams}[sys.argv[1]](*map(int, sys.argv[2:]))
except (AssertionError, OSError) as e:
    sys.exit("%s: %r" % (sys.argv[1], e))
