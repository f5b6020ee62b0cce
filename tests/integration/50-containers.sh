#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A container's life under the stock client: options, ends, waits, logs, exec, volumes, events.
# test: together
. "$(dirname "$0")/lib.sh"

data=$test_home/.local/share/docker
api() { curl -s --unix-socket "$xdg/docker.sock" -H 'Content-Type: application/json' "$@"; }
field() { docker inspect -f "$2" "$1"; }
await_up() { until docker logs "$1" 2>&1 | grep -q up; do :; done; }
engine_fds() { ls "/proc/$(cat "$xdg/docker.pid")/fd" | wc -l; }

engine_start || exit 1
docker import -c 'CMD ["sh"]' "$(image_busybox)" bb >/dev/null || exit 1

# --- exit codes and what the client makes of errors ---------------------------------------------------
check_status "run: the command's exit code" 3 docker run --rm bb sh -c 'exit 3'
check_status "run: killed by a signal" 137 docker run --rm --init bb sh -c 'kill -9 $$'
check_status "run: not in PATH" 127 docker run --rm bb frobnicate
check_has "run: not in PATH, in runc's words" 'exec: "frobnicate": executable file not found in $PATH' docker run --rm bb frobnicate
check_status "run: no such file" 127 docker run --rm bb /no/such
check_status "run: a directory" 126 docker run --rm bb /etc
check_status "run: a bad option" 125 docker run --rm --restart=always bb true
check_has "run: no such user" "unable to find user nobody-here: no matching entries in passwd file" docker run --rm -u nobody-here bb true
check_out "run: nothing of the failed ones is left" "" docker ps -aq

# --- options --------------------------------------------------------------------------------------------
check_out "-e -w" "b /tmp" docker run --rm -e A=b -w /tmp bb sh -c 'echo $A $(pwd)'
check_out "-w makes the directory" "/made/here" docker run --rm -w /made/here bb pwd
check_out "-u by number" "uid=1234 gid=55 groups=55" docker run --rm -u 1234:55 bb id
check_out "-u by name, with its groups" "uid=1000(user) gid=1000(user) groups=1000(user),2000(extra)" docker run --rm -u user bb id
check_out "--group-add" "1000 10 2000" docker run --rm -u user --group-add 10 bb sh -c 'id -G'
check_out "--entrypoint" "a b" docker run --rm --entrypoint /bin/echo bb a b
check_out "--hostname" "hosty hosty" docker run --rm --hostname hosty bb sh -c 'echo $(hostname) $(cat /etc/hostname)'
check_has "--hostname resolves" "172.17.0." docker run --rm --hostname hosty.example bb sh -c 'grep hosty.example /etc/hosts'
check_has "--read-only" "Read-only file system" docker run --rm --read-only bb touch /x
check_out "--read-only --tmpfs" "ok" docker run --rm --read-only --tmpfs /t:size=1m bb sh -c 'echo ok > /t/x; cat /t/x'
check_has "--tmpfs options" "size=1024k" docker run --rm --tmpfs /t:size=1m bb sh -c 'grep " /t " /proc/mounts'
check_out "--ulimit" "100 200" docker run --rm --ulimit nofile=100:200 bb sh -c 'echo $(ulimit -n) $(ulimit -Hn)'
check_has "--init" "docker-init" docker run --rm --init bb sh -c 'cat /proc/1/cmdline | tr "\0" " "'
check_out "default capabilities" "00000000a80425fb" docker run --rm bb sh -c 'awk "/CapEff/ {print \$2}" /proc/self/status'
check_out "--cap-drop --cap-add" "00000000a82415fa" docker run --rm --cap-add SYS_ADMIN --cap-add net_admin --cap-drop CHOWN --cap-drop CAP_NET_RAW \
	bb sh -c 'awk "/CapEff/ {print \$2}" /proc/self/status'
