/* SPDX-License-Identifier: MIT */
/*
 * tests/lib/box.h - a container for a test, with a program inside that tells what it sees
 *
 * The test program is everything here: the engine's part, its own monitor (sandbox.h), and, copied
 * into a rootfs as /probe, what runs inside.  Included after unit.h, by programs that are about
 * containers only: it puts all of the program into a user namespace before main.
 */
#ifndef TESTS_LIB_BOX_H
#define TESTS_LIB_BOX_H

#include "sandbox.h"

#include "applets.h"

#include "base/clock.h"
#include "base/proc.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>

#define WAIT_MS 60000 /* for anything at all: a hang is a failure */

/* --- inside: /probe VERB ARGS... -------------------------------------------------------------- */

static inline void probe_status(void)
{
	static const char *const keys[] = { "Uid:", "Gid:", "Groups:", "CapInh:", "CapPrm:", "CapEff:",
		"CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:" };
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			if (!strncmp(line, keys[i], strlen(keys[i])))
				fputs(line, stdout);
		}
	}
}

/* "path flags type" of each mount, as the recorded answers of the real engine have it. */
static inline void probe_mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096], path[1024], flags[1024], *type;

	while (f && fgets(line, sizeof(line), f)) {
		type = strstr(line, " - ");
		if (type && sscanf(line, "%*s %*s %*s %*s %1023s %1023s", path, flags) == 2)
			printf("%s %s %.*s\n", path, flags, (int)strcspn(type + 3, " "), type + 3);
	}
}

static inline void probe_open_fds(void)
{
	int fd;

	for (fd = 0; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			printf("%d ", fd);
	}
}

static inline void winch(int sig)
{
	(void)sig;
}

static inline void probe_tty(void)
{
	struct sigaction sa = { .sa_handler = winch };
	struct winsize w;
	sigset_t set, old;
	int i;

	sigaction(SIGWINCH, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (i = 0; i < 2; i++) {
		ioctl(0, TIOCGWINSZ, &w);
		printf("%s %d %d %d\n", isatty(0) && isatty(1) && isatty(2) ? ttyname(0) : "no tty", w.ws_row,
			w.ws_col, tcgetsid(0) == getsid(0));
		fflush(stdout);
		if (!i)
			sigsuspend(&old);
	}
}

static inline void probe_try(void)
{
	printf("unshare %d\n", unshare(CLONE_NEWUSER) ? errno : 0);
	printf("mount %d\n", mount("x", "/tmp", "tmpfs", 0, NULL) ? errno : 0);
	printf("hostname %d\n", sethostname("x", 1) ? errno : 0);
	printf("clone3 %d\n", syscall(SYS_clone3, NULL, 0) ? errno : 0);
	printf("keyctl %d\n", syscall(SYS_keyctl, 0, 0, 0, 0, 0) ? errno : 0);
	printf("write %d\n", creat("/x", 0600) < 0 ? errno : 0);
	printf("sysctl %d\n",
		open("/proc/sys/net/core/somaxconn", O_WRONLY | O_CREAT | O_TRUNC, 0600) < 0 ? errno : 0);
}

static inline void probe_spew(long n)
{
	static char block[65536];

	memset(block, 'x', sizeof(block));
	while (n > 0) {
		size_t want = n < (long)sizeof(block) ? (size_t)n : sizeof(block);

		if (fd_write_full(1, block, want))
			exit(9);
		n -= (long)want;
	}
}

static inline int probe_show(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		printf("%s: %d\n", path, errno);
		return 0;
	}
	fflush(stdout);
	return fd_copy(fd, 1, -1, NULL) ? 1 : 0;
}

static inline int probe_background(void)
{
	if (!fork()) {
		pause();
		_exit(0);
	}
	puts("left one behind");
	return 4;
}

/* Set one member of the child's environment apart: "is A here", by its value. */
static inline int probe_env(char **names)
{
	for (; *names; names++)
		printf("%s=%s\n", *names, getenv(*names) ? getenv(*names) : "(none)");
	return 0;
}

static inline int probe_limits(void)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	printf("%d %d\n", (int)r.rlim_cur, (int)r.rlim_max);
	return 0;
}

