/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/process.c - the last steps: from root of the user namespace to the container's
 * own program
 *
 * Theory of operation
 *   The same for a container's init and for an exec.  The order matters:
 *
 *   1. what needs privilege or our descriptors: limits, ownership of stdio
 *   2. bounding set (needs SETPCAP), groups, gid, uid with PR_SET_KEEPCAPS
 *   3. capabilities; without no_new_privs SYS_ADMIN is kept one step longer, as a filter
 *      needs it then
 *   4. the directory and the command, looked up as that user
 *   5. the death signal: only now, as a change of ids clears it
 *   6. "ready": the last word on the socket that a filter could refuse
 *   7. the filter; then only capset, prctl and execve follow
 *
 *   The working directory is one that getcwd(2) can name: a descriptor of ours that leaked in
 *   through "/proc/self/fd/7" would be outside of the root (CVE-2024-21626).  Everything above
 *   the standard descriptors closes with exec.
 */
#include "base/fs.h"
#include "runtime/caps.h"
#include "base/proc.h"
#include "runtime/inside.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define FILTER_MAX 4096 /* BPF_MAXINSNS of the kernel */
#define EXIT_NO_EXEC 255

/* --- limits and ownership -------------------------------------------------------------------- */

static int set_limits(const struct spec_process *p, struct err *e)
{
	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct spec_rlimit *r = &p->rlimits[i];
		struct rlimit lim = { r->soft, r->hard };

		if (setrlimit(r->resource, &lim))
			return err_errno(e, errno,
				"error setting rlimits for ready process: error setting rlimit type %d",
				r->resource);
	}
	return 0;
}

static int set_oom_score(const struct spec_process *p, struct err *e)
{
	cleanup_close int fd = -1;
	char text[16];
	int n;

	if (!p->has_oom_score_adj)
		return 0;
	fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, "open /proc/self/oom_score_adj");
	n = snprintf(text, sizeof(text), "%d", p->oom_score_adj);
	if (write(fd, text, (size_t)n) == n)
		return 0;
	/* Below what we have ourselves is root's to give; as it is, is as near as we get. */
	if (errno == EACCES || errno == EPERM)
		return 0;
	return err_errno(e, errno, "write /proc/self/oom_score_adj");
}

/* A process that reopens /dev/stdout needs to own the pipe behind it. */
static void own_stdio(const struct spec_process *p, const struct stdio *io)
{
	struct stat st;
	int i;

	for (i = 0; i < 3; i++) {
		if (fstat(io->fd[i], &st) || st.st_uid == p->uid)
			continue;
		if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
			continue; /* the machine's /dev/null */
		if (fchown(io->fd[i], p->uid, st.st_gid) && errno == EBADF)
			return;
	}
}

/* The environment with HOME, to free() as one; the texts are not copied. */
static char **complete_env(int rootfd, const struct spec_process *p)
{
	size_t n = 0, i, home = SIZE_MAX;
	cleanup_free char *dir = NULL;
	char **env;

	for (; p->env[n]; n++) {
		if (!strncmp(p->env[n], "HOME=", 5))
			home = n;
	}
	env = xcalloc(n + 2, sizeof(char *));
	for (i = 0; i < n; i++)
		env[i] = p->env[i];
	if (home != SIZE_MAX && env[home][5])
		return env;
	dir = user_home(rootfd, p->uid);
	env[home != SIZE_MAX ? home : n] = xasprintf("HOME=%s", dir);
	return env;
}

/* --- identity ---------------------------------------------------------------------------------- */

static int drop_bounding(uint64_t keep, struct err *e)
{
	unsigned int n;

	/* To the kernel's last one, which may be newer than our names: EINVAL is past that. */
	for (n = 0; n < 64; n++) {
		if (!(keep & CAP_BIT(n)) && prctl(PR_CAPBSET_DROP, n, 0, 0, 0)) {
			if (errno == EINVAL)
				break;
			return err_errno(e, errno, "dropping capability %u", n);
		}
	}
	return 0;
}

