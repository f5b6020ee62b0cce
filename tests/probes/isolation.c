/* SPDX-License-Identifier: MIT */
/*
 * tests/probes/isolation.c - try to break out of a container, and say what the kernel answered
 *
 * A static program without any of ours in it, run as a container's command.  Each probe is one
 * attempt, in a process of its own: what one changes the next does not see.  A line each,
 *
 *	NAME RESULT	"ok" (it was possible), the name of an errno, or what was found
 *
 * so that two engines, or two options of one, are compared with diff.  With arguments:
 *
 *	isolation watch SECONDS	look for executables of outside in /proc/PID/exe meanwhile
 *				(CVE-2019-5736): "leaked PATH", or "nothing" at the end
 *	isolation outside	every process of another mount namespace that is in view (--pid host):
 *				trace it, read its memory, files and descriptors, join its namespaces;
 *				"NAME PID COMMAND" for each that could be, and how many are in view
 *	isolation fds		the open descriptors and the working directory (CVE-2024-21626)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/fanotify.h>
#include <linux/if_packet.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOUNT_BIND 4096 /* MS_BIND; <sys/mount.h> does not go together with <linux/mount.h> */
#define MOUNT_REMOUNT 32
#define ABSENT (-2) /* nothing to try here */
#define POINT "/tmp/point" /* to mount on */

int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount2(const char *target, int flags);

/* --- files that must not be written, or read ------------------------------------------------------ */

static int open_for(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? ABSENT : -1;
	close(fd);
	return 0;
}

/* Masked files are there and have nothing in them. */
static int read_some(const char *path)
{
	char buf[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? ABSENT : -1;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	if (!n)
		errno = ENODATA;
	return n > 0 ? 0 : -1;
}

static int entries(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *de;
	int n = 0;

	if (!d)
		return errno == ENOENT ? ABSENT : -1;
	while ((de = readdir(d)))
		n += de->d_name[0] != '.';
	closedir(d);
	if (!n)
		errno = ENODATA;
	return n ? 0 : -1;
}

static int write_core_pattern(void) { return open_for("/proc/sys/kernel/core_pattern", O_WRONLY); }
static int write_swappiness(void) { return open_for("/proc/sys/vm/swappiness", O_WRONLY); }
static int write_ip_forward(void) { return open_for("/proc/sys/net/ipv4/ip_forward", O_WRONLY); }
static int write_msgmax(void) { return open_for("/proc/sys/kernel/msgmax", O_WRONLY); }
static int write_domainname(void) { return open_for("/proc/sys/kernel/domainname", O_WRONLY); }
static int write_binfmt(void) { return open_for("/proc/sys/fs/binfmt_misc/register", O_WRONLY); }
static int write_sysrq(void) { return open_for("/proc/sysrq-trigger", O_WRONLY); }
static int write_irq(void) { return open_for("/proc/irq/default_smp_affinity", O_WRONLY); }
static int write_own_uid_map(void) { return open_for("/proc/self/uid_map", O_WRONLY); }
static int read_kcore(void) { return read_some("/proc/kcore"); }
static int read_keys(void) { return read_some("/proc/keys"); }
static int read_timer_list(void) { return read_some("/proc/timer_list"); }
static int read_interrupts(void) { return read_some("/proc/interrupts"); }
static int read_kallsyms_address(void)
{
	char line[17] = "";
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, line, 16) != 16)
		return ABSENT;
	close(fd);
	errno = ENODATA;
	return strspn(line, "0") == 16 ? -1 : 0;
}
static int list_firmware(void) { return entries("/sys/firmware"); }
static int list_powercap(void) { return entries("/sys/devices/virtual/powercap"); }
static int list_scsi(void) { return entries("/proc/scsi"); }
static int create_in_sys(void) { return open_for("/sys/kernel/probe", O_WRONLY | O_CREAT); }
static int write_sys(void) { return open_for("/sys/kernel/mm/transparent_hugepage/enabled", O_WRONLY); }
static int cgroup_mkdir(void)
{
	if (access("/sys/fs/cgroup", F_OK))
		return ABSENT;
	return mkdir("/sys/fs/cgroup/probe", 0755);
}
static int cgroup_release_agent(void) { return open_for("/sys/fs/cgroup/memory/release_agent", O_WRONLY); }
static int open_mem(void) { return open_for("/dev/mem", O_RDONLY); }
static int open_kmsg(void) { return open_for("/dev/kmsg", O_RDONLY); }
static int open_disk(void) { return open_for("/dev/vda", O_RDONLY); }
static int open_console(void) { return open_for("/dev/console", O_RDWR | O_NOCTTY); }
static int write_rootfs(void) { return open_for("/probe-file", O_WRONLY | O_CREAT); }
static int overwrite_init(void) { return open_for("/proc/1/exe", O_WRONLY); }

