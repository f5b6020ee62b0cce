#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A booted host: the installer, the user's systemd, and what a session sees.
# test: time=300
. "$(dirname "$0")/lib.sh"
vm_start || exit 0

check_out "cgroup v2" cgroup2fs root_vm 'stat -fc %T /sys/fs/cgroup'
check_out "a session of logind" /run/user/1000 user_vm 'echo $XDG_RUNTIME_DIR'
check_has "the installer" "[INFO] Installed docker.service successfully." user_vm 'sh /payload/install.sh /payload/coracle'
check_has "the client finds the engine" "rootless" user_vm 'docker info'