static int set_ids(const struct spec_process *p, struct err *e)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return err_errno(e, errno, "keeping capabilities");
	/* Where setgroups is denied (one id mapped by its owner) there is no way to change them. */
	if (syscall(SYS_setgroups, p->n_groups, p->groups) && errno != EPERM)
		return err_errno(e, errno, "unable to setup user: setgroups");
	if (setresgid(p->gid, p->gid, p->gid)) {
		if (errno == EINVAL)
			return err_set(e, 0, "unable to setup user: cannot setgid to unmapped gid %u in "
				"user namespace", p->gid);
		return err_errno(e, errno, "unable to setup user: setgid");
	}
	if (setresuid(p->uid, p->uid, p->uid)) {
		if (errno == EINVAL)
			return err_set(e, 0, "unable to setup user: cannot setuid to unmapped uid %u in "
				"user namespace", p->uid);
		return err_errno(e, errno, "unable to setup user: setuid");
	}
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	return 0;
}

static int raise_ambient(uint64_t ambient, struct err *e)
{
	unsigned int n;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) && errno != EINVAL)
		return err_errno(e, errno, "clearing ambient capabilities");
	for (n = 0; n < 64; n++) {
		if (ambient & CAP_BIT(n) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0))
			return err_errno(e, errno, "raising ambient capability %u", n);
	}
	return 0;
}

/* What we have of @want: privilege that we lack ourselves cannot be passed on. */
static struct spec_caps within(const struct spec_caps *want, uint64_t have)
{
	return (struct spec_caps){ want->bounding, want->effective & have, want->permitted & have,
		want->inheritable & have, want->ambient & have };
}

static int become(const struct spec_process *p, uint64_t extra, struct spec_caps *caps,
	struct err *e)
{
	uint64_t eff, perm, inh;

	if (drop_bounding(p->caps.bounding, e) || set_ids(p, e))
		return -1;
	if (cap_get(&eff, &perm, &inh))
		return err_errno(e, errno, "reading capabilities");
	*caps = within(&p->caps, perm);
	if (cap_set((caps->effective | extra) & perm, (caps->permitted | extra) & perm,
		caps->inheritable))
		return err_errno(e, errno, "unable to apply caps");
	return raise_ambient(caps->ambient, e);
}

/* --- directory and command ----------------------------------------------------------------------- */

static int enter_cwd(const struct spec_process *p, struct err *e)
{
	char at[PATH_MAX];

	if (chdir(p->cwd))
		return err_errno(e, errno, "chdir to cwd (\"%s\") set in config.json failed", p->cwd);
	if (syscall(SYS_getcwd, at, sizeof(at)) <= 0 || at[0] != '/')
		return err_set(e, 0, "current working directory is outside of container mount "
			"namespace root -- possible container breakout detected");
	return 0;
}

static const char *env_get(char *const *env, const char *key)
{
	size_t n = strlen(key);
	const char *value = NULL;

	for (; *env; env++) { /* the last one counts, as in Go */
		if (!strncmp(*env, key, n) && (*env)[n] == '=')
			value = *env + n + 1;
	}
	return value ? value : "";
}

/* 0 if it can be executed, else an errno. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!faccessat(AT_FDCWD, path, X_OK, AT_EACCESS))
		return 0;
	return errno == EPERM || errno == ENOSYS ? (st.st_mode & 0111 ? 0 : EACCES) : errno;
}

static char *lookup_path(const char *name, struct err *e)
{
	int code = executable(name);

	if (!code)
		return xstrdup(name);
	if (code == EISDIR)
		err_set(e, 0, "exec: \"%s\": is a directory: permission denied", name);
	else if (code == EACCES)
		err_set(e, 0, "exec: \"%s\": permission denied", name);
	else
		err_set(e, 0, "exec: \"%s\": stat %s: %s", name, name, errno_text(code));
	if (e)
		e->code = code == EISDIR ? EACCES : code;
	return NULL;
}

char *process_lookup(const char *name, char *const *env, struct err *e)
{
	struct span dirs = span_of(env_get(env, "PATH")), dir;

	if (strchr(name, '/'))
		return lookup_path(name, e);
	while (*name && dirs.n && span_token(&dirs, ':', &dir)) {
		cleanup_free char *path = xasprintf("%.*s/%s", (int)dir.n, dir.p, name);

		/* An empty or relative part of PATH would run what lies in the working directory. */
		if (dir.n && *dir.p == '/' && !executable(path))
			return steal(&path);
	}
	err_set(e, 0, "exec: \"%s\": executable file not found in $PATH", name);
	if (e)
		e->code = ENOENT;
	return NULL;
}

