/* SPDX-License-Identifier: MIT */
/*
 * core/storage/init_layer.c - the layer below all others: what a container needs to be mounted into
 *
 * Theory of operation
 *   /proc, /dev, /etc/hosts and so on are mounted over, so they must be there, even if the image
 *   has nothing.  The real engine makes a layer of them for each container, above the image's, of
 *   what the image lacks.  Below the image's layers the same comes for free: what the image has
 *   wins, directories merge, and one layer serves all.  It never shows in `docker diff`.
 *
 *   Modes are those the real engine gives.
 */
#include "storage/driver.h"
#include "base/fs.h"

#include <errno.h>
#include <unistd.h>

static int make_file(int dirfd, const char *name)
{
	cleanup_close int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

	return fd < 0 ? -1 : fchmod(fd, 0755);
}

int init_layer_make(int dirfd, struct err *e)
{
	static const char *const dirs[] = { "dev", "dev/pts", "dev/shm", "etc", "proc", "sys" };
	static const char *const files[] = { ".dockerenv", "dev/console", "etc/hostname", "etc/hosts",
		"etc/resolv.conf" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdirat(dirfd, dirs[i], 0755) || fchmodat(dirfd, dirs[i], 0755, 0))
			return err_set(e, errno, "making %s", dirs[i]);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		if (make_file(dirfd, files[i]))
			return err_set(e, errno, "making %s", files[i]);
	if (symlinkat("/proc/mounts", dirfd, "etc/mtab"))
		return err_set(e, errno, "making etc/mtab");
	return 0;
}
