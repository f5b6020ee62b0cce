/* SPDX-License-Identifier: MIT */
/*
 * applets/nsenter/target.c - from a name to a process whose namespaces can be entered
 *
 * Theory of operation
 *   A number is a pid.  "engine" is the process of docker.pid, "netd" that of netd.json; both files are
 *   in XDG_RUNTIME_DIR (or where --pidfile and --exec-root put them: then the pid is known to whoever
 *   started it so).  Anything else is a container, and the engine that DOCKER_HOST, -c or the current
 *   context name is asked for it.  A container's namespaces outlive the engine, so the monitors' files
 *   would do as well, but only the engine knows names.
 */
#include "nsenter.h"

#include "base/fs.h"
#include "base/proc.h"
#include "docker/client_http.h"
#include "net/netd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_MAX (16 << 20) /* bytes of an inspection */

static char *runtime_path(const char *name)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	return dir && *dir ? fs_join(dir, name) : xasprintf("/run/user/%u/%s", getuid(), name);
}

static int open_pid(pid_t pid, struct target *t, struct err *e)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	t->pid = pid;
	t->procfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->procfd < 0)
		return errno == ENOENT ? err_kind(e, ERR_NOT_FOUND, "there is no process %d", (int)pid) :
					 err_set(e, errno, "opening %s", path);
	return 0;
}

/* Is that process of ours, and in the role? */
static bool is_role(const struct target *t, const char *role)
{
	cleanup_buf struct buf line = BUF_INIT;

	return !file_read_at(t->procfd, "cmdline", 4096, &line, NULL) && memmem(line.p, line.n, role, strlen(role) + 1);
}

static int find_engine(struct target *t, struct err *e)
{
	cleanup_free char *path = runtime_path("docker.pid");
	cleanup_buf struct buf text = BUF_INIT;
	uint64_t pid;

	strcpy(t->what, "engine");
	if (file_read_at(AT_FDCWD, path, 64, &text, e) ||
		parse_u64((struct span){text.p, strcspn(text.p, "\n")}, INT32_MAX, &pid) ||
		open_pid((pid_t)pid, t, e) || !is_role(t, ":engine")) {
		fd_close(&t->procfd);
		err_kind(e, ERR_NOT_FOUND, "no engine runs: %s names none", path);
		return err_hint(e, "start it with dockerd-rootless; XDG_RUNTIME_DIR says whose; of one with another --pidfile "
				   "give the pid");
	}
	return 0;
}

/* The containers' network is that of one thread of it. */
static int inside_of_netd(const struct target *t)
{
	cleanup_close int tasks = openat(t->procfd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *d = tasks < 0 ? NULL : fdopendir(dup(tasks));
	struct dirent *de;

	while (d && (de = readdir(d))) {
		cleanup_free char *comm = xasprintf("%s/comm", de->d_name), *net = xasprintf("%s/ns/net", de->d_name);
		cleanup_buf struct buf text = BUF_INIT;

		if (!file_read_at(tasks, comm, 64, &text, NULL) && !strcmp(text.p, "inside\n"))
			return openat(tasks, net, O_RDONLY | O_CLOEXEC);
	}
	return -1;
}

static int find_netd(struct target *t, struct err *e)
{
	cleanup_free char *dir = runtime_path("docker");
	cleanup_close int execfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), pidfd = -1;
	cleanup_json json_t *j = NULL;

	strcpy(t->what, "netd");
	pidfd = execfd < 0 ? -1 : netd_find(execfd);
	j = pidfd < 0 ? NULL : json_load_at(execfd, "netd.json", 4096, NULL);
	if (j && !open_pid((pid_t)json_int(j, "pid", 0), t, e))
		t->netns = inside_of_netd(t);
	if (t->netns >= 0)
		return 0;
	err_kind(e, ERR_NOT_FOUND, "no netd runs for %s", dir);
	return err_hint(e, "the engine starts it; is one running for this XDG_RUNTIME_DIR?");
}

static json_t *inspect(const char *name, struct err *e)
{
	cleanup_free char *config_dir = getenv("DOCKER_CONFIG") ? xstrdup(getenv("DOCKER_CONFIG")) :
								 fs_join(getenv("HOME") ? getenv("HOME") : "/", ".docker");
	cleanup_free char *file = fs_join(config_dir, "config.json");
	cleanup_json json_t *config = json_load_at(AT_FDCWD, file, ANSWER_MAX, NULL);
	cleanup_free char *target = xasprintf("/containers/%s/json", name);
	struct request r = {.method = "GET", .target = target};
	cleanup_buf struct buf text = BUF_INIT;
	struct endpoint ep;
	struct client *c;
	json_t *j = NULL;
	int status = -1;

	if (endpoint_find(&ep, NULL, NULL, config_dir, config, NULL, e))
		return NULL;
	c = client_open(&ep, e);
	if (c && !client_request(c, &r, e))
		status = client_response(c, e);
	if (status >= 0 && !client_read_all(c, ANSWER_MAX, &text, e))
		j = json_parse(text.p, text.n, e);
	client_close(c);
	if (j && status >= 400) {
		err_kind(e, ERR_NOT_FOUND, "%s", json_str(j, "message", "the engine refused"));
		json_decref(steal(&j));
	}
	return j;
}

static bool name_ok(const char *name)
{
	return *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] == 0;
}

static int find_container(const char *name, struct target *t, struct err *e)
{
	cleanup_json json_t *j = NULL;
	const json_t *state;

	if (!name_ok(name))
		return err_kind(e, ERR_INVALID, "'%s' is no pid, no name of a container, and neither 'engine' nor 'netd'", name);
	j = inspect(name, e);
	if (!j)
		return -1;
	snprintf(t->what, sizeof(t->what), "container %s", json_str(j, "Name", name) + (*json_str(j, "Name", "") == '/'));
	state = json_obj(j, "State");
	if (!json_int(state, "Pid", 0)) {
		err_kind(e, ERR_CONFLICT, "%s does not run: it is %s", t->what, json_str(state, "Status", "not there"));
		return err_hint(e, "start it first: docker start %s", name);
	}
	return open_pid((pid_t)json_int(state, "Pid", 0), t, e);
}

int target_find(const char *name, struct target *t, struct err *e)
{
	struct err untold;
	uint64_t pid;

	*t = (struct target){.procfd = -1, .netns = -1};
	if (!parse_u64(span_of(name), INT32_MAX, &pid)) {
		snprintf(t->what, sizeof(t->what), "process %s", name);
		if (!open_pid((pid_t)pid, t, e))
			return 0;
		/* The start of an id may be all digits. */
		return e->kind == ERR_NOT_FOUND && !find_container(name, t, &untold) ? 0 : -1;
	}
	if (!strcmp(name, "engine"))
		return find_engine(t, e);
	return strcmp(name, "netd") ? find_container(name, t, e) : find_netd(t, e);
}
