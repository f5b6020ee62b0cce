#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Compose v2, as it comes from Debian sid, and a project of four services as people write them
# (shop/compose.yaml): waiting for health and for a job to end, configs and secrets, an env file,
# profiles, scale, restart, logs, exec, data that outlives its containers, and down -v.
. "$(dirname "$0")/../integration/lib.sh"
. "$top/tests/lib/debian.sh"

clients=$(debian_unpack sid docker-compose docker-cli docker-buildx) ||
	{ skip "Compose v2" "Debian sid's docker-compose cannot be had"; exit 0; }
services=$(image_services) || { skip "Compose v2" "debootstrap makes no image of services"; exit 0; }
engine_start || exit 1
docker import "$services" services >/dev/null || { not_ok "the image of services" "import"; exit 1; }
cp -r "$top/tests/clients/shop" "$test_home/shop"
[ "$(id -u)" != 0 ] || chown -R "$test_uid:$test_gid" "$test_home/shop"
cd "$test_home/shop" || exit 1
port=18311
postgres_uid=$(docker run --rm services id -u postgres)
compose() {
	as_user env WEB_PORT=$port POSTGRES_UID="$postgres_uid" \
		"$clients/usr/libexec/docker/cli-plugins/docker-compose" --ansi never --progress plain "$@"
}
sql() { compose exec -T db psql -U postgres -At -c "$1"; }

check "config" compose config -q
check "up --wait" compose up -d --wait --wait-timeout 120
check_out "ps: db and web are healthy, the job has ended" \
	"cache running |db running healthy|migrate exited |web running healthy|worker running |worker running |" \
	bash -c 'echo "$1" | sort | tr "\n" "|"' - "$(compose ps -a --format '{{.Service}} {{.State}} {{.Health}}')"
check_out "the job's exit code" 0 docker inspect -f '{{.State.ExitCode}}' shop-migrate-1
check_has "the published port answers" "The shop is open" curl -fsS "http://127.0.0.1:$port/"
check_out "port" "127.0.0.1:$port" compose port web 80
check_has "a second up changes nothing" "Container shop-web-1  Running" compose up -d

# what was configured arrived
check_has "a secret is a file below /run/secrets" "correct horse" compose exec -T db cat /run/secrets/db_password
check_has "env_file and environment" "hello from a file orders" \
	compose exec -T worker sh -c 'echo $GREETING $QUEUE'
check_has "ulimits" 4096 compose exec -T cache sh -c 'ulimit -Sn'
check_out "init is pid 1" docker-init compose exec -T worker cat /proc/1/comm
check_out "the names of a service, its alias and its container are one address" 1 \
	compose exec -T web sh -c 'getent hosts db database shop-db-1 | cut -d" " -f1 | sort -u | wc -l'
check_has "the subnet asked for" 10.61.7. compose exec -T web getent hosts db
check_fails "a service on another network is not known" compose exec -T cache getent hosts shop-nobody-1
check_has "an internal network leads nowhere" "unreachable" \
	compose exec -T cache bash -c 'exec 3<>/dev/tcp/10.99.99.1/80'

# four services at work
check_out "the job made the table" 0 sql "SELECT count(*) FROM orders"
check_has "a row is written" "INSERT 0 1" sql "INSERT INTO orders (what) VALUES ('a boat')"
for i in 1 2 3 4; do compose exec -T cache redis-cli LPUSH orders "boat-$i" >/dev/null; done
done_all() { [ "$(compose logs --no-log-prefix worker | grep -c '^done: boat-')" = 4 ]; }
check "logs: the workers did all that was asked" until_true done_all
check_has "logs have the service's name" "worker-1  | worker on" compose logs worker
check_out "logs --tail" 1 bash -c 'echo "$1" | wc -l' - "$(compose logs --no-log-prefix --tail 1 cache)"
check_has "logs of web are its accesses" "GET / HTTP" compose logs web
check_has "top" redis-server compose top cache
check_has "images" services compose images
check_has "ls" "running" compose ls
check_has "stats" shop-web-1 compose stats --no-stream
check_out "cp out of a service" "correct horse" bash -c 'cat "$1"' - <(compose cp db:/run/secrets/db_password - 2>/dev/null | tar -xO)
check "cp into a service" compose cp worker.env web:/tmp/worker.env
check_has "the copy is there" "GREETING" compose exec -T web cat /tmp/worker.env

# scale, profiles, one-off commands
check "scale up" compose up -d --no-recreate --scale worker=4
check_out "four workers" 4 bash -c 'echo "$1" | wc -l' - "$(compose ps -q worker)"
check_out "the name of a service has all their addresses" 4 \
	compose exec -T cache sh -c 'getent ahostsv4 worker | cut -d" " -f1 | sort -u | wc -l'
check "scale down" compose scale worker=1
check_out "one worker" 1 bash -c 'echo "$1" | wc -l' - "$(compose ps -q worker)"
check_out "a service of a profile is not started unasked" "" compose ps -aq admin
check "its profile starts it" compose --profile debug up -d admin
check_out "it runs" running compose --profile debug ps --format '{{.State}}' admin
check_has "run --rm" "one-off boat" compose run --rm --no-deps -T worker echo one-off boat
check_status "run: the command's exit code" 7 compose run --rm --no-deps -T worker sh -c 'exit 7'
check_status "exec: the command's exit code" 9 compose exec -T web sh -c 'exit 9'

# restart, stop, kill: data and names stay
before=$(docker inspect -f '{{.State.Pid}}' shop-web-1)
check "restart a service" compose restart web
check "it is another process" [ "$before" != "$(docker inspect -f '{{.State.Pid}}' shop-web-1)" ]
check_has "and answers" "The shop is open" curl -fsS --retry 20 --retry-connrefused --retry-delay 0 "http://127.0.0.1:$port/"
run compose exec -T cache redis-cli SHUTDOWN NOSAVE
back() { [ "$(docker inspect -f '{{.State.Running}} {{.RestartCount}}' shop-cache-1)" = "true 1" ]; }
check "restart policy: a cache that died is back" until_true back
check "pause" compose pause web
check_has "paused" "(Paused)" compose ps web
check "unpause" compose unpause web
check "stop" compose --profile debug stop
check_out "nothing runs" "" compose ps -q
check "start" compose start
check "down without -v" compose down
check "up again" compose up -d --wait --wait-timeout 120
check_out "the volume kept the data" "a boat" sql "SELECT what FROM orders"
cache=$(docker inspect -f '{{.Id}}' shop-cache-1)
sed -i 's/shop.role: web/shop.role: front/' compose.yaml
check_has "a changed service is made again" "shop-web-1  Recreated" compose up -d
check_out "the others are left as they are" "$cache" docker inspect -f '{{.Id}}' shop-cache-1

# The way people type it, in our client: a plugin of the user's.
as_user mkdir -p "$test_home/.docker/cli-plugins"
as_user ln -s "$clients/usr/libexec/docker/cli-plugins/docker-compose" "$test_home/.docker/cli-plugins/docker-compose"
typed() { as_user env WEB_PORT=$port POSTGRES_UID="$postgres_uid" "$coracle" docker "$@"; }
check_out "docker compose, from our client" "cache db web worker worker" bash -c 'echo $(sort <<<"$1")' - "$(typed compose ps --format '{{.Service}}')"
check_has "docker compose version" "Docker Compose version" typed compose version

check "down -v" compose --profile debug down -v --remove-orphans
check_out "no container is left" "" docker ps -aq
check_out "no volume is left" "" docker volume ls -q
check_out "no network is left" "" docker network ls -q --filter type=custom
