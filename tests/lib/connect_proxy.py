#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""connect_proxy.py - an HTTP proxy that brings everything to one port of this machine

usage: connect_proxy.py LOG PORT

Prints the port it listens at.  Request lines are appended to LOG.  Absolute URLs are passed
to 127.0.0.1:PORT; CONNECT is answered with 502, as if nobody spoke TLS there.
"""
import http.client, http.server, sys, urllib.parse

log, port = sys.argv[1], int(sys.argv[2])


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def note(self):
        with open(log, "a") as f:
            f.write(self.requestline + "\n")

    def do_CONNECT(self):
        self.note()
        self.send_response(502)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def pass_on(self):
        self.note()
        url = urllib.parse.urlsplit(self.path)
        there = http.client.HTTPConnection("127.0.0.1", port)
        there.request(self.command, url.path + ("?" + url.query if url.query else ""),
                      headers={k: v for k, v in self.headers.items() if not k.lower().startswith("proxy-")})
        answer = there.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for k, v in answer.getheaders():
            if k.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                self.send_header(k, v)
        self.send_header("Content-Length", answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = pass_on


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
print(server.server_address[1], flush=True)
server.serve_forever()
