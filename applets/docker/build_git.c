/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/build_git.c - a build's context that is a git repository
 *
 * Theory of operation
 *   What the stock client does with the classic builder: git init, fetch of the one commit, checkout, submodules, in
 *   a directory of its own; the messages are its, too.  git is the user's, with the user's configuration and keys;
 *   but what a repository names may not be a file of this machine.
 *
 *   Without a REF it is "master", as there, and where there is none, what the repository's HEAD is.
 *
 *   The directory is gone when its archive is made, when the command ends, and when a signal ends it: for that these
 *   are blocked in all threads but one, which waits for them.
 */
#include "build_git.h"

#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAID_MAX 384 /* bytes of what git says that are shown */
#define ARGS_MAX 8

extern char **environ;

static char *root; /* the directory; NULL: none was made */
static bool removed; /* it was */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards that */

bool build_git_is(const char *where)
{
	size_t n = strcspn(where, "#?");

	return !strncmp(where, "git@", 4) || !strncmp(where, "git://", 6) || !strncmp(where, "github.com/", 11) ||
	       (!strncmp(where, "http", 4) && strstr(where, "://") && n > 4 && !strncmp(where + n - 4, ".git", 4));
}

/* --- the end ------------------------------------------------------------------------------------------- */

void build_git_remove(void)
{
	pthread_mutex_lock(&lock);
	if (root && !removed)
		fs_remove_tree_at(AT_FDCWD, root, NULL);
	removed = root;
	pthread_mutex_unlock(&lock);
}

static sigset_t endings(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	return set;
}

static bool is_ending(int signo)
{
	sigset_t set = endings();

	return sigismember(&set, signo);
}

