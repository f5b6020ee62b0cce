/* SPDX-License-Identifier: MIT */
/*
 * core/net/netd_isolate.c - what netd gives up, as it handles what containers and strangers send
 *
 * Theory of operation
 *   In two stages, as modules still have to open sockets and write sysctls in between:
 *   1. netd_isolate(), by each thread that exists, before others are started: the root directory is an
 *      empty one that has no name any more (the directory belongs to all threads); capabilities but
 *      NET_ADMIN and NET_RAW leave all sets, the bounding set too.  It mustn't yet close
 *      /proc/sys (module.h: inside_sysctl()), whose files are in reach until the second stage.
 *   2. netd_filter(), when the modules have started: a system call that is not listed in a "#syscalls"
 *      comment below core/net fails with EPERM, or, for tests, ends the process.  All threads at
 *      once.  What is left cannot open a file, start a program or enter a namespace.
 *
 *   The user and mount namespace stay the engine's: the next engine joins them through netd.
 *
 *   The list is collected by the build (net/netd_syscalls.h): a new call shows up beside the code that
 *   makes it.  What the C library calls by itself:
 *
 * #syscalls brk mmap munmap mremap mprotect madvise futex clock_gettime rt_sigprocmask rt_sigreturn
 * #syscalls restart_syscall clone exit exit_group gettid getpid set_robust_list writev getrandom
 *   A thread that is starting may name itself when the filter stands already:
 * #syscalls prctl
 */
#include "net/netd_isolate.h"
#include "base/fs.h"
#include "base/str.h"
#include "netd_syscalls.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint64_t kept = 1ULL << CAP_NET_ADMIN | 1ULL << CAP_NET_RAW;

static int drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{(uint32_t)kept, (uint32_t)kept, 0}, {0}};
	int cap;

	for (cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(kept >> cap & 1))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &head, data))
		return err_set(e, errno, "dropping capabilities");
	return 0;
}

static int empty_root(int execfd, struct err *e)
{
	cleanup_close int empty = -1;

	if (mkdirat(execfd, "netd.root", 0700) && errno != EEXIST)
		return err_set(e, errno, "making an empty root directory");
	empty = openat(execfd, "netd.root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (empty < 0 || unlinkat(execfd, "netd.root", AT_REMOVEDIR) || fchdir(empty) || chroot("."))
		return err_set(e, errno, "entering an empty root directory");
	return 0;
}

int netd_isolate(int execfd, struct err *e)
{
	return (execfd >= 0 && empty_root(execfd, e)) || drop_capabilities(e) ? -1 : 0;
}

/* --- system calls --------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__)
#define ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCH AUDIT_ARCH_S390X
#endif

/* As long as a filter asks for nothing but the number, the kernel remembers its answers: the order
 * costs nothing. */
int netd_filter(bool kill, struct err *e)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	(void)kill; /* their runtimes, and the host's C library, make other calls */
	(void)e;
	return 0;
#elif defined(ARCH)
	static const int allowed[] = {NETD_SYSCALLS};
	struct sock_filter code[ARRAY_SIZE(allowed) * 2 + 8], *c = code;
	struct sock_fprog program = {.filter = code};
	uint32_t otherwise = kill ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM;
	size_t i;

	*c++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	*c++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	*c++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	*c++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (i = 0; i < ARRAY_SIZE(allowed); i++) {
		*c++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[i], 0, 1);
		*c++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	*c++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise);
	program.len = (unsigned short)(c - code);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program))
		return err_set(e, errno, "filtering system calls");
	return 0;
#else
	(void)kill;
	return err_set(e, ENOSYS, "filtering system calls on this architecture");
#endif
}