check_out "--cap-drop ALL" "0000000000000000" docker run --rm --cap-drop ALL bb sh -c 'awk "/CapEff/ {print \$2}" /proc/self/status'
check_out "no-new-privileges" "1 2" docker run --rm --security-opt no-new-privileges bb sh -c 'echo $(awk "/NoNewPrivs|Seccomp:/ {print \$2}" /proc/self/status)'
check_out "seccomp=unconfined" "0" docker run --rm --security-opt seccomp=unconfined bb sh -c 'awk "/Seccomp:/ {print \$2}" /proc/self/status'
printf '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' >"$TEST_TMP/profile.json"
chmod 644 "$TEST_TMP/profile.json"
check_has "seccomp=FILE" "Operation not permitted" docker run --rm --security-opt "seccomp=$TEST_TMP/profile.json" bb mkdir /x
check_out "--privileged" "0 rw" docker run --rm --privileged bb sh -c 'echo $(awk "/Seccomp:/ {print \$2}" /proc/self/status) $(awk "\$2 == \"/sys\" {print substr(\$4, 1, 2)}" /proc/mounts)'
check_out "--label" "v" bash -c "id=\$($docker_cli -H unix://$xdg/docker.sock create -l k=v bb) && $docker_cli -H unix://$xdg/docker.sock inspect -f '{{.Config.Labels.k}}' \$id && $docker_cli -H unix://$xdg/docker.sock rm \$id >/dev/null"
check_out "--network none has only lo" "lo" docker run --rm --network none bb sh -c 'ls /sys/class/net'
check_out "--network host is the host's" "$(readlink /proc/self/ns/net)" docker run --rm --network host bb readlink /proc/self/ns/net
check_out "own namespaces" "5" bash -c "$docker_cli -H unix://$xdg/docker.sock run --rm bb sh -c 'for n in pid mnt uts ipc net; do readlink /proc/self/ns/\$n; done' | while read n; do [ \"\$n\" = \"\$(readlink /proc/self/ns/\${n%%:*})\" ] || echo \$n; done | wc -l"
check_out "--sysctl" "33" docker run --rm --sysctl net.core.somaxconn=33 bb cat /proc/sys/net/core/somaxconn
check_out "--device by another name" "1:3" docker run --rm --device /dev/null:/dev/other bb stat -c %t:%T /dev/other

# --- names ----------------------------------------------------------------------------------------------
id=$(docker create --name one bb true)
check_has "a name is taken once" "Conflict. The container name \"/one\" is already in use by container \"$id\"" docker create --name one bb
check_has "a bad name" "Invalid container name (-x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed" docker create --name=-x bb
check_out "by a prefix of the id" "/one" field "${id:0:6}" '{{.Name}}'
check "rename" docker rename one two
check_out "renamed" "/two" field "$id" '{{.Name}}'
check_has "the old name is gone" "No such container: one" docker rm one
check "rm" docker rm two
check_has "a name is made up" "_" bash -c "id=\$($docker_cli -H unix://$xdg/docker.sock create bb) && $docker_cli -H unix://$xdg/docker.sock inspect -f '{{.Name}}' \$id && $docker_cli -H unix://$xdg/docker.sock rm \$id"

# --- stop, kill, restart ----------------------------------------------------------------------------------
docker run -d --name s1 bb sh -c 'trap "exit 7" TERM; echo up; while :; do sleep 0.05; done' >/dev/null
await_up s1
check_status "rm of a running one is refused" 1 docker rm s1
check "stop by its signal" docker stop s1
check_out "its exit code" "exited 7" field s1 '{{.State.Status}} {{.State.ExitCode}}'
check_out "stopping it again changes nothing" "304" api -o /dev/null -w '%{http_code}' -X POST http://d/containers/s1/stop
check "start again" docker start s1
check "restart" docker restart -t 5 s1
check_out "runs" "running" field s1 '{{.State.Status}}'
check "kill" docker kill s1
check_out "137" "exited 137" field s1 '{{.State.Status}} {{.State.ExitCode}}'
docker rm s1 >/dev/null
docker run -d --name s2 --stop-signal USR1 bb sh -c 'trap "" TERM; trap "exit 9" USR1; echo up; while :; do sleep 0.05; done' >/dev/null
await_up s2
check "stop with the container's own signal" docker stop s2
check_out "which it handled" "9" field s2 '{{.State.ExitCode}}'
docker rm s2 >/dev/null
docker run -d --name s3 bb sh -c 'trap "" TERM; echo up; while :; do sleep 0.05; done' >/dev/null
await_up s3
check "stop of one that does not listen" docker stop -t 1 s3
check_out "ends in SIGKILL" "137" field s3 '{{.State.ExitCode}}'
check "rm -f of a running one" bash -c "$docker_cli -H unix://$xdg/docker.sock start s3 && $docker_cli -H unix://$xdg/docker.sock rm -f s3"

