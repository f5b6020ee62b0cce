#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""explained_cli.py GOLDEN MINE EXCEPTIONS VERSION: transcripts of commands that differ, and no line explains it

GOLDEN       directory with cli_capture.py and its records, cli/NAME.txt
MINE         what cli_capture.py recorded of another engine, or by another client
EXCEPTIONS   lines of three fields, tabs between them: pattern of cases, pattern of a line that differs,
             reason (shell patterns; "#" starts a comment).  "NAME@other" is about clients of another
             version than the records' alone, a reason that begins with "sometimes" may find nothing.
VERSION      what the client says that MINE was made with: "Docker version 28.5.2+..., build ..."

Prints an "ok - " line for each command, and one for the exceptions: each has to be of use.
"""
import difflib, fnmatch, os, re, sys

golden, mine, known, version = sys.argv[1:5]
sys.dont_write_bytecode = True
sys.path.insert(0, golden)
import cli_capture


def version_of(text):
    return re.match(r"Docker version (\d+\.\d+)", text).group(1)


def exceptions(path, other):
    found = []
    with open(path) as f:
        for number, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = [x.strip() for x in line.split("\t") if x.strip()]
            if len(fields) != 3:
                sys.exit(f"{path}:{number}: {len(fields)} fields, not 3")
            case, _, only = fields[0].partition("@")
            if not only or other:
                found.append([case, fields[1], fields[2], number, 0])
    return found


def blocks(directory, name):
    _, out = cli_capture.parts(os.path.join(directory, name + ".txt"))
    for k in cli_capture.LOOSE.get(name, ()):
        out.pop(k, None)
    if name in cli_capture.SORTED:
        out = {k: "\n".join(sorted(set(v.split("\n")))) for k, v in out.items()}
    return out


def differences(a, b):
    for k in sorted(set(a) | set(b)):
        lines = difflib.unified_diff((a.get(k) or "").splitlines(), (b.get(k) or "").splitlines(), n=0, lineterm="")
        for line in list(lines)[2:]:
            if not line.startswith("@@") and line[1:].strip():
                yield f"{k} {line}"


with open(os.path.join(golden, "cli", "version-flag.txt")) as f:
    recorded = version_of(f.read().split("--- stdout\n", 1)[1])
known = exceptions(known, version_of(version) != recorded)
for name in sorted(x[:-4] for x in os.listdir(os.path.join(golden, "cli")) if x.endswith(".txt")):
    if not os.path.exists(os.path.join(mine, name + ".txt")):
        print(f"not ok - stock client: {name}: it was not played")
        continue
    left = []
    for line in differences(blocks(os.path.join(golden, "cli"), name), blocks(mine, name)):
        hits = [x for x in known if fnmatch.fnmatchcase(name, x[0]) and fnmatch.fnmatchcase(line.split(" ", 1)[1][1:].strip(), x[1])]
        for x in hits:
            x[4] += 1
        if not hits:
            left.append(line)
    print(f"not ok - stock client: {name}: " + " | ".join(left)[:2000] if left else f"ok - stock client: {name}")
idle = [f"line {x[3]}: {x[0]}" for x in known if not x[4] and not x[2].startswith("sometimes")]
print("not ok - stock client: exceptions: nothing is explained by " + ", ".join(idle) if idle else "ok - stock client: each exception explains something")
