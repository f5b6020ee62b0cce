/* SPDX-License-Identifier: MIT */
/*
 * applets/applets.h - the list of commands, the one source for dispatch, --list and --install
 *
 * A line names the command, its main function, the capabilities it keeps when the binary was
 * given file capabilities or made set-user-ID (KEEP(X) | KEEP(Y), or 0), and the other names
 * it answers to, separated by spaces.  A command is here only once it works.
 *
 * argv[0] of NAME_main is the name the command was called by.
 */
#ifndef APPLETS_APPLETS_H
#define APPLETS_APPLETS_H

#include <stdint.h>
#include <linux/capability.h>

#define KEEP(cap) (UINT64_C(1) << CAP_##cap)

/*        name           main              keep  also answers to */
#define APPLETS(X) \
	X("cpulimit",    cpulimit_main,    0, "") \
	X("docker",      docker_main,      0, "") \
	X("docker-init", docker_init_main, 0, "") \
	X("dockerd-rootless", dockerd_rootless_main, KEEP(NET_BIND_SERVICE), "dockerd dockerd-rootless.sh") \
	X("hello",       hello_main,       0, "") \
	X("newgidmap",   newgidmap_main,   KEEP(SETGID), "") \
	X("newuidmap",   newuidmap_main,   KEEP(SETUID), "") \
	X("nsenter-debug", nsenter_debug_main, 0, "nsenter") \
	X("rootlessctl", rootlessctl_main, 0, "") \
	X("rootlesskit", rootlesskit_main, KEEP(NET_BIND_SERVICE), "") \
	X("setuptool",   setuptool_main,   0, "dockerd-rootless-setuptool.sh")

#define X(name, main, keep, aliases) int main(int argc, char **argv);
APPLETS(X)
#undef X

#endif
