/* SPDX-License-Identifier: MIT */
/*
 * applets/newuidmap.c - newuidmap and newgidmap: lend a user the privilege to map his own ids
 *
 * Theory of operation
 *   Writing a map of subordinate ids takes CAP_SETUID (CAP_SETGID) over the parent namespace.
 *   Where that comes from decides what we are:
 *	we hold it	a full replacement: the file was given it (setcap cap_setuid=ep on a copy of
 *			its own, or mode 4755), or root calls us
 *	the host's do	a shim: the call is handed over to the host's privileged program as it is.  A
 *			file without privilege is never handed over to: it could be us again
 *	nobody does	we say what root has to run
 *
 *   As a replacement we are a gate between users, and check as shadow's does:
 *   (1) /proc/PID is opened first, and everything after goes through that descriptor: the pid may be
 *       somebody else's by the time of the write.  Its owner must be the caller, in uid and gid.
 *   (2) Every range lies in what /etc/subuid or the name service gave the caller, or is his own id alone.
 *   (3) A group map with nothing from /etc/subgid has setgroups(2) denied first (CVE-2018-7169: who
 *       could drop a group could pass a permission that excludes it).
 *   (4) All capabilities but the needed one are given up, then one write(2) installs the map.
 *
 *   Where /etc/nsswitch.conf has a name service for subids (SSSD), what the files do not give is asked of it, by
 *   programs that the caller has no power over (core/ns/service.c).
 *
 * Exit status: 0, or 1 as shadow's.  Messages that people search for are shadow's.
 */
#include "applets.h"
#include "version.h"

#include "base/err.h"
#include "base/fs.h"
#include "ns/host.h"
#include "ns/ns.h"
#include "ns/tool.h"

#include <errno.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HANDED_OVER "CORACLE_IDMAP_HANDED_OVER"

/* What differs between the two. */
struct kind {
	const char *name, *word, *subids, *map;
	int cap;
};

static const struct kind kinds[] = {
	{"newuidmap", "uid", "/etc/subuid", "uid_map", CAP_SETUID},
	{"newgidmap", "gid", "/etc/subgid", "gid_map", CAP_SETGID},
};

static const char help[] =
	"Usage: %s [PID|fd:DIRFD] %s LOWER%s COUNT [ %s LOWER%s COUNT ] ...\n\n"
	"Map ids of the user namespace of process PID (or of the open /proc/PID number DIRFD): COUNT ids from\n"
	"the first one, inside, to the second one, outside.  %s says which may be mapped.\n\n"
	"Without privilege of its own it hands over to the host's program of that name.  To be a replacement\n"
	"it needs a copy of its own with cap_set%s (or the set-user-ID bit).\n";

static int complain(const struct kind *k, const struct err *e)
{
	fprintf(stderr, "%s: %s\n", k->name, e->msg);
	if (e->hint[0])
		fprintf(stderr, "%s: hint: %s\n", k->name, e->hint);
	return 1;
}

static int usage(const struct kind *k)
{
	fprintf(stderr, "usage: %s [<pid>|fd:<pidfd>] <%s> <lower%s> <count> [ <%s> <lower%s> <count> ] ... \n",
		k->name, k->word, k->word, k->word, k->word);
	return 1;
}

/* --- privilege ------------------------------------------------------------------------------ */

static int caps_get(struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};

	return (int)syscall(SYS_capget, &head, data);
}

static bool holds(int cap)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return !caps_get(data) && (data[0].effective & (1U << cap));
}

/* Keep @cap.  CAP_SETFCAP too where the parent's id 0 is mapped: Linux 5.12 wants it for that. */
static int keep_only(int cap, const struct idmap *m, struct err *e)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	uint32_t keep = 1U << cap;
	size_t i;

	for (i = 0; i < m->n; i++)
		if (!m->at[i].outside)
			keep |= 1U << CAP_SETFCAP;
	if (caps_get(data))
		return err_set(e, errno, "reading capabilities");
	data[0].effective = data[0].permitted &= keep;
	data[1].effective = data[1].permitted = 0;
	data[0].inheritable = data[1].inheritable = 0;
	return syscall(SYS_capset, &head, data) ? err_set(e, errno, "giving up capabilities") : 0;
}

/* --- arguments ------------------------------------------------------------------------------ */

static int open_process(const char *text, struct err *e)
{
	cleanup_close int fd = -1;
	char path[32];
	struct statfs fs;
	uint64_t n;

	if (!strncmp(text, "fd:", 3)) {
		if (parse_u64(span_of(text + 3), INT32_MAX, &n))
			return err_set(e, EINVAL, "bad descriptor '%s'", text);
		fd = fcntl((int)n, F_DUPFD_CLOEXEC, 3);
		if (fd < 0 || fstatfs(fd, &fs) || fs.f_type != PROC_SUPER_MAGIC)
			return err_set(e, 0, "%s is no directory of /proc", text);
		return fd_steal(&fd);
	}
	if (parse_u64(span_of(text), INT32_MAX, &n) || !n)
		return err_set(e, EINVAL, "bad process '%s'", text);
	snprintf(path, sizeof(path), "/proc/%d", (int)n);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "Could not open proc directory for target %d", (int)n);
	return fd_steal(&fd);
}

