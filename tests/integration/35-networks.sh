#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Networks under the stock client: made and removed, containers on them that reach each other or do not,
# connect and disconnect, addresses asked for, files; engine and netd killed; nothing left over.
# test: together
. "$(dirname "$0")/lib.sh"

api() { curl -s --unix-socket "$xdg/docker.sock" -H 'Content-Type: application/json' "$@"; }
field() { docker inspect -f "$2" "$1"; }
address() { docker inspect -f "{{(index .NetworkSettings.Networks \"$2\").IPAddress}}" "$1"; }
in_netd() { as_user nsenter -t "$(our_pids :engine | head -1)" -U --preserve-credentials -m nsenter --net="$xdg/docker/netns" "$@"; }
ports() { in_netd ip -o link show type veth | wc -l; }
bridges() { in_netd ip -o link show type bridge | wc -l; }
reaches() { docker exec "$1" ping -c 1 -W 5 "$2" >/dev/null; }
blocked() { ! docker exec "$1" ping -c 1 -W 1 "$2" >/dev/null; }
user_env=(CORACLE_NETD_STRICT=1) # any other system call ends netd
engine_start || exit 1
docker import -c 'CMD ["sleep", "1000"]' "$(image_busybox)" bb >/dev/null || exit 1

# --- the default bridge -------------------------------------------------------------------------------
check_out "the default bridge's first address" "172.17.0.2/16" docker run --rm bb sh -c "ip -4 -o addr show eth0 | awk '{print \$4}'"
check_out "and again, as it is free" "172.17.0.2/16" docker run --rm bb sh -c "ip -4 -o addr show eth0 | awk '{print \$4}'"
check_out "its gateway" "172.17.0.1" docker run --rm bb sh -c "ip route | awk '/^default/ {print \$3}'"
check "the gateway answers" docker run --rm bb ping -c 1 -W 5 172.17.0.1
check_has "its own name in hosts" "172.17.0.2	hosty.example hosty" docker run --rm --hostname hosty.example bb cat /etc/hosts
check_out "--mac-address" "02:42:ac:11:00:99" docker run --rm --mac-address 02:42:ac:11:00:99 bb cat /sys/class/net/eth0/address
check_has "an address on it cannot be asked for" "user specified IP address is supported on user defined networks only" docker run --rm --ip 172.17.0.9 bb true

# --- user-defined ones ----------------------------------------------------------------------------------
check "create" docker network create one
check "create: subnet, range, gateway, auxiliary address" docker network create --subnet 10.77.0.0/24 --ip-range 10.77.0.128/29 \
	--gateway 10.77.0.254 --aux-address router=10.77.0.129 -o com.docker.network.driver.mtu=1400 two
check "create --ipv6" docker network create --ipv6 six
check "create --internal" docker network create --internal inner
check "create without icc" docker network create -o com.docker.network.bridge.enable_icc=false apart
check_has "an overlapping subnet is refused" "invalid pool request: Pool overlaps with other one on this address space" docker network create --subnet 10.77.0.0/16 three
check_has "a name that is taken" "network with name one already exists" docker network create one
check_out "inspect" "172.18.0.0/16 172.18.0.1" docker network inspect -f '{{with index .IPAM.Config 0}}{{.Subnet}} {{.Gateway}}{{end}}' one
check_out "bridges" 6 bridges

for name in ant bee; do docker run -d --name $name --network one bb >/dev/null; done
docker run -d --name cow --network two --network-alias see bb >/dev/null
check_out "addresses in turn" "172.18.0.2 172.18.0.3" echo "$(address ant one) $(address bee one)"
check "by address" reaches ant "$(address bee one)"
check "by name" reaches ant bee
check_out "a range begins where it says, but for auxiliary ones" "10.77.0.128" address cow two
check_out "the MTU asked for" 1400 docker exec cow cat /sys/class/net/eth0/mtu
check_has "the gateway asked for" "via 10.77.0.254" docker exec cow ip route
check "networks are isolated: by address" blocked ant "$(address cow two)"
check_has "and by name" "bad address" docker exec ant ping -c 1 cow
check_has "resolv.conf has the engine's name server" "nameserver 127.0.0.11" docker exec ant cat /etc/resolv.conf
check_has "removing one in use" "has active endpoints" docker network rm one

# --- connect, disconnect ----------------------------------------------------------------------------------
check "connect a running one" docker network connect --ip 10.77.0.77 --alias other two ant
check_out "with the address asked for" "10.77.0.77" address ant two
check "reached there" reaches cow 10.77.0.77
check "by alias" reaches cow other
check "reaching there, by alias" reaches ant see
check_has "hosts follows" "10.77.0.77" docker exec ant cat /etc/hosts
check_has "an address that is taken" "Address already in use" docker run --rm --network two --ip 10.77.0.77 bb true
check_has "an address outside" "no configured subnet or ip-range contain the IP address 10.1.1.1" docker network connect --ip 10.1.1.1 two bee
check_has "connect again" "endpoint with name ant already exists in network two" docker network connect two ant
check "disconnect" docker network disconnect two ant
check_out "the interface is gone" "eth0" docker exec ant sh -c 'cd /sys/class/net; ls -d eth*'
check_out "hosts follows" 0 docker exec ant grep -c 10.77.0.77 /etc/hosts
check "and it is out of reach" blocked cow 10.77.0.77
check_has "disconnect again" "is not connected to network two" docker network disconnect two ant
check "gw-priority" docker network connect --gw-priority 7 two bee
check_has "is the way out" "default via 10.77.0.254" docker exec bee ip route
docker network disconnect two bee
check_has "and is given back" "default via 172.18.0.1" docker exec bee ip route

