#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The docker client: what it asks for, what it prints where, how it exits; and that it says what
# the stock client says to the same engine.
# test: together
. "$(dirname "$0")/lib.sh"

ln -sf "$coracle" "$TEST_TMP/bin/docker"
ours=$TEST_TMP/bin/docker

# --- without an engine ---------------------------------------------------------------------------

plays "what create asks for" python3 "$top/tests/lib/record_engine.py" "$ours" "$top/tests/data/client-create.txt"

no_engine() { as_user env DOCKER_HOST=unix:///nonexistent.sock "$ours" "$@"; }
nl=$'\n'
check_out "no engine" "Cannot connect to the Docker daemon at unix:///nonexistent.sock. Is the docker daemon running?" no_engine ps
check_status "no engine, status" 1 no_engine ps
check_status "no engine for a run" 125 no_engine run x
check_has "version without an engine" "API version:       1.51" no_engine version
as_user mkdir -p "$test_home/.docker/cli-plugins"
printf '#!/bin/sh\necho "plugin $DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND <$*>"; exit 5\n' >"$test_home/.docker/cli-plugins/docker-boats"
chmod 755 "$test_home/.docker/cli-plugins/docker-boats"
check_out "a plugin gets the command line" "plugin $ours <-D boats --sail ps -x>" no_engine -D boats --sail ps -x
check_status "and its exit code is ours" 5 no_engine boats
rm -r "$test_home/.docker"
check_has "a plugin that is not there: where it goes" "docker-compose into $test_home/.docker/cli-plugins" no_engine compose up
check_out "unknown command" "docker: unknown command: docker frobnicate$nl${nl}Run 'docker --help' for more information" no_engine frobnicate
check_has "a command of the stock client" "'swarm' is not part of this client; use the stock docker CLI against this engine: DOCKER_HOST=unix:///nonexistent.sock docker swarm" \
	no_engine swarm init
check_has "one in a group" "'volume update' is not part of this client" no_engine volume update x
check_out "unknown option" "unknown flag: --frob$nl${nl}Usage:  docker ps [OPTIONS]$nl${nl}Run 'docker ps --help' for more information" no_engine ps --frob
check_status "unknown option, status" 125 no_engine ps --frob
check_out "too many arguments" "docker: 'docker container ls' accepts no arguments$nl${nl}Usage:  docker container ls [OPTIONS]$nl${nl}Run 'docker container ls --help' for more information" \
	no_engine container ps x
check_has "too few arguments" "'docker stop' requires at least 1 argument" no_engine stop
check_has "a host that is none" "invalid bind address format: frob://x" as_user env DOCKER_HOST=frob://x "$ours" ps
check_has "TLS without certificates" "ca.pem: no such file or directory" as_user "$ours" -H tcp://localhost:1 --tlsverify ps
check_has "a context that is not there" 'context "nope": context not found' as_user "$ours" -c nope ps
check_has "a template that does not parse" "template: :1: unclosed action" no_engine ps --format '{{.X'
for command in "" image run "container ls" exec "volume create" inspect; do
	# shellcheck disable=SC2086 # words
	check_has "help: docker $command" "Usage:  docker ${command:+$command }" no_engine $command --help
done

# A context made by hand, as docker context create would.
meta=$test_home/.docker/contexts/meta/$(printf mine | sha256sum | cut -d' ' -f1)
as_user mkdir -p "$meta"
echo '{"Name":"mine","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///in/a/context.sock"}}}' >"$meta/meta.json"
chmod -R a+rX "$test_home/.docker"
check_has "a context is used" "unix:///in/a/context.sock" as_user env -u DOCKER_HOST "$ours" -c mine ps
echo '{"currentContext":"mine"}' >"$test_home/.docker/config.json"
check_has "the current context is used" "unix:///in/a/context.sock" as_user env -u DOCKER_HOST "$ours" ps
check_has "DOCKER_HOST comes before it" "unix:///nonexistent.sock" no_engine ps
rm "$test_home/.docker/config.json"
check_has "without any: the user's own socket" "$xdg/docker.sock" as_user env -u DOCKER_HOST "$ours" ps

# --- containers ----------------------------------------------------------------------------------

engine_start || exit 1
o() { as_user "$ours" "$@"; }
run_bb() { o run --rm --network none bb "$@"; }
streams() { # CMD: what came on stdout and stderr, told apart
	local err status
	err=$("$@" 2>&1 >"$TEST_TMP/out" </dev/null)
	status=$?
	echo "out<$(cat "$TEST_TMP/out")> err<$err> $status"
}

tar=$(image_busybox)
image_id=$(o import - bb <"$tar")
case $image_id in sha256:????????????????????????????????????????????????????????????????) ok "import" ;; *) not_ok "import" "$image_id" ;; esac

