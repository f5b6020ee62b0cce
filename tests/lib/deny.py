#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""deny.py SYSCALL[,SYSCALL...] ERRNO CMD... - run CMD with system calls failing (x86_64 and arm64).

SYSCALL may go on with numbers for its first arguments, "socket:16:*:12": only those calls fail, "*" is any, and
"&0x10000000" any that has this bit: "unshare:&0x10000000" is the one that makes a user namespace.  clone3 has its flags
in memory, where no filter looks.  What a security module or a kernel of another build refuses, refused here by a
seccomp filter.
"""
import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {
    "x86_64": {"mount": 165, "unshare": 272, "setns": 308, "socket": 41, "setsockopt": 54, "clone": 56, "clone3": 435,
               "openat2": 437},
    "aarch64": {"mount": 40, "unshare": 97, "setns": 268, "socket": 198, "setsockopt": 208, "clone": 220, "clone3": 435,
                "openat2": 437},
}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_EQUAL, JUMP_BITS, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000


class Filter(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def program(call, error):
    name, *arguments = call.split(":")
    wanted = [(0, JUMP_EQUAL, NUMBERS[platform.machine()][name])]  # offset in struct seccomp_data, test, value
    for i, a in enumerate(arguments):
        if a != "*":
            wanted.append((16 + 8 * i, JUMP_BITS if a[0] == "&" else JUMP_EQUAL, int(a.lstrip("&"), 0)))
    steps = []
    for i, (offset, test, value) in enumerate(wanted):
        steps += [(LOAD, 0, 0, offset), (test, 0, 2 * (len(wanted) - i) - 1, value)]
    steps += [(RETURN, 0, 0, FAIL | error), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *i) for i in steps)


libc = ctypes.CDLL(None, use_errno=True)
# Root needs no such promise, and what it starts may want set-user-ID programs.
if os.geteuid() and libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
    sys.exit("no_new_privs cannot be set")
for call in sys.argv[1].split(","):
    code = program(call, getattr(errno, sys.argv[2]))
    given = Filter(len(code) // 8, code)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(given), 0, 0):
        sys.exit(f"no seccomp filter: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[3], sys.argv[3:])
