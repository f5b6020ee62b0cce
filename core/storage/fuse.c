/* SPDX-License-Identifier: MIT */
/*
 * core/storage/fuse.c - the driver fuse-overlayfs: the program of that name, where the kernel lets no
 * user mount overlayfs
 *
 * Theory of operation
 *   Layers and writable layers are those of overlay2 (overlay.c); only who lays them over each other
 *   differs.  The program marks replaced directories in its own way too, which tree_is_opaque() knows.
 *
 *   Order of a mount: (1) /dev/fuse is opened, and a file system made of it that is mounted nowhere
 *   yet; (2) the program is started with that descriptor as its mount point (libfuse takes
 *   "/dev/fd/N" for: mounted already); it reads its directories, which it gets as descriptors, so
 *   that no path needs escaping, and goes to the background; (3) only then does it answer requests, and the
 *   detached mount is handed out, to be put in its place.  What it complained about until (2) is
 *   kept in memory and becomes our message.
 *
 *   The program must not run inside the container: its PID 1 would take it along, and the container's
 *   root could kill it.  So the monitor serves (driver.serve), and the new process attaches.
 *
 *   It ends by itself when the last mount of its file system is gone.  It therefore must not live in a
 *   mount namespace that the mount is attached in and that only it keeps: who attaches in a namespace
 *   of his own (driver.mount) starts it in a copy made before.  It gets no descriptor but its own:
 *   others would wait for the end of pipes it knows nothing of.
 */
#include "storage/overlay.h"
#include "base/fs.h"
#include "base/mountapi.h"

#include <errno.h>
#include <stdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "fuse-overlayfs"
#define COMPLAINT_MAX 300 /* bytes of what it says that go into a message */

/* --- its process --- */

/* In the child: a descriptor that stays open across exec, as its name below /proc. */
static void add_dir(struct buf *options, const char *before, const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY);

	if (fd < 0) {
		dprintf(STDERR_FILENO, "opening %s: %s\n", path, strerror(errno));
		_exit(1);
	}
	buf_addf(options, "%s/proc/self/fd/%d", before, fd);
}

__attribute__((noreturn)) static void become_program(const json_t *desc, int fuse, int complaints, bool apart)
{
	const json_t *lower = json_arr(desc, "lower");
	struct buf options = BUF_INIT;
	char point[32];
	size_t i;

	if (dup2(complaints, STDERR_FILENO) < 0 || dup2(complaints, STDOUT_FILENO) < 0 ||
		syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) || fcntl(fuse, F_SETFD, 0))
		_exit(1);
	if (apart && unshare(CLONE_NEWNS)) {
		dprintf(STDERR_FILENO, "making a mount namespace: %s\n", strerror(errno));
		_exit(1);
	}
	for (i = 0; i < json_array_size(lower); i++)
		add_dir(&options, i ? ":" : "lowerdir=", json_string_value(json_array_get(lower, i)));
	add_dir(&options, ",upperdir=", json_str(desc, "upper", ""));
	add_dir(&options, ",workdir=", json_str(desc, "work", ""));
	if (json_bool(desc, "volatile", false))
		buf_adds(&options, ",volatile");
	snprintf(point, sizeof(point), "/dev/fd/%d", fuse);
	execlp(PROGRAM, PROGRAM, "-o", options.p, point, (char *)NULL);
	dprintf(STDERR_FILENO, "starting it: %s\n", strerror(errno));
	_exit(errno == ENOENT ? 127 : 1);
}

static int complained(int complaints, int status, struct err *e)
{
	char text[COMPLAINT_MAX + 1];
	ssize_t n = pread(complaints, text, COMPLAINT_MAX, 0);

	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	err_set(e, 0, PROGRAM " ended with status %d: %s", status, text);
	return status == 127 ? err_hint(e, "install it: sudo apt-get install fuse-overlayfs, or your distribution's way") :
			       -1;
}

/* Start it and wait until it has gone to the background. */
static int start_program(const json_t *desc, int fuse, bool apart, struct err *e)
{
	cleanup_close int complaints = memfd_create(PROGRAM, MFD_CLOEXEC);
	int status;
	pid_t pid;

	if (complaints < 0)
		return err_set(e, errno, "starting " PROGRAM);
	pid = fork();
	if (!pid)
		become_program(desc, fuse, complaints, apart);
	if (pid < 0)
		return err_set(e, errno, "starting " PROGRAM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return complained(complaints, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), e);
}

/* --- its file system --- */

static int open_device(struct err *e)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC), code = errno;

	if (fd >= 0)
		return fd;
	err_set(e, code, "opening /dev/fuse");
	return err_hint(e, code == EACCES || code == EPERM ?
				   "users need access to it: sudo chmod 666 /dev/fuse" :
				   "the kernel has no FUSE here: sudo modprobe fuse");
}

/* A file system that @fuse answers for, mounted nowhere. */
static int make_mount(int fuse, struct err *e)
{
	cleanup_close int fs = mnt_fsopen("fuse");
	char number[16];
	int fd;

	snprintf(number, sizeof(number), "%d", fuse);
	if (fs < 0 || mnt_fsconfig_string(fs, "source", PROGRAM) || mnt_fsconfig_string(fs, "subtype", PROGRAM) ||
		mnt_fsconfig_string(fs, "fd", number) || mnt_fsconfig_string(fs, "rootmode", "40000") ||
		mnt_fsconfig_string(fs, "user_id", "0") || mnt_fsconfig_string(fs, "group_id", "0") ||
		mnt_fsconfig_flag(fs, "default_permissions") || mnt_fsconfig_flag(fs, "allow_other") ||
		mnt_fsconfig_create(fs))
		return err_set(e, errno, "making a FUSE file system");
	fd = mnt_fsmount(fs, 0);
	return fd < 0 ? err_set(e, errno, "mounting a FUSE file system") : fd;
}

static int serve(const json_t *desc, bool apart, struct err *e)
{
	cleanup_close int fuse = open_device(e), tree = -1;

	if (fuse < 0)
		return -1;
	tree = make_mount(fuse, e);
	return tree < 0 || start_program(desc, fuse, apart, e) ? -1 : fd_steal(&tree);
}

static int fuse_serve(const json_t *desc, struct err *e)
{
	return serve(desc, false, e);
}

static int fuse_mount(const json_t *desc, const char *target, struct err *e)
{
	cleanup_close int tree = serve(desc, true, e), at = -1;

	if (tree < 0)
		return -1;
	at = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return at < 0 || mnt_attach(tree, at) ? err_set(e, errno, "mounting on %s", target) : 0;
}

static int fuse_probe(int dirfd, const char *path, bool single_id, struct err *e)
{
	return overlay_probe_with(fuse_mount, dirfd, path, e);
}

static void fuse_status(const char *backing, json_t *out)
{
	(void)backing; /* the real engine's driver tells nothing either */
	(void)out;
}

const struct driver fuse_driver = {
	.name = "fuse-overlayfs",
	.whiteouts = TAR_WH_OVERLAY,
	.probe = fuse_probe,
	.create = overlay_create,
	.describe = overlay_describe,
	.serve = fuse_serve,
	.mount = fuse_mount,
	.usage = overlay_usage,
	.changes = overlay_changes,
	.pack = overlay_pack,
	.status = fuse_status,
};
