#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Images made of the distribution's packages go through a real registry, plain and with TLS, and
# run under the unmodified stock CLI: busybox, a small Debian, redis kept running.
# test: together time=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/registry.sh"

# --- images into the registries ---------------------------------------------------------------
read -r port tls_port nobody < <(free_ports 3)
plain=127.0.0.1:$port tls=localhost:$tls_port
registry_up "$port" && registry_up_tls "$tls_port" "$TEST_TMP/tls" || exit 1
python3 "$top/tests/lib/mkimage.py" "$TEST_TMP/bb.tar" busybox:1 "$(image_busybox)"
registry_push "$TEST_TMP/bb.tar" "$plain/busybox:1" || exit 1
registry_push "$TEST_TMP/bb.tar" "$tls/team/busybox:1" || exit 1
debian=
if tar=$(image_debian); then
	# A second layer on top, as a Dockerfile would make one.
	mkdir -p "$TEST_TMP/top/etc/redis" "$TEST_TMP/top/srv"
	echo 'bind 0.0.0.0' >"$TEST_TMP/top/etc/redis/small.conf"
	echo 'owned by redis' >"$TEST_TMP/top/srv/note"
	tar -C "$TEST_TMP/top" --owner=0 --group=0 -cf "$TEST_TMP/top.tar" .
	python3 "$top/tests/lib/mkimage.py" "$TEST_TMP/deb.tar" debian:1 "$tar" "$TEST_TMP/top.tar" --cmd '["bash"]'
	registry_push "$TEST_TMP/deb.tar" "$plain/debian:1" && debian=$plain/debian:1
else
	skip "run: debian" "machine: debootstrap is not possible here"
fi

# --- the engine trusts the test's CA through certs.d, as the documentation says -------------------
as_user mkdir -p "$test_home/.config/docker/certs.d/$tls"
cp "$TEST_TMP/tls/ca.crt" "$TEST_TMP/bin/ca.crt" && chmod 644 "$TEST_TMP/bin/ca.crt"
as_user cp "$TEST_TMP/bin/ca.crt" "$test_home/.config/docker/certs.d/$tls/ca.crt"
engine_start || exit 1

check_has "info: rootless" "rootless" docker info
check_has "info: seccomp" "seccomp" docker info
check "pull: plain http" docker pull "$plain/busybox:1"
check_has "pull: again says up to date" "Image is up to date for $plain/busybox:1" docker pull "$plain/busybox:1"
check "pull: https with a CA from certs.d" docker pull "$tls/team/busybox:1"
# Loopback addresses are insecure registries to Docker: no CA is asked for there.
check "pull: https on 127.0.0.1 without a CA" docker pull "127.0.0.1:$tls_port/team/busybox:1"
check_has "pull: an absent tag" "manifest for $plain/busybox:none not found" docker pull "$plain/busybox:none"
check_has "pull: nobody listens" "connection refused" docker pull "127.0.0.1:$nobody/x"
digest=$(docker image inspect -f '{{index .RepoDigests 0}}' "$plain/busybox:1")
check_has "pull: by digest" "Digest: ${digest#*@}" docker pull "$digest"

bb=$plain/busybox:1
run_bb() { docker run --rm --network none "$@"; }
check_out "run: echo" "hello" run_bb "$bb" echo hello
check_status "run: exit code" 7 run_bb "$bb" sh -c 'exit 7'
check_status "run: killed by a signal" 137 run_bb "$bb" sh -c 'sleep 100 & kill -9 $!; wait $!'
check_status "run: command not found" 127 run_bb "$bb" nope
check_status "run: not executable" 126 run_bb "$bb" /etc/passwd
check_status "run: bad flag value" 125 run_bb -v relative:/x:badmode "$bb" true
check_out "run: root inside" "0 0" run_bb "$bb" sh -c 'echo $(id -u) $(id -g)'
check_out "run: a user by name" "1000 1000 2000" run_bb -u user "$bb" sh -c 'echo $(id -u) $(id -G)'
stdin_words() { echo words | docker run --rm -i --network none "$bb" cat; }
check_out "run: stdin" "words" stdin_words
check_out "run: environment and directory" "/tmp b" run_bb -e A=b -w /tmp "$bb" sh -c 'echo $PWD $A'
check_out "run: hostname" "boat" run_bb --hostname boat "$bb" hostname
check_out "run: PID 1" "1" run_bb "$bb" sh -c 'echo $$'
check_out "run: only lo" "lo" run_bb "$bb" ls /sys/class/net
check_fails "run: read-only root" run_bb --read-only "$bb" touch /x
check "run: tmpfs" run_bb --read-only --tmpfs /x "$bb" touch /x/y
docker run --rm -v data:/d "$bb" sh -c 'echo kept >/d/f'
check_out "run: a volume keeps data" "kept" docker run --rm -v data:/d "$bb" cat /d/f