# --- kinds --------------------------------------------------------------------------------------------------
docker run -d --name s1 --network six bb >/dev/null
docker run -d --name s2 --network six bb >/dev/null
v6=$(docker inspect -f '{{.NetworkSettings.Networks.six.GlobalIPv6Address}}' s2)
check_has "IPv6 address of the host's own prefix" "fd" echo "$v6"
check "IPv6 between containers" reaches s1 "$v6"
check_has "IPv6 gateway" "default via fd" docker exec s1 ip -6 route
docker run -d --name ink --network inner bb >/dev/null
check_out "internal: no way out" "" docker exec ink sh -c 'ip route | grep default'
docker run -d --name p1 --network apart bb >/dev/null
docker run -d --name p2 --network apart bb >/dev/null
check "without icc: the gateway answers" reaches p1 "$(docker network inspect -f '{{(index .IPAM.Config 0).Gateway}}' apart)"
check "without icc: others do not" blocked p1 "$(address p2 apart)"
check_out "container:X shares all" "$(docker exec ant readlink /proc/self/ns/net)" docker run --rm --network container:ant bb readlink /proc/self/ns/net
check_has "none cannot be combined" "container cannot be connected to multiple networks with one of the networks in private (none) mode" docker network connect none ant
docker rm -f s1 s2 ink p1 p2 >/dev/null

# --- what else an endpoint may ask for ---------------------------------------------------------------------
option=driver-opt=com.docker.network.endpoint
check_out "an MTU too small for IPv6" 1234 sh -c "$docker_cli -H unix://$xdg/docker.sock network create -o com.docker.network.driver.mtu=1234 small >/dev/null
	$docker_cli -H unix://$xdg/docker.sock run --rm --network small bb cat /sys/class/net/eth0/mtu"
check_out "a sysctl of the interface" 1 docker run --rm --network name=one,$option.sysctls=net.ipv4.conf.IFNAME.log_martians=1 \
	bb cat /proc/sys/net/ipv4/conf/eth0/log_martians
check_has "and no other" "unrecognised network interface sysctl 'net.ipv4.conf.all/..ifname.x=1'" \
	docker run --rm --network name=one,$option.sysctls=net.ipv4.conf.all/..IFNAME.x=1 bb true
check_has "one that is none" "/proc/sys/net/ipv4/conf/eth0/nosuch is not a sysctl file" \
	docker run --rm --network name=one,$option.sysctls=net.ipv4.conf.IFNAME.nosuch=1 bb true
check_has "a name of the interface" "out0" docker run --rm --network name=one,$option.ifname=out0 bb ls /sys/class/net
check_has "that is too long" "numerical result out of range" docker run --rm --network name=one,$option.ifname=0123456789abcdef bb true
check_has "a link-local address" "169.254.8.8/16" docker run --rm --network one --link-local-ip 169.254.8.8 bb ip -4 -o addr show eth0
check_has "that is not" "invalid link local IP address: 1.2.3.4" docker run --rm --network one --link-local-ip 1.2.3.4 bb true
for a in 10.77.0.0 10.77.0.255; do check_has "$a is nobody's" "Address already in use" docker run --rm --network two --ip $a bb true; done
check_has "a gateway cannot be it" "failed to allocate gateway (10.66.0.255): Address already in use" \
	docker network create --subnet 10.66.0.0/24 --gateway 10.66.0.255 three
check_has "only an internal network has no gateway" "gateway mode 'isolated' can only be used for an internal network" \
	docker network create -o com.docker.network.bridge.gateway_mode_ipv4=isolated three
