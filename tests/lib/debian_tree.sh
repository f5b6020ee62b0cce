# SPDX-License-Identifier: MIT
#
# tests/lib/debian_tree.sh - the newest Docker and RootlessKit of Debian, in a tree with all they depend on
#
# Sourced after integration/lib.sh and debian.sh; needs root.
#
#   debian_docker             make the tree, once; prints it
#   in_tree TREE CMD...       run CMD in it as the user, in $user_network.  The tree becomes the root of a mount
#                             namespace, as programs in a chroot may make no user namespace; what the test has
#                             (TEST_TMP) is where it was

debian_docker() {
	debian_root sid base-files dash bash coreutils util-linux mount sed grep findutils mawk uidmap iproute2 iptables \
		docker.io containerd runc rootlesskit slirp4netns
}

in_tree() { # TREE CMD...: as the user
	local tree=$1
	shift
	"${user_network[@]}" unshare --mount --propagation private bash -c '
		set -e
		tree=$1 tmp=$2 uid=$3 gid=$4
		shift 4
		mount --bind "$tree" "$tree" && cd "$tree"
		mount -t tmpfs -o mode=755 tmpfs run && mount -t tmpfs -o mode=1777 tmpfs tmp
		mkdir -p "./$tmp" oldroot
		mount --bind "$tmp" "./$tmp" && mount --rbind /dev dev && mount --rbind /sys sys && mount -t proc proc proc
		for f in passwd group subuid subgid hosts resolv.conf; do : >>etc/$f; mount --bind /etc/$f etc/$f; done
		[ -e usr/sbin/iptables ] || for n in iptables ip6tables; do ln -s xtables-nft-multi usr/sbin/$n; done
		pivot_root . oldroot
		umount -l /oldroot
		cd /
		exec setpriv --reuid "$uid" --regid "$gid" --clear-groups "$@"' _ "$tree" "$TEST_TMP" "$test_uid" "$test_gid" "$@"
}
