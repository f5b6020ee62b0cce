#!/bin/bash
# SPDX-License-Identifier: MIT
#
# docker build in our client: the context it sends is the stock client's, entry by entry; what it prints,
# how it exits, and what it refuses; a context that cannot be read whole builds nothing.
# test: together
. "$(dirname "$0")/lib.sh"

ln -sf "$coracle" "$TEST_TMP/bin/docker"
ours=$TEST_TMP/bin/docker nl=$'\n'
o() { as_user "$ours" "$@"; }
if "$docker_cli" --version >/dev/null 2>&1; then
	plays "contexts as the stock client sends them" env ROUNDS="${ROUNDS:-25}" python3 "$top/tests/lib/build_contexts.py" "$ours" "$docker_cli"
else
	skip "contexts as the stock client sends them" "machine: it is not installed"
fi

engine_start || exit 1
o import - bb <"$(image_busybox)" >/dev/null || { not_ok "the image" "import"; exit 1; }
ctx=$test_home/ctx
as_user mkdir -p "$ctx/sub"
mine() { [ "$(id -u)" != 0 ] || chown -R "$test_uid:$test_gid" "$ctx"; }
printf 'FROM bb\nARG V=1\nCOPY . /c\nRUN echo v=$V; find /c | sort\n' >"$ctx/Dockerfile"
printf '*.log\nsub\n!sub/kept\nDockerfile\n' >"$ctx/.dockerignore"
touch "$ctx/a.log" "$ctx/file" "$ctx/sub/kept" "$ctx/sub/gone"
mine

# --- beside the stock client ------------------------------------------------------------------------
plain() { sed -E 's/[0-9a-f]{12}/ID/g; s/daemon +[0-9.]+k?B/daemon SIZE/' | tr -d '\r'; }
stock() { as_user env DOCKER_BUILDKIT=0 "$docker_cli" "$@" 2> >(sed '/^DEPRECATED/,/^$/d' >&2); }
same() { # ARGS...
	local a b
	a=$(stock "$@" 2>&1 </dev/null | plain; echo "status ${PIPESTATUS[0]}")
	b=$(o "$@" 2>&1 </dev/null | plain; echo "status ${PIPESTATUS[0]}")
	[ "$a" = "$b" ] && ok "as the stock client: $*" || not_ok "as the stock client: $*" "$(diff <(echo "$a") <(echo "$b"))"
}
if "$docker_cli" --version >/dev/null 2>&1; then
	same build --no-cache -t one "$ctx"
	same build -t one -t two:x --build-arg NOPE=1 "$ctx"
	same build -q "$ctx"
	same build --target nope "$ctx"
	same build --build-arg =x "$ctx"
	same build
	same build "$ctx/nope"
	same build -f "$ctx/nope" "$ctx"
	same build "$ctx/file"
	same build -f - -
	same build -t BAD "$ctx"
	same builder prune
	same builder prune -f
	same builder prune -f --filter frob=1
	same builder frobnicate
else
	skip "as the stock client" "machine: it is not installed"
fi

# --- what comes of it ---------------------------------------------------------------------------------
listed() { o "$@" 2>&1 | sed -n 's/\r//; /^\/c/p' | tr '\n' ' '; }
check_out "COPY . gets what .dockerignore leaves" "/c /c/.dockerignore /c/file /c/sub /c/sub/kept " listed build --no-cache "$ctx"
elsewhere() { printf 'FROM bb\nCOPY . /c\nRUN find /c | sort\n' | listed build --no-cache -f - "$ctx"; }
check_out "a Dockerfile on standard input is not copied" "/c /c/.dockerignore /c/file /c/sub /c/sub/kept " elsewhere
piped() { printf 'FROM bb\nRUN echo piped\n' | o build - | grep -c '^piped'; }
check_out "a Dockerfile alone on standard input" 1 piped
archived() { tar -C "$ctx" -c . | listed build --no-cache -; }
check_out "an archive on standard input: as it is, but for the Dockerfile its .dockerignore names" \
	"/c /c/.dockerignore /c/a.log /c/file /c/sub /c/sub/gone /c/sub/kept " archived
