#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""deny.py SYSCALL ERRNO CMD... - run CMD with one system call failing (x86_64 and arm64).

What a security module or a kernel of another build refuses, refused here by a seccomp filter.
"""
import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {
    "x86_64": {"mount": 165, "unshare": 272, "setns": 308},
    "aarch64": {"mount": 40, "unshare": 97, "setns": 268},
}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000

number = NUMBERS[platform.machine()][sys.argv[1]]
program = b"".join(struct.pack("=HBBI", *i) for i in (
    (LOAD, 0, 0, 0),
    (JUMP_EQUAL, 0, 1, number),
    (RETURN, 0, 0, FAIL | getattr(errno, sys.argv[2])),
    (RETURN, 0, 0, ALLOW)))


class Filter(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


libc = ctypes.CDLL(None, use_errno=True)
given = Filter(len(program) // 8, program)
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
        libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(given), 0, 0):
    sys.exit(f"no seccomp filter: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[3], sys.argv[3:])
