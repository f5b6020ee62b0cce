/* SPDX-License-Identifier: MIT */
/* core/limits/driver.c - see driver.h */
#include "limits/driver.h"
#include "base/fs.h"
#include "base/log.h"
#include "limits/cgroup.h"
#include "limits/systemd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LEAF "coracle" /* where we are ourselves */
#define SLICE_DEFAULT "user.slice"
#define PARENT_DEFAULT "/docker"
#define ROUNDS 64 /* of moving processes that fork meanwhile */
#define SWEEP_MS 2000

/* --- cgroupfs ------------------------------------------------------------------------------------------ */

/* Move all processes of one cgroup into another. */
static int move_all(int from, int to, struct err *e)
{
	int rounds;

	for (rounds = 0; rounds < ROUNDS; rounds++) {
		cleanup_buf struct buf list = BUF_INIT;
		struct span rest, line;

		if (file_read_at(from, "cgroup.procs", 1 << 20, &list, e))
			return -1;
		if (!list.n)
			return 0;
		rest = (struct span){list.p, list.n};
		while (span_token(&rest, '\n', &line)) {
			cleanup_free char *pid = span_dup(line);

			if (cgroup_write(to, "cgroup.procs", pid) && errno != ESRCH)
				return err_set(e, errno, "moving process %s into a cgroup of its own", pid);
		}
	}
	return err_set(e, EBUSY, "moving processes into a cgroup of their own");
}

/* The cgroup we are in; or the one above, if this is the leaf that an earlier engine made. */
static char *own_base(struct err *e)
{
	char *own = cgroup_of(getpid(), e), *slash = own ? strrchr(own, '/') : NULL;

	if (slash && !strcmp(slash, "/" LEAF))
		slash[slash == own] = 0;
	return own;
}

/* A unit's cgroup is systemd's to change, unless the unit says "Delegate=yes": that marks it. */
static bool is_foreign(int dir, const char *path)
{
	static const char *const units[] = {".service", ".scope", ".slice"};
	size_t n = strlen(path), i;
	char mark;

	for (i = 0; i < ARRAY_SIZE(units); i++)
		if (n > strlen(units[i]) && !strcmp(path + n - strlen(units[i]), units[i]))
			return fgetxattr(dir, "user.delegate", &mark, 1) != 1 || mark != '1';
	return false;
}

static int open_fs(struct cgroup_driver *d, bool asked, struct err *e)
{
	cleanup_free char *base = own_base(e), *leaf = NULL;
	cleanup_close int dir = -1, inner = -1;
	char text[256];
	ssize_t n;

	if (!base)
		return -1;
	dir = cgroup_open(base);
	if (dir < 0 || faccessat(dir, "cgroup.procs", W_OK, 0) || faccessat(dir, ".", W_OK, 0) ||
		faccessat(dir, "cgroup.subtree_control", W_OK, 0))
		return err_set(e, errno, "the cgroup %s is not delegated to this user", base);
	if (!asked && is_foreign(dir, base))
		return err_set(e, 0, "the cgroup %s belongs to systemd", base);
	leaf = xasprintf("%s/" LEAF, strcmp(base, "/") ? base : "");
	if (mkdirat(dir, LEAF, 0755) && errno != EEXIST)
		return err_set(e, errno, "making cgroup %s", leaf);
	inner = cgroup_open(leaf);
	if (inner < 0)
		return err_set(e, errno, "opening cgroup %s", leaf);
	if (move_all(dir, inner, e))
		return -1;
	cgroup_hand_down(dir);
	fd_close(&inner);
	inner = openat(dir, "cgroup.subtree_control", O_RDONLY | O_CLOEXEC);
	n = inner < 0 ? -1 : fd_read_full(inner, text, sizeof(text));
	d->controllers = n < 0 ? 0 : controllers_parse((struct span){text, (size_t)n});
	d->kind = CGROUP_FS;
	d->base = steal(&base);
	return 0;
}

/* --- systemd ------------------------------------------------------------------------------------------- */

static int open_systemd(struct cgroup_driver *d, struct err *e)
{
	cleanup_free char *base = systemd_find(e);
	cleanup_close int dir = base ? cgroup_open(base) : -1;

	if (!base)
		return -1;
	if (dir < 0)
		return err_set(e, errno, "opening the cgroup of the user's systemd, %s", base);
	d->controllers = cgroup_controllers(dir);
	d->kind = CGROUP_SYSTEMD;
	d->base = steal(&base);
	return 0;
}

