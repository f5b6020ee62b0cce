/* SPDX-License-Identifier: MIT */
/*
 * core/ns/host.c - what the host allows, and what it lacks
 *
 * Theory of operation
 *   Whether something works is found out by trying it (a namespace, a storage driver). What is
 *   here looks at the host's settings afterwards, to name the one that stood in the way, and at
 *   the start, so that a slow or soft substitute does not come as a surprise.
 */
#include "ns/host.h"
#include "base/fs.h"
#include "base/log.h"
#include "ns/tool.h"

#include <ctype.h>
#include <errno.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CIFS_MAGIC 0xFF534D42UL /* fs/smb/client, not in linux/magic.h of older kernels */
#define SMB2_MAGIC 0xFE534D42UL
#define FUSE_MAGIC 0x65735546UL
#define V9FS_TYPE 0x01021997UL

#define SYSCTL_FILE "/etc/sysctl.d/99-rootless.conf"

/* --- settings ------------------------------------------------------------------------------- */

/* The number in a file of /proc/sys or /sys; -1 if there is none. */
static int64_t setting(const char *path)
{
	cleanup_buf struct buf text = BUF_INIT;
	int64_t n;

	if (file_read_at(AT_FDCWD, path, 64, &text, NULL))
		return -1;
	return parse_i64((struct span){text.p, strcspn(text.p, "\n")}, 0, INT64_MAX, &n) ? -1 : n;
}

bool host_release_at_least(const char *release, unsigned int major, unsigned int minor)
{
	struct span s = {release, strspn(release, "0123456789")};
	uint64_t a, b = 0;

	if (parse_u64(s, 100000, &a))
		return true; /* nothing we can read says that it is old */
	release += s.n;
	if (*release == '.')
		parse_u64((struct span){release + 1, strspn(release + 1, "0123456789")}, 100000, &b);
	return a > major || (a == major && b >= minor);
}

/* --- the data-root -------------------------------------------------------------------------- */

enum host_fs host_fs_judge(unsigned long type, const char **name)
{
	static const struct {
		unsigned long type;
		const char *name;
		enum host_fs verdict;
	} known[] = {
		{NFS_SUPER_MAGIC, "NFS", HOST_FS_REFUSED},
		{CIFS_MAGIC, "CIFS", HOST_FS_DOUBTFUL},
		{SMB2_MAGIC, "SMB", HOST_FS_DOUBTFUL},
		{SMB_SUPER_MAGIC, "SMB", HOST_FS_DOUBTFUL},
		{AFS_SUPER_MAGIC, "AFS", HOST_FS_DOUBTFUL},
		{V9FS_TYPE, "9P", HOST_FS_DOUBTFUL},
		{FUSE_MAGIC, "FUSE", HOST_FS_DOUBTFUL},
		{ECRYPTFS_SUPER_MAGIC, "eCryptfs", HOST_FS_DOUBTFUL},
		{MSDOS_SUPER_MAGIC, "FAT", HOST_FS_DOUBTFUL},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].type == (type & 0xffffffffUL)) {
			*name = known[i].name;
			return known[i].verdict;
		}
	}
	*name = "";
	return HOST_FS_GOOD;
}

int host_check_data_root(int dirfd, const char *path, struct err *e)
{
	struct statfs fs;
	const char *name;

	if (fstatfs(dirfd, &fs))
		return err_set(e, errno, "looking at the file system of %s", path);
	switch (host_fs_judge((unsigned long)fs.f_type, &name)) {
	case HOST_FS_REFUSED:
		err_set(e, 0, "the data-root %s is on %s, which cannot hold files of other users", path,
			name);
		return err_hint(e, "put {\"data-root\":\"/somewhere-out-of-nfs\"} into "
				   "~/.config/docker/daemon.json");
	case HOST_FS_DOUBTFUL:
		log_warn("the data-root %s is on %s: files of several users, device nodes or extended "
			 "attributes may not work there; \"data-root\" in daemon.json names another place",
			path, name);
		break;
	case HOST_FS_GOOD:
		break;
	}
	return 0;
}

