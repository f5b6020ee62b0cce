/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/seccomp_default.c - the system calls a container may make unless told otherwise
 *
 * The set equals that of Docker 28's default profile, by effect: what has no way to the host
 * beyond what the container's capabilities allow anyway.  Calls that need a capability are in the
 * filter only when the container has it, so that a kernel bug behind the capability check is not
 * reachable.  Calls known to nobody when this was written fail with ENOSYS (seccomp.c), so that
 * libraries fall back.
 */
#include "runtime/seccomp_rules.h"

#include <errno.h>
#include <seccomp.h>

#define ALLOW SCMP_ACT_ALLOW

/* CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET: a namespace of one's own. */
#define CLONE_NAMESPACES 0x7e020000

const struct rule seccomp_default_rules[] = {
	/* processes, threads, signals, time */
	{"alarm brk capget capset clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 "
	 "clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 adjtimex execve execveat "
	 "exit exit_group fork vfork futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake "
	 "get_robust_list set_robust_list get_thread_area set_thread_area set_tid_address getcpu "
	 "getitimer setitimer getpgid setpgid getpgrp getpid getppid gettid getpriority setpriority "
	 "getrandom getrlimit ugetrlimit setrlimit prlimit64 getrusage getsid setsid gettimeofday time "
	 "times ioprio_get ioprio_set kill tkill tgkill membarrier nanosleep pause pidfd_open "
	 "pidfd_send_signal prctl process_mrelease restart_syscall rseq rt_sigaction rt_sigpending "
	 "rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
	 "rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn signalfd signalfd4 "
	 "sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam "
	 "sched_get_priority_max sched_get_priority_min sched_getscheduler sched_setscheduler "
	 "sched_rr_get_interval sched_rr_get_interval_time64 sched_yield seccomp landlock_add_rule "
	 "landlock_create_ruleset landlock_restrict_self sysinfo uname umask timer_create timer_delete "
	 "timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create "
	 "timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 wait4 waitid waitpid "
	 "uretprobe",
		ALLOW, 0, 0, 0, 0, 0, {{0}}, 0},
	/* users and groups */
	{"getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid "
	 "getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 "
	 "setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid "
	 "setresuid32 setreuid setreuid32 setuid setuid32",
		ALLOW, 0, 0, 0, 0, 0, {{0}}, 0},
	/* files and directories */
	{"access faccessat faccessat2 chdir fchdir chmod fchmod fchmodat fchmodat2 chown chown32 fchown "
	 "fchown32 fchownat lchown lchown32 close close_range copy_file_range creat dup dup2 dup3 "
	 "fadvise64 fadvise64_64 fallocate fanotify_mark fcntl fcntl64 fdatasync flock fstat fstat64 "
	 "fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 "
	 "inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl link linkat _llseek lseek "
	 "lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 "
	 "pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat "
	 "readv rename renameat renameat2 rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 "
	 "statx symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 unlink unlinkat "
	 "utime utimensat utimensat_time64 utimes vmsplice write writev cachestat listmount statmount",
		ALLOW, 0, 0, 0, 0, 0, {{0}}, 0},
	/* extended attributes */
	{"fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat "
	 "llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat",
		ALLOW, 0, 0, 0, 0, 0, {{0}}, 0},
	/* waiting for many things, asynchronous I/O */
	{"epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
	 "epoll_wait_old eventfd eventfd2 io_cancel io_destroy io_getevents io_pgetevents "
	 "io_pgetevents_time64 io_setup io_submit _newselect poll ppoll ppoll_time64 pselect6 "
	 "pselect6_time64 select",
		ALLOW, 0, 0, 0, 0, 0, {{0}}, 0},
	/* memory */
	{"madvise map_shadow_stack memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 "
	 "mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect "
	 "remap_file_pages",
		ALLOW, 0, 0, 0, 0, 0, {{0}}, 0},
	/* sockets; System V and POSIX IPC */
	{"accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg "
	 "recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall "
	 "socketpair ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 "
	 "mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop "
	 "semtimedop semtimedop_time64 shmat shmctl shmdt shmget",
		ALLOW, 0, 0, 0, 0, 0, {{0}}, 0},
	/* 40 is AF_VSOCK: it has no namespaces and reaches the hypervisor. */
	{"socket", ALLOW, 0, 0, 0, 0, 0, {{0, SCMP_CMP_NE, 40, 0}}, 1},
	/* Execution domains without READ_IMPLIES_EXEC: PER_LINUX, PER_LINUX32, either with UNAME26, and
	 * the question which one is set. */
	{"personality", ALLOW, 0, 0, 0, 0, 0, {{0, SCMP_CMP_EQ, 0, 0}}, 1},
	{"personality", ALLOW, 0, 0, 0, 0, 0, {{0, SCMP_CMP_EQ, 8, 0}}, 1},
	{"personality", ALLOW, 0, 0, 0, 0, 0, {{0, SCMP_CMP_EQ, 0x20000, 0}}, 1},
	{"personality", ALLOW, 0, 0, 0, 0, 0, {{0, SCMP_CMP_EQ, 0x20008, 0}}, 1},
	{"personality", ALLOW, 0, 0, 0, 0, 0, {{0, SCMP_CMP_EQ, 0xffffffff, 0}}, 1},
	/* Before 4.8 a tracer could change a call after the filter had seen it. */
	{"process_vm_readv process_vm_writev ptrace", ALLOW, 0, 0, 0, 0, "4.8", {{0}}, 0},

	/* what only some machines have */
	{"sync_file_range2 swapcontext", ALLOW, 0, 0, "ppc64le", 0, 0, {{0}}, 0},
	{"arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls", ALLOW, 0,
		0, "arm arm64", 0, 0, {{0}}, 0},
	{"arch_prctl", ALLOW, 0, 0, "amd64 x32", 0, 0, {{0}}, 0},
	{"modify_ldt", ALLOW, 0, 0, "amd64 x32 x86", 0, 0, {{0}}, 0},
	{"s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr", ALLOW, 0, 0, "s390 s390x", 0, 0,
		{{0}}, 0},
	{"riscv_flush_icache", ALLOW, 0, 0, "riscv64", 0, 0, {{0}}, 0},

	/* what a capability opens */
	{"open_by_handle_at", ALLOW, "CAP_DAC_READ_SEARCH", 0, 0, 0, 0, {{0}}, 0},
	{"bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount "
	 "mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname "
	 "sethostname setns syslog umount umount2 unshare lsm_get_self_attr lsm_set_self_attr "
	 "lsm_list_modules",
		ALLOW, "CAP_SYS_ADMIN", 0, 0, 0, 0, {{0}}, 0},
	{"clone", ALLOW, 0, "CAP_SYS_ADMIN", 0, "s390 s390x", 0,
		{{0, SCMP_CMP_MASKED_EQ, CLONE_NAMESPACES, 0}}, 1},
	{"clone", ALLOW, 0, "CAP_SYS_ADMIN", "s390 s390x", 0, 0,
		{{1, SCMP_CMP_MASKED_EQ, CLONE_NAMESPACES, 0}}, 1},
	/* Its flags are behind a pointer: the libraries fall back to clone when told ENOSYS. */
	{"clone3", SCMP_ACT_ERRNO(ENOSYS), 0, "CAP_SYS_ADMIN", 0, 0, 0, {{0}}, 0},
	{"reboot", ALLOW, "CAP_SYS_BOOT", 0, 0, 0, 0, {{0}}, 0},
	{"chroot", ALLOW, "CAP_SYS_CHROOT", 0, 0, 0, 0, {{0}}, 0},
	{"delete_module init_module finit_module", ALLOW, "CAP_SYS_MODULE", 0, 0, 0, 0, {{0}}, 0},
	{"acct", ALLOW, "CAP_SYS_PACCT", 0, 0, 0, 0, {{0}}, 0},
	{"kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace", ALLOW,
		"CAP_SYS_PTRACE", 0, 0, 0, 0, {{0}}, 0},
	{"iopl ioperm", ALLOW, "CAP_SYS_RAWIO", 0, 0, 0, 0, {{0}}, 0},
	{"settimeofday stime clock_settime clock_settime64", ALLOW, "CAP_SYS_TIME", 0, 0, 0, 0, {{0}}, 0},
	{"vhangup", ALLOW, "CAP_SYS_TTY_CONFIG", 0, 0, 0, 0, {{0}}, 0},
	{"get_mempolicy mbind set_mempolicy set_mempolicy_home_node", ALLOW, "CAP_SYS_NICE", 0, 0, 0, 0,
		{{0}}, 0},
	{"syslog", ALLOW, "CAP_SYSLOG", 0, 0, 0, 0, {{0}}, 0},
	{"bpf", ALLOW, "CAP_BPF", 0, 0, 0, 0, {{0}}, 0},
	{"perf_event_open", ALLOW, "CAP_PERFMON", 0, 0, 0, 0, {{0}}, 0},
};

const size_t seccomp_default_count = sizeof(seccomp_default_rules) / sizeof(seccomp_default_rules[0]);
