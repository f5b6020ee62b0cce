# SPDX-License-Identifier: MIT
#
# tests/integration/registry.sh - a real registry (docker-registry) on loopback, for scripts that
# source lib.sh.
#
#   registry_up PORT            plain HTTP; sets nothing, ends with the script
#   registry_up_tls PORT DIR    with a certificate for localhost and 127.0.0.1 signed by a CA made in
#                               DIR (DIR/ca.crt)
#   registry_push ARCHIVE REF   push a docker-archive with skopeo (the CA is trusted if DIR is given)

registry_conf() { # PORT [TLS-DIR]
	cat <<END
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $TEST_TMP/registry-$1}, delete: {enabled: true}}
http:
  addr: 127.0.0.1:$1
END
	[ -z "${2:-}" ] || printf '  tls: {certificate: %s/server.crt, key: %s/server.key}\n' "$2" "$2"
}

# Connect until somebody listens or the server has ended.
wait_listening() { # PORT PID
	while kill -0 "$2" 2>/dev/null; do
		if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return 0; fi
		read -r -t 0.02 <> <(:) || :
	done
	return 1
}

registry_start() { # PORT CONF
	OTEL_TRACES_EXPORTER=none docker-registry serve "$2" >"$TEST_TMP/registry-$1.log" 2>&1 </dev/null &
	local pid=$!
	at_exit "kill $pid 2>/dev/null"
	registry_pid=$pid
	wait_listening "$1" "$pid" || { not_ok "registry on port $1" "$(tail -3 "$TEST_TMP/registry-$1.log")"; return 1; }
}

registry_up() {
	registry_conf "$1" >"$TEST_TMP/registry-$1.yml"
	registry_start "$1" "$TEST_TMP/registry-$1.yml"
}

tls_make() { # DIR: a CA and a server certificate
	mkdir -p "$1"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=Test CA" \
		-addext basicConstraints=critical,CA:TRUE -keyout "$1/ca.key" -out "$1/ca.crt" 2>/dev/null
	openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout "$1/server.key" \
		-out "$1/server.csr" 2>/dev/null
	openssl x509 -req -in "$1/server.csr" -CA "$1/ca.crt" -CAkey "$1/ca.key" -CAcreateserial -days 2 \
		-extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$1/server.crt" 2>/dev/null
	chmod 644 "$1"/*.crt "$1/server.key"
}

registry_up_tls() {
	tls_make "$2"
	registry_conf "$1" "$2" >"$TEST_TMP/registry-$1.yml"
	registry_start "$1" "$TEST_TMP/registry-$1.yml"
}

registry_push() {
	skopeo copy --insecure-policy --dest-tls-verify=false -q "docker-archive:$1" "docker://$2"
}