zipped() { listed build --no-cache --compress "$ctx"; }
check_out "--compress" "/c /c/.dockerignore /c/file /c/sub /c/sub/kept " zipped
failing() { o build - <<<"FROM bb${nl}RUN exit 7"; }
check_status "the exit code of RUN" 7 failing
iid() { o build -q --iidfile "$test_home/iid" "$ctx" >"$TEST_TMP/said" && cmp "$TEST_TMP/said" "$test_home/iid" && o inspect -f ok "$(cat "$test_home/iid")"; }
check_out "--iidfile" ok iid
check_has "RUN's variables" "v=2" o build --build-arg V=2 "$ctx"
labelled() { o build -q --label l=m "$ctx" | xargs env -i HOME="$test_home" DOCKER_HOST="unix://$xdg/docker.sock" "$ours" inspect -f '{{.Config.Labels.l}}'; }
check_out "labels" m labelled
fetched() { as_user python3 - "$ctx/Dockerfile" "$ours" <<-'END'
	import http.server, subprocess, sys, threading
	class H(http.server.BaseHTTPRequestHandler):
	    def log_message(self, *a): pass
	    def do_GET(self):
	        found = self.path == "/Dockerfile"
	        self.send_response(200 if found else 404)
	        self.end_headers()
	        self.wfile.write(b"FROM bb\nRUN echo fetched\n" if found else b"not here\n")
	s = http.server.HTTPServer(("127.0.0.1", 0), H)
	threading.Thread(target=s.serve_forever, daemon=True).start()
	for what in "Dockerfile", "nope":
	    r = subprocess.run([sys.argv[2], "build", "--no-cache", f"http://127.0.0.1:{s.server_port}/{what}"], capture_output=True, text=True)
	    print(r.returncode, *[l for l in (r.stdout + r.stderr).splitlines() if l == "fetched" or "failed" in l], sep="|")
	END
}
check_has "a URL" "0|fetched" fetched
check_has "a URL with nothing there" "1|unable to prepare context: unable to download remote context http://127.0.0.1:" fetched

# --- a git repository, by the user's git -------------------------------------------------------------------
git_top=$test_home/git
as_user sh -e -c 'mkdir -p "$0/src/sub" && cd "$0/src" && git init -q -b main && git config user.email t@example.org && git config user.name t
	printf "FROM bb\nCOPY . /c\nRUN cat /c/which; find /c -path \"*/.git/*\" | head -1 | wc -l\n" >Dockerfile
	printf "FROM bb\nCOPY inner /\nRUN cat /inner\n" >sub/Dockerfile
	echo sub >.dockerignore; echo main >which && echo within >sub/inner && ln -s /etc sub/escape && git add -A && git commit -qm one
	git checkout -q -b dev && echo dev >which && git commit -qam two && git tag v1 && git checkout -q main
	cd .. && git clone -q --bare src repo.git && cd repo.git && git update-server-info
	cd .. && tar -C src -czf context.tgz --exclude=.git . && echo "FROM bb" >Dockerfile' "$git_top"
