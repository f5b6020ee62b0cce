#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Files in and out of containers: cp, export, diff, commit; also against a container that exchanges
# its files meanwhile, and clients that stop in the middle.
. "$(dirname "$0")/lib.sh"

ln -sf "$coracle" "$TEST_TMP/bin/docker"
ours=$TEST_TMP/bin/docker
o() { as_user "$ours" "$@"; }
work=$TEST_TMP/work
install -d -o "$test_uid" -g "$test_gid" "$work"
in_work() { (cd "$work" && "$@"); }
api() { curl -s --path-as-is --unix-socket "$xdg/docker.sock" "$@"; }
code() { api -o /dev/null -w '%{http_code}' "$@"; }

engine_start --log-level debug || exit 1
docker import -c 'CMD ["sleep", "1000"]' "$(image_busybox)" bb >/dev/null || exit 1
mkdir -p "$work/tree/sub" && echo deep >"$work/tree/sub/f" && ln -s sub/f "$work/tree/l" && ln "$work/tree/sub/f" "$work/tree/hard"
head -c 3000000 /dev/urandom >"$work/tree/big"
chown -Rh "$test_uid:$test_gid" "$work"
docker run -d --name one -v vol:/vol --tmpfs /t -v "$work:/bound:ro" bb sh -c 'echo secret >/t/x; mkdir /d; echo f >/d/f; sleep 1000' >/dev/null

# --- both clients, both ways ------------------------------------------------------------------------------
stock() { docker "$@"; }
for client in o stock; do
	in_work "$client" cp tree "one:/in-$client" && in_work "$client" cp "one:/in-$client" "back-$client"
	check "cp, $client: a tree there and back" diff -r --no-dereference "$work/tree" "$work/back-$client"
	check_out "cp, $client: hard links stay" 2 stat -c %h "$work/back-$client/hard"
	check_out "cp, $client: what comes out belongs to who copies" "$test_uid" stat -c %u "$work/back-$client/sub/f"
done
check_out "cp: the content of a directory" "$(ls "$work/tree")" bash -c "$(declare -f as_user o); $(declare -p test_home test_user xdg test_uid test_gid ours); cd $work; mkdir -p flat; chown $test_uid flat; o cp one:/in-o/. flat; ls flat"
in_work o cp one:/d/f - | tar -C "$work" -x && check_out "cp to stdout" f cat "$work/f"
tar -C "$work" -c f | as_user "$ours" cp - one:/d/new 2>/dev/null
check_out "cp from stdin into what is no directory" 'destination "one:/d/f" must be a directory' bash -c "tar -C $work -c f | $(printf '%q ' env DOCKER_HOST="unix://$xdg/docker.sock") $ours cp - one:/d/f"
tar -C "$work" -c f | as_user "$ours" cp - one:/tmp && check_out "cp from stdin" f docker exec one cat /tmp/f
check_out "cp -L" f bash -c "$(declare -f as_user o); $(declare -p test_home test_user xdg test_uid test_gid ours); docker() { :; }; cd $work; o exec one ln -s /d/f /link; o cp -L one:/link got; cat got"
check_has "cp: no such path" "Could not find the file /none in container one" o cp one:/none "$work"

# --- what is seen -------------------------------------------------------------------------------------------
in_work o cp tree/sub/f one:/vol/
check_out "a volume is written" deep docker exec one cat /vol/f
check_has "a read-only mount is not" "mounted volume is marked read-only" o cp "$work/f" one:/bound/
check_out "what a tmpfs holds is not seen" "" bash -c "curl -s --unix-socket $xdg/docker.sock 'http://d/containers/one/archive?path=/t' | tar -t | grep x"
check_out "nor is /proc" 404 code -I "http://d/containers/one/archive?path=/proc/self"
docker run -d --name sealed --read-only -v vol:/vol bb >/dev/null
check_has "a read-only root" "container rootfs is marked read-only" o cp "$work/f" sealed:/tmp/
check "but its volume is writable" o cp "$work/f" sealed:/vol/sealed
docker create --name later -v vol:/vol -v /anon bb >/dev/null
check "one never started: in" o cp "$work/f" later:/tmp/f
check_out "one never started: its volumes are there" "deep" bash -c "curl -s --unix-socket $xdg/docker.sock 'http://d/containers/later/archive?path=/vol/f' | tar -xO"
docker start later >/dev/null
check_out "and what was copied is there when it runs" f docker exec later cat /tmp/f
docker run -d --name user -u 1000:1000 bb >/dev/null
o cp -a "$work/f" user:/tmp/f
check_out "cp -a: it belongs to the container's user" "1000 1000" docker exec user stat -c '%u %g' /tmp/f

