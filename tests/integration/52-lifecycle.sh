#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a container goes through while it runs: paused, watched over, logged, updated; also across a
# kill -9 of the engine.
. "$(dirname "$0")/lib.sh"

field() { docker inspect -f "$2" "$1"; }
await_up() { until docker logs "$1" 2>&1 | grep -q up; do :; done; }
# kill -9 of the engine; the supervisor starts the next one.
engine_crash() {
	local old
	old=$(cat "$xdg/docker.pid")
	engine_kill "$old"
	until docker version >/dev/null 2>&1 && [ "$(cat "$xdg/docker.pid")" != "$old" ]; do :; done
}

engine_start || exit 1
docker import -c 'CMD ["sh"]' "$(image_busybox)" bb >/dev/null || exit 1

# --- pause ------------------------------------------------------------------------------------------------
# States of its processes, each once: T is stopped.  A signal takes a moment to arrive.
states() { docker top "$1" -o pid,stat | awk 'NR > 1 {print substr($2, 1, 1)}' | sort -u | tr -d '\n'; }
await_states() { until [ "$(states "$1")" = "$2" ]; do :; done; }
paused=$(docker run -d --name paused bb sh -c 'sleep 1000 & sh -c "kill -STOP \$\$" & sh -c "sh -c \"sleep 1000\"; :" & echo up; wait')
await_up paused
await_states paused ST
check_out "pause" "paused" docker pause paused
check "pause stops every process" await_states paused T
check_out "pause: the state" "paused true true" field paused '{{.State.Status}} {{.State.Paused}} {{.State.Running}}'
check_has "pause: docker ps says so" "(Paused)" docker ps --filter status=paused --format '{{.Status}}'
check_has "pause: twice" "Container $paused is already paused" docker pause paused
check_has "pause: no exec" "Container $paused is paused, unpause the container before exec" docker exec paused true
check_has "pause: no start" "cannot start a paused container, try unpause instead" docker start paused
check_out "pause: info counts it" "1 0" docker info -f '{{.ContainersPaused}} {{.ContainersRunning}}'
engine_crash
check_out "pause outlives a kill -9 of the engine" "paused T" bash -c "echo \"\$1\" \"\$2\"" - "$(field paused '{{.State.Status}}')" "$(states paused)"
check_out "unpause" "paused" docker unpause paused
check "unpause: all go on but who was stopped before" await_states paused ST
check_has "unpause: twice" "Container $paused is not paused" docker unpause paused
docker pause paused >/dev/null
check_out "kill of a paused container ends it" "paused" docker kill paused
check_out "kill of a paused container: the exit code" "exited false 137" field paused '{{.State.Status}} {{.State.Paused}} {{.State.ExitCode}}'
docker run -d --name shared --pid host bb sh -c 'trap exit TERM; sleep 1001 & echo up; wait' >/dev/null
await_up shared
docker pause shared >/dev/null
check "pause in the host's pid namespace" await_states shared T
sleeper=$(pgrep -P "$(field shared '{{.State.Pid}}')" -xf 'sleep 1001')
engine_kill "$(awk '/^PPid:/ {print $2}' "/proc/$(field shared '{{.State.Pid}}')/status")"
check "a monitor's death leaves nobody stopped" bash -c 'while grep -qs "^State:.T" /proc/$0/status; do :; done' "$sleeper"
kill "$sleeper" 2>/dev/null
docker rm -f paused shared >/dev/null