/* --- nodes and mounts ---------------------------------------------------------------------------- */

static int node(mode_t mode, dev_t dev)
{
	char path[32];

	snprintf(path, sizeof(path), "/tmp/node-%d", (int)getpid());
	return mknod(path, mode | 0600, dev);
}
static int mknod_null(void) { return node(S_IFCHR, makedev(1, 3)); }
static int mknod_whiteout(void) { return node(S_IFCHR, 0); }
static int mknod_disk(void) { return node(S_IFBLK, makedev(8, 0)); }
static int mknod_fifo(void) { return node(S_IFIFO, 0); }
static int mount_tmpfs(void) { return mount("t", POINT, "tmpfs", 0, ""); }
static int mount_proc(void) { return mount("p", POINT, "proc", 0, ""); }
static int mount_sysfs(void) { return mount("s", POINT, "sysfs", 0, ""); }
static int mount_bind(void) { return mount("/etc", POINT, NULL, MOUNT_BIND, NULL); }
static int mount_overlay(void) { return mount("o", POINT, "overlay", 0, "lowerdir=/etc:/bin"); }
static int mount_cgroup(void) { return mount("c", POINT, "cgroup", 0, "memory"); }
static int mount_devpts(void) { return mount("d", POINT, "devpts", 0, "newinstance"); }
static int remount_proc_sys(void) { return mount(NULL, "/proc/sys", NULL, MOUNT_REMOUNT | MOUNT_BIND, NULL); }
static int unmount_proc_sys(void) { return umount2("/proc/sys", 2); }
static int unmount_mask(void) { return umount2("/proc/kcore", 2); }
static int unmount_hosts(void) { return umount2("/etc/hosts", 2); }
static int fsopen_tmpfs(void) { return (int)syscall(SYS_fsopen, "tmpfs", 0); }
static int open_tree_clone(void) { return (int)syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE); }
static int mount_setattr_rw(void)
{
	struct mount_attr a = {.attr_clr = MOUNT_ATTR_RDONLY};

	return (int)syscall(SYS_mount_setattr, AT_FDCWD, "/proc/sys", 0, &a, sizeof(a));
}
static int pivot(void) { return (int)syscall(SYS_pivot_root, "/", "/"); }

/* The oldest way out of a chroot: another root below, and up from a directory outside of it. */
static int escape_by_chroot(void)
{
	struct stat before, after;
	int i;

	if (stat("/", &before) || (mkdir("/tmp/jail", 0755) && errno != EEXIST) || chroot("/tmp/jail"))
		return -1;
	for (i = 0; i < 64; i++)
		if (chdir(".."))
			return -1;
	if (chroot(".") || stat("/", &after))
		return -1;
	errno = EXDEV;
	return before.st_ino == after.st_ino && before.st_dev == after.st_dev ? -1 : 0;
}

/* --- namespaces ------------------------------------------------------------------------------------ */

