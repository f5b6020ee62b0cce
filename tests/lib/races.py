#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""races.py PART SOCKET DATA_ROOT EXE IMAGE SECONDS: everything at once, and nothing left behind

Parts:
    storm   200 containers created, started, exec'ed, copied from and removed by 50 clients
    pairs   two requests that contradict each other, begun at the same moment, SECONDS long
    kills   the same storm, while engine and monitors are killed with SIGKILL, SECONDS long

What there is before and after is counted: descriptors, threads, mounts, processes, directories,
networks, network devices.  What there is more of afterwards was left.  Prints "ok - …" or "not ok - …: …" lines.
"""
import collections, http.client, json, os, random, re, signal, socket, sys, threading, time

part, path, data_root, exe, image, seconds = sys.argv[1:6] + [float(sys.argv[6])]
run_dir = os.path.dirname(path)
network = os.environ.get("RACES_NETWORK", "none")
SETTLE = 60  # seconds until what was removed has to be gone


class Engine(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("engine", timeout=120)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)  # waits for room in the backlog, which one with a time limit does not
        self.sock.settimeout(120)


def call(method, where, body=None):
    """Status and parsed answer; (0, None) if the engine died meanwhile."""
    e = Engine()
    try:
        e.request(method, where, json.dumps(body) if body is not None else None,
                  {"Content-Type": "application/json"} if body is not None else {})
        answer = e.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data[:1] in b"{[" and data else data
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        e.close()


def await_engine():
    while call("GET", "/_ping")[0] != 200:
        pass


# --- counting --------------------------------------------------------------------------------------


def ours():
    """Pid and role of every process that runs the binary."""
    out = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink("/proc/%s/exe" % pid).split(" ")[0] != exe:
                continue
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().split(b"\0")
            role = next((w.decode() for w in words if w.startswith(b":")), words[0].decode())
            out[int(pid)] = role
        except OSError:
            pass
    return out


def engine_pid():
    with open(run_dir + "/docker.pid") as f:
        return int(f.read())


def names(directory):
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def lines(file, *parts):
    """How many lines it has, or those with one of the parts."""
    try:
        with open(file) as f:
            return sum(1 for line in f if not parts or any(p in line for p in parts))
    except OSError:
        return 0


def descriptors(pid):
    """What kinds of them are open: a path, anon_inode:[eventpoll], or socket, pipe and the like without their number."""
    links = (os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in names("/proc/%d/fd" % pid))
    return sorted(re.sub(r":\[\d+\]$", "", link) for link in links)


def counts():
    pid, roles = engine_pid(), ours()
    out = {
        "descriptors": descriptors(pid),
        "threads": len(names("/proc/%d/task" % pid)),
        "mounts": lines("/proc/%d/mountinfo" % pid, data_root, run_dir),
        # One monitor is kept ready for the next start.
        "processes": sorted(r for r in roles.values() if r != ":monitor") + [r for r in roles.values() if r == ":monitor"][1:],
        "networks": [n["Name"] for n in call("GET", "/networks")[1] or []],
        "devices": {r: lines("/proc/%d/net/dev" % p) for p, r in roles.items() if r == ":netd"},
    }
    for d in ("containers", "tmp", "volumes", "overlay2/rootfs", "vfs/rootfs"):
        out[d] = names(os.path.join(data_root, d))
    out["exec-root"] = [n for n in names(os.path.join(run_dir, "docker")) if len(n) == 64]
    return out


def more(a, b):
    """What @b has that @a has not."""
    if isinstance(a, int):
        return max(0, b - a)
    if isinstance(a, dict):
        return {k: n for k, n in b.items() if n > a.get(k, 0)}
    return sorted((collections.Counter(b) - collections.Counter(a)).elements())


def is_quiet(now):
    """Whether nothing is going on, where no container is left: deleting goes on behind the answer, and a pidfd is that of
    a monitor or helper whose end is waited for."""
    return not now["tmp"] and "anon_inode:[pidfd]" not in now["descriptors"]


def quiet():
    """The counts when nothing is going on any more, or after SETTLE."""
    call("DELETE", "/containers/%s?force=1" % create())  # a monitor stands ready, now and later
    end = time.monotonic() + SETTLE
    before = None
    while time.monotonic() < end:
        try:
            now = counts()
        except (OSError, ValueError):
            continue  # something went, or came, while it was looked at
        if now == before and is_quiet(now):
            break
        before = now
        time.sleep(0.05)
    if before is None:
        raise SystemExit("not ok - %s: nothing could be counted" % part)
    return before


def check_left(name, before):
    end = time.monotonic() + SETTLE
    left = True
    while left and time.monotonic() < end:
        now = quiet()
        left = {k: v for k in before if (v := more(before[k], now[k]))}
    if left:
        print("not ok - %s: nothing is left: %s" % (name, str(left)[:2000]))
    else:
        print("ok - %s: nothing is left" % name)


# --- what clients do ---------------------------------------------------------------------------------

unexpected = []


def failed_thread(args):
    unexpected.append("%s: %s" % (args.exc_type.__name__, args.exc_value))
    threading.__excepthook__(args)


threading.excepthook = failed_thread


def expect(what, status, answer, *allowed):
    if status not in allowed and (status or part != "kills"):
        unexpected.append("%s: %s %s" % (what, status, str(answer)[:200]))
    return status


def create(**more):
    body = {"Image": image, "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": network}}
    body.update(more)
    while True:
        status, j = call("POST", "/containers/create", body)
        if status == 201:
            return j["Id"]
        if part != "kills":
            raise SystemExit("not ok - create: %s %s" % (status, j))
        await_engine()


def run_exec(c):
    status, j = call("POST", "/containers/%s/exec" % c, {"Cmd": ["true"], "AttachStdout": True})
    if expect("exec create", status, j, 201, 409, 404) != 201:
        return
    expect("exec start", *call("POST", "/exec/%s/start" % j["Id"], {"Detach": True}), 200, 204, 404, 409, 400, 500)


def life(i):
    """One container from create to rm; @i makes them differ."""
    c = create(Volumes={"/v": {}} if i % 3 == 0 else None, Tty=i % 5 == 0)
    expect("start", *call("POST", "/containers/%s/start" % c), 204, 500)
    run_exec(c)
    expect("inspect", *call("GET", "/containers/%s/json" % c), 200)
    if i % 4 == 0:
        expect("archive", *call("GET", "/containers/%s/archive?path=/etc" % c), 200, 500)
    if i % 7 == 0:
        expect("stop", *call("POST", "/containers/%s/stop?t=0" % c), 204, 304)
    while expect("remove", *call("DELETE", "/containers/%s?force=1&v=1" % c), 204, 404, 409, 500) == 0:
        await_engine()


def storm(containers, clients):
    todo = list(range(containers))
    lock = threading.Lock()

    def client():
        while True:
            with lock:
                if not todo:
                    return
                i = todo.pop()
            life(i)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def together(*functions):
    """Begin them at the same moment, wait for all."""
    barrier = threading.Barrier(len(functions))

    def run(f):
        barrier.wait()
        f()

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def attach(c):
    """Stay attached until the engine ends it."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.settimeout(120)
    s.sendall(b"POST /containers/%s/attach?stream=1&stdout=1&stdin=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
              b"Upgrade: tcp\r\nContent-Length: 0\r\n\r\n" % c.encode())
    while s.recv(4096):
        pass
    s.close()