/* --- the end ------------------------------------------------------------------------------------- */

int filter_load(const char *path, struct filter *f, struct err *e)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st))
		return err_set(e, errno, "opening the seccomp filter %s", path);
	if (st.st_size <= 0 || st.st_size % (off_t)sizeof(struct sock_filter) ||
		st.st_size > (off_t)(FILTER_MAX * sizeof(struct sock_filter)))
		return err_set(e, EINVAL, "seccomp filter %s of %lld bytes", path, (long long)st.st_size);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_set(e, errno, "reading the seccomp filter %s", path);
	f->insns = map;
	f->n = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
	return 0;
}

static int install_filter(const struct filter *f, struct err *e)
{
	struct sock_fprog prog = { f->n, f->insns };

	if (!f->insns)
		return 0;
	/* As runc: without SPEC_ALLOW every filtered process pays for Spectre mitigations. */
	if (!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog) ||
		!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		return 0;
	return err_errno(e, errno, "unable to init seccomp");
}

/* The monitor has no handlers, but ignores what is in its way; exec would pass that on. */
static void reset_signals(void)
{
	static const int ignored[] = MONITOR_IGNORED_SIGNALS;
	sigset_t none;

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* 0-2 in place; all above closes with exec. */
static int place_stdio(const struct stdio *io, struct err *e)
{
	int i;

	for (i = 0; i < 3; i++) { /* the sources are above 2, so none is overwritten before its turn */
		if (dup2(io->fd[i], i) < 0)
			return err_errno(e, errno, "placing descriptor %d", i);
	}
	if (proc_close_on_exec(3))
		return err_errno(e, errno, "closing descriptors");
	return 0;
}

/* The C library's _exit() tries for ever, and a filter may forbid even this call. */
__attribute__((noreturn)) static void give_up(void)
{
	syscall(SYS_exit_group, EXIT_NO_EXEC);
	__builtin_trap();
}

/* execve said no when it was too late to tell anybody but the container's own stderr. */
__attribute__((noreturn)) static void exec_failed(const char *path)
{
	char text[PATH_MAX + 128];
	int n = snprintf(text, sizeof(text), "exec %s: %s\n", path, errno_text(errno));

	if (write(2, text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1) < 0)
		give_up();
	give_up();
}

static int prepare(const struct spec_process *p, const struct stdio *io, struct err *e)
{
	if (set_oom_score(p, e))
		return -1;
	own_stdio(p, io);
	umask(p->umask < 0 ? 022 : (mode_t)p->umask);
	return 0;
}

int process_exec(int rootfd, struct spec_process *p, const struct filter *f,
	const struct stdio *io, struct err *e)
{
	uint64_t extra = f->insns && !p->no_new_privs ? CAP_BIT(CAP_SYS_ADMIN) : 0;
	struct spec_caps caps = { 0 };
	char **env, *path;

	if (prepare(p, io, e))
		return -1;
	env = complete_env(rootfd, p);
	close(rootfd); /* of no more use, but to a "/proc/self/fd/N" as working directory */
	if (become(p, extra, &caps, e) || enter_cwd(p, e))
		return -1;
	path = process_lookup(p->args[0], env, e);
	if (!path || set_limits(p, e)) /* few descriptors may be left now */
		return -1;
	if (p->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_errno(e, errno, "setting no_new_privs");
	reset_signals();
	if (place_stdio(io, e))
		return -1;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return err_errno(e, errno, "tying the process to its monitor");
	/* Nobody there to hear it: our monitor died before it could take us along. */
	if (send(io->ready, "", 1, MSG_NOSIGNAL) < 0)
		_exit(1);
	if (install_filter(f, e))
		return -1;
	if (extra && cap_set(caps.effective, caps.permitted, caps.inheritable))
		give_up();
	execve(path, p->args, env);
	exec_failed(path);
}