cp "$top/tests/lib/git_server.py" "$TEST_TMP/bin/" && chmod 755 "$TEST_TMP/bin/git_server.py"
coproc GIT { as_user python3 "$TEST_TMP/bin/git_server.py" "$git_top"; }
read -rt 60 -u "${GIT[0]}" git_port http_port || not_ok "a server of repositories" "it says nothing"
repo=git://127.0.0.1:$git_port/repo.git files=http://127.0.0.1:$http_port
said() { o build "$@" 2>&1 </dev/null | sed -nE '/^(main|dev|within|[01])$/p; /^unable/p' | sed -E 's/docker-build-git[^/ ]*/DIR/' | tr '\n' ' '; }
check_out "a repository's branch, with its .git" "dev 1 " said --no-cache "$repo#dev"
check_out "... a tag" "dev 1 " said --no-cache "$repo#v1"
check_out "... a directory of it" "within " said --no-cache "$repo#main:sub"
check_out "... without a name: its HEAD, where there is no master" "main 1 " said --no-cache "$repo"
check_out "... from a server that is but files" "dev 1 " said --no-cache "$files/repo.git#dev"
check_out "... a Dockerfile elsewhere in it" "0" sh -c "$(printf '%q ' env -i HOME="$test_home" DOCKER_HOST="unix://$xdg/docker.sock" PATH="$PATH" "$ours") build -q -f sub/Dockerfile '$repo#main' >/dev/null 2>&1; echo \$(( \$? != 1 ))"
check_has "... or outside" "the Dockerfile (/etc/passwd) must be within the build context" said -f /etc/passwd "$repo#dev"
check_has "... a branch that is not there" "unable to prepare context: unable to 'git clone' to temporary context directory: error fetching: fatal: couldn't find remote ref nope" said "$repo#nope"
check_has "... a directory that is not there" "DIR/nope: no such file or directory" said "$repo#main:nope"
check_has "... a link out of it" "no such file or directory" said "$repo#main:sub/escape"
check_has "... a path out of it" "\"../..\" not within git root" said "$repo#main:../.."
check_has "... an option for a name" "invalid refspec: -x" said "$repo#-x"
check_has "... no git" "unable to find 'git': exec: \"git\": executable file not found in \$PATH" as_user env PATH=/nonexistent "$ours" build "$repo"
from_stdin() { printf 'FROM bb\nCOPY . /c\nRUN cat /c/which; find /c -name ".docker*" -o -name sub | sort\n' | o build --no-cache -f - "$1" 2>&1 | sed -n '/^main$/p; /^\/c/p; /^unable/p' | tr '\n' ' '; }
check_out "... a Dockerfile on standard input" "main /c/.dockerignore " from_stdin "$repo#main"
check_out "an archive by its URL, a Dockerfile on standard input" "main /c/.dockerignore /c/sub " from_stdin "$files/context.tgz"
check_has "... where there is no archive" "unable to prepare context: build context is not an archive" from_stdin "$files/Dockerfile"
check_out "no checkout is left" "" find "$TEST_TMP" "${TMPDIR:-/tmp}" -maxdepth 2 -name 'docker-build-git*' -user "$test_uid"
# A signal comes while git waits for a server that never answers.
interrupted() { as_user python3 - "$ours" "$test_home" <<-'END'
	import os, signal, socket, subprocess, sys
	s = socket.create_server(("127.0.0.1", 0))
	os.environ["TMPDIR"] = sys.argv[2]
	p = subprocess.Popen([sys.argv[1], "build", f"git://127.0.0.1:{s.getsockname()[1]}/x.git"], start_new_session=True)
	client = s.accept()[0]
	there = [n for n in os.listdir(sys.argv[2]) if n.startswith("docker-build-git")]
	os.killpg(p.pid, signal.SIGINT)
	print(len(there), p.wait(), [n for n in os.listdir(sys.argv[2]) if n.startswith("docker-build-git")])
	END
}
check_out "nor after Ctrl-C" "1 -2 []" interrupted
exec {GIT[1]}>&-

# --- refused, or broken off ---------------------------------------------------------------------------
check_has "what BuildKit alone can do" "this needs BuildKit" o build --secret id=x "$ctx"
check_status "what only says how BuildKit shows things" 0 o build --progress=plain --load --provenance=false "$ctx"
before=$(o images -aq | wc -l)
echo secret >"$ctx/zz" && chmod 0 "$ctx/zz"
[ "$(id -u)" != 0 ] || chown 0:0 "$ctx/zz"
unreadable() { o build --no-cache "$ctx" 2>&1 | tr -d '\r'; }
check_out "a file that cannot be read" "checking context: no permission to read from '$ctx/zz'" unreadable
check_out "nothing was built of the rest" "$before" sh -c "$(printf '%q ' env -i HOME="$test_home" DOCKER_HOST="unix://$xdg/docker.sock" "$ours") images -aq | wc -l"
rm -f "$ctx/zz"
no_engine() { as_user env DOCKER_HOST=unix:///nonexistent.sock "$ours" build "$ctx"; }
check_has "no engine" "Cannot connect to the Docker daemon" no_engine
