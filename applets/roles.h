/* SPDX-License-Identifier: MIT */
/*
 * applets/roles.h - what Coracle runs itself as: "/proc/self/exe :NAME ARGS..."
 *
 * A first argument that starts with ':' selects a role.  Roles are not for people: they have
 * no --help and no link, and are started by other parts with descriptors already in place.
 * A line names the role, its main function (argv[0] is ":NAME"), and the capabilities it keeps
 * when the binary carries file capabilities (see applets.h); nearly always 0: inside a user
 * namespace root's capabilities come from the namespace, not from the file.
 */
#ifndef APPLETS_ROLES_H
#define APPLETS_ROLES_H

#include "applets.h"

/*        name      main              keep */
#define ROLES(X) \
	X("engine",  engine_role_main, 0) \
	X("monitor", monitor_role_main, 0) \
	X("logtls",  logtls_role_main, 0) \
	X("worker",  worker_role_main, 0) \
	X("unpack",  unpack_role_main, 0) \
	X("copy-up", copyup_role_main, 0) \
	X("rootlesskit", rootlesskit_role_main, 0) \
	X("tls",     tls_role_main,    0) \
	X("netd",    netd_role_main, 0) \
	X("cage",    cage_role_main, 0) \
	X("tap",     tap_role_main,  0) \
	X("archive", archive_role_main, 0) \
	X("context", context_role_main, 0)

#define X(name, main, keep) int main(int argc, char **argv);
ROLES(X)
#undef X

#endif
