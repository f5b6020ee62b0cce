#!/bin/bash
# SPDX-License-Identifier: MIT
#
# docker-py, as scripts use it: docker-py.py, a unittest program.
# test: together
. "$(dirname "$0")/../integration/lib.sh"

# The distribution's interpreter: its modules are the ones that apt installed.
python=/usr/bin/python3
"$python" -c 'import docker' 2>/dev/null || { skip "docker-py" "python3-docker is not installed"; exit 0; }
engine_start || exit 1
docker import -c 'CMD ["sh"]' "$(image_busybox)" busybox >/dev/null || { not_ok "the image" "import"; exit 1; }
cp "$top/tests/clients/docker-py.py" "$TEST_TMP/bin/docker-py.py"
as_user "$python" -W ignore "$TEST_TMP/bin/docker-py.py"