static int unshare_user(void) { return unshare(CLONE_NEWUSER); }
static int unshare_mount(void) { return unshare(CLONE_NEWNS); }
static int unshare_net(void) { return unshare(CLONE_NEWNET); }
static int unshare_pid(void) { return unshare(CLONE_NEWPID); }
static int unshare_uts(void) { return unshare(CLONE_NEWUTS); }
static int unshare_ipc(void) { return unshare(CLONE_NEWIPC); }
static int unshare_cgroup(void) { return unshare(CLONE_NEWCGROUP); }
static int unshare_time(void) { return unshare(0x80); }
static int clone_user(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		_exit(0);
	return pid < 0 ? -1 : 0;
}
static int clone3_user(void)
{
	uint64_t args[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
	long pid = syscall(SYS_clone3, args, sizeof(args));

	if (!pid)
		_exit(0);
	return pid < 0 ? -1 : 0;
}
static int join(const char *path, int kind)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : setns(fd, kind);
}
static int setns_init_mount(void) { return join("/proc/1/ns/mnt", CLONE_NEWNS); }
static int setns_init_user(void) { return join("/proc/1/ns/user", CLONE_NEWUSER); }
static int setns_init_net(void) { return join("/proc/1/ns/net", CLONE_NEWNET); }
static int setns_parent_user(void)
{
	int fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC), up = ioctl(fd, 0xb702); /* NS_GET_PARENT */

	return up < 0 ? -1 : setns(up, CLONE_NEWUSER);
}
/* --- other processes ------------------------------------------------------------------------------- */

static int ptrace_child(void)
{
	pid_t pid = fork();
	long rc;
	int error;

	if (!pid) {
		pause();
		_exit(0);
	}
	rc = ptrace(PTRACE_ATTACH, pid, 0, 0);
	error = errno;
	kill(pid, SIGKILL);
	errno = error;
	return rc ? -1 : 0;
}
static int read_child_memory(void)
{
	static char secret = 's';
	char copy;
	struct iovec to = {&copy, 1}, from = {&secret, 1};
	pid_t pid = fork();
	ssize_t n;
	int error;

	if (!pid) {
		pause();
		_exit(0);
	}
	n = process_vm_readv(pid, &to, 1, &from, 1, 0);
	error = errno;
	kill(pid, SIGKILL);
	errno = error;
	return n == 1 ? 0 : -1;
}

/* --- calls that reach the kernel itself -------------------------------------------------------------- */

