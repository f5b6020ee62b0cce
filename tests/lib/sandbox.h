/* SPDX-License-Identifier: MIT */
/*
 * tests/lib/sandbox.h - containers without an engine: a user namespace, a rootfs, a request
 *
 * sandbox_enter() makes the calling program go on in a user namespace like the engine's, in a
 * child; the caller itself maps the ids, waits, and ends with the child's status.  Root maps ids
 * that belong to nobody; a user maps what /etc/subuid gives, or itself alone.
 *
 * sandbox_role() lets a test program be its own monitor: call it first of all.
 */
#ifndef TESTS_LIB_SANDBOX_H
#define TESTS_LIB_SANDBOX_H

#include "base/fs.h"
#include "base/json.h"
#include "ns/ns.h"
#include "runtime/runtime.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SANDBOX_ROOT_BASE 100000 /* ids that root gives to the namespace */
#define SANDBOX_ROOT_COUNT 65536

/* argv of this process, for constructors (musl gives them none). */
static inline char *sandbox_arg(int n)
{
	static char text[4096];
	FILE *f = fopen("/proc/self/cmdline", "re");
	size_t len = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	char *p = text;

	if (f)
		fclose(f);
	text[len] = 0;
	while (n-- && p < text + len)
		p += strlen(p) + 1;
	return p < text + len ? p : text + len;
}

static inline void sandbox_role(void)
{
	char *argv[] = { sandbox_arg(1), sandbox_arg(2), NULL };

	if (!strcmp(argv[0], ":monitor"))
		exit(monitor_role_main(2, argv));
}

static inline void sandbox_maps(struct idmap *uids, struct idmap *gids)
{
	struct err e = ERR_INIT;
	struct passwd *pw = getpwuid(getuid());
	const char *name = pw ? pw->pw_name : NULL;

	if (!getuid()) {
		uids->n = gids->n = 1;
		uids->at[0] = gids->at[0] =
			(struct idmap_extent){ 0, SANDBOX_ROOT_BASE, SANDBOX_ROOT_COUNT };
	} else if (!idmap_can_apply(&e) ||
		idmap_compute("/etc/subuid", getuid(), name, getuid(), uids, &e) ||
		idmap_compute("/etc/subgid", getuid(), name, getgid(), gids, &e)) {
		idmap_single(getuid(), uids);
		idmap_single(getgid(), gids);
	}
}

/* A place for temporary files that the namespace's root may use: others' are closed to it.  In
 * memory where possible, as the engine's runtime directory is. */
static inline const char *sandbox_tmp(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/coracle-sandbox.XXXXXX",
		access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(path) || (!getuid() && chown(path, SANDBOX_ROOT_BASE, SANDBOX_ROOT_BASE)) ||
		setenv("TMPDIR", path, 1)) {
		perror(path);
		exit(1);
	}
	return path;
}

static inline void sandbox_fail(const struct err *e)
{
	fprintf(stderr, "sandbox: %s\n", e->msg);
	exit(1);
}

/* Returns in the child; false there if namespaces cannot be had on this machine. */
static inline bool sandbox_enter(void)
{
	static struct idmap uids, gids;
	struct err e = ERR_INIT;
	const char *tmp = sandbox_tmp();
	int up[2], down[2], status;
	char c;
	pid_t pid;

	if (pipe2(up, O_CLOEXEC) || pipe2(down, O_CLOEXEC))
		exit(1);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ns_unshare(&e)) {
			fprintf(stderr, "sandbox: %s\n", e.msg);
			return false;
		}
		if (write(up[1], "", 1) != 1 || read(down[0], &c, 1) != 1 || ns_settle(&e))
			sandbox_fail(&e);
		/* Monitors outlive their starter; here somebody must wait for them. */
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		return true;
	}
	close(up[1]);
	if (read(up[0], &c, 1) == 1) {
		sandbox_maps(&uids, &gids);
		if (idmap_apply(pid, &uids, &gids, &e))
			sandbox_fail(&e);
		if (write(down[1], "", 1) != 1)
			exit(1);
	}
	while (waitpid(pid, &status, 0) < 0)
		;
	fs_remove_tree_at(AT_FDCWD, tmp, NULL);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* --- a spec as the engine would write it -------------------------------------------------- */

static inline json_t *sandbox_strings(const char *const *v)
{
	json_t *a = json_array();

	for (; *v; v++)
		json_append_str(a, *v);
	return a;
}

static inline json_t *sandbox_json(const char *text)
{
	struct err e = ERR_INIT;
	json_t *j = json_parse(text, strlen(text), &e);

	if (!j)
		sandbox_fail(&e);
	return j;
}

static inline json_t *sandbox_process(const char *const *argv)
{
	json_t *p = sandbox_json("{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\",\"env\":["
				 "\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\","
				 "\"HOSTNAME=box\"]}");
	json_t *caps = json_object(), *list = runtime_default_caps();

	json_object_set(caps, "bounding", list);
	json_object_set(caps, "effective", list);
	json_set_new(caps, "permitted", list);
	json_set_new(p, "capabilities", caps);
	json_set_new(p, "args", sandbox_strings(argv));
	return p;
}

/* Docker's mounts and namespaces; @mountpoint is where the rootfs goes. */
static inline json_t *sandbox_spec(const char *mountpoint, const char *const *argv)
{
	json_t *s = sandbox_json(
		"{\"hostname\":\"box\",\"mounts\":["
		"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\",\"options\":"
		"[\"nosuid\",\"noexec\",\"nodev\"]},"
		"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":"
		"[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
		"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":"
		"[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
		"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":"
		"[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
		"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
		"\"options\":[\"ro\",\"nosuid\",\"noexec\",\"nodev\"]},"
		"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\",\"options\":"
		"[\"nosuid\",\"noexec\",\"nodev\"]},"
		"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":"
		"[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=67108864\"]}],"
		"\"linux\":{\"sysctl\":{\"net.ipv4.ip_unprivileged_port_start\":\"0\"},\"namespaces\":["
		"{\"type\":\"mount\"},{\"type\":\"network\"},{\"type\":\"uts\"},{\"type\":\"pid\"},"
		"{\"type\":\"ipc\"}]}}");
	json_t *root = json_object(), *lin = json_obj(s, "linux");

	json_set_str(root, "path", mountpoint);
	json_set_new(s, "root", root);
	json_set_new(lin, "maskedPaths", runtime_masked_paths());
	json_set_new(lin, "readonlyPaths", runtime_readonly_paths());
	json_set_new(s, "process", sandbox_process(argv));
	return s;
}

/* A request to run @argv on the directory @rootfs, mounted at @mountpoint. */
static inline json_t *sandbox_request(
	const char *rootfs, const char *mountpoint, const char *const *argv)
{
	json_t *r = json_object(), *desc = json_object();
	char id[ID_LEN + 1];

	random_id(id);
	json_set_str(r, "id", id);
	json_set_str(desc, "driver", "vfs");
	json_set_str(desc, "tree", rootfs);
	json_set_new(r, "rootfs", desc);
	json_set_new(r, "spec", sandbox_spec(mountpoint, argv));
	return r;
}

#endif