/* Fill @m; 1: these are no numbers. */
static int parse_ranges(const struct kind *k, int argc, char **argv, struct idmap *m, struct err *e)
{
	uint64_t v[3];
	int i, j;

	if (argc == 0 || argc % 3)
		return 1;
	if (argc / 3 > IDMAP_EXTENTS_MAX)
		return err_set(e, 0, "%d ranges: an id map holds %d", argc / 3, IDMAP_EXTENTS_MAX);
	for (i = 0; i < argc; i += 3) {
		for (j = 0; j < 3; j++)
			if (parse_u64(span_of(argv[i + j]), UINT32_MAX, &v[j]))
				return 1;
		/* 2^32 - 1 stands for "no id". */
		if (!v[2] || v[0] + v[2] > UINT32_MAX || v[1] + v[2] > UINT32_MAX)
			return err_set(e, 0, "sub%s overflow detected.", k->word);
		m->at[m->n++] = (struct idmap_extent){(uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2]};
	}
	return 0;
}

/* --- checks --------------------------------------------------------------------------------- */

static int check_owner(int procfd, const struct passwd *pw, struct err *e)
{
	struct stat st;

	if (fstat(procfd, &st))
		return err_set(e, errno, "Could not stat directory for process");
	if (st.st_uid == getuid() && st.st_gid == getgid())
		return 0;
	return err_set(e, 0,
		"Target process is owned by a different user: uid:%u pw_uid:%u st_uid:%u, gid:%u pw_gid:%u st_gid:%u",
		getuid(), pw ? pw->pw_uid : getuid(), st.st_uid, getgid(), pw ? pw->pw_gid : getgid(), st.st_gid);
}

static bool service_covers(const struct kind *k, const struct idmap_extent *x)
{
	static struct buf lines = BUF_INIT;
	static bool asked;

	if (!asked)
		subid_service_lines(k->cap == CAP_SETGID, getuid(), &lines);
	asked = true;
	return lines.n && subid_covers_text((struct span){lines.p, lines.n}, getuid(), NULL, x->outside, x->count);
}

/* Were all of them given to the caller?  *@given: at least one came from the file. */
static int check_ranges(const struct kind *k, const struct idmap *m, const struct passwd *pw, bool *given,
	struct err *e)
{
	uint32_t own = k->cap == CAP_SETUID ? getuid() : getgid();
	size_t i;
	int rc;

	for (i = 0; i < m->n; i++) {
		const struct idmap_extent *x = &m->at[i];

		rc = subid_covers(k->subids, getuid(), pw ? pw->pw_name : NULL, x->outside, x->count, e);
		if (rc < 0)
			return -1;
		if (!rc && !(x->count == 1 && x->outside == own))
			rc = service_covers(k, x);
		if (rc) {
			*given = true;
			continue;
		}
		if (x->count == 1 && x->outside == own)
			continue;
		err_set(e, 0, "%s range [%u-%llu) -> [%u-%llu) not allowed", k->word, x->inside,
			(unsigned long long)x->inside + x->count, x->outside,
			(unsigned long long)x->outside + x->count);
		return err_hint(e, "as root give this user a range that holds it in %s", k->subids);
	}
	return 0;
}

static int replace(const struct kind *k, int argc, char **argv, struct err *e)
{
	const struct passwd *pw = getpwuid(getuid());
	cleanup_close int procfd = -1;
	static struct idmap m; /* 4 KiB */
	bool given = false;
	int rc;

	procfd = open_process(argv[1], e);
	if (procfd < 0 && e->code == EINVAL)
		return usage(k);
	if (procfd < 0)
		return -1;
	rc = parse_ranges(k, argc - 2, argv + 2, &m, e);
	if (rc > 0)
		return usage(k);
	if (rc || check_owner(procfd, pw, e) || check_ranges(k, &m, pw, &given, e) || keep_only(k->cap, &m, e))
		return -1;
	if (k->cap == CAP_SETGID && !given && idmap_deny_setgroups(procfd, e))
		return -1;
	if (!idmap_write(procfd, k->map, &m, e))
		return 0;
	if (e->code == EPERM)
		err_set(e, EPERM, "write to %s failed", k->map);
	return -1;
}

/* --- without privilege ---------------------------------------------------------------------- */

static int hand_over(const struct kind *k, char **argv, struct err *e)
{
	cleanup_free char *path = tool_find_privileged(k->name);

	/* Privilege that is there and has no effect (no_new_privs) must not make two copies of us call
	 * each other for ever. */
	if (path && !getenv(HANDED_OVER)) {
		setenv(HANDED_OVER, "1", 1);
		execv(path, argv);
		return err_set(e, errno, "executing %s", path);
	}
	err_set(e, 0, "mapping ids takes a privilege that neither this program nor another %s here has", k->name);
	return err_hint(e, "as root: %s; or make a copy of this program that has it: "
			   "install -m 755 %s /usr/local/bin/%s && setcap cap_set%s=ep /usr/local/bin/%s",
		host_install_command(HOST_UIDMAP), "coracle", k->name, k->word, k->name);
}

static int map_main(const struct kind *k, int argc, char **argv)
{
	struct err e = ERR_INIT;
	int rc;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		printf(help, k->name, k->word, k->word, k->word, k->word, k->subids, k->word);
		return fflush(stdout) ? 1 : 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("%s (coracle) %s\n", k->name, CORACLE_VERSION);
		return fflush(stdout) ? 1 : 0;
	}
	if (argc < 5)
		return usage(k);
	rc = holds(k->cap) ? replace(k, argc, argv, &e) : hand_over(k, argv, &e);
	return rc < 0 ? complain(k, &e) : rc;
}

int newuidmap_main(int argc, char **argv)
{
	return map_main(&kinds[0], argc, argv);
}

int newgidmap_main(int argc, char **argv)
{
	return map_main(&kinds[1], argc, argv);
}