# --- wait --------------------------------------------------------------------------------------------------
docker create --name w1 bb sh -c 'exit 5' >/dev/null
api -X POST 'http://d/containers/w1/wait?condition=next-exit' >"$TEST_TMP/next" & next=$!
api -X POST 'http://d/containers/w1/wait?condition=removed' >"$TEST_TMP/removed" & removed=$!
until [ "$(api http://d/info | python3 -c 'import json,sys; print(json.load(sys.stdin)["NFd"])')" -ge 8 ]; do :; done
check_out "wait for not-running of one that never ran" '{"StatusCode":0}' api -X POST http://d/containers/w1/wait
docker start w1 >/dev/null
wait "$next"
check_out "wait for the next exit" '{"StatusCode":5}' cat "$TEST_TMP/next"
kill -0 "$removed" && ok "wait for removal goes on" || not_ok "wait for removal goes on" "it ended: $(cat "$TEST_TMP/removed")"
docker rm w1 >/dev/null
wait "$removed"
check_out "wait for removal" '{"StatusCode":5}' cat "$TEST_TMP/removed"
docker create --name w2 bb nosuchprogram >/dev/null
api -N -D "$TEST_TMP/w2.head" -X POST 'http://d/containers/w2/wait?condition=next-exit' >"$TEST_TMP/w2" & next=$!
check "wait says at once that it waits" until_true grep -q 200 "$TEST_TMP/w2.head"
check_fails "a start that fails" docker start w2
docker rm w2 >/dev/null
wait "$next"
check_out "is no end: the wait was for the container's removal" '{"StatusCode":127}' cat "$TEST_TMP/w2"
docker run -d --name lasting --restart always --network none bb sh -c 'trap "exit 6" USR1; echo up; sleep 1000 & wait' >/dev/null
await_up lasting
api --max-time 60 -X POST http://d/containers/lasting/wait >"$TEST_TMP/lasting" & waits=$!
while kill -0 "$waits" 2>/dev/null; do docker kill -s USR1 lasting >/dev/null 2>&1; done
check_out "wait ends with one that is started again" '{"StatusCode":6}' cat "$TEST_TMP/lasting"
docker rm -f lasting >/dev/null

docker run -d --name w2 bb sleep 1000 >/dev/null
before=$(engine_fds)
for i in 1 2 3 4 5; do
	api --max-time 0.3 -X POST http://d/containers/w2/wait >/dev/null
	api --max-time 0.3 'http://d/containers/w2/logs?follow=1&stdout=1' >/dev/null
	api --max-time 0.3 -X POST -H 'Upgrade: tcp' -H 'Connection: Upgrade' 'http://d/containers/w2/attach?stream=1&stdout=1' >/dev/null
	api --max-time 0.3 http://d/events >/dev/null
done
until_true eval '[ "$(engine_fds)" -le "$before" ]'
check_out "clients that left leave nothing open" "yes" bash -c "[ $(engine_fds) -le $before ] && echo yes || ls -l /proc/$(cat "$xdg/docker.pid")/fd"
docker rm -f w2 >/dev/null

