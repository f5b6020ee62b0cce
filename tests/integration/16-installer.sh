#!/bin/bash
# SPDX-License-Identifier: MIT
#
# install.sh: what it puts where, what it refuses, and that it takes away exactly that.
# test: quick
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
	installer() { as_user env -u DOCKER_HOST BIN_DIR="$bin" timeout 60 "${sh[@]}" "$TEST_TMP/bin/install.sh" "$@"; }

	check_has "$shell: --help" "--uninstall" installer --help
	check_has "$shell: an unknown option" "--help lists them" installer --frob
	check_has "$shell: installs from a file, and prints the exports" "export PATH=$bin:" installer --no-setup "$TEST_TMP/bin/new"
	check_has "$shell: the links work" "Docker version" as_user "$bin/docker" --version
	for n in newuidmap newgidmap nsenter runc; do
		[ -z "$(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v $n)" ] || check_fails "$shell: the host's $n is not hidden" test -e "$bin/$n"
	done
	check_fails "$shell: nothing half-made is left" ls "$bin"/.cor*
	as_user sh -c 'echo mine >"$0"' "$bin/mine"
	old=$(stat -c %i "$bin/docker")
	check "$shell: again, as an upgrade" installer --no-setup "$TEST_TMP/bin/new"
	check "$shell: the new one is there" test "$(stat -c %i "$bin/docker")" != "$old"
	check "$shell: --all links what the host has, too" installer --no-setup --all "$TEST_TMP/bin/new"
	check "$shell: ... newuidmap" test -e "$bin/newuidmap" -a -e "$bin/nsenter"
	check "$shell: uninstall" installer --no-setup --uninstall
	check_out "$shell: only what was not ours is left" mine ls -A "$bin"
	as_user rm "$bin/mine"
	as_user rmdir "$bin"
	installer --no-setup "$TEST_TMP/bin/new" >/dev/null 2>&1
	installer --no-setup "$TEST_TMP/bin/new" >/dev/null 2>&1
	check "$shell: uninstall of what made its directory" installer --no-setup --uninstall
	check_fails "$shell: ... it goes, too" test -e "$bin"
	as_user sh -c 'mkdir "$0" && echo mine >"$0/mine"' "$bin"
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
		timeout 60 "${sh[@]}" "$TEST_TMP/bin/install.sh" --no-setup
	as_user rm -rf "$bin"
	piped() { as_user env BIN_DIR="$bin" CORACLE_URL="file://$TEST_TMP/bin/new" timeout 60 "${sh[@]}" -s -- --no-setup <"$TEST_TMP/bin/install.sh"; }
	out=$(piped 2>&1)
	case $out in *"Installed into"*) ok "$shell: from a pipe" ;; *) not_ok "$shell: from a pipe" "$out" ;; esac
	out=$(head -c 3000 "$TEST_TMP/bin/install.sh" | as_user env BIN_DIR="$test_home/cut" "${sh[@]}" -s -- --no-setup 2>&1)
	check_fails "$shell: a script that was cut off does nothing" test -e "$test_home/cut"
	check_has "$shell: a download that fails" "downloading file:///nonexistent failed" as_user env BIN_DIR="$bin" \
		CORACLE_URL=file:///nonexistent timeout 60 "${sh[@]}" "$TEST_TMP/bin/install.sh" --no-setup
	as_user rm -rf "$bin"
	rm -f "$TEST_TMP/bin/new.sha256"
done
# Other machines, as uname says them.
mkdir "$TEST_TMP/uname"
while read -r system release want; do
	printf '#!/bin/sh\ncase $1 in -s) echo %s ;; -r) echo %s ;; *) echo x86_64 ;; esac\n' "$system" "$release" >"$TEST_TMP/uname/uname"
	chmod -R a+rX "$TEST_TMP/uname" && chmod 755 "$TEST_TMP/uname/uname"
	check_has "on $system $release" "$want" as_user env PATH="$TEST_TMP/uname:$PATH" BIN_DIR="$bin" sh "$TEST_TMP/bin/install.sh" --no-setup "$TEST_TMP/bin/new"
done <<'END'
Darwin 23.1.0 this is for Linux, not Darwin
Linux 3.10.0-1160.el7 Linux 3.10.0-1160.el7 is too old: 5.6 or later is needed
Linux 5.5.19 Linux 5.5.19 is too old
Linux 5.6.0-foo Installed into
Linux 10.0 Installed into
Linux 6.1.0-rc1+ Installed into
END

# An upgrade beside an engine that runs: containers stay, also when the new engine takes over.
coracle=$bin/coracle engine_start --live-restore &&
	check "... with a container" as_user "$bin/docker" run -d --name keep coracle hello --serve 80
keep=$(as_user "$bin/docker" inspect -f '{{.State.Pid}}' keep)
check "upgrade while it runs" as_user env BIN_DIR="$bin" sh "$TEST_TMP/bin/install.sh" --no-setup "$TEST_TMP/bin/new"
check_out "... the container runs on" "true $keep" as_user "$bin/docker" inspect -f '{{.State.Running}} {{.State.Pid}}' keep
engine_stop
check "... without an engine" kill -0 "$keep"
coracle=$bin/coracle engine_start --live-restore
check_out "... and the new one has it" "true $keep" as_user "$bin/docker" inspect -f '{{.State.Running}} {{.State.Pid}}' keep
as_user "$bin/docker" rm -f keep >/dev/null
engine_stop
[ "$(id -u)" != 0 ] || check_has "root is refused" "as an ordinary user, not as root" sh "$top/install.sh" "$coracle"