/* --- the kernel ------------------------------------------------------------------------------- */

int host_check_kernel(struct err *e)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	cleanup_close int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));
	int code = errno;
	struct utsname u;

	if (fd >= 0 || uname(&u))
		return 0;
	err_set(e, code, "resolving paths beneath a directory with openat2 (Linux 5.6 or later; this is %.64s)", u.release);
	return err_hint(e, code == ENOSYS ? "boot a newer kernel" :
					    "a seccomp filter forbids it: run the container this is in with --privileged, or "
					    "--security-opt seccomp=unconfined");
}

/* --- the report ----------------------------------------------------------------------------- */

static void report_kernel(void)
{
	struct utsname u;

	if (!uname(&u) && !host_release_at_least(u.release, 5, 11))
		log_warn("the kernel %s is older than 5.11: overlay2 may not be possible, and slower "
			 "storage drivers are tried",
			u.release);
}

static void report_lsm(void)
{
	if (setting("/sys/fs/selinux/enforce") == 1)
		log_warn("SELinux is enforcing: containers get no label of their own; volumes may need "
			 "'chcon -t container_file_t'");
	if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		log_info("AppArmor restricts user namespaces: this program needs a profile with 'userns,'");
}

static void report_devices(void)
{
	if (access("/dev/fuse", R_OK | W_OK))
		log_info("no /dev/fuse: the storage driver fuse-overlayfs is not possible");
	if (access("/dev/net/tun", R_OK | W_OK))
		log_info("no /dev/net/tun: network drivers that use a tap device are not possible");
}

void host_report(void)
{
	report_kernel();
	report_lsm();
	report_devices();
}

/* --- packages ------------------------------------------------------------------------------- */

char *host_os_release(const char *key)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line, value;
	ssize_t eq;

	if (file_read_at(AT_FDCWD, "/etc/os-release", 65536, &text, NULL))
		return xstrdup("");
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line)) {
		eq = span_chr(line, '=');
		if (eq < 0)
			continue;
		value = span_cut(&line, (size_t)eq);
		if (!span_eqs(line, key))
			continue;
		if (value.n >= 2 && (*value.p == '"' || *value.p == '\''))
			value = (struct span){value.p + 1, value.n - 2};
		return span_dup(value);
	}
	return xstrdup("");
}

/* What a package is called; "" where the distribution has none. */
static const struct manager {
	const char *program, *install;
	const char *names[HOST_PACKAGES]; /* by enum host_package */
} managers[] = {
	{"apt-get", "apt-get install -y",
		{"uidmap", "dbus-user-session", "fuse-overlayfs", "slirp4netns", "passt", "lxc", "gvproxy", ""}},
	{"dnf", "dnf install -y",
		{"shadow-utils", "dbus-daemon", "fuse-overlayfs", "slirp4netns", "passt", "lxc", "gvisor-tap-vsock", ""}},
	{"yum", "yum install -y",
		{"shadow-utils", "dbus-daemon", "fuse-overlayfs", "slirp4netns", "passt", "lxc", "gvisor-tap-vsock", ""}},
	{"zypper", "zypper install -y",
		{"shadow", "dbus-1", "fuse-overlayfs", "slirp4netns", "passt", "lxc", "gvisor-tap-vsock", ""}},
	{"apk", "apk add", {"shadow-subids", "dbus", "fuse-overlayfs", "slirp4netns", "passt", "lxc", "gvisor-tap-vsock", ""}},
	{"pacman", "pacman -S --noconfirm",
		{"shadow", "dbus", "fuse-overlayfs", "slirp4netns", "passt", "lxc", "gvisor-tap-vsock", ""}},
};

static const char *const unknown_manager[HOST_PACKAGES] = {
	"install the package that has newuidmap and newgidmap (uidmap, shadow-utils, shadow)",
	"install the package that starts a D-Bus for each user (dbus-user-session, dbus-daemon, dbus)",
	"install the package fuse-overlayfs", "install the package slirp4netns", "install the package passt",
	"install the package lxc", "install gvproxy (gvproxy, gvisor-tap-vsock)",
	"install vpnkit from https://github.com/moby/vpnkit"};

