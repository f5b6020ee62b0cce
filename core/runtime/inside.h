/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/inside.h - private to the runtime: what runs in the new process, before the
 * container's own program does
 *
 * All of it runs single-threaded between clone and exec, as root of the engine's user namespace.
 */
#ifndef RUNTIME_INSIDE_H
#define RUNTIME_INSIDE_H

#include "base/err.h"
#include "runtime/spec.h"

#include <linux/filter.h>
#include <stdbool.h>

/* --- errtext.c --- */
/* Text of an errno as runc and Docker print it, which is what people search for. */
const char *errno_text(int code);
/* err_set() with that text after the message. */
int err_errno(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* --- affinity.c --- */
/* Run on the CPUs of a list as "0-3,5" from now on. */
int affinity_set(const char *list, struct err *e);

/* --- arena.c --- */
/* From now on JSON lives in chunks of this size, and is never freed. */
void arena_for_json(size_t chunk_size);

/* --- mountpoint.c --- */
/* Open (O_PATH) @path beneath @rootfd, making what is missing: directories with mode 0755, and the
 * last component a directory or an empty file.  Symlinks, dangling ones too, are followed inside
 * @rootfd.  *made tells whether the last component is new.  Descriptor, or -1 and errno. */
int mountpoint_open(int rootfd, const char *path, bool directory, bool *made);

/* --- mountattr.c --- */
struct mnt_attr;
/* Can a mount be given its attributes before it is attached (Linux 5.12)? */
bool mountattr_detached(void);
/* mount_setattr(2) of the mount that @mnt is the root of; on older kernels, which want it attached, what
 * mount(2) makes of it.  0, or -1 and errno. */
int mountattr_set(int mnt, bool recursive, const struct mnt_attr *a);
/* Put the detached mount @tree on what @to refers to, with these attributes; 0, or -1 and errno. */
int mountattr_attach(int tree, int to, bool recursive, const struct mnt_attr *a);

/* --- mounts.c --- */
/* Do one mount of the spec below @rootfd. */
int mounts_do(int rootfd, const struct spec *s, struct spec_mount *m, struct err *e);
/* Read-only tmpfs stay writable until all mount points below them are made: now they are. */
int mounts_seal(struct spec *s, struct err *e);
/* Copy what is at @source outside to @dest inside, with attributes of mountapi.h. */
int mounts_bind(int rootfd, const char *source, const char *dest, bool recursive, uint64_t attr,
	struct err *e);

/* --- cgroupfs.c --- */
/* A mount of type "cgroup": the unified hierarchy, or a tmpfs with those of version 1.  @own_ns: the
 * container has a cgroup namespace of its own. */
int cgroupfs_mount(int rootfd, const char *dest, uint64_t attr, bool own_ns, struct err *e);

/* --- dev.c --- */
/* Default devices, those of the spec, and the symlinks in /dev. */
int dev_populate(int rootfd, const struct spec *s, struct err *e);
/* A pty of the container's own devpts; descriptors to *master and *slave. */
int dev_open_pty(int rootfd, int *master, int *slave, struct err *e);
int dev_bind_console(int rootfd, int slave, struct err *e);
/* The container's /dev/null if it is one, else the one outside. */
int dev_open_null(int rootfd, struct err *e);

/* --- rootfs.c --- */
int rootfs_masked(int rootfd, char *const *masked_list, struct err *e);
int rootfs_readonly(int rootfd, char *const *paths, struct err *e);
int rootfs_sysctls(int rootfd, const struct spec *s, struct err *e);
int rootfs_pivot(int rootfd, struct err *e);
int rootfs_loopback_up(struct err *e);

/* --- user.c: see runtime.h for the lookup --- */
/* Fill in p->uid, gid, groups from p->user_text and p->group_add. */
int user_resolve(int rootfd, struct spec_process *p, struct err *e);
/* HOME for @uid from the container's passwd, to free(); "/" if it is not listed. */
char *user_home(int rootfd, uid_t uid);

/* --- process.c --- */
/* What the monitor ignores and a container's program must not inherit ignored. */
#define MONITOR_IGNORED_SIGNALS                                                                   \
	{                                                                                         \
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU \
	}

struct stdio {
	int fd[3];  /* what becomes 0, 1, 2 */
	int ready;  /* one byte is sent here when only the seccomp filter and exec are left */
};

struct filter {
	struct sock_filter *insns; /* NULL: no filter */
	unsigned short n;
};

int filter_load(const char *path, struct filter *f, struct err *e);
/* Become what @p says and exec its command; @rootfd is taken over.  Returns only on failure: -1 with
 * @e. */
int process_exec(int rootfd, struct spec_process *p, const struct filter *f,
	const struct stdio *io, struct err *e);
/* Full path of a command, as runc looks it up: to free(), or NULL with @e. */
char *process_lookup(const char *name, char *const *env, struct err *e);

#endif
