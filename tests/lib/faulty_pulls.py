#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""faulty_pulls.py - pull over and over through a bad line, and look at every byte that came

usage: faulty_pulls.py SOCKET REGISTRY PULLS REPOSITORY:TAG…    (REGISTRY: HOST:PORT)

Pulls PULLS times, as many at a time as there are images, and removes each again.  What was
pulled is saved (GET /images/NAME/get) and must be the image's config and layers, digest by digest.
What was not must have said why, with the registry in it.  Prints one line of counts; a line
"bad: …" for each thing that is wrong, and status 1.
"""
import collections, hashlib, http.client, io, json, socket, sys, tarfile, threading

path, registry, pulls, names = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
host = registry.split(":")[0]
lock = threading.Lock()
left, bad = pulls, []
counts = collections.Counter()
errors = collections.Counter()


class Engine(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("engine", timeout=300)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(300)
        self.sock.connect(path)


def call(method, target):
    e = Engine()
    e.request(method, "/v1.51" + target)
    answer = e.getresponse()
    body = answer.read()
    e.close()
    return answer.status, body


def wrong(what):
    with lock:
        bad.append(what)


def check(name):
    """Save the image; its parts must have the digests they are named by, and be all there."""
    status, body = call("GET", "/images/%s/get" % name)
    if status != 200:
        return wrong("%s cannot be saved: %s" % (name, body[:300]))
    with tarfile.open(fileobj=io.BytesIO(body)) as t:
        files = {m.name: t.extractfile(m).read() for m in t if m.isfile()}
    for member, data in files.items():
        if member.startswith("blobs/sha256/") and hashlib.sha256(data).hexdigest() != member[13:]:
            wrong("%s: %s is damaged" % (name, member))
    for image in json.loads(files["manifest.json"]):
        config = json.loads(files[image["Config"]])
        want = ["blobs/sha256/" + d[7:] for d in config["rootfs"]["diff_ids"]]
        if image["Layers"] != want or not all(w in files for w in want):
            wrong("%s: layers are missing" % name)


def pull(name):
    status, body = call("POST", "/images/create?fromImage=" + name)
    lines = [json.loads(l) for l in body.splitlines() if l]
    error = next((l["error"] for l in lines if "error" in l), None)
    if status != 200:
        error = lines[0]["message"]
    if error is None:
        check(name)
        call("DELETE", "/images/" + name)
        counts["pulled"] += 1
        return
    counts["refused"] += 1
    errors[error.replace(registry, "REGISTRY")[:100]] += 1
    if host not in error:
        wrong("an error that does not name the registry: " + error)


def lane(number):
    global left
    while True:
        with lock:
            if not left:
                return
            left -= 1
            mine = left
        # An image of its own for each lane: it is removed when it has been seen.
        try:
            pull("%s/%s" % (registry, names[number]))
        except Exception as e:
            wrong("pull %d: %r" % (mine, e))


threads = [threading.Thread(target=lane, args=(i,)) for i in range(len(names))]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("%d pulled, %d refused" % (counts["pulled"], counts["refused"]))
for text, n in errors.most_common():
    print("%5d %s" % (n, text), file=sys.stderr)
for what in sorted(set(bad))[:20]:
    print("bad: " + what)
sys.exit(1 if bad else 0)