/* --- choosing -------------------------------------------------------------------------------------------- */

static int check_unified(struct err *e)
{
	if (cgroup_is_unified())
		return 0;
	err_set(e, 0, "cgroup v2 is not mounted at " CGROUP_ROOT);
	return err_hint(e, "add systemd.unified_cgroup_hierarchy=1 to the kernel's command line");
}

int cgroup_driver_open(struct cgroup_driver *d, const char *asked, struct err *e)
{
	bool any = !asked || !*asked;
	struct err fs = ERR_INIT;

	*d = (struct cgroup_driver){.why = ERR_INIT};
	if (!any && strcmp(asked, "none") && strcmp(asked, "systemd") && strcmp(asked, "cgroupfs"))
		return err_kind(e, ERR_INVALID,
			"native.cgroupdriver option %s not supported: systemd, cgroupfs or none", asked);
	if (!any && !strcmp(asked, "none")) {
		err_set(&d->why, 0, "native.cgroupdriver is none");
		return 0;
	}
	if (!check_unified(&d->why)) {
		if ((any || !strcmp(asked, "systemd")) && !open_systemd(d, &d->why))
			return 0;
		if (any && !open_fs(d, false, &fs))
			return 0;
		if (!any && !strcmp(asked, "cgroupfs") && !open_fs(d, true, &d->why))
			return 0;
	}
	if (any)
		return 0;
	*e = d->why;
	return err_wrap(e, "native.cgroupdriver=%s", asked);
}

void cgroup_driver_release(struct cgroup_driver *d)
{
	free(d->base);
	d->base = NULL;
}

const char *cgroup_driver_name(const struct cgroup_driver *d)
{
	return d->kind == CGROUP_SYSTEMD ? "systemd" : d->kind == CGROUP_FS ? "cgroupfs" : "none";
}

/* --- where a container's is -------------------------------------------------------------------------------- */

static bool is_slice(const char *name)
{
	size_t n = strlen(name);

	return n > 6 && n < 256 && !strcmp(name + n - 6, ".slice") && !strchr(name, '/');
}

static bool is_clean(const char *path)
{
	cleanup_free char *clean = fs_clean_path(path);

	return strlen(path) < 1024 && strncmp(clean, "..", 2) && !strstr(clean, "/..") && !strpbrk(path, "\n\r\t");
}

int cgroup_driver_check_parent(const struct cgroup_driver *d, const char *parent, struct err *e)
{
	if (!*parent || d->kind == CGROUP_NONE)
		return 0;
	if (d->kind == CGROUP_SYSTEMD && !is_slice(parent))
		return err_kind(e, ERR_INVALID,
			"cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\"");
	if (d->kind == CGROUP_FS && !is_clean(parent))
		return err_kind(e, ERR_INVALID, "cgroup-parent %.256s leads out of the engine's own cgroup", parent);
	return 0;
}

json_t *cgroup_driver_describe(const struct cgroup_driver *d, const char *parent, const char *id)
{
	json_t *j = d->kind == CGROUP_NONE ? NULL : json_object();

	if (d->kind == CGROUP_SYSTEMD) {
		cleanup_free char *unit = xasprintf("docker-%s.scope", id);

		json_set_str(j, "unit", unit);
		json_set_str(j, "slice", is_slice(parent) ? parent : SLICE_DEFAULT);
	} else if (d->kind == CGROUP_FS) {
		cleanup_free char *below = xasprintf("%s/%s/%s", d->base, *parent && is_clean(parent) ? parent :
			PARENT_DEFAULT, id), *path = fs_clean_path(below);

		json_set_str(j, "path", path);
	}
	return j;
}

void cgroup_driver_sweep(const struct cgroup_driver *d, const char *const *ids)
{
	cleanup_free char *below = d->kind == CGROUP_FS ? xasprintf("%s" PARENT_DEFAULT, strcmp(d->base, "/") ? d->base : "") :
							  NULL;
	int fd = below ? cgroup_open(below) : -1;
	cleanup_closedir DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	struct err e;

	if (!list)
		fd_close(&fd);
	while (list && (de = readdir(list))) {
		cleanup_free char *path = xasprintf("%s/%s", below, de->d_name);

		if (is_hex64(de->d_name) && !str_in(de->d_name, ids) && cgroup_destroy(path, SWEEP_MS, &e))
			log_err(&e, "tidying up");
	}
}
