#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fake_registry.py - a registry that misbehaves on demand

usage: fake_registry.py --root DIR [--port N] [--tls CERT KEY] [--auth basic|bearer]
                        [--client-ca PEM] [--ready FILE] [--told FIFO]

Serves what is below DIR: blobs/<hex> and manifests/<repo>/<tag or digest> (with <name>.type
holding the media type); images.py makes them.  The address it listens at is written to FILE and
into FIFO once it does.  User "tester", password "secret", where credentials are asked for.

Faults are set from outside and taken in order by the requests they fit:

    POST /_fault  {"path": REGEX, "kind": KIND, "times": 1, "after": BYTES, "method": "GET"}
    POST /_clear
    GET  /_log    the requests so far: [{"method", "path", "headers", "status"}]

KIND: stall (send AFTER bytes of the body, then nothing), reset (…then RST), close (…then FIN),
status (answer STATUS with BODY), corrupt (flip the byte at AFTER), extra (more bytes than the
Content-Length of the right ones), short (end early, with a matching Content-Length), redirect
(Location: TO), loop (redirect to itself), headers (endless header fields), raw (send RAW as it
is), norange (answer a Range request with 200), nolength (until close), chunked, nodigest (no
Docker-Content-Digest), delay (SECONDS first).
"""
import argparse, base64, http.server, json, os, re, socket, ssl, struct, sys, threading, time
import urllib.parse

lock = threading.Lock()
faults, log = [], []
released = threading.Event()  # set by /_clear: stalled answers end


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fake-registry"

    def log_message(self, *a):
        pass

    def send_answer(self, status, body=b"", headers=(), head=False, length=None):
        self.status = status
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def send_error_json(self, status, code, message, headers=()):
        body = json.dumps({"errors": [{"code": code, "message": message, "detail": {}}]}).encode()
        self.send_answer(status, body, [("Content-Type", "application/json"), *headers], self.command == "HEAD")

    # --- credentials ---
    def allowed(self):
        opts = self.server.opts
        if not opts.auth:
            return True
        given = self.headers.get("Authorization", "")
        if opts.auth == "basic":
            if given == "Basic " + base64.b64encode(b"tester:secret").decode():
                return True
            challenge = 'Basic realm="fake"'
        else:
            repo = re.match(r"/v2/(.+)/(manifests|blobs|tags)/", self.path)
            scope = "repository:%s:pull" % repo[1] if repo else ""
            if given == "Bearer token-for-" + scope and "denied" not in scope:
                return True
            challenge = 'Bearer realm="%s/token",service="fake registry",scope="%s"' % (self.server.url, scope)
            if given.startswith("Bearer ") and scope:
                challenge += ',error="insufficient_scope"'
        self.send_error_json(401, "UNAUTHORIZED", "authentication required", [("WWW-Authenticate", challenge)])
        return False

    def token(self, query, form):
        given = self.headers.get("Authorization")
        if (given and given != "Basic " + base64.b64encode(b"tester:secret").decode()) or (
                form and form.get("refresh_token") != ["identity"]):
            return self.send_answer(401, b'{"details":"incorrect username or password"}',
                                    [("Content-Type", "application/json")])
        q = form or query
        if q.get("service") != ["fake registry"]:
            return self.send_answer(400, b"{}", [("Content-Type", "application/json")])
        body = json.dumps({"token": "token-for-" + q.get("scope", [""])[0], "expires_in": 300}).encode()
        self.send_answer(200, body, [("Content-Type", "application/json")])

    # --- content ---
    def find(self, path):
        """The body and the headers of a resource, or None."""
        root = self.server.opts.root
        m = re.fullmatch(r"/v2/(.+)/blobs/sha256:([0-9a-f]{64})", path)
        if m:
            name = os.path.join(root, "blobs", m[2])
            return os.path.exists(name) and (open(name, "rb").read(), [
                ("Content-Type", "application/octet-stream"), ("Accept-Ranges", "bytes")])
        m = re.fullmatch(r"/v2/([a-z0-9/._-]+)/manifests/([A-Za-z0-9:._-]+)", path)
        if m and ".." not in path:
            name = os.path.join(root, "manifests", m[1], m[2])
            if not os.path.exists(name):
                return None
            body = open(name, "rb").read()
            import hashlib
            return body, [("Content-Type", open(name + ".type").read()),
                          ("Docker-Content-Digest", "sha256:" + hashlib.sha256(body).hexdigest())]
        m = re.fullmatch(r"/v2/([a-z0-9/._-]+)/tags/list", path)
        if m:
            folder = os.path.join(root, "manifests", m[1])
            tags = sorted(t for t in os.listdir(folder) if ":" not in t and not t.endswith(".type")) \
                if os.path.isdir(folder) else []
            return self.page(m[1], tags)
        return None

    def search(self):
        """The repositories with the term in their name; as many stars as letters."""
        root = os.path.join(self.server.opts.root, "manifests")
        term = self.query.get("q", [""])[0]
        names = sorted(os.path.relpath(d, root) for d, folders, files in os.walk(root) if files)
        return [{"name": n, "description": "holds " + n, "star_count": len(n), "is_official": n.startswith("library/")}
                for n in names if term in n][:int(self.query["n"][0])]

    def page(self, repo, tags):
        last = self.query.get("last", [""])[0]
        rest = [t for t in tags if t > last]
        headers = [("Content-Type", "application/json")]
        if len(rest) > 2:  # small pages, so that paging is always used
            rest = rest[:2]
            headers.append(("Link", "</v2/%s/tags/list?last=%s&n=2>; rel=\"next\"" % (repo, rest[-1])))
        return json.dumps({"name": repo, "tags": rest}).encode(), headers

    def serve_found(self, body, headers, fault):
        kind = fault.get("kind") if fault else None
        status, first, whole = 200, 0, len(body)
        if kind == "nodigest":
            headers = [h for h in headers if h[0] != "Docker-Content-Digest"]
        m = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if m and kind != "norange" and "/blobs/" in self.path:
            first = int(m[1])
            if first >= whole:
                return self.send_answer(416, b"")
            status, body = 206, body[first:]
            headers.append(("Content-Range", "bytes %d-%d/%d" % (first, whole - 1, whole)))
        if kind == "corrupt" and body:
            at = min(fault.get("after", 0), len(body) - 1)
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
        if kind == "short":
            return self.send_answer(status, body[:fault.get("after", 0)], headers, self.command == "HEAD")
        if kind == "extra":
            body += b"x" * 1000
        if kind in ("stall", "reset", "close"):
            return self.break_off(kind, status, body, headers, fault.get("after", 0))
        if kind in ("nolength", "chunked"):
            return self.odd_framing(kind, status, body, headers)
        self.send_answer(status, body, headers, self.command == "HEAD")

    def odd_framing(self, kind, status, body, headers):
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        if kind == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if kind == "nolength":
            self.wfile.write(body)
            self.close_connection = True
            return
        step = 4093
        for i in range(0, len(body), step):
            part = body[i:i + step]
            self.wfile.write(b"%x;ext=1\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\nTrailer: x\r\n\r\n")

    def break_off(self, kind, status, body, headers, after):
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:after])
        self.wfile.flush()
        self.close_connection = True
        if kind == "stall":
            released.wait(60)
        elif kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    # --- requests ---
    def take_fault(self, path):
        with lock:
            for f in faults:
                if f.get("method", self.command) == self.command and re.search(f["path"], path):
                    f["times"] = f.get("times", 1) - 1
                    if not f["times"]:
                        faults.remove(f)
                    return f
        return None

    def control(self, path, body):
        if path == "/_fault":
            with lock:
                faults.append(json.loads(body))
        elif path == "/_clear":
            with lock:
                faults.clear()
                log.clear()
            released.set()
            released.clear()
        elif path == "/_log":
            with lock:
                return self.send_answer(200, json.dumps(log).encode())
        self.send_answer(200, b"{}")

    def simple_fault(self, fault):
        """Faults that need no content. True if the answer was given."""
        kind = fault["kind"]
        if kind == "delay":
            time.sleep(fault["seconds"])
        elif kind == "status":
            self.send_answer(fault["status"], fault.get("body", "").encode(), [
                ("Content-Type", fault.get("type", "application/json"))], self.command == "HEAD")
        elif kind == "redirect":
            self.send_answer(fault.get("status", 307), b"", [("Location", fault["to"])])
        elif kind == "loop":
            self.send_answer(302, b"", [("Location", self.path)])
        elif kind == "headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            try:
                for i in range(100000):
                    self.wfile.write(b"X-Filler-%d: %s\r\n" % (i, b"y" * 1000))
            except OSError:
                pass
            self.close_connection = True
        elif kind == "raw":
            self.wfile.write(fault["raw"].encode("latin-1"))
            self.close_connection = True
        else:
            return False
        return kind != "delay"

    def handle_any(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = urllib.parse.parse_qs(url.query)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if url.path.startswith("/_"):
            return self.control(url.path, body)
        self.status = None
        entry = {"method": self.command, "path": self.path, "headers": dict(self.headers)}
        with lock:
            log.append(entry)
        try:
            self.answer(url.path, body)
        finally:
            entry["status"] = self.status

    def answer(self, path, body):
        fault = self.take_fault(path)
        if fault and self.simple_fault(fault):
            return
        m = re.fullmatch(r"/plain/sha256:([0-9a-f]{64})", path)
        if m:
            found = self.find("/v2/x/blobs/sha256:" + m[1])
            return self.serve_found(found[0], found[1], fault)
        if path == "/v1/search":
            return self.send_answer(200, json.dumps({"results": self.search()}).encode(),
                                    [("Content-Type", "application/json")])
        if path == "/token":
            return self.token(self.query, urllib.parse.parse_qs(body.decode()) if body else None)
        if path.startswith("/v2/") and not self.allowed():
            return
        if path == "/v2/":
            return self.send_answer(200, b"{}", [("Content-Type", "application/json")])
        found = self.find(path)
        if not found:
            code = "BLOB_UNKNOWN" if "/blobs/" in path else "MANIFEST_UNKNOWN"
            return self.send_error_json(404, code, code.lower().replace("_", " "))
        self.serve_found(found[0], found[1], fault)

    do_GET = do_HEAD = do_POST = handle_any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], (OSError, ssl.SSLError)):
            super().handle_error(request, address)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--root", required=True)
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--tls", nargs=2)
    p.add_argument("--client-ca")
    p.add_argument("--auth", choices=["basic", "bearer"])
    p.add_argument("--ready")
    p.add_argument("--told")
    opts = p.parse_args()
    if ":" in opts.host:
        Server.address_family = socket.AF_INET6
    server = Server((opts.host, opts.port), Handler)
    server.opts = opts
    if opts.tls:
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(*opts.tls)
        if opts.client_ca:
            ctx.load_verify_locations(opts.client_ca)
            ctx.verify_mode = ssl.CERT_REQUIRED
        server.socket = ctx.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    address = ("[%s]:%d" if ":" in opts.host else "%s:%d") % (opts.host, server.server_address[1])
    server.url = ("https://" if opts.tls else "http://") + address
    if opts.ready:
        with open(opts.ready + ".new", "w") as f:
            f.write(address)
        os.rename(opts.ready + ".new", opts.ready)
    if opts.told:
        with open(opts.told, "w") as f:
            f.write(address + "\n")
    server.serve_forever()


if __name__ == "__main__":
    main()