# R50, R51: root inside is the user outside, and the kernel says so.
check_has "run: the host's files are not root's" "Permission denied" run_bb -v /:/host "$bb" rm /host/usr/bin/env
[ -e /usr/bin/env ] && ok "run: and are still there" || not_ok "run: and are still there" "gone"
cid=$(docker run -d --network none "$bb" sleep 600)
hostpid=$(docker inspect -f '{{.State.Pid}}' "$cid")
check_out "run: root inside is the user outside" "$test_uid" stat -c %u "/proc/$hostpid"
check_has "exec: ps inside" "sleep 600" docker exec "$cid" ps
check_out "exec: as a user, with environment" "1000 y" docker exec -u 1000 -e X=y "$cid" sh -c 'echo $(id -u) $X'
check_status "exec: exit code" 9 docker exec "$cid" sh -c 'exit 9'
check_status "exec: command not found" 127 docker exec "$cid" nope
check "rm -f" docker rm -f "$cid"

# --- Debian: several users, su, and a server ------------------------------------------------------
if [ -n "$debian" ]; then
	check "debian: pull" docker pull "$debian"
	check_has "debian: bash" "GNU bash" docker run --rm "$debian" bash --version
	check_out "debian: su" "www-data" docker run --rm "$debian" su -s /bin/sh www-data -c 'id -un'
	check_out "debian: files of several users" "redis 0 42" docker run --rm "$debian" \
		sh -c 'echo $(stat -c %U /var/lib/redis; stat -c %u /etc/passwd; stat -c %g /etc/shadow)'
	check_out "debian: setuid bits survive" "4755" docker run --rm "$debian" stat -c %a /usr/bin/passwd
	check "debian: several users write" docker run --name users "$debian" sh -c 'set -e
		[ -e /home/anna ] || { useradd -m anna; su anna -c "echo hers >~/f"; chown daemon /srv/note; }
		echo $(stat -c %U /home/anna/f /srv/note; cat /home/anna/f) >/proc/1/fd/1'
	check_out "debian: what they wrote survives a restart" "anna daemon hers" docker start -a users
	docker rm -f users >/dev/null

	check "redis: starts" docker run -d --name redis -u redis "$debian" redis-server --bind 127.0.0.1 --dir /tmp
	# A pipe would wait for a client that has nothing more to write: it ends with the container.
	ready() { grep -q -m1 'Ready to accept connections' < <(exec 2>&1; docker logs -f redis); }
	check "redis: logs -f shows that it is ready" ready
	check_out "redis: exec a client" "PONG" docker exec redis redis-cli ping
	docker exec redis redis-cli set boat coracle >/dev/null
	check_out "redis: it keeps what it is told" "coracle" docker exec redis redis-cli get boat
	start=$(date +%s)
	check "redis: stop" docker stop redis
	[ $(($(date +%s) - start)) -lt 10 ] && ok "redis: stops within its grace" || not_ok "redis: stops within its grace" "took 10 s: SIGTERM did not arrive"
	check_out "redis: its exit code" "exited 0" docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' redis
	check "redis: rm" docker rm redis
fi

# A container that ignores SIGTERM gets its grace and then SIGKILL.
docker run -d --name deaf --network none "$bb" sh -c 'trap "" TERM; while :; do sleep 1; done' >/dev/null
check "stop -t 1 of a deaf container" docker stop -t 1 deaf
check_out "stop: 137" "137" docker inspect -f '{{.State.ExitCode}}' deaf
docker rm deaf >/dev/null

engine_stop # waits for deletions that run
check_out "nothing half-made remains" "" as_user ls "$test_home/.local/share/docker/tmp"
