/* SPDX-License-Identifier: MIT */
/*
 * applets/privilege.c - give up what the file gave us and the command does not need
 *
 * Theory of operation
 *   File capabilities and the set-user-ID bit sit on the inode, hence on every link to the
 *   multicall binary and on every /proc/self/exe it starts.  A user who runs "setcap
 *   cap_net_bind_service=ep" for the sake of port 80 has given it to all applets.  So main()
 *   asks the kernel (AT_SECURE) whether the file added privilege, and if so calls this with
 *   the one applet's set before any option or variable is read.
 *
 *   Order: (1) the sets are computed while we may still look at them; (2) KEEPCAPS, as leaving
 *   uid 0 would clear them; (3) group ids, then user ids, real = effective = saved; (4) capset
 *   with the remainder; (5) KEEPCAPS is taken back, so that a later setuid behaves as usual.
 */
#include "privilege.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>

static int caps_restrict(uint64_t keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data) < 0)
		return -1;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return (int)syscall(SYS_capset, &head, data);
}

static int ids_restore(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (setresgid(gid, gid, gid) < 0)
		return -1;
	return setresuid(uid, uid, uid);
}

int privilege_reduce(uint64_t keep)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -1;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -1;
	if (ids_restore() < 0)
		return -1;
	if (caps_restrict(keep) < 0)
		return -1;
	return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
}
