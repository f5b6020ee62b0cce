#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""git_server.py DIRECTORY - serve the files and the bare git repositories below it, on ports of loopback that are free

Prints "GIT-PORT HTTP-PORT": git:// by git-daemon, http:// as plain files.  Runs until its input ends."""
import functools
import http.server
import socket
import subprocess
import sys
import threading

top = sys.argv[1]


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve_git(listener):
    while True:
        client = listener.accept()[0]
        subprocess.Popen(["git", "daemon", "--inetd", "--export-all", f"--base-path={top}", top], stdin=client, stdout=client,
            stderr=subprocess.DEVNULL)
        client.close()


files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=top))
threading.Thread(target=files.serve_forever, daemon=True).start()
repositories = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve_git, args=(repositories,), daemon=True).start()
print(repositories.getsockname()[1], files.server_port, flush=True)
sys.stdin.read()
