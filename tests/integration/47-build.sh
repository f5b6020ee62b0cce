#!/bin/bash
# SPDX-License-Identifier: MIT
#
# docker build: the classic builder through the stock client, from real Dockerfiles; the cache; what
# hostile contexts come to; a build that its client, or the engine, leaves.
# test: together
. "$(dirname "$0")/lib.sh"

engine_start || exit 1
docker import -c 'CMD ["sh"]' "$(image_busybox)" busybox >/dev/null || { not_ok "the image" "import"; exit 1; }
ctx=$test_home/ctx
build() { as_user env DOCKER_BUILDKIT=0 "$docker_cli" build "$@"; }
# dockerfile TEXT: a context of nothing but that
dockerfile() {
	rm -rf "$ctx"
	mkdir -p "$ctx"
	printf '%s\n' "$1" >"$ctx/Dockerfile"
	mine
}
mine() { [ "$(id -u)" != 0 ] || chown -R "$test_uid:$test_gid" "$ctx"; }
api() { # QUERY FILE: the context as it is
	as_user curl -s --unix-socket "$xdg/docker.sock" -X POST -H 'Content-Type: application/x-tar' \
		--data-binary @"$2" "http://d/v1.51/build?$1"
}
# --- a program built in one stage and shipped in another -------------------------------------------
dockerfile 'ARG BASE=busybox
FROM $BASE AS build
WORKDIR /src
COPY . .
ARG WHO=nobody
RUN printf "#!/bin/sh\necho built for %s\n" "$WHO" >greet && chmod 755 greet && ls -R

