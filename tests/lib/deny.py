#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""deny.py SYSCALL ERRNO CMD... - run CMD with one system call failing (x86_64 and arm64).

SYSCALL may go on with numbers for its first arguments, "socket:16:*:12": only those calls fail, "*" is any.
What a security module or a kernel of another build refuses, refused here by a seccomp filter.
"""
import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {
    "x86_64": {"mount": 165, "unshare": 272, "setns": 308, "socket": 41, "setsockopt": 54},
    "aarch64": {"mount": 40, "unshare": 97, "setns": 268, "socket": 198, "setsockopt": 208},
}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000

name, *arguments = sys.argv[1].split(":")
wanted = [(0, NUMBERS[platform.machine()][name])]  # offset in struct seccomp_data, value
wanted += [(16 + 8 * i, int(a)) for i, a in enumerate(arguments) if a != "*"]
steps = []
for i, (offset, value) in enumerate(wanted):
    steps += [(LOAD, 0, 0, offset), (JUMP_EQUAL, 0, 2 * (len(wanted) - i) - 1, value)]
steps += [(RETURN, 0, 0, FAIL | getattr(errno, sys.argv[2])), (RETURN, 0, 0, ALLOW)]
program = b"".join(struct.pack("=HBBI", *i) for i in steps)


class Filter(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


libc = ctypes.CDLL(None, use_errno=True)
given = Filter(len(program) // 8, program)
# Root needs no such promise, and what it starts may want set-user-ID programs.
if os.geteuid() and libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
        libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(given), 0, 0):
    sys.exit(f"no seccomp filter: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[3], sys.argv[3:])
