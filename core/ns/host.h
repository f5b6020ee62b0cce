/* SPDX-License-Identifier: MIT */
/*
 * core/ns/host.h - what the host allows, and what it lacks
 *
 * All of it is for messages: nothing is decided here but where the data-root may be.
 */
#ifndef NS_HOST_H
#define NS_HOST_H

#include "base/err.h"

#include <stdbool.h>

/**
 * host_check_data_root() - Can images and containers live in this directory?
 * @dirfd:	The data-root, borrowed
 * @path:	Its name, for messages
 *
 * Network file systems that know no ids but their own are refused (NFS), others are warned of.
 *
 * Return: 0, or -1 with @e and the advice where to look
 */
int host_check_data_root(int dirfd, const char *path, struct err *e);

/* Can paths be resolved beneath a directory (openat2, Linux 5.6)?  Nothing that a container names is opened otherwise. */
int host_check_kernel(struct err *e);

/* Log what is old, missing or in the way here, and what follows from it. */
void host_report(void);

/* Why ns_unshare() failed, by @e->code: RootlessKit's words, and what root can do about it. Codes that
 * are no policy of the host leave @e as it is. */
void host_explain_unshare(struct err *e);
/* The same for ns_settle(): the namespace came without its capabilities. */
void host_explain_settle(struct err *e);

/* A value of /etc/os-release, unquoted, "" if it has none; to free().  os-release(5). */
char *host_os_release(const char *key);

/* Things of other projects that a host may lack, and what its package manager calls them. */
enum host_package { HOST_UIDMAP, HOST_DBUS_SESSION, HOST_FUSE_OVERLAYFS, HOST_SLIRP4NETNS, HOST_PASST, HOST_LXC, HOST_GVPROXY,
	HOST_VPNKIT, HOST_PACKAGES };
/* The command that installs it here ("apt-get install -y uidmap"), for root: of the distribution that
 * /etc/os-release names, else of the package manager that is there; where neither is known, words that say
 * what to look for.  Static text, of single-threaded callers. */
const char *host_install_command(enum host_package p);

/* Is a release like "5.10.0-21-amd64" that version, or later?  For tests. */
bool host_release_at_least(const char *release, unsigned int major, unsigned int minor);
enum host_fs { HOST_FS_GOOD, HOST_FS_DOUBTFUL, HOST_FS_REFUSED };
/* What a statfs(2) type means for a data-root, and its name.  For tests. */
enum host_fs host_fs_judge(unsigned long type, const char **name);

#endif