def pairs():
    """Contradictions, each with its own container; what matters is that both get an answer and nothing stays."""
    def start(c):
        return lambda: expect("start", *call("POST", "/containers/%s/start" % c), 204, 304, 404, 409, 500)

    def remove(c):
        return lambda: expect("rm -f", *call("DELETE", "/containers/%s?force=1&v=1" % c), 204, 404, 409, 500)

    def stop(c):
        return lambda: expect("stop", *call("POST", "/containers/%s/stop?t=0" % c), 204, 304, 404, 500)

    def kill(c):
        return lambda: expect("kill", *call("POST", "/containers/%s/kill" % c), 204, 404, 409, 500)

    def copy(c):
        return lambda: expect("archive", *call("GET", "/containers/%s/archive?path=/bin" % c), 200, 404, 409, 500, 0)

    def commit(c):
        def run():
            status, j = call("POST", "/commit?container=%s" % c)
            if expect("commit", status, j, 201, 404, 409, 500) == 201:
                expect("rmi", *call("DELETE", "/images/%s" % j["Id"]), 200)
        return run

    def restart(c):
        return lambda: expect("restart", *call("POST", "/containers/%s/restart?t=0" % c), 204, 404, 409, 500)

    started = lambda c: call("POST", "/containers/%s/start" % c)
    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end or not rounds:
        for make in (
            lambda c: (None, [start(c), remove(c)]),
            lambda c: (None, [start(c), start(c)]),
            lambda c: (None, [start(c), stop(c), remove(c)]),
            lambda c: (started, [stop(c), lambda: run_exec(c), lambda: run_exec(c)]),
            lambda c: (started, [lambda: attach(c), remove(c)]),
            lambda c: (started, [restart(c), kill(c), remove(c)]),
            lambda c: (started, [copy(c), remove(c), lambda: run_exec(c)]),
            lambda c: (started, [commit(c), remove(c)]),
            lambda c: (None, [copy(c), start(c), copy(c)]),
            lambda c: (started, [remove(c), remove(c), remove(c)]),
        ):
            c = create(HostConfig={"NetworkMode": network, "AutoRemove": rounds % 3 == 2}, OpenStdin=True)
            before, functions = make(c)
            if before:
                before(c)
            together(*functions)
            call("DELETE", "/containers/%s?force=1&v=1" % c)
        rounds += 1
    print("ok - pairs: %d rounds" % rounds if rounds else "not ok - pairs: no round")


