#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""network.py FILE METRIC... - GOAL...: measure networks in turn, and print a table

Each line of FILE is a network: NAME PID ADDRESS PORT COMMAND...  COMMAND runs what follows it in that network, PID is the
program that carries its traffic ("-": none but the kernel), ADDRESS and PORT are of an iperf3 server.
METRICs: out, in, out8, in8 (iperf3, 1 and 8 streams, Gb/s), udp (what arrives of as much as can be sent), connections
(a second, one after the other, each with one byte echoed by port 7), request (us, median of one byte and back).
A GOAL is METRIC:NETWORK:PEER:LIMIT, "x1.2" at least that many times the peer's, "+60" at most so much more.

Each metric is taken ROUNDS (5) times for SECONDS_EACH (1), networks in turn so that what else the machine does meets
all of them.  Shown is the median, below it the least and the most; a ratio (or difference) is the median of those that the
rounds had, each within itself.  CPU is that of the whole machine, both ends included, and behind it that of PID,
in seconds for each GB that arrived.  Behind the table each figure is a line for programs:
name value unit peer peer_value ratio goal, words without blanks, "-" for what there is not."""
import json, os, statistics, subprocess, sys, time

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = os.environ.get("SECONDS_EACH", "1")
TICK = os.sysconf("SC_CLK_TCK")
HERE = os.environ.get("RELAY_PY", os.path.join(os.path.dirname(os.path.abspath(__file__)), "relay.py"))
IPERF = {"out": [], "in": ["-R"], "out8": ["-P", "8"], "in8": ["-P", "8", "-R"], "udp": ["-u", "-b", "0", "-l", "1400"]}
UNIT = {"connections": "/s", "request": "us"}

split = sys.argv.index("-")
metrics, goals = sys.argv[2:split], {}
for g in sys.argv[split + 1:]:
    metric, network, peer, limit = g.split(":")
    goals[metric, network, peer] = limit
networks = []
for line in open(sys.argv[1]):
    name, pid, address, port, *command = line.split()
    networks.append((name, pid, address, port, command))


def machine():
    v = list(map(int, open("/proc/stat").readline().split()[1:9]))
    return sum(v), sum(v) - v[3] - v[4]


def process(pid):
    if pid == "-":
        return 0
    v = open("/proc/%s/stat" % pid).read().rpartition(")")[2].split()
    return int(v[11]) + int(v[12])


def settle():
    """Until the machine is idle, if that comes soon."""
    for _ in range(8):
        a = machine()
        time.sleep(0.1)
        b = machine()
        if b[1] - a[1] <= 0.1 * (b[0] - a[0]):
            return


def run(command):
    """What it prints; a way that does not get there in time has no figure."""
    r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True,
                       timeout=15 + 2 * float(SECONDS))
    return r.stdout


def iperf(metric, pid, address, port, command):
    before = machine()[1], process(pid)
    text = run(command + ["iperf3", "-J", "-t", SECONDS, "-c", address, "-p", port] + IPERF[metric])
    after = machine()[1], process(pid)
    end = json.loads(text)["end"]
    got = end.get("sum_received") or end["sum"]
    gb = got["bytes"] * (1 - got.get("lost_percent", 0) / 100) / 1e9
    return (gb * 8 / got["seconds"],) + tuple((b - a) / TICK / gb for a, b in zip(before, after))


def other(metric, address, command):
    amount = SECONDS if metric == "connections" else "5000"
    what = "latency" if metric == "request" else metric
    return float(run(command + ["python3", HERE, what, address, amount]).split()[0]), 0, 0


rounds, cpus = {}, {}  # of (metric, name): {round: value}, {round: (machine, program)}
for r in range(ROUNDS):
    for metric in metrics:
        for name, pid, address, port, command in networks:
            settle()
            try:
                value = iperf(metric, pid, address, port, command) if metric in IPERF else other(metric, address, command)
            except (ValueError, IndexError, KeyError, OSError, ZeroDivisionError, subprocess.TimeoutExpired):
                continue  # this network has not got what that takes
            rounds.setdefault((metric, name), {})[r] = value[0]
            cpus.setdefault((metric, name), {})[r] = value[1:]


def median(metric, name):
    values = rounds.get((metric, name))
    return statistics.median(values.values()) if values else None


cpu = {key: tuple(map(statistics.median, zip(*values.values()))) for key, values in cpus.items()}


def number(v):
    return "-" if v is None else "%.0f" % v if v >= 100 else "%.2f" % v


def verdict(metric, name, peer):
    """Ratio (or difference) to the peer's, and whether the goal is met."""
    ours, theirs, goal = rounds.get((metric, name), {}), rounds.get((metric, peer), {}), goals.get((metric, name, peer))
    both = [(ours[r], theirs[r]) for r in ours if theirs.get(r)]
    if not both:
        return "-", goal or "-", None
    if metric == "request":
        more = statistics.median(a - b for a, b in both)
        return "%+.0f" % more, "<=%s" % goal if goal else "-", goal and more <= float(goal)
    ratio = statistics.median(a / b for a, b in both)
    return "%.2fx" % ratio, ">=%sx" % goal[1:] if goal else "-", goal and ratio >= float(goal[1:])


names = [n[0] for n in networks]
print("%-12s %-5s" % ("", "") + "".join("%13s" % n for n in names))
for metric in metrics:
    row = "".join("%13s" % number(median(metric, n)) for n in names)
    for (m, name, peer), _ in goals.items():
        if m == metric:
            ratio, goal, met = verdict(metric, name, peer)
            row += "   %s of %s, goal %s%s" % (ratio, peer, goal, "" if met is None else ", met" if met else ", MISSED")
    print("%-12s %-5s%s" % (metric, UNIT.get(metric, "Gb/s"), row))
    if ROUNDS > 1:
        spread = [rounds.get((metric, n), {}).values() for n in names]
        print("%-12s %-5s" % ("  rounds", "") + "".join(
            "%13s" % ("%s-%s" % (number(min(s)), number(max(s))) if s else "-") for s in spread))
    if metric in IPERF:
        print("%-12s %-5s" % ("  CPU", "s/GB") + "".join("%13s" % (
            "%.2f (%.2f)" % cpu[metric, n] if (metric, n) in cpu else "-") for n in names))
sys.stdout.flush()
subject = os.environ.get("SUBJECT", names[0])
print()
for metric in metrics:
    for peer in names:
        value = median(metric, subject)
        if peer == subject or value is None:
            continue
        ratio, goal, _ = verdict(metric, subject, peer)
        print(subject + "." + metric, number(value), UNIT.get(metric, "Gb/s"), peer, number(median(metric, peer)), ratio, goal)
    for n in names:
        if (metric, n) in cpu and metric in IPERF:
            print("%s.%s.cpu" % (n, metric), "%.3f" % cpu[metric, n][0], "s/GB", "-", "-", "-", "-")
