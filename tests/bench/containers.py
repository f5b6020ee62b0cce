#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""containers.py CORACLE SOCKET ENGINE_PID [PEER_SOCKET]: many containers, exec, and streams

The engine at SOCKET (its supervisor is ENGINE_PID) has an image "busybox", and so has the one at
PEER_SOCKET, which is measured in the same run: ratios are printed. BENCH_MANY is how many containers
"many" is (500; the peer gets none of them), BENCH_MB how much comes through a stream (300),
BENCH_TAIL_MB how large the log is whose end is read (1000).
BENCH_PARTS picks some of exec, twenty, many, streams, tail, copies.

Behind the table each figure is a line of its own for programs: name value unit peer peer_value ratio goal,
words without blanks, "-" for what there is not.
"""
import http.client, json, os, re, shutil, socket, statistics, subprocess, sys, threading, time

coracle, sock, supervisor = sys.argv[1], sys.argv[2], int(sys.argv[3])
peer = sys.argv[4] if len(sys.argv) > 4 and sys.argv[4] else None
MANY = int(os.environ.get("BENCH_MANY", "500"))
MB = int(os.environ.get("BENCH_MB", "300"))
TAIL_MB = int(os.environ.get("BENCH_TAIL_MB", "1000"))
PARTS = os.environ.get("BENCH_PARTS", "exec twenty many streams tail copies").split()
stock = os.environ.get("DOCKER_CLI") or shutil.which("docker")
none = ["--network", "none"]


class Engine(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=600)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def api(host, method, where, body=None):
    e = Engine(host)
    e.request(method, where, json.dumps(body) if body is not None else None,
              {"Content-Type": "application/json"} if body is not None else {})
    answer = e.getresponse()
    data = answer.read()
    e.close()
    if answer.status >= 400:
        sys.exit("%s %s: %d %s" % (method, where, answer.status, data.decode()))
    return json.loads(data) if data else None


def create(host, **more):
    body = {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}}
    body.update(more)
    return api(host, "POST", "/containers/create", body)["Id"]


def start(host, c):
    api(host, "POST", "/containers/%s/start" % c)


def remove(host, c):
    api(host, "DELETE", "/containers/%s?force=1" % c)


def took(command, host):
    begin = time.perf_counter()
    done = subprocess.run(command, env=dict(os.environ, DOCKER_HOST="unix://" + host), stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit("%s: %s" % (" ".join(command), done.stderr.decode()))
    return (time.perf_counter() - begin) * 1000


def medians(commands, n=20):
    times = {name: [] for name in commands}
    for i in range(n + 1):
        for name, (command, host) in commands.items():
            t = took(command, host)
            if i:
                times[name].append(t)
    return {name: statistics.median(t) for name, t in times.items()}


lines = []  # for programs


def word(text):
    return re.sub(r"[^a-z0-9.<>=-]+", "_", text.lower()).strip("_") or "-"


def row(what, ours, theirs=None, unit="ms", goal="", faster=True):
    ratio = "%.1fx" % (theirs / ours if faster else ours / theirs) if theirs else ""
    other = "%.1f" % theirs if theirs else "-"
    print("%-58s %9.1f %-4s %9s %9s  %s" % (what, ours, unit, other, ratio, goal), flush=True)
    lines.append("%s %.1f %s %s %s %s %s" % (word(what), ours, unit, "docker" if theirs else "-", other, ratio or "-",
                                             goal.replace(" ", "") or "-"))


def parallel(functions):
    """ms until all that were begun at once have ended."""
    barrier = threading.Barrier(len(functions) + 1)

    def run(f):
        barrier.wait()
        f()

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for t in threads:
        t.start()
    barrier.wait()
    begin = time.perf_counter()
    for t in threads:
        t.join()
    return (time.perf_counter() - begin) * 1000


# --- exec ------------------------------------------------------------------------------------------------


def bench_exec():
    commands = {}
    made = []
    for name, host in (("", sock), ("peer ", peer)):
        if host:
            c = create(host)
            start(host, c)
            made.append((host, c))
            commands[name + "version"] = ([stock, "version"], host)
            commands[name + "exec"] = ([stock, "exec", c, "true"], host)
            if host == sock:
                commands["our version"] = ([coracle, "docker", "version"], host)
                commands["our exec"] = ([coracle, "docker", "exec", c, "true"], host)
    m = medians(commands)
    row("stock docker exec true, over docker version", m["exec"] - m["version"],
        peer and m["peer exec"] - m["peer version"], goal="<= 10 ms")
    row("our docker exec true, over our docker version", m["our exec"] - m["our version"],
        peer and m["peer exec"] - m["peer version"], goal="<= 10 ms")
    for host, c in made:
        remove(host, c)


# --- twenty at once --------------------------------------------------------------------------------------


def twenty(host, client):
    """run -d of 20 at once, then rm -f of all, by a client: ms each."""
    names = ["twenty-%d" % i for i in range(20)]
    runs = [lambda n=n: took(client + ["run", "-d", "--name", n] + none + ["busybox", "sleep", "1000"], host) for n in names]
    return parallel(runs), took(client + ["rm", "-f"] + names, host)


def twenty_api(host):
    """The same by the API alone."""
    ids = []

    def run():
        c = create(host)
        start(host, c)
        ids.append(c)

    begun = parallel([run] * 20)
    return begun, parallel([lambda c=c: remove(host, c) for c in ids])


def median_pair(f, n=3):
    pairs = [f() for _ in range(n)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


def bench_twenty():
    ours = median_pair(lambda: twenty(sock, [coracle, "docker"]))
    theirs = median_pair(lambda: twenty(peer, [stock])) if peer else (None, None)
    row("20 docker run -d at once, own client each", ours[0], theirs[0], goal=">= 10x")
    row("docker rm -f of 20, own client each", ours[1], theirs[1], goal=">= 10x")
    ours = median_pair(lambda: twenty_api(sock))
    theirs = median_pair(lambda: twenty_api(peer)) if peer else (None, None)
    row("20 create and start at once, by the API", ours[0], theirs[0], goal=">= 10x")
    row("20 DELETE ?force=1 at once, by the API", ours[1], theirs[1], goal=">= 10x")


# --- many ------------------------------------------------------------------------------------------------


def pss(pids):
    total = 0
    for p in pids:
        try:
            with open("/proc/%d/smaps_rollup" % p) as f:
                total += int(re.search(r"^Pss:\s+(\d+) kB", f.read(), re.M).group(1))
        except OSError:
            pass
    return total


def ours():
    """Pids of the processes that run the binary."""
    exe = os.stat("/proc/%d/exe" % supervisor)
    out = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.samestat(os.stat("/proc/%s/exe" % p), exe):
                out.append(int(p))
        except OSError:
            pass
    return out


def bench_many():
    base = pss(ours())
    ids, times = [], []
    for _ in range(MANY):
        c = create(sock)
        begin = time.perf_counter()
        start(sock, c)
        times.append((time.perf_counter() - begin) * 1000)
        ids.append(c)
    row("each of %d running containers adds, PSS" % MANY, (pss(ours()) - base) / MANY, unit="kB", goal="<= 400 kB")
    early, late = statistics.median(times[5:25]), statistics.median(times[-20:])
    row("start of the 10th (median of 20 around it)", early)
    row("start of the %dth (of the last 20), times that" % MANY, late / early, unit="x", goal="<= 1.5x  (%.1f ms)" % late)
    m = medians({"version": ([coracle, "docker", "version"], sock), "ps": ([coracle, "docker", "ps", "-a"], sock),
                 "stock version": ([stock, "version"], sock), "stock ps": ([stock, "ps", "-a"], sock)}, 10)
    row("our docker ps -a of %d, over our docker version" % MANY, m["ps"] - m["version"], goal="<= 30 ms")
    row("stock docker ps -a of %d, over docker version" % MANY, m["stock ps"] - m["stock version"], goal="<= 30 ms")
    begin = time.perf_counter()
    took([coracle, "docker", "rm", "-f"] + ids, sock)
    row("docker rm -f of %d, each" % MANY, (time.perf_counter() - begin) * 1000 / MANY)


# --- streams ---------------------------------------------------------------------------------------------


def receive(s, until=None):
    """Bytes until the end, or until as many came."""
    total, room = 0, bytearray(1 << 20)
    while until is None or total < until:
        n = s.recv_into(room)
        if not n:
            break
        total += n
    return total


def raw(host, text):
    """Send a request; the socket when its head was answered, and what came behind the head."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(host)
    s.sendall(text.encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += s.recv(65536)
    return s, len(head.split(b"\r\n\r\n", 1)[1])


PRINT = "yes 0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz | head -c %d >/tmp/f; echo ready; read x; exec cat /tmp/f"


def stream(host, driver, tty=False):
    """MB/s out of an attached container, and then out of its log (None without)."""
    c = create(host, Cmd=["sh", "-c", PRINT % (MB << 20)], OpenStdin=True, Tty=tty,
               HostConfig={"NetworkMode": "none", "LogConfig": {"Type": driver, "Config": {}}})
    s, _ = raw(host, "POST /containers/%s/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
               "Upgrade: tcp\r\nContent-Length: 0\r\n\r\n" % c)
    start(host, c)
    s.recv(65536)
    begin = time.perf_counter()
    s.sendall(b"\n")
    live = receive(s) / 1e6 / (time.perf_counter() - begin)
    s.close()
    api(host, "POST", "/containers/%s/wait" % c)
    log = None
    if driver != "none":
        begin = time.perf_counter()
        s, early = raw(host, "GET /containers/%s/logs?stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n" % c)
        log = (early + receive(s)) / 1e6 / (time.perf_counter() - begin)
        s.close()
    remove(host, c)
    return live, log


def bench_streams():
    for driver in ("none", "json-file", "local"):
        live, log = stream(sock, driver)
        theirs, their_log = stream(peer, driver) if peer else (None, None)
        row("attached stdout, log driver %s" % driver, live, theirs, "MB/s", ">= 300 MB/s", faster=False)
        if log:
            row("docker logs, log driver %s" % driver, log, their_log, "MB/s", ">= 300 MB/s", faster=False)


# --- the end of a long log -------------------------------------------------------------------------------

LINE = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"
ENTRY = len('{"log":"\\n","stream":"stdout","time":"2026-01-02T03:04:05.123456789Z"}\n') + len(LINE)


def tail(host):
    """ms that the last 100 lines of a json-file log of TAIL_MB take, by the API."""
    n = TAIL_MB * 1000000 // ENTRY
    c = create(host, Cmd=["sh", "-c", "yes %s | head -n %d; echo the end" % (LINE, n)],
               HostConfig={"NetworkMode": "none", "LogConfig": {"Type": "json-file", "Config": {}}})
    start(host, c)
    api(host, "POST", "/containers/%s/wait" % c)
    times = []
    for _ in range(11):
        begin = time.perf_counter()
        e = Engine(host)
        e.request("GET", "/containers/%s/logs?stdout=1&tail=100" % c)
        text = e.getresponse().read()
        e.close()
        times.append((time.perf_counter() - begin) * 1000)
        if text.count(b"\n") < 100 or b"the end" not in text:
            sys.exit("the tail of the log is %r" % text[-300:])
    remove(host, c)
    return statistics.median(times)


def bench_tail():
    ours = tail(sock)
    theirs = tail(peer) if peer else None
    row("docker logs --tail 100 of a json-file log of %d MB" % TAIL_MB, ours, theirs, goal="milliseconds")


# --- copies ----------------------------------------------------------------------------------------------


def copies(host):
    """MB/s of one large file out of a container, and into it."""
    c = create(host, Cmd=["sh", "-c", (PRINT % (MB << 20)).replace("echo ready; read x; exec cat /tmp/f", "touch /tmp/ready; exec sleep 1000")])
    start(host, c)
    while True:
        e = Engine(host)
        e.request("HEAD", "/containers/%s/archive?path=/tmp/ready" % c)
        if e.getresponse().status == 200:
            break
    begin = time.perf_counter()
    s, early = raw(host, "GET /containers/%s/archive?path=/tmp/f HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n" % c)
    out = (early + receive(s)) / 1e6 / (time.perf_counter() - begin)
    s.close()
    size = MB << 20
    head = ("copied".ljust(100, "\0") + "0000644\0" + "0000000\0" * 2 + "%011o\0" % size + "%011o\0" % 0 + " " * 8 + "0").ljust(257, "\0") + "ustar\00000"
    head = head.ljust(512, "\0")
    head = head[:148] + "%06o\0 " % sum(head.encode()) + head[156:]
    begin = time.perf_counter()
    s = socket.socket(socket.AF_UNIX)
    s.connect(host)
    s.sendall(b"PUT /containers/%s/archive?path=/tmp HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
              % (c.encode(), size + 1536) + head.encode())
    block = b"x" * (1 << 20)
    for _ in range(MB):
        s.sendall(block)
    s.sendall(bytes(1024))
    if b" 200 " not in s.recv(4096):
        sys.exit("the copy into the container failed")
    into = size / 1e6 / (time.perf_counter() - begin)
    s.close()
    remove(host, c)
    return out, into


def bench_copies():
    out, into = copies(sock)
    their_out, their_into = copies(peer) if peer else (None, None)
    row("docker cp of %d MB out of a container" % MB, out, their_out, "MB/s", faster=False)
    row("docker cp of %d MB into a container" % MB, into, their_into, "MB/s", faster=False)


print("%-58s %14s %9s %9s  goal" % ("", "coracle", "peer", "ratio"))
for name in PARTS:
    globals()["bench_" + name]()
print()
print("\n".join(lines))
