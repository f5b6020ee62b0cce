#!/bin/bash
# SPDX-License-Identifier: MIT
#
# install.sh: what it puts where, what it refuses, and that it takes away exactly that.
# test: quick time=60
. "$(dirname "$0")/lib.sh"

cp "$top/install.sh" "$TEST_TMP/bin/install.sh"
cp "$coracle" "$TEST_TMP/bin/new"
chmod 644 "$TEST_TMP/bin/new" "$TEST_TMP/bin/install.sh"
bin=$test_home/tools
shells=(dash "busybox sh")
! command -v shellcheck >/dev/null || check "shellcheck" shellcheck "$top/install.sh"

for shell in "${shells[@]}"; do
	read -ra sh <<<"$shell"
	command -v "${sh[0]}" >/dev/null || { skip "$shell" "not installed"; continue; }
	installer() { as_user env -u DOCKER_HOST BIN_DIR="$bin" timeout 30 "${sh[@]}" "$TEST_TMP/bin/install.sh" "$@"; }

	check_has "$shell: installs from a file, and prints the exports" "export PATH=$bin:" installer --no-setup "$TEST_TMP/bin/new"
	check_has "$shell: the links work" "Docker version" as_user "$bin/docker" --version
	check "$shell: programs of the host are not hidden" test ! -e "$bin/newuidmap" -o -z "$(command -v newuidmap)"
	check_fails "$shell: nothing half-made is left" ls "$bin"/.cor*
	as_user sh -c 'echo mine >"$0"' "$bin/mine"
	old=$(stat -c %i "$bin/docker")
	check "$shell: again, as an upgrade" installer --no-setup "$TEST_TMP/bin/new"
	check "$shell: the new one is there" test "$(stat -c %i "$bin/docker")" != "$old"
	check "$shell: uninstall" installer --no-setup --uninstall
	check_out "$shell: only what was not ours is left" mine ls -A "$bin"
	check_has "$shell: uninstall twice" "nothing to remove" installer --uninstall
	check_has "$shell: a file that is no program" "does not run on this machine" installer --no-setup /etc/passwd
	check_out "$shell: and nothing is left of it" mine ls -A "$bin"
	check_has "$shell: no file" "install.sh: no file was named" installer
	echo "0000 new" >"$TEST_TMP/bin/new.sha256"
	check_has "$shell: a wrong checksum" "is damaged: its SHA-256 is" installer --no-setup "$TEST_TMP/bin/new"
	sha256sum <"$TEST_TMP/bin/new" >"$TEST_TMP/bin/new.sha256"
	check "$shell: the right checksum" installer --no-setup "$TEST_TMP/bin/new"
	as_user rm -rf "$bin"
	check_has "$shell: a download" "Installed into" as_user env BIN_DIR="$bin" CORACLE_URL="file://$TEST_TMP/bin/new" \
		timeout 30 "${sh[@]}" "$TEST_TMP/bin/install.sh" --no-setup
	check_has "$shell: a download that fails" "downloading file:///nonexistent failed" as_user env BIN_DIR="$bin" \
		CORACLE_URL=file:///nonexistent timeout 30 "${sh[@]}" "$TEST_TMP/bin/install.sh" --no-setup
	as_user rm -rf "$bin"
	rm -f "$TEST_TMP/bin/new.sha256"
done
[ "$(id -u)" != 0 ] || check_has "root is refused" "as an ordinary user, not as root" sh "$top/install.sh" "$coracle"
