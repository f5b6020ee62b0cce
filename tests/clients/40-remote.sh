#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The engine from elsewhere: DOCKER_HOST=ssh:// through a real sshd, contexts of the stock client, and what
# Buildx says of an engine without BuildKit.  (TLS: tests/integration/25-tls.sh.)
# test: together
. "$(dirname "$0")/../integration/lib.sh"
. "$top/tests/lib/debian.sh"
. "$top/tests/integration/registry.sh"

engine_start --label who=far || exit 1
docker import -c 'CMD ["sh"]' "$(image_busybox)" busybox >/dev/null || { not_ok "the image" "import"; exit 1; }

# --- ssh ---------------------------------------------------------------------------------------------
sshd=$(command -v sshd || echo /usr/sbin/sshd)
if [ -x "$sshd" ]; then
	dir=$test_home/ssh port=18322
	as_user mkdir -p "$dir/bin"
	as_user ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
	as_user ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
	as_user ln -s "$coracle" "$dir/bin/docker"
	cat >"$dir/sshd.conf" <<-END
		Port $port
		ListenAddress 127.0.0.1
		HostKey $dir/host
		AuthorizedKeysFile $dir/key.pub
		PidFile $dir/pid
		StrictModes no
		UsePAM no
		SetEnv XDG_RUNTIME_DIR=$xdg HOME=$test_home PATH=$dir/bin:/usr/bin:/bin
	END
	cat >"$dir/bin/ssh" <<-END
		#!/bin/sh
		exec $(command -v ssh) -F none -i $dir/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=$dir/known -o LogLevel=ERROR "\$@"
	END
	chmod 755 "$dir/bin/ssh" "$dir" "$dir/sshd.conf"
	as_user "$sshd" -D -e -f "$dir/sshd.conf" >"$TEST_TMP/sshd.log" 2>&1 &
	at_exit "kill \$(cat $dir/pid) 2>/dev/null"
	if wait_listening $port $!; then
		far() { as_user env -u DOCKER_HOST PATH="$dir/bin:/usr/local/bin:/usr/bin:/bin" "$@"; }
		url=ssh://$test_user@127.0.0.1:$port
		check_out "ssh: the stock client" who=far far "$docker_cli" -H "$url" info -f '{{index .Labels 0}}'
		check_has "ssh: our client" who=far far "$coracle" docker -H "$url" info -f '{{index .Labels 0}}'
		run far "$docker_cli" -H "$url" run --rm busybox sh -c 'echo over ssh; exit 5'
		check_has "ssh: run, its output and its exit code" "over ssh5" echo "$out$status"
		check "ssh: a context of the stock client" far "$docker_cli" context create far --docker "host=$url"
		check_out "ssh: that context" who=far far "$docker_cli" --context far info -f '{{index .Labels 0}}'
		check_has "ssh: the same context, our client" who=far far "$coracle" docker --context far info -f '{{index .Labels 0}}'
		head -c 3000000 /dev/urandom >"$TEST_TMP/blob"
		chmod 644 "$TEST_TMP/blob"
		far "$docker_cli" -H "$url" create --name holder busybox >/dev/null
		check "ssh: cp of some megabytes" far "$docker_cli" -H "$url" cp "$TEST_TMP/blob" holder:/blob
		check_out "ssh: and back" "$(sha256sum <"$TEST_TMP/blob")" \
			bash -c "$(declare -f far as_user); $(declare -p user_network test_uid test_gid test_home test_user xdg dir docker_cli url); far \$docker_cli -H \$url cp holder:/blob - | tar -xO | sha256sum"
	else
		not_ok "sshd starts" "$(tail -3 "$TEST_TMP/sshd.log")"
	fi
else
	skip "ssh" "openssh-server is not installed"
fi

# --- Buildx --------------------------------------------------------------------------------------------
if clients=$(debian_unpack sid docker-compose docker-cli docker-buildx); then
	buildx() { as_user env BUILDX_CONFIG="$test_home/buildx" "$clients/usr/libexec/docker/cli-plugins/docker-buildx" "$@"; }
	check_has "buildx: there is no BuildKit in the engine: it takes one in a container" "docker-container" buildx ls
	mkdir -p "$test_home/ctx"
	echo 'FROM busybox' >"$test_home/ctx/Dockerfile"
	check_has "buildx: which image it would need" "moby/buildkit" buildx build "$test_home/ctx"
	check_has "a build for BuildKit: what to do" "DOCKER_BUILDKIT=0" \
		as_user curl -s --unix-socket "$xdg/docker.sock" -X POST "http://d/v1.51/build?version=2"
	check_has "without it the same Dockerfile is built" "Successfully built" \
		as_user env DOCKER_BUILDKIT=0 "$docker_cli" build "$test_home/ctx"
else
	skip "buildx" "Debian sid's docker-buildx cannot be had"
fi