static bool installed(const char *program)
{
	cleanup_free char *path = tool_find(program);

	return path != NULL;
}

/* The package manager of a distribution, by its ID or one of its ID_LIKE. */
static const char *manager_of(struct span id)
{
	static const struct {
		const char *id, *program;
	} known[] = {{"debian", "apt-get"}, {"ubuntu", "apt-get"}, {"fedora", "dnf"}, {"rhel", "dnf"}, {"centos", "dnf"},
		{"amzn", "dnf"}, {"suse", "zypper"}, {"opensuse", "zypper"}, {"sles", "zypper"}, {"alpine", "apk"}, {"arch", "pacman"}};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (!span_eqs(id, known[i].id))
			continue;
		/* Those of before 2019 have yum alone. */
		return strcmp(known[i].program, "dnf") || installed("dnf") || !installed("yum") ? known[i].program : "yum";
	}
	return NULL;
}

static const char *find_manager(void)
{
	cleanup_free char *id = host_os_release("ID"), *like = host_os_release("ID_LIKE");
	const char *program = manager_of(span_of(id));
	struct span rest = span_of(like), one;
	size_t i;

	while (!program && span_token(&rest, ' ', &one))
		program = manager_of(one);
	for (i = 0; !program && i < ARRAY_SIZE(managers); i++)
		if (installed(managers[i].program))
			program = managers[i].program;
	return program;
}

const char *host_install_command(enum host_package p)
{
	static char text[HOST_PACKAGES][128];
	const char *program = find_manager();
	size_t i;

	for (i = 0; program && i < ARRAY_SIZE(managers); i++) {
		if (strcmp(program, managers[i].program) || !*managers[i].names[p])
			continue;
		snprintf(text[p], sizeof(text[p]), "%s %s", managers[i].install, managers[i].names[p]);
		return text[p];
	}
	return unknown_manager[p];
}

/* --- refusals ------------------------------------------------------------------------------- */

static int hint_sysctl(struct err *e, const char *what)
{
	return err_hint(e, "as root: sysctl -w %s; and write it to " SYSCTL_FILE " for the next boot", what);
}

static int hint_apparmor(struct err *e)
{
	char exe[256];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n > 0 ? n : 0] = 0;
	return err_hint(e, "AppArmor forbids it; as root write to /etc/apparmor.d/coracle: "
			   "abi <abi/4.0>, profile coracle %s flags=(unconfined) { userns, } "
			   "and run: apparmor_parser -r /etc/apparmor.d/coracle",
		*exe ? exe : "PATH-OF-CORACLE");
}

static bool apparmor_restricts(void)
{
	return setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1;
}

void host_explain_unshare(struct err *e)
{
	int64_t max = setting("/proc/sys/user/max_user_namespaces");
	const char *why = strerror(e->code);
	int code = e->code;

	if (code != EPERM && code != ENOSPC && code != EINVAL && code != EUSERS)
		return;
	/* Go's words for errno are the C library's in lower case. */
	err_set(e, 0, "[rootlesskit:parent] error: failed to start the child: fork/exec /proc/self/exe: %c%s",
		tolower((unsigned char)why[0]), why + 1);
	e->code = code;
	if (code == ENOSPC || !max)
		hint_sysctl(e, "user.max_user_namespaces=28633");
	else if (!setting("/proc/sys/kernel/unprivileged_userns_clone"))
		hint_sysctl(e, "kernel.unprivileged_userns_clone=1");
	else if (code == EINVAL)
		err_hint(e, "this kernel is built without CONFIG_USER_NS");
	else if (apparmor_restricts())
		hint_apparmor(e);
	else
		err_hint(e, "user namespaces are forbidden here: in a container it must be run with "
			    "--privileged, in a chroot they are never possible; else as root: sysctl -w "
			    "kernel.unprivileged_userns_clone=1");
}

void host_explain_settle(struct err *e)
{
	if ((e->code == EPERM || e->code == EACCES) && !e->hint[0] && apparmor_restricts())
		hint_apparmor(e);
}
