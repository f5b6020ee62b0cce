# SPDX-License-Identifier: MIT
"""stub_engine.py - an engine for who looks at what clients send: it answers, and does nothing

A Handler of its own takes what is posted; Server(PATH, HANDLER) listens on a Unix socket.
"""
import http.server, socketserver


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b""):
        self.send_response(status)
        for name, value in (("Api-Version", "1.51"), ("Ostype", "linux"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        self.answer(200)

    def do_GET(self):
        self.answer(200, b"{}")


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def get_request(self):
        sock, _ = super().get_request()
        return sock, ("unix", 0)