static int keyring(void) { return (int)syscall(SYS_keyctl, 0, -3, 1); }
static int key_add(void) { return (int)syscall(SYS_add_key, "user", "probe", "x", 1, -3); }
static int bpf_load(void)
{
	union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a));
}
static int perf(void)
{
	struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(a), .config = PERF_COUNT_SW_CPU_CLOCK};

	return (int)syscall(SYS_perf_event_open, &a, -1, 0, -1, 0);
}
static int userfault(void) { return (int)syscall(SYS_userfaultfd, O_CLOEXEC); }
static int uring(void)
{
	char params[120] = "";

	return (int)syscall(SYS_io_uring_setup, 1, params);
}
static int kexec(void) { return (int)syscall(SYS_kexec_load, 0, 0, NULL, 0); }
static int module_load(void) { return (int)syscall(SYS_init_module, "", 0, ""); }
static int module_remove(void) { return (int)syscall(SYS_delete_module, "probe-no-such", 0); }
static int boot(void) { return (int)syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL); } /* CAD_OFF */
static int swap_on(void) { return (int)syscall(SYS_swapon, "/etc/passwd", 0); }
static int kernel_log(void)
{
	char buf[16];

	return (int)syscall(SYS_syslog, 3, buf, sizeof(buf));
}
static int set_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return clock_settime(CLOCK_REALTIME, &t);
}
static int accounting(void) { return (int)syscall(SYS_acct, NULL); }
static int handle_open(void)
{
	struct {
		struct file_handle h;
		char room[128];
	} f = {.h.handle_bytes = 128};
	int id, dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (syscall(SYS_name_to_handle_at, dir, "etc", &f.h, &id, 0))
		memset(&f.h.handle_type, 0, 4), f.h.handle_bytes = 8;
	return (int)syscall(SYS_open_by_handle_at, dir, &f.h, O_RDONLY);
}
static int fanotify(void) { return (int)syscall(SYS_fanotify_init, FAN_CLASS_CONTENT, O_RDONLY); }
static int vhangup_(void) { return (int)syscall(SYS_vhangup); }
static int quota(void) { return (int)syscall(SYS_quotactl, 0x80000100, NULL, 0, NULL); }
static int no_randomize(void) { return personality(ADDR_NO_RANDOMIZE) < 0 ? -1 : 0; }
static int host_name(void) { return sethostname("probe", 5); }
static int domain_name(void) { return setdomainname("probe", 5); }
static int change_root(void) { return chroot("/tmp"); }
static int lock_memory(void) { return mlockall(MCL_CURRENT | MCL_FUTURE); }
static int nicer(void)
{
	errno = 0;
	return setpriority(PRIO_PROCESS, 0, -5);
}
static int realtime(void)
{
	struct sched_param p = {.sched_priority = 10};

	return (int)syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p);
}
static int raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_CORE, &l) || (l.rlim_cur = l.rlim_max = 0, setrlimit(RLIMIT_CORE, &l)))
		return -1;
	l.rlim_cur = l.rlim_max = 4096;
	return setrlimit(RLIMIT_CORE, &l);
}
static int lower_oom_score(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, "-1000", 5) != 5 ? -1 : 0;
}
#ifdef SYS_iopl
static int io_ports(void) { return (int)syscall(SYS_iopl, 3); }
#endif
static int sock(int family, int type, int protocol)
{
	return socket(family, type | SOCK_CLOEXEC, protocol);
}
static int socket_raw(void) { return sock(AF_INET, SOCK_RAW, 1); }
static int socket_packet(void) { return sock(AF_PACKET, SOCK_RAW, 0); }
static int socket_vsock(void) { return sock(40, SOCK_STREAM, 0); }
static int socket_alg(void) { return sock(38, SOCK_SEQPACKET, 0); }
static int socket_netlink(void) { return sock(AF_NETLINK, SOCK_RAW, 0); }
static int memfd_exec(void)
{
	int fd = memfd_create("probe", 0);

	return fd < 0 ? -1 : fchmod(fd, 0755);
}
static int set_id_bit(void)
{
	int fd = open("/tmp/suid", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : fchmod(fd, 04755);
}
static int become_root(void) { return setuid(0); }
static int give_away(void)
{
	int fd = open("/tmp/given", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : fchown(fd, 1234, 1234);
}

/* --- all of them ------------------------------------------------------------------------------------- */

#define P(f) {#f, f}
static const struct {
	const char *name;
	int (*try)(void);
} probes[] = {
	P(write_core_pattern), P(write_swappiness), P(write_ip_forward), P(write_msgmax), P(write_domainname),
	P(write_binfmt), P(write_sysrq), P(write_irq), P(write_own_uid_map), P(read_kcore), P(read_keys),
	P(read_timer_list), P(read_interrupts), P(read_kallsyms_address), P(list_firmware), P(list_powercap),
	P(list_scsi), P(create_in_sys), P(write_sys), P(cgroup_mkdir), P(cgroup_release_agent), P(open_mem),
	P(open_kmsg), P(open_disk), P(open_console), P(write_rootfs), P(overwrite_init), P(mknod_null),
	P(mknod_whiteout), P(mknod_disk), P(mknod_fifo), P(mount_tmpfs), P(mount_proc), P(mount_sysfs),
	P(mount_bind), P(mount_overlay), P(mount_cgroup), P(mount_devpts), P(remount_proc_sys),
	P(unmount_proc_sys), P(unmount_mask), P(unmount_hosts), P(fsopen_tmpfs), P(open_tree_clone),
	P(mount_setattr_rw), P(pivot), P(escape_by_chroot), P(unshare_user), P(unshare_mount), P(unshare_net),
	P(unshare_pid), P(unshare_uts), P(unshare_ipc), P(unshare_cgroup), P(unshare_time), P(clone_user),
	P(clone3_user), P(setns_init_mount), P(setns_init_user), P(setns_init_net), P(setns_parent_user),
	P(ptrace_child), P(read_child_memory), P(keyring), P(key_add), P(bpf_load),
	P(perf), P(userfault), P(uring), P(kexec), P(module_load), P(module_remove), P(boot), P(swap_on),
	P(kernel_log), P(set_clock), P(accounting), P(handle_open), P(fanotify), P(vhangup_), P(quota),
	P(no_randomize), P(host_name), P(domain_name), P(change_root), P(lock_memory), P(nicer), P(realtime),
	P(raise_limit), P(lower_oom_score),
#ifdef SYS_iopl
	P(io_ports),
#endif
	P(socket_raw), P(socket_packet), P(socket_vsock), P(socket_alg), P(socket_netlink), P(memfd_exec),
	P(set_id_bit), P(become_root), P(give_away),
};

static const char *errno_name(int code)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {
		{EPERM, "EPERM"}, {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"}, {EINTR, "EINTR"}, {EIO, "EIO"},
		{ENXIO, "ENXIO"}, {E2BIG, "E2BIG"}, {EBADF, "EBADF"}, {EAGAIN, "EAGAIN"}, {ENOMEM, "ENOMEM"},
		{EACCES, "EACCES"}, {EFAULT, "EFAULT"}, {EBUSY, "EBUSY"}, {EEXIST, "EEXIST"}, {EXDEV, "EXDEV"},
		{ENODEV, "ENODEV"}, {ENOTDIR, "ENOTDIR"}, {EINVAL, "EINVAL"}, {ETXTBSY, "ETXTBSY"},
		{ENOSPC, "ENOSPC"}, {EROFS, "EROFS"}, {ENOSYS, "ENOSYS"}, {ELOOP, "ELOOP"}, {ENODATA, "empty"},
		{EAFNOSUPPORT, "EAFNOSUPPORT"}, {ENOTSUP, "ENOTSUP"}, {ESTALE, "ESTALE"}, {ENOTTY, "ENOTTY"},
		{ENOEXEC, "ENOEXEC"}, {EUSERS, "EUSERS"},
	};
	static char number[16];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == code)
			return names[i].name;
	snprintf(number, sizeof(number), "E%d", code);
	return number;
}

/* In a process of its own, which must not hang. */
static void probe(const char *name, int (*try)(void))
{
	int status, rc;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		alarm(5);
		errno = 0;
		rc = try();
		printf("%s %s\n", name, rc == ABSENT ? "absent" : rc < 0 ? errno_name(errno) : "ok");
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		printf("%s cannot fork: %s\n", name, errno_name(errno));
	else if (WIFSIGNALED(status))
		printf("%s signal %d\n", name, WTERMSIG(status));
}

/* --- executables of outside -------------------------------------------------------------------------- */

static int look(dev_t home)
{
	DIR *d = opendir("/proc");
	struct dirent *de;
	struct stat st;
	char path[300];
	int fd, found = 0;

	while (d && !found && (de = readdir(d))) {
		if (de->d_name[0] < '1' || de->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/exe", de->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		found = !fstat(fd, &st) && st.st_dev != home;
		close(fd);
		if (found)
			printf("leaked %s\n", path);
	}
	if (d)
		closedir(d);
	return found;
}

static int watch(int seconds)
{
	time_t end = time(NULL) + seconds;
	struct stat st;

	stat("/bin", &st);
	puts("watching");
	fflush(stdout);
	while (time(NULL) < end)
		if (look(st.st_dev))
			return 1;
	puts("nothing");
	return 0;
}

/* --- processes of outside ------------------------------------------------------------------------------ */

static pid_t victim;

static int open_of_victim(const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)victim, what);
	return open(path, flags | O_CLOEXEC);
}
static int join_victim(const char *what, int type)
{
	int fd = open_of_victim(what, O_RDONLY);

	return fd < 0 ? -1 : setns(fd, type);
}
static int victim_trace(void) { return (int)ptrace(PTRACE_SEIZE, victim, NULL, NULL); }
static int victim_memory(void)
{
	char c;
	struct iovec own = {&c, 1}, its = {(void *)0x400000, 1};
	ssize_t n = process_vm_readv(victim, &own, 1, &its, 1, 0);

	return n < 0 && errno != EFAULT ? -1 : 0; /* EFAULT: it was allowed, and nothing is there */
}
static int victim_memory_file(void) { return open_of_victim("mem", O_RDWR); }
static int victim_root(void) { return open_of_victim("root/.", O_RDONLY | O_DIRECTORY); }
static int victim_cwd(void) { return open_of_victim("cwd/.", O_RDONLY | O_DIRECTORY); }
static int victim_program(void) { return open_of_victim("exe", O_RDONLY); }
static int victim_environment(void)
{
	int fd = open_of_victim("environ", O_RDONLY);
	char c;

	return fd < 0 || read(fd, &c, 1) < 0 ? -1 : 0;
}
static int victim_descriptor(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, victim, 0);

	return pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, 0, 0);
}
static int victim_mount_ns(void) { return join_victim("ns/mnt", CLONE_NEWNS); }
static int victim_user_ns(void) { return join_victim("ns/user", CLONE_NEWUSER); }
static int victim_net_ns(void) { return join_victim("ns/net", CLONE_NEWNET); }
static int victim_pid_ns(void) { return join_victim("ns/pid", CLONE_NEWPID); }

