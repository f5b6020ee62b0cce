#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""faulty_proxy.py - stands before a registry and breaks what passes, by chance

usage: faulty_proxy.py --to HOST:PORT --told FIFO [--seed N] [--rate PERCENT] [--only FAULT,…] [--stalls N]

Writes its own HOST:PORT to FIFO once it listens.  Each request (but GET /v2/, which is let through
nine times out of ten) meets a fault with the given probability:

  drop      the connection ends without an answer      cut       … in the midst of the body
  reset     … by RST                                   stall     no byte more comes, N times in all
  busy      429 with Retry-After: 1                    error     500, 502, 503 or 504
  short     Content-Length is less than the body       long      … or more
  flip      one bit of the body is another             loop      a redirect to itself
  drip      the body comes in tiny pieces              garbage   the answer is no HTTP
  range     a 206 that begins elsewhere                upload    reads some of a request's body and ends

GET /_faults answers with how many there were of each, as JSON.
"""
import argparse, collections, http.client, http.server, json, random, socket, struct, sys, threading, time

FAULTS = ["drop", "cut", "reset", "stall", "busy", "error", "short", "long", "flip", "loop", "drip", "garbage",
          "range", "upload"]

parser = argparse.ArgumentParser()
parser.add_argument("--to", required=True)
parser.add_argument("--told")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--rate", type=int, default=30)
parser.add_argument("--only", default=",".join(FAULTS))
parser.add_argument("--stalls", type=int, default=0)
args = parser.parse_args()
chance, lock = random.Random(args.seed), threading.Lock()
counts = collections.Counter()
only = args.only.split(",")


def choose(method, path):
    """What befalls this request, and a number to shape it by."""
    with lock:
        rate = args.rate if path != "/v2/" else min(args.rate, 10)
        fault = chance.choice(only) if chance.randrange(100) < rate else "none"
        if fault == "stall" and counts["stall"] >= args.stalls:
            fault = "drop"
        if fault == "upload" and method not in ("PATCH", "PUT"):
            fault = "cut"
        if fault in ("loop", "range", "flip") and method != "GET" or fault == "flip" and "sha256:" not in path:
            fault = "reset"  # what has no digest nobody can verify
        counts[fault] += 1
        return fault, chance.random()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def end(self, reset=False):
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def request_body(self, at_most=None):
        """The body of the request, however it is framed; None if it broke off (or was to be)."""
        body = b""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while True:
                size = int(self.rfile.readline() or b"0", 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if not size:
                    return body
                if at_most is not None and len(body) > at_most:
                    return None
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def upstream(self, body):
        conn = http.client.HTTPConnection(args.to, timeout=60)
        conn.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for k, v in self.headers.items():
            if k.lower() not in ("transfer-encoding", "content-length", "connection"):
                conn.putheader(k, v)
        if body or self.command in ("POST", "PUT", "PATCH"):
            conn.putheader("Content-Length", str(len(body)))
        conn.endheaders(body or None)
        answer = conn.getresponse()
        data = answer.read()
        conn.close()
        return answer, data

    def send_head(self, status, reason, headers, length):
        out = ["HTTP/1.1 %d %s" % (status, reason)]
        out += ["%s: %s" % (k, v) for k, v in headers
                if k.lower() not in ("content-length", "connection", "transfer-encoding")]
        if length is not None:
            out.append("Content-Length: %d" % length)
        self.wfile.write(("\r\n".join(out) + "\r\n\r\n").encode())

    def handle_one(self):
        if self.path == "/_faults":
            text = json.dumps(counts).encode()
            self.send_head(200, "OK", [], len(text))
            self.wfile.write(text)
            return
        fault, x = choose(self.command, self.path)
        body = self.request_body(int(x * 200000) if fault == "upload" else None)
        if fault in ("drop", "upload") or body is None:
            return self.end()
        if fault == "garbage":
            self.wfile.write(b"\x15\x03\x01 this is no HTTP\n\n" * 5)
            return self.end()
        if fault == "busy":
            self.send_head(429, "Too Many Requests", [("Retry-After", "1")], 0)
            return
        if fault == "error":
            self.send_head(500 + [0, 2, 3, 4][int(x * 4)], "Trouble", [], 0)
            return
        if fault == "loop":
            self.send_head(307, "Temporary Redirect", [("Location", self.path)], 0)
            return
        answer, data = self.upstream(body)
        headers = answer.getheaders()
        status = answer.status
        length = answer.getheader("Content-Length")
        length = int(length) if length else len(data)
        at = int(x * len(data))
        if fault == "flip" and data:
            data = data[:at] + bytes([data[at] ^ 1 << int(x * 1000) % 8]) + data[at + 1:]
        if fault == "range" and status in (200, 206):
            headers = [(k, v) for k, v in headers if k.lower() != "content-range"]
            headers.append(("Content-Range", "bytes %d-%d/%d" % (at, at + len(data) - 1, at + len(data))))
            status = 206
        if fault == "short":
            length = at
        if fault == "long":
            length += 1 + at
        self.send_head(status, answer.reason, headers, None if status == 204 else length)
        if self.command == "HEAD":
            return self.end() if fault in ("short", "long", "cut") else None
        if fault in ("cut", "reset", "stall"):
            data = data[:at]
        if fault == "drip":
            for i in range(0, min(len(data), 40000), 4000):
                self.wfile.write(data[i:i + 4000])
                self.wfile.flush()
                time.sleep(0.01)
            data = data[40000:]
        self.wfile.write(data)
        self.wfile.flush()
        if fault == "stall":
            self.connection.recv(1)
        if fault in ("cut", "reset", "stall", "long", "short"):
            self.end(fault == "reset")

    def any(self):
        try:
            self.handle_one()
        except (OSError, ValueError, http.client.HTTPException):
            self.end()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
if args.told:
    with open(args.told, "w") as f:
        f.write("127.0.0.1:%d\n" % server.server_address[1])
else:
    print("127.0.0.1:%d" % server.server_address[1], flush=True)
server.serve_forever()
