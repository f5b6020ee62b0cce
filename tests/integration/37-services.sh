#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nginx, redis and PostgreSQL as Debian has them, in containers on two networks: they find each other
# by name where they share a network, and are reached from another host at published ports, which
# all three see by its own address.  Engine and netd end meanwhile.
#
#	peer ── web (nginx, on front) ── app (nginx, on front and back) ── cache (redis), db (PostgreSQL), on back
# test: together
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { skip "services" "machine: network namespaces for host and peer need root"; exit 77; }
. "$top/tests/lib/port_net.sh"
services=$(image_services) || { not_ok "an image of services" "debootstrap makes none"; exit 1; }
port_net_up || exit 1
cp "$top/tests/lib/pg_ask.py" "$TEST_TMP/bin/" && chmod 755 "$TEST_TMP"/bin/*
user_env=(CORACLE_NETD_STRICT=1) # any other system call ends netd
engine_start --live-restore || exit 1
docker import "$services" services >/dev/null || exit 1

web() { in_peer curl -s -m 20 "http://$1:8080/$2"; }
redis() { # COMMAND...: of the peer's, and the first line of the answer
	in_peer timeout 60 bash -c 'exec 3<>/dev/tcp/198.51.100.1/6379; printf "$1\r\n" >&3; IFS= read -r line <&3; echo "${line%$'"'\r'"'}"' _ "$*"
}
sql() { in_peer python3 "$TEST_TMP/bin/pg_ask.py" "$1" 5432 "$2"; }

mkdir "$TEST_TMP/conf"
cat >"$TEST_TMP/conf/web.conf" <<'END'
events {}
pid /run/nginx.pid;
error_log /dev/stderr warn;
http {
	access_log /dev/stdout;
	server {
		listen 80;
		listen [::]:80;
		resolver 127.0.0.11 valid=1s;
		set $to app;
		location / {
			proxy_pass http://$to:80;
			proxy_set_header X-Peer $remote_addr;
		}
		location /who { return 200 $remote_addr; }
	}
}
END
cat >"$TEST_TMP/conf/app.conf" <<'END'
events {}
pid /run/nginx.pid;
error_log /dev/stderr warn;
http {
	access_log off;
	server {
		listen 80;
		location / { return 200 "app for $http_x_peer"; }
	}
}
END
chmod -R a+rX "$TEST_TMP/conf"
docker network create front >/dev/null
docker network create back >/dev/null
nginx() { # NAME FLAG...
	docker run -d --name "$1" --hostname "$1" -v "$TEST_TMP/conf/$1.conf:/etc/nginx/nginx.conf:ro" "${@:2}" services nginx -g 'daemon off;'
}
check "nginx starts" nginx web --network front -p 8080:80
check "redis starts" docker run -d --name cache --network back -p 6379:6379 services \
	redis-server --bind '* -::*' --protected-mode no --save '' --appendonly no
check "PostgreSQL starts" docker run -d --name db --network back --network-alias database -p 5432:5432 --user postgres services sh -ec '
	PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
	initdb -D /tmp/db --auth=trust --no-sync >/dev/null
	echo "host all all all trust" >>/tmp/db/pg_hba.conf
	exec postgres -D /tmp/db -c listen_addresses="*" -c fsync=off'
check "a second nginx, on both networks" nginx app --network front --network back

# --- from elsewhere --------------------------------------------------------------------------------
check "nginx answers the peer" until_true web 198.51.100.1 who
check_out "and sees its address" "198.51.100.2" web 198.51.100.1 who
check_out "over IPv6, which the network has not: the gateway's" "$(docker inspect -f '{{.NetworkSettings.Networks.front.Gateway}}' web)" web '[2001:db8::1]' who
check "redis answers the peer" until_true redis PING
check_out "as it does" "+PONG" redis PING
check_has "and sees its address" "addr=198.51.100.2:" in_peer timeout 60 bash -c \
	'exec 3<>/dev/tcp/198.51.100.1/6379; printf "CLIENT INFO\r\n" >&3; read -r _ <&3; read -r line <&3; echo "$line"'
check "PostgreSQL answers the peer" until_true sql 198.51.100.1 "SELECT 1"
check_out "and sees its address" "198.51.100.2" sql 198.51.100.1 "SELECT host(inet_client_addr())"

# --- each other, by name -----------------------------------------------------------------------------
check_out "nginx to nginx, by name, for the peer" "app for 198.51.100.2" web 198.51.100.1 ""
check_out "app to redis" "PONG" docker exec app redis-cli -h cache ping
check_out "app to PostgreSQL, by its alias" "42" docker exec app psql -h database -U postgres -Atc 'SELECT 42'
check_out "redis to PostgreSQL" "back" docker exec cache psql -h db -U postgres -Atc "SELECT 'back'"
check_fails "web, on the other network, does not find redis" docker exec web redis-cli -h cache ping
check_fails "nor by address" docker exec web timeout 2 redis-cli -h "$(docker inspect -f '{{.NetworkSettings.Networks.back.IPAddress}}' cache)" ping
check_out "but at the host's published port" "PONG" docker exec web redis-cli -h 198.51.100.1 ping
docker network connect back web
check_out "connected to it, it does" "PONG" docker exec web redis-cli -h cache ping
docker network disconnect back web
check_fails "and no more" docker exec web redis-cli -h cache ping
docker restart -t 1 cache >/dev/null
check "restarted, it is found again" until_true docker exec app redis-cli -h cache ping
check "and reached" until_true redis PING

# --- a transfer, and the end of the engine ------------------------------------------------------------
docker exec app redis-cli -h cache config set proto-max-bulk-len 512mb >/dev/null
docker exec cache sh -c 'head -c 200000000 /dev/urandom | redis-cli -x set big' >/dev/null
want=$(docker exec cache sh -c 'redis-cli get big | head -c 200000000 | sha256sum')
transfer_begins() {
	coproc BIG { in_peer python3 -c '
import hashlib, socket
s = socket.create_connection(("198.51.100.1", 6379), 60)
f = s.makefile("rb"); s.sendall(b"GET big\r\n")
n = int(f.readline()[1:]); h = hashlib.sha256(); left = n
while left:
    if left == n - (10 << 20):
        print("under way", flush=True); input()
    data = f.read(min(left, 1 << 20)); assert data, left
    h.update(data); left -= len(data)
print(h.hexdigest() + "  -", flush=True)'; }
	read -rt 60 -u "${BIG[0]}" line
	check_out "a transfer is under way" "under way" echo "$line"
}
transfer_ends() { # NAME
	echo >&"${BIG[1]}"
	read -rt 60 -u "${BIG[0]}" line
	check_out "$1" "$want" echo "$line"
	wait "$BIG_PID"
}
transfer_begins
engine_kill $(our_pids :engine)
transfer_ends "it ends well without an engine"
check "the next engine answers" until_true docker version
check_out "everything is reached" "app for 198.51.100.2" web 198.51.100.1 ""
engine_kill $(our_pids :netd)
check "netd killed: nginx is reached again" until_true web 198.51.100.1 ""
check_out "with the peer's address, and names" "app for 198.51.100.2" web 198.51.100.1 ""
check "redis too" until_true redis PING
check_out "PostgreSQL too" "198.51.100.2" sql 198.51.100.1 "SELECT host(inet_client_addr())"
check "and each other" until_true docker exec app psql -h db -U postgres -c 'SELECT 1'

# --- live-restore: the engine is stopped and started -------------------------------------------------------
transfer_begins
engine_stop
check_fails "there is no engine" docker version
transfer_ends "a transfer ends well while it is stopped"
check_out "new connections are made meanwhile" "app for 198.51.100.2" web 198.51.100.1 ""
transfer_begins
engine_start --live-restore
transfer_ends "and while it starts"
check_out "the containers are the same" "app cache db web" bash -c "$docker_cli -H unix://$xdg/docker.sock ps --format '{{.Names}}' | sort | xargs"
check_out "and reached" "198.51.100.2" sql 198.51.100.1 "SELECT host(inet_client_addr())"
check "and each other" docker exec app psql -h db -U postgres -c 'SELECT 1'