# --- attach --------------------------------------------------------------------------------------------------
check_out "run -i" "typed" bash -c "echo typed | $docker_cli -H unix://$xdg/docker.sock run --rm -i bb cat"
docker create -i --name a1 bb sh -c 'read x; echo "got $x"; echo err >&2; exit 4' >/dev/null
out=$(echo words | as_user "$docker_cli" start -ai a1 2>&1)
status=$?
[ "$status $out" = "4 got words
err" ] && ok "start -ai: attached before the start" || not_ok "start -ai: attached before the start" "status $status, $out"
check_out "and it is in the log" "got words" bash -c "$docker_cli -H unix://$xdg/docker.sock logs a1 2>/dev/null"
docker rm a1 >/dev/null
check_out "big output is whole" "$(seq 200000 | md5sum)" bash -c "$docker_cli -H unix://$xdg/docker.sock run --rm bb seq 200000 | md5sum"
check_out "a million bytes in and out" "1000000" bash -c "head -c 1000000 /dev/zero | $docker_cli -H unix://$xdg/docker.sock run --rm -i bb wc -c"

# --- logs ----------------------------------------------------------------------------------------------------
docker run --name l1 --log-opt max-size=4k --log-opt max-file=3 bb sh -c 'for i in $(seq 300); do echo line $i; done; echo err >&2; printf end' >/dev/null 2>&1
check_out "logs --tail" "line 300 end" bash -c "echo \$($docker_cli -H unix://$xdg/docker.sock logs --tail 3 l1 2>/dev/null)"
check_has "logs of stderr" "err" docker logs --tail 2 l1
check_out "logs -t" "1" bash -c "$docker_cli -H unix://$xdg/docker.sock logs -t --tail 1 l1 | grep -cE '^20[0-9-]+T[0-9:.]{18}Z end'"
check_out "rotated" "3" bash -c "ls $data/containers/$(field l1 '{{.Id}}')/*.log* | wc -l"
docker rm l1 >/dev/null
docker run -d --name l2 bb sh -c 'for i in 1 2 3; do echo line $i; sleep 0.2; done; exit 2' >/dev/null
check_out "logs -f to the end" "line 1
line 2
line 3" docker logs -f l2
docker rm l2 >/dev/null
docker run --name l3 --log-driver none bb echo x >/dev/null
check_has "--log-driver none" "configured logging driver does not support reading" docker logs l3
docker rm l3 >/dev/null
docker run --name l4 --log-driver local bb echo kept >/dev/null
check_out "--log-driver local" "kept" docker logs l4
docker rm l4 >/dev/null

# --- exec ----------------------------------------------------------------------------------------------------
docker run -d --name e1 -e FROM=container bb sleep 1000 >/dev/null
check_status "exec: exit code" 42 docker exec e1 sh -c 'exit 42'
check_status "exec: not found" 127 docker exec e1 frobnicate
check_status "exec: not executable" 126 docker exec e1 /etc/passwd
check_out "exec: environment, user, directory" "container 1 /
uid=1234 gid=55 groups=55
/tmp" docker exec -e MINE=1 -u 1234:55 -w /tmp e1 sh -c 'echo $FROM $MINE $HOME; id; pwd'
check_out "exec -i" "ping" bash -c "echo ping | $docker_cli -H unix://$xdg/docker.sock exec -i e1 cat"
check_out "exec sees the container's processes" "sleep 1000" docker exec e1 sh -c 'tr "\0" " " < /proc/1/cmdline | sed "s/ $//"'
check_out "exec --privileged has the container's own filter" "2" docker exec --privileged e1 sh -c 'awk "/Seccomp:/ {print \$2}" /proc/self/status'
check_has "exec: no such user" "unable to find user nobody-here" docker exec -u nobody-here e1 true
docker exec -d e1 sh -c 'echo done > /tmp/mark'
until docker exec e1 test -s /tmp/mark; do :; done
check_out "exec -d" "done" docker exec e1 cat /tmp/mark
check_has "top" "sleep 1000" docker top e1
check_has "top -o" "COMMAND" docker top e1 -o pid,args
docker kill e1 >/dev/null
check_has "exec in a stopped one" "is not running" docker exec e1 true
docker rm e1 >/dev/null

# --- volumes and binds -----------------------------------------------------------------------------------------
docker run --rm -v named:/x bb sh -c 'echo kept > /x/f'
check_out "a named volume keeps" "kept" docker run --rm -v named:/x bb cat /x/f
check_out "copy-up of what the image has" "root" bash -c "$docker_cli -H unix://$xdg/docker.sock run --rm -v etc:/etc bb sh -c 'head -1 /etc/passwd | cut -d: -f1'"
check_out "copy-up keeps modes" "1777" docker run --rm -v tmpvol:/tmp bb stat -c %a /tmp
check_out "nocopy" "" docker run --rm -v plain:/etc:nocopy bb sh -c 'cat /etc/passwd 2>/dev/null'
check_has "a read-only volume" "Read-only file system" docker run --rm -v named:/x:ro bb touch /x/y
check_status "a volume in use stays" 1 bash -c "$docker_cli -H unix://$xdg/docker.sock create --name v1 -v named:/x bb >/dev/null; $docker_cli -H unix://$xdg/docker.sock volume rm named"
check_out "--volumes-from" "kept" docker run --rm --volumes-from v1 bb cat /x/f
docker rm v1 >/dev/null
anonymous=$(docker volume ls -qf dangling=true | grep -cE '^[0-9a-f]{64}$')
docker run --rm -v /anon bb true
check_out "--rm takes anonymous volumes along" "$anonymous" bash -c "$docker_cli -H unix://$xdg/docker.sock volume ls -q | grep -cE '^[0-9a-f]{64}$' || :"
as_user mkdir -p "$test_home/bind" && as_user sh -c "echo host > $test_home/bind/f"
check_out "a bind" "host" docker run --rm -v "$test_home/bind:/b:ro" bb cat /b/f
check_has "a read-only bind" "Read-only file system" docker run --rm -v "$test_home/bind:/b:ro" bb touch /b/x
check "-v makes a missing directory" docker run --rm -v "$test_home/made:/b" bb touch /b/x
[ -f "$test_home/made/x" ] && ok "which belongs to the user" || not_ok "which belongs to the user" "nothing there"
check_has "--mount does not" "bind source path does not exist" docker run --rm --mount "type=bind,source=$test_home/absent,target=/b" bb true
check_out "--mount type=tmpfs" "700" docker run --rm --mount type=tmpfs,target=/t,tmpfs-mode=700 bb stat -c %a /t
docker volume create -d local -o type=tmpfs -o device=tmpfs -o o=size=1m tv >/dev/null
check_has "a volume with options is mounted" "size=1024k" docker run --rm -v tv:/t bb grep ' /t ' /proc/mounts
docker run --rm -v named:/x bb mkdir -p /x/sub/dir
check_out "a subpath of a volume" "dir" docker run --rm --mount type=volume,source=named,target=/s,volume-subpath=sub bb ls /s
docker run --rm -v named:/x bb ln -s /etc /x/escape
check_fails "a subpath does not lead out" docker run --rm --mount type=volume,source=named,target=/s,volume-subpath=escape/shadow bb ls /s
as_user mkdir -p "$test_home/bind/sub"
check_out "a read-only bind is so all the way down" "" docker run --rm -v /dev:/d:ro bb sh -c 'grep " /d[ /]" /proc/mounts | grep -v " ro,"'
check_has "--mount type=image" "bin etc Read-only" docker run --rm --mount type=image,source=bb,target=/i bb sh -c 'cd /i && echo $(ls -d bin etc .dockerenv 2>/dev/null; touch x 2>&1 | grep -o Read-only)'
check_has "part of an image" "group passwd" docker run --rm --mount type=image,source=bb,target=/i,image-subpath=etc bb sh -c 'echo $(ls /i)'
check_fails "no way out of it" docker run --rm --mount type=image,source=bb,target=/i,image-subpath=bin/../../etc bb true
check "volume rm" docker volume rm named etc tmpvol plain tv

# --- sharing namespaces ------------------------------------------------------------------------------------------
docker run -d --name first --hostname firsthost --ipc shareable bb sh -c 'echo x > /dev/shm/seen; exec sleep 1000' >/dev/null
check_out "--network container:" "firsthost $(docker exec first readlink /proc/self/ns/net)" docker run --rm --network container:first bb sh -c 'echo $(hostname) $(readlink /proc/self/ns/net)'
docker create --name guest --network container:first bb sh -c 'hostname; echo $HOSTNAME' >/dev/null
check_out "--network container: has a name of its own until it starts" "$(docker inspect -f '{{slice .Id 0 12}}' guest)" docker inspect -f '{{.Config.Hostname}}' guest
check_out "--network container: and the other's from then on" "firsthost firsthost firsthost" bash -c "$docker_cli -H unix://$xdg/docker.sock start -a guest | xargs echo -n; $docker_cli -H unix://$xdg/docker.sock inspect -f ' {{.Config.Hostname}}' guest"
docker rm guest >/dev/null
check_out "--pid container:" "sleep 1000" docker run --rm --pid container:first bb sh -c 'tr "\0" " " < /proc/1/cmdline | sed "s/ $//"'
check_out "--ipc container:" "x" docker run --rm --ipc container:first bb cat /dev/shm/seen
docker rm -f first >/dev/null

# --- restart policies ----------------------------------------------------------------------------------------------
docker run -d --name r1 --restart on-failure:2 bb sh -c 'exit 5' >/dev/null
until [ "$(field r1 '{{.RestartCount}} {{.State.Status}}')" = "2 exited" ]; do :; done
ok "on-failure gives up after its count"
docker run -d --name r2 --restart always bb sh -c 'exit 0' >/dev/null
until [ "$(field r2 '{{.RestartCount}}')" -ge 3 ]; do :; done
ok "always starts it again and again"
check "stop ends that" docker stop -t 1 r2
check_out "for good" "exited" field r2 '{{.State.Status}}'
docker rm r1 r2 >/dev/null

# --- events --------------------------------------------------------------------------------------------------------
since=$(date +%s.%N)
docker run -d --name ev -v evvol:/v bb sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.05; done' >/dev/null
await_up ev
docker exec ev true
docker stop ev >/dev/null
docker rm ev >/dev/null
check_out "events of a life" "volume create
container create
volume mount
network connect
container start
container exec_create: true 
container exec_start: true 
container exec_die
container kill
network disconnect
volume unmount
container stop
container die
container destroy" docker events --since "$since" --until "$(date +%s.%N)" --format '{{.Type}} {{.Action}}'
check_out "events: exit code" "3" docker events --since "$since" --until "$(date +%s.%N)" --filter event=die --format '{{.Actor.Attributes.exitCode}}'
docker volume rm evvol >/dev/null

# --- many at once ----------------------------------------------------------------------------------------------------
many() { for i in $(seq 30); do docker run --rm --network none bb sh -c "exit $i" & pids[i]=$!; done; bad=; for i in $(seq 30); do wait "${pids[i]}"; [ $? = "$i" ] || bad="$bad $i"; done; echo "wrong:$bad"; }
check_out "30 at once" "wrong:" many
check_out "none is left" "" docker ps -aq
# Deleting goes on a little after the client was told.
check_becomes "nothing is left in tmp" "" as_user ls "$data/tmp"
check_becomes "no runtime directory is left" "0" bash -c "ls '$xdg/docker' | grep -cE '^[0-9a-f]{64}$' || :"
check_becomes "no monitor is left" "" our_pids :monitor

# --- the engine stops ----------------------------------------------------------------------------------------------
docker run -d --name stopped bb sh -c 'trap "exit 6" TERM; echo up; while :; do sleep 0.05; done' >/dev/null
docker run -d --name again --restart always bb sh -c 'trap "exit 6" TERM; echo up; while :; do sleep 0.05; done' >/dev/null
await_up stopped
await_up again
engine_stop
engine_start || exit 1
check_out "a clean stop gives containers their signal" "exited 6" field stopped '{{.State.Status}} {{.State.ExitCode}}'
until_true docker exec again true # the engine answers first, and starts it meanwhile
check_out "the restart policy holds at the next start" "running" field again '{{.State.Status}}'
docker rm -f stopped again >/dev/null
