# SPDX-License-Identifier: MIT
#
# tests/lib/lxc_net.sh - a bridge of the machine's own network, 10.77.1.1, with DHCP, that the user may attach to
#
# Sourced after lib.sh, by root.  lxc_net_up BRIDGE: false where Debian's lxc-user-nic is not installed set-user-ID, or
# there is such a bridge already.  It goes with the script.  (The program asks /sys about the bridge, which shows the
# machine's own network: user_network=() is for whoever uses it.)

lxc_net_up() { # BRIDGE
	local nic usernet=/etc/lxc/lxc-usernet
	nic=$(ls /usr/libexec/lxc/lxc-user-nic /usr/lib/*/lxc/lxc-user-nic 2>/dev/null | head -1)
	[ -u "${nic:-/nonexistent}" ] && ip link add "$1" type bridge 2>/dev/null || return 1
	at_exit "ip link del $1"
	ip addr add 10.77.1.1/24 dev "$1" && ip link set "$1" up
	[ ! -e $usernet ] || cp -a $usernet "$TEST_TMP/usernet"
	at_exit "if [ -e $TEST_TMP/usernet ]; then cp -a $TEST_TMP/usernet $usernet; else rm -f $usernet; fi"
	echo "$test_user veth $1 10" >>$usernet
	printf '%s\n' "start 10.77.1.100" "end 10.77.1.110" "interface $1" "lease_file $TEST_TMP/leases" "pidfile $TEST_TMP/udhcpd.pid" \
		"option subnet 255.255.255.0" "option router 10.77.1.1" "option dns 10.77.1.1" "option lease 600" "conflict_time 0" >"$TEST_TMP/udhcpd.conf"
	touch "$TEST_TMP/leases"
	busybox udhcpd -f "$TEST_TMP/udhcpd.conf" >"$TEST_TMP/udhcpd.log" 2>&1 &
	at_exit "kill $! 2>/dev/null"
}
