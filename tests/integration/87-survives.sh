#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What survives what: a newer binary in the old one's place, a reboot, a full disk. (SIGKILL of each
# process, at any moment, is in 85-kill and 86-races.)
. "$(dirname "$0")/lib.sh"

data=$test_home/.local/share/docker
pids_of() { docker inspect -f '{{.State.Pid}}' "$@"; }
state_of() { docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$1"; }
# Mounted before the first engine: the next ones join its mount namespace as long as anything is in it.
small=$TEST_TMP/small
mkdir -p "$small"
if mount -t tmpfs -o "size=40m,mode=755,uid=$test_uid,gid=$test_gid" small "$small" 2>/dev/null; then
	at_exit "umount -l $small"
else
	small=
fi
cli="env DOCKER_HOST=unix://$xdg/docker.sock $docker_cli"
engine_start --live-restore || exit 1
docker import -c 'CMD ["sleep", "1000"]' "$(image_busybox)" bb >/dev/null || exit 1

# --- upgrade ------------------------------------------------------------------------------------------------
# The same sources built another way, with symbols, are the newer build: another file under the name.
newer=${CORACLE_NEWER:-$top/build/out/coracle.debug}
count='i=0; while [ $i -lt 1500 ]; do i=$((i+1)); echo line $i; usleep 1000; done; exit 23'
docker run -d --name counts bb sh -c "$count" >/dev/null
docker run -d --name sleeps -v kept:/v --restart unless-stopped bb >/dev/null
docker run -d --rm --name goes bb sh -c 'read x <&0; exit 3' >/dev/null
docker run -d -i --name asks bb sh -c 'read x; echo got $x; exit 5' >/dev/null
docker exec -d sleeps sh -c 'echo x >/v/begun; sleep 1000'
docker create --name waits bb >/dev/null
docker exec sleeps sh -c 'until [ -e /v/begun ]; do :; done'
before=$(pids_of sleeps asks)
engine_stop
check "SIGTERM with live-restore: containers run on" kill -0 $before
cp "$newer" "$coracle.new" && chmod 755 "$coracle.new" && mv "$coracle.new" "$coracle"
engine_start --live-restore || exit 1
check_out "upgrade: the running ones are the same processes" "$before" pids_of sleeps asks
check_out "upgrade: exec by the new engine in a container of the old one" "x" docker exec sleeps cat /v/begun
check_out "upgrade: its exec still runs" "2" bash -c "$cli top sleeps | grep -c 'sleep 1000'"
mkfifo "$TEST_TMP/typed" && exec 8<>"$TEST_TMP/typed" && echo hi >&8
check_out "upgrade: stdin and stdout of what the old monitor holds" "got hi" bash -c "$cli attach asks <'$TEST_TMP/typed'"
check_out "upgrade: and its exit code is seen" 5 docker wait asks
check_out "upgrade: the end of another" 23 docker wait counts
want=$(seq 1500 | sed 's/^/line /' | md5sum)
[ "$(docker logs counts | md5sum)" = "$want" ] && ok "upgrade: no line of the log is missing" || not_ok "upgrade: no line of the log is missing" "$(docker logs counts | wc -l) lines"
check_out "upgrade: one created by the old engine starts" waits docker start waits
# And back again, without a word: both builds read what the other one wrote.
old=$(cat "$xdg/docker.pid")
cp "$CORACLE" "$coracle.new" && chmod 755 "$coracle.new" && mv "$coracle.new" "$coracle"
engine_kill "$engine_pid"
wait_gone "$old"
engine_start --live-restore || exit 1
check_out "downgrade after SIGKILL: the running ones" "$(pids_of sleeps)" bash -c "echo ${before%%$'\n'*}"
check_out "downgrade: stop works" sleeps docker stop -t 0 sleeps
docker rm -f counts asks waits goes sleeps >/dev/null

# --- reboot --------------------------------------------------------------------------------------------------
docker run -d --name always --restart always bb >/dev/null
docker run -d --name unless --restart unless-stopped bb >/dev/null
docker run -d --name failing --restart on-failure bb >/dev/null
docker run -d --name never bb >/dev/null
docker run -d --name stopped --restart unless-stopped bb >/dev/null
docker run -d --rm --name gone bb >/dev/null
docker run --name done bb sh -c 'exit 4'
docker create --name fresh bb >/dev/null
docker exec always sh -c 'echo data >/file'
docker stop -t 0 stopped >/dev/null
# Everything is killed at once, and what a boot finds empty is empty.
# shellcheck disable=SC2046 # words
kill -KILL $(our_pids) $(docker ps -q | xargs docker inspect -f '{{.State.Pid}}') 2>/dev/null
wait_gone $(our_pids)
engine_pid=
rm -rf "$xdg"/*
engine_start || exit 1
until [ "$(docker ps -q | wc -l)" = 3 ]; do :; done # they start beside the engine's first requests
check_out "reboot: --restart always runs again" "running 0 0" docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}' always
check_out "reboot: its files are there" data docker exec always cat /file
check_out "reboot: --restart unless-stopped too" running docker inspect -f '{{.State.Status}}' unless
check_out "reboot: --restart on-failure too: it did not end well" running docker inspect -f '{{.State.Status}}' failing
check_out "reboot: one without a policy has ended, as the real engine says it" "exited 255" state_of never
check_out "reboot: one that was stopped stays so" "exited 137" state_of stopped
check_has "reboot: --rm is removed" "No such object: gone" docker inspect gone
check_out "reboot: what had ended keeps its code" "exited 4" state_of done
check_out "reboot: what was created is" "created 0" state_of fresh
docker ps -aq | xargs "$docker_cli" -H "unix://$xdg/docker.sock" rm -f >/dev/null
engine_stop

# --- a full disk ----------------------------------------------------------------------------------------------
if [ -z "$small" ]; then
	skip "a full disk" "mounting a small file system needs root"
	exit 0
fi
engine_start --data-root "$small/docker" || { tail -3 "$engine_log"; exit 1; }
docker import -c 'CMD ["sleep", "1000"]' "$(image_busybox)" bb >/dev/null || exit 1
docker create --name ready bb >/dev/null
docker run -d --name talks bb sh -c 'mkfifo /tmp/go; while :; do read x </tmp/go; echo $x; done' >/dev/null
docker run -d --name runs bb >/dev/null
there() { ls "$small"/docker/{containers,volumes,tmp,image/*} "$small"/docker/*/{rootfs,layers} | sort; }
full() { dd if=/dev/zero of="$small/fill" bs=64k 2>/dev/null; dd if=/dev/zero of="$small/fill2" bs=1 count=4096 2>/dev/null; return 0; }
head -c 60000000 /dev/urandom >"$TEST_TMP/much"
tar -C "$TEST_TMP" -cf "$TEST_TMP/much.tar" much
state=$(there)
check_has "import of more than there is room for" "o space left on device" docker import "$TEST_TMP/much.tar" much
check_out "leaves nothing" "$state" there
python3 "$top/tests/lib/mkimage.py" "$TEST_TMP/much-image.tar" much:1 "$TEST_TMP/much.tar"
check_has "load of more than there is room for" "o space left on device" docker load -i "$TEST_TMP/much-image.tar"
check_out "leaves nothing, too" "$state" there
check_has "a container that writes too much is told" "o space left on device" docker exec runs dd if=/dev/zero of=/x bs=1M count=60
docker exec runs rm /x
full
state=$(there)
check_has "full: create" "o space left on device" docker create bb
check_has "full: create with a volume" "o space left on device" docker create -v more:/v bb
check_has "full: volume create" "o space left on device" docker volume create more
check_has "full: cp into a container" "o space left on device" docker cp "$TEST_TMP/much" runs:/much
check_has "full: commit" "o space left on device" docker commit runs committed
check_out "full: nothing half-made is there" "$state" there
run docker start ready
started=$status
check "full: the engine answers" docker ps
check_out "full: what runs goes on" running docker inspect -f '{{.State.Status}}' runs
check "full: a container is removed" docker rm -f runs
rm -f "$small/fill" "$small/fill2"
[ "$started" = 0 ] || check "room again: what could not start does" docker start ready
docker exec talks sh -c 'until [ -p /tmp/go ]; do :; done; echo again >/tmp/go'
check_out "room again: the log goes on" again bash -c "until [ -n \"\$($cli logs talks)\" ]; do :; done; $cli logs talks"
check "room again: create" docker create --name after bb
docker ps -aq | xargs "$docker_cli" -H "unix://$xdg/docker.sock" rm -f >/dev/null
engine_stop
