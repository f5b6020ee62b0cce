# SPDX-License-Identifier: MIT
"""One table of all benchmarks, as JSON and as a chart: report.py LOG JSON SVG

A benchmark prints, besides its own table, a line for each figure: NAME VALUE UNIT PEER PEER-VALUE RATIO
GOAL, seven words, "-" for what there is not.  RATIO is "4.1x", how much better than the peer, whichever way
better is.  This gathers them; what it prints is the table of those that have a peer or a goal."""
import json
import os
import re
import sys
from xml.sax.saxutils import escape

LINE = re.compile(r"^([A-Za-z0-9][^\s]*) (-?[0-9.]+) (\S+) (\S+) (-|-?[0-9.]+) (\S+) (\S+)$")


def figures(log):
    for line in open(log, errors="replace"):
        m = LINE.match(line.strip())
        if m:
            name, value, unit, peer, peer_value, ratio, goal = m.groups()
            yield {"name": name.replace("_", " "), "value": float(value), "unit": unit,
                   "peer": None if peer == "-" else peer.replace("_", " "),
                   "peer_value": None if peer_value == "-" else float(peer_value),
                   "ratio": float(ratio.rstrip("x")) if re.fullmatch(r"[0-9.]+x", ratio) else None,
                   "goal": None if goal == "-" else goal.replace("_", " ")}


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": os.uname().release.split("-")[0]}


def chart(rows, on):
    """Bars: how many times better than the peer; the line is the peer."""
    bar, left, width = 22, 330, 640
    peers = {r["peer"] for r in rows}
    beside = "rootless Docker" if peers == {"docker"} else "its peers"
    top = max([r["ratio"] for r in rows] + [2])
    scale = (width - left - 70) / top
    height = 70 + bar * len(rows)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">' % (width, height),
           '<rect width="100%" height="100%" fill="#fff"/>',
           '<text x="10" y="20" font-size="14">Coracle beside %s: how many times better</text>' % beside,
           '<text x="10" y="38" fill="#666">%s, %d CPUs, Linux %s</text>' % (escape(on["cpu"]), on["cpus"], escape(on["kernel"]))]
    for i, r in enumerate(rows):
        y = 50 + i * bar
        label = r["name"] + (" (%s)" % r["peer"] if len(peers) > 1 else "")
        out.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (left - 8, y + 14, escape(label[:52])))
        out.append('<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>' % (
            left, y + 3, r["ratio"] * scale, bar - 7, "#2a7ab0" if r["ratio"] >= 1 else "#b08a2a"))
        out.append('<text x="%.1f" y="%d">%.2f×</text>' % (left + r["ratio"] * scale + 5, y + 14, r["ratio"]))
    x = left + scale
    out.append('<line x1="%.1f" y1="48" x2="%.1f" y2="%d" stroke="#333" stroke-dasharray="3 3"/></svg>' % (x, x, height - 16))
    return "\n".join(out) + "\n"


log, to_json, to_svg = sys.argv[1:4]
rows, on = list(figures(log)), machine()
if not rows:
    sys.exit("no figures in %s" % log)
print("\n%-52s %10s %-7s %-22s %10s %7s  goal" % ("all figures", "coracle", "", "peer", "", "ratio"))
for r in rows:
    print("%-52s %10g %-7s %-22s %10s %7s  %s" % (
        r["name"][:52], r["value"], r["unit"], (r["peer"] or "-")[:22], "-" if r["peer_value"] is None else "%g" % r["peer_value"],
        "-" if r["ratio"] is None else "%.2fx" % r["ratio"], r["goal"] or ""))
json.dump({"machine": on, "figures": rows}, open(to_json, "w"), indent=1)
with open(to_svg, "w") as f:
    # Beside the real engine, if it was there: the others are measured for single things.
    compared = [r for r in rows if r["ratio"] is not None]
    f.write(chart([r for r in compared if r["peer"] == "docker"] or compared, on))
print("\n%s\n%s" % (to_json, to_svg))