# --- health checks --------------------------------------------------------------------------------------
health() { field "$1" '{{.State.Health.Status}}'; }
await_health() { until [ "$(health "$1")" = "$2" ]; do :; done; }
docker run -d --name well --health-cmd 'echo out; echo err >&2; test -e /ok' --health-interval 100ms --health-retries 2 bb sleep 1000 >/dev/null
check_has "health: starting at first" "starting" docker ps -a --filter name=well --format '{{.Status}}'
check "health: failures make it unhealthy" await_health well unhealthy
check_has "health: docker ps says so" "(unhealthy)" docker ps --filter health=unhealthy --format '{{.Status}}'
check_out "health: the last result" '1 "out\nerr\n"' field well '{{with index .State.Health.Log 0}}{{.ExitCode}} {{json .Output}}{{end}}'
check "health: a success makes it healthy" bash -c "$docker_cli -H unix://$xdg/docker.sock exec well touch /ok" && await_health well healthy
until [ "$(field well '{{len .State.Health.Log}}')" = 5 ]; do :; done
check_out "health: no failure is counted any more" "0" field well '{{.State.Health.FailingStreak}}'
# The state is there a moment before its event.
await_event() { until docker events --since 1h --until "$(date +%s.%N)" | grep -q "$1"; do :; done; }
check "health: its events" await_event "container health_status: healthy .*name=well"
check "health: an exec as any other" await_event "container exec_start: /bin/sh -c echo out"
engine_crash
check_out "health outlives a kill -9 of the engine" "healthy 5" field well '{{.State.Health.Status}} {{len .State.Health.Log}}'
docker exec well rm /ok
check "health: is probed by the next engine" await_health well unhealthy
docker stop -t 0 well >/dev/null
check_out "health: one that ended is unhealthy" "unhealthy" health well
docker run -d --name slow --health-cmd 'echo partly; sleep 1000' --health-timeout 200ms --health-interval 100ms --health-retries 1 --health-start-period 10m --health-start-interval 100ms bb sleep 1000 >/dev/null
until [ "$(field slow '{{len .State.Health.Log}}')" != 0 ]; do :; done
check_out "health: a timeout" 'Health check exceeded timeout (200ms): partly' field slow '{{(index .State.Health.Log 0).Output}}'
check_out "health: failures in the start period do not count" "starting 0" field slow '{{.State.Health.Status}} {{.State.Health.FailingStreak}}'
check_out "--no-healthcheck" "<nil>" bash -c "id=\$($docker_cli -H unix://$xdg/docker.sock run -d --no-healthcheck bb sleep 1000); $docker_cli -H unix://$xdg/docker.sock inspect -f '{{.State.Health}}' \$id; $docker_cli -H unix://$xdg/docker.sock rm -f \$id >/dev/null"
docker rm -f well slow >/dev/null

# --- log drivers --------------------------------------------------------------------------------------------
check_has "log-opt: max-size" "failed to initialize logging driver: invalid size: 'abc'" docker run --rm --log-opt max-size=abc bb true
check_has "log-opt: compress alone" "compress cannot be true when max-file is less than 2 or max-size is not set" docker run --rm --log-opt compress=true bb true
check_has "log-opt: unknown" "unknown log opt 'frob' for log driver local" docker run --rm --log-driver local --log-opt frob=1 bb true
check_has "log-opt: tag" "can't evaluate field Frob in type *logger.Info" docker run --rm --log-opt tag='{{.Frob}}' bb true
check_has "log driver: unknown" 'error looking up logging plugin frob: plugin "frob" not found' docker run --rm --log-driver frob bb true
docker run --name attrs -l b=1 -l a=2 -e Z=3 --log-opt labels=b,a --log-opt env-regex='^Z' --log-opt tag='{{.Name}}/{{.ImageName}}' bb echo hi >/dev/null
check_out "log-opt: labels, env-regex and tag are details" "Z=3,a=2,b=1,tag=attrs%2Fbb hi" docker logs --details attrs
docker run --name rotated --log-driver local --log-opt max-size=100k --log-opt max-file=4 bb seq 1 20000 >/dev/null
check_out "local: rotated and compressed files are read back, in order" "20000 1" bash -c "$docker_cli -H unix://$xdg/docker.sock logs rotated | awk 'NR > 1 && \$1 != last + 1 {gaps++} {last = \$1} END {print last, (!gaps && NR > 3000)}'"
check_has "local: old files are compressed" "local.log.1.gz" find "$test_home/.local/share/docker/containers/" -name 'local.log*'
check_out "local: its file is nobody's business" "" field rotated '{{.LogPath}}'
# Files are renamed and compressed under the reader's hands.
docker run -d --name follow --log-opt max-size=20k --log-opt max-file=50 --log-opt compress=true bb sh -c 'seq 1 100; until [ -e /go ]; do sleep 0.02; done; seq 101 8000' >/dev/null
docker logs -f follow >"$TEST_TMP/followed" &
until [ "$(wc -l <"$TEST_TMP/followed")" -ge 100 ]; do :; done
docker exec follow touch /go
wait $!
check_out "logs -f across many rotations loses nothing" "8000 8000 1" awk '$1 != last + 1 {gaps++} {last = $1} END {print NR, last, !gaps}' "$TEST_TMP/followed"
# A syslog daemon of one socket; each datagram is a line of ours, without its end.
cat >"$TEST_TMP/syslogd.py" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
open(sys.argv[1] + ".ready", "w").close()
for i in range(2):
    print(s.recv(65536).decode().rstrip("\n"), flush=True)
