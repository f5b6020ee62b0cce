#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A registry on an IPv6 address (fd00::/8), on another machine: what "insecure-registries" says of it by a CIDR or a
# name, and its address as a part of image names everywhere.
# test: together
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { skip "a registry on IPv6" "network namespaces for host and peer need root"; exit 77; }
command -v docker-registry >/dev/null || { skip "a registry on IPv6" "machine: docker-registry is not installed"; exit 77; }

. "$top/tests/lib/port_net.sh"
port_net_up || exit 1
ip -n "$host" addr add fd00:c0::1/64 dev h0 nodad
ip -n "$peer" addr add fd00:c0::2/64 dev p0 nodad
cat >"$TEST_TMP/registry.yml" <<END
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $TEST_TMP/registry}, delete: {enabled: true}}
http: {addr: "[::]:5000"}
END
OTEL_TRACES_EXPORTER=none exec_in_peer docker-registry serve "$TEST_TMP/registry.yml" >"$TEST_TMP/registry.log" 2>&1 </dev/null &
at_exit "kill $! 2>/dev/null"
curl=(curl -s -g --retry 20 --retry-all-errors --retry-delay 1)
check "the registry is up" in_peer "${curl[@]}" -o /dev/null "http://[fd00:c0::2]:5000/v2/"
there=[fd00:c0::2]:5000 image=[fd00:c0::2]:5000/team/bb

write() { as_user sh -c "cat >'$1'"; }
as_user mkdir -p "$test_home/.config/docker"
restart() { # daemon.json
	engine_stop
	write "$test_home/.config/docker/daemon.json" <<<"$1"
	engine_start || exit 1
}
restart '{}'
docker import "$(image_busybox)" bb:1 >/dev/null
id=$(docker images -q --no-trunc bb:1)

# --- names ------------------------------------------------------------------------------------------------------
check "tag" docker tag bb:1 "$image:1"
check_has "its name is as it was given" "$image 1" docker images --format '{{.Repository}} {{.Tag}}'
check_out "... where a pattern is asked for, its brackets are those of one, as with the real engine" "" docker images -q "$image"
check_out "inspect" "[$image:1 bb:1]" docker image inspect -f '{{.RepoTags}}' "$image:1"
check_out "run" hello docker run --rm --network none "$image:1" echo hello
check_out "ps shows it" "$image:1" sh -c "d='$docker_cli -H unix://$xdg/docker.sock'; c=\$(\$d create '$image:1' true); \$d ps -a --format '{{.Image}}'; \$d rm \$c >/dev/null"
check_out "build FROM it" "$id" sh -c "printf 'FROM %s:1\n' '$image' | '$docker_cli' -H unix://$xdg/docker.sock build -q - 2>/dev/null"
check_has "a bad one" "invalid reference format" docker tag bb:1 "[fd00:c0::zz]:5000/x:1"
check_out "our client takes it, too" "$image:1" our_docker image inspect -f '{{index .RepoTags 0}}' "$image:1"

# --- insecure or not ----------------------------------------------------------------------------------------------
refused="http: server gave HTTP response to HTTPS client"
check_has "without a word it has to speak TLS" "$refused" docker push "$image:1"
restart '{"insecure-registries": ["fd01::/16", "fd00:c1::/32", "10.0.0.0/8"]}'
check_has "other networks' CIDRs are not its own" "$refused" docker pull "$image:1"
restart '{"insecure-registries": ["fd00::/8"]}'
check_has "info" "fd00::/8" docker info --format '{{json .RegistryConfig.InsecureRegistryCIDRs}}'
check_has "push: by the CIDR" "1: digest: sha256:" docker push "$image:1"
docker rmi "$image:1" bb:1 >/dev/null
check_has "pull" "Status: Downloaded newer image for $image:1" docker pull "$image:1"
check_out "it is the same image" "$id" docker image inspect -f '{{.Id}}' "$image:1"
digest=$(docker image inspect -f '{{index .RepoDigests 0}}' "$image:1")
check_has "its digest" "$image@sha256:" echo "$digest"
docker rmi "$image:1" >/dev/null
check_has "pull by digest" "Status: Downloaded newer image for $digest" docker pull "$digest"
check_out "run pulls what is missing" hello sh -c "'$docker_cli' -H unix://$xdg/docker.sock run --rm --network none '$image:1' echo hello 2>/dev/null"
check_out "distribution" linux sh -c "'$docker_cli' -H unix://$xdg/docker.sock image rm '$image:1' >/dev/null
	curl -s -g --unix-socket '$xdg/docker.sock' 'http://d/distribution/$image:1/json' | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"Platforms\"][0][\"os\"])'"
check_has "a tag that is not there" "manifest for $image:2 not found" docker pull "$image:2"
check_has "nobody there: the message has address and port" "[fd00:c0::2]:5001" docker pull "[fd00:c0::2]:5001/team/bb:1"
restart "{\"insecure-registries\": [\"$there\"]}"
check_has "by its name" "Status: Downloaded newer image for $image:1" docker pull "$image:1"
restart '{"insecure-registries": ["fd00:c0::/64"], "registry-mirrors": ["http://[fd00:c0::2]:5000"]}'
docker tag "$image:1" "$there/library/mirrored:1" && docker push -q "$there/library/mirrored:1" >/dev/null
check_has "as a mirror" "Status: Downloaded newer image for mirrored:1" docker pull mirrored:1
