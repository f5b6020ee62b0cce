#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The engine for other machines: TLS with client certificates, several sockets, sockets of systemd, and
# ssh; reached by the stock client and by ours.
# test: quick
. "$(dirname "$0")/lib.sh"

ln -sf "$coracle" "$TEST_TMP/bin/docker"
ours=$TEST_TMP/bin/docker
pem=$test_home/pem
port=$(free_ports 1)

# --- certificates -------------------------------------------------------------------------------

new_ca() { # NAME
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.pem" -days 2 \
		-subj "/CN=test CA $1" -addext basicConstraints=critical,CA:TRUE
}
new_cert() { # NAME CA EXTENSION...: an EC key, or an RSA one where NAME begins so
	local name=$1 ca=$2 key="ec -pkeyopt ec_paramgen_curve:P-256"
	shift 2
	printf '%s\n' "$@" >"$name.ext"
	case $name in rsa*) key=rsa:2048 ;; esac
	# shellcheck disable=SC2086 # words
	openssl req -newkey $key -nodes -keyout "$name.key" -out "$name.csr" -subj "/CN=$name" &&
		openssl x509 -req -in "$name.csr" -CA "$ca.pem" -CAkey "$ca.key" -CAcreateserial -days 2 -out "$name.pem" \
			-extfile "$name.ext"
}
mkdir "$pem"
(
	cd "$pem" && new_ca ca && new_ca other &&
		new_cert server ca extendedKeyUsage=serverAuth "subjectAltName=IP:127.0.0.1,DNS:localhost" &&
		new_cert rsaserver ca extendedKeyUsage=serverAuth "subjectAltName=IP:127.0.0.1,DNS:localhost" &&
		new_cert client ca extendedKeyUsage=clientAuth && new_cert rsaclient ca extendedKeyUsage=clientAuth &&
		new_cert stranger other extendedKeyUsage=clientAuth
) >"$TEST_TMP/openssl.log" 2>&1 || { tail -5 "$TEST_TMP/openssl.log"; exit 1; }
use() { # DIRECTORY CA CERT: as DOCKER_CERT_PATH wants it
	mkdir -p "$pem/$1"
	cp "$pem/$2.pem" "$pem/$1/ca.pem"
	[ -z "${3:-}" ] || { cp "$pem/$3.pem" "$pem/$1/cert.pem"; cp "$pem/$3.key" "$pem/$1/key.pem"; }
}
use good ca client
use rsa ca rsaclient
use nobody ca
use stranger ca stranger
use server ca server
use distrust other client
chmod -R a+rX "$pem"
chmod 644 "$pem"/*.key "$pem"/*/key.pem

# --- refusals at the start ------------------------------------------------------------------------

dockerd() { as_user timeout 60 "$coracle" dockerd-rootless "$@"; }
keys=(--tlscacert "$pem/ca.pem" --tlscert "$pem/server.pem" --tlskey "$pem/server.key")
check_has "beyond loopback without TLS" "listening on tcp://0.0.0.0:$port without TLS: everyone who reaches it could run anything as you" \
	dockerd -H "tcp://0.0.0.0:$port"
check_has "... and what to do" "--tlsverify with --tlscacert, --tlscert and --tlskey" dockerd -H "tcp://0.0.0.0:$port"
check_has "... --tls alone is not enough" "say --tlsverify=false" dockerd -H "tcp://0.0.0.0:$port" --tls "${keys[@]}"
check_has "no certificates" 'invalid TLS configuration: ' dockerd -H "tcp://127.0.0.1:$port" --tlsverify
check_has "a file that is no certificate" "tls: failed to find any PEM data in certificate input" \
	dockerd -H "tcp://127.0.0.1:$port" --tlsverify --tlscacert "$pem/ca.pem" --tlscert /etc/passwd --tlskey "$pem/server.key"
check_has "a key of another certificate" "tls: private key does not match public key" \
	dockerd -H "tcp://127.0.0.1:$port" --tlsverify --tlscacert "$pem/ca.pem" --tlscert "$pem/server.pem" --tlskey "$pem/rsaserver.key"
check_has "a CA that is none" "failed to append certificates from PEM file" \
	dockerd -H "tcp://127.0.0.1:$port" --tlsverify --tlscacert "$pem/client.key" --tlscert "$pem/server.pem" --tlskey "$pem/server.key"
check_has "fd:// without systemd" "no sockets found via socket activation: make sure the service was started by systemd" dockerd -H fd://

# --- TLS --------------------------------------------------------------------------------------------