static inline int probe(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	char host[65] = "", cwd[256] = "";

	if (!strcmp(verb, "exit"))
		return atoi(argv[2]);
	if (!strcmp(verb, "say"))
		return fputs(argv[2], stdout) < 0 || fputs(argv[3], stderr) < 0;
	if (!strcmp(verb, "cat"))
		return fd_copy(0, 1, -1, NULL) ? 1 : 0;
	if (!strcmp(verb, "die"))
		return raise(atoi(argv[2]));
	if (!strcmp(verb, "wait"))
		return fputs("up\n", stdout), fflush(stdout), pause();
	if (!strcmp(verb, "status"))
		probe_status();
	else if (!strcmp(verb, "mounts"))
		probe_mounts();
	else if (!strcmp(verb, "fds"))
		probe_open_fds();
	else if (!strcmp(verb, "tty"))
		probe_tty();
	else if (!strcmp(verb, "try"))
		probe_try();
	else if (!strcmp(verb, "spew"))
		probe_spew(atol(argv[2]));
	else if (!strcmp(verb, "show"))
		return probe_show(argv[2]);
	else if (!strcmp(verb, "background"))
		return probe_background();
	else if (!strcmp(verb, "env"))
		return probe_env(argv + 2);
	else if (!strcmp(verb, "limits"))
		return probe_limits();
	else if (!strcmp(verb, "where"))
		return printf("%s %s %d\n", getcwd(cwd, sizeof(cwd)), gethostname(host, 64) ? "" : host,
			       (int)getpid()) < 0;
	else
		return 99;
	return 0;
}

/* --- before main ------------------------------------------------------------------------------- */

static bool have_sandbox;
static uint64_t ids;
static int dir = -1;
static char base_dir[256];
static char *filter;

/* What the program is inside: the probe, or PID 1 before it. */
static inline void become_inside(void)
{
	bool init = !strcmp(sandbox_arg(0), "/sbin/docker-init");
	char *argv[8];
	int n;

	if (!init && strcmp(sandbox_arg(0), "/probe"))
		return;
	for (n = 0; n < 7 && *sandbox_arg(n); n++)
		argv[n] = xstrdup(sandbox_arg(n));
	argv[n] = NULL;
	setvbuf(stdout, NULL, _IOFBF, 8192);
	n = init ? docker_init_main(n, argv) : probe(n, argv);
	fflush(NULL);
	_exit(n);
}

__attribute__((constructor)) static void first_of_all(void)
{
	sandbox_role();
	become_inside();
	have_sandbox = sandbox_enter();
	ids = ns_ids_mapped();
}

static inline void copy_program(int root)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = openat(root, "probe", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	if (in < 0 || out < 0 || fd_copy(in, out, -1, NULL) || fchmod(out, 0755))
		abort();
	close(in);
	close(out);
}

static inline void rootfs_file(const char *path, const char *text, mode_t mode)
{
	if (file_write_at(dir, path, text, strlen(text), mode, 0, NULL))
		abort();
}