check_out "run" "hello" run_bb echo hello
check_status "exit code" 7 run_bb sh -c 'exit 7'
check_status "not found" 127 run_bb frobnicate
check_status "not executable" 126 run_bb /etc/passwd
check_status "no such image" 125 o run --rm --pull never no-such-image true
check_out "stdout and stderr" "out<a> err<b> 0" streams run_bb sh -c 'echo a; echo b >&2'
check_out "a terminal that is none" "the input device is not a TTY" o run --rm -it bb true
through() { head -c 3000000 /dev/urandom >"$TEST_TMP/data"; o run --rm -i --network none bb cat <"$TEST_TMP/data" | cmp - "$TEST_TMP/data"; }
check "3 MB through a container" through
check_out "only stderr attached" "out<> err<b> 0" streams o run --rm -a stderr --network none bb sh -c 'echo a; echo b >&2'
half_closed() { printf 'one\ntwo\n' | o run --rm -i --network none bb sh -c 'wc -l; echo after'; }
check_out "the end of input is passed on, output goes on" "2${nl}after" half_closed
check_out "variables" "b from-us" as_user env OURS=from-us "$ours" run --rm --network none -e A=b -e OURS bb sh -c 'echo $A $OURS'

as_user mkdir -p "$test_home/.docker"
echo '{"proxies": {"default": {"httpProxy": "http://p:1", "noProxy": "here"}}}' >"$test_home/.docker/config.json"
proxies() { "$@" run --rm --network none -e no_proxy=mine bb env | grep -i _proxy | sort; }
check_out "the proxies of config.json" "HTTP_PROXY=http://p:1${nl}NO_PROXY=here${nl}http_proxy=http://p:1${nl}no_proxy=mine" proxies o
check_out "as the stock client has them" "$(proxies o)" proxies docker
rm -r "$test_home/.docker"

# A signal reaches the container's process, and its exit code comes back.
proxied() {
	local pid status
	as_user "$ours" run --rm --network none bb sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done' >"$TEST_TMP/up" &
	pid=$!
	until grep -q up "$TEST_TMP/up"; do sleep 0.02; done
	kill -TERM "$(pgrep -P "$pid" -x docker)"
	wait "$pid"
	status=$?
	return "$status"
}
check_status "signals are passed on" 9 proxied

id=$(o run -d --name web -l role=test -e X=y --network none bb sh -c 'echo one; echo two >&2; exec sleep 1000')
check_out "ps -q" "${id:0:12}" o ps -q
check_out "ps --no-trunc" "$id" o ps -q --no-trunc
check_out "ps by a template" 'web bb "sh -c '"'echo one; ec…"'" running test' o ps --format '{{.Names}} {{.Image}} {{.Command}} {{.State}} {{.Label "role"}}'
check_has "ps, a table" "CONTAINER ID   IMAGE     COMMAND" o ps
check_out "ps --filter" "" o ps -q -f name=none-such
check_out "inspect -f" "running /web none [X=y] map[role:test] <no value>" o inspect -f '{{.State.Status}} {{.Name}} {{.HostConfig.NetworkMode}} {{.Config.Env}} {{.Config.Labels}} {{.Config.Labels.none}}' web
check_out "inspect, a loop" "none:1" o inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}:{{len .NetworkSettings.Networks}}' web
check_has "inspect, a mistake" 'map has no entry for key "Nope"' o inspect -f '{{.State.Nope}}' web
check_status "inspect, nothing there" 1 o inspect nope
check_out "logs, told apart" "out<one> err<two> 0" streams o logs web
last_line() { o logs --tail 1 web 2>&1 | wc -l; }
check_out "logs --tail" 1 last_line
check_out "exec" "out<x> err<y> 0" streams o exec web sh -c 'echo x; echo y >&2'
check_status "exec, exit code" 3 o exec web sh -c 'exit 3'
check_status "exec, not found" 127 o exec web frobnicate
check_out "exec, options" "b /tmp 5" o exec -e A=b -w /tmp -u 5 web sh -c 'echo $A $(pwd) $(id -u)'
check_has "top" "sleep 1000" o top web
check_out "rename" "" o rename web web2
check_out "update" web2 o update --restart on-failure:3 web2
check_out "update, what came of it" "{on-failure 3}" o inspect -f '{{.HostConfig.RestartPolicy}}' web2
check_out "update with nothing to do" "you must provide one or more flags when using this command" o update web2
check_out "update, a policy that is none" "invalid restart policy format: maximum retry count must be an integer" \
	o update --restart on-failure:x web2
check_status "update, some are not there" 1 o update --restart no web2 nope
check_out "stop" "web2" o stop -t 1 web2
check_out "wait" "137" o wait web2
check_has "ps -a" "Exited (137)" o ps -a
check_out "start" "web2" o start web2
check_out "kill" "web2" o kill web2
check_out "start of several" "out<web2> err<Error response from daemon: No such container: nope${nl}Error: failed to start containers: nope> 1" streams o start web2 nope
check_out "rm -f" "web2" o rm -f web2
check_status "rm, nothing there" 1 o rm web2
check_status "rm -f, nothing there" 0 o rm -f web2