def kills():
    """The storm again and again, while processes of ours are killed."""
    stop = threading.Event()

    def killer():
        while not stop.is_set():
            stop.wait(random.random() * 0.7)
            try:
                victims = [engine_pid()] if random.random() < 0.4 else [
                    p for p, r in ours().items() if r in (":monitor", ":archive")]
                if victims:
                    os.kill(random.choice(victims), signal.SIGKILL)
            except (ProcessLookupError, FileNotFoundError):
                pass
            await_engine()

    thread = threading.Thread(target=killer)
    thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        storm(20, 8)
    stop.set()
    thread.join()
    await_engine()
    # A client whose engine died does not know whether its container was made.
    for c in call("GET", "/containers/json?all=1")[1]:
        call("DELETE", "/containers/%s?force=1&v=1" % c["Id"])
    call("POST", "/volumes/prune?filters=%7B%22all%22%3A%5B%22true%22%5D%7D")


random.seed(int(os.environ.get("RACES_SEED", "1")))
life(0)
before = quiet()
began = time.monotonic()
if part == "storm":
    storm(int(os.environ.get("RACES_CONTAINERS", "200")), 50)
    sys.stderr.write("storm: %.1f s\n" % (time.monotonic() - began))
elif part == "pairs":
    pairs()
else:
    kills()
if unexpected:
    print("not ok - %s: every answer is one that was to be expected: %s" % (part, "; ".join(sorted(set(unexpected))[:10])))
else:
    print("ok - %s: every answer is one that was to be expected" % part)
left = call("GET", "/containers/json?all=1")[1]
print("ok - %s: no container is left" % part if left == [] else "not ok - %s: no container is left: %s" % (part, str(left)[:500]))
if part == "kills":
    # A new engine, but the same counts.
    before["threads"] = quiet()["threads"]
check_left(part, before)
