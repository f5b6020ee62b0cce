/* SPDX-License-Identifier: MIT */
/*
 * core/ns/idmap.c - give a new user namespace its uid_map and gid_map
 *
 * Theory of operation
 *   A map is written once and whole, by a process with CAP_SETUID (CAP_SETGID) over the parent
 *   namespace or, for one extent, by the owner of the id it maps.  Subordinate ranges need the
 *   former: newuidmap and newgidmap lend it, both started at once as neither needs the other.
 *
 *   Who maps his own gid without that capability must deny setgroups(2) in the namespace first
 *   (CVE-2014-8989: dropping a group can be a way around a permission that excludes the group).
 */
#include "base/fs.h"
#include "ns/host.h"
#include "ns/ns.h"
#include "ns/tool.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TOOL_TIMEOUT_MS 30000 /* the tools may ask LDAP for the user */
#define TOOL_WORDS_MAX 1024   /* bytes of a tool's message that we keep */

static int write_once(int procfd, const char *file, const char *text, size_t len, struct err *e)
{
	cleanup_close int fd = openat(procfd, file, O_WRONLY | O_CLOEXEC);
	ssize_t put;

	if (fd < 0)
		return err_set(e, errno, "opening %s", file);
	put = write(fd, text, len);
	if (put == (ssize_t)len)
		return 0;
	return err_set(e, put < 0 ? errno : EIO, "writing %s", file);
}

int idmap_deny_setgroups(int procfd, struct err *e)
{
	return write_once(procfd, "setgroups", "deny", 4, e);
}

int idmap_write(int procfd, const char *file, const struct idmap *m, struct err *e)
{
	char text[IDMAP_TEXT_MAX];
	ssize_t len = idmap_format(m, text, sizeof(text));

	if (len < 0)
		return err_set(e, 0, "%s: %zu extents do not fit in one page", file, m->n);
	return write_once(procfd, file, text, (size_t)len, e);
}

static int write_maps(pid_t pid, const struct idmap *uids, const struct idmap *gids,
	bool deny_setgroups, struct err *e)
{
	cleanup_close int procfd = -1;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	procfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (procfd < 0)
		return err_set(e, errno, "opening %s", path);
	if (deny_setgroups && idmap_deny_setgroups(procfd, e))
		return -1;
	if (idmap_write(procfd, "gid_map", gids, e))
		return -1;
	return idmap_write(procfd, "uid_map", uids, e);
}

/* Do we hold both capabilities over our own user namespace (root in a container, say)? */
static bool can_write_any(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
	uint32_t both = 1U << CAP_SETUID | 1U << CAP_SETGID;

	return !syscall(SYS_capget, &head, data) && (data[0].effective & both) == both;
}

static int tool_missing(const char *name, struct err *e)
{
	err_set(e, ENOENT, "executing %s: executable file not found in $PATH", name);
	return err_hint(e, "as root: %s", host_install_command(HOST_UIDMAP));
}

bool idmap_can_apply(struct err *e)
{
	static const char *const names[] = {"newuidmap", "newgidmap"};
	size_t i;

	if (can_write_any())
		return true;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = tool_find(names[i]);

		if (!path) {
			tool_missing(names[i], e);
			return false;
		}
	}
	return true;
}

/* A program's run with its arguments, for the message: "newuidmap 123 [0 1000 1 1 100000 65536]". */
struct mapper {
	const char *name;
	char *path;
	char **argv; /* name, pid, numbers, NULL */
	struct buf words;
	struct tool tool;
	bool running;
};

static void mapper_release(struct mapper *p)
{
	size_t i;

	for (i = 0; p->argv && p->argv[i]; i++)
		free(p->argv[i]);
	free(p->argv);
	free(p->path);
	buf_release(&p->words);
}

static int mapper_start(struct mapper *p, pid_t pid, const struct idmap *m, struct err *e)
{
	size_t i, n = 0;

	p->path = tool_find(p->name);
	if (!p->path)
		return tool_missing(p->name, e);
	p->argv = xcalloc(m->n * 3 + 3, sizeof(*p->argv));
	p->argv[n++] = xstrdup(p->name);
	p->argv[n++] = xasprintf("%d", (int)pid);
	buf_addf(&p->words, "%s %d [", p->name, (int)pid);
	for (i = 0; i < m->n; i++) {
		const struct idmap_extent *x = &m->at[i];

		p->argv[n++] = xasprintf("%u", x->inside);
		p->argv[n++] = xasprintf("%u", x->outside);
		p->argv[n++] = xasprintf("%u", x->count);
		buf_addf(&p->words, "%s%u %u %u", i ? " " : "", x->inside, x->outside, x->count);
	}
	buf_addc(&p->words, ']');
	if (tool_start(&p->tool, p->path, p->argv, e))
		return err_wrap(e, "%s failed", p->words.p);
	p->running = true;
	return 0;
}

static int mapper_finish(struct mapper *p, struct err *e)
{
	cleanup_buf struct buf said = BUF_INIT;
	int status;

	if (!p->running)
		return 0;
	p->running = false;
	status = tool_finish(&p->tool, TOOL_TIMEOUT_MS, TOOL_WORDS_MAX, &said, e);
	if (status < 0)
		return err_wrap(e, "%s failed", p->words.p);
	if (!status)
		return 0;
	while (said.n && said.p[said.n - 1] == '\n')
		said.p[--said.n] = 0;
	err_set(e, 0, "%s failed: %s: exit status %d", p->words.p, said.p, status);
	if (strstr(said.p, "not allowed"))
		err_hint(e, "the ranges in /etc/subuid and /etc/subgid and those asked for differ");
	else if (strstr(said.p, "not permitted"))
		err_hint(e, "%s lacks its privilege; as root: chmod u+s %s", p->name, p->path);
	return -1;
}

static int map_by_tools(pid_t pid, const struct idmap *uids, const struct idmap *gids,
	struct err *e)
{
	struct mapper u = {.name = "newuidmap", .words = BUF_INIT};
	struct mapper g = {.name = "newgidmap", .words = BUF_INIT};
	int rc = mapper_start(&u, pid, uids, e);

	if (!rc)
		rc = mapper_start(&g, pid, gids, e);
	/* Both are reaped whatever happened; the first failure is the one that is told. */
	if (mapper_finish(&u, rc ? NULL : e))
		rc = -1;
	if (mapper_finish(&g, rc ? NULL : e))
		rc = -1;
	mapper_release(&u);
	mapper_release(&g);
	return rc;
}

int idmap_apply(pid_t pid, const struct idmap *uids, const struct idmap *gids, struct err *e)
{
	if (uids->n == 1 && gids->n == 1)
		return write_maps(pid, uids, gids, !can_write_any(), e);
	if (can_write_any() && !write_maps(pid, uids, gids, false, NULL))
		return 0;
	return map_by_tools(pid, uids, gids, e);
}