PY
chmod 644 "$TEST_TMP/syslogd.py"
as_user python3 "$TEST_TMP/syslogd.py" "$xdg/syslog" >"$TEST_TMP/syslog.out" &
until [ -e "$xdg/syslog.ready" ]; do :; done
docker run --name sys --log-driver syslog --log-opt syslog-address="unixgram://$xdg/syslog" --log-opt syslog-format=rfc5424 --log-opt syslog-facility=local0 --log-opt tag='{{.Name}}' bb sh -c 'echo one; echo two >&2' >/dev/null 2>&1
wait $!
check_has "syslog: a line of stdout" " - one" grep '^<134>1 20.* sys [0-9]* sys - one$' "$TEST_TMP/syslog.out"
check_has "syslog: a line of stderr" " - two" grep '^<131>1 20.* sys [0-9]* sys - two$' "$TEST_TMP/syslog.out"
check_out "syslog: docker logs reads what was sent there" "onetwo" bash -c "$docker_cli -H unix://$xdg/docker.sock logs sys 2>&1 | sort | tr -d '\n'"
check_has "cache-disabled: nothing to read" "configured logging driver does not support reading" bash -c "id=\$($docker_cli -H unix://$xdg/docker.sock create --log-driver syslog --log-opt syslog-address=udp://127.0.0.1:9 --log-opt cache-disabled=true bb true) && $docker_cli -H unix://$xdg/docker.sock start \$id >/dev/null && $docker_cli -H unix://$xdg/docker.sock logs \$id"
docker run --name pieces --network none bb sh -c 'head -c 40000 /dev/zero | tr "\0" a; echo' >/dev/null
check_out "logs -t: each piece of a long line has its time" "40063" bash -c "$docker_cli -H unix://$xdg/docker.sock logs -t pieces | awk '{print length(\$0) - length(\$1)}'"
docker rm -f attrs rotated follow sys pieces >/dev/null
profile() { # JSON: what a start with it says
	printf '%s' "$1" >"$TEST_TMP/profile.json"
	docker run --rm --network none --security-opt "seccomp=$TEST_TMP/profile.json" bb true
}
rule='{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]}'
check "seccomp: a rule with an argument" profile "$rule"
check_has "seccomp: no such argument" "runc create failed: unable to start container process: error during container init: error creating seccomp syscall condition for syscall mkdir: syscalls only have up to 6 arguments (9 given)" profile "${rule/\"index\":0/\"index\":9}"
check_has "seccomp: no such comparison" "runc create failed: string SCMP_CMP_FROB is not a valid operator for seccomp" profile "${rule/CMP_EQ/CMP_FROB}"
check_has "seccomp: no such flag" "runc create failed: seccomp flag FROB is not known to runc" profile '{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_LOG","FROB"]}'
check_has "seccomp: nobody to notify" "error during container init: seccomp listenerPath is not set" profile "${rule/ACT_ERRNO/ACT_NOTIFY}"

