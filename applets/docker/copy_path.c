/* SPDX-License-Identifier: MIT */
/* applets/docker/copy_path.c - see copy_path.h */
#include "copy_path.h"

#include "base/fs.h"

#include <stdlib.h>

static bool is_current(const char *path)
{
	size_t n = strlen(path);

	return n && path[n - 1] == '.' && (n == 1 || path[n - 2] == '/');
}

static bool has_slash(const char *path)
{
	size_t n = strlen(path);

	return n && path[n - 1] == '/';
}

bool copy_asserts_dir(const char *path)
{
	return !*path || has_slash(path) || is_current(path);
}

char *copy_keep_tail(const char *path, const char *original)
{
	cleanup_free char *clean = fs_clean_path(path);

	if (is_current(original) && !is_current(clean))
		return xasprintf("%s%s.", clean, has_slash(clean) ? "" : "/");
	if (has_slash(original) && !has_slash(clean))
		return xasprintf("%s/", clean);
	return steal(&clean);
}

void copy_split(const char *path, char **dir, char **base)
{
	char *clean = fs_clean_path(path), *slash;

	if (is_current(path)) {
		*dir = clean;
		*base = xstrdup(".");
		return;
	}
	slash = strrchr(clean, '/');
	*base = xstrdup(slash && slash[1] ? slash + 1 : clean);
	if (slash)
		*dir = slash == clean ? xstrdup("/") : xstrndup(clean, (size_t)(slash - clean));
	else
		*dir = xstrdup(".");
	free(clean);
}

int copy_plan(const struct copy_end *source, const struct copy_end *destination, struct copy_plan *plan,
	struct err *e)
{
	char *unused;

	*plan = (struct copy_plan){NULL, NULL, NULL};
	copy_split(source->path, &unused, &plan->from);
	free(unused);
	if (source->renamed) {
		free(plan->from);
		plan->from = xstrdup(source->renamed);
	}
	if (destination->exists && destination->is_dir) {
		plan->dir = fs_clean_path(destination->path);
		plan->to = xstrdup(plan->from);
		return 0;
	}
	if (destination->exists && source->is_dir)
		return err_kind(e, ERR_INVALID, "cannot copy directory");
	if (!destination->exists && !source->is_dir && copy_asserts_dir(destination->path))
		return err_kind(e, ERR_INVALID, "no such directory");
	copy_split(destination->path, &plan->dir, &plan->to);
	return 0;
}

void copy_plan_release(struct copy_plan *plan)
{
	free(plan->dir);
	free(plan->from);
	free(plan->to);
	*plan = (struct copy_plan){NULL, NULL, NULL};
}