with() { # CERTIFICATES CLIENT ARG...
	local certs=$pem/$1 client=$2
	shift 2
	as_user env DOCKER_HOST="tcp://localhost:$port" DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$certs" timeout 60 "$client" "$@"
}
served() { # HOW: what holds for each kind of key
	local c how=$1
	for c in "$docker_cli" "$ours"; do
		local who=${c##*/}
		[ "$c" != "$ours" ] || who=ours
		check_out "$how: $who" who=tls with good "$c" info -f '{{index .Labels 0}}'
		check_out "$how: $who, an RSA certificate" who=tls with rsa "$c" info -f '{{index .Labels 0}}'
		check_out "$how: $who, output of a container" hello with good "$c" run --rm bb echo hello
		check_status "$how: $who, its status" 7 with good "$c" run --rm bb sh -c 'exit 7'
		# The end of the input is told while the answer is still to come: a half-closed connection.
		seq 200000 >"$TEST_TMP/numbers"
		out=$(with good "$c" run --rm -i bb sh -c 'md5sum; echo end' <"$TEST_TMP/numbers" 2>&1)
		if [ "$out" = "$(md5sum <"$TEST_TMP/numbers")"$'\nend' ]; then ok "$how: $who, input to its end"; else not_ok "$how: $who, input to its end" "$out"; fi
	done
}
# Archives go both ways through the process in front; the image is away in between, so its layer comes anew.
archives() { # HOW
	local c who id saved=$test_home/saved.tar
	for c in "$docker_cli" "$ours"; do
		who=${c##*/}
		[ "$c" != "$ours" ] || who=ours
		id=$(with good "$c" images -q --no-trunc bb)
		check "$1: $who, save" with good "$c" save -o "$saved" bb
		with good "$c" rmi -f bb >/dev/null 2>&1
		check_has "$1: $who, load" "Loaded image: bb:latest" with good "$c" load -i "$saved"
		check_out "$1: $who, it is the same image" "$id" with good "$c" images -q --no-trunc bb
		head -c 300000 "$saved" >"$saved.cut"
		check_has "$1: $who, the archive broke off" "EOF" with good "$c" load -i "$saved.cut"
		rm -f "$saved" "$saved.cut"
	done
}
refused() { # NAME CERTIFICATES PART: what the stock client says, what ours says
	check_has "$1: the stock client" "$3" with "$2" "$docker_cli" ps
	check_has "$1: ours" "$3" with "$2" "$ours" ps
	check_status "$1: status" 1 with "$2" "$ours" ps
}
# As the manual of Docker says it; the port needs no publishing here.
user_env=(DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS="-p 0.0.0.0:$port:$port/tcp")
engine_start -H "unix://$xdg/docker.sock" -H "unix://$xdg/second.sock" -H "tcp://0.0.0.0:$port" --tlsverify \
	--label who=tls "${keys[@]}" || { cat "$engine_log"; exit 1; }
docker import -q "$(image_busybox)" bb >/dev/null 2>&1 || docker import "$(image_busybox)" bb >/dev/null
served "EC key"
archives "EC key"
check_out "a second unix socket" who=tls as_user "$docker_cli" -H "unix://$xdg/second.sock" info -f '{{index .Labels 0}}'
refused "no certificate" nobody "bad certificate"
refused "a certificate of another CA" stranger "bad certificate"
refused "a server's certificate is no client's" server "bad certificate"
refused "a CA that did not sign the engine's" distrust "x509: certificate signed by unknown authority"
check_has "it is logged" "http: TLS handshake error from " cat "$engine_log"
check "plain HTTP gets no answer" bash -c "! curl -sf --max-time 10 http://127.0.0.1:$port/_ping"
check_fails "TLS 1.1 is refused" openssl s_client -connect "127.0.0.1:$port" -tls1_1 -cipher DEFAULT@SECLEVEL=0 \
	-cert "$pem/client.pem" -key "$pem/client.key"
check_has "a name that is not in it" "x509: certificate is valid for " as_user env DOCKER_HOST="tcp://127.0.0.2:$port" \
	DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$pem/good" "$ours" ps
check_out "--tls verifies nobody" who=tls as_user env -u DOCKER_HOST "$ours" -H "tcp://127.0.0.2:$port" --tls \
	--tlscacert "$pem/other.pem" --tlscert "$pem/client.pem" --tlskey "$pem/client.key" info -f '{{index .Labels 0}}'
check_out "flags name the files" who=tls as_user env -u DOCKER_HOST "$ours" -H "tcp://127.0.0.1:$port" --tlsverify \
	--tlscacert "$pem/ca.pem" --tlscert "$pem/client.pem" --tlskey "$pem/client.key" info -f '{{index .Labels 0}}'
as_user env -u DOCKER_HOST "$ours" context create far --docker \
	"host=tcp://127.0.0.1:$port,ca=$pem/ca.pem,cert=$pem/client.pem,key=$pem/client.key" >/dev/null 2>&1
check_out "a context with TLS: ours" who=tls as_user env -u DOCKER_HOST "$ours" -c far info -f '{{index .Labels 0}}'
check_out "a context with TLS: the stock client" who=tls as_user env -u DOCKER_HOST "$docker_cli" -c far info -f '{{index .Labels 0}}'

# Clients that go away, or never speak, cost nothing; the process in front may die.
front() { our_pids :tls; }
one=$(front)
check "there is one process in front" test -n "$one"
# What a side that went away leaves ends by itself; nothing tells us when.
threads() { python3 -c 'import os, sys, time
want, path = int(sys.argv[1]), f"/proc/{sys.argv[2]}/task"
for i in range(600):
    n = len(os.listdir(path))
    if n == want: break
    time.sleep(0.05)
print(n)' "$1" "$(front)"; }
python3 -c 'import socket, sys
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for i in range(20)]
for s in held[:10]: s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 600)
for s in held[10:]: s.sendall(b"GET / HTTP/1.1\r\n\r\n")' "$port"
check_out "connections that broke off are gone" 1 threads 1
as_user env DOCKER_HOST="tcp://localhost:$port" DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$pem/good" \
	sh -c 'echo $$ >"$0"; exec "$@"' "$test_home/events.pid" "$docker_cli" events >/dev/null 2>&1 &
check_out "a stream has a thread" 2 threads 2
engine_kill "$(cat "$test_home/events.pid")"
check_out "a stream whose client was killed is gone" 1 threads 1
engine_kill "$one"
check_out "the one in front was killed: the next one serves" who=tls with good "$docker_cli" info -f '{{index .Labels 0}}'
engine_stop
check_fails "nothing is left in front" test -n "$(front)"
check_fails "no socket is left" test -e "$xdg/docker/tls.sock"

keys=(--tlscacert "$pem/ca.pem" --tlscert "$pem/rsaserver.pem" --tlskey "$pem/rsaserver.key")
as_user sh -c ': >"$0"' "$engine_log"
engine_start -H "tcp://127.0.0.1:$port" --tlsverify --label who=tls "${keys[@]}" || { cat "$engine_log"; exit 1; }
served "RSA key"
check_fails "without -H unix there is no unix socket" test -e "$xdg/docker.sock"
engine_stop

# Without TLS, for whoever says so twice.
as_user sh -c ': >"$0"' "$engine_log"
engine_start -H "tcp://0.0.0.0:$port" --tls=false --label who=open && {
	check_out "--tls=false beyond loopback" who=open as_user env -u DOCKER_HOST "$docker_cli" -H "tcp://127.0.0.1:$port" info -f '{{index .Labels 0}}'
	check_has "... is warned of" "Binding to IP address without --tlsverify is insecure and gives root access on this machine to everyone who has access to your network." cat "$engine_log"
	engine_stop
}

# --- sockets of systemd, and ssh ----------------------------------------------------------------------

cp "$top/tests/lib/activate.py" "$TEST_TMP/bin/"
as_user sh -c ': >"$0"' "$engine_log"
as_user python3 "$TEST_TMP/bin/ready.py" "$test_home/engine.pid" "$engine_log" \
	python3 "$TEST_TMP/bin/activate.py" "$xdg/activated.sock" "$coracle" dockerd-rootless -H fd:// --label who=tls &&
	engine_pid=$(cat "$test_home/engine.pid")
check_out "a socket of systemd" who=tls as_user "$docker_cli" -H "unix://$xdg/activated.sock" info -f '{{index .Labels 0}}'

# ssh is a script that runs the command here: what it is given, it writes down.
mkdir "$TEST_TMP/ssh"
cat >"$TEST_TMP/ssh/ssh" <<EOF
#!/bin/sh
echo "\$*" >"$test_home/ssh.log"
while [ "\$1" != -- ]; do shift; done
shift 2
PATH="$TEST_TMP/bin:\$PATH" exec "\$@"
EOF
chmod 755 "$TEST_TMP/ssh/ssh"
far() { as_user env -u DOCKER_HOST PATH="$TEST_TMP/ssh:$PATH" DOCKER_HOST="ssh://me@far:2222$xdg/activated.sock" timeout 60 "$@"; }
check_out "ssh: ours" who=tls far "$ours" info -f '{{index .Labels 0}}'
check_out "ssh: what it was given" "-o ConnectTimeout=30 -T -l me -p 2222 -- far docker --host unix://$xdg/activated.sock system dial-stdio" cat "$test_home/ssh.log"
check_out "ssh: the stock client through our dial-stdio" who=tls far "$docker_cli" info -f '{{index .Labels 0}}'
out=$(far "$ours" run --rm -i bb sh -c 'md5sum; echo end' <"$TEST_TMP/numbers" 2>&1)
if [ "$out" = "$(md5sum <"$TEST_TMP/numbers")"$'\nend' ]; then ok "ssh: input to its end"; else not_ok "ssh: input to its end" "$out"; fi
check_has "ssh: an option is no host" "host connection is not valid ssh URL" as_user env DOCKER_HOST=ssh://-oProxyCommand=x "$ours" ps
check_has "ssh: no passwords" "plain-text password is not supported" as_user env DOCKER_HOST=ssh://a:b@c "$ours" ps
engine_stop
check "the socket of systemd is left to it" test -S "$xdg/activated.sock"