docker network create --internal --subnet 10.66.0.0/24 -o com.docker.network.bridge.gateway_mode_ipv4=isolated alone >/dev/null
check_has "there its address is another's" "10.66.0.1/24" docker run --rm --network alone bb ip -4 -o addr show eth0
check_has "--link to a name" "Address: $(address ant one)" docker run --rm --network one --link ant:linked bb nslookup linked
check "--link to nobody, as there it is a name only" docker run --rm --network one --link nobody:x bb true
check_has "on the default bridge it is more" "could not get container for nobody" docker run --rm --link nobody:x bb true
check_has "and must be there" "not attached to default bridge network" docker run --rm --link ant:x bb true
docker run -d --name linked bb sleep 1000 >/dev/null
docker run -d --name links --link linked:other bb sleep 1000 >/dev/null
check_has "there a link is a line of hosts" "	other " docker exec links cat /etc/hosts
check_has "a link's name is no container's" "No such container: links/nosuch" docker rm --link links/nosuch
check_has "a container's name is no link's" "cannot remove the default link name" docker rm --link links
check_out "rm --link" links/other docker rm --link links/other
check_out "the line is gone" 0 bash -c 'grep -c "	other " <<<"$1"' - "$(docker exec links cat /etc/hosts)"
check_out "and the link" "[]" docker inspect -f '{{.HostConfig.Links}}' links
docker rm -f links >/dev/null
connect_mac() { as_user curl -s --unix-socket "$xdg/docker.sock" -X POST -H 'Content-Type: application/json' -d "{\"Container\": \"linked\", \"EndpointConfig\": {\"MacAddress\": \"$1\"}}" http://d/networks/one/connect; }
check_has "connect: a MAC address that is none" "invalid MAC address 02:00" connect_mac 02:00
connect_mac 02:42:ac:11:00:98
check_out "connect: that address" 02:42:ac:11:00:98 docker exec linked cat /sys/class/net/eth1/address
docker rm -f linked >/dev/null
docker create --name linked --network name=one,mac-address=02:42:ac:11:00:97 bb >/dev/null
check_out "the address of its mode's network is the container's" "02:42:ac:11:00:97" docker inspect -f '{{.Config.MacAddress}}' linked
docker rm linked >/dev/null
docker network rm small alone >/dev/null

# --- many at once ---------------------------------------------------------------------------------------------
docker network create many >/dev/null
for n in $(seq 50); do docker create --name m$n --network many bb >/dev/null; done
check "50 are started at once" docker start $(seq -f m%g 50)
check_out "50 addresses" 50 bash -c "$docker_cli -H unix://$xdg/docker.sock network inspect -f '{{range .Containers}}{{println .IPv4Address}}{{end}}' many | grep . | sort -u | wc -l"
docker rm -f $(seq -f m%g 50) >/dev/null
check "a network nobody is on can go" docker network rm many
check_out "only the ports of those that run are left" 3 ports

# --- engine and netd end ------------------------------------------------------------------------------------------
before=$(address ant one)
engine_kill $(our_pids :engine) $(our_pids :netd) # the supervisor starts the next engine
check "the next engine answers" until_true docker version
check_out "after kill -9 of both: the same address" "$before" address ant one
check "containers reach each other" reaches ant "$(address bee one)"
check "and know each other's names" until_true reaches ant bee
check_out "nobody gets an address that is taken" "172.18.0.4" docker run --rm --network one bb sh -c "ip -4 -o addr show eth0 | awk '{sub(\"/.*\", \"\", \$4); print \$4}'"
check "disconnect after that" docker network disconnect one bee
check "connect after that" docker network connect one bee
check "reached again" reaches ant "$(address bee one)"
kill -9 "$(our_pids :netd)"
check "netd comes back by itself, and knows the names" until_true reaches bee ant

kill -STOP "$engine_pid" # so that there is none
engine_kill $(our_pids :engine) $(our_pids :monitor | head -1)
kill -CONT "$engine_pid"
check "the next engine answers" until_true docker version
two_ports() { [ "$(ports)" = 2 ]; } # it is taken down behind the engine's first answer
check "a container that ended meanwhile leaves no port" until_true two_ports

# --- nothing is left --------------------------------------------------------------------------------------------------
docker rm -f ant bee cow >/dev/null
check_out "prune" "apart inner one six two" bash -c "$docker_cli -H unix://$xdg/docker.sock network prune -f | grep -v Deleted | sort | xargs"
check_out "no port is left" 0 ports
check_out "one bridge is left" 1 bridges
check_out "no network namespace is left but netd's" 1 bash -c "grep -c \"$xdg.* - nsfs \" /proc/$(our_pids :engine | head -1)/mountinfo"
engine_stop

# --- daemon.json ------------------------------------------------------------------------------------------------------
engine_start --bip 10.9.8.1/24 --fixed-cidr 10.9.8.64/26 --mtu 1300 --default-address-pool base=10.200.0.0/16,size=28 --icc=false || exit 1
check_out "bip, fixed-cidr, mtu" "10.9.8.64/24 1300" docker run --rm bb sh -c "echo \$(ip -4 -o addr show eth0 | awk '{print \$4}') \$(cat /sys/class/net/eth0/mtu)"
docker network create pool >/dev/null
check_out "default-address-pool" "10.200.0.0/28" docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}' pool
check_out "as info has it" '[{"Base":"10.200.0.0/16","Size":28}]' docker info -f '{{json .DefaultAddressPools}}'
engine_stop

engine_start --ipv6 --fixed-cidr-v6 fd00:99::/64 --bip 10.9.8.1/24 --default-gateway 10.9.8.7 || exit 1
check_has "the default bridge with IPv6" "fd00:99::2/64" docker run --rm bb ip -6 -o addr show eth0
check_out "and a gateway of somebody else's" "default via 10.9.8.7 dev eth0" docker run --rm bb sh -c "ip route | sed -n 's/ *$//; /default/p'"
check_has "inspect" '{"Subnet":"fd00:99::/64","IPRange":"fd00:99::/64"}' docker network inspect -f '{{json .IPAM.Config}}' bridge