check_has "create" "" o create --name made -i --network none bb sh -c 'cat; exit 4'
attached() { echo typed | o start -ai made; }
check_out "start -ai" "typed" attached
check_status "its exit code" 4 attached
check_out "attach to what has ended" "You cannot attach to a stopped container, start it first" o attach made
check_has "container prune" "Total reclaimed space: " o container prune -f
check_out "nothing is left" "" o ps -aq

# --- images, volumes, networks, the rest ---------------------------------------------------------

check_out "tag" "" o tag bb other/name:x
check_out "images by a template" "other/name:x" o images --format '{{.Repository}}:{{.Tag}}' other/name
check_out "rmi of a tag" "Untagged: other/name:x" o rmi other/name:x
check_status "rmi, nothing there" 1 o rmi none-such
check_has "history" "Imported from -" o history bb
check_out "image inspect -f" "linux $image_id" o image inspect -f '{{.Os}} {{.ID}}' bb
saved() { o save bb | o load; }
check_out "save and load" "Loaded image: bb:latest" saved
garbage() { echo garbage | o load; }
check_status "load of garbage" 1 garbage
check_out "volume create" "v1" o volume create --label a=b v1
check_out "volume ls" "local v1 a=b" o volume ls --format '{{.Driver}} {{.Name}} {{.Labels}}' -f name=v1
kept() { o run --rm --network none -v v1:/v bb sh -c 'echo kept >/v/f' && o run --rm --network none -v v1:/v bb cat /v/f; }
check_out "a volume keeps" "kept" kept
check_out "volume rm" "v1" o volume rm v1
check_out "network ls" "bridge${nl}host${nl}none" o network ls --format '{{.Name}}'
check_has "events" "container die" o events --since 0 --until "$(date +%s)" -f event=die
check_has "info" "Cgroup Driver" o info
check_has "version" "Server:" o version

# --- the same as the stock client ----------------------------------------------------------------

# What differs by nature is taken out: ages, and the client's own version.
same() { # ARGS...
	local a b
	a=$(docker "$@" 2>&1 </dev/null | sed -E "$plain"; echo "status ${PIPESTATUS[0]}")
	b=$(o "$@" 2>&1 </dev/null | sed -E "$plain"; echo "status ${PIPESTATUS[0]}")
	if [ "$a" = "$b" ]; then ok "as the stock client: $*"; else not_ok "as the stock client: $*" "$(diff <(echo "$a") <(echo "$b"))"; fi
}
plain='s/(Less than a second|About an? [a-z]+|[0-9]+ (second|minute)s?)( ago)?/AGE/g; s/ +/ /g'
if ! "$docker_cli" --version >/dev/null 2>&1; then
	skip "the same as the stock client" "machine: it is not installed"
	exit 0
fi
o run -d --name same -l a=b -e X=y --network none bb sh -c 'echo one; echo two >&2; exec sleep 1000' >/dev/null
o run --name ended --network none bb sh -c 'exit 3'
for format in '{{.ID}}' '{{json .}}' 'table {{.Names}}\t{{.Status}}\t{{.Label "a"}}' json table; do
	same ps -a --format "$format"
done
same ps
same ps -aq
same ps -a --no-trunc
same ps -f name=same -f status=running
same ps -f frob=1
same images
same images --digests
same images --format '{{.Repository}} {{.Tag}} {{.ID}} {{.Size}} {{.CreatedAt}}'
same images -q --no-trunc
same history bb
same history --no-trunc --format json bb
same inspect same
same inspect -f '{{json .}}' same
same inspect -f '{{.State.Status}} {{.Config.Cmd}} {{.Config.Labels}} {{.HostConfig.Binds}} {{.State.Health}} {{.ID}}' same
same inspect same none-such
same image inspect bb
same network inspect none
same network ls
same volume ls
same logs same
same logs -t same
same logs --since frob same
same rename same ended
same rm same
same rmi none-such
same tag bb UPPER
same pull UPPER
same exec same frobnicate
same exec ended true
same exec none-such true
same start none-such
same stop none-such
same kill -s FROB same
same wait ended
same port same
same attach ended
same run --rm bb frobnicate
same run --rm --name same bb true
same run --rm --cap-add FROB bb true
same events --since 0 --until 1
same volume rm none-such
same network inspect none-such
same info --format '{{.Driver}} {{.CgroupDriver}} {{.SecurityOptions}}'
same version --format '{{.Server.Version}} {{.Server.APIVersion}} {{.Server.Os}}/{{.Server.Arch}}'
o rm -f same ended >/dev/null
same system df
same system df --format json
same system df --format '{{.Type}} {{.Reclaimable}}'
same system df -v
same system df -v --format json
same system df -v --format "{{range .Containers}}{{.Names}} {{.Mounts}} {{json .}}{{end}}{{len .Images}}"
same system df -v --format raw
same system df -v --format "{{.Nope}}"
same system df --format raw
same system prune
same system prune -a --volumes --filter label=none
same system prune --filter until=1h --volumes
same system prune -f --filter label=none
