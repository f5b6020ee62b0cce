#!/bin/bash
# SPDX-License-Identifier: MIT
#
# dockerode and testcontainers, from npm: dockerode.js and testcontainers.js, programs for node's own test
# runner.  testcontainers with Ryuk off and on: Debian has no package its image could be made of, so ryuk.sh
# stands in for it.
#   DOCKERODE_SUITE=DIR   dockerode's repository, its dependencies installed: its own tests are played too
# test: together
. "$(dirname "$0")/../integration/lib.sh"
. "$top/tests/lib/npm.sh"
. "$top/tests/integration/registry.sh"

modules=$(npm_modules) || { skip "dockerode and testcontainers" "npm does not get them"; exit 0; }
engine_start || exit 1
docker import -c 'CMD ["sh"]' "$(image_busybox)" busybox >/dev/null || { not_ok "the image" "import"; exit 1; }
mkdir -p "$TEST_TMP/node"
cp "$top/tests/clients/"*.js "$TEST_TMP/node/"
cp -r "$modules/node_modules" "$TEST_TMP/node/node_modules"
chmod 755 "$TEST_TMP/node"
node=$(command -v node)

# What node's runner says in TAP, as tests/run reads it.
play() { # FILE
	# It takes a machine with /.dockerenv for a container, whose published ports are its gateway's.
	as_user env TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=localhost TMPDIR="$test_home" "$node" --test --test-timeout=60000 --test-reporter=tap "$TEST_TMP/node/$1" 2>&1 | awk -v file="${1%.js}" '
		/^ *ok [0-9]+ - / && !/\.js$/ { sub(/^ *ok [0-9]+ - /, ""); print "ok - " file ": " $0; next }
		/^ *not ok [0-9]+ - / { sub(/^ *not ok [0-9]+ - /, ""); print "not ok - " file ": " $0 ": see below"; next }
		{ print "    " $0 }'
}
play dockerode.js
play testcontainers.js
check_out "nothing is left of them" "" docker ps -aq

# --- Ryuk -------------------------------------------------------------------------------------------------
ctx=$TEST_TMP/ryuk
mkdir -p "$ctx"
cp "$coracle" "$ctx/docker"
cp "$top/tests/clients/ryuk.sh" "$ctx/ryuk"
chmod -R 755 "$ctx"
printf 'FROM busybox\nCOPY docker ryuk /bin/\nENV DOCKER_HOST=unix:///var/run/docker.sock\nCMD ["/bin/ryuk"]\n' >"$ctx/Dockerfile"
check "Ryuk's stand-in is built" our_docker build -q -t ryuk:1 "$ctx"
run as_user env RYUK_CONTAINER_IMAGE=ryuk:1 TESTCONTAINERS_HOST_OVERRIDE=localhost TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE="$xdg/docker.sock" \
	TMPDIR="$test_home" timeout 60 "$node" "$TEST_TMP/node/ryuk.js"
check_out "a test run dies" 137 echo "$status"
only_ryuk() { [ "$(docker ps -a --format '{{.Image}}')" = ryuk:1 ]; }
if until_true only_ryuk; then ok "Ryuk removes what it left"; else not_ok "Ryuk removes what it left" "$out; $(docker ps -a)"; fi
no_network() { [ -z "$(docker network ls -q -f type=custom)" ]; }
if until_true no_network; then ok "and its network"; else not_ok "and its network" "$(docker network ls)"; fi
docker ps -aq | xargs -r -I{} "$coracle" docker -H "unix://$xdg/docker.sock" rm -f {} >/dev/null

# --- its own suite --------------------------------------------------------------------------------------
[ -n "${DOCKERODE_SUITE:-}" ] || exit 0
engine_stop
port=$(free_ports 1)
registry_up "$port" || exit 1
engine_start --registry-mirror "http://127.0.0.1:$port" || exit 1
docker import "$(image_debian)" "localhost:$port/library/ubuntu:latest" >/dev/null
docker push -q "localhost:$port/library/ubuntu:latest" >/dev/null
docker pull -q ubuntu >/dev/null
cp -r "$DOCKERODE_SUITE" "$TEST_TMP/suite"
[ "$(id -u)" != 0 ] || chown -R "$test_uid:$test_gid" "$TEST_TMP/suite"
cd "$TEST_TMP/suite" || exit 1
for f in container docker image networks promises util; do
	as_user "$node" node_modules/mocha/bin/mocha.js -R tap --exit "test/$f.js" 2>&1 | awk -v file="$f" '
		/^ok [0-9]+ / { sub(/^ok [0-9]+ /, ""); print "ok - suite, " file ": " $0; next }
		/^not ok [0-9]+ / { sub(/^not ok [0-9]+ /, ""); print "not ok - suite, " file ": " $0 ": see below"; next }
		{ print "    " $0 }'
done
