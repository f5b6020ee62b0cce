#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""start.py CORACLE SOCKET ENGINE_PID [PEER_SOCKET]: what starting costs, in time and memory

The engine at SOCKET (its supervisor is ENGINE_PID) has an image "busybox". PEER_SOCKET, another
engine with such an image, is measured in the same run and ratios are printed. Commands alternate,
so that a busy moment of the machine hits both; the median of N runs counts.
"""
import os, re, shutil, statistics, subprocess, sys, time

coracle, sock, supervisor = sys.argv[1], sys.argv[2], int(sys.argv[3])
peer = sys.argv[4] if len(sys.argv) > 4 and sys.argv[4] else None
N = int(os.environ.get("BENCH_RUNS", "30"))
stock = os.environ.get("DOCKER_CLI") or shutil.which("docker")
run = ["run", "--rm", "--network", "none", "busybox", "true"]


def took(command, host):
    start = time.perf_counter()
    done = subprocess.run(command, env=dict(os.environ, DOCKER_HOST="unix://" + host),
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.decode()}")
    return (time.perf_counter() - start) * 1000


def medians(commands, n=N):
    times = {name: [] for name in commands}
    for name, (command, host) in commands.items():
        took(command, host)
    for _ in range(n):
        for name, (command, host) in commands.items():
            times[name].append(took(command, host))
    return {name: statistics.median(t) for name, t in times.items()}


def rollup(pid, field="Pss"):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return int(re.search(rf"^{field}:\s+(\d+) kB", f.read(), re.M).group(1))


def tree(root):
    """Pids of ours below a process: those that run the same binary."""
    exe = os.stat(f"/proc/{root}/exe")
    parents = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{p}/stat") as f:
                parents[int(p)] = int(f.read().rpartition(")")[2].split()[1])
        except OSError:
            pass
    out, todo = [], [root]
    while todo:
        p = todo.pop()
        try:
            if os.path.samestat(os.stat(f"/proc/{p}/exe"), exe):
                out.append(p)
        except OSError:
            pass
        todo += [c for c, parent in parents.items() if parent == p]
    return out


lines = []  # the same for programs: name value unit peer peer_value ratio goal


def row(what, ours, theirs=None, unit="ms", goal=""):
    lines.append(" ".join([what.strip().replace(" ", "_"), f"{ours:.1f}", unit] + (
        ["docker", f"{theirs:.1f}", f"{theirs / ours:.2f}x"] if theirs else ["-"] * 3) + [goal.replace(" ", "_") or "-"]))
    ratio = f"{theirs / ours:8.1f}x" if theirs else " " * 9
    print(f"{what:58} {ours:9.1f} {unit:3} {f'{theirs:9.1f}' if theirs else '        -'} {ratio}  {goal}")


print(f"{'':58} {'coracle':>13} {'peer':>9} {'ratio':>9}  goal")
commands = {"version": ([stock, "version"], sock), "run": ([stock] + run, sock),
            "our run": ([coracle, "docker"] + run, sock)}
if peer:
    commands |= {"peer version": ([stock, "version"], peer), "peer run": ([stock] + run, peer)}
m = medians(commands)
over = m["run"] - m["version"]
row("stock docker version", m["version"], m.get("peer version"))
row("stock docker run --rm --network none busybox true", m["run"], m.get("peer run"))
row("the same, over docker version", over, peer and m["peer run"] - m["peer version"], goal="<= 25 ms")
row("our docker run, in all", m["our run"], m.get("peer run"), goal="<= 20 ms")

idle = tree(supervisor)
row("supervisor + engine idle, PSS", sum(map(rollup, idle)), unit="kB", goal="<= 6144 kB RSS")
row("supervisor + engine idle, private", sum(rollup(p, "Private_Dirty") + rollup(p, "Private_Clean") for p in idle), unit="kB")
before = set(tree(supervisor))
base = sum(map(rollup, before))
count = 20
names = [f"bench-{i}" for i in range(count)]
for n in names:
    took([coracle, "docker", "run", "-d", "--name", n, "--network", "none", "busybox", "sleep", "1000"], sock)
after = tree(supervisor)
row(f"each of {count} running containers adds, PSS", (sum(map(rollup, after)) - base) / count, unit="kB",
    goal="<= 400 kB")
took([coracle, "docker", "rm", "-f"] + names, sock)
print()
print("\n".join(lines))
