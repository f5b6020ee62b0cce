#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""record_engine.py CLIENT CASES: what a client asks an engine for when it creates containers

CASES is a text of cases: a line "$ OPTIONS" (shell words), then the lines wanted. For each, `CLIENT create
OPTIONS image` is run against an engine that records the request. The lines are what the client printed
("! " in front of standard error), "status N" where that is not 0, and the members of the request
that differ from a request without options: "HostConfig.Memory 67108864".

--write prints the cases with what was found, instead of comparing.
"""
import json, os, shlex, subprocess, sys, tempfile, threading

import stub_engine

write = "--write" in sys.argv
client, cases = [a for a in sys.argv[1:] if a != "--write"]
requests = []


class Handler(stub_engine.Handler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/containers/create" in self.path:
            requests.append((self.path.split("/containers/create", 1)[1], json.loads(body)))
            self.answer(201, b'{"Id":"made","Warnings":[]}')
        else:
            self.answer(204)


def differences(a, b, prefix=""):
    """Members of b that are not as in a, one a line."""
    for k in sorted(set(a) | set(b)):
        x, y = a.get(k), b.get(k)
        if isinstance(x, dict) and isinstance(y, dict) and k != "EndpointsConfig":
            yield from differences(x, y, prefix + k + ".")
        elif x != y:
            yield f"{prefix}{k} {json.dumps(y, sort_keys=True) if k in b else 'is gone'}"


def play(options):
    requests.clear()
    p = subprocess.run([client, "create", *shlex.split(options), "image"], capture_output=True, text=True, env=env,
                       cwd=work, stdin=subprocess.DEVNULL, timeout=30)
    out = [line for line in p.stdout.splitlines() if line != "made"]
    out += ["! " + line if line else "!" for line in p.stderr.splitlines()]
    if p.returncode:
        out.append(f"status {p.returncode}")
    if requests:
        query, body = requests[0]
        out += [f"query {query}"] * bool(query) + list(differences(plain, body) if plain else [])
    return out, requests[0][1] if requests else None


work = tempfile.mkdtemp()
server = stub_engine.Server(work + "/sock", Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
env = {"DOCKER_HOST": f"unix://{work}/sock", "DOCKER_CONFIG": work, "HOME": "/home/u", "OURS": "from-us", "PATH": os.environ["PATH"]}
for name, text in (("env", "X=1\n# note\n OURS\nY=a b\n"), ("labels", "l=v\n"), ("profile", '{ "a": 1 }'), ("bad-env", "A B=1\n")):
    with open(f"{work}/{name}", "w") as f:
        f.write(text)
plain = None
_, plain = play("")

wanted = []
with open(cases) as f:
    for line in f.read().splitlines():
        if line.startswith("$ "):
            wanted.append((line[2:], []))
        elif line and not line.startswith("#"):
            wanted[-1][1].append(line)
for options, want in wanted:
    got = [line.replace(work, "/work") for line in play(options)[0] if line != "!"]
    if write:
        print("\n".join(["$ " + options, *got, ""]))
    elif got == want:
        print(f"ok - create {options}")
    else:
        print(f"not ok - create {options}: {' | '.join(got)}")