# --- a container that exchanges its files ------------------------------------------------------------------
# /x is a directory, then a link out of the container: to a directory of the host that anybody may write.
mkdir -m 777 "$work/canary" && echo host >"$work/canary/secret" && chmod 666 "$work/canary/secret"
docker run -d --name swaps bb sh -c "mkdir -p /a/b /real; echo in >/real/secret; ln -s ../../../../../../../..$work/canary /out
	while :; do mv /a /c; ln -s /out /a; rm /a; mv /c /a; ln -sfn /out /x; ln -sfn /real /x; done" >/dev/null
check "a hostile container is not left" python3 "$top/tests/lib/copy_races.py" "$xdg/docker.sock" swaps 150
check_out "and nothing of the host was changed" "secret host" bash -c "echo \$(ls $work/canary) \$(cat $work/canary/secret)"
python3 -c 'import tarfile, io, sys
t = tarfile.open(sys.argv[1], "w"); i = tarfile.TarInfo("../../evil"); i.size = 1; t.addfile(i, io.BytesIO(b"x"))' "$work/climbs.tar"
check_has "an archive that climbs out" 'invalid entry name' api -X PUT --data-binary "@$work/climbs.tar" "http://d/containers/swaps/archive?path=/tmp"
docker rm -f swaps >/dev/null

# --- interrupted ---------------------------------------------------------------------------------------------
check "starts, ends and clients that stop in the middle" python3 "$top/tests/lib/copy_interrupted.py" "$xdg/docker.sock" bb

# --- export, diff, commit ------------------------------------------------------------------------------------
docker run --name changed bb sh -c 'echo new >/new; rm /etc/group; rm -r /var; mkdir -p /var/x; echo more >>/etc/passwd; chmod 700 /root'
check_out "diff" "$(docker diff changed | sort)" bash -c "$(printf '%q ' env DOCKER_HOST="unix://$xdg/docker.sock") $ours diff changed | sort"
check_out "diff: what it says" "A /new A /var/x C /etc C /etc/passwd C /root C /var D /etc/group" bash -c "echo \$($(printf '%q ' env DOCKER_HOST="unix://$xdg/docker.sock") $ours diff changed | LC_ALL=C sort)"
id=$(o commit -a me -m "a comment" -c 'ENV A=b' -c 'CMD ["cat", "/new"]' changed made:1)
check_out "commit: runs as it was changed" new docker run --rm made:1
check_out "commit: what was deleted is" "1 1" docker run --rm made:1 sh -c 'ls /etc/group 2>/dev/null; echo $? $(ls /var | wc -l)'
check_out "commit: its config and history" "me a comment [A=b] $id" docker image inspect -f '{{.Author}} {{.Comment}} {{.Config.Env}} {{.Id}}' made:1
check_has "commit: the image it was made from" "$(docker image inspect -f '{{.Id}}' bb)" docker image inspect -f '{{.Parent}}' made:1
docker create --name same bb >/dev/null
docker commit same made:same >/dev/null
check_out "commit of no change has no new layer" "$(docker image inspect -f '{{len .RootFS.Layers}}' bb)" docker image inspect -f '{{len .RootFS.Layers}}' made:same
check_has "commit: a bad instruction" "FROB is not a valid change command" docker commit -c 'FROB x' same
as_user bash -c "cd $work && $ours export -o exported.tar changed" && docker import "$work/exported.tar" again >/dev/null
check_out "export and import: the files" new docker run --rm again cat /new
named=$TEST_TMP/named
mkdir -p "$named/etc"
for f in hostname hosts; do echo "$f of the image" >"$named/etc/$f"; done
ln -s /proc/elsewhere "$named/etc/resolv.conf"
tar -C "$named" --owner=7 --group=7 --mode=600 -c etc | docker import - named:1 >/dev/null
docker create --name named named:1 x >/dev/null
check_out "export: what is mounted over is empty, whatever the image has" \
	"-rwxr-xr-x 0/0 0 etc/hostname,-rwxr-xr-x 0/0 0 etc/hosts,-rwxr-xr-x 0/0 0 etc/resolv.conf," \
	bash -c "DOCKER_HOST=unix://$xdg/docker.sock $ours export named | tar tv --numeric-owner | awk '/etc\/[hr]/ { print \$1, \$2, \$3, \$6 }' | sort -k4 | tr '\n' ','"
docker run -d --name live bb >/dev/null
check_out "export of one that runs: empty as well, though it is mounted over there" "-rwxr-xr-x 0/0 0 etc/hostname" \
	bash -c "DOCKER_HOST=unix://$xdg/docker.sock $ours export live | tar tv --numeric-owner | awk '/etc\/hostname/ { print \$1, \$2, \$3, \$6 }'"
check "export of one that runs: its hostname stays" docker exec live test -s /etc/hostname
check_out "export leaves no trace in the container" "" docker diff named
check_out "export: no volumes, no /proc" "0" bash -c "tar -tf $work/exported.tar | grep -c '^proc/.'"

# --- nothing is left ---------------------------------------------------------------------------------------
docker rm -f one sealed later user changed same named live >/dev/null
check_out "no process of it is left" "" our_pids :archive
engine_stop