/* Its namespace cannot even be read, or is another one than ours. */
static int is_outside(pid_t pid)
{
	char path[64], own[64] = "", its[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	if (readlink("/proc/self/ns/mnt", own, sizeof(own) - 1) < 0)
		return 0;
	return readlink(path, its, sizeof(its) - 1) < 0 ? errno != ENOENT : strcmp(own, its) != 0;
}

static int could(int (*try)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(5);
		_exit(try() < 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

static int attack_outside(void)
{
	static const struct {
		const char *name;
		int (*try)(void);
	} attacks[] = {
		P(victim_trace), P(victim_memory), P(victim_memory_file), P(victim_root), P(victim_cwd),
		P(victim_program), P(victim_environment), P(victim_descriptor), P(victim_mount_ns),
		P(victim_user_ns), P(victim_net_ns), P(victim_pid_ns),
	};
	DIR *d = opendir("/proc");
	struct dirent *de;
	int n = 0;
	size_t i;

	while (d && (de = readdir(d))) {
		char command[64] = "";
		ssize_t got;
		int fd;

		victim = atoi(de->d_name);
		if (victim <= 0 || !is_outside(victim))
			continue;
		n++;
		fd = open_of_victim("cmdline", O_RDONLY);
		got = fd < 0 ? -1 : read(fd, command, sizeof(command) - 1);
		if (fd >= 0)
			close(fd);
		while (got-- > 0)
			if (command[got] < '!' || command[got] > '~')
				command[got] = ' ';
		for (i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
			if (could(attacks[i].try))
				printf("%s %d %s\n", attacks[i].name, (int)victim, command);
	}
	if (d)
		closedir(d);
	printf("%s\n", n > 5 ? "many in view" : "few in view");
	return 0;
}

static int list_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	char path[300], target[512];
	struct dirent *de;
	struct stat st;
	ssize_t n;

	while (d && (de = readdir(d))) {
		int fd = atoi(de->d_name);

		if (de->d_name[0] == '.' || fd == dirfd(d) || fstat(fd, &st))
			continue;
		printf("fd %d %s\n", fd, S_ISDIR(st.st_mode) ? "directory" : S_ISREG(st.st_mode) ? "file" :
			S_ISCHR(st.st_mode) ? "device" : "pipe or socket");
	}
	snprintf(path, sizeof(path), "/proc/self/cwd");
	n = readlink(path, target, sizeof(target) - 1);
	printf("cwd %.*s\n", n < 0 ? 0 : (int)n, target);
	return 0;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc > 2 && !strcmp(argv[1], "watch"))
		return watch(atoi(argv[2]));
	if (argc > 1 && !strcmp(argv[1], "fds"))
		return list_descriptors();
	if (argc > 1 && !strcmp(argv[1], "outside"))
		return attack_outside();
	if (mkdir(POINT, 0777) && errno != EEXIST && errno != EROFS)
		return 1;
	for (i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
		probe(probes[i].name, probes[i].try);
	return 0;
}