static void *await_ending(void *arg)
{
	sigset_t set = endings();
	int signo;

	(void)arg;
	if (sigwait(&set, &signo))
		return NULL;
	build_git_remove();
	signal(signo, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(signo);
	return NULL;
}

static int make_root(struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	cleanup_free char *template = xasprintf("%s/docker-build-gitXXXXXX", tmp && *tmp ? tmp : "/tmp");
	sigset_t set = endings();
	pthread_t thread;

	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (!mkdtemp(template))
		return err_set(e, errno, "making %s", template);
	root = realpath(template, NULL);
	if (!root || pthread_create(&thread, NULL, await_ending, NULL))
		return err_set(e, errno, "making %s", template);
	pthread_detach(thread);
	return 0;
}

/* --- git ------------------------------------------------------------------------------------------------- */

static int spawn(const char *const *args, pid_t *pid, int *out, struct err *e)
{
	const char *argv[ARGS_MAX + 6] = {"git", "-C", root, "-c", "protocol.file.allow=never"};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int ends[2], rc;

	memcpy(argv + 5, args, ARGS_MAX * sizeof(*args));
	if (pipe2(ends, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	rc = posix_spawnp(pid, "git", &actions, &attr, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	close(ends[1]);
	*out = ends[0];
	if (!rc)
		return 0;
	close(*out);
	return rc == ENOENT ? err_kind(e, ERR_NOT_FOUND, "unable to find 'git': exec: \"git\": executable file not found in $PATH") :
			      err_set(e, rc, "starting git");
}

/* Ctrl-C is for all of a terminal's programs: that git is gone first is no answer. */
static void die_of(int signo)
{
	kill(getpid(), signo);
	for (;;)
		pause();
}

/* Run it: 0, or -1 with @e: "…: exit status N".  e->kind is ERR_NOT_FOUND if there is no git. */
static int git(const char *const args[ARGS_MAX], struct err *e)
{
	char block[4096], said[SAID_MAX + 1];
	int out = -1, status = 0;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	if (spawn(args, &pid, &out, e))
		return -1;
	while ((got = read(out, block, sizeof(block))) > 0 || (got < 0 && errno == EINTR)) {
		size_t take = got > 0 && n + (size_t)got > SAID_MAX ? SAID_MAX - n : (size_t)(got > 0 ? got : 0);

		memcpy(said + n, block, take);
		n += take;
	}
	close(out);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status) && is_ending(WTERMSIG(status)))
		die_of(WTERMSIG(status));
	said[n] = 0;
	for (n = got = 0; said[n]; n++) /* as ssh ends its lines */
		if (said[n] != '\r')
			said[got++] = said[n];
	said[got] = 0;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return err_kind(e, ERR_FAILED, WIFEXITED(status) ? "%s: exit status %d" : "%s: signal %d", said,
		WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

#define GIT(e, ...) git((const char *const[ARGS_MAX]){__VA_ARGS__}, e)

/* Servers that are but files cannot leave out what is older. */
static int fetch_ref(const char *ref, struct err *e)
{
	if (!GIT(e, "fetch", "--depth", "1", "origin", "--", ref))
		return 0;
	return strcasestr(e->msg, "shallow") ? GIT(e, "fetch", "origin", "--", ref) : -1;
}

static int fetch(const char *remote, const char **ref, struct err *e)
{
	struct err why;

	if (GIT(e, "init"))
		return e->kind == ERR_NOT_FOUND ? -1 : err_wrap(e, "failed to init repo at %s", root);
	if (GIT(e, "remote", "add", "origin", remote))
		return err_wrap(e, "failed add origin repo at %s", root);
	if (**ref)
		return fetch_ref(*ref, e) ? err_wrap(e, "error fetching") : 0;
	*ref = "master";
	if (!fetch_ref(*ref, e))
		return 0;
	*ref = "FETCH_HEAD";
	return fetch_ref("HEAD", &why) ? err_wrap(e, "error fetching") : 0;
}

static int check_out(const char *ref, struct err *e)
{
	struct err second;

	/* By name, so that .git/HEAD is the branch; a tag or a commit is only what was fetched. */
	if (GIT(e, "checkout", ref) && GIT(&second, "checkout", "FETCH_HEAD"))
		return err_wrap(e, "error checking out %s", ref);
	return 0;
}

/* The directory of the repository that is the context, whatever links are in it; to free(). */
static char *find_directory(const char *subdir, struct err *e)
{
	cleanup_free char *path = xasprintf("%s/%s", root, subdir), *clean = fs_clean_path(path);
	cleanup_close int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	size_t n = strlen(root);
	char self[40], real[PATH_MAX];
	struct stat st;

	if (strncmp(clean, root, n) || (clean[n] && clean[n] != '/')) {
		err_kind(e, ERR_INVALID, "error setting git context, \"%s\" not within git root", subdir);
		return NULL;
	}
	fd = top < 0 ? -1 : fs_open_in_root(top, subdir, O_PATH | O_CLOEXEC, 0);
	if (fd < 0 || fstat(fd, &st)) {
		err_set(e, 0, "stat %s: %s", clean, errno == ENOENT ? "no such file or directory" : strerror(errno));
		return NULL;
	}
	if (!S_ISDIR(st.st_mode)) {
		err_kind(e, ERR_INVALID, "error setting git context, not a directory: %s", clean);
		return NULL;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (realpath(self, real))
		return xstrdup(real);
	err_set(e, errno, "finding %s", clean);
	return NULL;
}

static char *clone_repository(const char *where, struct err *e)
{
	bool plain = !strncmp(where, "github.com/", 11);
	cleanup_free char *remote = xasprintf("%s%.*s", plain ? "https://" : "", (int)strcspn(where, "#"), where);
	const char *hash = strchr(where, '#');
	cleanup_free char *wanted = xstrdup(hash ? hash + 1 : "");
	char *subdir = strchr(wanted, ':');
	const char *ref = wanted;

	if (subdir)
		*subdir++ = 0;
	if (*ref == '-') {
		err_kind(e, ERR_INVALID, "invalid refspec: %s", ref);
		return NULL;
	}
	if (make_root(e) || fetch(remote, &ref, e) || check_out(ref, e))
		return NULL;
	if (GIT(e, "submodule", "update", "--init", "--recursive", "--depth=1")) {
		err_wrap(e, "error initializing submodules");
		return NULL;
	}
	return find_directory(subdir && *subdir ? subdir : ".", e);
}

char *build_git_fetch(const char *where, struct err *e)
{
	char *dir;

	setenv("GIT_PROTOCOL_FROM_USER", "0", 1); /* as protocol.allow: what asks the user first is not for us */
	dir = clone_repository(where, e);
	if (dir)
		return dir;
	build_git_remove();
	if (e->kind != ERR_NOT_FOUND)
		err_wrap(e, "unable to 'git clone' to temporary context directory");
	else
		err_hint(e, "install git, or build from a directory: it is git that fetches a repository");
	return NULL;
}