# The same over the network, and the journal: whoever listens prints what came, an end of line behind each.
cat >"$TEST_TMP/listen.py" <<'PY'
import os, socket, sys
kind, where = sys.argv[1:3]
family = socket.AF_UNIX if "/" in where else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM if kind == "stream" else socket.SOCK_DGRAM)
s.bind(where if family == socket.AF_UNIX else ("127.0.0.1", 0))
if family == socket.AF_UNIX:
    os.chmod(where, 0o666)
if kind == "stream":
    s.listen()
print(where if family == socket.AF_UNIX else s.getsockname()[1], flush=True)
lines = 0
if kind == "stream":
    while lines < 2:  # the engine connects, too, to see whether somebody is there
        for line in s.accept()[0].makefile():
            print(line.rstrip("\n"), flush=True)
            lines += 1
else:
    for i in range(2):
        print(s.recv(65536).decode().rstrip("\n"), flush=True)
PY
listen() { # KIND WHERE: $heard has the port, then what came; $! ends after two messages
	heard=$TEST_TMP/heard.$1.${2//\//-}
	python3 "$TEST_TMP/listen.py" "$1" "$2" >"$heard" &
	until [ -s "$heard" ]; do sleep 0.02; done
}
printed='echo one; echo two >&2'
for way in udp:dgram tcp:stream; do
	listen "${way#*:}" 127.0.0.1
	docker run --rm --network none --log-driver syslog --log-opt "syslog-address=${way%:*}://127.0.0.1:$(head -1 "$heard")" \
		--log-opt tag=net bb sh -c "$printed" >/dev/null 2>&1
	wait $!
	check_out "syslog over ${way%:*}" "2" grep -cE '^<(30|27)>.* net\[[0-9]+\]: (one|two)$' "$heard"
done
# Over TLS: with a certificate, without, and not to whom one does not believe.
tls=$TEST_TMP/syslog-tls
mkdir "$tls"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tls/ca.key" -out "$tls/ca.pem" -subj /CN=ca -days 2 2>/dev/null
for who in server client; do
	openssl req -newkey rsa:2048 -nodes -keyout "$tls/$who.key" -out "$tls/$who.csr" -subj "/CN=$who" 2>/dev/null
	openssl x509 -req -in "$tls/$who.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -CAcreateserial -out "$tls/$who.pem" -days 2 \
		-extfile <(echo subjectAltName=IP:127.0.0.1) 2>/dev/null
done
chmod -R a+rX "$TEST_TMP" && chmod a+r "$tls"/*
cat >"$TEST_TMP/listen_tls.py" <<'PY'
import os, socket, ssl, sys
os.chdir(sys.argv[1])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem", "server.key")
context.load_verify_locations("ca.pem")
context.verify_mode = ssl.CERT_OPTIONAL
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
lines = 0
while lines < 2:
    try:  # the engine connects, too, and some of them do not like what they see
        c = context.wrap_socket(s.accept()[0], server_side=True)
        for line in c.makefile():
            print((c.getpeercert() or {"subject": "nobody"})["subject"], line.rstrip("\n"), flush=True)
            lines += 1
    except OSError:
        pass
PY
listen_tls() {
	heard=$TEST_TMP/heard.tls.$1
	python3 "$TEST_TMP/listen_tls.py" "$tls" >"$heard" &
	until [ -s "$heard" ]; do sleep 0.02; done
	port=$(head -1 "$heard")
}
to_tls() { docker run --rm --network none --log-driver syslog --log-opt "syslog-address=tcp+tls://127.0.0.1:$port" --log-opt tag=tt "$@" bb sh -c "$printed"; }
listen_tls believed
check_has "syslog over TLS: to nobody we know" "failed to initialize logging driver: tls: failed to verify certificate: x509: certificate signed by unknown authority" to_tls
check_has "syslog over TLS: no such authority" 'could not read CA certificate "/none"' to_tls --log-opt syslog-tls-ca-cert=/none
check_has "syslog over TLS: half an identity" "Could not load X509 key pair: " to_tls --log-opt syslog-tls-ca-cert="$tls/ca.pem" --log-opt syslog-tls-cert="$tls/client.pem"
to_tls --log-opt syslog-tls-ca-cert="$tls/ca.pem" --log-opt syslog-tls-cert="$tls/client.pem" --log-opt syslog-tls-key="$tls/client.key" >/dev/null 2>&1
wait $!
check_out "syslog over TLS, with a certificate" "2" grep -cE '^.*client.* <(30|27)>[A-Z].* tt\[[0-9]+\]: (one|two)$' "$heard"
listen_tls skipped
to_tls --log-opt syslog-tls-skip-verify=1 --log-opt syslog-format=rfc5424micro >/dev/null 2>&1
wait $!
check_out "syslog over TLS: any will do; each with its length" "2" grep -cE '^nobody [0-9]+ <(30|27)>1 [^ ]*\.[0-9]{6}[^ ]* [^ ]* tt [0-9]+ tt - (one|two)$' "$heard"
check_out "syslog over TLS: the lengths are right" "2" bash -c "sed 1d '$heard' | sed 's/^nobody //' | while read -r n rest; do [ \$((\${#rest} + 1)) = \"\$n\" ] && echo; done | wc -l"

journal=/run/systemd/journal/socket
if [ -e "$journal" ] || [ "$(id -u)" != 0 ]; then
	skip "journald" "machine: $journal is somebody's, or not ours to make"
else
	mkdir -p "${journal%/*}"
	at_exit "rm -f $journal; rmdir --ignore-fail-on-non-empty -p ${journal%/*} 2>/dev/null"
	listen dgram "$journal"
	docker run --rm --network none --name journaled --log-driver journald --log-opt tag=jj bb sh -c "$printed" >/dev/null 2>&1
	wait $!
	# A text comes behind its name and its length, 8 bytes.
	check_out "journald: two messages" "one two" bash -c "tr -d '\0\3' <$heard | grep -A1 ^MESSAGE$ | grep -E '^(one|two)$' | sort | xargs"
	check_out "journald: their priorities" "PRIORITY=3 PRIORITY=6" bash -c "grep -a ^PRIORITY= $heard | sort | xargs"
	check_out "journald: counted, in one run" "CONTAINER_LOG_ORDINAL=1 CONTAINER_LOG_ORDINAL=2 1" bash -c "grep -a ^CONTAINER_LOG_ORDINAL= $heard | sort | xargs echo -n; grep -a ^CONTAINER_LOG_EPOCH= $heard | sort -u | grep -cE '=[0-9a-f]{64}$' | sed 's/^/ /'"
	check_out "journald: whose they are" "2 2" bash -c "echo \$(grep -ac ^CONTAINER_NAME=journaled$ $heard) \$(grep -ac ^CONTAINER_TAG=jj$ $heard)"
fi

check_has "kill: a signal that is none goes before a container that is none" "cannot kill container: nobody: invalid signal: FROB" docker kill -s FROB nobody
check_has "update: so does a limit" "Minimum memory limit allowed is 6MB" docker update --memory 1 nobody

# --- stats, events ------------------------------------------------------------------------------------------
docker run -d --name busy --network none bb sh -c 'sleep 1000 & while :; do :; done' >/dev/null
check_out "stats: processes" "busy 2" docker stats --no-stream --format '{{.Name}} {{.PIDs}}' busy
cat >"$TEST_TMP/stats.py" <<'PY'
import http.client, json, socket, sys
c = http.client.HTTPConnection("docker")
c.sock = socket.socket(socket.AF_UNIX)
c.sock.connect(sys.argv[1])
c.request("GET", "/containers/busy/stats")
r = c.getresponse()
first, second = json.loads(r.readline()), json.loads(r.readline())
used = lambda s: s["cpu_usage"]["total_usage"]
assert second["name"] == "/busy" and second["precpu_stats"] == first["cpu_stats"], (first, second)
assert used(first["cpu_stats"]) < used(second["cpu_stats"]), (first, second)
assert second["memory_stats"]["usage"] > 4096 and "networks" not in second, second
PY
check "stats: CPU time that was used since the look before" python3 "$TEST_TMP/stats.py" "$xdg/docker.sock"
docker rm -f busy >/dev/null
check_out "stats: of one that does not run" '"0001-01-01T00:00:00Z"' bash -c "id=\$($docker_cli -H unix://$xdg/docker.sock create bb); curl -s --unix-socket $xdg/docker.sock \"http://d/containers/\$id/stats?stream=0\" | grep -o '\"read\":[^,]*' | cut -d: -f2-"
all_events() { docker events --since 1h --until "$(date +%s.%N)"; }
before=$(all_events | head -n 100)
engine_crash
check_out "events outlive a kill -9 of the engine" "$before" bash -c "head -n 100 <<<\"\$1\"" - "$(all_events)"

# --- attach by WebSocket ------------------------------------------------------------------------------------
cat >"$TEST_TMP/ws.py" <<'PY'
import base64, os, socket, struct, sys
def frame(op, data):  # masked with zeros
    n = len(data)
    return bytes([0x80 | op, 0x80 | (n if n < 126 else 126)]) + (struct.pack(">H", n) if n > 125 else b"") + bytes(4) + data
def read(n):
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        assert piece, data
        data += piece
    return data
def message():
    op, n = read(2)
    if n == 126: n, = struct.unpack(">H", read(2))
    return op & 15, read(n)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"GET /containers/ws/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
          b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n")
head = b""
while not head.endswith(b"\r\n\r\n"): head += read(1)
assert b" 101 " in head, head
# More than all buffers on the way hold, while nothing is read: what comes back is what went in.
want = bytes(i % 251 for i in range(1 << 20))
pid = os.fork()
if not pid:
    for i in range(0, len(want), 60000): s.sendall(frame(2, want[i:i + 60000]))
    os._exit(0)
got = b""
while len(got) < len(want):
    op, data = message()
    assert op == 2, op
    got += data
assert got == want
os.waitpid(pid, 0)
s.sendall(frame(9, b"hi"))
assert message() == (10, b"hi")
s.sendall(frame(8, struct.pack(">H", 1000)))
assert message()[0] == 8 and s.recv(1) == b""
PY
docker run -di --name ws bb cat >/dev/null
check "attach/ws: a megabyte there and back, a ping, a close" python3 "$TEST_TMP/ws.py" "$xdg/docker.sock"
check_out "attach/ws: the container runs on" "true" field ws '{{.State.Running}}'
check_has "attach/ws: of nobody" "No such container: nope" curl -s --unix-socket "$xdg/docker.sock" http://d/containers/nope/attach/ws
docker rm -f ws >/dev/null

# --- attach with a body, as dockerode sends its options -------------------------------------------------------
cat >"$TEST_TMP/body.py" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"POST /containers/body/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
          b"Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"stdin\": true}typed\n")
got = b""
while b"typed" not in got:
    piece = s.recv(1000)
    assert piece, got
    got += piece
assert b"\r\n\r\n\1\0\0\0\0\0\0\6typed\n" in got and b"stdin" not in got, got
PY
docker run -di --name body bb cat >/dev/null
check "attach: a request's body is no input" python3 "$TEST_TMP/body.py" "$xdg/docker.sock"
check_out "our docker stats" "body 1 0.00%" our_docker stats --no-stream --format '{{.Name}} {{.PIDs}} {{.CPUPerc}}' body
docker rm -f body >/dev/null