/* A directory with a rootfs, a place to mount it, and one for the monitor. */
static inline void setup(void)
{
	struct err e = ERR_INIT;
	char cache[300];
	json_t *caps;
	int root;

	if (!have_sandbox)
		SKIP("no user namespaces here");
	if (dir >= 0)
		return;
	snprintf(base_dir, sizeof(base_dir), "%.200s", tmp_path());
	chmod(base_dir, 0755);
	dir = tmp_dirfd();
	NEED(!fs_mkdir_p_at(dir, "rootfs/etc", 0755, &e) && !fs_mkdir_p_at(dir, "rootfs/tmp", 01777, &e));
	NEED(!fs_mkdir_p_at(dir, "mnt", 0755, &e) && !fs_mkdir_p_at(dir, "cache", 0755, &e));
	root = openat(dir, "rootfs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	copy_program(root);
	close(root);
	rootfs_file("rootfs/etc/passwd", "root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n",
		0644);
	rootfs_file("rootfs/etc/group", "root:x:0:\nwheel:x:10:bob\n", 0644);
	rootfs_file("rootfs/etc/plain", "no program\n", 0644);
	rootfs_file("rootfs/etc/garbage", "no program\n", 0755);
	caps = runtime_default_caps();
	root = openat(dir, "cache", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(cache, sizeof(cache), "%s/cache", base_dir);
	NEED(CHECK_OK(e, seccomp_compile(root, cache, NULL, caps, &filter, &e)));
	close(root);
	json_decref(caps);
}

/* --- a container ---------------------------------------------------------------------------------- */

struct box {
	json_t *request;
	int mon;	/* the monitor's directory */
	int ctl, client; /* -1: none */
	struct monitor_info info;
	struct monitor_exit exit;
	struct err e;
};

static inline void bind_host_libraries(json_t *spec)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	static const char *const dirs[] = { "/lib", "/lib64", "/usr" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		json_t *m = sandbox_json("{\"type\":\"bind\",\"options\":[\"rbind\",\"ro\",\"rprivate\"]}");

		json_set_str(m, "destination", dirs[i]);
		json_set_str(m, "source", dirs[i]);
		json_array_append_new(json_arr(spec, "mounts"), m);
	}
	json_append_str(json_arr(json_obj(spec, "process"), "env"), "ASAN_OPTIONS=detect_leaks=0");
#else
	(void)spec;
#endif
}

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

static inline struct box box_new(const char *name, const char *const *argv)
{
	struct box b = { .ctl = -1, .client = -1 };
	char rootfs[300], mnt[300], path[300];

	snprintf(rootfs, sizeof(rootfs), "%s/rootfs", base_dir);
	snprintf(mnt, sizeof(mnt), "%s/mnt", base_dir);
	snprintf(path, sizeof(path), "mon-%s", name);
	if (mkdirat(dir, path, 0700) && errno != EEXIST)
		abort();
	b.mon = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b.request = sandbox_request(rootfs, mnt, argv);
	bind_host_libraries(json_obj(b.request, "spec"));
	json_set_str(b.request, "seccomp", filter);
	return b;
}

static inline json_t *box_spec(struct box *b)
{
	return json_obj(b->request, "spec");
}

static inline json_t *box_process(struct box *b)
{
	return json_obj(box_spec(b), "process");
}

static inline void box_mount(struct box *b, const char *type, const char *source, const char *dest,
	const char *option)
{
	json_t *m = json_object(), *o = json_array();

	json_set_str(m, "type", type);
	json_set_str(m, "source", source);
	json_set_str(m, "destination", dest);
	json_append_str(o, option);
	json_set_new(m, "options", o);
	json_array_append_new(json_arr(box_spec(b), "mounts"), m);
}

/* Start with a client that gets all output; @in: gives input too. */
static inline bool box_start(struct box *b, bool in, bool framed)
{
	struct monitor_attach at = { .in = in, .out = true, .err = true, .framed = framed };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	at.fd = pair[1];
	at.detach_text = "detached\r\n";
	b->client = pair[0];
	b->ctl = monitor_start(b->mon, b->request, &at, 1, &b->info, &b->e);
	close(pair[1]);
	return b->ctl >= 0;
}

static inline bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, WAIT_MS) == 1;
}

/* Read until the end, or (until != NULL) until that has come. */
static inline char *read_client(int fd, const char *until)
{
	static char text[1 << 20];
	size_t n = 0;
	ssize_t got;

	while (readable(fd) && n < sizeof(text) - 1) {
		got = read(fd, text + n, sizeof(text) - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
		text[n] = 0;
		if (until && strstr(text, until))
			break;
	}
	text[n] = 0;
	return text;
}

static inline int box_end(struct box *b)
{
	int code = -1;

	if (b->ctl >= 0) {
		if (CHECK(readable(b->ctl)) &&
			CHECK_INT(monitor_read_exit(b->ctl, b->mon, &b->exit, &b->e), 1))
			code = b->exit.exit_code;
		close(b->ctl);
	}
	if (b->client >= 0)
		close(b->client);
	close(b->mon);
	json_decref(b->request);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return code;
}

/* Run to the end; its output. */
static inline char *run(struct box *b, int want)
{
	static char none[1];
	char *out = none;

	if (CHECK_OK(b->e, box_start(b, false, false) ? 0 : -1))
		out = read_client(b->client, NULL);
	CHECK_INT(box_end(b), want);
	return out;
}

static inline char *run_argv(int want, const char *const *argv)
{
	struct box b = box_new("one", argv);

	return run(&b, want);
}

#endif