FROM busybox
LABEL org.example.made="by a test"
ENV HOME=/home GREETING="hello \"$HOME\""
COPY --from=build --chown=user:extra /src/greet /usr/local/bin/
COPY etc/*.conf other /etc/app/
ADD files.tar.gz /srv
VOLUME /data
EXPOSE 8080/tcp
USER user
HEALTHCHECK --interval=3s CMD true
STOPSIGNAL SIGINT
ENTRYPOINT ["greet"]
CMD ["unused"]'
mkdir -p "$ctx/etc" "$ctx/other/deep" "$ctx/packed"
echo a >"$ctx/etc/a.conf"
echo b >"$ctx/etc/b.conf"
echo no >"$ctx/etc/no.txt"
echo deep >"$ctx/other/deep/file"
ln -s file "$ctx/other/deep/link"
chmod 640 "$ctx/other/deep/file"
echo packed >"$ctx/packed/inside"
tar -C "$ctx" -czf "$ctx/files.tar.gz" packed
mine
check_has "a build of two stages" "Successfully tagged app:latest" build -t app --build-arg WHO=me --label extra=1 "$ctx"
check_out "what was built runs" "built for me" docker run --rm app
in_app() { docker run --rm -u 0 --entrypoint sh app -c "$1"; }
check_out "--chown takes names of the image" "1000 2000 755" in_app 'stat -c "%u %g %a" /usr/local/bin/greet'
check_out "wildcards, and what is in a directory" "a.conf b.conf deep" in_app 'cd /etc/app; echo *'
check_out "modes and links are kept, owners are root" "0 0 640 deep" \
	in_app 'cd /etc/app/deep; echo $(stat -c "%u %g %a" file) $(cat link)'
check_out "ADD unpacks archives" packed in_app 'cat /srv/packed/inside'
check_out "the config" 'user|[greet]|[unused]|SIGINT|map[8080/tcp:{}]|map[/data:{}]|by a test|1' \
	docker inspect -f '{{.Config.User}}|{{.Config.Entrypoint}}|{{.Config.Cmd}}|{{.Config.StopSignal}}|{{.Config.ExposedPorts}}|{{.Config.Volumes}}|{{index .Config.Labels "org.example.made"}}|{{.Config.Labels.extra}}' app
check_has "variables see those of before the line" 'HOME=/home GREETING=hello ""' \
	bash -c 'grep -o "HOME=.*" <<<"$1"' - "$(docker inspect -f '{{join .Config.Env " "}}' app)"
check_has "history tells the steps" '#(nop)  ENTRYPOINT ["greet"]' docker history --no-trunc app

# --- the cache ---------------------------------------------------------------------------------------
again() { build --build-arg WHO=me --label extra=1 "$ctx"; }
run again
check_out "a second build does nothing" 0 bash -c 'grep -c "Running in" <<<"$1"' - "$out"
touch "$ctx/etc/a.conf"
run again
check_out "a touched file is not changed" 0 bash -c 'grep -c "Running in" <<<"$1"' - "$out"
echo changed >"$ctx/etc/b.conf"
run again
said=$out
check_has "a changed file: again from there on" "Running in" echo "${said#*COPY etc}"
check_has "but not what came before" "Using cache" echo "${said%%ARG WHO*}"
run build --build-arg WHO=you "$ctx"
check_has "another argument, another result" "Running in" echo "${out#*RUN printf}"
check_out "-q prints the image's id alone" "sha256:" bash -c 'echo "${1:0:7}"' - "$(build -q "$ctx" 2>/dev/null)"
check_has "--target stops there" "Step 6/6" build --target build "$ctx"
check_has "--no-cache does all again" "Running in" build --no-cache --target build "$ctx"

# An image that comes from elsewhere knows no parents: its history and its layers have to do.
dockerfile $'FROM busybox\nENV A=b\nRUN echo one >/one\nRUN echo two >/two\nCMD ["cat", "/one", "/two"]'
id=$(build -q -t shared "$ctx" 2>/dev/null)
docker save -o "$test_home/shared.tar" shared
docker rmi shared >/dev/null
docker load -q -i "$test_home/shared.tar" >/dev/null
rm -f "$test_home/shared.tar"
taken() { build "$@" "$ctx" 2>&1 | grep -c 'Using cache'; }
check_out "without --cache-from an image without parents is no cache" 0 taken -q --no-cache=false -t other
check_out "--cache-from: none but the steps of the named images" 0 taken --cache-from nosuch
check_out "a loaded image gives all its steps" 4 taken --cache-from shared
same() { build -q --cache-from nosuch --cache-from shared "$ctx" 2>/dev/null; }
check_out "and is the result" "$id" same
dockerfile $'FROM busybox\nENV A=b\nRUN echo one >/one\nRUN echo else >/two\nRUN echo $A >>/two'
check_out "or the steps up to the first other one" 2 taken --cache-from shared -t partly
check_out "whose files are there" "one else b" docker run --rm partly sh -c 'echo $(cat /one /two)'
parents() { docker history -q --no-trunc partly | grep -c sha256:; }
check_out "a step that was taken over knows its parent" 5 parents
printf 'FROM busybox\nRUN echo piped\n' >"$TEST_TMP/piped"
check_has "a Dockerfile from standard input" "Successfully built" bash -c "tar -C $TEST_TMP -cf $TEST_TMP/piped.tar piped; curl -s --unix-socket $xdg/docker.sock -X POST --data-binary @$TEST_TMP/piped.tar 'http://d/build?dockerfile=piped'"

# --- failures -------------------------------------------------------------------------------------------
dockerfile 'FROM scratch'
printf '*.log\nDockerfile\n' >"$ctx/.dockerignore"
touch "$ctx/a.log" "$ctx/file"
mine
elsewhere() { printf 'FROM busybox\nCOPY . /c\nRUN cd /c && find . | sort\n' | build --no-cache -f - "$ctx" 2>&1 | grep '^\.' | tr '\n' ' '; }
check_out "COPY . takes neither a Dockerfile from elsewhere nor one that .dockerignore names" ". ./.dockerignore ./file " elsewhere
dockerfile $'FROM busybox\nRUN echo said >&2; exit 7'
check_status "a command that fails: its exit code" 7 build "$ctx"
check_has "which it was" "returned a non-zero code: 7" build "$ctx"
dockerfile $'FROM busybox\nCOPY gone /x'
check_has "a file that is not there" "stat gone: file does not exist" build "$ctx"
dockerfile $'FROM localhost:1/none\nRUN true'
check_has "a base image that cannot be had: which registry" "localhost:1" build "$ctx"
dockerfile $'FROM busybox\nRUN --mount=type=cache,target=/x true'
check_has "what BuildKit alone can do is refused" "the --mount option requires BuildKit" build "$ctx"

# --- ADD of a URL --------------------------------------------------------------------------------------
mkdir "$TEST_TMP/web"
(cd "$TEST_TMP/web" && echo from the web >page.txt && touch -d '2020-02-03 04:05:06 UTC' page.txt && tar -czf pack.tar.gz page.txt)
exec {web}< <(exec python3 -c '
import functools, http.server, os, sys
class Web(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass
    def end_headers(self):
        if self.path.startswith("/called"):
            self.send_header("Content-Disposition", "attachment; filename=\"../named by the server\"")
        super().end_headers()
    def translate_path(self, path):
        return os.path.join(sys.argv[1], "page.txt") if path.startswith("/called") else super().translate_path(path)
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Web, directory=sys.argv[1]))
print(s.server_port, os.getpid(), flush=True)
s.serve_forever()' "$TEST_TMP/web")
read -r port web_pid <&"$web"
url=http://127.0.0.1:$port
mixed() { # what the image has of one file here, three of the web
	dockerfile "FROM busybox
COPY here /one
ADD here $url/page.txt $url/pack.tar.gz $url/page%2etxt?query /all/
ADD $url/page.txt /as
ADD --chown=7:8 $url/called/ /named
RUN stat -c '%n %a %u:%g %s %Y' /as /named /all/page.txt; ls /all; head -c 3 /all/pack.tar.gz | od -An -tx1"
	echo a file >"$ctx/here"
	mine
	build --no-cache "$ctx" 2>&1 | sed -n '/^ ---> Running in/,/^ ---> Removed/p' | grep -v '^ --->'
}
check_out "ADD of URLs: names, owners, times; archives stay as they are" "/as 600 0:0 13 1580702706
/named 600 7:8 13 1580702706
/all/page.txt 600 0:0 13 1580702706
here
pack.tar.gz
page.txt
 1f 8b 08" mixed
again() { build "$ctx" 2>&1 | grep -c 'Using cache'; }
dockerfile $'FROM busybox\nADD '"$url/page.txt /x"$'\nRUN true'
build "$ctx" >/dev/null 2>&1
check_out "what is as before is not added again" 2 again
echo news >>"$TEST_TMP/web/page.txt"
check_out "what has changed is" 0 again
dockerfile "FROM busybox
ADD $url/ /x/"
check_has "a URL without a file name, into a directory" "cannot determine filename for source $url/" build "$ctx"
dockerfile "FROM busybox
ADD $url/gone /x"
check_has "what the server does not have" "ADD failed: failed to GET $url/gone with status 404" build "$ctx"
dockerfile "FROM busybox
ADD http://127.0.0.1:1/x /x"
check_has "nobody there: which address" "127.0.0.1:1" build "$ctx"

# --- a context that the engine fetches ---------------------------------------------------------------------
remote() { as_user curl -s --unix-socket "$xdg/docker.sock" -X POST "http://d/build?remote=$1"; }
printf 'FROM busybox\nCOPY page.txt /\nRUN cat /page.txt\n' >"$TEST_TMP/web/Dockerfile"
tar -C "$TEST_TMP/web" -czf "$TEST_TMP/web/context.tar.gz" Dockerfile page.txt
check_has "an archive is the context" "from the web" remote "$url/context.tar.gz"
check_has "a Dockerfile is one alone" "COPY failed: file not found in build context" remote "$url/Dockerfile"
printf 'FROM busybox\nRUN echo it was alone\n' >"$TEST_TMP/web/alone"
check_has "whatever its name is" "it was alone" remote "$url/alone"
check_has "what cannot be fetched" "error downloading remote context http://127.0.0.1:1/x:" remote http://127.0.0.1:1/x
check_has "what is no URL" "remoteURL (nothing) could not be recognized as URL" remote nothing
check_has "what git would have to fetch" "this engine does not run git" remote "$url/x.git%23branch"
check_out "nothing stays of what was fetched" "" as_user find "$test_home/.local/share/docker/tmp" -type f
kill "$web_pid"

# --- hostile contexts -------------------------------------------------------------------------------------
python3 - "$TEST_TMP" <<'PYTHON'
import io, sys, tarfile
def make(name, dockerfile, members):
    with tarfile.open(f"{sys.argv[1]}/{name}.tar", "w", format=tarfile.GNU_FORMAT) as t:
        i = tarfile.TarInfo("Dockerfile"); i.size = len(dockerfile); t.addfile(i, io.BytesIO(dockerfile))
        for n, kind, link, data in members:
            i = tarfile.TarInfo(n); i.type = kind; i.linkname = link; i.size = len(data); t.addfile(i, io.BytesIO(data))
copy = b"FROM busybox\nCOPY . /all/\nRUN find /all /tmp | sort\n"
R, S, L = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
make("climb", copy, [("../../etc/evil", R, "", b"x"), ("/abs/evil", R, "", b"x")])
make("through", copy, [("out", S, "/tmp", b""), ("out/evil", R, "", b"x")])
make("hardlink", copy, [("h", L, "../../../etc/shadow", b"")])
make("loop", b"FROM busybox\nCOPY a /x\n", [("a", S, "b", b""), ("b", S, "a", b"")])
make("linkfile", b"FROM busybox\nCOPY l /x\n", [("l", S, "../../../../etc/shadow", b"")])
make("device", copy, [("null", tarfile.CHRTYPE, "", b"")])
PYTHON
chmod 644 "$TEST_TMP"/*.tar
check_has "names that climb out stay inside" "/all/etc/evil" api t=climb "$TEST_TMP/climb.tar"
run api t=through "$TEST_TMP/through.tar"
check_fails "nothing is written through a link" grep -q 'n/tmp/evil' <<<"$out"
check_has "a hard link to what is not in it" "a hard link to a file that the archive does not have" api t=h "$TEST_TMP/hardlink.tar"
check_has "links that lead round" "stat a: file does not exist" api t=loop "$TEST_TMP/loop.tar"
check_has "a link to the host's files" "file does not exist" api t=l "$TEST_TMP/linkfile.tar"
check_has "a device is left out" "Successfully tagged" api t=dev "$TEST_TMP/device.tar"

# --- a client that leaves, an engine that dies ----------------------------------------------------------------
docker container prune -f >/dev/null
dockerfile $'FROM busybox\nENV A=1\nRUN echo begun; exec sleep 1000'
runs() { [ -n "$(docker ps -q)" ]; }
rests() { [ -z "$(docker ps -q)" ]; }
as_user env DOCKER_BUILDKIT=0 "$docker_cli" build "$ctx" >"$TEST_TMP/left.log" 2>&1 &
client=$!
check "a command runs" until_true runs
kill -KILL $(pgrep -P "$client") "$client" 2>/dev/null
wait "$client" 2>/dev/null
check "a client that leaves ends it" until_true rests
as_user env DOCKER_BUILDKIT=0 "$docker_cli" build "$ctx" >"$TEST_TMP/killed.log" 2>&1 &
check "another one runs" until_true runs
engine_kill $(our_pids :engine)
check "the engine is killed, the next one is there" until_true docker version
sed -i 's/; exec sleep 1000//' "$ctx/Dockerfile"
check_has "it goes on from the cache" "Using cache" build "$ctx"
docker ps -aq | xargs -r "$docker_cli" -H "unix://$xdg/docker.sock" rm -f >/dev/null
empty() { [ -z "$(ls -A "$test_home/.local/share/docker/tmp")" ]; }
check "nothing half-made is left" until_true empty
