# SPDX-License-Identifier: MIT
#
# tests/lib/golden.sh - what the scripts about recorded answers share; sourced after lib.sh
: "${GOLDEN:=}"
registry=10.99.0.2 # where the records have them: an open one, and one with accounts

# golden_needed NAME TOOL: are there records? Says so if not.
golden_needed() {
	[ -n "$GOLDEN" ] || { skip "$1" "machine: GOLDEN names no directory of records"; return 1; }
	[ -e "$GOLDEN/$2" ] || { not_ok "$1" "$GOLDEN has no $2"; return 1; }
}
# Nobody is asked whose address is not this machine's or a namespace's beside it: a gateway may answer for all the world.
registry_near() { ip route get "$registry" 2>/dev/null | grep -qE "^local |src ${registry%.*}\."; }
registry_answers() { registry_near && curl -s -m 5 -o /dev/null -D - "http://$registry:$1/v2/" | grep -qi '^docker-distribution-api-version:'; }
# The two registries: those that are there, or new ones at that address, which is ours for the time.
golden_registries() {
	local port conf
	registry_answers 5000 && registry_answers 5001 && return
	[ "$(id -u)" = 0 ] && command -v docker-registry >/dev/null && ip addr add "$registry/32" dev lo || return 1
	at_exit "ip addr del $registry/32 dev lo"
	# golden, secret
	echo 'golden:$2b$05$Gy6p4fmLoQtH7LfT9B/oEOPfprjh3h2W9G74JC8YXVhfB2ORA9WYG' >"$TEST_TMP/htpasswd"
	for port in 5000 5001; do
		conf=$TEST_TMP/registry-$port.yml
		printf '%s\n' 'version: 0.1' 'log: {level: error, accesslog: {disabled: true}}' \
			"storage: {filesystem: {rootdirectory: $TEST_TMP/registry-$port}, delete: {enabled: true}}" \
			"http: {addr: \"$registry:$port\"}" >"$conf"
		[ $port = 5000 ] || echo "auth: {htpasswd: {realm: golden, path: $TEST_TMP/htpasswd}}" >>"$conf"
		OTEL_TRACES_EXPORTER=none docker-registry serve "$conf" >"$TEST_TMP/registry-$port.log" 2>&1 </dev/null &
		at_exit "kill $! 2>/dev/null"
		until_true registry_answers "$port" || return 1
	done
}

# The root directory they were made with, made again of Debian sid's busybox; prints the archive's path.
. "$top/tests/lib/debian.sh"
rootfs_recorded() {
	local root=$TEST_TMP/recorded tar=$TEST_TMP/recorded.tar sid bb a
	sid=$(debian_unpack sid busybox-static) || return 1
	bb=$sid/usr/bin/busybox
	mkdir -p "$root"/{bin,dev,etc,proc,root,sys,tmp}
	chmod 755 "$root"
	chmod 1777 "$root/tmp"
	cp "$bb" "$root/bin/busybox"
	for a in $("$bb" --list); do [ "$a" = busybox ] || ln -sf busybox "$root/bin/$a"; done
	echo root:x:0:0:root:/root:/bin/sh >"$root/etc/passwd"
	echo root:x:0: >"$root/etc/group"
	tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@1700000000 -cf "$tar" . && echo "$tar"
}

# An engine that trusts the two registries.
golden_engine() {
	as_user mkdir -p "$test_home/.config/docker"
	echo "{\"insecure-registries\": [\"$registry:5000\", \"$registry:5001\"]}" | as_user sh -c "cat >'$test_home/.config/docker/daemon.json'"
	# shellcheck disable=SC2086 # several flags
	engine_start ${GOLDEN_FLAGS:-}
}
