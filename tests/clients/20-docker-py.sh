#!/bin/bash
# SPDX-License-Identifier: MIT
#
# docker-py, as scripts use it: docker-py.py, a unittest program.
# test: together
. "$(dirname "$0")/../integration/lib.sh"
. "$top/tests/integration/registry.sh"

# The distribution's interpreter: its modules are the ones that apt installed.
python=/usr/bin/python3
"$python" -c 'import docker' 2>/dev/null || { skip "docker-py" "python3-docker is not installed"; exit 0; }
engine_start || exit 1
docker import -c 'CMD ["sh"]' "$(image_busybox)" busybox >/dev/null || { not_ok "the image" "import"; exit 1; }
cp "$top/tests/clients/docker-py.py" "$TEST_TMP/bin/docker-py.py"
as_user "$python" -W ignore "$TEST_TMP/bin/docker-py.py"

# --- its own suite ----------------------------------------------------------------------------------------
[ -n "${DOCKER_PY_SUITE:-}" ] || exit 0
engine_stop
registry_up 18349 || exit 1 # stands in for the public one
engine_start --registry-mirror http://127.0.0.1:18349 || exit 1
docker run --name alpine busybox sh -c 'echo postgres:x:70:70::/:/bin/sh >>/etc/passwd; mkdir -p /var/opt' || exit 1
docker commit -c 'CMD ["sh"]' alpine alpine:3.10 >/dev/null
docker commit -c 'CMD ["echo", "Hello from Docker!"]' alpine hello-world >/dev/null
docker commit -c "LABEL latest=true" alpine alpine >/dev/null # an image with one name, each, as the suite prunes
docker rm alpine >/dev/null
for i in alpine alpine:3.10 hello-world busybox; do
	docker tag "$i" "localhost:18349/library/$i"
	docker push -q "localhost:18349/library/$i" >/dev/null
	docker rmi "localhost:18349/library/$i" >/dev/null
done
cp -r "$DOCKER_PY_SUITE" "$TEST_TMP/suite"
[ "$(id -u)" != 0 ] || chown -R "$test_uid:$test_gid" "$TEST_TMP/suite"
cd "$TEST_TMP/suite" || exit 1
left_out=$(ls -d tests/integration/{api_{swarm,service,secret,config,plugin},models_{swarm,services,nodes}}_test.py tests/integration/credentials)
# shellcheck disable=SC2046 # words
as_user env TMPDIR="$test_home" "$python" -m pytest -p no:cacheprovider -W ignore --timeout 60 -rA -q --no-header --tb=line $(printf -- '--ignore %s ' $left_out) tests/integration 2>&1 | awk '
	/^PASSED / { print "ok - suite: " $2; next }
	/^(FAILED|ERROR) / { print "not ok - suite: " $2 ": see below"; next }
	{ print "    " $0 }'
